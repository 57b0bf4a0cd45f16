//! [`Roster`]: whose site files are within their tenant's limit. The first that came are in; the others are not even parsed,
//! and nothing of them is kept but their names: 100,000 files of one tenant cost the others nothing.

use std::collections::{BTreeSet, HashMap, VecDeque, hash_map::Entry};

use vestibule_diagnostics::{Diagnostic, Report, catalogue};
use vestibule_names::{SiteId, TenantId};

use super::{Record, Sites, Step, source};
use crate::admin::model::SiteState;

/// Files that are read again in one step.
const TURNS_LIMIT: usize = 1000;

/// Is a file within the limit?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Within,
    Full,
}

/// Who is in, and who waits outside.
#[derive(Debug, Default)]
pub(super) struct Roster {
    within: HashMap<SiteId, TenantId>,
    /// Of those within, by tenant.
    counts: HashMap<TenantId, u32>,
    /// Over the limit, in order of name. No entry is empty.
    outside: HashMap<TenantId, BTreeSet<SiteId>>,
    /// Whose turn has come: to be read again.
    turns: VecDeque<SiteId>,
}

impl Roster {
    pub(super) fn new<'a>(within: impl Iterator<Item = (&'a SiteId, TenantId)>) -> Self {
        let mut roster = Self::default();
        for (id, tenant) in within {
            *roster.counts.entry(tenant).or_default() += 1;
            roster.within.insert(id.clone(), tenant);
        }
        roster
    }

    fn admit(&mut self, id: &SiteId, tenant: TenantId, limit: u32) -> Admission {
        if self.within.get(id) == Some(&tenant) {
            // From now on with the id as its file has it, instead of a second text.
            self.within.remove(id);
            self.within.insert(id.clone(), tenant);
            return Admission::Within;
        }
        let count = self.counts.entry(tenant).or_default();
        if *count >= limit {
            self.outside.entry(tenant).or_default().insert(id.clone());
            return Admission::Full;
        }
        *count += 1;
        self.within.insert(id.clone(), tenant);
        self.go_in(id, tenant);
        Admission::Within
    }

    /// Takes a file off the list, if it is on it. Says whose it was.
    fn leave(&mut self, id: &SiteId) -> Option<TenantId> {
        let tenant = self.within.remove(id)?;
        if let Entry::Occupied(mut count) = self.counts.entry(tenant) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        Some(tenant)
    }

    /// A file does not stand outside any more.
    fn go_in(&mut self, id: &SiteId, tenant: TenantId) {
        if let Entry::Occupied(mut outside) = self.outside.entry(tenant) {
            outside.get_mut().remove(id);
            if outside.get().is_empty() {
                outside.remove();
            }
        }
    }

    /// Where there is room, the next one's turn comes. Whoever is called once too often stands outside again.
    fn call_next(&mut self, tenant: TenantId, limit: u32) {
        let has_room = self.counts.get(&tenant).is_none_or(|count| *count < limit);
        let next = self.outside.get(&tenant).and_then(|outside| outside.first().cloned());
        if let Some(next) = next.filter(|_| has_room) {
            self.go_in(&next, tenant);
            self.turns.push_back(next);
        }
    }
}

impl Sites {
    /// Is a file of this owner within the limit? One that was another owner's before begins anew.
    pub(super) fn admit(&mut self, id: &SiteId, owner: TenantId) -> Admission {
        let is_outside = |before: TenantId| self.roster.outside.get(&before).is_some_and(|ids| ids.contains(id));
        let was_outside = self.records.get(id).is_some_and(|record| record.owner != owner && is_outside(record.owner));
        if was_outside || self.roster.within.get(id).is_some_and(|before| *before != owner) {
            self.give_place_up(id);
        }
        let limit = self.surroundings.tenancy.rule(owner).limits.sites;
        self.roster.admit(id, owner, limit)
    }

    /// A file is gone, or another owner's: another may come in.
    pub(super) fn give_place_up(&mut self, id: &SiteId) {
        let owner = self.records.get(id).map(|record| record.owner);
        if let Some(tenant) = self.roster.leave(id).or(owner) {
            self.roster.go_in(id, tenant);
            self.roster.call_next(tenant, self.surroundings.tenancy.rule(tenant).limits.sites);
        }
    }

    /// A file cannot be read. If it was called in, the next one is.
    pub(super) fn pass_on_place(&mut self, id: &SiteId) {
        if !self.roster.within.contains_key(id) {
            self.give_place_up(id);
        }
    }

    /// Shows a file that is over the limit, and keeps nothing of it. What another owner had in its place is over.
    pub(super) fn turn_away(&mut self, id: &SiteId, owner: TenantId, step: &mut Step) {
        if self.records.get(id).is_some_and(Record::is_of_use) {
            self.removed(id, step);
            self.roster.outside.entry(owner).or_default().insert(id.clone());
        }
        let record = self.record(id, owner);
        // What there is to say is said when somebody asks: there may be very many of them.
        record.change(|rest| (rest.reports, rest.asked_for) = (Box::default(), Box::default()));
        record.state = SiteState::Broken;
    }

    /// What there is to say of a file that is over the limit.
    pub(super) fn turned_away(&self, id: &SiteId, owner: TenantId) -> Option<Report> {
        self.roster.outside.get(&owner).filter(|outside| outside.contains(id))?;
        let limit = self.surroundings.tenancy.rule(owner).limits.sites;
        let told = Diagnostic::new(catalogue::SITES_LIMIT, format!("one site file more than you may have: {limit}"))
            .note("the files that came first work; this one is not looked at")
            .help("remove another site file, or ask the operator to raise `limits.sites`");
        Some(Report::new(&told, &source(id, b"")))
    }

    /// Files whose turn has come, to be read again.
    pub(crate) fn turns(&mut self) -> Vec<SiteId> {
        let count = self.roster.turns.len().min(TURNS_LIMIT);
        self.roster.turns.drain(..count).collect()
    }
}
