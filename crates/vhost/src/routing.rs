//! Inside one vhost: which route covers a path, and whether a host is one of its own.
//!
//! Both are sorted arrays and binary searches: a site with one route or host pays one comparison (and keeps no array), a site
//! with a thousand pays ten. Nothing is normalised here: paths and hosts arrive in normal form.

use std::{cmp::Ordering, net::IpAddr, slice, sync::Arc};

use vestibule_names::HostPattern;

use crate::Route;

/// Routes, findable by the paths they cover.
#[derive(Clone, Debug)]
pub(crate) enum RouteIndex {
    /// Most sites have one, and it takes no more than itself.
    One(Arc<Route>),
    Other(Box<Ordered>),
}

/// Any number of routes.
#[derive(Clone, Debug)]
pub(crate) struct Ordered {
    longest_first: Box<[Arc<Route>]>,
    /// In order of segments, so that whatever a route covers follows it directly.
    places: Box<[Place]>,
}

/// A route's place in the order of segments.
#[derive(Clone, Debug)]
struct Place {
    /// Into `longest_first`.
    route: u32,
    /// The place of the longest other route that covers this one.
    parent: Option<u32>,
}

impl RouteIndex {
    /// Indexes routes whose paths differ.
    pub(crate) fn new(routes: Vec<Arc<Route>>) -> Self {
        match <[_; 1]>::try_from(routes) {
            Ok([only]) => Self::One(only),
            Err(routes) => Self::Other(Box::new(Ordered::new(routes))),
        }
    }

    pub(crate) fn longest_first(&self) -> &[Arc<Route>] {
        match self {
            Self::One(only) => slice::from_ref(only),
            Self::Other(routes) => &routes.longest_first,
        }
    }

    /// The routes that cover a path, longest first.
    pub(crate) fn covering<'s>(&'s self, path: &str) -> impl Iterator<Item = &'s Arc<Route>> {
        let (only, others) = match self {
            Self::One(only) => (Some(only), None),
            Self::Other(routes) => (None, Some(routes.nearest(path))),
        };
        only.into_iter().chain(others.into_iter().flatten()).filter(move |route| route.path.covers(path))
    }
}

impl Ordered {
    fn new(mut routes: Vec<Arc<Route>>) -> Self {
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
                parent = above.parent;
            }
            places.push(Place { route, parent });
        }
        Self { longest_first: routes.into(), places: places.into() }
    }

    /// The route that comes before this path in order, and those that cover that route, longest first: all that cover the path
    /// are among them.
    fn nearest(&self, path: &str) -> impl Iterator<Item = &Arc<Route>> + use<'_> {
        let upto =
            self.places.partition_point(|place| segments(self.at(place).path.as_str()).cmp(path.split('/')).is_le());
        let nearest = upto.checked_sub(1).map(|at| &self.places[at]);
        let up = |place: &&Place| place.parent.map(|up| &self.places[up as usize]);
        std::iter::successors(nearest, up).map(|place| self.at(place))
    }

    fn at(&self, place: &Place) -> &Arc<Route> {
        &self.longest_first[place.route as usize]
    }
}

/// The segments of a route's path; the root has the one empty segment before its slash, so that it precedes all.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.trim_end_matches('/').split('/')
}

/// The hosts of one vhost, findable by name. Holds places into the list, not the names, and nothing of a list of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostIndex(Box<[u32]>);

impl HostIndex {
    pub(crate) fn new(hosts: &[HostPattern]) -> Self {
        if hosts.len() == 1 {
            return Self::default();
        }
        let mut order: Vec<u32> = (0u32..).take(hosts.len()).collect();
        order.sort_by(|a, b| hosts[*a as usize].cmp(&hosts[*b as usize]));
        Self(order.into())
    }

    /// `hosts` is the list that was indexed.
    pub(crate) fn serves(&self, hosts: &[HostPattern], host_key: &str) -> bool {
        let order: &[u32] = if hosts.len() == 1 { &[0] } else { &self.0 };
        let finds = |kind: Kind, key: &str| {
            let compare = |at: &u32| compare(&hosts[*at as usize], kind, key);
            order.binary_search_by(compare).is_ok()
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
        order
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
