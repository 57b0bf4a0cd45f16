//! Visitors of the neighbours: each asks twenty times a second, on a connection that stays open, whatever the answer before
//! took: what is late counts from the moment it was due.

use std::time::Duration;

use serde::Serialize;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use vestibule_testkit::{Connection, Protocol, client::Trust};

use super::house::{House, NEIGHBOURS, neighbour};

/// Between two requests of a visitor.
const PERIOD: Duration = Duration::from_millis(50);
/// An answer later than this is an error.
const PATIENCE: Duration = Duration::from_secs(10);

/// What they saw.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Seen {
    pub(super) requests: usize,
    pub(super) errors: usize,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

/// Lets them visit for so long.
pub(super) async fn visit(house: &House, seconds: u32) -> Seen {
    let (trust, address) = (house.gateway().trust(), house.gateway().https());
    let begin = Instant::now() + Duration::from_secs(1);
    let mut visitors = JoinSet::new();
    for number in 0..NEIGHBOURS {
        let due = begin + PERIOD * number / NEIGHBOURS;
        let trust: Trust = trust.clone();
        visitors.spawn(async move {
            let name = neighbour(number);
            let Ok(connection) = Connection::secure(&trust, address, &name, Protocol::Http1).await else {
                return vec![None];
            };
            ask(connection, due, begin + Duration::from_secs(seconds.into())).await
        });
    }
    let mut all = Vec::new();
    while let Some(seen) = visitors.join_next().await {
        all.extend(seen.unwrap_or_else(|_| vec![None]));
    }
    summary(&all)
}

/// Latencies; `None` for what was no good answer. Whoever sees one error stops: the connection may be gone.
async fn ask(mut connection: Connection, first: Instant, end: Instant) -> Vec<Option<Duration>> {
    let mut seen = Vec::new();
    let mut due = first;
    while due < end {
        sleep_until(due).await;
        let answer = timeout(PATIENCE, connection.get("/bytes/1024")).await;
        let good = matches!(&answer, Ok(Ok(answer)) if answer.status == 200 && answer.body.len() == 1024);
        seen.push(good.then(|| due.elapsed()));
        if !good {
            break;
        }
        due += PERIOD;
    }
    seen
}

fn summary(seen: &[Option<Duration>]) -> Seen {
    let mut good: Vec<_> = seen.iter().flatten().copied().collect();
    good.sort_unstable();
    let at = |percent: usize| good.get(good.len().saturating_sub(1) * percent / 100).map_or(0.0, milliseconds);
    Seen { requests: seen.len(), errors: seen.len() - good.len(), p50_ms: at(50), p99_ms: at(99) }
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
        let Seen { requests, errors, p50_ms, p99_ms } = summary(&seen);
        assert_eq!((requests, errors, p50_ms, p99_ms), (102, 2, 50.0, 99.0));
        assert_eq!(summary(&[]).p99_ms, 0.0);
    }
}
