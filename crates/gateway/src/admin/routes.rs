//! Every question that the admin interface answers, and who may ask it. A path that is not in this table does not exist.

use http::{Method, StatusCode};

use super::{guests::Purpose, reply::Failed};

/// A question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Health,
    Readiness,
    Metrics,
    Whoami,
    Status,
    Sites,
    Backends,
    Certs,
    CertExplained,
    CertPlan,
    CertShown,
    Claims,
    ClaimsPreview,
    Explained,
    Logs,
    Renewal,
    Revocation,
    RollOver,
    Import,
    ClaimTransfer,
    ClaimRelease,
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// Every user of this machine: the answer is the same for all, or about what was asked alone.
    Anybody,
    /// Tenants, about what is theirs, and the operator about everything.
    Owner,
    /// The operator.
    Operator,
}

/// One question.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) method: Method,
    pub(super) asked: Asked,
    pub(super) who: Who,
    /// In cheap questions, of a tenant's rate.
    pub(super) cost: u32,
    /// Does the loopback address answer it too, where nobody can be told from anybody?
    pub(super) over_address: OverAddress,
}

/// Whether the loopback address has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OverAddress {
    Yes,
    No,
}

const fn get(path: &'static str, asked: Asked, who: Who, cost: u32) -> Route {
    Route { path, method: Method::GET, asked, who, cost, over_address: OverAddress::No }
}

const fn post(path: &'static str, asked: Asked, who: Who) -> Route {
    Route { path, method: Method::POST, asked, who, cost: 1, over_address: OverAddress::No }
}

const fn watched(path: &'static str, asked: Asked, who: Who) -> Route {
    Route { path, method: Method::GET, asked, who, cost: 1, over_address: OverAddress::Yes }
}

/// All of them.
pub(super) static ROUTES: &[Route] = &[
    watched("/healthz", Asked::Health, Who::Anybody),
    watched("/readyz", Asked::Readiness, Who::Anybody),
    watched("/metrics", Asked::Metrics, Who::Owner),
    get("/v1/whoami", Asked::Whoami, Who::Anybody, 1),
    get("/v1/status", Asked::Status, Who::Owner, 1),
    get("/v1/sites", Asked::Sites, Who::Owner, 1),
    get("/v1/backends", Asked::Backends, Who::Owner, 5),
    get("/v1/certs", Asked::Certs, Who::Owner, 2),
    get("/v1/certs/explain", Asked::CertExplained, Who::Owner, 10),
    get("/v1/certs/plan", Asked::CertPlan, Who::Owner, 20),
    get("/v1/certs/shown", Asked::CertShown, Who::Owner, 1),
    get("/v1/claims", Asked::Claims, Who::Owner, 2),
    get("/v1/claims/preview", Asked::ClaimsPreview, Who::Anybody, 2),
    get("/v1/explain", Asked::Explained, Who::Anybody, 1),
    get("/v1/logs", Asked::Logs, Who::Owner, 2),
    post("/v1/certs/renew", Asked::Renewal, Who::Owner),
    post("/v1/certs/revoke", Asked::Revocation, Who::Owner),
    post("/v1/certs/roll-over", Asked::RollOver, Who::Operator),
    post("/v1/certs/import", Asked::Import, Who::Operator),
    post("/v1/claims/transfer", Asked::ClaimTransfer, Who::Operator),
    post("/v1/claims/release", Asked::ClaimRelease, Who::Operator),
];

impl Route {
    /// The question of a request.
    pub(super) fn find(method: &Method, path: &str) -> Result<&'static Self, Failed> {
        let mut known = ROUTES.iter().filter(|route| route.path == path).peekable();
        if known.peek().is_none() {
            let paths: Vec<_> = ROUTES.iter().map(|route| route.path).collect();
            return Err((StatusCode::NOT_FOUND, format!("known paths: {}", paths.join(", "))));
        }
        known.find(|route| route.method == *method).ok_or_else(|| {
            let sentence = "GET asks, and POST is known for commands of /v1/certs and /v1/claims".to_owned();
            (StatusCode::METHOD_NOT_ALLOWED, sentence)
        })
    }

    /// The place that a command takes for as long as it is waited for.
    pub(super) fn purpose(&self) -> Option<Purpose> {
        match self.asked {
            Asked::Renewal => Some(Purpose::Renewal),
            _ if self.method == Method::POST => Some(Purpose::Command),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_changes_anything_is_for_anybody_or_on_the_address() {
        for route in ROUTES {
            let changes = route.method != Method::GET;
            assert!(!changes || (route.who != Who::Anybody && route.over_address == OverAddress::No), "{route:?}");
            assert_eq!(changes, route.purpose().is_some(), "{route:?}");
            assert!(Route::find(&route.method, route.path).is_ok_and(|found| found.asked == route.asked));
        }
        let status = |method: &Method, path| Route::find(method, path).expect_err("no such route").0;
        assert_eq!(status(&Method::GET, "/v1/nothing"), StatusCode::NOT_FOUND);
        assert_eq!(status(&Method::PUT, "/v1/status"), StatusCode::METHOD_NOT_ALLOWED);
    }
}
