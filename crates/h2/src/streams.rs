//! [`Streams`]: the streams that are open in at least one direction (RFC 9113 section 5.1), in the order of their numbers.
//! A stream that is not here is idle if its number is beyond the last one, and closed otherwise.

use std::collections::VecDeque;

use crate::{
    frame::StreamId,
    window::{ReceiveWindow, SendWindow},
};

/// One that is not closed.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    pub(crate) sending: Sending,
    pub(crate) receiving: Receiving,
    /// What the client lets us send.
    pub(crate) window: SendWindow,
    /// What we let the client send.
    pub(crate) inbound: ReceiveWindow,
}

/// Our direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    /// Nobody has begun to serve it.
    Untaken,
    /// The head of the response is to come.
    Head,
    Body,
    Over,
}

/// The client's direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiving {
    /// What is left of the body, if it says how long it is.
    Body(Option<u64>),
    /// The same, and nobody wants it.
    Unwanted,
    Over,
}

impl Stream {
    pub(crate) fn is_closed(&self) -> bool {
        self.sending == Sending::Over && self.receiving == Receiving::Over
    }
}

/// Streams that we have reset, of which frames may still be under way (section 5.4.2): so many beside all that may be
/// open, which may all be reset at once.
const TOMB_LIMIT: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Streams {
    open: Vec<Stream>,
    tombs: VecDeque<StreamId>,
    tomb_limit: usize,
}

/// What a number stands for.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    Open(&'a mut Stream),
    /// We have reset it a short while ago: what still comes means nothing.
    Reset,
    Closed,
}

impl Streams {
    /// Of which so many may be open at once.
    pub(crate) fn new(limit: u32) -> Self {
        Self { open: Vec::new(), tombs: VecDeque::new(), tomb_limit: TOMB_LIMIT + limit as usize }
    }

    pub(crate) fn count(&self) -> usize {
        self.open.len()
    }

    /// Its number is beyond all others.
    pub(crate) fn open(&mut self, stream: Stream) {
        debug_assert!(self.open.last().is_none_or(|last| last.id < stream.id));
        self.open.push(stream);
    }

    pub(crate) fn stream(&mut self, id: StreamId) -> Option<&mut Stream> {
        let at = self.open.binary_search_by_key(&id, |stream| stream.id).ok()?;
        self.open.get_mut(at)
    }

    /// What that number, which is not beyond the last one, stands for.
    pub(crate) fn find(&mut self, id: StreamId) -> Found<'_> {
        match self.open.binary_search_by_key(&id, |stream| stream.id) {
            Ok(at) => Found::Open(&mut self.open[at]),
            Err(_) if self.tombs.contains(&id) => Found::Reset,
            Err(_) => Found::Closed,
        }
    }

    pub(crate) fn each(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.open.iter_mut()
    }

    /// It is over.
    pub(crate) fn close(&mut self, id: StreamId) -> Option<Stream> {
        let at = self.open.binary_search_by_key(&id, |stream| stream.id).ok()?;
        let stream = self.open.remove(at);
        if self.open.is_empty() {
            self.open = Vec::new(); // an idle connection keeps no room
        }
        Some(stream)
    }

    /// We reset it, whether it was open or not even begun.
    pub(crate) fn bury(&mut self, id: StreamId) -> Option<Stream> {
        if self.tombs.len() == self.tomb_limit {
            self.tombs.pop_front();
        }
        self.tombs.push_back(id);
        self.close(id)
    }
}
