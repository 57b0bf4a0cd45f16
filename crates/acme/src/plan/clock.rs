//! A clock that goes back: it ran ahead, and is right again (a battery that failed, a step of NTP). What was noted of the
//! future must not hold up the present: every wait has its beginning noted and a longest length, budgets reach one window
//! at most, and certificates that had seemed to be over are taken in again. Over a restart the same rules hold where
//! records are read.
//!
//! A clock that goes forward needs nothing: all that is then due is done.

use std::time::Duration;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use vestibule_certs::{
    Spelt,
    store::{Entry, IssuanceId},
};

use super::{
    Planner, Timer,
    journal::{Key, SWEEP},
};
use crate::Timestamp;

/// Smaller steps back are what clocks do; nothing is noted that they could spoil.
const STEP: Duration = Duration::from_secs(60);
/// How many certificates that have run out are kept; those that ended last.
const ENDED_LIMIT: usize = 100_000;

/// Certificates that have run out, and were not replaced before.
#[derive(Clone, Debug, Default)]
pub(super) struct Ended {
    /// By their end and number.
    by_end: BTreeMap<(Timestamp, u64), Arc<Entry>>,
    ends: HashMap<u64, Timestamp>,
}

impl Ended {
    pub(super) fn keep(&mut self, issued: &Arc<Entry>) {
        let end = Timestamp::from(issued.not_after());
        self.ends.insert(issued.number(), end);
        self.by_end.insert((end, issued.number()), Arc::clone(issued));
        if self.by_end.len() > ENDED_LIMIT
            && let Some(((_, number), _)) = self.by_end.pop_first()
        {
            self.ends.remove(&number);
        }
    }

    /// It was revoked.
    pub(super) fn forget(&mut self, issuance: &IssuanceId) {
        if let Some(number) = issuance.number()
            && let Some(end) = self.ends.remove(&number)
        {
            self.by_end.remove(&(end, number));
        }
    }

    /// Those whose end is ahead, the oldest first.
    fn not_yet(&mut self, now: Timestamp) -> Vec<Arc<Entry>> {
        let later = self.by_end.split_off(&(Timestamp(now.0.saturating_add(1)), 0));
        let mut issued: Vec<_> = later.into_values().collect();
        self.ends.retain(|_, end| *end <= now);
        issued.sort_by_key(|issued| issued.number());
        issued
    }
}

impl Planner {
    /// Time as every call tells it.
    pub(super) fn tick(&mut self, now: Timestamp) {
        let before = std::mem::replace(&mut self.latest, now);
        if before.since(now) > STEP {
            self.went_back(now);
        }
    }

    fn went_back(&mut self, now: Timestamp) {
        for ca in &mut self.cas {
            ca.went_back(now);
            self.journal.touch(Key::Health(ca.id().clone()));
        }
        self.timers.retain(|(_, timer)| *timer != Timer::Sweep);
        self.timers.insert((now.after(SWEEP), Timer::Sweep));
        self.lapsed.retain(|_, at| *at <= now);
        for (fate, since) in self.journal.fates.values_mut() {
            *fate = std::mem::take(fate).seen_from(now);
            *since = (*since).min(now);
        }
        for flight in self.flights.values_mut() {
            flight.started = flight.started.min(now);
        }
        self.looks.went_back(now);
        self.certs_went_back(now);
        for ix in self.names.numbers() {
            self.looks.cancel(&mut self.names[ix], ix);
            self.names[ix].went_back(now);
            self.touch_name(ix);
            self.cover(ix, now);
            self.settle(ix, now);
        }
        self.lanes_wait = Some(Timestamp::default());
    }

    /// Certificates that are not over after all, and the calendars of the others.
    fn certs_went_back(&mut self, now: Timestamp) {
        for ix in self.certs.numbers() {
            if let Some(at) = self.certs[ix].poll.take() {
                for ca in &mut self.cas {
                    ca.polls.remove(&(at.into(), ix));
                }
            }
            self.schedule_cert(ix, now);
        }
        for issued in self.ended.not_yet(now) {
            // The later one of two counts, whatever was taken in first.
            let newest = issued.names().iter().all(|name| {
                let mut covered = self.certified(issued.tenant(), Spelt::of(name));
                covered.all(|ix| self.certs[ix].issued.number() < issued.number())
            });
            if newest {
                self.take_in(&issued, now);
            }
        }
    }
}
