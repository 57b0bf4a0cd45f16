//! V06xx: the site file itself, before its text.

use super::{Code, Entry, FoundBy};
use crate::Severity;

const SMALL: &str = "hosts: blog.example.com\nupstream: 5000\n";

catalogue! {
    /// The site file cannot be opened safely.
    FILE_UNREADABLE {
        number: "V0601",
        title: "a site file that cannot be opened safely",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "A site file is a regular file that the gateway may read: no symbolic link, pipe, device or socket. \
                      Symbolic links are refused because whoever makes one need not own what it shows.",
        wrong: "# sites.d/blog.yaml is a symbolic link to /home/ann/blog.yaml\nhosts: blog.example.com\nupstream: 5000\n",
        right: SMALL,
    }
    /// The site file is over the size limit.
    FILE_TOO_LARGE {
        number: "V0602",
        title: "a site file over the size limit",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "Files over limits.site_file of the settings are not read at all. Split the site into several \
                      files, or ask the operator to raise the limit.",
        wrong: "# followed by a megabyte of comments\nhosts: blog.example.com\nupstream: 5000\n",
        right: SMALL,
    }
    /// A file name that is no site id.
    BAD_FILE_NAME {
        number: "V0603",
        title: "a file name that cannot name a site",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "A site is known by the path of its file: NAME.yaml or NAME.yml, at most one folder down, of \
                      letters, digits, dots, hyphens and underscores, and not beginning with a dot.",
        wrong: "# sites.d/my blog!.yaml\nhosts: blog.example.com\nupstream: 5000\n",
        right: "# sites.d/my-blog.yaml\nhosts: blog.example.com\nupstream: 5000\n",
    }
}
