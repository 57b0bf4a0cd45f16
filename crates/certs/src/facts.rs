//! What people want to know of a certificate, read from its DER when they ask: nothing of it is kept in memory.
//!
//! Not here: whether a certificate is fit to be shown (`inspect`).

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::{Duration, SystemTime},
};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, prelude::FromDer, time::ASN1Time, x509::X509Name,
};

use crate::Fingerprint;

/// More certificates of a chain are not looked at.
const CHAIN_LIMIT: usize = 16;
/// More characters of an issuer are not shown.
const ISSUER_LIMIT: usize = 100;

/// What people want to know of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// `local CA`, or the issuer's common name.
    pub issuer: String,
    /// The names in it.
    pub names: Vec<String>,
    /// Valid from. A local certificate that has not been signed yet shows what signing it now would give.
    pub not_before: SystemTime,
    /// Valid until.
    pub not_after: SystemTime,
    /// SHA-256 of the leaf, hexadecimal; empty while a local certificate has not been signed yet.
    pub fingerprint: String,
    /// Why the last change of the files was not taken, if it was not.
    pub last_refusal: Option<String>,
}

impl CertificateFacts {
    /// Reads the first certificate of a PEM text, without any judgement of it: for whoever must know whose it is before it
    /// is inspected.
    pub fn of_pem(chain: &[u8]) -> Option<Self> {
        let leaf = CertificateDer::pem_slice_iter(chain).next()?.ok()?;
        Self::read(&leaf)
    }

    /// Reads the leaf; `None` for a leaf that does not parse, which inspection has excluded.
    pub(crate) fn read(leaf: &[u8]) -> Option<Self> {
        let parsed = parse(leaf)?;
        Some(Self {
            issuer: issuer_name(parsed.issuer()),
            names: names(&parsed).iter().map(|name| printable(name)).collect(),
            not_before: time(parsed.validity().not_before),
            not_after: time(parsed.validity().not_after),
            fingerprint: Fingerprint::of(leaf).to_string(),
            last_refusal: None,
        })
    }

    /// The common names of the issuers in a chain, PEM, leaf first; of what cannot be parsed nothing.
    pub fn issuers(chain_pem: &[u8]) -> Vec<String> {
        let certificates = CertificateDer::pem_slice_iter(chain_pem).take(CHAIN_LIMIT).map_while(Result::ok);
        certificates.filter_map(|der| parse(&der).map(|parsed| issuer_name(parsed.issuer()))).collect()
    }
}

/// Parses exactly one certificate; bytes after it make it invalid.
pub(crate) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    let (rest, parsed) = X509Certificate::from_der(der).ok()?;
    rest.is_empty().then_some(parsed)
}

/// The subject alternative names that a server can be asked for (RFC 9525 section 6.1: nothing but these counts, not the
/// common name), in lower case; addresses in their canonical text.
pub(crate) fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(octets) => address(octets).map(|address| address.to_string()),
        _ => None,
    };
    extension.value.general_names.iter().filter_map(text).collect()
}

/// A time of X.509 as the system's; what does not fit is the nearest that does.
pub(crate) fn time(time: ASN1Time) -> SystemTime {
    let seconds = Duration::from_secs(time.timestamp().unsigned_abs());
    let moved = match time.timestamp() >= 0 {
        true => SystemTime::UNIX_EPOCH.checked_add(seconds),
        false => SystemTime::UNIX_EPOCH.checked_sub(seconds),
    };
    moved.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(|octets| IpAddr::V6(Ipv6Addr::from(octets)))).ok()
}

fn issuer_name(issuer: &X509Name<'_>) -> String {
    let name = issuer.iter_common_name().chain(issuer.iter_organization()).find_map(|part| part.as_str().ok());
    name.map_or_else(|| "unnamed".to_owned(), |name| printable(name).chars().take(ISSUER_LIMIT).collect())
}

/// Text that a tenant wrote goes to terminals and logs: no controls.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Authority;

    #[test]
    fn facts_are_read_from_the_leaf() {
        let now = SystemTime::now();
        let made = Authority::new("Test CA").leaf(&["A.test", "*.b.test", "192.0.2.7", "2001:db8::7"]).make();
        let facts = CertificateFacts::read(&made.chain_der[0]).unwrap();
        assert_eq!(facts.issuer, "Test CA");
        assert_eq!(facts.names, ["a.test", "*.b.test", "192.0.2.7", "2001:db8::7"]);
        assert!(facts.not_before < now && now < facts.not_after);
        assert_eq!(facts.fingerprint.len(), 64);
    }

    #[test]
    fn controls_of_an_issuer_do_not_reach_a_terminal() {
        let made = Authority::new("evil\u{1b}[2J\nCA").leaf(&["a.test"]).make();
        let facts = CertificateFacts::read(&made.chain_der[0]).unwrap();
        assert_eq!(facts.issuer, "evil\u{fffd}[2J\u{fffd}CA");
    }

    #[test]
    fn no_prefix_and_no_extension_of_a_certificate_parses() {
        let leaf = Authority::new("Test CA").leaf(&["a.test"]).make().chain_der[0].to_vec();
        for end in 0..leaf.len() {
            assert!(CertificateFacts::read(&leaf[..end]).is_none(), "cut at {end}");
        }
        assert!(CertificateFacts::read(&[&leaf[..], b"x"].concat()).is_none());
    }
}
