//! [`Report`]: quiet and attacked side by side, printed and judged.

use std::fmt;

use serde::Serialize;

use super::attack::Attack;
use crate::{
    Outcome,
    bench::{peers::peer::Peer, visitors::Seen},
};

/// How much slower the slowest of a hundred may be.
const P99_LIMIT: f64 = 1.2;
/// What the counting may cost of a request.
const COST_LIMIT: f64 = 1.03;
/// Quiet rounds further apart than this say nothing about latency: the machine has other work.
const NOISE_LIMIT: f64 = 1.2;

/// Everything measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    real_tenants: bool,
    rows: Vec<Row>,
    pub(super) cost: Vec<Cost>,
}

/// One attack at one proxy, each round quiet and attacked.
#[derive(Debug, Serialize)]
struct Row {
    attack: Attack,
    proxy: Peer,
    rounds: Vec<(Seen, Seen)>,
}

/// Processor time of the gateway per request.
#[derive(Debug, Serialize)]
pub(super) struct Cost {
    /// Of a site for which nothing is counted.
    pub(super) operator_us: f64,
    /// Of a site for which everything is.
    pub(super) tenant_us: f64,
}

impl Report {
    pub(super) fn new(real_tenants: bool) -> Self {
        Self { real_tenants, rows: Vec::new(), cost: Vec::new() }
    }

    pub(super) fn add(&mut self, attack: Attack, proxy: Peer, quiet: Seen, attacked: Seen) {
        match self.rows.iter_mut().find(|row| (row.attack, row.proxy) == (attack, proxy)) {
            Some(row) => row.rounds.push((quiet, attacked)),
            None => self.rows.push(Row { attack, proxy, rounds: vec![(quiet, attacked)] }),
        }
    }

    /// The rows that are judged.
    fn ours(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.proxy == Peer::Vestibule)
    }

    /// Errors fail it; latency and cost do where the machine was quiet enough to tell.
    pub(super) fn judge(&self) -> Outcome {
        let all = self.ours().flat_map(|row| &row.rounds);
        let errors: usize = all.map(|(quiet, attacked)| quiet.errors + attacked.errors).sum();
        if errors > 0 && self.real_tenants {
            return Err(format!("visitors of the neighbours saw {errors} errors").into());
        }
        if self.noise() > NOISE_LIMIT || !self.real_tenants {
            return Ok(());
        }
        for row in self.ours() {
            let ratio = ratio(&row.rounds);
            if ratio > P99_LIMIT {
                return Err(format!("{}: the p99 of the neighbours is {ratio:.2} of quiet", row.attack.title()).into());
            }
        }
        match self.cost_ratio() {
            Some(cost) if cost > COST_LIMIT => Err(format!("counting costs {cost:.3} of a request").into()),
            _ => Ok(()),
        }
    }

    /// How far the quiet rounds are apart.
    fn noise(&self) -> f64 {
        let quiet: Vec<_> = self.ours().flat_map(|row| &row.rounds).map(|(quiet, _)| quiet.p99_ms).collect();
        let (least, most) = quiet.iter().fold((f64::MAX, 0.0_f64), |(least, most), p| (least.min(*p), most.max(*p)));
        if least > 0.0 && least < f64::MAX { most / least } else { f64::MAX }
    }

    fn cost_ratio(&self) -> Option<f64> {
        let (operator, tenant) = self.median_cost()?;
        Some(tenant / operator)
    }

    /// Of the operator's site and the tenant's.
    fn median_cost(&self) -> Option<(f64, f64)> {
        let of = |read: fn(&Cost) -> f64| median(self.cost.iter().map(read).collect());
        Some((of(|cost| cost.operator_us)?, of(|cost| cost.tenant_us)?))
    }
}

fn ratio(rounds: &[(Seen, Seen)]) -> f64 {
    let of = |read: fn(&(Seen, Seen)) -> f64| median(rounds.iter().map(read).collect()).unwrap_or_default();
    of(|(_, attacked)| attacked.p99_ms) / of(|(quiet, _)| quiet.p99_ms).max(f64::MIN_POSITIVE)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.real_tenants {
            writeln!(f, "Not root: all sites are one tenant's, who is refused for the attacks.\n")?;
        }
        writeln!(
            f,
            "| attack on one of fifty tenants | proxy | requests of the others | errors | p50 ms quiet, attacked | p99 ms quiet, attacked | ratio of p99 |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|")?;
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|row| (row.attack, row.proxy));
        for Row { attack, proxy, rounds } in rows {
            let of = |read: fn(&(Seen, Seen)) -> f64| median(rounds.iter().map(read).collect()).unwrap_or_default();
            let requests: usize = rounds.iter().map(|(_, attacked)| attacked.requests).sum();
            let errors: usize = rounds.iter().map(|(_, attacked)| attacked.errors).sum();
            writeln!(
                f,
                "| {} | {} | {requests} | {errors} | {:.2}, {:.2} | {:.2}, {:.2} | {:.2} |",
                attack.title(),
                proxy.name(),
                of(|(quiet, _)| quiet.p50_ms),
                of(|(_, attacked)| attacked.p50_ms),
                of(|(quiet, _)| quiet.p99_ms),
                of(|(_, attacked)| attacked.p99_ms),
                ratio(rounds)
            )?;
        }
        writeln!(f, "\nQuiet rounds are {:.2} apart in p99.", self.noise())?;
        let (operator, tenant) = self.median_cost().unwrap_or_default();
        let ratio = self.cost_ratio().unwrap_or_default();
        write!(
            f,
            "CPU per request: {operator:.1} µs for the operator's site, {tenant:.1} µs for a tenant's ({ratio:.3})."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(errors: usize, p99_ms: f64) -> Seen {
        Seen { requests: 100, errors, p50_ms: p99_ms / 2.0, p99_ms }
    }

    fn judged(rounds: [(Seen, Seen); 2], tenant_us: f64) -> bool {
        let mut report = Report::new(true);
        rounds.into_iter().for_each(|(quiet, attacked)| report.add(Attack::Hanging, Peer::Vestibule, quiet, attacked));
        report.cost.push(Cost { operator_us: 100.0, tenant_us });
        report.judge().is_ok()
    }

    #[test]
    fn errors_always_fail_it_and_slowness_where_it_can_be_told() {
        let quiet = || seen(0, 10.0);
        assert!(judged([(quiet(), seen(0, 11.9)), (quiet(), seen(0, 11.9))], 102.9));
        assert!(!judged([(quiet(), seen(1, 10.0)), (quiet(), quiet())], 100.0), "an error");
        assert!(!judged([(quiet(), seen(0, 12.1)), (quiet(), seen(0, 12.1))], 100.0), "slow");
        assert!(!judged([(quiet(), quiet()), (quiet(), quiet())], 103.1), "costly");
        assert!(judged([(seen(0, 1.0), seen(0, 90.0)), (quiet(), quiet())], 103.1), "the machine was busy");
    }
}
