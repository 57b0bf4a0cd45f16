//! [`Claims`]: who holds which name. A name is held by the tenant who first validly claimed it, and served by one of its
//! sites. When that site lets go, the name stays the tenant's for a grace period: any of its files takes it back at once,
//! and others wait. A loser's other names still work, and who waits is woken.
//!
//! Pure: the ledger on disk is the gateway's, and time is an argument. Keys are [`HostPattern`]s in their canonical text,
//! so `*.a.test` and `x.a.test` are different claims.
//!
//! A free name goes to whoever settles first. So a batch settles its own sites before those that it woke, and the woken in
//! the order given (who waited longest comes first).
//!
//! | module | |
//! |---|---|
//! | [`rule`] | what the operator says of one tenant's names |
//! | `decide` | which names a site gets, and why not the others |
//! | `held` | every claim, found in several ways |
//! | `waiting` | who waits for what |
//! | `told` | what the owner of a file reads |
//! | [`time`] | wall-clock seconds |

mod decide;
mod held;
pub mod rule;
pub mod time;
mod told;
mod waiting;

use std::collections::HashSet;

use vestibule_diagnostics::Diagnostic;
use vestibule_names::{HostPattern, Hostname, SiteId, TenantId};
use vestibule_site::site::Spanned;

use self::{
    held::Held,
    waiting::{Obstacle, Waiting},
};
pub use self::{
    rule::{ClaimRule, SingleLabels},
    time::UnixTime,
    told::{concerns_one_name, proof_text, told_holder},
};

/// A name held by a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The site file that serves it, or did last.
    pub site: SiteId,
    /// Who holds it.
    pub tenant: TenantId,
    /// The order of claims: smaller is earlier.
    pub since: u64,
    /// When it was claimed.
    pub at: UnixTime,
    /// `None` while its site serves it; else the end of its grace.
    pub until: Option<UnixTime>,
}

/// Who asks for names, by which rule, and when.
#[derive(Clone, Copy, Debug)]
pub struct Petition<'a> {
    /// The site file.
    pub site: &'a SiteId,
    /// Its owner.
    pub tenant: TenantId,
    /// The operator's rule for that tenant.
    pub rule: ClaimRule<'a>,
    /// Now.
    pub now: UnixTime,
}

/// All claims, and who waits for them. What one call costs depends on the names of its site and on who waits for them, not
/// on how many names there are.
#[derive(Debug, Default)]
pub struct Claims {
    held: Held,
    waiting: Waiting,
    /// Proofs that were found and not used yet.
    proven: HashSet<(TenantId, Hostname)>,
    /// The order of the next claim.
    next: u64,
}

/// What a site got, and what follows from it.
#[derive(Debug, Default)]
#[must_use]
pub struct Settlement {
    /// The names it may serve, in the order written.
    pub granted: Vec<HostPattern>,
    /// Claims that are new or changed, those that begin their grace included: to be persisted.
    pub recorded: Vec<(HostPattern, Claim)>,
    /// Names that nobody holds any more: to be removed from the ledger.
    pub released: Vec<HostPattern>,
    /// Sites that waited for what is free now, the longest wait first: to be settled and compiled again, in this order.
    pub woken: Vec<SiteId>,
    /// The site from which the operator's hand took a name: to be settled again after the woken.
    pub unseated: Option<SiteId>,
    /// One for each name refused, saying what may be known of the reason.
    pub diagnostics: Vec<Diagnostic>,
}

/// A name that a site waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The site that asks for it.
    pub site: SiteId,
    /// Its owner.
    pub tenant: TenantId,
    /// The name.
    pub name: HostPattern,
    /// What it waits for.
    pub reason: WaitReason,
}

/// What a site waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// The name is held.
    Held,
    /// It belongs to this name, or covers it, and another tenant holds that.
    Reserved(HostPattern),
    /// Its tenant holds as many names as it may.
    Room,
    /// The proof of this domain.
    Proof(Hostname),
}

/// Why the operator's hand changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandError {
    /// Nobody holds the name.
    #[error("nobody holds this name")]
    Unheld,
    /// It is that tenant's already.
    #[error("this tenant holds the name already")]
    Already,
}

impl Claims {
    /// Claims from the ledger.
    pub fn restore(held: impl IntoIterator<Item = (HostPattern, Claim)>) -> Self {
        let mut next = 0;
        let held = Held::restore(held.into_iter().inspect(|(_, claim)| next = after(next, claim)));
        Self { held, next, ..Self::default() }
    }

    /// Settles what a site asks for against what is held; updates who holds and who waits.
    pub fn settle(&mut self, petition: &Petition<'_>, wanted: &[Spanned<HostPattern>]) -> Settlement {
        let decision = self.decide(petition, wanted);
        let mut settlement = settlement(petition, &decision);
        let awaited = self.waiting.room_of(petition.site);
        self.waiting.replace(petition.site, petition.tenant, decision.wishes(petition.tenant));
        decision.granted.iter().for_each(|name| self.held.share_site(name, petition.site));
        for (pattern, claim) in &decision.taken {
            self.enter(pattern, claim);
            if let Some(domain) = pattern.base() {
                self.proven.remove(&(petition.tenant, domain.clone()));
            }
        }
        self.drop_names(petition, decision.dropped, &mut settlement);
        settlement.recorded.extend(decision.taken);
        self.pass_room_on(petition, awaited, &mut settlement);
        settlement
    }

    /// What [`Claims::settle`] would grant and say, changing nothing: for `check`, and before a certificate is prepared.
    pub fn preview(&self, petition: &Petition<'_>, wanted: &[Spanned<HostPattern>]) -> Settlement {
        settlement(petition, &self.decide(petition, wanted))
    }

    /// A removed site gives up everything that it served or waited for.
    pub fn release(&mut self, petition: &Petition<'_>) -> Settlement {
        let awaited = self.waiting.room_of(petition.site);
        self.waiting.replace(petition.site, petition.tenant, Vec::new());
        let names: Vec<_> = self.held.of_site(petition.site).cloned().collect();
        let mut settlement = Settlement::default();
        self.drop_names(petition, names, &mut settlement);
        self.pass_room_on(petition, awaited, &mut settlement);
        settlement
    }

    /// A site that was woken cannot be settled: its certificate files fail it. It waits for room no more, so that the next one
    /// gets it, and asks anew when it is settled again.
    pub fn forgo_room(&mut self, site: &SiteId) -> Settlement {
        let mut settlement = Settlement::default();
        if let Some(tenant) = self.waiting.forgo_room(site) {
            self.wake_room(tenant, &mut settlement);
        }
        settlement
    }

    /// Frees the names whose grace is over.
    pub fn expire(&mut self, now: UnixTime) -> Settlement {
        let mut settlement = Settlement::default();
        while let Some((_, name)) = self.held.first_end().filter(|(until, _)| *until <= now).cloned() {
            self.free(name, &mut settlement);
        }
        settlement
    }

    /// When the first grace ends.
    pub fn next_expiry(&self) -> Option<UnixTime> {
        self.held.first_end().map(|(until, _)| *until)
    }

    /// The operator gives a name to another tenant, who has a grace to serve it from a file.
    ///
    /// # Errors
    /// When nobody holds the name, or that tenant does.
    pub fn transfer(
        &mut self,
        name: &HostPattern,
        to: TenantId,
        now: UnixTime,
        until: UnixTime,
    ) -> Result<Settlement, HandError> {
        let before = self.held.of(name).cloned().ok_or(HandError::Unheld)?;
        if before.tenant == to {
            return Err(HandError::Already);
        }
        let claim = Claim { tenant: to, at: now, until: Some(until), ..before.clone() };
        self.enter(name, &claim);
        let mut settlement = Settlement { recorded: vec![(name.clone(), claim)], ..Settlement::default() };
        self.wake(&Obstacle::Claim(name.clone()), |waiter| waiter == to, &mut settlement);
        self.wake_room(before.tenant, &mut settlement);
        settlement.unseated = before.until.is_none().then_some(before.site);
        Ok(settlement)
    }

    /// The operator frees a name. Who waits for it comes first; after them, the site that served it.
    ///
    /// # Errors
    /// When nobody holds the name.
    pub fn free_by_hand(&mut self, name: &HostPattern) -> Result<Settlement, HandError> {
        let before = self.held.of(name).cloned().ok_or(HandError::Unheld)?;
        let mut settlement = Settlement::default();
        self.free(name.clone(), &mut settlement);
        settlement.unseated = before.until.is_none().then_some(before.site);
        Ok(settlement)
    }

    /// A tenant has proved that it has a domain: whoever waits for that is woken.
    pub fn prove(&mut self, tenant: TenantId, domain: &Hostname) -> Settlement {
        let mut settlement = Settlement::default();
        self.wake(&Obstacle::Proof(tenant, domain.clone()), |_| true, &mut settlement);
        if !settlement.woken.is_empty() {
            self.proven.insert((tenant, domain.clone()));
        }
        settlement
    }

    /// The proofs that are waited for, in no order.
    pub fn unproven(&self) -> impl Iterator<Item = (TenantId, &Hostname)> {
        self.waiting.proofs()
    }

    /// Of these, the ones that need no look at DNS any more: the tenant holds the zone now.
    pub fn proven_by_zone(&self) -> Vec<(TenantId, Hostname)> {
        let is_own = |tenant: TenantId, domain: &Hostname| {
            let zone = self.above(&HostPattern::Exact(domain.clone()));
            let same = self.held.of(&HostPattern::Exact(domain.clone())).map(|claim| claim.tenant == tenant);
            same.unwrap_or_else(|| zone.is_some_and(|(_, claim)| claim.tenant == tenant))
        };
        self.unproven().filter(|(tenant, domain)| is_own(*tenant, domain)).map(|(t, d)| (t, d.clone())).collect()
    }

    /// Who holds a name, its grace included.
    pub fn holder(&self, pattern: &HostPattern) -> Option<&Claim> {
        self.held.of(pattern)
    }

    /// The sites that ask for names this site serves: so that the holder is told too.
    pub fn contenders<'a>(
        &'a self,
        site: &SiteId,
    ) -> impl Iterator<Item = (&'a HostPattern, TenantId, &'a SiteId)> + use<'a> {
        self.held.of_site(site).flat_map(|pattern| {
            let queue = self.waiting.at(&Obstacle::Claim(pattern.clone()));
            queue.filter(|waiter| waiter.name == *pattern).map(move |waiter| (pattern, waiter.tenant, &waiter.site))
        })
    }

    /// Every claim, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&HostPattern, &Claim)> {
        let mut all: Vec<_> = self.held.all().collect();
        all.sort_unstable_by_key(|(pattern, _)| *pattern);
        all.into_iter()
    }

    /// Every wait, in order of name and site.
    pub fn waits(&self) -> Vec<Wait> {
        let wait = |(obstacle, waiter): (&Obstacle, &waiting::Waiter)| Wait {
            site: waiter.site.clone(),
            tenant: waiter.tenant,
            name: waiter.name.clone(),
            reason: match obstacle {
                Obstacle::Claim(name) if *name == waiter.name => WaitReason::Held,
                Obstacle::Claim(name) => WaitReason::Reserved(name.clone()),
                Obstacle::Room(_) => WaitReason::Room,
                Obstacle::Proof(_, domain) => WaitReason::Proof(domain.clone()),
            },
        };
        let mut all: Vec<_> = self.waiting.all().map(wait).collect();
        all.sort_unstable_by(|a, b| (&a.name, &a.site).cmp(&(&b.name, &b.site)));
        all
    }

    /// Sites that serve a name, in no order, each with a tenant of one of its names: those that are not on disk any more are
    /// to be released after a start.
    pub fn sites(&self) -> impl Iterator<Item = (&SiteId, TenantId)> {
        self.held.sites()
    }

    fn enter(&mut self, pattern: &HostPattern, claim: &Claim) {
        self.next = after(self.next, claim);
        self.held.enter(pattern.clone(), claim.clone());
    }

    /// Names that a site does not serve any more begin their grace, or are free when there is none.
    fn drop_names(&mut self, petition: &Petition<'_>, names: Vec<HostPattern>, settlement: &mut Settlement) {
        for name in names {
            let Some(claim) = self.held.of(&name) else { continue };
            if petition.rule.grace.is_zero() {
                self.free(name, settlement);
                continue;
            }
            let claim = Claim { until: Some(petition.now.after(petition.rule.grace)), ..claim.clone() };
            self.held.enter(name.clone(), claim.clone());
            // Its tenant's other files may have it at once.
            self.wake(&Obstacle::Claim(name.clone()), |waiter| waiter == claim.tenant, settlement);
            settlement.recorded.push((name, claim));
        }
    }

    fn free(&mut self, name: HostPattern, settlement: &mut Settlement) {
        let Some(claim) = self.held.remove(&name) else { return };
        self.wake(&Obstacle::Claim(name.clone()), |_| true, settlement);
        self.wake_room(claim.tenant, settlement);
        settlement.released.push(name);
    }

    /// A site that does not wait for room any more was perhaps woken for more room than it took, or for some that it has no
    /// use for now: then the next one is woken. Each such step ends a wait for room, so this comes to an end.
    fn pass_room_on(&self, petition: &Petition<'_>, awaited: Option<TenantId>, settlement: &mut Settlement) {
        let Some(tenant) = awaited.filter(|tenant| self.waiting.room_of(petition.site) != Some(*tenant)) else {
            return;
        };
        // The limit of another tenant than the one who asks is not known here: who is woken in vain keeps its place.
        let has_room = petition.tenant != tenant || self.held.count(tenant) < petition.rule.names;
        if has_room {
            self.wake_room(tenant, settlement);
        }
    }

    /// One name less: the site that waits longest for room. Who takes less than there is passes the rest on.
    fn wake_room(&self, tenant: TenantId, settlement: &mut Settlement) {
        let mut waiters = self.waiting.at(&Obstacle::Room(tenant)).map(|waiter| &waiter.site);
        settlement.woken.extend(waiters.find(|site| !settlement.woken.contains(site)).cloned());
    }

    /// Each site once, the longest wait first.
    fn wake(&self, obstacle: &Obstacle, of: impl Fn(TenantId) -> bool, settlement: &mut Settlement) {
        let mut known: HashSet<_> = settlement.woken.iter().cloned().collect();
        let waiters = self.waiting.at(obstacle).filter(|waiter| of(waiter.tenant)).map(|waiter| &waiter.site);
        settlement.woken.extend(waiters.filter(|site| known.insert((*site).clone())).cloned());
    }
}

/// The order of the next claim after this one too.
fn after(next: u64, claim: &Claim) -> u64 {
    next.max(claim.since.saturating_add(1))
}

fn settlement(petition: &Petition<'_>, decision: &decide::Decision) -> Settlement {
    let told = |(name, refusal): &(Spanned<HostPattern>, decide::Refusal)| {
        told::told(&name.value, name.span, refusal, petition.site, petition.tenant)
    };
    Settlement {
        granted: decision.granted.clone(),
        diagnostics: decision.refused.iter().map(told).collect(),
        ..Settlement::default()
    }
}

#[cfg(test)]
mod tests;
