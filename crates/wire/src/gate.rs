//! [`Gate`]: messages in a row on one connection, of which only well-formed ones get through.

use crate::{
    BodyLength, Chunks, Fault, Limits, MessageHead, Progress,
    head::{read_request, read_response},
};

/// Whose messages these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Requests of a client.
    Requests,
    /// Responses of an upstream. Before each the gate is told what was asked ([`Gate::expect_response`]).
    Responses,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Gate {
    side: Side,
    limits: Limits,
    forbidden_trailer: fn(&[u8]) -> bool,
    at: At,
    to_head: bool,
    heads: u64,
    finals: u64,
}

#[derive(Debug, Clone, Copy)]
enum At {
    /// In the head of a message; how far earlier looks got.
    Head(usize),
    /// In a body of known length: so many bytes to come, never zero.
    Body(u64),
    Chunks(Chunks),
    /// A head asked for (or confirmed) another protocol: nothing passes until somebody says what came of it.
    Undecided,
    /// Everything passes: a tunnel, or a body up to the end of the connection.
    Open,
    /// Nothing passes any more.
    Shut(Fault),
}

impl Gate {
    /// For a connection. `forbidden_trailer` says which names may not be trailer fields, beside those that frame.
    pub fn new(side: Side, limits: Limits, forbidden_trailer: fn(&[u8]) -> bool) -> Self {
        Self { side, limits, forbidden_trailer, at: At::Head(0), to_head: false, heads: 0, finals: 0 }
    }

    /// Is a message neither begun nor half through, as far as admitted bytes go?
    pub fn is_between(&self) -> bool {
        matches!(self.at, At::Head(_))
    }

    /// How many heads have passed.
    pub fn heads(&self) -> u64 {
        self.heads
    }

    /// How many heads of final responses have passed, and of switches to another protocol (RFC 9110 section 15).
    pub fn finals(&self) -> u64 {
        self.finals
    }

    /// Bytes that may pass unseen: within a body of known length, or everything in a tunnel.
    pub fn unseen(&self) -> u64 {
        match self.at {
            At::Body(left) => left,
            At::Open => u64::MAX,
            _ => 0,
        }
    }

    /// So many of the unseen bytes have passed: at most as many as [`Gate::unseen`] said.
    pub fn passed(&mut self, count: u64) {
        if let At::Body(left) = &mut self.at {
            *left = left.saturating_sub(count);
            if *left == 0 {
                self.at = At::Head(0);
            }
        }
    }

    /// Does it wait for [`Gate::open`] or [`Gate::stay`]?
    pub fn is_undecided(&self) -> bool {
        matches!(self.at, At::Undecided)
    }

    /// The upgrade was confirmed: everything passes from now on.
    pub fn open(&mut self) {
        self.at = At::Open;
    }

    /// The upgrade was not confirmed: HTTP goes on.
    pub fn stay(&mut self) {
        if self.is_undecided() {
            self.at = At::Head(0);
        }
    }

    /// The next response answers a `HEAD`, or another method.
    pub fn expect_response(&mut self, to_head: bool) {
        self.to_head = to_head;
    }

    /// Says how many bytes from the front may pass: zero when more are needed first. At most one message's worth, so
    /// that the caller can look at the gate between two.
    ///
    /// # Errors
    /// These bytes are no message, and nothing will pass any more; earlier bytes have passed and were right.
    pub fn admit(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let admitted = self.step(bytes);
        if let Err(fault) = admitted {
            self.at = At::Shut(fault);
        }
        admitted
    }

    fn step(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        match &mut self.at {
            At::Shut(fault) => Err(*fault),
            At::Undecided => Ok(0),
            At::Open => Ok(bytes.len()),
            At::Body(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                if *left == 0 {
                    self.at = At::Head(0);
                }
                Ok(taken)
            }
            At::Chunks(chunks) => {
                let taken = chunks.admit(bytes)?;
                if chunks.is_end() {
                    self.at = At::Head(0);
                }
                Ok(taken)
            }
            At::Head(seen) => {
                let head = match self.side {
                    Side::Requests => read_request(bytes, seen, &self.limits)?,
                    Side::Responses => read_response(bytes, seen, &self.limits, self.to_head)?,
                };
                match head {
                    Progress::Partial => Ok(0),
                    Progress::Complete(head, length) => {
                        self.heads += 1;
                        self.finals += u64::from(head.status >= 200 || head.upgrade);
                        self.at = self.after(&head);
                        Ok(length)
                    }
                }
            }
        }
    }

    fn after(&self, head: &MessageHead) -> At {
        match head.body {
            BodyLength::Known(0) if head.upgrade => At::Undecided,
            BodyLength::Known(0) => At::Head(0),
            BodyLength::Known(length) => At::Body(length),
            BodyLength::Chunked => At::Chunks(Chunks::new(self.forbidden_trailer)),
            BodyLength::UntilClose => At::Open,
        }
    }
}

#[cfg(test)]
mod tests;
