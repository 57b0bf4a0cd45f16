//! The ledger: what must survive a restart, in one file of the state folder: who claimed which name, and the last good
//! version of every site file. A batch of changes is one atomic commit, on disk before it is published, so that a
//! `kill -9` at any point loses nothing that was live.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use redb::{Database, ReadOnlyDatabase, ReadableDatabase, ReadableTable, TableDefinition};
use vestibule_names::{HostPattern, SiteId, TenantId};
use vestibule_vhost::Claim;

/// Name or wildcard → (site, owner, order).
const CLAIMS: TableDefinition<'_, &str, (&str, u32, u64)> = TableDefinition::new("claims-1");
/// Site → (owner, text of the site file).
const GOOD: TableDefinition<'_, &str, (u32, &[u8])> = TableDefinition::new("good-1");
/// The file within the state folder.
const FILE: &str = "ledger.redb";
/// Pages kept in memory, bytes.
const CACHE_LIMIT: usize = 8 * 1024 * 1024;

/// Open for writing; locked against other processes.
#[derive(Debug)]
pub(crate) struct Ledger {
    database: Database,
    path: PathBuf,
}

/// The last good version of a site file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GoodVersion {
    pub(crate) owner: TenantId,
    pub(crate) text: Vec<u8>,
}

/// One step of a commit.
#[derive(Debug)]
pub(crate) enum Entry {
    Claim(HostPattern, Claim),
    Release(HostPattern),
    Good(SiteId, GoodVersion),
    Forget(SiteId),
}

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another gateway has it.
    #[error("{path} is in use by another gateway")]
    Locked {
        /// The ledger's file.
        path: PathBuf,
    },
    /// The file is damaged, or the disk refuses.
    #[error(
        "the ledger {path} cannot be used; if it is damaged, move it away: claims and last good versions start anew"
    )]
    Storage {
        /// The ledger's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<redb::Error>,
    },
}

impl Ledger {
    /// Opens or creates the ledger of a state folder.
    pub(crate) fn open(state: &Path) -> Result<Self, LedgerError> {
        let path = state.join(FILE);
        let result = Database::builder().set_cache_size(CACHE_LIMIT).create(&path);
        let database = match result {
            Ok(database) => database,
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => return Err(LedgerError::Locked { path }),
            Err(source) => return Err(storage(&path, source)),
        };
        // Site files may hold what only their owner should read.
        if let Err(error) = std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)) {
            return Err(storage(&path, redb::Error::Io(error)));
        }
        let ledger = Self { database, path };
        ledger.write(|transaction| {
            transaction.open_table(CLAIMS)?;
            transaction.open_table(GOOD)?;
            Ok(())
        })?;
        Ok(ledger)
    }

    /// Writes a batch as one commit, on disk when this returns.
    pub(crate) fn commit(&self, entries: &[Entry]) -> Result<(), LedgerError> {
        if entries.is_empty() {
            return Ok(());
        }
        self.write(|transaction| {
            let mut claims = transaction.open_table(CLAIMS)?;
            let mut good = transaction.open_table(GOOD)?;
            for entry in entries {
                match entry {
                    Entry::Claim(name, claim) => {
                        claims.insert(&*name.to_string(), (claim.site.as_str(), claim.tenant.0, claim.since))?;
                    }
                    Entry::Release(name) => {
                        claims.remove(&*name.to_string())?;
                    }
                    Entry::Good(site, version) => {
                        good.insert(site.as_str(), (version.owner.0, version.text.as_slice()))?;
                    }
                    Entry::Forget(site) => {
                        good.remove(site.as_str())?;
                    }
                }
            }
            Ok(())
        })
    }

    /// Every claim.
    pub(crate) fn claims(&self) -> Result<Vec<(HostPattern, Claim)>, LedgerError> {
        read_claims(&self.database).map_err(|source| storage(&self.path, source))
    }

    /// The last good version of a site.
    pub(crate) fn good(&self, site: &SiteId) -> Result<Option<GoodVersion>, LedgerError> {
        let read = || -> Result<_, redb::Error> {
            let table = self.database.begin_read()?.open_table(GOOD)?;
            Ok(table.get(site.as_str())?.map(|row| {
                let (owner, text) = row.value();
                GoodVersion { owner: TenantId(owner), text: text.to_vec() }
            }))
        };
        read().map_err(|source| storage(&self.path, source))
    }

    /// Every site with a last good version.
    pub(crate) fn sites(&self) -> Result<Vec<SiteId>, LedgerError> {
        let read = || -> Result<_, redb::Error> {
            let table = self.database.begin_read()?.open_table(GOOD)?;
            let rows = table.iter()?.map(|row| row.map(|(site, _)| SiteId::new(site.value())));
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        };
        read().map_err(|source| storage(&self.path, source))
    }

    fn write(&self, fill: impl FnOnce(&redb::WriteTransaction) -> Result<(), redb::Error>) -> Result<(), LedgerError> {
        let run = || -> Result<(), redb::Error> {
            let mut transaction = self.database.begin_write()?;
            transaction.set_quick_repair(true); // a start after kill -9 does not walk the whole file
            fill(&transaction)?;
            transaction.commit()?;
            Ok(())
        };
        run().map_err(|source| storage(&self.path, source))
    }
}

/// The claims of a ledger that no gateway has open; `None` when there is none to read.
pub(crate) fn read_claims_of(state: &Path) -> Option<Vec<(HostPattern, Claim)>> {
    let database = ReadOnlyDatabase::open(state.join(FILE)).ok()?;
    read_claims(&database).ok()
}

fn read_claims(database: &impl ReadableDatabase) -> Result<Vec<(HostPattern, Claim)>, redb::Error> {
    let table = database.begin_read()?.open_table(CLAIMS)?;
    let mut claims = Vec::new();
    for row in table.iter()? {
        let (name, value) = row?;
        let (site, owner, since) = value.value();
        // A name that no longer parses (its rules grew stricter) is nobody's.
        if let Ok(pattern) = HostPattern::parse(name.value()) {
            claims.push((pattern, Claim { site: SiteId::new(site), tenant: TenantId(owner), since }));
        }
    }
    Ok(claims)
}

fn storage(path: &Path, source: impl Into<redb::Error>) -> LedgerError {
    LedgerError::Storage { path: path.to_owned(), source: Box::new(source.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(site: &str, since: u64) -> Claim {
        Claim { site: SiteId::new(site), tenant: TenantId(1000), since }
    }

    #[test]
    fn what_was_committed_is_there_after_a_reopen_and_locked_meanwhile() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path();
        let name = HostPattern::parse("*.a.test").expect("a pattern");
        let version = GoodVersion { owner: TenantId(1000), text: b"hosts: a.test\n".to_vec() };
        let ledger = Ledger::open(dir).expect("opens");
        ledger
            .commit(&[
                Entry::Claim(name.clone(), claim("a.yaml", 7)),
                Entry::Good(SiteId::new("a.yaml"), version.clone()),
            ])
            .expect("commits");
        assert!(matches!(Ledger::open(dir), Err(LedgerError::Locked { .. })));
        assert!(read_claims_of(dir).is_none(), "locked");
        drop(ledger);
        assert_eq!(read_claims_of(dir), Some(vec![(name.clone(), claim("a.yaml", 7))]));
        let ledger = Ledger::open(dir).expect("opens again");
        assert_eq!(ledger.good(&SiteId::new("a.yaml")).expect("reads"), Some(version));
        ledger.commit(&[Entry::Release(name), Entry::Forget(SiteId::new("a.yaml"))]).expect("commits");
        assert_eq!(ledger.claims().expect("reads"), vec![]);
        assert_eq!(ledger.sites().expect("reads"), vec![]);
    }

    #[test]
    fn a_damaged_file_is_told_and_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path();
        std::fs::write(dir.join(FILE), b"this is no ledger").expect("written");
        let error = Ledger::open(dir).expect_err("refused");
        assert!(matches!(error, LedgerError::Storage { .. }), "{error}");
        assert_eq!(std::fs::read(dir.join(FILE)).expect("read"), b"this is no ledger");
    }
}
