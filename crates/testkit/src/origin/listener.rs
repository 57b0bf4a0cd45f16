//! Where an origin listens: a loopback port or a Unix socket, behind one way to accept.

use std::{
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
};

/// As a site file writes it.
#[derive(Clone, Debug)]
pub enum OriginAddr {
    /// A loopback port.
    Tcp(SocketAddr),
    /// A socket file.
    Unix(PathBuf),
}

impl fmt::Display for OriginAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A stream of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Makes the next close an abrupt one (RST), where the kind of socket knows such a thing.
    fn reset_on_close(&self);
}

impl Stream for TcpStream {
    fn reset_on_close(&self) {
        self.set_zero_linger().unwrap();
    }
}

impl Stream for UnixStream {
    fn reset_on_close(&self) {}
}

/// A bound socket of either kind.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    pub(super) async fn bind_tcp() -> (Self, OriginAddr) {
        Self::bind_at(([127, 0, 0, 1], 0).into()).await.unwrap()
    }

    pub(super) async fn bind_at(address: SocketAddr) -> io::Result<(Self, OriginAddr)> {
        let listener = TcpListener::bind(address).await?;
        let address = OriginAddr::Tcp(listener.local_addr()?);
        Ok((Self::Tcp(listener), address))
    }

    pub(super) fn bind_unix(path: &Path) -> (Self, OriginAddr) {
        (Self::Unix(UnixListener::bind(path).unwrap()), OriginAddr::Unix(path.to_path_buf()))
    }

    pub(super) async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}
