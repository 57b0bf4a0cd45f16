//! [`Identity`]: what one site shows in a handshake, and how it changes while connections stay open.
//!
//! The hot path is one atomic load. Signing happens on the worker that meets a cold or ageing local certificate: a
//! fraction of a millisecond, by one thread, while the others go on with the old one if there is one. A site's own files
//! are never read there; `refresh` does that on the control thread. What the store has is read there once: by the first
//! handshake that needs it (`issued`).
//!
//! Not here: what makes a certificate good (`inspect`), and who calls `refresh`, and when.

mod guests;
mod issued;
mod request;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError},
    time::SystemTime,
};

use arc_swap::ArcSwapOption;
use rustls::{ServerConfig, sign::CertifiedKey};
use vestibule_diagnostics::Diagnostic;
use vestibule_names::SiteId;

pub use self::guests::GuestRefresh;
pub(crate) use self::guests::Guests;
use self::issued::{Resolved, Source};
pub use self::request::{CertificateFiles, CertificateRequest, IdentityRequest, Origin, StoreNames};
use crate::{
    clients::ClientPolicy,
    facts::CertificateFacts,
    local_ca::{Leaf, SignError, validity, written},
    site_files::{ChainDigest, CheckedPair, Stamps},
    store::StoreError,
    tls,
    vault::Shared,
};

/// What a handshake for a name gets shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// A certificate that counts.
    Certificate,
    /// A self-signed placeholder: the CA has issued nothing for this name yet.
    Placeholder,
}

/// What a handshake is held with: one value, so that nothing of it can be of another moment.
#[derive(Clone, Debug)]
pub struct Offer {
    /// ALPN h2 and http/1.1, TLS 1.2 and 1.3, X25519MLKEM768 first.
    pub config: Arc<ServerConfig>,
    /// Whether that shows a certificate that counts. What [`Identity::shows`] said a moment before may be over: a certificate
    /// whose files are gone is found out only when they are read.
    pub shows: Shows,
    /// What it demands of the client. A placeholder demands nothing.
    pub client_policy: Option<ClientPolicy>,
}

/// What one site shows in a handshake.
pub struct Identity {
    shared: Arc<Shared>,
    request: CertificateRequest,
    shown: ArcSwapOption<Shown>,
    /// What the store has for the hosts, once somebody has asked.
    issued: ArcSwapOption<Resolved>,
    /// Who is let in, when not everybody is. It stays as it is: see [`Identity::refresh_guests`].
    guests: Option<Box<Guests>>,
    /// Taken to sign, to load and to refresh, never by a handshake that finds a good certificate. Only files leave something in
    /// it.
    change: Mutex<Option<Box<Change>>>,
}

/// The live certificate, and its configuration once a handshake has asked for it.
struct Shown {
    certified: Arc<CertifiedKey>,
    config: OnceLock<Arc<ServerConfig>>,
    /// When a local certificate counts without being renewed. Those of files are shown until the files change.
    good: Option<Good>,
}

#[derive(Clone, Copy)]
struct Good {
    from: SystemTime,
    renew_after: SystemTime,
    until: SystemTime,
}

/// What the last look at the files gave.
#[derive(Clone, Default)]
struct Change {
    seen: Option<Seen>,
    live: Option<ChainDigest>,
    refusal: Option<String>,
}

#[derive(Clone, Copy)]
struct Seen {
    stamps: Stamps,
    /// Equal stamps prove that nothing changed since.
    settled: bool,
}

/// What looking at the files again gave.
#[derive(Debug)]
pub enum Refresh {
    /// Nothing changed on disk (or what changed has been refused already).
    Unchanged,
    /// The new certificate is live for new handshakes.
    Swapped,
    /// The new files are wrong; the old certificate stays.
    Refused(Vec<Diagnostic>),
}

/// Why a handshake cannot be served now.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Signing failed.
    #[error("the local CA could not sign for {site}")]
    Sign {
        /// For whom.
        site: SiteId,
        /// Why.
        #[source]
        source: SignError,
    },
    /// Not even a placeholder could be made.
    #[error("no placeholder certificate could be made for {site}")]
    Placeholder {
        /// For whom.
        site: SiteId,
        /// Why.
        #[source]
        source: SignError,
    },
    /// The certificate is there and cannot be read at this moment: the process has no descriptors left, say.
    #[error("the certificate of {site} cannot be read now")]
    Store {
        /// For whom.
        site: SiteId,
        /// Why.
        #[source]
        source: StoreError,
    },
}

impl Identity {
    pub(crate) fn unsigned(shared: Arc<Shared>, request: CertificateRequest, guests: Option<Guests>) -> Self {
        Self {
            shared,
            request,
            shown: ArcSwapOption::empty(),
            issued: ArcSwapOption::empty(),
            guests: guests.map(Box::new),
            change: Mutex::default(),
        }
    }

    /// The site's own files are good.
    pub(crate) fn with_files(self, pair: CheckedPair, now: SystemTime) -> Self {
        self.take(pair, now, self.lock().get_or_insert_default());
        self
    }

    /// For which site file.
    pub fn site(&self) -> &SiteId {
        &self.request.site
    }

    /// Was just this asked for? Then this identity may be kept, and with it its certificate.
    pub fn is_for(&self, request: &IdentityRequest) -> bool {
        let client_ca = self.guests.as_ref().map(|guests| guests.client_ca());
        self.request == request.certificate && client_ca == request.client_ca.as_deref()
    }

    /// What a handshake for this host (normal form) is held with. Sessions are resumed by rotating tickets, unless clients
    /// are asked for certificates. Signs at the first use of a local certificate and again when it is near its end; reads
    /// what the store has from disk at its first handshake; otherwise one atomic load.
    pub fn offer_for(&self, host: &str) -> Result<Offer, IdentityError> {
        self.offer_at(host, SystemTime::now())
    }

    pub(crate) fn offer_at(&self, host: &str, now: SystemTime) -> Result<Offer, IdentityError> {
        match self.source(host) {
            Source::Own => self.own_config(now).map(|config| self.offer(config)),
            Source::Store(place) => self.issued_offer(place, now),
            Source::Nowhere => self.placeholder(now),
        }
    }

    /// Of a configuration of this identity's own.
    fn offer(&self, config: Arc<ServerConfig>) -> Offer {
        Offer { config, shows: Shows::Certificate, client_policy: self.client_policy() }
    }

    fn own_config(&self, now: SystemTime) -> Result<Arc<ServerConfig>, IdentityError> {
        match &*self.shown.load() {
            Some(shown) if !shown.is_due(now) => Ok(self.config(shown)),
            shown => self.sign(shown.as_ref(), now),
        }
    }

    /// What a handshake for this host (normal form) gets. One atomic load and a look-up among the site's own hosts.
    pub fn shows(&self, host: &str) -> Shows {
        match self.source(host) {
            Source::Own => Shows::Certificate,
            Source::Store(place) => self.shows_at(place),
            Source::Nowhere => Shows::Placeholder,
        }
    }

    /// What it shows now, for its first host.
    pub fn facts(&self) -> CertificateFacts {
        self.facts_at(SystemTime::now())
    }

    /// What it shows now for this host (normal form).
    pub fn facts_for(&self, host: &str) -> CertificateFacts {
        self.facts_of(self.source(host), SystemTime::now())
    }

    pub(crate) fn facts_at(&self, now: SystemTime) -> CertificateFacts {
        self.facts_of(self.source_at(0), now)
    }

    fn facts_of(&self, source: Source, now: SystemTime) -> CertificateFacts {
        let mut facts = match source {
            Source::Store(place) => self.issued_facts(place, now),
            Source::Own | Source::Nowhere => self.own_facts(now),
        };
        let refusals = [facts.last_refusal.take(), self.guests.as_ref().and_then(|guests| guests.refusal())];
        facts.last_refusal = refusals.into_iter().flatten().reduce(|one, other| format!("{one}; {other}"));
        facts
    }

    fn own_facts(&self, now: SystemTime) -> CertificateFacts {
        let shown = self.shown.load();
        let leaf = shown.as_ref().and_then(|shown| shown.certified.cert.first());
        let mut facts = leaf.and_then(|leaf| CertificateFacts::read(leaf)).unwrap_or_else(|| {
            let (not_before, not_after) = validity(now);
            CertificateFacts {
                issuer: String::new(),
                names: self.request.local_hosts().iter().map(written).collect(),
                not_before,
                not_after,
                fingerprint: String::new(),
                last_refusal: None,
            }
        });
        if !matches!(self.request.origin, Origin::Files(_)) {
            facts.issuer = "local CA".to_owned();
        }
        facts.last_refusal = self.lock().as_ref().and_then(|change| change.refusal.clone());
        facts
    }

    /// Looks at the files again (a stat each when nothing changed), or asks the store again, and swaps a good change in.
    /// Blocking; control thread only.
    ///
    /// Chain and key are two files and cannot change at one instant: a look between the two finds a mismatch, is refused,
    /// and is repeated by every refresh until the pair is good. A refusal that was told already is not told again.
    pub fn refresh(&self) -> Refresh {
        self.refresh_at(SystemTime::now())
    }

    pub(crate) fn refresh_at(&self, now: SystemTime) -> Refresh {
        if matches!(self.request.origin, Origin::Store { .. }) {
            return self.refresh_issued(now);
        }
        let Some(files) = self.request.files(self.shared.gateway_uid) else { return Refresh::Unchanged };
        let mut change = self.lock();
        let change = change.get_or_insert_default();
        let stamps = files.look();
        let unchanged = change.seen.as_ref().is_some_and(|seen| seen.settled && seen.stamps == stamps);
        if unchanged && change.refusal.is_none() {
            return Refresh::Unchanged;
        }
        match files.load(now, &self.shared.provider) {
            Ok(pair) if change.live == Some(pair.digest) => {
                change.saw(pair.stamps, now);
                change.refusal = None;
                Refresh::Unchanged
            }
            Ok(pair) => {
                for warning in &pair.warnings {
                    tracing::warn!(site = %self.request.site, code = %warning.code, "{}", warning.message);
                }
                self.take(pair, now, change);
                Refresh::Swapped
            }
            Err(diagnostics) => {
                let refusal = diagnostics.iter().filter(|found| found.is_error()).map(|found| &*found.message);
                let refusal = Some(refusal.collect::<Vec<_>>().join("; "));
                let told = change.refusal == refusal && change.seen.as_ref().is_some_and(|seen| seen.stamps == stamps);
                change.saw(stamps, now);
                change.refusal = refusal;
                if told { Refresh::Unchanged } else { Refresh::Refused(diagnostics) }
            }
        }
    }

    fn take(&self, pair: CheckedPair, now: SystemTime, change: &mut Change) {
        change.saw(pair.stamps, now);
        change.live = Some(pair.digest);
        change.refusal = None;
        self.shown.store(Some(Arc::new(Shown { certified: pair.certified, config: OnceLock::new(), good: None })));
    }

    /// Signs, unless another thread does it at this moment. Whoever has an old certificate that still counts goes on with
    /// it rather than wait, and rather than fail.
    #[cold]
    fn sign(&self, shown: Option<&Arc<Shown>>, now: SystemTime) -> Result<Arc<ServerConfig>, IdentityError> {
        let usable = shown.filter(|shown| shown.counts(now));
        let _signing = match (self.change.try_lock(), usable) {
            (Ok(guard), _) => guard,
            (Err(TryLockError::Poisoned(poisoned)), _) => poisoned.into_inner(),
            (Err(TryLockError::WouldBlock), Some(usable)) => return Ok(self.config(usable)),
            (Err(TryLockError::WouldBlock), None) => self.lock(),
        };
        if let Some(fresh) = &*self.shown.load()
            && !fresh.is_due(now)
        {
            return Ok(self.config(fresh));
        }
        match self.shared.local_ca.sign(&self.request.local_hosts(), now, &self.shared.provider) {
            Ok(leaf) => {
                let shown = Arc::new(Shown::from(leaf));
                self.shown.store(Some(Arc::clone(&shown)));
                Ok(self.config(&shown))
            }
            Err(error) => {
                tracing::error!(site = %self.request.site, %error, "the local CA could not sign");
                let site = self.request.site.clone();
                usable.map(|usable| self.config(usable)).ok_or(IdentityError::Sign { site, source: error })
            }
        }
    }

    fn config(&self, shown: &Shown) -> Arc<ServerConfig> {
        Arc::clone(shown.config.get_or_init(|| self.configuration(Arc::clone(&shown.certified))))
    }

    /// Tickets are bound to the site and its tenant, not to the certificate. Where clients show certificates there are none.
    fn configuration(&self, certified: Arc<CertifiedKey>) -> Arc<ServerConfig> {
        if let Some(guests) = &self.guests {
            return Arc::new(tls::site_config(guests.template(), certified));
        }
        let mut config = tls::site_config(&self.shared.template, certified);
        config.ticketer = Arc::new(self.shared.tickets.bind(&self.request.site, self.request.tenant));
        Arc::new(config)
    }

    /// A panic while the lock was held leaves nothing half done: each field is written whole.
    fn lock(&self) -> MutexGuard<'_, Option<Box<Change>>> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shown {
    /// The same certificate, to be configured anew.
    fn afresh(&self) -> Self {
        Self { certified: Arc::clone(&self.certified), config: OnceLock::new(), good: self.good }
    }

    /// Near its end, or (after the clock was set back) not valid yet.
    fn is_due(&self, now: SystemTime) -> bool {
        self.good.is_some_and(|good| now < good.from || good.renew_after <= now)
    }

    fn counts(&self, now: SystemTime) -> bool {
        self.good.is_none_or(|good| good.from <= now && now < good.until)
    }
}

impl From<Leaf> for Shown {
    fn from(leaf: Leaf) -> Self {
        let good = Good { from: leaf.not_before, renew_after: leaf.renew_after(), until: leaf.not_after };
        Self { certified: leaf.certified, config: OnceLock::new(), good: Some(good) }
    }
}

impl Change {
    fn saw(&mut self, stamps: Stamps, now: SystemTime) {
        self.seen = Some(Seen { stamps, settled: stamps.are_settled(now) });
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("request", &self.request).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
