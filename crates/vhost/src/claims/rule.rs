//! [`ClaimRule`]: what the operator's settings say of one tenant's names. Knows no claims.

use std::time::Duration;

use vestibule_names::{HostPattern, Hostname};
use vestibule_site::tenancy::{Proof, Subdomains};

/// The operator's rule for the names of one tenant.
#[derive(Clone, Copy, Debug)]
pub struct ClaimRule<'a> {
    /// The names it may claim, wildcards at any depth; `None`: any.
    pub hosts: Option<&'a [HostPattern]>,
    /// How many names it may hold, those in their grace included.
    pub names: u32,
    /// Whose the names below a claimed name are.
    pub subdomains: Subdomains,
    /// What the first claim of a public name needs.
    pub proof: Proof,
    /// How long a name that its site gave up stays its tenant's.
    pub grace: Duration,
}

impl ClaimRule<'_> {
    /// No list, no limit, no grace.
    pub const FREE: ClaimRule<'static> = ClaimRule {
        hosts: None,
        names: u32::MAX,
        subdomains: Subdomains::Open,
        proof: Proof::FirstCome,
        grace: Duration::ZERO,
    };

    /// May the tenant claim this at all?
    pub(super) fn allows(&self, pattern: &HostPattern) -> bool {
        self.hosts.is_none_or(|hosts| hosts.iter().any(|entry| entry.allows(pattern)))
    }

    /// Has the operator written down this very name or wildcard? That is as good as any proof.
    pub(super) fn lists(&self, pattern: &HostPattern) -> bool {
        self.hosts.is_some_and(|hosts| hosts.contains(pattern))
    }

    /// Has the operator given this name, out of that zone of somebody else, to the tenant? Only an entry for the zone or for
    /// something in it says so: a list of all names under `example` gives nobody a part of what another claimed there.
    pub(super) fn delegates(&self, pattern: &HostPattern, zone: &Hostname) -> bool {
        let within = |entry: &&HostPattern| entry.base().is_some_and(|base| base.is_within(zone));
        self.hosts.is_some_and(|hosts| hosts.iter().filter(within).any(|entry| entry.allows(pattern)))
    }
}
