//! [`Engine`]: drives the planner, the clients and the hooks on one thread that the gateway gives it; [`Handle`]: how the
//! rest of the gateway talks to it.

use std::sync::Arc;

use vestibule_certs::{Vault, store::Issued};
use vestibule_names::{HostPattern, SiteId, TenantId};

use crate::{
    Config, Door, Failure,
    config::SiteOptions,
    explain::Explanation,
    plan::{Forecast, NameStatus},
};

/// What happened, for logs, hooks, metrics and the swap.
#[derive(Clone, Debug)]
pub enum Event {
    /// A new name has its first certificate. It is in the store.
    Obtained(Issued),
    /// A certificate was renewed. It is in the store.
    Renewed(Issued),
    /// An attempt failed.
    Failed {
        /// Which names.
        names: Vec<HostPattern>,
        /// Why, and when next.
        failure: Failure,
        /// Milliseconds since the epoch of the next attempt.
        next_attempt: Option<crate::Timestamp>,
    },
    /// Little is left of a certificate, and no renewal has worked yet.
    Expiring {
        /// Which.
        issued: Issued,
        /// The last failure, in words.
        why: Option<String>,
    },
    /// A name is not ordered any more until DNS points here.
    Quarantined {
        /// Which.
        name: HostPattern,
        /// Why.
        why: String,
    },
    /// An issuance was revoked on request.
    Revoked(Issued),
}

/// Counts for metrics.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Orders by CA and outcome word.
    pub orders: Vec<(String, &'static str, u64)>,
    /// Names by state word.
    pub names: Vec<(&'static str, u64)>,
    /// Seconds until the next certificate of a wanted name runs out; `None`: there is none.
    pub next_expiry: Option<i64>,
    /// Hooks that failed, and events dropped before a hook saw them.
    pub hook_failures: u64,
}

/// Talks to a running engine; cheap to clone, usable from every thread. Calls on an engine that has ended do nothing, and
/// questions then have no answer.
#[derive(Clone, Debug)]
pub struct Handle {
    _inner: Arc<()>,
}

impl Handle {
    /// The names a site wants; see [`crate::Planner::want`]. Returns at once.
    pub fn want(&self, _site: SiteId, _tenant: TenantId, _names: Vec<HostPattern>, _options: SiteOptions) {
        todo!()
    }
    /// A site is gone. Returns at once.
    pub fn unwant(&self, _site: SiteId) {
        todo!()
    }
    /// All sites of the first scan have said what they want. Nothing is ordered before, so that names are packed and turns
    /// are given knowing all of them; the engine does not wait for this for ever. Returns at once.
    pub fn ready(&self) {
        todo!()
    }
    /// Ends [`Engine::run`] after it has stopped taking new work; orders in flight are left to be resumed.
    pub fn stop(&self) {
        todo!()
    }
    /// How the names of these sites stand.
    pub async fn status(&self, _sites: Vec<SiteId>) -> Option<Vec<NameStatus>> {
        todo!()
    }
    /// What stands between a name and its certificate.
    pub async fn explain(&self, _name: HostPattern) -> Option<Explanation> {
        todo!()
    }
    /// The simulated queue.
    pub async fn forecast(&self) -> Option<Vec<Forecast>> {
        todo!()
    }
    /// Renews now; the answer comes when the order has ended. An error says why in one sentence.
    pub async fn renew(&self, _name: HostPattern) -> Option<Result<Issued, String>> {
        todo!()
    }
    /// Revokes what is served for a name and orders anew.
    pub async fn revoke(&self, _name: HostPattern, _reason: u8) -> Option<Result<Issued, String>> {
        todo!()
    }
    /// Takes an issuance from elsewhere into the store, after the same inspection as an order's.
    pub async fn import(
        &self,
        _tenant: TenantId,
        _chain_pem: Vec<u8>,
        _key_pem: Vec<u8>,
    ) -> Option<Result<Issued, String>> {
        todo!()
    }
    /// Changes the keys of all accounts.
    pub async fn roll_over(&self) -> Option<Result<(), String>> {
        todo!()
    }
    /// For metrics; never waits for the engine.
    pub fn counts(&self) -> Counts {
        todo!()
    }
}

/// See the module.
#[derive(Debug)]
pub struct Engine {}

impl Engine {
    /// Asks nobody yet.
    pub fn new(_config: Config, _vault: Vault, _door: Door) -> Result<(Self, Handle), Failure> {
        todo!()
    }

    /// Runs until [`Handle::stop`]. `tell` is called on this thread for each event, after the store has it.
    pub async fn run(self, _tell: impl Fn(&Event)) {
        todo!()
    }
}
