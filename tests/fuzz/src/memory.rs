//! Somebody else's codec, hyper's server over memory instead of sockets: a reading of its own beside ours. No run time, no
//! clock, no waiting: what is not ready after so many looks never will be.

use std::{
    cell::RefCell,
    convert::Infallible,
    future::Future,
    io,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, request};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::Incoming,
    rt::{Read, ReadBufCursor, Write},
    service::service_fn,
};

use crate::{cuts, reading::LIMITS};

/// More looks than any exchange of bounded bytes needs, in pieces of one byte each.
const LOOK_LIMIT: usize = 200_000;

/// Looks until it is ready.
fn drive<T>(mut main: Pin<&mut impl Future<Output = T>>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..LOOK_LIMIT {
        if let Poll::Ready(value) = main.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("the codec stands still");
}

/// A client's bytes in pieces, then its end; what is answered goes nowhere.
struct Client {
    pieces: std::vec::IntoIter<Vec<u8>>,
    rest: Vec<u8>,
}

impl Read for Client {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            self.rest = self.pieces.next().unwrap_or_default();
        }
        let count = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.rest[..count]);
        self.rest.drain(..count);
        Poll::Ready(Ok(()))
    }
}

impl Write for Client {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A request as the codec has read it.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) head: request::Parts,
    /// The body and its trailers, unless it was cut.
    pub(crate) body: Option<(Vec<u8>, HeaderMap)>,
}

/// What it reads, and whether it was content with all of it.
pub(crate) fn serve(bytes: &[u8]) -> (Vec<Served>, hyper::Result<()>) {
    let pieces: Vec<Vec<u8>> = cuts::pieces(bytes).into_iter().map(<[u8]>::to_vec).collect();
    let client = Client { pieces: pieces.into_iter(), rest: Vec::new() };
    let served = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let served = Rc::clone(&served);
        async move {
            let (head, body) = request.into_parts();
            let at = served.borrow().len();
            served.borrow_mut().push(Served { head, body: None });
            if let Ok(collected) = body.collect().await {
                let trailers = collected.trailers().cloned().unwrap_or_default();
                served.borrow_mut()[at].body = Some((collected.to_bytes().to_vec(), trailers));
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    // The end of these bytes is no client that has gone away.
    builder.max_headers(LIMITS.fields).max_buf_size(LIMITS.head).half_close(true);
    let ended = drive(pin!(builder.serve_connection(client, service)));
    (served.take(), ended)
}
