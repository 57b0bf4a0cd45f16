//! [`Index`]: what is live, in memory: which issuance counts for which name of which tenant. No file is touched here.
//!
//! Several hundred bytes per issuance; neither keys nor chains. Workers ask it while somebody shakes hands with a name
//! for the first time, so that nothing here takes long.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::Hash,
    sync::{Arc, Mutex, Weak},
    time::SystemTime,
};

use rustls::sign::CertifiedKey;
use vestibule_names::{HostPattern, Hostname, TenantId};

use super::{Broken, CaId, IssuanceId, Issued};
use crate::Fingerprint;

/// An issuance.
#[derive(Debug)]
pub(crate) struct Entry {
    number: u64,
    /// The planner of renewals has the same one.
    issued: Arc<Issued>,
    /// Shared by all who show it, and gone with the last of them.
    pub(super) loaded: Mutex<Weak<CertifiedKey>>,
}

/// The issuances for one name, latest first.
#[derive(Debug)]
struct Generations {
    latest: Arc<Entry>,
    /// `None`: none.
    #[expect(clippy::box_collection, reason = "most names have none for most of the time: a word instead of three")]
    before: Option<Box<Vec<Arc<Entry>>>>,
}

type Key = (TenantId, HostPattern);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: BTreeMap<u64, Arc<Entry>>,
    names: HashMap<Key, Generations>,
    /// What was retired: nothing up to this number counts for this name.
    floors: HashMap<Key, u64>,
    broken: Vec<Broken>,
    cas: HashSet<CaId>,
    issuers: HashSet<Arc<str>>,
}

impl Entry {
    pub(super) fn id(&self) -> IssuanceId {
        self.issued.id.clone()
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// When it runs out.
    pub(crate) fn counts_until(&self) -> SystemTime {
        self.issued.not_after
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.issued.fingerprint
    }

    pub(super) fn shared(&self) -> Arc<Issued> {
        Arc::clone(&self.issued)
    }

    pub(crate) fn issued(&self) -> Issued {
        Issued::clone(&self.issued)
    }

    fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.issued.draft.names.iter().map(|name| (self.issued.draft.tenant, name.clone()))
    }
}

impl Generations {
    /// From the latest to the oldest.
    fn iter(&self) -> impl Iterator<Item = &Arc<Entry>> {
        std::iter::once(&self.latest).chain(self.before.iter().flat_map(|before| before.iter()))
    }

    fn insert(&mut self, entry: Arc<Entry>) {
        if entry.number > self.latest.number {
            self.before.get_or_insert_default().insert(0, std::mem::replace(&mut self.latest, entry));
        } else {
            let before = self.before.get_or_insert_default();
            let place = before.partition_point(|other| other.number > entry.number);
            before.insert(place, entry);
        }
    }

    /// Without those; `None` when nothing is left.
    fn without(self, gone: impl Fn(&Entry) -> bool) -> Option<Self> {
        let before = self.before.map(|before| *before).unwrap_or_default();
        let mut left = std::iter::once(self.latest).chain(before).filter(|entry| !gone(entry));
        let latest = left.next()?;
        let mut before: Vec<_> = left.collect();
        before.shrink_to_fit();
        Some(Self { latest, before: (!before.is_empty()).then(|| Box::new(before)) })
    }
}

impl Index {
    /// Takes an issuance in. Several may come in any order.
    pub(super) fn insert(&mut self, issued: Issued) {
        let entry = Arc::new(self.pack(issued));
        for key in entry.keys() {
            if self.floors.get(&key).is_some_and(|floor| entry.number <= *floor) {
                continue;
            }
            match self.names.get_mut(&key) {
                Some(generations) => generations.insert(Arc::clone(&entry)),
                None => {
                    self.names.insert(key, Generations { latest: Arc::clone(&entry), before: None });
                }
            }
        }
        self.entries.insert(entry.number, entry);
    }

    /// All that is on disk is in. A tree that was filled in order has half of each node empty; built at once it has not.
    pub(super) fn settle(&mut self) {
        self.entries = std::mem::take(&mut self.entries).into_iter().collect();
    }

    /// As small as it can be. The names of CAs are kept once.
    fn pack(&mut self, mut issued: Issued) -> Entry {
        share(&mut self.cas, &mut issued.draft.ca);
        share(&mut self.issuers, &mut issued.issuer);
        issued.draft.names.shrink_to_fit();
        Entry { number: issued.id.number().unwrap_or_default(), issued: Arc::new(issued), loaded: Mutex::default() }
    }

    /// The latest that covers the name, exactly or by a wildcard; one that has run out only if both have.
    pub(super) fn find(&self, tenant: TenantId, name: &HostPattern, now: SystemTime) -> Option<Arc<Entry>> {
        let latest = |name| self.names.get(&(tenant, name)).map(|generations| &generations.latest);
        let exact = latest(name.clone());
        let by_wildcard = wildcard_over(name).and_then(latest);
        exact.into_iter().chain(by_wildcard).max_by_key(|entry| (entry.counts_until() > now, entry.number)).cloned()
    }

    /// The name as the latest issuance of it has it.
    pub(super) fn shared(&self, tenant: TenantId, name: &HostPattern) -> Option<HostPattern> {
        self.names.get_key_value(&(tenant, name.clone())).map(|((_, name), _)| name.clone())
    }

    /// Those that ran out before this, oldest first.
    pub(super) fn ended_before(&self, end: SystemTime) -> Vec<Arc<Entry>> {
        self.entries.values().filter(|entry| entry.counts_until() < end).cloned().collect()
    }

    /// Does something live come before this one for any of its names? Then only that it was retired keeps that from counting.
    pub(super) fn has_before(&self, retired: &Issued) -> bool {
        let (draft, number) = (&retired.draft, retired.id.number().unwrap_or_default());
        let mut before = self.entries.range(..number).map(|(_, entry)| entry);
        before.any(|entry| {
            entry.issued.draft.tenant == draft.tenant
                && entry.issued.draft.names.iter().any(|name| draft.names.contains(name))
        })
    }

    /// Has this tenant a certificate of this CA for just this name?
    pub(super) fn has_of(&self, tenant: TenantId, name: &HostPattern, ca: &CaId) -> bool {
        let generations = self.names.get(&(tenant, name.clone()));
        generations.is_some_and(|generations| generations.iter().any(|entry| entry.issued.draft.ca == *ca))
    }

    /// The issuance with this id.
    pub(super) fn by_id(&self, id: &IssuanceId) -> Option<Arc<Entry>> {
        let entry = self.entries.get(&id.number()?)?;
        (entry.id() == *id).then(|| Arc::clone(entry))
    }

    /// Is this very entry still in service?
    pub(super) fn has(&self, entry: &Entry) -> bool {
        self.entries.contains_key(&entry.number)
    }

    /// The issuance of this tenant with this leaf, if it is the latest of one of its names.
    pub(super) fn by_fingerprint(
        &self,
        tenant: TenantId,
        names: &[HostPattern],
        leaf: Fingerprint,
    ) -> Option<Arc<Entry>> {
        let latest = names.iter().filter_map(|name| Some(&self.names.get(&(tenant, name.clone()))?.latest));
        latest.filter(|entry| entry.fingerprint() == leaf).map(Arc::clone).next()
    }

    /// Those that are the latest for one of their names at least, in order.
    pub(super) fn current(&self) -> Vec<Arc<Entry>> {
        self.entries.values().filter(|entry| self.is_among_latest(entry, 1)).cloned().collect()
    }

    /// Takes an issuance out; the one before counts again.
    pub(super) fn remove(&mut self, number: u64) {
        if let Some(entry) = self.entries.remove(&number) {
            for key in entry.keys() {
                self.thin(&key, |other| other.number == number);
            }
        }
    }

    /// Takes an issuance out; those before do not count again for its names. Those that count for no name any more are
    /// [`Index::idle`] from now on.
    pub(super) fn retire(&mut self, number: u64, keys: impl IntoIterator<Item = Key>) {
        self.remove(number);
        for key in keys {
            self.thin(&key, |other| other.number <= number);
            let floor = self.floors.entry(key).or_default();
            *floor = number.max(*floor);
        }
    }

    fn thin(&mut self, key: &Key, gone: impl Fn(&Entry) -> bool) {
        if let Some((key, generations)) = self.names.remove_entry(key)
            && let Some(left) = generations.without(gone)
        {
            self.names.insert(key, left);
        }
    }

    /// What the issuance `number` makes superfluous: those that are not in the latest two of any of their names.
    pub(super) fn superseded_by(&self, number: u64) -> Vec<Arc<Entry>> {
        let Some(entry) = self.entries.get(&number) else { return Vec::new() };
        let sharing =
            entry.keys().filter_map(|key| self.names.get(&key)).flat_map(|generations| generations.iter().skip(2));
        let sharing: BTreeMap<u64, &Arc<Entry>> = sharing.map(|entry| (entry.number, entry)).collect();
        sharing.into_values().filter(|entry| !self.is_among_latest(entry, 2)).cloned().collect()
    }

    /// Those that count for none of their names, because of what was retired.
    pub(super) fn idle(&self) -> Vec<Arc<Entry>> {
        self.entries.values().filter(|entry| !self.is_among_latest(entry, usize::MAX)).cloned().collect()
    }

    fn is_among_latest(&self, entry: &Entry, count: usize) -> bool {
        entry.keys().any(|key| {
            let generations = self.names.get(&key);
            generations.is_some_and(|list| list.iter().take(count).any(|other| other.number == entry.number))
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

/// Makes it the one that is known already, if it is.
fn share<T: Clone + Eq + Hash>(known: &mut HashSet<T>, value: &mut T) {
    match known.get(value) {
        Some(same) => value.clone_from(same),
        None => drop(known.insert(value.clone())),
    }
}

/// The wildcard that stands for this name, among others (RFC 9525 section 6.3).
fn wildcard_over(name: &HostPattern) -> Option<HostPattern> {
    let HostPattern::Exact(name) = name else { return None };
    let (_, parent) = name.as_str().split_once('.')?;
    Some(HostPattern::Wildcard(Hostname::parse(parent).ok()?))
}
