//! What the kernel may hold of one connection to a backend, when either the backend or the client takes nothing: left to
//! itself megabytes in each direction, out of a store that all sockets of the box share (`net.ipv4.tcp_mem`). A thousand
//! downloads that nobody reads to the end would use it up.
//!
//! Not here: Unix sockets, for which the kernel has a small bound by itself, and what it holds for clients.

use std::{io, net::IpAddr};

use socket2::SockRef;
use tokio::net::TcpStream;

/// Bytes of a request that are written and not sent yet: two of the largest writes. What is on its way does not count, so
/// that it costs a fast backend nothing.
const UNSENT_LIMIT: u32 = 128 * 1024;
/// Bytes of a response that are not read yet; the kernel takes twice as much for what it keeps beside them, and no more than
/// `net.core.rmem_max` allows. Only of backends on this machine: to those that are far away it would be a limit of speed.
const UNREAD_LIMIT: usize = 256 * 1024;

/// Bounds it. Where the system does not know how, it does what it did before.
pub(super) fn bound(stream: &TcpStream, backend: IpAddr) {
    if let Err(error) = try_bound(&SockRef::from(stream), backend) {
        tracing::debug!(%error, "a connection to a backend keeps the room that it has in the kernel");
    }
}

fn try_bound(socket: &SockRef<'_>, backend: IpAddr) -> io::Result<()> {
    if backend.to_canonical().is_loopback() {
        socket.set_recv_buffer_size(UNREAD_LIMIT)?;
    }
    socket.set_tcp_notsent_lowat(UNSENT_LIMIT)
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// Our end, bounded as that of a connection to this address, and the backend's.
    async fn ends(backend: IpAddr) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let theirs = listener.accept().await.unwrap().0;
        bound(&ours, backend);
        (ours, theirs)
    }

    const HERE: [u8; 4] = [127, 0, 0, 1];
    const AWAY: [u8; 4] = [192, 0, 2, 1];

    #[tokio::test]
    async fn little_is_held_for_a_backend_that_does_not_read() {
        for backend in [HERE, AWAY] {
            let (ours, theirs) = ends(backend.into()).await;
            // So that what it does not read stays here.
            SockRef::from(&theirs).set_recv_buffer_size(4096).unwrap();
            let (piece, mut taken) = ([0; 64 * 1024], 0);
            ours.writable().await.unwrap();
            while let Ok(count) = ours.try_write(&piece) {
                taken += count;
                assert!(taken <= 4 * UNSENT_LIMIT as usize, "{taken}");
            }
            assert!(taken >= piece.len(), "{taken}");
        }
    }

    #[tokio::test]
    async fn the_room_for_what_a_backend_says_does_not_grow() {
        let (mut ours, mut theirs) = ends(HERE.into()).await;
        let speaking = tokio::spawn(async move { theirs.write_all(&vec![0; 64 << 20]).await });
        // With those who read fast the kernel becomes generous, and stays so when they stop.
        let read = tokio::io::copy(&mut (&mut ours).take(64 << 20), &mut tokio::io::sink()).await.unwrap();
        speaking.await.unwrap().unwrap();
        let room = SockRef::from(&ours).recv_buffer_size().unwrap();
        assert!(read == 64 << 20 && room <= 2 * UNREAD_LIMIT, "{room}");
    }

    #[tokio::test]
    async fn a_backend_that_is_far_away_may_have_much_under_way() {
        let (away, _theirs) = ends(AWAY.into()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let free = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let room = |stream: &TcpStream| SockRef::from(stream).recv_buffer_size().unwrap();
        assert_eq!(room(&away), room(&free));
    }
}
