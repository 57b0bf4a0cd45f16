//! [`Kernel`]: one socket to `NETLINK_SOCK_DIAG`, and its two questions. A question is answered before the call returns:
//! the kernel works in the caller's time. Nothing here waits for another process.

use std::{
    cell::Cell,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::OwnedFd,
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType,
        netlink::{self, SocketAddrNetlink},
        recvfrom, sendto, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};

use crate::{
    Dial, Seen, State,
    message::{ANSWER_LIMIT, Answer, answer, request},
};

/// An answer that does not come within this never comes.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(250);
/// Messages that belong to no question of ours, taken before a question is given up.
const STRAY_LIMIT: u32 = 8;

/// A socket to the kernel's knowledge of sockets. One per thread.
#[derive(Debug)]
pub struct Kernel {
    socket: OwnedFd,
    sequence: Cell<u32>,
}

/// Why the kernel does not say.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// A filter of system calls or a kernel without it.
    #[error("the kernel gives no socket to ask it about sockets")]
    Unavailable(#[source] io::Error),
    /// Asking failed.
    #[error("the kernel cannot be asked about a socket")]
    Ask(#[source] io::Error),
    /// It refused, for another reason than that there is no such socket.
    #[error("the kernel does not say who holds a socket")]
    Refused(#[source] io::Error),
    /// No answer, or one that makes no sense.
    #[error("the kernel's answer about a socket is not understood")]
    Answer,
}

impl Kernel {
    /// # Errors
    /// Where the kernel or a filter of system calls has no such sockets.
    pub fn open() -> Result<Self, KernelError> {
        let unavailable = |error: Errno| KernelError::Unavailable(error.into());
        let protocol = Some(netlink::SOCK_DIAG);
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, protocol)
            .map_err(unavailable)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_TIMEOUT)).map_err(unavailable)?;
        Ok(Self { socket, sequence: Cell::new(0) })
    }

    /// The socket that a new connection to this address would come to, as the kernel itself would choose: specific before
    /// wildcard, dual-stack included. Of a group that shares the port one is told; all are one user's.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn listener(&self, addr: SocketAddr) -> Result<Option<Seen>, KernelError> {
        // A connection from port 0 does not exist, so that none is found in its place.
        let nobody = match addr.ip().to_canonical() {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        let seen = self.ask(addr, SocketAddr::new(nobody, 0))?;
        Ok(seen.filter(|seen| seen.state == State::Listen))
    }

    /// The beginning of a connection to this address: asks who listens there now. To be called before connecting.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn dial(&self, to: SocketAddr) -> Result<Dial, KernelError> {
        Ok(Dial::new(to, self.listener(to)?))
    }

    /// The socket to which a packet from `remote` to `local` is given.
    pub(crate) fn ask(&self, local: SocketAddr, remote: SocketAddr) -> Result<Option<Seen>, KernelError> {
        let sequence = self.sequence.get().wrapping_add(1);
        self.sequence.set(sequence);
        let failed = |error: Errno| KernelError::Ask(error.into());
        let kernel = SocketAddrNetlink::new(0, 0);
        sendto(&self.socket, &request(sequence, local, remote), SendFlags::empty(), &kernel).map_err(failed)?;
        let mut buffer = [0; ANSWER_LIMIT];
        for _ in 0..STRAY_LIMIT {
            let (length, _, sender) = match recvfrom(&self.socket, &mut buffer[..], RecvFlags::empty()) {
                Err(Errno::INTR) => continue,
                received => received.map_err(failed)?,
            };
            let sender = sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok());
            if sender.is_none_or(|sender| sender.pid() != 0) {
                continue; // a process, not the kernel
            }
            match answer(buffer.get(..length).unwrap_or(&buffer), sequence) {
                None => {}
                Some(Answer::Seen(seen)) => return Ok(Some(seen)),
                Some(Answer::Refused(code)) if code == Errno::NOENT.raw_os_error() => return Ok(None),
                Some(Answer::Refused(code)) => {
                    return Err(KernelError::Refused(io::Error::from_raw_os_error(code)));
                }
                Some(Answer::Other) => return Err(KernelError::Answer),
            }
        }
        Err(KernelError::Answer)
    }
}
