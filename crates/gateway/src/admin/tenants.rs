//! What each tenant has of the box and was refused, for metrics and `status`. The number of series is bounded: beyond a
//! thousand tenants the rest is told together.

use std::{cmp::Reverse, collections::BTreeMap, fmt, sync::Arc};

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use vestibule_names::TenantId;

use super::{
    Caller,
    model::{Budget, TenantRow},
};
use crate::{
    backends::Counts,
    house::House,
    tenant::{Kind, Limit, Tenant},
};

/// Tenants with series of their own.
const SERIES_LIMIT: usize = 1000;
/// How the others are called together.
const OTHERS: &str = "other";
/// Tenants in `status`.
const STATUS_LIMIT: usize = 20;

/// Name, help, and how to read it.
type Figure = (&'static str, &'static str, fn(&Tenant) -> u64);

const GAUGES: [Figure; 5] = [
    ("tenant_connections", "Open client connections", |tenant| tenant.taken(Kind::Connection).into()),
    ("tenant_requests_in_flight", "Requests being answered", |tenant| tenant.taken(Kind::Request).into()),
    ("tenant_tunnels", "Open tunnels (WebSockets)", |tenant| tenant.taken(Kind::Tunnel).into()),
    ("tenant_upstream_connections", "Open connections to backends", |tenant| tenant.account().upstreams().into()),
    ("tenant_buffered_bytes", "Bytes of bodies held in memory", |tenant| tenant.account().held()),
];
const WAITS: Figure =
    ("tenant_bandwidth_waits", "Pieces of bodies that waited for the bandwidth", |tenant| tenant.account().waits());

/// Tenants that have anything or were refused anything: one by one, then the rest together.
fn groups(house: &House, caller: Caller) -> Vec<(String, Vec<Arc<Tenant>>)> {
    let shown = |tenant: &&Arc<Tenant>| caller.may_see(tenant.id()) && tenant.is_used();
    let used: Vec<_> = house.sites().tenants().filter(shown).cloned().collect();
    let (own, others) = used.split_at(used.len().min(SERIES_LIMIT));
    let mut groups: Vec<_> = own.iter().map(|tenant| (tenant.id().to_string(), vec![Arc::clone(tenant)])).collect();
    if !others.is_empty() {
        groups.push((OTHERS.to_owned(), others.to_vec()));
    }
    groups
}

/// The series of the tenants that the caller may see.
pub(super) fn encode(house: &House, caller: Caller, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let groups = groups(house, caller);
    let sum = |tenants: &[Arc<Tenant>], read: &dyn Fn(&Tenant) -> u64| tenants.iter().map(|t| read(t)).sum::<u64>();
    for (name, help, read) in GAUGES {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (tenant, members) in &groups {
            let value = i64::try_from(sum(members, &read)).unwrap_or(i64::MAX);
            ConstGauge::new(value).encode(family.encode_family(&[("tenant", tenant.as_str())])?)?;
        }
    }
    let (name, help, read) = WAITS;
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (tenant, members) in &groups {
        ConstCounter::new(sum(members, &read)).encode(family.encode_family(&[("tenant", tenant.as_str())])?)?;
    }
    let help = "Connections, handshakes and requests refused for a limit of the tenant";
    let mut family = encoder.encode_descriptor("tenant_refused", help, None, MetricType::Counter)?;
    for (tenant, members) in &groups {
        for limit in Limit::ALL {
            let refused = sum(members, &|tenant| tenant.refused(limit));
            if refused > 0 {
                let labels = [("tenant", tenant.as_str()), ("limit", limit.word())];
                ConstCounter::new(refused).encode(family.encode_family(&labels)?)?;
            }
        }
    }
    denied(house, encoder)
}

/// Connections to backends that the border kept back, or told of. A tenant without any has no series.
fn denied(house: &House, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "Connections to backends that are another user's, or out of bounds";
    let mut family = encoder.encode_descriptor("tenant_backends_denied", help, None, MetricType::Counter)?;
    for (tenant, counts) in house.shared.denials.counts().into_iter().take(SERIES_LIMIT) {
        let tenant = tenant.to_string();
        let Counts { not_yours, not_allowed, let_through } = counts;
        for (verdict, count) in [("not_yours", not_yours), ("not_allowed", not_allowed), ("let_through", let_through)] {
            if count > 0 {
                let labels = [("tenant", tenant.as_str()), ("verdict", verdict)];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
    }
    Ok(())
}

/// Tenants that were refused something, those most often first.
pub(super) fn rows(house: &House) -> Vec<TenantRow> {
    let mut rows: Vec<_> = house.sites().tenants().map(|tenant| row(house, tenant)).collect();
    rows.retain(|row| !row.refused.is_empty() || !row.denied.is_empty());
    rows.sort_by_key(|row| Reverse(row.refused.values().sum::<u64>()));
    rows.truncate(STATUS_LIMIT);
    rows
}

/// What a tenant has of what is counted while it lasts, and how often each limit refused something.
pub(super) fn budgets(house: &House, tenant: TenantId) -> (Vec<Budget>, BTreeMap<String, u64>) {
    let limits = house.shared.config.tenancy.rule(tenant).limits;
    let known = house.sites().tenants().find(|known| known.id() == tenant).map(|tenant| row(house, tenant));
    let row = known.unwrap_or_default();
    let count = |name, used: u32, limit| Budget::new(name, u64::from(used), limit);
    let budgets = vec![
        count("connections", row.connections, limits.connections),
        count("requests_in_flight", row.requests_in_flight, limits.requests_in_flight),
        count("tunnels", row.tunnels, limits.tunnels),
        count("upstream_connections", row.upstream_connections, limits.upstream_connections),
        Budget::bytes("buffered", row.buffered_bytes, limits.buffered.0),
    ];
    (budgets, row.refused)
}

fn row(house: &House, tenant: &Tenant) -> TenantRow {
    let refused = Limit::ALL.into_iter().map(|limit| (limit.word().to_owned(), tenant.refused(limit)));
    TenantRow {
        tenant: tenant.id().0,
        connections: tenant.taken(Kind::Connection),
        requests_in_flight: tenant.taken(Kind::Request),
        tunnels: tenant.taken(Kind::Tunnel),
        upstream_connections: tenant.account().upstreams(),
        buffered_bytes: tenant.account().held(),
        bandwidth_waits: tenant.account().waits(),
        refused: refused.filter(|(_, count)| *count > 0).collect(),
        denied: house.shared.denials.kept(tenant.id()),
    }
}
