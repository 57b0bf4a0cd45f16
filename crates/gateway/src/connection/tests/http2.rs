//! The codec of HTTP/2 over a stream in memory, against a client that is not ours: requests and bodies at once, what is kept
//! meanwhile, and how each connection ends. What a backend has to do with it is for the black-box tests.

use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::{Method, Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use vestibule_proxy::Scheme;

use super::*;
use crate::request::{ConnectionFacts, Held};

const SITE: &str =
    "hosts: a.localhost\nredirect_to_https: false\nrespond: hello\nroutes: {/none: {respond: {status: 204}}}\n";
/// More than any buffer of the codec.
const LARGE: usize = 1 << 20;

type Served = tokio::task::JoinHandle<Ended>;

fn gate() -> Gate {
    Gate::new(WithoutCertificate::Placeholder, &[SITE])
}

/// A client's end of a connection that is served, with so much room in between.
fn served(gate: &Gate, room: usize) -> (DuplexStream, Served) {
    let (client, server) = duplex(room);
    let address = ([127, 0, 0, 1], 1).into();
    let peer = ClientAddr::new(address);
    let facts = ConnectionFacts { client: peer, local: address, scheme: Scheme::Http, handshake: None };
    let limits = vestibule_listener::ConnectionLimits { total: 1, per_client: 1 };
    let permit = vestibule_listener::Permits::new(limits).acquire(peer).expect("a permit");
    let serving = serve(Rc::clone(&gate.worker), server, Codec::Http2, facts, Held { permit, seat: None });
    (client, tokio::task::spawn_local(serving))
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
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let headers = |flags: u8, stream: u8| {
        let block = b"\x82\x86\x84\x01\x0ba.localhost";
        let length = u8::try_from(block.len()).expect("short");
        [&[0, 0, length, 1, flags, 0, 0, 0, stream][..], block].concat()
    };
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
