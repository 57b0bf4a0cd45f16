//! [`Rules`]: the limits of Let's Encrypt (its page of 2026-08-05) as a pure model. Time is an argument, so that years pass
//! in a test in seconds. Every refusal is counted: a client that plans well has none.
//!
//! It is written without a look at the planner it judges: its buckets are its own. It keeps no keys, answers no HTTP, and
//! validates nothing: whoever drives it says how authorizations ended.
//!
//! ```text
//!   new_order ── checks (and spends: orders) ──▶ OrderId ──┬─ authorization_failed (spends: failures of that name)
//!                                                         ├─ issue   (spends: certificates per domain, per set)
//!                                                         └─ give_up
//! ```

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use vestibule_names::{HostPattern, suffix};

/// A point on the virtual clock: the time since any epoch, the same for all calls.
pub type Instant = Duration;

/// So many within so long, refilled evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Burst.
    pub count: u32,
    /// Until a spent burst is whole again.
    pub window: Duration,
}

/// What this CA allows.
#[derive(Clone, Debug)]
pub struct Limits {
    /// New orders per account.
    pub orders: Rate,
    /// Certificates per registered domain (per address, or per /64 of IPv6).
    pub certificates_per_domain: Rate,
    /// Certificates per exact set of names.
    pub certificates_per_set: Rate,
    /// Failed authorizations per name and account.
    pub failed_authorizations: Rate,
    /// New accounts per client address.
    pub accounts: Rate,
    /// Consecutive failed authorizations of a name and account, after which they are paused for good.
    pub pause_after: u32,
    /// Names in one certificate without a profile.
    pub names: usize,
    /// Names in one certificate with these profiles; others do not exist.
    pub profiles: Vec<(String, usize)>,
    /// Orders whose `replaces` holds are checked against no limit.
    pub renewals_are_exempt: bool,
}

/// One order of a client.
#[derive(Clone, Debug)]
pub struct NewOrder<'a> {
    /// Which account asks.
    pub account: &'a str,
    /// For which names.
    pub names: &'a [HostPattern],
    /// With which profile.
    pub profile: Option<&'a str>,
    /// Which certificate it replaces (RFC 9773 section 5).
    pub replaces: Option<&'a str>,
}

/// An order that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderId(pub u64);

/// Why an order or an account was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which rule.
    pub rule: Rule,
    /// One sentence, as a CA would put it.
    pub detail: String,
    /// After how long the same would be taken; `None`: never, or not known.
    pub retry_after: Option<Duration>,
}

/// What can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// [`Limits::orders`].
    Orders,
    /// [`Limits::certificates_per_domain`].
    CertificatesPerDomain,
    /// [`Limits::certificates_per_set`].
    CertificatesPerSet,
    /// [`Limits::failed_authorizations`].
    FailedAuthorizations,
    /// [`Limits::accounts`].
    Accounts,
    /// [`Limits::pause_after`].
    Paused,
    /// [`Limits::names`], [`Limits::profiles`], no name at all.
    Names,
    /// A profile that is not offered.
    Profile,
    /// `replaces` names a certificate that has a successor already: 409 `alreadyReplaced` (RFC 9773 section 5).
    AlreadyReplaced,
    /// `replaces` names nothing of this account, or a certificate that shares no name with the order.
    Replaces,
}

impl Rule {
    /// The error's URN, after `urn:ietf:params:acme:error:`.
    pub fn error(self) -> &'static str {
        match self {
            Self::Names | Self::Replaces => "malformed",
            Self::Profile => "invalidProfile",
            Self::AlreadyReplaced => "alreadyReplaced",
            _ => "rateLimited",
        }
    }
}

/// The model. One per CA.
#[derive(Clone, Debug)]
pub struct Rules {
    limits: Limits,
    orders: HashMap<String, Bucket>,
    per_domain: HashMap<String, Bucket>,
    per_set: HashMap<u64, Bucket>,
    failures: HashMap<(String, HostPattern), Failures>,
    accounts: HashMap<String, Bucket>,
    certificates: HashMap<String, Certificate>,
    open: HashMap<OrderId, Open>,
    next_order: u64,
    broken: BTreeMap<Rule, u64>,
    samples: Vec<Refusal>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// The theoretical arrival time: how far what was spent reaches.
    reach: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Failures {
    bucket: Bucket,
    in_a_row: u32,
}

#[derive(Clone, Debug)]
struct Certificate {
    account: String,
    names: Vec<HostPattern>,
    replaced: bool,
}

#[derive(Clone, Debug)]
struct Open {
    account: String,
    names: Vec<HostPattern>,
    replaces: Option<String>,
    exempt: bool,
}

/// How many refusals are kept to be shown.
const SAMPLE_LIMIT: usize = 20;

impl Limits {
    /// Let's Encrypt's.
    pub fn lets_encrypt() -> Self {
        const HOUR: Duration = Duration::from_secs(3600);
        let week = HOUR * 24 * 7;
        Self {
            orders: Rate { count: 300, window: HOUR * 3 },
            certificates_per_domain: Rate { count: 50, window: week },
            certificates_per_set: Rate { count: 5, window: week },
            failed_authorizations: Rate { count: 5, window: HOUR },
            accounts: Rate { count: 10, window: HOUR * 3 },
            pause_after: 1152,
            names: 100,
            profiles: vec![("classic".into(), 100), ("tlsserver".into(), 25), ("shortlived".into(), 25)],
            renewals_are_exempt: true,
        }
    }
}

impl Rules {
    /// A CA that nobody has asked yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            orders: HashMap::new(),
            per_domain: HashMap::new(),
            per_set: HashMap::new(),
            failures: HashMap::new(),
            accounts: HashMap::new(),
            certificates: HashMap::new(),
            open: HashMap::new(),
            next_order: 0,
            broken: BTreeMap::new(),
            samples: Vec::new(),
        }
    }

    /// What it allows.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A new account, asked for from this client address.
    pub fn new_account(&mut self, now: Instant, address: &str) -> Result<(), Refusal> {
        let rate = self.limits.accounts;
        let bucket = self.accounts.entry(address.to_owned()).or_default();
        let spent = bucket.spend(now, rate);
        spent.map_err(|wait| self.refuse(Rule::Accounts, address, Some(wait)))
    }

    /// A new order. When it is taken, the caller must say how it ended: [`Rules::issue`] or [`Rules::give_up`].
    pub fn new_order(&mut self, now: Instant, order: &NewOrder<'_>) -> Result<OrderId, Refusal> {
        self.check_shape(order)?;
        self.check_replaces(order)?;
        let exempt = order.replaces.is_some() && self.limits.renewals_are_exempt;
        if !exempt {
            self.check_names(now, order)?;
            let bucket = self.orders.entry(order.account.to_owned()).or_default();
            let spent = bucket.spend(now, self.limits.orders);
            spent.map_err(|wait| self.refuse(Rule::Orders, order.account, Some(wait)))?;
        }
        self.next_order += 1;
        let id = OrderId(self.next_order);
        let replaces = order.replaces.map(str::to_owned);
        if let Some(certificate) = order.replaces.and_then(|id| self.certificates.get_mut(id)) {
            certificate.replaced = true; // also while the order is only pending
        }
        let open = Open { account: order.account.to_owned(), names: order.names.to_vec(), replaces, exempt };
        self.open.insert(id, open);
        Ok(id)
    }

    /// An authorization of this name became invalid.
    pub fn authorization_failed(&mut self, now: Instant, account: &str, name: &HostPattern) {
        let failures = self.failures.entry((account.to_owned(), name.clone())).or_default();
        failures.bucket.spend_unchecked(now, self.limits.failed_authorizations);
        failures.in_a_row += 1;
    }

    /// An authorization of this name became valid.
    pub fn authorization_passed(&mut self, account: &str, name: &HostPattern) {
        // Most names never fail: nothing is kept, or copied to be looked up, for them.
        if !self.failures.is_empty()
            && let Some(failures) = self.failures.get_mut(&(account.to_owned(), name.clone()))
        {
            failures.in_a_row = 0;
        }
    }

    /// The order's certificate is issued; `certificate` is its identifier (RFC 9773 section 4.1). The certificate exists even
    /// when this went over a limit, as it does at the CA; that is counted too.
    pub fn issue(&mut self, now: Instant, order: OrderId, certificate: &str) {
        let Some(open) = self.open.remove(&order) else { return };
        if !open.exempt {
            for domain in domains(&open.names) {
                let bucket = self.per_domain.entry(domain.clone()).or_default();
                if let Err(wait) = bucket.spend(now, self.limits.certificates_per_domain) {
                    self.refuse(Rule::CertificatesPerDomain, &domain, Some(wait));
                }
            }
        }
        self.per_set.entry(set_key(&open.names)).or_default().spend_unchecked(now, self.limits.certificates_per_set);
        let kept = Certificate { account: open.account, names: open.names, replaced: false };
        self.certificates.insert(certificate.to_owned(), kept);
        if let Some(old) = open.replaces {
            self.certificates.remove(&old); // unknown and replaced are told apart below by its successor
            self.certificates.insert(old, Certificate { account: String::new(), names: Vec::new(), replaced: true });
        }
    }

    /// The order ended without a certificate.
    pub fn give_up(&mut self, order: OrderId) {
        if let Some(open) = self.open.remove(&order)
            && let Some(certificate) = open.replaces.and_then(|old| self.certificates.get_mut(&old))
        {
            certificate.replaced = false;
        }
    }

    /// Forgets a certificate that has run out, so that years of a test stay small.
    pub fn forget(&mut self, certificate: &str) {
        self.certificates.remove(certificate);
    }

    /// How often each rule was broken.
    pub fn violations(&self) -> &BTreeMap<Rule, u64> {
        &self.broken
    }

    /// The first refusals, to be shown when there should be none.
    pub fn samples(&self) -> &[Refusal] {
        &self.samples
    }

    fn check_shape(&mut self, order: &NewOrder<'_>) -> Result<(), Refusal> {
        let most = match order.profile {
            None => self.limits.names,
            Some(profile) => match self.limits.profiles.iter().find(|(name, _)| name == profile) {
                Some((_, most)) => *most,
                None => return Err(self.refuse(Rule::Profile, profile, None)),
            },
        };
        if order.names.is_empty() || order.names.len() > most {
            return Err(self.refuse(Rule::Names, &format!("{} names", order.names.len()), None));
        }
        Ok(())
    }

    fn check_replaces(&mut self, order: &NewOrder<'_>) -> Result<(), Refusal> {
        let Some(id) = order.replaces else { return Ok(()) };
        let rule = match self.certificates.get(id) {
            Some(old) if old.replaced => Rule::AlreadyReplaced,
            Some(old) if old.account == order.account && old.names.iter().any(|name| order.names.contains(name)) => {
                return Ok(());
            }
            _ => Rule::Replaces,
        };
        Err(self.refuse(rule, id, None))
    }

    /// The limits that are only looked at by a new order, and spent by what comes of it.
    fn check_names(&mut self, now: Instant, order: &NewOrder<'_>) -> Result<(), Refusal> {
        for name in order.names {
            let Some(failures) = self.failures.get(&(order.account.to_owned(), name.clone())) else { continue };
            if failures.in_a_row >= self.limits.pause_after {
                return Err(self.refuse(Rule::Paused, &name.to_string(), None));
            }
            if let Some(wait) = failures.bucket.wait(now, self.limits.failed_authorizations) {
                return Err(self.refuse(Rule::FailedAuthorizations, &name.to_string(), Some(wait)));
            }
        }
        for domain in domains(order.names) {
            let bucket = self.per_domain.get(&domain).copied().unwrap_or_default();
            if let Some(wait) = bucket.wait(now, self.limits.certificates_per_domain) {
                return Err(self.refuse(Rule::CertificatesPerDomain, &domain, Some(wait)));
            }
        }
        let bucket = self.per_set.get(&set_key(order.names)).copied().unwrap_or_default();
        match bucket.wait(now, self.limits.certificates_per_set) {
            Some(wait) => Err(self.refuse(Rule::CertificatesPerSet, &format!("{:?}", order.names), Some(wait))),
            None => Ok(()),
        }
    }

    fn refuse(&mut self, rule: Rule, whom: &str, retry_after: Option<Duration>) -> Refusal {
        *self.broken.entry(rule).or_default() += 1;
        let detail = match retry_after {
            Some(wait) => format!("{rule:?}: {whom} must wait {} s", wait.as_secs() + 1),
            None => format!("{rule:?}: {whom}"),
        };
        let refusal = Refusal { rule, detail, retry_after };
        if self.samples.len() < SAMPLE_LIMIT {
            self.samples.push(refusal.clone());
        }
        refusal
    }
}

impl Bucket {
    fn wait(self, now: Instant, rate: Rate) -> Option<Duration> {
        if rate.count == u32::MAX || rate.window.is_zero() {
            return None;
        }
        let earliest = (self.reach + rate.window / rate.count.max(1)).saturating_sub(rate.window);
        (earliest > now).then(|| earliest - now)
    }

    fn spend(&mut self, now: Instant, rate: Rate) -> Result<(), Duration> {
        match self.wait(now, rate) {
            Some(wait) => Err(wait),
            None => {
                self.spend_unchecked(now, rate);
                Ok(())
            }
        }
    }

    /// What is spent without a check cannot reach beyond one window.
    fn spend_unchecked(&mut self, now: Instant, rate: Rate) {
        self.reach = (self.reach.max(now) + rate.window / rate.count.max(1)).min(now + rate.window);
    }
}

fn domains(names: &[HostPattern]) -> Vec<String> {
    let mut all: Vec<String> = names.iter().map(suffix::registered_domain_of).collect();
    all.sort();
    all.dedup();
    all
}

/// A fingerprint is enough: a collision could only report a violation that is none.
fn set_key(names: &[HostPattern]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut sorted: Vec<&HostPattern> = names.iter().collect();
    sorted.sort();
    let mut hasher = DefaultHasher::new();
    sorted.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
