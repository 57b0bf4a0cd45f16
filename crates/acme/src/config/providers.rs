//! [`NamedProvider`]: a provider of the settings, and whom and what it serves. Its key is the operator's: with it a record
//! is written for any name of its zones, whoever asks. So it says who may ask, and for which names.

use vestibule_names::{HostPattern, Hostname, TenantId};

use super::{CaConfig, DnsProvider};

/// The provider that serves sites which name none.
pub const DEFAULT_PROVIDER: &str = "default";

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedProvider {
    /// What sites call it.
    pub name: String,
    /// The way into DNS.
    pub provider: DnsProvider,
    /// It proves these names and those below them; empty: any.
    pub zones: Vec<Hostname>,
    /// Whose sites it serves.
    pub tenants: Tenants,
}

/// Tenants that something of the operator's serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenants {
    /// Everybody.
    All,
    /// These, and the operator.
    Only(Vec<TenantId>),
}

/// Why a provider does not serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// Not this tenant.
    #[error(
        "the DNS provider `{provider}` of the settings does not serve sites of {tenant}: the operator writes \
         `tenants: [{}]`, or `tenants: all`, under `acme.dns.{provider}`, or the site brings a provider of its own",
        .tenant.0
    )]
    Tenant {
        /// The provider's name.
        provider: String,
        /// Who asks.
        tenant: TenantId,
    },
    /// Not this name.
    #[error(
        "the DNS provider `{provider}` of the settings proves names in {zones} only, and {name} is not there: the operator \
         adds its zone to `zones` under `acme.dns.{provider}`, or the site brings a provider of its own"
    )]
    Zone {
        /// The provider's name.
        provider: String,
        /// What is asked for.
        name: HostPattern,
        /// What it serves.
        zones: String,
    },
}

impl NamedProvider {
    /// For all names, and nobody but the operator.
    pub fn new(name: &str, provider: DnsProvider) -> Self {
        Self { name: name.to_owned(), provider, zones: Vec::new(), tenants: Tenants::Only(Vec::new()) }
    }

    /// For all names of everybody.
    pub fn for_all(name: &str, provider: DnsProvider) -> Self {
        Self { tenants: Tenants::All, ..Self::new(name, provider) }
    }

    /// May it prove this name for this tenant? Addresses are never proved by DNS, and lie in no zone.
    ///
    /// # Errors
    /// Who may, and what would have to be written.
    pub fn serves(&self, tenant: TenantId, name: &HostPattern) -> Result<(), Denial> {
        let provider = || self.name.clone();
        if !self.tenants.include(tenant) {
            return Err(Denial::Tenant { provider: provider(), tenant });
        }
        let host = match name {
            HostPattern::Exact(host) | HostPattern::Wildcard(host) => host,
            HostPattern::Address(_) => return Ok(()),
        };
        if self.zones.is_empty() || self.zones.iter().any(|zone| is_within(host.as_str(), zone)) {
            return Ok(());
        }
        let zones = self.zones.iter().map(Hostname::as_str).collect::<Vec<_>>().join(", ");
        Err(Denial::Zone { provider: provider(), name: name.clone(), zones })
    }
}

impl Tenants {
    /// Is this one of them? The operator always is.
    pub fn include(&self, tenant: TenantId) -> bool {
        match self {
            Self::All => true,
            Self::Only(list) => tenant == TenantId::OPERATOR || list.contains(&tenant),
        }
    }
}

impl CaConfig {
    /// The provider of that name.
    pub fn provider(&self, name: &str) -> Option<&NamedProvider> {
        self.dns.iter().find(|provider| provider.name == name)
    }
}

/// Is this the zone itself, or a name below it? Both in the canonical form of [`Hostname`].
pub(crate) fn is_within(name: &str, zone: &Hostname) -> bool {
    let rest = name.strip_suffix(zone.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn provider(zones: &[&str], tenants: Tenants) -> NamedProvider {
        let exec = DnsProvider::Exec { program: "/bin/true".into(), timeout: Duration::from_secs(1) };
        let zones = zones.iter().map(|zone| Hostname::parse(zone).unwrap()).collect();
        NamedProvider { zones, tenants, ..NamedProvider::new("zone", exec) }
    }

    #[test]
    fn it_serves_its_tenants_and_its_zones() {
        let nobody = || Tenants::Only(Vec::new());
        let ann = || Tenants::Only(vec![TenantId(1000)]);
        let cases: [(&[&str], Tenants, u32, &str, &str); 14] = [
            (&[], nobody(), 0, "a.example.com", ""),
            (&[], nobody(), 1000, "a.example.com", "`tenants: [1000]`"),
            (&[], ann(), 1000, "a.example.com", ""),
            (&[], ann(), 0, "a.example.com", ""),
            (&[], ann(), 1001, "a.example.com", "does not serve sites of uid 1001"),
            (&[], Tenants::All, 1001, "*.a.example.com", ""),
            (&["example.com"], Tenants::All, 1001, "example.com", ""),
            (&["example.com"], Tenants::All, 1001, "*.example.com", ""),
            (&["example.com"], Tenants::All, 1001, "a.b.example.com", ""),
            (&["example.com"], Tenants::All, 1001, "notexample.com", "in example.com only"),
            (&["example.com"], nobody(), 0, "*.example.org", "`zones` under `acme.dns.zone`"),
            (&["a.test", "b.test"], Tenants::All, 1001, "x.b.test", ""),
            (&["a.test", "b.test"], Tenants::All, 1001, "test", "in a.test, b.test only"),
            (&["example.com"], Tenants::All, 1001, "9.9.9.9", ""),
        ];
        for (zones, tenants, tenant, name, expected) in cases {
            let name: HostPattern = name.parse().unwrap();
            match provider(zones, tenants).serves(TenantId(tenant), &name) {
                Ok(()) => assert_eq!(expected, "", "{name} of {tenant}"),
                Err(denial) => {
                    let denial = denial.to_string();
                    assert!(!expected.is_empty() && denial.contains(expected), "{name} of {tenant}: {denial}");
                }
            }
        }
    }
}
