//! [`Vitals`]: the signs of life of one connection, and when their absence means its end.
//!
//! The I/O and the request walk write what happens; the watchdog in `serve.rs` reads it when its one timer fires.
//! There is no timer per request or per read: [`Vitals::next_look`] is never later than the shortest wait, so a wait
//! that begins between two looks is seen before it ends, and then met exactly.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use crate::config::Timeouts;

/// How long a drain waits for the first request of a connection that has just been opened.
pub(crate) const FIRST_REQUEST_GRACE: Duration = Duration::from_secs(1);

/// How long a peer may take to follow a polite close, from its last response on: longer than what is buffered takes to
/// be sent and than a closing stream lingers.
pub(crate) const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// What a client must take of a response within `timeouts.write_stall`, bytes: it may open its windows byte by byte.
const LEAST_TAKEN: u64 = 1024;

/// How often a closing connection is looked at.
pub(crate) const CLOSING_LOOK: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Vitals {
    origin: Instant,
    /// Milliseconds since `origin`, plus one, at which the current state of rest began; 0 while requests are open.
    rest_since: Cell<u64>,
    /// The same for the first byte of a request head; 0 when no head has begun.
    head_since: Cell<u64>,
    /// The same for a write that the peer does not take; 0 when nothing is stalled.
    stalled_since: Cell<u64>,
    /// The same for pieces of responses that the codec holds because the client opens no window; 0 when there are none.
    untaken_since: Cell<u64>,
    untaken: Cell<u32>,
    /// Bytes that were written since then.
    taken: Cell<u64>,
    requests_open: Cell<u32>,
    /// Has there been any request?
    used: Cell<bool>,
    /// Has it become a tunnel?
    tunnel: Cell<bool>,
    /// Is it to end after what is open?
    close_asked: Cell<bool>,
}

/// Why a connection must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// No request for the idle timeout: close politely.
    Idle,
    /// A request head that does not end.
    Head,
    /// A peer that does not read.
    WriteStall,
}

impl Vitals {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            origin: now,
            rest_since: Cell::new(1),
            head_since: Cell::new(0),
            stalled_since: Cell::new(0),
            untaken_since: Cell::new(0),
            untaken: Cell::new(0),
            taken: Cell::new(0),
            requests_open: Cell::new(0),
            used: Cell::new(false),
            tunnel: Cell::new(false),
            close_asked: Cell::new(false),
        }
    }

    fn mark(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    /// A part of a request head came, and no request is open.
    pub(crate) fn head_began(&self) {
        if self.requests_open.get() == 0 && self.head_since.get() == 0 {
            self.head_since.set(self.mark());
        }
    }

    /// A request head is complete.
    pub(crate) fn request_began(&self) {
        self.requests_open.set(self.requests_open.get() + 1);
        self.head_since.set(0);
        self.rest_since.set(0);
        self.used.set(true);
    }

    /// For how long nothing has been asked, answered or waited to be written.
    pub(crate) fn rested_for(&self) -> Duration {
        match (self.rest_since.get(), self.stalled_since.get()) {
            (since @ 1.., 0) => Duration::from_millis(self.mark().saturating_sub(since)),
            _ => Duration::ZERO,
        }
    }

    /// Is its first request still to come?
    pub(crate) fn is_fresh(&self) -> bool {
        !self.used.get()
    }

    /// Its requests are over: from now on it carries bytes in both directions.
    pub(crate) fn become_tunnel(&self) {
        self.tunnel.set(true);
    }

    /// Has it become a tunnel?
    pub(crate) fn is_tunnel(&self) -> bool {
        self.tunnel.get()
    }

    /// It shall take nothing new: HTTP/1.1 is told by a header field of the next response that begins, which is the last
    /// one, HTTP/2 by GOAWAY (RFC 9113 section 6.8), which is the watchdog's, at the next wake of the connection.
    pub(crate) fn ask_close(&self) {
        self.close_asked.set(true);
    }

    /// Was that asked for?
    pub(crate) fn is_close_asked(&self) -> bool {
        self.close_asked.get()
    }

    /// A response is complete, or given up.
    pub(crate) fn request_ended(&self) {
        let open = self.requests_open.get().saturating_sub(1);
        self.requests_open.set(open);
        if open == 0 {
            self.rest_since.set(self.mark());
        }
    }

    /// The peer does not take what is written.
    pub(crate) fn write_stalled(&self) {
        if self.stalled_since.get() == 0 {
            self.stalled_since.set(self.mark());
        }
    }

    /// The peer takes bytes (again).
    pub(crate) fn wrote(&self) {
        if self.stalled_since.get() != 0 {
            self.stalled_since.set(0);
        }
    }

    /// The codec has a piece of a response that the client has no room for yet.
    pub(crate) fn piece_given(&self) {
        self.untaken.set(self.untaken.get() + 1);
        if self.untaken.get() == 1 {
            self.begin_untaken();
        }
    }

    /// A piece is written, or given up.
    pub(crate) fn piece_taken(&self) {
        self.untaken.set(self.untaken.get().saturating_sub(1));
        if self.untaken.get() == 0 {
            self.untaken_since.set(0);
        } else {
            self.begin_untaken();
        }
    }

    fn begin_untaken(&self) {
        self.untaken_since.set(self.mark());
        self.taken.set(0);
    }

    /// So many bytes went to the client, whatever they were: who takes less than [`LEAST_TAKEN`] of anything in a wait
    /// does not read.
    pub(crate) fn took(&self, count: usize) {
        if self.untaken_since.get() == 0 {
            return;
        }
        let taken = self.taken.get().saturating_add(count as u64);
        self.taken.set(taken);
        if taken >= LEAST_TAKEN {
            self.begin_untaken();
        }
    }

    /// The waits that run now, each with its mark and limit.
    fn waits(&self, timeouts: &Timeouts) -> [(u64, Duration, Overdue); 4] {
        [
            (self.untaken_since.get(), timeouts.write_stall, Overdue::WriteStall),
            (self.stalled_since.get(), timeouts.write_stall, Overdue::WriteStall),
            (self.head_since.get(), timeouts.request_head, Overdue::Head),
            (self.rest_since.get(), timeouts.idle, Overdue::Idle),
        ]
    }

    /// What is overdue now, if anything.
    pub(crate) fn overdue(&self, timeouts: &Timeouts) -> Option<Overdue> {
        let now = self.mark();
        self.waits(timeouts)
            .into_iter()
            .find(|(since, limit, _)| *since != 0 && u128::from(now.saturating_sub(*since)) >= limit.as_millis())
            .map(|(_, _, overdue)| overdue)
    }

    /// When to look again: at the end of the first wait that runs, and no later than the shortest wait there is.
    pub(crate) fn next_look(&self, timeouts: &Timeouts) -> Duration {
        let now = self.mark();
        let shortest = timeouts.write_stall.min(timeouts.request_head).min(timeouts.idle);
        let left = self
            .waits(timeouts)
            .into_iter()
            .filter(|(since, ..)| *since != 0)
            .map(|(since, limit, _)| limit.saturating_sub(Duration::from_millis(now.saturating_sub(since))));
        left.fold(shortest, Duration::min).max(Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeouts(millis: u64) -> Timeouts {
        let limit = Duration::from_millis(millis);
        Timeouts { request_head: limit, idle: limit, write_stall: limit, ..Timeouts::default() }
    }

    fn aged() -> Vitals {
        // Born a minute ago: every mark made "now" is far from the origin.
        Vitals::new(Instant::now().checked_sub(Duration::from_secs(60)).expect("the machine is up for a minute"))
    }

    #[test]
    fn a_fresh_connection_at_rest_is_idle_after_the_timeout() {
        assert_eq!(aged().overdue(&timeouts(10_000)), Some(Overdue::Idle));
        assert_eq!(Vitals::new(Instant::now()).overdue(&timeouts(10_000)), None);
    }

    #[test]
    fn an_open_request_is_never_idle_and_the_next_rest_counts_afresh() {
        let vitals = aged();
        vitals.head_began();
        vitals.request_began();
        assert_eq!(vitals.overdue(&timeouts(10_000)), None);
        vitals.request_ended();
        assert_eq!(vitals.overdue(&timeouts(10_000)), None, "rest began just now");
        assert_eq!(vitals.overdue(&timeouts(0)), Some(Overdue::Idle));
    }

    #[test]
    fn a_head_that_began_is_judged_by_its_own_wait() {
        let vitals = Vitals::new(Instant::now());
        vitals.head_began();
        let strict = Timeouts { request_head: Duration::ZERO, ..timeouts(60_000) };
        assert_eq!(vitals.overdue(&strict), Some(Overdue::Head));
        vitals.request_began();
        assert_eq!(vitals.overdue(&strict), None);
    }

    #[test]
    fn rest_counts_from_the_last_response_and_not_while_a_write_waits() {
        let vitals = aged();
        assert!(vitals.rested_for() >= Duration::from_secs(59));
        vitals.request_began();
        assert_eq!(vitals.rested_for(), Duration::ZERO);
        vitals.request_ended();
        assert!(vitals.rested_for() < Duration::from_secs(59), "it began just now");
        let vitals = aged();
        vitals.write_stalled();
        assert_eq!(vitals.rested_for(), Duration::ZERO, "what is buffered is still to be sent");
    }

    #[test]
    fn what_the_client_has_no_room_for_stalls_until_it_takes_enough() {
        let vitals = Vitals::new(Instant::now());
        let strict = Timeouts { write_stall: Duration::ZERO, ..timeouts(60_000) };
        vitals.request_began();
        vitals.piece_given();
        vitals.piece_given();
        assert_eq!(vitals.overdue(&strict), Some(Overdue::WriteStall));
        vitals.piece_taken();
        assert_eq!(vitals.overdue(&strict), Some(Overdue::WriteStall), "the other one");
        vitals.piece_taken();
        assert_eq!(vitals.overdue(&strict), None);

        let vitals = aged();
        vitals.request_began();
        vitals.untaken.set(1);
        vitals.untaken_since.set(1);
        vitals.took(1023);
        assert_eq!(vitals.overdue(&timeouts(10_000)), Some(Overdue::WriteStall), "for a minute now");
        vitals.took(1);
        assert_eq!(vitals.overdue(&timeouts(10_000)), None, "it takes enough");
    }

    #[test]
    fn a_stalled_write_counts_also_while_a_request_is_open() {
        let vitals = Vitals::new(Instant::now());
        vitals.request_began();
        vitals.write_stalled();
        let strict = Timeouts { write_stall: Duration::ZERO, ..timeouts(60_000) };
        assert_eq!(vitals.overdue(&strict), Some(Overdue::WriteStall));
        vitals.wrote();
        assert_eq!(vitals.overdue(&strict), None);
    }
}
