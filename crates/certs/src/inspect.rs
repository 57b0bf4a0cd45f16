//! What makes a chain and a key fit to be shown for a site's hosts. Pure: bytes and a time in, findings out.
//!
//! A finding is an error when clients would refuse the certificate or the key does not fit, and a warning when only some
//! would mind. Nothing of a file's content is quoted: the caller may not be allowed to see it.
//!
//! Not here: whether clients trust the issuer. A site may have a private CA.

use std::{path::Path, time::SystemTime};

use rustls::{
    InconsistentKeys,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use vestibule_diagnostics::{Code, Diagnostic, Severity, catalogue};
use vestibule_names::HostPattern;
use x509_parser::{certificate::X509Certificate, error::X509Error, public_key::PublicKey};

use crate::{
    facts::{self, printable},
    local_ca::written,
};

/// More certificates than this are no chain. Public chains have two to four.
const CHAIN_LENGTH_LIMIT: usize = 10;
/// Every handshake sends the whole chain, and clients take handshake messages of 64 KiB at most.
const CHAIN_SIZE_LIMIT: usize = 64 * 1024 - 1024;
/// Clients refuse smaller RSA keys.
const RSA_BITS_MIN: usize = 2048;
/// A signature with a larger RSA key takes a worker so long that one site's handshakes would starve the others.
const RSA_BITS_LIMIT: usize = 4096;
/// So many uncovered names are listed one by one.
const NAMES_LISTED_LIMIT: usize = 8;

/// Errors and warnings of one inspection, in order of discovery.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Diagnostic>);

impl Findings {
    /// Notes an error.
    pub(crate) fn error(&mut self, code: Code, message: impl Into<String>, help: impl Into<String>) {
        self.0.push(Diagnostic { severity: Severity::Error, ..Diagnostic::new(code, message).help(help) });
    }

    /// Notes a warning.
    pub(crate) fn warning(&mut self, code: Code, message: impl Into<String>, help: impl Into<String>) {
        self.0.push(Diagnostic { severity: Severity::Warning, ..Diagnostic::new(code, message).help(help) });
    }

    /// Is there an error?
    pub(crate) fn has_error(&self) -> bool {
        self.0.iter().any(Diagnostic::is_error)
    }

    /// All of them.
    pub(crate) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.0
    }
}

/// The certificates of a PEM file; other sections (a key, parameters) are passed over.
pub(crate) fn parse_chain(pem: &[u8], path: &Path, found: &mut Findings) -> Option<Vec<CertificateDer<'static>>> {
    let path = shown(path);
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).take(CHAIN_LENGTH_LIMIT + 1).collect();
    let problem = match parsed {
        Err(_) => "is not valid PEM".to_owned(),
        Ok(chain) if chain.is_empty() => "holds no certificate".to_owned(),
        Ok(chain) if chain.len() > CHAIN_LENGTH_LIMIT => format!("holds more than {CHAIN_LENGTH_LIMIT} certificates"),
        Ok(chain) if chain.iter().map(|der| der.len()).sum::<usize>() > CHAIN_SIZE_LIMIT => {
            format!("holds certificates of more than {} KiB together", CHAIN_SIZE_LIMIT / 1024)
        }
        Ok(chain) if chain.iter().any(|der| facts::parse(der).is_none()) => {
            "has a section that is not an X.509 certificate".to_owned()
        }
        Ok(chain) => return Some(chain),
    };
    found.error(
        catalogue::CERTIFICATE_INVALID,
        format!("the certificate file {path} {problem}"),
        "it must hold PEM sections `BEGIN CERTIFICATE`: the site's own certificate first, then the intermediates",
    );
    None
}

/// The first private key of a PEM file: PKCS #8, SEC1 or PKCS #1, not encrypted.
pub(crate) fn parse_key(pem: &[u8], path: &Path, found: &mut Findings) -> Option<PrivateKeyDer<'static>> {
    if let Ok(key) = PrivateKeyDer::from_pem_slice(pem) {
        return Some(key);
    }
    let path = shown(path);
    let contains = |marker: &[u8]| pem.windows(marker.len()).any(|window| window == marker);
    if contains(b"BEGIN ENCRYPTED PRIVATE KEY") || contains(b"Proc-Type: 4,ENCRYPTED") {
        found.error(
            catalogue::CERTIFICATE_INVALID,
            format!("the key file {path} is encrypted with a passphrase"),
            "nobody is there to type it: decrypt the key with `openssl pkey` and protect the file by its mode (0600)",
        );
    } else {
        found.error(
            catalogue::CERTIFICATE_INVALID,
            format!("the key file {path} holds no private key"),
            "it must hold one PEM section `BEGIN PRIVATE KEY`, `BEGIN EC PRIVATE KEY` or `BEGIN RSA PRIVATE KEY`",
        );
    }
    None
}

/// Judges a chain (of [`parse_chain`]) for these hosts at this time.
pub(crate) fn judge_chain(
    chain: &[CertificateDer<'_>],
    path: &Path,
    hosts: &[HostPattern],
    now: SystemTime,
    found: &mut Findings,
) {
    let parsed: Vec<_> = chain.iter().filter_map(|der| facts::parse(der)).collect();
    let [leaf, issuers @ ..] = &parsed[..] else { return };
    judge_role(leaf, issuers, path, found);
    judge_order(&parsed, path, found);
    judge_strength(&parsed, path, found);
    judge_time(leaf, issuers, path, now, found);
    judge_names(leaf, path, hosts, found);
}

/// Brings chain and key together, if they belong together.
pub(crate) fn join(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    key_path: &Path,
    provider: &CryptoProvider,
    found: &mut Findings,
) -> Option<CertifiedKey> {
    let Ok(signing_key) = provider.key_provider.load_private_key(key) else {
        found.error(
            catalogue::CERTIFICATE_INVALID,
            format!("the key file {} holds a key that cannot be used", shown(key_path)),
            "use ECDSA (P-256, P-384, P-521), Ed25519, or RSA of 2048 to 4096 bits",
        );
        return None;
    };
    let certified = CertifiedKey::new(chain, signing_key);
    match certified.keys_match() {
        Ok(()) => Some(certified),
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            found.error(
                catalogue::KEY_MISMATCH,
                format!("the key in {} does not belong to the first certificate of the chain", shown(key_path)),
                "the site's own certificate comes first in the chain file; chain and key come from one issuance",
            );
            None
        }
        Err(_) => {
            found.error(
                catalogue::CERTIFICATE_INVALID,
                "the first certificate of the chain is of a form that clients refuse",
                "it must be an X.509 version 3 certificate without unknown critical extensions",
            );
            None
        }
    }
}

fn judge_role(leaf: &X509Certificate<'_>, issuers: &[X509Certificate<'_>], path: &Path, found: &mut Findings) {
    let path = shown(path);
    if leaf.is_ca() && !issuers.is_empty() {
        found.error(
            catalogue::CERTIFICATE_INVALID,
            format!("the first certificate in {path} is a CA's, not the site's"),
            "write the site's own certificate first, then the intermediate that issued it, and so on",
        );
    } else if leaf.is_ca() {
        found.warning(
            catalogue::CERTIFICATE_INVALID,
            format!("the certificate in {path} is marked as a CA's; some clients refuse it for a site"),
            "make it with `-addext basicConstraints=critical,CA:FALSE`, or use `tls: internal`",
        );
    }
    if let Ok(Some(usage)) = leaf.extended_key_usage()
        && !usage.value.server_auth
        && !usage.value.any
    {
        found.error(
            catalogue::CERTIFICATE_INVALID,
            format!("the certificate in {path} is not for servers"),
            "its extended key usage must include `serverAuth` (TLS web server authentication)",
        );
    }
}

/// Each certificate is issued by the next (RFC 5246 section 7.4.2; RFC 8446 section 4.4.2 forgives it, old clients do not).
fn judge_order(chain: &[X509Certificate<'_>], path: &Path, found: &mut Findings) {
    for (place, pair) in chain.windows(2).enumerate() {
        let [certificate, issuer] = pair else { continue };
        let named = certificate.issuer().as_raw() == issuer.subject().as_raw();
        let signed = match certificate.verify_signature(Some(issuer.public_key())) {
            Ok(()) | Err(X509Error::SignatureUnsupportedAlgorithm) => true,
            Err(_) => false,
        };
        if !named || !signed {
            found.error(
                catalogue::CERTIFICATE_INVALID,
                format!(
                    "certificate {} in {} was not issued by certificate {}, which follows it",
                    place + 1,
                    shown(path),
                    place + 2
                ),
                "order the chain so that each certificate is followed by the one that issued it; leave out all others",
            );
        }
    }
}

fn judge_strength(chain: &[X509Certificate<'_>], path: &Path, found: &mut Findings) {
    for (place, certificate) in chain.iter().enumerate() {
        let Ok(PublicKey::RSA(key)) = certificate.public_key().parsed() else { continue };
        let problem = match key.key_size() {
            bits if bits < RSA_BITS_MIN => "is too short; clients refuse it",
            // Only the leaf's key signs here.
            bits if bits > RSA_BITS_LIMIT && place == 0 => "is so long that each handshake would take too much time",
            _ => continue,
        };
        found.error(
            catalogue::CERTIFICATE_INVALID,
            format!("the RSA key of certificate {} in {} {problem}", place + 1, shown(path)),
            format!("use ECDSA P-256, or RSA of {RSA_BITS_MIN} to {RSA_BITS_LIMIT} bits"),
        );
    }
}

fn judge_time(
    leaf: &X509Certificate<'_>,
    issuers: &[X509Certificate<'_>],
    path: &Path,
    now: SystemTime,
    found: &mut Findings,
) {
    let path = shown(path);
    let (from, until) = (facts::time(leaf.validity().not_before), facts::time(leaf.validity().not_after));
    let lifetime = until.duration_since(from).unwrap_or_default();
    if until < now {
        found.error(
            catalogue::CERTIFICATE_EXPIRED,
            format!("the certificate in {path} has expired"),
            "renew it; the gateway takes the new files as soon as they are there",
        );
    } else if now < from {
        found.error(
            catalogue::CERTIFICATE_EXPIRED,
            format!("the certificate in {path} is not valid yet"),
            "check the clock of this machine, or keep the old files until the new certificate begins",
        );
    } else if until.duration_since(now).is_ok_and(|left| left < lifetime / 10) {
        found.warning(
            catalogue::CERTIFICATE_EXPIRED,
            format!("the certificate in {path} expires soon"),
            "renew it now: less than a tenth of its lifetime is left",
        );
    }
    // Clients often know another way to a root they trust (cross-signed roots have expired in living chains).
    if issuers.iter().any(|issuer| facts::time(issuer.validity().not_after) < now) {
        found.warning(
            catalogue::CERTIFICATE_EXPIRED,
            format!("an intermediate certificate in {path} has expired"),
            "ask the CA for its current chain",
        );
    }
}

fn judge_names(leaf: &X509Certificate<'_>, path: &Path, hosts: &[HostPattern], found: &mut Findings) {
    let names = facts::names(leaf);
    let mut uncovered = hosts.iter().filter(|host| !names.iter().any(|name| covers(name, host)));
    for host in uncovered.by_ref().take(NAMES_LISTED_LIMIT) {
        found.error(
            catalogue::NAME_NOT_COVERED,
            format!("the certificate in {} does not name `{}`", shown(path), written(host)),
            match host {
                HostPattern::Wildcard(_) => "a wildcard host needs the same wildcard in the certificate",
                _ => {
                    "use a certificate that names every host of the site (subject alternative names), or drop the host"
                }
            },
        );
    }
    let more = uncovered.count();
    if more > 0 {
        found.error(
            catalogue::NAME_NOT_COVERED,
            format!("the certificate in {} does not name {more} more hosts", shown(path)),
            "use a certificate that names every host of the site",
        );
    }
}

/// A path in a message: a tenant wrote it, and somebody else's terminal shows it.
pub(crate) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// Does this name of a certificate (lower case) cover the host? A wildcard stands for the whole leftmost label and
/// nothing else (RFC 9525 section 6.3), and covers another wildcard only if both are the same.
fn covers(name: &str, host: &HostPattern) -> bool {
    let wanted = written(host);
    if name == wanted {
        return true;
    }
    let HostPattern::Exact(_) = host else { return false };
    match (name.strip_prefix("*."), wanted.split_once('.')) {
        (Some(suffix), Some((_, parent))) => suffix == parent,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
