//! [`Arrivals`]: what the first scan has walked and committed, and nobody has been shown yet. Each publish copies what it touches
//! of the table, and a few names touch much of it, for they lie all over: so the many steps of a start become few publishes.

use std::time::{Duration, Instant};

use vestibule_vhost::TableChange;

use crate::{change::Wish, live::LiveSite};

/// A site waits for others a quarter of the time since the start, so that few publishes do however many sites there are, ...
const SHARE: u32 = 4;
/// ... and so long at least, ...
const SHORTEST: Duration = Duration::from_millis(100);
/// ... and no longer than this, whatever files of other tenants come in between.
pub(crate) const LONGEST: Duration = Duration::from_secs(1);

/// See the module. Empty after the first scan.
#[derive(Debug)]
pub(crate) struct Arrivals {
    waiting: Arrived,
    /// Since when something waits, if anything does.
    since: Option<Instant>,
    started: Instant,
}

/// To be published, and then passed on.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    pub(crate) changes: Vec<TableChange<LiveSite>>,
    pub(crate) wishes: Vec<Wish>,
}

impl Arrivals {
    pub(crate) fn new(started: Instant) -> Self {
        Self { waiting: Arrived::default(), since: None, started }
    }

    /// Takes in what a step has come to. Everything that is to be published now, in the order in which it came; `None`: it waits,
    /// if it may, for more.
    pub(crate) fn take_in(
        &mut self,
        changes: Vec<TableChange<LiveSite>>,
        wishes: Vec<Wish>,
        now: Instant,
        may_wait: bool,
    ) -> Option<Arrived> {
        self.waiting.changes.extend(changes);
        self.waiting.wishes.extend(wishes);
        if self.waiting.changes.is_empty() && self.waiting.wishes.is_empty() {
            return None;
        }
        let waited = now.saturating_duration_since(*self.since.get_or_insert(now));
        let patience = (now.saturating_duration_since(self.started) / SHARE).clamp(SHORTEST, LONGEST);
        if may_wait && waited < patience {
            return None;
        }
        self.since = None;
        Some(std::mem::take(&mut self.waiting))
    }
}

#[cfg(test)]
mod tests {
    use vestibule_names::SiteId;

    use super::*;

    /// What goes live of a start of so many steps of a thousand sites, one each ten milliseconds: how much at once.
    fn start(steps: u32) -> Vec<usize> {
        let started = Instant::now();
        let (mut arrivals, mut published, mut waits) = (Arrivals::new(started), Vec::new(), None);
        for step in 1..=steps {
            let now = started + step * Duration::from_millis(10);
            let since = *waits.get_or_insert(now);
            if let Some(count) = arrivals.step(1_000, now, step < steps) {
                published.push(count);
                waits = None;
            } else {
                assert!(now - since < LONGEST, "{step}");
            }
        }
        published
    }

    impl Arrivals {
        /// So many wishes; how many are published.
        fn step(&mut self, count: usize, now: Instant, may_wait: bool) -> Option<usize> {
            let wishes = (0..count).map(|_| Wish::Unwant(SiteId::new("a.yaml"))).collect();
            self.take_in(Vec::new(), wishes, now, may_wait).map(|arrived| arrived.wishes.len())
        }
    }

    #[test]
    fn a_start_publishes_seldom_and_leaves_nothing_out() {
        for (steps, most) in [(1, 1), (100, 10), (1_000, 25)] {
            let published = start(steps);
            assert_eq!(published.iter().sum::<usize>(), steps as usize * 1_000);
            assert!(published.len() <= most, "{} publishes of {steps} steps", published.len());
        }
    }

    #[test]
    fn nobody_waits_for_long_because_files_come_of_which_nothing_goes_live() {
        let started = Instant::now();
        let mut arrivals = Arrivals::new(started);
        assert_eq!(arrivals.step(7, started + Duration::from_millis(400), true), None);
        for later in [410, 450, 499] {
            assert_eq!(arrivals.step(0, started + Duration::from_millis(later), true), None);
        }
        assert_eq!(arrivals.step(0, started + Duration::from_millis(540), true), Some(7));
        let late = started + Duration::from_secs(3_600);
        assert_eq!(arrivals.step(1, late, true), None);
        assert_eq!(arrivals.step(0, late + LONGEST, true), Some(1));
    }

    #[test]
    fn what_is_awaited_goes_live_with_all_that_came_before_it() {
        let now = Instant::now();
        let mut arrivals = Arrivals::new(now);
        assert_eq!(arrivals.step(0, now, false), None, "there is nothing");
        assert_eq!(arrivals.step(2, now, true), None);
        assert_eq!(arrivals.step(1, now, false), Some(3));
        assert_eq!(arrivals.step(1, now, true), None);
        assert_eq!(arrivals.step(0, now, false), Some(1));
    }
}
