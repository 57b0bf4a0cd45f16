//! [`Held`]: every claim, and the ways to find one: by name, by site, by the end of its grace, below a name. A change costs
//! the labels of its name, not the number of names.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashMap, hash_map::Entry},
    ops::Bound,
};

use vestibule_names::{HostPattern, Hostname, SiteId, TenantId};

use super::{Claim, UnixTime};

/// Every claim.
#[derive(Debug, Default)]
pub(super) struct Held {
    claims: HashMap<HostPattern, Claim>,
    /// What each site serves: without names in their grace.
    by_site: HashMap<SiteId, Names>,
    /// How many names each tenant holds, those in their grace included. No entry is zero.
    counts: HashMap<TenantId, u32>,
    /// Names in their grace, by its end.
    graces: BTreeSet<(UnixTime, HostPattern)>,
    /// Names and wildcards by their labels from the right, so that a zone is a range.
    zones: BTreeSet<FromTheRight>,
}

/// A name or a wildcard in the order of its labels from the right, the wildcard's star like a label: what is below a zone follows
/// it.
#[derive(Debug)]
struct FromTheRight(HostPattern);

impl FromTheRight {
    fn labels(&self) -> impl Iterator<Item = &str> {
        let star = matches!(self.0, HostPattern::Wildcard(_)).then_some("*");
        self.0.base().into_iter().flat_map(|base| base.as_str().rsplit('.')).chain(star)
    }

    /// Strictly: the zone itself is not.
    fn is_below(&self, zone: &Hostname) -> bool {
        self.0.base().is_some_and(|base| base.is_within(zone))
            && !matches!(&self.0, HostPattern::Exact(name) if name == zone)
    }
}

impl Ord for FromTheRight {
    fn cmp(&self, other: &Self) -> Ordering {
        self.labels().cmp(other.labels())
    }
}

impl PartialOrd for FromTheRight {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for FromTheRight {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for FromTheRight {}

/// The names of one site. Most have one, and a set of one name would cost ten times the name.
#[derive(Debug)]
enum Names {
    One(HostPattern),
    #[expect(clippy::box_collection, reason = "few sites have it: one name and this are as small as one name alone")]
    Several(Box<BTreeSet<HostPattern>>),
}

impl Names {
    fn insert(&mut self, name: HostPattern) {
        match self {
            Self::One(only) if *only == name => {}
            Self::One(only) => *self = Self::Several(Box::new(BTreeSet::from([only.clone(), name]))),
            Self::Several(names) => {
                names.insert(name);
            }
        }
    }

    /// Without that name; `None` when nothing is left.
    fn without(self, name: &HostPattern) -> Option<Self> {
        match self {
            Self::One(only) => (only != *name).then_some(Self::One(only)),
            Self::Several(mut names) => {
                names.remove(name);
                (!names.is_empty()).then_some(Self::Several(names))
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = &HostPattern> {
        let (one, several) = match self {
            Self::One(name) => (Some(name), None),
            Self::Several(names) => (None, Some(&**names)),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }
}

impl Held {
    pub(super) fn of(&self, pattern: &HostPattern) -> Option<&Claim> {
        self.claims.get(pattern)
    }

    /// The name as it is held: whoever keeps it shares its text, which a site file has written once more.
    pub(super) fn shared(&self, pattern: &HostPattern) -> HostPattern {
        self.claims.get_key_value(pattern).map_or(pattern, |(held, _)| held).clone()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&HostPattern, &Claim)> {
        self.claims.iter()
    }

    pub(super) fn of_site(&self, site: &SiteId) -> impl Iterator<Item = &HostPattern> + use<'_> {
        self.by_site.get(site).into_iter().flat_map(Names::iter)
    }

    pub(super) fn sites(&self) -> impl Iterator<Item = &SiteId> {
        self.by_site.keys()
    }

    pub(super) fn count(&self, tenant: TenantId) -> u32 {
        self.counts.get(&tenant).copied().unwrap_or(0)
    }

    /// The first grace that ends.
    pub(super) fn first_end(&self) -> Option<&(UnixTime, HostPattern)> {
        self.graces.first()
    }

    /// Any claim strictly below a zone that is not this tenant's. Looks at that tenant's own names there at worst.
    pub(super) fn below(&self, zone: &Hostname, tenant: TenantId) -> Option<&HostPattern> {
        let zone_itself = FromTheRight(HostPattern::Exact(zone.clone()));
        let after = self.zones.range((Bound::Excluded(zone_itself), Bound::Unbounded));
        let mut there = after.take_while(|name| name.is_below(zone)).map(|name| &name.0);
        there.find(|pattern| self.claims.get(*pattern).is_some_and(|claim| claim.tenant != tenant))
    }

    /// Enters a claim in the place of the one before.
    pub(super) fn enter(&mut self, pattern: HostPattern, claim: Claim) {
        self.remove(&pattern);
        match claim.until {
            None => match self.by_site.entry(claim.site.clone()) {
                Entry::Occupied(mut names) => names.get_mut().insert(pattern.clone()),
                Entry::Vacant(place) => {
                    place.insert(Names::One(pattern.clone()));
                }
            },
            Some(until) => {
                self.graces.insert((until, pattern.clone()));
            }
        }
        *self.counts.entry(claim.tenant).or_default() += 1;
        if pattern.base().is_some() {
            self.zones.insert(FromTheRight(pattern.clone()));
        }
        self.claims.insert(pattern, claim);
    }

    pub(super) fn remove(&mut self, pattern: &HostPattern) -> Option<Claim> {
        let claim = self.claims.remove(pattern)?;
        if let Some((site, names)) = self.by_site.remove_entry(&claim.site)
            && let Some(left) = names.without(pattern)
        {
            self.by_site.insert(site, left);
        }
        if let Some(until) = claim.until {
            self.graces.remove(&(until, pattern.clone()));
        }
        if let Entry::Occupied(mut count) = self.counts.entry(claim.tenant) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        if pattern.base().is_some() {
            self.zones.remove(&FromTheRight(pattern.clone()));
        }
        Some(claim)
    }
}

#[cfg(test)]
impl Held {
    /// All ways to find a claim must agree.
    pub(super) fn check(&self) {
        let (graced, served): (Vec<_>, Vec<_>) = self.claims.iter().partition(|(_, claim)| claim.until.is_some());
        assert_eq!(graced.len(), self.graces.len());
        assert!(graced.iter().all(|(name, claim)| self.graces.contains(&(claim.until.unwrap(), (*name).clone()))));
        assert_eq!(served.len(), self.by_site.values().map(|names| names.iter().count()).sum::<usize>());
        assert!(served.iter().all(|(name, claim)| self.by_site[&claim.site].iter().any(|held| held == *name)));
        assert_eq!(self.claims.len(), self.counts.values().map(|count| *count as usize).sum::<usize>());
        assert_eq!(self.zones.len(), self.claims.keys().filter(|name| name.base().is_some()).count());
    }
}
