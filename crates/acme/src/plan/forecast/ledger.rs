//! [`Ledger`]: in a simulation, for how long each name has waited, and for what.
//!
//! A name on a timer waits for one thing of its own; a name in a lane waits for whatever holds up the lanes, which is
//! counted once for all of them: a name's share is what was counted while it was there.

use std::{collections::HashMap, time::Duration};

use crate::{
    Timestamp,
    plan::{name::Waits, slab::NameIx},
};

/// What is waited for, and how long.
type Times = Vec<(Waits, Duration)>;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(in crate::plan) struct Ledger {
    open: HashMap<NameIx, Open>,
    waited: HashMap<NameIx, Times>,
    /// What has held up the lanes so far.
    lanes: Times,
}

/// A wait that goes on.
#[derive(Clone, Debug)]
enum Open {
    Timer(Waits, Timestamp),
    /// In a lane, since this was counted.
    Lane(Times),
}

impl Ledger {
    /// A name waits for this alone.
    pub(in crate::plan) fn waits(&mut self, name: NameIx, why: Waits, now: Timestamp) {
        self.open.insert(name, Open::Timer(why, now));
    }

    /// A name waits for its turn in a lane.
    pub(in crate::plan) fn enters_lane(&mut self, name: NameIx) {
        self.open.insert(name, Open::Lane(self.lanes.clone()));
    }

    /// Whatever a name waited for, it does not any more.
    pub(in crate::plan) fn ends(&mut self, name: NameIx, now: Timestamp) {
        let times = match self.open.remove(&name) {
            None => return,
            Some(Open::Timer(why, since)) => vec![(why, now.since(since))],
            Some(Open::Lane(before)) => {
                let share = |(why, total): &(Waits, Duration)| (why.clone(), total.saturating_sub(of(&before, why)));
                self.lanes.iter().map(share).collect()
            }
        };
        let waited = self.waited.entry(name).or_default();
        times.into_iter().for_each(|(why, time)| add(waited, why, time));
    }

    /// The lanes were held up by this for so long.
    pub(in crate::plan) fn lanes_wait(&mut self, why: Waits, time: Duration) {
        add(&mut self.lanes, why, time);
    }

    /// What a name has waited for longest.
    pub(in crate::plan) fn longest(&self, name: NameIx) -> Option<&(Waits, Duration)> {
        self.waited.get(&name)?.iter().max_by_key(|(_, time)| *time)
    }
}

fn of(times: &Times, why: &Waits) -> Duration {
    times.iter().find(|(known, _)| known == why).map(|(_, time)| *time).unwrap_or_default()
}

fn add(times: &mut Times, why: Waits, time: Duration) {
    match times.iter_mut().find(|(known, _)| *known == why) {
        Some((_, known)) => *known += time,
        None => times.push((why, time)),
    }
}
