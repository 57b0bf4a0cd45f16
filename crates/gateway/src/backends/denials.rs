//! [`Denials`]: connections to backends that were not made, or made though they should not have been, by tenant. Written
//! only when something is denied; bounded however many places are named and however often they are asked for.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use vestibule_names::{TenantId, UpstreamAddr};
use vestibule_proxy::border::{Finding, Outcome};

use crate::admin::model::DeniedBackend;

/// Backends that are remembered of one tenant.
const BACKEND_LIMIT: usize = 32;
/// Tenants that are remembered.
const TENANT_LIMIT: usize = 10_000;
/// The log is told of one tenant's backends that were let through once in so long.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    by_tenant: Mutex<BTreeMap<TenantId, OfTenant>>,
}

/// Of one tenant: how often, and what was last.
#[derive(Debug, Default, Clone)]
struct OfTenant {
    counts: Counts,
    last: BTreeMap<UpstreamAddr, Last>,
    /// When the log was last told.
    logged: Option<Instant>,
}

/// How often.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Somebody else's socket.
    pub(crate) not_yours: u64,
    /// A place out of bounds.
    pub(crate) not_allowed: u64,
    /// Somebody else's socket, used all the same.
    pub(crate) let_through: u64,
}

#[derive(Debug, Clone)]
struct Last {
    why: String,
    at: Instant,
}

impl Denials {
    fn by_tenant(&self) -> MutexGuard<'_, BTreeMap<TenantId, OfTenant>> {
        // What is kept are counts and texts: usable after a panic.
        self.by_tenant.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one in. What was refused is told with the request (`refusals.rs`), what was let through here, now and then.
    pub(crate) fn take(&self, finding: &Finding<'_>) {
        let why = finding.denial.to_string();
        let now = Instant::now();
        let is_due = {
            let mut tenants = self.by_tenant();
            if tenants.len() >= TENANT_LIMIT && !tenants.contains_key(&finding.tenant) {
                tenants.pop_first();
            }
            tenants.entry(finding.tenant).or_default().take(finding, why.clone(), now)
        };
        if is_due {
            let (tenant, upstream) = (finding.tenant, finding.upstream);
            tracing::warn!(%tenant, %upstream, why, "a tenant's backend is not its own");
        }
    }

    /// How often, by tenant.
    pub(crate) fn counts(&self) -> Vec<(TenantId, Counts)> {
        self.by_tenant().iter().map(|(tenant, of)| (*tenant, of.counts)).collect()
    }

    /// The last denial of each backend of a tenant, the youngest first.
    pub(crate) fn kept(&self, tenant: TenantId) -> Vec<DeniedBackend> {
        let tenants = self.by_tenant();
        let last = tenants.get(&tenant).into_iter().flat_map(|of| &of.last);
        let mut kept: Vec<_> = last
            .map(|(upstream, last)| DeniedBackend {
                upstream: upstream.to_string(),
                why: last.why.clone(),
                seconds_ago: last.at.elapsed().as_secs(),
            })
            .collect();
        kept.sort_by_key(|kept| kept.seconds_ago);
        kept
    }
}

impl OfTenant {
    /// Is the log to be told?
    fn take(&mut self, finding: &Finding<'_>, why: String, now: Instant) -> bool {
        let count = match finding.outcome {
            Outcome::LetThrough => &mut self.counts.let_through,
            Outcome::Refused if finding.denial.is_of_ownership() => &mut self.counts.not_yours,
            Outcome::Refused => &mut self.counts.not_allowed,
        };
        *count += 1;
        if !self.last.contains_key(finding.upstream)
            && self.last.len() >= BACKEND_LIMIT
            && let Some(oldest) = self.last.iter().min_by_key(|(_, last)| last.at).map(|(upstream, _)| upstream.clone())
        {
            self.last.remove(&oldest);
        }
        self.last.insert(finding.upstream.clone(), Last { why, at: now });
        let is_due = finding.outcome == Outcome::LetThrough
            && self.logged.is_none_or(|logged| now.duration_since(logged) >= LOG_INTERVAL);
        if is_due {
            self.logged = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use vestibule_proxy::border::Denial;

    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_told_to_its_tenant_only() {
        let denials = Denials::default();
        for port in 1..1000 {
            let upstream = UpstreamAddr::parse(&port.to_string()).expect("an upstream");
            let denial = Denial::Port { port, uid: 1002 };
            for outcome in [Outcome::Refused, Outcome::LetThrough] {
                denials.take(&Finding { tenant: TenantId(1001), upstream: &upstream, denial: &denial, outcome });
            }
        }
        let kept = denials.kept(TenantId(1001));
        assert_eq!(kept.len(), BACKEND_LIMIT);
        assert!(kept.iter().any(|kept| kept.why == "port 999 is held by uid 1002, not by you"));
        assert_eq!(denials.kept(TenantId(1002)), []);
        let counts = Counts { not_yours: 999, not_allowed: 0, let_through: 999 };
        assert_eq!(denials.counts(), [(TenantId(1001), counts)]);
    }
}
