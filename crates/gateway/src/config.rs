//! [`Config`]: everything a gateway needs to run, decided. Flags, settings file and defaults meet in the binary; from
//! here on nothing is optional.

pub mod as_written;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

pub use vestibule_acme::config as acme;
use vestibule_acme::config::NamedProvider;
pub use vestibule_certs::store::{CaId, KeyType};
use vestibule_names::{ClientNetwork, ListenAddr};
pub use vestibule_site::acme::WithoutCertificate;
pub use vestibule_site::settings::{AccessLog, AddressMetrics, ClientAddresses, Limits, Timeouts};

pub use crate::tenancy::Tenancy;

/// Who may listen where, with what, for how long.
#[derive(Clone, Debug)]
pub struct Config {
    /// Clear HTTP; may be empty.
    pub http: Vec<ListenAddr>,
    /// TLS; may be empty.
    pub https: Vec<ListenAddr>,
    /// The folder of site files. Created if missing.
    pub sites: PathBuf,
    /// The gateway's own folder: ledger, local CA, admin socket. Created 0700 if missing.
    pub state: PathBuf,
    /// Workers: threads that serve connections, at least one.
    pub workers: usize,
    /// Limits.
    pub limits: Limits,
    /// Waits.
    pub timeouts: Timeouts,
    /// The operator's admin socket: nobody else can open it.
    pub admin_socket: PathBuf,
    /// The tenants' admin socket, which every user can open, and whether a start without it is one; `None`: there is none.
    pub tenant_socket: Option<(PathBuf, Need)>,
    /// A loopback TCP address that serves metrics and readiness only.
    pub admin_address: Option<ListenAddr>,
    /// What its metrics tell to whoever asks.
    pub address_metrics: AddressMetrics,
    /// Where access events go.
    pub access: AccessLog,
    /// Where tenants' own access events are kept; `None`: nowhere.
    pub tenant_logs: Option<TenantLogs>,
    /// Public CAs; `None`: nobody has agreed to a CA's terms, and public names get local certificates.
    pub acme: Option<AcmePolicy>,
    /// Whose forwarding headers are believed.
    pub trusted_proxies: Vec<ClientNetwork>,
    /// What tenants may do.
    pub tenancy: Tenancy,
}

impl Config {
    /// The sockets of the admin interface: no site leads to one of them.
    pub(crate) fn admin_sockets(&self) -> impl Iterator<Item = &Path> {
        let tenants = self.tenant_socket.iter().map(|(path, _)| path.as_path());
        std::iter::once(self.admin_socket.as_path()).chain(tenants)
    }
}

/// Tenants' own access logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantLogs {
    /// The folder, the gateway's alone. Created 0700 if missing.
    pub folder: PathBuf,
    /// How much of a client's address a tenant is told.
    pub client_addresses: ClientAddresses,
}

/// Must a thing be there?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Somebody asked for it: a start without it fails.
    Required,
    /// It is a default: a start without it says so.
    IfPossible,
}

/// Public CAs, and what a name gets before its first certificate.
#[derive(Clone, Debug)]
pub struct AcmePolicy {
    /// CAs, hooks, checks.
    pub config: vestibule_acme::Config,
    /// A handshake for a name whose first order is in flight waits this long.
    pub hold: Duration,
    /// What it gets then.
    pub without_certificate: WithoutCertificate,
}

/// What the judgement of site files needs to know of public CAs.
#[derive(Clone, Debug, Default)]
pub struct AcmeStanding {
    /// The operator's providers of DNS-01; the one called `default` serves sites that name none. Every CA has the same.
    pub dns: Vec<NamedProvider>,
    /// What a handshake gets while its name has no certificate.
    pub without_certificate: WithoutCertificate,
}

impl AcmePolicy {
    /// What the judgement of site files needs to know of it.
    pub fn standing(&self) -> AcmeStanding {
        let mut dns = self.config.cas.first().map(|ca| ca.dns.clone()).unwrap_or_default();
        dns.sort_by(|a, b| a.name.cmp(&b.name));
        AcmeStanding { dns, without_certificate: self.without_certificate }
    }
}

/// How often a site's own certificate files are looked at.
pub(crate) const CERTIFICATE_POLL: Duration = Duration::from_secs(2);
/// A queue of site-change batches between the watching thread and the thread `sites`. Short: what comes while that one is
/// busy waits in the watch, each file once, however often somebody saves it.
pub(crate) const BATCH_QUEUE_LIMIT: usize = 1;
