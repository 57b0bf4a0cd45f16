//! [`Sample`]: what the gateway holds at one moment, by its own account (`/metrics`) and by the kernel's (proc(5)).

use std::{collections::BTreeMap, fs};

use serde::Serialize;

use super::stage::Stage;

/// Gauges that must be zero when nobody is there; those with labels are summed.
pub(super) const ZERO_AT_REST: [&str; 10] = [
    "connections",
    "requests_in_flight",
    "upstream_sockets",
    "site_requests_in_flight",
    "site_tunnels",
    "tenant_connections",
    "tenant_requests_in_flight",
    "tenant_tunnels",
    "tenant_upstream_connections",
    "tenant_buffered_bytes",
];

/// See the module.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Sample {
    /// Seconds since the first client.
    pub(super) at: f64,
    pub(super) resident_kib: u64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
    pub(super) tasks: u64,
    /// Requests answered since the start.
    pub(super) requests: u64,
    /// Each metric by its name and labels, and the sum over labels by the name alone.
    #[serde(skip)]
    pub(super) metrics: BTreeMap<String, u64>,
    pub(super) connections: u64,
    pub(super) in_flight: u64,
    pub(super) sockets: u64,
    pub(super) tunnels: u64,
    pub(super) held_kib: u64,
}

impl Sample {
    /// As it is now.
    pub(super) async fn take(stage: &Stage, pid: u32) -> Result<Self, String> {
        let text = stage.gateway.admin("/metrics").await.text();
        let metrics = sums(&text);
        let of = |name: &str| metrics.get(name).copied().unwrap_or(0);
        let status =
            fs::read_to_string(format!("/proc/{pid}/status")).map_err(|error| format!("the gateway: {error}"))?;
        let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).and_then(number).unwrap_or(0);
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).map_err(|error| error.to_string())?.count();
        Ok(Self {
            at: stage.tally.seconds(),
            resident_kib: line("VmRSS:"),
            descriptors: descriptors as u64,
            threads: line("Threads:"),
            tasks: of("tasks"),
            requests: of("requests_total"),
            connections: of("connections"),
            in_flight: of("requests_in_flight"),
            sockets: of("upstream_sockets"),
            tunnels: of("site_tunnels"),
            held_kib: of("tenant_buffered_bytes") / 1024,
            metrics,
        })
    }

    /// What is not zero and should be, nobody being there.
    pub(super) fn left(&self) -> Vec<String> {
        let value = |name: &&str| self.metrics.get(*name).copied().unwrap_or(0);
        ZERO_AT_REST.iter().filter(|name| value(name) > 0).map(|name| format!("{name} is {}", value(name))).collect()
    }
}

/// The first number of a line.
fn number(line: &str) -> Option<u64> {
    line.split_whitespace().next()?.parse().ok()
}

/// What a text of OpenMetrics says, without the common prefix: each line, and the sums by name.
fn sums(text: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, value)) = line.trim_start_matches("vestibule_").rsplit_once(' ') else { continue };
        let value = value.parse::<u64>().unwrap_or(0);
        if let Some((name, _)) = series.split_once('{') {
            *sums.entry(name.to_owned()).or_default() += value;
        }
        sums.insert(series.to_owned(), value);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_over_their_labels() {
        let text = "# HELP vestibule_tasks Tasks.\nvestibule_tasks{worker=\"0\"} 3\nvestibule_tasks{worker=\"1\"} 4\n\
                    vestibule_requests_total 9\n# EOF\n";
        let sums = sums(text);
        assert_eq!((sums["tasks"], sums["tasks{worker=\"1\"}"], sums["requests_total"]), (7, 4, 9));
    }
}
