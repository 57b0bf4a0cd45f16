//! What is on disk when the store opens: live issuances by their `meta.json`, orders to be resumed, what was retired,
//! and leftovers of a kill, which are swept. Whatever is not as it was written is told and passed over.

use std::{ffi::OsStr, num::NonZero, path::Path, thread};

use rcgen::KeyPair;

use super::{
    Broken, IssuanceId, Issued, StoreError,
    disk::{Disk, Listed},
    index::Index,
    layout::{self, KEY_FILE, Layout, META_FILE, ORDER_FILE, Place},
    pending::Open,
    records::{self, OrderRecord},
};

/// Directories that one thread reads before another one is worth its start.
const DIRECTORIES_EACH: usize = 1_000;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) index: Index,
    pub(super) open: Vec<Open>,
    /// The greatest number in use.
    pub(super) last: u64,
}

/// Reads the folders of the store.
pub(super) fn scan(layout: &Layout, disk: &Disk) -> Result<Found, StoreError> {
    let mut found = Found::default();
    for id in directories(layout, disk, Place::Retired, &mut found)? {
        let path = layout.directory(Place::Retired, &id);
        if let Some(issued) = found.take(&path, issued(disk, &path, id))? {
            found.index.retire(issued.id.number().unwrap_or_default(), issued.keys());
        }
    }
    let ids = directories(layout, disk, Place::Live, &mut found)?;
    found.index.expect(ids.len());
    for (id, read) in on_all_cores(ids, |id| issued(disk, &layout.directory(Place::Live, id), id.clone())) {
        if let Some(issued) = found.take(&layout.directory(Place::Live, &id), read)? {
            found.index.insert(issued);
        }
    }
    found.index.settle();
    for id in directories(layout, disk, Place::Pending, &mut found)? {
        let path = layout.directory(Place::Pending, &id);
        if let Some(open) = found.take(&path, order(disk, &path, id))? {
            found.open.push(open);
        }
    }
    Ok(found)
}

/// Reads each, on as many threads as there are cores and work for; all have ended when this returns. A start waits for it, and
/// most of it is waiting for the kernel.
fn on_all_cores<T: Send>(ids: Vec<IssuanceId>, read: impl Fn(&IssuanceId) -> T + Sync) -> Vec<(IssuanceId, T)> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = cores.min(ids.len() / DIRECTORIES_EACH);
    if threads < 2 {
        let read = |id| {
            let read = read(&id);
            (id, read)
        };
        return ids.into_iter().map(read).collect();
    }
    let reads = thread::scope(|scope| {
        let part = |ids| {
            let read = &read;
            scope.spawn(move || <[IssuanceId]>::iter(ids).map(read).collect::<Vec<_>>())
        };
        let parts: Vec<_> = ids.chunks(ids.len().div_ceil(threads)).map(part).collect();
        let reads =
            parts.into_iter().flat_map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        reads.collect::<Vec<_>>()
    });
    ids.into_iter().zip(reads).collect()
}

impl Found {
    /// What is damaged is noted. An error that passes is not the entry's fault.
    fn take<T>(&mut self, path: &Path, read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) if error.is_passing() => Err(error),
            Err(error) => {
                self.disable(path, &reason(&error));
                Ok(None)
            }
        }
    }

    fn disable(&mut self, path: &Path, reason: &str) {
        tell(path, reason);
        self.index.disable(Broken { path: path.to_owned(), reason: reason.to_owned() });
    }
}

/// Why something cannot be used, with its cause.
pub(super) fn reason(error: &StoreError) -> String {
    match error {
        StoreError::Io { source, .. } => format!("{error}: {source}"),
        _ => error.to_string(),
    }
}

/// Tells once of a directory that is disabled.
pub(super) fn tell(path: &Path, reason: &str) {
    tracing::error!(path = %path.display(), reason, "an entry of the certificate store cannot be used; it is left as it is");
}

/// What was retired and is whole, oldest first. What is damaged was told when the store opened.
pub(super) fn retired(layout: &Layout, disk: &Disk) -> Result<Vec<Issued>, StoreError> {
    let mut ids: Vec<_> =
        disk.list(&layout.folder(Place::Retired))?.iter().filter_map(|found| id_of(&found.name)).collect();
    ids.sort_by_key(|(_, number)| *number);
    let read = |(id, _)| issued(disk, &layout.directory(Place::Retired, &id), id).ok();
    Ok(ids.into_iter().filter_map(read).collect())
}

/// The directories of one folder that may be issuances.
fn directories(layout: &Layout, disk: &Disk, place: Place, found: &mut Found) -> Result<Vec<IssuanceId>, StoreError> {
    let folder = layout.folder(place);
    let (mut ids, mut leftovers) = (Vec::new(), Vec::new());
    for Listed { name, is_dir } in disk.list(&folder)? {
        let path = folder.join(&name);
        if layout::is_leftover(&name) {
            leftovers.push(path);
            continue;
        }
        let Some((id, number)) = id_of(&name) else {
            found.disable(&path, "it has no name that the store gives");
            continue;
        };
        // Whatever it is, its name is taken.
        found.last = found.last.max(number);
        match is_dir {
            true => ids.push(id),
            false => found.disable(&path, "it is not a folder"),
        }
    }
    if !leftovers.is_empty() {
        // Their names must not come back without their files. Where that cannot be had, they stay for the next start.
        match disk.sync_dir(&folder) {
            Ok(()) => leftovers.iter().for_each(|path| sweep(disk, path)),
            Err(error) => {
                tracing::warn!(path = %folder.display(), reason = %reason(&error), "what is no longer needed stays");
            }
        }
    }
    Ok(ids)
}

fn id_of(name: &OsStr) -> Option<(IssuanceId, u64)> {
    let id = IssuanceId::new(name.to_str()?);
    let number = id.number()?;
    Some((id, number))
}

/// A leftover that cannot be removed does no harm; the next start tries again.
pub(super) fn sweep(disk: &Disk, path: &Path) {
    if let Err(error) = disk.remove_dir(path) {
        tracing::warn!(path = %path.display(), reason = %reason(&error), "cannot remove what is no longer needed");
    }
}

fn issued(disk: &Disk, path: &Path, id: IssuanceId) -> Result<Issued, StoreError> {
    disk.check_dir(path)?;
    let meta = path.join(META_FILE);
    let issued = records::read_meta(id, &disk.read(&meta)?).map_err(|reason| StoreError::damaged(&meta, reason))?;
    check_name(path, &issued.id, &issued.draft.names[0])?;
    Ok(issued)
}

fn order(disk: &Disk, path: &Path, id: IssuanceId) -> Result<Open, StoreError> {
    disk.check_dir(path)?;
    let file = path.join(ORDER_FILE);
    let record = OrderRecord::read(&disk.read(&file)?).map_err(|reason| StoreError::damaged(&file, reason))?;
    check_name(path, &id, &record.draft.names[0])?;
    read_key(disk, &path.join(KEY_FILE))?;
    Ok(Open { id, record })
}

/// The key of an order.
pub(super) fn read_key(disk: &Disk, path: &Path) -> Result<KeyPair, StoreError> {
    let pem = disk.read(path)?;
    let key = std::str::from_utf8(&pem).ok().and_then(|pem| KeyPair::from_pem(pem).ok());
    key.ok_or_else(|| StoreError::damaged(path, "it is no PEM private key"))
}

/// A copy under another name would count as a newer one.
fn check_name(path: &Path, id: &IssuanceId, first: &vestibule_names::HostPattern) -> Result<(), StoreError> {
    let expected = IssuanceId::numbered(id.number().unwrap_or_default(), first);
    match expected == *id {
        true => Ok(()),
        false => Err(StoreError::damaged(path, format!("its name should be {expected}, after what is in it"))),
    }
}
