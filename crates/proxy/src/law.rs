//! The header law: what may come in, what goes to a backend, and what comes back. Pure: header maps in, header maps or
//! refusals out.
//!
//! Above all rules: what is forwarded is what was understood, written afresh; what two readers could understand
//! differently is refused.
//!
//! | module | its part |
//! |---|---|
//! | `inspect` | refuses a request before anything of it is used |
//! | `request` | rewrites a request for the backend |
//! | `told` | settles what a trusted proxy says of the client |
//! | `forwarded` | says whom and how we forward for |
//! | `certificate` | says which client certificate was verified |
//! | `hearsay` | judges what else a trusted proxy passes on |
//! | `names` | which names are hop-by-hop, which speak of identity, which may be nominated or stand in trailers |
//! | `websocket` | the one upgrade that is forwarded |
//! | `response` | judges and rewrites a response |
//!
//! Decided here, and not obvious:
//! - `Expect: 100-continue` is not forwarded. The server side sends the one `100 Continue` when the body is first
//!   polled, which is when a backend has taken the connection: a refusal or a dead backend answers without inviting
//!   the body. An interim 100 of the backend is swallowed by the client side, so there are never two. See decision 5.
//! - Of a trusted proxy that speaks by `X-Forwarded-*`, `Forwarded` is not believed; both are written from the former.
//! - `Alt-Svc` of a backend is dropped: it would speak for an authority and port that all tenants share.
//! - `Server`, `Date`, `Strict-Transport-Security` and cookies of a backend pass.
//! - A fragment never reaches us: the `http` crate cuts it off the target, so it is never forwarded either.

mod certificate;
mod forwarded;
mod hearsay;
mod inspect;
mod names;
mod request;
mod response;
mod told;
mod websocket;

pub use inspect::inspect;
pub use names::forbids_trailer;
pub use response::ResponseBreach;
pub use told::{Told, told};
pub use websocket::asks_for_websocket;

pub(crate) use forwarded::Behind;
pub(crate) use names::retain_trailers;
pub(crate) use request::{Order, rewrite_request};
pub(crate) use response::{Answer, rewrite_response};
pub(crate) use websocket::Handshake;
