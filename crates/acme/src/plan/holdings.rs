//! What the tenants have: which issuance covers which name, and what its calendar does to them.

use std::{collections::BTreeSet, hash::Hash as _, sync::Arc};

use vestibule_certs::{
    Spelt,
    store::{CaId, Entry, IssuanceId, Issued},
};
use vestibule_names::{HostPattern, TenantId};

use super::{
    Planner, Timer,
    calendar::{Cert, Phase},
    journal::Key,
    name::Name,
    slab::{CertIx, NameIx},
};
use crate::{
    Alarm, Timestamp,
    config::{Need, SiteOptions},
};

/// What the store calls the CA of certificates that were imported.
const IMPORTED: &str = "imported";

impl Planner {
    /// An issuance came into the store by another way (an import).
    pub fn adopted(&mut self, issued: &Issued, now: Timestamp) {
        self.tick(now);
        self.take_in(&Arc::new(issued.clone().into()), now);
    }

    /// An issuance as the store has it in memory: from now on there is only this one of it.
    pub fn share(&mut self, entry: &Arc<Entry>) {
        let known = self.cert_numbered(entry.number());
        if let Some(ix) = known.filter(|ix| self.certs[*ix].issued.names() == entry.names()) {
            self.certs[ix].issued = Arc::clone(entry);
        }
    }

    /// Takes an issuance in: it covers what it can, and its calendar starts.
    pub(super) fn take_in(&mut self, issued: &Arc<Entry>, now: Timestamp) -> Option<CertIx> {
        if Timestamp::from(issued.not_after()) <= now {
            self.ended.keep(issued);
            return None;
        }
        if let Some(known) = self.cert_numbered(issued.number()) {
            return Some(known);
        }
        if let Some(old) = issued.renews().and_then(|old| self.cert_numbered(old)) {
            self.has_successor(old, issued);
        }
        let tenant = issued.tenant();
        let mut cert = Cert::new(issued);
        cert.is_foreign = self.is_foreign(issued.ca());
        cert.ari = self.journal.take_ari(issued).unwrap_or_default();
        let ix = self.certs.insert(cert);
        self.by_issuance.insert(ix, |ix, hasher| self.certs[*ix].issued.number().hash(hasher));
        let mut names = BTreeSet::new();
        for (place, pattern) in (0..).zip(issued.names()) {
            self.by_covered.insert((ix, place), |(ix, place), hasher| self.certs[*ix].covered(*place).hash(hasher));
            names.extend(self.name_of(tenant, pattern));
            if let HostPattern::Wildcard(parent) = pattern {
                names.extend(self.siblings.below(tenant, parent.as_str(), &self.names));
            }
        }
        self.schedule_cert(ix, now);
        for name in names {
            self.cover(name, now);
            self.settle(name, now);
        }
        Some(ix)
    }

    /// Is this a CA that is configured no more, such as one to try things out with? What was imported stays what it is.
    fn is_foreign(&self, id: &CaId) -> bool {
        id.as_str() != IMPORTED && self.cas.iter().all(|ca| ca.id() != id)
    }

    /// The CA may know this issuance as replaced, and would refuse a second `replaces` (also when the process ended before it
    /// noted the first).
    fn has_successor(&mut self, old: CertIx, successor: &Entry) {
        let cert = &mut self.certs[old];
        if cert.issued.ca() == successor.ca() && !cert.ari.replaced {
            cert.ari.replaced = true;
            self.journal.touch(Key::Cert(cert.issued.id()));
        }
    }

    /// The latest live issuance of the name's tenant that covers it and does what its options ask for; where none does, the
    /// latest that covers it: that is what is served, and renewed.
    fn best_cert(&self, name: &Name, now: Timestamp) -> Option<CertIx> {
        let live = self.covering(name).filter(|ix| self.certs[*ix].end() > now);
        live.max_by_key(|ix| (self.satisfies(*ix, name), self.certs[*ix].issued.number()))
    }

    /// Does this certificate do what the name's options ask for?
    pub(super) fn satisfies(&self, cert: CertIx, name: &Name) -> bool {
        name.options().is_none_or(|options| satisfies(&self.certs[cert].issued, options))
    }

    /// Is nothing due for this name but a certificate that does what its options ask for now?
    pub(super) fn only_differs(&self, name: &Name, now: Timestamp) -> bool {
        name.cert.is_some_and(|ix| self.certs[ix].phase(now) == Phase::Fresh && !self.satisfies(ix, name))
    }

    /// When the name's certificate is to be renewed: sooner, if it does not do what its options ask for.
    pub(super) fn due_at(&self, name: &Name) -> Option<Timestamp> {
        let ix = name.cert?;
        let cert = &self.certs[ix];
        let change = || name.fate.change_ready_at().max(cert.obtained());
        Some(if self.satisfies(ix, name) { cert.due_at() } else { cert.due_at().min(change()) })
    }

    /// Every issuance that is known to cover a name, whatever its options.
    pub(super) fn covering<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = CertIx> + 'a {
        let keys = [Some(Spelt::of(&name.pattern)), Spelt::over(&name.pattern)].into_iter().flatten();
        keys.flat_map(|key| self.certified(name.tenant, key))
    }

    /// Every issuance of this tenant that has a name.
    pub(super) fn certified<'a>(&'a self, tenant: TenantId, name: Spelt<'a>) -> impl Iterator<Item = CertIx> + 'a {
        let found = self
            .by_covered
            .all((tenant, name.clone()), move |(ix, place)| self.certs[*ix].covered(*place) == (tenant, name.clone()));
        found.map(|(ix, _)| *ix)
    }

    pub(super) fn cert_of(&self, issuance: &IssuanceId) -> Option<CertIx> {
        self.cert_numbered(issuance.number()?).filter(|ix| self.certs[*ix].issued.id() == *issuance)
    }

    fn cert_numbered(&self, number: u64) -> Option<CertIx> {
        self.by_issuance.find(number, |ix| self.certs[*ix].issued.number() == number).copied()
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
            self.certs[cert].covers.insert(ix);
            self.schedule_cert(cert, now);
        }
        self.names[ix].cert = best;
        if let Some(cert) = before {
            self.uncover(cert, ix, now);
        }
    }

    pub(super) fn uncover(&mut self, cert: CertIx, ix: NameIx, now: Timestamp) {
        if let Some(known) = self.certs.find(cert) {
            debug_assert!(known.covers.iter().any(|other| other == ix));
            self.certs[cert].covers.remove(ix);
            self.drop_if_superseded(cert, now);
        }
    }

    /// Would an order at this CA that renews this certificate carry `replaces`, exempting it from the limits?
    pub(super) fn is_replaceable(&self, cert: &Cert, ca: usize) -> bool {
        let config = &self.cas[ca].config;
        *cert.issued.ca() == config.id
            && config.limits.renewals_are_exempt
            && !cert.ari.replaced
            && !cert.replacing
            && cert.issued.has_ari()
    }

    /// An issuance was revoked by us: its names are ordered anew.
    pub fn revoked(&mut self, issuance: &IssuanceId, now: Timestamp) {
        self.tick(now);
        self.ended.forget(issuance);
        if let Some(ix) = self.cert_of(issuance) {
            self.remove_cert(ix, now);
        }
    }

    /// The certificate has run out or was revoked. Its names look for another one, or have none any more.
    pub(super) fn remove_cert(&mut self, ix: CertIx, now: Timestamp) {
        let Some(cert) = self.unlink_cert(ix) else { return };
        for name in cert.covers.iter() {
            self.names[name].cert = None;
            self.cover(name, now);
            if self.names[name].cert.is_none() {
                self.names[name].quest.lapsed = Some(now);
            }
            self.settle(name, now);
        }
    }

    /// Out of all indexes.
    fn unlink_cert(&mut self, ix: CertIx) -> Option<Cert> {
        let cert = self.certs.remove(ix)?;
        self.by_issuance.remove(cert.issued.number(), |other| *other == ix);
        self.journal.touch(Key::Cert(cert.issued.id()));
        if let Some(at) = cert.timer {
            self.timers.remove(&(at.into(), Timer::Cert(ix)));
        }
        if let Some(at) = cert.poll {
            for ca in &mut self.cas {
                ca.polls.remove(&(at.into(), ix));
            }
        }
        for place in (0..).take(cert.issued.names().len()) {
            self.by_covered.remove(cert.covered(place), |other| *other == (ix, place));
        }
        Some(cert)
    }

    /// Forgets a certificate that covers nothing wanted when a later one of the tenant has each of its names.
    fn drop_if_superseded(&mut self, ix: CertIx, now: Timestamp) {
        let cert = &self.certs[ix];
        if !cert.covers.is_empty() {
            return;
        }
        let later = |name: &HostPattern| {
            let mut known = self.certified(cert.issued.tenant(), Spelt::of(name));
            known.any(|other| self.certs[other].issued.number() > cert.issued.number())
        };
        if cert.issued.names().iter().all(later) {
            self.unlink_cert(ix);
        } else {
            self.schedule_cert(ix, now);
        }
    }

    /// Sets the timer of a certificate's next phase, and its next poll.
    pub(super) fn schedule_cert(&mut self, ix: CertIx, now: Timestamp) {
        let cert = &mut self.certs[ix];
        if let Some(at) = cert.timer.take() {
            self.timers.remove(&(at.into(), Timer::Cert(ix)));
        }
        let next = if cert.covers.is_empty() { Some(cert.end().max(now)) } else { cert.next_phase_at(now) };
        cert.timer = next.map(Alarm::from);
        if let Some(at) = cert.timer {
            self.timers.insert((at.into(), Timer::Cert(ix)));
        }
        self.schedule_poll(ix, now);
    }

    /// A certificate's phase has changed.
    pub(super) fn phase_changed(&mut self, ix: CertIx, now: Timestamp) {
        self.certs[ix].timer = None;
        if self.certs[ix].phase(now) == Phase::Ended {
            self.ended.keep(&self.certs[ix].issued);
            self.remove_cert(ix, now);
            return;
        }
        self.schedule_cert(ix, now);
        for name in self.certs[ix].covers.iter().collect::<Vec<_>>() {
            self.settle(name, now);
        }
    }
}

/// Does a certificate do what a site asks for? What a site leaves open, or only prefers, comes with the next renewal.
fn satisfies(issued: &Entry, options: &SiteOptions) -> bool {
    let key = options.key_type.is_none_or(|key| key == issued.key_type());
    let required = options.profile.as_ref().filter(|profile| profile.need == Need::Required);
    key && required.is_none_or(|profile| issued.profile() == Some(&profile.name))
}
