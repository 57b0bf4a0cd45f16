//! [`Acceptor`]: the next connection within the limits. Step 1 of the walk of a connection.
//!
//! Two things must never happen here: a loop that spins because the process has no descriptors left, and an accept that ends
//! because one client was gone before its turn.

use std::{io, net::SocketAddr, time::Duration};

use rustix::io::Errno;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep_until},
};
use vestibule_names::ClientAddr;

use crate::{BoundListener, Permit, Permits, Protocol};

/// How long accepting waits when the process has no descriptors left.
pub const BACK_OFF: Duration = Duration::from_millis(100);
/// After so many errors in a row, each of one connection only, accepting waits as well: whatever it is, it does not pass.
const PASSED_OVER_LIMIT: u32 = 64;
/// At most one line per this long: a flood of connections is not to become a flood of lines.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// A connection that was accepted within the limits.
#[derive(Debug)]
pub struct Accepted {
    /// TCP_NODELAY is set, and what the kernel holds for it bounded ([`crate::UNSENT_LIMIT`]).
    pub stream: TcpStream,
    /// From whom.
    pub client: ClientAddr,
    /// To which address, also when the listener is bound to all of them; v4-mapped IPv6 is brought to IPv4.
    pub local: SocketAddr,
    /// Which listener.
    pub protocol: Protocol,
    /// Dropped with the connection.
    pub permit: Permit,
}

/// One worker's accepting side of one socket.
#[derive(Debug)]
pub struct Acceptor {
    listener: TcpListener,
    local: SocketAddr,
    protocol: Protocol,
    permits: Permits,
    /// Accepting waits until then. Here and not in the future, so that a dropped [`Acceptor::accept`] does not forget it.
    resume_at: Option<Instant>,
    passed_over: u32,
    backed_off: u64,
    log: LogGate,
}

impl Acceptor {
    /// Inside the worker's run time.
    ///
    /// # Errors
    /// When the socket cannot be registered with the run time.
    pub fn new(bound: BoundListener, permits: Permits) -> io::Result<Self> {
        Ok(Self {
            listener: TcpListener::from_std(bound.socket)?,
            local: bound.local,
            protocol: bound.protocol,
            permits,
            resume_at: None,
            passed_over: 0,
            backed_off: 0,
            log: LogGate::default(),
        })
    }

    /// The next connection within the limits. Connections over a limit are closed and counted; EMFILE, ENFILE, ENOBUFS and ENOMEM
    /// wait (see [`BACK_OFF`]); errors of one connection (ECONNABORTED …) are passed over. Cancel-safe.
    pub async fn accept(&mut self) -> Accepted {
        loop {
            if let Some(at) = self.resume_at {
                sleep_until(at).await;
                self.resume_at = None;
            }
            // No await between here and the return: a connection that was taken is not lost by cancelling. The run
            // time's budget makes this await yield now and then, so that a flood of refusals starves nobody.
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    self.passed_over = 0;
                    if let Some(accepted) = self.admit(stream, ClientAddr::new(peer)) {
                        return accepted;
                    }
                }
                Err(error) => self.judge(&error),
            }
        }
    }

    /// Where the listener is bound.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// How often accepting has waited for descriptors so far.
    pub fn backed_off(&self) -> u64 {
        self.backed_off
    }

    /// `None`: over a limit, or already gone; dropping the stream closes it.
    fn admit(&mut self, stream: TcpStream, client: ClientAddr) -> Option<Accepted> {
        let permit = match self.permits.acquire(client) {
            Ok(permit) => permit,
            Err(limit) => {
                if let Some(unsaid) = self.log.admit(Instant::now()) {
                    tracing::warn!(code = limit.word(), %client, unsaid, "a connection over the limit was closed");
                }
                return None;
            }
        };
        let local = if self.local.ip().is_unspecified() { stream.local_addr().ok()? } else { self.local };
        let local = SocketAddr::new(local.ip().to_canonical(), local.port());
        Some(Accepted { stream, client, local, protocol: self.protocol, permit })
    }

    /// Decides whether accepting goes on at once.
    fn judge(&mut self, error: &io::Error) {
        let blame = blame(error);
        if blame == Blame::Connection && self.passed_over < PASSED_OVER_LIMIT {
            self.passed_over += 1;
            return;
        }
        self.passed_over = 0;
        self.backed_off += 1;
        let now = Instant::now();
        self.resume_at = Some(now + BACK_OFF);
        if let Some(unsaid) = self.log.admit(now) {
            tracing::error!(%error, ?blame, local = %self.local, unsaid, "accepting waits");
        }
    }
}

/// Whose fault an error of accept(2) is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blame {
    /// One connection's: it was taken from the queue, and the next may be fine.
    Connection,
    /// Ours, or the system's: it stays in the queue, and trying again at once would fail again.
    Resources,
    /// Nothing that accept(2) documents for a listening socket.
    Unknown,
}

fn blame(error: &io::Error) -> Blame {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => Blame::Resources,
        // accept(2): errors that were already pending on the new socket, and a firewall that forbids it.
        Some(
            Errno::CONNABORTED
            | Errno::CONNRESET
            | Errno::INTR
            | Errno::PERM
            | Errno::PROTO
            | Errno::NOPROTOOPT
            | Errno::OPNOTSUPP
            | Errno::NETDOWN
            | Errno::NETUNREACH
            | Errno::NONET
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::TIMEDOUT,
        ) => Blame::Connection,
        _ => Blame::Unknown,
    }
}

/// Lets one line through per [`LOG_INTERVAL`] and counts the others.
#[derive(Debug, Default)]
struct LogGate {
    opens_at: Option<Instant>,
    unsaid: u64,
}

impl LogGate {
    /// How many lines were not said since the last one, when this one may be said.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.opens_at.is_some_and(|at| now < at) {
            self.unsaid += 1;
            return None;
        }
        self.opens_at = Some(now + LOG_INTERVAL);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests;
