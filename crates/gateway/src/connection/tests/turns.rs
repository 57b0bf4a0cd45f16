//! Long bodies move in turns of the worker's run loop, in both directions; short ones take none.

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
