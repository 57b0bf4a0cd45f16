//! Doors to the inside for the fuzz targets (`tests/fuzz`), behind the feature `fuzzing`: the header law by itself, and a
//! backend's bytes as the client's codec gets to see them. Nothing is decided here.

use std::{io, sync::Arc};

use http::{HeaderMap, Request, request, response};
use vestibule_vhost::HeaderChanges;

use crate::{
    Caller, Refusal,
    law::{self, Answer, Handshake, Order, ResponseBreach},
    screen::{Screen, Step},
    stream::Gauge,
    target,
    upload::Length,
};

/// How long a request's body is, as its codec understood it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none.
    None,
    /// So many bytes.
    Exact(u64),
    /// It ends when it ends.
    Unknown,
}

/// What [`crate::Proxy::forward`] makes of the head of a request, for a route without changes of its own. `path` is in
/// normal form.
///
/// # Errors
/// What may not be forwarded.
pub fn rewrite_request(
    head: &mut request::Parts,
    path: &str,
    caller: &Caller<'_>,
    stripped: Option<&str>,
    body: BodyLength,
) -> Result<(), Refusal> {
    let handshake = Handshake::read(&head.method, head.version, &head.headers);
    let body = match body {
        BodyLength::None => Length::None,
        BodyLength::Exact(length) => Length::Exact(length),
        BodyLength::Unknown => Length::Unknown,
    };
    let changes = HeaderChanges::default();
    // As `forward` does: who sends a body does not shake hands.
    let handshake = handshake.filter(|_| body == Length::None);
    head.uri = target::rewrite_target(std::mem::take(&mut head.uri), path)?;
    law::rewrite_request(head, &Order { caller, stripped, changes: &changes, handshake: handshake.as_ref(), body })
}

/// What becomes of the head of a response to that request.
///
/// # Errors
/// What may not be passed on.
pub fn rewrite_response(head: &mut response::Parts, asked: &request::Parts) -> Result<(), ResponseBreach> {
    let handshake = Handshake::read(&asked.method, asked.version, &asked.headers);
    let changes = HeaderChanges::default();
    law::rewrite_response(head, &Answer { handshake: handshake.as_ref(), changes: &changes })
}

/// Leaves away the trailers that may not pass.
pub fn retain_trailers(trailers: &mut HeaderMap) {
    law::retain_trailers(trailers);
}

/// A connection to a backend, as bytes alone.
#[derive(Debug)]
pub struct Screened {
    screen: Screen,
    gauge: Arc<Gauge>,
}

/// What may be read next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// These bytes.
    Bytes(Vec<u8>),
    /// So many bytes, unseen: at least one.
    Unseen(u64),
    /// Nothing before more has come.
    Wait,
}

impl Screened {
    /// For heads of at most so many bytes.
    pub fn new(head_limit: usize) -> Self {
        Self { screen: Screen::new(head_limit), gauge: Arc::default() }
    }

    /// This request is about to be sent.
    pub fn ask<B>(&mut self, request: &Request<B>, head_limit: usize) {
        self.gauge.begin(request, head_limit);
    }

    /// These bytes have come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.screen.push(bytes);
    }

    /// What may be read next, with room for so many bytes.
    ///
    /// # Errors
    /// What has come is no response, or nobody asked for it.
    pub fn read(&mut self, room: usize) -> io::Result<Reading> {
        Ok(match self.screen.step(&self.gauge, room)? {
            Step::Pass(bytes) => Reading::Bytes(bytes.to_vec()),
            Step::Unseen(count) => Reading::Unseen(count),
            Step::Read => Reading::Wait,
        })
    }

    /// So many of the unseen bytes were read.
    pub fn passed(&mut self, count: usize) {
        self.screen.passed(count);
    }

    /// May it serve no other request?
    pub fn is_spoilt(&self) -> bool {
        self.gauge.spoilt().is_some() || self.screen.is_holding()
    }
}
