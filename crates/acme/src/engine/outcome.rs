//! What came of a job: the planner learns it, the gateway and hooks are told, and whoever asked for a renewal is answered.

use std::time::SystemTime;

use vestibule_certs::store::{CaId, IssuanceId};
use vestibule_names::HostPattern;

use super::{Ca, Event, answers::Verdict, desk::Desk, lanes::Ended, tally};
use crate::{
    Failure, FailureKind, Timestamp,
    plan::{JobId, Obtained, Order, Sight},
};

impl<C: Ca, T: Fn(&Event)> Desk<C, T> {
    pub(super) fn ended(&mut self, ended: Ended) {
        match ended {
            Ended::Order { job, outcome } => self.order_ended(job, outcome),
            Ended::RenewalInfo { job, outcome } => {
                if let Err(failure) = &outcome {
                    tracing::debug!(%failure, "no renewal information");
                }
                self.planner.informed(job, outcome, self.clock.now(), &mut self.chance);
            }
            Ended::DnsCheck { job, sights } => self.dns_looked_at(job, &sights),
            Ended::Revoked { issued, outcome, reply } => {
                let answer = self.revoked(&issued, outcome).map(|()| *issued);
                // Whoever asked may have gone.
                let _ = reply.send(answer);
            }
            Ended::Errand => {}
        }
        self.changed();
    }

    /// Whoever waits for DNS before the first order is told to people: nothing fails that they would hear of.
    fn dns_looked_at(&mut self, job: JobId, sights: &[(HostPattern, Sight)]) {
        let now = self.clock.now();
        for name in self.planner.checked(job, sights, now) {
            let Some(status) = self.planner.status_of(&name, now) else { continue };
            let Some((_, why, _)) = status.failure else { continue };
            self.tell(&Event::Quarantined { tenant: status.tenant, name, why });
        }
    }

    fn order_ended(&mut self, job: JobId, outcome: Result<Obtained, Failure>) {
        // Until the end of this function the names count as being ordered: a handshake that waits sees the swap first.
        let Some(in_flight) = self.lanes.land(job) else {
            debug_assert!(false, "an order ends once");
            return;
        };
        match outcome {
            Ok(obtained) => self.order_worked(job, &in_flight.order, obtained),
            Err(failure) => self.order_failed(job, &in_flight.order, failure),
        }
    }

    fn order_worked(&mut self, job: JobId, order: &Order, obtained: Obtained) {
        let issued = obtained.issued.clone();
        let (word, event) = match order.renews {
            Some(_) => ("renewed", Event::Renewed(issued.clone())),
            None => ("obtained", Event::Obtained(issued.clone())),
        };
        self.tally.count(&order.ca, word);
        self.planner.ordered(job, Ok(obtained), self.clock.now(), &mut self.chance);
        self.share(&issued.id);
        self.tell(&event);
        self.drop_leftovers(order);
        self.answer_waiters(&order.names, &Verdict::Issued(&issued));
    }

    /// The planner's issuance becomes the store's: one in memory is enough.
    pub(super) fn share(&mut self, id: &IssuanceId) {
        if let Some(entry) = self.store.kept(id) {
            self.planner.share(&entry);
        }
    }

    /// An order that failed, also one that was never begun.
    pub(super) fn order_failed(&mut self, job: JobId, order: &Order, failure: Failure) {
        let now = self.clock.now();
        self.tally.count(&order.ca, tally::failure_word(failure.kind));
        self.planner.ordered(job, Err(failure.clone()), now, &mut self.chance);
        let standings: Vec<_> = order.names.iter().filter_map(|name| self.planner.status_of(name, now)).collect();
        let next_attempt = standings.iter().filter_map(|status| status.next_attempt).min();
        let quarantined = self.planner.quarantined_anew(&order.names).into_iter();
        let quarantined: Vec<_> = quarantined.map(|name| (why(&failure, &name).to_owned(), name)).collect();
        self.answer_waiters(&order.names, &Verdict::Failed(&failure));
        self.tell(&Event::Failed { tenant: order.tenant, names: order.names.clone(), failure, next_attempt });
        for (why, name) in quarantined {
            self.tell(&Event::Quarantined { tenant: order.tenant, name, why });
        }
    }

    pub(super) fn unknown_ca(&self, id: &CaId) -> Failure {
        let known: Vec<_> = self.cas.iter().map(|(known, _)| known.as_str()).collect();
        Failure::new(
            FailureKind::Configuration,
            format!("no CA of the settings is called {id}: there are {}", known.join(", ")),
        )
    }
}

/// Why this name failed, as far as that is known apart from the others.
pub(super) fn why<'a>(failure: &'a Failure, name: &HostPattern) -> &'a str {
    let of_name = failure.names.iter().find(|of_name| of_name.name == *name);
    of_name.map_or(&failure.sentence, |of_name| &of_name.sentence)
}

/// The first few names, and how many more.
pub(super) fn list(names: &[HostPattern]) -> String {
    const SHOWN: usize = 5;
    let mut text = names.iter().take(SHOWN).map(HostPattern::to_string).collect::<Vec<_>>().join(" ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// When something is tried, for people.
pub(super) fn in_words(at: Timestamp) -> String {
    httpdate::fmt_http_date(SystemTime::from(at))
}
