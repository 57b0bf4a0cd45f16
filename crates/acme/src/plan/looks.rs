//! [`Looks`]: when DNS is looked at for a name: before its first order, and again and again while it waits for DNS to be
//! mended. Bounded over all names, and fair between tenants.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use vestibule_names::{HostPattern, SiteId, TenantId};

use super::{
    Pace, Planner,
    bucket::Bucket,
    name::{Name, Parked, Waits},
    slab::NameIx,
    work::{Job, JobId, Pointing, Sight, Work},
};
use crate::{Timestamp, config::Rate};

/// Names in one job.
const BATCH: usize = 50;
/// Names of one tenant in a row within a batch, so that a site's names are seen together.
const RUN: usize = 10;
/// Jobs in flight.
const AT_ONCE: usize = 4;
/// How many looks may be saved up.
const BURST: u32 = 100;
/// A job waits until this many names may be looked at together, if as many are due.
const WORTHWHILE: usize = 20;
/// A look that has not come back after so long is given up.
const LOST: Duration = Duration::from_secs(120);
/// How long a name waits for its first look, and how long one that points elsewhere waits for its first order: the advice
/// may be wrong (hairpin NAT, split DNS) and must not block for ever.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where a name stands with looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Look {
    /// None is needed.
    #[default]
    None,
    /// Later.
    At(Timestamp),
    /// As soon as may be; its place in the queue.
    Queued(u8, Timestamp),
    /// Now.
    InFlight(JobId),
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Looks {
    later: BTreeSet<(Timestamp, NameIx)>,
    due: BTreeMap<TenantId, BTreeSet<(u8, Timestamp, NameIx)>>,
    due_count: usize,
    /// Those among them that are looked at before their first order.
    pub(super) firsts: usize,
    /// Who was served last.
    turn: Option<TenantId>,
    spent: Bucket,
    in_flight: HashMap<JobId, (Timestamp, Vec<(NameIx, HostPattern)>)>,
}

impl Looks {
    /// A look is needed: at once before a first order, otherwise some time after the last one.
    pub(super) fn schedule(&mut self, name: &mut Name, ix: NameIx, first: bool, every: Duration, now: Timestamp) {
        let soonest = if first { now } else { name.quest.looked_at.after(every).max(now) };
        match name.quest.look {
            Look::InFlight(_) | Look::Queued(..) => return,
            Look::At(at) if at <= soonest => return,
            Look::At(_) | Look::None => {}
        }
        self.cancel(name, ix);
        if soonest <= now {
            self.enqueue(name, ix, u8::from(!first), now);
        } else {
            name.quest.look = Look::At(soonest);
            self.later.insert((soonest, ix));
        }
    }

    fn enqueue(&mut self, name: &mut Name, ix: NameIx, rank: u8, now: Timestamp) {
        name.quest.look = Look::Queued(rank, now);
        self.due.entry(name.tenant).or_default().insert((rank, now, ix));
        self.due_count += 1;
        self.firsts += usize::from(rank == 0);
    }

    /// No look is needed any more. One that is in flight is forgotten.
    pub(super) fn cancel(&mut self, name: &mut Name, ix: NameIx) {
        if name.quest.look == Look::None {
            return;
        }
        match std::mem::take(&mut name.quest.look) {
            Look::None | Look::InFlight(_) => {}
            Look::At(at) => drop(self.later.remove(&(at, ix))),
            Look::Queued(rank, since) => {
                if let Some(queue) = self.due.get_mut(&name.tenant)
                    && queue.remove(&(rank, since, ix))
                {
                    self.due_count -= 1;
                    self.firsts -= usize::from(rank == 0);
                    if queue.is_empty() {
                        self.due.remove(&name.tenant);
                    }
                }
            }
        }
    }

    /// The clock went back: looks in flight began now at the latest, and the pace starts anew.
    pub(super) fn went_back(&mut self, now: Timestamp) {
        self.spent = Bucket::default();
        for (started, _) in self.in_flight.values_mut() {
            *started = (*started).min(now);
        }
    }

    /// Until when a name waits for its first look.
    pub(super) fn patience(&self, name: &Name, now: Timestamp) -> Timestamp {
        name.since.after(PATIENCE).min(now.after(PATIENCE))
    }

    /// The tenant after the last one that has something due.
    fn next_tenant(&mut self) -> Option<TenantId> {
        let after =
            |last: TenantId| self.due.range((std::ops::Bound::Excluded(last), std::ops::Bound::Unbounded)).next();
        let next = self.turn.and_then(after).or_else(|| self.due.first_key_value()).map(|(tenant, _)| *tenant);
        self.turn = next;
        next
    }

    fn rate(pace: Pace) -> Rate {
        Rate { count: BURST, window: Duration::from_secs(u64::from(BURST)) / pace.looks_per_second.max(1) }
    }
}

impl Planner {
    /// A look at DNS for as many names as are due and the pace allows.
    pub(super) fn next_look(&mut self, now: Timestamp) -> Option<Job> {
        self.lose_looks(now);
        while let Some((at, ix)) = self.looks.later.first().copied()
            && at <= now
        {
            self.looks.later.pop_first();
            self.looks.enqueue(&mut self.names[ix], ix, 1, now);
        }
        let rate = Looks::rate(self.pace);
        let may = (self.looks.spent.available(rate, now) as usize).min(BATCH);
        let due = self.looks.due_count;
        if due == 0 || may < due.min(WORTHWHILE) || self.looks.in_flight.len() >= AT_ONCE {
            return None;
        }
        let id = self.job_id();
        let mut names = Vec::new();
        while names.len() < may
            && let Some(tenant) = self.looks.next_tenant()
        {
            for _ in 0..RUN.min(may - names.len()) {
                let Some(&(_, _, ix)) = self.looks.due.get(&tenant).and_then(|queue| queue.first()) else { break };
                self.looks.cancel(&mut self.names[ix], ix);
                self.names[ix].quest.look = Look::InFlight(id);
                self.looks.spent.spend(rate, now);
                names.push((ix, self.names[ix].pattern.clone()));
            }
        }
        let patterns = names.iter().map(|(_, pattern)| pattern.clone()).collect();
        self.looks.in_flight.insert(id, (now, names));
        Some(Job { id, work: Work::CheckDns { names: patterns } })
    }

    /// When the next look may be had.
    pub(super) fn looks_wait(&self) -> Option<Timestamp> {
        let lost = self.looks.in_flight.values().map(|(started, _)| started.after(LOST)).min();
        if self.looks.in_flight.len() >= AT_ONCE {
            return lost;
        }
        let wanted = u32::try_from(self.looks.due_count.min(WORTHWHILE)).unwrap_or(1);
        let now_or_later = self.looks.spent.reach.before(Looks::rate(self.pace).window);
        let due = (wanted > 0).then(|| self.looks.spent.several_free_at(wanted, Looks::rate(self.pace), now_or_later));
        let later = self.looks.later.first().map(|(at, _)| *at);
        [due, later, lost].into_iter().flatten().min()
    }

    /// DNS has been looked at. Returns what [`Planner::quarantined_anew`] says of the names.
    pub fn checked(&mut self, job: JobId, outcome: &[(HostPattern, Sight)], now: Timestamp) -> Vec<HostPattern> {
        self.tick(now);
        let Some((_, names)) = self.looks.in_flight.remove(&job) else { return Vec::new() };
        let mut looked_at = Vec::new();
        let mut sites = BTreeSet::new();
        let seen: HashMap<&HostPattern, Sight> = outcome.iter().map(|(name, sight)| (name, *sight)).collect();
        for (ix, pattern) in names {
            let same = |name: &Name| name.pattern == pattern && name.quest.look == Look::InFlight(job);
            if !self.names.find(ix).is_some_and(same) {
                continue;
            }
            let name = &mut self.names[ix];
            name.quest.look = Look::None;
            name.quest.looked_at = now;
            if std::mem::take(&mut name.unseen) {
                sites.extend(name.sites.iter().map(|(site, _)| site.clone()));
            }
            if let Some(sight) = seen.get(&pattern) {
                self.saw(ix, *sight, now);
            }
            self.settle(ix, now);
            looked_at.push(pattern);
        }
        self.release_mates(&sites, now);
        self.quarantined_anew(&looked_at)
    }

    /// Names of these sites need not wait any longer for a look at the others.
    fn release_mates(&mut self, sites: &BTreeSet<SiteId>, now: Timestamp) {
        let names = sites.iter().filter_map(|site| self.sites.get(site)).flat_map(|site| &*site.names);
        let waits =
            |ix: &NameIx| self.names[*ix].quest.parked.as_ref().is_some_and(|parked| parked.why == Waits::Mates);
        for ix in names.copied().filter(waits).collect::<Vec<_>>() {
            self.names[ix].quest.parked = None;
            self.settle(ix, now);
        }
    }

    fn saw(&mut self, ix: NameIx, sight: Sight, now: Timestamp) {
        let name = &mut self.names[ix];
        let before = name.sight.replace(Box::new(sight));
        let since = match sight.pointing {
            Pointing::NotHere if name.cert.is_none() => Some(name.fate.elsewhere_since.unwrap_or(now)),
            Pointing::Unknown if sight.addresses == 0 => name.fate.elsewhere_since, // nothing was seen at all
            _ => None,
        };
        if std::mem::replace(&mut name.fate.elsewhere_since, since) != since {
            self.touch_name(ix);
        }
        let name = &mut self.names[ix];
        let first_look = before.is_none() && name.fate.failures == 0;
        if first_look {
            if let Some(since) = since.filter(|_| sight.pointing == Pointing::NotHere && !name.forced) {
                name.quest.parked = Some(Parked { until: since.after(PATIENCE), why: Waits::Dns });
            }
            return;
        }
        let Some(before) = before else { return };
        let here = sight.pointing == Pointing::Here && before.pointing != Pointing::Here;
        // Also of a name that has pointed here all along: what failed may have been its other address family.
        let moved = sight.pointing != Pointing::NotHere && sight.addresses != 0 && sight.addresses != before.addresses;
        if here || moved {
            name.mended(now);
            self.touch_name(ix);
        }
    }

    /// Looks whose answer never came count as no answer.
    fn lose_looks(&mut self, now: Timestamp) {
        let lost = |(job, (started, _)): (&JobId, &(Timestamp, Vec<_>))| (started.after(LOST) <= now).then_some(*job);
        let jobs: Vec<JobId> = self.looks.in_flight.iter().filter_map(lost).collect();
        for job in jobs {
            self.checked(job, &[], now);
        }
    }
}

#[cfg(test)]
mod tests;
