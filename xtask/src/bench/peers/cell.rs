//! [`Sample`], [`Cell`]: what one load gave, and the median of the rounds.

use serde::Serialize;

/// What one round gave; what a workload does not tell is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Sample {
    /// Answers a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) requests_per_second: Option<f64>,
    /// User and system time of the proxy, per answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_us_per_request: Option<f64>,
    /// From request to end of answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p50_ms: Option<f64>,
    /// The same for the slowest of a hundred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p99_ms: Option<f64>,
    /// The same for the slowest of a thousand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p999_ms: Option<f64>,
    /// Resident memory of the proxy right after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rss_kib: Option<f64>,
    /// What an idle or a slow connection adds to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kib_per_connection: Option<f64>,
}

/// All rounds of one peer under one workload.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    samples: Vec<Sample>,
    failure: Option<String>,
}

impl Cell {
    /// One invalid round makes the whole cell invalid; the first reason is kept.
    pub(super) fn add(&mut self, round: Result<Sample, String>) {
        match round {
            Ok(sample) => self.samples.push(sample),
            Err(reason) => self.failure = self.failure.take().or(Some(reason)),
        }
    }

    /// The median of each figure by itself, or why there is none.
    pub(super) fn median(&self) -> Result<Sample, String> {
        if let Some(reason) = &self.failure {
            return Err(reason.clone());
        }
        let of = |figure: fn(&Sample) -> Option<f64>| median(self.samples.iter().filter_map(figure).collect());
        Ok(Sample {
            requests_per_second: of(|sample| sample.requests_per_second),
            cpu_us_per_request: of(|sample| sample.cpu_us_per_request),
            p50_ms: of(|sample| sample.p50_ms),
            p99_ms: of(|sample| sample.p99_ms),
            p999_ms: of(|sample| sample.p999_ms),
            rss_kib: of(|sample| sample.rss_kib),
            kib_per_connection: of(|sample| sample.kib_per_connection),
        })
    }
}

/// Of an even number, the mean of the middle two.
fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_unstable_by(f64::total_cmp);
    let upper = *figures.get(figures.len() / 2)?;
    let lower = *figures.get((figures.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let check = |figures: &[f64], expected| assert_eq!(median(figures.to_vec()), expected, "{figures:?}");
        check(&[], None);
        check(&[3.0], Some(3.0));
        check(&[3.0, 1.0], Some(2.0));
        check(&[9.0, 1.0, 2.0], Some(2.0));
    }

    #[test]
    fn one_invalid_round_makes_the_cell_invalid() {
        let mut cell = Cell::default();
        cell.add(Ok(Sample::default()));
        cell.add(Err("first".to_owned()));
        cell.add(Err("second".to_owned()));
        assert_eq!(cell.median(), Err("first".to_owned()));
    }
}
