//! One file, asked for by name: is it there, what does it say, which site is it? By the same rules as the walk, but
//! without its memory: each question opens the sites folder anew. Watches nothing.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

use rustix::io::Errno;
use vestibule_names::{SiteId, TenantId};

use crate::{
    Change, OpenError, SiteFile, WatchConfig,
    name::{Candidate, Subject},
    open::{self, Listing, Root},
};

/// Is a site file there?
#[derive(Debug)]
pub enum Presence {
    /// It is, in whatever form: also as a link, or closed to us.
    There,
    /// It surely is not.
    Gone,
    /// That cannot be told. Keep the site.
    Unknown(OpenError),
}

/// Is this site file really gone? A scan does not see the files of a folder that it cannot list; this tells them from
/// those that were removed. No symlink is followed, and no permission to read or list is needed.
///
/// [`Presence::Unknown`] too when the sites folder itself cannot be opened, and for a file in a linked folder.
pub fn confirm(config: &WatchConfig, id: &SiteId) -> Presence {
    let located = Root::open(&config.dir, config.gateway)
        .map_err(OpenError::Io)
        .and_then(|root| Ok(locate(&root, id)?.map(|site| root.presence(&site.path))));
    match located {
        Ok(found) => found.unwrap_or(Presence::Gone),
        Err(problem) => Presence::Unknown(problem),
    }
}

/// Reads one file in the sites folder as [`run`](crate::run) would, with all its rules; [`Change::Removed`] when there
/// is none, or when it has no name of a site file.
pub fn read_site(config: &WatchConfig, id: &SiteId) -> Change {
    let id = id.clone();
    let located = Root::open(&config.dir, config.gateway).map_err(OpenError::Io).and_then(|root| {
        let site = locate(&root, &id)?;
        Ok((root, site))
    });
    let (root, site) = match located {
        Ok((root, Some(site))) => (root, site),
        Ok((_, None)) => return Change::Removed(id),
        Err(problem) => return Change::Unreadable { id, owner: None, problem },
    };
    match root.read_site(&site, config.file_limit) {
        Ok(Some(opened)) => Change::Written(SiteFile { id, owner: opened.tenant, bytes: opened.bytes }),
        Ok(None) => Change::Removed(id),
        Err(problem) => Change::Unreadable { id, owner: root.owner(&site.path), problem },
    }
}

/// Reads a file anywhere, of at most `file_limit` bytes, and tells its owner. It is the caller's own path, read with
/// the caller's own rights: symlinks are followed. Only regular files are read, and nothing blocks.
pub fn read_draft(path: &Path, file_limit: u64) -> Result<(TenantId, Vec<u8>), OpenError> {
    let opened = open::read_anywhere(path, file_limit)?;
    Ok((opened.tenant, opened.bytes))
}

/// The id of the site file at this path, whether or not it is there; `None` outside the sites folder, and for names
/// that are no site file's. The file itself, and the folder it lies in, may be links: as such they are to be told.
pub fn site_id(config: &WatchConfig, path: &Path) -> Option<SiteId> {
    let sites = fs::canonicalize(&config.dir).ok()?;
    let path = std::path::absolute(path).ok()?;
    let (name, parent) = (path.file_name()?, path.parent()?);
    let is_sites = |folder: &Path| fs::canonicalize(folder).is_ok_and(|folder| folder == sites);
    let by_name = parent.file_name().zip(parent.parent()).filter(|(_, above)| is_sites(above));
    let relative = match by_name {
        Some((folder, _)) => Path::new(folder).join(name),
        None => fs::canonicalize(parent).ok()?.strip_prefix(&sites).ok()?.join(name),
    };
    match Subject::of(&relative)? {
        Subject::File(site) => Some(site.id),
        Subject::Root | Subject::Folder(_) => None,
    }
}

/// Where the file of this id lies, if it exists; `None` when it cannot.
fn locate(root: &Root, id: &SiteId) -> Result<Option<Candidate>, OpenError> {
    match Subject::of(Path::new(id.as_str())) {
        Some(Subject::File(site)) if site.id == *id => Ok(Some(site)),
        _ if id.as_str().contains('\\') => search(root, id).or_else(|error| match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Some(Errno::LOOP) => Err(OpenError::Symlink),
            _ => Err(OpenError::Io(error)),
        }),
        _ => Ok(None),
    }
}

/// Finds the file whose id is the escaped form of its name.
fn search(root: &Root, id: &SiteId) -> io::Result<Option<Candidate>> {
    let folder = match id.as_str().split_once('/') {
        None => None,
        Some((folder, _)) => {
            let is_it = |name: &OsStr| Candidate::new(None, name).id.as_str() == folder;
            match name_in(root.list(None)?, is_it) {
                Some(name) => Some(name),
                None => return Ok(None),
            }
        }
    };
    let is_it = |name: &OsStr| Candidate::new(folder.as_deref(), name).id == *id;
    let name = name_in(root.list(folder.as_deref())?, is_it);
    Ok(name.and_then(|name| {
        let path = folder.as_deref().map_or_else(|| PathBuf::from(&name), |folder| Path::new(folder).join(&name));
        match Subject::of(&path)? {
            Subject::File(site) => Some(site),
            Subject::Root | Subject::Folder(_) => None,
        }
    }))
}

fn name_in(listing: Listing, is_it: impl Fn(&OsStr) -> bool) -> Option<OsString> {
    listing.entries.into_iter().map(|(name, _)| name).find(|name| is_it(name))
}

#[cfg(test)]
mod tests;
