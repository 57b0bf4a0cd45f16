//! [`Records`]: the records of all sites by name, and the names of each owner's. What a tenant asks for costs what that
//! tenant has, however many sites there are.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use vestibule_names::{SiteId, TenantId};

use super::Record;
use crate::admin::Caller;

/// Every site by its name, and by its owner. Owners change in [`Records::of`] and nowhere else.
#[derive(Default)]
pub(super) struct Records {
    /// Boxed: names that come in order leave each node of the tree half empty.
    by_site: BTreeMap<SiteId, Box<Record>>,
    by_owner: BTreeMap<TenantId, BTreeSet<SiteId>>,
}

impl Records {
    pub(super) fn get(&self, id: &SiteId) -> Option<&Record> {
        self.by_site.get(id).map(|record| &**record)
    }

    pub(super) fn get_mut(&mut self, id: &SiteId) -> Option<&mut Record> {
        self.by_site.get_mut(id).map(|record| &mut **record)
    }

    pub(super) fn contains_key(&self, id: &str) -> bool {
        self.by_site.contains_key(id)
    }

    /// The first scan is through. Trees that were filled in order have half of each node empty; built at once they have not.
    pub(super) fn pack(&mut self) {
        self.by_site = std::mem::take(&mut self.by_site).into_iter().collect();
        for sites in self.by_owner.values_mut() {
            *sites = std::mem::take(sites).into_iter().collect();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_site.is_empty()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Record> {
        self.by_site.values().map(|record| &**record)
    }

    /// What this caller may see, in order of name, after a given one.
    pub(super) fn shown<'a>(
        &'a self,
        caller: Caller,
        after: Option<&SiteId>,
    ) -> Box<dyn Iterator<Item = (&'a SiteId, &'a Record)> + 'a> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        match caller {
            Caller::Operator => {
                let all = self.by_site.range::<SiteId, _>((start, Bound::Unbounded));
                Box::new(all.map(|(id, record)| (id, &**record)))
            }
            Caller::Tenant(tenant) => {
                let own = self.by_owner.get(&tenant).map(|sites| sites.range::<SiteId, _>((start, Bound::Unbounded)));
                let record = |id| self.by_site.get_key_value(id).map(|(id, record)| (id, &**record));
                Box::new(own.into_iter().flatten().filter_map(record))
            }
        }
    }

    /// How many files a tenant has.
    pub(super) fn count_of(&self, tenant: TenantId) -> usize {
        self.by_owner.get(&tenant).map_or(0, BTreeSet::len)
    }

    /// The record of a site, made when missing, with the owner of its file as it is now.
    pub(super) fn of(&mut self, id: &SiteId, owner: TenantId) -> &mut Record {
        let before = self.by_site.get(id).map(|record| record.owner);
        if before != Some(owner) {
            if let Some(before) = before {
                self.disown(id, before);
            }
            self.by_owner.entry(owner).or_default().insert(id.clone());
        }
        let record = self.by_site.entry(id.clone()).or_insert_with(|| Box::new(Record::new(owner)));
        record.owner = owner;
        record
    }

    pub(super) fn remove(&mut self, id: &SiteId) -> Option<Box<Record>> {
        let record = self.by_site.remove(id)?;
        self.disown(id, record.owner);
        Some(record)
    }

    fn disown(&mut self, id: &SiteId, owner: TenantId) {
        if let Some(sites) = self.by_owner.get_mut(&owner) {
            sites.remove(id);
            if sites.is_empty() {
                self.by_owner.remove(&owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: TenantId = TenantId(1001);
    const BEN: TenantId = TenantId(1002);

    #[test]
    fn a_caller_sees_files_by_their_owner_as_it_is_now() {
        let mut records = Records::default();
        let id = SiteId::new;
        records.of(&id("a.yaml"), ANN);
        records.of(&id("b.yaml"), BEN);
        records.of(&id("c.yaml"), ANN);
        records.pack();
        let names = |records: &Records, caller, after: Option<&SiteId>| {
            records.shown(caller, after).map(|(id, _)| id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(&records, Caller::Operator, None), ["a.yaml", "b.yaml", "c.yaml"]);
        assert_eq!(names(&records, Caller::Tenant(ANN), Some(&id("a.yaml"))), ["c.yaml"]);
        records.of(&id("c.yaml"), BEN);
        assert_eq!(names(&records, Caller::Tenant(ANN), None), ["a.yaml"]);
        assert_eq!(names(&records, Caller::Tenant(BEN), None), ["b.yaml", "c.yaml"]);
        assert!(records.remove(&id("a.yaml")).is_some() && records.remove(&id("a.yaml")).is_none());
        assert_eq!((records.count_of(ANN), records.count_of(BEN)), (0, 2));
        assert!(records.by_owner.keys().eq([&BEN]), "nothing is kept of who has nothing");
    }
}
