//! Broken clients: they vanish in the middle, most of them with a reset.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::client::TlsStream;
use vestibule_testkit::{
    Protocol, client,
    drawn::{Content, Random},
};

use super::{errand::streamed, slow::HELLO};
use crate::soak::stage::Stage;

/// Where a client breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    Hello,
    Handshake,
    Head,
    Upload,
    Download,
    Streams,
    /// Asks for an upgrade and is gone before the answer.
    Upgrade,
    WebSocket,
    /// Sends requests and reads no answer.
    Pipeline,
}

impl Broken {
    pub(super) const ALL: [Self; 9] = [
        Self::Hello,
        Self::Handshake,
        Self::Head,
        Self::Upload,
        Self::Download,
        Self::Streams,
        Self::Upgrade,
        Self::WebSocket,
        Self::Pipeline,
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Hello => "broken: ClientHello",
            Self::Handshake => "broken: handshake",
            Self::Head => "broken: head",
            Self::Upload => "broken: upload",
            Self::Download => "broken: download",
            Self::Streams => "broken: streams",
            Self::Upgrade => "broken: upgrade",
            Self::WebSocket => "broken: WebSocket",
            Self::Pipeline => "broken: pipeline",
        }
    }

    /// To the point where it breaks off; whatever is open is reset then.
    pub(super) async fn visit(self, stage: &Stage, host: &str, random: &mut Random) -> io::Result<()> {
        let visitor = &stage.visitors.broken;
        match self {
            Self::Hello => {
                let mut tcp = visitor.abrupt(stage.gateway.https()).await?;
                let part = usize::try_from(random.below(HELLO.len() as u64)).unwrap_or(0);
                tcp.write_all(&HELLO[..part]).await?;
                sleep(Duration::from_millis(random.below(20))).await;
            }
            Self::Handshake => {
                let tcp = visitor.abrupt(stage.gateway.https()).await?;
                let time = Duration::from_micros(random.below(8_000));
                // Cut where it happens to be.
                let _ = timeout(time, visitor.tls(tcp, host, Protocol::Http1)).await;
            }
            Self::Head => {
                let mut tls = tls(stage, host).await?;
                let head = format!("POST /sink HTTP/1.1\r\nhost: {host}\r\ncontent-length: 10\r\nx-part: 1\r\n");
                say_part(&mut tls, head.as_bytes(), random).await?;
            }
            Self::Upload => {
                let mut tls = tls(stage, host).await?;
                let head = format!("POST /sink HTTP/1.1\r\nhost: {host}\r\ncontent-length: 1000000\r\n\r\n");
                tls.write_all(head.as_bytes()).await?;
                say_part(&mut tls, &vec![b'x'; 999_999], random).await?;
            }
            Self::Download => {
                let mut tls = tls(stage, host).await?;
                tls.write_all(format!("GET /bytes/5000000 HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes()).await?;
                let mut piece = vec![0; 64 << 10];
                for _ in 0..random.below(20) {
                    if tls.read(&mut piece).await? == 0 {
                        break;
                    }
                }
            }
            Self::Streams => streams(stage, host, random).await?,
            Self::Upgrade => {
                let mut tls = tls(stage, host).await?;
                let head = format!(
                    "GET /ws HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                     sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                );
                tls.write_all(head.as_bytes()).await?;
                tls.flush().await?;
                sleep(Duration::from_micros(random.below(4_000))).await;
            }
            Self::WebSocket => {
                let mut socket = client::websocket(tls(stage, host).await?, &format!("wss://{host}/ws"))
                    .await
                    .map_err(io::Error::other)?;
                // The head of a long message, and a part of it.
                let io = socket.get_mut();
                io.write_all(&[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4]).await?;
                say_part(io, &[7; 60_000], random).await?;
            }
            Self::Pipeline => {
                let mut tls = tls(stage, host).await?;
                let request = format!("GET /bytes/100000 HTTP/1.1\r\nhost: {host}\r\n\r\n");
                tls.write_all(request.repeat(50).as_bytes()).await?;
                sleep(Duration::from_millis(random.below(50))).await;
            }
        }
        Ok(())
    }
}

async fn tls(stage: &Stage, host: &str) -> io::Result<TlsStream<TcpStream>> {
    let visitor = &stage.visitors.broken;
    visitor.tls(visitor.abrupt(stage.gateway.https()).await?, host, Protocol::Http1).await
}

async fn say_part(tls: &mut TlsStream<TcpStream>, bytes: &[u8], random: &mut Random) -> io::Result<()> {
    let part = usize::try_from(random.below(bytes.len() as u64)).unwrap_or(0);
    tls.write_all(&bytes[..part]).await?;
    tls.flush().await?;
    sleep(Duration::from_millis(random.below(30))).await;
    Ok(())
}

/// Streams that are cancelled at any point, then the connection with those that are left.
async fn streams(stage: &Stage, host: &str, random: &mut Random) -> io::Result<()> {
    let mut connection = stage.visitors.broken.secure(stage.gateway.https(), host, Protocol::Http2).await?;
    let mut open = Vec::new();
    for _ in 0..5 + random.below(30) {
        let request = match random.below(3) {
            0 => {
                let body = streamed(Content::new(random.next(), 1 << 20));
                connection.request("/sink").method("POST").body(body)
            }
            1 => connection.request("/gate").body(client::no_body()),
            _ => connection.request("/bytes/1000000").body(client::no_body()),
        };
        open.push(connection.begin(request.map_err(io::Error::other)?).await.map_err(io::Error::other)?);
        if random.below(4) == 0 {
            // Cancels one.
            let at = usize::try_from(random.below(open.len() as u64)).unwrap_or(0);
            drop(open.swap_remove(at));
        }
        sleep(Duration::from_micros(random.below(2_000))).await;
    }
    Ok(())
}
