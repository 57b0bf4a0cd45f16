//! [`Client`]: one TLS connection and as little HTTP/1.1 as a load needs: a request that is ready as bytes, and of its answer
//! the status and the length. It does without a library because its own time is taken from the same core as the origin's.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, HandshakeKind, pki_types::ServerName},
};

/// A head is never longer.
const HEAD_LIMIT: usize = 16 << 10;
/// Bytes read at once.
const PIECE: usize = 32 << 10;

/// See the module.
pub(in crate::bench::peers) struct Client {
    stream: TlsStream<TcpStream>,
    /// What was read and not used yet.
    buffer: Vec<u8>,
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench::peers) struct Answer {
    pub(in crate::bench::peers) status: u16,
    pub(in crate::bench::peers) length: u64,
}

/// A GET, ready to be sent again and again.
pub(in crate::bench::peers) fn get(host: &str, path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
}

impl Client {
    /// A finished handshake for that name.
    pub(in crate::bench::peers) async fn connect(
        tls: &Arc<ClientConfig>,
        address: SocketAddr,
        host: &str,
    ) -> Result<Self, String> {
        let tcp = TcpStream::connect(address).await.map_err(|error| format!("cannot connect: {error}"))?;
        Self::over(tcp, tls, host).await
    }

    /// The same over a connection that is there.
    pub(super) async fn over(tcp: TcpStream, tls: &Arc<ClientConfig>, host: &str) -> Result<Self, String> {
        tcp.set_nodelay(true).map_err(|error| error.to_string())?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let connecting = TlsConnector::from(Arc::clone(tls)).connect(name, tcp);
        let stream = connecting.await.map_err(|error| format!("no handshake: {error}"))?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Whether the server knew us from before.
    pub(in crate::bench::peers) fn is_resumed(&self) -> bool {
        self.stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Sends these bytes and reads the whole answer.
    pub(in crate::bench::peers) async fn exchange(&mut self, request: &[u8]) -> Result<Answer, String> {
        self.send(request).await?;
        let (status, length) = self.head().await?;
        let length = length.ok_or("an answer without a length")?;
        self.skip(length).await?;
        Ok(Answer { status, length })
    }

    /// Sends these bytes.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let sending = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        sending.await.map_err(|error| format!("cannot send: {error}"))
    }

    /// Reads a head: its status, and the length that it names.
    pub(super) async fn head(&mut self) -> Result<(u16, Option<u64>), String> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = parse(&self.buffer[..end]).ok_or("an answer that cannot be read")?;
                self.buffer.drain(..end + 4);
                return Ok(head);
            }
            if self.buffer.len() > HEAD_LIMIT {
                return Err("a head without an end".to_owned());
            }
            self.fill().await?;
        }
    }

    /// Reads so many bytes and forgets them.
    pub(super) async fn skip(&mut self, mut count: u64) -> Result<(), String> {
        loop {
            let have = self.buffer.len().min(usize::try_from(count).unwrap_or(usize::MAX));
            self.buffer.drain(..have);
            count -= have as u64;
            if count == 0 {
                return Ok(());
            }
            self.fill().await?;
        }
    }

    /// Reads at least a byte, and at most so many; forgets them.
    pub(super) async fn sip(&mut self, most: usize) -> Result<(), String> {
        let mut bytes = vec![0; most];
        match self.stream.read(&mut bytes).await {
            Ok(0) => Err("the connection was closed".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("cannot read: {error}")),
        }
    }

    async fn fill(&mut self) -> Result<(), String> {
        self.buffer.reserve(PIECE);
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) => Err("the connection was closed".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("cannot read: {error}")),
        }
    }
}

/// Status and `Content-Length` of a head.
fn parse(head: &[u8]) -> Option<(u16, Option<u64>)> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Some((status, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let check = |head: &str, expected| assert_eq!(parse(head.as_bytes()), expected, "{head:?}");
        check("HTTP/1.1 200 OK\r\nServer: x\r\ncontent-LENGTH: 1024", Some((200, Some(1_024))));
        check("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket", Some((101, None)));
        check("HTTP/1.1 502", Some((502, None)));
        for broken in ["", "HTTP/1.0 200 OK", "HTTP/1.1 OK", "ICY 200"] {
            check(broken, None);
        }
    }
}
