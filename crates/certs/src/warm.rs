//! [`Warm`]: which certificates of the store are in memory with their keys, within a bound. What nobody has shaken hands
//! with for long makes room; its next handshake reads it from the disk again, as its first one did.
//!
//! Sessions are not lost with it: tickets are bound to the site, not to what is in memory. Not here: local certificates,
//! which are nowhere but in memory, and those of sites' own files, whose sites are judged by them.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwapOption;
use rustls::ServerConfig;

/// Configurations that are kept at most; some 2 KiB each.
pub(crate) const WARM_LIMIT: usize = 10_000;
/// Those that are passed over for one newcomer because they were of use since the last time: bounds what a handshake waits.
const CHANCES: usize = 32;

/// A configuration that may be taken away, and built again.
#[derive(Debug, Default)]
pub(crate) struct Place {
    config: ArcSwapOption<ServerConfig>,
    /// Since somebody last looked for room.
    was_used: AtomicBool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Warm {
    limit: usize,
    /// The longest there first. Places of certificates that were replaced are found empty here.
    places: Mutex<VecDeque<Weak<Place>>>,
}

impl Place {
    /// What a handshake is held with, if it is there.
    pub(crate) fn config(&self) -> Option<Arc<ServerConfig>> {
        let config = self.config.load_full()?;
        // Read first: a place in use is not written by every handshake on every core.
        if !self.was_used.load(Relaxed) {
            self.was_used.store(true, Relaxed);
        }
        Some(config)
    }

    fn is_empty(&self) -> bool {
        self.config.load().is_none()
    }
}

impl Warm {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, places: Mutex::default() }
    }

    /// Puts a configuration into its place, and takes others away where there are too many.
    pub(crate) fn keep(&self, place: &Arc<Place>, config: Arc<ServerConfig>) {
        let was_empty = place.config.swap(Some(config)).is_none();
        if !was_empty {
            return;
        }
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let mut chances = CHANCES;
        while places.len() >= self.limit {
            let Some(oldest) = places.pop_front() else { break };
            let Some(old) = oldest.upgrade().filter(|old| !old.is_empty()) else { continue };
            if chances > 0 && old.was_used.swap(false, Relaxed) {
                chances -= 1;
                places.push_back(oldest);
            } else {
                old.config.store(None);
            }
        }
        // Last, so that it does not make room for itself.
        places.push_back(Arc::downgrade(place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls;

    fn config() -> Arc<ServerConfig> {
        Arc::new(tls::server_template(&tls::crypto_provider()).unwrap())
    }

    fn fill(warm: &Warm, count: usize) -> Vec<Arc<Place>> {
        let places: Vec<_> = std::iter::repeat_with(Arc::<Place>::default).take(count).collect();
        let config = config();
        places.iter().for_each(|place| warm.keep(place, Arc::clone(&config)));
        places
    }

    fn kept(places: &[Arc<Place>]) -> Vec<bool> {
        places.iter().map(|place| !place.is_empty()).collect()
    }

    #[test]
    fn the_longest_unused_makes_room() {
        let warm = Warm::new(3);
        let places = fill(&warm, 3);
        assert!(places[0].config().is_some(), "used");
        let more = fill(&warm, 1);
        assert_eq!((kept(&places), kept(&more)), (vec![true, false, true], vec![true]));
        let more = fill(&warm, 1);
        assert_eq!((kept(&places), kept(&more)), (vec![true, false, false], vec![true]), "used once is not for ever");
    }

    #[test]
    fn what_is_gone_or_put_twice_takes_no_room() {
        let warm = Warm::new(2);
        drop(fill(&warm, 2));
        let places = fill(&warm, 2);
        warm.keep(&places[0], config());
        assert_eq!(kept(&places), [true, true]);
        assert_eq!(warm.places.lock().unwrap().len(), 2);
    }

    #[test]
    fn room_is_found_even_when_all_are_in_use() {
        let warm = Warm::new(CHANCES * 2);
        let places = fill(&warm, CHANCES * 2);
        assert!(places.iter().all(|place| place.config().is_some()));
        let _more = fill(&warm, 1);
        assert_eq!(kept(&places).iter().filter(|kept| !**kept).count(), 1);
        assert_eq!(warm.places.lock().unwrap().len(), CHANCES * 2);
    }
}
