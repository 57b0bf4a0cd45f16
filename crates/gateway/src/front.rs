//! [`Front`]: what the workers know of public CAs: the door of open challenges, what a name gets before its first
//! certificate, and how many handshakes wait for one. Shared by all workers and the thread `acme`.
//!
//! Not here: the engine and its handle (`certificates.rs`). No worker talks to them, so that no request waits for a CA.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::watch;
use vestibule_acme::Door;
use vestibule_names::SiteId;

use crate::config::{AcmePolicy, WithoutCertificate};

/// Handshakes that may wait for a first certificate at once, over all sites and workers.
const HOLD_LIMIT: usize = 1000;
/// The same for one site: a flood on a new site leaves room for the others.
const HOLD_PER_SITE_LIMIT: usize = 100;

/// See the module.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) door: Door,
    /// How long a handshake waits for a first certificate.
    pub(crate) hold: Duration,
    /// What it gets then.
    pub(crate) without_certificate: WithoutCertificate,
    pub(crate) holds: Arc<Holds>,
    /// Counts what the engine told: after each event, and after what it swapped.
    pub(crate) told: watch::Sender<u64>,
    /// False once the thread `acme` has ended.
    pub(crate) running: AtomicBool,
}

impl Front {
    pub(crate) fn new(policy: &AcmePolicy, door: Door) -> Self {
        Self {
            door,
            hold: policy.hold,
            without_certificate: policy.without_certificate,
            holds: Arc::default(),
            told: watch::Sender::new(0),
            running: AtomicBool::new(true),
        }
    }

    /// Something has changed about orders or certificates: whoever waits looks again.
    pub(crate) fn announce(&self) {
        self.told.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// Handshakes that wait.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    /// By site; no count is zero, so that it is never larger than [`HOLD_LIMIT`].
    open: Mutex<Open>,
    taken: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_site: HashMap<SiteId, usize>,
}

/// A place among them, given back on drop.
#[derive(Debug)]
#[must_use]
pub(crate) struct Hold {
    holds: Arc<Holds>,
    site: SiteId,
}

impl Holds {
    /// A place, if there is one.
    pub(crate) fn take(self: &Arc<Self>, site: &SiteId) -> Option<Hold> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_site = open.by_site.get(site).copied().unwrap_or(0);
        if open.total >= HOLD_LIMIT || of_site >= HOLD_PER_SITE_LIMIT {
            self.refused.fetch_add(1, Relaxed);
            return None;
        }
        open.total += 1;
        open.by_site.insert(site.clone(), of_site + 1);
        self.taken.fetch_add(1, Relaxed);
        Some(Hold { holds: Arc::clone(self), site: site.clone() })
    }

    /// Handshakes that wait now.
    pub(crate) fn open(&self) -> u64 {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).total as u64
    }

    /// Handshakes that have waited, and those that had no place to.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.taken.load(Relaxed), self.refused.load(Relaxed))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut open = self.holds.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total = open.total.saturating_sub(1);
        match open.by_site.get_mut(&self.site) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.by_site.remove(&self.site)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_are_limited_per_site_and_overall_and_given_back() {
        let holds = Arc::new(Holds::default());
        let of_one: Vec<_> = (0..HOLD_PER_SITE_LIMIT).map_while(|_| holds.take(&SiteId::new("a.yaml"))).collect();
        assert_eq!(of_one.len(), HOLD_PER_SITE_LIMIT);
        assert!(holds.take(&SiteId::new("a.yaml")).is_none(), "one site has its limit");
        let others: Vec<_> = (0..HOLD_LIMIT).map_while(|n| holds.take(&SiteId::new(&format!("{n}.yaml")))).collect();
        assert_eq!(others.len() + of_one.len(), HOLD_LIMIT, "all sites together have theirs");
        assert_eq!(holds.counts(), (HOLD_LIMIT as u64, 2));
        drop(of_one);
        assert!(holds.take(&SiteId::new("a.yaml")).is_some());
        drop(others);
        assert_eq!(holds.open(), 0);
        assert!(holds.open.lock().expect("no panic").by_site.is_empty(), "nothing is kept of sites that wait no more");
    }
}
