//! [`Kernel`]: a socket to `NETLINK_SOCK_DIAG` and one to `NETLINK_ROUTE`, and the questions. A question is answered before the call returns:
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
        AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType,
        netlink::{self, SocketAddrNetlink},
        recvfrom, sendto, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};

use crate::{
    Dial, Seen, State,
    message::{ANSWER_LIMIT, Answer, RTN_LOCAL, answer, request, route_request},
};

/// An answer that does not come within this never comes.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(250);
/// Messages that belong to no question of ours, taken before a question is given up.
const STRAY_LIMIT: u32 = 8;

/// Sockets to the kernel's knowledge of sockets and routes. One per thread.
#[derive(Debug)]
pub struct Kernel {
    sockets: OwnedFd,
    routes: OwnedFd,
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
        // Without a protocol it is the one of routes.
        let (sockets, routes) = (open_netlink(Some(netlink::SOCK_DIAG))?, open_netlink(None)?);
        Ok(Self { sockets, routes, sequence: Cell::new(0) })
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
        match self.exchange(&self.sockets, |sequence| request(sequence, local, remote))? {
            Answer::Seen(seen) => Ok(Some(seen)),
            Answer::Refused(code) if code == Errno::NOENT.raw_os_error() => Ok(None),
            other => Err(strange(&other)),
        }
    }

    /// Is it an address of this machine: in this network namespace, loopback included?
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn is_local(&self, ip: IpAddr) -> Result<bool, KernelError> {
        match self.exchange(&self.routes, |sequence| route_request(sequence, ip))? {
            Answer::Route(kind) => Ok(kind == RTN_LOCAL),
            // No way there: then it is not here either.
            Answer::Refused(code)
                if [Errno::NETUNREACH, Errno::HOSTUNREACH, Errno::ACCESS, Errno::INVAL]
                    .iter()
                    .any(|errno| errno.raw_os_error() == code) =>
            {
                Ok(false)
            }
            other => Err(strange(&other)),
        }
    }

    /// Asks, and takes the answer to this question: at most [`STRAY_LIMIT`] messages are looked at.
    fn exchange<B: AsRef<[u8]>>(
        &self,
        socket: &OwnedFd,
        question: impl FnOnce(u32) -> B,
    ) -> Result<Answer, KernelError> {
        let sequence = self.sequence.get().wrapping_add(1);
        self.sequence.set(sequence);
        let failed = |error: Errno| KernelError::Ask(error.into());
        let kernel = SocketAddrNetlink::new(0, 0);
        sendto(socket, question(sequence).as_ref(), SendFlags::empty(), &kernel).map_err(failed)?;
        let mut buffer = [0; ANSWER_LIMIT];
        for _ in 0..STRAY_LIMIT {
            let (length, _, sender) = match recvfrom(socket, &mut buffer[..], RecvFlags::empty()) {
                Err(Errno::INTR) => continue,
                received => received.map_err(failed)?,
            };
            let sender = sender.and_then(|sender| SocketAddrNetlink::try_from(sender).ok());
            if sender.is_none_or(|sender| sender.pid() != 0) {
                continue; // a process, not the kernel
            }
            if let Some(answer) = answer(buffer.get(..length).unwrap_or(&buffer), sequence) {
                return Ok(answer);
            }
        }
        Err(KernelError::Answer)
    }
}

fn open_netlink(protocol: Option<Protocol>) -> Result<OwnedFd, KernelError> {
    let unavailable = |error: Errno| KernelError::Unavailable(error.into());
    let (family, kind) = (AddressFamily::NETLINK, SocketType::DGRAM);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, protocol).map_err(unavailable)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_TIMEOUT)).map_err(unavailable)?;
    Ok(socket)
}

fn strange(answer: &Answer) -> KernelError {
    match answer {
        Answer::Refused(code) => KernelError::Refused(io::Error::from_raw_os_error(*code)),
        Answer::Seen(_) | Answer::Route(_) | Answer::Other => KernelError::Answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_from_others() {
        let kernel = Kernel::open().unwrap();
        for (ip, local) in [("127.0.0.1", true), ("127.9.9.9", true), ("192.0.2.1", false), ("2001:db8::1", false)] {
            assert_eq!(kernel.is_local(ip.parse().unwrap()).unwrap(), local, "{ip}");
        }
    }
}
