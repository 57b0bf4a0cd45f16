//! [`Folder`]: a folder whose contents are hostile. Every path is resolved by the kernel beneath it (openat2(2)), links
//! included; what leads out is refused. Files are judged before they are opened, so no FIFO, device or giant is.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read as _},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::{ffi::OsStringExt as _, fs::MetadataExt as _},
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Dir, Mode, OFlags, ResolveFlags},
    io::Errno,
};

use super::{ENTRIES_LIMIT, ForeignError};

/// A folder of somebody's.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// The folder that was named; links on the way to it are the caller's own business.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { fd: rustix::fs::open(path, flags, Mode::empty())?, path: path.to_owned() })
    }

    /// The path of something in it, for people.
    pub(super) fn shown(&self, relative: &Path) -> PathBuf {
        self.path.join(relative)
    }

    /// Is there something of that name?
    pub(super) fn has(&self, relative: &Path) -> bool {
        self.beneath(relative, OFlags::PATH).is_ok()
    }

    /// The names in a folder beneath, in order; no more than the limit of entries.
    pub(super) fn list(&self, relative: &Path) -> Result<Vec<PathBuf>, ForeignError> {
        let unreadable = |errno: Errno| ForeignError::Io { path: self.shown(relative), source: errno.into() };
        let folder = self.beneath(relative, OFlags::RDONLY | OFlags::DIRECTORY).map_err(unreadable)?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&folder).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(PathBuf::from(OsString::from_vec(name)));
            }
            if names.len() == ENTRIES_LIMIT {
                break;
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// A whole regular file, or why not, in words. Never waits for anybody.
    pub(super) fn read(&self, relative: &Path, limit: u64) -> Result<Vec<u8>, String> {
        let found = self.beneath(relative, OFlags::PATH).map_err(plain)?;
        judge(&File::from(found.try_clone().map_err(|error| error.to_string())?), limit)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        // The descriptor's own path leads to the inode that was judged, whatever the name means by now.
        let same = format!("/proc/self/fd/{}", found.as_raw_fd());
        let file = File::from(rustix::fs::open(same, flags, Mode::empty()).map_err(plain)?);
        judge(&file, limit)?;
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() as u64 > limit { Err(too_large(limit)) } else { Ok(bytes) }
    }

    fn beneath(&self, relative: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.fd, relative, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }
}

fn judge(file: &File, limit: u64) -> Result<(), String> {
    let found = file.metadata().map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("it is no regular file".to_owned());
    }
    if found.size() > limit { Err(too_large(limit)) } else { Ok(()) }
}

fn too_large(limit: u64) -> String {
    format!("it is larger than {} KiB", limit / 1024)
}

fn plain(errno: Errno) -> String {
    match errno {
        Errno::NOENT => "it does not exist".to_owned(),
        Errno::ACCESS | Errno::PERM => "it may not be read by this user".to_owned(),
        // EXDEV is how openat2(2) says that a path leaves the folder.
        Errno::XDEV => "it leads out of the folder".to_owned(),
        Errno::LOOP => "its links go round in circles".to_owned(),
        errno => io::Error::from(errno).kind().to_string(),
    }
}
