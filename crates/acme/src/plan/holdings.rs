//! What the tenants have: which issuance covers which name, and what its calendar does to them.

use std::{collections::BTreeSet, sync::Arc};

use vestibule_certs::store::{CaId, IssuanceId, Issued};

use super::{
    Planner, Timer,
    calendar::{Cert, Phase},
    journal::Key,
    name::Name,
    slab::{CertIx, NameIx},
};
use crate::{
    Timestamp,
    config::{Need, SiteOptions},
};

/// What the store calls the CA of certificates that were imported.
const IMPORTED: &str = "imported";

impl Planner {
    /// An issuance came into the store by another way (an import).
    pub fn adopted(&mut self, issued: &Issued, now: Timestamp) {
        self.tick(now);
        self.take_in(&Arc::new(issued.clone()), now);
    }

    /// Takes an issuance in: it covers what it can, and its calendar starts.
    pub(super) fn take_in(&mut self, issued: &Arc<Issued>, now: Timestamp) -> Option<CertIx> {
        if Timestamp::from(issued.not_after) <= now {
            self.ended.keep(issued);
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
        cert.is_foreign = self.is_foreign(&issued.draft.ca);
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

    /// Is this a CA that is configured no more, such as one to try things out with? What was imported stays what it is.
    fn is_foreign(&self, id: &CaId) -> bool {
        id.as_str() != IMPORTED && self.cas.iter().all(|ca| ca.id() != id)
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

    /// The latest live issuance of the name's tenant that covers it and does what its options ask for; where none does, the
    /// latest that covers it: that is what is served, and renewed.
    fn best_cert(&self, name: &Name, now: Timestamp) -> Option<CertIx> {
        let live = self.covering(name).filter(|ix| self.certs[*ix].end > now);
        live.max_by_key(|ix| (self.satisfies(*ix, name), self.certs[*ix].rank))
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
        let change = || name.fate.change_ready_at().max(cert.obtained);
        Some(if self.satisfies(ix, name) { cert.due_at() } else { cert.due_at().min(change()) })
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

    pub(super) fn uncover(&mut self, cert: CertIx, ix: NameIx, now: Timestamp) {
        if let Some(known) = self.certs.find(cert) {
            debug_assert!(known.covers.contains(&ix));
            self.certs[cert].covers.retain(|other| *other != ix);
            self.drop_if_superseded(cert, now);
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

    /// An issuance was revoked by us: its names are ordered anew.
    pub fn revoked(&mut self, issuance: &IssuanceId, now: Timestamp) {
        self.tick(now);
        self.ended.forget(issuance);
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
            self.ended.keep(&self.certs[ix].issued);
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
fn satisfies(issued: &Issued, options: &SiteOptions) -> bool {
    let key = options.key_type.is_none_or(|key| key == issued.draft.key_type);
    let required = options.profile.as_ref().filter(|profile| profile.need == Need::Required);
    key && required.is_none_or(|profile| issued.draft.profile.as_deref() == Some(&profile.name))
}
