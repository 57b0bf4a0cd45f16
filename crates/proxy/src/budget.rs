//! [`UpstreamBudget`]: how many sockets to backends the whole gateway may have open at once.
//!
//! One HTTP/2 connection of a client opens as many upstream sockets as it has streams, so that a limit on clients'
//! connections bounds the process's descriptors in no way: this does. It counts, and nothing more: who may be closed
//! to make room is the pool's matter, and what the client is told the error's.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use tokio::sync::Notify;

use crate::account::{Account, Spent};

/// A count of upstream sockets and its limit, shared by all workers. Cheap to clone; clones count together.
///
/// It is touched when a socket is opened or closed, never for a request on a connection that is already there.
#[derive(Clone, Debug)]
pub struct UpstreamBudget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: u32,
    open: AtomicU32,
    refused: AtomicU64,
    wanted: Notify,
}

/// The right to have one socket open, of the gateway and of a tenant; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    shared: Arc<Shared>,
    account: Arc<Account>,
}

impl UpstreamBudget {
    /// A budget of so many sockets.
    pub fn new(limit: u32) -> Self {
        let (open, refused) = (AtomicU32::new(0), AtomicU64::new(0));
        Self { shared: Arc::new(Shared { limit, open, refused, wanted: Notify::new() }) }
    }

    /// The sockets that are open now, those on the way to being connected included.
    pub fn open(&self) -> u32 {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// How many requests were refused because the budget was spent, since the start.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// A place for a tenant, if there is one.
    pub(crate) fn take(&self, account: &Arc<Account>) -> Result<Place, Spent> {
        let shared = &self.shared;
        account.open(u64::from(shared.limit.saturating_sub(self.open())))?;
        // A count alone: nothing else is published by it, so no order is asked for.
        let taken = shared
            .open
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |open| (open < shared.limit).then(|| open + 1));
        if taken.is_err() {
            account.close();
            return Err(Spent::Box);
        }
        Ok(Place { shared: Arc::clone(shared), account: Arc::clone(account) })
    }

    /// Counts a request that got no place, and asks every pool to let go of something idle: this worker has nothing
    /// idle left, but the others may.
    pub(crate) fn refuse(&self) {
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
        self.shared.wanted.notify_waiters();
    }

    /// A request got no place because its tenant has too many: asks every pool to let go of an idle one of that tenant's.
    pub(crate) fn refuse_tenant(&self, account: &Account) {
        account.want();
        self.shared.wanted.notify_waiters();
    }

    /// Is none left?
    pub(crate) fn is_spent(&self) -> bool {
        self.open() >= self.shared.limit
    }

    /// Ends when a worker had to refuse.
    pub(crate) async fn wanted(&self) {
        self.shared.wanted.notified().await;
    }
}

impl Default for UpstreamBudget {
    /// As good as unlimited.
    fn default() -> Self {
        Self::new(u32::MAX)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
        self.account.close();
    }
}

#[cfg(test)]
mod tests {
    use vestibule_names::TenantId;

    use super::*;
    use crate::{AccountLimits, account::free};

    #[test]
    fn clones_share_places_and_never_exceed_the_limit() {
        for limit in [0, 1, 7] {
            let budget = UpstreamBudget::new(limit);
            let account = free();
            let places: Vec<Place> = (0..=limit).filter_map(|_| budget.clone().take(&account).ok()).collect();
            assert_eq!((places.len(), budget.open()), (limit as usize, limit));
            assert_eq!(budget.take(&account).err(), Some(Spent::Box));
            drop(places);
            assert_eq!((budget.open(), account.upstreams()), (0, 0));
        }
    }

    #[test]
    fn threads_take_no_more_than_there_is() {
        let (budget, account) = (UpstreamBudget::new(100), free());
        let taken: usize = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..100).filter_map(|_| budget.take(&account).ok()).collect::<Vec<_>>()))
                .collect();
            let places: Vec<_> = takers.into_iter().map(|taker| taker.join().unwrap()).collect();
            places.iter().map(Vec::len).sum()
        });
        assert_eq!((taken, budget.open(), account.upstreams()), (100, 0, 0));
    }

    #[test]
    fn a_tenant_leaves_places_to_the_others() {
        let limits = AccountLimits { upstreams: 1000, ..AccountLimits::UNLIMITED };
        let (hog, other) = (Account::new(TenantId(1), limits), Account::new(TenantId(2), limits));
        let budget = UpstreamBudget::new(100);
        let hogged: Vec<Place> = (0..1000).filter_map(|_| budget.take(&hog).ok()).collect();
        assert_eq!((hogged.len(), budget.take(&hog).err()), (80, Some(Spent::Share)));
        assert!(budget.take(&other).is_ok());
    }
}
