//! Back-off and what a change in DNS does to it.

use super::*;

struct Fixed(f64);

impl Randomness for Fixed {
    fn fraction(&mut self) -> f64 {
        self.0
    }
}

const START: Timestamp = Timestamp(1_000_000_000_000);

fn fresh() -> Name {
    Name::new(TenantId(1), "www.a.com".parse().unwrap(), START)
}

#[test]
fn the_ladder_climbs_with_jitter() {
    for (fraction, factor) in [(0.0, 0.9), (0.5, 1.0), (0.999, 1.1)] {
        let (mut name, mut now) = (fresh(), START);
        for minutes in [1.0, 10.0, 100.0, 360.0, 1440.0, 1440.0] {
            name.failed(now, None, &mut Fixed(fraction));
            let waits = name.fate.retry_at.since(now).as_secs_f64() / 60.0;
            assert!((waits - minutes * factor).abs() < minutes * 0.01, "{waits} instead of {minutes} · {factor}");
            now = name.fate.retry_at;
        }
        assert!(name.is_quarantined() && name.fate.alone);
    }
}

#[test]
fn the_later_of_ladder_and_retry_after_holds() {
    for (minutes, expected) in [(0, 1), (5, 5)] {
        let mut name = fresh();
        name.failed(START, Some(Duration::from_secs(60 * minutes)), &mut Fixed(0.5));
        assert_eq!(name.fate.retry_at.since(START).as_secs(), 60 * expected);
    }
}

#[test]
fn a_name_that_points_elsewhere_waits_a_day_and_later_a_week() {
    let mut name = fresh();
    name.sight = Some(Box::new(Sight { pointing: Pointing::NotHere, addresses: 0 }));
    name.failed(START, None, &mut Fixed(0.5));
    assert_eq!(name.fate.retry_at.since(START), Duration::from_secs(24 * 3600));
    name.fate.failures = HOPELESS_AFTER;
    name.failed(START, None, &mut Fixed(0.5));
    assert_eq!(name.fate.retry_at.since(START), HOPELESS);
}

#[test]
fn mended_dns_skips_the_wait_twice_and_then_takes_the_ladder() {
    let mut name = fresh();
    let mut now = START;
    let mut attempts = 0;
    for _ in 0..120 {
        now = now.after(Duration::from_secs(30));
        name.mended(now);
        if name.fate.retry_at <= now {
            attempts += 1;
            name.fate.last_attempt = now;
            name.failed(now, None, &mut Fixed(0.5));
        }
    }
    assert!((4..8).contains(&attempts), "{attempts} in an hour");
    name.mended(now.after(CALM * 2));
    assert_eq!(name.fate.skips, 1, "after a calm day it is free again");
}

#[test]
fn success_forgets_everything_but_the_challenge() {
    let mut name = fresh();
    name.failed(START, None, &mut Fixed(0.5));
    name.set_back(wait_after_setback(1, &mut Fixed(0.5)), START);
    name.tell(FailureKind::ValidationDns, &"ä".repeat(1000), START);
    assert!(name.fate.last.as_ref().is_some_and(|(_, sentence, _)| sentence.len() <= SENTENCE_LIMIT));
    name.fate.learned = Some(ChallengeKind::TlsAlpn01);
    name.succeeded(START);
    assert_eq!(*name.fate, Fate { learned: Some(ChallengeKind::TlsAlpn01), ..Fate::default() });
    assert!(!name.is_ordinary());
}

#[test]
fn what_could_cover_and_counts_a_name() {
    for (text, parent, domain) in [
        ("www.a.com", Some("a.com"), "a.com"),
        ("a.co.uk", Some("co.uk"), "a.co.uk"),
        ("*.a.com", None, "a.com"),
        ("9.9.9.9", None, "9.9.9.9"),
    ] {
        let name = Name::new(TenantId(1), text.parse().unwrap(), START);
        assert_eq!((name.parent().as_ref().map(Hostname::as_str), &*name.domain()), (parent, domain), "{text}");
    }
}
