//! When certificates are renewed.

use std::time::SystemTime;

use vestibule_certs::{
    Fingerprint,
    store::{CaId, Draft, IssuanceId, Issued, KeyType},
};
use vestibule_names::TenantId;

use super::*;

struct Fixed(f64);

impl Randomness for Fixed {
    fn fraction(&mut self) -> f64 {
        self.0
    }
}

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const START: Timestamp = Timestamp(1_000_000_000_000);

fn cert(lifetime: Duration) -> Cert {
    cert_numbered(1, lifetime)
}

fn cert_numbered(number: u64, lifetime: Duration) -> Cert {
    let start = SystemTime::from(START);
    let draft = Draft {
        tenant: TenantId(1),
        names: vec!["a.com".parse().unwrap()],
        ca: CaId::new("le").unwrap(),
        profile: None,
        key_type: KeyType::EcdsaP256,
        renews: None,
    };
    let issued = Issued {
        id: IssuanceId::numbered(number, &draft.names[0]),
        draft,
        not_before: start,
        not_after: start + lifetime,
        obtained: start,
        ari: Some("a.b".into()),
        issuer: "".into(),
        fingerprint: Fingerprint::default(),
    };
    Cert::new(&Arc::new(issued.into()))
}

fn window(start: Timestamp, end: Timestamp) -> RenewalWindow {
    RenewalWindow { start, end, retry_after: None }
}

#[test]
fn without_a_window_a_third_is_left_or_half_of_a_short_life_never_less() {
    for (lifetime, margin) in [(DAY * 90, DAY * 30), (DAY * 45, DAY * 15), (HOUR * 160, HOUR * 80), (DAY, HOUR * 12)] {
        let cert = cert(lifetime);
        let left = cert.end().since(cert.due_at());
        assert!(left >= margin && left <= margin.mul_f64(1.1), "{left:?} of {lifetime:?}");
    }
}

#[test]
fn an_instant_is_chosen_once_per_window() {
    let mut cert = cert(DAY * 90);
    let (from, to) = (START.after(DAY * 58), START.after(DAY * 62));
    assert!(cert.told(window(from, to), START, &mut Fixed(0.25)));
    assert_eq!(cert.due_at(), START.after(DAY * 59));
    assert!(!cert.told(window(from, to), START, &mut Fixed(0.9)), "the same window");
    assert_eq!(cert.due_at(), START.after(DAY * 59));
    assert!(cert.told(window(from, to.after(HOUR)), START, &mut Fixed(0.9)));
    assert!(cert.due_at() > START.after(DAY * 61));
}

#[test]
fn windows_that_make_no_sense_change_little() {
    let now = START.after(DAY * 10);
    let day = |day| START.after(DAY * day);
    // What a window says, and between which days the renewal is then due.
    for (from, to, earliest, latest) in [
        (day(5), day(6), day(10), day(11)),     // past: now
        (day(6), day(5), day(10), day(11)),     // the wrong way round, and past
        (day(200), day(300), day(57), day(60)), // after the end: the fallback
        (day(88), day(89), day(57), day(60)),   // too near the end: the fallback
        (Timestamp(0), Timestamp(u64::MAX), day(57), day(60)),
        (Timestamp(u64::MAX), Timestamp(u64::MAX), day(57), day(60)),
    ] {
        let mut cert = cert(DAY * 90);
        cert.told(window(from, to), now, &mut Fixed(0.5));
        let due = cert.due_at();
        assert!(due >= earliest && due <= latest, "{from:?}..{to:?}: {due:?}");
    }
}

#[test]
fn a_mass_revocation_is_spread_and_never_renews_what_has_just_come() {
    let mut young = cert(DAY * 90);
    let now = START.after(Duration::from_secs(60));
    young.told(window(Timestamp(0), Timestamp(1)), now, &mut Fixed(0.5));
    assert_eq!(young.due_at(), START.after(YOUNGEST));
    let now = START.after(DAY);
    let due = [0.0, 0.5, 0.9].map(|fraction| {
        let mut old = cert(DAY * 90);
        old.told(window(Timestamp(0), Timestamp(1)), now, &mut Fixed(fraction));
        old.due_at().since(now)
    });
    assert!(due.is_sorted() && due[2] < PAST_WINDOW_SPREAD && due[0] < due[2]);
}

#[test]
fn phases_follow_each_other() {
    let cert = cert(DAY * 90);
    let mut now = START;
    let mut phases = vec![cert.phase(now)];
    while let Some(next) = cert.next_phase_at(now) {
        now = next;
        phases.push(cert.phase(now));
    }
    assert_eq!(phases, [Phase::Fresh, Phase::Due, Phase::Urgent, Phase::Ended]);
}

#[test]
fn lifetimes_of_nothing_are_no_reason_to_fail() {
    for lifetime in [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(5)] {
        let cert = cert(lifetime);
        assert_eq!(cert.phase(START.after(lifetime)), Phase::Ended);
        assert!(cert.next_phase_at(START).is_some() || lifetime.is_zero());
    }
}

#[test]
fn fingerprints_keep_parts_apart_and_fractions_are_spread() {
    let of = |parts: &[&str]| fingerprint(parts.iter().map(|part| part.as_bytes()));
    assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
    assert_eq!(of(&["a.com"]), of(&["a.com"]));
    let fractions: Vec<f64> = (0..1000).map(|number| cert_numbered(number, DAY).fraction()).collect();
    assert!(fractions.iter().all(|fraction| (0.0..1.0).contains(fraction)));
    let mean = fractions.iter().sum::<f64>() / 1000.0;
    assert!((0.45..0.55).contains(&mean), "{mean}");
}
