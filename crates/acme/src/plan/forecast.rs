//! `forecast`: the queue played forward on a copy, against the CAs' budgets, with orders that succeed at once. Nobody is asked.

mod ledger;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use vestibule_certs::{
    Fingerprint,
    store::{Draft, IssuanceId, Issued},
};
use vestibule_names::SiteId;

use super::{
    Planner,
    slab::NameIx,
    standing::{Forecast, SiteForecast},
    work::{Obtained, Order, Pointing, Randomness, Sight, Work},
};
use crate::Timestamp;
pub(super) use ledger::Ledger;

/// How far it looks.
const FAR: Duration = Duration::from_secs(400 * 24 * 3600);
/// How much it does.
const STEPS: usize = 200_000;
/// Waits below this are not worth a word.
const NOTABLE: Duration = Duration::from_secs(1);
/// The number of the first certificate that it imagines, after every real one.
const IMAGINED: u64 = 1_000_000_000_000_000_000;
/// Of the certificates that it imagines: so long that none is renewed within [`FAR`].
const LIFETIME: Duration = Duration::from_secs(4000 * 24 * 3600);

struct Middle;

impl Randomness for Middle {
    fn fraction(&mut self) -> f64 {
        0.5
    }
}

impl Planner {
    /// Simulates the queue against the CAs' budgets, asking nobody: when would each site be done? In order of time. Sites that
    /// have all their certificates are left out, and so are those that would not be done within 400 days.
    pub fn forecast(&self, now: Timestamp) -> Forecast {
        let mut copy = self.imagined(now);
        let mut open = copy.open_sites();
        let mut orders: HashMap<SiteId, usize> = HashMap::new();
        let (mut time, mut done, mut issued) = (now, Vec::new(), 0);
        for _ in 0..STEPS {
            if open.is_empty() || time.since(now) > FAR {
                break;
            }
            let Some(job) = copy.next(time, &mut Middle) else {
                match copy.wake_at() {
                    Some(at) => {
                        let next = at.max(Timestamp(time.0 + 1));
                        copy.lanes_wait_until(next, time);
                        time = next;
                    }
                    None => break,
                }
                continue;
            };
            match job.work {
                Work::Order(order) => {
                    issued += 1;
                    let sites = copy.sites_of(&order);
                    sites.iter().for_each(|site| *orders.entry(site.clone()).or_default() += 1);
                    let issued = imagine(&order, issued, time);
                    copy.ordered(job.id, Ok(Obtained { issued, proved: Vec::new() }), time, &mut Middle);
                    for site in sites {
                        if copy.is_done(&site) && open.remove(&site) {
                            done.push(copy.line(&site, time, orders.get(&site).copied().unwrap_or(0)));
                        }
                    }
                }
                Work::CheckDns { names } => {
                    let here = Sight { pointing: Pointing::Here, addresses: 1 };
                    let seen: Vec<_> = names.into_iter().map(|name| (name, here)).collect();
                    copy.checked(job.id, &seen, time);
                }
                Work::RenewalInfo { .. } => {}
            }
        }
        Forecast { sites: done, orders: issued }
    }

    /// Nothing can be done before then: notes what holds up the lanes meanwhile.
    fn lanes_wait_until(&mut self, next: Timestamp, now: Timestamp) {
        if self.lanes.is_empty() {
            return;
        }
        if let (Some((why, _)), Some(ledger)) = (self.lane_waits_for(now), &mut self.waits) {
            ledger.lanes_wait(why, next.since(now));
        }
    }

    /// A copy that looks at first orders only, and in which what is in flight has just worked.
    fn imagined(&self, now: Timestamp) -> Self {
        let mut copy = self.clone();
        copy.tick(now);
        copy.waits = Some(Ledger::default());
        copy.cas.iter_mut().for_each(|ca| ca.polls.clear());
        let flights: Vec<_> = copy.flights.iter().map(|(job, flight)| (*job, flight.order.clone())).collect();
        for (number, (job, order)) in flights.into_iter().enumerate() {
            let issued = imagine(&order, number + STEPS, now);
            copy.ordered(job, Ok(Obtained { issued, proved: Vec::new() }), now, &mut Middle);
        }
        for ix in copy.names.numbers() {
            copy.settle(ix, now);
        }
        copy
    }

    fn open_sites(&self) -> BTreeSet<SiteId> {
        self.sites.keys().filter(|site| !self.is_done(site)).cloned().collect()
    }

    fn is_done(&self, site: &SiteId) -> bool {
        self.sites.get(site).is_none_or(|site| site.names.iter().all(|ix| self.has_its_certificate(*ix)))
    }

    fn has_its_certificate(&self, ix: NameIx) -> bool {
        let name = &self.names[ix];
        name.cert.is_some_and(|cert| self.satisfies(cert, name))
    }

    fn sites_of(&self, order: &Order) -> Vec<SiteId> {
        let names = order.names.iter().filter_map(|name| self.name_of(order.tenant, name));
        let mut sites: Vec<SiteId> =
            names.flat_map(|ix| self.names[ix].sites.iter().map(|(site, _)| site.clone())).collect();
        sites.sort();
        sites.dedup();
        sites
    }

    fn line(&self, site: &SiteId, done: Timestamp, orders: usize) -> SiteForecast {
        let names = self.sites.get(site).map(|site| &*site.names).unwrap_or_default();
        let waited = self.waits.iter().flat_map(|ledger| names.iter().filter_map(|ix| ledger.longest(*ix)));
        let longest = waited.filter(|(_, time)| *time >= NOTABLE).max_by_key(|(_, time)| *time);
        SiteForecast { site: site.clone(), done, orders, waits_for: longest.map(|(why, _)| why.words()) }
    }
}

/// A certificate as an order would bring it.
fn imagine(order: &Order, number: usize, now: Timestamp) -> Issued {
    let start = SystemTime::from(now);
    Issued {
        id: IssuanceId::numbered(IMAGINED + number as u64, &order.names[0]),
        draft: Draft {
            tenant: order.tenant,
            names: order.names.clone(),
            ca: order.ca.clone(),
            profile: order.profile.as_ref().map(|profile| profile.name.clone()),
            key_type: order.key_type,
            renews: None,
        },
        not_before: start,
        not_after: start + LIFETIME,
        obtained: start,
        ari: None,
        issuer: "".into(),
        fingerprint: Fingerprint::default(),
    }
}
