//! The part of the admin interface that is about who holds which name.
//!
//! Of other tenants' names nothing is told but that they are taken, and that only of names that were asked for: whoever
//! writes them into a site file learns as much.

use http::StatusCode;
use vestibule_diagnostics::Diagnostic;
use vestibule_names::{HostPattern, SiteId, TenantId};

use super::{
    Caller,
    model::{ClaimRow, NamePreviews, NameRefusal},
    reply::Failed,
};
use crate::house::House;

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
