//! [`Index`]: what is live, in memory: which issuance counts for which name of which tenant. No file is touched here.
//!
//! Some two hundred bytes per issuance; neither keys nor chains. Workers ask it while somebody shakes hands with a name
//! for the first time, so that nothing here takes long.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash as _,
    sync::Arc,
    time::SystemTime,
};

use vestibule_names::{HostPattern, Lookup, TenantId};

use super::{Broken, CaId, Entry, IssuanceId, Issued, entry::Kinds};
use crate::{Fingerprint, Spelt};

type Key = (TenantId, HostPattern);

/// A name that an issuance counts for.
#[derive(Debug)]
struct Covered {
    entry: Arc<Entry>,
    /// Of the name in it.
    place: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: BTreeMap<u64, Arc<Entry>>,
    /// By tenant and name; of each the latest, the one before, and for a moment older ones.
    names: Lookup<Covered>,
    /// What was retired: nothing up to this number counts for this name.
    floors: HashMap<Key, u64>,
    broken: Vec<Broken>,
    kinds: Kinds,
}

impl Entry {
    pub(super) fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.names().iter().map(|name| (self.tenant(), name.clone()))
    }
}

impl Covered {
    fn name(&self) -> &HostPattern {
        &self.entry.names()[self.place as usize]
    }

    fn key(&self) -> (TenantId, Spelt<'_>) {
        (self.entry.tenant(), Spelt::of(self.name()))
    }
}

impl Index {
    /// So many issuances are on their way, of a name each for the most part.
    pub(super) fn expect(&mut self, count: usize) {
        debug_assert!(self.entries.is_empty(), "names that are in would be lost");
        self.names = Lookup::with_room(count);
    }

    /// Takes an issuance in. Several may come in any order.
    pub(super) fn insert(&mut self, issued: Issued) {
        let entry = Arc::new(self.kinds.pack(issued));
        for (place, key) in (0..).zip(entry.keys()) {
            if self.floors.get(&key).is_none_or(|floor| entry.number() > *floor) {
                let covered = Covered { entry: Arc::clone(&entry), place };
                self.names.insert(covered, |covered, hasher| covered.key().hash(hasher));
            }
        }
        self.entries.insert(entry.number(), entry);
    }

    /// All that is on disk is in. A tree that was filled in order has half of each node empty; built at once it has not.
    pub(super) fn settle(&mut self) {
        self.entries = std::mem::take(&mut self.entries).into_iter().collect();
    }

    /// What counts for this name of this tenant, in no order.
    fn covering<'a>(&'a self, tenant: TenantId, name: Spelt<'a>) -> impl Iterator<Item = &'a Covered> {
        self.names.all((tenant, name.clone()), move |covered| covered.key() == (tenant, name.clone()))
    }

    fn latest<'a>(&'a self, tenant: TenantId, name: Spelt<'a>) -> Option<&'a Covered> {
        self.covering(tenant, name).max_by_key(|covered| covered.entry.number())
    }

    /// The latest that covers the name, exactly or by a wildcard; one that has run out only if both have.
    pub(super) fn find(&self, tenant: TenantId, name: &HostPattern, now: SystemTime) -> Option<Arc<Entry>> {
        let keys = [Some(Spelt::of(name)), Spelt::over(name)].into_iter().flatten();
        let latest = keys.filter_map(|key| Some(&self.latest(tenant, key)?.entry));
        latest.max_by_key(|entry| (entry.not_after() > now, entry.number())).cloned()
    }

    /// The name as the latest issuance of it has it.
    pub(super) fn shared(&self, tenant: TenantId, name: &HostPattern) -> Option<HostPattern> {
        self.latest(tenant, Spelt::of(name)).map(|covered| covered.name().clone())
    }

    /// Those that ran out before this, oldest first.
    pub(super) fn ended_before(&self, end: SystemTime) -> Vec<Arc<Entry>> {
        self.entries.values().filter(|entry| entry.not_after() < end).cloned().collect()
    }

    /// Does something live come before this one for any of its names? Then only that it was retired keeps that from counting.
    pub(super) fn has_before(&self, retired: &Issued) -> bool {
        let (draft, number) = (&retired.draft, retired.id.number().unwrap_or_default());
        let mut before = self.entries.range(..number).map(|(_, entry)| entry);
        before
            .any(|entry| entry.tenant() == draft.tenant && entry.names().iter().any(|name| draft.names.contains(name)))
    }

    /// Has this tenant a certificate of this CA for just this name?
    pub(super) fn has_of(&self, tenant: TenantId, name: &HostPattern, ca: &CaId) -> bool {
        self.covering(tenant, Spelt::of(name)).any(|covered| covered.entry.ca() == ca)
    }

    /// The issuance with this id.
    pub(super) fn by_id(&self, id: &IssuanceId) -> Option<Arc<Entry>> {
        let entry = self.entries.get(&id.number()?)?;
        (entry.id() == *id).then(|| Arc::clone(entry))
    }

    /// Is this very entry still in service?
    pub(super) fn has(&self, entry: &Entry) -> bool {
        self.entries.contains_key(&entry.number())
    }

    /// The issuance of this tenant with this leaf, if it is the latest of one of its names.
    pub(super) fn by_fingerprint(
        &self,
        tenant: TenantId,
        names: &[HostPattern],
        leaf: Fingerprint,
    ) -> Option<Arc<Entry>> {
        let mut latest = names.iter().filter_map(|name| Some(&self.latest(tenant, Spelt::of(name))?.entry));
        latest.find(|entry| entry.fingerprint() == leaf).cloned()
    }

    /// Those that are the latest for one of their names at least, in order.
    pub(super) fn current(&self) -> Vec<Arc<Entry>> {
        self.entries.values().filter(|entry| self.is_among_latest(entry, 1)).cloned().collect()
    }

    /// Takes an issuance out; the one before counts again.
    pub(super) fn remove(&mut self, number: u64) {
        if let Some(entry) = self.entries.remove(&number) {
            for key in entry.keys() {
                self.thin(&key, |other| other == number);
            }
        }
    }

    /// Takes an issuance out; those before do not count again for its names. Those that count for no name any more are
    /// [`Index::idle`] from now on.
    pub(super) fn retire(&mut self, number: u64, keys: impl IntoIterator<Item = Key>) {
        self.remove(number);
        for key in keys {
            self.thin(&key, |other| other <= number);
            let floor = self.floors.entry(key).or_default();
            *floor = number.max(*floor);
        }
    }

    /// Those with such numbers do not count for this name any more.
    fn thin(&mut self, (tenant, name): &Key, is_gone: impl Fn(u64) -> bool) {
        let key = (*tenant, Spelt::of(name));
        let goes = |covered: &Covered| is_gone(covered.entry.number()) && covered.key() == key;
        while self.names.remove(&key, goes).is_some() {}
    }

    /// What the issuance `number` makes superfluous: those that are not in the latest two of any of their names.
    pub(super) fn superseded_by(&self, number: u64) -> Vec<Arc<Entry>> {
        let Some(entry) = self.entries.get(&number) else { return Vec::new() };
        let sharing = entry.names().iter().flat_map(|name| self.covering(entry.tenant(), Spelt::of(name)));
        let sharing: BTreeMap<u64, &Arc<Entry>> =
            sharing.map(|covered| (covered.entry.number(), &covered.entry)).collect();
        sharing.into_values().filter(|entry| !self.is_among_latest(entry, 2)).cloned().collect()
    }

    /// Those that count for none of their names, because of what was retired.
    pub(super) fn idle(&self) -> Vec<Arc<Entry>> {
        if self.floors.is_empty() {
            return Vec::new();
        }
        self.entries.values().filter(|entry| !self.is_among_latest(entry, usize::MAX)).cloned().collect()
    }

    /// Is it one of the latest `count` of any of its names? What was retired may keep it from counting for all of them.
    fn is_among_latest(&self, entry: &Entry, count: usize) -> bool {
        entry.names().iter().any(|name| {
            let counting = || self.covering(entry.tenant(), Spelt::of(name)).map(|covered| covered.entry.number());
            counting().any(|number| number == entry.number())
                && counting().filter(|number| *number > entry.number()).count() < count
        })
    }

    /// Notes what cannot be used, once. Is it new?
    pub(super) fn disable(&mut self, broken: Broken) -> bool {
        let new = self.broken.iter().all(|known| known.path != broken.path);
        if new {
            self.broken.push(broken);
        }
        new
    }

    pub(super) fn broken(&self) -> Vec<Broken> {
        self.broken.clone()
    }
}

impl Issued {
    /// What it counts for.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.draft.names.iter().map(|name| (self.draft.tenant, name.clone())).collect()
    }
}
