//! From a wanted name to its certificate, and to the next.

use std::{collections::BTreeSet, time::Duration};

use vestibule_acme::{Event, FailureKind, Timestamp};
use vestibule_names::{HostPattern, SiteId, TenantId};

use crate::{
    fake::{Fault, Point},
    house::{House, test, test_of_days},
};

const DAY: Duration = Duration::from_hours(24);

#[test]
fn a_wanted_name_gets_a_certificate_that_the_store_has_before_it_is_told() {
    test(async {
        let house = House::new();
        let mut run = house.start_with(&["a.example.com"]);
        let Event::Obtained(issued) = run.event().await else { panic!("a certificate") };
        let name = HostPattern::parse("a.example.com").unwrap();
        assert_eq!(run.store.find(TenantId(1), &name).unwrap(), issued);
        let status = run.handle.status(vec![SiteId::new("a.example.com")]).await.unwrap();
        assert_eq!((status.len(), status[0].issuance.as_ref()), (1, Some(&issued.id)));
        run.stop().await;
    });
}

#[test]
fn a_host_is_in_flight_until_its_certificate_has_been_told() {
    test(async {
        let house = House::new();
        house.ca.hold_at(Some(Point::Asked));
        let mut run = house.start_with(&["a.example.com"]);
        house.ca.held().await;
        assert!(run.door.is_ordering("a.example.com") && !run.door.is_ordering("b.example.com"));
        house.ca.fault("b.example.com", Some(Fault::Fail(FailureKind::ValidationDns)));
        house.ca.hold_at(None);
        run.want("b", 2, &["b.example.com"]);
        assert!(matches!(run.event().await, Event::Failed { .. }));
        run.door.settled("b.example.com").await;
        assert!(run.door.is_ordering("a.example.com"));
        let door = run.door.clone();
        run.kill().await;
        door.settled("a.example.com").await;
    });
}

#[test]
fn renewal_information_that_turns_urgent_renews_long_before_the_calendar_would() {
    test_of_days(async {
        let house = House::new();
        let mut run = house.start_with(&["a.example.com"]);
        let Event::Obtained(first) = run.event().await else { panic!("a certificate") };
        tokio::time::sleep(DAY * 3).await;
        assert_eq!(house.ca.orders(), 1);
        house.ca.set_overdue(true);
        let Event::Renewed(second) = run.event().await else { panic!("a renewal") };
        assert_eq!(second.draft.renews.as_ref(), Some(&first.id));
        let after = second.obtained.duration_since(first.obtained).unwrap();
        assert!(after > DAY * 3 && after < DAY * 4, "{after:?}");
        run.stop().await;
    });
}

#[test]
fn without_a_window_a_certificate_is_renewed_by_the_calendar_also_over_a_restart() {
    test_of_days(async {
        let mut house = House::new();
        house.ca.set_silent(true);
        house.config.orders_at_once = 1;
        let mut run = house.start_with(&["a.example.com"]);
        let Event::Obtained(first) = run.event().await else { panic!("a certificate") };
        tokio::time::sleep(DAY * 30).await;
        run.stop().await;
        let mut run = house.start_with(&["a.example.com"]);
        let Event::Renewed(second) = run.event().await else { panic!("a renewal") };
        let left = first.not_after.duration_since(second.obtained).unwrap();
        assert!(left > DAY * 20 && left < DAY * 40, "{left:?}");
        run.stop().await;
    });
}

#[test]
fn a_certificate_that_cannot_be_renewed_is_told_of_every_day_long_before_its_end() {
    test_of_days(async {
        let house = House::new();
        let mut run = house.start_with(&["a.example.com"]);
        let Event::Obtained(first) = run.event().await else { panic!("a certificate") };
        house.ca.fault("a.example.com", Some(Fault::Fail(FailureKind::Configuration)));
        let mut told = Vec::new();
        while told.len() < 2 {
            match run.event().await {
                Event::Expiring { issued, why } => {
                    assert_eq!((&issued.id, why.as_deref()), (&first.id, Some("as the test asked")));
                    told.push(first.not_after.duration_since(house.ca.clock().time()).unwrap());
                }
                Event::Failed { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(told[0] > DAY * 17 && told[0] <= DAY * 18, "{told:?}");
        assert!(told.windows(2).all(|pair| pair[0] - pair[1] >= DAY), "{told:?}");
        run.stop().await;
    });
}

#[test]
fn a_name_that_failed_gets_its_certificate_without_anybody_asking_again() {
    test_of_days(async {
        let house = House::new();
        house.ca.fault("a.example.com", Some(Fault::Fail(FailureKind::ValidationConnection)));
        let mut run = house.start_with(&["a.example.com"]);
        let Event::Failed { next_attempt, .. } = run.event().await else { panic!("a failure") };
        house.ca.fault("a.example.com", None);
        let Event::Obtained(issued) = run.event().await else { panic!("a certificate") };
        // The store keeps whole seconds.
        assert!(Timestamp::from(issued.obtained) >= next_attempt.unwrap().before(Duration::from_secs(1)));
        run.stop().await;
    });
}

#[test]
fn nothing_is_ordered_before_all_sites_have_spoken() {
    test(async {
        let house = House::new();
        let mut run = house.start();
        run.want("a", 1, &["a.example.com"]);
        assert!(run.handle.status(vec![SiteId::new("a")]).await.is_some(), "the want has been taken");
        run.handle.unwant(SiteId::new("a"));
        run.want("b", 1, &["b.example.com"]);
        assert!(run.handle.status(vec![SiteId::new("b")]).await.is_some());
        assert_eq!(house.ca.orders(), 0);
        run.handle.ready();
        run.certificates(1).await;
        assert_eq!(house.ca.certificates().into_keys().collect::<Vec<_>>(), ["b.example.com"]);
        run.stop().await;
    });
}

#[test]
fn a_burst_of_a_thousand_sites_is_served_within_the_bound_of_orders_in_flight() {
    test(async {
        let house = House::in_memory();
        let names: Vec<String> = (0..1_000).map(|number| format!("s{number}.example{}.com", number % 50)).collect();
        let mut run = house.start();
        for (number, name) in names.iter().enumerate() {
            run.want(name, u32::try_from(number % 10).unwrap(), &[name]);
        }
        run.handle.ready();
        let mut covered = BTreeSet::new();
        while covered.len() < names.len() {
            let Event::Obtained(issued) = run.event().await else { panic!("a certificate") };
            covered.extend(issued.draft.names.iter().map(HostPattern::to_string));
        }
        assert!(house.ca.certificates().values().all(|count| *count == 1));
        assert!(house.ca.most_in_flight() <= house.config.orders_at_once, "{}", house.ca.most_in_flight());
        run.stop().await;
    });
}

#[test]
fn a_tenant_with_one_site_does_not_wait_for_a_tenant_with_hundreds() {
    test(async {
        let house = House::in_memory();
        let mut run = house.start();
        for number in 0..300 {
            // Domains of their own, so that nothing is packed and everything takes an order.
            run.want(&format!("big{number}"), 1, &[&format!("www.big{number}.com")]);
        }
        run.want("small", 2, &["www.small.com"]);
        run.handle.ready();
        let mut before = 0;
        loop {
            match run.event().await {
                Event::Obtained(issued) if issued.draft.tenant == TenantId(2) => break,
                Event::Obtained(_) => before += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(before <= 2 * house.config.orders_at_once, "{before} orders of the other tenant came first");
        run.stop().await;
    });
}

#[test]
fn a_panic_in_one_order_is_its_failure_and_ends_nothing() {
    test(async {
        let house = House::new();
        house.ca.fault("a.example.com", Some(Fault::Panic));
        let mut run = house.start_with(&["a.example.com"]);
        let Event::Failed { names, failure, next_attempt, .. } = run.event().await else { panic!("a failure") };
        assert_eq!((names.len(), failure.kind), (1, FailureKind::Ca));
        assert!(failure.sentence.contains("bug") && next_attempt.is_some(), "{failure:?}");
        run.want("b", 2, &["b.example.org"]);
        run.certificates(1).await;
        assert_eq!(house.ca.certificates().into_keys().collect::<Vec<_>>(), ["b.example.org"]);
        run.stop().await;
    });
}

#[test]
fn a_site_that_goes_cancels_no_order() {
    test(async {
        let house = House::new();
        house.ca.hold_at(Some(Point::Noted));
        let mut run = house.start_with(&["a.example.com"]);
        house.ca.held().await;
        run.handle.unwant(SiteId::new("a.example.com"));
        assert!(run.handle.status(Vec::new()).await.is_some(), "the change has been taken");
        assert!(run.door.is_ordering("a.example.com"));
        house.ca.hold_at(None);
        run.want("b", 2, &["b.example.com"]);
        run.certificates(1).await;
        assert!(run.door.is_ordering("a.example.com"));
        run.stop().await;
    });
}
