//! [`Handle`]: how the rest of the gateway talks to a running engine.

use std::{sync::Arc, time::SystemTime};

use tokio::sync::oneshot;
use vestibule_certs::store::Issued;
use vestibule_names::{HostPattern, SiteId, TenantId};

use super::{
    inbox::{Change, Inbox, Question, Reply, Standing, Wanted},
    tally::Counts,
};
use crate::{
    config::SiteOptions,
    explain::Explanation,
    plan::{Forecast, NameStatus},
};

/// Talks to a running engine; cheap to clone, usable from every thread. Calls on an engine that has ended do nothing, and
/// questions then have no answer; nor have those beyond a bound.
#[derive(Clone, Debug)]
pub struct Handle {
    inbox: Arc<Inbox>,
}

impl Handle {
    pub(super) fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox }
    }

    /// The names a site wants; see [`crate::Planner::want`]. Returns at once.
    pub fn want(&self, site: SiteId, tenant: TenantId, names: Vec<HostPattern>, options: SiteOptions) {
        self.inbox.change(Change::Want(site, Wanted::new(tenant, names, options)));
    }

    /// A site is gone. Returns at once.
    pub fn unwant(&self, site: SiteId) {
        self.inbox.change(Change::Unwant(site));
    }

    /// All sites of the first scan have said what they want. Nothing is ordered before, so that names are packed and turns
    /// are given knowing all of them; the engine does not wait for this for ever. Returns at once.
    pub fn ready(&self) {
        self.inbox.advance(Standing::Ready);
    }

    /// Ends [`super::Engine::run`] after it has stopped taking new work; orders in flight are left to be resumed. Returns at
    /// once.
    pub fn stop(&self) {
        self.inbox.advance(Standing::Stopping);
    }

    /// How the names of these sites stand.
    pub async fn status(&self, sites: Vec<SiteId>) -> Option<Vec<NameStatus>> {
        self.ask(|reply| Question::Status { sites, reply }).await
    }

    /// What stands between a name and its certificate.
    pub async fn explain(&self, name: HostPattern) -> Option<Explanation> {
        self.ask(|reply| Question::Explain { name, reply }).await
    }

    /// The simulated queue.
    pub async fn forecast(&self) -> Option<Forecast> {
        self.ask(|reply| Question::Forecast { reply }).await
    }

    /// Renews now; the answer comes when the order has ended. An error says why in one sentence.
    pub async fn renew(&self, name: HostPattern) -> Option<Result<Issued, String>> {
        self.ask(|reply| Question::Renew { name, reply }).await
    }

    /// Revokes what is served for a name and orders anew.
    pub async fn revoke(&self, name: HostPattern, reason: u8) -> Option<Result<Issued, String>> {
        self.ask(|reply| Question::Revoke { name, reason, reply }).await
    }

    /// Takes an issuance from elsewhere into the store, after the same inspection as an order's.
    pub async fn import(
        &self,
        tenant: TenantId,
        chain_pem: Vec<u8>,
        key_pem: Vec<u8>,
    ) -> Option<Result<Issued, String>> {
        self.ask(|reply| Question::Import { tenant, chain_pem, key_pem, reply }).await
    }

    /// Changes the keys of all accounts.
    pub async fn roll_over(&self) -> Option<Result<(), String>> {
        self.ask(|reply| Question::RollOver { reply }).await
    }

    /// For metrics; never waits for the engine: what it last made known.
    pub fn counts(&self) -> Counts {
        self.inbox.published().counts(SystemTime::now().into())
    }

    async fn ask<T>(&self, question: impl FnOnce(Reply<T>) -> Question) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.inbox.ask(question(reply));
        answer.await.ok()
    }
}
