//! A crowd of WebSockets through which comes as much as they take. What passes is no frame of RFC 6455: nobody between the
//! ends reads it, and the ends do not either.
//!
//! Backend and clients run on threads of their own that give way to the visitors.

use std::{net::SocketAddr, thread};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
};
use vestibule_testkit::client::{Trust, websocket};

/// How many.
const TUNNELS: usize = 32;
/// What the backend writes at once, bytes.
const PIECE: usize = 256 * 1024;
/// What a client reads at once.
const ROOM: usize = 64 * 1024;

/// The clients; they end when it is dropped.
pub(super) struct Crowd(#[expect(dead_code, reason = "its end is what counts")] oneshot::Sender<()>);

/// A backend that agrees to every WebSocket and then talks without end; where it is.
pub(super) async fn talk() -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(talk_to(stream));
        }
    });
    Ok(address)
}

async fn talk_to(stream: TcpStream) {
    let Ok(socket) = tokio_tungstenite::accept_async(stream).await else { return };
    let (mut stream, piece) = (socket.into_inner(), vec![b'v'; PIECE]);
    while stream.write_all(&piece).await.is_ok() {}
}

/// Opens the tunnels, and reads from all of them.
pub(super) fn listen(trust: Trust, address: SocketAddr, host: &'static str) -> Crowd {
    let (crowd, mut end) = oneshot::channel();
    thread::spawn(move || {
        // Of this thread alone, on Linux.
        let _ = rustix::process::nice(19);
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async move {
            let mut clients = JoinSet::new();
            for _ in 0..TUNNELS {
                clients.spawn(listen_on(trust.clone(), address, host));
            }
            tokio::select! {
                _ = &mut end => {}
                Some(Ok(Err(error))) = clients.join_next() => eprintln!("a tunnel has ended: {error}"),
            }
        });
    });
    Crowd(crowd)
}

async fn listen_on(trust: Trust, address: SocketAddr, host: &str) -> Result<(), String> {
    let stream = trust.connect(address, host, &[b"http/1.1"]).await.map_err(|error| error.to_string())?;
    let socket = websocket(stream, &format!("wss://{host}/")).await.map_err(|error| error.to_string())?;
    let (mut stream, mut room) = (socket.into_inner(), vec![0; ROOM]);
    while stream.read(&mut room).await.map_err(|error| error.to_string())? > 0 {}
    Err("its other side has closed it".into())
}
