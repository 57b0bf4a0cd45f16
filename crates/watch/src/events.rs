//! [`Events`]: inotify, by notify. Turns events into notes in the [`Inbox`]; opens no file and decides nothing else.
//!
//! Watches are set by path, so that one may be led astray by a folder that is swapped for a link in that moment. It
//! then hears of changes elsewhere, and looks at files here that did not change: the opening is what must be safe.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::Arc,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, CreateKind, DataChange, ModifyKind, RenameMode},
};

use crate::{
    inbox::{Inbox, Urgency},
    name::Subject,
};

/// The watches on the sites folder and its folders.
#[derive(Debug)]
pub(crate) struct Events {
    watcher: Option<RecommendedWatcher>,
    coverage: Coverage,
    /// Said once, until it is whole again.
    has_warned: bool,
}

/// Is every folder watched?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coverage {
    Whole,
    /// Some change without an event: rescans must find it.
    Partial,
}

impl Events {
    /// Starts listening; nothing is watched yet. `root` is absolute.
    pub(crate) fn start(root: &Path, inbox: Arc<Inbox>) -> Self {
        let root = root.to_owned();
        let mut events = Self { watcher: None, coverage: Coverage::Whole, has_warned: false };
        match notify::recommended_watcher(move |event| hear(&inbox, &root, event)) {
            Ok(watcher) => events.watcher = Some(watcher),
            Err(error) => events.lose("fs.inotify.max_user_instances", &error),
        }
        events
    }

    /// Before a pass over all folders: a limit that was reached may have been raised.
    pub(crate) fn begin_pass(&mut self) {
        if self.watcher.is_some() {
            self.coverage = Coverage::Whole;
        }
    }

    /// Watches one folder. One that is watched already is watched again: it may be another folder of the same name.
    pub(crate) fn watch(&mut self, folder: &Path) {
        let Some(watcher) = &mut self.watcher else { return };
        if self.coverage == Coverage::Partial {
            return;
        }
        match watcher.watch(folder, RecursiveMode::NonRecursive) {
            Ok(()) => {}
            // Gone again: whoever told of it will tell of that.
            Err(error) if is_not_found(&error) => {}
            Err(error) => self.lose("fs.inotify.max_user_watches", &error),
        }
    }

    pub(crate) fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// Said when a pass ended without trouble.
    pub(crate) fn end_pass(&mut self) {
        if self.coverage == Coverage::Whole && self.has_warned {
            self.has_warned = false;
            tracing::info!("every folder of sites is watched again");
        }
    }

    fn lose(&mut self, sysctl: &str, error: &notify::Error) {
        self.coverage = Coverage::Partial;
        if !self.has_warned {
            self.has_warned = true;
            tracing::warn!(%error, sysctl, "not every folder of sites can be watched; rescanning instead until the limit is raised");
        }
    }
}

fn is_not_found(error: &notify::Error) -> bool {
    match &error.kind {
        notify::ErrorKind::PathNotFound => true,
        notify::ErrorKind::Io(io) => {
            matches!(io.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied)
        }
        _ => false,
    }
}

/// One event → notes. Runs on notify's thread.
pub(crate) fn hear(inbox: &Inbox, root: &Path, event: notify::Result<Event>) {
    match event {
        Ok(event) if event.need_rescan() => inbox.doubt(),
        Ok(event) => {
            let Some(urgency) = urgency(&event.kind) else { return };
            for path in &event.paths {
                if let Some(path) = noteworthy(root, path, &event.kind) {
                    inbox.note(path, urgency);
                }
            }
        }
        Err(error) => {
            tracing::debug!(%error, "events of the sites folder were lost");
            inbox.doubt();
        }
    }
}

/// `None`: nothing that changes a site.
fn urgency(kind: &EventKind) -> Option<Urgency> {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Urgency::Completed),
        EventKind::Access(_) => None,
        EventKind::Create(CreateKind::Folder) | EventKind::Remove(_) => Some(Urgency::Completed),
        // Both halves were told before.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => None,
        EventKind::Modify(ModifyKind::Name(_)) => Some(Urgency::Completed),
        EventKind::Create(_) | EventKind::Modify(_) | EventKind::Any | EventKind::Other => Some(Urgency::UnderWay),
    }
}

/// The path relative to the sites folder, if a site may lie there.
fn noteworthy(root: &Path, path: &Path, kind: &EventKind) -> Option<PathBuf> {
    let relative = path.strip_prefix(root).ok()?;
    let says_content = matches!(kind, EventKind::Access(_) | EventKind::Modify(ModifyKind::Data(DataChange::Any)));
    match Subject::of(relative)? {
        // Folders have no content.
        Subject::Root | Subject::Folder(_) if says_content => None,
        Subject::Root => Some(PathBuf::from(OsStr::new(""))),
        Subject::Folder(_) | Subject::File(_) => Some(relative.to_owned()),
    }
}

#[cfg(test)]
impl Events {
    /// Hears nothing.
    pub(crate) fn deaf(coverage: Coverage) -> Self {
        Self { watcher: None, coverage, has_warned: false }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use notify::event::{Flag, MetadataKind, RemoveKind};

    use super::*;
    use crate::inbox::{Cause, Wake};

    fn check(kind: EventKind, path: &str, expected: Option<(&str, Urgency)>) {
        let noted = noteworthy(Path::new("/sites"), Path::new(path), &kind).zip(urgency(&kind));
        assert_eq!(noted, expected.map(|(path, urgency)| (PathBuf::from(path), urgency)), "{kind:?} {path}");
    }

    #[test]
    fn events_become_notes() {
        use Urgency::{Completed, UnderWay};
        let close = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let data = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let metadata = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
        let to = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        let removed = EventKind::Remove(RemoveKind::File);
        check(close, "/sites/a.yaml", Some(("a.yaml", Completed)));
        check(close, "/sites/shop/a.yaml", Some(("shop/a.yaml", Completed)));
        check(close, "/sites/README", None);
        check(close, "/sites/shop/.a.yaml.swp", None);
        check(data, "/sites/a.yaml", Some(("a.yaml", UnderWay)));
        check(data, "/sites/4913", None);
        check(metadata, "/sites/shop", Some(("shop", UnderWay)));
        check(metadata, "/sites", Some(("", UnderWay)));
        check(to, "/sites/shop", Some(("shop", Completed)));
        check(to, "/sites/a/b/c.yaml", None);
        check(removed, "/sites", Some(("", Completed)));
        check(removed, "/sites/a.yaml", Some(("a.yaml", Completed)));
        check(EventKind::Create(CreateKind::File), "/sites/a.yaml", Some(("a.yaml", UnderWay)));
        check(EventKind::Create(CreateKind::Folder), "/sites/shop", Some(("shop", Completed)));
        check(EventKind::Modify(ModifyKind::Name(RenameMode::Both)), "/sites/a.yaml", None);
        check(EventKind::Access(AccessKind::Open(AccessMode::Any)), "/sites/a.yaml", None);
        check(removed, "/elsewhere/a.yaml", None);
    }

    #[test]
    fn an_overflow_is_a_rescan() {
        let inbox = Inbox::default();
        hear(&inbox, Path::new("/sites"), Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)));
        assert_eq!(inbox.wait(Instant::now()), Wake::Rescan(Cause::Doubt));
        hear(&inbox, Path::new("/sites"), Err(notify::Error::generic("lost")));
        assert_eq!(inbox.wait(Instant::now()), Wake::Rescan(Cause::Doubt));
    }
}
