//! [`Claims`]: who holds which name. The earlier claim holds; a loser's other names still work; when a name is
//! released, the sites that wait for it are woken.
//!
//! Pure: the ledger on disk is the gateway's. Keys are [`HostPattern`]s in their canonical text, so `*.a.test` and
//! `x.a.test` are different claims.
//!
//! A free name goes to whoever settles first. So a batch settles its own sites before those that it woke (a renamed
//! file keeps its names), and the woken in the order given (who waited longest comes first).

use std::collections::{BTreeMap, HashMap, HashSet, hash_map::Entry};

use vestibule_diagnostics::{Diagnostic, catalogue};
use vestibule_names::{HostPattern, SiteId, TenantId};
use vestibule_site::site::Spanned;

/// A name held by a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The site file that holds it.
    pub site: SiteId,
    /// Its owner.
    pub tenant: TenantId,
    /// The order of claims: smaller is earlier.
    pub since: u64,
}

/// All claims, and who waits for them. What one call costs depends on the names of its site and on who waits for
/// them, not on how many sites there are.
#[derive(Debug, Default)]
pub struct Claims {
    held: HashMap<HostPattern, Claim>,
    /// The other way around: what each site holds.
    holdings: HashMap<SiteId, Box<[HostPattern]>>,
    /// Who waits for a name that another holds, by ticket: the longest wait first. No queue is empty.
    waiting: HashMap<HostPattern, BTreeMap<u64, SiteId>>,
    /// The other way around, with the site's ticket. No entry is empty.
    wishes: HashMap<SiteId, Box<[(HostPattern, u64)]>>,
    /// The order of the next claim.
    next: u64,
    /// The next ticket. Tickets are not persisted: after a start, sites wait in the order in which they are settled.
    next_ticket: u64,
}

/// What a site got, and what follows from it.
#[derive(Debug, Default)]
#[must_use]
pub struct Settlement {
    /// The names it may serve, in the order written.
    pub granted: Vec<HostPattern>,
    /// Names that it holds since now: to be persisted. A changed owner of the file is a changed claim.
    pub taken: Vec<(HostPattern, Claim)>,
    /// Names that it held and no longer lists: to be removed from the ledger.
    pub released: Vec<HostPattern>,
    /// Sites that waited for a released name, the longest wait first: to be settled and compiled again, in this order.
    pub woken: Vec<SiteId>,
    /// V0303 for each name lost, naming the holder.
    pub diagnostics: Vec<Diagnostic>,
}

/// A settlement, and the names that the site goes on waiting for.
struct Decision {
    settlement: Settlement,
    lost: Vec<HostPattern>,
}

impl Claims {
    /// Claims from the ledger.
    pub fn restore(held: impl IntoIterator<Item = (HostPattern, Claim)>) -> Self {
        let held: HashMap<_, _> = held.into_iter().collect();
        let mut by_site: HashMap<SiteId, Vec<HostPattern>> = HashMap::new();
        let mut next = 0;
        for (pattern, claim) in &held {
            by_site.entry(claim.site.clone()).or_default().push(pattern.clone());
            next = next.max(claim.since.saturating_add(1));
        }
        let holdings = by_site.into_iter().map(|(site, patterns)| (site, patterns.into())).collect();
        Self { held, holdings, next, ..Self::default() }
    }

    /// Settles what a site asks for against what is held; updates who holds and who waits.
    pub fn settle(&mut self, site: &SiteId, tenant: TenantId, wanted: &[Spanned<HostPattern>]) -> Settlement {
        let Decision { settlement, lost } = self.decide(site, tenant, wanted);
        self.free(&settlement.released);
        for (pattern, claim) in &settlement.taken {
            self.next = self.next.max(claim.since.saturating_add(1));
            self.held.insert(pattern.clone(), claim.clone());
        }
        keep(&mut self.holdings, site, settlement.granted.clone());
        self.wait_for(site, lost);
        settlement
    }

    /// What [`Claims::settle`] would say, changing nothing: for `check`.
    pub fn preview(&self, site: &SiteId, tenant: TenantId, wanted: &[Spanned<HostPattern>]) -> Settlement {
        self.decide(site, tenant, wanted).settlement
    }

    /// Releases everything that a removed site held or waited for.
    pub fn release(&mut self, site: &SiteId) -> Settlement {
        self.wait_for(site, Vec::new());
        let released = self.holdings.remove(site).unwrap_or_default().into_vec();
        self.free(&released);
        let woken = self.waiters(&released, site);
        Settlement { released, woken, ..Settlement::default() }
    }

    /// Who holds a name.
    pub fn holder(&self, pattern: &HostPattern) -> Option<&Claim> {
        self.held.get(pattern)
    }

    /// The sites that ask for names this site holds: so that the holder is told too.
    pub fn contenders(&self, site: &SiteId) -> Vec<(HostPattern, SiteId)> {
        let held = self.holdings.get(site).map_or(&[][..], |held| held);
        let queue = |pattern| self.waiting.get(pattern).into_iter().flat_map(BTreeMap::values);
        held.iter().flat_map(|pattern| queue(pattern).map(|waiter| (pattern.clone(), waiter.clone()))).collect()
    }

    /// Every claim, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&HostPattern, &Claim)> {
        let mut all: Vec<_> = self.held.iter().collect();
        all.sort_unstable_by_key(|(pattern, _)| *pattern);
        all.into_iter()
    }

    /// Sites in the ledger, in order: those that are not on disk any more are to be released after a start.
    pub fn sites(&self) -> Vec<SiteId> {
        let mut sites: Vec<_> = self.holdings.keys().cloned().collect();
        sites.sort_unstable();
        sites
    }

    fn decide(&self, site: &SiteId, tenant: TenantId, wanted: &[Spanned<HostPattern>]) -> Decision {
        let mut settlement = Settlement::default();
        let mut lost = Vec::new();
        let mut listed = HashSet::with_capacity(wanted.len());
        let mut next = self.next;
        for Spanned { value: pattern, span } in wanted {
            if !listed.insert(pattern) {
                continue;
            }
            let holder = self.held.get(pattern);
            if let Some(other) = holder.filter(|claim| claim.site != *site) {
                settlement.diagnostics.push(claimed(pattern, other).at(*span, "not served by this site"));
                lost.push(pattern.clone());
                continue;
            }
            settlement.granted.push(pattern.clone());
            if holder.is_none_or(|own| own.tenant != tenant) {
                let since = holder.filter(|own| inherits(own.tenant, tenant)).map_or(next, |own| own.since);
                next = next.max(since.saturating_add(1));
                settlement.taken.push((pattern.clone(), Claim { site: site.clone(), tenant, since }));
            }
        }
        let held = self.holdings.get(site).into_iter().flatten();
        settlement.released = held.filter(|pattern| !listed.contains(pattern)).cloned().collect();
        settlement.woken = self.waiters(&settlement.released, site);
        Decision { settlement, lost }
    }

    fn free(&mut self, released: &[HostPattern]) {
        for pattern in released {
            self.held.remove(pattern);
        }
    }

    /// Everyone but `site` who waits for these names: each once.
    fn waiters(&self, released: &[HostPattern], site: &SiteId) -> Vec<SiteId> {
        let mut seen = HashSet::new();
        let all = released.iter().filter_map(|pattern| self.waiting.get(pattern)).flat_map(BTreeMap::values);
        all.filter(|waiter| *waiter != site && seen.insert(*waiter)).cloned().collect()
    }

    /// Makes these the names that a site waits for. Where it waits already it keeps its place.
    fn wait_for(&mut self, site: &SiteId, names: Vec<HostPattern>) {
        let mut tickets: HashMap<_, _> = self.wishes.remove(site).unwrap_or_default().into_iter().collect();
        let mut wishes = Vec::with_capacity(names.len());
        for pattern in names {
            let ticket = tickets.remove(&pattern).unwrap_or_else(|| {
                let ticket = self.next_ticket;
                self.next_ticket += 1;
                self.waiting.entry(pattern.clone()).or_default().insert(ticket, site.clone());
                ticket
            });
            wishes.push((pattern, ticket));
        }
        for (pattern, ticket) in tickets {
            if let Entry::Occupied(mut queue) = self.waiting.entry(pattern) {
                queue.get_mut().remove(&ticket);
                if queue.get().is_empty() {
                    queue.remove();
                }
            }
        }
        keep(&mut self.wishes, site, wishes);
    }
}

/// Files names under a site; a site without any has no entry.
fn keep<N>(index: &mut HashMap<SiteId, Box<[N]>>, site: &SiteId, names: Vec<N>) {
    if names.is_empty() {
        index.remove(site);
    } else {
        index.insert(site.clone(), names.into());
    }
}

/// Does a claim keep its age when the owner of the file changes? The operator's hand on a file (an edit as root, a
/// change of owner) does not make it younger; another tenant's file in the same place is a claim of its own.
fn inherits(before: TenantId, now: TenantId) -> bool {
    before == now || before == TenantId::OPERATOR || now == TenantId::OPERATOR
}

fn claimed(pattern: &HostPattern, holder: &Claim) -> Diagnostic {
    Diagnostic::new(catalogue::HOST_CLAIMED, format!("{pattern} is already held by the site {}", holder.site))
        .note(format!("the earlier claim holds; it is of {}. The other names of this file work", holder.tenant))
        .help("take the name out of this file, or out of the other: it is taken over at once when the other lets go")
}

#[cfg(test)]
mod tests;
