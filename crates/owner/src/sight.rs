//! [`Dial`] and [`Sight`]: who will read what is written to a connection of ours.
//!
//! What is sought is a verdict that stays true: once somebody is said to hold the other end, no byte that is written
//! afterwards reaches another user's process, whoever takes the port meanwhile. Why it stays true:
//!
//! 1. The other end is looked for by the four ends of the connection, as the kernel looks for it when a packet comes.
//!    While that socket lives, it alone is given our packets. When it dies, so does the connection: the kernel resets it,
//!    and a packet without a socket is answered by a reset, also when somebody else listens at the port by then.
//! 2. An accepted socket (it has an inode) tells who accepted it. That is certain.
//! 3. A socket that waits to be accepted belongs to its listener: who closes a listener resets what waits there. Since
//!    Linux 6.17 such a socket tells the uid of its listener; before, it told 0. A number other than 0 is therefore certain.
//! 4. Where 0 was told, or the handshake is half done (a listener with `TCP_DEFER_ACCEPT` creates a socket with the first
//!    byte), the listener is asked for: once before we connect, once after. The connection was made in between, at the
//!    listener of that moment. Two listeners of different users never overlap at one address (the kernel refuses the second
//!    bind), a group that shares a port is one user's, and a cookie is never given twice. So when
//!    both answers are one socket, it was the listener of that moment, and what waits, waits there.
//! 5. Anything else is not settled: the caller asks again, or gives up. So it is when the kernel keeps no socket at all of
//!    a connection (SYN cookies with a full queue): the next packet would find whoever listens then.
//!
//! A listener that root opened (systemd hands them over) says nothing of who accepts: see [`Sight::Queued`]. To hand an
//! accepted or a listening socket to another process is its owner's decision, and to close and reopen the same listener
//! between two questions is something that its owner alone can do to itself.

use std::net::SocketAddr;

use crate::{Kernel, KernelError};

/// The state of a socket, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Connected.
    Established,
    /// Half connected.
    SynReceived,
    /// It waits for connections.
    Listen,
    /// On its way to the end, or from it.
    Other,
}

/// A socket, as the kernel describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What it does.
    pub state: State,
    /// Its own end.
    pub local: SocketAddr,
    /// Whom it is connected to.
    pub remote: SocketAddr,
    /// No other socket ever has it.
    pub cookie: u64,
    /// Whose it is. 0 also where the kernel does not know yet.
    pub uid: u32,
    /// 0 while no process has it.
    pub inode: u32,
}

/// Who will read what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// A process of this user accepted the connection.
    Held(u32),
    /// It waits at a listener of this user. For anybody but root that is certain: nobody else accepts there unless this
    /// user wants it. Root opens listeners for others: wait until somebody has accepted.
    Queued(u32),
    /// Not to be said now. Perhaps in a moment.
    Unsettled,
    /// Nobody: the other end is closed.
    Closed,
}

/// A connection from before it is made.
#[derive(Debug, Clone, Copy)]
pub struct Dial {
    to: SocketAddr,
    before: Option<Seen>,
}

impl State {
    /// From the kernel's number (`include/net/tcp_states.h`).
    pub(crate) fn of(number: u8) -> Self {
        match number {
            1 => Self::Established,
            3 | 12 => Self::SynReceived,
            10 => Self::Listen,
            _ => Self::Other,
        }
    }
}

impl Dial {
    pub(crate) fn new(to: SocketAddr, before: Option<Seen>) -> Self {
        Self { to, before }
    }

    /// Who listened before the connection was made.
    pub fn listener(&self) -> Option<u32> {
        self.before.map(|seen| seen.uid)
    }

    /// Who holds the other end of the connection that was made from `local`.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn look(&self, kernel: &Kernel, local: SocketAddr) -> Result<Sight, KernelError> {
        let end = kernel.ask(self.to, local)?;
        sight(self.before, end, || kernel.listener(self.to))
    }
}

/// What follows from what is seen; `after` asks once more who listens.
fn sight(
    before: Option<Seen>,
    end: Option<Seen>,
    after: impl FnOnce() -> Result<Option<Seen>, KernelError>,
) -> Result<Sight, KernelError> {
    let Some(end) = end else { return Ok(Sight::Unsettled) };
    Ok(match end.state {
        State::Established if end.inode != 0 => Sight::Held(end.uid),
        State::Established if end.uid != 0 => Sight::Queued(end.uid),
        State::Established | State::SynReceived => match (before, after()?) {
            (Some(before), Some(after)) if before.cookie == after.cookie => Sight::Queued(after.uid),
            _ => Sight::Unsettled,
        },
        State::Listen => Sight::Unsettled,
        State::Other => Sight::Closed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(state: State, uid: u32, inode: u32, cookie: u64) -> Seen {
        let any = "127.0.0.1:5000".parse().unwrap();
        Seen { state, local: any, remote: any, cookie, uid, inode }
    }

    #[test]
    fn only_what_stays_true_is_said() {
        use State::{Established, Listen, Other, SynReceived};
        let listener = |uid, cookie| Some(seen(Listen, uid, 9, cookie));
        let table = [
            // accepted: certain, whoever listens
            (listener(1001, 1), Some(seen(Established, 1002, 7, 5)), listener(1001, 1), Sight::Held(1002)),
            (None, Some(seen(Established, 0, 7, 5)), None, Sight::Held(0)),
            // waiting, Linux 6.17 and later
            (None, Some(seen(Established, 1002, 0, 5)), listener(1001, 1), Sight::Queued(1002)),
            // waiting, older: both answers about the listener must be one socket
            (listener(1001, 1), Some(seen(Established, 0, 0, 5)), listener(1001, 1), Sight::Queued(1001)),
            (listener(1002, 1), Some(seen(Established, 0, 0, 5)), listener(1001, 2), Sight::Unsettled),
            (listener(1001, 1), Some(seen(Established, 0, 0, 5)), listener(1001, 2), Sight::Unsettled),
            (None, Some(seen(Established, 0, 0, 5)), listener(1001, 2), Sight::Unsettled),
            (listener(1001, 1), Some(seen(Established, 0, 0, 5)), None, Sight::Unsettled),
            (listener(0, 1), Some(seen(Established, 0, 0, 5)), listener(0, 1), Sight::Queued(0)),
            // half done
            (listener(1001, 1), Some(seen(SynReceived, 0, 0, 5)), listener(1001, 1), Sight::Queued(1001)),
            (listener(1002, 1), Some(seen(SynReceived, 0, 0, 5)), listener(1001, 2), Sight::Unsettled),
            // nothing of the connection is known
            (listener(1001, 1), listener(1001, 1), listener(1001, 1), Sight::Unsettled),
            (listener(1001, 1), None, listener(1001, 1), Sight::Unsettled),
            (listener(1001, 1), Some(seen(Other, 1001, 7, 5)), listener(1001, 1), Sight::Closed),
        ];
        for (before, end, after, expected) in table {
            assert_eq!(sight(before, end, || Ok(after)).unwrap(), expected, "{before:?} {end:?} {after:?}");
        }
    }
}
