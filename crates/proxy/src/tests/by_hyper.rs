//! [`from_hyper`]: a request as hyper's server gives it, which is the client's codec in these tests.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Version, header::UPGRADE};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, upgrade};
use hyper_util::rt::TokioIo;

use crate::{Duplex, RequestBody, RequestBodyError, Spawn, discard};

/// A request with its body behind the seam.
pub(super) fn from_hyper(mut request: Request<Incoming>, spawn: &Spawn) -> Request<RequestBody> {
    if !request.body().is_end_stream() {
        let spawn = (request.version() == Version::HTTP_2).then(|| Rc::clone(spawn));
        return request.map(|incoming| RequestBody::of(Content { incoming: Some(incoming), spawn }));
    }
    let asks = request.version() == Version::HTTP_11 && request.headers().contains_key(UPGRADE);
    let upgrade = asks.then(|| upgrade::on(&mut request));
    request.map(|_| match upgrade {
        Some(upgrade) => RequestBody::upgradable(async move {
            upgrade.await.ok().map(|upgraded| Box::new(TokioIo::new(upgraded)) as Box<dyn Duplex>)
        }),
        None => RequestBody::none(),
    })
}

struct Content {
    /// `None` once it is dropped.
    incoming: Option<Incoming>,
    /// HTTP/2: the rest of what nobody wants is discarded.
    spawn: Option<Spawn>,
}

impl Body for Content {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let is_http2 = self.spawn.is_some();
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        Poll::Ready(match ready!(Pin::new(&mut *incoming).poll_frame(cx)) {
            // hyper takes RST_STREAM with NO_ERROR for a clean end of an HTTP/2 body. From a client it is none: half an
            // upload would become a whole one.
            None if is_http2 && !incoming.is_end_stream() => Some(Err(RequestBodyError::Cut)),
            frame => frame.map(|frame| frame.map_err(|error| RequestBodyError::Broken(io::Error::other(error)))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

/// Whoever answers early, or does not forward at all, leaves a body half read.
impl Drop for Content {
    fn drop(&mut self) {
        if let Some(spawn) = &self.spawn
            && let Some(incoming) = self.incoming.take().filter(|incoming| !incoming.is_end_stream())
        {
            spawn(Box::pin(discard(incoming)));
        }
    }
}
