//! [`Content`]: the body of a request, read from its connection by whoever wants it: the walk of the request, or the task
//! that sends it on while the response is under way.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use vestibule_h1::{Part, RequestHop};
use vestibule_proxy::RequestBodyError;

use super::line::{Line, State};
use crate::stream::Transport;

/// RFC 9110 section 15.2.1.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// See the module.
pub(super) struct Content<S> {
    line: Rc<Line<S>>,
    number: u64,
    at: At,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// The client waits to be invited.
    Invitation,
    Middle,
    End,
}

impl<S> Content<S> {
    /// Of the request of that number.
    pub(super) fn new(line: Rc<Line<S>>, number: u64, hop: RequestHop) -> Self {
        Self { line, number, at: if hop.expects_continue { At::Invitation } else { At::Middle } }
    }
}

impl<S: Transport> Body for Content<S> {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        if self.at == At::End {
            return Poll::Ready(None);
        }
        if self.line.state(self.number) != State::Http {
            return Poll::Ready(Some(Err(RequestBodyError::Cut)));
        }
        if self.at == At::Invitation {
            self.at = At::Middle;
            self.line.say(CONTINUE);
        }
        let part = ready!(self.line.poll_body(cx))?;
        if self.line.remaining() == Some(0) {
            self.at = At::End;
        }
        Poll::Ready(part.map(|part| {
            Ok(match part {
                Part::Data(data) => Frame::data(data),
                Part::Trailers(trailers) => Frame::trailers(trailers),
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.at == At::End
    }

    fn size_hint(&self) -> SizeHint {
        match (self.at, self.line.state(self.number)) {
            (At::End, _) => SizeHint::with_exact(0),
            (_, State::Http) => self.line.remaining().map_or_else(SizeHint::default, SizeHint::with_exact),
            _ => SizeHint::default(),
        }
    }
}

impl<S> Drop for Content<S> {
    fn drop(&mut self) {
        self.line.release(self.number);
    }
}
