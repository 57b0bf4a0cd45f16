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
        explanation: "The user who first claimed a name holds it, also over a restart, whatever the files are called, \
                      and for a grace period after the last of his sites let it go. The other names of this file \
                      work. Ask the holder to give the name up, or the operator to decide: `vestibule claims` shows \
                      him who holds what, and `vestibule claims transfer` and `release` move a name.",
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
    /// A name that belongs to another tenant's.
    HOST_RESERVED {
        number: "V0306",
        title: "a name that another tenant's name reserves",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "Whoever holds example.com holds everything below it too: no other user may claim \
                      shop.example.com or \"*.example.com\", unless the operator lists that name under the tenant's \
                      hosts in the settings. Nor may a wildcard be claimed over names that others hold. What was \
                      claimed before stays its holder's. The other names of this file work.",
        wrong: "# example.com is held by another user\nhosts: shop.example.com\nupstream: 5000\n",
        right: "hosts: shop.example.net\nupstream: 5000\n",
    }
    /// A public suffix.
    PUBLIC_SUFFIX {
        number: "V0307",
        title: "a name below which everybody registers names",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "Names such as com, co.uk and github.io (the public suffix list has them all) belong to no single \
                      tenant, and neither does a wildcard right below them: it would take the names of everybody. \
                      Nor does a wildcard right below a name of one label, such as localhost or lan. \
                      Claim the name that you registered. Only the operator may serve such a name, or list it under \
                      a tenant's hosts in the settings.",
        wrong: "hosts: \"*.co.uk\"\nupstream: 5000\n",
        right: "hosts: \"*.example.co.uk\"\nupstream: 5000\n",
    }
    /// Not on the tenant's list.
    HOST_NOT_ALLOWED {
        number: "V0308",
        title: "a name that this user may not claim",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "The operator lists in the settings, under hosts of a tenant or of all, which names may be claimed. \
                      A wildcard there stands for every name below it, however deep. The other names of this file \
                      work.",
        wrong: "# tenants: {ann: {hosts: [\"*.ann.example\"]}}\nhosts: blog.example.com\nupstream: 5000\n",
        right: "hosts: blog.ann.example\nupstream: 5000\n",
    }
    /// More names than the limit.
    NAMES_LIMIT {
        number: "V0309",
        title: "more names than this user may hold",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "The operator limits how many names one user holds (limits.names of the settings). Names that were \
                      given up count until their grace period is over. The names held so far work; this one waits \
                      until there is room.",
        wrong: "# ann holds as many names as she may\nhosts: one-more.example.com\nupstream: 5000\n",
        right: "# after another name was given up, and its grace is over\nhosts: one-more.example.com\nupstream: 5000\n",
    }
    /// Not proved.
    HOST_UNPROVEN {
        number: "V0310",
        title: "a name that waits for its proof",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "With `claims: {proof: dns-txt}` in the settings, the first claim of a public name needs a TXT \
                      record that names its user: whoever can write it has the domain. It is looked for again and \
                      again; when it is found, the name goes live without an edit, and the record may go. Names below \
                      a name that the user holds need none. The other names of this file work.",
        wrong: "# no TXT record at _vestibule.blog.example.com\nhosts: blog.example.com\nupstream: 5000\n",
        right: "# _vestibule.blog.example.com. IN TXT \"uid=1000\"\nhosts: blog.example.com\nupstream: 5000\n",
    }
}
