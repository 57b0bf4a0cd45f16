//! [`Settings`]: the gateway's own file, `vestibule.yaml`. Every field is optional here; `gateway` fills in defaults
//! that depend on who runs it.

use std::{path::PathBuf, time::Duration};

use vestibule_names::{ByteSize, ClientNetwork, ListenAddr};

/// What the settings file says. Missing means "the default".
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `listen.http`.
    pub http: Option<Vec<ListenAddr>>,
    /// `listen.https`.
    pub https: Option<Vec<ListenAddr>>,
    /// `sites`: the folder of site files.
    pub sites: Option<PathBuf>,
    /// `state`: the gateway's own folder.
    pub state: Option<PathBuf>,
    /// `user`: as whom to go on when root has started the gateway.
    pub user: Option<crate::tenancy::User>,
    /// `workers`; default: one per core.
    pub workers: Option<usize>,
    /// `limits`.
    pub limits: Limits,
    /// `timeouts`.
    pub timeouts: Timeouts,
    /// `admin.socket`: default `STATE/admin.sock`.
    pub admin_socket: Option<PathBuf>,
    /// `admin.tenants`: the socket that every user may open.
    pub tenant_socket: TenantSocket,
    /// `admin.address`: a loopback TCP address for metrics and readiness only.
    pub admin_address: Option<ListenAddr>,
    /// `admin.metrics`: what the metrics of that address tell.
    pub address_metrics: AddressMetrics,
    /// `log`.
    pub log: Log,
    /// `trusted_proxies`: networks whose `X-Forwarded-*` and `Forwarded` are believed.
    pub trusted_proxies: Vec<ClientNetwork>,
    /// `claims`, `upstreams` and `tenants`.
    pub tenancy: crate::tenancy::Tenancy,
    /// `acme`: public CAs; `None`: not written.
    pub acme: Option<crate::acme::Acme>,
}

/// The socket on which tenants ask for their own things.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TenantSocket {
    /// A box's gateway has one, a private one has none.
    #[default]
    Standard,
    /// There.
    At(PathBuf),
    /// None.
    Off,
}

/// What the metrics of the admin address tell to whoever asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressMetrics {
    /// The gateway as a whole.
    #[default]
    Totals,
    /// Each site too: every user of the machine then learns whose sites there are, and how they fare.
    Sites,
}

/// Limits of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open client connections in all; `None`: from the file descriptor limit.
    pub connections: Option<u32>,
    /// Open connections of one client address. 1,000.
    pub connections_per_client: u32,
    /// The whole request head. 64 KiB (431).
    pub request_head: ByteSize,
    /// Fields of a request head. 128 (431).
    pub request_headers: u32,
    /// The request target. 16 KiB (414).
    pub request_target: ByteSize,
    /// HTTP/2 streams open at once on a connection. 128.
    pub streams_per_connection: u32,
    /// A site file. 256 KiB.
    pub site_file: ByteSize,
    /// Idle connections kept per backend and worker. 64.
    pub idle_upstream_connections: u32,
}
impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: None,
            connections_per_client: 1000,
            request_head: ByteSize(64 << 10),
            request_headers: 128,
            request_target: ByteSize(16 << 10),
            streams_per_connection: 128,
            site_file: ByteSize(256 << 10),
            idle_upstream_connections: 64,
        }
    }
}

/// Waits of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From accept to a finished TLS handshake. 10 s.
    pub handshake: Duration,
    /// From the first byte of a request head to its end. 10 s.
    pub request_head: Duration,
    /// A connection with no request. 60 s.
    pub idle: Duration,
    /// A client that does not read. 30 s.
    pub write_stall: Duration,
    /// Of a stop: open requests may finish this long. 30 s.
    pub drain_grace: Duration,
    /// An idle upstream connection is closed after this. 55 s.
    pub upstream_keep_alive: Duration,
    /// Between two rescans of the sites folder. 60 s.
    pub rescan: Duration,
}
impl Default for Timeouts {
    fn default() -> Self {
        let s = Duration::from_secs;
        Self {
            handshake: s(10),
            request_head: s(10),
            idle: s(60),
            write_stall: s(30),
            drain_grace: s(30),
            upstream_keep_alive: s(55),
            rescan: s(60),
        }
    }
}

/// Where logs go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// `log.level`: a tracing filter, default `info`.
    pub level: Option<String>,
    /// `log.format`.
    pub format: LogFormat,
    /// `log.access`.
    pub access: AccessLog,
    /// `log.tenants`.
    pub tenants: TenantLog,
}

/// Tenants' own access logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantLog {
    /// `log.tenants.keep`; `None`: if there are access events at all.
    pub keep: Option<Keep>,
    /// `log.tenants.folder`; default `STATE/logs`.
    pub folder: Option<PathBuf>,
    /// `log.tenants.client_addresses`.
    pub client_addresses: ClientAddresses,
}

/// Is a log kept?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Yes.
    Yes,
    /// No.
    No,
}

/// How much of a client's address is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAddresses {
    /// All of it.
    #[default]
    Full,
    /// IPv4 without the last byte, IPv6 without all but the first 48 bits.
    Shortened,
}

/// The form of the gateway's own events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// JSON lines.
    Json,
}

/// Where access events go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AccessLog {
    /// Standard output, JSON lines.
    #[default]
    Stdout,
    /// A file, appended; reopened when it was moved away.
    File(PathBuf),
    /// Nowhere.
    Off,
}
