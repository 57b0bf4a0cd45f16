//! [`Speaker`]: a backend that says the bytes of a case, by its number in the path, and a right answer to `/canary`.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What the backend does when it has said its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It waits for the next request.
    Keep,
    /// It closes.
    Close,
}

pub(super) struct Speaker {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

const CANARY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\ncanary";

impl Speaker {
    pub(super) async fn start(says: Vec<(Vec<u8>, After)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let says = Arc::new(says);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serve(stream, Arc::clone(&says)));
            }
        });
        Self { address, accepting }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, says: Arc<Vec<(Vec<u8>, After)>>) {
    let mut held = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = held.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if !matches!(stream.read_buf(&mut held).await, Ok(1..)) {
                return;
            }
        };
        let head = String::from_utf8(held.drain(..end).collect()).unwrap();
        let number = head.split(' ').nth(1).unwrap().trim_start_matches('/');
        let (bytes, after) = match number.parse::<usize>() {
            Ok(number) => (says[number].0.as_slice(), says[number].1),
            Err(_) => (CANARY, After::Keep),
        };
        if stream.write_all(bytes).await.is_err() || after == After::Close {
            return;
        }
    }
}
