//! The part of the admin interface that is about who holds which name, and the operator's hand on it: `transfer` and
//! `release`, each of them one line of the log.
//!
//! Of other tenants' names nothing is told but that they are taken, and that only of names that were asked for: whoever
//! writes them into a site file learns as much.

use http::StatusCode;
use vestibule_diagnostics::Diagnostic;
use vestibule_names::{HostPattern, SiteId, TenantId};
use vestibule_vhost::HandError;

use super::{
    Caller,
    model::{ClaimMoved, ClaimRow, NamePreviews, NameRefusal},
    reply::Failed,
};
use crate::{
    change::{Sites, Step},
    house::House,
    users,
};

/// Names that one question may be about.
const NAMES_LIMIT: usize = 100;

/// `GET /v1/claims`. The order of claims is told as an order: its numbers count the claims of everybody.
pub(super) fn rows(house: &House, caller: Caller) -> Vec<ClaimRow> {
    let mut rows = house.sites().claim_rows(caller);
    if caller != Caller::Operator {
        let mut order: Vec<u64> = rows.iter().map(|row| row.since).collect();
        order.sort_unstable();
        for row in &mut rows {
            row.since = order.partition_point(|since| *since < row.since) as u64;
        }
    }
    rows
}

/// `GET /v1/claims/preview`.
pub(super) fn preview(
    house: &House,
    caller: Caller,
    site: Option<&str>,
    names: &[String],
) -> Result<NamePreviews, Failed> {
    if names.is_empty() || names.len() > NAMES_LIMIT {
        let sentence = format!("write ?site=FILE&host=NAME, for 1 to {NAMES_LIMIT} names");
        return Err((StatusCode::BAD_REQUEST, sentence));
    }
    let parse = |name: &String| HostPattern::parse(name).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()));
    let names = names.iter().map(parse).collect::<Result<Vec<_>, Failed>>()?;
    let tenant = match caller {
        Caller::Operator => TenantId::OPERATOR,
        Caller::Tenant(tenant) => tenant,
    };
    let refused = house.sites().preview_names(tenant, &SiteId::new(site.unwrap_or("")), &names);
    let row = |(name, diagnostic): (HostPattern, Diagnostic)| NameRefusal {
        name: name.to_string(),
        code: diagnostic.code.to_string(),
        message: diagnostic.message,
        note: diagnostic.note,
        help: diagnostic.help,
    };
    Ok(NamePreviews { refused: refused.into_iter().map(row).collect() })
}

/// `POST /v1/claims/transfer?host=NAME&user=USER`.
pub(super) async fn transfer(house: &House, host: Option<&str>, user: Option<&str>) -> Result<ClaimMoved, Failed> {
    let name = name(host)?;
    let user = user.ok_or_else(|| bad("write ?host=NAME&user=USER".to_owned()))?.to_owned();
    in_background(house, move |house| {
        let to = tenant(&user)?;
        let (moved, from) = house
            .change(|sites| match sites.transfer(&name, to) {
                Ok((step, before)) => (step, Ok((moved(sites, &name, before.tenant), before.tenant))),
                Err(error) => (Step::default(), Err(error)),
            })
            .map_err(|error| refused(&name, error))?;
        tracing::info!(%name, %from, %to, "a claim was transferred by hand");
        Ok(moved)
    })
    .await
}

/// `POST /v1/claims/release?host=NAME`.
pub(super) async fn release(house: &House, host: Option<&str>) -> Result<ClaimMoved, Failed> {
    let name = name(host)?;
    in_background(house, move |house| {
        let (moved, from) = house
            .change(|sites| match sites.free(&name) {
                Ok((step, before)) => (step, Ok((moved(sites, &name, before.tenant), before.tenant))),
                Err(error) => (Step::default(), Err(error)),
            })
            .map_err(|error| refused(&name, error))?;
        tracing::info!(%name, %from, "a claim was released by hand");
        Ok(moved)
    })
    .await
}

/// The disk and the system's users are asked on a thread that may wait.
async fn in_background(
    house: &House,
    work: impl FnOnce(&House) -> Result<ClaimMoved, Failed> + Send + 'static,
) -> Result<ClaimMoved, Failed> {
    let house = house.clone();
    let done = tokio::task::spawn_blocking(move || work(&house)).await;
    done.unwrap_or_else(|error| Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())))
}

fn moved(sites: &Sites, name: &HostPattern, from: TenantId) -> ClaimMoved {
    let now: Option<ClaimRow> = sites.claim_row(name);
    ClaimMoved { name: name.to_string(), from: from.0, now }
}

fn name(host: Option<&str>) -> Result<HostPattern, Failed> {
    let text = host.ok_or_else(|| bad("write ?host=NAME".to_owned()))?;
    HostPattern::parse(text).map_err(|error| bad(error.to_string()))
}

fn tenant(user: &str) -> Result<TenantId, Failed> {
    let found = user.parse().map(TenantId).ok().or_else(|| users::uid_of(user));
    found
        .ok_or_else(|| (StatusCode::NOT_FOUND, format!("this system knows no user {user:?}: write a name or a number")))
}

fn bad(sentence: String) -> Failed {
    (StatusCode::BAD_REQUEST, sentence)
}

fn refused(name: &HostPattern, error: HandError) -> Failed {
    match error {
        HandError::Unheld => {
            (StatusCode::NOT_FOUND, format!("nobody holds {name}: `vestibule claims` lists what is held"))
        }
        HandError::Already => (StatusCode::CONFLICT, format!("that user holds {name} already")),
    }
}
