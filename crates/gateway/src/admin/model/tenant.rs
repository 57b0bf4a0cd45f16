//! What a tenant is told, and what the operator is told of tenants.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::SiteRow;

/// What one tenant has of the box now, and what it was refused since the start.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TenantRow {
    /// The uid.
    pub tenant: u32,
    /// Open client connections.
    pub connections: u32,
    /// Requests being answered.
    pub requests_in_flight: u32,
    /// Open tunnels.
    pub tunnels: u32,
    /// Open connections to backends.
    pub upstream_connections: u32,
    /// Bytes of bodies held in memory.
    pub buffered_bytes: u64,
    /// Pieces of bodies that waited for the bandwidth.
    pub bandwidth_waits: u64,
    /// How often each limit refused something; `share` is what the other tenants must find left.
    pub refused: BTreeMap<String, u64>,
    /// Backends to which nothing was sent, or should not have been, the last first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<DeniedBackend>,
}

/// A backend of a tenant that is not the tenant's, or out of bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeniedBackend {
    /// As the site file names it.
    pub upstream: String,
    /// `port 5000 is held by uid 1002, not by you`.
    pub why: String,
    /// Since the last time.
    pub seconds_ago: u64,
}

/// `GET /v1/status` of a tenant: their own things, and nothing that depends on another's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TenantStatus {
    /// Of the binary.
    pub version: String,
    /// The uid of whoever asks.
    pub tenant: u32,
    /// Their name, if the system knows one.
    pub user: Option<String>,
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
    /// Sites that are live.
    pub sites: usize,
    /// Sites kept at their last good version.
    pub stale: usize,
    /// Files that have an error and no good version to serve.
    pub broken: usize,
    /// Names that lead to these sites.
    pub names: usize,
    /// Requests answered since the start.
    pub requests: u64,
    /// Of these, 5xx.
    pub errors: u64,
    /// Bytes of response bodies.
    pub sent_bytes: u64,
    /// What the tenant has of the box, and may have.
    pub budgets: Vec<Budget>,
    /// How often each limit refused something; `share` is what the other tenants must find left.
    pub refused: BTreeMap<String, u64>,
    /// Backends to which nothing was sent, or should not have been, the last first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<DeniedBackend>,
    /// Access events that could not be written into the tenant's log since the start.
    pub log_lines_dropped: u64,
    /// How many names stand how at the CAs, by the words of [`NameRow`](super::NameRow)'s state; absent while no CA is
    /// configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<BTreeMap<String, u64>>,
    /// Sites that are not `live`, with what to do: the same as in `sites`, at most 100.
    pub attention: Vec<SiteRow>,
}

/// A part of the box that a tenant may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// As in the settings, below `tenants.NAME.limits`.
    pub name: String,
    /// What is used of it now.
    pub used: u64,
    /// How much there is; absent: no limit.
    pub limit: Option<u64>,
}

impl Budget {
    pub(crate) fn new(name: &str, used: u64, limit: u32) -> Self {
        let limit = Some(u64::from(limit)).filter(|_| limit != u32::MAX);
        Self { name: name.to_owned(), used, limit }
    }

    pub(crate) fn bytes(name: &str, used: u64, limit: u64) -> Self {
        Self { name: name.to_owned(), used, limit: Some(limit).filter(|_| limit != u64::MAX) }
    }
}

/// `GET /v1/whoami`: as whom the gateway knows the caller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Whoami {
    /// Root, or the user as whom the gateway runs.
    pub operator: bool,
    /// The uid of anybody else.
    pub uid: Option<u32>,
    /// Their name, if the system knows one.
    pub user: Option<String>,
    /// How many site files they own.
    pub sites: Option<usize>,
    /// The folder of site files.
    pub sites_dir: String,
    /// The user as whom the gateway runs: what a site file names must be readable by it.
    pub gateway_uid: u32,
}

/// `GET /v1/claims/preview?site=FILE&host=NAME&host=NAME`: would a file of the caller's get these names, at most 100? Nothing
/// is claimed by asking.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NamePreviews {
    /// The names that it would not get, in the order of the question.
    pub refused: Vec<NameRefusal>,
}

/// Why a file would not get a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameRefusal {
    /// The name, in its normal form.
    pub name: String,
    /// The number of the diagnostic.
    pub code: String,
    /// In one line.
    pub message: String,
    /// Why.
    pub note: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

/// `GET /v1/backends?after=SITE`: who listens where sites forward to, in order of site.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Backends {
    /// This page.
    pub backends: Vec<BackendRow>,
    /// Pass as `after` for the next page.
    pub next: Option<String>,
}

/// One backend of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendRow {
    /// The site file.
    pub site: String,
    /// As the file writes it.
    pub upstream: String,
    /// `own` (a socket of the site's tenant), `allowed` (of a user in `owners`), `other`, `nobody`, `astray` (a folder or
    /// link on the way to a Unix socket is somebody else's), `unresolved` (a name without an address), `elsewhere` (not
    /// on the loopback), or `unknown`.
    pub standing: String,
    /// The address that a name leads to now.
    #[serde(default)]
    pub leads_to: Option<String>,
    /// Whose socket (or folder) it is.
    pub uid: Option<u32>,
    /// The process, if it is the tenant's own and may be known.
    pub pid: Option<u32>,
}

/// `GET /v1/logs?after=PLACE&limit=N&site=FILE&wait=SECONDS&tenant=UID`: access events of a tenant, as they were written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogPage {
    /// JSON, one event each; without `after` the last ones, otherwise those after it.
    pub lines: Vec<String>,
    /// Pass as `after` to go on.
    pub next: String,
    /// Is there more already?
    pub more: bool,
    /// Events of this tenant that could not be written since the start.
    pub dropped: u64,
}
