//! A visitor: asks at a steady pace, on a connection that stays open, whatever the answer before took: what is late counts
//! from the moment it was due.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep_until, timeout};
use vestibule_testkit::Connection;

/// An answer later than this is an error.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What visitors saw.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Seen {
    pub(super) requests: usize,
    pub(super) errors: usize,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

/// Latencies; `None` for what was no good answer. Whoever sees one error stops: the connection may be gone.
pub(super) async fn ask(
    mut connection: Connection,
    first: Instant,
    period: Duration,
    goes_on: impl Fn(Instant) -> bool,
) -> Vec<Option<Duration>> {
    let mut seen = Vec::new();
    let mut due = first;
    while goes_on(due) {
        sleep_until(due).await;
        let answer = timeout(PATIENCE, connection.get("/bytes/1024")).await;
        let good = matches!(&answer, Ok(Ok(answer)) if answer.status == 200 && answer.body.len() == 1024);
        seen.push(good.then(|| due.elapsed()));
        if !good {
            break;
        }
        due += period;
    }
    seen
}

impl Seen {
    /// Sums up what [`ask`] gave.
    pub(super) fn sum(seen: &[Option<Duration>]) -> Self {
        let mut good: Vec<_> = seen.iter().flatten().copied().collect();
        good.sort_unstable();
        let at = |percent: usize| good.get(good.len().saturating_sub(1) * percent / 100).map_or(0.0, milliseconds);
        Self { requests: seen.len(), errors: seen.len() - good.len(), p50_ms: at(50), p99_ms: at(99) }
    }
}

fn milliseconds(duration: &Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_summed_up() {
        let seen: Vec<_> = (1..=100).map(|ms| Some(Duration::from_millis(ms))).chain([None, None]).collect();
        let Seen { requests, errors, p50_ms, p99_ms } = Seen::sum(&seen);
        assert_eq!((requests, errors, p50_ms, p99_ms), (102, 2, 50.0, 99.0));
        assert_eq!(Seen::sum(&[]).p99_ms, 0.0);
    }
}
