//! Sockets that systemd opened and handed over (sd_listen_fds(3)).
//!
//! They keep listening while the gateway restarts, and need no capability. Each is one queue: the workers get duplicates of
//! the same socket, not sockets of their own.

use std::{env, io, net::TcpListener};

use listenfd::ListenFd;

use crate::{BindError, BoundListener, Protocol};

/// Ports that carry clear HTTP when a socket has no name that says what it carries.
const CLEAR_PORTS: [u16; 2] = [80, 8080];

/// `None` when nothing was handed over.
pub(crate) fn adopt(workers: usize) -> Result<Option<Vec<Vec<BoundListener>>>, BindError> {
    // Read first: taking the descriptors clears the variables that say whose they are.
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut handed_over = ListenFd::from_env();
    if handed_over.len() == 0 {
        return Ok(None);
    }
    let mut names = names.split(':');
    let mut shares: Vec<Vec<BoundListener>> = (0..workers).map(|_| Vec::new()).collect();
    for index in 0..handed_over.len() {
        let name = names.next().unwrap_or_default();
        let socket = take(&mut handed_over, index).map_err(|source| BindError::Adopt { index, source })?;
        for share in &mut shares {
            share.push(duplicate(&socket, name).map_err(|source| BindError::Adopt { index, source })?);
        }
    }
    Ok(Some(shares))
}

fn take(handed_over: &mut ListenFd, index: usize) -> io::Result<TcpListener> {
    let socket = handed_over.take_tcp_listener(index)?.ok_or(io::ErrorKind::NotFound)?;
    if socket2::SockRef::from(&socket).is_listener()? {
        Ok(socket)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "the socket does not listen (set Accept=no in its unit)"))
    }
}

fn duplicate(socket: &TcpListener, name: &str) -> io::Result<BoundListener> {
    let port = socket.local_addr()?.port();
    BoundListener::new(protocol_of(name, port), socket.try_clone()?)
}

fn protocol_of(name: &str, port: u16) -> Protocol {
    match name {
        "http" => Protocol::Http,
        "https" => Protocol::Https,
        _ if CLEAR_PORTS.contains(&port) => Protocol::Http,
        _ => Protocol::Https,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_what_a_socket_carries_else_the_port() {
        for (name, port, expected) in [
            ("http", 443, Protocol::Http),
            ("https", 80, Protocol::Https),
            ("vestibule.socket", 80, Protocol::Http),
            ("", 8080, Protocol::Http),
            ("unknown", 443, Protocol::Https),
            ("", 8443, Protocol::Https),
        ] {
            assert_eq!(protocol_of(name, port), expected, "{name} {port}");
        }
    }
}
