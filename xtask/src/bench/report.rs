//! [`Report`]: the numbers of `bench swap`, printed and judged.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde::Serialize;
use vestibule_testkit::swap::Counts;

use crate::Outcome;

/// An edit must be live sooner than this, half of the time.
const MEDIAN_LIMIT_MS: f64 = 50.0;

/// Everything measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    sites: usize,
    cold_start_ms: f64,
    rss_empty_kib: u64,
    rss_kib: u64,
    rss_after_edits_kib: u64,
    kib_per_site: f64,
    edits: usize,
    valid_edits: usize,
    live_after_ms: Spread,
    requests: u64,
    failed_requests: u64,
    websocket_messages: u64,
    websockets_closed: u64,
}

/// How long the valid edits took.
#[derive(Debug, Serialize)]
struct Spread {
    median: f64,
    p95: f64,
    p99: f64,
    max: f64,
}

impl Report {
    /// `kib`: resident memory of the empty gateway, with all sites, and after the edits.
    pub(super) fn new(
        sites: usize,
        cold_start: Duration,
        kib: [u64; 3],
        edits: usize,
        live_after: Vec<Duration>,
        load: Arc<Counts>,
    ) -> Self {
        let [rss_empty_kib, rss_kib, rss_after_edits_kib] = kib;
        Self {
            sites,
            cold_start_ms: milliseconds(cold_start),
            rss_empty_kib,
            rss_kib,
            rss_after_edits_kib,
            #[expect(clippy::cast_precision_loss, reason = "for people")]
            kib_per_site: rss_kib.saturating_sub(rss_empty_kib) as f64 / sites.max(1) as f64,
            edits,
            valid_edits: live_after.len(),
            live_after_ms: Spread::of(live_after),
            requests: load.requests.load(Ordering::Relaxed),
            failed_requests: load.failed.load(Ordering::Relaxed),
            websocket_messages: load.messages.load(Ordering::Relaxed),
            websockets_closed: load.websockets_closed.load(Ordering::Relaxed),
        }
    }

    /// The promises.
    pub(super) fn judge(&self) -> Outcome {
        if self.failed_requests > 0 || self.websockets_closed > 0 {
            let (failed, closed) = (self.failed_requests, self.websockets_closed);
            return Err(
                format!("{failed} requests failed and {closed} WebSockets closed while other sites changed").into()
            );
        }
        if self.live_after_ms.median >= MEDIAN_LIMIT_MS {
            return Err(format!("a median of {} ms is not under {MEDIAN_LIMIT_MS}", self.live_after_ms.median).into());
        }
        Ok(())
    }
}

impl Spread {
    fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        let at = |percent: usize| {
            let last = durations.len().saturating_sub(1);
            durations.get(last * percent / 100).copied().map(milliseconds).unwrap_or_default()
        };
        Self { median: at(50), p95: at(95), p99: at(99), max: at(100) }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread { median, p95, p99, max } = self.live_after_ms;
        writeln!(f, "sites                 {}", self.sites)?;
        writeln!(f, "cold start            {} ms", self.cold_start_ms)?;
        writeln!(
            f,
            "memory                {} KiB ({} empty, {} after the edits)",
            self.rss_kib, self.rss_empty_kib, self.rss_after_edits_kib
        )?;
        writeln!(f, "memory per site       {:.2} KiB", self.kib_per_site)?;
        writeln!(f, "edits                 {} ({} valid)", self.edits, self.valid_edits)?;
        writeln!(f, "live after            median {median} ms, p95 {p95} ms, p99 {p99} ms, max {max} ms")?;
        writeln!(f, "requests meanwhile    {} ({} failed)", self.requests, self.failed_requests)?;
        write!(f, "WebSocket messages    {} ({} closed)", self.websocket_messages, self.websockets_closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_are_read_off_in_order() {
        let spread = Spread::of((1..=101).rev().map(Duration::from_millis).collect());
        assert_eq!([spread.median, spread.p95, spread.p99, spread.max], [51.0, 96.0, 100.0, 101.0]);
        assert_eq!(Spread::of(Vec::new()).max, 0.0);
    }

    #[test]
    fn a_failed_request_or_a_slow_median_fails_the_bench() {
        let report = |millis, failed| {
            let counts = Arc::<Counts>::default();
            counts.failed.store(failed, Ordering::Relaxed);
            Report::new(1, Duration::ZERO, [0; 3], 1, vec![Duration::from_millis(millis)], counts).judge().is_ok()
        };
        assert_eq!([report(49, 0), report(50, 0), report(1, 1)], [true, false, false]);
    }
}
