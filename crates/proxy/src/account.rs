//! [`Account`]: what forwarding costs one tenant, over all its sites and workers: sockets to backends, bytes per second,
//! bytes held in memory. And [`leaves_room`], the rule by which tenants share what the box has.
//!
//! Not here: how a body waits for its turn (`flow`), and what the client is told (`refusal`).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};
use vestibule_names::TenantId;

use crate::rate::Rate;

/// How many times what is still free one tenant may have.
const GREED: u64 = 4;

/// Threads of the blocking pools that one tenant may hold at once, over all workers: names that nobody resolves, and paths on
/// file systems that hang, cost that tenant only.
const ERRANDS_LIMIT: usize = 4;

/// May somebody who has `own` of something have one more, when so much of it is free? At most four times what is free: one
/// tenant alone gets four fifths of the box, two get four ninths each, so that there is always something left, and it is
/// the greediest who is refused first.
pub fn leaves_room(own: u32, free: u64) -> bool {
    u64::from(own) < free.saturating_mul(GREED)
}

/// How much of the box forwarding for one tenant may take. The largest value of each is no limit.
#[derive(Clone, Copy, Debug)]
pub struct AccountLimits {
    /// Open sockets to backends.
    pub upstreams: u32,
    /// Bytes of bodies and tunnels per second, both directions together.
    pub bandwidth: u64,
    /// Bytes of bodies held in memory.
    pub buffered: u64,
}

impl AccountLimits {
    /// No limit.
    pub const UNLIMITED: Self = Self { upstreams: u32::MAX, bandwidth: u64::MAX, buffered: u64::MAX };
}

/// What forwarding costs one tenant. Shared by all workers.
#[derive(Debug)]
pub struct Account {
    tenant: TenantId,
    limits: AccountLimits,
    upstreams: AtomicU32,
    /// `None`: unlimited.
    pace: Option<Rate>,
    held: AtomicU64,
    waits: AtomicU64,
    /// Was a socket refused that one of the tenant's idle ones could make room for, at another worker perhaps?
    wanted: AtomicBool,
    /// `None`: the operator, who is trusted.
    errands: Option<Arc<Semaphore>>,
}

impl Account {
    /// An account of a tenant, with nothing on it.
    pub fn new(tenant: TenantId, limits: AccountLimits) -> Arc<Self> {
        let pace = (limits.bandwidth < u64::MAX).then(|| Rate::new(limits.bandwidth, Instant::now().into_std()));
        let (upstreams, held, waits, wanted) = Default::default();
        let errands = (tenant != TenantId::OPERATOR).then(|| Arc::new(Semaphore::new(ERRANDS_LIMIT)));
        Arc::new(Self { tenant, limits, upstreams, pace, held, waits, wanted, errands })
    }

    /// Whose it is.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Sockets to backends that are open now.
    pub fn upstreams(&self) -> u32 {
        self.upstreams.load(Relaxed)
    }

    /// Bytes of bodies that the gateway holds now.
    pub fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }

    /// How often bytes had to wait for the tenant's bandwidth.
    pub fn waits(&self) -> u64 {
        self.waits.load(Relaxed)
    }

    /// Places for work that blocks a thread for this tenant; `None`: as many as there are threads.
    pub(crate) fn errands(&self) -> Option<&Arc<Semaphore>> {
        self.errands.as_ref()
    }

    /// Is as much held in memory as the tenant may have?
    pub fn is_full(&self) -> bool {
        self.held() >= self.limits.buffered
    }

    /// Has it neither a pace nor a limit on what is held: is there nothing to count for a body?
    pub(crate) fn is_free(&self) -> bool {
        self.pace.is_none() && self.limits.buffered == u64::MAX
    }

    /// Bytes that pass: how long they, or what comes after them, must wait.
    pub(crate) fn pass(&self, bytes: usize) -> Duration {
        let Some(pace) = &self.pace else { return Duration::ZERO };
        let wait = pace.spend(bytes as u64, Instant::now().into_std());
        if !wait.is_zero() {
            self.waits.fetch_add(1, Relaxed);
        }
        wait
    }

    /// Bytes that are held from now on.
    pub(crate) fn hold(&self, bytes: usize) {
        self.held.fetch_add(bytes as u64, Relaxed);
    }

    /// Bytes that are held no more.
    pub(crate) fn release(&self, bytes: usize) {
        self.held.fetch_sub(bytes as u64, Relaxed);
    }

    /// One more socket, within the tenant's own limit and what the others must find left.
    pub(crate) fn open(&self, free: u64) -> Result<(), Spent> {
        if self.limits.upstreams == u32::MAX {
            self.upstreams.fetch_add(1, Relaxed);
            return Ok(());
        }
        let own = self.upstreams.try_update(Relaxed, Relaxed, |own| {
            (own < self.limits.upstreams && leaves_room(own, free)).then(|| own + 1)
        });
        own.map(|_| ()).map_err(|own| if own < self.limits.upstreams { Spent::Share } else { Spent::Limit })
    }

    /// A socket of this tenant is wanted back.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Relaxed);
    }

    /// Is one wanted back? Whoever asks first sees to it.
    pub(crate) fn take_want(&self) -> bool {
        self.wanted.load(Relaxed) && self.wanted.swap(false, Relaxed)
    }

    /// A socket was closed.
    pub(crate) fn close(&self) {
        self.upstreams.fetch_sub(1, Relaxed);
    }
}

/// Nobody's limits, for tests.
#[cfg(test)]
pub(crate) fn free() -> Arc<Account> {
    Account::new(TenantId::OPERATOR, AccountLimits::UNLIMITED)
}

/// Why there is no socket for a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spent {
    /// The box has none left.
    Box,
    /// It has few left, and this tenant many.
    Share,
    /// The tenant has as many as it may have.
    Limit,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many one after the other get of a box, all wanting everything.
    fn greedy(capacity: u32, tenants: usize) -> Vec<u32> {
        let mut own = vec![0; tenants];
        loop {
            let before = own.clone();
            for index in 0..tenants {
                let free = u64::from(capacity - own.iter().sum::<u32>());
                own[index] += u32::from(leaves_room(own[index], free));
            }
            if own == before {
                return own;
            }
        }
    }

    #[test]
    fn whoever_wants_everything_leaves_something() {
        assert_eq!(greedy(1000, 1), [800]);
        assert_eq!(greedy(900, 2), [400, 400]);
        let many = greedy(1000, 50);
        let (least, most, sum) = (many.iter().min(), many.iter().max(), many.iter().sum::<u32>());
        assert!(least >= Some(&19) && most <= Some(&20) && sum < 1000, "{many:?}");
    }

    #[test]
    fn with_fewer_greedy_tenants_than_a_quarter_of_the_places_one_is_free() {
        for tenants in [1, 10, 100, 249] {
            assert!(greedy(1000, tenants).iter().sum::<u32>() < 1000, "{tenants}");
        }
        assert_eq!(greedy(1000, 250).iter().sum::<u32>(), 1000, "where the promise ends");
        // Nobody is sent away for those who come later: they share the rest.
        assert_eq!(greedy(1000 - 800, 1), [160]);
    }

    #[test]
    fn whoever_has_nothing_gets_the_last_one() {
        assert!(leaves_room(0, 1) && !leaves_room(4, 1) && !leaves_room(0, 0));
        assert!(leaves_room(u32::MAX, u64::MAX), "no overflow");
    }

    #[test]
    fn sockets_are_counted_within_the_limit_and_the_share() {
        let account = Account::new(TenantId(7), AccountLimits { upstreams: 2, ..AccountLimits::UNLIMITED });
        assert_eq!(account.open(1), Ok(()));
        assert_eq!(account.open(0), Err(Spent::Share));
        assert_eq!(account.open(100), Ok(()));
        assert_eq!(account.open(100), Err(Spent::Limit));
        account.close();
        assert_eq!((account.upstreams(), account.open(100)), (1, Ok(())));
        let free = Account::new(TenantId::OPERATOR, AccountLimits::UNLIMITED);
        assert_eq!((free.open(0), free.is_free(), account.is_free()), (Ok(()), true, true));
    }
}
