//! Which names share an order, and at which CA it is asked for.
//!
//! Usually the names of one site, or those of the certificate that is renewed. When the budget of orders is scarce for what
//! waits, more names of the same tenant with the same terms, up to the CA's most. Never names of two tenants.

use std::{sync::Arc, time::Duration};

use vestibule_names::{HostPattern, TenantId};

use super::{
    Planner,
    ca::{Gate, LIMIT_BEFORE_FAILOVER},
    calendar::{Cert, fingerprint},
    lanes::Lane,
    looks::Look,
    name::{Fate, Name, Waits},
    slab::NameIx,
    terms::{self, Terms},
};
use crate::Timestamp;

/// How many more names than fit are looked at when an order is packed.
const SCAN: usize = 4;
/// A domain's certificates are scarce when less than this part of them is left.
const SCARCE_PART: u32 = 2;
/// How long a name waits at most for the probe of a CA.
const PROBE_WAIT: Duration = Duration::from_secs(300);
/// How long a name waits for a wildcard that would cover it.
const WILDCARD_WAIT: Duration = Duration::from_secs(120);
/// How long a name waits for looks at other names of its site.
const MATES_WAIT: Duration = Duration::from_secs(10);
/// After so long settings are looked at again though nobody said that they changed.
const SETTINGS_WAIT: Duration = Duration::from_secs(24 * 3600);

/// Where an order of a name goes.
pub(super) struct Route {
    pub(super) ca: usize,
    pub(super) terms: Terms,
    /// It carries `replaces` and counts against no limit.
    pub(super) exempt: bool,
}

/// Why it goes nowhere now.
pub(super) struct Wait {
    pub(super) until: Timestamp,
    pub(super) why: Waits,
    /// For a person who must change something.
    pub(super) sentence: Option<String>,
}

impl Wait {
    fn for_settings(sentence: String, now: Timestamp) -> Self {
        Self { until: now.after(SETTINGS_WAIT), why: Waits::Settings, sentence: Some(sentence) }
    }
}

/// The names of an order, and those that wait for it.
pub(super) struct Group {
    pub(super) names: Vec<NameIx>,
    /// Covered by a wildcard among `names`.
    pub(super) waiting: Vec<NameIx>,
}

impl Planner {
    /// At which CA this name may be ordered now: the first one that is up and has budget for it. The next one only after
    /// faults or long limits of those before.
    pub(super) fn route(&self, lead: NameIx, lane: Lane, now: Timestamp) -> Result<Route, Wait> {
        let name = &self.names[lead];
        let options = name.options().cloned().unwrap_or_default();
        let cert = name.cert.map(|ix| &self.certs[ix]);
        let mut wait = Wait { until: Timestamp(u64::MAX), why: Waits::Ca, sentence: None };
        for (number, ca) in self.cas.iter().enumerate() {
            let terms = match terms::resolve(&ca.config, name.tenant, &name.pattern, &options) {
                Ok(terms) => terms,
                Err(_) if number > 0 => continue, // it could not step in
                Err(sentence) => return Err(Wait::for_settings(sentence, now)),
            };
            let exempt = cert.is_some_and(|cert| self.exempts(name, cert, number));
            let (until, why) = match ca.gate(exempt, now) {
                Gate::Open => match self.limited(name, number, exempt, now) {
                    None => return Ok(Route { ca: number, terms, exempt }),
                    Some(limited) => limited,
                },
                Gate::Down(until) => (until.unwrap_or(now.after(PROBE_WAIT)), Waits::Ca),
                Gate::Limited(until, by) => (until, by.into()),
            };
            let fails_over = match why {
                Waits::Ca => self.fails_over(number, lane, Some(name.tenant), now),
                Waits::Failures => false,
                _ => until.since(now) > LIMIT_BEFORE_FAILOVER,
            };
            if until < wait.until {
                wait = Wait { until, why, sentence: None };
            }
            if !fails_over {
                break;
            }
        }
        Err(wait)
    }

    /// May what waits in this lane ask the CA after this one, which is down? May anybody's, when no tenant is named.
    pub(super) fn fails_over(&self, ca: usize, lane: Lane, tenant: Option<TenantId>, now: Timestamp) -> bool {
        let ca = &self.cas[ca];
        let given_up = tenant.map_or(ca.is_given_up(now), |tenant| ca.is_given_up_for(tenant, now));
        ca.health.outages > 0 && (lane.is_urgent() || (lane.is_first() && given_up))
    }

    /// Until when one of the CA's limits stands in this name's way.
    fn limited(&self, name: &Name, ca: usize, exempt: bool, now: Timestamp) -> Option<(Timestamp, Waits)> {
        let ca = &self.cas[ca];
        let told = ca.told_until(&name.text(), name.tenant);
        if told > now {
            return Some((told, Waits::Told));
        }
        let failures = ca.name_free_at(&name.text(), now);
        if failures > now {
            return Some((failures, Waits::Failures));
        }
        if exempt {
            return None;
        }
        let domain = name.domain();
        let free = ca.domain_free_at(&domain, now);
        (free > now).then_some((free, Waits::Domain(domain)))
    }

    /// Would an order of this name at this CA carry `replaces`? At least one identifier must be the same (RFC 9773 section 5).
    pub(super) fn exempts(&self, name: &Name, cert: &Cert, ca: usize) -> bool {
        self.is_replaceable(cert, ca) && cert.names(name)
    }

    /// The names that are ordered together with `lead`.
    pub(super) fn group(&self, lead: NameIx, lane: Lane, route: &Route, now: Timestamp) -> Group {
        let name = &self.names[lead];
        let mut names = vec![lead];
        if !name.fate.alone {
            self.add_companions(&mut names, lead, lane, route, now);
        }
        let patterns: Vec<&HostPattern> = names.iter().map(|ix| &self.names[*ix].pattern).collect();
        let is_in = |parent| patterns.contains(&&HostPattern::Wildcard(parent));
        let covered = |ix: &NameIx| self.names[*ix].parent().is_some_and(is_in);
        let (waiting, mut names): (Vec<_>, Vec<_>) = names.into_iter().partition(covered);
        names.truncate(route.terms.most);
        Group { names, waiting }
    }

    fn add_companions(&self, names: &mut Vec<NameIx>, lead: NameIx, lane: Lane, route: &Route, now: Timestamp) {
        let first = &self.names[lead];
        let most = route.terms.most;
        let add = |names: &mut Vec<NameIx>, ix: NameIx| {
            if names.len() < most && !names.contains(&ix) && self.fits(ix, lead, route, now) {
                names.push(ix);
            }
        };
        if let Some(cert) = first.cert {
            self.certs[cert].covers.iter().for_each(|ix| add(names, ix));
            return;
        }
        let site = first.sites.first().and_then(|(site, _)| self.sites.get(site));
        site.into_iter().flat_map(|site| &*site.names).for_each(|ix| add(names, *ix));
        if !route.exempt && self.is_scarce(route.ca, &first.domain(), now) {
            let oldest = self.lanes.of(lane, first.tenant).take(SCAN * most);
            oldest.for_each(|ix| add(names, ix));
        }
    }

    /// May this name share an order with `lead`?
    fn fits(&self, ix: NameIx, lead: NameIx, route: &Route, now: Timestamp) -> bool {
        let (name, first) = (&self.names[ix], &self.names[lead]);
        // Asked for by hand, a certificate is renewed whole: what waits after a fault of the CA comes along.
        let ready = name.quest.lane.is_some() || (first.forced && name.quest.flight.is_none() && name.cert.is_some());
        let same = name.cert == first.cert && name.tenant == first.tenant && name.fate.part == first.fate.part;
        if !ready || !same || name.fate.alone {
            return false;
        }
        let ca = &self.cas[route.ca].config;
        let terms = name.options().and_then(|options| terms::resolve(ca, name.tenant, &name.pattern, options).ok());
        terms.is_some_and(|terms| terms == route.terms) && self.limited(name, route.ca, route.exempt, now).is_none()
    }

    /// Is there less budget than there are names that wait for their first order?
    fn is_scarce(&self, ca: usize, domain: &Arc<str>, now: Timestamp) -> bool {
        let ca = &self.cas[ca];
        let orders = ca.orders.available(ca.config.limits.orders, now) as usize;
        let rate = ca.config.limits.certificates_per_domain;
        let of_domain = ca.domains.get(domain).map_or(rate.count, |bucket| bucket.available(rate, now));
        orders < self.lanes.size(Lane::Fresh) + self.looks.firsts || of_domain < rate.count / SCARCE_PART
    }

    /// Names of the same site that are about to be looked at for the first time, and could share the order.
    pub(super) fn mates_on_their_way(&self, lead: NameIx, lane: Lane, now: Timestamp) -> Option<Wait> {
        let name = &self.names[lead];
        let fresh = lane == Lane::Fresh && *name.fate == Fate::default() && !name.forced;
        if !fresh || now >= name.since.after(MATES_WAIT) {
            return None;
        }
        let site = name.sites.first().and_then(|(site, _)| self.sites.get(site))?;
        let on_its_way = |ix: &NameIx| {
            let mate = &self.names[*ix];
            mate.unseen && mate.cert.is_none() && mate.quest.flight.is_none() && mate.quest.look != Look::None
        };
        let wait = Wait { until: name.since.after(MATES_WAIT), why: Waits::Mates, sentence: None };
        site.names.iter().any(on_its_way).then_some(wait)
    }

    /// A wildcard of the tenant that is being ordered, or about to be, and would cover this name on the same terms.
    pub(super) fn wildcard_on_its_way(&self, lead: NameIx, route: &Route, now: Timestamp) -> Option<Wait> {
        let name = &self.names[lead];
        let wildcard = self.name_of(name.tenant, &HostPattern::Wildcard(name.parent()?))?;
        let other = &self.names[wildcard];
        let on_its_way = other.quest.flight.is_some() || other.quest.lane.is_some();
        let terms = terms::resolve(&self.cas[route.ca].config, other.tenant, &other.pattern, other.options()?).ok()?;
        let same = terms.key_type == route.terms.key_type && terms.profile == route.terms.profile;
        let joins = self.fits(wildcard, lead, route, now)
            && other.sites.first().map(|s| &s.0) == name.sites.first().map(|s| &s.0);
        (on_its_way && same && !joins && !name.fate.alone).then(|| Self::wait_for_wildcard(now))
    }

    pub(super) fn wait_for_wildcard(now: Timestamp) -> Wait {
        Wait { until: now.after(WILDCARD_WAIT), why: Waits::Wildcard, sentence: None }
    }

    /// The registered domains of an order, each once, and the fingerprint of its set of names.
    pub(super) fn counted_under(&self, names: &[NameIx]) -> (Vec<Arc<str>>, u64) {
        let mut domains: Vec<Arc<str>> = names.iter().map(|ix| self.names[*ix].domain()).collect();
        domains.sort();
        domains.dedup();
        let mut texts: Vec<Arc<str>> = names.iter().map(|ix| self.names[*ix].text()).collect();
        texts.sort_unstable();
        (domains, set_of(&texts))
    }
}

/// The fingerprint of a sorted set of names.
pub(super) fn set_of<T: AsRef<str>>(sorted: &[T]) -> u64 {
    fingerprint(sorted.iter().map(|text| text.as_ref().as_bytes()))
}
