//! [`Ca`]: one CA as the planner sees it: is it up, and what is left of each of its budgets.

use std::{
    collections::{BTreeSet, HashMap},
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
    pub(super) health: Health,
    /// Orders in flight here.
    pub(super) in_flight: usize,
    /// When to ask for renewal information of which certificate.
    pub(super) polls: BTreeSet<(Timestamp, CertIx)>,
    /// Polls that failed in a row, and when to go on.
    pub(super) poll_faults: u32,
    pub(super) polls_from: Timestamp,
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
    /// Whose order met a limit last: a second tenant makes it the account's.
    limited: Option<u32>,
}

impl Health {
    /// Account, disk and settings may have been mended by whoever started the process anew: that is tried at once.
    pub(super) fn after_start(self) -> Self {
        if self.outages == 0 { Self { retry_at: Timestamp::default(), ..self } } else { self }
    }

    /// As it counts now, if it was told by a clock that ran ahead.
    pub(super) fn as_of(self, now: Timestamp) -> Self {
        Self {
            retry_at: self.retry_at.as_of(self.last_fault, RETRY_AFTER_LIMIT, now),
            limited_until: self.limited_until.as_of(self.limited_at, RETRY_AFTER_LIMIT, now),
            last_fault: self.last_fault.min(now),
            limited_at: self.limited_at.min(now),
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
    Limited(Timestamp),
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
            health: Health::default(),
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
            if self.in_flight > 0 {
                return Gate::Down(None);
            }
            let retry_at = self.health.retry_at.max(self.accounts.free_at(self.config.limits.accounts, now));
            if retry_at > now {
                return Gate::Down(Some(retry_at));
            }
        }
        if exempt {
            return Gate::Open;
        }
        let free = self.orders.free_at(self.config.limits.orders, now).max(self.health.limited_until);
        if free > now { Gate::Limited(free) } else { Gate::Open }
    }

    /// Has it been down for so long that a new name should ask the next CA?
    pub(super) fn is_given_up(&self, now: Timestamp) -> bool {
        let outages = self.health.outages;
        outages >= OUTAGES_BEFORE_FAILOVER || (outages > 0 && now >= self.given_up_at())
    }

    /// From when on it counts as given up, if it stays down.
    pub(super) fn given_up_at(&self) -> Timestamp {
        self.health.down_since.after(OUTAGE_BEFORE_FAILOVER)
    }

    /// It answered as a CA does.
    pub(super) fn works(&mut self) {
        let Health { limited_until, limited_at, limited, .. } = self.health;
        self.health = Health { limited_until, limited_at, limited, ..Health::default() };
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
    /// else's certificates; that must not stop the others. A second tenant that meets it too makes it the account's.
    pub(super) fn limit(&mut self, tenant: TenantId, wait: Duration, now: Timestamp) {
        let everybody = self.health.limited.is_some_and(|other| other != tenant.0);
        self.health.limited = Some(tenant.0);
        let wait = if everybody { wait } else { wait.min(LIMIT_DOUBT) };
        self.health.limited_until = self.health.limited_until.max(now.after(wait));
        self.health.limited_at = now;
    }

    /// The clock went back.
    pub(super) fn went_back(&mut self, now: Timestamp) {
        self.health = std::mem::take(&mut self.health).as_of(now);
        self.polls_from = Timestamp::default();
        let limits = &self.config.limits;
        for bucket in self.domains.values_mut() {
            *bucket = bucket.as_of(limits.certificates_per_domain, now);
        }
        for bucket in self.sets.values_mut() {
            *bucket = bucket.as_of(limits.certificates_per_set, now);
        }
        for bucket in self.failed.values_mut() {
            *bucket = bucket.as_of(limits.failed_authorizations, now);
        }
        self.orders = self.orders.as_of(limits.orders, now);
        self.accounts = self.accounts.as_of(limits.accounts, now);
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
