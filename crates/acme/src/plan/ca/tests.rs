//! One CA through faults, limits and recoveries.

use super::*;

struct Half;

impl Randomness for Half {
    fn fraction(&mut self) -> f64 {
        0.0
    }
}

const START: Timestamp = Timestamp(1_000_000_000_000);

fn at(seconds: u64) -> Timestamp {
    START.after(Duration::from_secs(seconds))
}

fn ca() -> Ca {
    Ca::new(CaConfig::new(CaId::new("le").unwrap(), "https://acme-v02.api.letsencrypt.org/directory"))
}

fn holds(job: u64, counted: bool) -> Holds {
    Holds { job: JobId(job), counted, order: counted, domains: vec!["a.com".into()], set: 1 }
}

#[test]
fn faults_double_the_wait_up_to_an_hour_and_let_one_probe_through() {
    let mut ca = ca();
    let mut now = START;
    for expected in [30, 60, 120, 240, 480, 960, 1920, 3600, 3600] {
        ca.fault(FailureKind::Ca, None, now, now, &mut Half);
        assert_eq!(ca.gate(true, now), Gate::Down(Some(now.after(Duration::from_secs(expected)))));
        now = now.after(Duration::from_secs(expected));
        assert_eq!(ca.gate(true, now), Gate::Open);
        ca.hold(&holds(1, false));
        assert_eq!(ca.gate(true, now), Gate::Open, "an order that was in flight before is no probe");
        ca.probes(JobId(1), now);
        assert_eq!(ca.gate(true, now), Gate::Down(Some(now.after(PROBE_PATIENCE))), "one probe at a time");
        ca.settle(&holds(1, false), Spent::OrderOnly, now);
    }
    ca.works();
    assert_eq!(ca.gate(true, now), Gate::Open);
    assert_eq!(ca.health, Health::default());
}

#[test]
fn orders_that_fail_together_count_as_one_fault() {
    let mut ca = ca();
    for _ in 0..16 {
        ca.fault(FailureKind::Ca, None, at(0), at(10), &mut Half);
    }
    assert_eq!(ca.health.faults, 1);
    ca.fault(FailureKind::Ca, None, at(40), at(50), &mut Half);
    assert_eq!(ca.health.faults, 2);
}

#[test]
fn only_outages_let_another_ca_step_in() {
    for (kind, faults, seconds, expected) in [
        (FailureKind::Ca, 1, 60, false),
        (FailureKind::Ca, 1, 600, true),
        (FailureKind::Ca, 3, 120, true),
        (FailureKind::Storage, 9, 6000, false),
        (FailureKind::Account, 9, 6000, false),
    ] {
        let mut ca = ca();
        for fault in 0..faults {
            ca.fault(kind, None, at(fault), at(fault), &mut Half);
        }
        assert_eq!(ca.is_given_up(at(seconds)), expected, "{kind:?} {faults} {seconds}");
    }
}

#[test]
fn a_retry_after_wins_but_not_for_years() {
    let mut ca = ca();
    ca.fault(FailureKind::Ca, Some(Duration::from_secs(7200)), START, START, &mut Half);
    assert_eq!(ca.health.retry_at, at(7200));
    ca.fault(FailureKind::Ca, Some(Duration::MAX), START, START, &mut Half);
    assert!(ca.health.retry_at <= START.after(RETRY_AFTER_LIMIT));
}

#[test]
fn a_limit_closes_only_what_counts() {
    let mut ca = ca();
    for job in 0..300 {
        ca.hold(&holds(job, true));
        ca.settle(&holds(job, true), Spent::OrderOnly, START);
    }
    assert_eq!(ca.gate(true, START), Gate::Open);
    assert_eq!(ca.gate(false, START), Gate::Limited(at(36), Closed::Orders));
    let (domain, none) = (Arc::from("a.com"), Timestamp::default());
    assert!(ca.domain_free_at(&domain, START) <= START, "no certificate came");
    assert_eq!(ca.name_free_at("a.com", START), none);
}

#[test]
fn certificates_count_for_domain_and_set_and_failures_stop_one_short() {
    let mut ca = ca();
    for job in 0..5 {
        ca.hold(&holds(job, true));
        ca.settle(&holds(job, true), Spent::Certificate, START);
    }
    assert!(ca.domain_free_at(&Arc::from("a.com"), START) <= START);
    assert_eq!(ca.certificates_free_at(&[Arc::from("a.com")], 1, START), at(7 * 24 * 3600 / 5));
    for expected in [0, 0, 0, 720] {
        ca.authorization_failed(&Arc::from("a.com"), START);
        assert_eq!(ca.name_free_at("a.com", START).since(START).as_secs(), expected);
    }
}

#[test]
fn what_is_held_can_be_handed_on() {
    let mut ca = ca();
    ca.hold(&holds(1, true));
    ca.unhold(&holds(1, true));
    assert_eq!((ca.in_flight, ca.orders), (0, Bucket::default()));
    assert!(ca.domains.values().chain(ca.sets.values()).all(|bucket| *bucket == Bucket::default()));
}
