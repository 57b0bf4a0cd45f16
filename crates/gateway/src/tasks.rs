//! [`Tasks`]: how many tasks of a worker are alive. A task that outlives its connection keeps that connection's memory and
//! sockets, and no other count would tell.
//!
//! It counts what serves connections, requests and backends, for whom the metrics of the admin interface ask from another
//! thread. Nobody is spawned here but by [`Tasks::spawn`]; a task that is spawned elsewhere holds an [`Alive`].

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Of one worker. Cheap to clone; clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    alive: Arc<AtomicU64>,
}

/// A task that is alive for as long as this is.
#[derive(Debug)]
#[must_use = "it counts only as long as it lives"]
pub(crate) struct Alive {
    tasks: Tasks,
}

impl Tasks {
    /// How many there are now.
    pub(crate) fn alive(&self) -> u64 {
        self.alive.load(Relaxed)
    }

    /// One more.
    pub(crate) fn begin(&self) -> Alive {
        self.alive.fetch_add(1, Relaxed);
        Alive { tasks: self.clone() }
    }

    /// Spawns onto the worker's own thread. For small futures: what is awaited inside another future has its room twice.
    pub(crate) fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        let alive = self.begin();
        tokio::task::spawn_local(async move {
            future.await;
            drop(alive);
        });
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.tasks.alive.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::{sync::oneshot, task::LocalSet};

    use super::*;

    #[tokio::test]
    async fn a_task_counts_until_it_ends_however_it_ends() {
        let tasks = Tasks::default();
        LocalSet::new()
            .run_until(async {
                let (finish, finished) = oneshot::channel::<()>();
                tasks.spawn(async move { drop(finished.await) });
                tasks.spawn(async { panic!("a bug, as this test wants it") });
                let held = tasks.begin();
                assert_eq!(tasks.alive(), 3);
                while tasks.alive() > 2 {
                    tokio::task::yield_now().await;
                }
                drop((finish, held));
                while tasks.alive() > 0 {
                    tokio::task::yield_now().await;
                }
            })
            .await;
    }
}
