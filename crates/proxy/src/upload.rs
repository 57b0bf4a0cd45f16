//! [`Upload`]: the request body as the client sends it, within its limits. It is never stored: back-pressure reaches the
//! client.
//!
//! Not here: how it is written to the backend (`link/outbound.rs`).

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::Instant;

use crate::{
    ForwardError, RequestBody,
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
pub(crate) struct Upload(Option<Box<Streaming>>);

struct Streaming {
    incoming: RequestBody,
    /// How much more is allowed.
    allowance: u64,
    wait: IdleWait,
    /// `None`: nobody counts.
    flow: Option<Flow>,
    phase: Phase,
    moved: Instant,
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

/// A frame of a request body, or what is wrong with it.
type Piece = Option<Result<Frame<Bytes>, ForwardError>>;

impl Upload {
    /// No body.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// A body of at most `limit` bytes, none of which comes later than `idle` after the one before.
    pub(crate) fn new(incoming: RequestBody, limit: Option<u64>, idle: Duration) -> Self {
        Self(Some(Box::new(Streaming {
            incoming,
            allowance: limit.unwrap_or(u64::MAX),
            wait: IdleWait::new(idle),
            flow: None,
            phase: Phase::Sending,
            moved: Instant::now(),
        })))
    }

    /// The same body, within what its tenant may have.
    pub(crate) fn through(mut self, flow: Option<Flow>) -> Self {
        if let Some(body) = &mut self.0 {
            body.flow = flow;
        }
        self
    }

    /// Is there none?
    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// The next frame, to be written at once.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        self.0.as_mut().map_or(Poll::Ready(None), |body| body.poll_frame(cx))
    }

    /// Until when the backend has time to answer: its time runs from the last byte we had for it, and stands still while
    /// we wait for the client. `None` without a body.
    pub(crate) fn answer_due(&self, timeout: Duration) -> Option<Instant> {
        self.0.as_ref().map(|body| match body.phase {
            Phase::WaitingForClient => Instant::now() + timeout,
            Phase::Sending | Phase::Done => body.moved + timeout,
        })
    }
}

impl Streaming {
    fn note(&mut self, phase: Phase) {
        self.phase = phase;
        self.moved = Instant::now();
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        match self.flow.as_mut().map(|flow| flow.poll(cx)) {
            None | Some(Poll::Ready(None)) => {}
            Some(Poll::Ready(Some(data))) => return self.send(data),
            Some(Poll::Pending) => return self.waits(),
        }
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => self.pass(cx, frame),
            Poll::Ready(Some(Err(error))) => fail(ForwardError::RequestBody(error)),
            Poll::Ready(None) => {
                self.note(Phase::Done);
                Poll::Ready(None)
            }
            Poll::Pending if self.wait.poll_elapsed(cx).is_ready() => fail(ForwardError::RequestBodyIdle),
            Poll::Pending => self.waits(),
        }
    }

    fn pass(&mut self, cx: &mut Context<'_>, frame: Frame<Bytes>) -> Poll<Piece> {
        self.wait.progress();
        if let Some(data) = frame.data_ref() {
            let Some(rest) = self.allowance.checked_sub(data.len() as u64) else {
                return fail(ForwardError::BodyTooLarge);
            };
            self.allowance = rest;
        } else if let Some(trailers) = frame.trailers_ref() {
            if trailers.keys().any(|name| forbids_trailer(name.as_str().as_bytes())) {
                return fail(ForwardError::RequestTrailer);
            }
            self.note(Phase::Done);
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

    /// Hands data over.
    fn send(&mut self, data: Bytes) -> Poll<Piece> {
        self.note(if self.incoming.is_end_stream() { Phase::Done } else { Phase::Sending });
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    /// The backend has to wait, for the client or for the tenant's turn, and is not to blame: its time stands still.
    fn waits<T>(&mut self) -> Poll<T> {
        self.phase = Phase::WaitingForClient;
        Poll::Pending
    }
}

fn fail(error: ForwardError) -> Poll<Piece> {
    Poll::Ready(Some(Err(error)))
}
