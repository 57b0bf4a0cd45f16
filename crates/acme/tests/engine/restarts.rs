//! Ends of every kind: what is on disk afterwards is gone on with, and nothing is ordered twice.

use std::time::{Duration, Instant};

use vestibule_acme::{
    Event, FailureKind, Timestamp,
    config::{ChallengeKind, DnsProvider, SiteDns, SiteOptions},
    plan::Order,
};
use vestibule_names::HostPattern;

use crate::{
    fake::{Fault, POINTS, Point},
    house::{House, Run, test, test_of_days},
};

#[test]
fn an_order_that_was_killed_at_any_point_brings_one_certificate() {
    for point in POINTS {
        test(async {
            let house = House::new();
            house.ca.hold_at(Some(point));
            let run = house.start_with(&["a.example.com"]);
            house.ca.held().await;
            run.kill().await;
            house.ca.hold_at(None);
            let mut run = house.start_with(&["a.example.com"]);
            run.certificates(1).await;
            assert_eq!(
                house.ca.certificates().into_iter().collect::<Vec<_>>(),
                [("a.example.com".into(), 1)],
                "{point:?}"
            );
            // What the CA had confirmed was gone on with; otherwise it was ordered anew.
            let expected = if point == Point::Ordered { 2 } else { 1 };
            assert_eq!(house.ca.orders(), expected, "{point:?}");
            assert!(run.store.pending().is_empty(), "{point:?}");
            run.stop().await;
        });
    }
}

#[test]
fn an_order_that_the_ca_has_forgotten_meanwhile_costs_just_one_more() {
    test(async {
        let house = House::new();
        house.ca.hold_at(Some(Point::Noted));
        let run = house.start_with(&["a.example.com"]);
        house.ca.held().await;
        run.kill().await;
        house.ca.forget_orders();
        house.ca.hold_at(None);
        let mut run = house.start_with(&["a.example.com"]);
        let Event::Failed { failure, next_attempt, .. } = run.event().await else { panic!("a failure") };
        assert_eq!(failure.kind, FailureKind::Gone);
        assert!(next_attempt.is_some_and(|at| at <= Timestamp::from(house.ca.clock().time())), "at once");
        run.certificates(1).await;
        assert_eq!((house.ca.asked().len(), house.ca.orders()), (3, 2), "asked, gone on with, asked anew");
        assert_eq!(house.ca.certificates().into_values().collect::<Vec<_>>(), [1]);
        run.stop().await;
    });
}

#[test]
fn a_storm_of_restarts_orders_one_certificate_for_each_name() {
    test(async {
        let house = House::new();
        let names: Vec<String> = (0..12).map(|number| format!("www.site{number}.com")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for restart in 0..50 {
            house.ca.hold_at(Some(POINTS[restart % POINTS.len()]));
            let run = house.start_with(&names[..=restart % names.len()]);
            // Everything may have come already; then there is nothing to kill.
            if house.ca.certificates().len() <= restart % names.len() {
                house.ca.held().await;
            }
            run.kill().await;
        }
        house.ca.hold_at(None);
        let run = house.start_with(&names);
        let site = |name: &&str| vestibule_names::SiteId::new(name);
        let all_valid = async || {
            let status = run.handle.status(names.iter().map(site).collect()).await.unwrap();
            status.len() == names.len() && status.iter().all(|status| status.issuance.is_some())
        };
        while !all_valid().await {
            tokio::task::yield_now().await;
        }
        let certificates = house.ca.certificates();
        assert_eq!(certificates.len(), names.len());
        assert!(certificates.values().all(|count| *count == 1), "{certificates:?}");
        run.stop().await;
    });
}

#[test]
fn what_nobody_wants_any_more_is_given_up_and_what_another_holds_by_now_too() {
    for successor in [None, Some(7)] {
        test(async {
            let house = House::new();
            house.ca.hold_at(Some(Point::Noted));
            let run = house.start_with(&["a.example.com"]);
            house.ca.held().await;
            run.kill().await;
            house.ca.hold_at(None);
            let mut run = house.start();
            if let Some(tenant) = successor {
                run.want("theirs", tenant, &["a.example.com"]);
            }
            run.want("b", 2, &["b.example.com"]);
            run.handle.ready();
            run.certificates(1 + usize::from(successor.is_some())).await;
            let issued = run.store.current();
            assert!(issued.iter().all(|issued| issued.draft.tenant.0 != 1), "{issued:?}");
            assert!(run.store.pending().is_empty());
            run.stop().await;
        });
    }
}

#[test]
fn an_order_that_outlived_its_attempt_is_gone_on_with_by_the_next_one() {
    test_of_days(async {
        let house = House::new();
        house.ca.hold_at(Some(Point::Noted));
        let mut run = house.start_with(&["a.example.com"]);
        house.ca.held().await;
        // The engine's own limit of an order ends what the CA never does.
        let Event::Failed { failure, .. } = run.event().await else { panic!("a failure") };
        assert_eq!(failure.kind, FailureKind::Ca);
        house.ca.hold_at(None);
        run.certificates(1).await;
        assert_eq!(house.ca.orders(), 1);
        run.stop().await;
    });
}

#[test]
fn a_stop_is_prompt_with_orders_that_hang() {
    test(async {
        let house = House::new();
        house.ca.hold_at(Some(Point::Issued));
        let run = house.start_with(&["a.example.com", "b.example.com"]);
        house.ca.held().await;
        let handle = run.handle.clone();
        let waiting = tokio::task::spawn_local(async move {
            let name = HostPattern::parse("a.example.com").unwrap();
            handle.renew(name).await
        });
        tokio::task::yield_now().await;
        let begin = Instant::now();
        let handle = run.handle.clone();
        run.stop().await;
        assert!(begin.elapsed() < Duration::from_secs(30), "far less than any order's limit");
        assert!(waiting.await.unwrap().is_none(), "there is nobody to answer");
        assert!(handle.forecast().await.is_none());
    });
}

#[test]
fn failures_are_remembered_over_a_restart() {
    test(async {
        let house = House::new();
        house.ca.fault("a.example.com", Some(Fault::Fail(FailureKind::ValidationConnection)));
        let mut run = house.start_with(&["a.example.com"]);
        let Event::Failed { next_attempt, .. } = run.event().await else { panic!("a failure") };
        run.stop().await;
        let run = house.start_with(&["a.example.com"]);
        let status = run.handle.status(vec![vestibule_names::SiteId::new("a.example.com")]).await.unwrap();
        assert_eq!((status[0].next_attempt, status[0].failures), (next_attempt, 1));
        run.stop().await;
    });
}

/// Two sites whose orders say more than the CA's list: a wildcard, and one that chose a provider.
fn want_dns(run: &Run) {
    run.want("wild", 1, &["*.example.com"]);
    let chosen = SiteOptions { dns: Some(SiteDns::Named("default".to_owned())), ..SiteOptions::default() };
    run.want_with("chosen", 2, &["a.example.org"], chosen);
    run.handle.ready();
}

#[test]
fn an_order_goes_on_as_it_was_begun() {
    test(async {
        let mut house = House::new();
        let provider = DnsProvider::Exec { program: "/bin/true".into(), timeout: Duration::from_secs(1) };
        house.config.cas[0].dns = vec![vestibule_acme::config::NamedProvider::for_all("default", provider)];
        house.ca.hold_at(Some(Point::Noted));
        let run = house.start();
        want_dns(&run);
        house.ca.holding(2).await;
        run.kill().await;
        let mut begun = house.ca.asked();
        house.ca.hold_at(None);
        let mut run = house.start();
        want_dns(&run);
        run.certificates(2).await;
        let mut gone_on = house.ca.asked().split_off(begun.len());
        let key = |order: &Order| order.tenant;
        begun.sort_by_key(key);
        gone_on.sort_by_key(key);
        assert_eq!(begun, gone_on);
        assert!(begun.iter().all(|order| order.challenges.contains(&ChallengeKind::Dns01) && order.dns.is_some()));
        assert_eq!(house.ca.orders(), 2, "nothing is ordered twice");
        run.stop().await;
    });
}

#[test]
fn a_first_scan_that_takes_long_gives_no_order_up() {
    test_of_days(async {
        let house = House::new();
        house.ca.hold_at(Some(Point::Noted));
        let run = house.start_with(&["a.example.com", "b.example.com"]);
        house.ca.holding(2).await;
        run.kill().await;
        house.ca.hold_at(None);
        let mut run = house.start();
        run.want("a.example.com", 1, &["a.example.com"]);
        // Only the clock says that it may begin.
        run.certificates(1).await;
        assert_eq!(run.store.pending().len(), 1, "of the site that has not been looked at yet");
        run.want("b.example.com", 2, &["b.example.com"]);
        run.handle.ready();
        run.certificates(1).await;
        assert_eq!(house.ca.certificates().values().copied().collect::<Vec<_>>(), [1, 1]);
        assert!(run.store.pending().is_empty());
        run.stop().await;
    });
}
