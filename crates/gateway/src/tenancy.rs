//! [`Tenancy`]: the operator's rules for tenants, decided: users are uids, and nothing is optional.
//!
//! Not here: what follows from a rule. Claims, upstreams and budgets each ask for their part.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use vestibule_names::{Destination, HostPattern, TenantId};
pub use vestibule_site::tenancy::{Claims, OwnerCheck, Proof, Subdomains, TenantLimits, Upstreams};
use vestibule_site::{
    site::Spanned,
    tenancy::{self as written, User},
};

/// The rules of all tenants. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tenancy {
    /// How names are held.
    pub claims: Claims,
    /// To what the gateway connects for tenants.
    pub upstreams: Arc<Upstreams>,
    others: Arc<TenantRule>,
    operator: Arc<TenantRule>,
    listed: Arc<HashMap<TenantId, Arc<TenantRule>>>,
}

/// What one tenant may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantRule {
    /// The names it may claim; `None`: any that nobody holds.
    pub hosts: Option<Vec<HostPattern>>,
    /// Places it may forward to beyond its own sockets on this machine.
    pub upstreams: Vec<Destination>,
    /// Users whose sockets it may forward to beside its own.
    pub owners: Vec<TenantId>,
    /// How much of the box it may have.
    pub limits: TenantLimits,
}

/// A user in the settings whom the system does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownUser {
    /// As written, and where.
    pub user: Spanned<User>,
}

impl Tenancy {
    /// Decides what is written; `uid_of` asks the system for a user by name. Users that it does not know are left out,
    /// and returned.
    pub fn decide(
        written: &written::Tenancy,
        mut uid_of: impl FnMut(&str) -> Option<TenantId>,
    ) -> (Self, Vec<UnknownUser>) {
        let mut known: BTreeMap<String, Option<TenantId>> = BTreeMap::new();
        let mut unknown = Vec::new();
        let mut resolve = |user: &Spanned<User>| {
            let found = match &user.value {
                User::Uid(uid) => Some(*uid),
                User::Name(name) => *known.entry(name.clone()).or_insert_with(|| uid_of(name)),
            };
            if found.is_none() {
                unknown.push(UnknownUser { user: user.clone() });
            }
            found
        };
        let free = TenantRule::decide(None, &written::Rule::default(), TenantLimits::UNLIMITED, &mut resolve);
        let standard = TenantRule::decide(None, &written.default, TenantLimits::default(), &mut resolve);
        let mut listed = HashMap::new();
        for (user, rule) in &written.listed {
            let Some(uid) = resolve(user) else { continue };
            let base = if uid == TenantId::OPERATOR { &free } else { &standard };
            listed.insert(uid, Arc::new(TenantRule::decide(Some(base), rule, base.limits, &mut resolve)));
        }
        let operator = listed.get(&TenantId::OPERATOR).cloned().unwrap_or_else(|| Arc::new(free));
        let tenancy = Self {
            claims: written.claims,
            upstreams: Arc::new(written.upstreams.clone()),
            others: Arc::new(standard),
            operator,
            listed: Arc::new(listed),
        };
        (tenancy, unknown)
    }

    /// The rule of a tenant. The operator's sites are free unless the settings list `root`.
    pub fn rule(&self, tenant: TenantId) -> &Arc<TenantRule> {
        match self.listed.get(&tenant) {
            Some(rule) => rule,
            None if tenant == TenantId::OPERATOR => &self.operator,
            None => &self.others,
        }
    }
}

/// Nothing is written.
impl Default for Tenancy {
    fn default() -> Self {
        Self::decide(&written::Tenancy::default(), |_| None).0
    }
}

impl TenantRule {
    fn decide(
        base: Option<&Self>,
        rule: &written::Rule,
        limits: TenantLimits,
        resolve: &mut impl FnMut(&Spanned<User>) -> Option<TenantId>,
    ) -> Self {
        let inherited = |of: fn(&Self) -> &Vec<Destination>| base.map(|base| of(base).clone()).unwrap_or_default();
        Self {
            hosts: rule.hosts.clone().or_else(|| base.and_then(|base| base.hosts.clone())),
            upstreams: rule.upstreams.clone().unwrap_or_else(|| inherited(|base| &base.upstreams)),
            owners: match &rule.owners {
                Some(owners) => owners.iter().filter_map(resolve).collect(),
                None => base.map(|base| base.owners.clone()).unwrap_or_default(),
            },
            limits: limits.with(&rule.limits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(settings: &str) -> (Tenancy, Vec<UnknownUser>) {
        let parsed = vestibule_site::parse_settings(settings.as_bytes());
        assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
        let uid_of = |name: &str| (name == "shop").then_some(TenantId(1001));
        Tenancy::decide(&parsed.value.expect("it parses").tenancy, uid_of)
    }

    #[test]
    fn an_entry_overrides_the_default_key_by_key() {
        let (tenancy, unknown) = decided(
            "tenants:\n  default:\n    owners: [33]\n    limits:\n      sites: 7\n      names: 8\n  shop:\n    \
             hosts: [shop.example]\n    limits:\n      sites: 70\n",
        );
        assert!(unknown.is_empty());
        let shop = tenancy.rule(TenantId(1001));
        assert_eq!((shop.limits.sites, shop.limits.names), (70, 8));
        assert_eq!((shop.owners.as_slice(), shop.hosts.as_ref().map(Vec::len)), (&[TenantId(33)][..], Some(1)));
        let other = tenancy.rule(TenantId(1002));
        assert_eq!((other.limits.sites, other.hosts.as_ref()), (7, None));
    }

    #[test]
    fn the_operator_is_free_unless_root_is_listed() {
        let (tenancy, _) = decided("tenants:\n  default:\n    limits:\n      sites: 7\n");
        assert_eq!(tenancy.rule(TenantId::OPERATOR).limits, TenantLimits::UNLIMITED);
        let (tenancy, _) = decided("tenants:\n  0:\n    limits:\n      sites: 9\n");
        assert_eq!(tenancy.rule(TenantId::OPERATOR).limits.sites, 9);
        assert_eq!(tenancy.rule(TenantId::OPERATOR).limits.names, u32::MAX);
    }

    #[test]
    fn users_that_the_system_does_not_know_are_told_and_get_no_rule() {
        let (tenancy, unknown) = decided("tenants:\n  nobody-here:\n    limits:\n      sites: 1\n");
        assert_eq!(unknown.len(), 1);
        assert_eq!(tenancy.rule(TenantId(1001)).limits, TenantLimits::default());
    }
}
