//! [`ForwardError`]: why a request could not be forwarded, whose fault that is, and what the client sees; and
//! [`ConnectionError`]: what a backend did to a connection.

use std::io;

use vestibule_certs::VaultError;
use vestibule_wire as wire;

use crate::{Refusal, RequestBodyError, border::Denial, law::ResponseBreach};

/// Who is at fault: decides status, log level and whether a backend's health suffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The client.
    Downstream,
    /// The backend.
    Upstream,
    /// We, or the machine we run on.
    Gateway,
    /// The tenant has used up what it may have.
    Tenant,
}

/// Why a request could not be forwarded. [`ForwardError::refusal`] says what the client sees.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// The header law refuses it.
    #[error("the request may not be forwarded: {}", .0.word())]
    Refused(Refusal),
    /// The body is longer than `limits.request_body`.
    #[error("the request body is longer than the site allows")]
    BodyTooLarge,
    /// The client's body is malformed, or was cut in the middle.
    #[error("the client sent a broken request body")]
    RequestBody(#[source] RequestBodyError),
    /// The client sent more or less of a body than it had said.
    #[error("the request body is not as long as was said")]
    RequestBodyCut,
    /// A field that frames, routes or identifies stands behind the body (RFC 9110 section 6.5.1).
    #[error("a field that may not be there stands behind the request body")]
    RequestTrailer,
    /// Nothing of the body came for `timeouts.request_body`.
    #[error("the client sent nothing of its request body for too long")]
    RequestBodyIdle,
    /// The route leads to no backend; the caller should not have forwarded it.
    #[error("the route leads to no backend")]
    NoUpstream,
    /// No backend of the group took the connection, or its name does not resolve.
    #[error("no backend accepts connections")]
    Connect(#[source] io::Error),
    /// The same, for want of descriptors, ports or memory of ours.
    #[error("the gateway cannot open another connection")]
    Exhausted(#[source] io::Error),
    /// The gateway has as many sockets to backends as it may have, and none of them is idle.
    #[error("the gateway has as many connections to backends as it may have")]
    BudgetSpent,
    /// The tenant has as many sockets to backends as it may have, and none of them is idle.
    #[error("the tenant has as many connections to backends as it may have")]
    TenantUpstreams,
    /// The gateway has few sockets to backends left, and the tenant has many.
    #[error("few connections to backends are left, and the tenant has many")]
    TenantShare,
    /// The tenant may not be connected to it: nothing was sent.
    #[error("the backend is out of bounds for its tenant")]
    Denied(#[source] Denial),
    /// Looking for the way to a backend (a path, or a name) was broken off.
    #[error("looking for the way to a backend was broken off")]
    WayLost(#[source] tokio::task::JoinError),
    /// Not connected within `timeouts.connect`, TLS included.
    #[error("no backend accepted a connection in time")]
    ConnectTimeout,
    /// The TLS handshake with the backend failed.
    #[error("the tls handshake with the backend failed")]
    Tls(#[source] io::Error),
    /// The backend's address is a socket and no name to verify is set.
    #[error("there is no name to verify the backend's certificate against")]
    TlsName,
    /// The roots for the backend's certificate cannot be read.
    #[error("the roots for the backend's certificate cannot be read")]
    TlsRoots(#[source] VaultError),
    /// Reading them was broken off.
    #[error("reading the roots for the backend's certificate was broken off")]
    TlsRootsLost(#[source] tokio::task::JoinError),
    /// No response head within `timeouts.response`.
    #[error("the backend did not answer in time")]
    ResponseTimeout,
    /// The connection ended before the response head was complete.
    #[error("the backend closed the connection before it answered")]
    Reset(#[source] ConnectionError),
    /// The response head is malformed or too long.
    #[error("the backend's response is malformed")]
    Malformed(#[source] ConnectionError),
    /// The response is well-formed, and yet may not be passed on.
    #[error("the backend's response may not be passed on")]
    Breach(#[source] ResponseBreach),
}

/// What ended a connection to a backend in the middle of an exchange. Always the backend's fault.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// It has nothing more to say.
    #[error("the connection was closed")]
    Closed,
    /// Reading or writing failed.
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    /// What it says is no response, or could be read in two ways.
    #[error("what came is no response")]
    Malformed(#[source] wire::Fault),
    /// It says more and more, and no response is among it.
    #[error("too many bytes before a response")]
    TooMuch,
}

impl From<ConnectionError> for ForwardError {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::Closed | ConnectionError::Broken(_) => Self::Reset(error),
            ConnectionError::Malformed(_) | ConnectionError::TooMuch => Self::Malformed(error),
        }
    }
}

impl ForwardError {
    /// Whose fault.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Refused(_)
            | Self::BodyTooLarge
            | Self::RequestBody(_)
            | Self::RequestBodyCut
            | Self::RequestTrailer
            | Self::RequestBodyIdle => Fault::Downstream,
            Self::Connect(_)
            | Self::Denied(_)
            | Self::ConnectTimeout
            | Self::Tls(_)
            | Self::TlsName
            | Self::TlsRoots(_)
            | Self::ResponseTimeout
            | Self::Reset(_)
            | Self::Malformed(_)
            | Self::Breach(_) => Fault::Upstream,
            Self::NoUpstream | Self::Exhausted(_) | Self::BudgetSpent | Self::TlsRootsLost(_) | Self::WayLost(_) => {
                Fault::Gateway
            }
            Self::TenantUpstreams | Self::TenantShare => Fault::Tenant,
        }
    }

    /// What the client gets.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Refused(refusal) => *refusal,
            Self::BodyTooLarge => Refusal::BodyTooLarge,
            Self::RequestBody(_) | Self::RequestBodyCut | Self::RequestTrailer => Refusal::BadBody,
            Self::RequestBodyIdle => Refusal::RequestTimeout,
            Self::NoUpstream | Self::TlsRootsLost(_) | Self::WayLost(_) => Refusal::Internal,
            Self::Connect(_) => Refusal::UpstreamUnreachable,
            Self::Denied(denial) if denial.is_of_ownership() => Refusal::UpstreamNotYours,
            Self::Denied(_) => Refusal::UpstreamNotAllowed,
            Self::Exhausted(_) | Self::BudgetSpent => Refusal::GatewayBusy,
            Self::TenantUpstreams => Refusal::TenantUpstreams,
            Self::TenantShare => Refusal::TenantShare,
            Self::ConnectTimeout => Refusal::ConnectTimeout,
            Self::Tls(_) | Self::TlsName | Self::TlsRoots(_) => Refusal::UpstreamTls,
            Self::ResponseTimeout => Refusal::UpstreamTimeout,
            Self::Reset(_) => Refusal::UpstreamReset,
            Self::Malformed(_) | Self::Breach(_) => Refusal::UpstreamInvalid,
        }
    }
}
