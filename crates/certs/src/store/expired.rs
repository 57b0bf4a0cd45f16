//! The end of what ran out long ago: certificates of sites that are gone, or that changed hands, and what was retired. So the
//! store grows with what is wanted, not with what ever was.
//!
//! Not here: older generations of what is wanted, which go when a newer one comes (`issuance`), and what is damaged, which is
//! left for a person.

use std::time::{Duration, SystemTime};

use super::{Entry, Issued, Store, layout::Place, scan};

/// How long an issuance that nobody wants is kept after its end.
const KEPT_FOR: Duration = Duration::from_hours(30 * 24);

impl Store {
    /// Removes issuances that ran out 30 days ago or longer and are not wanted, and retired ones, oldest first, at most
    /// `limit`. Returns how many went: as many as the limit means that there may be more.
    pub fn sweep(&self, is_wanted: impl Fn(&Entry) -> bool, limit: usize, now: SystemTime) -> usize {
        let Some(end) = now.checked_sub(KEPT_FOR) else { return 0 };
        let ended = self.index().ended_before(end);
        let mut gone = 0;
        for entry in ended.iter().filter(|entry| !is_wanted(entry)).take(limit) {
            self.discard(entry);
            gone += usize::from(!self.index().has(entry));
        }
        gone + self.sweep_retired(limit - gone, end)
    }

    fn sweep_retired(&self, limit: usize, end: SystemTime) -> usize {
        let retired = scan::retired(self.layout(), self.disk()).unwrap_or_else(|error| {
            tracing::warn!(reason = %scan::reason(&error), "cannot look for old certificates");
            Vec::new()
        });
        let ended = retired.into_iter().filter(|issued| issued.not_after < end && !self.index().has_before(issued));
        let remove = |issued: Issued| match self.unmake(Place::Retired, &issued.id, || {}) {
            Ok(()) => 1,
            Err(error) => {
                tracing::warn!(issuance = %issued.id, reason = %scan::reason(&error), "cannot remove an old certificate");
                0
            }
        };
        ended.take(limit).map(remove).sum()
    }
}
