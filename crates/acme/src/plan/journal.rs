//! [`Journal`]: what must survive a restart, as records: which have changed, and how they are written. `restore` reads them.
//!
//! Values are JSON with a version; what cannot be read, or speaks of a CA that is not configured any more, is left out and
//! removed. Nothing here is needed to serve: without any record the planner only becomes more careful.
//!
//! | key | what |
//! |---|---|
//! | `orders/CA`, `accounts/CA`, `domain/CA/DOMAIN`, `set/CA/HASH`, `failed/CA/NAME` | a budget |
//! | `told/CA/NAME` | until when the CA asked to wait with a name |
//! | `health/CA` | is it down, until when are its limits closed |
//! | `name/UID/NAME` | back-off, last failure, learned challenge |
//! | `cert/ISSUANCE` | the window of renewal information and the instant chosen in it |
//! | `flight/NUMBER` | an order that was placed and has not ended |

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use vestibule_certs::store::{CaId, Entry, IssuanceId, KeyType};
use vestibule_names::{HostPattern, TenantId};

use super::{
    Planner, Timer,
    bucket::Bucket,
    ca::Health,
    calendar::Ari,
    name::Fate,
    outcome::Flight,
    work::{JobId, Order, Record},
};
use crate::Timestamp;

const VERSION: u32 = 1;
/// How often what is not needed any more is forgotten.
pub(super) const SWEEP: Duration = Duration::from_secs(24 * 3600);
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
    Told(CaId, Arc<str>),
    Health(CaId),
    Name(TenantId, HostPattern),
    Cert(IssuanceId),
    Flight(JobId),
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal {
    pub(super) dirty: BTreeSet<Key>,
    pub(super) stored: HashSet<Key>,
    /// Records that cannot be read: to be removed.
    pub(super) unreadable: Vec<String>,
    /// Fates of names that nobody wants now, and since when.
    pub(super) fates: HashMap<(TenantId, HostPattern), (Fate, Timestamp)>,
    /// What was read of certificates that the store has not shown yet.
    pub(super) aris: HashMap<IssuanceId, Ari>,
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    v: u32,
    is: T,
}

/// An order as its record keeps it: enough to recognise it and to know what it costs.
#[derive(Serialize, Deserialize)]
pub(super) struct FlightRecord {
    pub(super) ca: String,
    pub(super) tenant: u32,
    pub(super) names: Vec<String>,
    pub(super) counted: bool,
    pub(super) order: bool,
    pub(super) started: Timestamp,
    pub(super) key_type: KeyType,
    pub(super) renews: Option<(String, Option<Arc<str>>)>,
    pub(super) domains: Vec<Arc<str>>,
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

    pub(super) fn take_ari(&mut self, issued: &Entry) -> Option<Ari> {
        if self.aris.is_empty() { None } else { self.aris.remove(&issued.id()) }
    }
}

impl Key {
    /// The record's key.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Orders(ca) => format!("orders/{ca}"),
            Self::Accounts(ca) => format!("accounts/{ca}"),
            Self::Domain(ca, domain) => format!("domain/{ca}/{domain}"),
            Self::Set(ca, set) => format!("set/{ca}/{set:016x}"),
            Self::Failed(ca, name) => format!("failed/{ca}/{name}"),
            Self::Told(ca, name) => format!("told/{ca}/{name}"),
            Self::Health(ca) => format!("health/{ca}"),
            Self::Name(tenant, name) => format!("name/{}/{name}", tenant.0),
            Self::Cert(issuance) => format!("cert/{issuance}"),
            Self::Flight(job) => format!("flight/{}", job.0),
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
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
            "told" => of_ca().map(|(ca, rest)| Self::Told(ca, rest.into()))?,
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
            Key::Told(id, name) => ca(id)?.told.get(name).and_then(write_value),
            Key::Health(id) => {
                Some(&ca(id)?.health).filter(|health| **health != Health::default()).and_then(write_value)
            }
            Key::Name(tenant, name) => {
                let wanted = self.name_of(*tenant, name).map(|ix| &*self.names[ix].fate);
                let kept = || self.journal.fates.get(&(*tenant, name.clone())).map(|(fate, _)| fate);
                wanted.or_else(kept).filter(|fate| **fate != Fate::default()).and_then(write_value)
            }
            Key::Cert(id) => {
                let ari = &self.certs[self.cert_of(id)?].ari;
                (*ari != Ari::default()).then(|| write_value(ari))?
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
            ca.told.retain(|name, pause| {
                let kept = pause.until > now;
                if !kept {
                    journal.touch(Key::Told(id.clone(), name.clone()));
                }
                kept
            });
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

pub(super) fn read_value<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    let read: Versioned<T> = serde_json::from_slice(value).ok()?;
    (read.v == VERSION).then_some(read.is)
}

fn write_bucket(bucket: &Bucket) -> Option<Vec<u8>> {
    (bucket.reach > Timestamp::default()).then(|| write_value(&bucket.reach))?
}

pub(super) fn read_bucket(value: &[u8]) -> Option<Bucket> {
    read_value(value).map(|reach| Bucket { reach, ..Bucket::default() })
}
