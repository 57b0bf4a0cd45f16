//! One message to one server and its answer: by UDP, and by TCP when the answer does not fit (RFC 1035 section 4.2,
//! RFC 7766) or none comes.
//!
//! Not here: which server, what is asked, what the answer means. An answer is taken for one when it repeats the number
//! and the question; that it is true is for TSIG to prove where it matters.

use std::{io, net::SocketAddr, time::Duration};

use hickory_proto::op::{Edns, Message, MessageType, Query};
use hickory_proto::rr::{Name, RecordType};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

/// For one answer by UDP.
const UDP_TIMEOUT: Duration = Duration::from_secs(2);
/// How often it is asked by UDP.
const UDP_ATTEMPTS: usize = 2;
/// For connection and answer by TCP.
const TCP_TIMEOUT: Duration = Duration::from_secs(5);
/// Datagrams beyond it are cut by the kernel and then do not parse; what we announce is far less.
const DATAGRAM_LIMIT: usize = 4096;
/// What we say we take: no fragments anywhere (the "DNS flag day" of 2020).
const PAYLOAD_ANNOUNCED: u16 = 1232;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error("it does not answer")]
    Silent,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("its answer is no DNS message")]
    Garbled,
    #[error("the question cannot be written: {0}")]
    Unwritable(#[from] hickory_proto::ProtoError),
}

/// An answer, and the bytes it came as (TSIG signs those).
pub(super) struct Answer {
    pub(super) message: Message,
    pub(super) bytes: Vec<u8>,
}

/// A question for a server; `recursion` is for resolvers, never for authoritative servers.
pub(super) fn question(name: &Name, record_type: RecordType, recursion: Recursion) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = recursion == Recursion::Desired;
    message.add_query(Query::query(name.clone(), record_type));
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD_ANNOUNCED);
    message.set_edns(edns);
    message
}

/// Shall the server ask others?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recursion {
    Desired,
    None,
}

/// Sends a message and waits for its answer.
pub(super) async fn exchange(server: SocketAddr, request: &Message) -> Result<Answer, ExchangeError> {
    let bytes = request.to_vec()?;
    for _ in 0..UDP_ATTEMPTS {
        match timeout(UDP_TIMEOUT, by_udp(server, request, &bytes)).await {
            Ok(Ok(answer)) if answer.message.metadata.truncation => break,
            Ok(Ok(answer)) => return Ok(answer),
            // Refused by the host, or no way there: TCP will say it better.
            Ok(Err(_)) => break,
            Err(_) => {}
        }
    }
    timeout(TCP_TIMEOUT, by_tcp(server, request, &bytes)).await.unwrap_or(Err(ExchangeError::Silent))
}

async fn by_udp(server: SocketAddr, request: &Message, bytes: &[u8]) -> Result<Answer, ExchangeError> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    // A fresh socket has a fresh port, and a connected one takes datagrams of the server only.
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(bytes).await?;
    let mut buffer = vec![0; DATAGRAM_LIMIT];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // Whatever else arrives is somebody's guess: the real answer may still come.
        if let Some(answer) = understand(request, &buffer[..length]) {
            return Ok(answer);
        }
    }
}

async fn by_tcp(server: SocketAddr, request: &Message, bytes: &[u8]) -> Result<Answer, ExchangeError> {
    let length = u16::try_from(bytes.len()).map_err(|_| ExchangeError::Garbled)?;
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await?;
    let mut buffer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut buffer).await?;
    understand(request, &buffer).ok_or(ExchangeError::Garbled)
}

/// The answer to this request, if the bytes are one. A server that understood nothing may leave the question away
/// (RFC 1035 section 4.1.1: format error).
fn understand(request: &Message, bytes: &[u8]) -> Option<Answer> {
    let message = Message::from_vec(bytes).ok()?;
    let fits = message.metadata.id == request.metadata.id
        && message.metadata.message_type == MessageType::Response
        && message.metadata.op_code == request.metadata.op_code
        && (message.queries.is_empty() || message.queries == request.queries);
    fits.then(|| Answer { message, bytes: bytes.to_vec() })
}
