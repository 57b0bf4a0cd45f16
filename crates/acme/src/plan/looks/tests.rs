//! What a look at DNS does to a name that waits.

use vestibule_certs::store::CaId;

use super::*;
use crate::{
    Config, Failure, FailureKind,
    config::{CaConfig, SiteOptions},
    plan::Randomness,
};

struct Half;

impl Randomness for Half {
    fn fraction(&mut self) -> f64 {
        0.5
    }
}

const START: Timestamp = Timestamp(1_800_000_000_000);

fn planner() -> Planner {
    let ca = CaConfig::new(CaId::new("le").unwrap(), "https://le.example/directory");
    let mut planner = Planner::restore(Config::new(vec![ca]), Vec::new(), &[], START);
    planner.want(&SiteId::new("a.yaml"), TenantId(1), &[name()], &SiteOptions::default(), START);
    planner
}

fn name() -> HostPattern {
    "a.com".parse().unwrap()
}

/// The next job, and when it came.
fn next(planner: &mut Planner, now: &mut Timestamp) -> Job {
    for _ in 0..1000 {
        match planner.next(*now, &mut Half) {
            Some(job) => return job,
            None => *now = planner.wake_at().expect("something to wait for").max(Timestamp(now.0 + 1)),
        }
    }
    panic!("nothing comes");
}

/// A look sees this.
fn look(planner: &mut Planner, now: &mut Timestamp, pointing: Pointing, addresses: u64) {
    let job = next(planner, now);
    assert!(matches!(job.work, Work::CheckDns { .. }), "{job:?}");
    planner.checked(job.id, &[(name(), Sight { pointing, addresses })], *now);
}

#[test]
fn after_a_failure_any_change_of_addresses_is_a_reason_to_try_again() {
    use Pointing::{Here, NotHere, Unknown};
    for (pointing, addresses, again) in
        [(Here, 2, true), (Here, 1, false), (Unknown, 2, true), (Unknown, 0, false), (NotHere, 2, false)]
    {
        let (mut planner, mut now) = (planner(), START);
        look(&mut planner, &mut now, Here, 1);
        for _ in 0..3 {
            let mut job = next(&mut planner, &mut now);
            while matches!(job.work, Work::CheckDns { .. }) {
                planner.checked(job.id, &[(name(), Sight { pointing: Here, addresses: 1 })], now);
                job = next(&mut planner, &mut now);
            }
            let failure = Failure::new(FailureKind::ValidationConnection, "the AAAA leads elsewhere");
            planner.ordered(job.id, Err(failure), now, &mut Half);
        }
        look(&mut planner, &mut now, pointing, addresses);
        let ordered = planner.next(now, &mut Half).is_some_and(|job| matches!(job.work, Work::Order(_)));
        assert_eq!(ordered, again, "{pointing:?} {addresses}");
    }
}
