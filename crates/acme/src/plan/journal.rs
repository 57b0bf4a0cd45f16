//! [`Journal`]: what must survive a restart, as records: which have changed, how they are written, and how a planner is made
//! of them again.
//!
//! Values are JSON with a version; what cannot be read, or speaks of a CA that is not configured any more, is left out and
//! removed. Nothing here is needed to serve: without any record the planner only becomes more careful.
//!
//! | key | what |
//! |---|---|
//! | `orders/CA`, `accounts/CA`, `domain/CA/DOMAIN`, `set/CA/HASH`, `failed/CA/NAME` | a budget |
//! | `health/CA` | is it down, until when are its limits closed |
//! | `name/UID/NAME` | back-off, last failure, learned challenge |
//! | `cert/ISSUANCE` | the window of renewal information and the instant chosen in it |
//! | `flight/NUMBER` | an order that was placed and has not ended |

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use vestibule_certs::store::{CaId, IssuanceId, Issued, KeyType};
use vestibule_names::{HostPattern, TenantId};

use super::{
    Pace, Planner, Timer,
    bucket::Bucket,
    ca::{Ca, Health, Holds},
    calendar::Ari,
    group::set_of,
    lanes::Lanes,
    looks::Looks,
    name::Fate,
    outcome::Flight,
    slab::Slab,
    work::{JobId, Order, Record},
};
use crate::{
    Timestamp,
    config::{Config, Rate},
};

const VERSION: u32 = 1;
/// How often what is not needed any more is forgotten.
const SWEEP: Duration = Duration::from_secs(24 * 3600);
/// How long the fate of a name that nobody wants is kept.
const FATE_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// How many of those are kept at all.
const FATES_LIMIT: usize = 10_000;

/// Names a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    Orders(CaId),
    Accounts(CaId),
    Domain(CaId, Arc<str>),
    Set(CaId, u64),
    Failed(CaId, Arc<str>),
    Health(CaId),
    Name(TenantId, HostPattern),
    Cert(IssuanceId),
    Flight(JobId),
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal {
    dirty: BTreeSet<Key>,
    stored: HashSet<Key>,
    /// Records that cannot be read: to be removed.
    unreadable: Vec<String>,
    /// Fates of names that nobody wants now, and since when.
    fates: HashMap<(TenantId, HostPattern), (Fate, Timestamp)>,
    /// What was read of certificates that the store has not shown yet.
    aris: HashMap<IssuanceId, Ari>,
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    v: u32,
    is: T,
}

/// An order as its record keeps it: enough to recognise it and to know what it costs.
#[derive(Serialize, Deserialize)]
struct FlightRecord {
    ca: String,
    tenant: u32,
    names: Vec<String>,
    counted: bool,
    order: bool,
    started: Timestamp,
    key_type: KeyType,
    renews: Option<(String, Option<String>)>,
    domains: Vec<Arc<str>>,
}

impl Journal {
    /// This record has changed, or may have.
    pub(super) fn touch(&mut self, key: Key) {
        self.dirty.insert(key);
    }

    pub(super) fn take_fate(&mut self, tenant: TenantId, name: &HostPattern) -> Option<Fate> {
        self.fates.remove(&(tenant, name.clone())).map(|(fate, _)| fate)
    }

    pub(super) fn keep_fate(&mut self, tenant: TenantId, name: HostPattern, fate: Fate, now: Timestamp) {
        if self.fates.len() < FATES_LIMIT {
            self.fates.insert((tenant, name), (fate, now));
        } else {
            self.touch(Key::Name(tenant, name));
        }
    }

    pub(super) fn take_ari(&mut self, issuance: &IssuanceId) -> Option<Ari> {
        self.aris.remove(issuance)
    }
}

impl Key {
    /// The record's key.
    fn text(&self) -> String {
        match self {
            Self::Orders(ca) => format!("orders/{ca}"),
            Self::Accounts(ca) => format!("accounts/{ca}"),
            Self::Domain(ca, domain) => format!("domain/{ca}/{domain}"),
            Self::Set(ca, set) => format!("set/{ca}/{set:016x}"),
            Self::Failed(ca, name) => format!("failed/{ca}/{name}"),
            Self::Health(ca) => format!("health/{ca}"),
            Self::Name(tenant, name) => format!("name/{}/{name}", tenant.0),
            Self::Cert(issuance) => format!("cert/{issuance}"),
            Self::Flight(job) => format!("flight/{}", job.0),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('/')?;
        let of_ca = || {
            let (ca, rest) = rest.split_once('/')?;
            Some((CaId::new(ca)?, rest))
        };
        Some(match kind {
            "orders" => Self::Orders(CaId::new(rest)?),
            "accounts" => Self::Accounts(CaId::new(rest)?),
            "health" => Self::Health(CaId::new(rest)?),
            "domain" => of_ca().map(|(ca, rest)| Self::Domain(ca, rest.into()))?,
            "failed" => of_ca().map(|(ca, rest)| Self::Failed(ca, rest.into()))?,
            "set" => of_ca().and_then(|(ca, rest)| Some(Self::Set(ca, u64::from_str_radix(rest, 16).ok()?)))?,
            "name" => {
                let (tenant, name) = rest.split_once('/')?;
                Self::Name(TenantId(tenant.parse().ok()?), name.parse().ok()?)
            }
            "cert" => Self::Cert(IssuanceId::new(rest)),
            "flight" => Self::Flight(JobId(rest.parse().ok()?)),
            _ => return None,
        })
    }
}

impl Planner {
    /// From the configuration, the durable records of before, and what the store holds. Records that cannot be read are
    /// left out; if none can be read though there are issuances, budgets start empty rather than full.
    pub fn restore(config: Config, records: Vec<Record>, issued: &[Issued], now: Timestamp) -> Self {
        let mut planner = Self {
            cas: config.cas.iter().cloned().map(Ca::new).collect(),
            config: Arc::new(config),
            pace: Pace::default(),
            names: Slab::new(),
            by_name: BTreeMap::new(),
            by_wildcard: HashMap::new(),
            sites: BTreeMap::new(),
            certs: Slab::new(),
            by_issuance: HashMap::new(),
            by_covered: HashMap::new(),
            lanes: Lanes::default(),
            timers: BTreeSet::from([(now.after(SWEEP), Timer::Sweep)]),
            looks: Looks::default(),
            flights: BTreeMap::new(),
            parked_for_ca: BTreeSet::new(),
            lapsed: HashMap::new(),
            orphans: Vec::new(),
            polls_in_flight: HashMap::new(),
            next_job: 0,
            next_part: 0,
            next_rank: 0,
            journal: Journal::default(),
            lanes_wait: None,
            waits: None,
        };
        planner.read_all(records, now);
        if planner.journal.stored.is_empty() && !issued.is_empty() {
            planner.assume_the_worst(issued, now);
        }
        let mut by_age: Vec<&Issued> = issued.iter().collect();
        by_age.sort_by(|a, b| a.id.cmp(&b.id));
        for issued in by_age {
            let tenant = issued.draft.tenant;
            if planner.take_in(issued, now).is_none() {
                let ended =
                    issued.draft.names.iter().map(|name| ((tenant, name.to_string().into()), issued.not_after.into()));
                planner.lapsed.extend(ended);
            }
        }
        for (issuance, _) in std::mem::take(&mut planner.journal.aris) {
            planner.journal.touch(Key::Cert(issuance)); // of a certificate that is gone
        }
        planner
    }

    fn read_all(&mut self, records: Vec<Record>, now: Timestamp) {
        let parsed = |record: Record| {
            let key = Key::parse(&record.key).filter(|key| key.text() == record.key);
            (key, record)
        };
        let mut records: Vec<_> = records.into_iter().map(parsed).collect();
        records.sort_by(|a, b| a.0.cmp(&b.0)); // flights last: they hold what the budgets before them say
        for (key, record) in records {
            match key.and_then(|key| self.read(&key, &record.value?, now).map(|()| key)) {
                Some(key) => drop(self.journal.stored.insert(key)),
                None => self.journal.unreadable.push(record.key),
            }
        }
    }

    /// One record. `None`: it cannot be read, or is not needed any more.
    fn read(&mut self, key: &Key, value: &[u8], now: Timestamp) -> Option<()> {
        match key {
            Key::Orders(ca) => self.ca_named(ca)?.orders = read_bucket(value)?,
            Key::Accounts(ca) => self.ca_named(ca)?.accounts = read_bucket(value)?,
            Key::Domain(ca, domain) => drop(self.ca_named(ca)?.domains.insert(domain.clone(), read_bucket(value)?)),
            Key::Set(ca, set) => drop(self.ca_named(ca)?.sets.insert(*set, read_bucket(value)?)),
            Key::Failed(ca, name) => drop(self.ca_named(ca)?.failed.insert(name.clone(), read_bucket(value)?)),
            Key::Health(ca) => self.ca_named(ca)?.health = read_value::<Health>(value)?,
            Key::Name(tenant, name) => {
                let fate: Fate = read_value(value)?;
                self.next_part = self.next_part.max(fate.part);
                self.journal.fates.insert((*tenant, name.clone()), (fate, now));
            }
            Key::Cert(issuance) => drop(self.journal.aris.insert(issuance.clone(), read_value(value)?)),
            Key::Flight(job) => {
                let flight = self.read_flight(*job, value)?;
                self.next_job = self.next_job.max(job.0);
                self.orphans.push(flight);
            }
        }
        Some(())
    }

    fn read_flight(&mut self, job: JobId, value: &[u8]) -> Option<Flight> {
        let record: FlightRecord = read_value(value)?;
        let id = CaId::new(&record.ca)?;
        let ca = self.cas.iter().position(|ca| *ca.id() == id);
        let names: Vec<HostPattern> = record.names.iter().map(|name| name.parse().ok()).collect::<Option<_>>()?;
        let mut sorted = record.names;
        sorted.sort_unstable();
        let holds =
            Holds { job, counted: record.counted, order: record.order, domains: record.domains, set: set_of(&sorted) };
        if let Some(ca) = ca {
            self.cas[ca].hold(&holds);
        }
        let order = Order {
            ca: id,
            tenant: TenantId(record.tenant),
            names,
            renews: record.renews.map(|(issuance, replaces)| (IssuanceId::new(&issuance), replaces)),
            profile: None,
            key_type: record.key_type,
            challenges: Vec::new(),
            dns: None,
        };
        Some(Flight { order, names: Vec::new(), ca, holds, started: record.started })
    }

    fn ca_named(&mut self, id: &CaId) -> Option<&mut Ca> {
        self.cas.iter_mut().find(|ca| ca.id() == id)
    }

    /// Nothing is known of what was spent: orders start empty, and the certificates that are known count from when they came.
    fn assume_the_worst(&mut self, issued: &[Issued], now: Timestamp) {
        let mut by_time: Vec<&Issued> = issued.iter().collect();
        by_time.sort_by_key(|issued| issued.obtained);
        for issued in by_time {
            let obtained = Timestamp::from(issued.obtained).min(now);
            let mut texts: Vec<String> = issued.draft.names.iter().map(ToString::to_string).collect();
            texts.sort_unstable();
            let mut domains: Vec<Arc<str>> = issued
                .draft
                .names
                .iter()
                .map(|name| vestibule_names::suffix::registered_domain_of(name).into())
                .collect();
            domains.sort();
            domains.dedup();
            let id = issued.draft.ca.clone();
            let Some(ca) = self.ca_named(&id) else { continue };
            let limits = ca.config.limits.clone();
            let recent = |rate: Rate| now.since(obtained) < rate.window;
            if recent(limits.certificates_per_set) {
                let set = set_of(&texts);
                ca.sets.entry(set).or_default().spend(limits.certificates_per_set, obtained);
                self.journal.touch(Key::Set(id.clone(), set));
            }
            for domain in domains.into_iter().filter(|_| recent(limits.certificates_per_domain)) {
                let Some(ca) = self.ca_named(&id) else { continue };
                let bucket = ca.domains.entry(domain.clone()).or_default();
                bucket.spend(limits.certificates_per_domain, obtained);
                self.journal.touch(Key::Domain(id.clone(), domain));
            }
        }
        for ca in &mut self.cas {
            ca.orders.empty(ca.config.limits.orders, now);
            self.journal.touch(Key::Orders(ca.id().clone()));
        }
    }

    /// What has changed since the last call and must be durable before a job runs.
    pub fn records(&mut self) -> Vec<Record> {
        let removed = std::mem::take(&mut self.journal.unreadable).into_iter().map(|key| Record { key, value: None });
        let mut records: Vec<Record> = removed.collect();
        for key in std::mem::take(&mut self.journal.dirty) {
            let value = self.write(&key);
            let text = key.text();
            let known = match value {
                Some(_) => !self.journal.stored.insert(key),
                None => self.journal.stored.remove(&key),
            };
            if known || value.is_some() {
                records.push(Record { key: text, value });
            }
        }
        records
    }

    /// One record as it stands; `None`: nothing is to be remembered.
    fn write(&self, key: &Key) -> Option<Vec<u8>> {
        let ca = |id: &CaId| self.cas.iter().find(|ca| ca.id() == id);
        match key {
            Key::Orders(id) => write_bucket(&ca(id)?.orders),
            Key::Accounts(id) => write_bucket(&ca(id)?.accounts),
            Key::Domain(id, domain) => write_bucket(ca(id)?.domains.get(domain)?),
            Key::Set(id, set) => write_bucket(ca(id)?.sets.get(set)?),
            Key::Failed(id, name) => write_bucket(ca(id)?.failed.get(name)?),
            Key::Health(id) => {
                Some(&ca(id)?.health).filter(|health| **health != Health::default()).and_then(write_value)
            }
            Key::Name(tenant, name) => {
                let wanted = self.by_name.get(&(name.clone(), *tenant)).map(|ix| &self.names[*ix].fate);
                let kept = || self.journal.fates.get(&(*tenant, name.clone())).map(|(fate, _)| fate);
                wanted.or_else(kept).filter(|fate| **fate != Fate::default()).and_then(write_value)
            }
            Key::Cert(id) => {
                let ari = self.certs[*self.by_issuance.get(id)?].ari;
                (ari != Ari::default()).then(|| write_value(&ari))?
            }
            Key::Flight(job) => self.flights.get(job).and_then(|flight| write_value(&FlightRecord::of(flight))),
        }
    }

    /// Forgets what is not needed any more.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        self.timers.insert((now.after(SWEEP), Timer::Sweep));
        for ca in &mut self.cas {
            let id = ca.config.id.clone();
            let journal = &mut self.journal;
            ca.domains
                .retain(|domain, bucket| keep(bucket, now, || journal.touch(Key::Domain(id.clone(), domain.clone()))));
            ca.sets.retain(|set, bucket| keep(bucket, now, || journal.touch(Key::Set(id.clone(), *set))));
            ca.failed.retain(|name, bucket| keep(bucket, now, || journal.touch(Key::Failed(id.clone(), name.clone()))));
        }
        let Journal { fates, dirty, .. } = &mut self.journal;
        fates.retain(|(tenant, name), (_, since)| {
            let kept = now.since(*since) < FATE_KEPT;
            if !kept {
                dirty.insert(Key::Name(*tenant, name.clone()));
            }
            kept
        });
        self.lapsed.retain(|_, at| now.since(*at) < FATE_KEPT);
    }
}

fn keep(bucket: &Bucket, now: Timestamp, forget: impl FnOnce()) -> bool {
    let idle = bucket.is_idle(now);
    if idle {
        forget();
    }
    !idle
}

impl FlightRecord {
    fn of(flight: &Flight) -> Self {
        let Order { ca, tenant, names, renews, key_type, .. } = &flight.order;
        Self {
            ca: ca.to_string(),
            tenant: tenant.0,
            names: names.iter().map(ToString::to_string).collect(),
            counted: flight.holds.counted,
            order: flight.holds.order,
            started: flight.started,
            key_type: *key_type,
            renews: renews.as_ref().map(|(issuance, replaces)| (issuance.to_string(), replaces.clone())),
            domains: flight.holds.domains.clone(),
        }
    }
}

fn write_value<T: Serialize>(is: &T) -> Option<Vec<u8>> {
    serde_json::to_vec(&Versioned { v: VERSION, is }).ok()
}

fn read_value<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    let read: Versioned<T> = serde_json::from_slice(value).ok()?;
    (read.v == VERSION).then_some(read.is)
}

fn write_bucket(bucket: &Bucket) -> Option<Vec<u8>> {
    (bucket.reach > Timestamp::default()).then(|| write_value(&bucket.reach))?
}

fn read_bucket(value: &[u8]) -> Option<Bucket> {
    read_value(value).map(|reach| Bucket { reach, ..Bucket::default() })
}
