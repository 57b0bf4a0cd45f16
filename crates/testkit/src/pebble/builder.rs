//! [`PebbleBuilder`]: how a pebble is started. Addresses and the root of its API are known before it runs, because the
//! gateway must be told them, while pebble must be told the gateway's ports.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::{Pebble, folder};
use crate::{
    certificate::{Authority, Validity},
    ports::Reserved,
    process::{Process, Program, require},
};

/// Does pebble refuse what will break in later versions?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// Not yet.
    #[default]
    Lenient,
    /// It does (`-strict`).
    Strict,
}

/// How a pebble is started. Unless said otherwise: no bad nonces, no reuse of authorizations, no waits, certificates of
/// its own default of five years, names resolved by the system.
#[derive(Clone, Debug)]
pub struct PebbleBuilder {
    api: Reserved,
    management: Reserved,
    dir: Arc<TempDir>,
    nameserver: Option<SocketAddr>,
    bad_nonces: u8,
    authz_reuse: u8,
    strictness: Strictness,
    validity: Option<Duration>,
    alternates: usize,
    chain_length: usize,
    eab: Map<String, Value>,
    blocked: Vec<String>,
}

impl Default for PebbleBuilder {
    fn default() -> Self {
        require("pebble", "pebble");
        let dir = folder("vestibule-pebble");
        let authority = Authority::default();
        let api = authority.issue(&["localhost", "127.0.0.1"], Validity::Now);
        for (file, text) in [("root.pem", authority.root_pem()), ("api.pem", api.chain), ("api.key", api.key)] {
            fs::write(dir.path().join(file), text).unwrap();
        }
        Self {
            api: Reserved::tcp(),
            management: Reserved::tcp(),
            dir: Arc::new(dir),
            nameserver: None,
            bad_nonces: 0,
            authz_reuse: 0,
            strictness: Strictness::default(),
            validity: None,
            alternates: 0,
            chain_length: 1,
            eab: Map::new(),
            blocked: Vec::new(),
        }
    }
}

impl PebbleBuilder {
    /// Asks that name server (see [`super::ChallTestServer::dns`]) instead of the system.
    #[must_use]
    pub fn nameserver(mut self, address: SocketAddr) -> Self {
        self.nameserver = Some(address);
        self
    }

    /// So many of 100 good nonces are refused.
    #[must_use]
    pub fn bad_nonces(mut self, percent: u8) -> Self {
        self.bad_nonces = percent;
        self
    }

    /// So many of 100 valid authorizations are used again in later orders.
    #[must_use]
    pub fn authz_reuse(mut self, percent: u8) -> Self {
        self.authz_reuse = percent;
        self
    }

    /// See [`Strictness`].
    #[must_use]
    pub fn strictness(mut self, strictness: Strictness) -> Self {
        self.strictness = strictness;
        self
    }

    /// How long certificates are valid, in whole seconds.
    #[must_use]
    pub fn validity(mut self, validity: Duration) -> Self {
        self.validity = Some(validity);
        self
    }

    /// So many alternate chains, each to a root of its own.
    #[must_use]
    pub fn alternate_roots(mut self, count: usize) -> Self {
        self.alternates = count;
        self
    }

    /// So many intermediates in a chain; 1 unless said.
    #[must_use]
    pub fn chain_length(mut self, intermediates: usize) -> Self {
        self.chain_length = intermediates;
        self
    }

    /// New accounts need external account binding; that is one key for it, base64url of at least 32 bytes. Again for
    /// another key.
    #[must_use]
    pub fn eab(mut self, kid: &str, hmac: &str) -> Self {
        self.eab.insert(kid.to_owned(), hmac.into());
        self
    }

    /// Refuses that domain and everything below it (`rejectedIdentifier`).
    #[must_use]
    pub fn block(mut self, domain: &str) -> Self {
        self.blocked.push(domain.to_owned());
        self
    }

    /// The URL of its directory.
    pub fn directory(&self) -> String {
        format!("https://{}/dir", self.api.address())
    }

    /// PEM file of the root that its API's certificate is from.
    pub fn root_file(&self) -> PathBuf {
        self.dir().join("root.pem")
    }

    pub(super) fn root_pem(&self) -> String {
        fs::read_to_string(self.root_file()).unwrap()
    }

    pub(super) fn api(&self) -> SocketAddr {
        self.api.address()
    }

    pub(super) fn management(&self) -> SocketAddr {
        self.management.address()
    }

    pub(super) fn alternates(&self) -> usize {
        self.alternates
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts it: HTTP-01 is looked for at the first port of every address, TLS-ALPN-01 at the second.
    pub async fn start(self, http_port: u16, tls_port: u16) -> Pebble {
        Pebble::launch(self, (http_port, tls_port)).await
    }

    /// Starts the process only.
    pub(super) fn launch(&self, validation: (u16, u16)) -> Process {
        let config = self.dir().join("config.json");
        fs::write(&config, self.config(validation).to_string()).unwrap();
        let mut program = Program::new("pebble")
            .args(["-config".as_ref(), config.as_os_str()])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", self.bad_nonces.to_string())
            .env("PEBBLE_AUTHZREUSE", self.authz_reuse.to_string())
            .env("PEBBLE_ALTERNATE_ROOTS", self.alternates.to_string())
            .env("PEBBLE_CHAIN_LENGTH", self.chain_length.to_string())
            .dir(self.dir());
        if self.strictness == Strictness::Strict {
            program = program.args(["-strict"]);
        }
        if let Some(address) = self.nameserver {
            program = program.args(["-dnsserver".to_owned(), address.to_string()]);
        }
        self.api.release();
        self.management.release();
        program.start("pebble", self.dir())
    }

    fn config(&self, (http_port, tls_port): (u16, u16)) -> Value {
        let mut config = json!({
            "listenAddress": self.api.address(),
            "managementListenAddress": self.management.address(),
            "certificate": self.dir().join("api.pem"),
            "privateKey": self.dir().join("api.key"),
            "httpPort": http_port,
            "tlsPort": tls_port,
            "externalAccountBindingRequired": !self.eab.is_empty(),
            "externalAccountMACKeys": self.eab,
            "domainBlocklist": self.blocked,
        });
        if let Some(validity) = self.validity {
            config["certificateValidityPeriod"] = validity.as_secs().into();
        }
        json!({ "pebble": config })
    }
}
