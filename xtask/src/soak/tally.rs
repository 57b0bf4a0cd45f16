//! [`Tally`]: what each kind of client did, and what good ones complained about. [`Weather`]: when the crashing backend is
//! down, and its clients have reason to.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;

/// Complaints that are kept word for word.
const KEPT: usize = 20;
/// A backend that is back is spoken to again after so long at the latest.
const RECOVERY: Duration = Duration::from_secs(2);

/// What one kind of client did.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Count {
    /// Deeds that went as they should.
    pub(super) done: u64,
    /// Those that failed while their backend was down.
    pub(super) excused: u64,
    /// Those that failed, of good clients.
    pub(super) failed: u64,
}

/// An error that a good client saw.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Complaint {
    /// Seconds after the first client.
    at: f64,
    client: &'static str,
    host: String,
    what: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:8.2} s  {} of {}: {}", self.at, self.client, self.host, self.what)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Tally {
    began: Instant,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    counts: BTreeMap<&'static str, Count>,
    complaints: Vec<Complaint>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { began: Instant::now(), seen: Mutex::default() }
    }
}

impl Tally {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds since the first client.
    pub(super) fn seconds(&self) -> f64 {
        (self.began.elapsed().as_secs_f64() * 100.0).round() / 100.0
    }

    /// So many deeds went well.
    pub(super) fn done(&self, client: &'static str, deeds: u64) {
        self.seen().counts.entry(client).or_default().done += deeds;
    }

    /// One failed, with reason.
    pub(super) fn excused(&self, client: &'static str) {
        self.seen().counts.entry(client).or_default().excused += 1;
    }

    /// A good client saw an error.
    pub(super) fn failed(&self, client: &'static str, host: &str, what: String) {
        let at = self.seconds();
        let mut seen = self.seen();
        seen.counts.entry(client).or_default().failed += 1;
        if seen.complaints.len() < KEPT {
            seen.complaints.push(Complaint { at, client, host: host.to_owned(), what });
        }
    }

    /// All there is to say.
    pub(super) fn told(&self) -> (BTreeMap<&'static str, Count>, Vec<Complaint>) {
        let seen = self.seen();
        (seen.counts.clone(), seen.complaints.clone())
    }
}

/// When the crashing backend was not there.
#[derive(Debug, Default)]
pub(super) struct Weather(Mutex<Down>);

#[derive(Debug, Default)]
enum Down {
    /// It never was.
    #[default]
    Never,
    Now,
    /// It was, until then.
    Until(Instant),
}

impl Weather {
    fn state(&self) -> MutexGuard<'_, Down> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is about to be killed.
    pub(super) fn goes_down(&self) {
        *self.state() = Down::Now;
    }

    /// It listens again.
    pub(super) fn is_up(&self) {
        *self.state() = Down::Until(Instant::now());
    }

    /// Has what failed now, and began then, met a backend that was down?
    pub(super) fn excuses(&self, began: Instant) -> bool {
        match *self.state() {
            Down::Never => false,
            Down::Now => true,
            Down::Until(end) => began < end + RECOVERY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_met_a_crash_is_excused() {
        let weather = Weather::default();
        let before = Instant::now();
        assert!(!weather.excuses(before));
        weather.goes_down();
        assert!(weather.excuses(before));
        weather.is_up();
        assert!(weather.excuses(before) && weather.excuses(Instant::now()));
        assert!(!weather.excuses(Instant::now() + RECOVERY * 2));
    }

    #[test]
    fn complaints_are_kept_up_to_a_number_and_counted_beyond() {
        let tally = Tally::default();
        for _ in 0..KEPT + 5 {
            tally.failed("a", "b.test", "c".to_owned());
        }
        tally.done("a", 3);
        let (counts, complaints) = tally.told();
        assert_eq!((counts["a"].failed, counts["a"].done, complaints.len()), (KEPT as u64 + 5, 3, KEPT));
    }
}
