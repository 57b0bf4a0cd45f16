//! [`Watch`]: the loop. Wakes, finds out what changed, sends batches, and sees to it that nothing is held for long:
//! neither the bytes of many files, nor a doubt about a file that is missing.

use std::{
    collections::HashSet,
    io,
    iter::Peekable,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
    vec::IntoIter,
};

use vestibule_names::SiteId;

use crate::{
    Batch, Change, Next, OpenError, Presence, WatchConfig, WatchError,
    events::{Coverage, Events},
    fingerprint::Fingerprint,
    inbox::{Cause, Inbox, Urgency, Wake},
    known::{Absence, Known},
    name::{Candidate, Subject},
    open::Root,
    tree::{Sight, Survey, Tree, holds_site_files},
    turns::{folder, lightest_first},
};

/// A scan of more bytes than this comes in several batches.
const BATCH_BYTES_LIMIT: usize = 64 << 20;
/// Many files come in batches of so many: they are parsed while the next ones are read, and who changed few files
/// meanwhile waits for no more than one batch.
const BATCH_FILES_LIMIT: usize = 1_000;
/// A rescan is repeated at the earliest after this many times its own duration: it costs at most 2% of a core.
const RESCAN_SHARE: u32 = 50;
/// Between two rescans while not every folder is watched.
const UNWATCHED_RESCAN: Duration = Duration::from_secs(3);
/// Between two looks for a sites folder that is lost.
const LOST_RETRY: Duration = Duration::from_secs(1);

/// A running watch.
pub(crate) struct Watch<S> {
    config: WatchConfig,
    tree: Tree,
    events: Events,
    inbox: Arc<Inbox>,
    sink: S,
    place: Place,
    next_rescan: Instant,
    /// Has a scan been told to its end?
    told: Told,
}

/// Is a first scan behind whoever listens?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    All,
}

/// Is the sites folder where it should be?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    There,
    Lost(Loss),
}

/// How the sites folder was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// Its path leads nowhere, or to what cannot be looked into.
    Gone,
    /// Its path leads to another folder, without any site file: what an unmounted file system leaves behind.
    Vacant,
}

/// Which batch must be told even if it is empty?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Some paths.
    Paths,
    /// Everything.
    All(Cause),
}

impl<S: FnMut(Batch) -> Next> Watch<S> {
    pub(crate) fn start(config: WatchConfig, inbox: Arc<Inbox>, sink: S) -> Result<Self, WatchError> {
        let tree = Tree::open(&config)?;
        let events = Events::start(tree.root.path(), Arc::clone(&inbox));
        let (place, told) = (Place::There, Told::Nothing);
        Ok(Self { config, tree, events, inbox, sink, place, next_rescan: Instant::now(), told })
    }

    pub(crate) fn run(mut self) {
        let mut next = self.rescan(Cause::Asked);
        while next == Next::Continue {
            next = match self.inbox.wait(self.next_rescan) {
                Wake::Stop => Next::Stop,
                Wake::Rescan(cause) => self.rescan(cause),
                Wake::Look(paths) => self.look_at(paths),
                Wake::Idle => self.rescan(Cause::Doubt),
            };
        }
    }

    /// Looks at everything: by stamps, then at the files whose stamps differ.
    fn rescan(&mut self, cause: Cause) -> Next {
        let started = Instant::now();
        if !self.find_root() {
            self.next_rescan = Instant::now() + LOST_RETRY.max(started.elapsed() * RESCAN_SHARE);
            return Next::Continue;
        }
        self.events.begin_pass();
        let (events, root) = (&mut self.events, self.tree.root.path().to_owned());
        let survey = self.tree.survey(|folder| match folder {
            Some(folder) => events.watch(&root.join(folder)),
            None => events.watch(&root),
        });
        self.events.end_pass();
        let next = match survey {
            Ok(survey) => self.deliver(survey, Scope::All(cause)),
            Err(error) => {
                tracing::warn!(dir = %root.display(), %error, "the sites folder cannot be listed; every site stays as it is");
                Next::Continue
            }
        };
        let usual = match self.events.coverage() {
            Coverage::Whole => self.config.rescan,
            Coverage::Partial => self.config.rescan.min(UNWATCHED_RESCAN),
        };
        self.next_rescan = Instant::now() + usual.max(started.elapsed() * RESCAN_SHARE);
        next
    }

    /// Is the folder that was opened still the one at its path? If it was replaced, the new one is taken over.
    fn find_root(&mut self) -> bool {
        if !self.tree.root.is_current() {
            let path = self.tree.root.path().to_owned();
            let root = match self.successor(&path) {
                Ok(Some(root)) => root,
                Ok(None) => {
                    if self.lose(Loss::Vacant) {
                        tracing::error!(dir = %path.display(), "the sites folder was replaced by one without site files; every site stays as it is: mount it again, or put one site file there if the rest is to be removed");
                    }
                    return false;
                }
                Err(error) => {
                    if self.lose(Loss::Gone) {
                        tracing::error!(dir = %path.display(), %error, "the sites folder is gone; every site stays as it is until it is back");
                    }
                    return false;
                }
            };
            self.tree.root = root;
            // The old watches are on the old folders, wherever those are now.
            self.events = Events::start(&path, Arc::clone(&self.inbox));
        }
        if self.place != Place::There {
            tracing::info!(dir = %self.tree.root.path().display(), "the sites folder is back");
            self.place = Place::There;
        }
        true
    }

    /// The other folder that the path leads to now. `None` when it has no site file while some are known: nobody
    /// removes all sites by replacing the folder, but an unmount looks just like it.
    fn successor(&self, path: &Path) -> io::Result<Option<Root>> {
        let root = Root::open(path, self.config.gateway)?;
        let is_one = self.tree.known.is_empty() || holds_site_files(&root)?;
        Ok(is_one.then_some(root))
    }

    /// Notes the loss. Is it news?
    fn lose(&mut self, loss: Loss) -> bool {
        let lost = Place::Lost(loss);
        std::mem::replace(&mut self.place, lost) != lost
    }

    /// Looks at paths that something happened to.
    fn look_at(&mut self, paths: Vec<PathBuf>) -> Next {
        if self.place != Place::There || !self.tree.root.is_current() {
            return self.rescan(Cause::Doubt);
        }
        let mut survey = Survey::default();
        for path in paths {
            match Subject::of(&path) {
                Some(Subject::File(candidate)) => survey.dirty.push(candidate),
                Some(Subject::Folder(name)) => {
                    self.events.watch(&self.tree.root.path().join(&name));
                    let mut folder = self.tree.survey_folder(&name);
                    survey.dirty.append(&mut folder.dirty);
                    survey.missing.append(&mut folder.missing);
                }
                // It is there, as it was: its permissions or times changed.
                Some(Subject::Root) | None => {}
            }
        }
        survey.dirty.sort_unstable();
        survey.dirty.dedup();
        self.deliver(survey, Scope::Paths)
    }

    /// Opens what is to be looked at and sends what changed.
    fn deliver(&mut self, survey: Survey, scope: Scope) -> Next {
        let Survey { dirty, mut missing } = survey;
        // Before anything is known, who comes first by name has the name.
        let is_first = self.tree.known.is_empty();
        let is_ordered = is_first || dirty.len() <= BATCH_FILES_LIMIT;
        let mut dirty = if is_ordered { dirty } else { lightest_first(dirty) }.into_iter().peekable();
        loop {
            let Some(changes) = self.read(&mut dirty, std::mem::take(&mut missing)) else { return Next::Stop };
            let complete = dirty.peek().is_none() && scope != Scope::Paths;
            // The first scan may be a later one: the folder could not be listed before.
            let is_awaited = scope == Scope::All(Cause::Asked) || self.told == Told::Nothing;
            if complete {
                if self.told != Told::All {
                    self.tree.known.pack();
                }
                self.told = Told::All;
            }
            if (!changes.is_empty() || (complete && is_awaited))
                && (self.sink)(Batch { changes, complete }) == Next::Stop
            {
                return Next::Stop;
            }
            let Some(next) = dirty.peek() else { return Next::Continue };
            // A rescan finds the rest again, behind what else has changed.
            if !is_awaited && self.inbox.wants_rescan() {
                return Next::Continue;
            }
            if !is_first && self.look_outside(folder(&next.path)) == Next::Stop {
                return Next::Stop;
            }
        }
    }

    /// Looks at what was noted while many files of that folder are looked at.
    fn look_outside(&mut self, busy: &Path) -> Next {
        if !self.tree.root.is_current() {
            return Next::Continue;
        }
        let mut files = Vec::new();
        for path in self.inbox.due_outside(busy) {
            match Subject::of(&path) {
                // What is missed may be among those that are still to be read, under its new name.
                Some(Subject::File(file)) if !self.tree.known.is_missed(&file.id) => files.push(file),
                _ => self.inbox.note(path, Urgency::UnderWay),
            }
        }
        let mut files = lightest_first(files);
        for left in files.drain(BATCH_FILES_LIMIT.min(files.len())..) {
            self.inbox.note(left.path, Urgency::UnderWay);
        }
        match self.read(&mut files.into_iter().peekable(), Vec::new()) {
            Some(changes) if changes.is_empty() => Next::Continue,
            Some(changes) => (self.sink)(Batch { changes, complete: false }),
            None => Next::Stop,
        }
    }

    /// Opens as many as belong into one batch; what changed of them, removals first. `None`: it is to stop.
    fn read(&mut self, dirty: &mut Peekable<IntoIter<Candidate>>, mut missing: Vec<SiteId>) -> Option<Vec<Change>> {
        let mut changes = Vec::new();
        let mut fresh = HashSet::new();
        let mut bytes = 0;
        for candidate in dirty.take(BATCH_FILES_LIMIT) {
            if self.inbox.is_stopped() {
                return None;
            }
            match self.tree.look(&candidate) {
                Sight::Written(file, content) => {
                    bytes += file.bytes.len();
                    fresh.insert(content);
                    changes.push(Change::Written(file));
                }
                Sight::Unreadable(id, owner, problem) => {
                    self.look_again(candidate, &problem);
                    changes.push(Change::Unreadable { id, owner, problem });
                }
                Sight::Missing(id) => missing.push(id),
                Sight::Same => {}
            }
            if bytes >= BATCH_BYTES_LIMIT {
                break;
            }
        }
        let mut batch = self.removals(missing, &fresh);
        batch.append(&mut changes);
        Some(batch)
    }

    /// A link that a careful writer uses for a moment is gone a moment later, and no event of ours tells.
    fn look_again(&self, candidate: Candidate, problem: &OpenError) {
        if matches!(problem, OpenError::HardLinked) {
            self.inbox.note(candidate.path, Urgency::Later);
        }
    }

    /// What is removed with files of these contents. A file that came up under another name is gone from its old one.
    /// One that is simply not there may be between two steps of an editor, and is looked for once more before that.
    fn removals(&mut self, missing: Vec<SiteId>, fresh: &HashSet<Fingerprint>) -> Vec<Change> {
        let now = Instant::now();
        let Tree { root, known, .. } = &mut self.tree;
        let was_moved = |known: &Known, id: &SiteId| known.content(id).is_some_and(|content| fresh.contains(&content));
        // Missed before, and its new name is heard of only now.
        let late = known
            .missed()
            .filter(|id| was_moved(known, id) && matches!(root.presence(Path::new(id.as_str())), Presence::Gone));
        let mut gone: Vec<SiteId> = late.cloned().collect();
        for id in missing {
            let candidate = Candidate::of_site(&id);
            match candidate.filter(|_| !was_moved(known, &id)) {
                Some(candidate) if known.miss(&id, now) == Absence::Missed => {
                    self.inbox.note(candidate.path, Urgency::UnderWay);
                }
                _ => gone.push(id),
            }
        }
        gone.sort_unstable();
        gone.dedup();
        for id in &gone {
            known.forget(id);
        }
        gone.into_iter().map(Change::Removed).collect()
    }
}

#[cfg(test)]
mod tests;
