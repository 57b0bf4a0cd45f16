//! [`Tree`]: the sites folder against what is known of it. A survey finds out *which* files to look at, by their
//! stamps alone; a look opens one file. Decides nothing about time: that is `inbox` and `watch`.

use std::{ffi::OsStr, io, path::Path};

use rustix::io::Errno;
use vestibule_names::{SiteId, TenantId};

use crate::{
    Change, OpenError, SiteFile, WatchConfig, WatchError,
    fingerprint::{Fingerprint, Fingerprints},
    known::{Known, Verdict},
    name::{Candidate, is_folder_name, is_site_file},
    open::{EntryKind, Listing, Opened, Root},
};

/// The sites folder and what is known of it.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) root: Root,
    pub(crate) known: Known,
    prints: Fingerprints,
    file_limit: u64,
}

/// What a survey found.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// To be looked at, in order of name.
    pub(crate) dirty: Vec<Candidate>,
    /// Known, but not there.
    pub(crate) missing: Vec<SiteId>,
}

/// What one look at a file found.
#[derive(Debug)]
pub(crate) enum Sight {
    Written(SiteFile, Fingerprint),
    Unreadable(SiteId, Option<TenantId>, OpenError),
    /// As it was known.
    Same,
    /// Known, but not there.
    Missing(SiteId),
}

impl Sight {
    pub(crate) fn into_change(self) -> Option<Change> {
        match self {
            Self::Written(file, _) => Some(Change::Written(file)),
            Self::Unreadable(id, owner, problem) => Some(Change::Unreadable { id, owner, problem }),
            Self::Same | Self::Missing(_) => None,
        }
    }
}

impl Tree {
    pub(crate) fn open(config: &WatchConfig) -> Result<Self, WatchError> {
        let root = Root::open(&config.dir, config.gateway)
            .map_err(|source| WatchError::Dir { dir: config.dir.clone(), source })?;
        Ok(Self { root, known: Known::default(), prints: Fingerprints::default(), file_limit: config.file_limit })
    }

    /// Goes through everything. `before` is called before a folder is listed: what is created after that call and
    /// before the listing is then both heard of and seen.
    pub(crate) fn survey(&mut self, mut before: impl FnMut(Option<&OsStr>)) -> io::Result<Survey> {
        self.known.begin_pass();
        before(None);
        let top = self.root.list(None)?;
        let mut survey = Survey::default();
        self.sift(&top, None, &mut survey);
        for (name, kind) in &top.entries {
            if *kind == EntryKind::Folder && is_folder_name(name) {
                before(Some(name));
                self.list_folder(name, &mut survey);
            }
        }
        survey.missing = self.known.unseen();
        survey.dirty.sort_unstable();
        Ok(survey)
    }

    /// Goes through one folder, or finds out that it is none any more.
    pub(crate) fn survey_folder(&mut self, name: &OsStr) -> Survey {
        self.known.begin_pass();
        let mut survey = Survey::default();
        self.list_folder(name, &mut survey);
        survey.missing = self.known.unseen_in(&folder_id(name));
        survey.dirty.sort_unstable();
        survey
    }

    fn list_folder(&mut self, name: &OsStr, survey: &mut Survey) {
        match self.root.list(Some(name)) {
            Ok(listing) => self.sift(&listing, Some(name), survey),
            Err(gone) if is_no_folder(&gone) => {}
            Err(closed) => {
                tracing::warn!(folder = %Path::new(name).display(), error = %closed, "a folder of sites cannot be listed");
                // Its files are not gone. A look at each says why it cannot be read.
                for id in self.known.in_folder(&folder_id(name)) {
                    self.known.see(&id, || None);
                    survey.dirty.extend(Candidate::of_site(&id));
                }
            }
        }
    }

    /// Adds the site files of a listing that do not look as they did.
    fn sift(&mut self, listing: &Listing, folder: Option<&OsStr>, survey: &mut Survey) {
        for (name, _) in listing.entries.iter().filter(|(name, _)| is_site_file(name)) {
            let candidate = Candidate::new(folder, name);
            let stamp = || Some(self.prints.stamp(&listing.stat(name).ok()?));
            if self.known.see(&candidate.id, stamp) == Verdict::Changed {
                survey.dirty.push(candidate);
            }
        }
    }

    /// Opens one file and compares it with what is known.
    pub(crate) fn look(&mut self, candidate: &Candidate) -> Sight {
        let id = &candidate.id;
        match self.root.read_site(candidate, self.file_limit) {
            Ok(Some(Opened { stat, tenant, bytes })) => {
                let content = self.prints.of_content(tenant.0, &bytes);
                match self.known.note(id, content, self.prints.settled_stamp(&stat)) {
                    Verdict::Same => Sight::Same,
                    Verdict::Changed => Sight::Written(SiteFile { id: id.clone(), owner: tenant, bytes }, content),
                }
            }
            Ok(None) if self.known.content(id).is_some() => Sight::Missing(id.clone()),
            Ok(None) => Sight::Same,
            Err(problem) => {
                let owner = self.root.owner(&candidate.path);
                match self.known.note(id, self.prints.of_problem(owner, &problem), None) {
                    Verdict::Same => Sight::Same,
                    Verdict::Changed => Sight::Unreadable(id.clone(), owner, problem),
                }
            }
        }
    }
}

/// Does a folder of sites hold any site file, to judge by names? What cannot be listed is not counted.
pub(crate) fn holds_site_files(root: &Root) -> io::Result<bool> {
    let has_file =
        |listing: &Listing| listing.entries.iter().any(|(name, kind)| *kind == EntryKind::Other && is_site_file(name));
    let top = root.list(None)?;
    let mut folders = top.entries.iter().filter(|(name, kind)| *kind == EntryKind::Folder && is_folder_name(name));
    Ok(has_file(&top) || folders.any(|(name, _)| root.list(Some(name)).is_ok_and(|listing| has_file(&listing))))
}

/// A folder as its files' ids begin.
fn folder_id(name: &OsStr) -> String {
    Candidate::new(None, name).id.as_str().to_owned()
}

fn is_no_folder(error: &io::Error) -> bool {
    let no_folder = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP];
    no_folder.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
