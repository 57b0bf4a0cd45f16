//! Who wants which names, which certificate covers a name, and `settle`: where a name stands after whatever has happened.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use vestibule_certs::store::{IssuanceId, Issued};
use vestibule_names::{HostPattern, SiteId, TenantId};

use super::{
    Planner, Site, Timer,
    calendar::{Cert, Phase},
    journal::Key,
    lanes::Lane,
    name::{Name, Parked, Waits},
    slab::{CertIx, NameIx},
    terms,
};
use crate::{
    Timestamp,
    config::{Need, SiteOptions},
};

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
        let before = self.sites.remove(site);
        let options = Arc::new(options.clone());
        let mut wanted = BTreeSet::new();
        for pattern in names {
            wanted.insert(self.name_for(tenant, pattern, now));
        }
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
        self.sites.insert(site.clone(), Site { names: wanted.iter().copied().collect() });
        for ix in gone.into_iter().filter(|ix| !wanted.contains(ix)) {
            self.leave(ix, site, now);
        }
        for ix in wanted {
            self.cover(ix, now);
            self.settle(ix, now);
        }
    }

    /// The site is gone. What is in flight goes on; what is issued is no longer renewed.
    pub fn unwant(&mut self, site: &SiteId, now: Timestamp) {
        let Some(before) = self.sites.remove(site) else { return };
        for ix in before.names {
            self.leave(ix, site, now);
        }
    }

    /// Somebody wants this name (again). Changed options are a reason to try at once what only they stood in the way of.
    fn wanted_anew(&mut self, ix: NameIx, options_changed: bool) {
        let name = &mut self.names[ix];
        if options_changed {
            name.parked = None;
            name.fate.avoided = None;
            if name.fate.setbacks > 0 && name.fate.failures == 0 {
                name.fate.setbacks = 0;
                name.fate.retry_at = Timestamp::default();
            }
            self.journal.touch(Key::Name(name.tenant, name.pattern.clone()));
        }
        if self.config.advisory_checks && name.sight.is_none() && name.fate.failures == 0 {
            name.unseen = name.options().is_some_and(|options| terms::looks_matter(&name.pattern, options));
        }
    }

    fn leave(&mut self, ix: NameIx, site: &SiteId, now: Timestamp) {
        self.names[ix].sites.retain(|(other, _)| other != site);
        self.cover(ix, now);
        self.settle(ix, now);
    }

    /// The number of a name, new if need be.
    pub(super) fn name_for(&mut self, tenant: TenantId, pattern: &HostPattern, now: Timestamp) -> NameIx {
        if let Some(ix) = self.by_name.get(&(pattern.clone(), tenant)) {
            return *ix;
        }
        let mut name = Name::new(tenant, pattern.clone(), now);
        if let Some(fate) = self.journal.take_fate(tenant, pattern) {
            name.fate = fate;
        }
        name.lapsed = self.lapsed.remove(&(tenant, name.text.clone()));
        let wildcard = name.wildcard.clone();
        let ix = self.names.insert(name);
        self.by_name.insert((pattern.clone(), tenant), ix);
        if let Some(wildcard) = wildcard {
            self.by_wildcard.entry((tenant, wildcard)).or_default().insert(ix);
        }
        ix
    }

    /// Forgets a name that nobody wants and nothing is in flight for. What was learned of it stays in the journal for a while, so
    /// that a name which moves between files, or flickers, keeps its back-off.
    fn forget_name(&mut self, ix: NameIx, now: Timestamp) {
        self.looks.cancel(&mut self.names[ix], ix);
        if let Some(cert) = self.names[ix].cert.take() {
            self.uncover(cert, ix, now);
        }
        let Some(name) = self.names.remove(ix) else { return };
        self.by_name.remove(&(name.pattern.clone(), name.tenant));
        if let Some(wildcard) = name.wildcard.clone()
            && let Some(names) = self.by_wildcard.get_mut(&(name.tenant, wildcard.clone()))
        {
            names.remove(&ix);
            if names.is_empty() {
                self.by_wildcard.remove(&(name.tenant, wildcard));
            }
        }
        if !name.is_ordinary() {
            self.journal.keep_fate(name.tenant, name.pattern, name.fate, now);
        }
    }

    /// The latest live issuance of the name's tenant that covers it and does what its options ask for.
    fn best_cert(&self, name: &Name, now: Timestamp) -> Option<CertIx> {
        let does = |cert: &Cert| name.options().is_none_or(|options| satisfies(&cert.issued, options));
        self.covering(name)
            .filter(|ix| self.certs[*ix].end > now && does(&self.certs[*ix]))
            .max_by_key(|ix| self.certs[*ix].rank)
    }

    /// Every issuance that is known to cover a name, whatever its options.
    pub(super) fn covering<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = CertIx> + 'a {
        let texts = [Some(&name.text), name.wildcard.as_ref()].into_iter().flatten();
        texts.filter_map(|text| self.by_covered.get(&(name.tenant, text.clone()))).flatten().copied()
    }

    /// Finds what covers a name now.
    pub(super) fn cover(&mut self, ix: NameIx, now: Timestamp) {
        let name = &self.names[ix];
        let best = if name.is_wanted() { self.best_cert(name, now) } else { None };
        let before = name.cert;
        if best == before {
            return;
        }
        if let Some(cert) = best {
            self.certs[cert].covers.push(ix);
            self.schedule_cert(cert, now);
        }
        self.names[ix].cert = best;
        if let Some(cert) = before {
            self.uncover(cert, ix, now);
        }
    }

    fn uncover(&mut self, cert: CertIx, ix: NameIx, now: Timestamp) {
        if let Some(known) = self.certs.find(cert) {
            debug_assert!(known.covers.contains(&ix));
            self.certs[cert].covers.retain(|other| *other != ix);
            self.drop_if_superseded(cert, now);
        }
    }

    /// Decides where a name stands. Whatever happens to a name ends here.
    pub(super) fn settle(&mut self, ix: NameIx, now: Timestamp) {
        self.unplace(ix);
        let name = &self.names[ix];
        if name.flight.is_some() {
            self.looks.cancel(&mut self.names[ix], ix);
            return;
        }
        if !name.is_wanted() {
            self.forget_name(ix, now);
            return;
        }
        let Some(lane) = self.lane_of(name, now) else {
            self.looks.cancel(&mut self.names[ix], ix);
            return;
        };
        let first = lane.is_first() && name.unseen && !name.forced;
        let waits_for_dns = name.fate.failures > 0 || name.points_elsewhere();
        let matters = name.options().is_some_and(|options| terms::looks_matter(&name.pattern, options));
        if first || (waits_for_dns && matters) {
            self.looks.schedule(&mut self.names[ix], ix, first, self.pace.look_every, now);
        } else {
            self.looks.cancel(&mut self.names[ix], ix);
        }
        let name = &mut self.names[ix];
        let parked = name.parked.as_ref().map(|parked| parked.until).unwrap_or_default();
        let ready_at = name.fate.retry_at.max(parked);
        let ready_at = if first { ready_at.max(self.looks.patience(name, now)) } else { ready_at };
        if ready_at > now {
            name.timer = Some(ready_at);
            self.timers.insert((ready_at, Timer::Name(ix)));
            return;
        }
        name.parked = None;
        name.unseen = false;
        let since = match name.cert {
            Some(cert) => self.certs[cert].end,                   // what ends first goes first
            None if name.fate.failures > 0 => name.fate.retry_at, // behind what has waited longer for its first try
            None => name.lapsed.unwrap_or(name.since),
        };
        name.lane = Some((lane, since));
        self.lanes.insert(lane, name.tenant, since, ix);
        self.lanes_wait = Some(Timestamp::default());
    }

    /// Takes a name out of its lane and its timer.
    pub(super) fn unplace(&mut self, ix: NameIx) {
        let name = &mut self.names[ix];
        if let Some((lane, since)) = name.lane.take() {
            self.lanes.remove(lane, name.tenant, since, ix);
        }
        if let Some(at) = name.timer.take() {
            self.timers.remove(&(at, Timer::Name(ix)));
        }
    }

    /// Parks a name until then; `settle` follows.
    pub(super) fn park(&mut self, ix: NameIx, until: Timestamp, why: Waits, now: Timestamp) {
        if let Some(ledger) = &mut self.waits {
            ledger.parked(&self.names[ix], &why, until.since(now));
        }
        if why == Waits::Ca {
            self.parked_for_ca.insert(ix);
        }
        self.names[ix].parked = Some(Parked { until, why });
        self.settle(ix, now);
    }

    /// How urgently a name needs an order; `None`: not at all.
    fn lane_of(&self, name: &Name, now: Timestamp) -> Option<Lane> {
        let Some(ix) = name.cert else {
            let lapsed = name.lapsed.is_some_and(|at| now.since(at) < LAPSED_IS_URGENT);
            return Some(match lapsed {
                _ if name.is_quarantined() && !name.forced => Lane::Doubtful,
                true => Lane::Urgent,
                false => Lane::Fresh,
            });
        };
        let cert = &self.certs[ix];
        let exempt = self.exempts(name, cert, 0);
        match (cert.phase(now), exempt) {
            _ if self.waits.is_some() => None, // a forecast knows only first orders
            (Phase::Fresh, _) if !name.forced => None,
            (Phase::Fresh | Phase::Due, true) => Some(Lane::DueExempt),
            (Phase::Fresh | Phase::Due, false) => Some(Lane::Due),
            (Phase::Urgent | Phase::Ended, true) => Some(Lane::UrgentExempt),
            (Phase::Urgent | Phase::Ended, false) => Some(Lane::Urgent),
        }
    }

    /// What an order at this CA that renews this certificate would carry as `replaces`, exempting it from the limits.
    pub(super) fn replaces(&self, cert: &Cert, ca: usize) -> Option<String> {
        let config = &self.cas[ca].config;
        let may = cert.issued.draft.ca == config.id
            && config.limits.renewals_are_exempt
            && !cert.ari.replaced
            && !cert.replacing;
        if may { cert.issued.ari.clone() } else { None }
    }

    /// An issuance came into the store by another way (an import).
    pub fn adopted(&mut self, issued: &Issued, now: Timestamp) {
        self.take_in(issued, now);
    }

    /// Takes an issuance in: it covers what it can, and its calendar starts.
    pub(super) fn take_in(&mut self, issued: &Issued, now: Timestamp) -> Option<CertIx> {
        if Timestamp::from(issued.not_after) <= now {
            return None;
        }
        if let Some(known) = self.by_issuance.get(&issued.id) {
            return Some(*known);
        }
        if let Some(old) = issued.draft.renews.as_ref().and_then(|old| self.by_issuance.get(old)).copied() {
            self.has_successor(old, issued);
        }
        let tenant = issued.draft.tenant;
        self.next_rank += 1;
        let mut cert = Cert::new(issued, self.next_rank);
        cert.ari = self.journal.take_ari(&issued.id).unwrap_or_default();
        let texts = cert.texts.clone();
        let ix = self.certs.insert(cert);
        self.by_issuance.insert(issued.id.clone(), ix);
        let mut names = BTreeSet::new();
        for (text, pattern) in texts.into_iter().zip(&issued.draft.names) {
            self.by_covered.entry((tenant, text.clone())).or_default().push(ix);
            names.extend(self.by_name.get(&(pattern.clone(), tenant)));
            names.extend(self.by_wildcard.get(&(tenant, text)).into_iter().flatten());
        }
        self.schedule_cert(ix, now);
        for name in names {
            self.cover(name, now);
            self.settle(name, now);
        }
        Some(ix)
    }

    /// The CA may know this issuance as replaced, and would refuse a second `replaces` (also when the process ended before it
    /// noted the first).
    fn has_successor(&mut self, old: CertIx, successor: &Issued) {
        let cert = &mut self.certs[old];
        if cert.issued.draft.ca == successor.draft.ca && !cert.ari.replaced {
            cert.ari.replaced = true;
            self.journal.touch(Key::Cert(cert.issued.id.clone()));
        }
    }

    /// Renew the certificate of this name now, as an operator asked: skips back-off and quarantine, never a limit of the CA.
    /// False when nobody wants that name.
    pub fn renew_now(&mut self, name: &HostPattern, now: Timestamp) -> bool {
        let first = (name.clone(), TenantId(0));
        let last = (name.clone(), TenantId(u32::MAX));
        let all: Vec<NameIx> = self.by_name.range(first..=last).map(|(_, ix)| *ix).collect();
        let mut wanted = false;
        for ix in all {
            let name = &mut self.names[ix];
            if !name.is_wanted() {
                continue;
            }
            wanted = true;
            if name.flight.is_some() {
                continue;
            }
            name.forced = true;
            name.unseen = false;
            name.parked = None;
            name.fate.retry_at = Timestamp::default();
            self.journal.touch(Key::Name(name.tenant, name.pattern.clone()));
            self.settle(ix, now);
        }
        wanted
    }

    /// An issuance was revoked by us: its names are ordered anew.
    pub fn revoked(&mut self, issuance: &IssuanceId, now: Timestamp) {
        if let Some(ix) = self.by_issuance.get(issuance).copied() {
            self.remove_cert(ix, now);
        }
    }

    /// The certificate has run out or was revoked. Its names look for another one, or have none any more.
    pub(super) fn remove_cert(&mut self, ix: CertIx, now: Timestamp) {
        let Some(cert) = self.unlink_cert(ix) else { return };
        for name in cert.covers {
            self.names[name].cert = None;
            self.cover(name, now);
            if self.names[name].cert.is_none() {
                self.names[name].lapsed = Some(now);
            }
            self.settle(name, now);
        }
    }

    /// Out of all indexes.
    fn unlink_cert(&mut self, ix: CertIx) -> Option<Cert> {
        let cert = self.certs.remove(ix)?;
        self.by_issuance.remove(&cert.issued.id);
        self.journal.touch(Key::Cert(cert.issued.id.clone()));
        if let Some(at) = cert.timer {
            self.timers.remove(&(at, Timer::Cert(ix)));
        }
        if let Some(at) = cert.poll {
            for ca in &mut self.cas {
                ca.polls.remove(&(at, ix));
            }
        }
        for text in &cert.texts {
            let key = (cert.issued.draft.tenant, text.clone());
            if let Some(certs) = self.by_covered.get_mut(&key) {
                certs.retain(|other| *other != ix);
                if certs.is_empty() {
                    self.by_covered.remove(&key);
                }
            }
        }
        Some(cert)
    }

    /// Forgets a certificate that covers nothing wanted when a later one of the tenant has each of its names.
    fn drop_if_superseded(&mut self, ix: CertIx, now: Timestamp) {
        let cert = &self.certs[ix];
        if !cert.covers.is_empty() {
            return;
        }
        let later = |text: &Arc<str>| {
            let known = self.by_covered.get(&(cert.issued.draft.tenant, text.clone()));
            known.into_iter().flatten().any(|other| self.certs[*other].rank > cert.rank)
        };
        if cert.texts.iter().all(later) {
            self.unlink_cert(ix);
        } else {
            self.schedule_cert(ix, now);
        }
    }

    /// Sets the timer of a certificate's next phase, and its next poll.
    pub(super) fn schedule_cert(&mut self, ix: CertIx, now: Timestamp) {
        let cert = &mut self.certs[ix];
        if let Some(at) = cert.timer.take() {
            self.timers.remove(&(at, Timer::Cert(ix)));
        }
        let next = if cert.covers.is_empty() { Some(cert.end.max(now)) } else { cert.next_phase_at(now) };
        if let Some(at) = next {
            cert.timer = Some(at);
            self.timers.insert((at, Timer::Cert(ix)));
        }
        self.schedule_poll(ix, now);
    }

    /// A certificate's phase has changed.
    pub(super) fn phase_changed(&mut self, ix: CertIx, now: Timestamp) {
        self.certs[ix].timer = None;
        if self.certs[ix].phase(now) == Phase::Ended {
            self.remove_cert(ix, now);
            return;
        }
        self.schedule_cert(ix, now);
        for name in self.certs[ix].covers.clone() {
            self.settle(name, now);
        }
    }
}

/// Does a certificate do what a site asks for? What a site leaves open, or only prefers, comes with the next renewal.
pub(super) fn satisfies(issued: &Issued, options: &SiteOptions) -> bool {
    let key = options.key_type.is_none_or(|key| key == issued.draft.key_type);
    let required = options.profile.as_ref().filter(|profile| profile.need == Need::Required);
    key && required.is_none_or(|profile| issued.draft.profile.as_deref() == Some(&profile.name))
}
