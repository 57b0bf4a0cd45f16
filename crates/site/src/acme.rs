//! What settings and sites say about public CAs: `acme` of the settings, and the keys of a site's `tls` beyond its
//! certificate's source.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use vestibule_diagnostics::Span;
use vestibule_names::{Hostname, TenantId};

use crate::site::Spanned;

/// `acme` of the settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Acme {
    /// Where it is written, for messages.
    pub span: Span,
    /// `agree: true`: the operator has accepted the CA's terms. Without it no CA is asked.
    pub agree: bool,
    /// The first CA: Let's Encrypt unless `directory` (or `staging: true`) says otherwise.
    pub ca: AcmeCa,
    /// `failover`: asked in this order after faults on the side of the CAs before.
    pub failover: Vec<AcmeCa>,
    /// `hooks`: command lines, run on events; each where its program is written.
    pub hooks: Vec<Spanned<Vec<String>>>,
    /// `dns`: providers of DNS-01, by name; the one called `default` serves sites that name none.
    pub dns: Vec<NamedProvider>,
    /// `hold`: how long a handshake waits for a first certificate whose order is in flight. Default 5 s.
    pub hold: Option<Duration>,
    /// `without_certificate`: what a handshake gets while there is none.
    pub without_certificate: WithoutCertificate,
    /// `resolvers`: whom to ask for DNS advice. Default: the system's.
    pub resolvers: Vec<SocketAddr>,
    /// `public_addresses`: where names must point. Default: not known, anything public counts.
    pub public_addresses: Vec<IpAddr>,
    /// `check_dns`: look at DNS before ordering. Default true.
    pub check_dns: bool,
}

/// One CA of the settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AcmeCa {
    /// `name`: for the store, metrics and commands; default from the directory's host.
    pub name: Option<String>,
    /// `directory`; default Let's Encrypt's.
    pub directory: Option<String>,
    /// `staging: true`: Let's Encrypt's staging environment.
    pub staging: bool,
    /// `root`: PEM file, instead of the system's roots.
    pub root: Option<Spanned<PathBuf>>,
    /// `email`.
    pub email: Option<String>,
    /// `eab`: key identifier and file of the HMAC key.
    pub eab: Option<(String, Spanned<PathBuf>)>,
    /// `profile`.
    pub profile: Option<Profile>,
    /// `challenges`, best first; empty: all that fit.
    pub challenges: Vec<Challenge>,
    /// `preferred_chain`.
    pub preferred_chain: Option<String>,
    /// `limits`: overrides of the CA's known limits.
    pub limits: AcmeLimits,
}

/// Let's Encrypt's directory.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// The directory of its staging environment.
pub const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
/// A CA's name is a folder's name, and a label of metrics.
pub(crate) const CA_NAME_LIMIT: usize = 63;

impl AcmeCa {
    /// The directory that is asked.
    pub fn directory(&self) -> &str {
        self.directory.as_deref().unwrap_or(if self.staging { LETS_ENCRYPT_STAGING } else { LETS_ENCRYPT })
    }

    /// Its name for the store, metrics and commands: as written, or after the directory. Lower case letters, digits and
    /// hyphens, 1 to 63 of them.
    pub fn id(&self) -> String {
        match (&self.name, self.directory()) {
            (Some(name), _) => name.clone(),
            (None, LETS_ENCRYPT) => "letsencrypt".to_owned(),
            (None, LETS_ENCRYPT_STAGING) => "letsencrypt-staging".to_owned(),
            (None, url) => slug(url),
        }
    }
}

/// The host and port of a URL, with hyphens for what is neither letter nor digit.
fn slug(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest).to_ascii_lowercase();
    let dashed = host.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let name: String = dashed.trim_matches('-').chars().take(CA_NAME_LIMIT).collect();
    if name.is_empty() { "ca".to_owned() } else { name }
}

/// `limits` of a CA: what differs from Let's Encrypt's for Let's Encrypt, and from "none" for every other directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcmeLimits {
    /// `orders`: within how long how many.
    pub orders: Option<(u32, Duration)>,
    /// `certificates_per_domain`.
    pub certificates_per_domain: Option<(u32, Duration)>,
    /// `certificates_per_set`.
    pub certificates_per_set: Option<(u32, Duration)>,
    /// `failed_authorizations`.
    pub failed_authorizations: Option<(u32, Duration)>,
    /// `names_per_certificate`.
    pub names_per_certificate: Option<u32>,
}

/// A certificate profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// As the CA names it.
    pub name: String,
    /// `profile: {name: x, required: true}`.
    pub required: bool,
}

/// A challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// `http-01`.
    Http01,
    /// `tls-alpn-01`.
    TlsAlpn01,
    /// `dns-01`.
    Dns01,
}

/// A type of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// `ecdsa-p256`.
    EcdsaP256,
    /// `ecdsa-p384`.
    EcdsaP384,
    /// `rsa-2048`.
    Rsa2048,
    /// `rsa-4096`.
    Rsa4096,
}

/// What a handshake gets while its name has no certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WithoutCertificate {
    /// `placeholder`: a self-signed certificate, and 503 to every request.
    #[default]
    Placeholder,
    /// `alert`: the handshake is refused.
    Alert,
}

/// A provider of DNS-01 in the settings: whom and what it serves is the operator's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedProvider {
    /// What sites call it.
    pub name: String,
    /// The way into DNS.
    pub provider: DnsProvider,
    /// `zones`: it proves these names and those below them; empty: any.
    pub zones: Vec<Hostname>,
    /// `tenants`: whose sites may use it.
    pub tenants: Tenants,
}

/// `tenants` of a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tenants {
    /// Only the operator's sites.
    #[default]
    Operator,
    /// `all`.
    All,
    /// User ids.
    Listed(Vec<TenantId>),
}

/// How a TXT record gets into DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsProvider {
    /// `exec: {program, timeout}`, or `exec: PROGRAM`. The operator's only: a tenant's site may not name programs.
    Exec {
        /// The program.
        program: Spanned<PathBuf>,
        /// Default 2 minutes.
        timeout: Duration,
    },
    /// `rfc2136: {server, key_name, algorithm, key_file}`.
    Rfc2136 {
        /// The primary name server.
        server: SocketAddr,
        /// The TSIG key's name.
        key_name: String,
        /// Default `hmac-sha256`.
        algorithm: String,
        /// Base64.
        key_file: Spanned<PathBuf>,
    },
    /// `acme_dns: {server, credentials_file}`.
    AcmeDns {
        /// A URL.
        server: String,
        /// JSON.
        credentials_file: Spanned<PathBuf>,
    },
}

/// What a site says of its public certificate, in its `tls` mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteAcme {
    /// `challenge`: only this one.
    pub challenge: Option<Challenge>,
    /// `profile`.
    pub profile: Option<Profile>,
    /// `key_type`.
    pub key_type: Option<KeyType>,
    /// `dns`: a provider of the operator's by name, or its own.
    pub dns: Option<SiteDns>,
    /// Where `dns` is written.
    pub dns_span: Option<Span>,
}

/// `dns` of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteDns {
    /// One of the operator's.
    Named(String),
    /// Its own.
    Own(DnsProvider),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_is_named_after_its_directory_unless_it_has_a_name() {
        let of = |directory: &str| AcmeCa { directory: Some(directory.into()), ..AcmeCa::default() }.id();
        assert_eq!(AcmeCa::default().id(), "letsencrypt");
        assert_eq!(AcmeCa { staging: true, ..AcmeCa::default() }.id(), "letsencrypt-staging");
        assert_eq!(of(LETS_ENCRYPT_STAGING), "letsencrypt-staging");
        assert_eq!(of("https://Acme.CA.example/v2/dir"), "acme-ca-example");
        assert_eq!(of("https://[::1]:14000/dir"), "1--14000");
        assert_eq!(of(&format!("https://{}.test/", "a".repeat(80))).len(), CA_NAME_LIMIT);
        let named = AcmeCa { name: Some("ours".into()), staging: true, ..AcmeCa::default() };
        assert_eq!(named.id(), "ours");
    }
}
