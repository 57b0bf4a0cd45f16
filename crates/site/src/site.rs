//! [`Site`]: what one site file declares.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use vestibule_diagnostics::Span;
use vestibule_names::{ByteSize, HostPattern, Hostname, RoutePath, UpstreamAddr};

/// A value and the place where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands in the file.
    pub span: Span,
}

/// One site file, with every default filled in.
#[derive(Clone, Debug)]
pub struct Site {
    /// The names, in the order written, without doubles; at least one.
    pub hosts: Vec<Spanned<HostPattern>>,
    /// Where the root leads (`upstream`, `redirect` or `respond` at the top level), if anywhere, then `routes`.
    pub routes: Vec<Route>,
    /// How TLS is served.
    pub tls: Spanned<Tls>,
    /// Whose certificates its visitors show, if they are asked for any.
    pub client_ca: Option<ClientCa>,
    /// What it wants of a public certificate.
    pub acme: crate::acme::SiteAcme,
    /// What clear HTTP gets.
    pub redirect_to_https: RedirectToHttps,
    /// The name to which the others redirect.
    pub canonical: Option<Spanned<Hostname>>,
    /// Headers to set and remove.
    pub headers: Headers,
    /// Waits.
    pub timeouts: Timeouts,
    /// Limits.
    pub limits: Limits,
}

/// A path rule.
#[derive(Clone, Debug)]
pub struct Route {
    /// The prefix, by whole segments.
    pub path: Spanned<RoutePath>,
    /// Where it leads.
    pub action: Action,
    /// Does the upstream see the path without the prefix (and `X-Forwarded-Prefix` with it)?
    pub prefix: Prefix,
    /// Headers, beside the site's.
    pub headers: Headers,
}

/// What happens to the matched prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// Forwarded as it is.
    Keep,
    /// Removed; told as `X-Forwarded-Prefix`.
    Strip,
}

/// Where a route leads.
#[derive(Clone, Debug)]
pub enum Action {
    /// To a group of backends.
    Upstream(UpstreamGroup),
    /// Elsewhere.
    Redirect(Redirect),
    /// To a fixed answer.
    Respond(Respond),
}

/// Backends that serve the same thing; requests are spread over them.
#[derive(Clone, Debug)]
pub struct UpstreamGroup {
    /// At least one.
    pub addrs: Vec<Spanned<UpstreamAddr>>,
    /// How an `https://` backend is verified.
    pub tls: UpstreamTls,
}

/// Verification of `https://` backends.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct UpstreamTls {
    /// A PEM file of roots instead of the system's.
    pub ca: Option<Spanned<PathBuf>>,
    /// The name to verify and send as SNI; default: the host of the address, or the site's own for an IP address.
    pub server_name: Option<Spanned<Hostname>>,
}

/// A redirect.
#[derive(Clone, Debug)]
pub struct Redirect {
    /// An absolute URL or a path. Filled in: `{host}`, the name asked for; `{path}`, what is left of the path after the
    /// route's prefix, with its leading slash, or nothing; `{query}`, the query with its question mark, or nothing.
    /// The reader has made sure that the host of the target is none of the request's making, given that `{path}` is
    /// in normal form (no `//`): a target that is empty once filled in stands for `/`.
    pub to: Spanned<String>,
    /// 301, 302, 303, 307 or 308 (the default).
    pub status: u16,
}

/// A fixed answer.
#[derive(Clone, Debug)]
pub struct Respond {
    /// 200 to 599; default 200.
    pub status: u16,
    /// The text; default empty.
    pub body: String,
    /// Default `text/plain; charset=utf-8`.
    pub content_type: String,
}

/// How TLS is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// A public CA for public names, the local CA for the others.
    Auto,
    /// The operator's CA for every name, also for those that no public CA certifies.
    Acme,
    /// The built-in local CA.
    Internal,
    /// The site's own files.
    Files {
        /// PEM, leaf first.
        chain: Spanned<PathBuf>,
        /// PEM.
        key: Spanned<PathBuf>,
    },
    /// Clear HTTP only.
    Off,
}

/// Whose certificates the visitors of a site show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCa {
    /// PEM, one or more CA certificates.
    pub file: Spanned<PathBuf>,
    /// From whom.
    pub certificate: ClientCertificate,
}

/// Who has to show a client certificate. One that is shown must be good in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificate {
    /// Every visitor.
    #[default]
    Required,
    /// Whoever has one.
    Optional,
}

/// What clear HTTP gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectToHttps {
    /// A 308 to HTTPS (the default where TLS is on).
    Yes,
    /// The site itself.
    No,
}

/// Header changes. Names are lower case; framing, hop-by-hop and forwarding headers are refused (V0209).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// Set on the request to the upstream.
    pub request_set: BTreeMap<String, String>,
    /// Removed from the request.
    pub request_remove: Vec<String>,
    /// Set on the response to the client.
    pub response_set: BTreeMap<String, String>,
    /// Removed from the response.
    pub response_remove: Vec<String>,
}

/// Waits, all with defaults (see [`Timeouts::default`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To connect to a backend, TLS included. 5 s.
    pub connect: Duration,
    /// From the request sent to the first byte of the response head. 60 s.
    pub response: Duration,
    /// Between two reads of a response body. 60 s.
    pub upstream_idle: Duration,
    /// Between two reads of a request body. 30 s.
    pub request_body: Duration,
    /// Of a WebSocket (tunnel) with no byte in either direction. 1 h.
    pub tunnel_idle: Duration,
}
impl Timeouts {
    /// The defaults.
    pub const STANDARD: Self = {
        let minute = Duration::from_secs(60);
        let (connect, request_body) = (Duration::from_secs(5), Duration::from_secs(30));
        Self { connect, response: minute, upstream_idle: minute, request_body, tunnel_idle: Duration::from_secs(3600) }
    };
}
impl Default for Timeouts {
    fn default() -> Self {
        Self::STANDARD
    }
}

/// Limits, all with defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest request body; `None` is no limit. Default none (streamed, never stored).
    pub request_body: Option<ByteSize>,
    /// Requests in flight of this site; beyond it 503 with Retry-After. Default 10,000.
    pub requests_in_flight: u32,
    /// Open tunnels (WebSockets) of this site. Default 10,000.
    pub tunnels: u32,
}
impl Limits {
    /// The defaults.
    pub const STANDARD: Self = Self { request_body: None, requests_in_flight: 10_000, tunnels: 10_000 };
}
impl Default for Limits {
    fn default() -> Self {
        Self::STANDARD
    }
}
