//! [`Rate`]: so much per second, with a burst of one second's worth: the generic cell rate algorithm over one atomic.
//!
//! It counts, and never waits by itself. Time is an argument; no lock is taken, and workers share it.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

const NANOS_PER_SECOND: u128 = 1_000_000_000;
/// What a rate lets through at once after a rest: this much time's worth.
const BURST: Duration = Duration::from_secs(1);

/// So much per second. What is taken moves the time at which the account is even again; how far that may lie ahead is the
/// burst.
#[derive(Debug)]
pub struct Rate {
    per_second: u64,
    origin: Instant,
    /// Nanoseconds after `origin` at which everything taken so far is paid for.
    even_at: AtomicU64,
}

impl Rate {
    /// So much per second, from now on. Zero lets nothing through.
    pub fn new(per_second: u64, now: Instant) -> Self {
        Self { per_second, origin: now, even_at: AtomicU64::new(0) }
    }

    /// Takes one if it is within the rate; otherwise after how long it would be.
    ///
    /// # Errors
    /// The wait; a rate of zero says the longest there is.
    pub fn take(&self, now: Instant) -> Result<(), Duration> {
        if self.per_second == 0 {
            return Err(Duration::MAX);
        }
        let (now, price, burst) = (self.nanos(now), self.price(1), nanos_of(BURST));
        let paid = self.even_at.try_update(Relaxed, Relaxed, |even_at| {
            let next = even_at.max(now).saturating_add(price);
            (next - now <= burst.max(price)).then_some(next)
        });
        paid.map(|_| ()).map_err(|even_at| {
            Duration::from_nanos((even_at.max(now).saturating_add(price) - now).saturating_sub(burst.max(price)))
        })
    }

    /// Takes so much in any case, and says how long to wait until it is within the rate. Whoever comes later is told a
    /// longer wait: turns are in order of coming.
    pub fn spend(&self, amount: u64, now: Instant) -> Duration {
        let (now, price) = (self.nanos(now), self.price(amount));
        let next = |even_at: u64| even_at.max(now).saturating_add(price);
        let before = self.even_at.update(Relaxed, Relaxed, next);
        Duration::from_nanos((next(before) - now).saturating_sub(nanos_of(BURST)))
    }

    /// How many nanoseconds so much costs.
    fn price(&self, amount: u64) -> u64 {
        let nanos = u128::from(amount) * NANOS_PER_SECOND / u128::from(self.per_second.max(1));
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }

    fn nanos(&self, now: Instant) -> u64 {
        nanos_of(now.saturating_duration_since(self.origin))
    }
}

fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// How many of so many tries at that moment get through.
    fn taken(rate: &Rate, tries: usize, now: Instant) -> usize {
        (0..tries).filter(|_| rate.take(now).is_ok()).count()
    }

    #[test]
    fn a_second_is_saved_up_and_no_more() {
        let begin = Instant::now();
        let rate = Rate::new(100, begin);
        assert_eq!(taken(&rate, 1000, begin), 100);
        assert_eq!(taken(&rate, 1000, begin + millis(9)), 0);
        assert_eq!(taken(&rate, 1000, begin + millis(10)), 1);
        assert_eq!(taken(&rate, 1000, begin + millis(510)), 50);
        assert_eq!(taken(&rate, 1000, begin + millis(60_000)), 100);
    }

    #[test]
    fn a_refusal_says_when_to_come_back_and_costs_nothing() {
        let begin = Instant::now();
        let rate = Rate::new(10, begin);
        assert_eq!(taken(&rate, 10, begin), 10);
        for _ in 0..1000 {
            assert_eq!(rate.take(begin), Err(millis(100)));
        }
        assert_eq!(rate.take(begin + millis(40)), Err(millis(60)));
        assert_eq!(rate.take(begin + millis(100)), Ok(()));
    }

    #[test]
    fn odd_rates_are_what_they_say() {
        let begin = Instant::now();
        assert_eq!(Rate::new(0, begin).take(begin + millis(1_000_000)), Err(Duration::MAX));
        let slow = Rate::new(1, begin);
        assert_eq!((taken(&slow, 5, begin), taken(&slow, 5, begin + millis(999))), (1, 0));
        assert_eq!(taken(&Rate::new(u64::MAX, begin), 10_000, begin), 10_000);
    }

    #[test]
    fn what_is_spent_is_waited_for_in_order_of_coming() {
        let begin = Instant::now();
        let rate = Rate::new(1000, begin);
        assert_eq!(rate.spend(1000, begin), Duration::ZERO, "a second's worth is there");
        let waits: Vec<_> = (0..3).map(|_| rate.spend(100, begin)).collect();
        assert_eq!(waits, [millis(100), millis(200), millis(300)]);
        assert_eq!(rate.spend(100, begin + millis(300)), millis(100));
        assert!(Rate::new(0, begin).spend(u64::MAX, begin) > millis(1_000_000), "no overflow");
    }

    #[test]
    fn workers_share_a_rate_exactly() {
        let begin = Instant::now();
        let rate = Rate::new(1000, begin);
        let taken: usize = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..4).map(|_| scope.spawn(|| taken(&rate, 1000, begin))).collect();
            takers.into_iter().map(|taker| taker.join().unwrap()).sum()
        });
        assert_eq!(taken, 1000);
    }
}
