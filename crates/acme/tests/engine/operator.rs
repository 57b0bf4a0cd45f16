//! What an operator asks for.

use std::time::Duration;

use vestibule_acme::{Event, FailureKind};
use vestibule_names::{HostPattern, SiteId, TenantId};
use vestibule_testkit::certificate::{Authority, Validity};

use crate::{
    fake::Fault,
    house::{House, Run, test, test_of_days},
};

fn name(text: &str) -> HostPattern {
    HostPattern::parse(text).unwrap()
}

#[test]
fn a_renewal_is_answered_with_what_it_brought_or_why_it_did_not() {
    test(async {
        let house = House::new();
        let mut run = house.start_with(&["a.example.com"]);
        let Event::Obtained(first) = run.event().await else { panic!("a certificate") };
        let second = run.handle.renew(name("a.example.com")).await.unwrap().unwrap();
        assert!(second.id > first.id);
        assert!(matches!(run.event().await, Event::Renewed(issued) if issued == second));

        house.ca.fault("a.example.com", Some(Fault::Fail(FailureKind::ValidationTls)));
        let why = run.handle.renew(name("a.example.com")).await.unwrap().unwrap_err();
        assert!(why.starts_with("as the test asked; next attempt "), "{why}");

        let why = run.handle.renew(name("b.example.com")).await.unwrap().unwrap_err();
        assert!(why.contains("b.example.com"), "{why}");
        run.stop().await;
    });
}

#[test]
fn another_certificate_comes_before_one_is_revoked() {
    test(async {
        let house = House::new();
        let mut run = house.start();
        run.want("a", 1, &["a.example.com", "b.example.com"]);
        run.handle.ready();
        let Event::Obtained(first) = run.event().await else { panic!("a certificate") };
        let revoked = run.handle.revoke(name("a.example.com"), 4).await.unwrap().unwrap();
        assert_eq!((&revoked, house.ca.revoked()), (&first, vec![first.clone()]));
        let Event::Renewed(second) = run.event().await else { panic!("another first") };
        assert_eq!(second.draft.names, first.draft.names, "for all who were shown it");
        assert!(matches!(run.event().await, Event::Revoked(issued) if issued == first));
        for host in ["a.example.com", "b.example.com"] {
            assert_eq!(run.store.find(TenantId(1), &name(host)).unwrap(), second);
        }
        let why = run.handle.revoke(name("c.example.com"), 0).await.unwrap().unwrap_err();
        assert!(why.contains("nothing to revoke"), "{why}");
        assert_eq!(house.ca.orders(), 2);
        run.stop().await;
    });
}

#[test]
fn nothing_is_revoked_that_nothing_replaces_unless_the_key_was_stolen() {
    test(async {
        let house = House::new();
        let mut run = house.start_with(&["a.example.com"]);
        let Event::Obtained(first) = run.event().await else { panic!("a certificate") };
        house.ca.fault("a.example.com", Some(Fault::Fail(FailureKind::ValidationTls)));
        let why = run.handle.revoke(name("a.example.com"), 4).await.unwrap().unwrap_err();
        assert!(why.starts_with("nothing is revoked") && why.contains("as the test asked; next attempt"), "{why}");
        assert_eq!(house.ca.revoked(), []);
        assert_eq!(run.store.find(TenantId(1), &name("a.example.com")).as_ref(), Some(&first));
        assert!(matches!(run.event().await, Event::Failed { .. }));

        house.ca.fault("a.example.com", None);
        let revoked = run.handle.revoke(name("a.example.com"), 1).await.unwrap().unwrap();
        assert_eq!((&revoked, house.ca.revoked()), (&first, vec![first.clone()]));
        assert!(matches!(run.event().await, Event::Revoked(issued) if issued == first));
        assert_ne!(run.store.find(TenantId(1), &name("a.example.com")), Some(first));
        run.stop().await;
    });
}

#[test]
fn an_imported_certificate_serves_instead_of_an_order() {
    test(async {
        let house = House::new();
        let mut run = house.start();
        let issued = Authority::default().issue(&["a.example.com"], Validity::Now);
        let imported = run.handle.import(TenantId(1), issued.chain.clone().into(), issued.key.clone().into()).await;
        let imported = imported.unwrap().unwrap();
        assert!(matches!(run.event().await, Event::Obtained(issued) if issued == imported));
        let other = Authority::default().issue(&["a.example.com"], Validity::Now);
        let mixed = run.handle.import(TenantId(1), issued.chain.into(), other.key.into()).await.unwrap();
        assert!(mixed.is_err(), "{mixed:?}");
        run.want("a", 1, &["a.example.com"]);
        run.want("b", 2, &["b.example.org"]);
        run.handle.ready();
        run.certificates(1).await;
        assert_eq!(house.ca.certificates().into_keys().collect::<Vec<_>>(), ["b.example.org"]);
        run.stop().await;
    });
}

#[test]
fn what_was_imported_is_revoked_where_it_was_issued() {
    test(async {
        let house = House::new();
        let mut run = house.start();
        let issued = Authority::default().issue(&["a.example.com"], Validity::Now);
        let imported = run.handle.import(TenantId(1), issued.chain.into(), issued.key.into()).await.unwrap().unwrap();
        assert!(matches!(run.event().await, Event::Obtained(issued) if issued == imported));
        let taught = "certbot revoke --cert-path /etc/letsencrypt/live/a.example.com/cert.pem";
        let words = "as the test asked";
        for (kind, teaches, is_quoted) in [
            (FailureKind::Account, true, false),
            (FailureKind::Configuration, true, false),
            (FailureKind::Ca, true, true),
            (FailureKind::Storage, false, true),
        ] {
            house.ca.fault("a.example.com", Some(Fault::Fail(kind)));
            let why = run.handle.revoke(name("a.example.com"), 4).await.unwrap().unwrap_err();
            assert_eq!((why.contains(taught), why.contains(words)), (teaches, is_quoted), "{kind:?}: {why}");
            assert_eq!(run.store.find(TenantId(1), &name("a.example.com")).unwrap(), imported);
        }
        house.ca.fault("a.example.com", None);
        assert_eq!(run.handle.revoke(name("a.example.com"), 4).await.unwrap().unwrap(), imported);
        assert!(matches!(run.event().await, Event::Revoked(issued) if issued == imported));

        // Of what the gateway ordered itself the CA's words are told as they are.
        run.want("b", 1, &["b.example.com"]);
        run.handle.ready();
        run.certificates(1).await;
        house.ca.fault("b.example.com", Some(Fault::Fail(FailureKind::Account)));
        let why = run.handle.revoke(name("b.example.com"), 1).await.unwrap().unwrap_err();
        assert_eq!(why, words);
        run.stop().await;
    });
}

#[test]
fn accounts_roll_over_and_counts_are_known_without_waiting() {
    test(async {
        let house = House::new();
        let mut run = house.start_with(&["a.example.com"]);
        run.certificates(1).await;
        assert_eq!(run.handle.roll_over().await, Some(Ok(())));
        assert_eq!(house.ca.roll_overs(), 1);
        let handle = run.handle.clone();
        run.stop().await;
        let counts = handle.counts();
        assert_eq!(counts.orders, [("fake".to_owned(), "obtained", 1)]);
        assert!(counts.names.contains(&("valid", 1)), "{counts:?}");
        assert!(counts.next_expiry.is_some_and(|left| left > 89 * 86_400), "{counts:?}");
    });
}

#[test]
fn an_explanation_and_a_forecast_are_given_for_what_waits() {
    test(async {
        let house = House::new();
        house.ca.fault("a.example.com", Some(Fault::Fail(FailureKind::ValidationUnauthorized)));
        let mut run = house.start_with(&["a.example.com"]);
        assert!(matches!(run.event().await, Event::Failed { .. }));
        let explanation = run.handle.explain(name("a.example.com")).await.unwrap();
        assert_eq!(explanation.name, "a.example.com");
        assert!(!explanation.steps.is_empty() && !explanation.verdict.is_empty());
        let forecast = run.handle.forecast().await.unwrap();
        assert_eq!((forecast.sites.len(), forecast.orders), (1, 1));
        run.stop().await;
    });
}

#[test]
fn certificates_of_sites_that_are_gone_leave_the_store_long_after_their_end() {
    const DAY: Duration = Duration::from_hours(24);
    test_of_days(async {
        let house = House::new();
        let mut run = house.start_with(&["gone.example.com", "kept.example.org"]);
        run.certificates(2).await;
        run.handle.unwant(SiteId::new("gone.example.com"));
        let is_there = |run: &Run| run.store.find(TenantId(1), &name("gone.example.com")).is_some();
        tokio::time::sleep(115 * DAY).await;
        assert!(is_there(&run));
        tokio::time::sleep(10 * DAY).await;
        assert!(!is_there(&run));
        assert!(run.store.find(TenantId(2), &name("kept.example.org")).is_some());
        run.stop().await;
    });
}
