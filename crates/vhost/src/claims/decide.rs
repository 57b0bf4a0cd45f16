//! The decision: which of the names that a site asks for may it serve, by the claims as they are and the operator's rule?
//! Changes nothing.
//!
//! | asked | answer |
//! |---|---|
//! | not on the tenant's list | refused, also when it was held: the operator has the last word |
//! | held by the tenant | to the site that serves it; in its grace to any site of the tenant |
//! | held by another | refused; but the operator's file in the place of a tenant's serves its names, and a file that the operator hands to a tenant takes its names along |
//! | free | taken, unless one of the [`Refusal`]s stands against it |

use std::collections::HashSet;

use vestibule_names::{HostPattern, Hostname, TenantId, suffix::is_public_suffix};
use vestibule_site::{
    site::Spanned,
    tenancy::{Proof, Subdomains},
};

use super::{
    Claim, Claims, Petition, SingleLabels,
    waiting::{Obstacle, Wish},
};

/// Why a name is not to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The operator does not list it.
    NotAllowed,
    /// It is this claim's.
    Held(Claim),
    /// It is below this name, of that claim.
    Reserved(HostPattern, Claim),
    /// A wildcard over names of others, such as this one.
    Covers(HostPattern, Claim),
    /// Nobody's and everybody's.
    Suffix,
    /// The tenant holds as many names as it may.
    Room(u32),
    /// The tenant has not proved that it has this domain.
    Unproven(Hostname),
}

impl Refusal {
    /// What must go away; `None`: nothing but a change of the file or of the settings helps.
    pub(super) fn obstacle(&self, name: &HostPattern, tenant: TenantId) -> Option<Obstacle> {
        match self {
            Self::NotAllowed | Self::Suffix => None,
            Self::Held(_) => Some(Obstacle::Claim(name.clone())),
            Self::Reserved(by, _) | Self::Covers(by, _) => Some(Obstacle::Claim(by.clone())),
            Self::Room(_) => Some(Obstacle::Room(tenant)),
            Self::Unproven(domain) => Some(Obstacle::Proof(tenant, domain.clone())),
        }
    }
}

/// What a site gets.
#[derive(Debug, Default)]
pub(super) struct Decision {
    /// In the order written, those taken included.
    pub(super) granted: Vec<HostPattern>,
    /// Claims that are new, or other than before.
    pub(super) taken: Vec<(HostPattern, Claim)>,
    /// Names that the site served and does not any more.
    pub(super) dropped: Vec<HostPattern>,
    /// Names that it cannot have, in the order written.
    pub(super) refused: Vec<(Spanned<HostPattern>, Refusal)>,
}

impl Decision {
    /// The names that the site goes on waiting for.
    pub(super) fn wishes(&self, tenant: TenantId) -> Vec<Wish> {
        let wish = |(name, refusal): &(Spanned<HostPattern>, Refusal)| {
            Some((refusal.obstacle(&name.value, tenant)?, name.value.clone()))
        };
        self.refused.iter().filter_map(wish).collect()
    }
}

/// What one name comes to.
enum Answer {
    /// Served by this site already.
    Kept,
    /// Served from now on.
    Take(Claim),
    Refused(Refusal),
}

impl Claims {
    pub(super) fn decide(&self, petition: &Petition<'_>, wanted: &[Spanned<HostPattern>]) -> Decision {
        let listed: HashSet<&HostPattern> = wanted.iter().map(|name| &name.value).collect();
        let room = self.room(petition, &listed);
        let mut desk = Desk { claims: self, petition, next: self.next, room, zones: HashSet::new() };
        let mut seen = HashSet::with_capacity(wanted.len());
        let mut asked: Vec<_> = wanted.iter().enumerate().filter(|(_, name)| seen.insert(&name.value)).collect();
        // A zone before what is below it, so that the proof of the one is that of the other.
        asked.sort_by_key(|(_, name)| labels(&name.value));
        let mut answers: Vec<_> = asked.into_iter().map(|(at, name)| (at, name, desk.answer(&name.value))).collect();
        answers.sort_by_key(|(at, ..)| *at);
        let mut decision = Decision::default();
        for (_, name, answer) in answers {
            match answer {
                Answer::Kept => decision.granted.push(self.held.shared(&name.value)),
                Answer::Take(claim) => {
                    decision.granted.push(name.value.clone());
                    decision.taken.push((name.value.clone(), claim));
                }
                Answer::Refused(refusal) => decision.refused.push((name.clone(), refusal)),
            }
        }
        let granted: HashSet<_> = decision.granted.iter().collect();
        decision.dropped = self.held.of_site(petition.site).filter(|name| !granted.contains(name)).cloned().collect();
        decision
    }

    /// How many more names the tenant may hold. Without a grace, those that this very change gives up make room.
    fn room(&self, petition: &Petition<'_>, listed: &HashSet<&HostPattern>) -> u32 {
        let own = |name: &&HostPattern| self.held.of(name).is_some_and(|claim| claim.tenant == petition.tenant);
        let given_up = match petition.rule.grace.is_zero() {
            true => self.held.of_site(petition.site).filter(|name| !listed.contains(name)).filter(own).count(),
            false => 0,
        };
        let left = self.held.count(petition.tenant).saturating_sub(u32::try_from(given_up).unwrap_or(u32::MAX));
        petition.rule.names.saturating_sub(left)
    }
}

/// Answers for one name after the other.
struct Desk<'a> {
    claims: &'a Claims,
    petition: &'a Petition<'a>,
    /// The order of the next claim.
    next: u64,
    /// Names that may still be taken.
    room: u32,
    /// Names of this site that it gets.
    zones: HashSet<Hostname>,
}

impl Desk<'_> {
    fn answer(&mut self, pattern: &HostPattern) -> Answer {
        let answer = self.judge(pattern);
        if let (Answer::Kept | Answer::Take(_), Some(base)) = (&answer, pattern.base().filter(|base| !is_single(base)))
        {
            self.zones.insert(base.clone());
        }
        answer
    }

    fn judge(&mut self, pattern: &HostPattern) -> Answer {
        let Petition { site, tenant, ref rule, .. } = *self.petition;
        if !rule.allows(pattern) {
            return Answer::Refused(Refusal::NotAllowed);
        }
        let Some(claim) = self.claims.held.of(pattern) else {
            return match self.against(pattern) {
                Some(refusal) => Answer::Refused(refusal),
                None => Answer::Take(self.fresh()),
            };
        };
        let here = claim.site == *site && claim.until.is_none();
        let moved = Claim { site: site.clone(), tenant, until: None, ..claim.clone() };
        match claim.tenant == tenant {
            true if here => Answer::Kept,
            true if claim.until.is_some() => Answer::Take(moved),
            // The operator's hand on a tenant's file: the name stays the tenant's.
            false if here && tenant == TenantId::OPERATOR => Answer::Kept,
            // The operator's file becomes a tenant's: only root can do that (see the rules of ownership in `watch`).
            false if here && claim.tenant == TenantId::OPERATOR => Answer::Take(moved),
            _ => Answer::Refused(Refusal::Held(claim.clone())),
        }
    }

    fn fresh(&mut self) -> Claim {
        let Petition { site, tenant, now, .. } = *self.petition;
        let claim = Claim { site: site.clone(), tenant, since: self.next, at: now, until: None };
        self.next = self.next.saturating_add(1);
        self.room = self.room.saturating_sub(1);
        claim
    }

    /// What stands against the claim of a name that nobody holds.
    fn against(&self, pattern: &HostPattern) -> Option<Refusal> {
        let Petition { tenant, ref rule, .. } = *self.petition;
        let is_operator = tenant == TenantId::OPERATOR;
        let listed = rule.lists(pattern);
        if !is_operator && !listed && (pattern.base().is_some_and(is_public_suffix) || self.takes_a_top_level(pattern))
        {
            return Some(Refusal::Suffix);
        }
        let above = self.claims.above(pattern);
        if !is_operator && rule.subdomains == Subdomains::Reserved {
            if let Some((zone, claim)) = above.as_ref().filter(|(_, claim)| claim.tenant != tenant)
                && !zone.base().is_some_and(|base| rule.delegates(pattern, base))
            {
                return Some(Refusal::Reserved(zone.clone(), (*claim).clone()));
            }
            if let HostPattern::Wildcard(zone) = pattern
                && !listed
                && let Some(below) = self.claims.held.below(zone, tenant)
                && let Some(claim) = self.claims.held.of(below)
            {
                return Some(Refusal::Covers(below.clone(), claim.clone()));
            }
        }
        if self.room == 0 {
            return Some(Refusal::Room(rule.names));
        }
        let domain = pattern.base().filter(|_| rule.proof == Proof::DnsTxt)?;
        let is_own_zone = above.is_some_and(|(_, claim)| claim.tenant == tenant) || self.is_in_own_zone(domain);
        let vouched = is_operator || listed || is_own_zone || pattern.is_private();
        let proven = vouched || self.claims.proven.contains(&(tenant, domain.clone()));
        (!proven).then(|| Refusal::Unproven(domain.clone()))
    }

    /// A wildcard of a name of one label, where others may claim names below that?
    fn takes_a_top_level(&self, pattern: &HostPattern) -> bool {
        let is_shared = self.petition.rule.single_labels == SingleLabels::Everybodys;
        is_shared && matches!(pattern, HostPattern::Wildcard(zone) if is_single(zone))
    }

    /// Below a name that this very site gets?
    fn is_in_own_zone(&self, domain: &Hostname) -> bool {
        std::iter::successors(Some(domain.clone()), Hostname::parent).any(|zone| self.zones.contains(&zone))
    }
}

/// `localhost`, `lan`, `test`: who has it has no more than that.
pub(super) fn is_single(name: &Hostname) -> bool {
    !name.as_str().contains('.')
}

fn labels(pattern: &HostPattern) -> usize {
    pattern.base().map_or(0, |base| base.as_str().split('.').count())
        + usize::from(matches!(pattern, HostPattern::Wildcard(_)))
}

impl Claims {
    /// The nearest claim to whose zone a name belongs: on each level the wildcard, which stands for what is below only, before
    /// the name itself. A name of one label is a zone in the operator's hand alone: in a tenant's it would be everybody's
    /// names. Costs the labels of the name.
    pub(super) fn above(&self, pattern: &HostPattern) -> Option<(HostPattern, &Claim)> {
        let found = |zone: HostPattern| {
            let claim = self.held.of(&zone)?;
            let is_zone = claim.tenant == TenantId::OPERATOR || zone.base().is_some_and(|base| !is_single(base));
            is_zone.then_some((zone, claim))
        };
        let mut level = match pattern {
            HostPattern::Exact(name) => name.parent(),
            HostPattern::Wildcard(zone) => match found(HostPattern::Exact(zone.clone())) {
                Some(found) => return Some(found),
                None => zone.parent(),
            },
            HostPattern::Address(_) => None,
        };
        while let Some(name) = level {
            let both = [HostPattern::Wildcard(name.clone()), HostPattern::Exact(name.clone())];
            if let Some(found) = both.into_iter().find_map(found) {
                return Some(found);
            }
            level = name.parent();
        }
        None
    }
}
