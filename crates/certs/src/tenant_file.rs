//! Opening a path that a tenant chose: hostile until the descriptor proves otherwise.
//!
//! The gateway may be root, so the path may lead anywhere: to a FIFO that never answers, a device whose mere opening
//! does something, somebody else's key. Therefore the path is first resolved to a descriptor that opens nothing
//! (`O_PATH`), judged there, and only that same inode is then opened for reading. Symbolic links are allowed (certbot's
//! `live/` consists of them): what counts is the owner of the file they lead to.
//!
//! Not here: what the bytes mean, and the words of diagnostics.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    os::{
        fd::AsRawFd,
        unix::fs::{FileTypeExt, MetadataExt},
    },
    path::Path,
    time::{Duration, SystemTime},
};

use rustix::fs::{Mode, OFlags};
use vestibule_names::TenantId;

/// PEM files larger than this are refused; a long chain with its comments is some 20 KiB.
pub(crate) const FILE_SIZE_LIMIT: u64 = 1024 * 1024;
/// Two changes within one tick of a file system's clock leave one time stamp: a file this fresh may change unnoticed.
const SETTLED_AGE: Duration = Duration::from_secs(2);

/// Whose files may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Anybody's that the kernel lets us read.
    Any,
    /// Only this user's.
    Only(u32),
}

/// What was read, and from which state of which file. No `Debug`: it may be a key.
pub(crate) struct TenantFile {
    pub(crate) bytes: Vec<u8>,
    pub(crate) stamp: Stamp,
    pub(crate) mode: u32,
}

/// A state of a file: equal stamps mean that nobody changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileFault {
    #[error("the path is not absolute")]
    Relative,
    #[error("it does not exist")]
    Missing,
    #[error("it is not a file of uid {0}")]
    Owner(u32),
    #[error("it is {0}, not a regular file")]
    Kind(&'static str),
    #[error("it is empty")]
    Empty,
    #[error("it is larger than {} KiB", FILE_SIZE_LIMIT / 1024)]
    TooLarge,
    #[error("{}", plain(.0))]
    Io(#[source] io::Error),
}

impl Owner {
    /// The operator's sites may name any file. A gateway that is not root reads for its own user what the kernel lets
    /// that user read. Everybody else gets only what they own: being able to name a path proves nothing.
    pub(crate) fn required(tenant: TenantId, gateway_uid: u32) -> Self {
        if tenant == TenantId::OPERATOR || (gateway_uid != 0 && tenant.0 == gateway_uid) {
            Self::Any
        } else {
            Self::Only(tenant.0)
        }
    }
}

impl Stamp {
    /// The state that a path leads to now; `None` when it leads nowhere.
    pub(crate) fn look(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|found| Self::of(&found))
    }

    fn of(found: &Metadata) -> Self {
        Self {
            inode: (found.dev(), found.ino()),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Was the last change long enough before `now` that the next one is sure to give another stamp?
    pub(crate) fn is_settled(&self, now: SystemTime) -> bool {
        // The change time only: its owner cannot set it, and every modification sets it.
        let changed = Duration::from_secs(self.changed.0.try_into().unwrap_or(0));
        now.duration_since(SystemTime::UNIX_EPOCH + changed).is_ok_and(|age| age > SETTLED_AGE)
    }
}

/// Reads a whole file. Never waits for anybody, and never opens what is not a regular file of the right owner.
pub(crate) fn read(path: &Path, owner: Owner) -> Result<TenantFile, FileFault> {
    if !path.is_absolute() {
        return Err(FileFault::Relative);
    }
    let resolved = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map(File::from)
        .map_err(|errno| unreachable_path(path, owner, errno.into()))?;
    judge(&resolved.metadata().map_err(FileFault::Io)?, owner)?;

    // O_NONBLOCK: not for FIFOs (excluded above) but for the holder of a lease, whom an open waits for (fcntl(2)).
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let same_inode = format!("/proc/self/fd/{}", resolved.as_raw_fd());
    let file = rustix::fs::open(same_inode, flags, Mode::empty())
        .map(File::from)
        .map_err(|errno| FileFault::Io(errno.into()))?;
    let found = file.metadata().map_err(FileFault::Io)?;
    judge(&found, owner)?;

    let mut bytes = Vec::with_capacity(usize::try_from(found.size()).unwrap_or(0));
    // The owner may write while we read: the limit holds for what is read, not for what was promised.
    file.take(FILE_SIZE_LIMIT + 1).read_to_end(&mut bytes).map_err(FileFault::Io)?;
    if bytes.len() as u64 > FILE_SIZE_LIMIT {
        return Err(FileFault::TooLarge);
    }
    Ok(TenantFile { bytes, stamp: Stamp::of(&found), mode: found.mode() })
}

/// The owner first: nothing else is said about files of others.
fn judge(found: &Metadata, owner: Owner) -> Result<(), FileFault> {
    if let Owner::Only(uid) = owner
        && found.uid() != uid
    {
        return Err(FileFault::Owner(uid));
    }
    let kind = found.file_type();
    if !kind.is_file() {
        return Err(FileFault::Kind(match () {
            () if kind.is_dir() => "a folder",
            () if kind.is_fifo() => "a FIFO",
            () if kind.is_socket() => "a socket",
            () => "a device",
        }));
    }
    match found.size() {
        // Also everything in /proc, whose sizes are 0.
        0 => Err(FileFault::Empty),
        size if size > FILE_SIZE_LIMIT => Err(FileFault::TooLarge),
        _ => Ok(()),
    }
}

/// "Does not exist" is said only of places into which the tenant can look: otherwise a site file would be a way to ask
/// root which files exist in other people's folders.
fn unreachable_path(path: &Path, owner: Owner, error: io::Error) -> FileFault {
    match (error.kind(), owner) {
        (io::ErrorKind::NotFound, Owner::Any) => FileFault::Missing,
        (io::ErrorKind::NotFound, Owner::Only(uid)) if is_plainly_missing(path, uid) => FileFault::Missing,
        (_, Owner::Only(uid)) => FileFault::Owner(uid),
        (_, Owner::Any) => FileFault::Io(error),
    }
}

/// Is every folder on the way a real one that this user may search, up to where the path ends? Group permissions are not
/// counted, since we do not know the user's groups: the answer is then a less precise message, not a leak.
fn is_plainly_missing(path: &Path, uid: u32) -> bool {
    let mut on_the_way: Vec<_> = path.ancestors().collect();
    on_the_way.reverse();
    for step in on_the_way {
        let Ok(found) = fs::symlink_metadata(step) else { return true };
        let searchable = found.mode() & 0o001 != 0 || (found.uid() == uid && found.mode() & 0o100 != 0);
        if !found.is_dir() || !searchable {
            return false;
        }
    }
    false
}

/// The kernel's reason in words, without its number.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "the gateway's user may not read it".to_owned(),
        io::ErrorKind::WouldBlock => "another process holds a lease on it".to_owned(),
        kind => kind.to_string(),
    }
}

#[cfg(test)]
mod tests;
