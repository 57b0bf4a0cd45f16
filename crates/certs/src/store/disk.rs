//! [`Disk`]: every step that the store takes on the disk, one method each. It is also the seam at which tests make any
//! step fail, or end the world.
//!
//! Files are ours: nothing follows a symlink, and what is read must belong to us and be closed to everybody else. Not
//! here: in which order the steps are taken, and what is in the files.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

use rustix::fs::OFlags;

use super::StoreError;

/// No file of ours has more bytes: a chain has 64 KiB at most, an order some names.
pub(super) const FILE_LIMIT: u64 = 1024 * 1024;

type Result<T> = std::result::Result<T, StoreError>;

/// The disk, or in tests one that fails.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    /// Whose our files are.
    us: u32,
    #[cfg(test)]
    pub(super) faults: super::faults::Faults,
}

/// A step, as the tests' disk is told of it before it is taken.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(test), expect(dead_code, reason = "only the tests' disk looks at it"))]
pub(super) enum Step<'a> {
    /// Changes nothing.
    Look,
    /// A directory.
    MakeDir(&'a Path),
    /// A file is made, or emptied.
    Create(&'a Path),
    /// Bytes into a file.
    Write(&'a Path),
    /// A file's content is made durable.
    Sync(&'a Path),
    /// A folder's names are made durable.
    SyncDir(&'a Path),
    /// From here to there.
    Rename(&'a Path, &'a Path),
    /// A file or an empty directory.
    Remove(&'a Path),
    /// Something with a database's file, which has an order of its own.
    Database,
}

/// One entry of a folder.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) name: OsString,
    pub(super) is_dir: bool,
}

/// What a file system has to give.
#[derive(Clone, Copy, Debug)]
pub(super) struct Free {
    pub(super) bytes: u64,
    /// Files that can still be made; `None` where the file system does not count them.
    pub(super) files: Option<u64>,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            us: rustix::process::geteuid().as_raw(),
            #[cfg(test)]
            faults: super::faults::Faults::default(),
        }
    }
}

impl Disk {
    /// Makes a directory that must not be there (0700).
    pub(super) fn make_dir(&self, path: &Path) -> Result<()> {
        self.step(Step::MakeDir(path))
            .and_then(|()| DirBuilder::new().mode(0o700).create(path))
            .map_err(StoreError::io("make the folder", path))
    }

    /// Makes a directory unless it is there already.
    pub(super) fn ensure_dir(&self, path: &Path) -> Result<()> {
        match self.make_dir(path) {
            Err(StoreError::Io { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    /// Writes a file (0600), in place of what is there; on the disk when this returns. The name is not, before its folder
    /// is synced.
    pub(super) fn write(&self, path: &Path, content: &[u8]) -> Result<()> {
        let mut file = self.open_for_writing(path).map_err(StoreError::io("make the file", path))?;
        self.fill(Step::Write(path), content, |part| file.write_all(part)).map_err(StoreError::io("write", path))?;
        self.step(Step::Sync(path)).and_then(|()| file.sync_all()).map_err(StoreError::io("sync", path))
    }

    fn open_for_writing(&self, path: &Path) -> io::Result<File> {
        self.step(Step::Create(path))?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).custom_flags(flags(OFlags::NOFOLLOW)).open(path)
    }

    /// A step that fails has written half: disks do.
    fn fill(&self, step: Step<'_>, content: &[u8], mut write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        #[cfg(test)]
        if let Some(error) = self.faults.short_write(step)? {
            write(&content[..content.len() / 2])?;
            return Err(error);
        }
        #[cfg(not(test))]
        self.step(step)?;
        write(content)
    }

    /// Writes a part of a database's file.
    pub(super) fn write_at(&self, file: &File, offset: u64, content: &[u8]) -> io::Result<()> {
        self.fill(Step::Database, content, |part| file.write_all_at(part, offset))
    }

    /// Makes the names in a folder durable.
    pub(super) fn sync_dir(&self, path: &Path) -> Result<()> {
        self.step(Step::SyncDir(path))
            .and_then(|()| File::open(path))
            .and_then(|folder| folder.sync_all())
            .map_err(StoreError::io("sync", path))
    }

    /// Atomic; what has the new name is replaced if it is a file.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        self.step(Step::Rename(from, to)).and_then(|()| fs::rename(from, to)).map_err(StoreError::io("rename to", to))
    }

    /// Removes a file.
    pub(super) fn remove_file(&self, path: &Path) -> Result<()> {
        self.step(Step::Remove(path)).and_then(|()| fs::remove_file(path)).map_err(StoreError::io("remove", path))
    }

    /// Removes a directory of ours and the files in it, file by file.
    pub(super) fn remove_dir(&self, path: &Path) -> Result<()> {
        for entry in self.list(path)? {
            self.remove_file(&path.join(entry.name))?;
        }
        self.step(Step::Remove(path)).and_then(|()| fs::remove_dir(path)).map_err(StoreError::io("remove", path))
    }

    /// What is in a folder, in no order.
    pub(super) fn list(&self, path: &Path) -> Result<Vec<Listed>> {
        let list = || {
            self.step(Step::Look)?;
            let listed =
                |entry: fs::DirEntry| Ok(Listed { is_dir: entry.file_type()?.is_dir(), name: entry.file_name() });
            fs::read_dir(path)?.map(|entry| entry.and_then(listed)).collect::<io::Result<Vec<_>>>()
        };
        list().map_err(StoreError::io("list", path))
    }

    /// A directory of ours that nobody else may enter?
    pub(super) fn check_dir(&self, path: &Path) -> Result<()> {
        let found =
            self.step(Step::Look).and_then(|()| fs::symlink_metadata(path)).map_err(StoreError::io("look at", path))?;
        match found.is_dir() {
            true => self.check_private(path, &found),
            false => Err(StoreError::damaged(path, "it is not a folder")),
        }
    }

    /// Reads a file that must be regular, ours, closed to everybody else, and not larger than [`FILE_LIMIT`].
    pub(super) fn read(&self, path: &Path) -> Result<Vec<u8>> {
        // Without NONBLOCK a pipe in the file's place would hold us for ever.
        let open = || OpenOptions::new().read(true).custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK)).open(path);
        let mut file = self.step(Step::Look).and_then(|()| open()).map_err(|error| match error.raw_os_error() {
            Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => {
                StoreError::damaged(path, "it is a symbolic link")
            }
            _ => StoreError::io("read", path)(error),
        })?;
        let found = file.metadata().map_err(StoreError::io("read", path))?;
        if !found.is_file() {
            return Err(StoreError::damaged(path, "it is not a file"));
        }
        self.check_private(path, &found)?;
        if found.len() > FILE_LIMIT {
            return Err(StoreError::damaged(path, "it is too large"));
        }
        let size = usize::try_from(found.len()).unwrap_or(0);
        self.step(Step::Look).and_then(|()| read_whole(&mut file, size)).map_err(StoreError::io("read", path))
    }

    fn check_private(&self, path: &Path, found: &fs::Metadata) -> Result<()> {
        if found.uid() != self.us {
            return Err(StoreError::damaged(
                path,
                format!("it belongs to uid {}, not to uid {}", found.uid(), self.us),
            ));
        }
        match found.mode() & 0o077 {
            0 => Ok(()),
            _ => Err(StoreError::damaged(path, format!("its mode {:o} lets other users in", found.mode() & 0o7777))),
        }
    }

    /// Opens the file of a lock, and takes it if nobody has it: an error with kind `WouldBlock` when somebody does.
    pub(super) fn lock(&self, path: &Path) -> Result<File> {
        let lock = || {
            self.step(Step::Look)?;
            let mut options = OpenOptions::new();
            let flags = flags(OFlags::NOFOLLOW);
            let file = options.write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(path)?;
            file.try_lock()?;
            Ok(file)
        };
        lock().map_err(StoreError::io("lock", path))
    }

    /// Opens a file of ours for a database.
    pub(super) fn open_database(&self, path: &Path) -> io::Result<File> {
        self.step(Step::Database)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options.custom_flags(flags(OFlags::NOFOLLOW)).open(path)
    }

    /// What the file system of a path can still take from a user who is not root.
    pub(super) fn free(&self, path: &Path) -> Result<Free> {
        let found = self
            .step(Step::Look)
            .and_then(|()| Ok(rustix::fs::statvfs(path)?))
            .map_err(StoreError::io("look at", path))?;
        let files = (found.f_files > 0).then_some(found.f_favail);
        Ok(Free { bytes: found.f_bavail.saturating_mul(found.f_frsize), files })
    }

    /// To be called before each step; in tests the place where it fails.
    #[cfg_attr(not(test), expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the seam of the tests"))]
    pub(super) fn step(&self, step: Step<'_>) -> io::Result<()> {
        #[cfg(test)]
        self.faults.step(step)?;
        #[cfg(not(test))]
        let _ = step;
        Ok(())
    }
}

fn flags(flags: OFlags) -> i32 {
    flags.bits().cast_signed()
}

/// A file that has said how large it is. There is room for one byte more: who gets as many as were said has found the end with
/// one call. Anything else is read on, within [`FILE_LIMIT`], until a read finds nothing.
fn read_whole(file: &mut File, size: usize) -> io::Result<Vec<u8>> {
    let mut content = vec![0; size.saturating_add(1)];
    let read = rustix::io::retry_on_intr(|| rustix::io::read(&*file, &mut content[..]))?;
    content.truncate(read);
    if read != size {
        file.take(FILE_LIMIT.saturating_sub(read as u64)).read_to_end(&mut content)?;
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whole_whatever_size_it_has_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for length in [0, 1, 5_000] {
            let content = vec![b'x'; length];
            fs::write(&path, &content).unwrap();
            for said in [0, 1, length.saturating_sub(1), length, length + 1, 10_000] {
                let found = read_whole(&mut File::open(&path).unwrap(), said).unwrap();
                assert!(found == content, "{} of {length} where {said} were said", found.len());
            }
        }
    }
}
