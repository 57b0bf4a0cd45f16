//! Who wants which names, and `settle`: where a name stands after whatever has happened.

use std::{collections::BTreeSet, hash::Hash as _, sync::Arc, time::Duration};

use vestibule_certs::Spelt;
use vestibule_names::{HostPattern, SiteId, TenantId};

use super::{
    Planner, Site, Timer,
    calendar::Phase,
    journal::Key,
    lanes::Lane,
    name::{Name, Parked, Waits},
    slab::NameIx,
    terms::{self, Beside},
};
use crate::{Timestamp, config::SiteOptions};

/// A name whose certificate has run out goes before new ones for as long.
const LAPSED_IS_URGENT: Duration = Duration::from_secs(30 * 24 * 3600);

impl Planner {
    /// The names that a site wants certificates for (public ones only, all held by `tenant`). Replaces what the site wanted
    /// before. Never cancels an order.
    pub fn want(
        &mut self,
        site: &SiteId,
        tenant: TenantId,
        names: &[HostPattern],
        options: &SiteOptions,
        now: Timestamp,
    ) {
        self.tick(now);
        let before = self.sites.remove(site);
        let options = if *options == *self.plain { Arc::clone(&self.plain) } else { Arc::new(options.clone()) };
        let mut wanted = BTreeSet::new();
        for pattern in names {
            wanted.insert(self.name_for(tenant, pattern, now));
        }
        let is_wildcard = |ix: &NameIx| matches!(self.names[*ix].pattern, HostPattern::Wildcard(_));
        let wildcards = wanted.iter().copied().filter(is_wildcard).collect();
        self.sites.insert(site.clone(), Site { names: wanted.iter().copied().collect(), wildcards });
        for &ix in &wanted {
            let sites = &mut self.names[ix].sites;
            let old = sites.first().map(|(_, options)| options.clone());
            sites.retain(|(other, _)| other != site);
            sites.push((site.clone(), options.clone()));
            sites.sort_by(|a, b| a.0.cmp(&b.0));
            let changed = old.is_some() && old.as_ref() != sites.first().map(|(_, options)| options);
            self.wanted_anew(ix, changed);
        }
        let gone = before.map(|before| before.names).unwrap_or_default();
        for ix in gone.iter().filter(|ix| !wanted.contains(ix)) {
            self.leave(*ix, site, now);
        }
        for ix in wanted {
            self.cover(ix, now);
            self.settle(ix, now);
        }
    }

    /// The site is gone. What is in flight goes on; what is issued is no longer renewed.
    pub fn unwant(&mut self, site: &SiteId, now: Timestamp) {
        self.tick(now);
        let Some(before) = self.sites.remove(site) else { return };
        for ix in &*before.names {
            self.leave(*ix, site, now);
        }
    }

    /// Somebody wants this name (again). Changed options are a reason to try at once what only they stood in the way of.
    fn wanted_anew(&mut self, ix: NameIx, options_changed: bool) {
        let name = &mut self.names[ix];
        if options_changed {
            name.quest.parked = None;
            name.fate.failed_with.clear();
            if name.fate.setbacks > 0 && name.fate.failures == 0 {
                name.fate.setbacks = 0;
                name.fate.retry_at = Timestamp::default();
            }
            self.journal.touch(Key::Name(name.tenant, name.pattern.clone()));
        }
        if self.config.advisory_checks && name.sight.is_none() && name.fate.failures == 0 {
            self.names[ix].unseen = self.looks_matter(ix);
        }
    }

    /// Can a look at DNS say something about its next order?
    fn looks_matter(&self, ix: NameIx) -> bool {
        let name = &self.names[ix];
        let (Some((site, options)), Some(ca)) = (name.sites.first(), self.cas.first()) else { return false };
        let waits_too = |ix: &NameIx| self.names[*ix].cert.is_none() && !self.names[*ix].fate.alone;
        let wildcards = self.sites.get(site).map_or(&[][..], |site| &site.wildcards);
        let beside = if !name.fate.alone && wildcards.iter().any(waits_too) { Beside::Wildcard } else { Beside::Names };
        terms::looks_matter(&ca.config, name.tenant, &name.pattern, options, beside)
    }

    fn leave(&mut self, ix: NameIx, site: &SiteId, now: Timestamp) {
        self.names[ix].sites.retain(|(other, _)| other != site);
        self.cover(ix, now);
        self.settle(ix, now);
    }

    /// The number of a name, new if need be.
    pub(super) fn name_for(&mut self, tenant: TenantId, pattern: &HostPattern, now: Timestamp) -> NameIx {
        if let Some(ix) = self.name_of(tenant, pattern) {
            return ix;
        }
        let mut name = Name::new(tenant, pattern.clone(), now);
        if let Some(fate) = self.journal.take_fate(tenant, pattern) {
            name.fate = fate.into();
        }
        if let Some(at) = self.lapsed.remove(&(tenant, name.text())) {
            name.quest.lapsed = Some(at);
        }
        self.share_text(&mut name);
        let ix = self.names.insert(name);
        self.by_name.insert(ix, |ix, hasher| self.names[*ix].pattern.hash(hasher));
        self.siblings.insert(ix, &self.names);
        ix
    }

    /// A name is written in its certificate too.
    fn share_text(&self, name: &mut Name) {
        let certified = self.certified(name.tenant, Spelt::of(&name.pattern)).next().map(|ix| &self.certs[ix]);
        let same = certified.and_then(|cert| cert.issued.names().iter().find(|known| **known == name.pattern));
        if let Some(same) = same.cloned() {
            name.pattern = same;
        }
    }

    /// What a CA counts a name under: the text that a name beside it has already, for those below one domain mostly have the
    /// same.
    fn domain_of(&self, ix: NameIx) -> Arc<str> {
        let name = &self.names[ix];
        let domain = name.domain();
        let beside = name.below().and_then(|(tenant, parent)| self.siblings.below(tenant, parent, &self.names).next());
        let same = beside.and_then(|ix| self.names[ix].quest.domain.clone()).filter(|same| *same == domain);
        same.unwrap_or(domain)
    }

    /// The number of a name of this tenant, if there is one.
    pub(super) fn name_of(&self, tenant: TenantId, pattern: &HostPattern) -> Option<NameIx> {
        let is_it = |ix: &NameIx| self.names[*ix].tenant == tenant && self.names[*ix].pattern == *pattern;
        self.by_name.find(pattern, is_it).copied()
    }

    /// The wanted names with this pattern, in the order of their tenants: two never hold one name, but for a moment.
    pub(super) fn wanted_by(&self, pattern: &HostPattern) -> Vec<NameIx> {
        let is_one = |ix: &NameIx| self.names[*ix].pattern == *pattern && self.names[*ix].is_wanted();
        let mut wanted: Vec<NameIx> = self.by_name.all(pattern, is_one).copied().collect();
        wanted.sort_unstable_by_key(|ix| self.names[*ix].tenant);
        wanted
    }

    /// Forgets a name that nobody wants and nothing is in flight for. What was learned of it stays in the journal for a while, so
    /// that a name which moves between files, or flickers, keeps its back-off.
    fn forget_name(&mut self, ix: NameIx, now: Timestamp) {
        self.looks.cancel(&mut self.names[ix], ix);
        if let Some(cert) = self.names[ix].cert.take() {
            self.uncover(cert, ix, now);
        }
        self.siblings.remove(ix, &self.names);
        let Some(name) = self.names.remove(ix) else { return };
        self.by_name.remove(&name.pattern, |other| *other == ix);
        if !name.is_ordinary() {
            self.journal.keep_fate(name.tenant, name.pattern, name.fate.into_inner(), now);
        }
    }

    /// Decides where a name stands. Whatever happens to a name ends here.
    pub(super) fn settle(&mut self, ix: NameIx, now: Timestamp) {
        self.unplace(ix);
        self.stand(ix, now);
        if let Some(name) = self.names.find_mut(ix) {
            name.fate.shed();
            name.quest.shed();
        }
    }

    fn stand(&mut self, ix: NameIx, now: Timestamp) {
        let name = &self.names[ix];
        if name.quest.flight.is_some() {
            self.looks.cancel(&mut self.names[ix], ix);
            return;
        }
        if !name.is_wanted() {
            self.forget_name(ix, now);
            return;
        }
        let Some(lane) = self.lane_of(name, now) else {
            self.looks.cancel(&mut self.names[ix], ix);
            self.names[ix].quest.domain = None;
            return;
        };
        let first = lane.is_first() && name.unseen && !name.forced;
        let waits_for_dns = name.fate.failures > 0 || name.points_elsewhere();
        if first || (waits_for_dns && self.looks_matter(ix)) {
            self.looks.schedule(&mut self.names[ix], ix, first, self.pace.look_every, now);
        } else {
            self.looks.cancel(&mut self.names[ix], ix);
        }
        let change = self.change_waits(&self.names[ix], now);
        let name = &mut self.names[ix];
        let parked = name.quest.parked.as_ref().map(|parked| parked.until).unwrap_or_default();
        let ready_at = name.fate.retry_at.max(parked);
        let ready_at = if first { ready_at.max(self.looks.patience(name, now)) } else { ready_at };
        let ready_at = ready_at.max(change);
        if ready_at > now {
            name.quest.timer = Some(ready_at);
            self.timers.insert((ready_at, Timer::Name(ix)));
            if let Some(ledger) = &mut self.waits {
                ledger.waits(ix, self.names[ix].waits_until(ready_at, change), now);
            }
            return;
        }
        let domain = self.domain_of(ix);
        let name = &mut self.names[ix];
        name.quest.parked = None;
        name.quest.domain = Some(domain);
        name.unseen = false;
        let since = match name.cert {
            Some(cert) => self.certs[cert].end(),                 // what ends first goes first
            None if name.fate.failures > 0 => name.fate.retry_at, // behind what has waited longer for its first try
            None => name.quest.lapsed.unwrap_or(name.since),
        };
        name.quest.lane = Some((lane, since));
        self.lanes.insert(lane, name.tenant, since, ix);
        if let Some(ledger) = &mut self.waits {
            ledger.enters_lane(ix);
        }
        self.lanes_wait = Some(Timestamp::default());
    }

    /// Until when a name waits that only a change of its options wants ordered: a tenant who edits a file in a loop pays with
    /// time. An operator's word counts at once.
    pub(super) fn change_waits(&self, name: &Name, now: Timestamp) -> Timestamp {
        let waits = !name.forced && self.only_differs(name, now);
        if waits { name.fate.change_ready_at() } else { Timestamp::default() }
    }

    /// Takes a name out of its lane and its timer.
    pub(super) fn unplace(&mut self, ix: NameIx) {
        if let Some(ledger) = &mut self.waits {
            ledger.ends(ix, self.latest);
        }
        let name = &mut self.names[ix];
        if let Some((lane, since)) = name.quest.lane {
            name.quest.lane = None;
            self.lanes.remove(lane, name.tenant, since, ix);
        }
        if let Some(at) = name.quest.timer {
            name.quest.timer = None;
            self.timers.remove(&(at, Timer::Name(ix)));
        }
    }

    /// Parks a name until then; `settle` follows.
    pub(super) fn park(&mut self, ix: NameIx, until: Timestamp, why: Waits, now: Timestamp) {
        if why == Waits::Ca {
            self.parked_for_ca.insert(ix);
        }
        self.names[ix].quest.parked = Some(Parked { until, why });
        self.settle(ix, now);
    }

    /// How urgently a name needs an order; `None`: not at all.
    fn lane_of(&self, name: &Name, now: Timestamp) -> Option<Lane> {
        let Some(ix) = name.cert else {
            let lapsed = name.quest.lapsed.is_some_and(|at| now.since(at) < LAPSED_IS_URGENT);
            return Some(match lapsed {
                _ if name.is_quarantined() && !name.forced => Lane::Doubtful,
                true => Lane::Urgent,
                false => Lane::Fresh,
            });
        };
        let cert = &self.certs[ix];
        let exempt = self.exempts(name, cert, 0);
        let only_differs = self.only_differs(name, now);
        match (cert.phase(now), exempt) {
            _ if self.waits.is_some() && self.satisfies(ix, name) => None, // a forecast knows no renewals
            // Behind whoever has nothing to show yet, when it takes of the same budget.
            (_, false) if only_differs && !name.forced => Some(Lane::Changed),
            (Phase::Fresh, _) if !only_differs && !name.forced => None,
            (Phase::Fresh | Phase::Due, true) => Some(Lane::DueExempt),
            (Phase::Fresh | Phase::Due, false) => Some(Lane::Due),
            (Phase::Urgent | Phase::Ended, true) => Some(Lane::UrgentExempt),
            (Phase::Urgent | Phase::Ended, false) => Some(Lane::Urgent),
        }
    }

    /// Renew the certificate of this name now, as an operator asked: skips back-off and quarantine, never a limit of the CA.
    /// False when nobody wants that name.
    pub fn renew_now(&mut self, name: &HostPattern, now: Timestamp) -> bool {
        self.tick(now);
        let wanted = self.wanted_by(name);
        for ix in &wanted {
            for ix in self.renewed_for(*ix) {
                self.force(ix, now);
            }
        }
        !wanted.is_empty()
    }

    /// What is to be renewed for a name: itself, or what its certificate has been ordered for (a wildcard).
    fn renewed_for(&self, ix: NameIx) -> Vec<NameIx> {
        let name = &self.names[ix];
        let cert = name.cert.map(|cert| &self.certs[cert]).filter(|cert| !cert.names(name));
        let ordered: Vec<NameIx> = cert.map_or(Vec::new(), |cert| {
            let of_order = |ix: &NameIx| cert.names(&self.names[*ix]);
            cert.covers.iter().filter(of_order).collect()
        });
        if ordered.is_empty() { vec![ix] } else { ordered }
    }

    fn force(&mut self, ix: NameIx, now: Timestamp) {
        let name = &mut self.names[ix];
        if name.quest.flight.is_some() {
            return;
        }
        name.forced = true;
        name.unseen = false;
        name.quest.parked = None;
        name.fate.retry_at = Timestamp::default();
        self.touch_name(ix);
        self.settle(ix, now);
    }
}
