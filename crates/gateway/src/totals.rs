//! [`Totals`]: counts of the whole gateway, written by every worker, read by metrics and `status`.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use vestibule_proxy::Refusal;

use crate::{challenge, outcome::Outcome};

/// Relaxed counters: each is true by itself, not as a consistent set.
#[derive(Debug)]
pub(crate) struct Totals {
    /// What every request changes, apart for each worker.
    workers: Box<[Tally]>,
    cut: AtomicU64,
    outcomes: HashMap<Outcome, AtomicU64>,
    refusals: HashMap<Refusal, AtomicU64>,
    /// Requests of CAs (or of whoever acts like one) that the gateway answered itself: with a key authorization, without.
    challenges: [AtomicU64; 2],
}

/// One worker's requests. It alone writes them, so that no cache line goes from core to core and no instruction locks one.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Tally {
    finished: AtomicU64,
    in_flight: AtomicU64,
}

impl Tally {
    fn change(count: &AtomicU64, change: impl FnOnce(u64) -> u64) {
        count.store(change(count.load(Relaxed)), Relaxed);
    }
}

impl Totals {
    /// Of so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers: (0..workers).map(|_| Tally::default()).collect(),
            cut: AtomicU64::new(0),
            outcomes: Outcome::ALL.iter().map(|outcome| (*outcome, AtomicU64::new(0))).collect(),
            refusals: Refusal::ALL.iter().map(|refusal| (*refusal, AtomicU64::new(0))).collect(),
            challenges: Default::default(),
        }
    }

    /// A request began. To be called by that worker only, as [`Self::finished`].
    pub(crate) fn began(&self, worker: usize) {
        if let Some(tally) = self.workers.get(worker) {
            Tally::change(&tally.in_flight, |count| count.wrapping_add(1));
        }
    }

    /// A request of that worker ended, with or without a refusal of our own.
    pub(crate) fn finished(&self, worker: usize, refusal: Option<Refusal>) {
        if let Some(tally) = self.workers.get(worker) {
            Tally::change(&tally.in_flight, |count| count.wrapping_sub(1));
            Tally::change(&tally.finished, |count| count.wrapping_add(1));
        }
        if let Some(count) = refusal.and_then(|refusal| self.refusals.get(&refusal)) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// A request below the path of challenges was answered.
    pub(crate) fn challenged(&self, answer: &challenge::Answer) {
        let [given, nothing] = &self.challenges;
        let count = if matches!(answer, challenge::Answer::Given(_)) { given } else { nothing };
        count.fetch_add(1, Relaxed);
    }

    /// Answers below the path of challenges by what they gave.
    pub(crate) fn challenges(&self) -> [(&'static str, u64); 2] {
        let [given, nothing] = &self.challenges;
        [("given", given.load(Relaxed)), ("nothing", nothing.load(Relaxed))]
    }

    /// A response was cut in the middle.
    pub(crate) fn response_cut(&self) {
        self.cut.fetch_add(1, Relaxed);
    }

    /// Responses that were cut.
    pub(crate) fn responses_cut(&self) -> u64 {
        self.cut.load(Relaxed)
    }

    /// A connection ended.
    pub(crate) fn ended(&self, outcome: Outcome) {
        if let Some(count) = self.outcomes.get(&outcome) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.workers.iter().map(|tally| tally.finished.load(Relaxed)).sum()
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.workers.iter().map(|tally| tally.in_flight.load(Relaxed)).sum()
    }

    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (Outcome, u64)> + '_ {
        Outcome::ALL.iter().map(|outcome| (*outcome, self.outcomes.get(outcome).map_or(0, |n| n.load(Relaxed))))
    }

    pub(crate) fn refusals(&self) -> impl Iterator<Item = (Refusal, u64)> + '_ {
        Refusal::ALL.iter().map(|refusal| (*refusal, self.refusals.get(refusal).map_or(0, |n| n.load(Relaxed))))
    }
}
