//! [`Bucket`]: one limit of a CA as GCRA: a burst that refills evenly. One number is durable.
//!
//! A CA spends when a request arrives, which we only know lies between our asking and its answer. So a token is *held* while
//! a job is in flight and *spent* when it has ended, at the later of the two times: our bucket is never fuller than the CA's.

use std::time::Duration;

use crate::{Timestamp, config::Rate};

/// See the module. The rate is an argument: settings may change it between two runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    /// How far what was spent reaches (the theoretical arrival time); in the past: the bucket is full.
    pub(super) reach: Timestamp,
    /// Tokens of jobs in flight.
    pub(super) held: u32,
}

impl Rate {
    /// The same refill with one less of burst, but never none: for what should not be run into even once.
    pub(super) fn one_short(self) -> Self {
        if self.is_unlimited() || self.count < 2 {
            return self;
        }
        Self { count: self.count - 1, window: self.step() * (self.count - 1) }
    }

    /// How long one token takes to come back, in whole milliseconds, never shorter than it takes.
    fn step(self) -> Duration {
        let (window, count) = (self.window.as_millis(), u128::from(self.count.max(1)));
        Duration::from_millis(u64::try_from(window.div_ceil(count)).unwrap_or(u64::MAX))
    }
}

impl Bucket {
    /// What is spent reaches one window at most. A reach beyond that is of a clock that ran ahead, or of a damaged record.
    pub(super) fn seen_from(self, rate: Rate, now: Timestamp) -> Self {
        Self { reach: self.reach.min(now.after(rate.step().saturating_mul(rate.count))), ..self }
    }

    /// When one more token could be held; not after `now`: at once.
    pub(super) fn free_at(&self, rate: Rate, now: Timestamp) -> Timestamp {
        self.several_free_at(1, rate, now)
    }

    /// When so many more tokens could be held.
    pub(super) fn several_free_at(&self, several: u32, rate: Rate, now: Timestamp) -> Timestamp {
        if rate.is_unlimited() {
            return Timestamp::default();
        }
        let reach = self
            .seen_from(rate, now)
            .reach
            .max(now)
            .after(rate.step().saturating_mul(self.held.saturating_add(several)));
        reach.before(rate.step().saturating_mul(rate.count))
    }

    /// How many tokens could be held now.
    pub(super) fn available(&self, rate: Rate, now: Timestamp) -> u32 {
        if rate.is_unlimited() {
            return u32::MAX;
        }
        let step = rate.step().as_millis().max(1);
        let gone = self.seen_from(rate, now).reach.since(now).as_millis().div_ceil(step);
        rate.count.saturating_sub(u32::try_from(gone).unwrap_or(u32::MAX)).saturating_sub(self.held)
    }

    /// Holds a token for a job in flight.
    pub(super) fn hold(&mut self) {
        self.held = self.held.saturating_add(1);
    }

    /// Gives a held token back: what it was for did not happen.
    pub(super) fn release(&mut self) {
        self.held = self.held.saturating_sub(1);
    }

    /// Spends a held token.
    pub(super) fn spend_held(&mut self, rate: Rate, now: Timestamp) {
        self.release();
        self.spend(rate, now);
    }

    /// Spends a token that was not held.
    pub(super) fn spend(&mut self, rate: Rate, now: Timestamp) {
        if !rate.is_unlimited() {
            self.reach = self.reach.max(now).after(rate.step());
            *self = self.seen_from(rate, now);
        }
    }

    /// Empties it: when it is not known what was spent.
    pub(super) fn empty(&mut self, rate: Rate, now: Timestamp) {
        if !rate.is_unlimited() {
            self.reach = now.after(rate.step().saturating_mul(rate.count));
        }
    }

    /// Nothing is spent or held: there is nothing to remember.
    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        self.held == 0 && self.reach <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_000_000_000_000);

    fn rate(count: u32, seconds: u64) -> Rate {
        Rate { count, window: Duration::from_secs(seconds) }
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_evenly() {
        for (rate, step) in
            [(rate(300, 10_800), 36), (rate(50, 604_800), 12_096), (rate(5, 3600), 720), (rate(1, 60), 60)]
        {
            let mut bucket = Bucket::default();
            for left in (1..=rate.count).rev() {
                assert_eq!(bucket.available(rate, START), left);
                assert!(bucket.free_at(rate, START) <= START);
                bucket.hold();
                bucket.spend_held(rate, START);
            }
            assert_eq!(bucket.available(rate, START), 0);
            assert_eq!(bucket.free_at(rate, START).since(START).as_secs(), step);
        }
    }

    #[test]
    fn what_is_held_counts_and_is_spent_at_its_end() {
        let rate = rate(2, 100);
        let mut bucket = Bucket::default();
        bucket.hold();
        bucket.hold();
        let later = START.after(Duration::from_secs(30));
        assert!(bucket.free_at(rate, later) > later);
        bucket.spend_held(rate, later);
        bucket.release();
        assert_eq!(bucket.available(rate, later), 1);
        assert_eq!(bucket.reach, later.after(Duration::from_secs(50)));
    }

    #[test]
    fn no_limit_is_no_limit() {
        for none in [rate(u32::MAX, 60), rate(5, 0)] {
            let mut bucket = Bucket::default();
            for _ in 0..10 {
                bucket.spend(none, START);
            }
            assert!(bucket.free_at(none, START) <= START);
            assert_eq!(none.one_short(), none);
        }
        assert_eq!(rate(5, 3600).one_short(), rate(4, 2880));
        assert_eq!(rate(1, 60).one_short(), rate(1, 60));
    }

    #[test]
    fn what_is_spent_too_much_is_bounded() {
        let (rate, mut bucket) = (rate(5, 3600), Bucket::default());
        for _ in 0..1000 {
            bucket.spend(rate, START);
        }
        assert_eq!(bucket.reach, START.after(Duration::from_secs(3600)));
    }

    #[test]
    fn a_clock_that_ran_ahead_closes_a_limit_for_one_step() {
        let (rate, mut bucket) = (rate(300, 10_800), Bucket::default());
        for _ in 0..300 {
            bucket.spend(rate, START.after(Duration::from_secs(365 * 86_400)));
        }
        assert_eq!(bucket.free_at(rate, START).since(START), Duration::from_secs(36));
        assert_eq!(bucket.available(rate, START), 0);
    }
}
