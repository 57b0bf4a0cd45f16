//! Step 3 of the walk: every name of the order is proved.
//!
//! All challenges are open before the CA is told of the first, so that no answer of ours is late; all are looked at until
//! each is decided, so that one bad name does not hide the others; and all are closed again, whatever happened.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout};
use vestibule_certs::store;
use vestibule_names::{HostPattern, Hostname};

use super::{
    classify::Asking,
    doubt::Doubt,
    fault::{Fault, Problem},
    protocol::{Authorization, Offer, Placed, Standing},
    walk::{Stop, Walk},
};
use crate::{
    config::{ChallengeKind, DEFAULT_PROVIDER, SiteDns},
    dns::{Presented, Way},
    door::{self, Opened},
    failure::{Asked, Failure, FailureKind, NameFailure},
};

/// TXT records that are put in place at the same time.
const PRESENT_AT_ONCE: usize = 8;
/// How long that is waited for, in all; what a program of the operator began by then may end.
pub(crate) const PRESENT_LIMIT: Duration = Duration::from_secs(150);
/// How long the records may take to go again, in all. What is left then stays behind, and the log says so.
pub(crate) const WITHDRAW_LIMIT: Duration = Duration::from_secs(60);
/// How long the other names may take once one has failed.
const AFTER_FAILURE: Duration = Duration::from_secs(15);

/// Names that were proved, and how.
pub(super) type Proved = Vec<(HostPattern, ChallengeKind)>;

/// A name that is being proved.
pub(super) struct Proof {
    /// Of the authorization, in the order's list.
    index: usize,
    name: HostPattern,
    authorization: String,
    offer: Offer,
}

/// A TXT record that proves a name.
struct Record {
    proved: HostPattern,
    host: Hostname,
    value: String,
}

/// Answers that are in place.
#[derive(Default)]
struct Answers {
    opened: Vec<Opened>,
    presented: Vec<Presented>,
}

impl Walk<'_> {
    pub(super) async fn prove(&mut self, placed: &mut impl Placed) -> Result<Proved, Stop> {
        let authorizations = self.authorizations(placed).await?;
        if let Some(failure) = self.failed(&authorizations) {
            return Err(Stop::dead(failure));
        }
        let proofs = self.choose(&authorizations).map_err(Stop::dead)?;
        let mut answers = Answers::default();
        let decided = match self.answer(placed, &proofs, &mut answers).await {
            Ok(again) => self.decide(placed, &proofs, &again).await,
            Err(stop) => Err(stop),
        };
        drop(answers.opened);
        let dns = &self.client.tools.dns;
        let withdrawing = stream::iter(answers.presented).for_each_concurrent(PRESENT_AT_ONCE, |one| dns.withdraw(one));
        // Not an error: whatever is dropped with it says that it stays.
        let _ = timeout(WITHDRAW_LIMIT, withdrawing).await;
        decided
    }

    /// What the authorizations say of names that failed.
    pub(super) fn failed(&self, authorizations: &[Authorization]) -> Option<Failure> {
        let failed = authorizations.iter().filter_map(|authorization| match &authorization.standing {
            Standing::Failed(why) => Some((&authorization.name, why)),
            Standing::Open | Standing::Proved | Standing::Over => None,
        });
        let first = self.order.challenges.first().copied().unwrap_or(ChallengeKind::Http01);
        let names: Vec<_> = failed
            .map(|(name, why)| {
                let (challenge, problem) = why.clone().unwrap_or_else(|| (first, Problem::default()));
                self.judging().name(name, challenge, &problem)
            })
            .collect();
        told(names)
    }

    pub(super) async fn authorizations(&mut self, placed: &mut impl Placed) -> Result<Vec<Authorization>, Stop> {
        let mut faults = 0;
        loop {
            match placed.authorizations().await {
                Ok(found) => return Ok(found),
                Err(fault) => self.bear(&fault, &mut faults).await?,
            }
        }
    }

    /// For each open name the first challenge of the order's that the CA offers and that can be answered. What the CA has
    /// proved already (it reuses authorizations) needs none.
    pub(super) fn choose(&self, authorizations: &[Authorization]) -> Result<Vec<Proof>, Failure> {
        let open = authorizations.iter().enumerate().filter(|(_, found)| matches!(found.standing, Standing::Open));
        open.map(|(index, authorization)| {
            let name = &authorization.name;
            if !self.order.names.contains(name) {
                let sentence =
                    format!("{} wants {name} proved, which nobody ordered: it is asked again later", self.order.ca);
                return Err(Failure::new(FailureKind::Ca, sentence));
            }
            let usable = self.order.challenges.iter().filter(|kind| fits(name, **kind) && self.can(name, **kind));
            let offered = |kind: &ChallengeKind| authorization.offers.iter().find(|offer| offer.kind == *kind);
            let offer =
                usable.copied().find_map(|kind| offered(&kind)).ok_or_else(|| self.nothing_fits(authorization))?;
            Ok(Proof { index, name: name.clone(), authorization: authorization.url.clone(), offer: offer.clone() })
        })
        .collect()
    }

    fn can(&self, name: &HostPattern, kind: ChallengeKind) -> bool {
        kind != ChallengeKind::Dns01 || self.way(name).is_some()
    }

    /// The way into DNS for this name. What the planner was told is asked again: settings may have changed since.
    fn way(&self, name: &HostPattern) -> Option<Way<'_>> {
        let tenant = self.order.tenant;
        let named = |wanted: &str| {
            let provider = self.client.config.provider(wanted)?;
            provider.serves(tenant, name).is_ok().then(|| Way::of_settings(provider, tenant))
        };
        match &self.order.dns {
            Some(SiteDns::Own(provider)) => Some(Way::own(provider, tenant)),
            Some(SiteDns::Named(name)) => named(name),
            None => named(DEFAULT_PROVIDER),
        }
    }

    fn nothing_fits(&self, authorization: &Authorization) -> Failure {
        let list = |kinds: Vec<ChallengeKind>| match kinds.is_empty() {
            true => "none".to_owned(),
            false => kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(", "),
        };
        let (ca, name) = (&self.order.ca, &authorization.name);
        let offered = list(authorization.offers.iter().map(|offer| offer.kind).collect());
        let allowed = list(self.order.challenges.clone());
        let what = match (name, self.way(name)) {
            (HostPattern::Wildcard(_), None) => "a wildcard needs dns-01, and with it a provider: write `dns`",
            _ => "allow one that is offered",
        };
        let sentence = format!("no challenge fits {name} ({ca} offers: {offered}; allowed here: {allowed}): {what}");
        Failure::new(FailureKind::Configuration, sentence)
    }

    /// Everything in place, then the CA is told. Returns the names of which an earlier attempt may have told it.
    async fn answer(
        &mut self,
        placed: &mut impl Placed,
        proofs: &[Proof],
        answers: &mut Answers,
    ) -> Result<Vec<HostPattern>, Stop> {
        let mut records = Vec::new();
        for proof in proofs {
            match (proof.offer.kind, &proof.name) {
                (ChallengeKind::Dns01, HostPattern::Exact(name) | HostPattern::Wildcard(name)) => {
                    let value = placed.dns_value(proof.index).await.map_err(|fault| self.stop(&fault))?;
                    records.push(Record { proved: proof.name.clone(), host: name.clone(), value });
                }
                _ => answers.opened.push(self.open(proof).map_err(Stop::resumable)?),
            }
        }
        self.present(&records, answers).await?;
        let noted: Vec<_> = proofs.iter().map(|proof| (proof.index, proof.noted())).collect();
        let again = self.answer_for(placed, &noted).await?;
        for proof in proofs {
            self.tell(placed, proof).await?;
        }
        Ok(again)
    }

    fn open(&self, proof: &Proof) -> Result<Opened, Failure> {
        let (tools, offer) = (&self.client.tools, &proof.offer);
        let opened = match offer.kind {
            ChallengeKind::TlsAlpn01 => {
                let config = tools.vault.challenge_config(&proof.name, &offer.key_authorization).map_err(|error| {
                    let sentence =
                        format!("no certificate could be made for the challenge of {} ({error})", proof.name);
                    Failure::new(FailureKind::Storage, sentence)
                })?;
                tools.door.open_alpn(&door::alpn_server_name(&proof.name), config)
            }
            ChallengeKind::Http01 | ChallengeKind::Dns01 => {
                tools.door.open_http(&door::http_host(&proof.name), &offer.token, &offer.key_authorization)
            }
        };
        if opened.is_open() {
            return Ok(opened);
        }
        let sentence = format!("the challenge of {} for {} cannot be answered: see the log", self.order.ca, proof.name);
        Err(Failure::new(FailureKind::Ca, sentence))
    }

    /// The time that this takes is the DNS provider's and the zone's, never the CA's.
    async fn present(&mut self, records: &[Record], answers: &mut Answers) -> Result<(), Stop> {
        let started = Instant::now();
        let this = &*self;
        let presenting = stream::iter(records).map(|record| async move { (record, this.put(record, started).await) });
        let outcomes: Vec<_> = presenting.buffer_unordered(PRESENT_AT_ONCE).collect().await;
        self.patience.pause(started.elapsed());
        let mut failed = Vec::new();
        for (record, outcome) in outcomes {
            match outcome {
                Ok(presented) => answers.presented.push(presented),
                Err(failure) => failed.push(NameFailure {
                    name: record.proved.clone(),
                    kind: failure.kind,
                    challenge: Some(ChallengeKind::Dns01),
                    sentence: failure.sentence,
                }),
            }
        }
        told(failed).map_or(Ok(()), |failure| Err(Stop::resumable(Failure { asked: Asked::Nobody, ..failure })))
    }

    async fn put(&self, record: &Record, started: Instant) -> Result<Presented, Failure> {
        let Record { proved, host, value } = record;
        let Some(way) = self.way(proved) else {
            let sentence = format!("no DNS provider serves {proved} any more");
            return Err(Failure::new(FailureKind::Configuration, sentence));
        };
        self.client.tools.dns.present(way.until(started + PRESENT_LIMIT), host, value).await
    }

    /// RFC 8555 section 7.5.1. That the CA finds nothing to do any more (it was told before a restart) is no fault.
    async fn tell(&mut self, placed: &mut impl Placed, proof: &Proof) -> Result<(), Stop> {
        let mut faults = 0;
        loop {
            match placed.ready(proof.index, proof.offer.kind).await {
                Ok(()) => return Ok(()),
                Err(Fault::Problem(problem)) if problem.kind == "malformed" => {
                    tracing::debug!(name = %proof.name, detail = problem.detail, "a challenge was answered already");
                    return Ok(());
                }
                Err(fault) => self.bear(&fault, &mut faults).await?,
            }
        }
    }

    /// Looks until every name is proved or has failed. What became of those of which the CA was told `again` may be what it
    /// found between two runs.
    async fn decide(
        &mut self,
        placed: &mut impl Placed,
        proofs: &[Proof],
        again: &[HostPattern],
    ) -> Result<Proved, Stop> {
        let doubt = Doubt::within(self.client.config.timeouts.order);
        let mut left: Vec<(&Proof, Doubt)> = proofs.iter().map(|proof| (proof, doubt)).collect();
        let mut proved = Proved::new();
        let mut failed = Vec::new();
        self.patience.afresh();
        let mut patience = self.patience;
        while !left.is_empty() {
            if patience.wait(placed.retry_after()).await.is_err() {
                break;
            }
            let mut open = Vec::new();
            for (proof, mut doubt) in left {
                let authorization = self.look(placed, proof.index).await?;
                match authorization.standing_of(proof.offer.kind, &mut doubt) {
                    Standing::Proved => proved.push((proof.name.clone(), proof.offer.kind)),
                    Standing::Open => open.push((proof, doubt)),
                    Standing::Over => return Err(Stop::dead(self.gone())),
                    Standing::Failed(why) => {
                        let why = why.or(Some((proof.offer.kind, Problem::default())));
                        failed.push(Authorization { standing: Standing::Failed(why), ..authorization });
                        if failed.len() == 1 {
                            patience = patience.at_most(AFTER_FAILURE);
                        }
                    }
                }
            }
            left = open;
        }
        match self.failed(&failed) {
            Some(failure) if failed.iter().any(|failed| again.contains(&failed.name)) => {
                Err(Stop::dead(self.unheard(failure.names)))
            }
            Some(failure) => Err(Stop::dead(failure)),
            None if left.is_empty() => Ok(proved),
            None => Err(Stop::resumable(self.out_of_time().after(placed.retry_after()))),
        }
    }

    pub(super) async fn look(&mut self, placed: &mut impl Placed, index: usize) -> Result<Authorization, Stop> {
        let mut faults = 0;
        loop {
            match placed.look(index).await {
                Ok(found) => return Ok(found),
                Err(fault) => self.bear(&fault, &mut faults).await?,
            }
        }
    }

    fn stop(&self, fault: &Fault) -> Stop {
        Stop::resumable(self.judge(fault, Asking::Order))
    }
}

impl Proof {
    fn noted(&self) -> store::Proof {
        store::Proof { name: self.name.clone(), authorization: self.authorization.clone() }
    }
}

impl Authorization {
    /// How it stands, where a CA that has refused the challenge that was answered, or hesitates over it for too long, has
    /// refused the name.
    fn standing_of(&self, answered: ChallengeKind, doubt: &mut Doubt) -> Standing {
        let Standing::Open = self.standing else { return self.standing.clone() };
        if let Some(refused) = self.refused.iter().find(|(kind, _)| *kind == answered) {
            return Standing::Failed(Some(refused.clone()));
        }
        let offer = self.offers.iter().find(|offer| offer.kind == answered);
        match doubt.consider(offer.and_then(|offer| offer.problem.clone())) {
            Some(problem) => Standing::Failed(Some((answered, problem))),
            None => Standing::Open,
        }
    }
}

/// Wildcards are proved by DNS (RFC 8555 section 8.4), addresses by connections only (RFC 8738 section 7).
fn fits(name: &HostPattern, kind: ChallengeKind) -> bool {
    match name {
        HostPattern::Exact(_) => true,
        HostPattern::Wildcard(_) => kind == ChallengeKind::Dns01,
        HostPattern::Address(_) => kind != ChallengeKind::Dns01,
    }
}

/// One failure for all of these names: a name's own fault, if it is any name's.
fn told(names: Vec<NameFailure>) -> Option<Failure> {
    let about_name = || names.iter().find(|name| name.kind.is_validation());
    let told = about_name().or_else(|| names.iter().find(|name| name.kind != FailureKind::Ca)).or(names.first())?;
    let sentence = match names.len() {
        1 => told.sentence.clone(),
        2 => format!("{}; 1 more name failed", told.sentence),
        more => format!("{}; {} more names failed", told.sentence, more - 1),
    };
    let failure = Failure::new(told.kind, sentence);
    Some(Failure { names, ..failure })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_that_is_refused_ends_an_authorization_that_is_left_open() {
        let problem =
            |detail: &str| Problem { kind: "tls".to_owned(), detail: detail.to_owned(), ..Problem::default() };
        let offer = |kind| Offer { kind, token: "t".to_owned(), key_authorization: "t.k".to_owned(), problem: None };
        let open = Authorization {
            url: "https://ca.test/authz/1".to_owned(),
            name: HostPattern::parse("a.test").unwrap(),
            standing: Standing::Open,
            offers: vec![offer(ChallengeKind::Http01)],
            refused: vec![(ChallengeKind::TlsAlpn01, problem("no certificate"))],
        };
        let standing = |answered| open.standing_of(answered, &mut Doubt::within(Duration::from_secs(600)));
        assert!(matches!(standing(ChallengeKind::Http01), Standing::Open));
        let Standing::Failed(Some((kind, why))) = standing(ChallengeKind::TlsAlpn01) else { panic!("it is refused") };
        assert_eq!((kind, why), (ChallengeKind::TlsAlpn01, problem("no certificate")));
    }
}
