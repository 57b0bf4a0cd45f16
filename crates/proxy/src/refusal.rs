//! [`Refusal`]: the closed list of responses that the gateway makes itself, with their status, code word and text.
//!
//! The texts are for whoever reads the page: they say what happened and who can do something, and never which other
//! sites, backends or tenants exist.

use http::StatusCode;

/// Every response that the gateway makes itself has exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// 400: the request line or something beyond the other kinds.
    BadRequest,
    /// 400: the length of the request is not said in exactly one way.
    BadFraming,
    /// 400: bad, missing, doubled or contradicting host.
    BadHost,
    /// 400: a path or query that two readers could understand differently.
    BadPath,
    /// 400: a header field that may not be there.
    BadHeader,
    /// 400: the body is malformed or was cut.
    BadBody,
    /// 403: clear HTTP for a site whose visitors are known by their certificates.
    TlsOnly,
    /// 404: no site of that name (says nothing of what exists).
    UnknownHost,
    /// 404: the site has no rule for this path.
    NoRoute,
    /// 405: CONNECT and TRACE.
    MethodNotAllowed,
    /// 408: the client stopped sending.
    RequestTimeout,
    /// 413: longer than the site allows.
    BodyTooLarge,
    /// 414: a request target beyond the limit.
    UriTooLong,
    /// 417: an expectation other than `100-continue`.
    ExpectationFailed,
    /// 421: a name of another site than the one of the TLS connection.
    Misdirected,
    /// 429: the client is over its rate.
    TooManyRequests,
    /// 429: the tenant's sites are over their rate of requests.
    TenantRate,
    /// 431: too many or too large header fields.
    HeadersTooLarge,
    /// 500: our fault.
    Internal,
    /// 501: a well-formed transfer coding that we do not know.
    UnsupportedCoding,
    /// 502: no backend takes the connection.
    UpstreamUnreachable,
    /// 502: what the backend said is not HTTP, or may not be passed on.
    UpstreamInvalid,
    /// 502: the backend closed the connection before it answered.
    UpstreamReset,
    /// 502: the TLS connection to the backend failed.
    UpstreamTls,
    /// 502: somebody else's process listens where the site's should.
    UpstreamNotYours,
    /// 502: the site names a place that its tenant may not be connected to.
    UpstreamNotAllowed,
    /// 503: the site is over its budget.
    SiteBusy,
    /// 503: the tenant has as many requests in flight as it may have.
    TenantRequests,
    /// 503: the tenant has as many client connections as it may have.
    TenantConnections,
    /// 503: the tenant has as many tunnels as it may have.
    TenantTunnels,
    /// 503: the tenant has as many connections to backends as it may have.
    TenantUpstreams,
    /// 503: as many bytes of the tenant's bodies are held in memory as may be.
    TenantBuffers,
    /// 503: the gateway has little of something left, and the tenant has much of it.
    TenantShare,
    /// 503: the gateway itself is out of something.
    GatewayBusy,
    /// 503: the gateway is about to stop.
    ShuttingDown,
    /// 503: no certificate for this name yet.
    NoCertificate,
    /// 504: no connection in time.
    ConnectTimeout,
    /// 504: no response in time.
    UpstreamTimeout,
}

/// What is said of a refusal.
struct Facts(StatusCode, &'static str, &'static str, &'static str);

impl Refusal {
    /// All of them, in order of status.
    pub const ALL: [Self; 38] = [
        Self::BadRequest,
        Self::BadFraming,
        Self::BadHost,
        Self::BadPath,
        Self::BadHeader,
        Self::BadBody,
        Self::TlsOnly,
        Self::UnknownHost,
        Self::NoRoute,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::UriTooLong,
        Self::ExpectationFailed,
        Self::Misdirected,
        Self::TooManyRequests,
        Self::TenantRate,
        Self::HeadersTooLarge,
        Self::Internal,
        Self::UnsupportedCoding,
        Self::UpstreamUnreachable,
        Self::UpstreamInvalid,
        Self::UpstreamReset,
        Self::UpstreamTls,
        Self::UpstreamNotYours,
        Self::UpstreamNotAllowed,
        Self::SiteBusy,
        Self::TenantRequests,
        Self::TenantConnections,
        Self::TenantTunnels,
        Self::TenantUpstreams,
        Self::TenantBuffers,
        Self::TenantShare,
        Self::GatewayBusy,
        Self::ShuttingDown,
        Self::NoCertificate,
        Self::ConnectTimeout,
        Self::UpstreamTimeout,
    ];

    /// The status code.
    pub const fn status(self) -> StatusCode {
        self.facts().0
    }

    /// The code word: stable, for machines and for searching logs.
    pub const fn word(self) -> &'static str {
        self.facts().1
    }

    /// A few words for the head of the page.
    pub const fn title(self) -> &'static str {
        self.facts().2
    }

    /// One or two sentences: what happened, and who can do something.
    pub const fn explanation(self) -> &'static str {
        self.facts().3
    }

    /// After how many seconds a client may try again (`Retry-After`), where that makes sense.
    pub const fn retry_after(self) -> Option<u32> {
        match self {
            Self::TooManyRequests | Self::SiteBusy | Self::GatewayBusy => Some(1),
            _ if self.is_tenants() => Some(1),
            Self::ShuttingDown => Some(5),
            Self::NoCertificate => Some(30),
            _ => None,
        }
    }

    /// Is it for what a tenant has used up?
    pub const fn is_tenants(self) -> bool {
        matches!(
            self,
            Self::TenantRate
                | Self::TenantRequests
                | Self::TenantConnections
                | Self::TenantTunnels
                | Self::TenantUpstreams
                | Self::TenantBuffers
                | Self::TenantShare
        )
    }

    /// Must the client's HTTP/1.1 connection end with it? True where the end of the request is not known for sure
    /// (RFC 9112 section 11.2), its rest is not worth reading, or only a new connection can bring something better.
    pub const fn closes(self) -> bool {
        matches!(
            self,
            Self::BadRequest
                | Self::BadFraming
                | Self::BadHost
                | Self::BadPath
                | Self::BadHeader
                | Self::BadBody
                | Self::MethodNotAllowed
                | Self::RequestTimeout
                | Self::BodyTooLarge
                | Self::UriTooLong
                | Self::ExpectationFailed
                | Self::HeadersTooLarge
                | Self::UnsupportedCoding
                | Self::ShuttingDown
                | Self::NoCertificate
                | Self::TenantConnections
        )
    }

    #[rustfmt::skip]
    const fn facts(self) -> Facts {
        use StatusCode as S;
        match self {
            Self::BadRequest => Facts(S::BAD_REQUEST, "bad_request", "The request is not understood",
                "The request is malformed, or could be understood in more than one way."),
            Self::BadFraming => Facts(S::BAD_REQUEST, "bad_framing", "The length of the request is unclear",
                "A request says its length in exactly one way: one Content-Length, or Transfer-Encoding: chunked."),
            Self::BadHost => Facts(S::BAD_REQUEST, "bad_host", "The host is not understood",
                "A request names exactly one host, in one way."),
            Self::BadPath => Facts(S::BAD_REQUEST, "bad_path", "The address is not understood",
                "The path or the query contains something that two programs could read differently."),
            Self::BadHeader => Facts(S::BAD_REQUEST, "bad_header", "A header field is not allowed",
                "The request carries a header field that may not be there, or not like this."),
            Self::BadBody => Facts(S::BAD_REQUEST, "bad_body", "The body of the request is broken",
                "The body is malformed, or ended before its announced length."),
            Self::TlsOnly => Facts(S::FORBIDDEN, "tls_only", "The site is served over HTTPS alone",
                "This site knows its visitors by their certificates, which only a TLS connection shows."),
            Self::UnknownHost => Facts(S::NOT_FOUND, "unknown_host", "There is no site of this name",
                "This server answers for no site of the name that was asked for."),
            Self::NoRoute => Facts(S::NOT_FOUND, "no_route", "There is nothing at this address",
                "The site has no rule for this path."),
            Self::MethodNotAllowed => Facts(S::METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not allowed",
                "CONNECT and TRACE are not served here."),
            Self::RequestTimeout => Facts(S::REQUEST_TIMEOUT, "request_timeout", "The request took too long",
                "The rest of the request did not arrive in time."),
            Self::BodyTooLarge => Facts(S::PAYLOAD_TOO_LARGE, "body_too_large", "The request is too large",
                "The body is larger than this site accepts."),
            Self::UriTooLong => Facts(S::URI_TOO_LONG, "uri_too_long", "The address is too long",
                "The path and query are longer than this server accepts."),
            Self::ExpectationFailed => Facts(S::EXPECTATION_FAILED, "expectation_failed", "The expectation cannot be met",
                "The only expectation understood here is 100-continue."),
            Self::Misdirected => Facts(S::MISDIRECTED_REQUEST, "misdirected", "The request belongs to another connection",
                "The host of the request is not the one this connection was opened for. Try again on a new connection."),
            Self::TooManyRequests => Facts(S::TOO_MANY_REQUESTS, "too_many_requests", "Too many requests",
                "Requests arrive faster than is allowed. Try again in a moment."),
            Self::TenantRate => Facts(S::TOO_MANY_REQUESTS, "tenant_rate", "Too many requests",
                "The sites of this owner are asked more often than is allowed. Try again in a moment."),
            Self::HeadersTooLarge => Facts(S::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", "The header is too large",
                "The request has too many header fields, or too long ones."),
            Self::Internal => Facts(S::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here",
                "The gateway failed. Its operator finds the cause by the request id."),
            Self::UnsupportedCoding => Facts(S::NOT_IMPLEMENTED, "unsupported_coding", "The transfer coding is not supported",
                "The only transfer coding understood here is chunked."),
            Self::UpstreamUnreachable => Facts(S::BAD_GATEWAY, "upstream_unreachable", "The site is not reachable",
                "The program behind this site does not accept connections. Perhaps it is not running."),
            Self::UpstreamInvalid => Facts(S::BAD_GATEWAY, "upstream_invalid", "The site's answer is not understood",
                "The program behind this site answered with something that may not be passed on."),
            Self::UpstreamReset => Facts(S::BAD_GATEWAY, "upstream_reset", "The site broke off",
                "The program behind this site closed the connection before it answered."),
            Self::UpstreamTls => Facts(S::BAD_GATEWAY, "upstream_tls", "The site could not be reached securely",
                "The TLS connection to the program behind this site failed."),
            Self::UpstreamNotYours => Facts(S::BAD_GATEWAY, "upstream_not_yours", "The site is not reachable",
                "Nothing was sent: the program that listens in the place of this site's is not its owner's."),
            Self::UpstreamNotAllowed => Facts(S::BAD_GATEWAY, "upstream_not_allowed", "The site is not reachable",
                "Nothing was sent: this site names a place that its owner may not be connected to."),
            Self::SiteBusy => Facts(S::SERVICE_UNAVAILABLE, "site_busy", "The site is busy",
                "This site has as many requests in flight as it may have. Try again in a moment."),
            Self::TenantRequests => Facts(S::SERVICE_UNAVAILABLE, "tenant_requests", "The site is busy",
                "The sites of this owner have as many requests in flight as they may have. Try again in a moment."),
            Self::TenantConnections => Facts(S::SERVICE_UNAVAILABLE, "tenant_connections", "The site is busy",
                "The sites of this owner have as many visitors connected as they may have. Try again in a moment."),
            Self::TenantTunnels => Facts(S::SERVICE_UNAVAILABLE, "tenant_tunnels", "The site is busy",
                "The sites of this owner have as many WebSockets open as they may have. Try again in a moment."),
            Self::TenantUpstreams => Facts(S::SERVICE_UNAVAILABLE, "tenant_upstreams", "The site is busy",
                "The sites of this owner have as many connections to their programs as they may have. Try again in a moment."),
            Self::TenantBuffers => Facts(S::SERVICE_UNAVAILABLE, "tenant_buffers", "The site is busy",
                "The sites of this owner have more under way to slow readers than they may have. Try again in a moment."),
            Self::TenantShare => Facts(S::SERVICE_UNAVAILABLE, "tenant_share", "The site is busy",
                "The server is nearly full, and the sites of this owner take much of it. Try again in a moment."),
            Self::GatewayBusy => Facts(S::SERVICE_UNAVAILABLE, "gateway_busy", "The server is busy",
                "The gateway cannot open another connection right now. Try again in a moment."),
            Self::ShuttingDown => Facts(S::SERVICE_UNAVAILABLE, "shutting_down", "The server is about to stop",
                "The gateway takes no new requests on this connection. Try again on a new one."),
            Self::NoCertificate => Facts(S::SERVICE_UNAVAILABLE, "no_certificate", "The site is not ready yet",
                "There is no certificate for this name yet. Try again in a while."),
            Self::ConnectTimeout => Facts(S::GATEWAY_TIMEOUT, "connect_timeout", "The site is not reachable",
                "The program behind this site did not accept the connection in time."),
            Self::UpstreamTimeout => Facts(S::GATEWAY_TIMEOUT, "upstream_timeout", "The site took too long",
                "The program behind this site did not answer in time."),
        }
    }
}
