//! [`Store`]: what CAs issued, on disk. One directory per issuance, made current by one atomic rename; what an order needs
//! to be resumed is durable before it is asked for.
//!
//! ```text
//!   STATE/certs/acme/
//!     lock                                   one writer
//!     accounts/CA/account.json               the account's key and URL (0600)
//!     pending/0000000012-a.example.com/      key.pem, order.json: being ordered
//!     live/0000000012-a.example.com/         key.pem, order.json, chain.pem, meta.json
//!     journal.redb                           the scheduler's records
//! ```
//!
//! For each name and tenant the latest live issuance counts; the one before is kept. A directory that is damaged disables
//! itself, never the store: it is told, and left for a person to look at.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use vestibule_diagnostics::Diagnostic;
use vestibule_names::{HostPattern, TenantId};

/// The directory's name: a growing number, then the first name for people. Latest is greatest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuanceId(Arc<str>);

/// Names a CA: lower case letters, digits and hyphens; a folder's name and a metric's label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaId(Arc<str>);

/// The type of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyType {
    /// The default.
    #[default]
    EcdsaP256,
    /// ECDSA P-384.
    EcdsaP384,
    /// For clients that know nothing else.
    Rsa2048,
    /// Slow to sign with.
    Rsa4096,
}

/// What an issuance is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Whose.
    pub tenant: TenantId,
    /// Sorted, without doubles.
    pub names: Vec<HostPattern>,
    /// At which CA.
    pub ca: CaId,
    /// The profile asked for.
    pub profile: Option<String>,
    /// The key.
    pub key_type: KeyType,
    /// Which issuance it renews.
    pub renews: Option<IssuanceId>,
}

/// An order on disk that has no certificate yet.
#[derive(Debug)]
pub struct Pending {
    _store: Store,
}

/// A certificate that a CA issued, and its facts. Its key and chain stay on disk until a handshake wants them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// Which.
    pub id: IssuanceId,
    /// What was asked for.
    pub draft: Draft,
    /// Valid from.
    pub not_before: SystemTime,
    /// Valid until.
    pub not_after: SystemTime,
    /// When it came.
    pub obtained: SystemTime,
    /// Its identifier for renewal information (RFC 9773 section 4.1); `None` when it has no authority key identifier.
    pub ari: Option<String>,
    /// The issuer's common name.
    pub issuer: String,
    /// SHA-256 of the leaf, hexadecimal.
    pub fingerprint: String,
}

/// A directory of the store that cannot be used.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Where.
    pub path: PathBuf,
    /// Why, in one sentence.
    pub reason: String,
}

/// Why the store did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried: `write`, `read`, `rename` …
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process writes.
    #[error("another process writes to {path}")]
    Locked {
        /// The lock's path.
        path: PathBuf,
    },
    /// Too little is free for an order to be safe.
    #[error("only {free} bytes are free in {path}, and {needed} are needed before a certificate is ordered")]
    Full {
        /// Where.
        path: PathBuf,
        /// Bytes.
        free: u64,
        /// Bytes.
        needed: u64,
    },
    /// What was read back is not what was written.
    #[error("{path} does not keep what is written to it")]
    Unreliable {
        /// Where.
        path: PathBuf,
    },
    /// A key could not be made.
    #[error("no key could be made: {0}")]
    Key(String),
    /// A chain was refused: the diagnostics of its inspection, at least one.
    #[error("the certificate was refused: {}", .0.first().map_or("", |d| d.message.as_str()))]
    Refused(Vec<Diagnostic>),
    /// The journal.
    #[error("cannot use the journal {path}: {reason}")]
    Journal {
        /// Where.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Cheap to clone; one writer per folder. All calls block: control threads only, except what an identity reads in a handshake.
#[derive(Clone, Debug)]
pub struct Store {
    _shared: Arc<()>,
}

impl Store {
    /// Opens or makes the folder, takes the lock, and scans. What is damaged is in [`Store::broken`].
    pub fn open(_folder: &Path) -> Result<Self, StoreError> {
        todo!()
    }

    /// Writes, syncs, reads back, removes, and looks at the free space: to be called before every order.
    pub fn self_test(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// Makes a key and a pending directory; durable when this returns.
    pub fn begin(&self, _draft: &Draft) -> Result<Pending, StoreError> {
        todo!()
    }

    /// What an earlier run left to be resumed.
    pub fn pending(&self) -> Vec<Pending> {
        todo!()
    }

    /// Every live issuance that is the latest for at least one of its names.
    pub fn current(&self) -> Vec<Issued> {
        todo!()
    }

    /// The latest live issuance that covers this name (exactly, or by a wildcard) for this tenant.
    pub fn find(&self, _tenant: TenantId, _name: &HostPattern) -> Option<Issued> {
        todo!()
    }

    /// What cannot be used, and why.
    pub fn broken(&self) -> Vec<Broken> {
        todo!()
    }

    /// The chain of an issuance, PEM.
    pub fn chain(&self, _id: &IssuanceId) -> Result<Vec<u8>, StoreError> {
        todo!()
    }

    /// Takes a chain and key from elsewhere in, after the same inspection as an order's; names are the leaf's.
    pub fn import(
        &self,
        _tenant: TenantId,
        _ca: &CaId,
        _chain_pem: &[u8],
        _key_pem: &[u8],
        _now: SystemTime,
    ) -> Result<Issued, StoreError> {
        todo!()
    }

    /// Takes an issuance out of service (it was revoked): the one before is not brought back. Kept on disk under `retired/`.
    pub fn retire(&self, _id: &IssuanceId) -> Result<(), StoreError> {
        todo!()
    }

    /// The account of a CA, as `save_account` was given it.
    pub fn account(&self, _ca: &CaId) -> Result<Option<Vec<u8>>, StoreError> {
        todo!()
    }

    /// Replaces the account of a CA by one atomic rename; durable when this returns.
    pub fn save_account(&self, _ca: &CaId, _account: &[u8]) -> Result<(), StoreError> {
        todo!()
    }

    /// All records of the journal. A damaged journal is moved aside, told in the log, and counts as empty.
    pub fn records(&self) -> Vec<(String, Vec<u8>)> {
        todo!()
    }

    /// Writes and removes records in one commit; durable when this returns.
    pub fn record(&self, _changes: &[(String, Option<Vec<u8>>)]) -> Result<(), StoreError> {
        todo!()
    }
}

impl Pending {
    /// Its directory's name; the issuance will have the same.
    pub fn id(&self) -> &IssuanceId {
        todo!()
    }

    /// What it asks for.
    pub fn draft(&self) -> &Draft {
        todo!()
    }

    /// The order's URL, once the CA gave one.
    pub fn order_url(&self) -> Option<&str> {
        todo!()
    }

    /// Notes the order's URL; durable when this returns.
    pub fn set_order_url(&mut self, _url: &str) -> Result<(), StoreError> {
        todo!()
    }

    /// The certificate signing request for its key and names (RFC 2986), DER.
    pub fn csr(&self) -> Result<Vec<u8>, StoreError> {
        todo!()
    }

    /// Inspects the chain (key, names, validity, order) and makes it live by one rename. On an error nothing has changed
    /// for whoever is served.
    pub fn commit(self, _chain_pem: &[u8], _now: SystemTime) -> Result<Issued, (Self, StoreError)> {
        todo!()
    }

    /// Gives the order up and removes its directory.
    pub fn abandon(self) -> Result<(), StoreError> {
        todo!()
    }
}

impl IssuanceId {
    /// The text, as in paths and commands.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// From a text that [`IssuanceId::as_str`] gave.
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }
}

impl CaId {
    /// From lower case letters, digits and hyphens, 1 to 63 of them; `None` for anything else.
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=63).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        fits.then(|| Self(Arc::from(text)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for IssuanceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Display for CaId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
