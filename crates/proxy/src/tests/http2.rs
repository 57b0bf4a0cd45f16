//! HTTP/2 on the client's side, HTTP/1.1 on the backend's.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, combinators::BoxBody};
use hyper::{
    body::Incoming,
    client::conn::http2::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::mpsc};

use super::rig::{Gate, LocalExec, Origin, Plan, field, run};
use crate::{Fault, Refusal};

type Payload = BoxBody<Bytes, std::io::Error>;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn client(gate: &Gate) -> SendRequest<Payload> {
    gate.speak_h2();
    let stream = TcpStream::connect(gate.addr).await.unwrap();
    let (sender, connection) = handshake(LocalExec, TokioIo::new(stream)).await.unwrap();
    tokio::task::spawn_local(async move { drop(connection.await) });
    sender
}

fn request(method: Method, target: &str, body: Payload) -> Request<Payload> {
    Request::builder().method(method).uri(format!("http://a.test{target}")).body(body).unwrap()
}

fn nothing() -> Payload {
    Empty::new().map_err(|never| match never {}).boxed()
}

fn whole(bytes: &'static [u8]) -> Payload {
    Full::new(Bytes::from_static(bytes)).map_err(|never| match never {}).boxed()
}

type Frames = Result<Frame<Bytes>, std::io::Error>;

/// A body that the test writes as it goes.
struct Dribble(mpsc::UnboundedReceiver<Frames>);

impl http_body::Body for Dribble {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Frames>> {
        self.0.poll_recv(cx)
    }
}

fn dribble() -> (mpsc::UnboundedSender<Frames>, Payload) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (sender, Dribble(receiver).boxed())
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[test]
fn a_request_becomes_one_of_http_1() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let mut client = client(&gate).await;
        let mut asked = request(Method::GET, "/x?y", nothing());
        for crumb in ["a=1", "b=2"] {
            asked.headers_mut().append("cookie", HeaderValue::from_static(crumb));
        }
        asked.headers_mut().insert("te", HeaderValue::from_static("trailers"));
        let (head, response) = tokio::join!(origin.serve_once(OK), client.send_request(asked));
        assert!(head.starts_with("GET /x?y HTTP/1.1\r\n"), "{head}");
        assert_eq!(field(&head, "host"), ["a.test"]);
        assert_eq!(field(&head, "cookie"), ["a=1; b=2"]);
        assert_eq!(field(&head, "te"), ["trailers"]);
        assert!(field(&head, "transfer-encoding").is_empty() && field(&head, "content-length").is_empty());
        let response = response.unwrap();
        assert_eq!(response.headers()["content-length"], "2");
        assert!(!response.headers().contains_key("connection"));
        assert_eq!(text(response).await, "ok");
    });
}

#[test]
fn bodies_keep_their_length_or_become_chunked() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let mut client = client(&gate).await;
        let backend = async {
            let mut peer = origin.accept().await;
            let head = peer.head().await;
            assert_eq!(field(&head, "content-length"), ["5"]);
            assert_eq!(peer.exactly(5).await, "hello");
            peer.send(OK).await;
            peer
        };
        let (mut peer, response) =
            tokio::join!(backend, client.send_request(request(Method::PUT, "/", whole(b"hello"))));
        assert_eq!(text(response.unwrap()).await, "ok");
        // Even a GET: without a length it is said to be chunked.
        let (frames, body) = dribble();
        let backend = async {
            let head = peer.head().await;
            assert_eq!(field(&head, "transfer-encoding"), ["chunked"]);
            frames.send(Ok(Frame::data(Bytes::from_static(b"hello")))).unwrap();
            assert_eq!(peer.exactly(10).await, "5\r\nhello\r\n");
            drop(frames);
            assert_eq!(peer.exactly(5).await, "0\r\n\r\n");
            peer.send(OK).await;
        };
        let ((), response) = tokio::join!(backend, client.send_request(request(Method::GET, "/", body)));
        assert_eq!(text(response.unwrap()).await, "ok");
    });
}

/// Frames by hand: a client library says NO_ERROR only for a whole message.
mod frames {
    /// Preface, empty SETTINGS, and the head of `POST http://a.test/` on stream 1, as HPACK literals.
    pub(super) fn opening() -> Vec<u8> {
        let head = [&[0x83, 0x86, 0x84, 0x01, 6][..], b"a.test"].concat();
        [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, b""), frame(1, 4, 1, &head)].concat()
    }

    pub(super) fn data(bytes: &[u8]) -> Vec<u8> {
        frame(0, 0, 1, bytes)
    }

    pub(super) fn reset(code: u8) -> Vec<u8> {
        frame(3, 0, 1, &[0, 0, 0, code])
    }

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        [&[0, 0, u8::try_from(payload.len()).unwrap(), kind, flags, 0, 0, 0, stream], payload].concat()
    }
}

/// hyper takes RST_STREAM with NO_ERROR for the clean end of a body.
#[test]
fn half_an_upload_never_looks_whole() {
    run(async {
        for code in [0, 2, 8] {
            for answered in ["", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] {
                let origin = Origin::tcp().await;
                let gate = Plan::to([origin.addr.clone()]).open().await;
                gate.speak_h2();
                let mut client = gate.client().await;
                client.send(frames::opening()).await;
                client.send(frames::data(b"hello")).await;
                let mut peer = origin.accept().await;
                peer.head().await;
                assert_eq!(peer.exactly(10).await, "5\r\nhello\r\n");
                peer.send(answered).await;
                client.send(frames::reset(code)).await;
                assert_eq!(peer.rest().await, "", "no last chunk after code {code}, {answered:?}");
            }
        }
    });
}

#[test]
fn trailers_pass() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let mut client = client(&gate).await;
        let backend = origin.serve_once(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\ngrpc-status: 0\r\nset-cookie: a\r\n\r\n",
        );
        let (_, response) = tokio::join!(backend, client.send_request(request(Method::GET, "/", nothing())));
        let collected = response.unwrap().into_body().collect().await.unwrap();
        let mut expected = HeaderMap::new();
        expected.insert("grpc-status", HeaderValue::from_static("0"));
        assert_eq!(collected.trailers(), Some(&expected));
        assert_eq!(collected.to_bytes(), "ok");
    });
}

#[test]
fn a_cut_response_is_a_reset_stream() {
    run(async {
        for response in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        ] {
            let origin = Origin::tcp().await;
            let gate = Plan::to([origin.addr.clone()]).open().await;
            let mut client = client(&gate).await;
            let (_, response) =
                tokio::join!(origin.serve_once(response), client.send_request(request(Method::GET, "/", nothing())));
            assert!(response.unwrap().into_body().collect().await.is_err());
        }
    });
}

#[test]
fn an_early_answer_does_not_keep_the_connection() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let mut client = client(&gate).await;
        let (frames, body) = dribble();
        frames.send(Ok(Frame::data(Bytes::from_static(b"hello")))).unwrap();
        let backend = async {
            let mut peer = origin.accept().await;
            peer.head().await;
            assert_eq!(peer.exactly(10).await, "5\r\nhello\r\n");
            peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
            peer
        };
        let (mut peer, response) = tokio::join!(backend, client.send_request(request(Method::POST, "/", body)));
        let response = response.unwrap();
        assert_eq!(response.status(), 403);
        assert_eq!(text(response).await, "no");
        assert_eq!(peer.rest().await, "", "closed without a last chunk");
        assert_eq!(gate.pool_counts().0, 0);
    });
}

#[test]
fn refusals_are_pages_here_too() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let mut client = client(&gate).await;
        let mut asked = request(Method::GET, "/", nothing());
        asked.headers_mut().insert("host", HeaderValue::from_static("b.test"));
        let response = client.send_request(asked).await.unwrap();
        assert_eq!(response.status(), 400);
        assert!(text(response).await.contains("bad_host"));
        assert!(origin.is_untouched().await);
        let (_, response) = tokio::join!(
            origin.serve_once("garbage\r\n\r\n"),
            client.send_request(request(Method::GET, "/", nothing()))
        );
        assert_eq!(response.unwrap().status(), 502);
        assert_eq!(gate.faults(), [(Fault::Upstream, Refusal::UpstreamInvalid)]);
    });
}
