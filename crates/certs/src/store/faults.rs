//! For tests: a disk whose Nth step fails, or is the last one: the process is killed, or the power goes.
//!
//! What a power cut loses is modelled as file systems may have it: names and contents that were not synced, or contents
//! only. A database's file is left alone: its own library is tested for that.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::io::Errno;

use super::disk::Step;

/// What happens at the step that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It fails with ENOSPC, the next ones do not. A write has written half.
    NoSpace,
    /// It fails with EIO, the next ones do not.
    Io,
    /// It and all later ones fail with EIO, and the process lives.
    Dead,
    /// It does not happen (a write happens by half), nor does any later one; what was done before is there.
    Kill,
    /// As a kill, and the contents of files that were not synced are lost, though their names are there.
    LoseContents,
    /// As a kill, and everything that was not synced is lost.
    LoseAll,
}

impl Fault {
    pub(super) const ALL: [Self; 6] =
        [Self::NoSpace, Self::Io, Self::Dead, Self::Kill, Self::LoseContents, Self::LoseAll];

    /// Is there nobody left to be told?
    pub(super) fn is_end(self) -> bool {
        matches!(self, Self::Kill | Self::LoseContents | Self::LoseAll)
    }

    fn is_passing(self) -> bool {
        matches!(self, Self::NoSpace | Self::Io)
    }
}

/// Shared by all clones of a disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    steps: u64,
    failing: Option<(u64, Fault)>,
    /// This folder cannot be synced.
    unsyncable: Option<PathBuf>,
    unsynced: Vec<Unsynced>,
}

#[derive(Debug)]
enum Unsynced {
    Made(PathBuf),
    Content(PathBuf),
    /// From, to, and the file that was there before.
    Renamed(PathBuf, PathBuf, Option<Vec<u8>>),
}

impl Faults {
    /// From now on, the step with this number (from 0) fails so.
    pub(super) fn arm(&self, step: u64, fault: Fault) {
        let mut plan = self.plan();
        plan.steps = 0;
        plan.failing = Some((step, fault));
    }

    /// All is well again.
    pub(super) fn disarm(&self) {
        let mut plan = self.plan();
        plan.steps = 0;
        plan.failing = None;
    }

    /// From now on, to sync this folder fails with EIO, and nothing else does.
    pub(super) fn refuse_sync_of(&self, folder: &Path) {
        self.plan().unsyncable = Some(folder.to_owned());
    }

    /// How many steps were taken since it was armed or disarmed.
    pub(super) fn steps(&self) -> u64 {
        self.plan().steps
    }

    /// Loses what a power cut would have lost; to be called when the store is closed.
    pub(super) fn cut_power(&self) {
        let mut plan = self.plan();
        let Some((_, fault)) = plan.failing else { return };
        while let Some(lost) = plan.unsynced.pop() {
            match lost {
                Unsynced::Content(path) if matches!(fault, Fault::LoseContents | Fault::LoseAll) && path.exists() => {
                    fs::write(path, "").unwrap();
                }
                Unsynced::Made(path) if fault == Fault::LoseAll && path.is_dir() => fs::remove_dir_all(path).unwrap(),
                Unsynced::Made(path) if fault == Fault::LoseAll && path.exists() => fs::remove_file(path).unwrap(),
                Unsynced::Renamed(from, to, replaced) if fault == Fault::LoseAll && to.exists() => {
                    fs::rename(&to, &from).unwrap();
                    plan.follow(&to, &from);
                    if let Some(content) = replaced {
                        crate::testing::put(to.parent().unwrap(), to.file_name().unwrap().to_str().unwrap(), content);
                    }
                }
                Unsynced::Content(_) | Unsynced::Made(_) | Unsynced::Renamed(..) => {}
            }
        }
    }

    pub(super) fn step(&self, step: Step<'_>) -> io::Result<()> {
        self.plan().next(step).map_or(Ok(()), |(error, _)| Err(error))
    }

    /// As a step; with an error that comes after half of the bytes.
    pub(super) fn short_write(&self, step: Step<'_>) -> io::Result<Option<io::Error>> {
        match self.plan().next(step) {
            None => Ok(None),
            Some((error, IsFirst::Yes)) => Ok(Some(error)),
            Some((error, IsFirst::No)) => Err(error),
        }
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum IsFirst {
    Yes,
    No,
}

impl Plan {
    fn next(&mut self, step: Step<'_>) -> Option<(io::Error, IsFirst)> {
        let number = self.steps;
        self.steps += 1;
        if matches!((step, &self.unsyncable), (Step::SyncDir(path), Some(folder)) if path == folder) {
            return Some((Errno::IO.into(), IsFirst::Yes));
        }
        let fault = self.failing.filter(|(at, fault)| number == *at || number > *at && !fault.is_passing());
        let Some((at, fault)) = fault else {
            self.note(step);
            return None;
        };
        let errno = if fault == Fault::NoSpace { Errno::NOSPC } else { Errno::IO };
        Some((errno.into(), if number == at { IsFirst::Yes } else { IsFirst::No }))
    }

    /// What a step that succeeds leaves unsynced, or syncs.
    fn note(&mut self, step: Step<'_>) {
        match step {
            Step::Look | Step::Database => {}
            Step::MakeDir(path) if path.exists() => {}
            Step::Create(path) if path.exists() => self.unsynced.push(Unsynced::Content(path.to_owned())),
            Step::MakeDir(path) | Step::Create(path) => self.unsynced.push(Unsynced::Made(path.to_owned())),
            Step::Write(path) => self.unsynced.push(Unsynced::Content(path.to_owned())),
            Step::Sync(path) => {
                self.unsynced.retain(|one| !matches!(one, Unsynced::Content(content) if content == path));
            }
            Step::SyncDir(path) => self.unsynced.retain(|one| match one {
                Unsynced::Made(made) => made.parent() != Some(path),
                Unsynced::Renamed(_, to, _) => to.parent() != Some(path),
                Unsynced::Content(_) => true,
            }),
            Step::Rename(from, to) => {
                self.follow(from, to);
                self.unsynced.push(Unsynced::Renamed(from.to_owned(), to.to_owned(), fs::read(to).ok()));
            }
            Step::Remove(path) => self.unsynced.retain(|one| match one {
                Unsynced::Made(other) | Unsynced::Content(other) | Unsynced::Renamed(_, other, _) => other != path,
            }),
        }
    }

    /// What was under one name is under another.
    fn follow(&mut self, from: &Path, to: &Path) {
        for one in &mut self.unsynced {
            let (Unsynced::Made(path) | Unsynced::Content(path) | Unsynced::Renamed(_, path, _)) = one;
            *path = moved(path, from, to);
        }
    }
}

fn moved(path: &Path, from: &Path, to: &Path) -> PathBuf {
    match path.strip_prefix(from) {
        Ok(rest) if rest.as_os_str().is_empty() => to.to_owned(),
        Ok(rest) => to.join(rest),
        Err(_) => path.to_owned(),
    }
}
