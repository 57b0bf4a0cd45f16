//! The local CA: one root per vault, made once, and the leaves it signs for names that no public CA would certify.
//!
//! The root is never replaced silently: browsers trust it by its key, so a damaged one stops with a message that says
//! what to do. It lives in a directory of its own, which appears whole or not at all.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::{
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use vestibule_names::HostPattern;

use crate::{facts, private_folder, vault::VaultError};

const FOLDER: &str = "local-ca";
const ROOT_FILE: &str = "root.pem";
const KEY_FILE: &str = "root-key.pem";

const ROOT_LIFETIME: Duration = Duration::from_secs(3653 * 24 * 3600);
/// Browsers accept up to 398 days of a public CA; short, because a leaf is free.
pub(crate) const LEAF_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);
/// Certificates begin a little in the past, for clients whose clocks lag.
pub(crate) const BACKDATED: Duration = Duration::from_secs(3600);
/// The names of one leaf together: clients take handshake messages of 64 KiB at most, and every handshake sends them.
pub(crate) const NAMES_SIZE_LIMIT: usize = 32 * 1024;

/// The root, ready to sign.
pub(crate) struct LocalCa {
    issuer: Issuer<'static, KeyPair>,
    root_pem: String,
}

/// A signed leaf and when it counts.
pub(crate) struct Leaf {
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
}

/// Why the local CA could not sign.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The certificate could not be made.
    #[error("the certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// The fresh key was not accepted.
    #[error("the fresh key was not accepted")]
    Key(#[from] rustls::Error),
}

/// The PEM of the local CA's root in `dir` (the folder given to [`crate::Vault::open`]), without opening the vault: for
/// `vestibule certs --root`. Never touches the key.
pub fn read_root(dir: &Path) -> io::Result<String> {
    fs::read_to_string(dir.join(FOLDER).join(ROOT_FILE))
}

impl LocalCa {
    /// Loads the root in `dir`, or makes it on first use. Processes that race for the first use agree on one root.
    pub(crate) fn open(dir: &Path, now: SystemTime) -> Result<Self, VaultError> {
        let folder = dir.join(FOLDER);
        if !folder.exists() {
            let created = Self::create(dir, now);
            // Whoever lost the race, for whatever reason, has the winner's root to load.
            if !folder.exists() {
                created?;
            }
        }
        private_folder::sweep(dir, FOLDER, now);
        Self::load(&folder, now)
    }

    /// The root certificate.
    pub(crate) fn root_pem(&self) -> &str {
        &self.root_pem
    }

    fn create(dir: &Path, now: SystemTime) -> Result<(), VaultError> {
        let failed = |error| VaultError::Create { path: dir.join(FOLDER), source: SignError::Certificate(error) };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let root = root_params(now).self_signed(&key).map_err(failed)?;
        let (key, root) = (key.serialize_pem(), root.pem());
        private_folder::publish(dir, FOLDER, &[(KEY_FILE, key.as_bytes()), (ROOT_FILE, root.as_bytes())])
            .map_err(|source| VaultError::Io { path: dir.join(FOLDER), source })?;
        Ok(())
    }

    fn load(folder: &Path, now: SystemTime) -> Result<Self, VaultError> {
        let (root_path, key_path) = (folder.join(ROOT_FILE), folder.join(KEY_FILE));
        let root_pem = read_own(&root_path)?;
        let key_pem = read_own(&key_path)?;

        let key = KeyPair::from_pem(&key_pem).map_err(|_| damaged(&key_path, "it is no PEM private key"))?;
        let root = CertificateDer::from_pem_slice(root_pem.as_bytes())
            .map_err(|_| damaged(&root_path, "it is no PEM certificate"))?;
        let parsed = facts::parse(&root).ok_or_else(|| damaged(&root_path, "its certificate cannot be read"))?;
        if !parsed.is_ca() || parsed.verify_signature(None).is_err() {
            return Err(damaged(&root_path, "its certificate is not a CA's, or its signature is wrong"));
        }
        if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(damaged(&key_path, "it does not belong to the root certificate beside it"));
        }
        if facts::time(parsed.validity().not_after) <= now {
            // Not fatal: other sites have certificates of their own.
            tracing::error!(path = %root_path.display(), "the local CA's root has expired; no browser trusts it any more");
        }
        let issuer = Issuer::from_ca_cert_der(&root, key)
            .map_err(|_| damaged(&root_path, "its certificate cannot be used to sign"))?;
        Ok(Self { issuer, root_pem })
    }

    /// Signs a leaf for these hosts. The root is not part of the chain: who trusts it has it.
    pub(crate) fn sign(
        &self,
        hosts: &[HostPattern],
        now: SystemTime,
        provider: &CryptoProvider,
    ) -> Result<Leaf, SignError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let (not_before, not_after) = validity(now);
        let mut params = CertificateParams::default();
        params.not_before = not_before.into();
        params.not_after = not_after.into();
        params.distinguished_name = common_name("Vestibule local certificate");
        params.subject_alt_names = hosts.iter().map(alt_name).collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &self.issuer)?;

        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing_key = provider.key_provider.load_private_key(key)?;
        let certified = Arc::new(CertifiedKey::new(vec![leaf.into()], signing_key));
        Ok(Leaf { certified, not_before, not_after })
    }
}

impl fmt::Debug for LocalCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalCa").finish_non_exhaustive()
    }
}

impl Leaf {
    /// Time to sign anew: a third of the lifetime before its end.
    pub(crate) fn renew_after(&self) -> SystemTime {
        self.not_after - LEAF_LIFETIME / 3
    }
}

/// When a leaf signed now would count.
pub(crate) fn validity(now: SystemTime) -> (SystemTime, SystemTime) {
    (now.checked_sub(BACKDATED).unwrap_or(now), now + LEAF_LIFETIME)
}

/// A host as a certificate writes it: `blog.test`, `*.blog.test`, `192.0.2.7`.
pub(crate) fn written(host: &HostPattern) -> String {
    match host {
        HostPattern::Exact(name) => name.as_str().to_owned(),
        HostPattern::Wildcard(suffix) => format!("*.{}", suffix.as_str()),
        HostPattern::Address(address) => address.to_string(),
    }
}

pub(crate) fn alt_name(host: &HostPattern) -> Result<SanType, rcgen::Error> {
    Ok(match host {
        HostPattern::Address(address) => SanType::IpAddress(*address),
        name => SanType::DnsName(written(name).try_into()?),
    })
}

fn root_params(now: SystemTime) -> CertificateParams {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    // RFC 5280, appendix A.1: a common name has 64 characters at most.
    let machine: String = machine.chars().filter(char::is_ascii_graphic).take(24).collect();
    let number = private_folder::random_hex().unwrap_or_default();
    let mut params = CertificateParams::default();
    params.not_before = now.checked_sub(BACKDATED).unwrap_or(now).into();
    params.not_after = (now + ROOT_LIFETIME).into();
    params.distinguished_name = common_name(&format!("Vestibule local CA ({machine} {number})"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

pub(crate) fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

/// Reads a file that must be there, because its directory appeared whole.
fn read_own(path: &Path) -> Result<String, VaultError> {
    fs::read_to_string(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => damaged(path, "it is missing"),
        io::ErrorKind::InvalidData => damaged(path, "it is not text"),
        _ => VaultError::Io { path: path.to_owned(), source },
    })
}

fn damaged(path: &Path, reason: &'static str) -> VaultError {
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    VaultError::DamagedRoot { path: path.to_owned(), reason, folder }
}

#[cfg(test)]
mod tests;
