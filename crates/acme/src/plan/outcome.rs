//! What the end of an order does to its names, its certificate and its CA.

mod gone;

use std::{collections::HashMap, sync::Arc, time::Duration};

use vestibule_certs::store::CaId;
use vestibule_names::{HostPattern, TenantId};

use super::{
    Planner,
    ca::{Holds, RETRY_AFTER_LIMIT, Spent, doubling},
    calendar::Cert,
    journal::Key,
    name::{Name, Waits, wait_after_setback},
    slab::NameIx,
    terms,
    work::{JobId, Obtained, Order, Randomness},
};
use crate::{
    Timestamp,
    config::ChallengeKind,
    failure::{Asked, Failure, FailureKind, NameFailure},
};

/// The first wait of names whose order met a fault of the CA, so that the next probe is another name's; it doubles.
const ASIDE: Duration = Duration::from_secs(30);
/// Its longest.
const ASIDE_LIMIT: Duration = Duration::from_secs(3600);
/// What everybody waits for a limit whose end the CA does not tell.
const UNTOLD_LIMIT: Duration = Duration::from_secs(60);

/// An order in flight.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) order: Order,
    pub(super) names: Vec<NameIx>,
    /// `None`: the configuration does not know the CA any more.
    pub(super) ca: Option<usize>,
    pub(super) holds: Holds,
    pub(super) started: Timestamp,
    /// An earlier run placed it.
    pub(super) resumed: bool,
}

impl Planner {
    /// An order has ended.
    pub fn ordered(
        &mut self,
        job: JobId,
        outcome: Result<Obtained, Failure>,
        now: Timestamp,
        random: &mut dyn Randomness,
    ) {
        self.tick(now);
        let Some(flight) = self.flights.remove(&job) else { return };
        self.land(&flight, if outcome.is_ok() { Spent::Certificate } else { Spent::OrderOnly }, now);
        // No name is to blame: what an operator asked for is asked of the CA again, and not when the calendar says so.
        let is_still_asked_for = outcome.as_ref().is_err_and(|failure| {
            matches!(failure.kind, FailureKind::Ca | FailureKind::AlreadyReplaced | FailureKind::Gone)
        });
        match outcome {
            Ok(obtained) => self.worked(&flight, &obtained, now, random),
            Err(failure) => self.failed(&flight, &failure, now, random),
        }
        for &ix in &flight.names {
            self.names[ix].quest.flight = None; // not sooner: a name that nobody wants any more ends with its flight
            self.names[ix].forced &= is_still_asked_for;
            self.touch_name(ix);
            self.cover(ix, now);
            self.settle(ix, now);
        }
    }

    /// An order of an earlier run of the process is being resumed: its names are in flight. Told back with `ordered`. What it
    /// costs was noted when it was placed, and is not counted again.
    pub fn resumed(&mut self, order: Order, now: Timestamp) -> JobId {
        self.tick(now);
        let known = self.orphan(&order.ca, order.tenant, &order.names);
        let job = self.job_id();
        let names = order.names.iter().map(|name| self.name_for(order.tenant, name, now)).collect();
        let flight = match known {
            Some(orphan) => {
                if let Some(ca) = orphan.ca {
                    self.cas[ca].unhold(&orphan.holds);
                }
                Flight { names, holds: Holds { job, ..orphan.holds }, order, resumed: true, ..orphan }
            }
            None => self.unknown_flight(job, order, names, now),
        };
        let is_renewal = flight.order.renews.is_some();
        for &ix in &flight.names {
            // What was to be renewed then is to be renewed still, also where only an operator's word was the reason.
            self.names[ix].forced |= is_renewal;
        }
        self.take_off(flight, now);
        job
    }

    /// An order that the records do not know. The CA counted the order then; what it certifies it counts when it is issued.
    fn unknown_flight(&self, job: JobId, order: Order, names: Vec<NameIx>, now: Timestamp) -> Flight {
        let ca = self.cas.iter().position(|ca| *ca.id() == order.ca);
        let (domains, set) = self.counted_under(&names);
        let exempt = matches!(order.renews, Some((_, Some(_))));
        let holds = Holds { job, counted: !exempt, order: false, domains, set };
        Flight { order, names, ca, holds, started: now, resumed: true }
    }

    /// The CA's answer to an order of an earlier run never came to the disk: it may have counted the order, but nothing of it
    /// was proved, let alone certified. So whoever is killed again and again runs into no limit for what was never asked.
    pub fn unconfirmed(&mut self, ca: &CaId, tenant: TenantId, names: &[HostPattern], now: Timestamp) {
        if let Some(orphan) = self.orphan(ca, tenant, names) {
            self.settle_budgets(&orphan, Spent::OrderOnly, now);
        }
    }

    /// Takes the record of an order of an earlier run out.
    fn orphan(&mut self, ca: &CaId, tenant: TenantId, names: &[HostPattern]) -> Option<Flight> {
        let is_it = |order: &Order| order.ca == *ca && order.tenant == tenant && order.names == names;
        let place = self.orphans.iter().position(|orphan| is_it(&orphan.order))?;
        let orphan = self.orphans.swap_remove(place);
        self.journal.touch(Key::Flight(orphan.holds.job));
        Some(orphan)
    }

    /// An order of an earlier run that the CA had taken is given up: what it may have come to is counted.
    pub fn cut_short(&mut self, ca: &CaId, tenant: TenantId, names: &[HostPattern], now: Timestamp) {
        let Some(orphan) = self.orphan(ca, tenant, names) else { return };
        self.settle_budgets(&orphan, Spent::Unknown, now);
        let Some(ca) = orphan.ca else { return };
        for name in &orphan.order.names {
            let text = name.to_string().into();
            self.cas[ca].authorization_failed(&text, now);
            self.journal.touch(Key::Failed(orphan.order.ca.clone(), text));
        }
    }

    /// Orders of an earlier run that left nothing to be resumed. Whether a certificate came is what the store says: what an
    /// order leaves there goes only when it has failed, or when its certificate is in. A failed proof is not counted: most of
    /// these had not begun, and the limit is kept by one less than the CA allows.
    pub(super) fn give_up_orphans(&mut self, now: Timestamp) {
        for orphan in std::mem::take(&mut self.orphans) {
            self.journal.touch(Key::Flight(orphan.holds.job));
            let spent = if self.has_come(&orphan) { Spent::Certificate } else { Spent::OrderOnly };
            self.settle_budgets(&orphan, spent, now);
        }
    }

    /// Is there a certificate of this order? The store keeps whole seconds.
    fn has_come(&self, orphan: &Flight) -> bool {
        let order = &orphan.order;
        let is_its = |cert: &Cert| {
            let issued = &cert.issued;
            (issued.ca(), issued.tenant(), issued.names()) == (&order.ca, order.tenant, &*order.names)
                && cert.obtained().0 / 1000 >= orphan.started.0 / 1000
        };
        self.certs.values().any(is_its)
    }

    fn land(&mut self, flight: &Flight, spent: Spent, now: Timestamp) {
        self.lanes.end(flight.order.tenant);
        self.lanes_wait = Some(Timestamp::default());
        self.journal.touch(Key::Flight(flight.holds.job));
        if let Some((issuance, Some(_))) = &flight.order.renews
            && let Some(ix) = self.cert_of(issuance)
        {
            self.certs[ix].replacing = false;
            if spent == Spent::Certificate {
                self.certs[ix].ari.replaced = true;
                self.journal.touch(Key::Cert(issuance.clone()));
            }
        }
        self.settle_budgets(flight, spent, now);
    }

    fn settle_budgets(&mut self, flight: &Flight, spent: Spent, now: Timestamp) {
        let Some(ca) = flight.ca.map(|ca| &mut self.cas[ca]) else { return };
        ca.settle(&flight.holds, spent, now);
        let id = ca.id().clone();
        if flight.holds.order {
            self.journal.touch(Key::Orders(id.clone()));
        }
        if spent == Spent::OrderOnly {
            return;
        }
        if flight.holds.counted {
            for domain in &flight.holds.domains {
                self.journal.touch(Key::Domain(id.clone(), domain.clone()));
            }
        }
        self.journal.touch(Key::Set(id, flight.holds.set));
    }

    fn worked(&mut self, flight: &Flight, obtained: &Obtained, now: Timestamp, random: &mut dyn Randomness) {
        if let Some(ca) = flight.ca {
            self.ca_works(ca, flight, now);
            self.got_past_limits(flight);
        }
        for &ix in &flight.names {
            let name = &mut self.names[ix];
            name.succeeded(now);
            if let Some((_, kind)) = obtained.proved.iter().find(|(proved, _)| *proved == name.pattern) {
                name.fate.learned = Some(*kind);
            }
            let preferred = self.preferred_challenge(ix, flight);
            let name = &mut self.names[ix];
            name.fate.learned = name.fate.learned.filter(|learned| Some(*learned) != preferred);
        }
        let taken = self.take_in(&Arc::new(obtained.issued.clone().into()), now);
        // A certificate that does not do for its own order must not be ordered again at once, for ever.
        for &ix in &flight.names {
            self.cover(ix, now);
            let name = &self.names[ix];
            let unchanged = name.options().is_none_or(|options| {
                options.key_type.unwrap_or_default() == flight.order.key_type
                    && options.profile.as_ref().is_none_or(|profile| Some(profile) == flight.order.profile.as_ref())
            });
            let serves = taken.is_some() && name.cert.is_some_and(|cert| self.satisfies(cert, name));
            if name.is_wanted() && !serves && unchanged {
                let name = &mut self.names[ix];
                name.tell(FailureKind::Configuration, "the certificate that came does not do for this name", now);
                name.set_back(wait_after_setback(name.fate.setbacks + 1, random), now);
            }
        }
    }

    /// What would be tried first if nothing had been learned: that need not be remembered.
    fn preferred_challenge(&self, ix: NameIx, flight: &Flight) -> Option<ChallengeKind> {
        let (ca, name) = (&self.cas[flight.ca?], &self.names[ix]);
        terms::resolve(&ca.config, name.tenant, &name.pattern, name.options()?).ok()?.preferred()
    }

    fn ca_works(&mut self, ca: usize, flight: &Flight, now: Timestamp) {
        let was_down = self.cas[ca].health.faults > 0;
        self.cas[ca].works();
        if was_down {
            self.journal.touch(Key::Health(flight.order.ca.clone()));
            for ix in std::mem::take(&mut self.parked_for_ca) {
                self.release_from_ca(ix, now);
            }
        }
    }

    fn got_past_limits(&mut self, flight: &Flight) {
        if let Some(ca) = flight.ca.filter(|_| flight.holds.order) {
            self.cas[ca].is_not_limited();
        }
    }

    /// The CA is up again: what waited only for that may go.
    fn release_from_ca(&mut self, ix: NameIx, now: Timestamp) {
        let waits = |name: &Name| name.quest.parked.as_ref().is_some_and(|parked| parked.why == Waits::Ca);
        if self.names.find(ix).is_some_and(waits) {
            self.names[ix].quest.parked = None;
            self.settle(ix, now);
        }
    }

    fn failed(&mut self, flight: &Flight, failure: &Failure, now: Timestamp, random: &mut dyn Randomness) {
        let retry_after = failure.retry_after.map(|wait| wait.min(RETRY_AFTER_LIMIT));
        let kind = match failure.kind {
            FailureKind::AlreadyReplaced if !matches!(flight.order.renews, Some((_, Some(_)))) => FailureKind::Ca,
            kind => kind,
        };
        match kind {
            FailureKind::Ca | FailureKind::Account | FailureKind::Storage => {
                self.ca_failed(flight, kind, failure, retry_after, now, random);
                return;
            }
            _ => {}
        }
        if let Some(ca) = flight.ca {
            self.ca_works(ca, flight, now);
        }
        self.told(flight, failure, retry_after, now);
        if kind != FailureKind::Limit {
            self.got_past_limits(flight);
        }
        match kind {
            FailureKind::AlreadyReplaced => {
                if let Some((issuance, _)) = &flight.order.renews
                    && let Some(ix) = self.cert_of(issuance)
                {
                    self.certs[ix].ari.replaced = true;
                    self.journal.touch(Key::Cert(issuance.clone()));
                }
                // At once again, without the reference: that happens once for a certificate.
                flight.names.iter().for_each(|ix| self.names[*ix].fate.change_ordered_at = None);
            }
            FailureKind::Gone => self.gone(flight, failure, retry_after, now, random),
            FailureKind::Configuration => {
                let wait = retry_after.unwrap_or_else(|| wait_after_setback(self.setbacks_of(flight) + 1, random));
                self.set_all_back(flight, kind, failure, wait, now);
            }
            FailureKind::Limit if failure.names.is_empty() => {
                self.limited_all(flight, failure, retry_after, now, random)
            }
            _ => self.blame(flight, failure, kind, retry_after, now, random),
        }
    }

    /// What the CA asked to wait is kept apart from our own back-off: no change of a file, of DNS or of an operator's mind
    /// shortens it.
    fn told(&mut self, flight: &Flight, failure: &Failure, retry_after: Option<Duration>, now: Timestamp) {
        let (Some(ca), Some(wait)) = (flight.ca, retry_after) else { return };
        for &ix in &flight.names {
            let name = &self.names[ix];
            if failure.names.is_empty() || failure.names.iter().any(|told| told.name == name.pattern) {
                self.cas[ca].tell(&name.text(), wait, now);
                self.journal.touch(Key::Told(flight.order.ca.clone(), name.text()));
            }
        }
    }

    /// Nobody's name is to blame. Its names stand aside for a moment, so that an order which always upsets the CA is not the
    /// only one that ever probes it.
    fn ca_failed(
        &mut self,
        flight: &Flight,
        kind: FailureKind,
        failure: &Failure,
        retry_after: Option<Duration>,
        now: Timestamp,
        random: &mut dyn Randomness,
    ) {
        if let Some(ca) = flight.ca {
            self.cas[ca].suffered(flight.order.tenant);
            self.cas[ca].fault(kind, retry_after, flight.started, now, random);
            self.journal.touch(Key::Health(flight.order.ca.clone()));
            self.journal.touch(Key::Accounts(flight.order.ca.clone()));
        }
        let fails_over = flight.ca.is_some_and(|ca| self.has_stand_in(ca, flight.order.tenant, now));
        if fails_over {
            // The next CA is asked at once, not after a wait for this one.
            flight.names.iter().for_each(|ix| self.names[*ix].tell(kind, &failure.sentence, now));
            return;
        }
        let wait = doubling(ASIDE, self.setbacks_of(flight) + 1, ASIDE_LIMIT).mul_f64(0.9 + 0.1 * random.fraction());
        self.set_all_back(flight, kind, failure, wait, now);
    }

    /// One wait for all names of an order that failed as a whole: afterwards they are ordered together again.
    fn set_all_back(&mut self, flight: &Flight, kind: FailureKind, failure: &Failure, wait: Duration, now: Timestamp) {
        for &ix in &flight.names {
            self.names[ix].tell(kind, &failure.sentence, now);
            self.names[ix].set_back(wait, now);
        }
    }

    /// How often in a row something has set an order back, at the most of its names.
    fn setbacks_of(&self, flight: &Flight) -> u32 {
        flight.names.iter().map(|ix| self.names[*ix].fate.setbacks).max().unwrap_or_default()
    }

    /// Is this CA given up, and does another one stand in that is not known to be down?
    fn has_stand_in(&self, ca: usize, tenant: TenantId, now: Timestamp) -> bool {
        self.cas[ca].is_given_up_for(tenant, now) && self.cas[ca + 1..].iter().any(|other| other.health.faults == 0)
    }

    /// A limit was met, and the CA did not say about whom.
    fn limited_all(
        &mut self,
        flight: &Flight,
        failure: &Failure,
        retry_after: Option<Duration>,
        now: Timestamp,
        random: &mut dyn Randomness,
    ) {
        let wait = retry_after.unwrap_or_else(|| wait_after_setback(self.setbacks_of(flight) + 1, random));
        self.set_all_back(flight, FailureKind::Limit, failure, wait, now);
        if let Some(ca) = flight.ca {
            self.cas[ca].limit(flight.order.tenant, &flight.holds, retry_after.unwrap_or(UNTOLD_LIMIT), now);
            self.journal.touch(Key::Health(flight.order.ca.clone()));
        }
    }

    /// Names are to blame: those that the CA named, the only one, or some in one of two halves.
    fn blame(
        &mut self,
        flight: &Flight,
        failure: &Failure,
        kind: FailureKind,
        retry_after: Option<Duration>,
        now: Timestamp,
        random: &mut dyn Randomness,
    ) {
        let blamed: HashMap<&HostPattern, &NameFailure> = failure.names.iter().map(|name| (&name.name, name)).collect();
        let found = flight.names.iter().any(|ix| blamed.contains_key(&self.names[*ix].pattern));
        let alone = flight.names.len() == 1;
        let challenge = flight.order.challenges.first().copied();
        for (place, &ix) in flight.names.iter().enumerate() {
            let own = blamed.get(&self.names[ix].pattern).copied();
            let (own_kind, sentence) = own.map_or((kind, &failure.sentence), |own| (own.kind, &own.sentence));
            if found && own.is_none() {
                continue; // at once again, without the others
            }
            self.names[ix].tell(own_kind, sentence, now);
            if !own_kind.is_validation() {
                let name = &mut self.names[ix];
                let wait = retry_after.unwrap_or_else(|| wait_after_setback(name.fate.setbacks + 1, random));
                name.set_back(wait, now);
                continue;
            }
            if failure.asked == Asked::Ca {
                self.authorization_failed(ix, flight, now);
            }
            if own.is_some() || alone {
                let tried = own.and_then(|own| own.challenge).or(challenge);
                let name = &mut self.names[ix];
                if name.fate.learned == tried {
                    name.fate.learned = None;
                }
                name.fate.failed_with.retain(|kind| Some(*kind) != tried);
                name.fate.failed_with.extend(tried);
                name.failed(now, retry_after, random);
            } else {
                let half = u64::from(place * 2 >= flight.names.len());
                self.names[ix].fate.part = self.next_part + 1 + half;
            }
        }
        self.next_part += 2;
    }

    fn authorization_failed(&mut self, ix: NameIx, flight: &Flight, now: Timestamp) {
        let text = self.names[ix].text();
        if let Some(ca) = flight.ca {
            self.cas[ca].authorization_failed(&text, now);
            self.journal.touch(Key::Failed(flight.order.ca.clone(), text));
        }
    }

    pub(super) fn touch_name(&mut self, ix: NameIx) {
        let name = &self.names[ix];
        self.journal.touch(Key::Name(name.tenant, name.pattern.clone()));
    }
}

#[cfg(test)]
mod tests;
