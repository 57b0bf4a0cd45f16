//! Inside one vhost: which route covers a path, and whether a host is one of its own.
//!
//! Both are sorted arrays and binary searches: a site with one route or host pays one comparison, a site with a
//! thousand pays ten. Nothing is normalised here: paths and hosts arrive in normal form.

use std::{cmp::Ordering, net::IpAddr, sync::Arc};

use vestibule_names::{Few, HostPattern};

use crate::Route;

/// Routes, findable by the paths they cover.
#[derive(Clone, Debug)]
pub(crate) struct RouteIndex {
    longest_first: Few<Arc<Route>>,
    /// In order of segments, so that whatever a route covers follows it directly.
    places: Few<Place>,
}

/// A route's place in the order of segments.
#[derive(Clone, Debug)]
struct Place {
    /// Into `longest_first`.
    route: u32,
    /// The place of the longest other route that covers this one, or [`Place::NOWHERE`].
    parent: u32,
}

impl Place {
    const NOWHERE: u32 = u32::MAX;

    fn parent(&self) -> Option<u32> {
        (self.parent != Self::NOWHERE).then_some(self.parent)
    }
}

impl RouteIndex {
    /// Indexes routes whose paths differ.
    pub(crate) fn new(mut routes: Vec<Arc<Route>>) -> Self {
        routes.sort_by(|a, b| {
            let (a, b) = (a.path.as_str(), b.path.as_str());
            b.len().cmp(&a.len()).then_with(|| a.cmp(b))
        });
        let mut order: Vec<u32> = (0u32..).take(routes.len()).collect();
        let path = |route: u32| routes[route as usize].path.as_str();
        order.sort_by(|a, b| segments(path(*a)).cmp(segments(path(*b))));
        let mut places: Vec<Place> = Vec::with_capacity(order.len());
        for (at, route) in (0u32..).zip(order) {
            // The route before this one either covers it, or is covered by whatever does.
            let mut parent = at.checked_sub(1);
            while let Some(up) = parent {
                let above = &places[up as usize];
                if routes[above.route as usize].path.covers(path(route)) {
                    break;
                }
                parent = above.parent();
            }
            places.push(Place { route, parent: parent.unwrap_or(Place::NOWHERE) });
        }
        Self { longest_first: routes.into(), places: places.into() }
    }

    pub(crate) fn longest_first(&self) -> &[Arc<Route>] {
        &self.longest_first
    }

    /// The routes that cover a path, longest first.
    pub(crate) fn covering<'s>(&'s self, path: &str) -> impl Iterator<Item = &'s Arc<Route>> {
        let upto =
            self.places.partition_point(|place| segments(self.at(place).path.as_str()).cmp(path.split('/')).is_le());
        let nearest = upto.checked_sub(1).map(|at| &self.places[at]);
        std::iter::successors(nearest, |place| place.parent().map(|up| &self.places[up as usize]))
            .map(|place| self.at(place))
            .filter(move |route| route.path.covers(path))
    }

    fn at(&self, place: &Place) -> &Arc<Route> {
        &self.longest_first[place.route as usize]
    }
}

/// The segments of a route's path; the root has the one empty segment before its slash, so that it precedes all.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.trim_end_matches('/').split('/')
}

/// The hosts of one vhost, findable by name. Holds places into the list, not the names.
#[derive(Clone, Debug)]
pub(crate) struct HostIndex(Few<u32>);

impl HostIndex {
    pub(crate) fn new(hosts: &[HostPattern]) -> Self {
        let mut order: Vec<u32> = (0u32..).take(hosts.len()).collect();
        order.sort_by(|a, b| hosts[*a as usize].cmp(&hosts[*b as usize]));
        Self(order.into())
    }

    /// `hosts` is the list that was indexed.
    pub(crate) fn serves(&self, hosts: &[HostPattern], host_key: &str) -> bool {
        let finds = |kind: Kind, key: &str| {
            let compare = |at: &u32| compare(&hosts[*at as usize], kind, key);
            self.0.binary_search_by(compare).is_ok()
        };
        if finds(Kind::Exact, host_key) {
            return true;
        }
        if let Some(suffix) = wildcard_suffix(host_key)
            && finds(Kind::Wildcard, suffix)
        {
            return true;
        }
        // Addresses are few and come last in the order.
        let address = || host_key.parse::<IpAddr>().ok();
        self.0
            .iter()
            .rev()
            .map_while(|at| if let HostPattern::Address(ip) = hosts[*at as usize] { Some(ip) } else { None })
            .any(|ip| address() == Some(ip))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Exact,
    Wildcard,
    Address,
}

/// The order in which [`HostPattern`] sorts: kinds first, then the text.
fn compare(pattern: &HostPattern, kind: Kind, key: &str) -> Ordering {
    match pattern {
        HostPattern::Exact(name) => Kind::Exact.cmp(&kind).then_with(|| name.as_str().cmp(key)),
        HostPattern::Wildcard(name) => Kind::Wildcard.cmp(&kind).then_with(|| name.as_str().cmp(key)),
        HostPattern::Address(_) => Kind::Address.cmp(&kind),
    }
}

/// What a wildcard must be of to match this host: everything after its first label.
pub(crate) fn wildcard_suffix(host_key: &str) -> Option<&str> {
    host_key.split_once('.').filter(|(label, _)| !label.is_empty()).map(|(_, suffix)| suffix)
}

#[cfg(test)]
mod tests;
