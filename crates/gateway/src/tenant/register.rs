//! [`Tenants`]: every tenant with a live site, or with something left of one. Only the control side looks here: a request
//! finds its tenant at its site.

use std::{collections::BTreeMap, sync::Arc};

use vestibule_names::TenantId;

use super::Tenant;
use crate::tenancy::Tenancy;

/// Tenants that are known before it is first looked for forgotten ones.
const FIRST_SWEEP: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Tenants {
    tenancy: Tenancy,
    known: BTreeMap<TenantId, Arc<Tenant>>,
    /// At so many, those that nothing belongs to are forgotten.
    sweep_at: usize,
}

impl Tenants {
    /// Nobody yet, and what the operator says of everybody.
    pub(crate) fn new(tenancy: Tenancy) -> Self {
        Self { tenancy, known: BTreeMap::new(), sweep_at: FIRST_SWEEP }
    }

    /// A tenant; the same one for as long as anything of it is alive.
    pub(crate) fn of(&mut self, id: TenantId) -> Arc<Tenant> {
        if let Some(tenant) = self.known.get(&id) {
            return Arc::clone(tenant);
        }
        if self.known.len() >= self.sweep_at {
            self.known.retain(|_, tenant| Arc::strong_count(tenant) > 1);
            self.sweep_at = (self.known.len() * 2).max(FIRST_SWEEP);
        }
        let tenant = Tenant::new(id, self.tenancy.rule(id).limits);
        self.known.insert(id, Arc::clone(&tenant));
        tenant
    }

    /// In order of uid.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.known.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_one_for_all_its_sites_and_forgotten_after_the_last() {
        let mut tenants = Tenants::new(Tenancy::default());
        let kept = tenants.of(TenantId(1));
        assert!(Arc::ptr_eq(&kept, &tenants.of(TenantId(1))));
        for id in 2..10_000 {
            drop(tenants.of(TenantId(id)));
            assert!(tenants.iter().count() <= FIRST_SWEEP);
        }
        assert!(Arc::ptr_eq(&kept, &tenants.of(TenantId(1))));
    }
}
