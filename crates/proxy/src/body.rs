//! [`Body`]: what the client gets: our own bytes, or a backend's stream with its timeout and the connection it came on.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use crate::{
    Fault, ForwardError,
    flow::{Flow, Last},
    law::retain_trailers,
    pool::Lease,
    wait::IdleWait,
};

/// A response body: our own bytes, or a backend's stream with its timeouts.
///
/// A backend's frames are passed on as they come, none is held back. What a backend cuts ends in an error, so that
/// the client sees the cut too.
#[derive(Default)]
pub struct Body(Kind);

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    Streaming(Streaming),
    /// What went wrong, before it is said.
    Failing(BodyError),
}

struct Streaming {
    incoming: Incoming,
    wait: IdleWait,
    /// `None`: nobody counts.
    flow: Option<Flow>,
    lease: Lease,
    after: After,
}

/// What becomes of the connection after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    Keep,
    Close,
}

/// Why a body ended early: the client must see the cut, never a clean end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The backend stopped in the middle.
    #[error("the backend ended its response early")]
    Upstream(#[source] hyper::Error),
    /// Nothing came for `timeouts.upstream_idle`.
    #[error("the backend sent nothing for too long")]
    UpstreamIdle,
    /// The client's own request body broke while the response was under way.
    #[error("the request body broke during the response")]
    Request(#[source] Box<ForwardError>),
}

impl BodyError {
    /// Whose fault.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Upstream(_) | Self::UpstreamIdle => Fault::Upstream,
            Self::Request(error) => error.fault(),
        }
    }
}

impl Body {
    /// Nothing.
    pub const fn empty() -> Self {
        Self(Kind::Empty)
    }

    /// These bytes.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::empty() } else { Self(Kind::Full(bytes)) }
    }

    pub(crate) fn streaming(incoming: Incoming, lease: Lease, after: After, idle: Duration) -> Self {
        let flow = Flow::of(&lease.backend.account);
        let streaming = Streaming { incoming, wait: IdleWait::new(idle), flow, lease, after };
        if streaming.incoming.is_end_stream() {
            streaming.finish();
            return Self::empty();
        }
        Self(Kind::Streaming(streaming))
    }

    /// All of it came: the connection is free, and what follows is nothing.
    fn finish(&mut self) {
        if let Kind::Streaming(streaming) = std::mem::take(&mut self.0) {
            streaming.finish();
        }
    }

    fn pass(&mut self, mut frame: Frame<Bytes>, last: Last) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(trailers) = frame.trailers_mut() {
            retain_trailers(trailers);
            self.finish();
        } else if last == Last::Yes {
            self.finish();
        }
        Poll::Ready(Some(Ok(frame)))
    }

    /// Ends the stream with an error, one poll later: the writer gives up at once what it has not written yet, and the
    /// client is to see the cut where it was.
    fn fail(&mut self, error: BodyError, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let kind = std::mem::take(&mut self.0);
        let fault = match &kind {
            Kind::Streaming(streaming) => streaming.lease.exchange().and_then(|exchange| exchange.take_fault()),
            Kind::Empty | Kind::Full(_) | Kind::Failing(_) => None,
        };
        self.0 = Kind::Failing(fault.map_or(error, |fault| BodyError::Request(Box::new(fault))));
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Streaming {
    fn last(&self) -> Last {
        if self.incoming.is_end_stream() { Last::Yes } else { Last::No }
    }

    /// The next frame that may go on: nothing is asked of the backend while one waits for its turn.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Some(flow) = &mut self.flow
            && let Some(data) = ready!(flow.poll(cx))
        {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        self.wait.progress();
        let last = self.last();
        match (frame, &mut self.flow) {
            (Some(Ok(frame)), Some(flow)) => match frame.into_data() {
                Ok(data) => flow.pass(cx, data, last).map(|data| Some(Ok(Frame::data(data)))),
                Err(frame) => Poll::Ready(Some(Ok(frame))),
            },
            (frame, _) => Poll::Ready(frame),
        }
    }

    /// Does the backend keep us waiting, and not the tenant's turn or the client?
    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let asked = self.flow.as_ref().is_none_or(Flow::is_open);
        asked && self.wait.poll_elapsed(cx).is_ready()
    }

    fn finish(self) {
        match self.after {
            After::Keep => self.lease.give_back(),
            After::Close => drop(self.lease),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let streaming = match &mut self.0 {
            Kind::Empty => return Poll::Ready(None),
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.0 = Kind::Empty;
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            Kind::Streaming(streaming) => streaming,
            Kind::Failing(_) => {
                let Kind::Failing(error) = std::mem::take(&mut self.0) else { return Poll::Ready(None) };
                return Poll::Ready(Some(Err(error)));
            }
        };
        match streaming.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let last = streaming.last();
                self.pass(frame, last)
            }
            Poll::Ready(Some(Err(error))) => self.fail(BodyError::Upstream(error), cx),
            Poll::Ready(None) => {
                self.finish();
                Poll::Ready(None)
            }
            Poll::Pending if streaming.is_overdue(cx) => self.fail(BodyError::UpstreamIdle, cx),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full(_) | Kind::Failing(_) => false,
            Kind::Streaming(streaming) => Flow::is_done(streaming.flow.as_ref()) && streaming.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Streaming(streaming) => Flow::size_hint(streaming.flow.as_ref(), streaming.incoming.size_hint()),
            Kind::Failing(_) => SizeHint::default(),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Empty => f.write_str("Body::Empty"),
            Kind::Full(bytes) => write!(f, "Body::Full({} bytes)", bytes.len()),
            Kind::Streaming(streaming) => write!(f, "Body::Streaming({:?})", streaming.after),
            Kind::Failing(error) => write!(f, "Body::Failing({error})"),
        }
    }
}
