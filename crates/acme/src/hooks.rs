//! Programs of the operator that are told of events: `PROGRAM ARGS… EVENT`, details as environment and as JSON on standard
//! input. Bounded in time and number; a hook that fails or hangs changes nothing.
//!
//! | variable | JSON | |
//! |---|---|---|
//! | `VESTIBULE_EVENT` | `event` | `obtained`, `renewed`, `failed`, `expiring`, `quarantined`, `revoked` |
//! | `VESTIBULE_NAMES` | `names` | separated by spaces |
//! | `VESTIBULE_TENANT` | `tenant` | the uid whose certificate it is |
//! | `VESTIBULE_ISSUANCE` | `issuance` | its folder's name in the store |
//! | `VESTIBULE_CA` | `ca` | as in the settings |
//! | `VESTIBULE_NOT_AFTER` | `not_after` | its end, in seconds since the epoch |
//! | `VESTIBULE_REASON` | `reason` | one sentence: why something failed |
//! | `VESTIBULE_NEXT_ATTEMPT` | `next_attempt` | in seconds since the epoch |
//!
//! What does not apply is absent. Private keys are not handed out: a hook that needs one reads the store.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::Notify;

use crate::{engine::Event, program::Program};

mod told;

use told::Told;

/// Events that wait for hooks; beyond it the oldest is dropped.
const QUEUE_LIMIT: usize = 256;
/// One run of one hook.
const HOOK_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs hooks one after the other, in the order of events and, for each, of the settings.
#[derive(Debug)]
pub struct Hooks {
    commands: Vec<Vec<String>>,
    queue: Mutex<VecDeque<Told>>,
    more: Notify,
    failures: AtomicU64,
    timeout: Duration,
}

impl Hooks {
    /// From their command lines: the program, then its arguments.
    pub fn new(commands: Vec<Vec<String>>) -> Self {
        let commands = commands.into_iter().filter(|command| !command.is_empty()).collect();
        let queue = Mutex::new(VecDeque::new());
        Self { commands, queue, more: Notify::new(), failures: AtomicU64::new(0), timeout: HOOK_TIMEOUT }
    }

    /// Lets each run of a hook take this long, instead of half a minute.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Notes an event to tell; the oldest are dropped (and counted) beyond a bound. Never waits.
    pub fn tell(&self, event: &Event) {
        if self.commands.is_empty() {
            return;
        }
        let told = Told::new(event);
        let mut queue = self.queue();
        if queue.len() >= QUEUE_LIMIT
            && let Some(dropped) = queue.pop_front()
        {
            self.failures.fetch_add(1, Relaxed);
            tracing::warn!(event = dropped.word, "hooks are too slow: an event is not told to them");
        }
        queue.push_back(told);
        drop(queue);
        self.more.notify_one();
    }

    /// Runs what is noted, for ever. Dropped with the engine; a hook that runs then is killed.
    pub async fn run(&self) {
        loop {
            let next = self.queue().pop_front();
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

    fn queue(&self) -> MutexGuard<'_, VecDeque<Told>> {
        // Nothing that is done under the lock leaves the queue half changed.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
