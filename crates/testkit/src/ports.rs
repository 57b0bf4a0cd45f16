//! [`Reserved`]: a loopback port for a server that cannot choose one by itself, kept from others until it starts.
//!
//! Real servers want their ports in a configuration file, and others must know them before. A reserved port is bound but
//! not listened on; it is let go right before the server binds it, and lies where the kernel serves no port 0 from.

use std::{
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::{Arc, Mutex},
};

use rustix::net;

use crate::backend::free_port;

/// A port of ours. Clones share it.
#[derive(Clone, Debug)]
pub struct Reserved {
    address: SocketAddr,
    socket: Arc<Mutex<Option<OwnedFd>>>,
}

impl Reserved {
    /// On the IPv4 loopback, for TCP.
    pub fn tcp() -> Self {
        // Somebody may bind it between the look and the bind; then the next one is taken.
        let taken = (0..1000).find_map(|_| {
            let address = free_port();
            // No child may inherit it: it would hold the port after the release.
            let (family, kind, flags) = (net::AddressFamily::INET, net::SocketType::STREAM, net::SocketFlags::CLOEXEC);
            let socket = net::socket_with(family, kind, flags, None).unwrap();
            net::bind(&socket, &address).ok().map(|()| (address, socket))
        });
        let (address, socket) = taken.expect("a port that nobody else wants");
        Self { address, socket: Arc::new(Mutex::new(Some(socket))) }
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Lets go of it: the server binds it next. Again is fine.
    pub fn release(&self) {
        self.socket.lock().unwrap().take();
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_reserved_port_is_nobody_elses_until_it_is_released() {
        let port = Reserved::tcp();
        assert!(TcpListener::bind(port.address()).is_err());
        assert_ne!(Reserved::tcp().address(), port.address());
        port.release();
        assert!(TcpListener::bind(port.address()).is_ok());
    }

    #[test]
    fn no_child_keeps_a_reserved_port() {
        let port = Reserved::tcp();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        port.release();
        // A child of another test has it too, from its fork to its exec.
        let free = (0..1000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            TcpListener::bind(port.address()).is_ok()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(free);
    }
}
