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
    /// Others may write the file.
    FILE_WRITABLE {
        number: "V0604",
        title: "a site file that others may write",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "What stands in a site file counts as its owner's word, so nobody else may be able to write it. A \
                      group is taken for the owner's own when it has the owner's number, as with user-private groups. \
                      The message has the command that mends it.",
        wrong: "# sites.d/blog.yaml has mode 0666\nhosts: blog.example.com\nupstream: 5000\n",
        right: SMALL,
    }
    /// Others may put files into the folder, or move them away.
    FOLDER_WRITABLE {
        number: "V0605",
        title: "a folder of site files that others may write",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "Whoever may write a folder may rename and remove every file in it. A folder that several users \
                      write must be sticky (chmod +t): then each can touch the own files only. Better still is a \
                      folder for each user, owned by that user. The message has the command that mends it.",
        wrong: "# sites.d has mode 0777\nhosts: blog.example.com\nupstream: 5000\n",
        right: SMALL,
    }
    /// Another user's file in a user's folder.
    FILE_MISPLACED {
        number: "V0606",
        title: "a file of another user than its folder's",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "In a user's folder lie that user's files: any other file there was moved in by somebody who need \
                      not be its owner. (A file of root in a user's folder counts as that user's.) For the same reason \
                      a file of root is refused in a folder into which everybody may put files: the operator's files \
                      lie in a folder that only root writes.",
        wrong: "# sites.d/ann/blog.yaml is owned by bob\nhosts: blog.example.com\nupstream: 5000\n",
        right: SMALL,
    }
    /// More files than the limit.
    SITES_LIMIT {
        number: "V0607",
        title: "more site files than this user may have",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "The operator limits how many site files one user has (limits.sites of the settings). The files \
                      that came first work; this one is not read until another is removed.",
        wrong: "# the 1001st file of ann\nhosts: blog.example.com\nupstream: 5000\n",
        right: SMALL,
    }
}
