//! Addresses → listening sockets, one per worker.
//!
//! SO_REUSEPORT lets the kernel spread connections over the workers without a shared queue. It also lets a second gateway of
//! the same user bind the same port and silently take half of the connections; so each address is first bound once
//! without it, which fails when anybody else listens there.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
};

use rustix::io::Errno;
use socket2::{Domain, SockRef, Socket, Type};
use vestibule_names::ListenAddr;

use crate::{
    Protocol,
    adopt::adopt,
    unsent::{self, UNSENT_LIMIT},
};

/// Connections that wait in the kernel for a worker to accept them (the kernel lowers it to `net.core.somaxconn`).
pub const BACKLOG: i32 = 4096;

/// A bound socket of one worker, not yet in a run time. Send.
#[derive(Debug)]
pub struct BoundListener {
    /// What it carries.
    pub protocol: Protocol,
    /// Where it is bound (the real port when 0 was asked for).
    pub local: SocketAddr,
    /// Non-blocking and listening.
    pub(crate) socket: TcpListener,
}

/// Why an address cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody has it, or it may not be used.
    #[error("cannot listen on {addr}")]
    Bind {
        /// Which address.
        addr: ListenAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Systemd handed over something that is no listening TCP socket.
    #[error("cannot use socket {index} of those that systemd handed over")]
    Adopt {
        /// Which one, counted from 0 in the order of LISTEN_FDNAMES.
        index: usize,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl BindError {
    /// Is the right missing (ports below 1024 without the capability), and not the address taken or absent?
    pub fn is_permission(&self) -> bool {
        let (Self::Bind { source, .. } | Self::Adopt { source, .. }) = self;
        source.kind() == io::ErrorKind::PermissionDenied
    }
}

/// Binds every address for `workers` workers; the outer Vec is one entry per worker. An exclusive probe first, so that an
/// address held by another process is an error and not silently shared. With sockets handed over by systemd
/// (LISTEN_FDS, names `http` and `https`) those are used instead, and the addresses are not looked at.
///
/// A handed-over socket of any other name (systemd's default is the name of the unit) carries clear HTTP on port 80 or
/// 8080, else TLS.
///
/// Call it before threads are started: taking over systemd's sockets removes its variables from the environment.
///
/// # Errors
/// The first address that cannot be bound; what was bound before it is closed again.
pub fn bind(http: &[ListenAddr], https: &[ListenAddr], workers: usize) -> Result<Vec<Vec<BoundListener>>, BindError> {
    if let Some(shares) = adopt(workers)? {
        return Ok(shares);
    }
    let mut shares: Vec<Vec<BoundListener>> = (0..workers).map(|_| Vec::new()).collect();
    let http = http.iter().map(|addr| (Protocol::Http, addr));
    let https = https.iter().map(|addr| (Protocol::Https, addr));
    for (protocol, addr) in http.chain(https) {
        let bound =
            bind_address(protocol, addr.0, workers).map_err(|source| BindError::Bind { addr: *addr, source })?;
        for (share, listener) in shares.iter_mut().zip(bound) {
            share.push(listener);
        }
    }
    Ok(shares)
}

/// One address for all workers. An address that an earlier call bound is "in use" as well: by now its sockets listen.
fn bind_address(protocol: Protocol, addr: SocketAddr, workers: usize) -> io::Result<Vec<BoundListener>> {
    let mut addr = addr;
    match open(addr, Sharing::Exclusive) {
        Ok(probe) => drop(probe),
        Err(error) if addr.ip() == IpAddr::from([0; 16]) && lacks_ipv6(&error) => {
            tracing::warn!(%error, "no IPv6 on this system: listening on all IPv4 addresses only");
            addr.set_ip(Ipv4Addr::UNSPECIFIED.into());
            drop(open(addr, Sharing::Exclusive)?);
        }
        Err(error) => return Err(error),
    }
    let mut bound = Vec::with_capacity(workers);
    for _ in 0..workers {
        let socket = open(addr, Sharing::AmongWorkers)?;
        socket.listen(BACKLOG)?;
        let listener = BoundListener::new(protocol, socket.into())?;
        // Port 0: the first socket's port is everybody's.
        addr = listener.local;
        bound.push(listener);
    }
    Ok(bound)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// Fails when anybody listens there.
    Exclusive,
    /// Fails when anybody listens there but sockets of this user that share as well.
    AmongWorkers,
}

/// A socket that is bound and does not listen yet.
fn open(addr: SocketAddr, sharing: Sharing) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(socket2::Protocol::TCP))?;
    // Connections of a predecessor in TIME_WAIT must not keep a restart from its port.
    socket.set_reuse_address(true)?;
    if sharing == Sharing::AmongWorkers {
        socket.set_reuse_port(true)?;
    }
    if addr.is_ipv6() {
        // `[::]` is every address of both families, whatever net.ipv6.bindv6only says.
        socket.set_only_v6(!addr.ip().is_unspecified())?;
    }
    socket.bind(&addr.into())?;
    Ok(socket)
}

fn lacks_ipv6(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

impl BoundListener {
    /// Takes a listening socket.
    pub(crate) fn new(protocol: Protocol, socket: TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        // Accepted sockets inherit both: one system call here instead of one per connection.
        let shown = SockRef::from(&socket);
        shown.set_tcp_nodelay(true)?;
        if let Err(error) = unsent::set(&shown, UNSENT_LIMIT) {
            tracing::warn!(%error, "clients that do not read hold as much of the kernel's memory as the system lets them");
        }
        Ok(Self { protocol, local: socket.local_addr()?, socket })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback() -> ListenAddr {
        ListenAddr::parse("127.0.0.1:0").unwrap()
    }

    #[test]
    fn every_worker_gets_a_socket_of_every_address() {
        let shares = bind(&[loopback(), loopback()], &[loopback()], 3).unwrap();
        assert_eq!(shares.len(), 3);
        let describe = |share: &Vec<BoundListener>| -> Vec<_> { share.iter().map(|l| (l.protocol, l.local)).collect() };
        for share in &shares {
            assert_eq!(describe(share), describe(&shares[0]));
            assert_eq!(
                share.iter().map(|listener| listener.protocol).collect::<Vec<_>>(),
                [Protocol::Http, Protocol::Http, Protocol::Https]
            );
            assert!(share.iter().all(|listener| listener.local.port() != 0));
        }
    }

    fn check_in_use(http: &[ListenAddr], https: &[ListenAddr]) {
        match bind(http, https, 2) {
            Err(error @ BindError::Bind { .. }) => {
                assert!(!error.is_permission());
                let BindError::Bind { source, .. } = error else { unreachable!() };
                assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_address_that_somebody_listens_on_is_not_shared() {
        for sharing in [Sharing::Exclusive, Sharing::AmongWorkers] {
            let other = open(loopback().0, sharing).unwrap();
            other.listen(1).unwrap();
            let addr = ListenAddr(other.local_addr().unwrap().as_socket().unwrap());
            check_in_use(&[addr], &[]);
            check_in_use(&[], &[addr]);
            check_in_use(&[ListenAddr(SocketAddr::new(IpAddr::from([0; 4]), addr.0.port()))], &[]);
        }
    }

    #[test]
    fn one_address_for_both_protocols_is_refused() {
        let free = open(loopback().0, Sharing::Exclusive).unwrap().local_addr().unwrap().as_socket().unwrap();
        check_in_use(&[ListenAddr(free)], &[ListenAddr(free)]);
    }

    #[test]
    fn an_address_of_another_machine_is_an_error() {
        let error = bind(&[ListenAddr::parse("192.0.2.7:0").unwrap()], &[], 1).unwrap_err();
        assert_eq!(error.to_string(), "cannot listen on 192.0.2.7:0");
    }

    #[test]
    fn a_missing_right_is_told_apart() {
        let error = |kind: io::ErrorKind| BindError::Bind { addr: loopback(), source: kind.into() };
        assert!(error(io::ErrorKind::PermissionDenied).is_permission());
        assert!(!error(io::ErrorKind::AddrInUse).is_permission());
    }
}
