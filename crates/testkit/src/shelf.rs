//! [`Shelf`]: a gateway's store of certificates as it would be after as many orders, written without asking any CA: for
//! boxes with more sites than anybody would wait for.
//!
//! All certificates have one key, which no CA would mind and nothing here depends on. It knows the layout of the store from
//! outside; a gateway that reads it otherwise shows them as broken.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::KeyPair;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::json;

use crate::{
    ca::renewal_identifier,
    certificate::{Authority, Validity},
};

const DAY: Duration = Duration::from_secs(86_400);

/// Where certificates are put before a gateway starts.
#[derive(Debug)]
pub struct Shelf {
    authority: Authority,
    key: KeyPair,
    live: PathBuf,
}

impl Shelf {
    /// In the state folder of a gateway that does not run.
    pub fn new(state: &Path) -> Self {
        let live = state.join("certs/acme/live");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&live).unwrap();
        Self { authority: Authority::default(), key: KeyPair::generate().unwrap(), live }
    }

    /// What a client must trust, PEM.
    pub fn root_pem(&self) -> String {
        self.authority.root_pem()
    }

    /// Puts the certificate of a tenant's name there. Each has a number of its own, from 1 on; later ones have greater ones.
    pub fn put(&self, number: u64, tenant: u32, name: &str) {
        let chain = self.authority.issue_for(&[name], Validity::For(60 * DAY), &self.key);
        let leaf = CertificateDer::from_pem_slice(chain.as_bytes()).unwrap();
        let fingerprint: String = digest(&SHA256, &leaf).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let mut order = json!({
            "version": 1, "tenant": tenant, "names": [name], "ca": "shelf", "profile": null, "key_type": "ecdsa-p256",
            "renews": null,
        });
        let mut meta = order.clone();
        order["order_url"] = json!(format!("https://ca.invalid/order/{number}"));
        meta["not_before"] = json!(now - DAY.as_secs());
        meta["not_after"] = json!(now + 60 * DAY.as_secs());
        meta["obtained"] = json!(now);
        meta["ari"] = json!(renewal_identifier(&leaf));
        meta["issuer"] = json!("Shelf");
        meta["fingerprint"] = json!(fingerprint);
        let directory = self.live.join(format!("{number:010}-{name}"));
        fs::DirBuilder::new().mode(0o700).create(&directory).unwrap();
        let pretty = |value| serde_json::to_vec_pretty(&value).unwrap();
        write(&directory, "key.pem", self.key.serialize_pem().as_bytes());
        write(&directory, "order.json", &pretty(order));
        write(&directory, "chain.pem", chain.as_bytes());
        write(&directory, "meta.json", &pretty(meta));
    }
}

fn write(directory: &Path, name: &str, content: &[u8]) {
    let mut options = fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(directory.join(name));
    file.and_then(|mut file| file.write_all(content)).unwrap();
}
