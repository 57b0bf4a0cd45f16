//! [`Results`]: all cells, as an aligned table for people and as JSON for programs.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::{
    cell::{Cell, Sample},
    config::Terms,
    figures::{FIGURES, Figure},
    goals::Goals,
    peer::Peer,
    workload::Workload,
};

/// Everything measured.
#[derive(Serialize)]
pub(super) struct Results {
    seconds: u32,
    rounds: u32,
    system: System,
    versions: BTreeMap<Peer, String>,
    /// In the order of measurement.
    #[serde(rename = "workloads")]
    pub(super) rows: Vec<Row>,
    /// Held against the rows when all of them are there.
    pub(super) goals: Goals,
}

/// What of the system has a say in the figures.
#[derive(Serialize)]
struct System {
    kernel: Option<String>,
    /// One that paces costs a timer for each segment, on loopback too, and of the origin's on the proxy's core.
    congestion_control: Option<String>,
}

impl System {
    fn here() -> Self {
        let of = |path| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        Self {
            kernel: of("/proc/sys/kernel/osrelease"),
            congestion_control: of("/proc/sys/net/ipv4/tcp_congestion_control"),
        }
    }
}

/// One workload.
#[derive(Serialize)]
pub(super) struct Row {
    #[serde(skip)]
    pub(super) workload: Workload,
    name: String,
    #[serde(skip)]
    pub(super) terms: Terms,
    everything_on: bool,
    /// For people.
    pub(super) title: String,
    pub(super) peers: Vec<Entry>,
}

/// One peer under one workload.
#[derive(Serialize)]
pub(super) struct Entry {
    pub(super) peer: Peer,
    /// Why there are no figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failed: Option<String>,
    #[serde(flatten)]
    pub(super) figures: Sample,
    /// Each figure divided by that of the best peer other than ourselves.
    ratio_to_best_peer: BTreeMap<&'static str, f64>,
}

impl Results {
    /// Of loads so long, repeated so often.
    pub(super) fn new(seconds: u32, rounds: u32) -> Self {
        Self {
            seconds,
            rounds,
            system: System::here(),
            versions: BTreeMap::new(),
            rows: Vec::new(),
            goals: Goals::default(),
        }
    }

    /// Notes which version was measured.
    pub(super) fn name(&mut self, peer: Peer, version: &str) {
        self.versions.insert(peer, version.to_owned());
    }

    /// The row of that workload, if it was measured.
    pub(super) fn row(&self, workload: Workload, terms: Terms) -> Option<&Row> {
        self.rows.iter().find(|row| row.workload == workload && row.terms == terms)
    }
}

impl Row {
    /// Takes the medians and compares them.
    pub(super) fn new(workload: Workload, terms: Terms, cells: BTreeMap<Peer, Cell>) -> Self {
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
        let everything_on = terms == Terms::Everything;
        let title =
            if everything_on { format!("{}, everything on", workload.title()) } else { workload.title().into() };
        let peers = medians.iter().map(entry).collect();
        Self { workload, name: workload.name(), terms, everything_on, title, peers }
    }

    /// The figures of one peer, if there are any.
    pub(super) fn of(&self, peer: Peer) -> Option<&Sample> {
        self.peers.iter().find(|entry| entry.peer == peer && entry.failed.is_none()).map(|entry| &entry.figures)
    }

    /// Requests a second of the slowest proxy that did the job.
    pub(super) fn slowest(&self) -> Option<f64> {
        let good = self.peers.iter().filter(|entry| entry.failed.is_none());
        good.filter_map(|entry| entry.figures.requests_per_second).reduce(f64::min)
    }

    /// How it is called in the JSON and in names of files.
    pub(super) fn name(&self) -> String {
        if self.everything_on { format!("{}-everything", self.name) } else { self.name.clone() }
    }
}

fn ratios(sample: &Sample, others: &[&Sample]) -> BTreeMap<&'static str, f64> {
    let ratio = |figure: &&Figure| Some((figure.key, figure.ratio(sample, others.iter().copied())?));
    FIGURES.iter().filter_map(ratio).collect()
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<_> =
            self.versions.iter().map(|(peer, version)| format!("{} {version}", peer.name())).collect();
        let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
        let (kernel, control) = (known(&self.system.kernel), known(&self.system.congestion_control));
        writeln!(f, "{}; Linux {kernel}, congestion control {control}", versions.join(", "))?;
        writeln!(
            f,
            "{} s a load, median of {} round(s); in brackets the ratio to the best peer that is not vestibule",
            self.seconds, self.rounds
        )?;
        for row in &self.rows {
            write!(f, "\n{}: {}\n{row}", row.name(), row.title)?;
        }
        write!(f, "{}", self.goals)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |figure: &&&Figure| self.peers.iter().any(|entry| figure.of(&entry.figures).is_some());
        let figures: Vec<_> = FIGURES.iter().filter(told).collect();
        write!(f, "  {:<10}", "")?;
        for figure in &figures {
            write!(f, "{:>17}", figure.title)?;
        }
        for entry in &self.peers {
            write!(f, "\n  {:<10}", entry.peer.name())?;
            if let Some(reason) = &entry.failed {
                write!(f, "  FAILED: {reason}")?;
                continue;
            }
            for figure in &figures {
                write!(f, "{:>17}", shown(entry, figure))?;
            }
        }
        writeln!(f)
    }
}

fn shown(entry: &Entry, figure: &Figure) -> String {
    let Some(value) = figure.of(&entry.figures) else { return "-".to_owned() };
    let ratio = entry.ratio_to_best_peer.get(figure.key).map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    format!("{} ({ratio:>5})", figure.shown(value))
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
            Terms::Load,
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
        assert_eq!(row.slowest(), Some(25_000.0));
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(json["peers"][0]["ratio_to_best_peer"]["cpu_us_per_request"], 0.8);
        assert_eq!(json["peers"][3]["failed"], "not installed");
    }
}
