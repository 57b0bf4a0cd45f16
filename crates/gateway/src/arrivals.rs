//! [`Arrivals`]: what the first scan has walked and committed, and nobody has been shown yet. Each publish copies what it touches
//! of the table, and a few names touch much of it, for they lie all over: so the many steps of a start become few publishes.

use vestibule_vhost::TableChange;

use crate::{change::Wish, live::LiveSite};

/// Sites that are never kept waiting for more of them.
const MANY: usize = 1_000;
/// A quarter as many as are live may wait: so a start copies a table about five times, however many sites there are, and none
/// waits for longer than a quarter of the time that has passed.
const SHARE: usize = 4;

/// See the module. Empty after the first scan.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    waiting: Arrived,
    /// Changes that have been published.
    published: usize,
}

/// To be published, and then passed on.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    pub(crate) changes: Vec<TableChange<LiveSite>>,
    pub(crate) wishes: Vec<Wish>,
}

impl Arrivals {
    /// Takes in what a step has come to. Everything that is to be published now, in the order in which it came; `None`: it waits,
    /// if it may, for more.
    pub(crate) fn take_in(
        &mut self,
        changes: Vec<TableChange<LiveSite>>,
        wishes: Vec<Wish>,
        may_wait: bool,
    ) -> Option<Arrived> {
        self.waiting.changes.extend(changes);
        self.waiting.wishes.extend(wishes);
        let count = self.waiting.changes.len().max(self.waiting.wishes.len());
        if may_wait && count < MANY.max(self.published / SHARE) {
            return None;
        }
        self.published += count;
        Some(std::mem::take(&mut self.waiting))
    }
}

#[cfg(test)]
mod tests {
    use vestibule_names::SiteId;

    use super::*;

    impl Arrivals {
        /// So many wishes; how many are published.
        fn step(&mut self, count: usize, may_wait: bool) -> Option<usize> {
            let wishes = (0..count).map(|_| Wish::Unwant(SiteId::new("a.yaml"))).collect();
            self.take_in(Vec::new(), wishes, may_wait).map(|arrived| arrived.wishes.len())
        }
    }

    #[test]
    fn a_start_publishes_seldom_and_no_site_waits_for_many() {
        let (mut arrivals, mut live, mut publishes, mut copied) = (Arrivals::default(), 0, 0, 0);
        for arrived in (MANY..=100 * MANY).step_by(MANY) {
            if let Some(now) = arrivals.step(MANY, true) {
                live += now;
                publishes += 1;
                copied += live;
            }
            assert!(arrived - live <= live / SHARE, "{} of {arrived} wait", arrived - live);
        }
        assert!((15..25).contains(&publishes), "{publishes}");
        assert!(copied < 600 * MANY, "{copied}, and each by itself would be 5,050,000");
    }

    #[test]
    fn what_is_awaited_goes_live_with_all_that_came_before_it() {
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.step(MANY - 1, true), None);
        assert_eq!(arrivals.step(0, false), Some(MANY - 1));
        assert_eq!(arrivals.step(1, true), None);
        assert_eq!(arrivals.step(1, false), Some(2));
    }
}
