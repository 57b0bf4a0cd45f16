//! Hostile clients: malformed, flooding, greedy. Most of it is done to the tenant who is there for it.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    runtime::Handle,
    time::{sleep, timeout},
};
use vestibule_testkit::{
    Protocol, client,
    drawn::{Content, Random},
    flood::{self, Bound},
};

use super::linger;
use crate::soak::stage::{CALM, PREY, Stage};

/// How long an answer to what is malformed is waited for.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// A flood that nothing ends goes on for so long.
const FLOOD: Bound = Bound { turns: 50_000, time: Duration::from_secs(5) };
/// Connections that are opened at once.
const CROWD: u64 = 200;

/// Behind a request line: what no reader may take in two ways.
const FIELDS: [&str; 18] = [
    "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "content-length: +5\r\n\r\nhello",
    "content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
    "content-length: 5, 5\r\n\r\nhello",
    "content-length: 99999999999999999999\r\n\r\nhello",
    "transfer-encoding: chunked\r\n\r\n5;\n\r\nhello\r\n0\r\n\r\n",
    "transfer-encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n",
    "transfer-encoding: chunked\r\n\r\n5\r\nhelloX0\r\n\r\n",
    "transfer-encoding: chunked\r\n\r\n0\r\nhost: b.test\r\n\r\n",
    "x: a\r\n folded: b\r\n\r\n",
    "x : a\r\n\r\n",
    "x: a\0b\r\n\r\n",
    "x: a\nhost: b.test\r\n\r\n",
    "host: other.test\r\n\r\n",
    "expect: 200-maybe\r\ncontent-length: 1\r\n\r\n",
];

/// Whole beginnings of connections that are no HTTP, or hardly.
const FOREIGN: [&[u8]; 8] = [
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nhost: x\r\n\r\n",
    b"CONNECT a.test:22 HTTP/1.1\r\nhost: a.test:22\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    b"\x16\x03\x01\xff\xff\x01\xff\xff\xff\x03\x03",
];

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hostile {
    /// Requests that can be read in two ways.
    Malformed,
    /// Heads beyond every limit.
    Oversized,
    /// No HTTP, on either port.
    Foreign,
    /// Names that no site has, and challenges that nobody asked for.
    Names,
    /// Frames over and over.
    Flood,
    /// Many connections that do nothing.
    Crowd,
    /// Many streams to a backend that does not answer.
    Hanging,
    /// Requests faster than the tenant may have.
    Rush,
    /// Large answers, many at once, taken slowly.
    Greed,
}

impl Hostile {
    pub(super) const ALL: [Self; 9] = [
        Self::Malformed,
        Self::Oversized,
        Self::Foreign,
        Self::Names,
        Self::Flood,
        Self::Crowd,
        Self::Hanging,
        Self::Rush,
        Self::Greed,
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Malformed => "hostile: malformed",
            Self::Oversized => "hostile: oversized",
            Self::Foreign => "hostile: foreign",
            Self::Names => "hostile: names",
            Self::Flood => "hostile: flood",
            Self::Crowd => "hostile: crowd",
            Self::Hanging => "hostile: hanging",
            Self::Rush => "hostile: rush",
            Self::Greed => "hostile: greed",
        }
    }

    /// One attack, to its end.
    pub(super) async fn visit(self, stage: &Stage, random: &mut Random) -> io::Result<()> {
        match self {
            Self::Malformed => {
                let host = *random.pick(&[CALM, PREY]);
                let fields = *random.pick(&FIELDS);
                let request = format!("POST /echo HTTP/1.1\r\nhost: {host}\r\n{fields}");
                said(stage, host, [request.as_bytes(), b"GET /smuggled HTTP/1.1\r\n\r\n"].concat(), random).await
            }
            Self::Oversized => {
                let request = match random.below(3) {
                    0 => format!("GET /{} HTTP/1.1\r\nhost: {PREY}\r\n\r\n", "a".repeat(40_000)),
                    1 => format!("GET / HTTP/1.1\r\nhost: {PREY}\r\nx: {}\r\n\r\n", "b".repeat(100_000)),
                    _ => format!("GET / HTTP/1.1\r\nhost: {PREY}\r\n{}\r\n", "x: y\r\n".repeat(1_000)),
                };
                said(stage, PREY, request.into_bytes(), random).await
            }
            Self::Foreign => foreign(stage, random).await,
            Self::Names => {
                let (name, alpn) = match random.below(3) {
                    0 => ("nobody.soak.test", &b"http/1.1"[..]),
                    1 => (CALM, &b"acme-tls/1"[..]),
                    _ => (CALM, &b"spdy/3"[..]),
                };
                let refused = stage.gateway.trust().connect(stage.gateway.https(), name, &[alpn]).await;
                refused.map(drop)
            }
            Self::Flood => {
                let floods: Vec<_> = flood::FRAMES.iter().chain(flood::WEIGHTS).collect();
                let visitor = &stage.visitors.hostile;
                let tls = visitor.tls(visitor.tcp(stage.gateway.https()).await?, PREY, Protocol::Http2).await?;
                let flood = **random.pick(&floods);
                // It counts in cells, which stay on one thread.
                let flooding = move || Handle::current().block_on(flood.run(tls, PREY, FLOOD));
                tokio::task::spawn_blocking(flooding).await.map(drop).map_err(io::Error::other)
            }
            Self::Crowd => {
                let mut crowd = Vec::new();
                for _ in 0..CROWD {
                    crowd.push(stage.visitors.hostile.tcp(stage.gateway.https()).await?);
                }
                linger(stage, Duration::from_millis(random.below(3_000))).await;
                Ok(())
            }
            Self::Hanging | Self::Rush | Self::Greed => self.streams(stage, random).await,
        }
    }

    /// Attacks with requests that are right by themselves.
    async fn streams(self, stage: &Stage, random: &mut Random) -> io::Result<()> {
        let (path, streams) = match self {
            Self::Hanging => ("/gate", 100),
            Self::Greed => ("/bytes/3000000", 50),
            _ => ("/echo", 500),
        };
        let visitor = &stage.visitors.hostile;
        let mut connection = visitor.secure(stage.gateway.https(), PREY, Protocol::Http2).await?;
        let mut open = Vec::new();
        for _ in 0..streams {
            let request = connection.request(path).body(client::no_body()).map_err(io::Error::other)?;
            let answer = connection.begin(request).await.map_err(io::Error::other)?;
            match self {
                Self::Rush => drop(timeout(ANSWER_LIMIT, answer).await),
                _ => open.push(tokio::spawn(answer)),
            }
            if !stage.goes_on() {
                break;
            }
        }
        linger(stage, Duration::from_millis(random.below(3_000))).await;
        // Those that are under way are cancelled.
        open.into_iter().for_each(|answer| answer.abort());
        Ok(())
    }
}

/// Says that over TLS or in the clear, and listens to the answer.
async fn said(stage: &Stage, host: &str, bytes: Vec<u8>, random: &mut Random) -> io::Result<()> {
    let visitor = &stage.visitors.hostile;
    if random.below(2) == 0 {
        return converse(visitor.tcp(stage.gateway.http()).await?, &bytes).await;
    }
    let tcp = visitor.tcp(stage.gateway.https()).await?;
    converse(visitor.tls(tcp, host, Protocol::Http1).await?, &bytes).await
}

async fn foreign(stage: &Stage, random: &mut Random) -> io::Result<()> {
    let port = if random.below(2) == 0 { stage.gateway.https() } else { stage.gateway.http() };
    let noise = Content::new(random.next(), random.below(3_000)).whole();
    let bytes = match random.below(FOREIGN.len() as u64 + 1) {
        0 => &noise,
        _ => *random.pick(&FOREIGN),
    };
    converse(stage.visitors.hostile.tcp(port).await?, bytes).await
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await?;
    let mut heard = Vec::new();
    // What hangs is left.
    let _ = timeout(ANSWER_LIMIT, stream.read_to_end(&mut heard)).await;
    sleep(Duration::from_millis(1)).await;
    Ok(())
}
