//! [`Upload`]: the request body on its way to a backend, and [`Exchange`]: what both directions of one exchange know
//! of each other.
//!
//! Whatever goes wrong with the body is remembered in the exchange: hyper reports it as an error of the connection to
//! the backend, and it is the client's fault. The body is never stored: back-pressure reaches the client.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Version;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::{
    ForwardError, Spawn, discard,
    flow::{Flow, Last},
    law::forbids_trailer,
    wait::IdleWait,
};

/// How long a body is, before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// There is none.
    None,
    /// So many bytes.
    Exact(u64),
    /// It ends when it ends.
    Unknown,
}

impl Length {
    pub(crate) fn of(body: &impl Body) -> Self {
        if body.is_end_stream() { Self::None } else { body.size_hint().exact().map_or(Self::Unknown, Self::Exact) }
    }
}

/// A request body, or none.
pub(crate) struct Upload(Option<Streaming>);

struct Streaming {
    incoming: Incoming,
    version: Version,
    /// How much more is allowed.
    allowance: u64,
    wait: IdleWait,
    /// `None`: nobody counts.
    flow: Option<Flow>,
    exchange: Rc<Exchange>,
    spawn: Spawn,
}

/// Why the body ended before its end. hyper closes the connection to the backend for it, and nobody else sees it.
#[derive(Debug, thiserror::Error)]
#[error("the request body ended before its end")]
pub(crate) struct Broken;

/// The state of a request body, shared between the connection's task (which sends it) and the request's (which waits).
pub(crate) struct Exchange {
    phase: Cell<Phase>,
    moved: Cell<Instant>,
    fault: RefCell<Option<UploadFault>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The backend can have more, or has not asked.
    Sending,
    /// The backend waits for us, and we for the client.
    WaitingForClient,
    /// All of it was handed over.
    Done,
}

enum UploadFault {
    Client(hyper::Error),
    Cut,
    Trailer,
    Idle,
    TooLarge,
}

impl Upload {
    /// No body.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// A body of at most `limit` bytes, none of which comes later than `idle` after the one before.
    pub(crate) fn new(
        incoming: Incoming,
        version: Version,
        limit: Option<u64>,
        idle: Duration,
        spawn: Spawn,
    ) -> (Self, Rc<Exchange>) {
        let exchange = Rc::new(Exchange {
            phase: Cell::new(Phase::Sending),
            moved: Cell::new(Instant::now()),
            fault: RefCell::new(None),
        });
        let streaming = Streaming {
            incoming,
            version,
            allowance: limit.unwrap_or(u64::MAX),
            wait: IdleWait::new(idle),
            flow: None,
            exchange: Rc::clone(&exchange),
            spawn,
        };
        (Self(Some(streaming)), exchange)
    }

    /// The same body, within what its tenant may have.
    pub(crate) fn through(mut self, flow: Option<Flow>) -> Self {
        if let Some(body) = &mut self.0 {
            body.flow = flow;
        }
        self
    }
}

/// A backend that answers early, or none at all, leaves a body half read: its rest is discarded.
impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(Streaming { incoming, version: Version::HTTP_2, spawn, .. }) = self.0.take()
            && !incoming.is_end_stream()
        {
            spawn(Box::pin(discard(incoming)));
        }
    }
}

impl Exchange {
    /// What was wrong with the request body, if anything was.
    pub(crate) fn take_fault(&self) -> Option<ForwardError> {
        self.fault.take().map(|fault| match fault {
            UploadFault::Client(error) => ForwardError::RequestBody(error),
            UploadFault::Cut => ForwardError::RequestBodyCut,
            UploadFault::Trailer => ForwardError::RequestTrailer,
            UploadFault::Idle => ForwardError::RequestBodyIdle,
            UploadFault::TooLarge => ForwardError::BodyTooLarge,
        })
    }

    /// Was all of the body handed to the connection?
    pub(crate) fn is_done(&self) -> bool {
        self.phase.get() == Phase::Done
    }

    /// Until when the backend has time to answer: its time runs from the last byte we sent, and stands still while we
    /// wait for the client.
    pub(crate) fn answer_due(&self, timeout: Duration) -> Instant {
        match self.phase.get() {
            Phase::WaitingForClient => Instant::now() + timeout,
            Phase::Sending | Phase::Done => self.moved.get() + timeout,
        }
    }

    fn note(&self, phase: Phase) {
        self.phase.set(phase);
        self.moved.set(Instant::now());
    }
}

impl Streaming {
    fn fail(&self, fault: UploadFault) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.exchange.fault.replace(Some(fault));
        Poll::Ready(Some(Err(Broken)))
    }

    fn pass(&mut self, cx: &mut Context<'_>, frame: Frame<Bytes>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.wait.progress();
        if let Some(data) = frame.data_ref() {
            let Some(rest) = self.allowance.checked_sub(data.len() as u64) else {
                return self.fail(UploadFault::TooLarge);
            };
            self.allowance = rest;
        } else if let Some(trailers) = frame.trailers_ref() {
            if trailers.keys().any(|name| forbids_trailer(name.as_str().as_bytes())) {
                return self.fail(UploadFault::Trailer);
            }
            self.exchange.note(Phase::Done);
        }
        let last = if self.incoming.is_end_stream() { Last::Yes } else { Last::No };
        match (&mut self.flow, frame.into_data()) {
            (Some(flow), Ok(data)) => match flow.pass(cx, data, last) {
                Poll::Ready(data) => self.send(data),
                Poll::Pending => self.waits(),
            },
            (None, Ok(data)) => self.send(data),
            (_, Err(frame)) => Poll::Ready(Some(Ok(frame))),
        }
    }

    /// Hands data over to the connection.
    fn send(&mut self, data: Bytes) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.exchange.note(if self.incoming.is_end_stream() { Phase::Done } else { Phase::Sending });
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    /// The backend has to wait, for the client or for the tenant's turn, and is not to blame: its time stands still.
    fn waits<T>(&self) -> Poll<T> {
        self.exchange.phase.set(Phase::WaitingForClient);
        Poll::Pending
    }

    fn end(&mut self) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        // hyper takes RST_STREAM with NO_ERROR for a clean end of an HTTP/2 body. From a client it is none: half an
        // upload would become a whole one.
        if self.version == Version::HTTP_2 && !self.incoming.is_end_stream() {
            return self.fail(UploadFault::Cut);
        }
        self.exchange.note(Phase::Done);
        Poll::Ready(None)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        match body.flow.as_mut().map(|flow| flow.poll(cx)) {
            None | Some(Poll::Ready(None)) => {}
            Some(Poll::Ready(Some(data))) => return body.send(data),
            Some(Poll::Pending) => return body.waits(),
        }
        match Pin::new(&mut body.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => body.pass(cx, frame),
            Poll::Ready(Some(Err(error))) => body.fail(UploadFault::Client(error)),
            Poll::Ready(None) => body.end(),
            Poll::Pending if body.wait.poll_elapsed(cx).is_ready() => body.fail(UploadFault::Idle),
            Poll::Pending => body.waits(),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|body| Flow::is_done(body.flow.as_ref()) && body.incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let left = |body: &Streaming| Flow::size_hint(body.flow.as_ref(), body.incoming.size_hint());
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), left)
    }
}
