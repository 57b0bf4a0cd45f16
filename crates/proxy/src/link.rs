//! [`Link`]: one connection to a backend, and the exchange it serves.
//!
//! Nobody drives it in the background: the request that has leased it writes and reads, then the body of its response
//! does. Only a request body that is still under way when the response has begun gets a task of its own: it must move on
//! even while the client does not read.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep_until};
use vestibule_h1::{AnswerTo, Part, ResponseHead};

use crate::{BodyError, ForwardError, Rewound, Spawn, error::ConnectionError, stream::Stream};

mod inbound;
mod outbound;

use inbound::Inbound;
pub(crate) use outbound::Outbound;

/// See the module. Closed when it is dropped, or told to.
pub(crate) struct Link {
    state: RefCell<State>,
}

struct State {
    /// `None`: closed, or handed over.
    open: Option<Open>,
    outbound: Outbound,
    inbound: Inbound,
    deadline: Deadline,
    /// The task that sends the request body apart, while there is one.
    sender: Option<Waker>,
    /// Who reads the response meanwhile.
    reader: Option<Waker>,
    /// What ended the request body meanwhile.
    fault: Option<ForwardError>,
}

struct Open {
    stream: Stream,
    _mark: OpenMark,
}

/// Counts a connection as open.
pub(crate) struct OpenMark(Rc<Cell<usize>>);

impl OpenMark {
    pub(crate) fn new(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for OpenMark {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// What sending a request twice does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The same as sending it once (RFC 9110 section 9.2.2).
    Idempotent,
    Unknown,
}

impl Link {
    pub(crate) fn new(stream: Stream, mark: OpenMark) -> Rc<Self> {
        Rc::new(Self {
            state: RefCell::new(State {
                open: Some(Open { stream, _mark: mark }),
                outbound: Outbound::none(),
                inbound: Inbound::new(AnswerTo::Other, 0),
                deadline: Deadline::default(),
                sender: None,
                reader: None,
                fault: None,
            }),
        })
    }

    /// Is it open, and does the backend say nothing that nobody asked for? To be asked of a connection that serves no
    /// exchange; whoever asks is woken when it is so no more.
    pub(crate) fn is_good(&self, cx: &mut Context<'_>) -> bool {
        self.state.borrow_mut().open.as_mut().is_some_and(|open| open.stream.is_silent(cx))
    }

    /// An exchange begins: that request, which is taken, and its answer within `limit`. Nothing is written yet.
    pub(crate) fn begin(&self, request: &mut Outbound, to: AnswerTo, head_limit: usize, limit: Duration) {
        let state = &mut *self.state.borrow_mut();
        state.outbound = std::mem::replace(request, Outbound::none());
        state.inbound = Inbound::new(to, head_limit);
        state.deadline.due = Some(Instant::now() + limit);
    }

    /// Sends the request, and waits for the head of the answer.
    pub(crate) fn poll_answer(
        &self,
        cx: &mut Context<'_>,
        limit: Duration,
    ) -> Poll<Result<ResponseHead, ForwardError>> {
        let state = &mut *self.state.borrow_mut();
        let Some(open) = &mut state.open else { return Poll::Ready(Err(ConnectionError::Closed.into())) };
        // An answer may come early, and counts more than what happens to the rest of the request.
        if state.outbound.is_begun()
            && let Poll::Ready(answer) = state.inbound.poll_head(&mut open.stream, cx)
        {
            return Poll::Ready(answer.map_err(ForwardError::from));
        }
        let was_begun = state.outbound.is_begun();
        if let Poll::Ready(Err(error)) = state.outbound.poll_send(&mut open.stream, cx) {
            return Poll::Ready(Err(error));
        }
        if !was_begun && let Poll::Ready(answer) = state.inbound.poll_head(&mut open.stream, cx) {
            return Poll::Ready(answer.map_err(ForwardError::from));
        }
        let outbound = &state.outbound;
        state.deadline.poll(cx, || outbound.answer_due(limit)).map(|()| Err(ForwardError::ResponseTimeout))
    }

    /// The request that got no answer, where it may be sent again: nothing of it was written, or it has no body, has the
    /// effect of one when it is sent twice, and was answered with not a single byte.
    pub(crate) fn take_back(&self, effect: Effect) -> Option<Outbound> {
        let state = &mut *self.state.borrow_mut();
        let is_safe = !state.outbound.is_begun() || effect == Effect::Idempotent;
        let request =
            (state.inbound.is_silent() && is_safe).then(|| std::mem::replace(&mut state.outbound, Outbound::none()));
        request.and_then(Outbound::again)
    }

    /// All of the response's body, when it came with the head.
    pub(crate) fn whole_body(&self) -> Option<Bytes> {
        self.state.borrow_mut().inbound.whole()
    }

    /// Gives the rest of the request body a task of its own, if there is a rest.
    pub(crate) fn send_apart(self: &Rc<Self>, spawn: &Spawn) {
        if !self.state.borrow().outbound.is_sent() {
            let link = Rc::clone(self);
            spawn(Box::pin(async move { poll_fn(|cx| link.poll_send_apart(cx)).await }));
        }
    }

    fn poll_send_apart(&self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.state.borrow_mut();
        let Some(open) = &mut state.open else { return Poll::Ready(()) };
        match state.outbound.poll_send(&mut open.stream, cx) {
            Poll::Pending => {
                state.sender = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => {
                state.fault = Some(error);
                state.open = None;
                state.reader.take().into_iter().for_each(Waker::wake);
            }
        }
        Poll::Ready(())
    }

    /// The next part of the response's body, none at its end.
    pub(crate) fn poll_body(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Part>, BodyError>> {
        let state = &mut *self.state.borrow_mut();
        let Some(open) = &mut state.open else {
            return Poll::Ready(Err(match state.fault.take() {
                Some(fault) => BodyError::of_request(fault),
                None => BodyError::Upstream(ConnectionError::Closed),
            }));
        };
        let part = state.inbound.poll_body(&mut open.stream, cx).map_err(BodyError::Upstream);
        if part.is_pending() && !state.outbound.is_sent() {
            state.reader = Some(cx.waker().clone());
        }
        part
    }

    /// Was the response read to its end?
    pub(crate) fn is_over(&self) -> bool {
        self.state.borrow().inbound.is_over()
    }

    /// How much of the response's body is still to come, where that is known.
    pub(crate) fn remaining(&self) -> Option<u64> {
        self.state.borrow().inbound.remaining()
    }

    /// The exchange has ended. Can the connection serve another one? Both directions must be over, with nothing behind;
    /// else it is to be closed.
    #[must_use]
    pub(crate) fn end(&self) -> bool {
        let state = &mut *self.state.borrow_mut();
        let is_clean = state.outbound.is_sent() && state.inbound.is_over() && !state.inbound.has_surplus();
        if !is_clean || state.open.is_none() {
            return false;
        }
        // What is idle holds no buffers, and no task that is perhaps over.
        state.outbound = Outbound::none();
        drop(state.inbound.take_rest());
        (state.sender, state.reader) = (None, None);
        state.deadline.rest();
        true
    }

    /// Closes the connection, whoever else holds it.
    pub(crate) fn close(&self) {
        let state = &mut *self.state.borrow_mut();
        state.open = None;
        state.outbound = Outbound::none();
        state.sender.take().into_iter().for_each(Waker::wake);
    }

    /// Hands the connection over, after a switch of protocols.
    pub(crate) fn take_stream(&self) -> Option<Rewound<Stream>> {
        let state = &mut *self.state.borrow_mut();
        let early = state.inbound.take_rest();
        state.open.take().map(|open| Rewound::new(early, open.stream))
    }
}

/// A wait with an end that may move. Its timer stays with the connection: most waits end early, and moving a timer to
/// later is cheaper than making one.
#[derive(Default)]
struct Deadline {
    due: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Ready when it is over, and `moved` knows of no later end.
    fn poll(&mut self, cx: &mut Context<'_>, moved: impl Fn() -> Option<Instant>) -> Poll<()> {
        if let Some(due) = self.due.take() {
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(due),
                None => self.timer = Some(Box::pin(sleep_until(due))),
            }
        }
        let Some(timer) = &mut self.timer else { return Poll::Pending };
        loop {
            ready!(timer.as_mut().poll(cx));
            match moved() {
                Some(due) if due > Instant::now() => timer.as_mut().reset(due),
                _ => return Poll::Ready(()),
            }
        }
    }

    /// Nobody waits any more: lets go of who did.
    fn rest(&mut self) {
        if let Some(timer) = &mut self.timer {
            let _: Poll<()> = timer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}
