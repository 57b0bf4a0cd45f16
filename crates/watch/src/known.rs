//! [`Known`]: what was last seen of each site file. Remembers, compares; opens nothing.

use std::collections::BTreeMap;

use vestibule_names::SiteId;

use crate::fingerprint::{Fingerprint, Stamp};

/// Every site file that was told and is not removed, in order of id.
#[derive(Debug, Default)]
pub(crate) struct Known {
    files: BTreeMap<SiteId, Entry>,
    pass: u32,
}

#[derive(Debug)]
struct Entry {
    content: Fingerprint,
    /// `None`: to be read again by the next survey.
    stamp: Option<Stamp>,
    /// The last survey that saw it.
    pass: u32,
    presence: Presence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    There,
    /// Not found once: perhaps an editor is between two steps of saving it.
    Missed,
}

/// How a file compares with what was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Changed,
    Same,
}

impl Known {
    /// Notes what a file says now.
    pub(crate) fn note(&mut self, id: &SiteId, content: Fingerprint, stamp: Option<Stamp>) -> Verdict {
        let now = Entry { content, stamp, pass: self.pass, presence: Presence::There };
        match self.files.insert(id.clone(), now) {
            Some(before) if before.content == content => Verdict::Same,
            _ => Verdict::Changed,
        }
    }

    /// What a known file said last.
    pub(crate) fn content(&self, id: &SiteId) -> Option<Fingerprint> {
        self.files.get(id).map(|entry| entry.content)
    }

    /// Begins a survey.
    pub(crate) fn begin_pass(&mut self) {
        self.pass = self.pass.wrapping_add(1);
    }

    /// A survey saw this file. Does it look as when it was read? `stamp` is asked only if that could tell.
    pub(crate) fn see(&mut self, id: &SiteId, stamp: impl FnOnce() -> Option<Stamp>) -> Verdict {
        let Some(entry) = self.files.get_mut(id) else { return Verdict::Changed };
        entry.pass = self.pass;
        match entry.stamp {
            Some(before) if entry.presence == Presence::There && stamp() == Some(before) => Verdict::Same,
            _ => Verdict::Changed,
        }
    }

    /// The files that the survey did not see.
    pub(crate) fn unseen(&self) -> Vec<SiteId> {
        self.files.iter().filter(|(_, entry)| entry.pass != self.pass).map(|(id, _)| id.clone()).collect()
    }

    /// The files that the survey of one folder did not see.
    pub(crate) fn unseen_in(&self, folder: &str) -> Vec<SiteId> {
        self.entries_in(folder).filter(|(_, entry)| entry.pass != self.pass).map(|(id, _)| id.clone()).collect()
    }

    /// The known files of a folder.
    pub(crate) fn in_folder(&self, folder: &str) -> Vec<SiteId> {
        self.entries_in(folder).map(|(id, _)| id.clone()).collect()
    }

    fn entries_in(&self, folder: &str) -> impl Iterator<Item = (&SiteId, &Entry)> {
        let prefix = format!("{folder}/");
        let from = SiteId::new(&prefix);
        self.files.range(from..).take_while(move |(id, _)| id.as_str().starts_with(&prefix))
    }

    /// A known file is not there. The first time it is only missed; the second time it is gone, and forgotten.
    pub(crate) fn miss(&mut self, id: &SiteId) -> Absence {
        match self.files.get_mut(id) {
            Some(entry) if entry.presence == Presence::There => {
                entry.presence = Presence::Missed;
                Absence::Missed
            }
            _ => {
                self.files.remove(id);
                Absence::Gone
            }
        }
    }

    /// Forgets a file at once.
    pub(crate) fn forget(&mut self, id: &SiteId) {
        self.files.remove(id);
    }
}

/// How sure it is that a file is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absence {
    Missed,
    Gone,
}
