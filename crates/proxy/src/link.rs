//! [`Link`]: one connection to a backend, and the exchange it serves.
//!
//! Nobody drives it in the background: the request that has leased it writes and reads, then the body of its response
//! does. Only a request body that is still under way when the response has begun gets a task of its own: it must move on
//! even while the client does not read.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;
use vestibule_h1::{AnswerTo, Part, ResponseHead};

use crate::{
    BodyError, ForwardError, Rewound, Spawn,
    deadlines::{Deadlines, Look},
    error::ConnectionError,
    stream::Stream,
};

mod inbound;
mod outbound;

use inbound::Inbound;
pub(crate) use outbound::Outbound;

/// See the module. Closed when it is dropped, or told to.
pub(crate) struct Link {
    state: RefCell<State>,
    deadlines: Rc<Deadlines>,
}

struct State {
    /// `None`: closed, or handed over.
    open: Option<Open>,
    outbound: Outbound,
    inbound: Inbound,
    wait: Wait,
    /// The task that sends the request body apart, while there is one.
    sender: Option<Waker>,
    /// Who waits for the response, and is told of what happens elsewhere.
    reader: Option<Waker>,
    /// What ended the request body meanwhile.
    fault: Option<ForwardError>,
}

/// How long an answer is waited for.
#[derive(Default)]
struct Wait {
    limit: Duration,
    state: Waiting,
    /// At the end of a wait that was once the first to end.
    look: Option<Look>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// For nothing.
    #[default]
    No,
    /// Until then, or longer when the request's body says so.
    Until(Instant),
    /// It took too long.
    Over,
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
    pub(crate) fn new(stream: Stream, mark: OpenMark, deadlines: &Rc<Deadlines>) -> Rc<Self> {
        Rc::new(Self {
            deadlines: Rc::clone(deadlines),
            state: RefCell::new(State {
                open: Some(Open { stream, _mark: mark }),
                outbound: Outbound::none(),
                inbound: Inbound::new(AnswerTo::Other, 0),
                wait: Wait::default(),
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

    /// The same of one whose exchange has ended in good order, and that was good since: says so without asking the system, and
    /// leaves whoever is woken.
    pub(crate) fn is_still_good(&self) -> bool {
        self.state.borrow_mut().open.as_mut().is_some_and(|open| open.stream.is_still_silent())
    }

    /// An exchange begins: that request, which is taken, and its answer until `now` and `limit`. Nothing is written yet.
    pub(crate) fn begin(
        &self,
        request: &mut Outbound,
        to: AnswerTo,
        head_limit: usize,
        (now, limit): (Instant, Duration),
    ) {
        let state = &mut *self.state.borrow_mut();
        state.outbound = std::mem::replace(request, Outbound::none());
        state.inbound = Inbound::new(to, head_limit);
        (state.wait.limit, state.wait.state) = (limit, Waiting::Until(now + limit));
    }

    /// Sends the request, and waits for the head of the answer.
    pub(crate) fn poll_answer(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, ForwardError>> {
        let state = &mut *self.state.borrow_mut();
        match (state.poll_exchange(cx), state.wait.state) {
            (Poll::Pending, Waiting::Until(due)) => {
                state.note_reader(cx);
                if state.wait.look.as_ref().is_none_or(|look| look.at() > due) {
                    state.wait.look = Some(self.deadlines.look(self, due));
                }
                Poll::Pending
            }
            (Poll::Pending, Waiting::No | Waiting::Over) => Poll::Ready(Err(ForwardError::ResponseTimeout)),
            (Poll::Ready(answer), _) => {
                state.wait.state = Waiting::No;
                Poll::Ready(answer)
            }
        }
    }

    /// The moment has come that a [`Look`] was for: is something waited for that should be here?
    pub(crate) fn look(self: &Rc<Self>, now: Instant) {
        let state = &mut *self.state.borrow_mut();
        let Waiting::Until(due) = state.wait.state else {
            state.wait.look = None;
            return;
        };
        // A request's body may have moved its end.
        let due = state.outbound.answer_due(state.wait.limit).unwrap_or(due);
        if due > now {
            state.wait.look = Some(self.deadlines.look(self, due));
            return;
        }
        (state.wait.state, state.wait.look) = (Waiting::Over, None);
        state.reader.take().into_iter().for_each(Waker::wake);
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
            state.note_reader(cx);
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

impl State {
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, ForwardError>> {
        let Some(open) = &mut self.open else { return Poll::Ready(Err(ConnectionError::Closed.into())) };
        // An answer may come early, and counts more than what happens to the rest of the request.
        if self.outbound.is_begun()
            && let Poll::Ready(answer) = self.inbound.poll_head(&mut open.stream, cx)
        {
            return Poll::Ready(answer.map_err(ForwardError::from));
        }
        let was_begun = self.outbound.is_begun();
        if let Poll::Ready(Err(error)) = self.outbound.poll_send(&mut open.stream, cx) {
            return Poll::Ready(Err(error));
        }
        if was_begun {
            return Poll::Pending;
        }
        self.inbound.poll_head(&mut open.stream, cx).map_err(ForwardError::from)
    }

    fn note_reader(&mut self, cx: &Context<'_>) {
        match &mut self.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            reader @ None => *reader = Some(cx.waker().clone()),
        }
    }
}
