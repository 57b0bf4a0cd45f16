//! [`Tenant`]: what one tenant has of the box at this moment, over all its sites and workers, and what it may have. Every
//! [`LiveSite`](crate::live::LiveSite) of the tenant points here, so that a request asks without a look-up or a lock.
//!
//! Not here: when it is asked (`admission.rs`), and what is counted below the proxy ([`Account`]).

mod limit;
mod register;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use vestibule_names::TenantId;
use vestibule_proxy::{Account, AccountLimits, Rate, account::leaves_room};

pub(crate) use self::{limit::Limit, register::Tenants};
use crate::{refusals::Told, tenancy::TenantLimits};

/// See the module. Limits are those of the start; counts live as long as anything of the tenant's does.
#[derive(Debug)]
pub(crate) struct Tenant {
    id: TenantId,
    limits: TenantLimits,
    taken: [AtomicU32; Kind::COUNT],
    /// `None`: unlimited.
    request_rate: Option<Rate>,
    handshake_rate: Option<Rate>,
    /// What is counted below the proxy.
    account: Arc<Account>,
    refused: [AtomicU64; Limit::ALL.len()],
    /// What the log was told of what was refused at this tenant's sites.
    told: Told,
}

/// What is counted while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An open client connection.
    Connection,
    /// A request that is being answered.
    Request,
    /// An upgraded connection.
    Tunnel,
    /// A refusal that is kept back for a moment.
    Refusal,
}

impl Kind {
    const COUNT: usize = 4;
}

/// A place of a tenant's, given back on drop.
#[derive(Debug)]
#[must_use = "it counts only as long as it lives"]
pub(crate) struct Seat {
    tenant: Arc<Tenant>,
    kind: Kind,
}

impl Seat {
    /// Whose it is.
    pub(crate) fn tenant(&self) -> &Arc<Tenant> {
        &self.tenant
    }

    /// Is it this tenant's?
    pub(crate) fn is_of(&self, tenant: &Arc<Tenant>) -> bool {
        Arc::ptr_eq(&self.tenant, tenant)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.tenant.count(self.kind).fetch_sub(1, Relaxed);
    }
}

impl Tenant {
    /// A tenant that has nothing yet.
    pub(crate) fn new(id: TenantId, limits: TenantLimits) -> Arc<Self> {
        let now = Instant::now();
        let rate = |per_second: u32| (per_second < u32::MAX).then(|| Rate::new(u64::from(per_second), now));
        let account = AccountLimits {
            upstreams: limits.upstream_connections,
            bandwidth: limits.bandwidth.0,
            buffered: limits.buffered.0,
        };
        Arc::new(Self {
            id,
            taken: Default::default(),
            request_rate: rate(limits.requests_per_second),
            handshake_rate: rate(limits.handshakes_per_second),
            account: Account::new(id, account),
            refused: Default::default(),
            told: Told::default(),
            limits,
        })
    }

    pub(crate) fn id(&self) -> TenantId {
        self.id
    }

    /// What is counted below the proxy.
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// How many of that kind there are now.
    pub(crate) fn taken(&self, kind: Kind) -> u32 {
        self.count(kind).load(Relaxed)
    }

    /// How often a limit has refused something.
    pub(crate) fn refused(&self, limit: Limit) -> u64 {
        self.refused[limit as usize].load(Relaxed)
    }

    /// Does it have anything, or has it been refused anything?
    pub(crate) fn is_used(&self) -> bool {
        let taken = self.taken.iter().any(|count| count.load(Relaxed) > 0);
        taken || self.account.upstreams() > 0 || self.refused.iter().any(|count| count.load(Relaxed) > 0)
    }

    /// One more client connection, when so many are free in the whole gateway.
    pub(crate) fn begin_connection(self: &Arc<Self>, free: u64) -> Result<Seat, Limit> {
        let limit = self.limits.connections;
        if limit < u32::MAX && !leaves_room(self.taken(Kind::Connection), free) {
            return Err(Limit::Share);
        }
        self.take(Kind::Connection, limit).ok_or(Limit::Connections)
    }

    /// One more handshake at this moment.
    pub(crate) fn begin_handshake(&self, now: Instant) -> Result<(), Limit> {
        self.handshake_rate.as_ref().map_or(Ok(()), |rate| rate.take(now)).map_err(|_| Limit::Handshakes)
    }

    /// One more request at this moment.
    pub(crate) fn begin_request(self: &Arc<Self>, now: Instant) -> Result<Seat, Limit> {
        if self.account.is_full() {
            return Err(Limit::Buffers);
        }
        self.request_rate.as_ref().map_or(Ok(()), |rate| rate.take(now)).map_err(|_| Limit::Rate)?;
        self.take(Kind::Request, self.limits.requests_in_flight).ok_or(Limit::Requests)
    }

    /// One more tunnel.
    pub(crate) fn begin_tunnel(self: &Arc<Self>) -> Result<Seat, Limit> {
        self.take(Kind::Tunnel, self.limits.tunnels).ok_or(Limit::Tunnels)
    }

    /// A place among the refusals that are kept back, within `limit`.
    pub(crate) fn begin_refusal(self: &Arc<Self>, limit: u32) -> Option<Seat> {
        self.take(Kind::Refusal, limit)
    }

    /// Counts a refusal.
    pub(crate) fn refuse(&self, limit: Limit) {
        self.refused[limit as usize].fetch_add(1, Relaxed);
    }

    /// What the log was told of refusals.
    pub(crate) fn told(&self) -> &Told {
        &self.told
    }

    fn take(self: &Arc<Self>, kind: Kind, limit: u32) -> Option<Seat> {
        let before = self.count(kind).fetch_add(1, Relaxed);
        let seat = Seat { tenant: Arc::clone(self), kind };
        (before < limit).then_some(seat) // over the limit the seat is dropped here, and with it the count
    }

    fn count(&self, kind: Kind) -> &AtomicU32 {
        &self.taken[kind as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tenant(limits: TenantLimits) -> Arc<Tenant> {
        Tenant::new(TenantId(1000), limits)
    }

    #[test]
    fn every_limit_refuses_with_its_own_word_and_gives_back() {
        let limits = TenantLimits { connections: 1, requests_in_flight: 1, tunnels: 1, ..TenantLimits::UNLIMITED };
        let tenant = tenant(limits);
        let now = Instant::now();
        let held = (
            tenant.begin_connection(100).expect("free"),
            tenant.begin_request(now).expect("free"),
            tenant.begin_tunnel().expect("free"),
        );
        assert_eq!(tenant.begin_connection(100).err(), Some(Limit::Connections));
        assert_eq!(tenant.begin_request(now).err(), Some(Limit::Requests));
        assert_eq!(tenant.begin_tunnel().err(), Some(Limit::Tunnels));
        let kinds = [Kind::Connection, Kind::Request, Kind::Tunnel];
        assert_eq!(kinds.map(|kind| tenant.taken(kind)), [1, 1, 1]);
        drop(held);
        assert_eq!(kinds.map(|kind| tenant.taken(kind)), [0, 0, 0]);
        assert!(!tenant.is_used());
        assert!(tenant.begin_connection(100).is_ok() && tenant.begin_request(now).is_ok());
    }

    #[test]
    fn rates_are_judged_at_the_moment_given() {
        let limits = TenantLimits { requests_per_second: 2, handshakes_per_second: 1, ..TenantLimits::UNLIMITED };
        let tenant = tenant(limits);
        let now = Instant::now();
        assert!(tenant.begin_request(now).is_ok() && tenant.begin_request(now).is_ok());
        assert_eq!(tenant.begin_request(now).err(), Some(Limit::Rate));
        assert!(tenant.begin_request(now + Duration::from_millis(500)).is_ok());
        assert_eq!((tenant.begin_handshake(now), tenant.begin_handshake(now)), (Ok(()), Err(Limit::Handshakes)));
    }

    #[test]
    fn who_has_much_is_refused_first_when_little_is_left() {
        let greedy = tenant(TenantLimits { connections: 1000, ..TenantLimits::UNLIMITED });
        let held: Vec<_> = (0..8).map(|_| greedy.begin_connection(100).expect("much is free")).collect();
        assert_eq!(greedy.begin_connection(2).err(), Some(Limit::Share));
        assert!(tenant(TenantLimits::default()).begin_connection(1).is_ok(), "who has nothing gets the last one");
        assert!(tenant(TenantLimits::UNLIMITED).begin_connection(0).is_ok(), "who has no limit has no share either");
        drop(held);
    }

    #[test]
    fn refusals_are_counted_by_limit() {
        let tenant = tenant(TenantLimits::default());
        tenant.refuse(Limit::Rate);
        tenant.refuse(Limit::Rate);
        tenant.refuse(Limit::Share);
        assert_eq!([Limit::Rate, Limit::Share, Limit::Buffers].map(|limit| tenant.refused(limit)), [2, 1, 0]);
        assert!(tenant.is_used());
    }
}
