//! [`Report`]: what was seen, printed and judged.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::Serialize;

use super::{
    gauges::Sample,
    rest::Rest,
    tally::{Complaint, Count, Tally},
};
use crate::Outcome;

/// How much more may be resident after the last rounds than after the first: the allocator keeps pages that are free, more
/// or less of them from one moment to the next. So the less of the last two counts: what leaks is in both.
const GROWTH_PERCENT: u64 = 10;
/// And so much more in any case, KiB.
const GROWTH_KIB: u64 = 4 * 1024;
/// Lines of the log that are shown.
const LINES: usize = 20;

/// See the module.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    seed: u64,
    seconds: u64,
    /// At rest, before the first client.
    pub(super) before: Sample,
    /// At rest, after each round.
    rests: Vec<Sample>,
    /// While clients were there.
    pub(super) series: Vec<Sample>,
    /// How long changes took to be live.
    #[serde(skip)]
    pub(super) waits: BTreeMap<&'static str, Vec<Duration>>,
    /// Of these: the middle one, the 99th of a hundred, the longest.
    live_after_ms: BTreeMap<&'static str, [u64; 3]>,
    counts: BTreeMap<&'static str, Count>,
    complaints: Vec<Complaint>,
    /// What was there at rest and should not have been.
    left: Vec<String>,
    /// Connections by how they ended, in the gateway's words, and requests that a tenant's limit refused.
    outcomes: BTreeMap<String, u64>,
    /// Errors and panics in the gateway's log.
    log: Vec<String>,
}

impl Report {
    pub(super) fn new(seed: u64, time: Duration, before: Sample, left: Vec<String>) -> Self {
        let left = left.into_iter().map(|left| format!("before the first round: {left}")).collect();
        Self {
            seed,
            seconds: time.as_secs(),
            before,
            rests: Vec::new(),
            series: Vec::new(),
            waits: BTreeMap::new(),
            live_after_ms: BTreeMap::new(),
            counts: BTreeMap::new(),
            complaints: Vec::new(),
            left,
            outcomes: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    /// A round is over, and this is how it is at rest.
    pub(super) fn rested(&mut self, rest: Rest) {
        self.rests.push(rest.sample);
        let round = self.rests.len();
        self.left.extend(rest.left.into_iter().map(|left| format!("after round {round}: {left}")));
    }

    /// All rounds are over.
    pub(super) fn finish(&mut self, tally: &Tally, log: &str) {
        (self.counts, self.complaints) = tally.told();
        self.live_after_ms = self.waits.iter_mut().filter(|(_, waits)| !waits.is_empty()).map(spread).collect();
        self.outcomes = self.rests.last().map(outcomes).unwrap_or_default();
        let bad = log.lines().filter(|line| line.contains("ERROR") || line.contains("panicked"));
        self.log = bad.take(LINES).map(str::to_owned).collect();
    }

    /// Everything that is wrong, in words.
    fn faults(&self) -> Vec<String> {
        let mut faults = self.left.clone();
        let failed: u64 = self.counts.values().map(|count| count.failed).sum();
        if failed > 0 {
            faults.push(format!("{failed} errors of clients that should see none"));
        }
        let resident: Vec<_> = self.rests.iter().map(|rest| rest.resident_kib).collect();
        if let [first, later @ ..] = &resident[..]
            && let Some(last) = later.iter().rev().take(2).min()
            && *last > first * (100 + GROWTH_PERCENT) / 100 + GROWTH_KIB
        {
            faults.push(format!("{:.1} MiB at rest, and {:.1} after the first round", mib(*last), mib(*first)));
        }
        if let Some(panics @ 1..) = self.outcomes.get("panicked") {
            faults.push(format!("{panics} connections ended by a panic"));
        }
        if !self.log.is_empty() {
            faults.push("errors in the gateway's log".to_owned());
        }
        faults
    }

    /// Was it flat, complete, and without an error?
    pub(super) fn judge(&self) -> Outcome {
        let faults = self.faults();
        if faults.is_empty() { Ok(()) } else { Err(faults.join("; ").into()) }
    }
}

/// How connections ended so far.
fn outcomes(sample: &Sample) -> BTreeMap<String, u64> {
    let word =
        |series: &str| Some(series.strip_prefix("connections_ended_total{outcome=\"")?.strip_suffix("\"}")?.to_owned());
    let ended = sample.metrics.iter().filter_map(|(series, count)| Some((word(series)?, *count)));
    let refused = sample.metrics.get("tenant_refused_total").copied().unwrap_or(0);
    ended.filter(|(_, count)| *count > 0).chain([("refused for a tenant's limit".to_owned(), refused)]).collect()
}

/// The middle one, the 99th of a hundred, the longest.
fn spread<'a>((what, waits): (&&'a str, &mut Vec<Duration>)) -> (&'a str, [u64; 3]) {
    waits.sort_unstable();
    let at = |percent: usize| {
        let wait = waits.get(waits.len().saturating_sub(1) * percent / 100);
        wait.map_or(0, |wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
    };
    (what, [at(50), at(99), at(100)])
}

fn mib(kib: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "memory of one process")]
    let kib = kib as f64;
    kib / 1024.0
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, sample: &Sample) -> fmt::Result {
    let Sample { at, resident_kib, descriptors, tasks, connections, in_flight, sockets, tunnels, held_kib, .. } =
        sample;
    let (rss, requests) = (mib(*resident_kib), sample.requests);
    writeln!(
        f,
        "{name:12} {at:8.1} {rss:8.1} {descriptors:5} {tasks:5} {connections:5} {in_flight:7} {sockets:7} {tunnels:7} \
         {held_kib:8} {requests:9}"
    )
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} s of clients, seed {}", self.seconds, self.seed)?;
        writeln!(f, "\n{:24} {:>10} {:>8} {:>7}", "who", "done", "excused", "failed")?;
        for (who, Count { done, excused, failed }) in &self.counts {
            writeln!(f, "{who:24} {done:>10} {excused:>8} {failed:>7}")?;
        }
        for (what, [middle, late, last]) in &self.live_after_ms {
            write!(f, "\n{what}: after {middle} ms (99 of 100: {late} ms, the longest: {last} ms)")?;
        }
        writeln!(
            f,
            "\n\n{:12} {:>8} {:>8} {:>5} {:>5} {:>5} {:>7} {:>7} {:>7} {:>8} {:>9}",
            "", "s", "RSS MiB", "fds", "tasks", "conns", "flying", "sockets", "tunnels", "held KiB", "requests"
        )?;
        line(f, "before", &self.before)?;
        let mut series = self.series.iter().peekable();
        for (number, rest) in self.rests.iter().enumerate() {
            while let Some(sample) = series.next_if(|sample| sample.at <= rest.at) {
                line(f, "", sample)?;
            }
            line(f, &format!("rest {}", number + 1), rest)?;
        }
        let ended: Vec<_> = self.outcomes.iter().map(|(word, count)| format!("{word} {count}")).collect();
        writeln!(f, "\nconnections: {}", ended.join(", "))?;
        for complaint in &self.complaints {
            writeln!(f, "{complaint}")?;
        }
        self.log.iter().try_for_each(|line| writeln!(f, "log: {line}"))?;
        match self.faults() {
            faults if faults.is_empty() => write!(f, "\nnothing is left, nobody saw an error"),
            faults => write!(f, "\nWRONG: {}", faults.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(resident_kib: u64) -> Rest {
        Rest { sample: Sample { resident_kib, ..Sample::default() }, left: Vec::new() }
    }

    /// What is wrong with a run whose rests had that much memory.
    fn faults(resident_kib: &[u64]) -> usize {
        let mut report = Report::new(1, Duration::ZERO, Sample::default(), Vec::new());
        resident_kib.iter().for_each(|kib| report.rested(rest(*kib)));
        report.finish(&Tally::default(), "2026-01-01 INFO fine\n");
        report.faults().len()
    }

    #[test]
    fn memory_is_judged_by_the_first_rest_and_the_last() {
        let first = 50_000;
        let bound = first * (100 + GROWTH_PERCENT) / 100 + GROWTH_KIB;
        assert_eq!(faults(&[first]), 0);
        assert_eq!(faults(&[first, bound * 2, bound]), 0);
        assert_eq!(faults(&[first, bound, bound * 2]), 0);
        assert_eq!(faults(&[first, first, bound + 1, bound + 2]), 1);
    }

    #[test]
    fn whatever_is_left_or_seen_is_a_fault() {
        let mut report = Report::new(1, Duration::ZERO, Sample::default(), Vec::new());
        report.rested(Rest { left: vec!["tasks".to_owned()], ..rest(1) });
        let tally = Tally::default();
        tally.failed("good", "a.test", "an error".to_owned());
        report.finish(&tally, "thread 'worker-0' panicked at\n");
        assert_eq!(report.faults().len(), 3, "{report}");
        assert!(report.judge().is_err());
    }

    #[test]
    fn waits_are_told_by_their_middle_and_their_end() {
        let mut waits = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(spread((&"edit", &mut waits)), ("edit", [50, 99, 100]));
    }
}
