//! The keys of the settings file.

use std::time::Duration;

use super::{
    acme_keys,
    table::{Key, Shape, Table},
    tenancy_keys,
};

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const WAIT: Shape = Shape::Duration { least: MILLISECOND, most: HOUR };
const LISTENERS: Shape = Shape::AnyNumber { of: &Shape::Address("an address to listen on"), most: 32 };

/// The top level.
pub(crate) static SETTINGS: Table = Table {
    place: "the settings",
    keys: &[
        Key {
            name: "listen",
            shape: Shape::Mapping(&LISTEN),
            default: "see each",
            doc: "The addresses that the gateway binds.",
            example: "listen:\n  http: 80\n  https: [\"0.0.0.0:443\", \"[::1]:443\"]",
            elsewhere: &["listeners", "bind", "ports"],
        },
        Key {
            name: "sites",
            shape: Shape::Text("a folder"),
            default: "/etc/vestibule/sites.d as root, else ./sites.d",
            doc: "The folder of site files: `*.yaml` and `*.yml` in it or one folder down.",
            example: "sites: /srv/sites.d",
            elsewhere: &["sites_dir", "site_files", "include"],
        },
        Key {
            name: "state",
            shape: Shape::Text("a folder"),
            default: "/var/lib/vestibule as root, else a folder of the user's",
            doc: "The gateway's own folder: claims, last good versions, certificates, the local CA.",
            example: "state: /var/lib/vestibule",
            elsewhere: &["state_dir", "data", "storage"],
        },
        Key {
            name: "user",
            shape: Shape::Address("a user"),
            default: "the user who starts it",
            doc: "When root starts the gateway: the user, by name or number, as whom it goes on, with the right to low \
                  ports and no other. The state folder must belong to that user; it is made if it is missing. With \
                  systemd the unit says it (`User=`). `root` keeps all power, and the warning about it quiet.",
            example: "user: vestibule",
            elsewhere: &["run_as", "username", "setuid"],
        },
        Key {
            name: "workers",
            shape: Shape::Number { least: 1, most: 1024 },
            default: "one per core",
            doc: "Threads that serve connections, each with its own accept sockets and upstream pools.",
            example: "workers: 4",
            elsewhere: &["threads", "worker_processes"],
        },
        Key {
            name: "acme",
            shape: Shape::Mapping(&acme_keys::ACME),
            default: "no CA is asked",
            doc: "Certificates from public CAs, for every site whose `tls` does not say otherwise. It begins with `agree: \
                  true`; all else is optional. [certificates.md](certificates.md) tells the whole story.",
            example: "acme:\n  agree: true\n  email: ops@example.com",
            elsewhere: &[
                "letsencrypt",
                "lets_encrypt",
                "certificatesresolvers",
                "certificates_resolvers",
                "certificates",
                "certbot",
                "acme_ca",
                "tls",
                "ssl",
            ],
        },
        Key {
            name: "claims",
            shape: Shape::Mapping(&tenancy_keys::CLAIMS),
            default: "see each",
            doc: "How tenants hold names. The first who validly claims a name holds it, over restarts too; \
                  [tenants.md](tenants.md) tells the whole story.",
            example: "claims:\n  grace: 30d",
            elsewhere: &["claim", "ownership"],
        },
        Key {
            name: "upstreams",
            shape: Shape::Mapping(&tenancy_keys::UPSTREAMS),
            default: "see each",
            doc: "To what the gateway connects for tenants: their own sockets on this machine, and what the operator allows.",
            example: "upstreams:\n  owner: enforce",
            elsewhere: &["backends", "upstream_policy"],
        },
        Key {
            name: "tenants",
            shape: tenancy_keys::TENANTS,
            default: "the gateway's own",
            doc: "What single tenants may do, by user name or number; `default` is for everybody who is not listed, and for \
                  what an entry does not say. A user whose name is `default` is written by number.",
            example: "tenants:\n  shop:\n    hosts: [\"*.shop.example\"]",
            elsewhere: &["tenant", "users", "accounts"],
        },
        Key {
            name: "limits",
            shape: Shape::Mapping(&LIMITS),
            default: "see each",
            doc: "Limits of the gateway as a whole. A size is written `1024`, `64KiB`, `10MiB` or `1GiB`.",
            example: "limits:\n  connections_per_client: 200",
            elsewhere: &["limit"],
        },
        Key {
            name: "timeouts",
            shape: Shape::Mapping(&TIMEOUTS),
            default: "see each",
            doc: "Waits of the gateway as a whole. A duration is written `250ms`, `10s`, `5m`, `2h` or `1d`.",
            example: "timeouts:\n  drain_grace: 2m",
            elsewhere: &["timeout"],
        },
        Key {
            name: "admin",
            shape: Shape::Mapping(&ADMIN),
            default: "see each",
            doc: "Where the running gateway is asked.",
            example: "admin:\n  address: 127.0.0.1:9180",
            elsewhere: &["control", "api"],
        },
        Key {
            name: "log",
            shape: Shape::Mapping(&LOG),
            default: "see each",
            doc: "What is written, and where to.",
            example: "log:\n  format: json",
            elsewhere: &["logs", "logging"],
        },
        Key {
            name: "trusted_proxies",
            shape: Shape::AnyNumber { of: &Shape::Text("a network or address"), most: 1000 },
            default: "none",
            doc: "Networks of proxies in front of this gateway: what they say in `X-Forwarded-*` and `Forwarded` is \
                  believed. From everybody else these fields are dropped.",
            example: "trusted_proxies: [10.0.0.0/8, \"2001:db8::/32\"]",
            elsewhere: &["trusted", "real_ip", "set_real_ip_from"],
        },
    ],
};

/// `listen`.
pub(crate) static LISTEN: Table = Table {
    place: "`listen`",
    keys: &[
        Key {
            name: "http",
            shape: LISTENERS,
            default: "port 80 of all addresses with the privilege for it, else 127.0.0.1:8080",
            doc: "For clear HTTP: `80` (all addresses), `127.0.0.1:8080`, `\"[::1]:8080\"`, or a list. An empty list is no \
                  such listener.",
            example: "listen:\n  http: 127.0.0.1:8080",
            elsewhere: &["clear", "plain"],
        },
        Key {
            name: "https",
            shape: LISTENERS,
            default: "port 443 of all addresses with the privilege for it, else 127.0.0.1:8443",
            doc: "For HTTPS.",
            example: "listen:\n  https: [443, 8443]",
            elsewhere: &["tls", "ssl"],
        },
    ],
};

/// `limits`.
pub(crate) static LIMITS: Table = Table {
    place: "`limits`",
    keys: &[
        Key {
            name: "connections",
            shape: Shape::Number { least: 1, most: 10_000_000 },
            default: "from the limit of open files",
            doc: "Open client connections in all.",
            example: "limits:\n  connections: 50000",
            elsewhere: &["max_connections", "worker_connections"],
        },
        Key {
            name: "connections_per_client",
            shape: Shape::Number { least: 1, most: 10_000_000 },
            default: "1000",
            doc: "Open connections of one client address.",
            example: "limits:\n  connections_per_client: 200",
            elsewhere: &["per_client", "per_ip"],
        },
        Key {
            name: "request_head",
            shape: Shape::Size { least: 8 << 10, most: 1 << 20 },
            default: "64KiB",
            doc: "The whole head of a request (431).",
            example: "limits:\n  request_head: 32KiB",
            elsewhere: &["header_size", "large_client_header_buffers"],
        },
        Key {
            name: "request_headers",
            shape: Shape::Number { least: 16, most: 1024 },
            default: "128",
            doc: "Fields in the head of a request (431).",
            example: "limits:\n  request_headers: 64",
            elsewhere: &["headers", "header_count"],
        },
        Key {
            name: "request_target",
            shape: Shape::Size { least: 1 << 10, most: 1 << 20 },
            default: "16KiB",
            doc: "The request target, which is path and query (414).",
            example: "limits:\n  request_target: 8KiB",
            elsewhere: &["url", "uri"],
        },
        Key {
            name: "streams_per_connection",
            shape: Shape::Number { least: 1, most: 10_000 },
            default: "128",
            doc: "HTTP/2 streams open at once on one connection.",
            example: "limits:\n  streams_per_connection: 64",
            elsewhere: &["streams", "http2_max_concurrent_streams"],
        },
        Key {
            name: "site_file",
            shape: Shape::Size { least: 1 << 10, most: crate::yaml::TEXT_LIMIT as u64 },
            default: "256KiB",
            doc: "The largest site file that is read.",
            example: "limits:\n  site_file: 64KiB",
            elsewhere: &["file_size"],
        },
        Key {
            name: "idle_upstream_connections",
            shape: Shape::Number { least: 0, most: 10_000 },
            default: "64",
            doc: "Idle connections kept for each backend and worker.",
            example: "limits:\n  idle_upstream_connections: 16",
            elsewhere: &["keepalive", "pool"],
        },
    ],
};

/// `timeouts`.
pub(crate) static TIMEOUTS: Table = Table {
    place: "`timeouts`",
    keys: &[
        Key {
            name: "handshake",
            shape: WAIT,
            default: "10s",
            doc: "From accepting a connection to the finished TLS handshake.",
            example: "timeouts:\n  handshake: 5s",
            elsewhere: &["tls_handshake"],
        },
        Key {
            name: "request_head",
            shape: WAIT,
            default: "10s",
            doc: "From the first byte of a request head to its end.",
            example: "timeouts:\n  request_head: 5s",
            elsewhere: &["header", "client_header_timeout"],
        },
        Key {
            name: "idle",
            shape: Shape::Duration { least: MILLISECOND, most: DAY },
            default: "1m",
            doc: "A client connection with no request.",
            example: "timeouts:\n  idle: 2m",
            elsewhere: &["keep_alive", "keepalive_timeout"],
        },
        Key {
            name: "write_stall",
            shape: WAIT,
            default: "30s",
            doc: "A client that does not read its answer.",
            example: "timeouts:\n  write_stall: 20s",
            elsewhere: &["write", "send_timeout"],
        },
        Key {
            name: "drain_grace",
            shape: Shape::Duration { least: MILLISECOND, most: DAY },
            default: "30s",
            doc: "At a stop, open requests may finish this long.",
            example: "timeouts:\n  drain_grace: 2m",
            elsewhere: &["drain", "grace", "shutdown"],
        },
        Key {
            name: "upstream_keep_alive",
            shape: WAIT,
            default: "55s",
            doc: "An idle upstream connection is closed after this; keep it below the backends' own.",
            example: "timeouts:\n  upstream_keep_alive: 20s",
            elsewhere: &["upstream_idle"],
        },
        Key {
            name: "rescan",
            shape: Shape::Duration { least: Duration::from_millis(100), most: DAY },
            default: "1m",
            doc: "Between two looks at the whole folder of sites, the safety net under file events.",
            example: "timeouts:\n  rescan: 10s",
            elsewhere: &["poll", "interval"],
        },
    ],
};

/// `admin`.
pub(crate) static ADMIN: Table = Table {
    place: "`admin`",
    keys: &[
        Key {
            name: "socket",
            shape: Shape::Text("a path"),
            default: "admin.sock in the state folder",
            doc: "The Unix socket on which the operator's `vestibule status`, `sites` and `certs` ask. Only the gateway's \
                  user and root can open it.",
            example: "admin:\n  socket: /run/vestibule-operator/admin.sock",
            elsewhere: &["unix"],
        },
        Key {
            name: "tenants",
            shape: Shape::Text("an absolute path, or `off`"),
            default: "/run/vestibule/admin.sock with the right to bind port 443, otherwise off",
            doc: "The Unix socket on which every user of the machine asks, and is told of their own sites only. Its folder \
                  must let them in.",
            example: "admin:\n  tenants: /run/vestibule/admin.sock",
            elsewhere: &["public", "tenant_socket"],
        },
        Key {
            name: "address",
            shape: Shape::Address("an address of this machine"),
            default: "none",
            doc: "A loopback address for metrics and readiness.",
            example: "admin:\n  address: 127.0.0.1:9180",
            elsewhere: &["listen", "prometheus"],
        },
        Key {
            name: "metrics",
            shape: Shape::Choice(&["totals", "sites"]),
            default: "totals",
            doc: "What the metrics of that address tell. Nobody can say who asks there: with `sites` every user of the \
                  machine learns which sites there are, and how they fare. The operator's socket tells everything.",
            example: "admin:\n  address: 127.0.0.1:9180\n  metrics: sites",
            elsewhere: &["detail"],
        },
    ],
};

/// `log`.
pub(crate) static LOG: Table = Table {
    place: "`log`",
    keys: &[
        Key {
            name: "level",
            shape: Shape::Text("a filter"),
            default: "info",
            doc: "`error`, `warn`, `info`, `debug`, `trace`, or per module: `info,vestibule_proxy=debug`.",
            example: "log:\n  level: debug",
            elsewhere: &["filter", "verbosity"],
        },
        Key {
            name: "format",
            shape: Shape::Choice(&["text", "json"]),
            default: "text",
            doc: "The form of the gateway's own events: for people, or JSON lines.",
            example: "log:\n  format: json",
            elsewhere: &["style"],
        },
        Key {
            name: "access",
            shape: Shape::Text("`stdout`, `off` or an absolute path"),
            default: "stdout",
            doc: "Where the access events go, one JSON line per request. A file is opened again when it was moved away.",
            example: "log:\n  access: /var/log/vestibule/access.jsonl",
            elsewhere: &["access_log"],
        },
        Key {
            name: "tenants",
            shape: Shape::Mapping(&TENANT_LOG),
            default: "",
            doc: "Tenants' own access logs, which they read with `vestibule logs`. How many bytes each keeps is a limit of \
                  the tenant (`limits.logs`).",
            example: "log:\n  tenants:\n    client_addresses: shortened",
            elsewhere: &["tenant_logs"],
        },
    ],
};

/// `log.tenants`.
pub(crate) static TENANT_LOG: Table = Table {
    place: "`log.tenants`",
    keys: &[
        Key {
            name: "keep",
            shape: Shape::Choice(&["yes", "no"]),
            default: "yes, unless `log.access` is `off`",
            doc: "Whether tenants have logs of their own.",
            example: "log:\n  access: off\n  tenants:\n    keep: yes",
            elsewhere: &["enabled"],
        },
        Key {
            name: "folder",
            shape: Shape::Text("a path"),
            default: "logs in the state folder",
            doc: "Where they are kept: a folder of the gateway's alone.",
            example: "log:\n  tenants:\n    folder: /var/log/vestibule/tenants",
            elsewhere: &["path", "dir"],
        },
        Key {
            name: "client_addresses",
            shape: Shape::Choice(&["full", "shortened"]),
            default: "full",
            doc: "How much of a client's address tenants are told; `shortened` leaves out the last byte of IPv4, and all but \
                  the first 48 bits of IPv6. The operator's log has all of it.",
            example: "log:\n  tenants:\n    client_addresses: shortened",
            elsewhere: &["anonymise", "anonymize"],
        },
    ],
};
