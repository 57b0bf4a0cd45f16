//! [`Report`]: every attack on every proxy, printed and judged.

use std::fmt;

use serde::Serialize;

use super::{
    attack::{Attack, Crowd},
    cell::Cell,
};
use crate::{Outcome, bench::peers::peer::Peer};

/// Requests that the gateway may let through for each connection of an attack.
const UPSTREAM_LIMIT: usize = 150;
/// How much the gateway may grow, KiB, beside what it holds of answers that nobody reads.
const GROWTH_LIMIT: u64 = 32 * 1024;
/// And for each request that its backend got, KiB: as much of an answer, at both ends.
const GROWTH_PER_REQUEST: u64 = 128;

/// Everything measured.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) rows: Vec<Row>,
}

/// One attack on one proxy.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    attack: &'static str,
    cve: &'static str,
    crowd: String,
    peer: Peer,
    #[serde(flatten)]
    outcome: Measured,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Measured {
    Cost(Cell),
    Failed(String),
}

impl Row {
    pub(super) fn new(attack: Attack, crowd: Crowd, peer: Peer, cell: Result<Cell, String>) -> Self {
        let outcome = cell.map_or_else(Measured::Failed, Measured::Cost);
        Self { attack: attack.word(), cve: attack.cve(), crowd: crowd.title(), peer, outcome }
    }

    /// What is wrong with it, if it is the gateway's.
    fn fault(&self) -> Option<String> {
        let cell = match &self.outcome {
            _ if self.peer != Peer::Vestibule => return None,
            Measured::Failed(reason) => return Some(reason.clone()),
            Measured::Cost(cell) => cell,
        };
        let limit = UPSTREAM_LIMIT * usize::try_from(cell.connections).unwrap_or(usize::MAX);
        if cell.upstream_requests > limit {
            return Some(format!("{} requests reached the backend, over {limit}", cell.upstream_requests));
        }
        let limit = GROWTH_LIMIT + GROWTH_PER_REQUEST * cell.upstream_requests as u64;
        if cell.growth_kib > limit {
            return Some(format!("it grew by {} KiB, over {limit}", cell.growth_kib));
        }
        (cell.visitor.errors > 0).then(|| "another client saw an error".to_owned())
    }
}

impl Report {
    /// Does the gateway stay within its bounds?
    pub(super) fn judge(&self) -> Outcome {
        let faults: Vec<_> = self
            .rows
            .iter()
            .filter_map(|row| Some(format!("{}, {}: {}", row.attack, row.crowd, row.fault()?)))
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| attack | connections | proxy | sent | closed | after s | CPU s | CPU µs for each | grew KiB | \
             upstream requests | other client: errors, p99 ms |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|---|---|")?;
        let mut before = ("", "");
        for row in &self.rows {
            let first = (row.attack, row.crowd.as_str());
            let (attack, crowd) = if first == before { ("", "") } else { first };
            before = first;
            write!(f, "| {attack} | {crowd} | {} | ", row.peer.name())?;
            match &row.outcome {
                Measured::Failed(reason) => writeln!(f, "{reason} | | | | | | | |")?,
                Measured::Cost(cell) => writeln!(f, "{cell} |")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = |value: Option<f64>, digits| value.map_or("–".to_owned(), |value| format!("{value:.digits$}"));
        write!(
            f,
            "{} | {} of {} | {} | {:.3} | {} | {} | {} | {}, {:.1}",
            self.pieces,
            self.closed,
            self.connections,
            figure(self.closed_after_s, 2),
            self.cpu_s,
            figure(self.cpu_us_per_piece, 1),
            self.growth_kib,
            self.upstream_requests,
            self.visitor.errors,
            self.visitor.p99_ms
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::visitors::Seen;

    fn row(peer: Peer, upstream_requests: usize, growth_kib: u64, errors: usize) -> Row {
        let visitor = Seen { errors, ..Seen::default() };
        let cell = Cell {
            connections: 2,
            pieces: 10,
            closed: 0,
            closed_after_s: None,
            took_s: 1.0,
            cpu_s: 0.5,
            cpu_us_per_piece: Some(1.0),
            growth_kib,
            upstream_requests,
            visitor,
        };
        Row::new(Attack::Slowloris, Crowd::Together(2), peer, Ok(cell))
    }

    #[test]
    fn the_gateway_is_judged_and_nobody_else() {
        let check = |row: Row, good: bool| assert_eq!(Report { rows: vec![row] }.judge().is_ok(), good);
        check(row(Peer::Vestibule, 2 * UPSTREAM_LIMIT, 0, 0), true);
        check(row(Peer::Vestibule, 3, GROWTH_LIMIT + 3 * GROWTH_PER_REQUEST, 0), true);
        check(row(Peer::Vestibule, 2 * UPSTREAM_LIMIT + 1, 0, 0), false);
        check(row(Peer::Vestibule, 0, GROWTH_LIMIT + 1, 0), false);
        check(row(Peer::Vestibule, 0, 0, 1), false);
        check(row(Peer::Nginx, usize::MAX, u64::MAX, 1), true);
        let failed = |peer| Row::new(Attack::Slowloris, Crowd::One, peer, Err("gone".to_owned()));
        check(failed(Peer::Vestibule), false);
        check(failed(Peer::Haproxy), true);
    }

    #[test]
    fn what_is_said_once_is_not_said_again() {
        let report = Report { rows: vec![row(Peer::Vestibule, 1, 2, 0), row(Peer::Nginx, 3, 4, 0)] };
        let lines: Vec<_> = report.to_string().lines().skip(2).map(str::to_owned).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("| slowloris | 2 at once | vestibule | 10 | 0 of 2 | – |"), "{}", lines[0]);
        assert!(lines[1].starts_with("|  |  | nginx | "), "{}", lines[1]);
    }
}
