//! [`Denial`]: why nothing is sent to a backend, in words for the tenant whose site names it.

use std::{fmt, net::SocketAddr, path::PathBuf};

use vestibule_names::Scope;
use vestibule_owner::path::PathError;

/// Why nothing is sent to a backend.
#[derive(Debug, thiserror::Error)]
pub enum Denial {
    /// Another user holds the port.
    #[error("port {port} is held by uid {uid}, not by you")]
    Port {
        /// Which.
        port: u16,
        /// Whose it is.
        uid: u32,
    },
    /// Another user holds the Unix socket.
    #[error("{} is held by uid {uid}, not by you", path.display())]
    Socket {
        /// Which.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
    },
    /// A folder or link on the way to the Unix socket is another user's.
    #[error("the way to the socket is not yours: {0}")]
    Way(PathError),
    /// It did not become clear who would read a request.
    #[error("it cannot be said whose process would read what is sent to {0}")]
    Unsettled(SocketAddr),
    /// The kernel does not say who holds a socket.
    #[error("this machine does not say whose process listens")]
    Blind,
    /// The place is out of bounds.
    #[error("{place} {why}")]
    Place {
        /// The address or path.
        place: String,
        /// Why.
        why: Why,
    },
}

/// Why a place is out of bounds for a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is this gateway.
    Gateway,
    /// The operator refuses it to all tenants.
    RefusedByOperator,
    /// Nobody's site may lead there.
    Never(Scope),
    /// It is another host, and the operator does not list it for this tenant.
    NotListed,
}

impl Denial {
    pub(crate) fn place(place: &impl fmt::Display, why: Why) -> Self {
        Self::Place { place: place.to_string(), why }
    }

    /// Is it a matter of who holds the socket, which may be another user tomorrow?
    pub fn is_of_ownership(&self) -> bool {
        !matches!(self, Self::Place { .. })
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gateway => "is this gateway itself",
            Self::RefusedByOperator => "is refused to all tenants by the operator",
            Self::Never(Scope::LinkLocal) => "is a link-local address, where clouds keep a machine's secrets",
            Self::Never(Scope::Metadata) => "is where a cloud tells a machine its secrets",
            Self::Never(Scope::Multicast) => "is no single host",
            Self::Never(_) => "is no address of a backend",
            Self::NotListed => "is another host, which the operator does not list for you",
        })
    }
}
