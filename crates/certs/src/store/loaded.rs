//! [`Loaded`]: keys and chains that are in memory because somebody shows them, so that two sites with one certificate share
//! it. It holds on to none of them. Not here: how many stay in memory (`warm`).

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use rustls::sign::CertifiedKey;

/// See the module. By the number of the issuance.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    keys: HashMap<u64, Weak<CertifiedKey>>,
    /// When there are so many, those that are gone are swept.
    sweep_at: usize,
}

impl Loaded {
    pub(super) fn find(&self, number: u64) -> Option<Arc<CertifiedKey>> {
        self.keys.get(&number)?.upgrade()
    }

    /// Takes in what was read. Of two that were read at one moment the first one counts.
    pub(super) fn keep(&mut self, number: u64, certified: CertifiedKey) -> Arc<CertifiedKey> {
        if let Some(known) = self.find(number) {
            return known;
        }
        if self.keys.len() >= self.sweep_at {
            self.keys.retain(|_, known| known.strong_count() > 0);
            self.sweep_at = (2 * self.keys.len()).max(SWEEP_MIN);
        }
        let certified = Arc::new(certified);
        self.keys.insert(number, Arc::downgrade(&certified));
        certified
    }
}

/// Below this nothing is worth a sweep.
const SWEEP_MIN: usize = 64;

#[cfg(test)]
mod tests {
    use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};

    use super::*;
    use crate::{testing::Authority, tls};

    fn certified() -> CertifiedKey {
        let made = Authority::new("CA").leaf(&["a.test"]).make();
        let key = PrivateKeyDer::from_pem_slice(made.key_pem.as_bytes()).unwrap();
        CertifiedKey::from_der(made.chain_der, key, &tls::crypto_provider()).unwrap()
    }

    #[test]
    fn what_is_in_use_is_shared_and_what_is_not_is_forgotten() {
        let (mut loaded, one) = (Loaded::default(), certified());
        let first = loaded.keep(1, one.clone());
        assert!(Arc::ptr_eq(&first, &loaded.keep(1, one.clone())) && loaded.find(2).is_none());
        for number in 2..10_000 {
            drop(loaded.keep(number, one.clone()));
            assert!(loaded.find(number).is_none() && loaded.keys.len() <= SWEEP_MIN);
        }
        assert!(Arc::ptr_eq(&first, &loaded.find(1).unwrap()));
        drop(first);
        assert!(loaded.find(1).is_none());
    }
}
