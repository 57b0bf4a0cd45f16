//! For tests: a disk whose Nth step fails, or is the last one before the power goes.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

/// What happens at the step that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// That step fails with ENOSPC, the next ones do not.
    NoSpace,
    /// All steps from that one on fail with ENOSPC, unless they remove something or only read: the tests do not tell them
    /// apart and let all fail.
    Full,
    /// That step fails with EIO.
    Io,
    /// That step does not happen (a write happens by half), nor does any later one: the process was killed.
    Crash,
}

/// Shared by all clones of a disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    steps: u64,
    failing: Option<(u64, Fault)>,
}

impl Faults {
    /// The step with this number (from 0) fails so.
    pub(super) fn at(step: u64, fault: Fault) -> Self {
        Self(Arc::new(Mutex::new(Plan { steps: 0, failing: Some((step, fault)) })))
    }

    /// How many steps were taken.
    pub(super) fn steps(&self) -> u64 {
        self.plan().steps
    }

    pub(super) fn step(&self) -> io::Result<()> {
        self.next().map_or(Ok(()), |(error, _)| Err(error))
    }

    /// As a step; with an error that comes after half of the bytes.
    pub(super) fn short_write(&self) -> io::Result<Option<io::Error>> {
        match self.next() {
            None => Ok(None),
            Some((error, IsFirst::Yes)) => Ok(Some(error)),
            Some((error, IsFirst::No)) => Err(error),
        }
    }

    fn next(&self) -> Option<(io::Error, IsFirst)> {
        let mut plan = self.plan();
        let step = plan.steps;
        plan.steps += 1;
        let (at, fault) = plan.failing?;
        let first = if step == at { IsFirst::Yes } else { IsFirst::No };
        let errno = match fault {
            Fault::NoSpace | Fault::Io if step != at => return None,
            _ if step < at => return None,
            Fault::NoSpace | Fault::Full => rustix::io::Errno::NOSPC,
            Fault::Io | Fault::Crash => rustix::io::Errno::IO,
        };
        Some((errno.into(), first))
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum IsFirst {
    Yes,
    No,
}
