//! Counts what a client sends beside requests and their bodies. Each frame is answered, or changes nothing, and
//! costs no memory: how often it may come is all that bounds it.
//!
//! A client that is over a limit is told to calm down (RFC 9113 section 7). Time is an argument, and is asked for only when
//! there is too much for one period.

use std::time::{Duration, Instant};

/// How long a count lasts.
const PERIOD: Duration = Duration::from_secs(10);
/// Frames in a period that are no part of a request: SETTINGS, PING, PRIORITY, WINDOW_UPDATE, unknown ones, DATA without
/// content, heads on streams that were reset or are not served any more.
const CONTROL_LIMIT: u64 = 1_000;
/// For so many bytes that we send a client may send one frame more: it opens its windows as it reads.
const BYTES_PER_FRAME: u64 = 1_024;
/// What was written counts up to here: a client may read late, but what it read long ago pays for no flood.
const CREDIT_LIMIT: u64 = 64 * 1_024 * 1_024;
/// Streams that a client may cancel in a period (CVE-2023-44487).
const RESET_LIMIT: u64 = 100;
/// Streams that a client's errors may make us cancel in a period (CVE-2025-8671).
const ERROR_LIMIT: u64 = 64;
/// Streams that a client may cancel before anybody began to serve them.
const UNSERVED_LIMIT: u64 = 20;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pace {
    since: Instant,
    control: u64,
    resets: u64,
    errors: u64,
    /// Bytes for which no frame came yet that they would pay for.
    credit: u64,
    /// Since the last time that requests were taken.
    unserved: u64,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    Control,
    /// The client cancelled a stream.
    Reset(Taken),
    /// We cancelled a stream, or refused it, because of the client.
    Error,
}

/// Was the request taken by whoever serves it?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Yes,
    No,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, control: 0, resets: 0, errors: 0, credit: 0, unserved: 0 }
    }

    pub(crate) fn wrote(&mut self, count: usize) {
        self.credit = self.credit.saturating_add(count as u64).min(CREDIT_LIMIT);
    }

    /// All requests were taken.
    pub(crate) fn taken(&mut self) {
        self.unserved = 0;
    }

    /// One more. Is it one too many?
    pub(crate) fn count(&mut self, counted: Counted, clock: impl FnOnce() -> Instant) -> bool {
        match counted {
            Counted::Control => match self.credit.checked_sub(BYTES_PER_FRAME) {
                Some(rest) if self.control == CONTROL_LIMIT => self.credit = rest,
                _ => self.control += 1,
            },
            Counted::Error => self.errors += 1,
            Counted::Reset(taken) => {
                self.resets += 1;
                self.unserved += u64::from(taken == Taken::No);
            }
        }
        if self.unserved > UNSERVED_LIMIT {
            return true;
        }
        if !self.is_over() {
            return false;
        }
        let now = clock();
        if now.saturating_duration_since(self.since) < PERIOD {
            return true;
        }
        *self = Self { unserved: self.unserved, credit: self.credit, ..Self::new(now) };
        false
    }

    fn is_over(&self) -> bool {
        self.resets > RESET_LIMIT || self.errors > ERROR_LIMIT || self.control > CONTROL_LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of them pass at once.
    fn passed(pace: &mut Pace, counted: Counted, now: Instant) -> u64 {
        (0..).take_while(|_| !pace.count(counted, || now)).count() as u64
    }

    #[test]
    fn limits_are_met_exactly_and_a_new_period_counts_afresh() {
        let now = Instant::now();
        for (counted, limit) in [
            (Counted::Control, CONTROL_LIMIT),
            (Counted::Error, ERROR_LIMIT),
            (Counted::Reset(Taken::Yes), RESET_LIMIT),
        ] {
            let mut pace = Pace::new(now);
            assert_eq!(passed(&mut pace, counted, now), limit);
            assert_eq!(passed(&mut pace, counted, now + PERIOD / 2), 0);
            assert_eq!(passed(&mut pace, counted, now + PERIOD), limit + 1, "the first one began it");
        }
    }

    #[test]
    fn a_client_that_reads_may_open_its_windows() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        pace.wrote(10 * 1024 * 1024);
        assert_eq!(passed(&mut pace, Counted::Control, now), CONTROL_LIMIT + 10 * 1024);
        // As it goes on reading, however much that is, but not for all that it has read long ago.
        let mut pace = Pace::new(now);
        for _ in 0..1_000 {
            pace.wrote(1 << 20);
            assert!((0..1024).all(|_| !pace.count(Counted::Control, || now)));
        }
        pace.wrote(1 << 40);
        let frames = passed(&mut pace, Counted::Control, now);
        assert!((64 * 1024..=64 * 1024 + CONTROL_LIMIT).contains(&frames), "{frames}");
    }

    #[test]
    fn what_nobody_began_to_serve_is_cancelled_a_few_times() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        for _ in 0..4 {
            for _ in 0..UNSERVED_LIMIT {
                assert!(!pace.count(Counted::Reset(Taken::No), || now));
            }
            pace.taken();
        }
        assert_eq!(passed(&mut pace, Counted::Reset(Taken::No), now), UNSERVED_LIMIT);
    }
}
