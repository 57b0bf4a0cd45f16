//! Long bodies, and what passes through tunnels, move in turns of the worker's run loop, in both directions; short ones take
//! none.

use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::*;

const MIB: usize = 1 << 20;
/// Turns that a body of four MiB takes at least, if one moves a quarter of one; the first pieces are free.
const TURNS: usize = 14;

/// Answers each request, when its body is read, with so many bytes.
async fn backend(length: usize) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(async move {
                let mut stream = BufReader::new(stream);
                let mut body = 0;
                loop {
                    let mut line = String::new();
                    stream.read_line(&mut line).await.expect("a line");
                    match line.trim_end().split_once(": ") {
                        None if line.trim_end().is_empty() => break,
                        Some(("content-length", length)) => body = length.parse().expect("a number"),
                        _ => {}
                    }
                }
                let read = tokio::io::copy(&mut (&mut stream).take(body), &mut tokio::io::sink()).await;
                assert_eq!(read.expect("a body"), body);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                stream.write_all(head.as_bytes()).await.expect("sent");
                // Who has enough may be gone.
                let _ = stream.write_all(&vec![b'v'; length]).await;
            });
        }
    });
    address
}

/// How many turns it takes to send so much and to be answered with so much.
async fn turns_of(up: usize, down: usize) -> usize {
    let site = format!("hosts: a.localhost\nredirect_to_https: false\nupstream: {}\n", backend(down).await);
    let gate = Gate::owned(TenantId::OPERATOR, WithoutCertificate::Placeholder, &[&site]);
    let (stream, outcome) = gate.connect(Protocol::Http).await;
    let (mut reading, mut writing) = stream.into_split();
    let head = format!("POST / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: {up}\r\nConnection: close\r\n\r\n");
    let sending = tokio::task::spawn_local(async move {
        writing.write_all(head.as_bytes()).await.expect("sent");
        writing.write_all(&vec![b'v'; up]).await.expect("sent");
        writing
    });
    let mut answer = Vec::new();
    reading.read_to_end(&mut answer).await.expect("an answer");
    let text = String::from_utf8(answer).expect("text");
    assert_eq!((status(&text), body(&text).len()), ("200", down));
    drop(sending.await.expect("no panic"));
    assert_eq!(outcome.await.expect("no panic").outcome, Outcome::Closed);
    gate.worker.bulk().turns()
}

#[test]
fn a_long_body_takes_a_turn_for_each_quarter_of_a_mebibyte_and_a_short_one_none() {
    run(async {
        assert!(turns_of(0, 4 * MIB).await >= TURNS, "a download");
        assert!(turns_of(4 * MIB, 0).await >= TURNS, "an upload");
        assert_eq!(turns_of(60 * 1024, 60 * 1024).await, 0, "short bodies");
    });
}

/// An opening handshake by the example of RFC 6455 section 1.3, and its answer.
const SWITCH: &str = "GET / HTTP/1.1\r\nHost: a.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// How many turns it takes to move so much through a tunnel, up and then down.
async fn turns_of_tunnel(up: usize, down: usize) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    let site = format!("hosts: a.localhost\nredirect_to_https: false\nupstream: {address}\n");
    let gate = Gate::owned(TenantId::OPERATOR, WithoutCertificate::Placeholder, &[&site]);
    let backend = tokio::task::spawn_local(async move {
        let mut stream = BufReader::new(listener.accept().await.expect("accepts").0);
        let mut line = String::from("a head");
        while !line.trim_end().is_empty() {
            line.clear();
            stream.read_line(&mut line).await.expect("a line");
        }
        stream.write_all(SWITCHED.as_bytes()).await.expect("sent");
        let mut heard = vec![0; up];
        stream.read_exact(&mut heard).await.expect("all of it");
        stream.write_all(&vec![b'd'; down]).await.expect("sent");
        assert!(heard.iter().all(|byte| *byte == b'u'));
    });
    let (mut stream, outcome) = gate.connect(Protocol::Http).await;
    stream.write_all(SWITCH.as_bytes()).await.expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream.write_all(&vec![b'u'; up]).await.expect("sent");
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await.expect("the end");
    assert!(heard.len() == down && heard.iter().all(|byte| *byte == b'd'), "{}", heard.len());
    backend.await.expect("no panic");
    assert_eq!(outcome.await.expect("no panic").outcome, Outcome::Upgraded);
    gate.worker.bulk().turns()
}

#[test]
fn what_passes_through_a_tunnel_takes_turns_and_a_few_messages_take_none() {
    run(async {
        assert!(turns_of_tunnel(0, 4 * MIB).await >= TURNS, "down");
        assert!(turns_of_tunnel(4 * MIB, 0).await >= TURNS, "up");
        assert_eq!(turns_of_tunnel(40 * 1024, 40 * 1024).await, 0, "messages");
    });
}
