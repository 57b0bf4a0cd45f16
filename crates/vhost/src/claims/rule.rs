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
    /// Whose the names below a name of one label are.
    pub single_labels: SingleLabels,
}

/// Whose the names below `localhost`, `lan` or `test` are: a name of one label is nobody's to give out, like a public suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SingleLabels {
    /// Everybody's: no wildcard takes them.
    Everybodys,
    /// The tenant's, who may have a wildcard: nobody else is there to be asked.
    Own,
}

impl ClaimRule<'_> {
    /// No list, no limit, no grace.
    pub const FREE: ClaimRule<'static> = ClaimRule {
        hosts: None,
        names: u32::MAX,
        subdomains: Subdomains::Open,
        proof: Proof::FirstCome,
        grace: Duration::ZERO,
        single_labels: SingleLabels::Own,
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
