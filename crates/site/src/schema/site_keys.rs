//! The keys of a site file.

use std::time::Duration;

use super::{
    acme_keys::of_site,
    table::{Key, Shape, Table},
};

/// Names that one file may list.
const HOSTS_LIMIT: usize = 100;
/// Backends of one group.
const UPSTREAMS_LIMIT: usize = 64;
/// Path rules of one file.
const ROUTES_LIMIT: usize = 500;
/// Header fields that one mapping may set, or one list remove.
const HEADERS_LIMIT: usize = 64;

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

const UPSTREAM_SHAPE: Shape = Shape::OneOrMore { of: &Shape::Address("an upstream address"), most: UPSTREAMS_LIMIT };
const REDIRECT_SHAPE: Shape = Shape::Either(&[Shape::Text("a URL or path"), Shape::Mapping(&REDIRECT)]);
const RESPOND_SHAPE: Shape = Shape::Either(&[Shape::Text("a text"), Shape::Mapping(&RESPOND)]);
const WAIT: Shape = Shape::Duration { least: MILLISECOND, most: HOUR };

/// The top level.
pub(crate) static SITE: Table = Table {
    place: "a site file",
    keys: &[
        Key {
            name: "hosts",
            shape: Shape::OneOrMore { of: &Shape::Text("a host name"), most: HOSTS_LIMIT },
            default: "",
            doc: "The names for which this site answers; required. `\"*.example.com\"` (in quotes) stands for exactly \
                  one label. An exact name beats a wildcard, and the longer wildcard the shorter. International names \
                  may be written as people read them; letter case and a trailing dot make no difference. A site that \
                  should answer for a bare IP address lists that address.",
            example: "hosts: [blog.example.com, \"*.blog.example.com\"]",
            elsewhere: &["domain", "domains", "server_name", "server_names", "hostname", "hostnames", "names"],
        },
        Key {
            name: "upstream",
            shape: UPSTREAM_SHAPE,
            default: "",
            doc: "The backend, or several that serve the same thing and share the requests: a port of this machine \
                  (`5000`), `127.0.0.1:5000`, `http://…`, `https://…` or `unix:/run/blog.sock`. At the top level it is \
                  the route `/`.",
            example: "upstream: [127.0.0.1:5000, \"unix:/run/blog.sock\"]",
            elsewhere: &[
                "backend",
                "backends",
                "proxy",
                "proxy_pass",
                "reverse_proxy",
                "target",
                "to",
                "url",
                "upstreams",
            ],
        },
        Key {
            name: "redirect",
            shape: REDIRECT_SHAPE,
            default: "",
            doc: "Sends the client elsewhere, instead of an upstream: an absolute `http://` or `https://` URL, or a path \
                  that begins with one slash. `{host}` is the name asked for, without a port; `{path}` what is left of the path after \
                  the route, with its leading slash, or nothing; `{query}` the query with its question mark, or nothing. \
                  The status is 308 unless said.",
            example: "redirect: https://www.example.org{path}{query}",
            elsewhere: &["return", "rewrite", "location"],
        },
        Key {
            name: "respond",
            shape: RESPOND_SHAPE,
            default: "",
            doc: "Answers with a fixed text, instead of an upstream: the text itself (status 200, plain text) or a \
                  mapping.",
            example: "respond:\n  status: 503\n  body: closed for today",
            elsewhere: &["response", "static", "body"],
        },
        Key {
            name: "routes",
            shape: Shape::Entries {
                keys: "path prefixes",
                of: &Shape::Either(&[UPSTREAM_SHAPE, Shape::Mapping(&ROUTE)]),
                most: ROUTES_LIMIT,
            },
            default: "",
            doc: "Path rules: a path prefix by whole segments (`/api` covers `/api` and `/api/x`, not `/apix`), and \
                  either an upstream or a mapping. The longest prefix wins; what no route covers goes to the top level's \
                  action, or is answered with 404. Prefixes are compared with the request's path in its normal form.",
            example: "routes:\n  /api: 5001\n  /old:\n    redirect: /new{path}\n  /health:\n    respond: ok",
            elsewhere: &["paths", "locations", "path", "handle", "rules"],
        },
        Key {
            name: "upstream_tls",
            shape: Shape::Mapping(&UPSTREAM_TLS),
            default: "the system's roots",
            doc: "How the certificates of `https://` upstreams are verified; routes without their own use this. \
                  Verification cannot be turned off.",
            example: "upstream: https://10.0.0.7:8443\nupstream_tls:\n  ca: /etc/ssl/our-ca.pem\n  server_name: api.internal",
            elsewhere: &["transport", "proxy_ssl"],
        },
        Key {
            name: "tls",
            shape: Shape::Either(&[Shape::Choice(TLS_WORDS), Shape::Mapping(&TLS)]),
            default: "auto",
            doc: "The certificate of the site. `auto`: from a public CA for public names (once the operator has agreed to \
                  its terms), from the local CA for the others. `acme`: every name from the operator's CA, also those \
                  that no public CA certifies. `internal`: always from the local CA. `off`: clear HTTP only. A mapping \
                  says more, or names files of one's own; see [certificates.md](certificates.md).",
            example: "tls:\n  chain: /etc/ssl/blog/chain.pem\n  key: /etc/ssl/blog/key.pem",
            elsewhere: &["ssl", "certificate", "certificates", "cert", "https"],
        },
        Key {
            name: "redirect_to_https",
            shape: Shape::Flag,
            default: "true, and false with `tls: off`",
            doc: "What clear HTTP gets: a redirect (308) to HTTPS, or the site itself.",
            example: "redirect_to_https: false",
            elsewhere: &["force_https", "https_redirect", "https_only"],
        },
        Key {
            name: "canonical",
            shape: Shape::Text("a host name"),
            default: "none",
            doc: "The one of the hosts to which the others redirect (308, path and query kept).",
            example: "hosts: [example.com, www.example.com]\ncanonical: www.example.com",
            elsewhere: &["primary", "main_host"],
        },
        Key {
            name: "headers",
            shape: Shape::Mapping(&HEADERS),
            default: "none",
            doc: "Header fields to set or remove, on requests to the upstream and on responses to the client. Fields \
                  that frame a message, belong to a connection, or say who asks for what are the gateway's own.",
            example: "headers:\n  request:\n    set:\n      X-Deployment: blue\n  response:\n    set:\n      X-Frame-Options: DENY\n    remove: Server",
            elsewhere: &["header", "add_header", "proxy_set_header"],
        },
        Key {
            name: "timeouts",
            shape: Shape::Mapping(&TIMEOUTS),
            default: "see each",
            doc: "Waits. A duration is written `250ms`, `10s`, `5m`, `2h`, `1d`, or as a sum such as `1m30s`.",
            example: "timeouts:\n  connect: 2s\n  response: 5m",
            elsewhere: &["timeout"],
        },
        Key {
            name: "limits",
            shape: Shape::Mapping(&LIMITS),
            default: "see each",
            doc: "Limits of this site; beyond them its own clients are refused, and no other site is touched. A size is \
                  written `1024`, `64KiB`, `10MiB` or `1GiB`.",
            example: "limits:\n  request_body: 10MiB",
            elsewhere: &["limit"],
        },
    ],
};

/// The words of `tls`.
pub(crate) const TLS_WORDS: &[&str] = &["auto", "internal", "acme", "off"];

/// A route written as a mapping.
pub(crate) static ROUTE: Table = Table {
    place: "a route",
    keys: &[
        Key {
            name: "upstream",
            shape: UPSTREAM_SHAPE,
            default: "",
            doc: "As at the top level. A route has exactly one of `upstream`, `redirect` and `respond`.",
            example: "routes:\n  /api:\n    upstream: [5001, 5002]",
            elsewhere: &[
                "backend",
                "backends",
                "proxy",
                "proxy_pass",
                "reverse_proxy",
                "target",
                "to",
                "url",
                "upstreams",
            ],
        },
        Key {
            name: "redirect",
            shape: REDIRECT_SHAPE,
            default: "",
            doc: "As at the top level; `{path}` is what is left after the route's prefix.",
            example: "routes:\n  /old:\n    redirect: /new{path}{query}",
            elsewhere: &["return", "rewrite", "location"],
        },
        Key {
            name: "respond",
            shape: RESPOND_SHAPE,
            default: "",
            doc: "As at the top level.",
            example: "routes:\n  /health:\n    respond: ok",
            elsewhere: &["response", "static", "body"],
        },
        Key {
            name: "strip_prefix",
            shape: Shape::Flag,
            default: "false",
            doc: "Does the upstream see the path without the route's prefix? The prefix is then told to it as \
                  `X-Forwarded-Prefix`.",
            example: "routes:\n  /wiki:\n    upstream: 5003\n    strip_prefix: true",
            elsewhere: &["strip_path", "handle_path", "stripprefix"],
        },
        Key {
            name: "upstream_tls",
            shape: Shape::Mapping(&UPSTREAM_TLS),
            default: "that of the site",
            doc: "As at the top level, for this route alone.",
            example: "routes:\n  /api:\n    upstream: https://10.0.0.7:8443\n    upstream_tls:\n      server_name: api.internal",
            elsewhere: &["transport", "proxy_ssl"],
        },
        Key {
            name: "headers",
            shape: Shape::Mapping(&HEADERS),
            default: "none",
            doc: "As at the top level, applied after the site's own.",
            example: "routes:\n  /api:\n    upstream: 5001\n    headers:\n      response:\n        set:\n          Cache-Control: no-store",
            elsewhere: &["header", "add_header", "proxy_set_header"],
        },
    ],
};

/// `redirect` written as a mapping.
pub(crate) static REDIRECT: Table = Table {
    place: "`redirect`",
    keys: &[
        Key {
            name: "to",
            shape: Shape::Text("a URL or path"),
            default: "",
            doc: "The target; required.",
            example: "redirect:\n  to: https://www.example.org/",
            elsewhere: &["url", "target", "location"],
        },
        Key {
            name: "status",
            shape: Shape::Choice(REDIRECT_STATUS),
            default: "308",
            doc: "301 and 302 let browsers turn a POST into a GET, 303 always does; 307 and 308 keep the method. 301 and \
                  308 are remembered by browsers.",
            example: "redirect:\n  to: https://www.example.org/\n  status: 302",
            elsewhere: &["code"],
        },
    ],
};

/// The statuses of a redirect.
pub(crate) const REDIRECT_STATUS: &[&str] = &["301", "302", "303", "307", "308"];

/// `respond` written as a mapping.
pub(crate) static RESPOND: Table = Table {
    place: "`respond`",
    keys: &[
        Key {
            name: "status",
            shape: Shape::Number { least: 200, most: 599 },
            default: "200",
            doc: "The status of the answer.",
            example: "respond:\n  status: 404",
            elsewhere: &["code"],
        },
        Key {
            name: "body",
            shape: Shape::Text("a text"),
            default: "empty",
            doc: "The text of the answer.",
            example: "respond:\n  body: |\n    User-agent: *\n    Disallow: /",
            elsewhere: &["text", "content"],
        },
        Key {
            name: "content_type",
            shape: Shape::Text("a media type"),
            default: "text/plain; charset=utf-8",
            doc: "The media type of the text.",
            example: "respond:\n  body: \"{}\"\n  content_type: application/json",
            elsewhere: &["mime_type", "type"],
        },
    ],
};

/// `tls` written as a mapping.
pub(crate) static TLS: Table = Table {
    place: "`tls`",
    keys: &[
        Key {
            name: "chain",
            shape: Shape::Text("an absolute path"),
            default: "",
            doc: "A PEM file: the site's certificate first, then its issuers. The file is read again when it changes, \
                  and checked (key, names, expiry) before it is used.",
            example: "tls:\n  chain: /etc/ssl/blog/chain.pem\n  key: /etc/ssl/blog/key.pem",
            elsewhere: &["cert", "cert_file", "ssl_certificate", "fullchain"],
        },
        Key {
            name: "key",
            shape: Shape::Text("an absolute path"),
            default: "",
            doc: "The PEM file of the private key. It belongs to the owner of the site file or to root.",
            example: "tls:\n  chain: /etc/ssl/blog/chain.pem\n  key: /etc/ssl/blog/key.pem",
            elsewhere: &["key_file", "private_key", "privkey", "ssl_certificate_key"],
        },
        Key {
            name: "certificate",
            shape: Shape::Choice(&["auto", "internal", "acme"]),
            default: "auto",
            doc: "The long form of `tls: auto`, `tls: internal` and `tls: acme`.",
            example: "tls:\n  certificate: acme",
            elsewhere: &["issuer", "ca", "source", "certresolver", "cert_resolver"],
        },
        Key {
            name: "client_ca",
            shape: Shape::Either(&[Shape::Text("an absolute path"), Shape::Mapping(&CLIENT_CA)]),
            default: "none",
            doc: "The CA of this site's visitors: who shows no certificate of it is refused in the handshake, and clear \
                  HTTP is never served. A path of a PEM file, or a mapping that says more. Backends are told of the \
                  certificate in `Client-Cert` (RFC 9440); see [certificates.md](certificates.md#client-certificates).",
            example: "tls:\n  client_ca: /srv/shop/clients.pem",
            elsewhere: &["client_auth", "client_cas", "mtls", "ssl_client_certificate", "trusted_ca_certs", "cafiles"],
        },
        of_site::CHALLENGE,
        of_site::PROFILE,
        of_site::KEY_TYPE,
        of_site::DNS,
    ],
};

/// `client_ca` written as a mapping.
pub(crate) static CLIENT_CA: Table = Table {
    place: "`client_ca`",
    keys: &[
        Key {
            name: "file",
            shape: Shape::Text("an absolute path"),
            default: "",
            doc: "A PEM file of one or more CA certificates; required. It belongs to the owner of the site file, and is \
                  read again when it changes: also for connections that are open.",
            example: "tls:\n  client_ca:\n    file: /srv/shop/clients.pem",
            elsewhere: &["path", "ca", "chain", "pem", "ca_file"],
        },
        Key {
            name: "certificate",
            shape: Shape::Choice(CLIENT_CERTIFICATE_WORDS),
            default: "required",
            doc: "`optional` also serves visitors who show no certificate at all; the backend tells them by the absence of \
                  `Client-Cert`. One that is shown must be good either way.",
            example: "tls:\n  client_ca:\n    file: /srv/shop/clients.pem\n    certificate: optional",
            elsewhere: &["require", "required", "optional", "mode", "verify", "ssl_verify_client", "client_auth_type"],
        },
    ],
};

/// The words of `certificate` below `client_ca`.
const CLIENT_CERTIFICATE_WORDS: &[&str] = &["required", "optional"];

/// `upstream_tls`.
pub(crate) static UPSTREAM_TLS: Table = Table {
    place: "`upstream_tls`",
    keys: &[
        Key {
            name: "ca",
            shape: Shape::Text("an absolute path"),
            default: "the system's roots",
            doc: "A PEM file of roots that are trusted instead of the system's.",
            example: "upstream: https://10.0.0.7:8443\nupstream_tls:\n  ca: /etc/ssl/our-ca.pem",
            elsewhere: &["ca_file", "root", "roots"],
        },
        Key {
            name: "server_name",
            shape: Shape::Text("a host name"),
            default: "the host of the address; for an IP address or Unix socket the site's own",
            doc: "The name that the certificate must cover, also sent as SNI.",
            example: "upstream: https://10.0.0.7:8443\nupstream_tls:\n  server_name: api.internal",
            elsewhere: &["sni", "name", "verify_name"],
        },
    ],
};

/// `headers`.
pub(crate) static HEADERS: Table = Table {
    place: "`headers`",
    keys: &[
        Key {
            name: "request",
            shape: Shape::Mapping(&HEADER_CHANGES),
            default: "none",
            doc: "Changes of the request that goes to the upstream.",
            example: "headers:\n  request:\n    remove: Accept-Encoding",
            elsewhere: &["upstream", "up"],
        },
        Key {
            name: "response",
            shape: Shape::Mapping(&HEADER_CHANGES),
            default: "none",
            doc: "Changes of the response that goes to the client, also of the redirects and fixed answers of routes.",
            example: "headers:\n  response:\n    set:\n      X-Frame-Options: DENY",
            elsewhere: &["downstream", "down"],
        },
    ],
};

/// `headers.request` and `headers.response`.
pub(crate) static HEADER_CHANGES: Table = Table {
    place: "`request` or `response` of `headers`",
    keys: &[
        Key {
            name: "set",
            shape: Shape::Entries { keys: "field names", of: &Shape::Address("a field value"), most: HEADERS_LIMIT },
            default: "none",
            doc: "Fields and their values; a field that is there already is replaced.",
            example: "headers:\n  response:\n    set:\n      Strict-Transport-Security: max-age=31536000",
            elsewhere: &["add", "append"],
        },
        Key {
            name: "remove",
            shape: Shape::OneOrMore { of: &Shape::Text("a field name"), most: HEADERS_LIMIT },
            default: "none",
            doc: "Names of fields that are taken out.",
            example: "headers:\n  response:\n    remove: [Server, X-Powered-By]",
            elsewhere: &["delete", "unset", "hide"],
        },
    ],
};

/// `timeouts`.
pub(crate) static TIMEOUTS: Table = Table {
    place: "`timeouts`",
    keys: &[
        Key {
            name: "connect",
            shape: Shape::Duration { least: MILLISECOND, most: Duration::from_secs(600) },
            default: "5s",
            doc: "To connect to a backend, its TLS handshake included (504).",
            example: "timeouts:\n  connect: 500ms",
            elsewhere: &["dial", "proxy_connect_timeout"],
        },
        Key {
            name: "response",
            shape: WAIT,
            default: "1m",
            doc: "From the request sent to the first byte of the response head (504).",
            example: "timeouts:\n  response: 5m",
            elsewhere: &["read", "proxy_read_timeout"],
        },
        Key {
            name: "upstream_idle",
            shape: Shape::Duration { least: MILLISECOND, most: DAY },
            default: "1m",
            doc: "Between two reads of a response body. Server-sent events that pause longer need more.",
            example: "timeouts:\n  upstream_idle: 10m",
            elsewhere: &["idle"],
        },
        Key {
            name: "request_body",
            shape: WAIT,
            default: "30s",
            doc: "Between two reads of a request body (408).",
            example: "timeouts:\n  request_body: 2m",
            elsewhere: &["body", "client_body_timeout"],
        },
        Key {
            name: "tunnel_idle",
            shape: Shape::Duration { least: MILLISECOND, most: Duration::from_secs(30 * 86_400) },
            default: "1h",
            doc: "A tunnel (WebSocket) with no byte in either direction is closed after this.",
            example: "timeouts:\n  tunnel_idle: 1d",
            elsewhere: &["websocket", "tunnel"],
        },
    ],
};

/// `limits`.
pub(crate) static LIMITS: Table = Table {
    place: "`limits`",
    keys: &[
        Key {
            name: "request_body",
            shape: Shape::SizeOrNone { least: 0, most: 1 << 50 },
            default: "none",
            doc: "The longest request body (413). Bodies are streamed and never stored, so there is no limit unless one \
                  is set.",
            example: "limits:\n  request_body: 10MiB",
            elsewhere: &["body", "body_size", "client_max_body_size", "max_body_size"],
        },
        Key {
            name: "requests_in_flight",
            shape: Shape::Number { least: 1, most: 1_000_000 },
            default: "10000",
            doc: "Requests of this site that are being answered at once; beyond it 503 with Retry-After.",
            example: "limits:\n  requests_in_flight: 200",
            elsewhere: &["concurrency", "max_requests", "max_connections"],
        },
        Key {
            name: "tunnels",
            shape: Shape::Number { least: 0, most: 1_000_000 },
            default: "10000",
            doc: "Open tunnels (WebSockets) of this site; beyond it 503.",
            example: "limits:\n  tunnels: 1000",
            elsewhere: &["websockets"],
        },
    ],
};
