//! The figures: how each is called, shown and compared. The table, the goals and the plots share them.

use super::cell::Sample;

/// One figure of a sample.
pub(super) struct Figure {
    /// In the table.
    pub(super) title: &'static str,
    /// In the JSON.
    pub(super) key: &'static str,
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

/// See [`Figure`].
pub(super) static CPU: Figure = Figure {
    title: "CPU us/req",
    key: "cpu_us_per_request",
    of: |sample| sample.cpu_us_per_request,
    better: Better::Lower,
    digits: 1,
};
/// See [`Figure`].
pub(super) static P99: Figure =
    Figure { title: "p99 ms", key: "p99_ms", of: |sample| sample.p99_ms, better: Better::Lower, digits: 2 };
/// See [`Figure`].
pub(super) static RESIDENT: Figure =
    Figure { title: "RSS KiB", key: "rss_kib", of: |sample| sample.rss_kib, better: Better::Lower, digits: 0 };
/// See [`Figure`].
pub(super) static PER_CONNECTION: Figure = Figure {
    title: "KiB/conn",
    key: "kib_per_connection",
    of: |sample| sample.kib_per_connection,
    better: Better::Lower,
    digits: 1,
};
static REQUESTS: Figure = Figure {
    title: "req/s",
    key: "requests_per_second",
    of: |sample| sample.requests_per_second,
    better: Better::Higher,
    digits: 0,
};
static P50: Figure =
    Figure { title: "p50 ms", key: "p50_ms", of: |sample| sample.p50_ms, better: Better::Lower, digits: 2 };
static P999: Figure =
    Figure { title: "p99.9 ms", key: "p999_ms", of: |sample| sample.p999_ms, better: Better::Lower, digits: 2 };

/// All of them, in the order of the table.
pub(super) static FIGURES: [&Figure; 7] = [&REQUESTS, &CPU, &P50, &P99, &P999, &RESIDENT, &PER_CONNECTION];

impl Figure {
    /// Of one sample, if its workload tells it.
    pub(super) fn of(&self, sample: &Sample) -> Option<f64> {
        (self.of)(sample)
    }

    /// Divided by the best of the others; `None` if there is none to compare with.
    pub(super) fn ratio<'a>(&self, sample: &Sample, others: impl IntoIterator<Item = &'a Sample>) -> Option<f64> {
        let best = others.into_iter().filter_map(|other| self.of(other)).reduce(match self.better {
            Better::Lower => f64::min,
            Better::Higher => f64::max,
        })?;
        Some(self.of(sample)? / best).filter(|ratio| ratio.is_finite())
    }

    /// For people.
    pub(super) fn shown(&self, value: f64) -> String {
        let digits = self.digits;
        format!("{value:.digits$}")
    }
}
