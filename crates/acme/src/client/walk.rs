//! [`Walk`]: one order, from its request to the committed issuance.
//!
//! ```text
//!   begin ── key on disk ──▶ place ── URL on disk ──▶ trust ──▶ prove ──▶ finalize ──▶ download ──▶ commit
//!                              │                        │         │           │            │
//!                              └─ resume: wherever the order stands at the CA, the walk goes on
//! ```
//!
//! The CA's word for the order's state drives the walk, never our memory of it: an answer that got lost (a 502 after the
//! certificate was issued) costs another look, not another order. An order that may still be good stays on disk when the
//! walk ends early, and the next attempt for the same names goes on with it. One that is of no use any more ends the walk:
//! a new one is the planner's to place, within the CA's limits.

use std::{sync::Arc, time::SystemTime};

use vestibule_certs::store::{Draft, Pending, StoreError};

use super::{
    Client,
    account::Member,
    catalogue::Catalogue,
    classify::{Asking, Judge, kind_of, storage},
    fault::{Fault, Problem},
    instant::Instant,
    protocol::{Placed, Protocol, Request, Standing, Status},
    talk::Talk,
    wait::Patience,
};
use crate::{
    config::Need,
    failure::{Failure, FailureKind, NameFailure},
    plan::{Obtained, Order},
};

/// Looks that fail in a row before the CA is left alone for a while.
const FAULT_LIMIT: u32 = 5;
/// Requests for the certificate of one order in one walk: more than one only after an answer that was lost.
const FINALIZE_LIMIT: u32 = 3;

/// Before the next of them.
const FINALIZE_WAIT: std::time::Duration = std::time::Duration::from_secs(1);

/// See the module.
pub(super) struct Walk<'a> {
    pub(super) client: &'a Client,
    pub(super) order: &'a Order,
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) patience: Patience,
    profile: Option<String>,
}

/// Why a walk ends early, and what that means for the order.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) failure: Failure,
    pub(super) fate: Fate,
}

/// What becomes of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It may be resumed.
    Resumable,
    /// It cannot become a certificate any more.
    Dead,
}

impl<'a> Walk<'a> {
    pub(super) async fn new(client: &'a Client, order: &'a Order) -> Result<Self, Failure> {
        let patience = Patience::new(client.config.timeouts.order);
        let catalogue = client.catalogue().await?;
        let profile = profile(client, order, &catalogue)?;
        Ok(Self { client, order, catalogue, patience, profile })
    }

    pub(super) fn draft(&self) -> Draft {
        Draft {
            tenant: self.order.tenant,
            names: self.order.names.clone(),
            ca: self.order.ca.clone(),
            profile: self.profile.clone(),
            key_type: self.order.key_type,
            renews: self.order.renews.as_ref().map(|(issuance, _)| issuance.clone()),
        }
    }

    /// The whole way, with what an earlier attempt has left if it has left something.
    pub(super) async fn run(mut self, left: Option<Pending>) -> Result<Obtained, Failure> {
        let hosts = self.order.names.iter().map(ToString::to_string).collect();
        let _ordering = self.client.tools.door.ordering(hosts);
        self.client.tools.store.self_test().map_err(|error| storage(&error))?;
        match left {
            Some(pending) if pending.order_url().is_some() => self.resume(pending).await,
            Some(pending) => self.begin(pending).await,
            None => {
                let pending = self.fresh().await?;
                self.begin(pending).await
            }
        }
    }

    /// On a thread of its own: a long RSA key, which is a tenant's choice, takes seconds, and the orders of all others are on
    /// this one.
    async fn fresh(&self) -> Result<Pending, Failure> {
        let (store, draft) = (self.client.tools.store.clone(), self.draft());
        let begun = tokio::task::spawn_blocking(move || store.begin(&draft)).await;
        let begun = begun.map_err(|error| {
            Failure::new(FailureKind::Storage, format!("a bug of the gateway ended the making of a key: {error}"))
        })?;
        begun.map_err(|error| storage(&error))
    }

    /// Step 1: the key is on disk; place the order.
    async fn begin(&mut self, mut pending: Pending) -> Result<Obtained, Failure> {
        let mut placed = match self.place().await {
            Ok(placed) => placed,
            // Nothing was asked for that a key could be needed for.
            Err(failure) => return Err(self.give_up(pending, failure)),
        };
        if let Err(error) = pending.set_order_url(placed.url()) {
            return Err(self.give_up(pending, storage(&error)));
        }
        tracing::debug!(ca = %self.order.ca, order = placed.url(), names = self.order.names.len(), "an order is placed");
        self.finish(pending, &mut placed).await
    }

    /// Step 1, after an earlier run: how does the order stand?
    async fn resume(&mut self, pending: Pending) -> Result<Obtained, Failure> {
        let url = pending.order_url().unwrap_or_default().to_owned();
        let protocol = self.protocol(&self.member().await?).await?;
        let mut placed = match protocol.reopen(&url).await {
            Ok(placed) => placed,
            Err(fault) if !is_gone(&fault) => return Err(self.judge(&fault, Asking::Order)),
            Err(fault) => {
                tracing::info!(ca = %self.order.ca, order = url, %fault, "an earlier order cannot be resumed");
                return Err(self.give_up(pending, self.gone()));
            }
        };
        if placed.status() == Status::Invalid {
            tracing::info!(ca = %self.order.ca, order = url, "an earlier order has become invalid");
            let found = placed.authorizations().await.unwrap_or_default();
            let names = self.failed(&found).map(|failure| failure.names).unwrap_or_default();
            return Err(self.give_up(pending, self.unheard(names)));
        }
        if placed.status() == Status::Pending {
            let found = self.authorizations(&mut placed).await.map_err(|stop| stop.failure)?;
            if let Some(failed) = self.failed(&found) {
                tracing::info!(ca = %self.order.ca, order = url, "a proof of an earlier order has failed");
                return Err(self.give_up(pending, self.unheard(failed.names)));
            }
            // Some CAs leave an authorization open whose challenge failed in the earlier run: nothing proves it any more.
            if self.choose(&found).is_err() {
                tracing::info!(ca = %self.order.ca, order = url, "the challenges of an earlier order are spent");
                return Err(self.give_up(pending, self.gone()));
            }
        }
        tracing::info!(ca = %self.order.ca, order = url, status = ?placed.status(), "resuming an order");
        self.finish(pending, &mut placed).await
    }

    /// The CA may have looked while nobody was here to answer: which names failed is told, for the CA has counted them. Whether
    /// they fail again is not known: perhaps it was we who were away.
    pub(super) fn unheard(&self, names: Vec<NameFailure>) -> Failure {
        Failure { names, ..self.gone() }
    }

    pub(super) fn gone(&self) -> Failure {
        let sentence = format!("{} has given up the order: nothing is to be done, it is ordered anew", self.order.ca);
        Failure::new(FailureKind::Gone, sentence)
    }

    /// Steps 2 to 6: whatever is left until the issuance is live.
    async fn finish(&mut self, pending: Pending, placed: &mut impl Placed) -> Result<Obtained, Failure> {
        match self.certify(&pending, placed).await {
            Ok((chain, proved)) => {
                let issued = self.commit(pending, &chain)?;
                Ok(Obtained { issued, proved })
            }
            Err(Stop { failure, fate: Fate::Resumable }) => Err(failure),
            Err(Stop { failure, fate: Fate::Dead }) => Err(self.give_up(pending, failure)),
        }
    }

    async fn certify(
        &mut self,
        pending: &Pending,
        placed: &mut impl Placed,
    ) -> Result<(Vec<u8>, super::prove::Proved), Stop> {
        self.trust(placed).await?;
        let mut proved = None;
        let (mut asked, mut lost) = (0, None);
        loop {
            match placed.status() {
                Status::Pending if proved.is_none() => {
                    proved = Some(self.prove(placed).await?);
                    self.patience.afresh();
                    self.refresh(placed).await?;
                }
                Status::Ready if asked < FINALIZE_LIMIT => {
                    asked += 1;
                    lost = self.finalize(pending, placed).await?;
                }
                Status::Ready if let Some(failure) = lost.take() => return Err(Stop::resumable(failure)),
                Status::Pending | Status::Ready | Status::Processing => self.wait(placed).await?,
                Status::Valid => return Ok((self.download(placed).await?, proved.unwrap_or_default())),
                Status::Invalid => return Err(self.invalid(placed, lost).await),
            }
        }
    }

    /// Step 4. Whatever the CA answers here, the order tells what came of it: a failure is returned only for the case that
    /// nothing did.
    async fn finalize(&mut self, pending: &Pending, placed: &mut impl Placed) -> Result<Option<Failure>, Stop> {
        let csr = pending.csr().map_err(|error| Stop::resumable(storage(&error)))?;
        let fault = match placed.finalize(&csr).await {
            Ok(()) if placed.status() != Status::Ready => return Ok(None),
            Ok(()) => return self.wait(placed).await.map(|()| None),
            Err(fault) => fault,
        };
        tracing::debug!(%fault, "no good answer to the request for a certificate: looking at the order");
        let failure = self.judge(&fault, Asking::NewOrder);
        self.refresh(placed).await?;
        if placed.status() != Status::Ready {
            return Ok(Some(failure));
        }
        let may_pass = fault.is_passing() || fault.problem_type() == Some("orderNotReady");
        let wait = fault.retry_after().unwrap_or(FINALIZE_WAIT);
        if !may_pass || failure.kind == FailureKind::Limit || self.patience.wait(Some(wait)).await.is_err() {
            return Err(Stop::resumable(failure));
        }
        Ok(Some(failure))
    }

    /// Step 6: inspects and makes live. What cannot be shown is the CA's fault, unless our clock is wrong: then the same
    /// certificate is inspected again later.
    fn commit(&self, pending: Pending, chain: &[u8]) -> Result<vestibule_certs::store::Issued, Failure> {
        let (pending, error) = match pending.commit(chain, SystemTime::now()) {
            Ok(issued) => return Ok(issued),
            Err(refused) => refused,
        };
        let StoreError::Refused(_) = &error else { return Err(storage(&error)) };
        let ca = &self.order.ca;
        let why = crate::failure::printable(&error.to_string());
        if self.client.transport.skew().is_some() {
            let judge = self.judging();
            return Err(Failure::new(FailureKind::Configuration, judge.with_clock(format!("{ca} issued, but {why}"))));
        }
        let sentence = format!("{ca} issued, but {why}: nothing is to be done, it is ordered again later");
        Err(self.give_up(pending, Failure::new(FailureKind::Ca, sentence)))
    }

    /// The order came to nothing: why?
    async fn invalid(&mut self, placed: &mut impl Placed, lost: Option<Failure>) -> Stop {
        if let Some(problem) = placed.problem() {
            let asking = self.order.challenges.first().map_or(Asking::Order, |kind| Asking::Proof(*kind));
            return Stop::dead(self.judging().problem(&problem, asking));
        }
        // RFC 8555 section 7.1.3 makes the error optional: the authorizations may say more.
        let found = placed.authorizations().await.unwrap_or_default();
        if let Some(failure) = self.failed(&found) {
            return Stop::dead(failure);
        }
        if found.iter().any(|authorization| matches!(authorization.standing, Standing::Over)) {
            return Stop::dead(self.gone());
        }
        Stop::dead(lost.unwrap_or_else(|| {
            let ca = &self.order.ca;
            let sentence = format!("{ca} has given the order up without saying why: it is ordered again later");
            Failure::new(FailureKind::Ca, sentence)
        }))
    }

    async fn place(&mut self) -> Result<<Instant as Protocol>::Order, Failure> {
        let replaces = self.order.renews.as_ref().and_then(|(_, certificate)| certificate.as_deref());
        let mut request = Request {
            names: &self.order.names,
            profile: self.profile.as_deref(),
            replaces: replaces.filter(|_| self.catalogue.directory.has_renewal_info),
        };
        let mut member = self.member().await?;
        let mut doubted = false;
        loop {
            let protocol = self.protocol(&member).await?;
            let fault = match protocol.place(&request).await {
                Ok(placed) => return Ok(placed),
                Err(fault) => fault,
            };
            match fault.problem_type() {
                Some("accountDoesNotExist") if !doubted => {
                    doubted = true;
                    tracing::warn!(ca = %self.order.ca, "the CA does not know our account: looking for it by its key");
                    self.client.accounts.doubt(&member).await?;
                    member = self.member().await?;
                }
                Some("invalidProfile") if request.profile.is_some() && !self.needs_profile() => request.profile = None,
                _ if request.replaces.is_some() && refuses_replaces(&fault) => {
                    return Err(Failure { kind: FailureKind::AlreadyReplaced, ..self.judge(&fault, Asking::NewOrder) });
                }
                _ => return Err(self.judge(&fault, Asking::NewOrder)),
            }
        }
    }

    fn needs_profile(&self) -> bool {
        wanted_profile(self.client, self.order).is_some_and(|profile| profile.need == Need::Required)
    }

    async fn member(&self) -> Result<Member, Failure> {
        self.client.accounts.member(&self.talk()).await
    }

    fn talk(&self) -> Talk {
        Talk::new(&self.client.transport, &self.catalogue, &self.client.config.directory)
    }

    async fn protocol(&self, member: &Member) -> Result<Instant, Failure> {
        let opened = Instant::of(self.talk(), &member.url, member.key()).await;
        opened.map_err(|fault| self.judge(&fault, Asking::Account))
    }

    /// Waits as long as the CA asked for, and looks again.
    async fn wait(&mut self, placed: &mut impl Placed) -> Result<(), Stop> {
        if self.patience.wait(placed.retry_after()).await.is_err() {
            return Err(Stop::resumable(self.out_of_time().after(placed.retry_after())));
        }
        self.refresh(placed).await
    }

    async fn refresh(&mut self, placed: &mut impl Placed) -> Result<(), Stop> {
        let mut faults = 0;
        loop {
            match placed.refresh().await {
                Ok(()) => return Ok(()),
                Err(fault) => self.bear(&fault, &mut faults).await?,
            }
        }
    }

    /// Waits after a fault that may pass; the end of the walk after one that will not, or too many.
    pub(super) async fn bear(&mut self, fault: &Fault, faults: &mut u32) -> Result<(), Stop> {
        *faults += 1;
        let wait = fault.retry_after().unwrap_or(std::time::Duration::from_secs(1 << (*faults).min(FAULT_LIMIT)) / 2);
        if !fault.is_passing() || *faults > FAULT_LIMIT || self.patience.wait(Some(wait)).await.is_err() {
            return Err(Stop::resumable(self.judge(fault, Asking::Order)));
        }
        Ok(())
    }

    pub(super) fn out_of_time(&self) -> Failure {
        let limit = self.client.config.timeouts.order.as_secs();
        let sentence =
            format!("{} has not finished the order within {limit} s: it is looked at again later", self.order.ca);
        Failure::new(FailureKind::Ca, sentence)
    }

    pub(super) fn judging(&self) -> Judge<'_> {
        let judge = Judge::new(&self.client.config).of_names(&self.order.names);
        judge.knowing(&self.catalogue.directory.caa_identities, self.client.transport.skew())
    }

    pub(super) fn judge(&self, fault: &Fault, asking: Asking) -> Failure {
        self.judging().judge(fault, asking)
    }

    fn give_up(&self, pending: Pending, failure: Failure) -> Failure {
        self.abandon(pending);
        failure
    }

    fn abandon(&self, pending: Pending) {
        if let Err(error) = pending.abandon() {
            tracing::warn!(ca = %self.order.ca, %error, "an order that came to nothing cannot be removed from the store");
        }
    }
}

impl Stop {
    pub(super) fn resumable(failure: Failure) -> Self {
        Self { failure, fate: Fate::Resumable }
    }

    pub(super) fn dead(failure: Failure) -> Self {
        Self { failure, fate: Fate::Dead }
    }
}

/// The CA says that it has no such order, or none for us. A page of some proxy says nothing of the kind.
fn is_gone(fault: &Fault) -> bool {
    match fault {
        Fault::Problem(_) => !fault.is_passing(),
        _ => matches!(fault.status(), Some(404 | 410)),
    }
}

/// RFC 9773 section 7.4 has a type for it; 409 is what came before, and a CA to which the certificate means nothing finds
/// the request malformed. The planner orders once more, without, and counts that order.
fn refuses_replaces(fault: &Fault) -> bool {
    match fault {
        Fault::Problem(Problem { kind, status, subproblems, .. }) => {
            kind_of(kind, *status, Asking::NewOrder) == FailureKind::AlreadyReplaced
                || *status == 409
                || (kind == "malformed" && subproblems.is_empty())
        }
        _ => fault.status() == Some(409),
    }
}

fn wanted_profile<'a>(client: &'a Client, order: &'a Order) -> Option<&'a crate::config::Profile> {
    order.profile.as_ref().or(client.config.profile.as_ref())
}

/// The profile to ask for: one that is offered. One that is only preferred and not offered is left away.
fn profile(client: &Client, order: &Order, catalogue: &Catalogue) -> Result<Option<String>, Failure> {
    let Some(wanted) = wanted_profile(client, order) else { return Ok(None) };
    if catalogue.offers(&wanted.name) {
        return Ok(Some(wanted.name.clone()));
    }
    if wanted.need == Need::Preferred {
        return Ok(None);
    }
    let offered: Vec<_> = catalogue.directory.profiles.iter().map(|(name, _)| name.as_str()).collect();
    let offered = if offered.is_empty() { "none".to_owned() } else { offered.join(", ") };
    let (ca, name) = (&order.ca, &wanted.name);
    let sentence =
        format!("{ca} does not offer the profile `{name}` that is required (it offers: {offered}): write one of these");
    Err(Failure::new(FailureKind::Configuration, sentence))
}
