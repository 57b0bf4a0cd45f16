//! Promise: bodies stream in both directions, at the pace of the slower side, in bounded memory.

use std::{convert::Infallible, io, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
};
use vestibule_testkit::{
    Answer, Curl, Gateway, HttpOrigin, Protocol, ScriptedOrigin, Site, Step, backend::Refusing, client, eventually,
    origin::always,
};

const MIB: usize = 1 << 20;
/// What a body of any size may add to the gateway's memory.
const GROWTH_LIMIT_KIB: u64 = 24 << 10;

async fn one_site() -> (Gateway, HttpOrigin) {
    let origin = HttpOrigin::start().await;
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").upstream(&origin)).start().await;
    (gateway, origin)
}

/// So many MiB in pieces of 64 KiB, of unknown length.
fn pieces(mib: usize) -> client::Body {
    let piece = Bytes::from(vec![7; MIB / 16]);
    let frames = stream::iter((0..mib * 16).map(move |_| Ok::<_, Infallible>(Frame::data(piece.clone()))));
    StreamBody::new(frames).map_err(|never| match never {}).boxed_unsync()
}

#[tokio::test]
async fn a_large_upload_streams_in_bounded_memory() {
    let (mut gateway, _origin) = one_site().await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut connection = gateway.connect("a.test", protocol).await;
        assert_eq!(connection.get("/echo").await.unwrap().status, 200);
        let before = gateway.process().resident_kib();
        let upload = connection.request("/sink").method("POST").body(pieces(64)).unwrap();
        let answer = connection.answer(upload).await.unwrap().json();
        assert_eq!(answer["count"], 64 * MIB);
        let growth = gateway.process().peak_kib().saturating_sub(before);
        assert!(growth < GROWTH_LIMIT_KIB, "{protocol:?}: {growth} KiB");
    }
}

#[tokio::test]
async fn a_large_download_streams_in_bounded_memory() {
    let (mut gateway, _origin) = one_site().await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut connection = gateway.connect("a.test", protocol).await;
        let before = gateway.process().resident_kib();
        let answer = connection.get(&format!("/bytes/{}", 64 * MIB)).await.unwrap();
        assert_eq!(answer.body.len(), 64 * MIB);
        let growth = gateway.process().peak_kib().saturating_sub(before);
        assert!(growth < GROWTH_LIMIT_KIB, "{protocol:?}: {growth} KiB");
    }
}

#[tokio::test]
async fn clients_that_do_not_read_hold_bounded_memory() {
    let (mut gateway, _origin) = one_site().await;
    let before = gateway.process().resident_kib();
    let mut held = Vec::new();
    for protocol in [Protocol::Http1, Protocol::Http2].repeat(10) {
        let mut connection = gateway.connect("a.test", protocol).await;
        let request = connection.request(&format!("/bytes/{}", 64 * MIB)).body(client::no_body()).unwrap();
        let response = connection.send(request).await.unwrap();
        held.push((connection, response));
    }
    // Time for buffers to fill as far as they will: there is no event for "nothing more was read".
    tokio::time::sleep(Duration::from_millis(500)).await;
    let growth = gateway.process().peak_kib().saturating_sub(before);
    assert!(growth < 2 * GROWTH_LIMIT_KIB, "{growth} KiB for {} responses that nobody reads", held.len());
    for (_connection, response) in held.drain(..2) {
        assert_eq!(Answer::read(response).await.unwrap().body.len(), 64 * MIB);
    }
}

/// What is in the gateway, in the socket to its client and in the one to the backend, together, however long the answer.
const ON_ITS_WAY: usize = MIB;

#[tokio::test]
async fn little_is_asked_of_a_backend_for_a_client_that_does_not_read() {
    let dir = tempfile::tempdir().unwrap();
    // The buffers of a Unix socket do not grow by themselves, as those of TCP do.
    let path = dir.path().join("backend.sock");
    let backend = UnixListener::bind(&path).unwrap();
    let site = Site::new("a.test").upstream(format!("unix:{}", path.display()));
    let gateway = Gateway::builder().settings("timeouts: {write_stall: 1s}").site("a.yaml", &site).start().await;
    let mut client = gateway.trust().connect(gateway.https(), "a.test", &[b"http/1.1"]).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
    let (mut asking, _) = backend.accept().await.unwrap();
    asking.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 64 * MIB).as_bytes()).await.unwrap();
    let (piece, mut taken) = (vec![0; 64 << 10], 0);
    // Until the gateway gives the client up, and with it the backend.
    while let Ok(count) = asking.write(&piece).await {
        taken += count;
        assert!(taken <= ON_ITS_WAY, "{taken} bytes were asked for, and not one was read");
    }
    // The backend's connection ends a moment before the client's is counted.
    eventually("a slow reader", || async {
        gateway.admin("/metrics").await.text().contains("{outcome=\"slow_reader\"} 1").then_some(())
    })
    .await;
}

/// Reads up to the end of chunks, behind a head.
async fn chunked(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n0\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0, "all of it comes");
    }
    String::from_utf8(heard).unwrap()
}

#[tokio::test]
async fn chunks_of_one_byte_go_on_in_larger_ones() {
    const COUNT: usize = 20_000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("backend.sock");
    let backend = UnixListener::bind(&path).unwrap();
    let site = Site::new("a.test").upstream(format!("unix:{}", path.display()));
    let gateway = Gateway::builder().site("a.yaml", &site).start().await;
    let mut client = gateway.trust().connect(gateway.https(), "a.test", &[b"http/1.1"]).await.unwrap();
    let chunks = ["01;a\r\n0\r\n".repeat(COUNT).as_bytes(), b"0\r\n\r\n"].concat();
    client.write_all(b"POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    client.write_all(&chunks).await.unwrap();
    let (mut asked, _) = backend.accept().await.unwrap();
    let request = chunked(&mut asked).await;
    asked.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    asked.write_all(&chunks).await.unwrap();
    for (message, what) in [(request, "request"), (chunked(&mut client).await, "response")] {
        let body = message.split_once("\r\n\r\n").unwrap().1;
        let longest = body.split("\r\n").map(str::len).max();
        assert!(longest > Some(1) && body.len() < 2 * COUNT, "{what}: {} bytes for {COUNT}", body.len());
        let content: usize = body.split("\r\n").skip(1).step_by(2).map(str::len).sum();
        assert_eq!(content, COUNT, "{what}");
    }
}

#[tokio::test]
async fn server_sent_events_arrive_as_they_are_sent() {
    let (gateway, origin) = one_site().await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut connection = gateway.connect("a.test", protocol).await;
        let request = connection.request("/events").body(client::no_body()).unwrap();
        let mut body = connection.send(request).await.unwrap().into_body();
        for number in 0..5 {
            // The next event is not sent before this one was seen.
            let event = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(event, format!("data: {number}\n\n"));
            origin.open_gate();
        }
    }
}

#[tokio::test]
async fn trailers_pass_in_both_directions() {
    let (gateway, _origin) = one_site().await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut connection = gateway.connect("a.test", protocol).await;
        let request = connection.request("/trailers").header("te", "trailers").body(client::no_body()).unwrap();
        let answer = connection.answer(request).await.unwrap();
        assert_eq!(answer.text(), "with trailers");
        assert_eq!(answer.trailers.expect("trailers")["x-checksum"], "42", "{protocol:?}");
    }
    let mut connection = gateway.connect("a.test", Protocol::Http2).await;
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-sum", http::HeaderValue::from_static("1"));
    let frames = [Frame::data(Bytes::from_static(b"abc")), Frame::trailers(trailers)];
    let body = StreamBody::new(stream::iter(frames.map(Ok::<_, io::Error>))).boxed_unsync();
    let request = connection.request("/sink").method("POST").header("trailer", "x-sum").body(body).unwrap();
    let answer = connection.answer(request).await.unwrap().json();
    assert_eq!(answer["trailers"], serde_json::json!([["x-sum", "1"]]), "{answer}");
}

/// Sends a head with `Expect` and gives everything up to the end of the first final head.
async fn expect_continue(gateway: &Gateway, path: &str, body: &str) -> String {
    let mut stream = gateway.tls("a.test").await;
    let head = format!("POST {path} HTTP/1.1\r\nhost: a.test\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut received, mut sent) = (Vec::new(), false);
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        received.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&received).into_owned();
        let final_head = text.replacen("HTTP/1.1 100 Continue\r\n\r\n", "", 1);
        if !sent && text.contains("HTTP/1.1 100") {
            stream.write_all(body.as_bytes()).await.unwrap();
            sent = true;
        }
        if count == 0 || final_head.contains("\r\n\r\n") {
            return text;
        }
    }
}

#[tokio::test]
async fn expect_100_continue_is_answered_once() {
    let (gateway, _origin) = one_site().await;
    for _ in 0..10 {
        let received = expect_continue(&gateway, "/sink", "hello").await;
        assert_eq!(received.matches("HTTP/1.1 100").count(), 1, "{received}");
        assert!(received.contains("HTTP/1.1 200"), "{received}");
    }
}

#[tokio::test]
async fn a_backend_that_declines_the_body_is_heard_at_once() {
    let (gateway, _origin) = one_site().await;
    let received = expect_continue(&gateway, "/reject", "").await;
    assert!(received.contains("HTTP/1.1 403"), "{received}");
    // And the next request is not read out of a body that never came.
    assert_eq!(gateway.get("a.test", "/echo").await.status, 200);
}

#[tokio::test]
async fn a_cut_response_is_seen_as_cut() {
    let cut = |head: &str| vec![Step::ReadHead, Step::send(&format!("HTTP/1.1 200 OK\r\n{head}")), Step::Close];
    for head in ["content-length: 100\r\n\r\npartial", "transfer-encoding: chunked\r\n\r\n7\r\npartial\r\n"] {
        let origin = ScriptedOrigin::start(cut(head)).await;
        let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").upstream(&origin)).start().await;
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let mut connection = gateway.connect("a.test", protocol).await;
            let request = connection.request("/").body(client::no_body()).unwrap();
            let read = match connection.send(request).await {
                Ok(response) => Answer::read(response).await,
                Err(error) => Err(error),
            };
            assert!(read.is_err(), "{protocol:?} {head:?}: {read:?}");
        }
    }
}

#[tokio::test]
async fn an_upload_over_the_limit_is_refused() {
    let origin = ScriptedOrigin::start(always("ok")).await;
    let site = Site::new("a.test").upstream(&origin).line("limits: {request_body: 1KiB}");
    let gateway = Gateway::builder().site("a.yaml", &site).start().await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut connection = gateway.connect("a.test", protocol).await;
        let request = connection.request("/").method("POST").body(client::whole(vec![0; 2048])).unwrap();
        assert_eq!(connection.answer(request).await.unwrap().status, 413, "{protocol:?}");
    }
}

#[tokio::test]
async fn request_and_response_stream_at_once() {
    // The backend answers each piece before the next is sent: neither side may wait for the end of the other.
    let head = Step::send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    let answer = |piece: &str| {
        [Step::ReadUntil(piece.as_bytes().to_vec()), Step::send(&format!("5\r\n{}\r\n", piece.to_uppercase()))]
    };
    let script =
        [vec![Step::ReadHead, head], answer("first").to_vec(), answer("again").to_vec(), vec![Step::send("0\r\n\r\n")]];
    let origin = ScriptedOrigin::start(script.concat()).await;
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").upstream(&origin)).start().await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let (mut pieces, body) = tokio::sync::mpsc::channel(1);
        let mut connection = gateway.connect("a.test", protocol).await;
        let request = connection.request("/").method("POST").body(channel(body)).unwrap();
        send(&mut pieces, "first").await;
        let mut response = connection.send(request).await.unwrap().into_body();
        assert_eq!(next(&mut response).await, "FIRST", "{protocol:?}");
        send(&mut pieces, "again").await;
        assert_eq!(next(&mut response).await, "AGAIN", "{protocol:?}");
        drop(pieces);
        assert!(response.frame().await.is_none_or(|frame| frame.is_ok()), "{protocol:?}");
    }
}

type Pieces = tokio::sync::mpsc::Sender<Bytes>;

async fn send(pieces: &mut Pieces, text: &'static str) {
    pieces.send(Bytes::from_static(text.as_bytes())).await.unwrap();
}

async fn next(body: &mut (impl http_body::Body<Data = Bytes, Error: std::fmt::Debug> + Unpin)) -> Bytes {
    let frame = tokio::time::timeout(Duration::from_secs(10), body.frame()).await.expect("a piece in time");
    frame.unwrap().unwrap().into_data().unwrap()
}

/// A body of unknown length that ends with its channel.
fn channel(pieces: tokio::sync::mpsc::Receiver<Bytes>) -> client::Body {
    let frames = stream::unfold(pieces, |mut pieces| async move {
        let piece = pieces.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(piece)), pieces))
    });
    StreamBody::new(frames).map_err(|never| match never {}).boxed_unsync()
}

#[tokio::test]
async fn a_body_that_stops_arriving_is_given_up() {
    let origin = HttpOrigin::start().await;
    let site = Site::new("a.test").upstream(&origin).line("timeouts: {request_body: 200ms}");
    let gateway = Gateway::builder().site("a.yaml", &site).start().await;
    let mut stream = gateway.tls("a.test").await;
    stream.write_all(b"POST /sink HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\nabc").await.unwrap();
    let mut received = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut received)).await;
    assert!(read.is_ok(), "still waiting for the rest of the body");
    assert!(received.is_empty() || received.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&received));
}

#[tokio::test]
async fn our_own_answers_reach_a_client_that_is_still_sending() {
    let dead = Refusing::bind();
    let site =
        Site::new("a.test").respond("fine").line(&format!("routes: {{/dead: \"{dead}\", /gone: {{redirect: /}}}}"));
    let gateway = Gateway::builder().site("a.yaml", &site).start().await;
    let body = "x".repeat(2048);
    for protocol in ["--http1.1", "--http2"] {
        for (path, expected) in [("/", "200"), ("/dead", "502"), ("/gone", "308"), ("/%2f", "400")] {
            for _ in 0..10 {
                let url = format!("https://a.test{path}");
                let curl = Curl::new(&gateway).args([protocol, "--data-binary", &body, "--output", "/dev/null"]);
                let written = curl.args(["--write-out", "%{http_code}", &url]).run().await;
                assert_eq!(written.stdout, expected, "{protocol} {path}: {}", written.stderr);
            }
        }
    }
}
