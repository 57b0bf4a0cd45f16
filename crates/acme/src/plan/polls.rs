//! Renewal information (RFC 9773): when it is asked for, and what it changes. Failing polls wait for themselves; they say
//! nothing about orders.

use std::time::Duration;

use super::{
    Planner,
    ca::{RETRY_AFTER_LIMIT, doubling},
    calendar::Phase,
    journal::Key,
    slab::CertIx,
    work::{Job, JobId, Randomness, RenewalWindow, Work},
};
use crate::{Alarm, Timestamp, failure::Failure};

/// Polls in flight, over all CAs.
const AT_ONCE: usize = 16;
/// At least twice a day.
const RAREST: Duration = Duration::from_secs(12 * 3600);
/// However often a CA wants to be asked.
const MOST_OFTEN: Duration = Duration::from_secs(60);
/// The first wait after a failed poll; it doubles up to [`RAREST`].
const FAILED: Duration = Duration::from_secs(600);

impl Planner {
    /// Plans the first poll of a certificate, or takes its poll away when nothing can come of it.
    pub(super) fn schedule_poll(&mut self, ix: CertIx, now: Timestamp) {
        let cert = &self.certs[ix];
        let ca = self.ca_of(ix);
        let wanted = !cert.covers.is_empty() && cert.issued.has_ari() && cert.phase(now) == Phase::Fresh;
        match (ca, wanted && self.waits.is_none()) {
            (Some(ca), true) if cert.poll.is_none() && !cert.polling => {
                // Spread evenly: after a start all of them are new to us.
                let at = now.after(self.pace.poll_every.min(RAREST).mul_f64(cert.fraction()));
                self.poll_at(ix, ca, at);
            }
            (Some(ca), false) => {
                if let Some(at) = self.certs[ix].poll.take() {
                    self.cas[ca].polls.remove(&(at.into(), ix));
                }
            }
            _ => {}
        }
    }

    fn ca_of(&self, ix: CertIx) -> Option<usize> {
        let id = self.certs[ix].issued.ca();
        self.cas.iter().position(|ca| ca.id() == id)
    }

    fn poll_at(&mut self, ix: CertIx, ca: usize, at: Timestamp) {
        let at = Alarm::from(at);
        self.certs[ix].poll = Some(at);
        self.cas[ca].polls.insert((at.into(), ix));
    }

    /// A poll that is due.
    pub(super) fn next_poll(&mut self, now: Timestamp) -> Option<Job> {
        if self.polls_in_flight.len() >= AT_ONCE {
            return None;
        }
        let due = |ca: &super::Ca| ca.polls_from <= now && ca.polls.first().is_some_and(|(at, _)| *at <= now);
        let ca = self.cas.iter_mut().find(|ca| due(ca))?;
        let (_, ix) = ca.polls.pop_first()?;
        let name = ca.id().clone();
        let id = self.job_id();
        let cert = &mut self.certs[ix];
        cert.poll = None;
        cert.polling = true;
        let issuance = cert.issued.id();
        let certificate = cert.issued.ari().as_deref().unwrap_or_default().to_owned();
        self.polls_in_flight.insert(id, (ix, issuance.clone()));
        Some(Job { id, work: Work::RenewalInfo { ca: name, issuance, certificate } })
    }

    /// When the next poll may be had.
    pub(super) fn polls_wait(&self) -> Option<Timestamp> {
        if self.polls_in_flight.len() >= AT_ONCE {
            return None; // `informed` comes
        }
        self.cas.iter().filter_map(|ca| ca.polls.first().map(|(at, _)| (*at).max(ca.polls_from))).min()
    }

    /// Renewal information has come, or failed to.
    pub fn informed(
        &mut self,
        job: JobId,
        outcome: Result<RenewalWindow, Failure>,
        now: Timestamp,
        random: &mut dyn Randomness,
    ) {
        self.tick(now);
        let Some((ix, issuance)) = self.polls_in_flight.remove(&job) else { return };
        if self.certs.find(ix).is_none_or(|cert| cert.issued.id() != issuance) {
            return; // it is gone
        }
        self.certs[ix].polling = false;
        let Some(ca) = self.ca_of(ix) else { return };
        let wait = match outcome {
            Ok(window) => {
                self.cas[ca].poll_worked();
                self.certs[ix].poll_failures = 0;
                if self.certs[ix].told(window, now, random) {
                    self.journal.touch(Key::Cert(issuance));
                    self.phase_changed_early(ix, now);
                }
                window.retry_after.unwrap_or(self.pace.poll_every).clamp(MOST_OFTEN, RAREST)
            }
            Err(failure) => {
                self.cas[ca].poll_failed(now, random);
                let failures = self.certs[ix].poll_failures.saturating_add(1);
                self.certs[ix].poll_failures = failures;
                let wait = doubling(FAILED, failures, RAREST).mul_f64(1.0 - 0.2 * random.fraction());
                wait.max(failure.retry_after.unwrap_or_default().min(RETRY_AFTER_LIMIT))
            }
        };
        if self.certs.find(ix).is_some_and(|cert| cert.phase(now) == Phase::Fresh && !cert.covers.is_empty())
            && self.certs[ix].poll.is_none()
        {
            self.poll_at(ix, ca, now.after(wait));
        }
    }

    /// The renewal's instant has moved: the timer too, and maybe the phase.
    fn phase_changed_early(&mut self, ix: CertIx, now: Timestamp) {
        self.certs[ix].polling = true; // the caller plans the next poll
        self.schedule_cert(ix, now);
        self.certs[ix].polling = false;
        if self.certs[ix].phase(now) != Phase::Fresh {
            for name in self.certs[ix].covers.iter().collect::<Vec<_>>() {
                self.settle(name, now);
            }
        }
    }
}
