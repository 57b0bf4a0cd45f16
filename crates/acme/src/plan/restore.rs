//! A planner from what was durable: its records, and what the store holds.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use vestibule_certs::store::{CaId, Entry, IssuanceId, Issued};
use vestibule_names::{HostPattern, Lookup, TenantId, suffix};

use super::{
    Pace, Planner, Timer,
    ca::{Ca, Health, Holds},
    clock::Ended,
    group::set_of,
    journal::{FlightRecord, Journal, Key, SWEEP, read_bucket, read_value},
    lanes::Lanes,
    looks::Looks,
    name::Fate,
    outcome::Flight,
    siblings::Siblings,
    slab::Slab,
    work::{JobId, Order, Record},
};
use crate::{
    FailureKind, Timestamp,
    config::{Config, Rate},
};

impl Planner {
    /// From the configuration, the durable records of before, and what the store holds. Records that cannot be read are
    /// left out; if none can be read though there are issuances, budgets start empty rather than full.
    pub fn restore(config: Config, records: Vec<Record>, issued: &[Issued], now: Timestamp) -> Self {
        Self::restore_shared(
            config,
            records,
            issued.iter().cloned().map(|issued| Arc::new(issued.into())).collect(),
            now,
        )
    }

    /// The same, sharing what the store has in memory.
    pub fn restore_shared(config: Config, records: Vec<Record>, mut issued: Vec<Arc<Entry>>, now: Timestamp) -> Self {
        let mut planner = Self {
            cas: config.cas.iter().cloned().map(Ca::new).collect(),
            config: Arc::new(config),
            pace: Pace::default(),
            names: Slab::new(),
            by_name: Lookup::with_room(issued.len()),
            siblings: Siblings::default(),
            sites: BTreeMap::new(),
            plain: Arc::default(),
            certs: Slab::new(),
            by_issuance: Lookup::with_room(issued.len()),
            by_covered: Lookup::with_room(issued.len()),
            lanes: Lanes::default(),
            timers: BTreeSet::from([(now.after(SWEEP), Timer::Sweep)]),
            looks: Looks::default(),
            flights: BTreeMap::new(),
            parked_for_ca: BTreeSet::new(),
            lapsed: HashMap::new(),
            ended: Ended::default(),
            latest: now,
            orphans: Vec::new(),
            polls_in_flight: HashMap::new(),
            next_job: 0,
            next_part: 0,
            journal: Journal::default(),
            lanes_wait: None,
            waits: None,
        };
        planner.read_all(records, now);
        planner.cas.iter_mut().for_each(|ca| ca.went_back(now)); // the clock may have run ahead in an earlier run
        if planner.journal.stored.is_empty() && !issued.is_empty() {
            planner.assume_the_worst(&issued, now);
        }
        issued.sort_by_key(|issued| issued.number());
        for issued in &issued {
            let tenant = issued.tenant();
            if planner.take_in(issued, now).is_none() {
                let ended =
                    issued.names().iter().map(|name| ((tenant, name.to_string().into()), issued.not_after().into()));
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
            Key::Told(ca, name) => drop(self.ca_named(ca)?.told.insert(name.clone(), read_value(value)?)),
            Key::Health(ca) => self.ca_named(ca)?.health = read_value::<Health>(value)?.after_start(),
            Key::Name(tenant, name) => {
                let fate = after_start(read_value::<Fate>(value)?).seen_from(now);
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
        Some(Flight { order, names: Vec::new(), ca, holds, started: record.started, resumed: false })
    }

    fn ca_named(&mut self, id: &CaId) -> Option<&mut Ca> {
        self.cas.iter_mut().find(|ca| ca.id() == id)
    }

    /// Nothing is known of what was spent: orders start empty, and the certificates that are known count from when they came.
    fn assume_the_worst(&mut self, issued: &[Arc<Entry>], now: Timestamp) {
        let mut by_time: Vec<&Arc<Entry>> = issued.iter().collect();
        by_time.sort_by_key(|issued| issued.obtained());
        for issued in by_time {
            let obtained = Timestamp::from(issued.obtained()).min(now);
            let mut texts: Vec<String> = issued.names().iter().map(ToString::to_string).collect();
            texts.sort_unstable();
            let mut domains: Vec<Arc<str>> =
                issued.names().iter().map(|name| suffix::registered_domain_of(name).into()).collect();
            domains.sort();
            domains.dedup();
            let id = issued.ca().clone();
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
}

/// Settings are read anew with each start: what only they stood in the way of is tried at once.
fn after_start(fate: Fate) -> Fate {
    match fate.last {
        Some((FailureKind::Configuration, ..)) => Fate { setbacks: 0, retry_at: Timestamp::default(), ..fate },
        _ => fate,
    }
}
