//! [`World`]: the planner against CAs that keep Let's Encrypt's rules, on a virtual clock. Orders take seconds, DNS may be
//! wrong, CAs go down, the process is killed and starts again with what was durable.
//!
//! No network, no file, no thread: the one thing that is real is the planner.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque},
    time::{Duration, SystemTime},
};

use vestibule_acme::{
    Config, Failure, FailureKind, Planner, Timestamp,
    config::{CaConfig, SiteOptions},
    failure::NameFailure,
    plan::{Job, JobId, NameStatus, Obtained, Order, Pace, Pointing, Randomness, Record, RenewalWindow, Sight, Work},
};
use vestibule_certs::{
    Fingerprint,
    store::{CaId, Draft, IssuanceId, Issued},
};
use vestibule_names::{HostPattern, SiteId, TenantId};
use vestibule_testkit::ca::rules::{Limits, NewOrder, OrderId, Rule, Rules};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);
/// How long a CA that is down lets a client wait.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Rounds without progress of the clock after which something turns in circles.
const ROUNDS: usize = 2_000_000;

/// SplitMix64: the same numbers for the same seed.
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        (self.fraction() * bound as f64) as u64
    }
}

impl Randomness for Dice {
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// One CA.
pub(crate) struct FakeCa {
    pub(crate) id: CaId,
    pub(crate) rules: Rules,
    pub(crate) is_down: bool,
    pub(crate) lifetime: Duration,
    pub(crate) has_ari: bool,
    /// Certificates that were revoked, and when: their window has passed.
    pub(crate) revoked: HashMap<String, Timestamp>,
    /// Says `alreadyReplaced` to every `replaces`.
    pub(crate) denies_replaces: bool,
    /// Tells which name failed.
    pub(crate) blames: bool,
    /// What it answers to the next orders, instead of what its rules say.
    pub(crate) script: VecDeque<Failure>,
    pub(crate) orders: u64,
    pub(crate) issued: u64,
    /// Every order, and when it was asked for.
    pub(crate) asked: Vec<(Timestamp, Order)>,
}

/// An order on its way.
struct Trip {
    job: JobId,
    order: Order,
    at_ca: Option<OrderId>,
    answer: Option<Result<Obtained, Failure>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Arrive,
    Finish,
    Tell,
}

/// See the module.
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) planner: Planner,
    pub(crate) config: Config,
    pub(crate) pace: Pace,
    pub(crate) dice: Dice,
    pub(crate) cas: Vec<FakeCa>,
    pub(crate) records: BTreeMap<String, Vec<u8>>,
    pub(crate) most_records: usize,
    pub(crate) written: u64,
    pub(crate) store: BTreeMap<String, Issued>,
    pub(crate) sites: BTreeMap<SiteId, (TenantId, Vec<HostPattern>, SiteOptions)>,
    /// Names that point elsewhere: every authorization fails.
    pub(crate) dead: HashSet<HostPattern>,
    /// What a look sees of names that are not dead.
    pub(crate) seen: Sight,
    /// The latest issuance of each name: a store shows no other.
    latest: HashMap<(TenantId, HostPattern), String>,
    /// What a look sees of names that are dead, if not that they point nowhere.
    pub(crate) flicker: Option<Sight>,
    /// An order with this name looks like an outage.
    pub(crate) poison: Option<HostPattern>,
    /// Until when each name has a certificate, and since when it has had one.
    pub(crate) covered: HashMap<(TenantId, HostPattern), (Timestamp, Timestamp)>,
    /// Names that were without a certificate after they had one.
    pub(crate) gaps: Vec<(HostPattern, Timestamp)>,
    pub(crate) looks: u64,
    pub(crate) polls: u64,
    pub(crate) in_flight: HashMap<(TenantId, HostPattern), u64>,
    trips: HashMap<u64, Trip>,
    steps: BinaryHeap<Reverse<(Timestamp, u64, Step)>>,
    ends: BinaryHeap<Reverse<(Timestamp, String)>>,
    next_trip: u64,
    next_issuance: u64,
}

/// Nothing that a planner does depends on the epoch.
const START: Timestamp = Timestamp(1_800_000_000_000);

pub(crate) fn ca(id: &str) -> CaConfig {
    CaConfig::new(CaId::new(id).expect("a test names its CAs well"), "https://acme-v02.api.letsencrypt.org/directory")
}

pub(crate) fn name(text: &str) -> HostPattern {
    text.parse().expect("a test names its hosts well")
}

fn virtual_time(at: Timestamp) -> Duration {
    Duration::from_millis(at.0)
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let cas = config.cas.iter().map(|ca| FakeCa {
            id: ca.id.clone(),
            rules: Rules::new(Limits::lets_encrypt()),
            is_down: false,
            lifetime: DAY * 90,
            has_ari: true,
            revoked: HashMap::new(),
            denies_replaces: false,
            blames: true,
            script: VecDeque::new(),
            orders: 0,
            issued: 0,
            asked: Vec::new(),
        });
        Self {
            now: START,
            planner: Planner::restore(config.clone(), Vec::new(), &[], START),
            cas: cas.collect(),
            config,
            pace: Pace::default(),
            dice: Dice(7),
            records: BTreeMap::new(),
            most_records: 0,
            written: 0,
            store: BTreeMap::new(),
            sites: BTreeMap::new(),
            dead: HashSet::new(),
            seen: Sight { pointing: Pointing::Here, addresses: 7 },
            latest: HashMap::new(),
            flicker: None,
            poison: None,
            covered: HashMap::new(),
            gaps: Vec::new(),
            looks: 0,
            polls: 0,
            in_flight: HashMap::new(),
            trips: HashMap::new(),
            steps: BinaryHeap::new(),
            ends: BinaryHeap::new(),
            next_trip: 0,
            next_issuance: 0,
        }
    }

    /// One CA like Let's Encrypt.
    pub(crate) fn simple() -> Self {
        Self::new(Config::new(vec![ca("le")]))
    }

    pub(crate) fn paced(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self.planner = self.planner.paced(pace);
        self
    }

    pub(crate) fn want(&mut self, site: &str, tenant: u32, names: &[&str]) {
        self.want_with(site, tenant, names, SiteOptions::default());
    }

    pub(crate) fn want_with(&mut self, site: &str, tenant: u32, names: &[&str], options: SiteOptions) {
        let names: Vec<_> = names.iter().map(|text| name(text)).collect();
        let (site, tenant) = (SiteId::new(site), TenantId(tenant));
        self.planner.want(&site, tenant, &names, &options, self.now);
        self.sites.insert(site, (tenant, names, options));
    }

    pub(crate) fn unwant(&mut self, site: &str) {
        self.planner.unwant(&SiteId::new(site), self.now);
        self.sites.remove(&SiteId::new(site));
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now.after(time);
        self.run_until(end, |_| false);
    }

    /// Lets time pass until something is so; says whether it came to that.
    pub(crate) fn run_until(&mut self, end: Timestamp, done: impl Fn(&Self) -> bool) -> bool {
        let mut rounds = 0;
        loop {
            while let Some(job) = self.planner.next(self.now, &mut self.dice) {
                self.persist();
                self.start(job);
                rounds += 1;
                assert!(rounds < ROUNDS, "turns in circles at {:?}", self.now);
            }
            self.persist();
            if done(self) {
                return true;
            }
            let wake = self.planner.wake_at();
            let step = self.steps.peek().map(|Reverse((at, ..))| *at);
            let next = [wake, step].into_iter().flatten().min().unwrap_or(end).min(end);
            if next > self.now {
                rounds = 0;
                self.now = next;
            } else if self.now >= end {
                return false;
            }
            rounds += 1;
            assert!(rounds < ROUNDS, "turns in circles at {:?}: wakes at {wake:?}", self.now);
            self.look_for_gaps();
            while let Some(Reverse((at, trip, step))) = self.steps.peek().copied()
                && at <= self.now
            {
                self.steps.pop();
                self.step(trip, step);
            }
            if self.now >= end {
                return done(self);
            }
        }
    }

    /// The process is killed and starts again. What was told and not recorded is lost; orders at the CA go on.
    pub(crate) fn restart(&mut self) {
        let records = self.records.iter().map(|(key, value)| Record { key: key.clone(), value: Some(value.clone()) });
        let current = |issued: &&Issued| {
            let of = |name: &HostPattern| self.latest.get(&(issued.draft.tenant, name.clone()));
            issued.draft.names.iter().any(|name| of(name).is_some_and(|latest| latest == issued.id.as_str()))
        };
        let issued: Vec<Issued> = self.store.values().filter(current).cloned().collect();
        let config = self.config.clone();
        self.planner = Planner::restore(config, records.collect(), &issued, self.now).paced(self.pace);
        let mut trips: Vec<u64> = self.trips.keys().copied().collect();
        trips.sort_unstable();
        for trip in trips {
            if let Some(trip) = self.trips.get_mut(&trip) {
                trip.job = self.planner.resumed(trip.order.clone(), self.now);
            }
        }
        for (site, (tenant, names, options)) in &self.sites {
            self.planner.want(site, *tenant, names, options, self.now);
        }
    }

    /// How many orders were sent off, whether or not they arrived.
    pub(crate) fn next_trip(&self) -> u64 {
        self.next_trip
    }

    pub(crate) fn lose_records(&mut self) {
        self.records.clear();
    }

    fn persist(&mut self) {
        for Record { key, value } in self.planner.records() {
            self.written += 1;
            match value {
                Some(value) => drop(self.records.insert(key, value)),
                None => drop(self.records.remove(&key)),
            }
        }
        self.most_records = self.most_records.max(self.records.len());
    }

    fn start(&mut self, job: Job) {
        match job.work {
            Work::Order(order) => self.depart(job.id, order),
            Work::RenewalInfo { ca, certificate, issuance } => {
                self.polls += 1;
                let answer = self.window(&ca, &certificate, &issuance);
                self.planner.informed(job.id, answer, self.now, &mut self.dice);
            }
            Work::CheckDns { names } => {
                self.looks += names.len() as u64;
                assert!(names.len() <= 50);
                let see = |name: HostPattern| {
                    let dead = self.dead.contains(&name);
                    let elsewhere = self.flicker.unwrap_or(Sight { pointing: Pointing::NotHere, addresses: 0 });
                    let sight = if dead { elsewhere } else { self.seen };
                    (name, sight)
                };
                let seen: Vec<_> = names.into_iter().map(see).collect();
                self.planner.checked(job.id, &seen, self.now);
            }
        }
    }

    fn depart(&mut self, job: JobId, order: Order) {
        assert!(self.trips.len() < self.config.orders_at_once, "orders in flight are bounded");
        assert!(order.names.is_sorted() && !order.names.is_empty());
        for name in &order.names {
            let flying = self.in_flight.insert((order.tenant, name.clone()), self.next_trip);
            assert_eq!(flying, None, "{name} has two orders in flight");
        }
        let trip = self.next_trip;
        self.next_trip += 1;
        self.trips.insert(trip, Trip { job, order, at_ca: None, answer: None });
        let way = Duration::from_millis(100 + self.dice.below(1900));
        self.steps.push(Reverse((self.now.after(way), trip, Step::Arrive)));
    }

    fn step(&mut self, number: u64, step: Step) {
        match step {
            Step::Arrive => self.arrive(number),
            Step::Finish => self.finish(number),
            Step::Tell => {
                let Some(trip) = self.trips.remove(&number) else { return };
                for name in &trip.order.names {
                    self.in_flight.remove(&(trip.order.tenant, name.clone()));
                }
                if let Some(answer) = trip.answer {
                    self.planner.ordered(trip.job, answer, self.now, &mut self.dice);
                }
            }
        }
    }

    fn tell(&mut self, number: u64, after: Duration, answer: Result<Obtained, Failure>) {
        if let Some(trip) = self.trips.get_mut(&number) {
            trip.answer = Some(answer);
            self.steps.push(Reverse((self.now.after(after), number, Step::Tell)));
        }
    }

    fn ca_of(&mut self, order: &Order) -> &mut FakeCa {
        self.cas.iter_mut().find(|ca| ca.id == order.ca).expect("planners ask only CAs they were given")
    }

    fn arrive(&mut self, number: u64) {
        let (order, now) = (self.trips[&number].order.clone(), self.now);
        let poisoned = self.poison.as_ref().is_some_and(|name| order.names.contains(name));
        let ca = self.ca_of(&order);
        if ca.is_down || poisoned {
            self.tell(number, TIMEOUT, Err(failure(FailureKind::Ca, "the CA does not answer", None)));
            return;
        }
        let replaces = order.renews.as_ref().and_then(|(_, replaces)| replaces.as_deref());
        ca.orders += 1;
        ca.asked.push((now, order.clone()));
        if let Some(answer) = ca.script.pop_front() {
            self.tell(number, MINUTE / 60, Err(answer));
            return;
        }
        if ca.denies_replaces && replaces.is_some() {
            self.tell(number, MINUTE / 60, Err(failure(FailureKind::AlreadyReplaced, "already replaced", None)));
            return;
        }
        let profile = order.profile.as_ref().map(|profile| profile.name.as_str());
        let asked = NewOrder { account: "gateway", names: &order.names, profile, replaces };
        match ca.rules.new_order(virtual_time(now), &asked) {
            Ok(id) => {
                if let Some(trip) = self.trips.get_mut(&number) {
                    trip.at_ca = Some(id);
                }
                let way = Duration::from_millis(1000 + self.dice.below(9000));
                self.steps.push(Reverse((now.after(way), number, Step::Finish)));
            }
            Err(refusal) => {
                let kind = match refusal.rule {
                    Rule::AlreadyReplaced => FailureKind::AlreadyReplaced,
                    Rule::Names | Rule::Profile | Rule::Replaces => FailureKind::Configuration,
                    _ => FailureKind::Limit,
                };
                self.tell(number, MINUTE / 60, Err(failure(kind, &refusal.detail, refusal.retry_after)));
            }
        }
    }

    fn finish(&mut self, number: u64) {
        let trip = &self.trips[&number];
        let (order, now, at_ca) = (trip.order.clone(), self.now, trip.at_ca.expect("it arrived"));
        let dead: Vec<HostPattern> = order.names.iter().filter(|name| self.dead.contains(name)).cloned().collect();
        let ca = self.ca_of(&order);
        if ca.is_down {
            ca.rules.give_up(at_ca);
            self.tell(number, TIMEOUT, Err(failure(FailureKind::Ca, "the CA does not answer", None)));
            return;
        }
        if !dead.is_empty() {
            dead.iter().for_each(|name| ca.rules.authorization_failed(virtual_time(now), "gateway", name));
            ca.rules.give_up(at_ca);
            let mut error = failure(FailureKind::ValidationDns, "the name points elsewhere", None);
            if ca.blames {
                error.names = dead.into_iter().map(blamed).collect();
            }
            self.tell(number, MINUTE / 60, Err(error));
            return;
        }
        let issued = self.issue(&order, at_ca);
        let proved =
            order.challenges.first().map(|kind| order.names.iter().map(|name| (name.clone(), *kind)).collect());
        self.tell(number, MINUTE / 60, Ok(Obtained { issued, proved: proved.unwrap_or_default() }));
    }

    fn issue(&mut self, order: &Order, at_ca: OrderId) -> Issued {
        self.next_issuance += 1;
        let issuance = IssuanceId::numbered(self.next_issuance, &order.names[0]);
        let id = issuance.to_string();
        let now = self.now;
        let ca = self.ca_of(order);
        ca.rules.issue(virtual_time(now), at_ca, &id);
        ca.issued += 1;
        let start = SystemTime::from(now) - HOUR;
        let issued = Issued {
            id: issuance,
            draft: Draft {
                tenant: order.tenant,
                names: order.names.clone(),
                ca: order.ca.clone(),
                profile: order.profile.as_ref().map(|profile| profile.name.clone()),
                key_type: order.key_type,
                renews: order.renews.as_ref().map(|(id, _)| id.clone()),
            },
            not_before: start,
            not_after: start + ca.lifetime,
            obtained: now.into(),
            ari: ca.has_ari.then(|| id.into()),
            issuer: "fake".into(),
            fingerprint: Fingerprint::default(),
        };
        let end = Timestamp::from(issued.not_after);
        for name in &issued.draft.names {
            self.latest.insert((order.tenant, name.clone()), issued.id.to_string());
            let covered = self.covered.entry((order.tenant, name.clone())).or_insert((now, end));
            covered.1 = end;
        }
        self.ends.push(Reverse((end, issued.id.to_string())));
        self.store.insert(issued.id.to_string(), issued.clone());
        issued
    }

    fn window(&mut self, ca: &CaId, certificate: &str, issuance: &IssuanceId) -> Result<RenewalWindow, Failure> {
        let ca = self.cas.iter().find(|known| known.id == *ca).expect("planners ask only CAs they were given");
        if ca.is_down || !ca.has_ari {
            return Err(failure(FailureKind::Ca, "no renewal information", None));
        }
        let issued = &self.store[issuance.as_str()];
        let retry_after = Some(HOUR * 12);
        if let Some(at) = ca.revoked.get(certificate) {
            return Ok(RenewalWindow { start: at.before(DAY), end: *at, retry_after });
        }
        let (start, end) = (Timestamp::from(issued.not_before), Timestamp::from(issued.not_after));
        let lifetime = end.since(start);
        let middle = end.before(if lifetime < DAY * 10 { lifetime / 2 } else { lifetime / 3 });
        let around = lifetime / 48;
        Ok(RenewalWindow { start: middle.before(around), end: middle.after(around), retry_after })
    }

    /// Names whose certificate has just run out, though somebody wants them and they are alive.
    fn look_for_gaps(&mut self) {
        while let Some(Reverse((end, _))) = self.ends.peek()
            && *end <= self.now
        {
            let Some(Reverse((end, id))) = self.ends.pop() else { break };
            let Some(issued) = self.store.remove(&id) else { continue };
            for ca in &mut self.cas {
                ca.rules.forget(&id);
            }
            let tenant = issued.draft.tenant;
            for name in issued.draft.names {
                let key = (tenant, name);
                if self.covered.get(&key).is_some_and(|(_, until)| *until <= end) {
                    let wanted =
                        |(of, names, _): &(TenantId, Vec<HostPattern>, _)| *of == tenant && names.contains(&key.1);
                    if !self.dead.contains(&key.1) && self.sites.values().any(wanted) {
                        self.gaps.push((key.1.clone(), end));
                    }
                    self.covered.remove(&key);
                }
            }
        }
    }

    pub(crate) fn assert_no_violations(&self) {
        for ca in &self.cas {
            assert!(ca.rules.violations().is_empty(), "{:?} {:?}", ca.rules.violations(), ca.rules.samples());
        }
    }

    pub(crate) fn is_covered(&self, tenant: u32, text: &str) -> bool {
        self.covered.get(&(TenantId(tenant), name(text))).is_some_and(|(_, until)| *until > self.now)
    }

    /// Every wanted name that is alive has a certificate.
    pub(crate) fn all_covered(&self) -> bool {
        let names = self.sites.values().flat_map(|(tenant, names, _)| names.iter().map(|name| (*tenant, name.clone())));
        let live: BTreeSet<_> = names.filter(|(_, name)| !self.dead.contains(name)).collect();
        live.iter().all(|key| self.covered.contains_key(key))
    }

    /// Every order of a CA as `names`, in the order of time.
    pub(crate) fn asked(&self, ca: usize) -> Vec<String> {
        let text = |order: &Order| order.names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        self.cas[ca].asked.iter().map(|(_, order)| text(order)).collect()
    }

    pub(crate) fn last_order(&self, ca: usize) -> &Order {
        &self.cas[ca].asked.last().expect("an order").1
    }

    pub(crate) fn status_of(&self, text: &str) -> NameStatus {
        self.planner.status_of(&name(text), self.now).expect("a wanted name")
    }

    /// Runs until a name has a certificate; says how long that took.
    pub(crate) fn until_covered(&mut self, tenant: u32, text: &str, at_most: Duration) -> Option<Duration> {
        let start = self.now;
        self.run_until(start.after(at_most), |world| world.is_covered(tenant, text)).then(|| self.now.since(start))
    }
}

pub(crate) fn failure(kind: FailureKind, sentence: &str, retry_after: Option<Duration>) -> Failure {
    Failure::new(kind, sentence).after(retry_after)
}

fn blamed(name: HostPattern) -> NameFailure {
    let sentence = format!("{name} points elsewhere");
    NameFailure { name, kind: FailureKind::ValidationDns, challenge: None, sentence }
}
