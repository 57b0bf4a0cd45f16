//! [`Visitor`]: a client that comes from an address of its own on the loopback, so that limits per client are its own too,
//! and that may come back to a TLS session.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, client::Resumption, pki_types::ServerName};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{Connection, Protocol, client::Trust};

/// Does it remember sessions?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sessions {
    /// It offers to resume the last one.
    Resumed,
    /// Every handshake is a full one.
    Full,
}

/// See the module. Clones share their sessions.
#[derive(Clone, Debug)]
pub struct Visitor {
    from: Ipv4Addr,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl Visitor {
    /// From that address, believing that.
    pub fn new(from: Ipv4Addr, trust: &Trust, sessions: Sessions) -> Self {
        let config = |protocol: Protocol| {
            let mut config = trust.config(rustls::DEFAULT_VERSIONS);
            config.alpn_protocols = vec![protocol.alpn().to_vec()];
            if sessions == Sessions::Full {
                config.resumption = Resumption::disabled();
            }
            Arc::new(config)
        };
        Self { from, http1: config(Protocol::Http1), http2: config(Protocol::Http2) }
    }

    /// A plain connection.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn tcp(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        // The port is chosen at the connect: many connections to one place may share it with those to others.
        socket.set_reuseaddr(true)?;
        socket.bind((self.from, 0).into())?;
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A connection that is reset as soon as it is dropped.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn abrupt(&self, to: SocketAddr) -> io::Result<TcpStream> {
        let stream = self.tcp(to).await?;
        stream.set_zero_linger()?;
        Ok(stream)
    }

    /// TLS on a connection of this visitor's.
    ///
    /// # Errors
    /// When the handshake fails.
    pub async fn tls(&self, tcp: TcpStream, sni: &str, protocol: Protocol) -> io::Result<TlsStream<TcpStream>> {
        let config = match protocol {
            Protocol::Http1 => &self.http1,
            Protocol::Http2 => &self.http2,
        };
        let name = ServerName::try_from(sni.to_owned()).map_err(io::Error::other)?;
        // A handshake is large: it must not make every future large that waits for it.
        Box::pin(TlsConnector::from(Arc::clone(config)).connect(name, tcp)).await
    }

    /// HTTP over TLS.
    ///
    /// # Errors
    /// When it is refused, or the handshake fails.
    pub async fn secure(&self, to: SocketAddr, host: &str, protocol: Protocol) -> io::Result<Connection> {
        let tls = self.tls(self.tcp(to).await?, host, protocol).await?;
        Box::pin(Connection::over(tls, "https", host, protocol)).await
    }

    /// Clear HTTP/1.1.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn clear(&self, to: SocketAddr, host: &str) -> io::Result<Connection> {
        Box::pin(Connection::over(self.tcp(to).await?, "http", host, Protocol::Http1)).await
    }
}

/// The same, or an error when it takes too long.
///
/// # Errors
/// That of `work` in words, or that it took too long.
pub async fn in_time<T, E: std::fmt::Display>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match tokio::time::timeout(limit, Box::pin(work)).await {
        Ok(done) => done.map_err(|error| format!("{what}: {error}")),
        Err(_) => Err(format!("{what}: nothing in {limit:?}")),
    }
}
