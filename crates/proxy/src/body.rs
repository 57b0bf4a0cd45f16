//! [`Body`]: what the client gets: our own bytes, or a backend's stream with its timeout and the connection it came on.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use vestibule_h1::Part;

use crate::{
    Fault, ForwardError,
    error::ConnectionError,
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
    Streaming(Box<Streaming>),
    /// What went wrong, before it is said.
    Failing(BodyError),
}

struct Streaming {
    source: Source,
    wait: IdleWait,
    /// `None`: nobody counts.
    flow: Option<Flow>,
}

enum Source {
    /// The rest of it is still with the backend.
    Backend(Lease, After),
    /// It came whole, and waits for its turn.
    Whole(Bytes),
    /// All of it was taken, and the connection is free.
    Over,
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
    Upstream(#[source] ConnectionError),
    /// Nothing came for `timeouts.upstream_idle`.
    #[error("the backend sent nothing for too long")]
    UpstreamIdle,
    /// The client's own request body broke while the response was under way.
    #[error("the request body broke during the response")]
    Request(#[source] Box<ForwardError>),
}

impl BodyError {
    /// The request body ended like this while the response was under way.
    pub(crate) fn of_request(fault: ForwardError) -> Self {
        match fault {
            ForwardError::Reset(error) | ForwardError::Malformed(error) => Self::Upstream(error),
            fault => Self::Request(Box::new(fault)),
        }
    }

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

    /// What follows the head of a response on its connection.
    pub(crate) fn streaming(lease: Lease, after: After, idle: Duration) -> Self {
        let flow = Flow::of(&lease.backend.account);
        let source = match lease.link().whole_body() {
            Some(data) => {
                finish(lease, after);
                match flow {
                    None => return Self::full(data),
                    Some(_) if data.is_empty() => return Self::empty(),
                    Some(_) => Source::Whole(data),
                }
            }
            None => {
                lease.send_apart();
                Source::Backend(lease, after)
            }
        };
        Self(Kind::Streaming(Box::new(Streaming { source, wait: IdleWait::new(idle), flow })))
    }

    /// Ends the stream with an error, one poll later: the writer gives up at once what it has not written yet, and the
    /// client is to see the cut where it was.
    fn fail(&mut self, error: BodyError, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0 = Kind::Failing(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The connection has served its response.
fn finish(lease: Lease, after: After) {
    match after {
        After::Keep => lease.give_back(),
        After::Close => drop(lease),
    }
}

impl Streaming {
    /// The next frame that may go on: nothing is asked of the backend while one waits for its turn.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(flow) = &mut self.flow
            && let Some(data) = ready!(flow.poll(cx))
        {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let part = ready!(self.poll_part(cx))?;
        self.wait.progress();
        let last = if matches!(self.source, Source::Over) { Last::Yes } else { Last::No };
        Poll::Ready(match (part, &mut self.flow) {
            (None, _) => None,
            (Some(Part::Data(data)), None) => Some(Ok(Frame::data(data))),
            (Some(Part::Data(data)), Some(flow)) => Some(Ok(Frame::data(ready!(flow.pass(cx, data, last))))),
            (Some(Part::Trailers(mut trailers)), _) => {
                retain_trailers(&mut trailers);
                Some(Ok(Frame::trailers(trailers)))
            }
        })
    }

    /// The next part from where it is. With the last one the connection is free.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Part>, BodyError>> {
        let part = match &mut self.source {
            Source::Backend(lease, _) => {
                let part = ready!(lease.link().poll_body(cx))?;
                if !lease.link().is_over() {
                    return Poll::Ready(Ok(part));
                }
                part
            }
            Source::Whole(data) => Some(Part::Data(std::mem::take(data))),
            Source::Over => None,
        };
        if let Source::Backend(lease, after) = std::mem::replace(&mut self.source, Source::Over) {
            finish(lease, after);
        }
        Poll::Ready(Ok(part))
    }

    /// Does the backend keep us waiting, and not the tenant's turn or the client?
    fn is_overdue(&mut self, cx: &mut Context<'_>) -> bool {
        let asked = matches!(self.source, Source::Backend(..)) && self.flow.as_ref().is_none_or(Flow::is_open);
        asked && self.wait.poll_elapsed(cx).is_ready()
    }

    fn is_end(&self) -> bool {
        matches!(self.source, Source::Over) && Flow::is_done(self.flow.as_ref())
    }

    fn size_hint(&self) -> SizeHint {
        let left = match &self.source {
            Source::Backend(lease, _) => lease.link().remaining(),
            Source::Whole(data) => Some(data.len() as u64),
            Source::Over => Some(0),
        };
        Flow::size_hint(self.flow.as_ref(), left.map_or_else(SizeHint::default, SizeHint::with_exact))
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
            Poll::Ready(Some(Err(error))) => self.fail(error, cx),
            Poll::Ready(frame) => {
                if streaming.is_end() {
                    self.0 = Kind::Empty;
                }
                Poll::Ready(frame)
            }
            Poll::Pending if streaming.is_overdue(cx) => self.fail(BodyError::UpstreamIdle, cx),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full(_) | Kind::Failing(_) => false,
            Kind::Streaming(streaming) => streaming.is_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Streaming(streaming) => streaming.size_hint(),
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
            Kind::Streaming(_) => f.write_str("Body::Streaming"),
            Kind::Failing(error) => write!(f, "Body::Failing({error})"),
        }
    }
}
