//! Does a name point here? Asked of the resolvers, and once more of the servers of its zone when the resolvers' answer is no:
//! they may remember an absence, or an old address, long after the owner of the name has mended it.
//!
//! The second look can only make the answer better. It ends early, asks few servers, and where it finds nothing out the first
//! answer stands. Whoever has a name chooses the servers of its zone: only those on the Internet are asked, at the port of
//! DNS, and nothing of what they say is shown.
//!
//! Not here: the servers of top-level domains. They know no addresses of names, and a delegation made a moment ago is their
//! resolvers' to find.

use std::{net::IpAddr, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use hickory_proto::rr::{Name, Record, RecordType};
use tokio::time::{Instant, timeout_at};
use vestibule_names::HostPattern;

use super::{
    Inner,
    authority::{Authority, servers_of, zone_of},
    exchange::{Recursion, exchange, question},
    lookup::{Lookups, Problem, RECORDS_LIMIT, alias},
};
use crate::{
    fnv::fnv1a,
    plan::{Pointing, Sight},
};

/// The label under a wildcard's suffix that is looked up: nobody has a record of its own there.
const PROBE_LABEL: &str = "vestibule-probe";
/// When a second look is given up, from the beginning of the first: the engine soon gives up both.
const SECOND_LOOK_UNTIL: Duration = Duration::from_secs(8);
/// Servers of a zone that are asked, all at once.
const SERVERS_LIMIT: usize = 3;
/// Aliases followed within one answer.
const ALIASES_LIMIT: usize = 8;

/// See [`super::Dns::sight`].
pub(super) async fn look(dns: &Inner, name: &HostPattern, ours: &[IpAddr]) -> Sight {
    let until = Instant::now() + SECOND_LOOK_UNTIL;
    let (looked_up, exact) = match name {
        HostPattern::Address(address) => {
            return Sight { pointing: Pointing::Here, addresses: fingerprint(&[*address]) };
        }
        HostPattern::Exact(host) => (host.to_string(), Some(host)),
        HostPattern::Wildcard(suffix) => (format!("{PROBE_LABEL}.{suffix}"), None),
    };
    // A name that DNS cannot hold (a label in front of 253 octets) does not resolve.
    let Ok(asked) = Name::from_ascii(format!("{looked_up}.")) else {
        let pointing = if exact.is_some() { Pointing::NotHere } else { Pointing::Unknown };
        return Sight { pointing, addresses: fingerprint(&[]) };
    };
    let found = dns.lookups.addresses(&asked).await;
    let pointing = match exact {
        None if judge(&found, ours) != Pointing::Here => Pointing::Unknown,
        _ => judge(&found, ours),
    };
    // A private name's zone has no servers on the Internet.
    if pointing == Pointing::NotHere && exact.is_some_and(|host| !host.is_private()) {
        let second = timeout_at(until, again(dns, &asked, ours)).await;
        if let Ok(Some(sight)) = second {
            tracing::debug!(name = looked_up, "the servers of the zone know better than the resolvers");
            return sight;
        }
    }
    Sight { pointing, addresses: fingerprint(&found.unwrap_or_default()) }
}

fn judge(found: &Result<Vec<IpAddr>, Problem>, ours: &[IpAddr]) -> Pointing {
    match found {
        Ok(addresses) if addresses.iter().any(|address| ours.contains(&address.to_canonical())) => Pointing::Here,
        Ok(_) if ours.is_empty() => Pointing::Unknown,
        Ok(_) | Err(Problem::NoSuchName | Problem::NoRecords | Problem::Failing(_)) => Pointing::NotHere,
        // It is our resolver that cannot be had: that says nothing about the name.
        Err(Problem::Timeout | Problem::Unreachable(_)) => Pointing::Unknown,
    }
}

/// What a server of the zone says, if that is better than "not here".
async fn again(dns: &Inner, name: &Name, ours: &[IpAddr]) -> Option<Sight> {
    let zone = zone_of(&dns.lookups, name).await?;
    if zone.num_labels() < 2 {
        return None;
    }
    let servers = servers_of(&dns.lookups, &zone, dns.sight_reach, dns.authoritative_port).await;
    let asking = servers.iter().take(SERVERS_LIMIT).map(|server| addresses(&dns.lookups, server, name));
    // The first that knows better: one that lags behind, or keeps silent, hides nothing.
    let mut answers: FuturesUnordered<_> = asking.collect();
    while let Some(found) = answers.next().await {
        let pointing = judge(&found, ours);
        if let (Pointing::Here | Pointing::Unknown, Ok(addresses)) = (pointing, found) {
            return Some(Sight { pointing, addresses: fingerprint(&addresses) });
        }
    }
    None
}

/// The addresses of a name by one server. Where it leads out of the server's zones, resolvers say where to.
async fn addresses(lookups: &Lookups, server: &Authority, name: &Name) -> Result<Vec<IpAddr>, Problem> {
    let mut found = Vec::new();
    for record_type in [RecordType::A, RecordType::AAAA] {
        let records = match ask(server, name, record_type).await {
            Ok(records) => records,
            Err(problem) if found.is_empty() => return Err(problem),
            Err(_) => break,
        };
        let end = end_of_aliases(&records, name);
        let here = records.iter().filter(|record| record.name == end);
        found.extend(here.filter_map(|record| record.data.ip_addr()));
        if found.is_empty() && end != *name {
            return lookups.addresses(&end).await;
        }
    }
    if found.is_empty() { Err(Problem::NoRecords) } else { Ok(found) }
}

/// At the first of its addresses that answers.
async fn ask(server: &Authority, name: &Name, record_type: RecordType) -> Result<Vec<Record>, Problem> {
    for address in &server.addresses {
        match exchange(*address, &question(name, record_type, Recursion::None)).await {
            Ok(answer) => return Ok(answer.message.answers.into_iter().take(RECORDS_LIMIT).collect()),
            Err(error) => tracing::debug!(%address, %error, "a DNS server did not answer"),
        }
    }
    Err(Problem::Timeout)
}

fn end_of_aliases(records: &[Record], name: &Name) -> Name {
    let mut current = name.clone();
    for _ in 0..ALIASES_LIMIT {
        match records.iter().filter(|record| record.name == current).find_map(|record| alias(record.clone())) {
            Some(next) => current = next,
            None => break,
        }
    }
    current
}

/// The same for the same set of addresses, on every machine and in every version (FNV-1a); zero for none.
fn fingerprint(addresses: &[IpAddr]) -> u64 {
    let mut sorted: Vec<IpAddr> = addresses.iter().map(IpAddr::to_canonical).collect();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.is_empty() {
        return 0;
    }
    let octets = sorted.into_iter().flat_map(|address| match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    });
    fnv1a(octets).max(1)
}
