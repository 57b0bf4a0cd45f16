//! Client configurations for upstream TLS: the system's roots, or those of a PEM file.
//!
//! Read when a site is prepared, never per connection. Not here: whether an upstream's name is right (its dialler says).

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject},
    version::{TLS12, TLS13},
};

use crate::{
    tenant_file::{self, Owner, Stamp},
    vault::VaultError,
};

/// More files than this are not remembered at once; the next request simply reads again.
const CACHE_LIMIT: usize = 1024;
/// More roots than this in one file are a mistake; the system has about 150.
const ROOTS_LIMIT: usize = 1000;

/// The configurations made so far.
#[derive(Default)]
pub(crate) struct ClientConfigs {
    made: Mutex<Made>,
}

#[derive(Default)]
struct Made {
    system: Option<Arc<ClientConfig>>,
    files: HashMap<PathBuf, (Stamp, Arc<ClientConfig>)>,
}

impl ClientConfigs {
    /// The configuration for the system's roots. Read once: it changes with the next start.
    pub(crate) fn system(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<ClientConfig>, VaultError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = &made.system {
            return Ok(Arc::clone(config));
        }
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (taken, passed_over) = roots.add_parsable_certificates(found.certs);
        if taken == 0 {
            return Err(VaultError::NoSystemRoots);
        }
        if passed_over > 0 || !found.errors.is_empty() {
            tracing::warn!(
                taken,
                passed_over,
                unreadable = found.errors.len(),
                "not all of the system's roots can be used"
            );
        }
        let config = client_config(roots, provider)?;
        made.system = Some(Arc::clone(&config));
        Ok(config)
    }

    /// The configuration for the roots in a file; the same one again until the file changes.
    pub(crate) fn file(&self, path: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<ClientConfig>, VaultError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((stamp, config)) = made.files.get(path)
            && Stamp::look(path).as_ref() == Some(stamp)
        {
            return Ok(Arc::clone(config));
        }
        let bad = |reason: String| VaultError::Roots { path: path.to_owned(), reason };
        let file = tenant_file::read(path, Owner::Any).map_err(|fault| bad(fault.to_string()))?;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&file.bytes)
            .take(ROOTS_LIMIT + 1)
            .collect::<Result<_, _>>()
            .map_err(|_| bad("it is not valid PEM".to_owned()))?;
        if certificates.is_empty() || certificates.len() > ROOTS_LIMIT {
            return Err(bad(format!("it must hold 1 to {ROOTS_LIMIT} certificates")));
        }
        let mut roots = RootCertStore::empty();
        // As with the system's roots: one odd certificate in a bundle takes nothing from the others.
        let (taken, passed_over) = roots.add_parsable_certificates(certificates);
        if taken == 0 {
            return Err(bad("none of its certificates can be a root".to_owned()));
        }
        if passed_over > 0 {
            tracing::warn!(path = %path.display(), taken, passed_over, "not all roots of this file can be used");
        }
        let config = client_config(roots, provider)?;
        if made.files.len() >= CACHE_LIMIT {
            made.files.clear();
        }
        made.files.insert(path.to_owned(), (file.stamp, Arc::clone(&config)));
        Ok(config)
    }
}

fn client_config(roots: RootCertStore, provider: &Arc<CryptoProvider>) -> Result<Arc<ClientConfig>, VaultError> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(VaultError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Upstreams are spoken to in HTTP/1.1; one that insists on h2 must fail in the handshake, not in the middle.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{testing::Authority, tls};

    #[test]
    fn a_file_is_read_again_only_when_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let (path, provider, configs) = (dir.path().join("ca.pem"), tls::crypto_provider(), ClientConfigs::default());
        fs::write(&path, Authority::new("One").pem()).unwrap();
        let first = configs.file(&path, &provider).unwrap();
        assert_eq!(first.alpn_protocols, [b"http/1.1"]);
        assert!(Arc::ptr_eq(&first, &configs.file(&path, &provider).unwrap()));
        fs::remove_file(&path).unwrap();
        fs::write(&path, Authority::new("Another").pem()).unwrap();
        assert!(!Arc::ptr_eq(&first, &configs.file(&path, &provider).unwrap()));
    }

    #[test]
    fn a_bad_file_is_named_and_not_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let (provider, configs) = (tls::crypto_provider(), ClientConfigs::default());
        let check = |content: &str, expected: &str| {
            let path = dir.path().join("ca.pem");
            fs::write(&path, content).unwrap();
            let error = configs.file(&path, &provider).unwrap_err().to_string();
            assert_eq!(error, format!("cannot use the roots in {}: {expected}", path.display()));
        };
        check("", "it is empty");
        check("secret", "it must hold 1 to 1000 certificates");
        check("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n", "it is not valid PEM");
        check(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "none of its certificates can be a root",
        );
    }
}
