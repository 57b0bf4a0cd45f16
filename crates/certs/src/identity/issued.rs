//! What the store's certificates give a site: which of its hosts is shown which issuance, and the way of a key from the
//! disk into a handshake.
//!
//! Nothing is resolved before somebody asks, and no key is in memory before a handshake wants it; one that nobody wants makes
//! room for others (`warm`). What is resolved stays until `refresh`: a certificate changes for a site at one moment, not host
//! by host. Not here: private names, which have local certificates as in any other site.
//!
//! One that runs out while it is shown is shown on: a client that looks away is served, and a browser says what is wrong.
//! One that had run out for longer than [`EXPIRED_GRACE`] when it was first looked for is as none: a name that comes back
//! after a year begins anew, with a placeholder.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use vestibule_names::HostPattern;

use super::{Identity, IdentityError, Offer, Origin, Refresh, Shows};
use crate::{
    facts::CertificateFacts,
    local_ca::written,
    placeholder,
    store::{Entry, NotLoaded},
    warm::Place,
};

/// How long after its end a certificate still counts for a site that has not shown it yet: a gateway that starts anew, or a
/// site file that was edited, changes nothing for a name whose renewals fail.
const EXPIRED_GRACE: Duration = Duration::from_hours(7 * 24);

/// What a host of a site is served from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The one certificate of the site: from files, or local.
    Own,
    /// The store, for the host at this place of the request.
    Store(usize),
    /// Nothing: it is no host of the site.
    Nowhere,
}

/// For each host of the request, at its place, what the store had when it was asked.
pub(super) struct Resolved {
    places: Box<[Option<Arc<Live>>]>,
}

/// An issuance, shared by the hosts of the site that it is shown for.
struct Live {
    entry: Arc<Entry>,
    place: Arc<Place>,
}

impl Live {
    /// Not in memory yet.
    fn new(entry: &Arc<Entry>) -> Arc<Self> {
        Arc::new(Self { entry: Arc::clone(entry), place: Arc::default() })
    }
}

impl Identity {
    /// Where the certificate for this host (normal form) comes from. An exact host comes before a wildcard.
    pub(super) fn source(&self, host: &str) -> Source {
        if !matches!(self.request.origin, Origin::Store { .. }) {
            return Source::Own;
        }
        let place_of = |wanted: fn(&HostPattern) -> bool| {
            self.request.hosts.iter().position(|pattern| wanted(pattern) && pattern.matches(host))
        };
        let place = place_of(|pattern| !matches!(pattern, HostPattern::Wildcard(_)))
            .or_else(|| place_of(|pattern| matches!(pattern, HostPattern::Wildcard(_))));
        place.map_or(Source::Nowhere, |place| self.source_at(place))
    }

    /// Where the certificate for the host at this place comes from.
    pub(super) fn source_at(&self, place: usize) -> Source {
        match self.request.hosts.get(place) {
            Some(host) if self.request.is_issued(host) => Source::Store(place),
            _ => Source::Own,
        }
    }

    pub(super) fn shows_at(&self, place: usize) -> Shows {
        match self.resolved(SystemTime::now).places[place] {
            Some(_) => Shows::Certificate,
            None => Shows::Placeholder,
        }
    }

    pub(super) fn issued_offer(&self, place: usize, now: SystemTime) -> Result<Offer, IdentityError> {
        match &self.resolved(|| now).places[place] {
            None => self.placeholder(now),
            Some(live) => match live.place.config() {
                Some(config) => Ok(self.offer(config)),
                None => self.load(place, now),
            },
        }
    }

    /// Reads key and chain from the disk: the handshake waits for that. A damaged pair makes room for the one before.
    #[cold]
    fn load(&self, place: usize, now: SystemTime) -> Result<Offer, IdentityError> {
        let _loading = self.lock();
        loop {
            let resolved = self.resolved(|| now);
            let Some(live) = &resolved.places[place] else { return self.placeholder(now) };
            if let Some(config) = live.place.config() {
                return Ok(self.offer(config));
            }
            match self.shared.store.load(&live.entry) {
                Ok(certified) => {
                    let config = self.configuration(certified);
                    self.shared.warm.keep(&live.place, Arc::clone(&config));
                    return Ok(self.offer(config));
                }
                Err(NotLoaded::Passing(source)) => {
                    return Err(IdentityError::Store { site: self.request.site.clone(), source });
                }
                // The store has it no more, and gives another or none: this ends.
                Err(NotLoaded::Gone) => self.issued.store(Some(Arc::new(self.resolve(Some(&resolved), now)))),
            }
        }
    }

    /// All sites share it: it demands nothing of the client, and no request is served on it.
    pub(super) fn placeholder(&self, now: SystemTime) -> Result<Offer, IdentityError> {
        let shared = &self.shared;
        match shared.placeholder.config(&shared.template, &shared.provider, now) {
            Ok(config) => Ok(Offer { config, shows: Shows::Placeholder, client_policy: None }),
            Err(source) => Err(IdentityError::Placeholder { site: self.request.site.clone(), source }),
        }
    }

    /// Asks the store again.
    pub(super) fn refresh_issued(&self, now: SystemTime) -> Refresh {
        let _change = self.lock();
        let before = self.issued.load_full();
        let after = self.resolve(before.as_deref(), now);
        let same = match &before {
            Some(before) => before.numbers().eq(after.numbers()),
            None => after.places.iter().all(Option::is_none),
        };
        if same {
            return Refresh::Unchanged;
        }
        self.issued.store(Some(Arc::new(after)));
        Refresh::Swapped
    }

    /// What is known of the certificate for the host at this place.
    pub(super) fn issued_facts(&self, place: usize, now: SystemTime) -> CertificateFacts {
        if let Some(live) = &self.resolved(|| now).places[place] {
            let issued = live.entry.issued();
            return CertificateFacts {
                issuer: issued.issuer.as_ref().to_owned(),
                names: issued.draft.names.iter().map(written).collect(),
                not_before: issued.not_before,
                not_after: issued.not_after,
                fingerprint: issued.fingerprint.to_string(),
                last_refusal: None,
            };
        }
        let (not_before, not_after) = placeholder::validity(now);
        CertificateFacts {
            issuer: "placeholder".to_owned(),
            names: self.request.hosts.get(place).map(written).into_iter().collect(),
            not_before,
            not_after,
            fingerprint: String::new(),
            last_refusal: None,
        }
    }

    /// Of those who ask first at one moment, one is heard.
    fn resolved(&self, now: impl FnOnce() -> SystemTime) -> Arc<Resolved> {
        if let Some(resolved) = &*self.issued.load() {
            return Arc::clone(resolved);
        }
        let resolved = Arc::new(self.resolve(None, now()));
        let before = self.issued.compare_and_swap(&None::<Arc<Resolved>>, Some(Arc::clone(&resolved)));
        before.as_ref().map_or(resolved, Arc::clone)
    }

    /// What the store has now; what stayed the same keeps its configuration.
    fn resolve(&self, before: Option<&Resolved>, now: SystemTime) -> Resolved {
        let known = before.iter().flat_map(|before| before.places.iter().flatten());
        let mut known: HashMap<u64, Arc<Live>> = known.map(|live| (live.entry.number(), Arc::clone(live))).collect();
        let mut place = |host: &HostPattern| {
            let find = || self.shared.store.entry(self.request.tenant, host, now);
            let entry = self.request.is_issued(host).then(find)??;
            let counts = known.contains_key(&entry.number()) || entry.not_after() + EXPIRED_GRACE > now;
            if !counts {
                return None;
            }
            Some(Arc::clone(known.entry(entry.number()).or_insert_with(|| Live::new(&entry))))
        };
        Resolved { places: self.request.hosts.iter().map(&mut place).collect() }
    }
}

impl Resolved {
    /// The same issuances, to be configured anew.
    pub(super) fn afresh(&self) -> Self {
        let mut known: HashMap<u64, Arc<Live>> = HashMap::new();
        let mut afresh =
            |live: &Arc<Live>| Arc::clone(known.entry(live.entry.number()).or_insert_with(|| Live::new(&live.entry)));
        Self { places: self.places.iter().map(|place| place.as_ref().map(&mut afresh)).collect() }
    }

    fn numbers(&self) -> impl Iterator<Item = Option<u64>> + '_ {
        self.places.iter().map(|live| live.as_ref().map(|live| live.entry.number()))
    }
}
