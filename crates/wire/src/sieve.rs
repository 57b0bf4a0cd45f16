//! [`Sieve`]: a [`Gate`] and the bytes that stand before it.

use crate::{Fault, Gate};

/// Takes what has come, and gives what may pass. Whoever reads for it holds no bytes of its own.
#[derive(Debug, Clone)]
pub struct Sieve {
    gate: Gate,
    /// What has come: from `start` on first what may pass, then what is not understood yet.
    held: Vec<u8>,
    start: usize,
    passes: usize,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Some bytes may pass: [`Sieve::take`].
    Pass,
    /// So many bytes, at least one, may pass without being looked at: read them to where they are wanted, and tell
    /// [`Gate::passed`].
    Unseen(u64),
    /// More bytes are needed: [`Sieve::push`] them.
    Read,
}

impl Sieve {
    /// Before that gate.
    pub fn new(gate: Gate) -> Self {
        Self { gate, held: Vec::new(), start: 0, passes: 0 }
    }

    /// The gate.
    pub fn gate(&mut self) -> &mut Gate {
        &mut self.gate
    }

    /// How many bytes have come and may not pass yet.
    pub fn waiting(&self) -> usize {
        self.held.len() - self.start - self.passes
    }

    /// How many bytes may pass and have not been taken.
    pub fn passing(&self) -> usize {
        self.passes
    }

    /// How much memory it holds.
    pub fn capacity(&self) -> usize {
        self.held.capacity()
    }

    /// What is to be done next.
    ///
    /// # Errors
    /// What has come next is no message; what came before it has passed.
    pub fn decide(&mut self) -> Result<Next, Fault> {
        if self.passes > 0 {
            return Ok(Next::Pass);
        }
        if self.waiting() == 0 && self.gate.unseen() > 0 {
            return Ok(Next::Unseen(self.gate.unseen()));
        }
        self.passes = self.gate.admit(&self.held[self.start..])?;
        Ok(if self.passes > 0 { Next::Pass } else { Next::Read })
    }

    /// Up to so many of the bytes that may pass.
    pub fn take(&mut self, room: usize) -> &[u8] {
        let (from, count) = (self.start, self.passes.min(room));
        self.start += count;
        self.passes -= count;
        &self.held[from..from + count]
    }

    /// These bytes have come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.drain(..self.start);
        self.start = 0;
        self.held.extend_from_slice(bytes);
    }

    /// Lets go of the buffer, if nothing is in it.
    pub fn rest(&mut self) {
        if self.start == self.held.len() {
            self.held = Vec::new();
            self.start = 0;
        }
    }
}
