//! [`Permits`]: how many connections are open, in all and of each client.
//!
//! The one structure that all workers write to, twice per connection and never per request.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use dashmap::{DashMap, Entry};
use vestibule_names::ClientAddr;

/// How many connections may be open.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// In all.
    pub total: u32,
    /// Of one client address (IPv6: one /64).
    pub per_client: u32,
}

/// Which limit a connection would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverLimit {
    /// [`ConnectionLimits::total`].
    Total,
    /// [`ConnectionLimits::per_client`].
    PerClient,
}

impl OverLimit {
    /// The code, as the log and the metrics name it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::PerClient => "per_client",
        }
    }
}

/// Shared by all workers: counts what is open. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Permits {
    counts: Arc<Counts>,
}

/// Held as long as a connection is open.
#[derive(Debug)]
#[must_use = "the connection counts only as long as its permit lives"]
pub struct Permit {
    counts: Arc<Counts>,
    client: ClientKey,
}

#[derive(Debug)]
struct Counts {
    limits: ConnectionLimits,
    open: AtomicU64,
    /// Clients with at least one connection, so never more entries than open connections.
    clients: DashMap<ClientKey, u32>,
    refused_total: AtomicU64,
    refused_per_client: AtomicU64,
}

/// Whose connections are counted together. One IPv6 subscriber has at least a /64 and may use any address of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ClientKey {
    V4(Ipv4Addr),
    V6Network(u64),
}

impl ClientKey {
    fn of(client: ClientAddr) -> Self {
        match client.ip() {
            IpAddr::V4(v4) => Self::V4(v4),
            IpAddr::V6(v6) => Self::V6Network(u64::try_from(v6.to_bits() >> 64).unwrap_or_default()),
        }
    }
}

impl Permits {
    /// With these limits.
    pub fn new(limits: ConnectionLimits) -> Self {
        Self {
            counts: Arc::new(Counts {
                limits,
                open: AtomicU64::new(0),
                clients: DashMap::new(),
                refused_total: AtomicU64::new(0),
                refused_per_client: AtomicU64::new(0),
            }),
        }
    }

    /// A permit for one more connection of that client; a refusal is counted.
    ///
    /// # Errors
    /// The limit that is reached; the total is judged first.
    pub fn acquire(&self, client: ClientAddr) -> Result<Permit, OverLimit> {
        let counts = &self.counts;
        let total = u64::from(counts.limits.total);
        // The counters guard no other memory: no ordering is needed.
        if counts.open.fetch_update(Relaxed, Relaxed, |open| (open < total).then_some(open + 1)).is_err() {
            counts.refused_total.fetch_add(1, Relaxed);
            return Err(OverLimit::Total);
        }
        let client = ClientKey::of(client);
        if !counts.admit(client) {
            counts.open.fetch_sub(1, Relaxed);
            counts.refused_per_client.fetch_add(1, Relaxed);
            return Err(OverLimit::PerClient);
        }
        Ok(Permit { counts: Arc::clone(counts), client })
    }

    /// Open connections now.
    pub fn open(&self) -> u64 {
        self.counts.open.load(Relaxed)
    }

    /// How many more there may be now.
    pub fn free(&self) -> u64 {
        u64::from(self.counts.limits.total).saturating_sub(self.open())
    }

    /// Connections refused by a limit so far: (in all, per client).
    pub fn refused(&self) -> (u64, u64) {
        (self.counts.refused_total.load(Relaxed), self.counts.refused_per_client.load(Relaxed))
    }
}

impl Counts {
    fn admit(&self, client: ClientKey) -> bool {
        let limit = self.limits.per_client;
        match self.clients.entry(client) {
            Entry::Occupied(mut entry) if *entry.get() < limit => *entry.get_mut() += 1,
            Entry::Vacant(entry) if limit > 0 => drop(entry.insert(1)),
            Entry::Occupied(_) | Entry::Vacant(_) => return false,
        }
        true
    }

    fn release(&self, client: ClientKey) {
        if let Entry::Occupied(mut entry) = self.clients.entry(client) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
        self.open.fetch_sub(1, Relaxed);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.counts.release(self.client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(ip: &str) -> ClientAddr {
        ClientAddr::new((ip.parse::<IpAddr>().unwrap(), 1234).into())
    }

    fn permits(total: u32, per_client: u32) -> Permits {
        Permits::new(ConnectionLimits { total, per_client })
    }

    #[test]
    fn a_permit_counts_until_it_is_dropped() {
        let permits = permits(3, 2);
        let first = permits.acquire(client("192.0.2.1")).unwrap();
        let second = permits.clone().acquire(client("192.0.2.1")).unwrap();
        assert_eq!(permits.acquire(client("192.0.2.1")).unwrap_err(), OverLimit::PerClient);
        let third = permits.acquire(client("192.0.2.2")).unwrap();
        assert_eq!(permits.acquire(client("192.0.2.3")).unwrap_err(), OverLimit::Total);
        assert_eq!((permits.open(), permits.free(), permits.refused()), (3, 0, (1, 1)));
        drop(first);
        assert_eq!((permits.open(), permits.free()), (2, 1));
        let again = permits.acquire(client("192.0.2.1")).unwrap();
        drop((second, third, again));
        assert_eq!(permits.open(), 0);
        assert!(permits.counts.clients.is_empty(), "nothing is kept of clients that left");
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_subscriber() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let permits = permits(10, 1);
            let _held = permits.acquire(client(one)).unwrap();
            assert_eq!(permits.acquire(client(other)).is_err(), same, "{one} {other}");
        }
    }

    #[test]
    fn a_limit_of_zero_admits_nobody_and_keeps_nothing() {
        assert_eq!(permits(0, 1).acquire(client("::1")).unwrap_err(), OverLimit::Total);
        let none = permits(1, 0);
        assert_eq!(none.acquire(client("::1")).unwrap_err(), OverLimit::PerClient);
        assert!(none.open() == 0 && none.counts.clients.is_empty());
    }

    #[test]
    fn many_threads_never_exceed_a_limit_and_leave_nothing() {
        let permits = permits(8, 3);
        std::thread::scope(|scope| {
            for thread in 0..8_u8 {
                let permits = permits.clone();
                scope.spawn(move || {
                    for round in 0..5_000_u16 {
                        let ip = format!("192.0.2.{}", (u16::from(thread) + round) % 4);
                        let held = permits.acquire(client(&ip));
                        assert!(permits.open() <= 8);
                        drop(held);
                    }
                });
            }
        });
        assert!(permits.open() == 0 && permits.counts.clients.is_empty());
    }
}
