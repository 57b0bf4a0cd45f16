//! [`Allowances`]: for how many names of each tenant public CAs are asked. What is beyond the tenant's limit is not asked
//! for: the CA's own limits are everybody's.
//!
//! Room that another site of the tenant gives up is taken at the next change of a site that wants it.

use std::collections::HashMap;

use vestibule_acme::config::SiteOptions;
use vestibule_diagnostics::{Diagnostic, catalogue};
use vestibule_names::{SiteId, TenantId};
use vestibule_site::Site;
use vestibule_vhost::Vhost;

use super::{Sites, Wish};

/// See the module. What is zero is not kept.
#[derive(Debug, Default)]
pub(super) struct Allowances {
    sites: HashMap<SiteId, (TenantId, usize)>,
    tenants: HashMap<TenantId, usize>,
}

impl Allowances {
    /// For how many names of this site CAs may be asked, of so many for its tenant.
    fn room(&self, site: &SiteId, tenant: TenantId, limit: u32) -> usize {
        let all = self.tenants.get(&tenant).copied().unwrap_or_default();
        let own = self.sites.get(site).filter(|(owner, _)| *owner == tenant).map_or(0, |(_, own)| *own);
        usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(all - own)
    }

    /// CAs are asked for so many names of this site now.
    fn note(&mut self, site: &SiteId, tenant: TenantId, names: usize) {
        if let Some((tenant, before)) = self.sites.remove(site)
            && let Some(all) = self.tenants.get_mut(&tenant)
        {
            *all -= before;
            if *all == 0 {
                self.tenants.remove(&tenant);
            }
        }
        if names > 0 {
            self.sites.insert(site.clone(), (tenant, names));
            *self.tenants.entry(tenant).or_default() += names;
        }
    }
}

impl Sites {
    /// A wish within the tenant's limit.
    pub(super) fn allowed(&mut self, wish: Wish) -> Wish {
        match wish {
            Wish::Want(site, tenant, mut names, options) => {
                names.truncate(self.certificate_room(&site, tenant));
                self.allowances.note(&site, tenant, names.len());
                if names.is_empty() { Wish::Unwant(site) } else { Wish::Want(site, tenant, names, options) }
            }
            Wish::Unwant(site) => {
                self.allowances.note(&site, TenantId::OPERATOR, 0);
                Wish::Unwant(site)
            }
        }
    }

    /// Names for which no CA is asked because the tenant has enough.
    pub(super) fn over_allowance(
        &self,
        id: &SiteId,
        vhost: &Vhost,
        site: &Site,
        options: Option<&SiteOptions>,
    ) -> Option<Diagnostic> {
        let wanted = self.surroundings.wanted(vhost, options);
        let room = self.certificate_room(id, vhost.tenant);
        let first = wanted.get(room)?;
        let span = site.hosts.iter().find(|host| host.value == *first).map_or(site.tls.span, |host| host.span);
        let limit = self.surroundings.tenancy.rule(vhost.tenant).limits.certificates;
        let message = format!("no public certificate is ordered for {} of the names of this site", wanted.len() - room);
        let help = format!(
            "all sites of one owner together get certificates for {limit} names: take names out, let the operator raise \
             `certificates` in the `limits` of this tenant, or use one wildcard for many names"
        );
        let found = Diagnostic::new(catalogue::CERTIFICATE_LIMIT, message);
        Some(found.at(span, "this one and those after it are beyond the limit").help(help))
    }

    fn certificate_room(&self, site: &SiteId, tenant: TenantId) -> usize {
        self.allowances.room(site, tenant, self.surroundings.tenancy.rule(tenant).limits.certificates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_counted_by_tenant_and_given_back() {
        let (a, b, ann, ben) = (SiteId::new("a.yaml"), SiteId::new("b.yaml"), TenantId(1), TenantId(2));
        let mut allowances = Allowances::default();
        allowances.note(&a, ann, 3);
        assert_eq!((allowances.room(&a, ann, 5), allowances.room(&b, ann, 5), allowances.room(&b, ben, 5)), (5, 2, 5));
        allowances.note(&b, ann, 2);
        assert_eq!((allowances.room(&a, ann, 5), allowances.room(&b, ann, 5)), (3, 2));
        assert_eq!(allowances.room(&SiteId::new("c.yaml"), ann, 4), 0, "a limit that was lowered");
        allowances.note(&a, ben, 1);
        assert_eq!((allowances.room(&b, ann, 5), allowances.room(&a, ben, 5)), (5, 5));
        allowances.note(&a, ben, 0);
        allowances.note(&b, ann, 0);
        assert!(allowances.sites.is_empty() && allowances.tenants.is_empty());
    }
}
