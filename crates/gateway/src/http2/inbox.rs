//! The body of a request under way: the connection puts into its [`Inbox`] what comes, and whoever has the request takes it
//! out as [`Content`]. What was taken is noted for the connection, which opens the windows of the client for more.
//!
//! What is kept is within the windows; small pieces are put together, so that they cost no more than their bytes.

use std::{
    cell::RefCell,
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use vestibule_h2::{Last, StreamId};
use vestibule_proxy::{self as proxy, RequestBodyError, Spawn};

use super::bells::Bells;

/// A piece of this size stands for itself.
const PIECE: usize = 1024;

/// What those who have bodies tell the connection.
#[derive(Debug)]
pub(super) struct Notes {
    notes: RefCell<Vec<Note>>,
    bells: Arc<Bells>,
}

/// What became of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    /// Somebody waits for it who has asked the client to hold it back (RFC 9110 section 10.1.1).
    Expected(StreamId),
    /// So much of it was taken.
    Taken(StreamId, usize),
    /// Nobody wants it any more; so much was not taken.
    Dropped(StreamId, usize),
}

impl Notes {
    pub(super) fn new(bells: Arc<Bells>) -> Rc<Self> {
        Rc::new(Self { notes: RefCell::default(), bells })
    }

    pub(super) fn are_none(&self) -> bool {
        self.notes.borrow().is_empty()
    }

    pub(super) fn take(&self) -> Vec<Note> {
        self.notes.take()
    }

    fn note(&self, note: Note) {
        let mut notes = self.notes.borrow_mut();
        match (notes.last_mut(), note) {
            (Some(Note::Taken(last, sum)), Note::Taken(stream, count)) if *last == stream => *sum += count,
            _ => notes.push(note),
        }
        self.bells.wake();
    }
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Bytes>,
    /// Small pieces behind them, put together.
    small: Vec<u8>,
    trailers: Option<HeaderMap>,
    end: End,
    reader: Option<Waker>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum End {
    #[default]
    ToCome,
    Whole,
    /// The client gave it up, or is gone.
    Cut,
}

impl State {
    fn push(&mut self, data: Bytes) {
        if data.len() < PIECE && !(self.pieces.is_empty() && self.small.is_empty()) {
            self.small.extend_from_slice(&data);
        } else if !data.is_empty() {
            self.gather();
            self.pieces.push_back(data);
        }
    }

    fn gather(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push_back(std::mem::take(&mut self.small).into());
        }
    }

    fn pop(&mut self) -> Option<Bytes> {
        if self.pieces.is_empty() {
            self.gather();
        }
        self.pieces.pop_front()
    }

    fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.small.is_empty() && self.trailers.is_none()
    }

    fn size(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum::<usize>() + self.small.len()
    }
}

/// What became of content that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "what nobody takes must be released"]
pub(super) enum Given {
    /// It waits to be taken, which is noted.
    ToReader,
    ToNobody,
}

/// The connection's side. Dropped before the end of the body, it cuts it.
#[derive(Debug)]
pub(super) struct Inbox(Rc<RefCell<State>>);

impl Inbox {
    /// Content came. Nobody takes it if its reader has gone, of which the connection has not heard yet.
    pub(super) fn push(&self, data: Bytes, last: Last) -> Given {
        let given = if Rc::strong_count(&self.0) > 1 { Given::ToReader } else { Given::ToNobody };
        let mut state = self.0.borrow_mut();
        if given == Given::ToReader {
            state.push(data);
        }
        if last == Last::Yes {
            state.end = End::Whole;
        }
        wake(state);
        given
    }

    /// The end came.
    pub(super) fn end(&self, trailers: HeaderMap) {
        let mut state = self.0.borrow_mut();
        state.trailers = Some(trailers).filter(|fields| !fields.is_empty());
        state.end = End::Whole;
        wake(state);
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut state = self.0.borrow_mut();
        if state.end == End::ToCome {
            state.end = End::Cut;
            wake(state);
        }
    }
}

fn wake(mut state: std::cell::RefMut<'_, State>) {
    let reader = state.reader.take();
    drop(state);
    reader.into_iter().for_each(Waker::wake);
}

/// The other side: what is forwarded. Dropped before its end, the rest is discarded for a while.
pub(super) struct Content {
    /// `None` once it is dropped.
    rest: Option<Rest>,
    spawn: Spawn,
}

struct Rest {
    stream: StreamId,
    state: Rc<RefCell<State>>,
    notes: Rc<Notes>,
    /// How much is to be taken, where the head says so.
    left: Option<u64>,
    /// Was anything taken, if only the end? Before that it is a body, however soon its end came.
    begun: bool,
    expected: Expected,
}

/// Does the client wait before it sends it?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// Until it is told that somebody wants it.
    Asked,
    No,
}

/// Both sides of a body that is so long, if its head says that.
pub(super) fn body(
    stream: StreamId,
    length: Option<u64>,
    expected: Expected,
    notes: &Rc<Notes>,
    spawn: &Spawn,
) -> (Inbox, Content) {
    let state = Rc::<RefCell<State>>::default();
    let rest = Rest { stream, state: Rc::clone(&state), notes: Rc::clone(notes), left: length, begun: false, expected };
    (Inbox(state), Content { rest: Some(rest), spawn: Rc::clone(spawn) })
}

type Piece = Option<Result<Frame<Bytes>, RequestBodyError>>;

impl Body for Rest {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Piece> {
        let this = &mut *self;
        let mut state = this.state.borrow_mut();
        this.begun |= state.end != End::ToCome || !state.is_empty();
        if let Some(data) = state.pop() {
            this.left = this.left.map(|left| left.saturating_sub(data.len() as u64));
            this.notes.note(Note::Taken(this.stream, data.len()));
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match (state.trailers.take(), state.end) {
            (Some(trailers), _) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            (None, End::Whole) => Poll::Ready(None),
            (None, End::Cut) => Poll::Ready(Some(Err(RequestBodyError::Cut))),
            (None, End::ToCome) => {
                if std::mem::replace(&mut this.expected, Expected::No) == Expected::Asked {
                    this.notes.note(Note::Expected(this.stream));
                }
                match &mut state.reader {
                    Some(reader) => reader.clone_from(cx.waker()),
                    None => state.reader = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let state = self.state.borrow();
        self.begun && state.end == End::Whole && state.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        let state = self.state.borrow();
        if state.end != End::Whole || !state.is_empty() {
            self.notes.note(Note::Dropped(self.stream, state.size()));
        }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Piece> {
        self.rest.as_mut().map_or(Poll::Ready(None), |rest| Pin::new(rest).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.rest.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

/// Whoever answers early, or does not forward at all, leaves a body half read.
impl Drop for Content {
    fn drop(&mut self) {
        if let Some(rest) = self.rest.take()
            && rest.state.borrow().end == End::ToCome
        {
            (self.spawn)(Box::pin(proxy::discard(rest)));
        }
    }
}
