//! [`Http2`]: one connection of HTTP/2, driven by one task. The codec (`vestibule_h2`) reads and writes frames; here are
//! its bytes moved, requests walked, and responses sent in turns.
//!
//! A request is walked as a future in a place of its own, which is polled when it rings; there is no task and no channel
//! per request. What all of them have to say in one turn is written together, and with what comes right after it. An idle
//! connection holds no buffer.
//!
//! | module | what |
//! |---|---|
//! | `bells` | who has something to do |
//! | `exchanges` | requests under way |
//! | `inbox` | their bodies |
//! | `answer` | responses, fairly in turns |
//! | `outbox` | what is to be written |
//! | `lull` | when it is |
//!
//! Not here: when a connection has to end for what it does not do (`serve`, `vitals`).

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use http::{HeaderMap, Request, StatusCode, header};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use vestibule_h2::{Connection, Event, Fault, Fits, Follows, Last, Limits, Room, Standing, StreamId};
use vestibule_proxy::{Refusal, RequestBody};

use crate::{
    fault::chain,
    outcome::{Ended, Outcome},
    request::{self, Walk, Walker},
    serve::Conversation,
};

mod answer;
mod bells;
mod exchanges;
mod inbox;
mod lull;
mod outbox;

use answer::Queue;
use bells::Bells;
use exchanges::{Exchange, Exchanges, Step};
use inbox::{Expected, Given, Note, Notes};
use lull::Lull;
use outbox::Outbox;

/// What one upload may have in flight towards us, bytes (RFC 9113 section 6.9).
const STREAM_WINDOW: u32 = 128 * 1024;
/// What all uploads of a connection may have in flight towards us.
const CONNECTION_WINDOW: u32 = 512 * 1024;
/// What is read at once: all that a record of TLS holds.
const READ_SIZE: usize = 16 * 1024;
/// Beyond this nothing more is read of a client that does not take what it asked for.
const UNREAD_LIMIT: usize = 64 * 1024;
/// Turns in a row, before others get theirs.
const TURNS: usize = 8;
/// Frames of one turn, beyond which it is the last: small ones take many times as long as as many bytes in large ones.
const FRAMES: u64 = 256;

thread_local! {
    /// One buffer is read into for all connections of a thread.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_SIZE].into());
}

/// See the module.
pub(crate) struct Http2<S> {
    io: S,
    walker: Walker,
    codec: Connection,
    outbox: Outbox,
    exchanges: Exchanges,
    queue: Queue,
    lull: Lull,
    bells: Arc<Bells>,
    notes: Rc<Notes>,
    state: State,
}

#[derive(Debug)]
enum State {
    Serving,
    /// Nothing is served any more: what is to be said is written, then the stream closed.
    Ending(Option<Fault>),
}

/// Why a connection ended out of order.
#[derive(Debug, thiserror::Error)]
enum Broken {
    /// The client is against the rules.
    #[error("the client breaks the rules of HTTP/2")]
    Fault(#[source] Fault),
    /// The client is not there any more.
    #[error("the connection broke")]
    Gone(#[from] io::Error),
}

/// Did something happen?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Made,
    /// The same, and it took long.
    Much,
    None,
    /// Nobody looked: the client does not take what it asked for.
    Held,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http2<S> {
    pub(crate) fn new(io: S, walker: Walker) -> Self {
        let limits = &walker.worker().config().limits;
        let streams = limits.streams_per_connection;
        let limits = Limits {
            streams,
            head: usize::try_from(limits.request_head.0).unwrap_or(usize::MAX),
            stream_window: STREAM_WINDOW,
            connection_window: CONNECTION_WINDOW,
        };
        let mut outbox = Outbox::default();
        let codec = Connection::open(limits, Instant::now(), outbox.buffer());
        let bells = Bells::new(streams as usize);
        Self {
            io,
            walker,
            codec,
            outbox,
            exchanges: Exchanges::new(Arc::clone(&bells)),
            queue: Queue::default(),
            lull: Lull::default(),
            notes: Notes::new(Arc::clone(&bells)),
            bells,
            state: State::Serving,
        }
    }

    /// A few turns of reading, walking and writing, until there is nothing left to do.
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        for _ in 0..TURNS {
            let read = match self.state {
                State::Serving => self.read(cx)?,
                State::Ending(_) => return self.end(cx),
            };
            if matches!(self.state, State::Ending(_)) {
                continue;
            }
            self.walk();
            self.heed();
            self.fill();
            if read == Progress::None && self.gathers(cx) {
                return Poll::Pending;
            }
            let written = self.write(cx)?;
            if self.codec.is_drained() && written.is_ready() {
                self.state = State::Ending(None);
                continue;
            }
            let is_read = match read {
                Progress::Made => false,
                Progress::Much => break,
                Progress::None => true,
                // It is woken when there is room. If there is room now, only a look at what came tells of more.
                Progress::Held => self.outbox.len() > UNREAD_LIMIT,
            };
            let is_done = is_read
                && self.bells.are_silent()
                && self.notes.are_none()
                && (self.queue.is_empty() || written.is_pending());
            if is_done {
                self.exchanges.rest();
                self.codec.rest();
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads once, and does what it means.
    fn read(&mut self, cx: &mut Context<'_>) -> io::Result<Progress> {
        if self.outbox.len() > UNREAD_LIMIT {
            return Ok(Progress::Held);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(Progress::None),
                Poll::Ready(read) => read?,
            }
            let mut bytes = buffer.filled();
            if bytes.is_empty() {
                self.state = State::Ending(None);
            }
            let before = self.codec.frames();
            loop {
                match self.codec.next(&mut bytes, self.outbox.buffer(), Instant::now) {
                    Ok(Some(event)) => self.take(event),
                    Ok(None) if self.codec.frames().wrapping_sub(before) > FRAMES => return Ok(Progress::Much),
                    Ok(None) => return Ok(Progress::Made),
                    Err(fault) => {
                        self.state = State::Ending(Some(fault));
                        return Ok(Progress::Made);
                    }
                }
            }
        })
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Request { stream, request, follows, fits } => self.request(stream, request, follows, fits),
            Event::Data { stream, data, last } => {
                let length = data.len();
                let given = match self.exchanges.of(stream) {
                    Some(Exchange { inbox: Some(inbox), .. }) => inbox.push(data, last),
                    _ => Given::ToNobody,
                };
                if given == Given::ToNobody {
                    self.codec.release_connection(length, self.outbox.buffer());
                }
                self.forget(stream, last);
            }
            Event::Trailers { stream, fields } => {
                if let Some(Exchange { inbox: Some(inbox), .. }) = self.exchanges.of(stream) {
                    inbox.end(fields);
                }
                self.forget(stream, Last::Yes);
            }
            Event::Cancelled { stream, code } => {
                tracing::debug!(stream = stream.number(), %code, "the client gave a request up");
                self.give_up(stream);
            }
            Event::Rejected { stream, code, why } => {
                tracing::debug!(stream = stream.number(), %code, why, "a stream was reset");
                self.give_up(stream);
            }
            Event::Opened(room) => {
                let is_open = |stream| room == Room::All || room == Room::Stream(stream);
                self.exchanges.awaiting(is_open, |place| self.queue.join(place));
            }
            _ => {}
        }
    }

    fn request(&mut self, stream: StreamId, request: Request<()>, follows: Follows, fits: Fits) {
        let mut inbox = None;
        let body = match follows {
            Follows::Nothing => RequestBody::none(),
            Follows::Content(length) => {
                let asks = request.headers().get(header::EXPECT);
                let asks = asks.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
                let expected = if asks { Expected::Asked } else { Expected::No };
                let (ours, content) = inbox::body(stream, length, expected, &self.notes, self.walker.worker().spawn());
                inbox = Some(ours);
                RequestBody::of(content)
            }
        };
        let (walker, request) = (self.walker.clone(), request.map(|()| body));
        let walk: Walk = match fits {
            Fits::Yes => Box::pin(request::walk(walker, request)),
            Fits::No => Box::pin(async move { request::turn_away_from(walker, &request, Refusal::HeadersTooLarge) }),
        };
        self.exchanges.begin(Exchange { stream, inbox, step: Step::Walking(walk) });
    }

    /// The request is there to its end, so that its exchange is over once it was answered.
    fn forget(&mut self, stream: StreamId, last: Last) {
        if last == Last::Yes
            && let Some(place) = self.exchanges.find(stream)
            && let Some((Exchange { inbox, step, .. }, _)) = self.exchanges.at(place)
        {
            *inbox = None;
            if matches!(step, Step::Answered) {
                self.exchanges.end(place);
            }
        }
    }

    fn give_up(&mut self, stream: StreamId) {
        if let Some(place) = self.exchanges.find(stream) {
            self.queue.leave(place);
            self.exchanges.end(place);
        }
    }

    /// Heeds what those say who have bodies of requests.
    fn heed(&mut self) {
        if self.notes.are_none() {
            return;
        }
        let out = self.outbox.buffer();
        for note in self.notes.take() {
            let (stream, standing) = match note {
                Note::Taken(stream, count) => {
                    let _told: Standing = self.codec.release(stream, count, out);
                    continue;
                }
                Note::Expected(stream) => {
                    if let Some(Exchange { step: Step::Walking(_), .. }) = self.exchanges.of(stream) {
                        let none = HeaderMap::new();
                        let _open = self.codec.send_head(stream, StatusCode::CONTINUE, &none, Last::No, out);
                    }
                    continue;
                }
                Note::Dropped(stream, count) => {
                    self.codec.release_connection(count, out);
                    (stream, self.codec.unwant(stream, out))
                }
            };
            if standing == Standing::Closed
                && let Some(place) = self.exchanges.find(stream)
            {
                self.exchanges.end(place);
            }
        }
    }

    /// Does what is to be written wait for more? We have done all that we can, and others may bring more at any moment.
    fn gathers(&mut self, cx: &mut Context<'_>) -> bool {
        let is_idle = self.bells.are_silent() && self.notes.are_none() && self.queue.is_empty();
        let awaits = is_idle && self.outbox.len() > 0 && self.exchanges.await_others();
        awaits && self.lull.poll(self.outbox.len(), cx).is_pending()
    }

    /// Writes what there is. Pending: the client takes nothing.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        let Self { outbox, io, codec, lull, .. } = self;
        lull.end();
        match outbox.poll_write(io, cx, |count| codec.wrote(count)) {
            Poll::Ready(written) => written.map(Poll::Ready),
            Poll::Pending => Ok(Poll::Pending),
        }
    }

    /// Says the last words, and closes.
    fn end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.exchanges.clear();
        self.bells.take(|_| ()); // of those who are gone: it sleeps while the client takes its time
        self.queue = Queue::default();
        if ready!(self.outbox.poll_write(&mut self.io, cx, |_| ())).is_ok() {
            let _closed = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
        }
        Poll::Ready(match self.state {
            State::Ending(Some(fault)) => Err(Broken::Fault(fault)),
            State::Ending(None) | State::Serving => Ok(()),
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation for Http2<S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        self.bells.awake(cx);
        let driven = self.drive(cx);
        self.bells.asleep();
        driven.map(|ended| match ended {
            Ok(()) => Outcome::Closed.into(),
            Err(broken) => broken.outcome().because(chain(&broken)),
        })
    }

    fn close(&mut self) {
        self.codec.announce_close(self.outbox.buffer());
    }
}

impl Broken {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Gone(_) => Outcome::Vanished,
            Self::Fault(Fault::Calm(_)) => Outcome::Flooded,
            Self::Fault(_) => Outcome::Broken,
        }
    }
}
