//! [`Ca`]: one CA as the planner sees it: is it up, and what is left of each of its budgets.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use vestibule_certs::store::CaId;
use vestibule_names::TenantId;

use super::{
    bucket::Bucket,
    slab::CertIx,
    work::{JobId, Randomness},
};
use crate::{Timestamp, config::CaConfig, failure::FailureKind};

/// The first wait after a fault of the CA; it doubles up to [`FAULT_WAIT_LIMIT`].
const FAULT_WAIT: Duration = Duration::from_secs(30);
/// The longest wait between two probes of a CA that is down.
const FAULT_WAIT_LIMIT: Duration = Duration::from_secs(3600);
/// After so many outages in a row new names may go to the next CA.
const OUTAGES_BEFORE_FAILOVER: u32 = 3;
/// After so long an outage new names may go to the next CA.
const OUTAGE_BEFORE_FAILOVER: Duration = Duration::from_secs(600);
/// Who would wait longer than this for a limit may go to the next CA.
pub(super) const LIMIT_BEFORE_FAILOVER: Duration = Duration::from_secs(3600);
/// How long everybody stops after one refusal that might be about the whole account.
const LIMIT_DOUBT: Duration = Duration::from_secs(60);
/// A probe that has not ended after so long is one tenant's slow order: the next tenant may probe.
const PROBE_PATIENCE: Duration = Duration::from_secs(120);
/// No CA is believed that asks to wait longer than its longest window.
pub(super) const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(7 * 24 * 3600);

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Ca {
    pub(super) config: CaConfig,
    pub(super) orders: Bucket,
    /// Spent by each failure that may have come with a new account.
    pub(super) accounts: Bucket,
    pub(super) domains: HashMap<Arc<str>, Bucket>,
    pub(super) sets: HashMap<u64, Bucket>,
    pub(super) failed: HashMap<Arc<str>, Bucket>,
    /// What the CA asked to wait with a name. Nothing but time takes it away.
    pub(super) told: HashMap<Arc<str>, Pause>,
    pub(super) health: Health,
    /// The order that probes it after a fault, and since when.
    probe: Option<(JobId, Timestamp)>,
    /// Orders in flight here.
    pub(super) in_flight: usize,
    /// When to ask for renewal information of which certificate.
    pub(super) polls: BTreeSet<(Timestamp, CertIx)>,
    /// Polls that failed in a row, and when to go on.
    pub(super) poll_faults: u32,
    pub(super) polls_from: Timestamp,
}

/// A wait that the CA asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pause {
    began: Timestamp,
    pub(super) until: Timestamp,
}

impl Pause {
    pub(super) fn of(wait: Duration, now: Timestamp) -> Self {
        Self { began: now, until: now.after(wait) }
    }

    fn max_with(self, other: Self) -> Self {
        if other.until > self.until { other } else { self }
    }

    /// As it counts now, if it was told by a clock that ran ahead.
    pub(super) fn seen_from(self, now: Timestamp) -> Self {
        Self { began: self.began.min(now), until: self.until.seen_from(self.began, RETRY_AFTER_LIMIT, now) }
    }
}

/// How the CA itself does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Health {
    /// Faults in a row that no name is to blame for.
    pub(super) faults: u32,
    /// Those among them that another CA could mend.
    pub(super) outages: u32,
    pub(super) down_since: Timestamp,
    /// When the next order may probe it.
    pub(super) retry_at: Timestamp,
    last_fault: Timestamp,
    /// Nothing that counts against limits before this, as was said then.
    pub(super) limited_until: Timestamp,
    limited_at: Timestamp,
    /// Nothing at all before this: the CA said it of the whole account, or of an order that no limit should meet.
    closed: Pause,
    /// Tenants whose orders met a limit twice in a row: they wait for as long as the CA asked.
    tenants: BTreeMap<u32, Pause>,
    /// Whose order met a fault first, and whether another tenant's did too: only then it is the CA's and not one tenant's.
    suffered: Option<u32>,
    several: bool,
    /// Whose order met a limit last: a second tenant makes it the account's.
    limited: Option<u32>,
}

impl Health {
    /// Account, disk and settings may have been mended by whoever started the process anew: that is tried at once.
    pub(super) fn after_start(self) -> Self {
        if self.outages == 0 { Self { retry_at: Timestamp::default(), ..self } } else { self }
    }

    /// As it counts now, if it was told by a clock that ran ahead.
    pub(super) fn seen_from(self, now: Timestamp) -> Self {
        Self {
            retry_at: self.retry_at.seen_from(self.last_fault, RETRY_AFTER_LIMIT, now),
            limited_until: self.limited_until.seen_from(self.limited_at, RETRY_AFTER_LIMIT, now),
            last_fault: self.last_fault.min(now),
            limited_at: self.limited_at.min(now),
            closed: self.closed.seen_from(now),
            tenants: self.tenants.iter().map(|(tenant, pause)| (*tenant, pause.seen_from(now))).collect(),
            down_since: self.down_since.min(now),
            ..self
        }
    }
}

/// May an order go to this CA now?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Yes.
    Open,
    /// It is down; `None`: until the probe in flight has ended.
    Down(Option<Timestamp>),
    /// A limit; until then.
    Limited(Timestamp, Closed),
}

/// What closes a CA that is not down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// New orders per account are used up, as we count them.
    Orders,
    /// The CA asked to wait.
    Told,
}

impl Ca {
    pub(super) fn new(config: CaConfig) -> Self {
        Self {
            config,
            orders: Bucket::default(),
            accounts: Bucket::default(),
            domains: HashMap::new(),
            sets: HashMap::new(),
            failed: HashMap::new(),
            told: HashMap::new(),
            health: Health::default(),
            probe: None,
            in_flight: 0,
            polls: BTreeSet::new(),
            poll_faults: 0,
            polls_from: Timestamp::default(),
        }
    }

    pub(super) fn id(&self) -> &CaId {
        &self.config.id
    }

    /// May an order start now? A CA that is down gets one probe at a time.
    pub(super) fn gate(&self, exempt: bool, now: Timestamp) -> Gate {
        if self.health.faults > 0 {
            if let Some((_, since)) = self.probe {
                let patience = since.after(PROBE_PATIENCE);
                if patience > now {
                    return Gate::Down(Some(patience));
                }
            }
            let retry_at = self.health.retry_at.max(self.accounts.free_at(self.config.limits.accounts, now));
            if retry_at > now {
                return Gate::Down(Some(retry_at));
            }
        }
        let closed = self.health.closed.until;
        if closed > now {
            return Gate::Limited(closed, Closed::Told);
        }
        if exempt {
            return Gate::Open;
        }
        let (orders, told) = (self.orders.free_at(self.config.limits.orders, now), self.health.limited_until);
        match orders.max(told) {
            free if free <= now => Gate::Open,
            free if free > orders => Gate::Limited(free, Closed::Told),
            free => Gate::Limited(free, Closed::Orders),
        }
    }

    /// Has it been down for so long that a new name should ask the next CA?
    pub(super) fn is_given_up(&self, now: Timestamp) -> bool {
        let outages = self.health.outages;
        outages >= OUTAGES_BEFORE_FAILOVER || (outages > 0 && now >= self.given_up_at())
    }

    /// The same for one tenant: what only another tenant's orders met moves nobody else to the next CA.
    pub(super) fn is_given_up_for(&self, tenant: TenantId, now: Timestamp) -> bool {
        let concerned = self.health.several || self.health.suffered == Some(tenant.0);
        concerned && self.is_given_up(now)
    }

    /// This tenant's order met a fault of the CA.
    pub(super) fn suffered(&mut self, tenant: TenantId) {
        let health = &mut self.health;
        health.several |= health.suffered.is_some_and(|other| other != tenant.0);
        health.suffered.get_or_insert(tenant.0);
    }

    /// The order that starts now probes a CA that is down. Orders that were in flight already say nothing about it.
    pub(super) fn probes(&mut self, job: JobId, now: Timestamp) {
        if self.health.faults > 0 {
            self.probe = Some((job, now));
        }
    }

    /// What the CA asked to wait with this name is noted.
    pub(super) fn tell(&mut self, name: &Arc<str>, wait: Duration, now: Timestamp) {
        let pause = self.told.entry(name.clone()).or_default();
        if now.after(wait) > pause.until {
            *pause = Pause::of(wait, now);
        }
    }

    /// Until when the CA asked to wait with this name, or with this tenant.
    pub(super) fn told_until(&self, name: &str, tenant: TenantId) -> Timestamp {
        let of_tenant = self.health.tenants.get(&tenant.0).map(|pause| pause.until);
        let of_name = self.told.get(name).map(|pause| pause.until);
        of_name.max(of_tenant).unwrap_or_default()
    }

    /// From when on it counts as given up, if it stays down.
    pub(super) fn given_up_at(&self) -> Timestamp {
        self.health.down_since.after(OUTAGE_BEFORE_FAILOVER)
    }

    /// It answered as a CA does.
    pub(super) fn works(&mut self) {
        let Health { limited_until, limited_at, limited, closed, tenants, .. } = std::mem::take(&mut self.health);
        self.health = Health { limited_until, limited_at, limited, closed, tenants, ..Health::default() };
    }

    /// An order that started at `started` ended with a fault that no name is to blame for. Orders that were in flight together
    /// count as one fault.
    pub(super) fn fault(
        &mut self,
        kind: FailureKind,
        retry_after: Option<Duration>,
        started: Timestamp,
        now: Timestamp,
        random: &mut dyn Randomness,
    ) {
        let health = &mut self.health;
        if let Some(wait) = retry_after {
            health.closed = health.closed.max_with(Pause::of(wait.min(RETRY_AFTER_LIMIT), now));
        }
        if kind == FailureKind::Account {
            self.accounts.spend(self.config.limits.accounts, now);
        }
        if health.faults == 0 {
            health.down_since = now;
        } else if started < health.last_fault {
            return;
        }
        health.faults = health.faults.saturating_add(1);
        health.last_fault = now;
        health.outages = if kind == FailureKind::Ca { health.outages.saturating_add(1) } else { 0 };
        let wait = doubling(FAULT_WAIT, health.faults, FAULT_WAIT_LIMIT).mul_f64(1.0 - 0.2 * random.fraction());
        health.retry_at = now.after(wait.max(retry_after.unwrap_or_default().min(RETRY_AFTER_LIMIT)));
    }

    /// An order of this tenant met a limit, and the CA did not say whose. One tenant's domain may be used up by somebody
    /// else's certificates; that must not stop the others. So a second one of this tenant stops this tenant, and a second
    /// tenant that meets it too makes it the account's.
    pub(super) fn limit(&mut self, tenant: TenantId, holds: &Holds, wait: Duration, now: Timestamp) {
        let health = &mut self.health;
        let everybody = health.limited.is_some_and(|other| other != tenant.0);
        if health.limited == Some(tenant.0) {
            health.tenants.retain(|_, pause| pause.until > now);
            health.tenants.insert(tenant.0, Pause::of(wait, now));
        }
        health.limited = Some(tenant.0);
        let wait = if everybody { wait } else { wait.min(LIMIT_DOUBT) };
        health.limited_until = health.limited_until.max(now.after(wait));
        health.limited_at = now;
        if everybody || !holds.counted {
            health.closed = health.closed.max_with(Pause::of(wait, now));
        }
    }

    /// The clock went back.
    pub(super) fn went_back(&mut self, now: Timestamp) {
        self.health = std::mem::take(&mut self.health).seen_from(now);
        self.polls_from = Timestamp::default();
        self.probe = self.probe.map(|(job, since)| (job, since.min(now)));
        self.told.values_mut().for_each(|pause| *pause = pause.seen_from(now));
        let limits = &self.config.limits;
        for bucket in self.domains.values_mut() {
            *bucket = bucket.seen_from(limits.certificates_per_domain, now);
        }
        for bucket in self.sets.values_mut() {
            *bucket = bucket.seen_from(limits.certificates_per_set, now);
        }
        for bucket in self.failed.values_mut() {
            *bucket = bucket.seen_from(limits.failed_authorizations, now);
        }
        self.orders = self.orders.seen_from(limits.orders, now);
        self.accounts = self.accounts.seen_from(limits.accounts, now);
    }

    /// A counted order got past the limits.
    pub(super) fn is_not_limited(&mut self) {
        self.health.limited = None;
    }

    /// A poll failed: the others wait too when it is not the first in a row.
    pub(super) fn poll_failed(&mut self, now: Timestamp, random: &mut dyn Randomness) {
        self.poll_faults = self.poll_faults.saturating_add(1);
        if self.poll_faults >= 3 {
            let wait = doubling(FAULT_WAIT, self.poll_faults - 2, FAULT_WAIT_LIMIT);
            self.polls_from = now.after(wait.mul_f64(1.0 - 0.2 * random.fraction()));
        }
    }

    pub(super) fn poll_worked(&mut self) {
        self.poll_faults = 0;
        self.polls_from = Timestamp::default();
    }
}

/// `first`, twice that, four times … for the `nth` time in a row, but never more than `most`.
pub(super) fn doubling(first: Duration, nth: u32, most: Duration) -> Duration {
    first.saturating_mul(1u32.checked_shl(nth.saturating_sub(1)).unwrap_or(u32::MAX)).min(most)
}

/// What an order holds while it is in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holds {
    /// Of the job that holds it.
    pub(super) job: JobId,
    /// Does it count against orders and domains?
    pub(super) counted: bool,
    /// Was the order itself counted before, by an earlier run?
    pub(super) order: bool,
    pub(super) domains: Vec<Arc<str>>,
    pub(super) set: u64,
}

/// How an order ended, as far as budgets care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    /// A certificate came.
    Certificate,
    /// None came.
    OrderOnly,
    /// Not known: the process ended in between.
    Unknown,
}

impl Ca {
    /// When the certificates' limits let one more with these domains and this set through.
    pub(super) fn certificates_free_at(&self, domains: &[Arc<str>], set: u64, now: Timestamp) -> Timestamp {
        let limits = &self.config.limits;
        let of_domain = |domain: &Arc<str>| {
            self.domains.get(domain).map_or(Timestamp::default(), |b| b.free_at(limits.certificates_per_domain, now))
        };
        let of_set = self.sets.get(&set).map_or(Timestamp::default(), |b| b.free_at(limits.certificates_per_set, now));
        domains.iter().map(of_domain).max().unwrap_or_default().max(of_set)
    }

    pub(super) fn domain_free_at(&self, domain: &Arc<str>, now: Timestamp) -> Timestamp {
        let rate = self.config.limits.certificates_per_domain;
        self.domains.get(domain).map_or(Timestamp::default(), |bucket| bucket.free_at(rate, now))
    }

    /// When one more attempt at this name could fail without running into the limit: one short of it.
    pub(super) fn name_free_at(&self, name: &str, now: Timestamp) -> Timestamp {
        let rate = self.config.limits.failed_authorizations.one_short();
        self.failed.get(name).map_or(Timestamp::default(), |bucket| bucket.free_at(rate, now))
    }

    pub(super) fn hold(&mut self, holds: &Holds) {
        self.in_flight += 1;
        if holds.order {
            self.orders.hold();
        }
        if holds.counted {
            for domain in &holds.domains {
                self.domains.entry(domain.clone()).or_default().hold();
            }
        }
        self.sets.entry(holds.set).or_default().hold();
    }

    /// Gives everything back, to whoever holds it next.
    pub(super) fn unhold(&mut self, holds: &Holds) {
        self.probe = self.probe.filter(|(job, _)| *job != holds.job);
        self.in_flight = self.in_flight.saturating_sub(1);
        if holds.order {
            self.orders.release();
        }
        for domain in holds.domains.iter().filter(|_| holds.counted) {
            self.domains.get_mut(domain).into_iter().for_each(Bucket::release);
        }
        self.sets.get_mut(&holds.set).into_iter().for_each(Bucket::release);
    }

    /// Settles what was held. A certificate counts for its set even when its order was exempt: that is what the CA may do.
    pub(super) fn settle(&mut self, holds: &Holds, spent: Spent, now: Timestamp) {
        self.probe = self.probe.filter(|(job, _)| *job != holds.job);
        self.in_flight = self.in_flight.saturating_sub(1);
        let limits = &self.config.limits;
        let settle = |bucket: Option<&mut Bucket>, rate, is_spent: bool| match bucket {
            Some(bucket) if is_spent => bucket.spend_held(rate, now),
            Some(bucket) => bucket.release(),
            None => {}
        };
        if holds.order {
            settle(Some(&mut self.orders), limits.orders, true);
        }
        let certificate = spent != Spent::OrderOnly;
        if holds.counted {
            for domain in &holds.domains {
                settle(self.domains.get_mut(domain), limits.certificates_per_domain, certificate);
            }
        }
        settle(self.sets.get_mut(&holds.set), limits.certificates_per_set, certificate);
    }

    /// An authorization of this name failed.
    pub(super) fn authorization_failed(&mut self, name: &Arc<str>, now: Timestamp) {
        let rate = self.config.limits.failed_authorizations.one_short();
        self.failed.entry(name.clone()).or_default().spend(rate, now);
    }
}

#[cfg(test)]
mod tests;
