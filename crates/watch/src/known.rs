//! [`Known`]: what was last seen of each site file. Remembers, compares; opens nothing.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use vestibule_names::SiteId;

use crate::fingerprint::{Fingerprint, Stamp};

/// A file that is not there for this long is gone, and not between two steps of an editor that saves it.
const MISSING_GRACE: Duration = Duration::from_millis(30);

/// Every site file that was told and is not removed, in order of id.
#[derive(Debug)]
pub(crate) struct Known {
    files: BTreeMap<SiteId, Entry>,
    /// Those not found lately, and since when.
    missed: BTreeMap<SiteId, Instant>,
    /// For so long a file may not be found before it is gone.
    pub(crate) grace: Duration,
    pass: u32,
}

impl Default for Known {
    fn default() -> Self {
        Self { files: BTreeMap::new(), missed: BTreeMap::new(), grace: MISSING_GRACE, pass: 0 }
    }
}

#[derive(Debug)]
struct Entry {
    content: Fingerprint,
    /// `None`: to be read again by the next survey.
    stamp: Option<Stamp>,
    /// The last survey that saw it.
    pass: u32,
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
        self.missed.remove(id);
        let now = Entry { content, stamp, pass: self.pass };
        match self.files.insert(id.clone(), now) {
            Some(before) if before.content == content => Verdict::Same,
            _ => Verdict::Changed,
        }
    }

    /// Is no file known?
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// A first scan is through. A tree that was filled in order has half of each node empty; built at once it has not.
    pub(crate) fn pack(&mut self) {
        self.files = std::mem::take(&mut self.files).into_iter().collect();
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
            Some(before) if !self.missed.contains_key(id) && stamp() == Some(before) => Verdict::Same,
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

    /// A known file is not there. It is missed for a while, then gone and forgotten.
    pub(crate) fn miss(&mut self, id: &SiteId, now: Instant) -> Absence {
        let since = *self.missed.entry(id.clone()).or_insert(now);
        if self.files.contains_key(id) && now.saturating_duration_since(since) < self.grace {
            return Absence::Missed;
        }
        self.forget(id);
        Absence::Gone
    }

    /// The files that were missed, and are not gone yet.
    pub(crate) fn missed(&self) -> impl Iterator<Item = &SiteId> {
        self.missed.keys()
    }

    /// Was it there, and not found lately?
    pub(crate) fn is_missed(&self, id: &SiteId) -> bool {
        self.missed.contains_key(id)
    }

    /// Forgets a file at once.
    pub(crate) fn forget(&mut self, id: &SiteId) {
        self.missed.remove(id);
        self.files.remove(id);
    }
}

/// How sure it is that a file is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absence {
    Missed,
    Gone,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::Fingerprints;

    #[test]
    fn a_missed_file_is_gone_after_a_while() {
        let (mut known, prints, now) = (Known::default(), Fingerprints::default(), Instant::now());
        let (id, text) = (SiteId::new("a.yaml"), prints.of_content(0, b"text"));
        let later = |ms| now + Duration::from_millis(ms);
        assert_eq!(known.note(&id, text, None), Verdict::Changed);
        assert_eq!(known.miss(&id, later(0)), Absence::Missed);
        assert_eq!(known.miss(&id, later(29)), Absence::Missed);
        assert_eq!(known.missed().collect::<Vec<_>>(), [&id]);
        // It came back, as it was.
        assert_eq!(known.note(&id, text, None), Verdict::Same);
        assert_eq!(known.miss(&id, later(60)), Absence::Missed);
        assert_eq!(known.miss(&id, later(90)), Absence::Gone);
        assert_eq!((known.missed().count(), known.content(&id)), (0, None));
        assert_eq!(known.miss(&id, later(91)), Absence::Gone, "it was not known");
        assert_eq!(known.missed().count(), 0);
    }

    #[test]
    fn a_folder_is_told_from_its_neighbours() {
        let (mut known, prints) = (Known::default(), Fingerprints::default());
        let ids = ["shop", "shop-2/a.yaml", "shop.yaml", "shop/a.yaml", "shop/b.yaml", "shop0/a.yaml"].map(SiteId::new);
        for id in &ids {
            known.note(id, prints.of_content(0, b"text"), None);
        }
        known.pack();
        assert_eq!(known.in_folder("shop"), ids[3..5]);
        known.begin_pass();
        known.see(&ids[3], || None);
        assert_eq!(known.unseen_in("shop"), ids[4..5]);
        assert_eq!(known.unseen().len(), 5);
    }
}
