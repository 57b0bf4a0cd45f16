//! Promise: a ClientHello is read whole however it is cut, and what is none is refused before anything is computed for it.

use std::{sync::Arc, time::Duration};

use rustls::{ClientConfig, ClientConnection, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use vestibule_testkit::{Gateway, Site, eventually};

const PATIENCE: Duration = Duration::from_secs(10);
/// Types of records (RFC 8446 section 5.1).
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// The handshake message of a client that wants `a.test`, without its record.
fn hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let mut client = ClientConnection::new(Arc::new(config), ServerName::try_from("a.test").unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes.split_off(5)
}

/// In records of so many bytes.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    let record =
        |part: &[u8]| [&[HANDSHAKE, 3, 1], &u16::try_from(part.len()).unwrap().to_be_bytes()[..], part].concat();
    message.chunks(size).flat_map(record).collect()
}

/// What comes back: all of it, or as much as says whether a handshake began.
async fn answer(address: std::net::SocketAddr, bytes: &[u8], at_once: usize) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for part in bytes.chunks(at_once) {
        // Who is refused may find the connection closed.
        if stream.write_all(part).await.is_err() {
            break;
        }
    }
    let mut received = Vec::new();
    let read = async {
        while !matches!(received.first(), Some(&HANDSHAKE)) && matches!(stream.read_buf(&mut received).await, Ok(1..)) {
        }
    };
    timeout(PATIENCE, read).await.expect("an answer in time");
    received
}

#[tokio::test]
async fn a_client_hello_may_come_in_many_records_and_pieces() {
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").respond("a")).start().await;
    let hello = hello();
    for size in [1, 2, 5, 64, 300, 16_384] {
        for at_once in [7, 1000, usize::MAX] {
            let answer = answer(gateway.https(), &records(&hello, size), at_once).await;
            assert_eq!(answer.first(), Some(&HANDSHAKE), "records of {size}, pieces of {at_once}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_client_hello_is_refused_and_counted() {
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").respond("a")).start().await;
    let hello = hello();
    let long = [&[1, 1, 0x90, 0], &vec![0; 40_000][..]].concat();
    let odd = |at: usize, byte: u8| {
        let mut bytes = records(&hello, 16_384);
        bytes[at] = byte;
        bytes
    };
    let cases: &[(&str, Vec<u8>)] = &[
        ("clear HTTP", b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n".to_vec()),
        ("clear HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("a hello of SSL 2", [&[0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10][..], &[1; 37]].concat()),
        ("another record", odd(0, 23)),
        ("another version of records", odd(1, 9)),
        ("a message of a server", odd(5, 2)),
        ("a message beyond the limit", records(&long, 16_384)),
        ("the same in small records", records(&long, 10)),
        ("records without anything in them", [HANDSHAKE, 3, 1, 0, 0].repeat(10_000)),
        ("a record beyond the limit", [&[HANDSHAKE, 3, 1, 0xff, 0xff][..], &hello].concat()),
        ("zeros", vec![0; 100]),
    ];
    for (name, bytes) in cases {
        let answer = answer(gateway.https(), bytes, usize::MAX).await;
        let is_refusal = answer.is_empty() || answer[0] == ALERT || answer.starts_with(b"HTTP/1.1 400 ");
        assert!(is_refusal, "{name}: {answer:?}");
    }
    let clear = answer(gateway.http(), &records(&hello, 16_384), usize::MAX).await;
    assert!(clear.starts_with(b"HTTP/1.1 400 "), "{clear:?}");
    let wanted = [
        format!("vestibule_connections_ended_total{{outcome=\"handshake_failed\"}} {}", cases.len()),
        "vestibule_connections_ended_total{outcome=\"tls_on_clear_port\"} 1".to_owned(),
    ];
    eventually(&format!("{wanted:?}"), || async {
        let metrics = gateway.admin("/metrics").await.text();
        wanted.iter().all(|line| metrics.contains(line)).then_some(())
    })
    .await;
}
