//! [`Layout`]: where everything is in the store's folder, and which names mean that something was left half done.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::{CaId, IssuanceId};

/// The private key, PEM.
pub(super) const KEY_FILE: &str = "key.pem";
/// The draft and the order's URL.
pub(super) const ORDER_FILE: &str = "order.json";
/// The chain, PEM.
pub(super) const CHAIN_FILE: &str = "chain.pem";
/// What is known of the certificate.
pub(super) const META_FILE: &str = "meta.json";
/// Of a file or directory that is being made beside its place.
const FRESH: &str = ".new";
/// Of a directory that is being removed.
const DOOMED: &str = ".old";

/// The paths of a store.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) root: PathBuf,
}

/// In which folder a directory of an issuance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Being ordered.
    Pending,
    /// In service, or the one before that.
    Live,
    /// Revoked.
    Retired,
}

impl Layout {
    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.root.join("journal.redb")
    }

    pub(super) fn self_test(&self) -> PathBuf {
        self.root.join(".self-test")
    }

    pub(super) fn accounts(&self) -> PathBuf {
        self.root.join("accounts")
    }

    pub(super) fn account(&self, ca: &CaId) -> PathBuf {
        self.accounts().join(ca.as_str()).join("account.json")
    }

    pub(super) fn folder(&self, place: Place) -> PathBuf {
        self.root.join(match place {
            Place::Pending => "pending",
            Place::Live => "live",
            Place::Retired => "retired",
        })
    }

    /// The directory of an issuance. Its id is one that the store made or found: it has a number.
    pub(super) fn directory(&self, place: Place, id: &IssuanceId) -> PathBuf {
        debug_assert!(id.number().is_some(), "{id} is no directory of ours");
        self.folder(place).join(id.as_str())
    }

    /// Where a directory is made before it appears.
    pub(super) fn fresh(&self, place: Place, id: &IssuanceId) -> PathBuf {
        self.folder(place).join(format!(".{id}{FRESH}"))
    }

    /// Where a directory goes before its files do.
    pub(super) fn doomed(&self, place: Place, id: &IssuanceId) -> PathBuf {
        self.folder(place).join(format!(".{id}{DOOMED}"))
    }
}

/// Beside a file, where its next content is written.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(FRESH);
    PathBuf::from(name)
}

/// Is it what a killed process was making or removing? Nothing else begins with a dot and ends so.
pub(super) fn is_leftover(name: &OsStr) -> bool {
    let inner = name.to_str().and_then(|name| name.strip_prefix('.'));
    let id = inner.and_then(|inner| inner.strip_suffix(FRESH).or_else(|| inner.strip_suffix(DOOMED)));
    id.is_some_and(|id| IssuanceId::new(id).number().is_some())
}
