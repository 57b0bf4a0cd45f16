//! [`Results`]: all cells, as an aligned table for people and as JSON for programs.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::{
    cell::{Cell, Sample},
    peer::Peer,
    workload::Workload,
};

/// A figure: how it is called, shown and compared.
struct Column {
    title: &'static str,
    key: &'static str,
    of: fn(&Sample) -> Option<f64>,
    better: Better,
    digits: usize,
}

/// Which end of a figure is the good one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Better {
    Lower,
    Higher,
}

const COLUMNS: &[Column] = &[
    Column {
        title: "req/s",
        key: "requests_per_second",
        of: |s| s.requests_per_second,
        better: Better::Higher,
        digits: 0,
    },
    Column {
        title: "CPU us/req",
        key: "cpu_us_per_request",
        of: |s| s.cpu_us_per_request,
        better: Better::Lower,
        digits: 1,
    },
    Column { title: "p50 ms", key: "p50_ms", of: |s| s.p50_ms, better: Better::Lower, digits: 2 },
    Column { title: "p99 ms", key: "p99_ms", of: |s| s.p99_ms, better: Better::Lower, digits: 2 },
    Column { title: "RSS KiB", key: "rss_kib", of: |s| s.rss_kib, better: Better::Lower, digits: 0 },
    Column {
        title: "KiB/conn",
        key: "kib_per_connection",
        of: |s| s.kib_per_connection,
        better: Better::Lower,
        digits: 1,
    },
];

/// Everything measured.
#[derive(Serialize)]
pub(super) struct Results {
    seconds: u32,
    rounds: u32,
    versions: BTreeMap<Peer, String>,
    /// By workload, in the order of measurement.
    #[serde(rename = "workloads")]
    pub(super) rows: Vec<Row>,
}

/// One workload.
#[derive(Serialize)]
pub(super) struct Row {
    workload: String,
    title: &'static str,
    peers: Vec<Entry>,
}

/// One peer under one workload.
#[derive(Serialize)]
struct Entry {
    peer: Peer,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
    #[serde(flatten)]
    figures: Sample,
    /// Each figure divided by that of the best peer other than ourselves.
    ratio_to_best_peer: BTreeMap<&'static str, f64>,
}

impl Results {
    /// Of loads so long, repeated so often.
    pub(super) fn new(seconds: u32, rounds: u32) -> Self {
        Self { seconds, rounds, versions: BTreeMap::new(), rows: Vec::new() }
    }

    /// Notes which version was measured.
    pub(super) fn name(&mut self, peer: Peer, version: &str) {
        self.versions.insert(peer, version.to_owned());
    }
}

impl Row {
    /// Takes the medians and compares them.
    pub(super) fn new(workload: Workload, cells: BTreeMap<Peer, Cell>) -> Self {
        let medians: Vec<(Peer, Result<Sample, String>)> =
            cells.iter().map(|(peer, cell)| (*peer, cell.median())).collect();
        let others = medians.iter().filter(|(peer, _)| *peer != Peer::Vestibule);
        let others: Vec<&Sample> = others.filter_map(|(_, median)| median.as_ref().ok()).collect();
        let entry = |(peer, median): &(Peer, Result<Sample, String>)| Entry {
            peer: *peer,
            failed: median.as_ref().err().cloned(),
            figures: median.clone().unwrap_or_default(),
            ratio_to_best_peer: median.as_ref().map(|sample| ratios(sample, &others)).unwrap_or_default(),
        };
        Self { workload: workload.name(), title: workload.title(), peers: medians.iter().map(entry).collect() }
    }
}

fn ratios(sample: &Sample, others: &[&Sample]) -> BTreeMap<&'static str, f64> {
    let ratio = |column: &Column| {
        let best = others.iter().filter_map(|other| (column.of)(other)).reduce(match column.better {
            Better::Lower => f64::min,
            Better::Higher => f64::max,
        })?;
        Some((column.key, (column.of)(sample)? / best)).filter(|(_, ratio)| ratio.is_finite())
    };
    COLUMNS.iter().filter_map(ratio).collect()
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<_> =
            self.versions.iter().map(|(peer, version)| format!("{} {version}", peer.name())).collect();
        writeln!(f, "{}", versions.join(", "))?;
        writeln!(
            f,
            "{} s a load, median of {} round(s); in brackets the ratio to the best peer that is not vestibule",
            self.seconds, self.rounds
        )?;
        for row in &self.rows {
            write!(f, "\n{}\n{row}", row.title)?;
        }
        Ok(())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |column: &&Column| self.peers.iter().any(|entry| (column.of)(&entry.figures).is_some());
        let columns: Vec<&Column> = COLUMNS.iter().filter(told).collect();
        write!(f, "  {:<10}", "")?;
        for column in &columns {
            write!(f, "{:>20}", column.title)?;
        }
        for entry in &self.peers {
            write!(f, "\n  {:<10}", entry.peer.name())?;
            if let Some(reason) = &entry.failed {
                write!(f, "  FAILED: {reason}")?;
                continue;
            }
            for column in &columns {
                write!(f, "{:>20}", shown(entry, column))?;
            }
        }
        writeln!(f)
    }
}

fn shown(entry: &Entry, column: &Column) -> String {
    let Some(figure) = (column.of)(&entry.figures) else { return "-".to_owned() };
    let digits = column.digits;
    let ratio = entry.ratio_to_best_peer.get(column.key).map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    format!("{figure:.digits$} ({ratio:>5})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(round: Result<f64, &str>) -> Cell {
        let mut cell = Cell::default();
        let sample =
            |cpu| Sample { cpu_us_per_request: Some(cpu), requests_per_second: Some(1e6 / cpu), ..Sample::default() };
        cell.add(round.map(sample).map_err(str::to_owned));
        cell
    }

    #[test]
    fn we_are_compared_with_the_best_of_the_others_and_failures_are_said() {
        let row = Row::new(
            Workload::H1,
            BTreeMap::from([
                (Peer::Vestibule, cell(Ok(20.0))),
                (Peer::Nginx, cell(Ok(40.0))),
                (Peer::Haproxy, cell(Ok(25.0))),
                (Peer::Caddy, cell(Err("not installed"))),
            ]),
        );
        let expected = "                           req/s          CPU us/req
  vestibule      50000 ( 1.25)      20.0 ( 0.80)
  nginx          25000 ( 0.62)      40.0 ( 1.60)
  haproxy        40000 ( 1.00)      25.0 ( 1.00)
  caddy       FAILED: not installed
";
        let squeeze = |text: &str| {
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(squeeze(&row.to_string()), squeeze(expected));
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(json["peers"][0]["ratio_to_best_peer"]["cpu_us_per_request"], 0.8);
        assert_eq!(json["peers"][3]["failed"], "not installed");
    }
}
