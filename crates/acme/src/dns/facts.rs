//! [`Facts`]: what DNS says of a name, as a CA that is asked for a certificate would see it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::{Name, RData, Record, RecordType};
use vestibule_names::Hostname;

use super::lookup::{Lookups, Problem, alias, shown};
use crate::printable::{printable, printable_bytes};

/// Names climbed in search of CAA records; real names have five labels.
const CAA_CLIMB_LIMIT: usize = 16;
/// Of a CAA record's tag.
const TAG_SHOWN_LIMIT: usize = 32;
/// Of a CAA record's value.
const VALUE_SHOWN_LIMIT: usize = 256;

/// What DNS says of a name, for advice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// A records, after CNAMEs.
    pub v4: Vec<Ipv4Addr>,
    /// AAAA records.
    pub v6: Vec<Ipv6Addr>,
    /// The chain of CNAMEs.
    pub aliases: Vec<String>,
    /// CAA records that apply (RFC 8659), climbing: tag and value, and where they were found.
    pub caa: Vec<(String, String)>,
    /// Those tags among them that are marked critical: a CA that does not know one refuses.
    pub caa_critical: Vec<String>,
    /// Where the CAA records stand.
    pub caa_at: Option<String>,
    /// Why CAA records cannot be looked up, in words; a CA then refuses.
    pub caa_problem: Option<String>,
    /// Why a look-up failed, in words, if one did (NXDOMAIN, SERVFAIL, timeout).
    pub problem: Option<String>,
    /// Did the name resolve?
    pub resolution: Resolution,
}

/// Whether a name has addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resolution {
    /// It could not be found out.
    #[default]
    Unknown,
    /// It has.
    Found,
    /// It has none, for sure.
    Absent,
    /// Its servers fail.
    Failing,
}

impl Facts {
    /// All addresses, IPv4 first.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.v4.iter().copied().map(IpAddr::V4).chain(self.v6.iter().copied().map(IpAddr::V6)).collect()
    }
}

/// Looks everything up.
pub(super) async fn collect(lookups: &Lookups, host: &Hostname) -> Facts {
    let mut facts = Facts::default();
    let Ok(name) = Name::from_ascii(format!("{host}.")) else {
        facts.problem = Some("it is no name that DNS can hold".to_owned());
        facts.resolution = Resolution::Absent;
        return facts;
    };
    let (v4, v6, caa) =
        tokio::join!(lookups.ask(&name, RecordType::A), lookups.ask(&name, RecordType::AAAA), climb(lookups, &name));
    (facts.resolution, facts.problem) = outcome(&v4, &v6);
    for record in v4.into_iter().chain(v6).flatten() {
        facts.take(record);
    }
    match caa {
        Ok(Some((at, records))) => {
            facts.caa_at = Some(shown(&at));
            records.into_iter().for_each(|record| facts.take(record));
        }
        Ok(None) => {}
        Err(problem) => facts.caa_problem = Some(problem.to_string()),
    }
    facts
}

impl Facts {
    fn take(&mut self, record: Record) {
        match record.data {
            RData::A(address) if !self.v4.contains(&address.0) => self.v4.push(address.0),
            RData::AAAA(address) if !self.v6.contains(&address.0) => self.v6.push(address.0),
            RData::CAA(caa) => {
                let tag = printable(&caa.tag, TAG_SHOWN_LIMIT).to_ascii_lowercase();
                if caa.issuer_critical && !self.caa_critical.contains(&tag) {
                    self.caa_critical.push(tag.clone());
                }
                self.caa.push((tag, printable_bytes(&caa.value, VALUE_SHOWN_LIMIT)));
            }
            RData::CNAME(_) => {
                let target = alias(record).as_ref().map(shown).unwrap_or_default();
                // Both look-ups pass the same aliases, and so may the one for CAA.
                if !self.aliases.contains(&target) {
                    self.aliases.push(target);
                }
            }
            _ => {}
        }
    }
}

/// What is worth saying of two look-ups: an absence only when both are; any other failure always, since a CA that asks
/// for the one that fails gives up.
fn outcome(v4: &Result<Vec<Record>, Problem>, v6: &Result<Vec<Record>, Problem>) -> (Resolution, Option<String>) {
    match (v4.as_ref().err(), v6.as_ref().err()) {
        (None, None) => (Resolution::Found, None),
        (Some(first), Some(second)) => {
            let telling = if first.is_absence() { second } else { first };
            let resolution = match telling {
                Problem::NoSuchName | Problem::NoRecords => Resolution::Absent,
                Problem::Failing(_) => Resolution::Failing,
                Problem::Timeout | Problem::Unreachable(_) => Resolution::Unknown,
            };
            (resolution, Some(telling.to_string()))
        }
        (Some(one), None) if !one.is_absence() => (Resolution::Found, Some(format!("A records: {one}"))),
        (None, Some(one)) if !one.is_absence() => (Resolution::Found, Some(format!("AAAA records: {one}"))),
        _ => (Resolution::Found, None),
    }
}

/// The CAA records that apply to a name: its own, or those of the nearest name above it that has any (RFC 8659 section 3).
async fn climb(lookups: &Lookups, name: &Name) -> Result<Option<(Name, Vec<Record>)>, Problem> {
    let mut current = name.clone();
    for _ in 0..CAA_CLIMB_LIMIT {
        if current.is_root() {
            break;
        }
        match lookups.ask(&current, RecordType::CAA).await {
            Ok(mut records) => {
                records.retain(|record| record.record_type() == RecordType::CAA);
                if !records.is_empty() {
                    return Ok(Some((current, records)));
                }
            }
            Err(problem) if problem.is_absence() => {}
            Err(problem) => return Err(problem),
        }
        current = current.base_name();
    }
    Ok(None)
}
