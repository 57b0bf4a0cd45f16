//! `GET /v1/logs`: a tenant's own access events. Who follows a log asks again from where the last answer ended, and may have
//! the gateway wait for something new.

use std::time::Duration;

use http::StatusCode;
use tokio::time::{Instant, sleep};
use vestibule_names::TenantId;

use super::{Caller, model::LogPage, reply::Failed, server::Query};
use crate::{
    house::House,
    tenant_log::{Page, TenantLogReader, Wanted},
};

/// The longest wait for new lines, well below what a connection may last.
const WAIT_LIMIT: u64 = 25;
/// Between two looks. Looking, and not being woken, tells nobody when others have requests.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// The answer.
pub(super) async fn answer(house: &House, caller: Caller, query: &Query) -> Result<LogPage, Failed> {
    let tenant = whose(caller, query.tenant.as_deref())?;
    let none = "tenants have no logs here: `log: {tenants: {keep: yes}}` in the settings keeps them";
    let logs = house.tenant_logs.clone().ok_or_else(|| (StatusCode::NOT_FOUND, none.to_owned()))?;
    let bad = |_| (StatusCode::BAD_REQUEST, "`after` is what the last answer gave as `next`".to_owned());
    let after = query.after.as_deref().map(str::parse).transpose().map_err(bad)?;
    let mut wanted = Wanted { after, last: query.limit, site: query.site.clone() };
    let end = Instant::now() + Duration::from_secs(query.wait.min(WAIT_LIMIT));
    let dropped = logs.dropped(tenant);
    loop {
        let page = read(&logs, tenant, &wanted).await?;
        if !page.lines.is_empty() || page.more || Instant::now() >= end {
            return Ok(LogPage { lines: page.lines, next: page.next.to_string(), more: page.more, dropped });
        }
        wanted.after = Some(page.next); // what was looked at is not looked at again
        sleep(LOOK_INTERVAL).await;
    }
}

fn whose(caller: Caller, named: Option<&str>) -> Result<TenantId, Failed> {
    let named = named.map(|uid| uid.parse().map(TenantId));
    match (caller, named) {
        (_, Some(Err(_))) => Err((StatusCode::BAD_REQUEST, "a tenant is named by uid".to_owned())),
        (Caller::Tenant(tenant), None) => Ok(tenant),
        (Caller::Operator, None) => Ok(TenantId::OPERATOR),
        (caller, Some(Ok(tenant))) if caller.may_see(tenant) => Ok(tenant),
        _ => Err((StatusCode::FORBIDDEN, "this is not your log".to_owned())),
    }
}

/// Files are not read on this thread.
async fn read(logs: &TenantLogReader, tenant: TenantId, wanted: &Wanted) -> Result<Page, Failed> {
    let (logs, wanted) = (logs.clone(), wanted.clone());
    let told = tokio::task::spawn_blocking(move || logs.read(tenant, &wanted)).await;
    match told {
        Ok(Ok(page)) => Ok(page),
        Ok(Err(error)) => {
            tracing::warn!(%tenant, %error, "the log of a tenant cannot be read");
            Err((StatusCode::INTERNAL_SERVER_ERROR, "the log cannot be read: the operator's log says why".to_owned()))
        }
        Err(_) => Err((StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping".to_owned())),
    }
}
