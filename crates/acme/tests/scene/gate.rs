//! [`Gate`]: answers HTTP-01 and TLS-ALPN-01 from a door, as a gateway's workers do, and nothing else.

use std::sync::Arc;

use rustls::server::Acceptor;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::LazyConfigAcceptor;
use vestibule_acme::Door;
use vestibule_names::Authority;

/// Closes when it is dropped.
pub(crate) struct Gate {
    pub(crate) http_port: u16,
    pub(crate) tls_port: u16,
    tasks: [JoinHandle<()>; 2],
}

impl Gate {
    pub(crate) async fn open(door: Door) -> Self {
        let door = Arc::new(door);
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (http_port, tls_port) = (http.local_addr().unwrap().port(), tls.local_addr().unwrap().port());
        let (http_door, tls_door) = (Arc::clone(&door), door);
        let http = tokio::spawn(async move {
            while let Ok((stream, _)) = http.accept().await {
                let door = Arc::clone(&http_door);
                tokio::spawn(async move { answer_http(stream, &door).await });
            }
        });
        let tls = tokio::spawn(async move {
            while let Ok((stream, _)) = tls.accept().await {
                let door = Arc::clone(&tls_door);
                tokio::spawn(async move { answer_tls(stream, &door).await });
            }
        });
        Self { http_port, tls_port, tasks: [http, tls] }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn answer_http(stream: TcpStream, door: &Door) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let (mut path, mut host) = (String::new(), String::new());
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        } else if path.is_empty() {
            path = line.split(' ').nth(1)?.to_owned();
        } else if let Some((_, value)) = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("host")) {
            // As the gateway does it: without the port, and without the brackets of an IPv6 address.
            let name = Authority::parse(value.trim()).ok()?.host;
            name.key().as_ref().clone_into(&mut host);
        }
    }
    let found =
        path.strip_prefix("/.well-known/acme-challenge/").and_then(|token| door.key_authorization(&host, token));
    let answer = found.map_or_else(
        || "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
        |body| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()),
    );
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

async fn answer_tls(stream: TcpStream, door: &Door) -> Option<()> {
    let handshake = LazyConfigAcceptor::new(Acceptor::default(), stream).await.ok()?;
    let config = door.alpn_config(handshake.client_hello().server_name()?)?;
    let mut stream = handshake.into_stream(config).await.ok()?;
    stream.shutdown().await.ok()
}
