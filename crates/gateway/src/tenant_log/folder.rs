//! [`Folder`]: the folder of tenants' logs, `UID/access.N.jsonl`. Every name below it is resolved by the kernel beneath it,
//! and through no link (openat2(2)); what is opened is a regular file with one name, or nothing.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};
use vestibule_names::TenantId;

use super::prepare;

const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// NONBLOCK: a FIFO in the place of a file is not waited for.
const APPEND: OFlags = OFlags::RDWR
    .union(OFlags::APPEND)
    .union(OFlags::CREATE)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);
const READ: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// The folder of all tenants.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

/// The folder of one tenant.
#[derive(Debug)]
pub(super) struct Own {
    fd: OwnedFd,
}

/// A file of a tenant's log, by its number: later ones are newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) size: u64,
}

impl Folder {
    /// Opens the folder, made if it is missing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        prepare(path)?;
        let fd = rustix::fs::openat(CWD, path, FOLDER.difference(OFlags::NOFOLLOW), Mode::empty())?;
        Ok(Self { fd, path: path.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a tenant; `None` when there is none.
    pub(super) fn of(&self, tenant: TenantId) -> io::Result<Option<Own>> {
        match rustix::fs::openat2(&self.fd, tenant.0.to_string(), FOLDER, Mode::empty(), BENEATH) {
            Ok(fd) => Ok(Some(Own { fd })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The same, made if it is missing.
    pub(super) fn make(&self, tenant: TenantId) -> io::Result<Own> {
        if let Some(own) = self.of(tenant)? {
            return Ok(own);
        }
        match rustix::fs::mkdirat(&self.fd, tenant.0.to_string(), Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.of(tenant)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Own {
    /// The files there are, oldest first.
    pub(super) fn segments(&self) -> io::Result<Vec<Segment>> {
        let mut found = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let Some(number) = number(entry?.file_name().to_bytes()) else { continue };
            let stat = match rustix::fs::statat(&self.fd, name(number), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => stat,
                // A link is no file of ours; another may just have gone.
                Ok(_) | Err(Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            };
            found.push(Segment { number, size: stat.st_size.unsigned_abs() });
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Opens a file to add to it, made if it is missing.
    pub(super) fn append(&self, number: u64) -> io::Result<File> {
        self.regular(number, APPEND, Mode::RUSR | Mode::WUSR)
    }

    /// Opens a file to read it.
    pub(super) fn read(&self, number: u64) -> io::Result<File> {
        self.regular(number, READ, Mode::empty())
    }

    fn regular(&self, number: u64, flags: OFlags, mode: Mode) -> io::Result<File> {
        let fd = rustix::fs::openat2(&self.fd, name(number), flags, mode, BENEATH)?;
        let stat = rustix::fs::fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink > 1 {
            return Err(io::Error::other("not a plain file of the gateway's"));
        }
        Ok(File::from(fd))
    }

    /// Removes a file.
    pub(super) fn remove(&self, number: u64) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name(number), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn name(number: u64) -> String {
    format!("access.{number}.jsonl")
}

fn number(name: &[u8]) -> Option<u64> {
    let name = OsStr::from_bytes(name).to_str()?;
    name.strip_prefix("access.")?.strip_suffix(".jsonl")?.parse().ok()
}
