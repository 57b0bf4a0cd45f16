//! Names and who holds them, as the walk needs them: the rule for a tenant, what a settlement comes to, the end of a grace,
//! the operator's hand, proofs.
//!
//! Not here: the decision (`vestibule_vhost::claims`).

use std::{collections::HashSet, fmt, sync::Arc, time::SystemTime};

use vestibule_names::{HostPattern, Hostname, SiteId, TenantId};
use vestibule_vhost::{Claim, ClaimRule, HandError, Petition, Settlement, UnixTime, claims::SingleLabels};

use super::{Sites, Step, Surroundings};
use crate::ledger::Entry;

/// A name given by hand is kept for its new holder at least so long, whatever `claims.grace` says.
const TRANSFER_GRACE_MIN: std::time::Duration = std::time::Duration::from_secs(86_400);

/// The wall clock, or a test's.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> UnixTime + Send + Sync>);

impl Clock {
    pub(crate) fn of_the_wall() -> Self {
        Self(Arc::new(|| SystemTime::now().into()))
    }

    #[cfg(test)]
    pub(crate) fn of(tell: impl Fn() -> UnixTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn now(&self) -> UnixTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

impl Surroundings {
    /// A site asks for names, now.
    pub(super) fn petition<'a>(&'a self, site: &'a SiteId, tenant: TenantId) -> Petition<'a> {
        let rule = self.tenancy.rule(tenant);
        let claims = &self.tenancy.claims;
        let rule = ClaimRule {
            hosts: rule.hosts.as_deref(),
            names: rule.limits.names,
            subdomains: claims.subdomains,
            proof: claims.proof,
            grace: claims.grace,
            // On a gateway that somebody runs for themselves nobody else is to be asked.
            single_labels: match self.gateway_uid() {
                own if own == tenant.0 => SingleLabels::Own,
                _ => SingleLabels::Everybodys,
            },
        };
        Petition { site, tenant, rule, now: self.clock.now() }
    }
}

impl Step {
    /// Takes in what follows from a settlement.
    pub(super) fn settled(&mut self, settlement: Settlement) {
        self.ledger.extend(settlement.released.into_iter().map(Entry::Release));
        self.ledger.extend(settlement.recorded.into_iter().map(|(name, claim)| Entry::Claim(name, claim)));
        self.woken.extend(settlement.woken);
    }
}

impl Sites {
    /// Frees the names whose grace is over, for those who wait.
    pub(crate) fn expire(&mut self) -> Step {
        let settlement = self.claims.expire(self.surroundings.clock.now());
        for name in &settlement.released {
            tracing::info!(%name, "the grace of a name is over: it is free");
        }
        self.follow(settlement)
    }

    /// How many seconds from now the first grace ends.
    pub(crate) fn expires_in(&self) -> Option<u64> {
        Some(self.claims.next_expiry()?.0.saturating_sub(self.surroundings.clock.now().0))
    }

    /// The operator gives a name to a tenant. Says who held it.
    pub(crate) fn transfer(&mut self, name: &HostPattern, to: TenantId) -> Result<(Step, Claim), HandError> {
        let before = self.claims.holder(name).cloned().ok_or(HandError::Unheld)?;
        let now = self.surroundings.clock.now();
        let until = now.after(self.surroundings.tenancy.claims.grace.max(TRANSFER_GRACE_MIN));
        let settlement = self.claims.transfer(name, to, now, until)?;
        Ok((self.follow(settlement), before))
    }

    /// The operator frees a name. Says who held it.
    pub(crate) fn free(&mut self, name: &HostPattern) -> Result<(Step, Claim), HandError> {
        let before = self.claims.holder(name).cloned().ok_or(HandError::Unheld)?;
        let settlement = self.claims.free_by_hand(name)?;
        Ok((self.follow(settlement), before))
    }

    /// A tenant has proved that it has a domain.
    pub(crate) fn prove(&mut self, tenant: TenantId, domain: &Hostname) -> Step {
        let settlement = self.claims.prove(tenant, domain);
        self.follow(settlement)
    }

    /// The proofs that sites wait for. What was found for others is forgotten.
    pub(crate) fn unproven(&mut self) -> Vec<(TenantId, Hostname)> {
        let all: HashSet<_> = self.claims.unproven().map(|(tenant, domain)| (tenant, domain.clone())).collect();
        self.proofs_seen.retain(|proof, _| all.contains(proof));
        all.into_iter().collect()
    }

    /// Of these, the ones that are proved by now because their tenant holds the zone.
    pub(crate) fn proven_by_zone(&self) -> Vec<(TenantId, Hostname)> {
        self.claims.proven_by_zone()
    }

    /// What a look at DNS found in vain.
    pub(crate) fn note_proof(&mut self, proof: (TenantId, Hostname), found: String) {
        self.proofs_seen.insert(proof, found);
    }

    /// Settles who was woken, and then the site that lost a name by hand: that one was not waiting, so its last good version
    /// is asked again.
    fn follow(&mut self, mut settlement: Settlement) -> Step {
        let mut step = Step::default();
        let unseated = settlement.unseated.take();
        step.settled(settlement);
        self.wake(&mut step);
        let Some(id) = unseated else { return step };
        let waiting = self.records.get_mut(&id).and_then(|record| record.change(|rest| rest.waiting.take()));
        let good = || self.surroundings.ledger.as_ref().and_then(|ledger| ledger.good(&id)).map(Box::new);
        let mut loss = Step::default();
        if let Some(version) = waiting.or_else(good) {
            self.contain(&id, &mut loss, |sites, loss| sites.revive(&id, *version, loss));
        }
        self.cut_off(&id, &mut loss);
        self.wake(&mut loss);
        // In the table and at the CA the loss comes first: it must not take away what the new holder's site was just given.
        loss.table.append(&mut step.table);
        loss.wishes.append(&mut step.wishes);
        step.ledger.append(&mut loss.ledger);
        Step { table: loss.table, wishes: loss.wishes, ..step }
    }
}
