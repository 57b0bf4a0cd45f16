//! For the tests of this crate: authorities and certificates of every wrong kind, and handshakes over byte vectors.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use vestibule_names::{HostPattern, Hostname, SiteId, TenantId};

use crate::{CertificateFiles, CertificateRequest, IdentityRequest, Origin, Vault, tls};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

/// A CA of the test's own.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
}

/// A leaf to be made.
pub(crate) struct LeafPlan<'a> {
    authority: &'a Authority,
    pub(crate) params: CertificateParams,
    pub(crate) key: KeyPair,
}

/// A leaf that was made.
pub(crate) struct Made {
    pub(crate) chain_pem: String,
    pub(crate) key_pem: String,
    pub(crate) chain_der: Vec<CertificateDer<'static>>,
}

impl Authority {
    /// A self-signed CA.
    pub(crate) fn new(name: &str) -> Self {
        Self::with(name, |params, key| params.self_signed(key).unwrap())
    }

    /// Another certificate of this CA's key, which ended then; PEM.
    pub(crate) fn expired(&self, name: &str, end: SystemTime) -> String {
        let mut params = ca_params(name);
        params.not_after = end.into();
        params.self_signed(self.issuer.key()).unwrap().pem()
    }

    /// An intermediate CA under this one.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        Self::with(name, |params, key| params.signed_by(key, &self.issuer).unwrap())
    }

    fn with(name: &str, sign: impl FnOnce(&CertificateParams, &KeyPair) -> rcgen::Certificate) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let params = ca_params(name);
        let certificate = sign(&params, &key);
        Self { der: certificate.der().clone(), pem: certificate.pem(), issuer: Issuer::new(params, key) }
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// What it signs with.
    pub(crate) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    pub(crate) fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// A good leaf of 90 days that began yesterday.
    pub(crate) fn leaf(&self, names: &[&str]) -> LeafPlan<'_> {
        let now = SystemTime::now();
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.not_before = (now - DAY).into();
        params.not_after = (now + 89 * DAY).into();
        params.distinguished_name = common_name("a leaf");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        LeafPlan { authority: self, params, key: KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap() }
    }
}

impl LeafPlan<'_> {
    pub(crate) fn with(mut self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        change(&mut self.params);
        self
    }

    pub(crate) fn key(mut self, key: KeyPair) -> Self {
        self.key = key;
        self
    }

    pub(crate) fn make(self) -> Made {
        let leaf = self.params.signed_by(&self.key, &self.authority.issuer).unwrap();
        Made { chain_pem: leaf.pem(), key_pem: self.key.serialize_pem(), chain_der: vec![leaf.into()] }
    }
}

impl Made {
    /// Writes the two files; each replaces its former by a rename, as certbot and editors do.
    pub(crate) fn write(&self, dir: &Path) -> Origin {
        let (chain, key) = (put(dir, "chain.pem", &self.chain_pem), put(dir, "key.pem", &self.key_pem));
        Origin::Files(Box::new(CertificateFiles { chain, key }))
    }
}

/// Writes a private file by rename.
pub(crate) fn put(dir: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let (path, new) = (dir.join(name), dir.join(format!("{name}.new")));
    fs::write(&new, content).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&new, &path).unwrap();
    path
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

/// A pattern as a site file writes it.
pub(crate) fn host(text: &str) -> HostPattern {
    match text.strip_prefix("*.") {
        Some(suffix) => HostPattern::Wildcard(Hostname::parse(suffix).unwrap()),
        None => match text.parse() {
            Ok(address) => HostPattern::Address(address),
            Err(_) => HostPattern::Exact(Hostname::parse(text).unwrap()),
        },
    }
}

/// A request of the operator.
pub(crate) fn request(site: &str, hosts: &[&str], origin: Origin) -> IdentityRequest {
    let hosts = hosts.iter().map(|text| host(text)).collect();
    IdentityRequest {
        certificate: CertificateRequest { site: SiteId::new(site), tenant: TenantId::OPERATOR, hosts, origin },
        client_ca: None,
    }
}

/// A client that trusts these roots, with a session cache of its own.
pub(crate) fn client(
    roots: &[CertificateDer<'static>],
    version: &'static SupportedProtocolVersion,
) -> Arc<ClientConfig> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(tls::crypto_provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// The root of a vault's local CA.
pub(crate) fn root_of(vault: &Vault) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(vault.root_pem().as_bytes()).unwrap()
}

/// An open connection between a client and a server.
pub(crate) struct Session {
    pub(crate) client: ClientConnection,
    pub(crate) server: ServerConnection,
}

impl Session {
    /// Shakes hands over byte vectors, and lets the client take its tickets.
    pub(crate) fn open(
        client: &Arc<ClientConfig>,
        server: &Arc<ServerConfig>,
        name: &str,
    ) -> Result<Self, rustls::Error> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut session = Self {
            client: ClientConnection::new(Arc::clone(client), name)?,
            server: ServerConnection::new(Arc::clone(server))?,
        };
        while session.client.is_handshaking() || session.server.is_handshaking() {
            session.turn()?;
        }
        session.turn()?;
        Ok(session)
    }

    /// Carries what each side wants to say to the other.
    pub(crate) fn turn(&mut self) -> Result<(), rustls::Error> {
        let mut wire = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut wire).unwrap();
        }
        let mut unread = &wire[..];
        while !unread.is_empty() {
            self.server.read_tls(&mut unread).unwrap();
            self.server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while self.server.wants_write() {
            self.server.write_tls(&mut wire).unwrap();
        }
        let mut unread = &wire[..];
        while !unread.is_empty() {
            self.client.read_tls(&mut unread).unwrap();
            self.client.process_new_packets()?;
        }
        Ok(())
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.server.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }
}
