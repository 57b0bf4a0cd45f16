//! The store as its users see it: a CA that issues, folders that are opened again, and disks that fail.

mod damage;
mod faults;
mod life;
mod proofs;

use std::{fs, path::PathBuf};

use rcgen::CertificateSigningRequestParams;
use rustls::pki_types::CertificateSigningRequestDer;

use super::*;
use crate::testing::{Authority, DAY, host};

const ALICE: TenantId = TenantId(1000);
const BOB: TenantId = TenantId(1001);

/// A store in a folder of its own, and a CA.
struct Scene {
    dir: tempfile::TempDir,
    ca: Authority,
    now: SystemTime,
}

impl Scene {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), ca: Authority::new("Test CA"), now: SystemTime::now() }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("acme")
    }

    fn open(&self) -> Store {
        Store::open(&self.root()).unwrap()
    }

    /// What the CA gives for a signing request, PEM.
    fn issue(&self, csr: &[u8]) -> String {
        sign(&self.ca, csr, self.now)
    }

    /// From the draft to the certificate.
    fn obtain(&self, store: &Store, draft: &Draft) -> Issued {
        let pending = store.begin(draft).unwrap();
        let chain = self.issue(&pending.csr().unwrap());
        pending.commit(chain.as_bytes(), self.now).unwrap()
    }

    fn entries(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root().join(folder)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// A chain of 90 days for a signing request, PEM.
fn sign(ca: &Authority, csr: &[u8], now: SystemTime) -> String {
    let mut request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr)).unwrap();
    request.params.not_before = (now - DAY / 24).into();
    request.params.not_after = (now + 90 * DAY).into();
    request.params.use_authority_key_identifier_extension = true;
    request.signed_by(ca.issuer()).unwrap().pem()
}

fn draft(names: &[&str]) -> Draft {
    Draft {
        tenant: ALICE,
        names: names.iter().map(|name| host(name)).collect(),
        ca: CaId::new("test-ca").unwrap(),
        profile: None,
        key_type: KeyType::EcdsaP256,
        renews: None,
    }
}
