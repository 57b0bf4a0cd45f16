//! Records: what is written, what is read back, and what happens to what cannot be.

mod asked;
mod changes;
mod clock;
mod forecasts;
mod scene;
mod turns;
mod waits;

use vestibule_certs::{
    Fingerprint,
    store::{CaId, Draft, IssuanceId, Issued, KeyType},
};

use super::*;
use crate::{
    Failure, FailureKind,
    config::{CaConfig, SiteOptions},
};

struct Fixed;

impl Randomness for Fixed {
    fn fraction(&mut self) -> f64 {
        0.5
    }
}

const START: Timestamp = Timestamp(1_800_000_000_000);

fn config() -> Config {
    let id = CaId::new("le").unwrap();
    let cas = vec![CaConfig::new(id, "https://acme-v02.api.letsencrypt.org/directory")];
    Config { advisory_checks: false, ..Config::new(cas) }
}

/// A planner with one failed order behind it and one in flight; and its records.
fn busy() -> (Planner, BTreeMap<String, Vec<u8>>) {
    let mut planner = Planner::restore(config(), Vec::new(), &[], START);
    for (site, name) in [("a.yaml", "a.com"), ("b.yaml", "b.com")] {
        let names = [name.parse().unwrap()];
        planner.want(&SiteId::new(site), TenantId(1), &names, &SiteOptions::default(), START);
    }
    let first = planner.next(START, &mut Fixed).unwrap();
    planner.next(START, &mut Fixed).unwrap();
    let error = Failure::new(FailureKind::ValidationTls, "no");
    planner.ordered(first.id, Err(error), START, &mut Fixed);
    let mut records = BTreeMap::new();
    for record in planner.records() {
        records.insert(record.key, record.value.expect("nothing was there to be removed"));
    }
    (planner, records)
}

fn restored(records: &BTreeMap<String, Vec<u8>>) -> Planner {
    let records = records.iter().map(|(key, value)| Record { key: key.clone(), value: Some(value.clone()) });
    Planner::restore(config(), records.collect(), &[], START)
}

#[test]
fn only_what_has_changed_is_written() {
    let (mut planner, records) = busy();
    let keys: Vec<&str> = records.keys().map(String::as_str).collect();
    assert_eq!(keys, ["failed/le/a.com", "flight/2", "name/1/a.com", "orders/le"]);
    assert!(planner.records().is_empty(), "nothing has changed since");
    let total: usize = records.values().map(Vec::len).sum();
    assert!(total < 1000, "{total} bytes");
}

#[test]
fn what_is_read_back_is_what_was_written() {
    let (_, records) = busy();
    let mut planner = restored(&records);
    assert!(planner.records().is_empty());
    assert_eq!(planner.orphans.len(), 1);
    let job = planner.resumed(planner.orphans[0].order.clone(), START);
    let written = planner.records();
    let keys: Vec<(&str, bool)> = written.iter().map(|r| (r.key.as_str(), r.value.is_some())).collect();
    assert_eq!(keys, [("flight/2", false), ("flight/3", true)]);
    assert_eq!(job, JobId(3), "never a number twice");
    let names = ["a.com".parse().unwrap()];
    planner.want(&SiteId::new("a.yaml"), TenantId(1), &names, &SiteOptions::default(), START);
    let ordered = |job: Job| matches!(job.work, Work::Order(_));
    assert!(!planner.next(START, &mut Fixed).is_some_and(ordered), "its back-off goes on");
    assert_eq!(planner.status_of(&names[0], START).unwrap().failures, 1);
}

#[test]
fn an_order_that_nobody_resumes_is_paid_for() {
    let (_, records) = busy();
    let mut planner = restored(&records);
    let before = planner.cas[0].orders.available(planner.config.cas[0].limits.orders, START);
    planner.next(START, &mut Fixed);
    let ca = &planner.cas[0];
    assert_eq!(ca.orders.available(planner.config.cas[0].limits.orders, START), before);
    assert_eq!((ca.in_flight, ca.orders.held), (0, 0));
    assert!(!ca.failed.contains_key("b.com"));
    assert_eq!(of_domain(&planner), 50, "no certificate came");
    assert!(planner.records().iter().any(|record| record.key == "flight/2" && record.value.is_none()));
}

/// How many certificates of the domain may still be had.
fn of_domain(planner: &Planner) -> u32 {
    let ca = &planner.cas[0];
    ca.domains["b.com"].available(ca.config.limits.certificates_per_domain, START)
}

#[test]
fn a_certificate_that_came_in_the_last_moment_is_paid_for() {
    let (_, records) = busy();
    for (since, left) in [(0, 49), (1, 49), (-60, 50)] {
        let obtained = std::time::SystemTime::from(Timestamp(START.0.saturating_add_signed(since * 1000)));
        let draft = Draft {
            tenant: TenantId(1),
            names: vec!["b.com".parse().unwrap()],
            ca: CaId::new("le").unwrap(),
            profile: None,
            key_type: KeyType::default(),
            renews: None,
        };
        let issued = Issued {
            id: IssuanceId::new("0000000001-b.com"),
            draft,
            not_before: obtained,
            not_after: obtained + std::time::Duration::from_secs(90 * 86_400),
            obtained,
            ari: None,
            issuer: "".into(),
            fingerprint: Fingerprint::default(),
        };
        let records = records.iter().map(|(key, value)| Record { key: key.clone(), value: Some(value.clone()) });
        let mut planner = Planner::restore(config(), records.collect(), &[issued], START);
        planner.next(START, &mut Fixed);
        assert_eq!(of_domain(&planner), left, "{since}");
    }
}

#[test]
fn an_order_that_was_placed_and_is_given_up_may_have_failed() {
    let (_, records) = busy();
    let mut planner = restored(&records);
    planner.cut_short(&CaId::new("le").unwrap(), TenantId(1), &["b.com".parse().unwrap()], START);
    assert!(planner.orphans.is_empty() && planner.cas[0].failed.contains_key("b.com"));
    assert!(planner.records().iter().any(|record| record.key == "failed/le/b.com" && record.value.is_some()));
}

#[test]
fn an_order_that_the_ca_never_confirmed_costs_an_order_and_proved_nothing() {
    let (_, records) = busy();
    let mut planner = restored(&records);
    let limits = planner.config.cas[0].limits.clone();
    let before = planner.cas[0].orders.available(limits.orders, START);
    let names = ["b.com".parse().unwrap()];
    let ca = CaId::new("le").unwrap();
    planner.unconfirmed(&ca, TenantId(2), &names, START);
    assert_eq!(planner.orphans.len(), 1, "it is another tenant's");
    planner.unconfirmed(&ca, TenantId(1), &names, START);
    planner.next(START, &mut Fixed);
    let ca = &planner.cas[0];
    assert_eq!(ca.orders.available(limits.orders, START), before);
    assert_eq!((ca.in_flight, ca.orders.held), (0, 0));
    assert!(!ca.failed.contains_key("b.com"), "nothing was looked at");
    assert_eq!(ca.domains["b.com"].held, 0);
    assert!(planner.records().iter().any(|record| record.key == "flight/2" && record.value.is_none()));
}

#[test]
fn whatever_cannot_be_read_is_left_out_and_removed() {
    let (_, good) = busy();
    let mut bad = good.clone();
    for (key, value) in [
        ("", "{}"),
        ("orders/", r#"{"v":1,"is":5}"#),
        ("orders/other", r#"{"v":1,"is":5}"#),
        ("domain/le/a.com", r#"{"v":2,"is":5}"#),
        ("domain/le", r#"{"v":1,"is":5}"#),
        ("set/le/xyz", r#"{"v":1,"is":5}"#),
        ("set/le/1", r#"{"v":1,"is":5}"#),
        ("health/le", "\u{0}"),
        ("name/1/-bad-", r#"{"v":1,"is":{}}"#),
        ("name/x/a.com", r#"{"v":1,"is":{}}"#),
        ("flight/9", r#"{"v":1,"is":{"names":["a.com"]}}"#),
        ("nonsense/le", r#"{"v":1,"is":5}"#),
    ] {
        bad.insert(key.into(), value.into());
    }
    let mut planner = restored(&bad);
    let removed = planner.records();
    assert_eq!(removed.len(), 12, "{removed:?}");
    assert!(removed.iter().all(|record| record.value.is_none() && !good.contains_key(&record.key)));
    assert_eq!(planner.orphans.len(), 1);
}

#[test]
fn every_record_cut_or_changed_anywhere_is_survived() {
    let (_, good) = busy();
    for (key, value) in &good {
        for place in 0..value.len() {
            for change in [None, Some(b'9'), Some(b'"'), Some(0xff)] {
                let mut records = good.clone();
                let damaged = match change {
                    None => value[..place].to_vec(),
                    Some(byte) => [&value[..place], &[byte], &value[place + 1..]].concat(),
                };
                records.insert(key.clone(), damaged);
                let mut planner = restored(&records);
                planner.next(START, &mut Fixed);
                planner.records();
            }
        }
    }
}

#[test]
fn what_is_idle_is_forgotten() {
    let (mut planner, mut records) = busy();
    planner.unwant(&SiteId::new("a.yaml"), START);
    planner.unwant(&SiteId::new("b.yaml"), START);
    let flight = *planner.flights.keys().next().unwrap();
    let error = Failure::new(FailureKind::Ca, "no");
    planner.ordered(flight, Err(error), START, &mut Fixed);
    let later = START.after(Duration::from_secs(30 * 24 * 3600));
    planner.next(later, &mut Fixed);
    planner.next(later.after(Duration::from_secs(24 * 3600)), &mut Fixed);
    for record in planner.records() {
        match record.value {
            Some(value) => drop(records.insert(record.key, value)),
            None => drop(records.remove(&record.key)),
        }
    }
    let left: Vec<&String> = records.keys().collect();
    assert_eq!(left, ["health/le", "orders/le"]);
    assert_eq!(planner.names.numbers().len(), 0);
}
