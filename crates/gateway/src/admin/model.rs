//! What travels over the admin socket, as JSON. The binary's tables and other people's scripts read it, so names stay.

mod tenant;

use std::fmt;

use serde::{Deserialize, Serialize};
use vestibule_diagnostics::Report;

pub use self::tenant::{
    BackendRow, Backends, Budget, DeniedBackend, LogPage, NamePreviews, NameRefusal, TenantRow, TenantStatus, Whoami,
};

/// `GET /v1/status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Of the binary.
    pub version: String,
    /// Of the process.
    pub pid: u32,
    /// Since the start.
    pub uptime_seconds: u64,
    /// Of the live table.
    pub generation: u64,
    /// True once the first scan is live.
    pub ready: bool,
    /// True once it takes nothing new.
    pub draining: bool,
    /// Bound clear addresses, with real ports.
    pub http: Vec<String>,
    /// Bound TLS addresses.
    pub https: Vec<String>,
    /// The folder of site files.
    pub sites_dir: String,
    /// The gateway's own folder.
    pub state_dir: String,
    /// Threads that serve.
    pub workers: usize,
    /// Sites that are live.
    pub sites: usize,
    /// Names that lead somewhere.
    pub names: usize,
    /// Sites kept at their last good version.
    pub stale: usize,
    /// Files that have an error and no good version to serve.
    pub broken: usize,
    /// Open client connections.
    pub connections: u64,
    /// Requests in flight.
    pub requests_in_flight: u64,
    /// Requests answered since the start.
    pub requests: u64,
    /// Changes that the ledger could not take yet (a full or failing disk): they are live, and would be missing after a
    /// restart.
    pub uncommitted: usize,
    /// Public CAs; absent while none is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acme: Option<AcmeStatus>,
    /// What is asked of who listens behind a tenant's upstream: `enforce`, `warn`, `off`, or `blind` where it should be
    /// enforced and the kernel does not say.
    #[serde(default)]
    pub owner_check: String,
    /// Tenants that were refused something, those most often first, at most 20.
    #[serde(default)]
    pub tenants: Vec<TenantRow>,
    /// Sites that are not `live`, with what to do: the same as in `sites`, at most 100.
    pub attention: Vec<SiteRow>,
}

/// How certificates from public CAs stand.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AcmeStatus {
    /// Names of the CAs, in the order in which they are asked.
    pub cas: Vec<String>,
    /// False when the thread that orders certificates has ended: nothing is renewed until a restart.
    pub running: bool,
    /// How many names stand how: `waiting`, `ordering`, `valid`, `renewing`, `quarantined`, `expired`.
    pub names: std::collections::BTreeMap<String, u64>,
    /// Until the next certificate runs out; negative: since it has. Absent while there is none.
    pub next_expiry_seconds: Option<i64>,
    /// Hooks that failed, and events dropped before a hook saw them.
    pub hook_failures: u64,
}

/// How a site stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SiteState {
    /// The file as it is on disk.
    Live,
    /// Some of its names are held by others.
    Partial,
    /// The last good version; the file on disk has an error.
    Stale,
    /// An error and nothing to serve.
    Broken,
}

/// One row of `GET /v1/sites`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SiteRow {
    /// The site file, relative to the sites folder.
    pub site: String,
    /// The owner's uid.
    pub owner: u32,
    /// How it stands.
    pub state: SiteState,
    /// The names it serves.
    pub hosts: Vec<String>,
    /// Where its routes lead: `/ -> 127.0.0.1:5000`.
    pub routes: Vec<String>,
    /// Requests answered since the start.
    pub requests: u64,
    /// Of these, 5xx.
    pub errors: u64,
    /// What there is to say of its file.
    pub reports: Vec<Report>,
}

/// `GET /v1/sites?limit=N&after=SITE`: in order of site.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sites {
    /// This page.
    pub sites: Vec<SiteRow>,
    /// Pass as `after` for the next page.
    pub next: Option<String>,
}

/// One row of `GET /v1/certs`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CertRow {
    /// The site file.
    pub site: String,
    /// The names it is shown for.
    pub hosts: Vec<String>,
    /// `local CA`, or the issuer.
    pub issuer: String,
    /// `internal`, `files`, `auto`.
    pub source: String,
    /// Unix seconds.
    pub not_before: u64,
    /// Unix seconds.
    pub not_after: u64,
    /// SHA-256, empty until a local certificate is first used.
    pub fingerprint: String,
    /// Why the last change of its files was not taken.
    pub problem: Option<String>,
    /// Of a site with `client_ca`: `required` or `optional`.
    #[serde(default)]
    pub client_certificate: Option<String>,
    /// Of a site with `auto` or `acme`: how each of its names stands at the CA. Empty without CAs.
    #[serde(default)]
    pub names: Vec<NameRow>,
}

/// How one name stands at the CA. Instants are Unix seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NameRow {
    /// The name.
    pub name: String,
    /// `waiting`, `ordering`, `valid`, `renewing`, `quarantined`, `expired`, or `local` (the local CA's).
    pub state: String,
    /// The CA that issued what is served.
    pub ca: Option<String>,
    /// Its issuer's common name.
    pub issuer: Option<String>,
    /// The end of what is served.
    pub not_after: Option<u64>,
    /// When its renewal is due.
    pub renew_at: Option<u64>,
    /// When something is tried next.
    pub next_attempt: Option<u64>,
    /// The kind of the last failure (`validation-dns`, `limit`, `ca` …).
    pub failure_kind: Option<String>,
    /// The last failure in one sentence.
    pub failure: Option<String>,
    /// When that was.
    pub failed_at: Option<u64>,
    /// Failures in a row.
    pub failures: u32,
    /// The directory of the issuance in the store.
    pub issuance: Option<String>,
}

impl NameRow {
    /// A name of which nothing but this is known.
    pub fn new(name: &str, state: &str) -> Self {
        Self {
            name: name.to_owned(),
            state: state.to_owned(),
            ca: None,
            issuer: None,
            not_after: None,
            renew_at: None,
            next_attempt: None,
            failure_kind: None,
            failure: None,
            failed_at: None,
            failures: 0,
            issuance: None,
        }
    }
}

/// A directory of the store that cannot be used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BrokenRow {
    /// Where.
    pub path: String,
    /// Why, in one sentence.
    pub reason: String,
}

/// `GET /v1/certs/explain?host=NAME`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CertExplanation {
    /// The name.
    pub name: String,
    /// What must work, in order.
    pub steps: Vec<CertStep>,
    /// One sentence: what to do next.
    pub verdict: String,
}

/// One thing that must work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CertStep {
    /// `claim`, `dns`, `ipv6`, `caa`, `port 80`, `port 443`, `limits`, `ca`, `last attempt`.
    pub subject: String,
    /// `good`, `unclear` or `bad`.
    pub standing: String,
    /// One sentence.
    pub sentence: String,
}

/// `GET /v1/certs/plan`: in order of time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CertPlan {
    /// Each site that still waits for something.
    pub sites: Vec<PlanRow>,
    /// Orders altogether: one that several sites share counts once.
    pub orders: usize,
}

/// One site of a plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlanRow {
    /// The site.
    pub site: String,
    /// Unix seconds at which its last name would have its certificate.
    pub done: u64,
    /// Orders in which it has names.
    pub orders: usize,
    /// What it waits for longest: a limit of the CA, or something of its own.
    pub waits_for: Option<String>,
}

/// The body of `POST /v1/certs/import`. The answer, as that of `POST /v1/certs/renew?host=NAME` and
/// `POST /v1/certs/revoke?host=NAME&reason=CODE`, is an [`IssuedRow`]; `POST /v1/certs/roll-over` answers `{}`.
#[derive(Clone, Serialize, Deserialize)]
pub struct ImportRequest {
    /// PEM, leaf first.
    pub chain: String,
    /// PEM.
    pub key: String,
}

/// Without the key: what is debugged ends in logs.
impl fmt::Debug for ImportRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportRequest").field("chain", &self.chain).finish_non_exhaustive()
    }
}

/// An issuance; `GET /v1/certs/shown?host=NAME` answers with the one that is shown for a name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IssuedRow {
    /// Its directory in the store.
    pub issuance: String,
    /// Its names.
    pub names: Vec<String>,
    /// The CA.
    pub ca: String,
    /// Unix seconds.
    pub not_after: u64,
}

/// `GET /v1/certs?limit=N&after=SITE`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Certs {
    /// This page.
    pub certs: Vec<CertRow>,
    /// Pass as `after` for the next page.
    pub next: Option<String>,
    /// Directories of the store that cannot be used; on the first page, and a few of them if there are many.
    #[serde(default)]
    pub broken: Vec<BrokenRow>,
}

/// How a name stands with the site of a [`ClaimRow`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClaimState {
    /// The site serves it, and its tenant holds it.
    #[default]
    Held,
    /// No site serves it; its tenant holds it for a while yet.
    Grace,
    /// The site waits for it: somebody else holds it.
    Waiting,
    /// The site waits for it: it belongs to a name that somebody else holds.
    Reserved,
    /// The site waits for it: its tenant holds as many names as it may.
    Full,
    /// The site waits for it: the proof by DNS was not found yet.
    Unproven,
}

/// One row of `GET /v1/claims`: the names that are held, and then those that sites wait for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ClaimRow {
    /// The name or wildcard.
    pub name: String,
    /// The site file that serves it, did last, or waits for it.
    pub site: String,
    /// The uid of who holds it or asks for it.
    pub owner: u32,
    /// The name of that user, where the system knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// How it stands.
    #[serde(default)]
    pub state: ClaimState,
    /// Order of claims: smaller is earlier. A tenant's are numbered among themselves.
    pub since: u64,
    /// When it was claimed, Unix seconds; 0: not known, or not held.
    #[serde(default)]
    pub claimed: u64,
    /// In its grace: until when, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Of a wait: the name that stands in the way, or where the proof is looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Of a proof: what the last look at DNS found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// The answer to `POST /v1/claims/transfer?host=NAME&user=USER` and `POST /v1/claims/release?host=NAME`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClaimMoved {
    /// The name.
    pub name: String,
    /// The uid of who held it.
    pub from: u32,
    /// How it stands now; absent when nobody holds it.
    pub now: Option<ClaimRow>,
}

/// `GET /v1/explain?url=…`: where a URL would lead and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// The URL in the form the gateway judges.
    pub url: String,
    /// Step by step, in words.
    pub steps: Vec<String>,
    /// The site, if one was found.
    pub site: Option<String>,
    /// The route's prefix.
    pub route: Option<String>,
    /// What would answer: an upstream, a redirect, a fixed response or a refusal with its status.
    pub outcome: String,
    /// Routes and sites that match too and lost, each with the reason.
    pub lost: Vec<String>,
}

/// What `check` found in one file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Review {
    /// The file as given.
    pub file: String,
    /// Would it go live?
    pub valid: bool,
    /// What there is to say.
    pub reports: Vec<Report>,
}

/// Any error of the admin interface.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdminFailure {
    /// One sentence.
    pub error: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_imported_is_in_no_debug_line() {
        let request = ImportRequest { chain: "the chain".to_owned(), key: "a secret".to_owned() };
        let line = format!("{request:?}");
        assert!(line.contains("the chain") && !line.contains("secret"), "{line}");
    }
}
