//! The codec of HTTP/2 over a stream in memory, against a client that is not ours: requests and bodies at once, what is kept
//! meanwhile, and how each connection ends. What a backend has to do with it is for the black-box tests.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::{Method, Request, StatusCode};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt, AsyncWrite as _, AsyncWriteExt, DuplexStream, duplex};
use vestibule_proxy::Scheme;

use super::*;
use crate::request::{ConnectionFacts, Held};

const SITE: &str =
    "hosts: a.localhost\nredirect_to_https: false\nrespond: hello\nroutes: {/none: {respond: {status: 204}}}\n";
/// More than any buffer of the codec.
const LARGE: usize = 1 << 20;

/// What a client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A request of a client that asks for nothing but the page.
fn headers(flags: u8, stream: u8) -> Vec<u8> {
    let block = b"\x82\x86\x84\x01\x0ba.localhost";
    let length = u8::try_from(block.len()).expect("short");
    [&[0, 0, length, 1, flags, 0, 0, 0, stream][..], block].concat()
}

type Served = tokio::task::JoinHandle<Ended>;

fn gate() -> Gate {
    Gate::new(WithoutCertificate::Placeholder, &[SITE])
}

/// A client's end of a connection that is served, with so much room in between.
fn served(gate: &Gate, room: usize) -> (DuplexStream, Served) {
    let (client, serving) = serving(gate, room);
    (client, tokio::task::spawn_local(serving))
}

/// The same, to be driven.
fn serving(gate: &Gate, room: usize) -> (DuplexStream, Serving) {
    let (client, server) = duplex(room);
    let address = ([127, 0, 0, 1], 1).into();
    let peer = ClientAddr::new(address);
    let facts = ConnectionFacts { client: peer, local: address, scheme: Scheme::Http, handshake: None };
    let limits = vestibule_listener::ConnectionLimits { total: 1, per_client: 1 };
    let permit = vestibule_listener::Permits::new(limits).acquire(peer).expect("a permit");
    let serving = serve(Rc::clone(&gate.worker), server, Codec::Http2, facts, Held { permit, seat: None });
    (client, serving)
}

/// A client of that connection, which is driven until it has ended.
async fn client(gate: &Gate, room: usize) -> (SendRequest<Bytes>, Served) {
    let (stream, outcome) = served(gate, room);
    let (requests, connection) = client::handshake(stream).await.expect("a greeting");
    tokio::task::spawn_local(connection);
    (requests, outcome)
}

fn request(method: Method, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("http://a.localhost{path}")).body(()).expect("a request")
}

/// Status, length as the head says it, and body.
async fn answer(response: client::ResponseFuture) -> Result<(StatusCode, Option<String>, Vec<u8>), h2::Error> {
    let response = response.await?;
    assert!(response.headers().contains_key("date"));
    let length = response.headers().get("content-length").map(|value| value.to_str().expect("text").to_owned());
    let (head, mut body) = response.into_parts();
    let mut content = Vec::new();
    while let Some(data) = body.data().await {
        content.extend_from_slice(&data?);
    }
    Ok((head.status, length, content))
}

#[test]
fn requests_are_answered_however_narrow_the_way_is() {
    for room in [1, 7, 64, LARGE] {
        run(async {
            let gate = gate();
            let (mut requests, outcome) = client(&gate, room).await;
            let mut waiting = Vec::new();
            for number in 0..100 {
                requests = requests.ready().await.expect("room for one more");
                let (method, path, expected) = match number % 3 {
                    0 => (Method::GET, "/", (StatusCode::OK, Some("5".to_owned()), b"hello".to_vec())),
                    1 => (Method::HEAD, "/", (StatusCode::OK, Some("5".to_owned()), Vec::new())),
                    _ => (Method::GET, "/none", (StatusCode::NO_CONTENT, None, Vec::new())),
                };
                let (response, _) = requests.send_request(request(method, path), true).expect("sent");
                waiting.push((response, expected));
            }
            for (response, expected) in waiting {
                assert_eq!(answer(response).await.expect("an answer"), expected, "{room}");
            }
            drop(requests);
            assert_eq!(outcome.await.expect("no panic").outcome, Outcome::Closed);
            assert_eq!(gate.worker.tasks().alive(), 0);
        });
    }
}

#[test]
fn a_body_that_nobody_wants_is_taken_for_a_while_and_its_answer_arrives() {
    run(async {
        let gate = gate();
        let (mut requests, outcome) = client(&gate, LARGE).await;
        // As much as the windows take at first, twice: they are opened for it.
        for _ in 0..2 {
            let (response, mut body) = requests.send_request(request(Method::POST, "/"), false).expect("sent");
            body.send_data(vec![b'x'; 128 * 1024].into(), true).expect("sent");
            assert_eq!(answer(response).await.expect("an answer").2, b"hello");
        }
        // One that does not end is stopped, and not as an error.
        let (response, mut body) = requests.send_request(request(Method::POST, "/"), false).expect("sent");
        body.send_data(vec![b'x'; 2 * LARGE].into(), false).expect("queued");
        assert_eq!(answer(response).await.expect("an answer").2, b"hello");
        let reset = std::future::poll_fn(|cx| body.poll_reset(cx)).await.expect("a reset");
        assert_eq!(reset, h2::Reason::NO_ERROR);
        drop((requests, body));
        assert_eq!(outcome.await.expect("no panic").outcome, Outcome::Closed);
        assert_eq!(gate.worker.tasks().alive(), 0);
    });
}

#[test]
fn whoever_breaks_the_rules_is_told_and_whoever_is_gone_is_forgotten() {
    let ping = [&[0, 0, 8, 6, 0, 0, 0, 0, 0][..], b"vestibul"].concat();
    let cases = [
        (vec![], None, Outcome::Closed),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), None, Outcome::Broken),
        ([PREFACE, &headers(5, 1)].concat(), None, Outcome::Closed),
        ([PREFACE, &headers(5, 2)].concat(), Some(1), Outcome::Broken),
        ([PREFACE, &headers(4, 1)].concat(), None, Outcome::Closed),
        ([PREFACE, &ping.repeat(2_000)].concat(), Some(11), Outcome::Flooded),
    ];
    for (bytes, code, outcome) in cases {
        run(async {
            let gate = gate();
            let (mut client, ended) = served(&gate, LARGE);
            client.write_all(&bytes).await.expect("taken");
            client.shutdown().await.expect("ended");
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).await.expect("heard");
            let mut rest = &heard[..];
            let mut said = None;
            while let &[a, b, c, kind, ..] = rest {
                let length = u32::from_be_bytes([0, a, b, c]) as usize;
                said = said.or((kind == 7).then(|| u32::from(rest[16])));
                rest = &rest[9 + length..];
            }
            assert_eq!((said, ended.await.expect("no panic").outcome), (code, outcome), "{bytes:x?}");
            assert_eq!(gate.worker.tasks().alive(), 0);
        });
    }
}

#[test]
fn content_that_is_held_back_is_not_asked_for_by_a_refusal() {
    run(async {
        let site = "hosts: a.localhost\nredirect_to_https: false\nupstream: 127.0.0.1:1\n";
        let gate = Gate::new(WithoutCertificate::Placeholder, &[site]);
        let (mut requests, outcome) = client(&gate, LARGE).await;
        let mut asking = request(Method::POST, "/");
        asking.headers_mut().insert("expect", "100-continue".parse().expect("a value"));
        let (response, mut body) = requests.send_request(asking, false).expect("sent");
        // Nobody is there to forward it to: the answer comes, and the body was not asked for.
        assert_eq!(answer(response).await.expect("an answer").0, StatusCode::BAD_GATEWAY);
        body.send_reset(h2::Reason::CANCEL);
        drop((requests, body));
        assert_eq!(outcome.await.expect("no panic").outcome, Outcome::Closed);
    });
}

/// Frames that came whole: their types and flags.
fn frames(mut heard: &[u8]) -> Vec<(u8, u8)> {
    let mut frames = Vec::new();
    while let &[a, b, c, kind, flags, ..] = heard {
        let Some(rest) = heard.get(9 + u32::from_be_bytes([0, a, b, c]) as usize..) else { break };
        frames.push((kind, flags));
        heard = rest;
    }
    frames
}

#[test]
fn a_client_that_has_taken_a_lot_at_last_is_heard_again() {
    const STREAMS: u8 = 22;
    const ROOM: usize = 100_000;
    run(async {
        let site = format!("hosts: a.localhost\nredirect_to_https: false\nrespond: {}\n", "x".repeat(8_000));
        let gate = Gate::new(WithoutCertificate::Placeholder, &[&site]);
        let (mut client, ended) = served(&gate, ROOM);
        let mut bytes =
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x04\x08\0\0\0\0\0\0\x10\0\0".to_vec();
        for number in 0..STREAMS {
            bytes.extend_from_slice(&[0, 0, 16, 1, 5, 0, 0, 0, 2 * number + 1]);
            bytes.extend_from_slice(b"\x82\x86\x84\x01\x0ba.localhost");
        }
        client.write_all(&bytes).await.expect("taken");
        // What it says now is not looked at: more is held for it than it takes. Then it takes as much as there is room for
        // at once, which is all of the rest.
        for words in [&b""[..], b"\0\0\x08\x06\0\0\0\0\0vestibul"] {
            client.write_all(words).await.expect("taken");
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
        let mut heard = Vec::with_capacity(1 << 20);
        let answered = async {
            while !frames(&heard).contains(&(6, 1)) {
                assert_ne!(client.read_buf(&mut heard).await.expect("heard"), 0);
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(8), answered).await.expect("it is heard");
        assert!(heard.len() > ROOM + 64 * 1024, "the rest was more than is held: {}", heard.len());
        assert_eq!(frames(&heard).iter().filter(|frame| matches!(frame, (0, 1))).count(), usize::from(STREAMS));
        client.shutdown().await.expect("ended");
        assert_eq!(ended.await.expect("no panic").outcome, Outcome::Closed);
    });
}

#[test]
fn what_comes_behind_a_body_that_nobody_reads_any_more_leaves_the_window_open() {
    run(async {
        let gate = gate();
        let (mut requests, outcome) = client(&gate, LARGE).await;
        for round in 0..64 {
            let (response, mut body) = requests.send_request(request(Method::POST, "/"), false).expect("sent");
            body.send_data(vec![b'x'; 2 * LARGE].into(), false).expect("queued");
            assert_eq!(answer(response).await.expect("an answer").2, b"hello");
            let reset = std::future::poll_fn(|cx| body.poll_reset(cx)).await.expect("a reset");
            assert_eq!(reset, h2::Reason::NO_ERROR, "{round}");
        }
        let (response, mut body) = requests.send_request(request(Method::POST, "/"), false).expect("sent");
        let all = 100 * 1024;
        body.reserve_capacity(all);
        let open = async {
            while body.capacity() < all {
                std::future::poll_fn(|cx| body.poll_capacity(cx)).await.expect("open").expect("open");
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(8), open).await.expect("there is room for one more");
        body.send_data(Bytes::new(), true).expect("sent");
        assert_eq!(answer(response).await.expect("an answer").2, b"hello");
        drop((requests, body));
        assert_eq!(outcome.await.expect("no panic").outcome, Outcome::Closed);
    });
}

#[test]
fn a_head_that_is_too_large_gets_a_page_and_only_its_length_for_head() {
    run(async {
        let gate = gate();
        let (mut requests, outcome) = client(&gate, LARGE).await;
        for method in [Method::GET, Method::HEAD] {
            let mut asking = request(method.clone(), "/");
            asking.headers_mut().insert("x-large", "x".repeat(70_000).parse().expect("a value"));
            let (response, _) = requests.send_request(asking, true).expect("sent");
            let (status, length, body) = answer(response).await.expect("an answer");
            assert_eq!(
                (status, body.is_empty()),
                (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, method == Method::HEAD)
            );
            assert_ne!(length, None);
        }
        drop(requests);
        assert_eq!(outcome.await.expect("no panic").outcome, Outcome::Closed);
    });
}

/// Counts how often it is polled.
struct Counted(Pin<Box<dyn Future<Output = Ended>>>, Rc<Cell<u32>>);

impl Future for Counted {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        self.1.set(self.1.get() + 1);
        self.0.as_mut().poll(cx)
    }
}

#[test]
fn a_connection_that_ends_rests_until_its_client_has_left() {
    run(async {
        let gate = gate();
        let (mut client, serving) = serving(&gate, LARGE);
        let polls = Rc::<Cell<u32>>::default();
        let ended = tokio::task::spawn_local(Counted(serving, Rc::clone(&polls)));
        // A request that nobody has begun to serve, and behind it what ends the connection.
        client.write_all(&[PREFACE, &headers(5, 1), &headers(5, 2)].concat()).await.expect("taken");
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!ended.is_finished(), "it waits for the client's end");
        assert!(polls.get() < 10, "{} times, for nothing", polls.get());
        drop(client);
        assert_eq!(ended.await.expect("no panic").outcome, Outcome::Broken);
    });
}

#[test]
fn many_small_frames_are_a_turn_by_themselves() {
    /// The most that is read at once, bytes.
    const AT_ONCE: usize = 16 * 1024;
    run(async {
        let gate = gate();
        // A request, and its body byte by byte.
        let data = [0, 0, 1, 0, 0, 0, 0, 0, 1, b'x'].repeat(6 * AT_ONCE / 10);
        let said = [PREFACE, &headers(4, 1), &data].concat();
        let (mut client, mut serving) = serving(&gate, said.len());
        client.write_all(&said).await.expect("there is room");
        // It has its turn, and then others have theirs.
        let first = poll_fn(|cx| Poll::Ready(Pin::new(&mut serving).poll(cx).is_pending())).await;
        let room = poll_fn(|cx| Pin::new(&mut client).poll_write(cx, &said)).await.expect("some room");
        assert!(first && room <= AT_ONCE, "{room} bytes of frames at once");
        // It goes on by itself to the end.
        drop(client);
        serving.await;
    });
}

#[test]
fn answers_that_come_one_after_the_other_are_written_together() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let backend = listener.local_addr().expect("bound");
        let site = format!("hosts: a.localhost\nredirect_to_https: false\nupstream: {backend}\n");
        let gate = Gate::owned(TenantId::OPERATOR, WithoutCertificate::Placeholder, &[&site]);
        let (mut client, ended) = served(&gate, LARGE);
        client.write_all(&[PREFACE, &headers(5, 1), &headers(5, 3)].concat()).await.expect("taken");
        let mut asked = Vec::new();
        for _ in 0..2 {
            let mut stream = tokio::io::BufReader::new(listener.accept().await.expect("asked").0);
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                stream.read_line(&mut line).await.expect("a line");
            }
            asked.push(stream);
        }
        for stream in &mut asked {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await.expect("sent");
            // The first is seen, and is all that there is.
            tokio::task::yield_now().await;
        }
        let mut heard = vec![0; LARGE];
        let hellos = loop {
            let count = client.read(&mut heard).await.expect("an answer");
            let hellos = heard[..count].windows(5).filter(|bytes| bytes == b"hello").count();
            if hellos > 0 {
                break hellos;
            }
        };
        assert_eq!(hellos, 2);
        drop(client);
        ended.await.expect("no panic");
    });
}
