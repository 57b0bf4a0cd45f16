//! [`Config`]: everything about CAs, decided. Settings, sites and defaults meet in the binary; here nothing is optional
//! that has a default.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use vestibule_certs::store::{CaId, KeyType};

/// All of it.
#[derive(Clone, Debug)]
pub struct Config {
    /// At least one. The first is asked first; the next ones only after faults on the side of the CA before.
    pub cas: Vec<CaConfig>,
    /// Programs to run on events, with their arguments: see [`crate::hooks`].
    pub hooks: Vec<Vec<String>>,
    /// Orders in flight at once, over all CAs.
    pub orders_at_once: usize,
    /// An alarm is told when less than this part of a certificate's lifetime is left (default 0.2).
    pub alarm_at: f64,
    /// Recursive resolvers to ask; empty: those of the system.
    pub resolvers: Vec<SocketAddr>,
    /// Ask DNS whether a name points here before it is ordered (advice: it delays and explains, never blocks for ever).
    pub advisory_checks: bool,
    /// The addresses that are this gateway's public ones, as far as the operator told; empty: unknown.
    pub public_addresses: Vec<std::net::IpAddr>,
}

/// One CA: its directory, its account, its budget.
#[derive(Clone, Debug)]
pub struct CaConfig {
    /// Names the CA in the store, in metrics and in commands, such as `letsencrypt`.
    pub id: CaId,
    /// The directory's URL (RFC 8555 section 7.1.1); `https` only.
    pub directory: String,
    /// PEM file of roots for the connection to the CA, instead of the system's.
    pub root: Option<PathBuf>,
    /// The account's contact.
    pub email: Option<String>,
    /// External account binding (RFC 8555 section 7.3.4).
    pub eab: Option<Eab>,
    /// The certificate profile to ask for, unless a site says otherwise.
    pub profile: Option<Profile>,
    /// Challenges that may be used, in order of preference, unless a site says otherwise.
    pub challenges: Vec<ChallengeKind>,
    /// Of several chains, the one with this common name among its issuers.
    pub preferred_chain: Option<String>,
    /// What the CA allows.
    pub limits: CaLimits,
    /// What providers of DNS-01 exist, by name: a site chooses one, or brings its own.
    pub dns: Vec<(String, DnsProvider)>,
    /// Waits towards the CA.
    pub timeouts: CaTimeouts,
}

/// External account binding.
#[derive(Clone, Debug)]
pub struct Eab {
    /// The key identifier that the CA gave.
    pub kid: String,
    /// File with the HMAC key, base64url.
    pub hmac_file: PathBuf,
}

/// A certificate profile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Profile {
    /// As in the directory's `meta.profiles`.
    pub name: String,
    /// Must it be had? Otherwise the CA's default is taken where it is not offered.
    pub need: Need,
}

/// How much something is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// Go on without it.
    Preferred,
    /// Fail without it.
    Required,
}

/// How a name is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum ChallengeKind {
    /// RFC 8555 section 8.3.
    #[serde(rename = "http-01")]
    Http01,
    /// RFC 8737.
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    /// RFC 8555 section 8.4; the only one for wildcards.
    #[serde(rename = "dns-01")]
    Dns01,
}

/// What a CA allows within which time. Zero durations or `u32::MAX` counts mean "no such limit".
#[derive(Clone, Debug, PartialEq)]
pub struct CaLimits {
    /// New orders per account.
    pub orders: Rate,
    /// Certificates per registered domain.
    pub certificates_per_domain: Rate,
    /// Certificates per exact set of names.
    pub certificates_per_set: Rate,
    /// Failed authorizations per name and account. We stop one short of what the CA allows.
    pub failed_authorizations: Rate,
    /// New accounts per address.
    pub accounts: Rate,
    /// Names in one certificate.
    pub names_per_certificate: usize,
    /// The same, with profiles that allow fewer.
    pub names_with_profile: Vec<(String, usize)>,
    /// Renewals that carry `replaces` count against none of the above.
    pub renewals_are_exempt: bool,
}

/// So many within so long, refilled evenly (GCRA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Burst.
    pub count: u32,
    /// Until a spent burst is whole again.
    pub window: Duration,
}

/// Waits towards a CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaTimeouts {
    /// To connect, TLS included.
    pub connect: Duration,
    /// Between two bytes of a response.
    pub read: Duration,
    /// One request in all.
    pub request: Duration,
    /// One order in all, from asking to the chain; after that it is resumed later.
    pub order: Duration,
}

/// What a site wants of its certificates, beyond its names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SiteOptions {
    /// Only this challenge; `None`: what the CA's configuration says, with fallback.
    pub challenge: Option<ChallengeKind>,
    /// The profile instead of the CA's.
    pub profile: Option<Profile>,
    /// The key's type instead of ECDSA P-256.
    pub key_type: Option<KeyType>,
    /// The provider of DNS-01.
    pub dns: Option<SiteDns>,
}

/// Which provider of DNS-01 a site uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SiteDns {
    /// One of the operator's, by name.
    Named(String),
    /// Its own. Never [`DnsProvider::Exec`] unless the site is the operator's: `site` refuses that.
    Own(DnsProvider),
}

/// How a TXT record gets into DNS.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DnsProvider {
    /// A program with lego's calling convention: `PROGRAM present FQDN VALUE`, `PROGRAM cleanup FQDN VALUE`.
    Exec {
        /// The program.
        program: PathBuf,
        /// How long it may take.
        timeout: Duration,
    },
    /// Dynamic update (RFC 2136) with TSIG (RFC 8945).
    Rfc2136 {
        /// The primary name server.
        server: SocketAddr,
        /// The TSIG key's name.
        key_name: String,
        /// `hmac-sha256`, `hmac-sha384` or `hmac-sha512`.
        algorithm: String,
        /// File with the key, base64.
        key_file: PathBuf,
    },
    /// A server of acme-dns, to which `_acme-challenge` is delegated by CNAME.
    AcmeDns {
        /// Its URL.
        server: String,
        /// JSON file with `username`, `password`, `fulldomain`, `subdomain` (one, or one per domain as acme-dns clients keep it).
        credentials_file: PathBuf,
    },
}
