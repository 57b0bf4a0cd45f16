//! [`Vault`]: what all identities share (the local CA, the provider, ticket keys), and the way to get one.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Instant, SystemTime},
};

use rustls::{ClientConfig, ServerConfig, crypto::CryptoProvider};
use vestibule_diagnostics::{Diagnostic, catalogue};
use vestibule_names::HostPattern;

use crate::{
    challenge,
    clients::{ClientAuth, ClientCa},
    identity::{CertificateRequest, Guests, Identity, IdentityRequest, Origin},
    inspect::Findings,
    local_ca::{LocalCa, NAMES_SIZE_LIMIT, SignError, written},
    placeholder::Placeholder,
    private_folder,
    site_files::CheckedPair,
    store::{Store, StoreError},
    tickets::TicketKeys,
    tls,
    upstream::ClientConfigs,
    warm::{WARM_LIMIT, Warm},
};

/// What CAs issued, within the vault's folder.
const STORE_FOLDER: &str = "acme";

/// Everything that signs, loads and serves certificates. One per gateway; cheap to clone (shared inside).
#[derive(Clone, Debug)]
pub struct Vault {
    shared: Arc<Shared>,
}

/// What identities keep of their vault.
pub(crate) struct Shared {
    pub(crate) local_ca: LocalCa,
    pub(crate) store: Store,
    pub(crate) placeholder: Placeholder,
    pub(crate) provider: Arc<CryptoProvider>,
    pub(crate) template: ServerConfig,
    pub(crate) tickets: Arc<TicketKeys>,
    pub(crate) warm: Warm,
    pub(crate) gateway_uid: u32,
    clients: ClientConfigs,
}

/// An identity that may go live.
#[derive(Debug)]
pub struct Prepared {
    /// What the site shows.
    pub identity: Arc<Identity>,
    /// What its owner should know all the same, such as an end that is near.
    pub warnings: Vec<Diagnostic>,
}

/// Why the vault cannot be opened, or an upstream's roots not be used.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The state folder.
    #[error("cannot use {path}")]
    Io {
        /// Which path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The folder of keys is in other hands.
    #[error(
        "{path} belongs to uid {owner}, not to uid {expected} as whom the gateway runs: give it to that user, or name another state folder"
    )]
    Owner {
        /// Which path.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it must be.
        expected: u32,
    },
    /// The local CA's root cannot be used. It is never replaced by itself, because browsers trust it by its key.
    #[error(
        "the local CA's {path} is damaged ({reason}): restore it from a backup, or move {folder} away for a new CA, whose root every browser must then be told again"
    )]
    DamagedRoot {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
        /// What to move away.
        folder: PathBuf,
    },
    /// The local CA's root could not be made.
    #[error("cannot make the local CA {path}")]
    Create {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: SignError,
    },
    /// What CAs issued.
    #[error("cannot use the store of certificates")]
    Store(#[from] StoreError),
    /// The system has no randomness to make keys from.
    #[error("the system gave no randomness")]
    NoRandomness,
    /// The TLS library refused the configuration.
    #[error("cannot configure TLS")]
    Tls(#[source] rustls::Error),
    /// The roots of an upstream.
    #[error("cannot use the roots in {path}: {reason}")]
    Roots {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; never its content.
        reason: String,
    },
    /// No root certificates are installed.
    #[error("the system has no root certificates: install its package of CA certificates, or name a file of roots")]
    NoSystemRoots,
}

impl Vault {
    /// Opens (or creates, 0700, keys 0600) `dir`; makes the local CA on first use.
    pub fn open(dir: &Path) -> Result<Self, VaultError> {
        Self::open_at(dir, SystemTime::now())
    }

    pub(crate) fn open_at(dir: &Path, now: SystemTime) -> Result<Self, VaultError> {
        Self::open_with(dir, now, WARM_LIMIT)
    }

    pub(crate) fn open_with(dir: &Path, now: SystemTime, warm_limit: usize) -> Result<Self, VaultError> {
        private_folder::open(dir)?;
        let provider = tls::crypto_provider();
        let shared = Shared {
            local_ca: LocalCa::open(dir, now)?,
            store: Store::open(&dir.join(STORE_FOLDER))?,
            template: tls::server_template(&provider).map_err(VaultError::Tls)?,
            tickets: Arc::new(TicketKeys::new(Instant::now()).map_err(|_| VaultError::NoRandomness)?),
            warm: Warm::new(warm_limit),
            gateway_uid: gateway_uid(),
            clients: ClientConfigs::default(),
            placeholder: Placeholder::default(),
            provider,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// As whom the gateway runs: it decides whose files it may use.
    pub fn gateway_uid(&self) -> u32 {
        self.shared.gateway_uid
    }

    /// The local CA's root certificate, PEM.
    pub fn root_pem(&self) -> String {
        self.shared.local_ca.root_pem().to_owned()
    }

    /// Loads and checks (key matches, names covered, validity, owner, size); the local CA signs at the first handshake.
    /// Errors and warnings are V05xx diagnostics without spans: the caller knows the places (`tls.chain`, `tls.key`).
    /// Blocking; control thread only.
    pub fn prepare(&self, request: &IdentityRequest) -> Result<Prepared, Vec<Diagnostic>> {
        self.prepare_at(request, SystemTime::now())
    }

    pub(crate) fn prepare_at(&self, request: &IdentityRequest, now: SystemTime) -> Result<Prepared, Vec<Diagnostic>> {
        let shared = Arc::clone(&self.shared);
        let checked = Checked::of(request, shared.gateway_uid, now, &shared.provider)?;
        let guests = request.client_ca.as_deref().cloned().zip(checked.auth);
        let guests = guests.map(|(client_ca, auth)| Guests::new(client_ca, auth, now));
        let identity = Identity::unsigned(shared, request.certificate.clone(), guests);
        let identity = match checked.pair {
            Some(pair) => identity.with_files(pair, now),
            None => identity,
        };
        Ok(Prepared { identity: Arc::new(identity), warnings: checked.warnings })
    }

    /// What CAs issued.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// The configuration for a handshake of `acme-tls/1` (RFC 8737 section 3): a self-signed certificate for `name` with the
    /// SHA-256 of the key authorization in the critical extension `id-pe-acmeIdentifier`; ALPN `acme-tls/1` only, no tickets.
    pub fn challenge_config(
        &self,
        name: &HostPattern,
        key_authorization: &str,
    ) -> Result<Arc<ServerConfig>, SignError> {
        challenge::config(&self.shared.template, &self.shared.provider, name, key_authorization)
    }

    /// The configuration for upstream TLS (ALPN `http/1.1`): the system's roots, or those of a PEM file. The same one
    /// again until the file changes. Blocking; control thread only.
    pub fn client_config(&self, ca: Option<&Path>) -> Result<Arc<ClientConfig>, VaultError> {
        match ca {
            None => self.shared.clients.system(&self.shared.provider),
            Some(path) => self.shared.clients.file(path, &self.shared.provider),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// What [`Vault::prepare`] would say of a request, without a vault: for `vestibule check` as an ordinary user, who may
/// not enter the gateway's folder. `gateway_uid` is the user as whom the gateway runs: it decides whose files it may use.
pub fn check(request: &IdentityRequest, gateway_uid: u32) -> Vec<Diagnostic> {
    let checked = Checked::of(request, gateway_uid, SystemTime::now(), &tls::crypto_provider());
    checked.map_or_else(|errors| errors, |checked| checked.warnings)
}

/// What a request names, found good.
struct Checked {
    /// The site's own files, if it has some.
    pair: Option<CheckedPair>,
    /// Who is let in, if not everybody is.
    auth: Option<ClientAuth>,
    warnings: Vec<Diagnostic>,
}

impl Checked {
    /// Everything that is wrong is found at once.
    fn of(
        request: &IdentityRequest,
        gateway_uid: u32,
        now: SystemTime,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let pair = match request.certificate.files(gateway_uid) {
            Some(files) => files.load(now, provider).map(Some),
            None => check_local(&request.certificate).map(|()| None),
        };
        let load = |client_ca: &ClientCa| client_ca.load(request.certificate.owner(gateway_uid), now, provider);
        let auth = request.client_ca.as_deref().map(load).transpose();
        match (pair, auth) {
            (Ok(mut pair), Ok(auth)) => {
                let mut warnings = pair.as_mut().map(|pair| std::mem::take(&mut pair.warnings)).unwrap_or_default();
                let auth = auth.map(|(auth, found)| {
                    warnings.extend(found);
                    auth
                });
                Ok(Self { pair, auth, warnings })
            }
            (pair, auth) => Err([pair.err(), auth.err()].into_iter().flatten().flatten().collect()),
        }
    }
}

fn gateway_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn check_local(request: &CertificateRequest) -> Result<(), Vec<Diagnostic>> {
    debug_assert!(!matches!(request.origin, Origin::Files(_)), "files have a check of their own");
    let size: usize = request.hosts.iter().map(|host| written(host).len()).sum();
    if size <= NAMES_SIZE_LIMIT {
        return Ok(());
    }
    let mut found = Findings::default();
    found.error(
        catalogue::CERTIFICATE_INVALID,
        format!("{} hosts are too many for one certificate", request.hosts.len()),
        "split the site into several files, or use a wildcard",
    );
    Err(found.into_diagnostics())
}
