//! [`Tenancy`]: what the settings say of tenants: whose names, which backends, how much of the box.
//!
//! Not here: which uid a name of a user is (the gateway asks the system), and what follows from a rule.

use std::{fmt, time::Duration};

use vestibule_names::{ByteSize, Destination, HostPattern, TenantId};

use crate::site::Spanned;

/// `claims`, `upstreams` and `tenants` of the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tenancy {
    /// `claims`.
    pub claims: Claims,
    /// `upstreams`.
    pub upstreams: Upstreams,
    /// `tenants.default`: for every tenant, where their own entry does not say otherwise.
    pub default: Rule,
    /// `tenants`: each user once as it is written; two entries may still mean one user.
    pub listed: Vec<(Spanned<User>, Rule)>,
}

/// A Unix user as somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum User {
    /// By name.
    Name(String),
    /// By number.
    Uid(TenantId),
}

/// What was written is no user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a name nor a number of a user")]
pub struct NotAUser;

impl User {
    /// The longest name (LOGIN_NAME_MAX of Linux).
    const LIMIT: usize = 256;

    /// A number, or whatever could be a name; nobody is asked whether there is such a user.
    pub fn parse(text: &str) -> Result<Self, NotAUser> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // The largest number stands for "no user" in system calls.
            let uid = text.parse().ok().filter(|uid| *uid != u32::MAX);
            return uid.map(|uid| Self::Uid(TenantId(uid))).ok_or(NotAUser);
        }
        let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, ':' | ',' | '/');
        let named = !text.is_empty() && text.len() <= Self::LIMIT && !text.contains(odd);
        if named { Ok(Self::Name(text.to_owned())) } else { Err(NotAUser) }
    }
}

/// As it was written.
impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Uid(uid) => uid.0.fmt(f),
        }
    }
}

/// How names are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `claims.grace`: a name that its site gave up stays its tenant's for so long. 7 days.
    pub grace: Duration,
    /// `claims.subdomains`: whose the names below a claimed name are.
    pub subdomains: Subdomains,
    /// `claims.proof`: what a first claim of a public name needs.
    pub proof: Proof,
}
impl Default for Claims {
    fn default() -> Self {
        const WEEK: Duration = Duration::from_secs(7 * 86_400);
        Self { grace: WEEK, subdomains: Subdomains::default(), proof: Proof::default() }
    }
}

/// Whose the names below a claimed name are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subdomains {
    /// The tenant's who holds the name above.
    #[default]
    Reserved,
    /// Whoever's claims them first.
    Open,
}

/// What a first claim of a public name needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proof {
    /// Being the first.
    #[default]
    FirstCome,
    /// A TXT record `_vestibule.NAME` that names the tenant.
    DnsTxt,
}

/// To what the gateway connects for tenants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstreams {
    /// `upstreams.owner`: what happens when a backend's socket is another user's.
    pub owner: OwnerCheck,
    /// `upstreams.refuse`: places that no tenant may forward to, whatever else allows it.
    pub refuse: Vec<Destination>,
}

/// What happens when a backend's socket is another user's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnerCheck {
    /// The request is refused, and nothing is sent.
    #[default]
    Enforce,
    /// It is forwarded, told and counted.
    Warn,
    /// Nobody asks.
    Off,
}

/// What one tenant may do. `None` and empty mean "as `tenants.default` says", and there: the gateway's own default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// `hosts`: the names it may claim; a wildcard stands for every name below it, however deep. Unless written: any.
    pub hosts: Option<Vec<HostPattern>>,
    /// `upstreams`: places beyond its own sockets on this machine.
    pub upstreams: Option<Vec<Destination>>,
    /// `owners`: users whose sockets it may forward to, beside its own.
    pub owners: Option<Vec<Spanned<User>>>,
    /// `limits`.
    pub limits: RuleLimits,
}

/// How much of the box one tenant may have, summed over its sites, as far as it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleLimits {
    /// Open client connections.
    pub connections: Option<u32>,
    /// Requests in flight.
    pub requests_in_flight: Option<u32>,
    /// Requests begun per second.
    pub requests_per_second: Option<u32>,
    /// TLS handshakes begun per second.
    pub handshakes_per_second: Option<u32>,
    /// Bytes per second, to clients and from them.
    pub bandwidth: Option<ByteSize>,
    /// Bytes of bodies held in memory.
    pub buffered: Option<ByteSize>,
    /// Upgraded connections.
    pub tunnels: Option<u32>,
    /// Open connections to backends.
    pub upstream_connections: Option<u32>,
    /// Site files.
    pub sites: Option<u32>,
    /// Names held, those in their grace included.
    pub names: Option<u32>,
    /// Names for which public CAs are asked.
    pub certificates: Option<u32>,
    /// Bytes of access logs kept.
    pub logs: Option<ByteSize>,
}

/// How much of the box one tenant may have: decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is described in RuleLimits")]
pub struct TenantLimits {
    pub connections: u32,
    pub requests_in_flight: u32,
    pub requests_per_second: u32,
    pub handshakes_per_second: u32,
    pub bandwidth: ByteSize,
    pub buffered: ByteSize,
    pub tunnels: u32,
    pub upstream_connections: u32,
    pub sites: u32,
    pub names: u32,
    pub certificates: u32,
    pub logs: ByteSize,
}
impl Default for TenantLimits {
    fn default() -> Self {
        Self {
            connections: 5000,
            requests_in_flight: 2000,
            requests_per_second: 5000,
            handshakes_per_second: 500,
            bandwidth: ByteSize(1 << 30),
            buffered: ByteSize(64 << 20),
            tunnels: 2000,
            upstream_connections: 1000,
            sites: 1000,
            names: 2000,
            certificates: 1000,
            logs: ByteSize(100 << 20),
        }
    }
}
impl TenantLimits {
    /// No limit: the operator's own sites, unless an entry for root says otherwise.
    pub const UNLIMITED: Self = Self {
        connections: u32::MAX,
        requests_in_flight: u32::MAX,
        requests_per_second: u32::MAX,
        handshakes_per_second: u32::MAX,
        bandwidth: ByteSize(u64::MAX),
        buffered: ByteSize(u64::MAX),
        tunnels: u32::MAX,
        upstream_connections: u32::MAX,
        sites: u32::MAX,
        names: u32::MAX,
        certificates: u32::MAX,
        logs: ByteSize(u64::MAX),
    };

    /// These, where the rule does not say otherwise.
    #[must_use]
    pub fn with(self, rule: &RuleLimits) -> Self {
        Self {
            connections: rule.connections.unwrap_or(self.connections),
            requests_in_flight: rule.requests_in_flight.unwrap_or(self.requests_in_flight),
            requests_per_second: rule.requests_per_second.unwrap_or(self.requests_per_second),
            handshakes_per_second: rule.handshakes_per_second.unwrap_or(self.handshakes_per_second),
            bandwidth: rule.bandwidth.unwrap_or(self.bandwidth),
            buffered: rule.buffered.unwrap_or(self.buffered),
            tunnels: rule.tunnels.unwrap_or(self.tunnels),
            upstream_connections: rule.upstream_connections.unwrap_or(self.upstream_connections),
            sites: rule.sites.unwrap_or(self.sites),
            names: rule.names.unwrap_or(self.names),
            certificates: rule.certificates.unwrap_or(self.certificates),
            logs: rule.logs.unwrap_or(self.logs),
        }
    }
}
