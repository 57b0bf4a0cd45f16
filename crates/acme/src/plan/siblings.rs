//! [`Siblings`]: the names of one tenant that stand directly below one name, and that a wildcard there would cover. An index
//! without keys: what the names of a set are below is in the names.

use std::hash::Hash as _;

use vestibule_names::{Lookup, TenantId};

use super::{
    name::Name,
    name_set::NameSet,
    slab::{NameIx, Slab},
};

type Names = Slab<NameIx, Name>;

/// See the module. No set in it is empty, and each name that is in it is in the slab.
#[derive(Clone, Debug, Default)]
pub(super) struct Siblings(Lookup<NameSet>);

impl Siblings {
    /// Takes in a name that is in the slab.
    pub(super) fn insert(&mut self, ix: NameIx, names: &Names) {
        let Some(key) = names[ix].below() else { return };
        if let Some(set) = self.0.find_mut(key, |set| below(set, names) == Some(key)) {
            set.insert(ix);
            return;
        }
        self.0.insert(NameSet::One(ix), |set, hasher| {
            if let Some(key) = below(set, names) {
                key.hash(hasher);
            }
        });
    }

    /// Takes out a name that is still in the slab.
    pub(super) fn remove(&mut self, ix: NameIx, names: &Names) {
        let Some(key) = names.find(ix).and_then(Name::below) else { return };
        let is_its = |set: &NameSet| below(set, names) == Some(key);
        let Some(set) = self.0.find_mut(key, is_its) else { return };
        if set.iter().eq([ix]) {
            self.0.remove(key, is_its);
        } else {
            set.remove(ix);
        }
    }

    /// The names of this tenant directly below that name.
    pub(super) fn below(&self, tenant: TenantId, parent: &str, names: &Names) -> impl Iterator<Item = NameIx> {
        let set = self.0.find((tenant, parent), |set| below(set, names) == Some((tenant, parent)));
        set.into_iter().flat_map(NameSet::iter)
    }
}

fn below<'a>(set: &NameSet, names: &'a Names) -> Option<(TenantId, &'a str)> {
    names[set.iter().next()?].below()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    #[test]
    fn names_are_beside_those_of_their_tenant_below_the_same_name() {
        let (mut names, mut siblings) = (Slab::new(), Siblings::default());
        let mut known = Vec::new();
        for tenant in [1, 2].map(TenantId) {
            for text in ["a.x.test", "b.x.test", "x.test", "*.x.test", "a.b.x.test", "192.0.2.7", "c.x.test"] {
                let ix = names.insert(Name::new(tenant, text.parse().unwrap(), Timestamp(0)));
                siblings.insert(ix, &names);
                known.push((ix, tenant, text));
            }
        }
        let found = |siblings: &Siblings, names: &Names, tenant, parent| -> Vec<String> {
            siblings.below(tenant, parent, names).map(|ix| names[ix].text().to_string()).collect()
        };
        for tenant in [1, 2].map(TenantId) {
            assert_eq!(found(&siblings, &names, tenant, "x.test"), ["a.x.test", "b.x.test", "c.x.test"]);
            assert_eq!(found(&siblings, &names, tenant, "test"), ["x.test"]);
            assert!(found(&siblings, &names, tenant, "c.x.test").is_empty());
        }
        for (ix, tenant, text) in known {
            siblings.remove(ix, &names);
            names.remove(ix);
            let parent = text.split_once('.').unwrap().1;
            assert!(!found(&siblings, &names, tenant, parent).contains(&text.to_owned()), "{text}");
        }
        assert_eq!(siblings.0.iter().count(), 0);
    }
}
