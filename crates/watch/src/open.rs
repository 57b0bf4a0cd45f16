//! [`Root`]: the opened sites folder. Everything beneath it is listed and read through its descriptor, and hostile:
//! no symlink is followed, nothing but a regular file is read, nothing blocks, and what was checked is what is read.
//! [`read_anywhere`] is for the one file that somebody with rights of his own asks to be read.

use std::{
    cell::Cell,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read as _},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat},
    io::Errno,
};
use vestibule_names::TenantId;

use crate::{
    OpenError, Presence,
    custody::{AccessList, Seen, Steward, Trust},
    name::{Candidate, NameQuality},
};

/// The sites folder.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    fd: OwnedFd,
    resolution: Cell<Resolution>,
    trust: Trust,
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
    /// Whose word it is.
    pub(crate) tenant: TenantId,
    pub(crate) bytes: Vec<u8>,
}

/// An opened folder in the sites folder, and its name.
type Within<'a> = (OwnedFd, &'a Path);

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);
/// Not blocking: a FIFO without a writer, or a file under a lease, must not hold the thread.
const FILE: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

impl Root {
    /// Opens the sites folder. It is the operator's choice: links on the way to it are followed.
    pub(crate) fn open(path: &Path, gateway: u32) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let fd = rustix::fs::openat(CWD, &path, FOLDER, Mode::empty())?;
        Ok(Self { path, fd, resolution: Cell::new(Resolution::Kernel), trust: Trust { gateway } })
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

    /// Is there anything at this path, in whatever form? Asks for no permission to read it, nor to list its folder.
    pub(crate) fn presence(&self, path: &Path) -> Presence {
        let (folder, name) = split(path);
        let found = match folder {
            None => stat_here(&self.fd, name),
            // One component that is not followed cannot lead out.
            Some(folder) => open_here(&self.fd, folder, FOLDER | OFlags::PATH).and_then(|fd| stat_here(&fd, name)),
        };
        match found {
            Ok(_) => Presence::There,
            Err(Errno::NOENT | Errno::NOTDIR) => Presence::Gone,
            Err(Errno::LOOP) => Presence::Unknown(OpenError::Symlink),
            Err(other) => Presence::Unknown(OpenError::Io(other.into())),
        }
    }

    /// Reads a site file; `None` when there is none.
    pub(crate) fn read_site(&self, site: &Candidate, limit: u64) -> Result<Option<Opened>, OpenError> {
        match site.quality {
            NameQuality::Plain => self.read(&site.path, limit),
            NameQuality::Escaped => match self.presence(&site.path) {
                Presence::There => Err(OpenError::BadName),
                Presence::Gone => Ok(None),
                Presence::Unknown(problem) => Err(problem),
            },
        }
    }

    /// Reads a file of at most `limit` bytes; `None` when there is none. The folder is opened first, judged, and the file
    /// opened in it: what was judged is what is read.
    pub(crate) fn read(&self, path: &Path, limit: u64) -> Result<Option<Opened>, OpenError> {
        match self.open_and_judge(path) {
            Ok((fd, stat, tenant)) if stat.st_nlink > 0 => {
                let bytes = read_to_limit(fd, &stat, limit)?;
                Ok(Some(Opened { stat, tenant, bytes }))
            }
            Ok(_) => Ok(None), // removed since it was opened
            Err(Unopened::Kernel(Errno::NOENT | Errno::NOTDIR)) => Ok(None), // NOTDIR: what was the folder is a file now
            Err(Unopened::Kernel(Errno::LOOP)) => Err(OpenError::Symlink),
            Err(Unopened::Kernel(other)) => Err(unopened(other)),
            Err(Unopened::Refused(problem)) => Err(problem),
        }
    }

    fn open_and_judge(&self, path: &Path) -> Result<(OwnedFd, Stat, TenantId), Unopened> {
        let (folder, name) = self.folder_of(path)?;
        let fd = open_here(folder.as_ref().map_or(&self.fd, |(fd, _)| fd), name, FILE)?;
        let stat = stat_of_file(&fd)?;
        if stat.st_nlink > 1 {
            return Err(OpenError::HardLinked.into());
        }
        let steward = self.steward(folder.as_ref())?;
        let tenant = self.trust.tenant(&seen(&fd, stat), &self.path.join(path), steward)?;
        Ok((fd, stat, tenant))
    }

    /// Whose a file is that cannot be read, by the rules for those that can. `None` where others may have put it there, or
    /// nothing can be told. Opens no more than the folder, and follows no link.
    pub(crate) fn owner(&self, path: &Path) -> Option<TenantId> {
        let (folder, name) = self.folder_of(path).ok()?;
        let steward = self.steward(folder.as_ref()).ok()?;
        let stat = stat_here(folder.as_ref().map_or(&self.fd, |(fd, _)| fd), name).ok()?;
        self.trust.owner(&stat, steward)
    }

    /// Opens the folder that a file lies in, if it is not the sites folder itself.
    fn folder_of<'a>(&self, path: &'a Path) -> Result<(Option<Within<'a>>, &'a Path), Errno> {
        let (folder, name) = split(path);
        let opened = folder.map(|folder| Ok((open_here(&self.fd, folder, FOLDER | OFlags::PATH)?, folder)));
        Ok((opened.transpose()?, name))
    }

    /// Who may put files into the sites folder, or into a folder in it.
    fn steward(&self, folder: Option<&Within<'_>>) -> Result<Steward, Unopened> {
        let top = self.trust.steward(&seen(&self.fd, rustix::fs::fstat(&self.fd)?), &self.path, None)?;
        let Some((fd, folder)) = folder else { return Ok(top) };
        let opened = seen(fd, rustix::fs::fstat(fd)?);
        Ok(self.trust.steward(&opened, &self.path.join(folder), Some(top))?)
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
        match split(path) {
            (None, name) => open_here(&self.fd, name, flags),
            (Some(folder), name) => open_here(&open_here(&self.fd, folder, FOLDER)?, name, flags),
        }
    }
}

/// Why a file of the sites folder is not read.
enum Unopened {
    Kernel(Errno),
    Refused(OpenError),
}

impl From<Errno> for Unopened {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

impl From<OpenError> for Unopened {
    fn from(problem: OpenError) -> Self {
        Self::Refused(problem)
    }
}

impl Listing {
    /// What the kernel says of an entry now.
    pub(crate) fn stat(&self, name: &OsStr) -> io::Result<Stat> {
        Ok(rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

/// Reads a file anywhere, with the caller's own rights: links are followed, and it may have other names.
pub(crate) fn read_anywhere(path: &Path, limit: u64) -> Result<Opened, OpenError> {
    let fd = rustix::fs::openat(CWD, path, FILE, Mode::empty()).map_err(unopened)?;
    let stat = stat_of_file(&fd)?;
    let bytes = read_to_limit(fd, &stat, limit)?;
    let tenant = TenantId(stat.st_uid);
    Ok(Opened { stat, tenant, bytes })
}

fn unopened(errno: Errno) -> OpenError {
    match errno {
        // A socket, or a device without a driver.
        Errno::NXIO | Errno::NODEV => OpenError::NotRegular,
        other => OpenError::Io(other.into()),
    }
}

fn stat_of_file(fd: &OwnedFd) -> Result<Stat, OpenError> {
    let stat = rustix::fs::fstat(fd).map_err(io::Error::from)?;
    if is(&stat, FileType::RegularFile) { Ok(stat) } else { Err(OpenError::NotRegular) }
}

/// Who else may write: asked only where the mode says that somebody may.
fn seen(fd: &OwnedFd, stat: Stat) -> Seen {
    if !Mode::from_raw_mode(stat.st_mode).contains(Mode::WGRP) {
        return Seen { stat, list: AccessList::None };
    }
    // By its link: a descriptor that is no more than a path (O_PATH) tells no attributes.
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let list = match rustix::fs::getxattr(link, "system.posix_acl_access", &mut [0; 0]) {
        Err(Errno::NODATA | Errno::NOTSUP) => AccessList::None,
        Ok(_) | Err(_) => AccessList::Some,
    };
    Seen { stat, list }
}

fn read_to_limit(fd: OwnedFd, stat: &Stat, limit: u64) -> Result<Vec<u8>, OpenError> {
    if u64::try_from(stat.st_size).is_ok_and(|size| size > limit) {
        return Err(OpenError::TooLarge { limit });
    }
    // Room for one byte more than there should be: who gets as much as the kernel has said, and could have had more, has found
    // the end. Anything else (it changes while it is read) is read until a read finds nothing.
    let size = usize::try_from(stat.st_size).unwrap_or(0);
    let mut bytes = vec![0; size.saturating_add(1)];
    let read = rustix::io::retry_on_intr(|| rustix::io::read(&fd, &mut bytes[..])).map_err(io::Error::from)?;
    bytes.truncate(read);
    if read != size {
        let left = limit.saturating_add(1).saturating_sub(read as u64);
        File::from(fd).take(left).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > limit {
        return Err(OpenError::TooLarge { limit });
    }
    Ok(bytes)
}

/// A path of one or two components as the folder, if any, and the name in it.
fn split(path: &Path) -> (Option<&Path>, &Path) {
    match path.parent().zip(path.file_name()).filter(|(folder, _)| *folder != Path::new("")) {
        Some((folder, name)) => (Some(folder), Path::new(name)),
        None => (None, path),
    }
}

fn stat_here(folder: &OwnedFd, name: &Path) -> rustix::io::Result<Stat> {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
}

fn open_here(folder: &OwnedFd, name: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    match rustix::fs::openat(folder, name, flags | OFlags::NOFOLLOW, Mode::empty()) {
        // With O_DIRECTORY a link is "not a directory" (open(2)), whatever it leads to.
        Err(Errno::NOTDIR) if is_link(folder, name) => Err(Errno::LOOP),
        done => done,
    }
}

fn is_link(folder: &OwnedFd, name: &Path) -> bool {
    stat_here(folder, name).is_ok_and(|stat| is(&stat, FileType::Symlink))
}

fn is(stat: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind
}

#[cfg(test)]
mod tests;
