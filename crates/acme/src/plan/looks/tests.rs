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

fn config() -> Config {
    Config::new(vec![CaConfig::new(CaId::new("le").unwrap(), "https://le.example/directory")])
}

fn planner() -> Planner {
    let mut planner = Planner::restore(config(), Vec::new(), &[], START);
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

/// What a name that waits for DNS shows.
fn shown(planner: &Planner, now: Timestamp) -> (FailureKind, String, Timestamp) {
    planner.status_of(&name(), now).unwrap().failure.unwrap()
}

#[test]
fn who_waits_for_dns_is_told_once_with_what_dns_says_and_since_when() {
    for (addresses, says) in [(0, "no usable address for a.com"), (7, "not this gateway's")] {
        let (mut planner, mut now) = (planner(), START);
        let job = next(&mut planner, &mut now);
        let sight = Sight { pointing: Pointing::NotHere, addresses };
        assert_eq!(planner.checked(job.id, &[(name(), sight)], now), [name()]);
        let (kind, sentence, since) = shown(&planner, now.after(Duration::from_secs(60)));
        assert_eq!((kind, since), (FailureKind::ValidationDns, START));
        assert!(sentence.starts_with("waits for DNS to point here: ") && sentence.contains(says), "{sentence}");
        for pointing in [Pointing::NotHere, Pointing::Here, Pointing::NotHere] {
            let job = next_look(&mut planner, &mut now);
            assert_eq!(planner.checked(job, &[(name(), Sight { pointing, addresses })], now), [], "once");
        }
    }
}

/// The next look; orders before it fail.
fn next_look(planner: &mut Planner, now: &mut Timestamp) -> JobId {
    loop {
        let job = next(planner, now);
        match job.work {
            Work::Order(_) => {
                planner.ordered(job.id, Err(Failure::new(FailureKind::ValidationDns, "no")), *now, &mut Half);
            }
            _ => return job.id,
        }
    }
}

#[test]
fn the_patience_with_dns_goes_on_over_a_restart() {
    let elsewhere = [(name(), Sight { pointing: Pointing::NotHere, addresses: 7 })];
    let (mut planner, mut now) = (planner(), START);
    let job = next(&mut planner, &mut now);
    assert_eq!(planner.checked(job.id, &elsewhere, now), [name()]);
    let records = planner.records();
    now = START.after(Duration::from_secs(400));
    planner = Planner::restore(config(), records, &[], now);
    planner.want(&SiteId::new("a.yaml"), TenantId(1), &[name()], &SiteOptions::default(), now);
    let mut job = next(&mut planner, &mut now);
    assert!(matches!(job.work, Work::CheckDns { .. }), "{job:?}");
    while let Work::CheckDns { .. } = job.work {
        assert_eq!(planner.checked(job.id, &elsewhere, now), [], "it was told before");
        assert_eq!(shown(&planner, now).2, START);
        job = next(&mut planner, &mut now);
    }
    assert!(matches!(job.work, Work::Order(_)), "{job:?}");
    assert_eq!(now, START.after(PATIENCE), "no patience is begun anew");
}
