//! [`Line`]: what a connection shares with the body of its request, and with whom it is handed to: the stream, and what is
//! half read or half written.
//!
//! Nothing is borrowed while something foreign is polled or dropped: who reads a body may let go of it at any time.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use vestibule_h1::{Part, RequestHead};
use vestibule_proxy::RequestBodyError;
use vestibule_wire::{BodyLength, Limits};

use super::{
    inbound::{Inbound, Left, NoHead},
    outbound::Outbound,
};
use crate::{
    stream::{Transport, Watched},
    vitals::Vitals,
};

/// See the module.
pub(super) struct Line<S> {
    ends: RefCell<Ends<S>>,
    /// Of the request under way: who came for an earlier one has nothing to say any more.
    number: Cell<u64>,
    /// Does somebody hold the body of that request?
    held: Cell<bool>,
    state: Cell<State>,
    /// Who drives the connection, while somebody else reads from it.
    driver: Cell<Option<Waker>>,
    /// Who reads the body, or waits for the connection to become his.
    guest: Cell<Option<Waker>>,
}

struct Ends<S> {
    stream: Watched<S>,
    inbound: Inbound,
    outbound: Outbound,
    /// Has the final response to the request begun?
    answered: bool,
}

/// Whose the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Http,
    /// Somebody else's.
    HandedOver,
    /// It is nobody's any more.
    Left,
}

impl<S> Line<S> {
    pub(super) fn new(stream: Watched<S>) -> Rc<Self> {
        let (inbound, outbound) = (Inbound::default(), Outbound::default());
        Rc::new(Self {
            ends: RefCell::new(Ends { stream, inbound, outbound, answered: false }),
            number: Cell::new(0),
            held: Cell::new(false),
            state: Cell::new(State::Http),
            driver: Cell::new(None),
            guest: Cell::new(None),
        })
    }

    /// A request begins whose body is so long; its number.
    pub(super) fn begin(&self, body: BodyLength) -> u64 {
        let ends = &mut *self.ends.borrow_mut();
        ends.inbound.begin(body);
        ends.answered = false;
        self.held.set(!matches!(body, BodyLength::Known(0)));
        self.number.set(self.number.get() + 1);
        self.number.get()
    }

    /// Is nothing of a request there?
    pub(super) fn is_at_rest(&self) -> bool {
        self.ends.borrow().inbound.is_empty()
    }

    /// Did the client's end, or a failure, show while somebody read?
    pub(super) fn has_lost_client(&self) -> bool {
        self.ends.borrow().inbound.is_lost()
    }

    /// May more be staged?
    pub(super) fn has_room(&self) -> bool {
        self.ends.borrow().outbound.has_room()
    }

    /// With what the final response is written.
    pub(super) fn stage(&self, write: impl FnOnce(&mut Outbound)) {
        write(&mut self.ends.borrow_mut().outbound);
    }

    /// The final response begins: nobody is invited to go on any more.
    pub(super) fn begin_answer(&self) {
        self.ends.borrow_mut().answered = true;
    }

    /// Says something before the final response, unless that has begun.
    pub(super) fn say(&self, interim: &[u8]) {
        let ends = &mut *self.ends.borrow_mut();
        if !ends.answered {
            ends.outbound.append(interim);
            wake(&self.driver);
        }
    }

    /// Whose it is, for who came for the request of that number.
    pub(super) fn state(&self, number: u64) -> State {
        if number == self.number.get() { self.state.get() } else { State::Left }
    }

    /// Wakes this one when the state changes, or when there is something to read.
    pub(super) fn note_guest(&self, cx: &Context<'_>) {
        self.guest.set(Some(cx.waker().clone()));
    }

    /// The connection is somebody else's from now on.
    pub(super) fn hand_over(&self) {
        self.state.set(State::HandedOver);
        wake(&self.guest);
    }

    /// Nobody drives it any more.
    pub(super) fn leave(&self) {
        if self.state.get() == State::Http {
            self.state.set(State::Left);
            wake(&self.guest);
        }
    }

    /// Nobody holds the body of that request any more.
    pub(super) fn release(&self, number: u64) {
        if number == self.number.get() {
            self.held.set(false);
            wake(&self.driver);
        }
    }

    /// How much of the body is still to come, where that is known.
    pub(super) fn remaining(&self) -> Option<u64> {
        self.ends.borrow().inbound.remaining()
    }
}

impl<S: Transport> Line<S> {
    /// What was said is not to be taken for whole when the connection ends.
    pub(super) fn break_off(&self) {
        self.ends.borrow().stream.break_off();
    }
}

#[cfg(test)]
impl<S> Line<S> {
    /// How much memory is held for what is half read or half written, bytes.
    pub(super) fn memory(&self) -> usize {
        let ends = self.ends.borrow();
        ends.inbound.memory() + ends.outbound.memory()
    }
}

fn wake(who: &Cell<Option<Waker>>) {
    if let Some(waker) = who.take() {
        waker.wake();
    }
}

impl<S: Transport> Line<S> {
    /// The next head.
    pub(super) fn poll_head(
        &self,
        limits: &Limits,
        vitals: &Vitals,
        cx: &mut Context<'_>,
    ) -> Poll<Result<RequestHead, NoHead>> {
        let Ends { stream, inbound, .. } = &mut *self.ends.borrow_mut();
        inbound.poll_head(stream, limits, vitals, cx)
    }

    /// The next part of the body, for who holds it; none at its end.
    pub(super) fn poll_body(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Part>, RequestBodyError>> {
        let Ends { stream, inbound, .. } = &mut *self.ends.borrow_mut();
        let part = inbound.poll_body(stream, cx);
        if part.is_pending() {
            self.note_guest(cx);
        } else if inbound.is_over() {
            wake(&self.driver); // it is its turn to read
        }
        part
    }

    /// Ready when the client has ended, or is gone. Nothing is asked while somebody reads, and no more than once when
    /// something has come already: who sends on and on is not read on and on.
    pub(super) fn poll_end(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Ends { stream, inbound, .. } = &mut *self.ends.borrow_mut();
        if self.held.get() && !inbound.is_over() {
            self.driver.set(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        inbound.poll_end(stream, cx)
    }

    /// What is left of the request's body when its response begins. What has come of it, and nobody wants, is thrown away.
    pub(super) fn rest_of_request(&self, cx: &mut Context<'_>) -> Left {
        let Ends { stream, inbound, .. } = &mut *self.ends.borrow_mut();
        if self.held.get() { Left::Nothing } else { inbound.skip(stream, cx) }
    }

    /// The same when the response is written. Ready when nobody wants the rest.
    pub(super) fn poll_settle(&self, cx: &mut Context<'_>) -> Poll<Left> {
        let Ends { stream, inbound, .. } = &mut *self.ends.borrow_mut();
        if self.held.get() && !inbound.is_over() {
            self.driver.set(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        Poll::Ready(inbound.skip(stream, cx))
    }

    /// Writes what is staged; ready when all of it is with the system.
    pub(super) fn poll_written(&self, vitals: &Vitals, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Ends { stream, outbound, .. } = &mut *self.ends.borrow_mut();
        outbound.poll_written(stream, vitals, cx)
    }

    /// The same without waiting for the system: ready when there is room for more.
    pub(super) fn poll_room(&self, vitals: &Vitals, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Ends { stream, outbound, .. } = &mut *self.ends.borrow_mut();
        outbound.poll_room(stream, vitals, cx)
    }

    /// Closes both ways.
    pub(super) fn poll_close(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.ends.borrow_mut().stream).poll_shutdown(cx)
    }

    /// What came behind the head that asked for another protocol.
    pub(super) fn take_early(&self) -> Bytes {
        self.ends.borrow_mut().inbound.take_rest()
    }

    /// The stream itself, for whom it was handed to.
    pub(super) fn with_stream<T>(&self, act: impl FnOnce(Pin<&mut Watched<S>>) -> T) -> T {
        act(Pin::new(&mut self.ends.borrow_mut().stream))
    }
}
