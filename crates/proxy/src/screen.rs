//! [`Screen`]: the strict reading of what a backend says, in front of hyper's codec. Only well-formed responses get
//! through, each only after it was asked for, and nothing behind the end of the last one.
//!
//! What it finds is an error of reading, and noted in the connection's [`Gauge`]: the head of a response becomes a 502, a
//! body a cut that the client sees, and the connection is not used again.

use std::io;

use vestibule_wire::{Fault, Gate, Limits, Next, Side, Sieve};

use crate::stream::{Gauge, Spoilt};

/// Fields of one response head.
const FIELD_LIMIT: usize = 100;

/// See the module.
#[derive(Debug)]
pub(crate) struct Screen {
    sieve: Sieve,
}

/// What may be done next.
pub(crate) enum Step<'a> {
    /// These bytes may pass.
    Pass(&'a [u8]),
    /// So many bytes may be read without being looked at; tell [`Screen::passed`].
    Unseen(u64),
    /// More bytes are needed: [`Screen::push`].
    Read,
}

impl Screen {
    /// For heads of at most so many bytes.
    pub(crate) fn new(head_limit: usize) -> Self {
        let limits = Limits { head: head_limit, fields: FIELD_LIMIT, target: 0 };
        // Trailers that may not pass are left away behind the codec; those that frame are a fault in any case.
        Self { sieve: Sieve::new(Gate::new(Side::Responses, limits, |_| false)) }
    }

    /// What may be done next, with room for so many bytes.
    pub(crate) fn step(&mut self, gauge: &Gauge, room: usize) -> io::Result<Step<'_>> {
        let next = self.next(gauge).map_err(|fault| {
            gauge.spoil(if fault == Fault::AfterEnd { Spoilt::Unasked } else { Spoilt::Malformed });
            io::Error::new(io::ErrorKind::InvalidData, fault)
        })?;
        Ok(match next {
            Next::Pass => Step::Pass(self.sieve.take(room)),
            Next::Unseen(count) => Step::Unseen(count),
            Next::Read => Step::Read,
        })
    }

    fn next(&mut self, gauge: &Gauge) -> Result<Next, Fault> {
        let asked = gauge.asked();
        let gate = self.sieve.gate();
        if gate.is_undecided() && asked.upgrade {
            gate.open();
        }
        gate.expect_response(asked.to_head);
        if self.sieve.passing() == 0 && (gauge.spoilt().is_some() || self.has_unasked(asked.count)) {
            return Err(Fault::AfterEnd);
        }
        let next = self.sieve.decide()?;
        // Noted before the codec has the end of the response: afterwards the connection could be given the next request,
        // and this taken for its answer.
        if self.has_unasked(asked.count) {
            gauge.spoil(Spoilt::Unasked);
        }
        Ok(next)
    }

    /// Has something come behind the last response that was asked for?
    fn has_unasked(&mut self, asked: u64) -> bool {
        let waiting = self.sieve.waiting();
        let gate = self.sieve.gate();
        waiting > 0 && gate.is_between() && gate.finals() >= asked
    }

    /// So many of the unseen bytes have passed.
    pub(crate) fn passed(&mut self, count: usize) {
        self.sieve.gate().passed(count as u64);
    }

    /// These bytes have come.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.sieve.push(bytes);
    }

    /// Is anything here that has not passed?
    pub(crate) fn is_holding(&self) -> bool {
        self.sieve.waiting() + self.sieve.passing() > 0
    }

    /// Nothing comes for now: an idle connection keeps no buffer.
    pub(crate) fn rest(&mut self) {
        self.sieve.rest();
    }
}
