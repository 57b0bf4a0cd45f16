//! [`Store`]: what CAs issued, on disk. One directory per issuance, made current by one atomic rename; what an order needs
//! to be resumed is durable before it is asked for.
//!
//! ```text
//!   STATE/certs/acme/
//!     lock                                   one writer
//!     accounts/CA/account.json               the account's key and URL (0600)
//!     pending/0000000012-a.example.com/      key.pem, order.json: being ordered
//!     live/0000000012-a.example.com/         key.pem, order.json, chain.pem, meta.json
//!     retired/0000000012-a.example.com/      revoked: kept for people, never shown again
//!     journal.redb                           the scheduler's records, and who proved what
//! ```
//!
//! For each name and tenant the latest live issuance counts; the one before is kept, older ones go, and so does what ran
//! out long ago and nobody wants. A directory that is
//! damaged disables itself, never the store: it is told, and left for a person to look at.
//!
//! A directory appears whole: it is filled beside its place, under a name that begins with a dot, its files and itself
//! are synced, then it is renamed, then the folder is synced. It disappears the other way round. What begins with a dot
//! at a start was left by a kill, and is swept. So there is no moment at which a kill could leave a half.
//!
//! Not here: whom to ask for a certificate and when (`acme`), and what a handshake shows (`identity`).
//!
//! | module | in reading order |
//! |---|---|
//! | `ids` | what becomes a folder's name, and what cannot |
//! | `layout` | where everything is |
//! | `disk` | every step on the disk |
//! | `records` | `order.json`, `meta.json` |
//! | `scan` | what is there when the store opens |
//! | `entry`, `index` | what is live, in memory |
//! | `keys` | keys and signing requests |
//! | `pending` | [`Pending`]: an order |
//! | `loaded` | keys and chains that somebody has in memory |
//! | `issuance` | commit, import, load, discard, retire |
//! | `expired` | what ran out long ago and nobody wants goes |
//! | `ari` | the identifier for renewal information |
//! | `journal` | the scheduler's records, and who proved what, in a database |
//! | `proofs` | [`Proof`]: whose it is |

mod ari;
mod disk;
mod entry;
mod error;
mod expired;
#[cfg(test)]
mod faults;
mod ids;
mod index;
mod issuance;
mod journal;
mod keys;
mod layout;
mod loaded;
mod pending;
mod proofs;
mod records;
mod scan;

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::SystemTime,
};

use rustls::crypto::CryptoProvider;
use vestibule_names::{HostPattern, TenantId};

pub(crate) use self::issuance::NotLoaded;
use self::{
    disk::Disk,
    index::Index,
    journal::Journal,
    layout::{Layout, Place},
    loaded::Loaded,
    pending::Open,
};
pub use self::{
    entry::Entry,
    error::StoreError,
    ids::{CaId, IssuanceId, KeyType},
    pending::Pending,
    proofs::{Noted, Proof},
};
use crate::{Fingerprint, private_folder, tls, vault::VaultError};

/// So much must be free before an order: a hundred times what an issuance takes, for the journal and for others.
const FREE_SPACE_MIN: u64 = 4 * 1024 * 1024;
/// So many files must be free before an order: an issuance is a directory of four.
const FREE_FILES_MIN: u64 = 64;
/// What the self-test writes.
const SELF_TEST_SIZE: usize = 16 * 1024;

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
    pub ari: Option<Arc<str>>,
    /// The issuer's common name.
    pub issuer: Arc<str>,
    /// Of the leaf.
    pub fingerprint: Fingerprint,
}

/// A directory of the store that cannot be used.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Where.
    pub path: PathBuf,
    /// Why, in one sentence.
    pub reason: String,
}

/// Cheap to clone; one writer per folder. All calls block: control threads only, except what an identity reads in a handshake.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    layout: Layout,
    disk: Disk,
    provider: Arc<CryptoProvider>,
    index: RwLock<Index>,
    writer: Mutex<Writer>,
    journal: Mutex<Journal>,
    loaded: Mutex<Loaded>,
    /// Held for as long as the store is open; the system lets go of it when the process ends, however it ends.
    _lock: File,
}

/// What only changes of the store need.
struct Writer {
    /// The last number given.
    last: u64,
    /// The orders on disk; `None` while somebody has its [`Pending`].
    open: BTreeMap<IssuanceId, Option<Open>>,
}

impl Store {
    /// Opens or makes the folder, takes the lock, and scans. What is damaged is in [`Store::broken`].
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_on(folder, Disk::default())
    }

    fn open_on(folder: &Path, disk: Disk) -> Result<Self, StoreError> {
        private_folder::open(folder).map_err(|error| match error {
            VaultError::Io { path, source } => StoreError::Io { what: "open", path, source },
            other => StoreError::damaged(folder, other.to_string()),
        })?;
        let layout = Layout { root: folder.to_owned() };
        let lock = disk.lock(&layout.lock()).map_err(|error| match error {
            StoreError::Io { path, source, .. } if source.kind() == io::ErrorKind::WouldBlock => {
                StoreError::Locked { path }
            }
            other => other,
        })?;
        for place in [Place::Pending, Place::Live, Place::Retired] {
            disk.ensure_dir(&layout.folder(place))?;
        }
        disk.ensure_dir(&layout.accounts())?;
        if let Err(error) = disk.sync_dir(folder) {
            // What is there can be read and is served. The self-test, which syncs the same folder, lets nothing be ordered.
            tracing::error!(
                reason = %scan::reason(&error),
                "the disk of the store fails: what it has is served, and nothing is ordered until it is mended"
            );
        }

        let found = scan::scan(&layout, &disk)?;
        let journal = Journal::new(layout.journal(), disk.clone());
        let open = found.open.into_iter().map(|open| (open.id.clone(), Some(open))).collect();
        let store = Self {
            shared: Arc::new(Shared {
                layout,
                disk,
                provider: tls::crypto_provider(),
                index: RwLock::new(found.index),
                writer: Mutex::new(Writer { last: found.last, open }),
                journal: Mutex::new(journal),
                loaded: Mutex::default(),
                _lock: lock,
            }),
        };
        let idle = store.index().idle();
        idle.iter().for_each(|entry| store.discard(entry));
        Ok(store)
    }

    /// Writes, syncs, reads back, removes, and looks at the free space: to be called before every order.
    pub fn self_test(&self) -> Result<(), StoreError> {
        let (root, path) = (&self.layout().root, self.layout().self_test());
        let free = self.disk().free(root)?;
        if free.bytes < FREE_SPACE_MIN {
            return Err(StoreError::Full { path: root.clone(), free: free.bytes, needed: FREE_SPACE_MIN });
        }
        if free.files.is_some_and(|files| files < FREE_FILES_MIN) {
            let source = io::Error::new(io::ErrorKind::StorageFull, "the file system has no room for more files");
            return Err(StoreError::Io { what: "make files in", path: root.clone(), source });
        }
        let mut content = vec![0; SELF_TEST_SIZE];
        aws_lc_rs::rand::fill(&mut content).map_err(|_| StoreError::Key("the system gave no randomness".to_owned()))?;
        let tested = self
            .disk()
            .write(&path, &content)
            .and_then(|()| self.disk().sync_dir(root))
            .and_then(|()| self.disk().read(&path));
        let removed = self.disk().remove_file(&path);
        if tested? != content {
            return Err(StoreError::Unreliable { path });
        }
        removed
    }

    /// Every live issuance that is the latest for at least one of its names.
    pub fn current(&self) -> Vec<Issued> {
        self.shared().iter().map(|entry| entry.issued()).collect()
    }

    /// The same, as the store has it in memory.
    pub fn shared(&self) -> Vec<Arc<Entry>> {
        self.index().current()
    }

    /// A live issuance, as the store has it in memory.
    pub fn kept(&self, id: &IssuanceId) -> Option<Arc<Entry>> {
        self.index().by_id(id)
    }

    /// The latest live issuance that covers this name (exactly, or by a wildcard) for this tenant, even if it has run out.
    pub fn find(&self, tenant: TenantId, name: &HostPattern) -> Option<Issued> {
        Some(self.index().find(tenant, name, SystemTime::UNIX_EPOCH)?.issued())
    }

    /// The same name: the one that is in memory already where a certificate of this tenant has it. Whoever keeps that one
    /// shares its text.
    pub fn shared_name(&self, tenant: TenantId, name: HostPattern) -> HostPattern {
        self.index().shared(tenant, &name).unwrap_or(name)
    }

    /// As [`Store::find`], for whoever will load it; what has not run out comes first.
    pub(crate) fn entry(&self, tenant: TenantId, name: &HostPattern, now: SystemTime) -> Option<Arc<Entry>> {
        self.index().find(tenant, name, now)
    }

    /// What cannot be used, and why.
    pub fn broken(&self) -> Vec<Broken> {
        self.index().broken()
    }

    /// The account of a CA, as `save_account` was given it.
    pub fn account(&self, ca: &CaId) -> Result<Option<Vec<u8>>, StoreError> {
        match self.disk().read(&self.layout().account(ca)) {
            Ok(account) => Ok(Some(account)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the account of a CA by one atomic rename; durable when this returns.
    pub fn save_account(&self, ca: &CaId, account: &[u8]) -> Result<(), StoreError> {
        let path = self.layout().account(ca);
        if let Some(folder) = path.parent() {
            self.disk().ensure_dir(folder)?;
            self.disk().sync_dir(&self.layout().accounts())?;
        }
        self.replace(&path, account)
    }

    /// All records of the journal. A damaged journal is moved aside, told in the log, and counts as empty; so does one that
    /// the disk does not give.
    pub fn records(&self) -> Vec<(String, Vec<u8>)> {
        self.journal().records().unwrap_or_else(|error| {
            tracing::error!(%error, "the journal of orders cannot be read");
            Vec::new()
        })
    }

    /// Writes and removes records in one commit; durable when this returns.
    pub fn record(&self, changes: &[(String, Option<Vec<u8>>)]) -> Result<(), StoreError> {
        self.journal().record(changes)
    }

    /// A number that no directory had.
    fn next_id(&self, first: &HostPattern) -> Result<IssuanceId, StoreError> {
        let mut writer = self.writer();
        let id = IssuanceId::numbered(writer.last.saturating_add(1), first);
        writer.last = id.number().ok_or_else(|| {
            StoreError::damaged(&self.layout().root, "a directory has so great a number that there is none after it")
        })?;
        Ok(id)
    }

    /// Makes a directory with these files, durable before it is visible, and visible before this returns.
    fn publish(&self, place: Place, id: &IssuanceId, files: &[(&str, &[u8])]) -> Result<(), StoreError> {
        let fresh = self.prepare(place, id, files)?;
        let published = self.disk().rename(&fresh, &self.layout().directory(place, id));
        if published.is_err() {
            scan::sweep(self.disk(), &fresh);
        }
        published?;
        self.disk().sync_dir(&self.layout().folder(place)).inspect_err(|_| {
            // Best effort: it is whole, so that it does no harm where it is.
            let _ = self.unmake(place, id, || {});
        })
    }

    /// Removes a directory: it is durably out of sight before its first file goes. `gone` is called when it is out of sight.
    fn unmake(&self, place: Place, id: &IssuanceId, gone: impl FnOnce()) -> Result<(), StoreError> {
        let doomed = self.layout().doomed(place, id);
        self.disk().rename(&self.layout().directory(place, id), &doomed)?;
        gone();
        self.disk().sync_dir(&self.layout().folder(place))?;
        scan::sweep(self.disk(), &doomed);
        Ok(())
    }

    /// The directory, filled and durable, beside its place.
    fn prepare(&self, place: Place, id: &IssuanceId, files: &[(&str, &[u8])]) -> Result<PathBuf, StoreError> {
        let fresh = self.layout().fresh(place, id);
        self.disk().make_dir(&fresh)?;
        let written = files.iter().try_for_each(|(name, content)| self.disk().write(&fresh.join(name), content));
        let written = written.and_then(|()| self.disk().sync_dir(&fresh));
        if let Err(error) = written {
            scan::sweep(self.disk(), &fresh);
            return Err(error);
        }
        Ok(fresh)
    }

    fn layout(&self) -> &Layout {
        &self.shared.layout
    }

    fn disk(&self) -> &Disk {
        &self.shared.disk
    }

    fn provider(&self) -> &CryptoProvider {
        &self.shared.provider
    }

    /// Never held while the disk is read.
    fn loaded(&self) -> MutexGuard<'_, Loaded> {
        self.shared.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // A panic under one of these locks leaves nothing half done: the index changes by whole entries, and the journal and
    // the orders are what the disk says.

    fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.shared.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.shared.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.shared.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("folder", &self.layout().root).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
