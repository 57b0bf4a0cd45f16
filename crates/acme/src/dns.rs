//! DNS: look-ups that advise, and TXT records that prove.

use std::{net::IpAddr, sync::Arc};

use vestibule_names::{HostPattern, Hostname};

use crate::{
    config::{Config, DnsProvider},
    failure::Failure,
    plan::Sight,
};

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dns {
    _inner: Arc<()>,
}

/// A TXT record that is in place; [`Dns::withdraw`] takes it away.
#[derive(Debug)]
#[must_use]
pub struct Presented {}

/// What DNS says of a name, for advice.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// A records, after CNAMEs.
    pub v4: Vec<std::net::Ipv4Addr>,
    /// AAAA records.
    pub v6: Vec<std::net::Ipv6Addr>,
    /// The chain of CNAMEs.
    pub aliases: Vec<String>,
    /// CAA records that apply (RFC 8659), climbing: tag and value, and where they were found.
    pub caa: Vec<(String, String)>,
    /// Where the CAA records stand.
    pub caa_at: Option<String>,
    /// Why a look-up failed, in words, if one did (NXDOMAIN, SERVFAIL, timeout).
    pub problem: Option<String>,
}

impl Dns {
    /// With the resolvers of the configuration, or the system's.
    pub fn new(_config: &Config) -> Result<Self, Failure> {
        todo!()
    }

    /// Everything that advice needs.
    pub async fn facts(&self, _name: &Hostname) -> Facts {
        todo!()
    }

    /// Does the name point here, as far as one can tell? (Hairpin NAT and split DNS make this lie: advice only.)
    pub async fn sight(&self, _name: &HostPattern, _ours: &[IpAddr]) -> Sight {
        todo!()
    }

    /// Puts `_acme-challenge.NAME TXT VALUE` in place and waits until the authoritative servers show it, as long as that may
    /// take. Several values for one name (apex and wildcard) stand side by side.
    pub async fn present(&self, _provider: &DnsProvider, _name: &Hostname, _value: &str) -> Result<Presented, Failure> {
        todo!()
    }

    /// Takes it away again; best effort, told in the log.
    pub async fn withdraw(&self, _presented: Presented) {
        todo!()
    }
}
