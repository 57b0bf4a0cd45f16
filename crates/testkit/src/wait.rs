//! Waiting for what other processes do, with a bound: the only place where tests poll.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep};

/// Long enough for a loaded machine; a test that is right never waits so long.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(5);

/// Looks again and again until `look` gives something; panics with `what` when patience ends.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, look: impl FnMut() -> F) -> T {
    within(PATIENCE, look).await.unwrap_or_else(|| panic!("waited {PATIENCE:?} in vain for {what}"))
}

/// The same with a bound of one's own, and without a panic.
pub async fn within<T, F: Future<Output = Option<T>>>(bound: Duration, mut look: impl FnMut() -> F) -> Option<T> {
    let end = Instant::now() + bound;
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        sleep(INTERVAL).await;
    }
}
