//! [`HttpOrigin`]: a well-behaved HTTP/1.1 upstream with one route per kind of exchange.
//!
//! | path | what it does |
//! |---|---|
//! | `/echo…` and any other | the request as JSON: method, target, headers in order, body |
//! | `/gate` | answers after [`HttpOrigin::open_gate`] |
//! | `/events` | server-sent events: one at once, the others after the gate, one for each opening |
//! | `/bytes/N` | N bytes, streamed |
//! | `/whole/N` | N bytes, at most 1 MiB, with a length |
//! | `/drawn/N/SEED` | N bytes of [`Content`], streamed |
//! | `/sink` | reads the body; its length, SHA-256 and trailers as JSON |
//! | `/count` | reads the body; its length |
//! | `/trailers` | a chunked body with a trailer, for a client that says `TE: trailers` (RFC 9110 section 6.5.1) |
//! | `/status/N` | that status, no body |
//! | `/reject` | 403 at once, the request's body unread |
//! | `/ws` | a WebSocket that echoes |

use std::{
    convert::Infallible,
    fmt, io,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use aws_lc_rs::digest;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};

use super::listener::{Listener, OriginAddr};
use crate::{drawn::Content, wait::eventually};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// No body in one piece is longer.
const WHOLE_LIMIT: u64 = 1 << 20;

/// See the table of this module.
#[derive(Debug)]
pub struct HttpOrigin {
    address: OriginAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

/// What all connections share.
#[derive(Debug)]
struct State {
    name: HeaderValue,
    gate: Semaphore,
    waiting: AtomicUsize,
    requests: AtomicUsize,
    connections: AtomicUsize,
    websockets: AtomicUsize,
}

impl HttpOrigin {
    /// On a loopback port.
    pub async fn start() -> Self {
        Self::start_named("origin").await
    }

    /// On a loopback port; every answer carries `x-origin: NAME`.
    pub async fn start_named(name: &str) -> Self {
        Self::over(Listener::bind_tcp().await, name)
    }

    /// At that address.
    ///
    /// # Errors
    /// When it is taken.
    pub async fn start_at(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::over(Listener::bind_at(address).await?, "origin"))
    }

    /// On a Unix socket.
    pub fn start_unix(path: &Path) -> Self {
        Self::over(Listener::bind_unix(path), "origin")
    }

    fn over((listener, address): (Listener, OriginAddr), name: &str) -> Self {
        let state = Arc::new(State {
            name: HeaderValue::from_str(name).unwrap(),
            gate: Semaphore::new(0),
            waiting: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            websockets: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok(stream) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let state = Arc::clone(&shared);
                let service = service_fn(move |request| answer(request, Arc::clone(&state)));
                let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
                // How a connection ends is the other side's affair.
                tokio::spawn(async move { drop(connection.await) });
            }
        });
        Self { address, state, accepting }
    }

    /// Lets one request (or one event) pass the gate.
    pub fn open_gate(&self) {
        self.state.gate.add_permits(1);
    }

    /// Waits until so many requests stand at the gate.
    pub async fn at_gate(&self, count: usize) {
        let look = || std::future::ready((self.state.waiting.load(Ordering::SeqCst) == count).then_some(()));
        eventually(&format!("{count} requests at the gate"), look).await;
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// How many connections came.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How many WebSockets are open.
    pub fn websockets(&self) -> usize {
        self.state.websockets.load(Ordering::SeqCst)
    }
}

impl fmt::Display for HttpOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Drop for HttpOrigin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Body>, hyper::Error> {
    state.requests.fetch_add(1, Ordering::SeqCst);
    let path = request.uri().path().to_owned();
    let mut segments = path.trim_start_matches('/').split('/');
    let first = segments.next().unwrap_or_default();
    let number = segments.next().and_then(|text| text.parse::<u64>().ok());
    let mut response = match (first, number) {
        ("gate", _) => {
            state.pass_gate().await;
            Response::new(whole("through the gate"))
        }
        ("events", _) => events(&state),
        ("bytes", Some(count)) => Response::new(streamed(count)),
        ("whole", Some(count)) => {
            let count = usize::try_from(count.min(WHOLE_LIMIT)).unwrap();
            Response::new(Full::new(Bytes::from(vec![b'v'; count])).boxed_unsync())
        }
        ("drawn", Some(count)) => {
            let seed = segments.next().and_then(|text| text.parse().ok()).unwrap_or_default();
            Response::new(drawn(Content::new(seed, count)))
        }
        ("sink", _) => sink(request.into_body()).await?,
        ("count", _) => count(request.into_body()).await?,
        ("trailers", _) => with_trailers(),
        ("status", Some(code)) => status(u16::try_from(code).unwrap_or(500)),
        ("reject", _) => status(403),
        ("ws", _) => websocket(request, &state),
        _ => echo(request).await?,
    };
    response.headers_mut().insert("x-origin", state.name.clone());
    Ok(response)
}

impl State {
    async fn pass_gate(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

fn whole(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed_unsync()
}

fn status(code: u16) -> Response<Body> {
    let mut response = Response::new(Empty::new().boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(code).unwrap();
    response
}

async fn echo(request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let headers: Vec<_> =
        head.headers.iter().map(|(name, value)| json!([name.as_str(), lossy(value.as_bytes())])).collect();
    let seen = json!({
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
        "version": format!("{:?}", head.version),
        "headers": headers,
        "body": lossy(&body),
    });
    let mut response = Response::new(whole(seen.to_string()));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    Ok(response)
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The first event needs no gate: it must arrive while the others have not been sent.
fn events(state: &Arc<State>) -> Response<Body> {
    let state = Arc::clone(state);
    let events = stream::unfold(0_u64, move |number| {
        let state = Arc::clone(&state);
        async move {
            if number > 0 {
                state.pass_gate().await;
            }
            let event = Bytes::from(format!("data: {number}\n\n"));
            Some((Ok::<_, Infallible>(Frame::data(event)), number + 1))
        }
    });
    let mut response = Response::new(StreamBody::new(events).boxed_unsync());
    response.headers_mut().insert("content-type", HeaderValue::from_static("text/event-stream"));
    response
}

fn streamed(count: u64) -> Body {
    const PIECE: u64 = 64 << 10;
    let piece = Bytes::from(vec![b'v'; usize::try_from(PIECE).unwrap()]);
    let pieces = stream::unfold(count, move |left| {
        let size = left.min(PIECE);
        let next = (size > 0).then(|| (Ok(Frame::data(piece.slice(..usize::try_from(size).unwrap()))), left - size));
        std::future::ready(next)
    });
    StreamBody::new(pieces).boxed_unsync()
}

fn drawn(content: Content) -> Body {
    const PIECE: usize = 64 << 10;
    let pieces = stream::unfold(content, |mut content| async move {
        let piece = content.take(PIECE);
        (!piece.is_empty()).then(|| (Ok(Frame::data(Bytes::from(piece))), content))
    });
    StreamBody::new(pieces).boxed_unsync()
}

async fn count(mut body: Incoming) -> Result<Response<Body>, hyper::Error> {
    let mut count = 0;
    while let Some(frame) = body.frame().await {
        count += frame?.data_ref().map_or(0, Bytes::len);
    }
    Ok(Response::new(whole(count.to_string())))
}

async fn sink(mut body: Incoming) -> Result<Response<Body>, hyper::Error> {
    let mut hash = digest::Context::new(&digest::SHA256);
    let (mut count, mut trailers) = (0, HeaderMap::new());
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => {
                count += data.len();
                hash.update(&data);
            }
            Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    let hash: String = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let trailers: Vec<_> =
        trailers.iter().map(|(name, value)| json!([name.as_str(), lossy(value.as_bytes())])).collect();
    Ok(Response::new(whole(json!({"count": count, "sha256": hash, "trailers": trailers}).to_string())))
}

fn with_trailers() -> Response<Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("42"));
    let frames = [Frame::data(Bytes::from_static(b"with trailers")), Frame::trailers(trailers)];
    let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)));
    let mut response = Response::new(body.boxed_unsync());
    response.headers_mut().insert("trailer", HeaderValue::from_static("x-checksum"));
    response
}

fn websocket(mut request: Request<Incoming>, state: &Arc<State>) -> Response<Body> {
    let Some(key) = request.headers().get("sec-websocket-key") else { return status(426) };
    let accept = derive_accept_key(key.as_bytes());
    let (upgrade, state) = (hyper::upgrade::on(&mut request), Arc::clone(state));
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        state.websockets.fetch_add(1, Ordering::SeqCst);
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if matches!(message, Message::Text(_) | Message::Binary(_)) && socket.send(message).await.is_err() {
                break;
            }
        }
        state.websockets.fetch_sub(1, Ordering::SeqCst);
    });
    let mut response = status(101);
    let headers = response.headers_mut();
    headers.insert("upgrade", HeaderValue::from_static("websocket"));
    headers.insert("connection", HeaderValue::from_static("upgrade"));
    headers.insert("sec-websocket-accept", HeaderValue::from_str(&accept).unwrap());
    response
}
