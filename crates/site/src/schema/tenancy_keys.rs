//! The keys of `claims`, `upstreams` and `tenants`, in the settings file.

use std::time::Duration;

use super::table::{Key, Shape, Table};

/// Entries of a list of a rule.
const LIST_LIMIT: usize = 1000;
/// Tenants with a rule of their own.
const TENANTS_LIMIT: usize = 100_000;
const COUNT: Shape = Shape::Number { least: 0, most: 1_000_000_000 };
const BYTES: Shape = Shape::Size { least: 0, most: 1 << 50 };
const PLACES: Shape = Shape::AnyNumber { of: &Shape::Address("a place to connect to"), most: LIST_LIMIT };

/// `claims`.
pub(crate) static CLAIMS: Table = Table {
    place: "`claims`",
    keys: &[
        Key {
            name: "grace",
            shape: Shape::Duration { least: Duration::ZERO, most: Duration::from_secs(365 * 86_400) },
            default: "7d",
            doc: "A name that its site gave up stays its tenant's for so long: nobody else gets it by waiting for a slip of \
                  the hand. The tenant itself may take it again at once, in any of its files.",
            example: "claims:\n  grace: 30d",
            elsewhere: &["grace_period", "hold"],
        },
        Key {
            name: "subdomains",
            shape: Shape::Choice(&["reserved", "open"]),
            default: "reserved",
            doc: "Whose the names below a claimed name are: its holder's, or whoever's claims them first. The operator \
                  delegates single names with `hosts` of a tenant.",
            example: "claims:\n  subdomains: open",
            elsewhere: &["subdomain", "wildcards"],
        },
        Key {
            name: "proof",
            shape: Shape::Choice(&["first-come", "dns-txt"]),
            default: "first-come",
            doc: "What a first claim of a public name needs: being the first, or a TXT record `_vestibule.NAME` that says \
                  `uid=NUMBER`.",
            example: "claims:\n  proof: dns-txt",
            elsewhere: &["verify", "verification"],
        },
    ],
};

/// `upstreams`.
pub(crate) static UPSTREAMS: Table = Table {
    place: "`upstreams`",
    keys: &[
        Key {
            name: "owner",
            shape: Shape::Choice(&["enforce", "warn", "off"]),
            default: "enforce",
            doc: "What happens when the process behind a tenant's upstream on this machine is another user's: the request is \
                  refused and nothing is sent, or it is forwarded and told, or nobody asks. The operator's sites may use \
                  anybody's.",
            example: "upstreams:\n  owner: warn",
            elsewhere: &["verify_owner", "check_owner"],
        },
        Key {
            name: "refuse",
            shape: PLACES,
            default: "none",
            doc: "Places of the box that no tenant's site may forward to, whatever else allows it: databases, caches, the \
                  programs of the operator. The gateway's own sockets, link-local and metadata addresses are always refused.",
            example: "upstreams:\n  refuse: [\"*:5432\", \"*:6379\", \"127.0.0.1:9000-9099\", \"unix:/run/docker.sock\"]",
            elsewhere: &["deny", "block", "blocked", "forbid"],
        },
    ],
};

/// One of `tenants`.
pub(crate) static TENANT: Table = Table {
    place: "a tenant",
    keys: &[
        Key {
            name: "hosts",
            shape: Shape::AnyNumber { of: &Shape::Text("a host name"), most: LIST_LIMIT },
            default: "any name that nobody holds",
            doc: "The names that this tenant may claim, and nothing else. A wildcard stands for every name below it, however \
                  deep. A name that is listed here is the tenant's also below a name that another holds.",
            example: "tenants:\n  shop:\n    hosts: [shop.example, \"*.shop.example\"]",
            elsewhere: &["names", "domains", "allow"],
        },
        Key {
            name: "upstreams",
            shape: PLACES,
            default: "its own sockets on this machine",
            doc: "Places that this tenant may forward to beyond its own sockets on loopback: other hosts, or sockets of \
                  others. A place is `HOST:PORTS` or `unix:/path`; a host is an address, a network, a name or `*`, and ports \
                  are one, a range, or `*`.",
            example: "tenants:\n  shop:\n    upstreams: [\"10.0.0.5:80\", \"10.1.0.0/16:8000-8099\", \"unix:/run/shared\"]",
            elsewhere: &["upstream", "backends", "allow_upstreams"],
        },
        Key {
            name: "owners",
            shape: Shape::AnyNumber { of: &Shape::Address("a user"), most: LIST_LIMIT },
            default: "none",
            doc: "Users, by name or number, whose sockets this tenant may forward to beside its own: `root` for what a \
                  container engine publishes, `www-data` for an interpreter that all share.",
            example: "tenants:\n  shop:\n    owners: [www-data]",
            elsewhere: &["users", "owner", "uids"],
        },
        Key {
            name: "limits",
            shape: Shape::Mapping(&LIMITS),
            default: "see each",
            doc: "How much of the box this tenant may have, summed over its sites. Refusals are counted for the tenant.",
            example: "tenants:\n  default:\n    limits:\n      requests_per_second: 500\n  shop:\n    limits:\n      \
                      requests_per_second: 5000",
            elsewhere: &["limit", "budget", "quota"],
        },
    ],
};

/// `tenants` itself.
pub(crate) const TENANTS: Shape =
    Shape::Entries { keys: "users, or `default`", of: &Shape::Mapping(&TENANT), most: TENANTS_LIMIT };

macro_rules! limit {
    ($name:literal, $shape:expr, $default:literal, $doc:literal) => {
        Key {
            name: $name,
            shape: $shape,
            default: $default,
            doc: $doc,
            example: concat!("tenants:\n  default:\n    limits:\n      ", $name, ": ", $default),
            elsewhere: &[],
        }
    };
}

/// `limits` of a tenant.
pub(crate) static LIMITS: Table = Table {
    place: "`limits` of a tenant",
    keys: &[
        limit!("connections", COUNT, "5000", "Open client connections."),
        limit!("requests_in_flight", COUNT, "2000", "Requests that are being answered (503)."),
        limit!("requests_per_second", COUNT, "5000", "Requests begun per second, with a burst of as many (429)."),
        limit!("handshakes_per_second", COUNT, "500", "TLS handshakes begun per second, with a burst of as many."),
        limit!(
            "bandwidth",
            BYTES,
            "1GiB",
            "Bytes per second of bodies and tunnels, in both directions together; what is more waits."
        ),
        limit!("buffered", BYTES, "64MiB", "Bytes of bodies that the gateway holds in memory."),
        limit!("tunnels", COUNT, "2000", "Upgraded connections (503)."),
        limit!("upstream_connections", COUNT, "1000", "Open connections to backends (503)."),
        limit!("sites", COUNT, "1000", "Site files."),
        limit!("names", COUNT, "2000", "Names held, those in their grace included."),
        limit!("certificates", COUNT, "1000", "Names for which public CAs are asked."),
        limit!("logs", BYTES, "100MiB", "Bytes of access logs that are kept."),
    ],
};
