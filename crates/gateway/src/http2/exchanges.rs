//! [`Exchanges`]: the requests of a connection that are walked or answered, each in a place with a waker of its own. A
//! place, and its waker, serve one exchange after the other: one that is woken for the exchange before is woken for nothing.

use std::{rc::Rc, sync::Arc, task::Waker};

use bytes::Bytes;
use vestibule_h2::StreamId;

use super::{bells::Bells, inbox::Inbox};
use crate::{record::Tracked, request::Walk, vitals::Vitals};

/// Places that an idle connection keeps.
const KEPT: usize = 1;

/// A request under way.
pub(super) struct Exchange {
    pub(super) stream: StreamId,
    /// Where its body goes, until that is over.
    pub(super) inbox: Option<Inbox>,
    pub(super) step: Step,
}

pub(super) enum Step {
    /// The request is walked.
    Walking(Walk),
    /// The response is sent.
    Answering(Box<Answer>),
    /// The response was sent; the request is still coming.
    Answered,
}

/// The body of a response.
pub(super) struct Answer {
    pub(super) body: Tracked,
    /// What was taken of it, and not sent yet.
    pub(super) piece: Bytes,
    /// While there is something.
    pub(super) untaken: Option<Untaken>,
    pub(super) turn: Turn,
}

/// A piece of a response that is not on its way: the client takes less than there is (`vitals`).
pub(super) struct Untaken(Rc<Vitals>);

impl Untaken {
    pub(super) fn new(vitals: &Rc<Vitals>) -> Self {
        vitals.piece_given();
        Self(Rc::clone(vitals))
    }
}

impl Drop for Untaken {
    fn drop(&mut self) {
        self.0.piece_taken();
    }
}

/// Who must do something before it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The body: it is asked when it rings.
    Body,
    /// We: it waits in the queue.
    Queue,
    /// The client: it has opened no window.
    Client,
}

struct Place {
    exchange: Option<Exchange>,
    bell: Waker,
}

/// See the module.
pub(super) struct Exchanges {
    places: Vec<Place>,
    free: Vec<usize>,
    bells: Arc<Bells>,
}

impl Exchanges {
    pub(super) fn new(bells: Arc<Bells>) -> Self {
        let (places, free) = (Vec::with_capacity(KEPT), Vec::with_capacity(KEPT));
        Self { places, free, bells }
    }

    /// One more; it rings at once.
    pub(super) fn begin(&mut self, exchange: Exchange) {
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                let place = self.places.len();
                self.places.push(Place { exchange: None, bell: self.bells.bell(place) });
                place
            }
        };
        self.places[place].exchange = Some(exchange);
        self.bells.ring(place);
    }

    /// Who is in a place, and its waker.
    pub(super) fn at(&mut self, place: usize) -> Option<(&mut Exchange, &Waker)> {
        let Place { exchange, bell } = self.places.get_mut(place)?;
        exchange.as_mut().map(|exchange| (exchange, &*bell))
    }

    /// May somebody else than client and ourselves have a response, or a piece of one, at any moment?
    pub(super) fn await_others(&self) -> bool {
        self.places.iter().filter_map(|place| place.exchange.as_ref()).any(|exchange| match &exchange.step {
            Step::Walking(_) => true,
            Step::Answering(answer) => answer.turn == Turn::Body,
            Step::Answered => false,
        })
    }

    /// The place of a stream.
    pub(super) fn find(&self, stream: StreamId) -> Option<usize> {
        let is_it = |place: &Place| place.exchange.as_ref().is_some_and(|exchange| exchange.stream == stream);
        self.places.iter().position(is_it)
    }

    /// That of a stream.
    pub(super) fn of(&mut self, stream: StreamId) -> Option<&mut Exchange> {
        let place = self.find(stream)?;
        self.places.get_mut(place)?.exchange.as_mut()
    }

    /// The places of answers that wait for the client to open a window, which they wait for no longer.
    pub(super) fn awaiting(&mut self, of: impl Fn(StreamId) -> bool, mut each: impl FnMut(usize)) {
        for (at, place) in self.places.iter_mut().enumerate() {
            if let Some(Exchange { stream, step: Step::Answering(answer), .. }) = &mut place.exchange
                && answer.turn == Turn::Client
                && of(*stream)
            {
                answer.turn = Turn::Queue;
                each(at);
            }
        }
    }

    /// It is over, or given up: whatever it holds goes.
    pub(super) fn end(&mut self, place: usize) {
        if let Some(ended) = self.places.get_mut(place).and_then(|place| place.exchange.take()) {
            self.free.push(place);
            drop(ended);
        }
    }

    /// All of them are given up.
    pub(super) fn clear(&mut self) {
        (self.places, self.free) = (Vec::new(), Vec::new());
    }

    /// Lets go of room, if there is nothing to do.
    pub(super) fn rest(&mut self) {
        if self.free.len() == self.places.len() && self.places.len() > KEPT {
            self.places.truncate(KEPT);
            self.places.shrink_to_fit();
            self.free = (0..KEPT).collect(); // as few, with no room for more
        }
    }
}
