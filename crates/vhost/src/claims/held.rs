//! [`Held`]: every claim, and the ways to find one: by name, by site, by the end of its grace, below a name. A change costs
//! the labels of its name, not the number of names.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashMap, hash_map::Entry},
    hash::Hash as _,
    ops::Bound,
};

use vestibule_names::{HostPattern, Hostname, Lookup, SiteId, TenantId};

use super::{Claim, UnixTime};

/// Every claim.
#[derive(Debug, Default)]
pub(super) struct Held {
    claims: Lookup<Box<Holding>>,
    /// What each site serves: without names in their grace. Whose they are is found at the claim of any of them.
    by_site: Lookup<Names>,
    /// How many names each tenant holds, those in their grace included. No entry is zero.
    counts: HashMap<TenantId, u32>,
    /// Names in their grace, by its end.
    graces: BTreeSet<(UnixTime, HostPattern)>,
    /// Names and wildcards by their labels from the right, so that a zone is a range.
    zones: BTreeSet<FromTheRight>,
}

/// A name, and who holds it.
#[derive(Debug)]
struct Holding {
    name: HostPattern,
    claim: Claim,
}

/// A name or a wildcard in the order of its labels from the right, the wildcard's star like a label: what is below a zone follows
/// it.
#[derive(Debug)]
struct FromTheRight(HostPattern);

impl FromTheRight {
    fn base(&self) -> &[u8] {
        self.0.base().map_or(b"", |base| base.as_str().as_bytes())
    }

    /// The label to the left of the last so many bytes, which end at a label's border.
    fn label_before(&self, common: usize) -> Option<&[u8]> {
        let base = self.base();
        let rest = &base[..base.len() - common];
        let rest = rest.strip_suffix(b".").unwrap_or(rest);
        let star = matches!(self.0, HostPattern::Wildcard(_)).then_some(&b"*"[..]);
        if rest.is_empty() { star } else { rest.rsplit(|byte| *byte == b'.').next() }
    }

    /// Strictly: the zone itself is not.
    fn is_below(&self, zone: &Hostname) -> bool {
        self.0.base().is_some_and(|base| base.is_within(zone))
            && !matches!(&self.0, HostPattern::Exact(name) if name == zone)
    }
}

impl Ord for FromTheRight {
    /// By the first labels that differ. What is common to the right of them is passed over as bytes: a start sorts every name.
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, two) = (self.base(), other.base());
        let same = one.iter().rev().zip(two.iter().rev()).take_while(|(one, two)| one == two).count();
        let is_border = |base: &[u8]| base.len() == same || base[base.len() - same - 1] == b'.';
        let common = if is_border(one) && is_border(two) {
            same
        } else {
            let within = &one[one.len() - same..]; // of a label, before the first border
            within.iter().position(|byte| *byte == b'.').map_or(0, |dot| same - dot - 1)
        };
        self.label_before(common).cmp(&other.label_before(common))
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

    /// There is always one.
    fn first(&self) -> Option<&HostPattern> {
        self.iter().next()
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
    /// Claims that were written down. Trees that are built at once have no half-empty nodes.
    pub(super) fn restore(written: impl Iterator<Item = (HostPattern, Claim)>) -> Self {
        let room = written.size_hint().0;
        let mut held = Self { claims: Lookup::with_room(room), by_site: Lookup::with_room(room), ..Self::default() };
        written.for_each(|(name, claim)| held.put(name, claim));
        held.zones = held.claims.iter().filter_map(|holding| zone(&holding.name)).collect();
        held
    }

    pub(super) fn of(&self, pattern: &HostPattern) -> Option<&Claim> {
        self.holding(pattern).map(|holding| &holding.claim)
    }

    /// The name as it is held: whoever keeps it shares its text, which a site file has written once more.
    pub(super) fn shared(&self, pattern: &HostPattern) -> HostPattern {
        self.holding(pattern).map_or(pattern, |holding| &holding.name).clone()
    }

    /// The other way around: the site's id is kept as its file has it, and not as it was written down.
    pub(super) fn share_site(&mut self, pattern: &HostPattern, site: &SiteId) {
        let holding = self.claims.find_mut(pattern, |holding| holding.name == *pattern);
        if let Some(holding) = holding.filter(|holding| holding.claim.site == *site) {
            holding.claim.site = site.clone();
        }
    }

    fn holding(&self, pattern: &HostPattern) -> Option<&Holding> {
        holding(&self.claims, pattern)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&HostPattern, &Claim)> {
        self.claims.iter().map(|holding| (&holding.name, &holding.claim))
    }

    pub(super) fn of_site(&self, site: &SiteId) -> impl Iterator<Item = &HostPattern> + use<'_> {
        let names = self.by_site.find(site, |names| site_of(&self.claims, names) == Some(site));
        names.into_iter().flat_map(Names::iter)
    }

    /// Who serves a name, each with the tenant of one of its names.
    pub(super) fn sites(&self) -> impl Iterator<Item = (&SiteId, TenantId)> {
        let claims = self.by_site.iter().filter_map(|names| self.of(names.first()?));
        claims.map(|claim| (&claim.site, claim.tenant))
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
        there.find(|pattern| self.of(pattern).is_some_and(|claim| claim.tenant != tenant))
    }

    /// Enters a claim in the place of the one before.
    pub(super) fn enter(&mut self, pattern: HostPattern, claim: Claim) {
        self.zones.extend(zone(&pattern));
        self.put(pattern, claim);
    }

    pub(super) fn remove(&mut self, pattern: &HostPattern) -> Option<Claim> {
        if let Some(zone) = zone(pattern) {
            self.zones.remove(&zone);
        }
        self.take(pattern)
    }

    /// Everything but the zones, which hold no more than the name.
    fn put(&mut self, name: HostPattern, claim: Claim) {
        self.take(&name);
        *self.counts.entry(claim.tenant).or_default() += 1;
        let serves = claim.until.is_none();
        if let Some(until) = claim.until {
            self.graces.insert((until, name.clone()));
        }
        let site = claim.site.clone();
        let held = Box::new(Holding { name: name.clone(), claim });
        self.claims.insert(held, |holding, hasher| holding.name.hash(hasher));
        if serves {
            let mut names = self.take_names(&site).unwrap_or_else(|| Names::One(name.clone()));
            names.insert(name);
            self.put_names(names);
        }
    }

    fn take(&mut self, pattern: &HostPattern) -> Option<Claim> {
        let site = self.of(pattern)?.site.clone();
        if let Some(left) = self.take_names(&site).and_then(|names| names.without(pattern)) {
            self.put_names(left);
        }
        let Holding { claim, .. } = *self.claims.remove(pattern, |holding| holding.name == *pattern)?;
        if let Some(until) = claim.until {
            self.graces.remove(&(until, pattern.clone()));
        }
        if let Entry::Occupied(mut count) = self.counts.entry(claim.tenant) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        Some(claim)
    }

    fn take_names(&mut self, site: &SiteId) -> Option<Names> {
        let claims = &self.claims;
        self.by_site.remove(site, |names| site_of(claims, names) == Some(site))
    }

    fn put_names(&mut self, names: Names) {
        let claims = &self.claims;
        self.by_site.insert(names, |names, hasher| {
            if let Some(site) = site_of(claims, names) {
                site.hash(hasher);
            }
        });
    }
}

fn holding<'a>(claims: &'a Lookup<Box<Holding>>, pattern: &HostPattern) -> Option<&'a Holding> {
    claims.find(pattern, |holding| holding.name == *pattern).map(|holding| &**holding)
}

/// Who serves these names: it is noted at the claim of each.
fn site_of<'a>(claims: &'a Lookup<Box<Holding>>, names: &Names) -> Option<&'a SiteId> {
    holding(claims, names.first()?).map(|holding| &holding.claim.site)
}

/// A name as the zones have it; addresses are in none.
fn zone(pattern: &HostPattern) -> Option<FromTheRight> {
    pattern.base().is_some().then(|| FromTheRight(pattern.clone()))
}

#[cfg(test)]
impl Held {
    /// All ways to find a claim must agree.
    pub(super) fn check(&self) {
        let (graced, served): (Vec<_>, Vec<_>) = self.all().partition(|(_, claim)| claim.until.is_some());
        assert_eq!(graced.len(), self.graces.len());
        assert!(graced.iter().all(|(name, claim)| self.graces.contains(&(claim.until.unwrap(), (*name).clone()))));
        assert_eq!(served.len(), self.by_site.iter().map(|names| names.iter().count()).sum::<usize>());
        assert!(served.iter().all(|(name, claim)| self.of_site(&claim.site).any(|held| held == *name)));
        assert_eq!(self.all().count(), self.counts.values().map(|count| *count as usize).sum::<usize>());
        assert_eq!(self.zones.len(), self.all().filter(|(name, _)| name.base().is_some()).count());
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, ptr};

    use super::*;

    fn claim(site: &SiteId, tenant: u32, until: Option<u64>) -> Claim {
        Claim {
            site: site.clone(),
            tenant: TenantId(tenant),
            since: 0,
            at: UnixTime::default(),
            until: until.map(UnixTime),
        }
    }

    /// Against a plain list of the same claims.
    fn check(held: &Held, model: &BTreeMap<HostPattern, Claim>, sites: &[SiteId], zones: &[Hostname]) {
        assert_eq!(held.all().collect::<BTreeMap<_, _>>(), model.iter().collect());
        for site in sites {
            let serves = model.iter().filter(|(_, claim)| claim.site == *site && claim.until.is_none());
            let mut names: Vec<_> = held.of_site(site).collect();
            names.sort();
            assert_eq!(names, serves.map(|(name, _)| name).collect::<Vec<_>>(), "{site}");
        }
        let serving: BTreeSet<_> = model.values().filter(|claim| claim.until.is_none()).map(|c| &c.site).collect();
        assert_eq!(
            (held.sites().count(), held.sites().map(|(site, _)| site).collect::<BTreeSet<_>>()),
            (serving.len(), serving)
        );
        for tenant in 0..3 {
            let own = model.values().filter(|claim| claim.tenant == TenantId(tenant)).count();
            assert_eq!(held.count(TenantId(tenant)) as usize, own);
            for zone in zones {
                let is_below = |name: &HostPattern| FromTheRight(name.clone()).is_below(zone);
                let mut others = model.iter().filter(|(name, c)| is_below(name) && c.tenant != TenantId(tenant));
                let found = held.below(zone, TenantId(tenant));
                assert_eq!(found.is_some(), others.next().is_some(), "below {zone}");
                assert!(found.is_none_or(|name| is_below(name) && model[name].tenant != TenantId(tenant)));
            }
        }
        let first = model.iter().filter_map(|(name, claim)| Some((claim.until?, name.clone()))).min();
        assert_eq!(held.first_end(), first.as_ref());
    }

    #[test]
    fn names_are_in_the_order_of_their_labels_from_the_right() {
        let labels = ["a", "b", "ab", "ba", "a-b", "test"];
        let mut names = Vec::new();
        for one in labels {
            for two in labels {
                names.extend([one.to_owned(), format!("{one}.{two}"), format!("*.{one}"), format!("*.{one}.{two}")]);
                names.extend(labels.map(|three| format!("{one}.{two}.{three}")));
            }
        }
        let names: Vec<_> = names.iter().map(|name| FromTheRight(HostPattern::parse(name).unwrap())).collect();
        let by_labels = |name: &FromTheRight| {
            let mut labels: Vec<_> = name.0.to_string().split('.').map(str::to_owned).collect();
            labels.reverse();
            labels
        };
        for one in &names {
            for two in &names {
                assert_eq!(one.cmp(two), by_labels(one).cmp(&by_labels(two)), "{} and {}", one.0, two.0);
            }
        }
    }

    #[test]
    fn every_way_to_find_a_claim_tells_the_same() {
        let names: Vec<_> = ["a.test", "*.a.test", "x.a.test", "b.test", "y.b.test", "192.0.2.7", "::1", "test"]
            .map(|name| HostPattern::parse(name).unwrap())
            .into();
        let sites = ["a.yaml", "b.yaml", "shop/c.yaml"].map(SiteId::new);
        let zones = ["a.test", "b.test", "test", "c.test"].map(|name| Hostname::parse(name).unwrap());
        let (mut held, mut model, mut seed) = (Held::default(), BTreeMap::new(), 7_u64);
        for _ in 0..2_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut draw = |bound: u64| {
                let drawn = (seed >> 33) % bound;
                seed = seed.rotate_left(11) ^ 0x9e37_79b9;
                drawn
            };
            let name = &names[draw(names.len() as u64) as usize];
            if draw(3) == 0 {
                assert_eq!(held.remove(name), model.remove(name));
            } else {
                let until = (draw(4) == 0).then(|| draw(9));
                let claim = claim(&sites[draw(3) as usize], draw(3) as u32, until);
                held.enter(name.clone(), claim.clone());
                model.insert(name.clone(), claim);
            }
            check(&held, &model, &sites, &zones);
        }
        let written = model.iter().map(|(name, claim)| (name.clone(), claim.clone()));
        check(&Held::restore(written), &model, &sites, &zones);
        names.iter().for_each(|name| drop(held.remove(name)));
        check(&held, &BTreeMap::new(), &sites, &zones);
    }

    #[test]
    fn an_id_is_kept_as_its_file_has_it() {
        let (name, written, read) =
            (HostPattern::parse("a.test").unwrap(), SiteId::new("a.yaml"), SiteId::new("a.yaml"));
        let mut held = Held::restore([(name.clone(), claim(&written, 1, None))].into_iter());
        held.share_site(&name, &SiteId::new("b.yaml"));
        held.share_site(&name, &read);
        let site = &held.of(&name).unwrap().site;
        assert!(ptr::eq(site.as_str(), read.as_str()) && held.of_site(&written).eq([&name]));
    }
}
