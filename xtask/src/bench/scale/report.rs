//! [`Results`]: what was measured, as a table for people and as JSON for programs.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::beside::Beside;

/// All sizes.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    /// Resident memory without sites.
    pub(super) empty_kib: u64,
    pub(super) sizes: Vec<Size>,
}

/// One size.
#[derive(Debug, Serialize)]
pub(super) struct Size {
    sites: u32,
    first_start: Start,
    second_start: Start,
    cold_kib: u64,
    cold_kib_per_site: f64,
    /// Sites that were visited, and memory after that.
    visited: u32,
    visited_kib: u64,
    added: Change,
    edited: Change,
    removed: Change,
    edits: u32,
    before_edits_kib: u64,
    after_edits_kib: u64,
    /// The same elsewhere.
    pub(super) beside: Vec<Beside>,
}

/// A start.
#[derive(Debug, Serialize)]
pub(super) struct Start {
    /// Until it says that it is ready.
    pub(super) ready_ms: f64,
    /// Until sites from all over have been served over TLS with their own certificates.
    pub(super) proved_ms: f64,
    /// Processor time until ready.
    pub(super) cpu_ms: f64,
    /// The most memory so far.
    pub(super) peak_kib: u64,
}

/// Changes of one kind.
#[derive(Debug, Serialize)]
pub(super) struct Change {
    median_ms: f64,
    p99_ms: f64,
    /// Processor time of each.
    cpu_ms: f64,
}

impl Size {
    /// `kib`: without sites, cold, visited.
    pub(super) fn new(sites: u32, starts: [Start; 2], kib: [u64; 3], visited: u32, changes: [Change; 3]) -> Self {
        let ([first_start, second_start], [empty, cold, visited_kib]) = (starts, kib);
        let [added, edited, removed] = changes;
        let cold_kib_per_site = kib_each(cold.saturating_sub(empty), sites);
        Self {
            sites,
            first_start,
            second_start,
            cold_kib: cold,
            cold_kib_per_site,
            visited,
            visited_kib,
            added,
            edited,
            removed,
            edits: 0,
            before_edits_kib: 0,
            after_edits_kib: 0,
            beside: Vec::new(),
        }
    }

    /// `kib`: before so many edits, and after them.
    pub(super) fn with_edits(self, edits: u32, [before_edits_kib, after_edits_kib]: [u64; 2]) -> Self {
        Self { edits, before_edits_kib, after_edits_kib, ..self }
    }
}

impl Change {
    pub(super) fn new(mut live_after: Vec<Duration>, cpu: Duration) -> Self {
        live_after.sort_unstable();
        let at = |percent: usize| {
            let last = live_after.len().saturating_sub(1);
            live_after.get(last * percent / 100).copied().map(milliseconds).unwrap_or_default()
        };
        Self { median_ms: at(50), p99_ms: at(99), cpu_ms: milliseconds(cpu) }
    }
}

/// What each of so many has of it.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(super) fn kib_each(kib: u64, sites: u32) -> f64 {
    hundredths(kib as f64 / f64::from(sites.max(1)))
}

pub(super) fn milliseconds(duration: Duration) -> f64 {
    hundredths(duration.as_secs_f64() * 1000.0)
}

fn hundredths(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "without sites: {} KiB", self.empty_kib)?;
        for size in &self.sizes {
            write!(f, "\n{size}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} sites, a certificate each", self.sites)?;
        for (name, start) in [("first start", &self.first_start), ("second start", &self.second_start)] {
            let Start { ready_ms, proved_ms, cpu_ms, peak_kib } = start;
            writeln!(
                f,
                "  {name:<14}ready {ready_ms} ms, proved {proved_ms} ms, CPU {cpu_ms} ms, peak {} MiB",
                peak_kib / 1024
            )?;
        }
        let (cold, visited) = (self.cold_kib / 1024, self.visited_kib / 1024);
        writeln!(
            f,
            "  memory        cold {cold} MiB, {} KiB a site; {visited} MiB after visits of {} sites",
            self.cold_kib_per_site, self.visited
        )?;
        for (name, change) in [("added", &self.added), ("edited", &self.edited), ("removed", &self.removed)] {
            let Change { median_ms, p99_ms, cpu_ms } = change;
            writeln!(f, "  {name:<14}live after {median_ms} ms, p99 {p99_ms} ms; CPU {cpu_ms} ms")?;
        }
        let (before, after) = (self.before_edits_kib / 1024, self.after_edits_kib / 1024);
        writeln!(f, "  {} edits{:<6}{before} MiB before, {after} MiB after", self.edits, "")?;
        for Beside { peer, proved_ms, cpu_ms, kib_per_site, added } in &self.beside {
            let Change { median_ms, cpu_ms: each_ms, .. } = added;
            writeln!(
                f,
                "  {:<14}started and proved {proved_ms} ms, CPU {cpu_ms} ms; {kib_per_site} KiB a site; \
                 added: live after {median_ms} ms, CPU {each_ms} ms",
                peer.name()
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_off_in_order() {
        let live_after = (1..=101).rev().map(Duration::from_millis).collect();
        let change = Change::new(live_after, Duration::from_micros(1234));
        assert_eq!([change.median_ms, change.p99_ms, change.cpu_ms], [51.0, 100.0, 1.23]);
        assert_eq!(Change::new(Vec::new(), Duration::ZERO).p99_ms, 0.0);
    }

    #[test]
    fn a_site_costs_what_a_gateway_without_sites_does_not() {
        let start = || Start { ready_ms: 1.0, proved_ms: 2.0, cpu_ms: 3.0, peak_kib: 4 };
        let change = || Change::new(Vec::new(), Duration::ZERO);
        let size = Size::new(100, [start(), start()], [1_000, 1_150, 2_000], 7, [change(), change(), change()]);
        assert_eq!(size.cold_kib_per_site, 1.5);
    }
}
