//! [`Config`]: everything about CAs, decided. Settings, sites and defaults meet above; here nothing is optional that has a
//! default. The defaults themselves, and what is known of Let's Encrypt, stand at the end of this file and nowhere else.
//!
//! Not here: reading any of the files that are named.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use vestibule_certs::store::{CaId, KeyType};

mod providers;

pub(crate) use providers::is_within;
pub use providers::{DEFAULT_PROVIDER, Denial, NamedProvider, Tenants};

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
    /// What providers of DNS-01 exist: a site chooses one by its name, or brings its own.
    pub dns: Vec<NamedProvider>,
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

impl SiteOptions {
    /// Of a site that says nothing, as most do.
    pub(crate) const NONE: Self = Self { challenge: None, profile: None, key_type: None, dns: None };
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

/// Let's Encrypt's directory.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// The directory of its staging environment, whose certificates no browser trusts.
pub const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
/// [`Config::orders_at_once`] by default.
pub const ORDERS_AT_ONCE: usize = 8;
/// [`Config::alarm_at`] by default.
pub const ALARM_AT: f64 = 0.2;
/// Names in one certificate where nothing is known of a CA: what Let's Encrypt allows, and others rarely fall below.
pub const NAMES_PER_CERTIFICATE: usize = 100;
/// The same where every order should stay small: one name that fails then holds up few others.
pub const NAMES_PER_SHORT_CERTIFICATE: usize = 25;

const HOUR: Duration = Duration::from_hours(1);
const WEEK: Duration = Duration::from_hours(7 * 24);

impl Config {
    /// With defaults for everything but the CAs.
    pub fn new(cas: Vec<CaConfig>) -> Self {
        Self {
            cas,
            hooks: Vec::new(),
            orders_at_once: ORDERS_AT_ONCE,
            alarm_at: ALARM_AT,
            resolvers: Vec::new(),
            advisory_checks: true,
            public_addresses: Vec::new(),
        }
    }

    /// The CA of that name.
    pub fn ca(&self, id: &CaId) -> Option<&CaConfig> {
        self.cas.iter().find(|ca| ca.id == *id)
    }
}

impl CaConfig {
    /// A CA with defaults for everything but its name and directory: the limits that are known of it, and all challenges
    /// that need no provider.
    pub fn new(id: CaId, directory: &str) -> Self {
        Self {
            id,
            directory: directory.to_owned(),
            root: None,
            email: None,
            eab: None,
            profile: None,
            challenges: ChallengeKind::ALL.to_vec(),
            preferred_chain: None,
            limits: CaLimits::known_of(directory),
            dns: Vec::new(),
            timeouts: CaTimeouts::default(),
        }
    }
}

impl ChallengeKind {
    /// All, in the order in which they are tried when nobody says otherwise: over HTTP first, because what stands in front of
    /// a gateway more often breaks the handshake; DNS where a provider is named, and for wildcards.
    pub const ALL: [Self; 3] = [Self::Http01, Self::TlsAlpn01, Self::Dns01];

    /// As in RFC 8555 and in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Dns01 => "dns-01",
        }
    }
}

impl CaLimits {
    /// What Let's Encrypt allows (its page of rate limits, 2026-08-05).
    pub fn lets_encrypt() -> Self {
        Self {
            orders: Rate::new(300, 3 * HOUR),
            certificates_per_domain: Rate::new(50, WEEK),
            certificates_per_set: Rate::new(5, WEEK),
            failed_authorizations: Rate::new(5, HOUR),
            accounts: Rate::new(10, 3 * HOUR),
            names_per_certificate: NAMES_PER_CERTIFICATE,
            names_with_profile: ["tlsserver", "shortlived"]
                .map(|profile| (profile.to_owned(), NAMES_PER_SHORT_CERTIFICATE))
                .to_vec(),
            renewals_are_exempt: true,
        }
    }

    /// What its staging environment allows.
    pub fn lets_encrypt_staging() -> Self {
        Self {
            orders: Rate::new(1_500, 3 * HOUR),
            certificates_per_domain: Rate::new(30_000, WEEK),
            certificates_per_set: Rate::new(30_000, WEEK),
            failed_authorizations: Rate::new(200, HOUR),
            accounts: Rate::new(50, 3 * HOUR),
            ..Self::lets_encrypt()
        }
    }

    /// No limits but the size of a certificate: a CA of one's own, or one of which nothing is known. What it refuses all the
    /// same with `rateLimited` is honoured when it comes.
    pub fn unlimited() -> Self {
        Self {
            orders: Rate::UNLIMITED,
            certificates_per_domain: Rate::UNLIMITED,
            certificates_per_set: Rate::UNLIMITED,
            failed_authorizations: Rate::UNLIMITED,
            accounts: Rate::UNLIMITED,
            names_per_certificate: NAMES_PER_CERTIFICATE,
            names_with_profile: Vec::new(),
            renewals_are_exempt: false,
        }
    }

    /// By the directory's URL: what is known of Let's Encrypt, otherwise none.
    pub fn known_of(directory: &str) -> Self {
        match directory {
            LETS_ENCRYPT => Self::lets_encrypt(),
            LETS_ENCRYPT_STAGING => Self::lets_encrypt_staging(),
            _ => Self::unlimited(),
        }
    }

    /// How many names one certificate may have with this profile.
    pub fn names_with(&self, profile: Option<&str>) -> usize {
        let of_profile = profile.and_then(|name| self.names_with_profile.iter().find(|(known, _)| known == name));
        of_profile.map_or(self.names_per_certificate, |(_, names)| *names)
    }
}

impl Rate {
    /// No such limit.
    pub const UNLIMITED: Self = Self { count: u32::MAX, window: Duration::ZERO };

    /// So many within so long.
    pub const fn new(count: u32, window: Duration) -> Self {
        Self { count, window }
    }

    /// Does it limit nothing?
    pub fn is_unlimited(self) -> bool {
        self.window.is_zero() || self.count == u32::MAX
    }
}

impl Default for CaTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(30),
            request: Duration::from_secs(60),
            order: Duration::from_secs(10 * 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_known_by_its_exact_address() {
        for (directory, orders) in [
            (LETS_ENCRYPT, 300),
            (LETS_ENCRYPT_STAGING, 1_500),
            ("https://acme-v02.api.letsencrypt.org/directory/", u32::MAX),
            ("https://ca.internal/acme/directory", u32::MAX),
        ] {
            assert_eq!(CaLimits::known_of(directory).orders.count, orders, "{directory}");
        }
    }

    #[test]
    fn certificates_are_smaller_with_the_profiles_that_say_so() {
        let limits = CaLimits::lets_encrypt();
        for (profile, expected) in
            [(None, 100), (Some("classic"), 100), (Some("tlsserver"), 25), (Some("shortlived"), 25)]
        {
            assert_eq!(limits.names_with(profile), expected, "{profile:?}");
        }
    }

    #[test]
    fn no_limit_is_no_limit() {
        assert!(Rate::UNLIMITED.is_unlimited() && Rate::new(5, Duration::ZERO).is_unlimited());
        assert!(!CaLimits::lets_encrypt().orders.is_unlimited());
    }
}
