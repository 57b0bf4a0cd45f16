//! A conversation with a backend in memory: the codec of the client side behind the screen, as on a connection to a
//! backend.

use std::{
    collections::VecDeque,
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, Request, response};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    client::conn::http1,
    rt::{Read, ReadBufCursor, Write},
};
use vestibule_proxy::fuzzing::{Reading, Screened};

use crate::{memory::drive, reading::LIMITS};

/// What the codec has read as the answer to one request.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) head: response::Parts,
    /// The body and its trailers, unless it was cut.
    pub(crate) body: Option<(Vec<u8>, HeaderMap)>,
    /// Was the end of the connection needed to know its end?
    pub(crate) closed: bool,
    /// May another request not go out on this connection?
    pub(crate) spoilt: bool,
}

/// What a backend says to one request: in pieces, and only once it was asked.
pub(crate) struct Turn<'a> {
    pub(crate) request: Request<()>,
    pub(crate) pieces: Vec<&'a [u8]>,
}

struct Wire {
    screened: Screened,
    pieces: VecDeque<Vec<u8>>,
    asked: bool,
    closed: bool,
}

#[derive(Clone)]
struct Backend(Arc<Mutex<Wire>>);

impl Backend {
    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for Backend {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.wire();
        loop {
            let reading = wire.screened.read(buf.remaining())?;
            let next = if wire.asked { wire.pieces.pop_front() } else { None };
            match (reading, next) {
                (Reading::Bytes(bytes), next) => {
                    next.into_iter().for_each(|piece| wire.pieces.push_front(piece));
                    buf.put_slice(&bytes);
                    return Poll::Ready(Ok(()));
                }
                (Reading::Unseen(count), Some(mut piece)) if count >= buf.remaining() as u64 => {
                    let here = piece.len().min(buf.remaining());
                    buf.put_slice(&piece[..here]);
                    piece.drain(..here);
                    if !piece.is_empty() {
                        wire.pieces.push_front(piece);
                    }
                    wire.screened.passed(here);
                    return Poll::Ready(Ok(()));
                }
                (_, Some(piece)) => wire.screened.push(&piece),
                (_, None) if wire.closed => return Poll::Ready(Ok(())),
                (_, None) => return Poll::Pending,
            }
        }
    }
}

impl Write for Backend {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.wire().asked = true;
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The answers in turn, as many as there are: an error ends the conversation, and so does what spoils the connection.
pub(crate) fn converse(turns: Vec<Turn<'_>>) -> Vec<Result<Answered, hyper::Error>> {
    let wire = Wire { screened: Screened::new(LIMITS.head), pieces: VecDeque::new(), asked: false, closed: false };
    let backend = Backend(Arc::new(Mutex::new(wire)));
    let mut builder = http1::Builder::new();
    builder.max_header_size(LIMITS.head).max_buf_size(64 * 1024);
    let handshake = builder.handshake::<_, Empty<Bytes>>(backend.clone());
    let (mut sender, connection) = drive(pin!(handshake), |_| {}).expect("a handshake of HTTP/1.1 says nothing");
    let mut connection = pin!(connection.with_upgrades());
    let mut over = false;
    let mut answers = Vec::new();
    for turn in turns {
        let request = turn.request.map(|()| Empty::new());
        {
            let mut wire = backend.wire();
            wire.screened.ask(&request, LIMITS.head);
            wire.pieces = turn.pieces.into_iter().map(<[u8]>::to_vec).collect();
            wire.asked = false;
        }
        // When nothing more comes, that is the end.
        let mut aside = |context: &mut Context<'_>| {
            over = over || connection.as_mut().poll(context).is_ready();
            let mut wire = backend.wire();
            if wire.pieces.is_empty() {
                wire.closed = true;
            }
        };
        let answer = drive(pin!(sender.send_request(request)), &mut aside).map(hyper::Response::into_parts);
        let answer = answer.map(|(head, body)| {
            let collected = drive(pin!(body.collect()), &mut aside).ok();
            let trailers = collected.as_ref().and_then(http_body_util::Collected::trailers).cloned();
            let body = collected.map(|collected| (collected.to_bytes().to_vec(), trailers.unwrap_or_default()));
            (head, body)
        });
        let answer = answer.map(|(head, body)| {
            let mut wire = backend.wire();
            let left = wire.pieces.drain(..).flatten().collect::<Vec<u8>>();
            wire.screened.push(&left);
            Answered { head, body, closed: wire.closed, spoilt: wire.screened.is_spoilt() }
        });
        let ends = answer.as_ref().map_or(true, |answer| answer.spoilt || answer.closed || answer.body.is_none());
        answers.push(answer);
        // The codec looks once more before it takes the next request.
        over = over || connection.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        if ends || over || !sender.is_ready() {
            break;
        }
    }
    answers
}
