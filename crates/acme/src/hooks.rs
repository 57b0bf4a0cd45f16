//! Programs of the operator that are told of events: `PROGRAM ARGS… EVENT`, details as environment and as JSON on standard
//! input. Bounded in time and number; a hook that fails or hangs changes nothing.
//!
//! | variable | JSON | |
//! |---|---|---|
//! | `VESTIBULE_EVENT` | `event` | `obtained`, `renewed`, `failed`, `expiring`, `quarantined`, `revoked` |
//! | `VESTIBULE_NAMES` | `names` | separated by spaces |
//! | `VESTIBULE_TENANT` | `tenant` | the uid whose certificate or name it is |
//! | `VESTIBULE_ISSUANCE` | `issuance` | its folder's name in the store |
//! | `VESTIBULE_CA` | `ca` | as in the settings |
//! | `VESTIBULE_NOT_AFTER` | `not_after` | its end, in seconds since the epoch |
//! | `VESTIBULE_REASON` | `reason` | one sentence: why something failed |
//! | `VESTIBULE_NEXT_ATTEMPT` | `next_attempt` | in seconds since the epoch |
//!
//! What does not apply is absent. Private keys are not handed out: a hook that needs one reads the store.

use std::{
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::Notify;

use crate::{engine::Event, program::Program};

mod queue;
mod told;

use queue::Queue;
use told::Told;

/// One run of one hook.
const HOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs hooks one after the other, in the order of events and, for each, of the settings.
#[derive(Debug)]
pub struct Hooks {
    commands: Vec<Vec<String>>,
    queue: Mutex<Queue>,
    more: Notify,
    failures: AtomicU64,
    timeout: Duration,
}

impl Hooks {
    /// From their command lines: the program, then its arguments.
    pub fn new(commands: Vec<Vec<String>>) -> Self {
        let commands = commands.into_iter().filter(|command| !command.is_empty()).collect();
        let queue = Mutex::new(Queue::default());
        Self { commands, queue, more: Notify::new(), failures: AtomicU64::new(0), timeout: HOOK_TIMEOUT }
    }

    /// Lets each run of a hook take this long, instead of half a minute.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Notes an event to tell; beyond a bound the oldest of its kind is dropped, and counted. Never waits.
    pub fn tell(&self, event: &Event) {
        if self.commands.is_empty() {
            return;
        }
        if let Some(dropped) = self.queue().push(Told::new(event)) {
            self.failures.fetch_add(1, Relaxed);
            tracing::warn!(event = dropped.word, "hooks are too slow: an event is not told to them");
        }
        self.more.notify_one();
    }

    /// Runs what is noted, for ever. Dropped with the engine; a hook that runs then is killed.
    pub async fn run(&self) {
        loop {
            let next = self.queue().pop();
            match next {
                Some(told) => self.run_all(&told).await,
                None => self.more.notified().await,
            }
        }
    }

    /// Runs that failed, and events that were dropped before a hook saw them.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    async fn run_all(&self, told: &Told) {
        for command in &self.commands {
            let Some((program, arguments)) = command.split_first() else { continue };
            let arguments = [arguments, &[told.word.to_owned()]].concat();
            let run = Program {
                path: Path::new(program),
                arguments: &arguments,
                variables: &told.variables,
                input: Some(told.document.clone()),
                timeout: self.timeout,
            };
            match run.run().await {
                Ok(output) => tracing::debug!(program, event = told.word, output, "a hook was told"),
                Err(fault) => {
                    self.failures.fetch_add(1, Relaxed);
                    tracing::warn!(program, event = told.word, %fault, "a hook failed");
                }
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing that is done under the lock leaves the queue half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
