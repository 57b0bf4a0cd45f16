//! [`Authority`]: a CA of the test's own, for sites that bring their certificate files. [`Shown`]: what a server showed.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, parse_x509_certificate, public_key::PublicKey,
};

/// Signs for any name.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The leaf.
    pub chain: String,
    /// Its key.
    pub key: String,
}

/// When a certificate is valid, seen from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It is.
    Now,
    /// It was.
    Expired,
    /// It is, for so long.
    For(Duration),
}

impl Issued {
    /// The leaf as `Client-Cert` has it (RFC 9440 section 2.2).
    pub fn field(&self) -> String {
        let leaf = CertificateDer::from_pem_slice(self.chain.as_bytes()).unwrap();
        format!(":{}:", STANDARD.encode(leaf))
    }
}

/// A certificate signing request for these names with a key of its own, DER.
pub fn request(names: &[&str]) -> Vec<u8> {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let params = CertificateParams::new(names).unwrap();
    params.serialize_request(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

impl Default for Authority {
    fn default() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap() }
    }
}

impl Authority {
    /// What a client must trust, PEM.
    pub fn root_pem(&self) -> String {
        self.issuer.pem()
    }

    /// A leaf for these names, with a key of its own.
    pub fn issue(&self, names: &[&str], validity: Validity) -> Issued {
        let key = KeyPair::generate().unwrap();
        Issued { chain: self.issue_for(names, validity, &key), key: key.serialize_pem() }
    }

    /// The same for a key that is there already: the leaf, PEM.
    pub fn issue_for(&self, names: &[&str], validity: Validity, key: &KeyPair) -> String {
        const DAY: Duration = Duration::from_secs(86_400);
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let now = SystemTime::now();
        (params.not_before, params.not_after) = match validity {
            Validity::Now => ((now - DAY).into(), (now + 30 * DAY).into()),
            Validity::For(time) => ((now - DAY).into(), (now + time).into()),
            Validity::Expired => ((now - 30 * DAY).into(), (now - DAY).into()),
        };
        params.use_authority_key_identifier_extension = true;
        params.signed_by(key, &self.issuer).unwrap().pem()
    }
}

/// The chain that a server showed in a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    chain: Vec<CertificateDer<'static>>,
}

impl Shown {
    /// Leaf first.
    pub fn new(chain: &[CertificateDer<'_>]) -> Self {
        assert!(!chain.is_empty(), "a server without a certificate");
        Self { chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect() }
    }

    /// As it is in a PEM file, leaf first.
    pub fn of_pem(chain: &str) -> Self {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
        Self::new(&chain.unwrap())
    }

    fn leaf(&self) -> X509Certificate<'_> {
        parse_x509_certificate(&self.chain[0]).unwrap().1
    }

    /// The leaf's serial number as pebble writes it: hexadecimal without leading zeros.
    pub fn serial(&self) -> String {
        self.leaf().serial.to_str_radix(16)
    }

    /// The names and addresses in it, sorted.
    pub fn names(&self) -> Vec<String> {
        let leaf = self.leaf();
        let names =
            leaf.subject_alternative_name().unwrap().unwrap().value.general_names.iter().map(|name| match name {
                GeneralName::DNSName(name) => (*name).to_owned(),
                GeneralName::IPAddress(octets) => {
                    std::net::Ipv4Addr::from(<[u8; 4]>::try_from(*octets).unwrap()).to_string()
                }
                other => panic!("{other:?} in a certificate"),
            });
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// `rsa` or `ec` with the bits of the leaf's key: `ec 384`.
    pub fn key(&self) -> String {
        let leaf = self.leaf();
        let key = leaf.public_key().parsed().unwrap();
        let family = if matches!(key, PublicKey::RSA(_)) { "rsa" } else { "ec" };
        format!("{family} {}", key.key_size())
    }

    /// The common names of the issuers, from the leaf's on.
    pub fn issuers(&self) -> Vec<String> {
        let parsed = self.chain.iter().map(|certificate| parse_x509_certificate(certificate).unwrap().1);
        parsed
            .filter_map(|certificate| {
                Some(certificate.issuer().iter_common_name().next()?.as_str().unwrap().to_owned())
            })
            .collect()
    }
}
