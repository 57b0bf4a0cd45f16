//! Who is the authority over a name: the zone it lies in, that zone's servers, and what they say.
//!
//! Recursive resolvers remember absence for as long as the zone wishes, often an hour. What was just changed is seen
//! at once only where it was changed.

use std::net::{IpAddr, SocketAddr};

use futures_util::future::join_all;
use hickory_proto::rr::{Name, RData, RecordType};

use super::{
    lookup::{Lookups, Problem},
    reach::Reach,
};

/// Servers of a zone that are asked.
const SERVERS_LIMIT: usize = 8;
/// Addresses of each.
const ADDRESSES_LIMIT: usize = 2;
/// Labels climbed in search of the zone.
const CLIMB_LIMIT: usize = 16;

/// One server of a zone: any of its addresses will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) addresses: Vec<SocketAddr>,
}

/// The servers of the zone in which a name lies; none when they cannot be found or may not be reached.
pub(super) async fn authorities(lookups: &Lookups, name: &Name, reach: Reach, port: u16) -> Vec<Authority> {
    match zone_of(lookups, name).await {
        Some(zone) => servers_of(lookups, &zone, reach, port).await,
        None => Vec::new(),
    }
}

/// The servers of a zone; none when they cannot be found or may not be reached.
pub(super) async fn servers_of(lookups: &Lookups, zone: &Name, reach: Reach, port: u16) -> Vec<Authority> {
    let Ok(records) = lookups.ask(zone, RecordType::NS).await else { return Vec::new() };
    let servers = records.into_iter().filter_map(|record| match record.data {
        RData::NS(server) => Some(server.0),
        _ => None,
    });
    let found = join_all(servers.take(SERVERS_LIMIT).map(|server| async move {
        let mut addresses = lookups.addresses(&server).await.unwrap_or_default();
        addresses.retain(|address| reach.allows(*address));
        // IPv4 first: it is there more often, and one answer is enough.
        addresses.sort_by_key(IpAddr::is_ipv6);
        addresses.truncate(ADDRESSES_LIMIT);
        Authority { addresses: addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect() }
    }))
    .await;
    found.into_iter().filter(|authority| !authority.addresses.is_empty()).collect()
}

/// The zone in which a name lies: the nearest name above it (or itself) that has a SOA record.
pub(super) async fn zone_of(lookups: &Lookups, name: &Name) -> Option<Name> {
    let mut current = name.clone();
    for _ in 0..CLIMB_LIMIT {
        if current.is_root() {
            return None;
        }
        match lookups.ask(&current, RecordType::SOA).await {
            Ok(records) if records.iter().any(|r| r.name == current && r.record_type() == RecordType::SOA) => {
                return Some(current);
            }
            // A CNAME to a name that has one: not this one's.
            Ok(_) | Err(Problem::NoSuchName | Problem::NoRecords) => current = current.base_name(),
            Err(_) => return None,
        }
    }
    None
}
