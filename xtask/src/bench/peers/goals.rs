//! [`Goals`]: what the project wants of its speed, held against what was measured. Scale in sites has its own bench.

use std::fmt;

use serde::Serialize;

use super::{
    figures::{CPU, Figure, P99, PER_CONNECTION},
    peer::Peer,
    table::{Results, Row},
    workload::Workload,
};
use crate::Outcome;

/// The best of these is what we are compared with.
const RIVALS: [Peer; 3] = [Peer::Nginx, Peer::Haproxy, Peer::Caddy];

/// One goal.
struct Goal {
    workload: Workload,
    figure: &'static Figure,
    bar: Bar,
}

/// What it is held against.
#[derive(Clone, Copy)]
enum Bar {
    /// At most so much of what the best rival has.
    OfBest(f64),
    /// At most so much, whatever others have.
    AtMost(f64),
}

const fn goal(workload: Workload, figure: &'static Figure, bar: Bar) -> Goal {
    Goal { workload, figure, bar }
}

static GOALS: [Goal; 10] = [
    goal(Workload::H1, &CPU, Bar::OfBest(0.8)),
    goal(Workload::H2, &CPU, Bar::OfBest(0.8)),
    goal(Workload::Handshake, &CPU, Bar::OfBest(0.6)),
    goal(Workload::Medium, &CPU, Bar::OfBest(0.7)),
    goal(Workload::Large, &CPU, Bar::OfBest(0.7)),
    goal(Workload::H1Even, &P99, Bar::OfBest(1.0)),
    goal(Workload::H2Even, &P99, Bar::OfBest(1.0)),
    goal(Workload::MediumEven, &P99, Bar::OfBest(1.0)),
    goal(Workload::Idle, &PER_CONNECTION, Bar::AtMost(6.0)),
    goal(Workload::IdleH2, &PER_CONNECTION, Bar::AtMost(6.0)),
];

/// Those that could be held against a row.
#[derive(Default, Serialize)]
#[serde(transparent)]
pub(super) struct Goals(Vec<Judged>);

/// One of them.
#[derive(Serialize)]
struct Judged {
    workload: String,
    figure: &'static str,
    /// `ratio` to the best of nginx, HAProxy and Caddy, or the `figure` itself.
    bar_is_for: &'static str,
    bar: f64,
    /// `None`: there was nothing to compare, or it was not valid.
    measured: Option<f64>,
    met: bool,
}

impl Goals {
    /// Of the workloads that were chosen.
    pub(super) fn of(results: &Results) -> Self {
        let judged = |row: &Row| {
            let goals: Vec<_> = GOALS.iter().filter(|goal| goal.workload == row.workload).collect();
            goals.into_iter().map(|goal| goal.judge(row)).collect::<Vec<_>>()
        };
        Self(results.rows.iter().flat_map(judged).collect())
    }

    /// Fails when one was missed, or could not be measured.
    pub(super) fn check(&self) -> Outcome {
        let missed: Vec<_> = self.0.iter().filter(|goal| !goal.met).map(|goal| goal.workload.as_str()).collect();
        if missed.is_empty() { Ok(()) } else { Err(format!("goals missed: {}", missed.join(", ")).into()) }
    }
}

impl Goal {
    fn judge(&self, row: &Row) -> Judged {
        let ours = row.of(Peer::Vestibule);
        let (bar_is_for, bar, measured) = match self.bar {
            Bar::OfBest(bar) => {
                let rivals = RIVALS.iter().filter_map(|peer| row.of(*peer));
                ("ratio", bar, ours.and_then(|ours| self.figure.ratio(ours, rivals)))
            }
            Bar::AtMost(bar) => ("figure", bar, ours.and_then(|ours| self.figure.of(ours))),
        };
        let met = measured.is_some_and(|measured| measured <= bar);
        Judged { workload: row.name(), figure: self.figure.title, bar_is_for, bar, measured, met }
    }
}

impl fmt::Display for Goals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        writeln!(f, "\ngoals, ratios to the best of nginx, HAProxy and Caddy")?;
        for Judged { workload, figure, bar_is_for, bar, measured, met } in &self.0 {
            let measured = measured.map_or_else(|| "not measured".to_owned(), |measured| format!("{measured:.2}"));
            let verdict = if *met { "met" } else { "MISSED" };
            writeln!(f, "  {workload:<22}{figure:<12}{bar_is_for:<8}{measured:>13}  at most {bar:<5}{verdict}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::bench::peers::{
        cell::{Cell, Sample},
        config::Terms,
    };

    fn results(workload: Workload, figures: &[(Peer, f64)]) -> Results {
        let cells = figures.iter().map(|(peer, figure)| {
            let mut cell = Cell::default();
            let figure = Some(*figure);
            cell.add(Ok(Sample { cpu_us_per_request: figure, kib_per_connection: figure, ..Sample::default() }));
            (*peer, cell)
        });
        let mut results = Results::new(1, 1);
        results.rows.push(Row::new(workload, Terms::Load, cells.collect::<BTreeMap<_, _>>()));
        results
    }

    #[test]
    fn a_goal_is_met_or_missed_or_not_measured() {
        let check = |workload, figures: &[(Peer, f64)], expected| {
            let goals = Goals::of(&results(workload, figures));
            assert_eq!((goals.0[0].measured, goals.0[0].met), expected, "{figures:?}");
            assert_eq!(goals.check().is_ok(), expected.1);
        };
        check(Workload::H1, &[(Peer::Vestibule, 8.0), (Peer::Nginx, 10.0)], (Some(0.8), true));
        check(Workload::H1, &[(Peer::Vestibule, 9.0), (Peer::Nginx, 10.0)], (Some(0.9), false));
        // Apache is measured, and no rival.
        check(Workload::H1, &[(Peer::Vestibule, 8.0), (Peer::Nginx, 10.0), (Peer::Apache, 1.0)], (Some(0.8), true));
        check(Workload::H1, &[(Peer::Vestibule, 8.0)], (None, false));
        check(Workload::Idle, &[(Peer::Vestibule, 5.5)], (Some(5.5), true));
        check(Workload::Idle, &[(Peer::Vestibule, 6.5), (Peer::Nginx, 14.0)], (Some(6.5), false));
        assert!(Goals::of(&results(Workload::Errors, &[(Peer::Vestibule, 8.0)])).check().is_ok(), "no goal");
    }
}
