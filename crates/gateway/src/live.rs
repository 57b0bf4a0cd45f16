//! [`LiveSite`]: what a name in the table leads to, and the [`Counters`] that outlive its edits.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
};

use vestibule_certs::{ClientPolicy, Identity, IdentityError, Offer, Shows};
use vestibule_vhost::{LiveTable, TableReader, Vhost};

use crate::tenant::Tenant;

/// The table of the gateway.
pub(crate) type SiteTable = LiveTable<LiveSite>;
/// A worker's view of it.
pub(crate) type SiteReader = TableReader<LiveSite>;

/// A vhost with everything the gateway attaches to it, in one piece: a box has very many.
#[derive(Debug)]
pub(crate) struct LiveSite {
    pub(crate) vhost: Vhost,
    /// What it shows in a handshake; `None` with `tls: off`.
    pub(crate) identity: Option<Arc<Identity>>,
    /// Shared by all versions of the site.
    pub(crate) counters: Arc<Counters>,
    /// Shared by all sites of the tenant.
    pub(crate) tenant: Arc<Tenant>,
}

impl LiveSite {
    /// What a handshake for this host (in normal form) gets, or would get.
    pub(crate) fn shows(&self, host: &str) -> Shows {
        match &self.identity {
            Some(identity) => identity.shows(host),
            None => Shows::Certificate,
        }
    }

    /// What a handshake for this host is held with; `None` with `tls: off`.
    pub(crate) fn offer(&self, host: &str) -> Option<Result<Offer, IdentityError>> {
        Some(self.identity.as_ref()?.offer_for(host))
    }

    /// What clients are asked to prove before they are served; `None`: nothing.
    pub(crate) fn client_policy(&self) -> Option<ClientPolicy> {
        self.identity.as_ref()?.client_policy()
    }
}

/// Counts of one site, kept over edits and written by every worker. Most sites of a large box are hardly ever asked for:
/// there is nothing behind it before the first request.
#[derive(Debug, Default)]
pub(crate) struct Counters(OnceLock<Box<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    /// Finished responses of class 1xx to 5xx; first those of none.
    by_class: [AtomicU64; 6],
    bytes_sent: AtomicU64,
    in_flight: AtomicU32,
    tunnels: AtomicU32,
}

impl Counters {
    fn counts(&self) -> &Counts {
        self.0.get_or_init(Box::default)
    }

    /// Counts a finished response.
    pub(crate) fn finished(&self, status: u16, bytes_sent: u64) {
        let counts = self.counts();
        let [of_none, ..] = &counts.by_class;
        counts.by_class.get(usize::from(status / 100)).unwrap_or(of_none).fetch_add(1, Relaxed);
        counts.bytes_sent.fetch_add(bytes_sent, Relaxed);
    }

    pub(crate) fn requests(&self) -> u64 {
        self.0.get().map_or(0, |counts| counts.by_class.iter().map(|count| count.load(Relaxed)).sum())
    }

    /// Responses of a class: 1 for 1xx to 5 for 5xx, 0 for those of none.
    pub(crate) fn of_class(&self, class: usize) -> u64 {
        let count = self.0.get().and_then(|counts| counts.by_class.get(class));
        count.map_or(0, |count| count.load(Relaxed))
    }

    pub(crate) fn bytes_sent(&self) -> u64 {
        self.0.get().map_or(0, |counts| counts.bytes_sent.load(Relaxed))
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.0.get().map_or(0, |counts| counts.in_flight.load(Relaxed))
    }

    /// Has the site been asked for anything?
    pub(crate) fn are_used(&self) -> bool {
        self.requests() > 0 || self.in_flight() > 0 || self.tunnels() > 0
    }

    pub(crate) fn tunnels(&self) -> u32 {
        self.0.get().map_or(0, |counts| counts.tunnels.load(Relaxed))
    }

    /// Takes a place among the requests in flight, if one is free.
    pub(crate) fn begin_request(self: &Arc<Self>, limit: u32) -> Option<Place> {
        Place::take(self, Kind::Request, limit)
    }

    /// Takes a place among the open tunnels, if one is free.
    pub(crate) fn begin_tunnel(self: &Arc<Self>, limit: u32) -> Option<Place> {
        Place::take(self, Kind::Tunnel, limit)
    }

    fn count(&self, kind: Kind) -> &AtomicU32 {
        match kind {
            Kind::Request => &self.counts().in_flight,
            Kind::Tunnel => &self.counts().tunnels,
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Request,
    Tunnel,
}

/// A place within a site's limit, given back on drop.
#[derive(Debug)]
pub(crate) struct Place {
    counters: Arc<Counters>,
    kind: Kind,
}

impl Place {
    fn take(counters: &Arc<Counters>, kind: Kind, limit: u32) -> Option<Self> {
        let before = counters.count(kind).fetch_add(1, Relaxed);
        let place = Self { counters: Arc::clone(counters), kind };
        (before < limit).then_some(place) // over the limit the place is dropped here, and with it the count
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counters.count(self.kind).fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let counters = Arc::new(Counters::default());
        let first = counters.begin_request(2).expect("free");
        let second = counters.begin_request(2).expect("free");
        assert!(counters.begin_request(2).is_none());
        assert_eq!(counters.in_flight(), 2);
        drop(first);
        let third = counters.begin_request(2).expect("given back");
        drop((second, third));
        assert_eq!(counters.in_flight(), 0);
        assert!(counters.begin_tunnel(0).is_none());
        assert_eq!(counters.tunnels(), 0);
    }

    /// There is one for each site; most of it is the vhost.
    #[test]
    fn a_live_site_is_small() {
        assert!(size_of::<LiveSite>() <= 14 * size_of::<usize>(), "{}", size_of::<LiveSite>());
    }

    #[test]
    fn odd_statuses_are_counted_without_a_class() {
        let counters = Counters::default();
        assert!(!counters.are_used() && counters.0.get().is_none(), "what was only asked about costs nothing");
        for status in [0, 99, 200, 503, 600, 999] {
            counters.finished(status, 1);
        }
        assert_eq!((counters.requests(), counters.bytes_sent()), (6, 6));
        assert_eq!(
            (counters.of_class(2), counters.of_class(5), counters.of_class(0), counters.of_class(6)),
            (1, 1, 4, 0)
        );
    }
}
