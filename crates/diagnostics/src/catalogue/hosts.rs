//! V03xx: the names of a site.

use super::{Code, Entry, FoundBy};
use crate::Severity;

catalogue! {
    /// Not a hostname.
    BAD_HOST {
        number: "V0301",
        title: "not a hostname",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "A host is a DNS name such as blog.example.com (international names too), a wildcard for one \
                      label such as \"*.example.com\", or an IP address. No scheme, port or path belongs to it: \
                      ports are those of the gateway, paths are routes.",
        wrong: "hosts: https://blog.example.com/\nupstream: 5000\n",
        right: "hosts: blog.example.com\nupstream: 5000\n",
    }
    /// A name listed twice in one file.
    DUPLICATE_HOST {
        number: "V0302",
        title: "a name listed twice",
        severity: Severity::Warning,
        found_by: FoundBy::Site,
        explanation: "Names are compared in their normal form: letter case and a trailing dot make no difference, and \
                      an international name equals its xn-- form. The second is ignored.",
        wrong: "hosts: [blog.example.com, Blog.Example.COM]\nupstream: 5000\n",
        right: "hosts: [blog.example.com]\nupstream: 5000\n",
    }
    /// A name already held by another site.
    HOST_CLAIMED {
        number: "V0303",
        title: "a name that another site holds",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "The earlier claim on a name holds, also over a restart, whatever the files are called. The other \
                      names of this file work. Ask the owner of the other site to give the name up, or the operator to \
                      decide.",
        wrong: "# ann/blog.yaml has held blog.example.com since yesterday; this is bob/blog.yaml\nhosts: blog.example.com\nupstream: 5001\n",
        right: "hosts: bob.example.com\nupstream: 5001\n",
    }
    /// A wildcard over a whole top-level domain.
    BROAD_WILDCARD {
        number: "V0304",
        title: "a wildcard over a top-level domain",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "A wildcard such as \"*.com\" would claim the names of everybody. Only the top-level domains that \
                      never exist in the public DNS (.localhost, .test, .internal and the like) may stand right after \
                      the asterisk.",
        wrong: "hosts: \"*.com\"\nupstream: 5000\n",
        right: "hosts: \"*.example.com\"\nupstream: 5000\n",
    }
    /// Canonical is not one of the hosts.
    CANONICAL_NOT_LISTED {
        number: "V0305",
        title: "canonical is not one of the hosts",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "The other names of the site redirect to the canonical one, so the site must answer for it: list \
                      it under hosts, written out and not as a wildcard.",
        wrong: "hosts: example.com\ncanonical: www.example.com\nupstream: 5000\n",
        right: "hosts: [example.com, www.example.com]\ncanonical: www.example.com\nupstream: 5000\n",
    }
}
