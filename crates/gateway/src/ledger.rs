//! The ledger: what must survive a restart, in one file of the state folder: who claimed which name and until when, and the
//! last good version of every site file. A batch of changes is one atomic commit, on disk before it is published, so that
//! a `kill -9` at any point loses nothing that was live.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use redb::{Database, ReadOnlyDatabase, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition};
use vestibule_names::{HostPattern, SiteId, TenantId};
use vestibule_vhost::{Claim, UnixTime};

/// Name or wildcard → (site, holder, order, claimed at, end of the grace or 0).
const CLAIMS: TableDefinition<'_, &str, (&str, u32, u64, u64, u64)> = TableDefinition::new("claims-2");
/// As gateways before the grace wrote it: (site, owner, order).
const CLAIMS_BEFORE: TableDefinition<'_, &str, (&str, u32, u64)> = TableDefinition::new("claims-1");
/// Site → (owner, text of the site file).
const GOOD: TableDefinition<'_, &str, (u32, &[u8])> = TableDefinition::new("good-1");
/// The file within the state folder.
const FILE: &str = "ledger.redb";
/// Pages kept in memory, bytes. A start asks for sites in order, and a change for a few pages that the kernel has.
const CACHE_LIMIT: usize = 2 * 1024 * 1024;

/// Open for writing; locked against other processes. After an error of the disk it is opened anew for the next commit.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The last good versions as of the last commit, once somebody has asked: a start asks for each. Before the database,
    /// which it must not outlive.
    read: RefCell<Option<GoodTable>>,
    database: Option<Database>,
    path: PathBuf,
    /// What could not be written yet, the latest of each: bounded by what there is.
    backlog: BTreeMap<Subject, Entry>,
    #[cfg(test)]
    failing: bool,
}

type GoodTable = ReadOnlyTable<&'static str, (u32, &'static [u8])>;

/// A version of a site file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) owner: TenantId,
    pub(crate) text: Vec<u8>,
}

/// One step of a commit.
#[derive(Debug)]
pub(crate) enum Entry {
    Claim(HostPattern, Claim),
    Release(HostPattern),
    Good(SiteId, Version),
    Forget(SiteId),
}

/// What an entry is about: a later one replaces an earlier one.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Name(HostPattern),
    Site(SiteId),
}

impl Entry {
    fn subject(&self) -> Subject {
        match self {
            Self::Claim(name, _) | Self::Release(name) => Subject::Name(name.clone()),
            Self::Good(site, _) | Self::Forget(site) => Subject::Site(site.clone()),
        }
    }
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

/// How long a start waits for a gateway before it to be gone: the kernel lets go of the lock of one that was killed only
/// when all that it had open is closed, also in a program that it was just starting.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_LOOK: Duration = Duration::from_millis(20);

impl Ledger {
    /// As [`Ledger::open`], when the gateway before may still be ending.
    pub(crate) fn open_after_another(state: &Path) -> Result<Self, LedgerError> {
        let end = Instant::now() + LOCK_PATIENCE;
        loop {
            match Self::open(state) {
                Err(LedgerError::Locked { .. }) if Instant::now() < end => thread::sleep(LOCK_LOOK),
                opened => return opened,
            }
        }
    }

    /// Opens or creates the ledger of a state folder.
    pub(crate) fn open(state: &Path) -> Result<Self, LedgerError> {
        let path = state.join(FILE);
        Ok(Self {
            database: Some(open(&path)?),
            path,
            read: RefCell::default(),
            backlog: BTreeMap::new(),
            #[cfg(test)]
            failing: false,
        })
    }

    /// Writes a batch, and what is left of earlier ones, as one commit; on disk when this returns.
    pub(crate) fn commit(&mut self, entries: Vec<Entry>) -> Result<(), LedgerError> {
        self.backlog.extend(entries.into_iter().map(|entry| (entry.subject(), entry)));
        if self.backlog.is_empty() {
            return Ok(());
        }
        self.read.take(); // it would hold on to what the commit replaces
        let database = match self.database.take() {
            Some(database) => database,
            None => open(&self.path)?,
        };
        #[cfg(test)]
        if std::mem::take(&mut self.failing) {
            return Err(storage(&self.path, redb::Error::PreviousIo));
        }
        let written = write(&database, |transaction| {
            let mut claims = transaction.open_table(CLAIMS)?;
            let mut good = transaction.open_table(GOOD)?;
            for entry in self.backlog.values() {
                match entry {
                    Entry::Claim(name, claim) => {
                        claims.insert(&*name.to_string(), row(claim))?;
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
        });
        match written {
            Ok(()) => {
                self.database = Some(database);
                self.backlog.clear();
                Ok(())
            }
            Err(source) => {
                // After an error the database refuses everything, reads too, until it is opened anew.
                drop(database);
                self.database = open(&self.path).ok();
                Err(storage(&self.path, source))
            }
        }
    }

    /// As a full disk would: the next commit fails, and those after it succeed.
    #[cfg(test)]
    pub(crate) fn fail_once(&mut self) {
        self.failing = true;
    }

    /// How many entries wait for a disk that takes them.
    pub(crate) fn backlog(&self) -> usize {
        self.backlog.len()
    }

    /// Every claim.
    pub(crate) fn claims(&self) -> Result<Vec<(HostPattern, Claim)>, LedgerError> {
        let Some(database) = &self.database else { return Ok(Vec::new()) };
        read_claims(database).map_err(|source| storage(&self.path, source))
    }

    /// The last good version of a site. A disk that cannot be read must not stop a change: then none is known.
    pub(crate) fn good(&self, site: &SiteId) -> Option<Version> {
        self.look(site, |owner, text| Version { owner, text: text.to_vec() })
    }

    /// Is this the last good version of a site?
    pub(crate) fn has_good(&self, site: &SiteId, version: &Version) -> bool {
        self.look(site, |owner, text| owner == version.owner && text == version.text) == Some(true)
    }

    fn look<T>(&self, site: &SiteId, see: impl FnOnce(TenantId, &[u8]) -> T) -> Option<T> {
        if !self.backlog.is_empty() {
            match self.backlog.get(&Subject::Site(site.clone())) {
                Some(Entry::Good(_, version)) => return Some(see(version.owner, &version.text)),
                Some(_) => return None,
                None => {}
            }
        }
        let database = self.database.as_ref()?;
        let read = || -> Result<_, redb::Error> {
            let mut open = self.read.borrow_mut();
            let table = match &mut *open {
                Some(table) => table,
                None => open.insert(database.begin_read()?.open_table(GOOD)?),
            };
            Ok(table.get(site.as_str())?.map(|row| {
                let (owner, text) = row.value();
                see(TenantId(owner), text)
            }))
        };
        self.told(read()).flatten()
    }

    /// The sites with a last good version that somebody asks about, in order; none when the disk cannot be read.
    pub(crate) fn sites(&self, is_asked_for: impl Fn(&str) -> bool) -> Vec<SiteId> {
        let Some(database) = &self.database else { return Vec::new() };
        let read = || -> Result<_, redb::Error> {
            let table = database.begin_read()?.open_table(GOOD)?;
            let mut sites = Vec::new();
            for row in table.iter()? {
                let (site, _) = row?;
                if is_asked_for(site.value()) {
                    sites.push(SiteId::new(site.value()));
                }
            }
            Ok(sites)
        };
        self.told(read()).unwrap_or_default()
    }

    fn told<T>(&self, result: Result<T, redb::Error>) -> Option<T> {
        result
            .inspect_err(|error| tracing::error!(path = %self.path.display(), %error, "the ledger cannot be read"))
            .ok()
    }
}

fn open(path: &Path) -> Result<Database, LedgerError> {
    let database = match Database::builder().set_cache_size(CACHE_LIMIT).create(path) {
        Ok(database) => database,
        Err(redb::DatabaseError::DatabaseAlreadyOpen) => return Err(LedgerError::Locked { path: path.to_owned() }),
        Err(source) => return Err(storage(path, source)),
    };
    // Site files may hold what only their owner should read.
    if let Err(error) = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)) {
        return Err(storage(path, redb::Error::Io(error)));
    }
    if !has_tables(&database) {
        write(&database, |transaction| {
            transaction.open_table(GOOD)?;
            bring_forward(transaction)
        })
        .map_err(|source| storage(path, source))?;
    }
    Ok(database)
}

/// Takes over what an earlier gateway wrote, in the same commit that makes the new table.
fn bring_forward(transaction: &redb::WriteTransaction) -> Result<(), redb::Error> {
    let mut claims = transaction.open_table(CLAIMS)?;
    {
        let before = transaction.open_table(CLAIMS_BEFORE)?;
        for found in before.iter()? {
            let (name, value) = found?;
            let (site, holder, since) = value.value();
            claims.insert(name.value(), (site, holder, since, UnixTime::UNKNOWN.0, 0))?;
        }
    }
    transaction.delete_table(CLAIMS_BEFORE)?;
    Ok(())
}

/// A full disk can still be read: nothing is written to a ledger that has its tables.
fn has_tables(database: &Database) -> bool {
    let Ok(transaction) = database.begin_read() else { return false };
    transaction.open_table(CLAIMS).is_ok() && transaction.open_table(GOOD).is_ok()
}

fn write(
    database: &Database,
    fill: impl FnOnce(&redb::WriteTransaction) -> Result<(), redb::Error>,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true); // a start after kill -9 does not walk the whole file
    fill(&transaction)?;
    transaction.commit()?;
    Ok(())
}

/// The claims of a ledger that no gateway has open; `None` when there is none to read.
pub(crate) fn read_claims_of(state: &Path) -> Option<Vec<(HostPattern, Claim)>> {
    let database = ReadOnlyDatabase::open(state.join(FILE)).ok()?;
    read_claims(&database).ok()
}

fn read_claims(database: &impl ReadableDatabase) -> Result<Vec<(HostPattern, Claim)>, redb::Error> {
    let transaction = database.begin_read()?;
    let mut claims = Vec::new();
    // A name that no longer parses (its rules grew stricter) is nobody's.
    let mut add = |name: &str, claim: Claim| claims.extend(HostPattern::parse(name).ok().map(|name| (name, claim)));
    match transaction.open_table(CLAIMS) {
        Ok(table) => {
            for found in table.iter()? {
                let (name, value) = found?;
                let (site, holder, since, at, until) = value.value();
                let until = (until != 0).then_some(UnixTime(until));
                let (site, tenant) = (SiteId::new(site), TenantId(holder));
                add(name.value(), Claim { site, tenant, since, at: UnixTime(at), until });
            }
        }
        // Only looked at, so not brought forward.
        Err(redb::TableError::TableDoesNotExist(_)) => {
            for found in transaction.open_table(CLAIMS_BEFORE)?.iter()? {
                let (name, value) = found?;
                let (site, holder, since) = value.value();
                let (site, tenant) = (SiteId::new(site), TenantId(holder));
                add(name.value(), Claim { site, tenant, since, at: UnixTime::UNKNOWN, until: None });
            }
        }
        Err(other) => return Err(other.into()),
    }
    Ok(claims)
}

fn row(claim: &Claim) -> (&str, u32, u64, u64, u64) {
    (claim.site.as_str(), claim.tenant.0, claim.since, claim.at.0, claim.until.map_or(0, |until| until.0))
}

fn storage(path: &Path, source: impl Into<redb::Error>) -> LedgerError {
    LedgerError::Storage { path: path.to_owned(), source: Box::new(source.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(site: &str, since: u64) -> Claim {
        Claim { site: SiteId::new(site), tenant: TenantId(1000), since, at: UnixTime(5), until: None }
    }

    #[test]
    fn what_an_earlier_gateway_wrote_is_taken_over_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path();
        let name = HostPattern::parse("a.test").expect("a pattern");
        {
            let database = Database::builder().create(dir.join(FILE)).expect("made");
            write(&database, |transaction| {
                transaction.open_table(CLAIMS_BEFORE)?.insert("a.test", ("a.yaml", 1000, 7))?;
                transaction.open_table(GOOD)?.insert("a.yaml", (1000, &b"hosts: a.test"[..]))?;
                Ok(())
            })
            .expect("written");
        }
        let before = vec![(name.clone(), Claim { at: UnixTime::UNKNOWN, ..claim("a.yaml", 7) })];
        assert_eq!(read_claims_of(dir).as_ref(), Some(&before), "also by who only looks");
        let mut ledger = Ledger::open(dir).expect("opens");
        assert_eq!(ledger.claims().expect("reads"), before);
        assert_eq!(ledger.sites(|_| true), [SiteId::new("a.yaml")]);
        assert_eq!(ledger.sites(|site| site != "a.yaml"), []);
        let graced = Claim { until: Some(UnixTime(99)), ..claim("a.yaml", 7) };
        ledger.commit(vec![Entry::Claim(name.clone(), graced.clone())]).expect("commits");
        drop(ledger);
        assert_eq!(Ledger::open(dir).expect("opens").claims().expect("reads"), [(name, graced)]);
    }

    #[test]
    fn what_was_committed_is_there_after_a_reopen_and_locked_meanwhile() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path();
        let name = HostPattern::parse("*.a.test").expect("a pattern");
        let version = Version { owner: TenantId(1000), text: b"hosts: a.test\n".to_vec() };
        let mut ledger = Ledger::open(dir).expect("opens");
        ledger
            .commit(vec![
                Entry::Claim(name.clone(), claim("a.yaml", 7)),
                Entry::Good(SiteId::new("a.yaml"), version.clone()),
            ])
            .expect("commits");
        assert!(matches!(Ledger::open(dir), Err(LedgerError::Locked { .. })));
        assert!(read_claims_of(dir).is_none(), "locked");
        drop(ledger);
        assert_eq!(read_claims_of(dir), Some(vec![(name.clone(), claim("a.yaml", 7))]));
        let mut ledger = Ledger::open(dir).expect("opens again");
        assert_eq!(ledger.good(&SiteId::new("a.yaml")), Some(version));
        ledger.commit(vec![Entry::Release(name), Entry::Forget(SiteId::new("a.yaml"))]).expect("commits");
        assert_eq!(ledger.claims().expect("reads"), vec![]);
        assert_eq!(ledger.sites(|_| true), vec![]);
    }

    #[test]
    fn a_start_waits_for_a_gateway_that_is_ending_and_not_for_one_that_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path();
        let stays = Ledger::open(dir).expect("opens");
        assert!(matches!(Ledger::open_after_another(dir), Err(LedgerError::Locked { .. })));
        let ending = thread::spawn(move || {
            thread::sleep(LOCK_LOOK * 2);
            drop(stays);
        });
        assert!(Ledger::open_after_another(dir).is_ok());
        ending.join().expect("ends");
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
