//! [`Client`]: one CA. Accounts, the walk of an order, renewal information, revocation; over our own transport, with
//! instant-acme behind a trait of ours.
//!
//! | module | in reading order |
//! |---|---|
//! | `walk` | one order: begin or resume, prove, finalize, download, commit |
//! | `trust`, `prove`, `download` | its longer steps |
//! | `wait`, `doubt` | how long an order may take; when a CA that hesitates has said no |
//! | `account` | our account, its key durable before the CA hears of it |
//! | `renewal` | renewal information |
//! | `protocol` | what all these need of ACME, as traits |
//! | `instant` | the traits over instant-acme |
//! | `talk`, `normal` | between the library and the transport: what one drops and the other chokes on |
//! | `transport` | HTTPS, bounded in time and size |
//! | `catalogue` | the CA's directory |
//! | `fault`, `classify` | what went wrong; what that means, and in which words |
//!
//! Not here: when anything is ordered, and how often (`plan`).

mod account;
mod catalogue;
mod classify;
mod doubt;
mod download;
mod fault;
mod instant;
mod normal;
mod protocol;
mod prove;
mod renewal;
mod talk;
mod transport;
mod trust;
mod wait;
mod walk;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::sync::{Mutex, RwLock};
use vestibule_certs::{
    Vault,
    store::{Issued, Pending, Store},
};

use self::{
    account::Accounts,
    catalogue::Catalogue,
    classify::{Asking, Judge, storage},
    fault::Fault,
    instant::Instant,
    protocol::Protocol,
    prove::{PRESENT_LIMIT, WITHDRAW_LIMIT},
    talk::Talk,
    transport::Transport,
    walk::Walk,
};
use crate::{
    config::{CaConfig, DnsProvider, SiteDns},
    dns::Dns,
    door::Door,
    failure::{Failure, FailureKind, printable},
    plan::{Obtained, Order, RenewalWindow},
};

/// How long an order may take in all: what the CA is waited for, and what DNS is. Whoever ends it then ends a bug.
pub(crate) fn longest_order(config: &CaConfig, order: &Order) -> Duration {
    let own = match &order.dns {
        Some(SiteDns::Own(provider)) => Some(provider),
        Some(SiteDns::Named(_)) | None => None,
    };
    let providers = config.dns.iter().map(|named| &named.provider).chain(own);
    let programs = providers.filter_map(|provider| match provider {
        DnsProvider::Exec { timeout, .. } => Some(*timeout),
        DnsProvider::Rfc2136 { .. } | DnsProvider::AcmeDns { .. } => None,
    });
    let longest = programs.max().unwrap_or_default();
    [PRESENT_LIMIT, longest, WITHDRAW_LIMIT].into_iter().fold(config.timeouts.order, Duration::saturating_add)
}

/// What a client works with.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Where keys, orders and chains are made durable.
    pub store: Store,
    /// Makes configurations for `acme-tls/1`.
    pub vault: Vault,
    /// Where challenges are answered.
    pub door: Door,
    /// Look-ups and DNS-01.
    pub dns: Dns,
}

/// What a directory says of its CA.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Profiles offered, with their descriptions.
    pub profiles: Vec<(String, String)>,
    /// Does it have renewal information (RFC 9773)?
    pub has_renewal_info: bool,
    /// What a CAA record must name.
    pub caa_identities: Vec<String>,
    /// Terms of service.
    pub terms: Option<String>,
}

/// One CA.
#[derive(Debug)]
pub struct Client {
    config: CaConfig,
    tools: Tools,
    transport: Arc<Transport>,
    catalogue: Mutex<Option<Arc<Catalogue>>>,
    accounts: Accounts,
    /// Held for reading by whoever signs with the account's key, for writing while the key changes.
    signing: RwLock<()>,
}

impl Client {
    /// Asks nobody yet: the account is made, or recovered from its key, with the first order.
    pub fn new(config: CaConfig, tools: Tools) -> Result<Self, Failure> {
        if !config.directory.starts_with("https://") {
            let (ca, directory) = (&config.id, printable(&config.directory));
            let sentence = format!("the directory of {ca} is `{directory}`: write its https URL");
            return Err(Failure::new(FailureKind::Configuration, sentence));
        }
        let transport = Transport::new(tools.vault.clone(), config.root.clone(), config.timeouts);
        Ok(Self {
            transport: Arc::new(transport),
            catalogue: Mutex::default(),
            accounts: Accounts::new(tools.store.clone(), config.clone()),
            signing: RwLock::default(),
            config,
            tools,
        })
    }

    /// The directory, fetched anew when the last look is older than an hour.
    pub async fn directory(&self) -> Result<Directory, Failure> {
        Ok(self.catalogue().await?.directory.clone())
    }

    /// One order from its request to the committed issuance. Everything that costs something at the CA is durable before it
    /// is asked for (key and order URL before finalize), so that [`Client::resume`] goes on after a kill. What an earlier
    /// attempt for the same draft has left is resumed instead of ordering anew; if that is of no use any more, it ends with
    /// [`FailureKind::Gone`].
    pub async fn obtain(&self, order: &Order) -> Result<Obtained, Failure> {
        let _signing = self.signing.read().await;
        let walk = Walk::new(self, order).await?;
        let left = self.left_of(&walk);
        // Boxed: the future of a whole walk is large, and engines hold many.
        Box::pin(walk.run(left)).await
    }

    /// Goes on with an order of an earlier run: from its URL, or anew with the same key when it has none. One that the CA has
    /// given up is given up here too ([`FailureKind::Gone`]).
    pub async fn resume(&self, pending: Pending, order: &Order) -> Result<Obtained, Failure> {
        let _signing = self.signing.read().await;
        let walk = Walk::new(self, order).await?;
        Box::pin(walk.run(Some(pending))).await
    }

    /// Renewal information of a certificate by its identifier (RFC 9773 section 4.1).
    pub async fn renewal_info(&self, certificate: &str) -> Result<RenewalWindow, Failure> {
        self.ask_renewal_info(certificate).await
    }

    /// Revokes an issuance (RFC 8555 section 7.6) with a reason code of RFC 5280 section 5.3.1.
    pub async fn revoke(&self, issued: &Issued, reason: u8) -> Result<(), Failure> {
        let _signing = self.signing.read().await;
        let chain = self.tools.store.chain(&issued.id).map_err(|error| storage(&error))?;
        let leaf = CertificateDer::from_pem_slice(&chain).map_err(|_| {
            Failure::new(FailureKind::Storage, format!("the chain of {} in the store is damaged", issued.id))
        })?;
        let talk = self.talk().await?;
        let member = self.accounts.member(&talk).await?;
        let outcome = match Instant::of(talk, &member.url, member.key()).await {
            Ok(protocol) => protocol.revoke(&leaf, reason).await,
            Err(fault) => Err(fault),
        };
        match outcome {
            Err(fault) if fault.problem_type() == Some("alreadyRevoked") => Ok(()),
            outcome => outcome.map_err(|fault| self.judging().judge(&fault, Asking::Revocation)),
        }
    }

    /// Changes the account's key (RFC 8555 section 7.3.5); the new one is durable before the CA is asked, and a kill in
    /// between leaves the account usable. Waits for the orders in flight: they sign with the old one.
    pub async fn roll_over(&self) -> Result<(), Failure> {
        let _alone = self.signing.write().await;
        let talk = self.talk().await?;
        if !talk.catalogue().has_key_change {
            let sentence = format!("{} cannot change the key of an account", self.config.id);
            return Err(Failure::new(FailureKind::Configuration, sentence));
        }
        self.accounts.roll_over(&talk).await
    }

    /// The account's URL, if there is one already.
    pub fn account(&self) -> Option<String> {
        self.accounts.url()
    }

    /// The CA's directory, as it is kept.
    async fn catalogue(&self) -> Result<Arc<Catalogue>, Failure> {
        let mut kept = self.catalogue.lock().await;
        if let Some(catalogue) = kept.as_ref().filter(|catalogue| !catalogue.is_old()) {
            return Ok(Arc::clone(catalogue));
        }
        let judge = |fault: &Fault| self.judging().judge(fault, Asking::Directory);
        let request = Request::get(self.config.directory.as_str()).body(Bytes::new());
        let request = request.map_err(|_| {
            let (ca, directory) = (&self.config.id, printable(&self.config.directory));
            Failure::new(FailureKind::Configuration, format!("the directory of {ca}, `{directory}`, is no URL"))
        })?;
        let answer = self.transport.exchange(request).await.map_err(|error| judge(&error.into()))?;
        let catalogue = Arc::new(Catalogue::read(&answer).map_err(|fault| judge(&fault))?);
        *kept = Some(Arc::clone(&catalogue));
        Ok(catalogue)
    }

    async fn talk(&self) -> Result<Talk, Failure> {
        Ok(Talk::new(&self.transport, &self.catalogue().await?, &self.config.directory))
    }

    fn judging(&self) -> Judge<'_> {
        Judge::new(&self.config).knowing(&[], self.transport.skew())
    }

    /// The latest order for just this draft that was not finished. Older ones are given up.
    fn left_of(&self, walk: &Walk<'_>) -> Option<Pending> {
        let draft = walk.draft();
        let same = |pending: &Pending| {
            let other = pending.draft();
            // What it renews may have changed since: the certificate is the same.
            (other.tenant, &other.names, &other.ca) == (draft.tenant, &draft.names, &draft.ca)
                && (&other.profile, other.key_type) == (&draft.profile, draft.key_type)
        };
        let mut left: Vec<_> = self.tools.store.pending().into_iter().filter(same).collect();
        left.sort_by(|a, b| a.id().cmp(b.id()));
        let latest = left.pop();
        for older in left {
            if let Err(error) = older.abandon() {
                tracing::warn!(ca = %self.config.id, %error, "an old order cannot be removed from the store");
            }
        }
        latest
    }
}
