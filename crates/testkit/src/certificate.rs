//! [`Authority`]: a CA of the test's own, for sites that bring their certificate files.

use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

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
        const DAY: Duration = Duration::from_secs(86_400);
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let now = SystemTime::now();
        (params.not_before, params.not_after) = match validity {
            Validity::Now => ((now - DAY).into(), (now + 30 * DAY).into()),
            Validity::Expired => ((now - 30 * DAY).into(), (now - DAY).into()),
        };
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        Issued { chain: leaf.pem(), key: key.serialize_pem() }
    }
}
