//! Slow clients: they take their time until the gateway has had enough, or the round is over.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;
use vestibule_testkit::{Protocol, client, drawn::Random};

use super::linger;
use crate::soak::stage::Stage;

/// Between two bytes.
const DRIP: Duration = Duration::from_millis(300);
/// They lose patience themselves.
const LONGEST: Duration = Duration::from_secs(18);
/// The beginning of a TLS record that holds a ClientHello.
pub(super) const HELLO: [u8; 6] = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01];

/// How a client is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slow {
    Hello,
    Head,
    Body,
    Reader,
    /// HTTP/2, its windows never opened.
    Streams,
    Idle,
    Tunnel,
}

impl Slow {
    pub(super) const ALL: [Self; 7] =
        [Self::Hello, Self::Head, Self::Body, Self::Reader, Self::Streams, Self::Idle, Self::Tunnel];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Hello => "slow: ClientHello",
            Self::Head => "slow: head",
            Self::Body => "slow: body",
            Self::Reader => "slow: reader",
            Self::Streams => "slow: streams",
            Self::Idle => "slow: idle",
            Self::Tunnel => "slow: tunnel",
        }
    }

    /// Until it is over, one way or the other.
    pub(super) async fn visit(self, stage: &Stage, host: &str, random: &mut Random) -> io::Result<()> {
        match self {
            Self::Hello => {
                let mut tcp = stage.visitors.slow.tcp(stage.gateway.https()).await?;
                tcp.write_all(&HELLO).await?;
                until_closed(stage, &mut tcp).await
            }
            Self::Head => {
                let mut tls = tls(stage, host).await?;
                tls.write_all(format!("GET /echo HTTP/1.1\r\nhost: {host}\r\nx-slow: ").as_bytes()).await?;
                drip(stage, tls).await
            }
            Self::Body => {
                let mut tls = tls(stage, host).await?;
                let head = format!("POST /sink HTTP/1.1\r\nhost: {host}\r\ncontent-length: 1000\r\n\r\n");
                tls.write_all(head.as_bytes()).await?;
                drip(stage, tls).await
            }
            Self::Reader => {
                let mut tls = tls(stage, host).await?;
                tls.write_all(format!("GET /bytes/20000000 HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await?;
                // Sometimes nothing at all is read.
                let reads = random.below(3) > 0;
                let mut piece = [0; 4096];
                for _ in 0..LONGEST.as_millis() / DRIP.as_millis() {
                    linger(stage, DRIP).await;
                    if !stage.goes_on() || (reads && tls.read(&mut piece).await? == 0) {
                        break;
                    }
                }
                Ok(())
            }
            Self::Streams => {
                let visitor = &stage.visitors.slow;
                let mut connection = visitor.secure(stage.gateway.https(), host, Protocol::Http2).await?;
                let mut unread = Vec::new();
                for _ in 0..1 + random.below(20) {
                    let request = connection.request("/bytes/10000000").body(client::no_body());
                    unread.push(connection.send(request.map_err(io::Error::other)?).await.map_err(io::Error::other)?);
                }
                linger(stage, LONGEST).await;
                drop(unread);
                Ok(())
            }
            Self::Idle => {
                let mut tls = tls(stage, host).await?;
                until_closed(stage, &mut tls).await
            }
            Self::Tunnel => {
                let tls = tls(stage, host).await?;
                let socket = client::websocket(tls, &format!("wss://{host}/ws")).await.map_err(io::Error::other)?;
                linger(stage, LONGEST).await;
                drop(socket);
                Ok(())
            }
        }
    }
}

async fn tls(stage: &Stage, host: &str) -> io::Result<TlsStream<TcpStream>> {
    let visitor = &stage.visitors.slow;
    visitor.tls(visitor.tcp(stage.gateway.https()).await?, host, Protocol::Http1).await
}

/// Byte after byte.
async fn drip(stage: &Stage, mut tls: TlsStream<TcpStream>) -> io::Result<()> {
    for _ in 0..LONGEST.as_millis() / DRIP.as_millis() {
        if !stage.goes_on() {
            break;
        }
        tls.write_all(b"x").await?;
        tls.flush().await?;
        linger(stage, DRIP).await;
    }
    Ok(())
}

/// Says nothing until the other side ends it.
async fn until_closed<S: tokio::io::AsyncRead + Unpin>(stage: &Stage, stream: &mut S) -> io::Result<()> {
    let mut rest = [0; 64];
    for _ in 0..LONGEST.as_millis() / DRIP.as_millis() {
        match timeout(DRIP, stream.read(&mut rest)).await {
            Ok(Ok(1..)) | Err(_) if stage.goes_on() => {}
            _ => break,
        }
    }
    Ok(())
}
