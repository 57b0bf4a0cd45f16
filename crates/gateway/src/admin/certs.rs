//! The part of the admin interface that is about certificates from public CAs: how names stand, why, when, and the
//! operator's hand on them. Answers that wait for an order have a bound of their own ([`ORDER_TIMEOUT`]).
//!
//! Not here: which path answers what (`server.rs`), and everything that knows what a CA is (`vestibule_acme`).

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::StatusCode;
use tokio::time::timeout;
use vestibule_acme::{
    Handle,
    explain::Standing,
    plan::{NameState, NameStatus},
};
use vestibule_certs::{
    CertificateFacts, StoreNames,
    store::{Broken, Issued, Store},
};
use vestibule_names::{HostPattern, SiteId};

use super::{
    Caller,
    model::{
        BrokenRow, CertExplanation, CertPlan, CertRow, CertStep, Certs, ImportRequest, IssuedRow, NameRow, PlanRow,
    },
    reply::Failed,
};
use crate::house::House;

/// An answer that waits for an order is given up after this; the order goes on. The engine gives up first, and says why.
pub(super) const ORDER_TIMEOUT: Duration = Duration::from_secs(10 * 60 + 15);
/// An explanation asks DNS, a page asks the engine.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(50);

/// Directories of the store that are shown as broken.
const BROKEN_SHOWN: usize = 50;

const NO_CA: &str = "no public CA is configured: write `acme: {agree: true}` into the settings and start again";
const ENGINE_ENDED: &str = "the gateway is stopping (if it is not, the thread that orders certificates has ended, and the log \
    says why)";

fn handle(house: &House) -> Result<&Handle, Failed> {
    // No CA was asked, and none will be: not a conflict, after which waiting helps.
    house.acme.as_ref().ok_or_else(|| (StatusCode::UNPROCESSABLE_ENTITY, NO_CA.to_owned()))
}

/// The answer of the engine, within a bound.
async fn within<T>(bound: Duration, asked: impl Future<Output = Option<T>>) -> Result<T, Failed> {
    match timeout(bound, asked).await {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err((StatusCode::SERVICE_UNAVAILABLE, ENGINE_ENDED.to_owned())),
        Err(_) => {
            let sentence = format!("no answer within {} seconds; what was begun goes on", bound.as_secs());
            Err((StatusCode::GATEWAY_TIMEOUT, sentence))
        }
    }
}

fn host(text: Option<&str>) -> Result<HostPattern, Failed> {
    let text = text.ok_or_else(|| (StatusCode::BAD_REQUEST, "write ?host=NAME".to_owned()))?;
    HostPattern::parse(text).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}

/// A name that the caller holds: the engine knows no others. What others hold is answered like what nobody holds.
pub(super) fn held(house: &House, caller: Caller, text: Option<&str>) -> Result<HostPattern, Failed> {
    let name = host(text)?;
    if house.sites().holder(&name).is_some_and(|claim| caller.may_see(claim.tenant)) {
        return Ok(name);
    }
    let covering = house
        .shared
        .table
        .load()
        .resolve(&name.to_string())
        .filter(|site| caller.may_see(site.vhost.tenant))
        .and_then(|site| site.vhost.hosts.iter().find(|pattern| pattern.matches(&name.to_string())).cloned());
    let sentence = match covering {
        Some(pattern) => format!("{name} is served by the wildcard {pattern}: ask for that"),
        None if caller == Caller::Operator => format!("no site has the name {name}: write its site file first"),
        None => format!("no site of yours has the name {name}: write its site file first"),
    };
    Err((StatusCode::NOT_FOUND, sentence))
}

/// `GET /v1/certs`: a page, with how each name of a CA stands.
pub(super) async fn page(house: &House, caller: Caller, after: Option<&str>, limit: usize) -> Certs {
    let mut page = house.sites().certs_page(caller, after, limit);
    if after.is_none() && caller == Caller::Operator {
        page.broken = broken(house.shared.vault.store());
    }
    let of_cas = |row: &&mut CertRow| matches!(&*row.source, "auto" | "acme");
    let sites = page.certs.iter_mut().filter(of_cas).map(|row| SiteId::new(&row.site)).collect();
    let Some(told) = standing(house, sites).await else { return page };
    let mut by_site: HashMap<String, HashMap<String, NameStatus>> = HashMap::new();
    for status in told {
        by_site.entry(status.site.to_string()).or_default().insert(status.name.to_string(), status);
    }
    let store = house.shared.vault.store();
    for row in page.certs.iter_mut().filter(of_cas) {
        let names = by_site.remove(&row.site).unwrap_or_default();
        let wanted = if row.source == "acme" { StoreNames::All } else { StoreNames::Public };
        row.names = row.hosts.iter().map(|host| name_row(host, names.get(host), wanted, store)).collect();
    }
    page
}

/// How the names of these sites stand at the CAs; `None` without CAs, or when the engine does not answer.
pub(super) async fn standing(house: &House, sites: Vec<SiteId>) -> Option<Vec<NameStatus>> {
    within(QUESTION_TIMEOUT, house.acme.as_ref()?.status(sites)).await.ok()
}

fn broken(store: &Store) -> Vec<BrokenRow> {
    let row = |broken: Broken| BrokenRow { path: broken.path.display().to_string(), reason: broken.reason };
    store.broken().into_iter().take(BROKEN_SHOWN).map(row).collect()
}

/// `wanted`: of which names a CA is asked for a certificate.
fn name_row(name: &str, status: Option<&NameStatus>, wanted: StoreNames, store: &Store) -> NameRow {
    let mut row = NameRow::new(name, "local");
    let Some(status) = status else {
        let is_public = HostPattern::parse(name).is_ok_and(|pattern| !pattern.is_private());
        if wanted == StoreNames::All || is_public {
            // Not among what is wanted of the engine: see `change/public.rs`.
            "waiting".clone_into(&mut row.state);
            row.failure_kind = Some("configuration".to_owned());
            row.failure = Some("a wildcard needs DNS-01, and no DNS provider is set up for it".to_owned());
        }
        return row;
    };
    let seconds = |instant: vestibule_acme::Timestamp| instant.0 / 1000;
    let issued = status.issuance.as_ref().and_then(|_| store.find(status.tenant, &status.name));
    word(status.state).clone_into(&mut row.state);
    row.ca = issued.as_ref().map(|issued| issued.draft.ca.to_string());
    row.issuer = issued.map(|issued| issued.issuer.as_ref().to_owned());
    row.not_after = status.not_after.map(seconds);
    row.renew_at = status.renew_at.map(seconds);
    row.next_attempt = status.next_attempt.map(seconds);
    row.issuance = status.issuance.as_ref().map(ToString::to_string);
    row.failures = status.failures;
    if let Some((kind, sentence, at)) = &status.failure {
        row.failure_kind = serde_json::to_value(kind).ok().and_then(|kind| kind.as_str().map(str::to_owned));
        row.failure = Some(sentence.clone());
        row.failed_at = Some(seconds(*at));
    }
    row
}

pub(super) fn word(state: NameState) -> &'static str {
    match state {
        NameState::Waiting => "waiting",
        NameState::Ordering => "ordering",
        NameState::Valid => "valid",
        NameState::Renewing => "renewing",
        NameState::Quarantined => "quarantined",
        NameState::Expired => "expired",
    }
}

/// `GET /v1/certs/explain`. The step about the claim is the gateway's: the engine knows only names that are held. It asks
/// DNS and knocks at ports, so a tenant has it done for names of their own only.
pub(super) async fn explain(house: &House, caller: Caller, text: Option<&str>) -> Result<CertExplanation, Failed> {
    let handle = handle(house)?;
    let name = match caller {
        Caller::Operator => host(text)?,
        Caller::Tenant(_) => held(house, caller, text)?,
    };
    let claim = house.sites().explain_claim(&name);
    let told = within(QUESTION_TIMEOUT, handle.explain(name)).await?;
    let steps = told.steps.into_iter().filter(|step| step.subject != "claim").map(|step| CertStep {
        subject: step.subject.to_owned(),
        standing: match step.standing {
            Standing::Good => "good",
            Standing::Unclear => "unclear",
            Standing::Bad => "bad",
        }
        .to_owned(),
        sentence: step.sentence,
    });
    let verdict = if claim.standing == "bad" { claim.sentence.clone() } else { told.verdict };
    Ok(CertExplanation { name: told.name, steps: std::iter::once(claim).chain(steps).collect(), verdict })
}

/// `GET /v1/certs/shown`: the certificate of a CA that is shown for a name, with all names in it.
pub(super) fn shown(house: &House, caller: Caller, text: Option<&str>) -> Result<IssuedRow, Failed> {
    let name = held(house, caller, text)?;
    let tenant = house.sites().holder(&name).map(|claim| claim.tenant);
    let found = tenant.and_then(|tenant| house.shared.vault.store().find(tenant, &name));
    issued(found.ok_or_else(|| format!("{name} has no certificate of a CA")))
}

/// `GET /v1/certs/plan`. The queue is everybody's; a tenant is told of their own sites, and of no total but theirs: there an
/// order that several sites share counts for each.
pub(super) async fn plan(house: &House, caller: Caller) -> Result<CertPlan, Failed> {
    let mut forecast = within(QUESTION_TIMEOUT, handle(house)?.forecast()).await?;
    if let Caller::Tenant(tenant) = caller {
        let own: HashSet<SiteId> = house.sites().ids_of(tenant).into_iter().collect();
        forecast.sites.retain(|row| own.contains(&row.site));
        forecast.orders = forecast.sites.iter().map(|row| row.orders).sum();
    }
    let row = |site: vestibule_acme::plan::SiteForecast| PlanRow {
        site: site.site.to_string(),
        done: site.done.0 / 1000,
        orders: site.orders,
        waits_for: site.waits_for,
    };
    Ok(CertPlan { orders: forecast.orders, sites: forecast.sites.into_iter().map(row).collect() })
}

/// `POST /v1/certs/renew`.
pub(super) async fn renew(house: &House, caller: Caller, text: Option<&str>) -> Result<IssuedRow, Failed> {
    let (handle, name) = (handle(house)?, held(house, caller, text)?);
    let claim = house.sites().explain_claim(&name);
    if claim.standing == "bad" {
        return Err((StatusCode::UNPROCESSABLE_ENTITY, claim.sentence));
    }
    issued(within(ORDER_TIMEOUT, handle.renew(name)).await?)
}

/// `POST /v1/certs/revoke`.
pub(super) async fn revoke(
    house: &House,
    caller: Caller,
    text: Option<&str>,
    reason: Option<&str>,
) -> Result<IssuedRow, Failed> {
    let (handle, name) = (handle(house)?, held(house, caller, text)?);
    let reason = match reason.unwrap_or("0").parse() {
        // RFC 5280 section 5.3.1: 7 is not used; the others above 5 are not a subscriber's (RFC 8555 section 7.6 lets the CA
        // refuse more).
        Ok(reason @ 0..=5) => reason,
        _ => return Err((StatusCode::BAD_REQUEST, "a reason is a code of RFC 5280 from 0 to 5".to_owned())),
    };
    issued(within(ORDER_TIMEOUT, handle.revoke(name, reason)).await?)
}

/// `POST /v1/certs/roll-over`.
pub(super) async fn roll_over(house: &House) -> Result<serde_json::Value, Failed> {
    let told = within(ORDER_TIMEOUT, handle(house)?.roll_over()).await?;
    told.map(|()| serde_json::json!({})).map_err(|sentence| (StatusCode::CONFLICT, sentence))
}

/// `POST /v1/certs/import`: for the tenant who holds the names of the certificate.
pub(super) async fn import(house: &House, request: ImportRequest) -> Result<IssuedRow, Failed> {
    let handle = handle(house)?;
    let unreadable = || (StatusCode::BAD_REQUEST, "the chain does not begin with a certificate in PEM".to_owned());
    let facts = CertificateFacts::of_pem(request.chain.as_bytes()).ok_or_else(unreadable)?;
    let names: Vec<_> = facts.names.iter().filter_map(|name| HostPattern::parse(name).ok()).collect();
    let tenant = house.sites().holder_of_all(&names).map_err(|sentence| (StatusCode::CONFLICT, sentence))?;
    let told = handle.import(tenant, request.chain.into_bytes(), request.key.into_bytes());
    issued(within(ORDER_TIMEOUT, told).await?)
}

fn issued(told: Result<Issued, String>) -> Result<IssuedRow, Failed> {
    let issued = told.map_err(|sentence| (StatusCode::CONFLICT, sentence))?;
    Ok(IssuedRow {
        issuance: issued.id.to_string(),
        names: issued.draft.names.iter().map(ToString::to_string).collect(),
        ca: issued.draft.ca.to_string(),
        not_after: seconds(issued.not_after),
    })
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
