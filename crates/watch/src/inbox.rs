//! [`Inbox`]: everything that can wake the watch, in one place, and how long it waits for a burst to be over.
//!
//! Bounded: it holds paths, each once, and over a limit it holds none but asks for a rescan. Knows no file.

use std::{
    collections::HashSet,
    mem,
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::turns;

/// How long a noted path waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Something was completed: a close after writing, a rename, a removal.
    Completed,
    /// Something is perhaps under way: a write, a new file, changed metadata.
    UnderWay,
    /// To be looked at once more when editors and copiers are surely done.
    Later,
}

/// Why the watch wakes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    Stop,
    Rescan(Cause),
    /// Look at these paths, relative to the sites folder; the empty path is the folder itself.
    Look(Vec<PathBuf>),
    /// Nothing happened until the time given.
    Idle,
}

/// Why everything is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// Time has passed, or events were lost.
    Doubt,
    /// Somebody asked, and waits for the answer.
    Asked,
}

/// More paths than this are not noted one by one.
const PENDING_LIMIT: usize = 50_000;

/// What wakes the watch. Shared by the thread of events, the stop handles and the watch.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    stop: bool,
    rescan: Option<Cause>,
    completed: Group,
    under_way: Group,
    later: Group,
}

/// Paths that wait together: until nothing more comes for a while, but not for ever.
#[derive(Debug)]
struct Group {
    paths: HashSet<PathBuf>,
    pace: Pace,
    /// When the first and the last path came.
    came: Option<(Instant, Instant)>,
    /// When it was taken last.
    taken: Option<Instant>,
}

/// How long paths wait.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Until nothing more has come for this long …
    quiet: Duration,
    /// … and since those before were taken, …
    gap: Duration,
    /// … but no longer than this after the first came.
    patience: Duration,
}

/// A moment, for both halves of a rename. Who saves over and over causes a step per gap, and no more.
const COMPLETED: Pace = Pace::new(1, 5, 25);
const UNDER_WAY: Pace = Pace::new(30, 0, 200);
const LATER: Pace = Pace::new(1_000, 0, 1_000);

impl Default for State {
    fn default() -> Self {
        Self {
            stop: false,
            rescan: None,
            completed: Group::new(COMPLETED),
            under_way: Group::new(UNDER_WAY),
            later: Group::new(LATER),
        }
    }
}

impl Inbox {
    pub(crate) fn stop(&self) {
        self.state().stop = true;
        self.changed.notify_all();
    }

    pub(crate) fn ask_rescan(&self) {
        self.state().want_rescan(Cause::Asked);
        self.changed.notify_all();
    }

    /// Asked between two files of a long scan.
    pub(crate) fn is_stopped(&self) -> bool {
        self.state().stop
    }

    /// Asked likewise: is everything to be looked at anyway?
    pub(crate) fn wants_rescan(&self) -> bool {
        self.state().rescan.is_some()
    }

    /// What is to be looked at by now outside of that folder, without waiting.
    pub(crate) fn due_outside(&self, folder: &Path) -> Vec<PathBuf> {
        self.state().due_outside(folder, Instant::now())
    }

    /// Events were lost.
    pub(crate) fn doubt(&self) {
        self.state().want_rescan(Cause::Doubt);
        self.changed.notify_all();
    }

    pub(crate) fn note(&self, path: PathBuf, urgency: Urgency) {
        self.state().note(path, urgency, Instant::now());
        self.changed.notify_all();
    }

    /// Waits until there is something to do, or until `until`.
    pub(crate) fn wait(&self, until: Instant) -> Wake {
        let mut state = self.state();
        loop {
            let now = Instant::now();
            if let Some(wake) = state.take(now) {
                return wake;
            }
            if now >= until {
                return Wake::Idle;
            }
            let next = state.due().map_or(until, |due| due.min(until));
            let waited = self.changed.wait_timeout(state, next.saturating_duration_since(now));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Nothing here is left half-done by a panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, path: PathBuf, urgency: Urgency, now: Instant) {
        // The latest news of a path counts: a file that is written again after its close is under way again.
        let group = match urgency {
            Urgency::Completed => {
                self.under_way.paths.remove(&path);
                &mut self.completed
            }
            Urgency::UnderWay => {
                self.completed.paths.remove(&path);
                &mut self.under_way
            }
            Urgency::Later => &mut self.later,
        };
        group.add(path, now);
        if self.groups().iter().map(|group| group.paths.len()).sum::<usize>() > PENDING_LIMIT {
            self.want_rescan(Cause::Doubt);
        }
    }

    /// A rescan looks at everything: nothing noted so far needs to be remembered.
    fn want_rescan(&mut self, cause: Cause) {
        self.rescan = self.rescan.max(Some(cause));
        for group in self.groups() {
            group.clear();
        }
    }

    fn take(&mut self, now: Instant) -> Option<Wake> {
        if self.stop {
            return Some(Wake::Stop);
        }
        if let Some(cause) = self.rescan.take() {
            return Some(Wake::Rescan(cause));
        }
        let due = self.groups().into_iter().filter(|group| group.due().is_some_and(|due| due <= now));
        let mut paths: Vec<PathBuf> = due.flat_map(|group| group.take(now)).collect();
        paths.sort_unstable();
        paths.dedup();
        (!paths.is_empty()).then_some(Wake::Look(paths))
    }

    fn due_outside(&mut self, folder: &Path, now: Instant) -> Vec<PathBuf> {
        let due = self.groups().into_iter().filter(|group| group.due().is_some_and(|due| due <= now));
        due.flat_map(|group| group.paths.extract_if(|path| turns::folder(path) != folder)).collect()
    }

    fn due(&mut self) -> Option<Instant> {
        self.groups().iter().filter_map(|group| group.due()).min()
    }

    fn groups(&mut self) -> [&mut Group; 3] {
        [&mut self.completed, &mut self.under_way, &mut self.later]
    }
}

impl Group {
    fn new(pace: Pace) -> Self {
        Self { paths: HashSet::new(), pace, came: None, taken: None }
    }

    fn add(&mut self, path: PathBuf, now: Instant) {
        self.paths.insert(path);
        self.came = Some((self.came.map_or(now, |(first, _)| first), now));
    }

    fn clear(&mut self) {
        self.came = None;
        self.paths = HashSet::new();
    }

    fn take(&mut self, now: Instant) -> HashSet<PathBuf> {
        self.came = None;
        self.taken = Some(now);
        mem::take(&mut self.paths)
    }

    fn due(&self) -> Option<Instant> {
        let Pace { quiet, gap, patience } = self.pace;
        let (first, last) = self.came?;
        let after_the_last = self.taken.map_or(last, |taken| taken + gap);
        Some((last + quiet).max(after_the_last).min(first + patience))
    }
}

impl Pace {
    /// In milliseconds.
    const fn new(quiet: u64, gap: u64, patience: u64) -> Self {
        let milliseconds = Duration::from_millis;
        Self { quiet: milliseconds(quiet), gap: milliseconds(gap), patience: milliseconds(patience) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    struct Clock(State, Instant);

    impl Clock {
        fn new() -> Self {
            Self(State::default(), Instant::now())
        }

        fn note(&mut self, at: u32, path: &str, urgency: Urgency) {
            self.0.note(PathBuf::from(path), urgency, self.1 + at * MS);
        }

        fn check(&mut self, at: u32, expected: Option<&[&str]>) {
            let expected = expected.map(|paths| Wake::Look(paths.iter().map(PathBuf::from).collect()));
            assert_eq!(self.0.take(self.1 + at * MS), expected, "after {at} ms");
        }
    }

    #[test]
    fn what_is_completed_is_taken_soon_and_together() {
        let mut clock = Clock::new();
        clock.note(0, "b.yaml", Urgency::Completed);
        clock.note(0, "a.yaml", Urgency::Completed);
        clock.note(0, "b.yaml", Urgency::Completed);
        clock.check(0, None);
        clock.check(1, Some(&["a.yaml", "b.yaml"]));
        clock.check(1_000, None);
    }

    #[test]
    fn a_long_burst_is_cut() {
        let mut clock = Clock::new();
        for at in 0..24 {
            clock.note(at, "a.yaml", Urgency::Completed);
            clock.check(at, None);
        }
        clock.check(25, Some(&["a.yaml"]));
        for at in 100..300 {
            clock.note(at, "a.yaml", Urgency::UnderWay);
            clock.check(at, None);
        }
        clock.check(300, Some(&["a.yaml"]));
    }

    #[test]
    fn who_saves_over_and_over_causes_a_step_per_gap() {
        let mut clock = Clock::new();
        clock.note(0, "a.yaml", Urgency::Completed);
        clock.check(1, Some(&["a.yaml"]));
        clock.note(2, "a.yaml", Urgency::Completed);
        clock.note(3, "b.yaml", Urgency::Completed);
        clock.check(5, None);
        clock.check(6, Some(&["a.yaml", "b.yaml"]));
        clock.note(60, "a.yaml", Urgency::Completed);
        clock.check(61, Some(&["a.yaml"]));
    }

    #[test]
    fn the_latest_news_of_a_path_counts() {
        let mut clock = Clock::new();
        clock.note(0, "a.yaml", Urgency::UnderWay);
        clock.note(1, "a.yaml", Urgency::Completed);
        clock.check(6, Some(&["a.yaml"]));
        clock.check(100, None);
        clock.note(200, "a.yaml", Urgency::Completed);
        clock.note(202, "a.yaml", Urgency::UnderWay);
        clock.check(210, None);
        clock.check(232, Some(&["a.yaml"]));
    }

    #[test]
    fn what_is_due_outside_of_a_folder_leaves_the_rest_to_wait() {
        let mut clock = Clock::new();
        for path in ["bob/1.yaml", "ann/a.yaml", "bob/2.yaml", "z.yaml"] {
            clock.note(0, path, Urgency::Completed);
        }
        clock.note(0, "ann/b.yaml", Urgency::UnderWay);
        let mut outside = clock.0.due_outside(Path::new("bob"), clock.1 + 10 * MS);
        outside.sort_unstable();
        assert_eq!(outside, ["ann/a.yaml", "z.yaml"].map(PathBuf::from));
        clock.check(10, Some(&["bob/1.yaml", "bob/2.yaml"]));
        clock.check(30, Some(&["ann/b.yaml"]));
    }

    #[test]
    fn too_many_paths_become_a_rescan() {
        let mut clock = Clock::new();
        for n in 0..=PENDING_LIMIT {
            clock.note(0, &format!("{n}.yaml"), Urgency::Completed);
        }
        assert_eq!(clock.0.take(clock.1), Some(Wake::Rescan(Cause::Doubt)));
        clock.check(1_000, None);
    }

    #[test]
    fn stop_goes_before_rescan_before_paths() {
        let mut clock = Clock::new();
        clock.0.want_rescan(Cause::Asked);
        clock.0.want_rescan(Cause::Doubt);
        assert_eq!(clock.0.take(clock.1), Some(Wake::Rescan(Cause::Asked)), "who asked is answered");
        clock.0.rescan = Some(Cause::Doubt);
        clock.0.stop = true;
        assert_eq!(clock.0.take(clock.1), Some(Wake::Stop));
    }

    #[test]
    fn waiting_ends_at_the_time_given() {
        let inbox = Inbox::default();
        assert_eq!(inbox.wait(Instant::now()), Wake::Idle);
        inbox.note(PathBuf::from("a.yaml"), Urgency::Completed);
        assert_eq!(inbox.wait(Instant::now() + Duration::from_secs(60)), Wake::Look(vec![PathBuf::from("a.yaml")]));
    }
}
