//! Bind or adopt sockets, accept with limits and back-off.
//!
//! [`bind`] is called once per gateway: it binds every address once per worker (SO_REUSEPORT), or adopts the sockets that
//! systemd handed over. A worker turns its share into [`Acceptor`]s. Accepting never spins: without descriptors it waits.
//! What a connection says is not read here, and nothing is spawned.
//!
//! ```text
//! bind ──▶ BoundListener (one per worker and address) ──▶ Acceptor ──▶ Accepted { stream, client, permit … }
//!                                                            ▲
//!                                       Permits (shared) ────┘
//! ```
//!
//! | module | step |
//! |---|---|
//! | `bind` | addresses → sockets, after an exclusive probe |
//! | `adopt` | LISTEN_FDS → sockets |
//! | `descriptors` | how many connections the process has descriptors for |
//! | `permits` | counts in all and per client |
//! | `accept` | the next connection within the limits |
//! | `unsent` | what the kernel may hold for a client that does not read |

mod accept;
mod adopt;
mod bind;
mod descriptors;
mod permits;
mod unsent;

pub use accept::{Accepted, Acceptor, BACK_OFF};
pub use bind::{BACKLOG, BindError, BoundListener, bind};
pub use descriptors::{RESERVED_DESCRIPTORS, descriptor_budget};
pub use permits::{ConnectionLimits, OverLimit, Permit, Permits};
pub use unsent::{GENEROUS_UNSENT_LIMIT, UNSENT_LIMIT, limit_unsent};

/// What a listener carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Clear HTTP.
    Http,
    /// TLS.
    Https,
}

#[cfg(test)]
mod tests;
