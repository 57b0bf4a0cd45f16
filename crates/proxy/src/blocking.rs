//! [`run`]: work that takes as long as a file system or a resolver pleases, on the blocking pool. A tenant who names a path on
//! a file system that hangs, or a name whose servers never answer, gets a few threads and no more: whatever else is asked for that
//! tenant waits, and others do not.
//!
//! Not here: how long anybody waits (every dial has its timeout).

use tokio::task::{JoinError, spawn_blocking};

use crate::Account;

/// Runs it, for the tenant of that account. Whoever stops waiting stops nothing: the place is free when the work has ended.
///
/// # Errors
/// When the work panicked, or the run time ends.
pub async fn run<T: Send + 'static>(
    account: &Account,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    let place = match account.errands() {
        // Nobody closes it, so there is no error.
        Some(errands) => std::sync::Arc::clone(errands).acquire_owned().await.ok(),
        None => None,
    };
    spawn_blocking(move || {
        let done = work();
        drop(place);
        done
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::mpsc::{Receiver, Sender, channel},
        time::Duration,
    };

    use tokio::time::timeout;
    use vestibule_names::TenantId;

    use super::*;
    use crate::AccountLimits;

    /// Work that says that it has begun, and hangs until it is let go.
    fn hanging(begun: &Sender<()>) -> (Sender<()>, impl FnOnce() + Send + 'static) {
        let (go, gone): (_, Receiver<()>) = channel();
        let begun = begun.clone();
        (go, move || {
            begun.send(()).unwrap();
            let _ = gone.recv();
        })
    }

    #[tokio::test]
    async fn a_tenant_whose_paths_hang_holds_a_few_threads_and_nobody_else_up() {
        let account = |uid| Account::new(TenantId(uid), AccountLimits::UNLIMITED);
        let (ann, ben, root) = (account(1001), account(1002), account(0));
        let (begun, begins) = channel();
        let mut held = Vec::new();
        for _ in 0..4 {
            let (go, work) = hanging(&begun);
            // As when the connect timeout is over: nobody waits for the work any more, and it still holds its thread.
            assert!(timeout(Duration::from_millis(1), run(&ann, work)).await.is_err());
            held.push(go);
        }
        for _ in 0..4 {
            begins.recv().unwrap();
        }
        let mut fifth = pin!(run(&ann, || "done"));
        assert!(timeout(Duration::from_millis(20), fifth.as_mut()).await.is_err(), "there is no place");
        assert_eq!(run(&ben, || "done").await.unwrap(), "done");
        for _ in 0..8 {
            let (go, work) = hanging(&begun);
            assert!(timeout(Duration::from_millis(1), run(&root, work)).await.is_err());
            begins.recv().unwrap();
            held.push(go);
        }
        drop(held.remove(0));
        assert_eq!(fifth.await.unwrap(), "done", "whoever ends gives the place back");
    }
}
