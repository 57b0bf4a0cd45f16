//! Questions of operators. What the planner and the store know is answered in the same turn; what needs a CA or DNS runs
//! as an errand; a renewal is answered when its order has ended. Revocations are in `revoke`.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use tokio::time::Instant;
use vestibule_certs::store::{CaId, Issued};
use vestibule_names::{HostPattern, TenantId};

use super::{
    Ca, Event,
    desk::Desk,
    inbox::{Question, Reply},
    journal::storage_failure,
    lanes::{Ended, guarded},
    outcome::{in_words, list, why},
};
use crate::{
    Failure, FailureKind, Planner, Timestamp,
    config::{CaConfig, SiteOptions},
    explain::{self, Explanation, Provider, Subject},
    plan::{self, Forecast, Hold, HoldKind, NameState, NameStatus},
};

/// How long whoever asked for a renewal waits for its end.
const RENEW_TIMEOUT: Duration = Duration::from_mins(10);
/// How many may wait so.
const WAITERS_LIMIT: usize = 256;
/// An attempt that comes this soon is waited for, rather than telling the failure of the one before.
const SOON: Duration = Duration::from_secs(10);
/// Names the origin of issuances that came from elsewhere. No CA of the settings can know them as its own: an account of
/// another program ordered them, so that a renewal may not name them as what it replaces (RFC 9773 section 5).
pub(super) const IMPORTED: &str = "imported";

/// Somebody who asked for a renewal.
pub(super) struct Waiter {
    name: HostPattern,
    asked: Timestamp,
    until: Instant,
    reply: Reply<Result<Issued, String>>,
}

/// The end of an order, for those who wait for it.
pub(super) enum Verdict<'a> {
    Issued(&'a Issued),
    Failed(&'a Failure),
}

impl<C: Ca, T: Fn(&Event)> Desk<C, T> {
    /// An answer is sent to nobody when whoever asked has gone.
    pub(super) fn answer(&mut self, question: Question) {
        match question {
            Question::Status { sites, reply } => {
                let now = self.clock.now();
                let _ = reply.send(sites.iter().flat_map(|site| self.planner.status(site, now)).collect());
            }
            Question::Forecast { reply } => self.forecast(reply),
            Question::Import { tenant, chain_pem, key_pem, reply } => {
                let _ = reply.send(self.import(tenant, &chain_pem, &key_pem));
            }
            Question::Renew { name, reply } => self.renew(name, reply),
            Question::Revoke { name, reason, reply } => self.revoke(&name, reason, reply),
            Question::Explain { name, reply } => self.explain(name, reply),
            Question::RollOver { reply } => self.roll_over(reply),
        }
    }

    fn import(&mut self, tenant: TenantId, chain_pem: &[u8], key_pem: &[u8]) -> Result<Issued, String> {
        let origin = CaId::new(IMPORTED).expect("lower case letters are a name");
        let imported = self.store.import(tenant, &origin, chain_pem, key_pem, self.clock.time());
        let issued = imported.map_err(|error| storage_failure(&error).sentence)?;
        tracing::info!(names = %list(&issued.draft.names), issuance = %issued.id, "certificate imported");
        self.planner.adopted(&issued, self.clock.now());
        self.share(&issued.id);
        self.tell(&Event::Obtained(issued.clone()));
        self.changed();
        Ok(issued)
    }

    fn forecast(&mut self, reply: Reply<Forecast>) {
        let forecast = played_through(self.planner.clone(), self.clock.now());
        let work = async move {
            if let Some(forecast) = forecast.await {
                let _ = reply.send(forecast);
            }
            Ended::Errand
        };
        self.lanes.errand(work.boxed_local());
    }

    fn renew(&mut self, name: HostPattern, reply: Reply<Result<Issued, String>>) {
        if self.waiters.len() >= WAITERS_LIMIT {
            let _ = reply.send(Err(format!("{WAITERS_LIMIT} renewals are waited for already: try again later")));
        } else if self.planner.renew_now(&name, self.clock.now()) {
            let asked = self.clock.now();
            self.waiters.push(Waiter { name, asked, until: Instant::now() + RENEW_TIMEOUT, reply });
        } else {
            let _ = reply.send(Err(nobody_wants(&name)));
        }
    }

    /// An order for these names has ended: tells those who wait, unless the next attempt is about to come.
    pub(super) fn answer_waiters(&mut self, names: &[HostPattern], verdict: &Verdict<'_>) {
        let now = self.clock.now();
        for waiter in std::mem::take(&mut self.waiters) {
            if !names.contains(&waiter.name) {
                self.waiters.push(waiter);
                continue;
            }
            let next = self.planner.status_of(&waiter.name, now).and_then(|status| status.next_attempt);
            match verdict {
                Verdict::Issued(issued) => waiter.tell(Ok((*issued).clone())),
                Verdict::Failed(_) if next.is_some_and(|at| at.since(now) < SOON) => self.waiters.push(waiter),
                Verdict::Failed(failure) => {
                    let answer = with_next(why(failure, &waiter.name), next);
                    waiter.tell(Err(answer));
                }
            }
        }
    }

    /// Tells those whose renewal has to wait for long, and forgets those who have gone. After planning: what can begin
    /// has begun.
    pub(super) fn settle_waiters(&mut self) {
        let now = self.clock.now();
        for waiter in std::mem::take(&mut self.waiters) {
            match hopeless(&self.planner, &waiter.name, (waiter.asked, waiter.until), now) {
                _ if waiter.reply.is_closed() => {}
                None => self.waiters.push(waiter),
                Some(why) => waiter.tell(Err(why)),
            }
        }
    }

    fn explain(&mut self, name: HostPattern, reply: Reply<Explanation>) {
        let first = &self.config.cas[0];
        let Some((ca, _)) = self.ca(&first.id) else { return };
        let (mut subject, limit) = (self.subject(name, first), first.timeouts.request * 2);
        let dns = self.dns.clone();
        let work = async move {
            subject.account = ca.account();
            let directory = guarded(&subject.ca, limit, ca.directory()).await;
            subject.directory = directory.map_err(|failure| failure.sentence);
            // A bug there leaves the question without an answer, and everything else as it is.
            if let Ok(explanation) = AssertUnwindSafe(explain::look(&dns, &subject)).catch_unwind().await {
                let _ = reply.send(explanation);
            }
            Ended::Errand
        };
        self.lanes.errand(work.boxed_local());
    }

    /// What is known of a name here, before the CA's directory is asked for.
    fn subject(&self, name: HostPattern, ca: &CaConfig) -> Subject {
        let now = self.clock.now();
        let status = self.planner.status_of(&name, now);
        let wanted = self.planner.wanted_name(&name);
        let options = wanted.map_or(&SiteOptions::NONE, |wanted| wanted.options);
        // A name that nobody holds is asked about by the operator.
        let tenant = wanted.map_or(TenantId::OPERATOR, |wanted| wanted.tenant);
        let names = std::slice::from_ref(&name);
        let (challenges, provider) = plan::proofs(ca, tenant, names, options);
        Subject {
            challenges,
            provider: if provider.is_some() { Provider::Present } else { Provider::Missing },
            public_addresses: self.config.public_addresses.clone(),
            ca: ca.id.clone(),
            directory: Err(String::new()),
            account: None,
            limit: self.planner.hold_of(&name, now).filter(|hold| hold.by == HoldKind::Limit).map(|hold| hold.why),
            now,
            name,
            status,
        }
    }

    fn roll_over(&mut self, reply: Reply<Result<(), String>>) {
        let known = self.config.cas.iter().filter_map(|config| self.ca(&config.id));
        // Orders in flight sign with the old key, and are waited for.
        let limit = |config: &CaConfig| config.timeouts.order + config.timeouts.request * 8;
        let cas: Vec<_> = known.map(|(ca, config)| (ca, config.id.clone(), limit(config))).collect();
        let work = async move {
            let mut refusals = Vec::new();
            for (ca, id, limit) in cas {
                if let Err(failure) = guarded(&id, limit, ca.roll_over()).await {
                    refusals.push(format!("{id}: {failure}"));
                }
            }
            let _ = reply.send(if refusals.is_empty() { Ok(()) } else { Err(refusals.join("; ")) });
            Ended::Errand
        };
        self.lanes.errand(work.boxed_local());
    }
}

impl Waiter {
    fn tell(self, answer: Result<Issued, String>) {
        let _ = self.reply.send(answer);
    }
}

/// Why there is no new certificate of this name to wait for any more, which was asked for at the one time and is waited for
/// until the other; `None`: there is.
pub(super) fn hopeless(
    planner: &Planner,
    name: &HostPattern,
    (asked, until): (Timestamp, Instant),
    now: Timestamp,
) -> Option<String> {
    let Some(status) = planner.status_of(name, now) else { return Some(nobody_wants(name)) };
    if Instant::now() >= until {
        return Some(format!("{name} is not through after many minutes; it goes on without you"));
    }
    let next = status.next_attempt.filter(|at| at.since(now) >= SOON)?;
    if status.state == NameState::Ordering {
        return None;
    }
    Some(not_now(&status, planner.hold_of(name, now).as_ref(), asked, next))
}

/// The queue played through, on a thread of its own: that can take many thousand steps. `None`: it could not.
async fn played_through(planner: Planner, now: Timestamp) -> Option<Forecast> {
    tokio::task::spawn_blocking(move || planner.forecast(now)).await.ok()
}

/// Why a renewal is not tried before `next`. What failed before it was asked for is not told as what came of it.
fn not_now(status: &NameStatus, hold: Option<&Hold>, asked: Timestamp, next: Timestamp) -> String {
    // While nothing has failed yet, the status says what is waited for.
    let failure = status.failure.as_ref().filter(|(_, why, _)| !plan::only_waits(why));
    match (hold, failure) {
        (Some(Hold { by: HoldKind::Ca(ca), .. }), failure) => {
            let fault = failure.filter(|(kind, ..)| !kind.is_validation() && *kind != FailureKind::Limit);
            let fault = fault.map(|(_, why, _)| format!(" (last fault: {why})")).unwrap_or_default();
            format!("not tried now: the CA {ca} is not asked again before {}{fault}", in_words(next))
        }
        (_, Some((_, why, at))) if *at >= asked => with_next(why, Some(next)),
        (Some(hold), _) => with_next(&format!("not tried now: it waits for {}", hold.why), Some(next)),
        (None, Some((_, why, at))) => {
            let earlier = format!("not tried now: the last attempt, {}, failed ({why})", in_words(*at));
            with_next(&earlier, Some(next))
        }
        (None, None) => with_next("not tried now: others come first", Some(next)),
    }
}

/// A wildcard that cannot be proved does not come as far as here.
fn nobody_wants(name: &HostPattern) -> String {
    match name {
        HostPattern::Wildcard(_) => format!(
            "{name} is a wildcard, which CAs prove by dns-01 only: give its site a DNS provider, with `dns` under its `tls`"
        ),
        _ => format!("no site wants a certificate of a CA for {name}: see `vestibule certs`"),
    }
}

fn with_next(why: &str, next: Option<Timestamp>) -> String {
    match next {
        Some(at) => format!("{why}; next attempt {}", in_words(at)),
        None => why.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use vestibule_names::SiteId;

    use super::*;

    #[test]
    fn a_renewal_that_is_not_tried_says_why_in_truth() {
        let [earlier, asked, next] = [1_000_000, 2_000_000, 3_000_000].map(Timestamp);
        let status = |failure: Option<(FailureKind, &str, Timestamp)>| NameStatus {
            name: HostPattern::parse("a.test").unwrap(),
            site: SiteId::new("a.yaml"),
            tenant: TenantId(1),
            state: NameState::Renewing,
            issuance: None,
            not_after: None,
            renew_at: None,
            next_attempt: Some(next),
            failure: failure.map(|(kind, why, at)| (kind, why.to_owned(), at)),
            failures: 0,
        };
        let hold = |by, why: &str| Some(Hold { by, until: next, why: why.to_owned() });
        let down = || hold(HoldKind::Ca(CaId::new("le").unwrap()), "the CA, which is down");
        let limit = || hold(HoldKind::Limit, "the limit of new orders per account");
        let at = "Thu, 01 Jan 1970 00:50:00 GMT";
        let cases = [
            (
                down(),
                Some((FailureKind::Ca, "le answers 503", earlier)),
                format!("not tried now: the CA le is not asked again before {at} (last fault: le answers 503)"),
            ),
            (
                down(),
                Some((FailureKind::Limit, "waits for the CA, which is down", next)),
                format!("not tried now: the CA le is not asked again before {at}"),
            ),
            (
                limit(),
                Some((FailureKind::ValidationDns, "no A record", earlier)),
                format!("not tried now: it waits for the limit of new orders per account; next attempt {at}"),
            ),
            (
                None,
                Some((FailureKind::ValidationDns, "no A record", earlier)),
                format!(
                    "not tried now: the last attempt, Thu, 01 Jan 1970 00:16:40 GMT, failed (no A record); next attempt {at}"
                ),
            ),
            (None, Some((FailureKind::ValidationDns, "no A record", asked)), format!("no A record; next attempt {at}")),
        ];
        for (hold, failure, expected) in cases {
            assert_eq!(not_now(&status(failure), hold.as_ref(), asked, next), expected);
        }
    }
}
