//! `GET /v1/status`: how the gateway stands, for the operator; how their own things stand, for a tenant. And who asks.

use std::{net::SocketAddr, sync::atomic::Ordering::Relaxed};

use vestibule_names::{SiteId, TenantId};

use super::{
    Caller, certs,
    model::{AcmeStatus, Budget, Status, TenantStatus, Whoami},
    tenants,
};
use crate::{house::House, tenant_log::quota, users};

/// Sites listed in `status` that are not simply live.
const ATTENTION_LIMIT: usize = 100;

/// For the operator.
pub(super) fn of_all(house: &House) -> Status {
    let table = house.shared.table.load();
    let (standing, attention, uncommitted) = {
        let sites = house.sites();
        (sites.standing(), sites.attention(Caller::Operator, ATTENTION_LIMIT), sites.uncommitted())
    };
    let config = &house.shared.config;
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uptime_seconds: house.started.elapsed().as_secs(),
        generation: table.generation().0,
        ready: is_ready(house),
        draining: house.shared.drain.is_told(),
        http: texts(&house.http),
        https: texts(&house.https),
        sites_dir: config.sites.display().to_string(),
        state_dir: config.state.display().to_string(),
        workers: config.workers,
        sites: standing.served,
        names: table.len(),
        stale: standing.stale,
        broken: standing.broken,
        connections: house.shared.permits.open(),
        requests_in_flight: house.shared.totals.in_flight(),
        requests: house.shared.totals.requests(),
        uncommitted,
        acme: acme(house),
        owner_check: house.shared.border.check().word().to_owned(),
        tenants: tenants::rows(house),
        attention,
    }
}

/// For a tenant: nothing in it depends on another's.
pub(super) async fn of_tenant(house: &House, tenant: TenantId) -> TenantStatus {
    let caller = Caller::Tenant(tenant);
    let (standing, attention, ids) = {
        let sites = house.sites();
        (sites.tenant_standing(tenant), sites.attention(caller, ATTENTION_LIMIT), sites.ids_of(tenant))
    };
    let limits = house.shared.config.tenancy.rule(tenant).limits;
    let mut budgets = vec![
        Budget::new("sites", ids.len() as u64, limits.sites),
        Budget::new("names", standing.names as u64, limits.names),
    ];
    let (of_the_moment, refused) = tenants::budgets(house, tenant);
    budgets.extend(of_the_moment);
    let log_lines_dropped = house.tenant_logs.as_ref().map_or(0, |logs| logs.dropped(tenant));
    if let Some(logs) = house.tenant_logs.clone() {
        let kept = tokio::task::spawn_blocking(move || logs.kept(tenant)).await.unwrap_or(0);
        budgets.push(Budget::bytes("logs", kept, quota(&house.shared.config.tenancy, tenant)));
    }
    TenantStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        tenant: tenant.0,
        user: name_of(tenant).await,
        ready: is_ready(house),
        draining: house.shared.drain.is_told(),
        http: texts(&house.http),
        https: texts(&house.https),
        sites_dir: house.shared.config.sites.display().to_string(),
        sites: standing.served,
        stale: standing.stale,
        broken: standing.broken,
        names: standing.names,
        requests: standing.requests,
        errors: standing.errors,
        sent_bytes: standing.sent_bytes,
        budgets,
        refused,
        denied: house.shared.denials.kept(tenant),
        log_lines_dropped,
        certificates: certificates(house, ids).await,
        attention,
    }
}

/// For whoever asks.
pub(super) async fn whoami(house: &House, caller: Caller) -> Whoami {
    let (uid, operator) = match caller {
        Caller::Operator => (None, true),
        Caller::Tenant(tenant) => (Some(tenant), false),
    };
    let sites = uid.map(|tenant| house.sites().count_of(tenant));
    let user = match uid {
        Some(tenant) => name_of(tenant).await,
        None => None,
    };
    let sites_dir = house.shared.config.sites.display().to_string();
    let gateway_uid = rustix::process::geteuid().as_raw();
    Whoami { operator, uid: uid.map(|tenant| tenant.0), user, sites, sites_dir, gateway_uid }
}

/// The name service may take its time: not on this thread.
pub(super) async fn name_of(tenant: TenantId) -> Option<String> {
    tokio::task::spawn_blocking(move || users::name_of(tenant)).await.ok().flatten()
}

pub(super) fn is_ready(house: &House) -> bool {
    house.ready.is_live() && !house.shared.drain.is_told()
}

fn texts(addrs: &[SocketAddr]) -> Vec<String> {
    addrs.iter().map(ToString::to_string).collect()
}

/// How many names of these sites stand how.
async fn certificates(house: &House, sites: Vec<SiteId>) -> Option<std::collections::BTreeMap<String, u64>> {
    let mut counts = std::collections::BTreeMap::new();
    for name in certs::standing(house, sites).await? {
        *counts.entry(certs::word(name.state).to_owned()).or_default() += 1;
    }
    Some(counts)
}

fn acme(house: &House) -> Option<AcmeStatus> {
    let (handle, front, policy) =
        (house.acme.as_ref()?, house.shared.acme.as_ref()?, house.shared.config.acme.as_ref()?);
    let counts = handle.counts();
    Some(AcmeStatus {
        cas: policy.config.cas.iter().map(|ca| ca.id.to_string()).collect(),
        running: front.running.load(Relaxed),
        names: counts.names.iter().map(|(state, count)| ((*state).to_owned(), *count)).collect(),
        next_expiry_seconds: counts.next_expiry,
        hook_failures: counts.hook_failures,
    })
}
