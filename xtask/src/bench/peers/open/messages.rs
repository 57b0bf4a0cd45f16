//! WebSocket messages at a steady pace, each echoed: RFC 6455 by hand, as far as one frame each way needs it.

use std::{net::SocketAddr, sync::Arc};

use tokio::{sync::mpsc::unbounded_channel, task::JoinSet};
use tokio_rustls::rustls::ClientConfig;

use super::{
    client::Client,
    paced::{Lines, Seen, whole_micros},
};
use crate::bench::peers::stage::HOST;

/// WebSockets that stay open.
const SOCKETS: u32 = 250;
/// In all of them together.
pub(in crate::bench::peers) const MESSAGES_PER_SECOND: f64 = 10_000.0;
/// Of the text in a message.
const LENGTH: u8 = 64;
/// Before it in a frame without a mask (section 5.2), as a server sends it.
const HEAD: u64 = 2;

/// Opens them: each sends a message in its turn.
pub(in crate::bench::peers) async fn open(
    tls: Arc<ClientConfig>,
    address: SocketAddr,
    path: &str,
) -> Result<Lines, String> {
    let (mut lines, mut ends) = (Vec::new(), JoinSet::new());
    for _ in 0..SOCKETS {
        let mut client = shake_hands(&tls, address, path).await?;
        let (line, mut turns) = unbounded_channel::<std::time::Instant>();
        lines.push(line);
        ends.spawn(async move {
            let (message, mut seen) = (message(), Vec::new());
            while let Some(due) = turns.recv().await {
                client.send(&message).await?;
                client.skip(HEAD + u64::from(LENGTH)).await?;
                seen.push(whole_micros(due.elapsed()));
            }
            Seen::Ok(seen)
        });
    }
    Ok(Lines::new(lines, ends))
}

/// The opening handshake; the key is the example of section 1.3, since nobody here is to be kept from guessing it.
async fn shake_hands(tls: &Arc<ClientConfig>, address: SocketAddr, path: &str) -> Result<Client, String> {
    let mut client = Client::connect(tls, address, HOST).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {HOST}:{}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        address.port()
    );
    client.send(request.as_bytes()).await?;
    match client.head().await? {
        (101, _) => Ok(client),
        (status, _) => Err(format!("answered {status} to a WebSocket")),
    }
}

/// A final frame of text, masked as a client's must be (section 5.3).
fn message() -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![0x81, 0x80 | LENGTH];
    frame.extend(MASK);
    frame.extend((0..usize::from(LENGTH)).map(|at| b'v' ^ MASK[at % 4]));
    frame
}
