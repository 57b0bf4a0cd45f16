//! V01xx: the text is no YAML, or YAML that a site file has no use for.

use super::{Code, Entry, FoundBy};
use crate::Severity;

catalogue! {
    /// The text is not YAML.
    SYNTAX {
        number: "V0101",
        title: "not valid YAML",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "The text cannot be read as YAML: a bracket or quote is left open, a line is indented unlike its \
                      neighbours or by tabs, a colon stands where none can be. Nothing after that place was read.",
        wrong: "hosts: [blog.example.com\nupstream: 5000\n",
        right: "hosts: [blog.example.com]\nupstream: 5000\n",
    }
    /// Over a budget of the reader.
    TOO_COMPLEX {
        number: "V0102",
        title: "larger or deeper than any file of its kind needs to be",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "The reader has a budget for size, depth and number of values, so that no file can cost the \
                      gateway time or memory that belongs to others. No sensible file comes near it: look for a \
                      generator that ran away, or split the site into several files.",
        wrong: "hosts: [[[[[[[[[[[[[[[[[blog.example.com]]]]]]]]]]]]]]]]]\nupstream: 5000\n",
        right: "hosts: [blog.example.com]\nupstream: 5000\n",
    }
    /// The bytes are no text.
    NOT_UTF8 {
        number: "V0103",
        title: "not UTF-8",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "Files are UTF-8. The place shown holds bytes that are not: the file is no text, or was saved in \
                      another encoding such as Latin-1 or UTF-16. Save it as UTF-8.",
        wrong: "hosts: blog.example.com # saved as Latin-1: \u{fffd}\nupstream: 5000\n",
        right: "hosts: blog.example.com # saved as UTF-8: ä\nupstream: 5000\n",
    }
    /// YAML features with no place here.
    UNSUPPORTED_YAML {
        number: "V0104",
        title: "a YAML feature that is not used here",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "Anchors (&name), aliases (*name), merge keys (<<), tags (!name) and several documents in one \
                      file are refused: they make a file mean something else than it shows, and small files grow \
                      large. The usual reason is a wildcard without quotes, since *.example.com is an alias in YAML.",
        wrong: "hosts: *.example.com\nupstream: 5000\n",
        right: "hosts: \"*.example.com\"\nupstream: 5000\n",
    }
    /// Nothing in the file.
    EMPTY_FILE {
        number: "V0105",
        title: "nothing in the file",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "The file has no value at all, or comments only. An empty site file declares nothing, and is \
                      more likely the first half of an edit than a wish: remove the file to remove the site.",
        wrong: "# hosts: blog.example.com\n# upstream: 5000\n",
        right: "hosts: blog.example.com\nupstream: 5000\n",
    }
    /// More findings than are shown.
    MORE_FINDINGS {
        number: "V0106",
        title: "further findings are not shown",
        severity: Severity::Warning,
        found_by: FoundBy::Context,
        explanation: "A file with very many mistakes is reported up to a limit; the rest shows when the first are \
                      repaired.",
        wrong: "hosts: blog.example.com\nupstream: 5000\n# and some hundred unknown keys\n",
        right: "hosts: blog.example.com\nupstream: 5000\n",
    }
}
