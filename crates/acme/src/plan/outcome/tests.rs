//! What a CA that is down means for the names that found out.

use vestibule_certs::store::CaId;
use vestibule_names::{SiteId, TenantId};

use super::*;
use crate::{
    Config,
    config::{CaConfig, SiteOptions},
    plan::{Job, Work},
};

struct Half;

impl Randomness for Half {
    fn fraction(&mut self) -> f64 {
        0.5
    }
}

/// When each order of a single name is placed, in seconds, and at which CA, as long as both are down.
fn probes(count: usize) -> Vec<(u64, String)> {
    let ca = |id: &str| CaConfig::new(CaId::new(id).unwrap(), &format!("https://{id}.example/directory"));
    let config = Config { advisory_checks: false, ..Config::new(vec![ca("first"), ca("second")]) };
    let start = Timestamp(1_800_000_000_000);
    let mut planner = Planner::restore(config, Vec::new(), &[], start);
    planner.want(&SiteId::new("a.yaml"), TenantId(1), &["a.com".parse().unwrap()], &SiteOptions::default(), start);
    let (mut now, mut probes) = (start, Vec::new());
    while probes.len() < count {
        let Some(Job { id, work: Work::Order(order) }) = planner.next(now, &mut Half) else {
            now = planner.wake_at().expect("something to wait for").max(Timestamp(now.0 + 1));
            continue;
        };
        probes.push((now.since(start).as_secs(), order.ca.to_string()));
        planner.ordered(id, Err(Failure::new(FailureKind::Ca, "down")), now, &mut Half);
    }
    probes
}

#[test]
fn the_next_ca_is_asked_as_soon_as_the_first_is_given_up() {
    let probes = probes(6);
    let cas: Vec<_> = probes.iter().map(|(_, ca)| ca.as_str()).collect();
    assert_eq!(cas[..4], ["first", "first", "first", "second"], "{probes:?}");
    assert_eq!(probes[2].0, probes[3].0, "at once: {probes:?}");
    assert!(probes[4].0 > probes[3].0, "both are down: nobody is asked again and again: {probes:?}");
}

#[test]
fn only_a_proof_that_the_ca_looked_for_counts_as_a_failed_one() {
    let start = Timestamp(1_800_000_000_000);
    for (asked, counted) in [(Asked::Ca, true), (Asked::Nobody, false)] {
        let ca = CaConfig::new(CaId::new("first").unwrap(), "https://first.example/directory");
        let config = Config { advisory_checks: false, ..Config::new(vec![ca]) };
        let mut planner = Planner::restore(config, Vec::new(), &[], start);
        planner.want(&SiteId::new("a.yaml"), TenantId(1), &["a.com".parse().unwrap()], &SiteOptions::default(), start);
        let job = planner.next(start, &mut Half).expect("an order");
        let failure = Failure { asked, ..Failure::new(FailureKind::ValidationDns, "the TXT record did not appear") };
        planner.ordered(job.id, Err(failure), start, &mut Half);
        assert_eq!(planner.cas[0].failed.contains_key("a.com"), counted, "{asked:?}");
        let status = planner.status_of(&"a.com".parse().unwrap(), start).unwrap();
        assert_eq!(status.failures, 1, "it waits for its turn of the ladder all the same: {asked:?}");
    }
}

/// Each number another one, so that what is drawn twice differs.
struct Rising(f64);

impl Randomness for Rising {
    fn fraction(&mut self) -> f64 {
        self.0 = (self.0 + 0.37).fract();
        self.0
    }
}

#[test]
fn names_of_an_order_that_failed_as_a_whole_are_ordered_together_again() {
    for kind in [FailureKind::Ca, FailureKind::Configuration, FailureKind::Limit] {
        let ca = CaConfig::new(CaId::new("first").unwrap(), "https://first.example/directory");
        let config = Config { advisory_checks: false, ..Config::new(vec![ca]) };
        let mut now = Timestamp(1_800_000_000_000);
        let (mut planner, mut random) = (Planner::restore(config, Vec::new(), &[], now), Rising(0.0));
        let names = ["a.com", "b.com", "c.com"].map(|text| text.parse().unwrap());
        planner.want(&SiteId::new("a.yaml"), TenantId(1), &names, &SiteOptions::default(), now);
        let mut orders = 0;
        for _ in 0..1000 {
            match planner.next(now, &mut random) {
                Some(Job { id, work: Work::Order(order) }) => {
                    assert_eq!(order.names, names, "order {orders} after {kind:?}");
                    orders += 1;
                    planner.ordered(id, Err(Failure::new(kind, "down")), now, &mut random);
                }
                Some(_) => {}
                None => now = planner.wake_at().expect("something to wait for").max(Timestamp(now.0 + 1)),
            }
            if orders == 6 {
                break;
            }
        }
        assert_eq!(orders, 6, "{kind:?}");
    }
}
