//! [`Journal`]: the scheduler's records and who proved what, in one small database: a batch is one atomic commit.
//!
//! What it keeps is worth less than what it protects: a journal that is damaged is moved aside and counts as empty, and
//! one that the disk does not give now is asked for again by the next call. Not here: what the records mean.

use std::{fs::File, io, os::unix::fs::FileExt, path::PathBuf};

use redb::{
    Builder, Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, TableError, TableHandle,
};

use super::{
    StoreError,
    disk::{Disk, Step},
    layout,
};

const RECORDS: Table = TableDefinition::new("records-1");
/// Absent until the first one.
const PROOFS: Table = TableDefinition::new("proofs-1");
/// Pages kept in memory, bytes.
const CACHE_LIMIT: usize = 1024 * 1024;
/// So many damaged journals are kept; then the last one is replaced.
const ASIDE_LIMIT: u32 = 100;

/// Opened at the first use, and anew after every error: a database that met one refuses everything.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    disk: Disk,
    database: Option<Database>,
}

type Table = TableDefinition<'static, &'static str, &'static [u8]>;

/// A key, and a value or its removal.
pub(super) type Change = (String, Option<Vec<u8>>);

impl Journal {
    pub(super) fn new(path: PathBuf, disk: Disk) -> Self {
        Self { path, disk, database: None }
    }

    /// All records, in order of their keys.
    pub(super) fn records(&mut self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let database = self.opened()?;
        let records = read(&database, RECORDS, whole);
        self.keep(database, records)
    }

    /// Changes records in one commit.
    pub(super) fn record(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.change(RECORDS, changes)
    }

    /// What was noted of one proof.
    pub(super) fn proof(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let database = self.opened()?;
        let found = find(&database, key);
        self.keep(database, found)
    }

    /// Notes proofs in one commit.
    pub(super) fn note_proofs(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.change(PROOFS, changes)
    }

    /// Forgets proofs. Does not write when there is none to forget.
    pub(super) fn forget_proofs(&mut self, is_old: impl Fn(&[u8]) -> bool) -> Result<(), StoreError> {
        let database = self.opened()?;
        let old = read(&database, PROOFS, |key, value| is_old(value).then(|| (key.to_owned(), None)));
        let changes: Vec<Change> = self.keep(database, old)?;
        self.change(PROOFS, &changes)
    }

    fn change(&mut self, table: Table, changes: &[Change]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let database = self.opened()?;
        let written = write(&database, table, changes);
        self.keep(database, written)
    }

    fn keep<T>(&mut self, database: Database, result: Result<T, redb::Error>) -> Result<T, StoreError> {
        if result.is_ok() {
            self.database = Some(database);
        }
        result.map_err(|error| self.failed(&error))
    }

    fn opened(&mut self) -> Result<Database, StoreError> {
        if let Some(database) = self.database.take() {
            return Ok(database);
        }
        if !self.path.exists() {
            self.create()?;
        }
        match self.open_checked() {
            Ok(database) => Ok(database),
            Err(error) if is_damage(&error) => {
                self.set_aside(&error)?;
                self.create()?;
                self.open_checked().map_err(|error| self.failed(&error))
            }
            // The check writes, and a full disk does not let it: a journal that can be read is better than none.
            Err(error) => self.open(&self.path, Check::Skip).map_err(|_| self.failed(&error)),
        }
    }

    /// An empty journal, made beside its place: a kill leaves none, or a whole one.
    fn create(&self) -> Result<(), StoreError> {
        let fresh = layout::beside(&self.path);
        if fresh.exists() {
            self.disk.remove_file(&fresh)?;
        }
        let made = self.open(&fresh, Check::Skip).and_then(|database| write(&database, RECORDS, &[]));
        made.map_err(|error| self.failed(&error))?;
        self.disk.rename(&fresh, &self.path)?;
        self.path.parent().map_or(Ok(()), |folder| self.disk.sync_dir(folder))
    }

    /// Opens and reads it all once: what is damaged is found now and not in the middle of the work.
    fn open_checked(&self) -> Result<Database, redb::Error> {
        let database = self.open(&self.path, Check::Integrity)?;
        for table in [RECORDS, PROOFS] {
            read(&database, table, |_, _| None::<()>)?;
        }
        Ok(database)
    }

    fn open(&self, path: &std::path::Path, check: Check) -> Result<Database, redb::Error> {
        let file = self.disk.open_database(path)?;
        let backend = JournalFile { file, disk: self.disk.clone() };
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_LIMIT).set_check_integrity_on_open(check == Check::Integrity);
        Ok(builder.create_with_backend(backend)?)
    }

    fn set_aside(&self, damage: &redb::Error) -> Result<(), StoreError> {
        let named = |number: u32| {
            let mut name = self.path.as_os_str().to_owned();
            name.push(format!(".damaged-{number}"));
            PathBuf::from(name)
        };
        let aside = (1..ASIDE_LIMIT).map(named).find(|path| !path.exists()).unwrap_or_else(|| named(ASIDE_LIMIT));
        self.disk.rename(&self.path, &aside)?;
        tracing::error!(
            path = %self.path.display(), aside = %aside.display(), error = %damage,
            "the journal of orders is damaged: it is set aside, and what it knew of limits and waits is lost"
        );
        Ok(())
    }

    fn failed(&self, error: &redb::Error) -> StoreError {
        StoreError::Journal { path: self.path.clone(), reason: error.to_string() }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    Integrity,
    Skip,
}

/// What the choice makes of each row, in order of the keys.
fn read<T>(
    database: &Database,
    table: Table,
    choose: impl Fn(&str, &[u8]) -> Option<T>,
) -> Result<Vec<T>, redb::Error> {
    let table = match database.begin_read()?.open_table(table) {
        Err(TableError::TableDoesNotExist(name)) if name == PROOFS.name() => return Ok(Vec::new()),
        opened => opened?,
    };
    let mut chosen = Vec::new();
    for row in table.iter()? {
        let (key, value) = row?;
        chosen.extend(choose(key.value(), value.value()));
    }
    Ok(chosen)
}

fn whole(key: &str, value: &[u8]) -> Option<(String, Vec<u8>)> {
    Some((key.to_owned(), value.to_owned()))
}

fn find(database: &Database, key: &str) -> Result<Option<Vec<u8>>, redb::Error> {
    match database.begin_read()?.open_table(PROOFS) {
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        opened => Ok(opened?.get(key)?.map(|value| value.value().to_owned())),
    }
}

fn write(database: &Database, table: Table, changes: &[Change]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut rows = transaction.open_table(table)?;
        for (key, value) in changes {
            match value {
                Some(value) => rows.insert(key.as_str(), value.as_slice())?,
                None => rows.remove(key.as_str())?,
            };
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Is it the file that is wrong, rather than the disk or the moment?
fn is_damage(error: &redb::Error) -> bool {
    match error {
        redb::Error::Io(error) => matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof),
        redb::Error::Corrupted(_)
        | redb::Error::UpgradeRequired(_)
        | redb::Error::RepairAborted
        | redb::Error::TableDoesNotExist(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. } => true,
        _ => false,
    }
}

/// The database's file; the store's own lock keeps others away from it.
#[derive(Debug)]
struct JournalFile {
    file: File,
    disk: Disk,
}

impl StorageBackend for JournalFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.step(Step::Database)?;
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.step(Step::Database)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.step(Step::Database)?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, content: &[u8]) -> io::Result<()> {
        self.disk.write_at(&self.file, offset, content)
    }
}
