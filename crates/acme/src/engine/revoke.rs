//! Revocations: another certificate first, then the word to the CA, so that no site goes dark for it. A stolen key alone
//! does not wait: until the CA knows, somebody else can be the site.
//!
//! Not here: who may ask (`gateway::admin`). What is asked for is forgotten with the process: it is to be asked for again.

use std::{rc::Rc, time::Duration};

use futures_util::FutureExt as _;
use tokio::time::Instant;
use vestibule_certs::store::Issued;
use vestibule_names::HostPattern;

use super::{
    Ca, Event,
    answers::{IMPORTED, hopeless},
    desk::Desk,
    inbox::Reply,
    journal::storage_failure,
    lanes::{Ended, guarded},
    outcome::list,
};
use crate::{Failure, FailureKind, Timestamp, plan::NameStatus};

/// Another certificate must be there by then. Leaves the CA the time to answer before whoever asks gives up.
const REPLACE_TIMEOUT: Duration = Duration::from_mins(8);
/// Certificates that wait to be revoked at once.
const REVOCATIONS_LIMIT: usize = 64;
/// The key is in other hands (RFC 5280 section 5.3.1).
const KEY_COMPROMISE: u8 = 1;

/// A certificate that is to be revoked when nobody is shown it any more.
pub(super) struct Revocation {
    issued: Issued,
    reason: u8,
    /// Names that were shown it when they were last counted.
    shown: Vec<HostPattern>,
    asked: Timestamp,
    until: Instant,
    reply: Reply<Result<Issued, String>>,
}

/// What comes of it now.
enum Next {
    Wait,
    Revoke,
    /// For this reason.
    GiveUp(String),
}

impl<C: Ca, T: Fn(&Event)> Desk<C, T> {
    pub(super) fn revoke(&mut self, name: &HostPattern, reason: u8, reply: Reply<Result<Issued, String>>) {
        let issued = match self.revocable(name) {
            Ok(issued) => issued,
            Err(why) => return drop(reply.send(Err(why))),
        };
        let shown = self.shown(&issued);
        let (asked, until) = (self.clock.now(), Instant::now() + REPLACE_TIMEOUT);
        let revocation = Revocation { issued, reason, shown, asked, until, reply };
        if reason == KEY_COMPROMISE || revocation.shown.is_empty() {
            return self.tell_ca(revocation);
        }
        match self.room_for(&revocation) {
            Ok(()) => {
                self.replace(&revocation);
                self.revocations.push(revocation);
            }
            Err(why) => drop(revocation.reply.send(Err(why))),
        }
    }

    fn room_for(&self, revocation: &Revocation) -> Result<(), String> {
        let id = &revocation.issued.id;
        if self.revocations.iter().any(|known| known.issued.id == *id) {
            return Err(format!("{id} is being revoked already"));
        }
        if self.revocations.len() >= REVOCATIONS_LIMIT {
            return Err(format!("{REVOCATIONS_LIMIT} certificates are being revoked already: try again later"));
        }
        Ok(())
    }

    /// What is shown for this name, if there is a CA that could revoke it.
    fn revocable(&self, name: &HostPattern) -> Result<Issued, String> {
        let status = self.planner.status_of(name, self.clock.now());
        let by_id = |id| self.store.current().into_iter().find(|issued| issued.id == id);
        let unwanted = || self.store.current().into_iter().find(|issued| issued.draft.names.contains(name));
        let issued = match status {
            Some(status) => status.issuance.and_then(by_id),
            None => unwanted(),
        };
        let issued = issued.ok_or_else(|| format!("{name} has no certificate of a CA: there is nothing to revoke"))?;
        self.revoker(&issued)?;
        Ok(issued)
    }

    /// Asks for what takes its place, for every name that is shown it. A name below a wildcard that is ordered anew has to
    /// do nothing.
    fn replace(&mut self, revocation: &Revocation) {
        let names = &revocation.issued.draft.names;
        let (own, others): (Vec<_>, Vec<_>) = revocation.shown.iter().partition(|name| names.contains(name));
        let is_covered = |name: &HostPattern| own.iter().any(|own| own.matches(&name.to_string()));
        for name in own.iter().copied().chain(others.into_iter().filter(|name| !is_covered(name))) {
            self.planner.renew_now(name, self.clock.now());
        }
    }

    /// Wanted names that are shown this.
    fn shown(&self, issued: &Issued) -> Vec<HostPattern> {
        let now = self.clock.now();
        let statuses = self.planner.statuses_of(issued.draft.tenant, now);
        statuses.filter(|status| shows(status, issued)).map(|status| status.name).collect()
    }

    /// Revokes what nobody is shown any more, and gives up where nothing takes its place. After planning: what can begin has
    /// begun.
    pub(super) fn settle_revocations(&mut self) {
        for mut revocation in std::mem::take(&mut self.revocations) {
            match self.next_of(&mut revocation) {
                Next::Wait => self.revocations.push(revocation),
                Next::Revoke => self.tell_ca(revocation),
                Next::GiveUp(why) => {
                    let names = list(&revocation.issued.draft.names);
                    tracing::warn!(names, why, "nothing is revoked: there is no other certificate to show");
                    let _ = revocation.reply.send(Err(format!(
                        "nothing is revoked, because nothing can take its place: {why}; if its key is in other hands, say \
                         key-compromise, which does not wait"
                    )));
                }
            }
        }
    }

    fn next_of(&self, revocation: &mut Revocation) -> Next {
        let (now, issued) = (self.clock.now(), &revocation.issued);
        let statuses = revocation.shown.iter().filter_map(|name| self.planner.status_of(name, now));
        let left: Vec<_> = statuses.filter(|status| shows(status, issued)).collect();
        if left.is_empty() {
            // Names may have come meanwhile.
            revocation.shown = self.shown(issued);
            return if revocation.shown.is_empty() { Next::Revoke } else { Next::Wait };
        }
        let times = (revocation.asked, revocation.until);
        let whys = |status: &NameStatus| hopeless(&self.planner, &status.name, times, now);
        left.iter().find_map(whys).map_or(Next::Wait, Next::GiveUp)
    }

    fn tell_ca(&mut self, revocation: Revocation) {
        let Revocation { issued, reason, reply, .. } = revocation;
        let (ca, limit) = match self.revoker(&issued) {
            Ok(revoker) => revoker,
            Err(why) => return drop(reply.send(Err(why))),
        };
        let work = async move {
            let outcome = guarded(&issued.draft.ca, limit, ca.revoke(&issued, reason)).await;
            Ended::Revoked { issued: Box::new(issued), outcome, reply }
        };
        self.lanes.errand(work.boxed_local());
    }

    /// Who can revoke it, and how long that may take. What was imported is revoked at the first CA, with its own key.
    fn revoker(&self, issued: &Issued) -> Result<(Rc<C>, Duration), String> {
        let id = match issued.draft.ca.as_str() {
            IMPORTED => &self.config.cas[0].id,
            _ => &issued.draft.ca,
        };
        let (ca, config) = self.ca(id).ok_or_else(|| self.unknown_ca(id).sentence)?;
        Ok((ca, config.timeouts.request * 4))
    }

    /// The CA has answered. What it holds revoked is shown no longer: where nothing has taken its place, that comes next.
    pub(super) fn revoked(&mut self, issued: &Issued, outcome: Result<(), Failure>) -> Result<(), String> {
        outcome.map_err(|failure| self.not_revoked(issued, failure))?;
        if let Err(error) = self.store.retire(&issued.id) {
            tracing::error!(issuance = %issued.id, error = %storage_failure(&error), "a revoked certificate stays in the store");
        }
        self.planner.revoked(&issued.id, self.clock.now());
        self.tell(&Event::Revoked(issued.clone()));
        Ok(())
    }

    /// A CA revokes for the account that ordered, or for one that has proved all the names. Of what was imported we are
    /// neither as a rule, and the CA's words would not tell that.
    fn not_revoked(&self, issued: &Issued, failure: Failure) -> String {
        let refused = match failure.kind {
            _ if issued.draft.ca.as_str() != IMPORTED => return failure.sentence,
            FailureKind::Storage => return failure.sentence,
            FailureKind::Account | FailureKind::Configuration | FailureKind::Rejected => {
                format!("{} does not revoke what this gateway did not order", self.config.cas[0].id)
            }
            _ => failure.sentence,
        };
        let names = list(&issued.draft.names);
        let folder = issued.draft.names.first().map(HostPattern::to_string).unwrap_or_default();
        let folder = folder.trim_start_matches("*.");
        format!(
            "the certificate of {names} was imported, and {refused}: revoke it where it was issued, with the tool that \
             got it (certbot revoke --cert-path /etc/letsencrypt/live/{folder}/cert.pem)"
        )
    }
}

fn shows(status: &NameStatus, issued: &Issued) -> bool {
    status.issuance.as_ref() == Some(&issued.id)
}
