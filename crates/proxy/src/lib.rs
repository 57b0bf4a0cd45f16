//! Forward a request, splice a stream, and make our own responses.
//!
//! Everything here belongs to one worker (a current-thread run time of local tasks): pools are `Rc`, nothing is
//! `Send`, no lock is taken. All workers share two things: the count of their sockets ([`UpstreamBudget`]), and what
//! forwarding costs each tenant ([`Account`]). The crate never decides *where* a request goes (that is the map's) and never spawns by
//! itself: it is given a [`Spawn`]. The one exception is tokio's blocking pool, on which names are resolved and roots
//! of `https://` backends are read, so that neither can hold a worker up.
//!
//! A request is [`inspect`]ed before anything of it is used, then [`Proxy::forward`]ed:
//!
//! | step | module |
//! |---|---|
//! | what two readers could understand differently is refused | [`mod@law`] (inspect) |
//! | what is forwarded is written afresh | [`mod@law`] (request), `target`, [`mod@request_body`], `upload` |
//! | a connection is taken from the tenant's pool or dialled, if the tenant may | `pool`, [`mod@border`], `dial`, [`mod@budget`], [`mod@account`], `stream` |
//! | the request is sent, once more only where that is safe, and its answer waited for | `forward`, `link`, `deadlines` |
//! | what comes back is read strictly, judged and streamed | `link`, [`mod@law`] (response), [`mod@body`], `flow` |
//! | a confirmed upgrade becomes a tunnel | [`mod@tunnel`] |
//! | everything else becomes a page of our own | [`mod@error`], [`mod@refusal`], [`mod@pages`] |
//!
//! ```no_run
//! # async fn example(proxy: vestibule_proxy::Proxy, request: http::Request<vestibule_proxy::RequestBody>,
//! #   vhost: std::sync::Arc<vestibule_vhost::Vhost>, route: std::sync::Arc<vestibule_vhost::Route>,
//! #   account: std::sync::Arc<vestibule_proxy::Account>, caller: vestibule_proxy::Caller<'_>,
//! # ) -> http::Response<vestibule_proxy::Body> {
//! let accept = request.headers().get(http::header::ACCEPT).cloned();
//! if let Err(refusal) = vestibule_proxy::inspect(&request) {
//!     return vestibule_proxy::refuse(refusal, accept.as_ref(), caller.request_id);
//! }
//! let to = vestibule_proxy::Destination { vhost: &vhost, route: &route, account: &account };
//! match proxy.forward(request, "/", to, caller).await {
//!     Ok(forwarded) => forwarded.response,
//!     Err(error) => vestibule_proxy::refuse(error.refusal(), accept.as_ref(), caller.request_id),
//! }
//! # }
//! ```

use std::{future::Future, pin::Pin, rc::Rc, time::Duration};

use http::HeaderValue;
use vestibule_names::{ClientAddr, RequestId};

mod deadlines;
mod dial;
mod discard;
mod flow;
mod forward;
mod link;
mod pool;
mod stream;
mod target;
mod upload;
mod wait;

pub mod account;
pub mod blocking;
pub mod body;
pub mod border;
pub mod budget;
pub mod error;
pub mod law;
pub mod pages;
pub mod rate;
pub mod refusal;
pub mod request_body;
pub mod rewound;
pub mod tunnel;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

#[cfg(test)]
mod tests;

pub use account::{Account, AccountLimits};
pub use body::{Body, BodyError};
pub use border::Border;
pub use budget::UpstreamBudget;
pub use discard::discard;
pub use error::{ConnectionError, Fault, ForwardError};
pub use forward::{Destination, Forwarded, Proxy};
pub use law::{Told, asks_for_websocket, forbids_trailer, inspect, told};
pub use pages::refuse;
pub use rate::Rate;
pub use refusal::Refusal;
pub use request_body::{Duplex, Handover, RequestBody, RequestBodyError};
pub use rewound::Rewound;
pub use tunnel::{Tunnel, TunnelClose, TunnelEnd, Turns};

/// Spawns onto the worker; only the gateway knows how (invariant: only the gateway spawns).
pub type Spawn = Rc<dyn Fn(Pin<Box<dyn Future<Output = ()>>>)>;

/// How a worker's forwarding side is set up.
#[derive(Clone, Debug)]
pub struct ProxyConfig {
    /// Idle connections kept per backend.
    pub idle_limit: usize,
    /// An idle connection is not used again after this, and closed soon after.
    pub keep_alive: Duration,
    /// Response heads beyond this are refused (502).
    pub response_head_limit: usize,
    /// How many sockets to backends may be open: one count for all workers. Unlimited by default.
    pub budget: UpstreamBudget,
    /// To what is connected for whom. Everybody is free by default.
    pub border: Border,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            idle_limit: 64,
            keep_alive: Duration::from_secs(60),
            response_head_limit: 64 * 1024,
            budget: UpstreamBudget::default(),
            border: Border::default(),
        }
    }
}

/// The facts of a request that the header law needs.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The peer of the connection.
    pub client: ClientAddr,
    /// How the client reached us.
    pub scheme: Scheme,
    /// The host in normal form, for `X-Forwarded-Host` and `Host` (with the port as the client wrote it).
    pub authority: &'a str,
    /// Is the peer a trusted proxy: are its forwarding headers believed and extended?
    pub trust: Trust,
    /// For logs and `X-Request-Id`.
    pub request_id: RequestId,
    /// Who the client is by a certificate.
    pub certificate: ClientCertificate<'a>,
}

/// What a handshake proved of the client, for `Client-Cert` (RFC 9440).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificate<'a> {
    /// The site asks for none: what a trusted proxy says of one that it has seen is passed on.
    NotAsked,
    /// The site asks, and the client has shown none.
    NotShown,
    /// Verified; the value of the field.
    Shown(&'a HeaderValue),
}

/// How the client reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Clear.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// As `X-Forwarded-Proto` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Are forwarding headers of the peer believed?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// No: they are removed.
    Client,
    /// Yes, as far as they are well-formed: they are settled and written afresh, and the peer is appended.
    Proxy,
}
