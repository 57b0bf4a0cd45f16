//! [`Allowances`]: for how many names of each tenant public CAs are asked. What is beyond the tenant's limit is not asked
//! for: the CA's own limits are everybody's.
//!
//! Room that one site gives up goes to the site of the tenant that has waited longest, without an edit.

use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry};

use vestibule_acme::config::SiteOptions;
use vestibule_diagnostics::{Diagnostic, Report, catalogue};
use vestibule_names::{SiteId, TenantId};
use vestibule_site::{Site, parse_site};
use vestibule_vhost::Vhost;

use super::{Sites, Step, Wish, reports, source};
use crate::ledger::Entry as Noted;

/// See the module. What is zero is not kept.
#[derive(Debug, Default)]
pub(super) struct Allowances {
    sites: HashMap<SiteId, (TenantId, u32)>,
    tenants: HashMap<TenantId, u32>,
    /// Sites for some of whose names no CA is asked, the longest wait first. No queue is empty.
    short: HashMap<TenantId, BTreeMap<u64, SiteId>>,
    /// The other way around.
    tickets: HashMap<SiteId, (TenantId, u64)>,
    next_ticket: u64,
    /// Tenants with sites that are short, whose other sites have given something up.
    freed: BTreeSet<TenantId>,
}

impl Allowances {
    /// For how many names of this site CAs may be asked, of so many for its tenant.
    fn room(&self, site: &SiteId, tenant: TenantId, limit: u32) -> usize {
        let all = self.tenants.get(&tenant).copied().unwrap_or_default();
        let own = self.sites.get(site).filter(|(owner, _)| *owner == tenant).map_or(0, |(_, own)| *own);
        usize::try_from(limit.saturating_sub(all - own)).unwrap_or(usize::MAX)
    }

    /// CAs are asked for so many names of this site now.
    fn note(&mut self, site: &SiteId, tenant: TenantId, names: u32) {
        if let Some((tenant, before)) = self.sites.remove(site)
            && let Some(all) = self.tenants.get_mut(&tenant)
        {
            *all -= before;
            if *all == 0 {
                self.tenants.remove(&tenant);
            }
            if self.short.contains_key(&tenant) {
                self.freed.insert(tenant);
            }
        }
        if names > 0 {
            self.sites.insert(site.clone(), (tenant, names));
            *self.tenants.entry(tenant).or_default() += names;
        }
    }

    /// A site wants more than it may have. Whoever is short already keeps its place.
    fn fall_short(&mut self, site: &SiteId, tenant: TenantId) {
        if self.tickets.get(site).is_some_and(|(owner, _)| *owner == tenant) {
            return;
        }
        self.suffice(site);
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.tickets.insert(site.clone(), (tenant, ticket));
        self.short.entry(tenant).or_default().insert(ticket, site.clone());
    }

    /// A site has all that it wants.
    fn suffice(&mut self, site: &SiteId) {
        let Some((tenant, ticket)) = self.tickets.remove(site) else { return };
        if let Entry::Occupied(mut queue) = self.short.entry(tenant) {
            queue.get_mut().remove(&ticket);
            if queue.get().is_empty() {
                queue.remove();
            }
        }
    }

    /// Who has waited longest for what this tenant may have more.
    fn next_short(&self, tenant: TenantId, limit: u32) -> Option<SiteId> {
        let all = self.tenants.get(&tenant).copied().unwrap_or_default();
        self.short.get(&tenant).filter(|_| all < limit)?.first_key_value().map(|(_, site)| site.clone())
    }
}

impl Sites {
    /// A wish within the tenant's limit.
    pub(super) fn allowed(&mut self, wish: Wish) -> Wish {
        match wish {
            Wish::Want(site, tenant, mut names, options) => {
                let room = self.certificate_room(&site, tenant);
                if names.len() > room {
                    names.truncate(room);
                    self.allowances.fall_short(&site, tenant);
                } else {
                    self.allowances.suffice(&site);
                }
                // There is room for so many, and room is counted in numbers of this size.
                self.allowances.note(&site, tenant, u32::try_from(names.len()).unwrap_or(u32::MAX));
                if names.is_empty() { Wish::Unwant(site) } else { Wish::Want(site, tenant, names, options) }
            }
            Wish::Unwant(site) => {
                self.allowances.suffice(&site);
                self.allowances.note(&site, TenantId::OPERATOR, 0);
                Wish::Unwant(site)
            }
        }
    }

    /// What sites have given up is asked for by those that are short. Each turn takes some of it or ends a wait, so this ends.
    pub(super) fn pass_allowances_on(&mut self, step: &mut Step) {
        for tenant in std::mem::take(&mut self.allowances.freed) {
            let limit = self.surroundings.tenancy.rule(tenant).limits.certificates;
            while let Some(id) = self.allowances.next_short(tenant, limit) {
                match self.whole_wish(&id, tenant) {
                    Some(wish) => {
                        let wish = self.allowed(wish);
                        step.wishes.push(wish);
                        self.tell_allowance(&id, step);
                    }
                    None => self.allowances.suffice(&id),
                }
            }
        }
    }

    /// Everything that a live site wants of CAs.
    fn whole_wish(&self, id: &SiteId, tenant: TenantId) -> Option<Wish> {
        let record = self.records.get(id)?;
        let vhost = &record.live.as_ref().filter(|live| live.vhost.tenant == tenant)?.vhost;
        self.surroundings.wish(id, None, Some((vhost, record.options())))
    }

    /// Puts what is said of the limit right, where something is.
    fn tell_allowance(&mut self, id: &SiteId, step: &Step) {
        let is_limit = |report: &Report| report.code == catalogue::CERTIFICATE_LIMIT.entry().number;
        let Some(record) = self.records.get(id).filter(|record| record.reports().iter().any(is_limit)) else { return };
        let fresh = step.ledger.iter().rev().find_map(|entry| match entry {
            Noted::Good(site, version) if site == id => Some(version.clone()),
            _ => None,
        });
        let good = || self.surroundings.ledger.as_ref().and_then(|ledger| ledger.good(id));
        let (Some(version), Some(live)) = (fresh.or_else(good), &record.live) else { return };
        let Some(site) = parse_site(&version.text).value else { return };
        let found = self.over_allowance(id, &live.vhost, &site, record.options());
        let mut told = reports(found.as_slice(), &source(id, &version.text)).into_iter();
        let all = record.reports().iter().cloned();
        let all = all.filter_map(|report| if is_limit(&report) { told.next() } else { Some(report) }).collect();
        if let Some(record) = self.records.get_mut(id) {
            record.change(|rest| rest.reports = all);
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

    #[test]
    fn who_is_short_waits_in_order_and_is_forgotten_when_it_has_enough() {
        let (a, b, c, ann, ben) =
            (SiteId::new("a.yaml"), SiteId::new("b.yaml"), SiteId::new("c.yaml"), TenantId(1), TenantId(2));
        let mut allowances = Allowances::default();
        allowances.note(&a, ann, 2);
        for site in [&c, &b, &c] {
            allowances.fall_short(site, ann);
        }
        assert_eq!(allowances.next_short(ann, 2), None, "there is nothing to have");
        allowances.note(&a, ann, 1);
        assert!(allowances.freed.contains(&ann));
        assert_eq!(allowances.next_short(ann, 2), Some(c.clone()));
        allowances.fall_short(&c, ben);
        assert_eq!((allowances.next_short(ann, 2), allowances.next_short(ben, 2)), (Some(b.clone()), Some(c.clone())));
        for site in [&a, &b, &c] {
            allowances.suffice(site);
        }
        assert!(allowances.short.is_empty() && allowances.tickets.is_empty());
    }
}
