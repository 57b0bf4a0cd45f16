//! [`Authority`]: roots, an intermediate with one certificate per root, leaves. Also leaves that are wrong on order.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SerialNumber,
};
use vestibule_names::HostPattern;
use x509_parser::{extensions::ParsedExtension, parse_x509_certificate};

use super::{inject::Flaw, jws, orders::sorted};

const DAY: Duration = Duration::from_secs(86_400);
/// Certificates begin in the past, for clients whose clocks are behind.
const BACKDATED: Duration = Duration::from_secs(3600);

/// The keys of the CA.
#[derive(Debug)]
pub(super) struct Authority {
    roots: Vec<CertifiedIssuer<'static, KeyPair>>,
    /// The intermediate's certificate by each root, PEM.
    intermediates: Vec<String>,
    issuer: Issuer<'static, KeyPair>,
}

/// What is to be issued.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) csr: &'a CertificateSigningRequestParams,
    pub(super) names: &'a [HostPattern],
    pub(super) now: SystemTime,
    pub(super) lifetime: Duration,
    pub(super) flaw: Option<Flaw>,
}

/// What was.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) id: String,
    pub(super) leaf: Vec<u8>,
    pub(super) chains: Vec<String>,
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
}

impl Authority {
    /// One root, and so many alternates.
    pub(super) fn new(alternates: usize) -> Self {
        let root = |number| {
            let params = ca_params(&format!("Simulated Root X{number}"));
            CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
        };
        let roots: Vec<_> = (1..=alternates + 1).map(root).collect();
        let params = ca_params("Simulated Intermediate E1");
        let key = KeyPair::generate().unwrap();
        let signed = roots.iter().map(|root| params.signed_by(&key, root).unwrap().pem()).collect();
        Self { roots, intermediates: signed, issuer: Issuer::new(params, key) }
    }

    /// All roots, PEM.
    pub(super) fn roots_pem(&self) -> String {
        self.roots.iter().map(|root| root.pem()).collect()
    }

    pub(super) fn issue(&self, wanted: &Wanted<'_>) -> Made {
        let (not_before, not_after) = dates(wanted);
        let mut params = CertificateParams::new(names(wanted)).unwrap();
        params.distinguished_name = DistinguishedName::new();
        (params.not_before, params.not_after) = (not_before.into(), not_after.into());
        params.serial_number = Some(serial());
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let leaf = match wanted.flaw {
            Some(Flaw::WrongKey) => params.signed_by(&KeyPair::generate().unwrap(), &self.issuer),
            _ => params.signed_by(&wanted.csr.public_key, &self.issuer),
        };
        let leaf = leaf.unwrap();
        let chain = |intermediate: &String| match wanted.flaw {
            Some(Flaw::WrongOrder) => format!("{intermediate}{}", leaf.pem()),
            Some(Flaw::LeafOnly) => leaf.pem(),
            Some(Flaw::NoPem) => "the certificate is in another castle\n".to_owned(),
            _ => format!("{}{intermediate}", leaf.pem()),
        };
        let chains = self.intermediates.iter().map(chain).collect();
        Made { id: identifier(leaf.der()), leaf: leaf.der().to_vec(), chains, not_before, not_after }
    }
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params
}

fn dates(wanted: &Wanted<'_>) -> (SystemTime, SystemTime) {
    let begin = match wanted.flaw {
        Some(Flaw::Expired) => wanted.now - wanted.lifetime - DAY,
        Some(Flaw::NotYetValid) => wanted.now + DAY,
        _ => wanted.now - BACKDATED,
    };
    (begin, begin + wanted.lifetime)
}

fn names(wanted: &Wanted<'_>) -> Vec<String> {
    let mut names = sorted(wanted.names);
    match wanted.flaw {
        Some(Flaw::WrongNames) => vec!["wrong.invalid".to_owned()],
        Some(Flaw::MissingName) if names.len() > 1 => {
            names.pop();
            names
        }
        Some(Flaw::MissingName) => vec!["missing.invalid".to_owned()],
        _ => names,
    }
}

/// Random, positive, and of full length, so that DER writes it as it is.
fn serial() -> SerialNumber {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}

/// By what a CA knows a certificate whose renewal is asked about (RFC 9773 section 4.1).
pub fn identifier(leaf: &[u8]) -> String {
    let (_, leaf) = parse_x509_certificate(leaf).unwrap();
    let key = leaf.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(authority) => authority.key_identifier.as_ref(),
        _ => None,
    });
    format!("{}.{}", jws::encode(key.unwrap().0), jws::encode(leaf.raw_serial()))
}
