//! [`CaBuilder`]: how the CA is started, and what it offers.

use std::{
    collections::HashMap,
    fs,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Clock, Shared, SimulatedCa, Validation, issue::Authority, rules::Limits, server::serve, state::State};
use crate::certificate::{Authority as ApiAuthority, Validity};

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3600);

/// What it offers; some of it changes while it runs.
/// What a later order gets for a name that has a valid authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    /// A new one, to be proved.
    Never,
    /// That one.
    Same,
    /// A new one that is valid at once.
    Copy,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) limits: Limits,
    pub(super) lifetime: Duration,
    /// With the lifetimes of their certificates.
    pub(super) profiles: Vec<(String, Duration)>,
    /// HMAC keys by identifier; empty: no binding needed.
    pub(super) eab: HashMap<String, Vec<u8>>,
    pub(super) caa_identities: Vec<String>,
    pub(super) has_renewal_info: bool,
    /// What `Retry-After` of renewal information says.
    pub(super) ask_again: Duration,
    pub(super) reuse: Reuse,
    pub(super) keeps_authorizations: bool,
    pub(super) validation: Validation,
}

impl Settings {
    pub(super) fn lifetime_of(&self, profile: Option<&str>) -> Duration {
        let known = self.profiles.iter().find(|(name, _)| Some(name.as_str()) == profile);
        known.map_or(self.lifetime, |(_, lifetime)| *lifetime)
    }

    pub(super) fn set_lifetime(&mut self, lifetime: Duration) {
        self.lifetime = lifetime;
        self.profiles.iter_mut().for_each(|(_, of_profile)| *of_profile = lifetime);
    }
}

/// How the CA is started.
#[derive(Clone, Debug)]
pub struct CaBuilder {
    settings: Settings,
    clock: Clock,
    alternates: usize,
    bad_nonces: u32,
}

impl Default for CaBuilder {
    fn default() -> Self {
        let profiles = [("classic", 90 * DAY), ("tlsserver", 45 * DAY), ("shortlived", 160 * HOUR)];
        let settings = Settings {
            limits: Limits::lets_encrypt(),
            lifetime: 90 * DAY,
            profiles: profiles.map(|(name, lifetime)| (name.to_owned(), lifetime)).to_vec(),
            eab: HashMap::new(),
            caa_identities: vec!["simulated.test".to_owned()],
            has_renewal_info: true,
            ask_again: 6 * HOUR,
            reuse: Reuse::Never,
            keeps_authorizations: false,
            validation: Validation::Trusting,
        };
        Self { settings, clock: Clock::default(), alternates: 0, bad_nonces: 0 }
    }
}

impl CaBuilder {
    /// Other limits than Let's Encrypt's.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self
    }

    /// On that clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How challenges are validated.
    #[must_use]
    pub fn validation(mut self, validation: Validation) -> Self {
        self.settings.validation = validation;
        self
    }

    /// How long certificates live, with every profile and without.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.set_lifetime(lifetime);
        self
    }

    /// No profiles.
    #[must_use]
    pub fn without_profiles(mut self) -> Self {
        self.settings.profiles.clear();
        self.settings.limits.profiles.clear();
        self
    }

    /// No renewal information.
    #[must_use]
    pub fn without_renewal_info(mut self) -> Self {
        self.settings.has_renewal_info = false;
        self
    }

    /// When to ask for renewal information again.
    #[must_use]
    pub fn ask_again(mut self, after: Duration) -> Self {
        self.settings.ask_again = after;
        self
    }

    /// Accounts need external account binding; that is one key for it.
    #[must_use]
    pub fn eab(mut self, kid: &str, hmac: &[u8]) -> Self {
        self.settings.eab.insert(kid.to_owned(), hmac.to_vec());
        self
    }

    /// Valid authorizations are used again in later orders.
    #[must_use]
    pub fn reuse_authorizations(mut self) -> Self {
        self.settings.reuse = Reuse::Same;
        self
    }

    /// Names with a valid authorization get another one in later orders, that is valid at once.
    #[must_use]
    pub fn copy_authorizations(mut self) -> Self {
        self.settings.reuse = Reuse::Copy;
        self
    }

    /// No authorization is deactivated on request.
    #[must_use]
    pub fn keep_authorizations(mut self) -> Self {
        self.settings.keeps_authorizations = true;
        self
    }

    /// So many alternate chains, to roots called `Simulated Root X2` and so on.
    #[must_use]
    pub fn alternates(mut self, count: usize) -> Self {
        self.alternates = count;
        self
    }

    /// Of 100 good nonces, so many are refused.
    #[must_use]
    pub fn bad_nonces(mut self, percent: u32) -> Self {
        self.bad_nonces = percent;
        self
    }

    /// Starts it on a loopback port.
    pub async fn start(self) -> SimulatedCa {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let dir = tempfile::Builder::new().prefix("vestibule-ca").tempdir().unwrap();
        let api = ApiAuthority::default();
        fs::write(dir.path().join("root.pem"), api.root_pem()).unwrap();
        let mut state = State::new(self.settings);
        state.nonces.bad_percent = self.bad_nonces;
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            clock: self.clock,
            base: format!("https://{}", listener.local_addr().unwrap()),
            authority: Authority::new(self.alternates),
        });
        let task = tokio::spawn(serve(Arc::clone(&shared), listener, tls(&api)));
        SimulatedCa { shared, task, dir }
    }
}

fn tls(authority: &ApiAuthority) -> TlsAcceptor {
    let issued = authority.issue(&["localhost", "127.0.0.1"], Validity::Now);
    let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}
