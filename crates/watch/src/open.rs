//! [`Root`]: the opened sites folder. Everything beneath it is listed and read through its descriptor, and hostile:
//! no symlink is followed, nothing but a regular file is read, nothing blocks, and what was checked is what is read.

use std::{
    cell::Cell,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read as _},
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat},
    io::Errno,
};

use crate::OpenError;

/// The sites folder.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    fd: OwnedFd,
    resolution: Cell<Resolution>,
}

/// How paths of two components are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resolution {
    /// By one openat2 (Linux 5.6).
    Kernel,
    /// Component by component: older kernels, and seccomp filters that do not know openat2.
    Steps,
}

/// A folder, listed.
#[derive(Debug)]
pub(crate) struct Listing {
    fd: OwnedFd,
    pub(crate) entries: Vec<(OsString, EntryKind)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Folder,
    Other,
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Opened {
    /// From before the first byte was read.
    pub(crate) stat: Stat,
    pub(crate) bytes: Vec<u8>,
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);
/// Not blocking: a FIFO without a writer, or a file under a lease, must not hold the thread.
const FILE: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

impl Root {
    /// Opens the sites folder. It is the operator's choice: links on the way to it are followed.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let fd = rustix::fs::openat(CWD, &path, FOLDER, Mode::empty())?;
        Ok(Self { path, fd, resolution: Cell::new(Resolution::Kernel) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Is it still this folder that the path leads to?
    pub(crate) fn is_current(&self) -> bool {
        let identity = |stat: Stat| (stat.st_dev, stat.st_ino);
        let there = rustix::fs::stat(&self.path).map(identity);
        there.is_ok() && there.ok() == rustix::fs::fstat(&self.fd).map(identity).ok()
    }

    /// Lists the sites folder, or a folder in it.
    pub(crate) fn list(&self, folder: Option<&OsStr>) -> io::Result<Listing> {
        let fd = self.open_beneath(Path::new(folder.unwrap_or(OsStr::new("."))), FOLDER)?;
        let mut entries = Vec::new();
        for entry in Dir::read_from(&fd)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            let kind = match entry.file_type() {
                FileType::Directory => EntryKind::Folder,
                // Some file systems do not say.
                FileType::Unknown => match rustix::fs::statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) if is(&stat, FileType::Directory) => EntryKind::Folder,
                    _ => EntryKind::Other,
                },
                _ => EntryKind::Other,
            };
            entries.push((name.to_owned(), kind));
        }
        Ok(Listing { fd, entries })
    }

    /// Is there anything at this path?
    pub(crate) fn exists(&self, path: &Path) -> bool {
        rustix::fs::statat(&self.fd, path, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Reads a file of at most `limit` bytes; `None` when there is none.
    pub(crate) fn read(&self, path: &Path, limit: u64) -> Result<Option<Opened>, OpenError> {
        let fd = match self.open_beneath(path, FILE) {
            Ok(fd) => fd,
            // NOTDIR: what was the folder is a file now.
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(Errno::LOOP) => return Err(OpenError::Symlink),
            // A socket, or a device without a driver.
            Err(Errno::NXIO | Errno::NODEV) => return Err(OpenError::NotRegular),
            Err(other) => return Err(OpenError::Io(other.into())),
        };
        let stat = rustix::fs::fstat(&fd).map_err(io::Error::from)?;
        if !is(&stat, FileType::RegularFile) {
            return Err(OpenError::NotRegular);
        }
        match stat.st_nlink {
            // Removed since it was opened.
            0 => return Ok(None),
            1 => {}
            _ => return Err(OpenError::HardLinked),
        }
        if u64::try_from(stat.st_size).is_ok_and(|size| size > limit) {
            return Err(OpenError::TooLarge { limit });
        }
        let mut bytes = Vec::new();
        // It may grow while it is read.
        File::from(fd).take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(OpenError::TooLarge { limit });
        }
        Ok(Some(Opened { stat, bytes }))
    }

    fn open_beneath(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        if self.resolution.get() == Resolution::Kernel {
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            match rustix::fs::openat2(&self.fd, path, flags | OFlags::NOFOLLOW, Mode::empty(), resolve) {
                Err(Errno::NOSYS | Errno::PERM) => self.resolution.set(Resolution::Steps),
                done => return done,
            }
        }
        self.open_by_steps(path, flags)
    }

    /// The same, one component at a time. `path` has no `..`: its components are names of directory entries.
    fn open_by_steps(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let Some((folder, name)) = path.parent().zip(path.file_name()).filter(|(folder, _)| *folder != Path::new(""))
        else {
            return open_here(&self.fd, path, flags);
        };
        let folder = open_here(&self.fd, folder, FOLDER)?;
        open_here(&folder, Path::new(name), flags)
    }
}

impl Listing {
    /// What the kernel says of an entry now.
    pub(crate) fn stat(&self, name: &OsStr) -> io::Result<Stat> {
        Ok(rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

fn open_here(folder: &OwnedFd, name: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    match rustix::fs::openat(folder, name, flags | OFlags::NOFOLLOW, Mode::empty()) {
        // With O_DIRECTORY a link is "not a directory" (open(2)), whatever it leads to.
        Err(Errno::NOTDIR) if is_link(folder, name) => Err(Errno::LOOP),
        done => done,
    }
}

fn is_link(folder: &OwnedFd, name: &Path) -> bool {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| is(&stat, FileType::Symlink))
}

fn is(stat: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind
}

#[cfg(test)]
mod tests;
