//! What the tests of the whole planner share: one CA, its certificates, and few words for wanting and ordering.

use std::time::{Duration, SystemTime};

use vestibule_certs::{
    Fingerprint,
    store::{CaId, Draft, IssuanceId, Issued, KeyType},
};
use vestibule_names::{HostPattern, SiteId, TenantId};

use super::super::*;
use crate::{
    Failure, FailureKind,
    config::{CaConfig, CaLimits, SiteOptions},
};

pub(super) const T: Timestamp = Timestamp(1_800_000_000_000);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

pub(super) struct Half;

impl Randomness for Half {
    fn fraction(&mut self) -> f64 {
        0.5
    }
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn lets_encrypt() -> CaConfig {
    let id = CaId::new("letsencrypt").unwrap();
    let mut ca = CaConfig::new(id, "https://acme-v02.api.letsencrypt.org/directory");
    ca.limits = CaLimits::lets_encrypt();
    ca
}

pub(super) fn config(cas: Vec<CaConfig>) -> Config {
    Config { advisory_checks: false, ..Config::new(cas) }
}

/// A planner that knows these issuances.
pub(super) fn planner(issued: &[Issued], now: Timestamp) -> Planner {
    Planner::restore(config(vec![lets_encrypt()]), Vec::new(), issued, now)
}

/// An issuance of 90 days for one name of tenant 1.
pub(super) fn issued(number: u64, name: &str, start: Timestamp) -> Issued {
    Issued {
        id: IssuanceId::numbered(number, &pattern(name)),
        draft: Draft {
            tenant: TenantId(1),
            names: vec![pattern(name)],
            ca: CaId::new("letsencrypt").unwrap(),
            profile: None,
            key_type: KeyType::EcdsaP256,
            renews: None,
        },
        not_before: start.into(),
        not_after: SystemTime::from(start) + DAY * 90,
        obtained: start.into(),
        ari: Some(format!("aaa.{number}").into()),
        issuer: "x".into(),
        fingerprint: Fingerprint::of(&number.to_be_bytes()),
    }
}

pub(super) fn pattern(name: &str) -> HostPattern {
    HostPattern::parse(name).unwrap()
}

/// A site of this tenant that wants one name.
pub(super) fn want(planner: &mut Planner, tenant: u32, name: &str, options: &SiteOptions, now: Timestamp) {
    let site = SiteId::new(&format!("{name}.yaml"));
    planner.want(&site, TenantId(tenant), &[pattern(name)], options, now);
}

/// Every order that may be placed now.
pub(super) fn orders(planner: &mut Planner, now: Timestamp) -> Vec<(JobId, Order)> {
    let mut found = Vec::new();
    while let Some(job) = planner.next(now, &mut Half) {
        if let Work::Order(order) = job.work {
            found.push((job.id, order));
        }
    }
    found
}

/// After how many steps the first order comes, within a year.
pub(super) fn first_order(planner: &mut Planner, from: Timestamp, step: Duration) -> Option<u32> {
    let steps = u32::try_from((DAY * 365).as_secs() / step.as_secs()).unwrap();
    (0..steps).find(|count| !orders(planner, from.after(step * *count)).is_empty())
}

pub(super) fn failure(kind: FailureKind) -> Failure {
    Failure::new(kind, "no")
}
