//! Metrics in the OpenMetrics text format, read from the counters at each scrape. Per-site lines exist for sites that have
//! been asked for anything, so that 100,000 parked sites cost nothing.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use vestibule_listener::OverLimit;
use vestibule_names::TenantId;

use super::{Caller, acme_metrics, tenants};
use crate::{house::House, live::Counters, tasks::Tasks};

/// What the text is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The gateway as a whole and each site.
    Everything,
    /// The gateway as a whole: no name of a site, which would tell whose sites there are.
    Totals,
    /// Each site of that tenant.
    Tenant(TenantId),
}

impl Scope {
    /// Of whoever asks over a socket.
    pub(super) fn of(caller: Caller) -> Self {
        match caller {
            Caller::Operator => Self::Everything,
            Caller::Tenant(tenant) => Self::Tenant(tenant),
        }
    }
}

/// Renders them.
pub(super) fn render(house: &House, scope: Scope) -> String {
    let mut registry = Registry::with_prefix("vestibule");
    registry.register_collector(Box::new(Scrape(house.clone(), scope)));
    let mut out = String::new();
    match text::encode(&mut out, &registry) {
        Ok(()) => out,
        Err(fmt::Error) => "# EOF\n".to_owned(), // writing to a String does not fail
    }
}

struct Scrape(House, Scope);

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let sites_of = match self.1 {
            Scope::Everything => Some(Caller::Operator),
            Scope::Totals => None,
            Scope::Tenant(tenant) => Some(Caller::Tenant(tenant)),
        };
        if !matches!(self.1, Scope::Tenant(_)) {
            self.whole(&mut encoder)?;
            acme_metrics::encode(&self.0, &mut encoder)?;
        }
        if let Some(caller) = sites_of {
            tenants::encode(&self.0, caller, &mut encoder)?;
        }
        sites_of.map_or(Ok(()), |caller| self.sites(caller, &mut encoder))
    }
}

/// Name, help, and how to read it from a site's counters.
type SiteCounter = (&'static str, &'static str, fn(&Counters) -> u64);

impl Scrape {
    /// The gateway as a whole.
    fn whole(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let shared = &self.0.shared;
        let table = shared.table.load();
        let standing = self.0.sites().standing();
        let (over_total, over_client) = shared.permits.refused();
        gauge(encoder, "generation", "The number of the published table", table.generation().0)?;
        gauge(encoder, "names", "Names that lead somewhere", table.len() as u64)?;
        gauge(encoder, "sites", "Sites that are served", standing.served as u64)?;
        gauge(encoder, "sites_stale", "Sites kept at their last good version", standing.stale as u64)?;
        gauge(encoder, "sites_broken", "Site files with an error and nothing to serve", standing.broken as u64)?;
        gauge(
            encoder,
            "ledger_backlog",
            "Changes that the ledger could not take yet",
            self.0.sites().uncommitted() as u64,
        )?;
        gauge(encoder, "upstream_sockets", "Open connections to backends", u64::from(shared.upstream_sockets.open()))?;
        counter(encoder, "upstream_sockets_refused", "Connections over the budget", shared.upstream_sockets.refused())?;
        gauge(encoder, "connections", "Open client connections", shared.permits.open())?;
        gauge(encoder, "requests_in_flight", "Requests being answered", shared.totals.in_flight())?;
        tasks(encoder, &shared.tasks)?;
        counter(encoder, "requests", "Requests answered", shared.totals.requests())?;
        counter(encoder, "responses_cut", "Responses that ended in the middle", shared.totals.responses_cut())?;
        counter(encoder, "access_lines_dropped", "Access events that could not be written", shared.access.dropped())?;
        if let Some(logs) = &self.0.tenant_logs {
            let help = "The same in the logs of tenants, those over their quota of an instant included";
            counter(encoder, "tenant_log_lines_dropped", help, logs.all_dropped())?;
        }
        labelled(
            encoder,
            "connections_refused",
            "Connections over a limit",
            "limit",
            [(OverLimit::Total.word(), over_total), (OverLimit::PerClient.word(), over_client)],
        )?;
        let outcomes = shared.totals.outcomes().map(|(outcome, count)| (outcome.word(), count));
        labelled(encoder, "connections_ended", "Connections by how they ended", "outcome", outcomes)?;
        let refusals = shared.totals.refusals().map(|(refusal, count)| (refusal.word(), count));
        labelled(encoder, "refusals", "Responses of the gateway's own, by code", "code", refusals)
    }

    /// Each site that the caller may see.
    fn sites(&self, caller: Caller, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counters: [SiteCounter; 3] = [
            ("site_requests", "Requests answered for a site", Counters::requests),
            ("site_errors", "Of these, with a 5xx status", |counters| counters.of_class(5)),
            ("site_sent_bytes", "Bytes of response bodies", Counters::bytes_sent),
        ];
        for (name, help, read) in counters {
            let descriptor = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            self.each_site(caller, descriptor, |counters| ConstCounter::new(read(counters)))?;
        }
        let gauges: [SiteCounter; 2] = [
            ("site_requests_in_flight", "Requests being answered", |counters| u64::from(counters.in_flight())),
            ("site_tunnels", "Open tunnels (WebSockets)", |counters| u64::from(counters.tunnels())),
        ];
        for (name, help, read) in gauges {
            let descriptor = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            self.each_site(caller, descriptor, |counters| {
                ConstGauge::new(i64::try_from(read(counters)).unwrap_or(i64::MAX))
            })?;
        }
        Ok(())
    }

    fn each_site<M: EncodeMetric>(
        &self,
        caller: Caller,
        mut family: MetricEncoder<'_>,
        metric: impl Fn(&Counters) -> M,
    ) -> fmt::Result {
        let mut result = Ok(());
        self.0.sites().each_counted(caller, |id, counters| {
            if result.is_ok() {
                let label = [("site", id.as_str())];
                result = family.encode_family(&label).and_then(|encoder| metric(counters).encode(encoder));
            }
        });
        result
    }
}

/// A worker at rest has a few: one for each of its listeners, and one for the access log.
fn tasks(encoder: &mut DescriptorEncoder<'_>, of_workers: &[Tasks]) -> fmt::Result {
    let mut family = encoder.encode_descriptor("tasks", "Tasks that are alive", None, MetricType::Gauge)?;
    for (index, tasks) in of_workers.iter().enumerate() {
        let value = ConstGauge::new(i64::try_from(tasks.alive()).unwrap_or(i64::MAX));
        value.encode(family.encode_family(&[("worker", index)])?)?;
    }
    Ok(())
}

pub(super) fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let value = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    value.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

pub(super) fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    ConstCounter::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
}

pub(super) fn labelled(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: impl IntoIterator<Item = (&'static str, u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (word, value) in values {
        ConstCounter::new(value).encode(family.encode_family(&[(label, word)])?)?;
    }
    Ok(())
}
