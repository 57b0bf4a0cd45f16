//! V02xx: keys and their values.

use super::{Code, Entry, FoundBy};
use crate::Severity;

catalogue! {
    /// A key nobody knows.
    UNKNOWN_KEY {
        number: "V0201",
        title: "unknown key",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "No such key exists at this place. It is an error and not ignored, because a mistyped key would \
                      silently leave the default in force: a limit that limits nothing. All keys are in \
                      docs/site-file.md and in `vestibule schema`.",
        wrong: "hosts: blog.example.com\nupstram: 5000\nupstream: 5000\n",
        right: "hosts: blog.example.com\nupstream: 5000\n",
    }
    /// A required key is missing.
    MISSING_KEY {
        number: "V0202",
        title: "a required key is missing",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "The mapping says nothing useful without this key: a site without hosts answers for no name, a \
                      certificate chain without its key proves nothing.",
        wrong: "upstream: 5000\n",
        right: "hosts: blog.example.com\nupstream: 5000\n",
    }
    /// A value of the wrong shape.
    WRONG_TYPE {
        number: "V0203",
        title: "a value of the wrong shape",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "A list stands where one value is expected, a mapping where text is, or nothing at all. Only \
                      true and false are truth values; yes, no, on and off are text.",
        wrong: "hosts: blog.example.com\nupstream: 5000\nredirect_to_https: yes\n",
        right: "hosts: blog.example.com\nupstream: 5000\nredirect_to_https: true\n",
    }
    /// A value that cannot be read.
    BAD_VALUE {
        number: "V0204",
        title: "a value that cannot be read",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "The value has the right shape but makes no sense: a duration without its unit, a word that is \
                      not one of the choices, a path that is not absolute. Durations are written 250ms, 10s, 5m, 2h \
                      or 1d; sizes 1024, 64KiB, 10MiB.",
        wrong: "hosts: blog.example.com\nupstream: 5000\ntimeouts:\n  connect: 10\n",
        right: "hosts: blog.example.com\nupstream: 5000\ntimeouts:\n  connect: 10s\n",
    }
    /// A value outside its range.
    OUT_OF_RANGE {
        number: "V0205",
        title: "a value outside its range",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "The value is too small to work or so large that it would be no limit. The reference names the \
                      range of every key.",
        wrong: "hosts: blog.example.com\nrespond:\n  status: 99\n",
        right: "hosts: blog.example.com\nrespond:\n  status: 503\n",
    }
    /// Keys that exclude each other.
    CONFLICTING_KEYS {
        number: "V0206",
        title: "keys that exclude each other",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "Each of the keys says something different about the same thing, and neither is preferred by \
                      guessing. Keep one of them.",
        wrong: "hosts: blog.example.com\nupstream: 5000\nrespond: closed for today\n",
        right: "hosts: blog.example.com\nupstream: 5000\n",
    }
    /// A key written twice.
    DUPLICATE_KEY {
        number: "V0207",
        title: "a key written twice",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "YAML wants every key of a mapping once. Which of the two is meant cannot be known; keep one.",
        wrong: "hosts: blog.example.com\nupstream: 5000\nupstream: 5001\n",
        right: "hosts: blog.example.com\nupstream: [5000, 5001]\n",
    }
    /// A key that changes nothing here.
    NO_EFFECT {
        number: "V0208",
        title: "something that changes nothing here",
        severity: Severity::Warning,
        found_by: FoundBy::Site,
        explanation: "It is understood, but has no effect at this place, so that the file does not do what it seems \
                      to say. Remove it, or look for what was meant.",
        wrong: "hosts: blog.example.com\nupstream: 5000\nupstream_tls:\n  server_name: api.internal\n",
        right: "hosts: blog.example.com\nupstream: https://127.0.0.1:5000\nupstream_tls:\n  server_name: api.internal\n",
    }
    /// A header the gateway keeps to itself.
    RESERVED_HEADER {
        number: "V0209",
        title: "a header the gateway keeps to itself",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "Fields that frame a message (Content-Length, Transfer-Encoding, Trailer), that belong to one \
                      connection (Connection, Upgrade, Keep-Alive, TE, Proxy-*), or that say who is asking for what \
                      (Host, Forwarded, X-Forwarded-*, X-Real-IP) are written by the gateway alone. A file that could \
                      change them could make two readers understand one request differently.",
        wrong: "hosts: blog.example.com\nupstream: 5000\nheaders:\n  request:\n    set:\n      X-Forwarded-For: 10.0.0.1\n",
        right: "hosts: blog.example.com\nupstream: 5000\nheaders:\n  request:\n    set:\n      X-Deployment: blue\n",
    }
    /// A header field that HTTP does not allow.
    BAD_HEADER {
        number: "V0210",
        title: "not a header field",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "A field name consists of letters, digits and a few signs such as the hyphen; a field value of \
                      visible ASCII characters, blanks and tabs, on one line (RFC 9110 section 5).",
        wrong: "hosts: blog.example.com\nupstream: 5000\nheaders:\n  response:\n    set:\n      \"X Frame Options\": DENY\n",
        right: "hosts: blog.example.com\nupstream: 5000\nheaders:\n  response:\n    set:\n      X-Frame-Options: DENY\n",
    }
}
