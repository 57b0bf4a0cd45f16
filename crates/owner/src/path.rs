//! [`open`]: from the path of a Unix socket to a descriptor of it, by folders and links of trusted users only.
//!
//! Each part of the path is opened by itself and never followed; a link is read and walked like the rest of the path. So
//! what was looked at is what is used: whoever connects by [`SocketFile::address`] comes to this very file, whatever the
//! path has become meanwhile. Blocks as long as the file system does: not for a worker.

use std::{
    collections::VecDeque,
    ffi::{CStr, CString},
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, fstat, openat, readlinkat},
    io::Errno,
};

/// Links that are followed on one way, as the kernel's own limit.
const LINK_LIMIT: usize = 40;
/// Parts of one way, those of links included.
const PART_LIMIT: usize = 256;

/// A Unix socket's file.
#[derive(Debug)]
pub struct SocketFile {
    fd: OwnedFd,
    /// The user who owns the file: who bound it, or whom root gave it to.
    pub uid: u32,
    /// Where it is, without links.
    pub path: PathBuf,
}

/// Why a path leads to no socket that may be used.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// A folder or link on the way is somebody else's.
    #[error("{} on the way belongs to uid {uid}", at.display())]
    Foreign {
        /// Which.
        at: PathBuf,
        /// Whose.
        uid: u32,
    },
    /// Too many links or parts.
    #[error("the path leads round in circles")]
    Loop,
    /// It leads to a file that is no socket.
    #[error("{} is no socket", .0.display())]
    NotASocket(PathBuf),
    /// It cannot be opened.
    #[error("{} cannot be opened", at.display())]
    Open {
        /// Which part.
        at: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Opens the socket at an absolute path. Every folder and link on the way must be a user's whom `trusted` accepts; root is
/// trusted.
///
/// # Errors
/// When there is none, or the way there is not to be trusted.
pub fn open(path: &Path, trusted: impl Fn(u32) -> bool) -> Result<SocketFile, PathError> {
    let mut way = Way { at: PathBuf::from("/"), folders: vec![root()?] };
    let mut parts = parts(path.as_os_str().as_bytes());
    let (mut links, mut steps) = (0, 0);
    while let Some(part) = parts.pop_front() {
        steps += 1;
        if steps > PART_LIMIT {
            return Err(PathError::Loop);
        }
        if part.as_bytes() == b".." {
            way.up();
            continue;
        }
        let here = way.at.join(Path::new(std::ffi::OsStr::from_bytes(part.as_bytes())));
        let failed = |source: Errno| PathError::Open { at: here.clone(), source: source.into() };
        let fd = way.step(&part).map_err(failed)?;
        let stat = fstat(&fd).map_err(failed)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if matches!(kind, FileType::Directory | FileType::Symlink) && stat.st_uid != 0 && !trusted(stat.st_uid) {
            return Err(PathError::Foreign { at: here, uid: stat.st_uid });
        }
        match kind {
            FileType::Directory => way.down(here, fd),
            FileType::Symlink => {
                links += 1;
                let target = readlinkat(&fd, c"", Vec::new()).map_err(failed)?;
                if links > LINK_LIMIT {
                    return Err(PathError::Loop);
                }
                if target.to_bytes().starts_with(b"/") {
                    way.restart();
                }
                let mut target = self::parts(target.to_bytes());
                target.append(&mut parts);
                parts = target;
            }
            FileType::Socket if parts.is_empty() => return Ok(SocketFile { fd, uid: stat.st_uid, path: here }),
            _ => return Err(PathError::NotASocket(here)),
        }
    }
    Err(PathError::NotASocket(way.at))
}

/// Where the walk is: the folders from the root to here, so that `..` needs no look at the file system.
struct Way {
    at: PathBuf,
    folders: Vec<OwnedFd>,
}

impl Way {
    fn step(&self, part: &CStr) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match self.folders.last() {
            Some(folder) => openat(folder, part, flags, Mode::empty()),
            None => Err(Errno::NOENT),
        }
    }

    fn down(&mut self, at: PathBuf, fd: OwnedFd) {
        self.at = at;
        self.folders.push(fd);
    }

    fn up(&mut self) {
        if self.folders.len() > 1 {
            self.folders.pop();
            self.at.pop();
        }
    }

    fn restart(&mut self) {
        self.folders.truncate(1);
        self.at = PathBuf::from("/");
    }
}

fn root() -> Result<OwnedFd, PathError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat(CWD, c"/", flags, Mode::empty());
    opened.map_err(|source| PathError::Open { at: PathBuf::from("/"), source: source.into() })
}

/// The parts of a path, in order. What has a NUL in it can be no part.
fn parts(path: &[u8]) -> VecDeque<CString> {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    parts.filter_map(|part| CString::new(part).ok()).collect()
}

impl SocketFile {
    /// A path to connect to that leads to this very file while this value lives.
    pub fn address(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.fd.as_raw_fd()))
    }
}

#[cfg(test)]
mod tests;
