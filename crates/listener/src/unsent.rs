//! What the kernel may hold of what was written to a client and is not sent yet (TCP_NOTSENT_LOWAT). What is on its way does
//! not count: the bound costs a fast client nothing.
//!
//! Left to itself the kernel takes megabytes for a client that does not read (`net.ipv4.tcp_wmem`), out of a store that all
//! sockets of the box share (`net.ipv4.tcp_mem`): a thousand such clients use it up, and everybody's connections crawl. And
//! a client that does read, slowly, would be seen to take nothing for as long as that much lasts.

use std::io;

use socket2::SockRef;
use tokio::net::TcpStream;

/// What every connection begins with, bytes: two of the largest writes.
pub const UNSENT_LIMIT: u32 = 128 * 1024;

/// What a connection may be given that moves a lot, bytes: fewer and longer turns.
pub const GENEROUS_UNSENT_LIMIT: u32 = 1024 * 1024;

/// Sets it for a listening socket, whose connections inherit it, or for one connection.
pub(crate) fn set(socket: &SockRef<'_>, limit: u32) -> io::Result<()> {
    socket.set_tcp_notsent_lowat(limit)
}

/// Sets it for an open connection.
///
/// # Errors
/// When the system does not know the option.
pub fn limit_unsent(stream: &TcpStream, limit: u32) -> io::Result<()> {
    set(&SockRef::from(stream), limit)
}

#[cfg(test)]
mod tests {
    use vestibule_names::ListenAddr;

    use super::*;
    use crate::{Acceptor, ConnectionLimits, Permits, bind};

    fn limit_of(stream: &TcpStream) -> u32 {
        SockRef::from(stream).tcp_notsent_lowat().unwrap()
    }

    #[tokio::test]
    async fn connections_begin_with_little_and_may_be_given_more() {
        let bound = bind(&[ListenAddr::parse("127.0.0.1:0").unwrap()], &[], 1).unwrap().remove(0).remove(0);
        let permits = Permits::new(ConnectionLimits { total: 1, per_client: 1 });
        let mut acceptor = Acceptor::new(bound, permits).unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(acceptor.local()), acceptor.accept());
        assert_eq!(limit_of(&accepted.stream), UNSENT_LIMIT);
        limit_unsent(&accepted.stream, GENEROUS_UNSENT_LIMIT).unwrap();
        assert_eq!(limit_of(&accepted.stream), GENEROUS_UNSENT_LIMIT);
        drop(client);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_given_little_more_than_the_limit() {
        let bound = bind(&[ListenAddr::parse("127.0.0.1:0").unwrap()], &[], 1).unwrap().remove(0).remove(0);
        let permits = Permits::new(ConnectionLimits { total: 1, per_client: 1 });
        let mut acceptor = Acceptor::new(bound, permits).unwrap();
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap(); // what it does not read stays with the sender
        let (client, accepted) = tokio::join!(socket.connect(acceptor.local()), acceptor.accept());
        accepted.stream.writable().await.unwrap();
        let (piece, mut taken) = ([0; 64 * 1024], 0);
        while let Ok(count) = accepted.stream.try_write(&piece) {
            taken += count;
            assert!(taken <= 4 * UNSENT_LIMIT as usize, "{taken}");
        }
        assert!(taken >= piece.len(), "{taken}");
        drop(client);
    }
}
