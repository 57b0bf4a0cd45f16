//! What a forecast says that a site waits for, limit by limit, and how it counts orders.

use vestibule_certs::store::KeyType;

use super::{super::*, scene::*};
use crate::{FailureKind, config::SiteOptions};

/// What the one name of one site waits for when this is in its way.
fn waits_for(in_the_way: impl FnOnce(&mut Planner)) -> Option<String> {
    let mut planner = planner(&[], T);
    want(&mut planner, 1, "a.com", &SiteOptions::default(), T);
    in_the_way(&mut planner);
    let forecast = planner.forecast(T);
    assert_eq!(forecast.orders, 1);
    forecast.sites[0].waits_for.clone()
}

#[test]
fn a_wait_is_told_with_what_really_holds_it() {
    let name: Arc<str> = "a.com".into();
    let limits = lets_encrypt().limits;
    assert_eq!(waits_for(|_| {}), None);
    type Case<'a> = (&'a str, &'a dyn Fn(&mut Planner));
    let cases: [Case<'_>; 7] = [
        ("new orders per account", &|planner| planner.cas[0].orders.empty(limits.orders, T)),
        ("certificates for a.com", &|planner| {
            planner.cas[0].domains.entry(name.clone()).or_default().empty(limits.certificates_per_domain, T);
        }),
        ("one set of names", &|planner| {
            let set = group::set_of(&["a.com"]);
            planner.cas[0].sets.entry(set).or_default().empty(limits.certificates_per_set, T);
        }),
        ("failed authorizations", &|planner| (0..4).for_each(|_| planner.cas[0].authorization_failed(&name, T))),
        ("asked to wait", &|planner| planner.cas[0].tell(&name, HOUR, T)),
        ("which is down", &|planner| planner.cas[0].fault(FailureKind::Ca, None, T, T, &mut Half)),
        ("after its last failure", &|planner| {
            let (job, _) = orders(planner, T).remove(0);
            planner.ordered(job, Err(failure(FailureKind::Configuration)), T, &mut Half);
        }),
    ];
    for (expected, in_the_way) in cases {
        let told = waits_for(in_the_way);
        assert!(told.as_ref().is_some_and(|why| why.contains(expected)), "{expected}: {told:?}");
    }
}

#[test]
fn a_limit_that_the_ca_spoke_of_is_not_our_count_of_orders() {
    let mut planner = planner(&[], T);
    for tenant in 1..=3 {
        want(&mut planner, tenant, &format!("s{tenant}.com"), &SiteOptions::default(), T);
    }
    for (job, _) in orders(&mut planner, T) {
        planner.ordered(job, Err(failure(FailureKind::Limit).after(Some(HOUR * 2))), T, &mut Half);
    }
    want(&mut planner, 4, "new.com", &SiteOptions::default(), T);
    for site in planner.forecast(T).sites {
        assert!(site.waits_for.as_ref().is_some_and(|why| why.contains("asked to wait")), "{site:?}");
    }
}

#[test]
fn the_longer_of_two_waits_is_told() {
    let told = waits_for(|planner| {
        planner.cas[0].tell(&"a.com".into(), seconds(30), T);
        planner.cas[0].orders.empty(lets_encrypt().limits.orders, T);
    });
    assert!(told.is_some_and(|why| why.contains("new orders")), "36 s of orders, 30 s of the CA's wish");
}

#[test]
fn a_change_that_waits_for_its_hour_says_so() {
    let mut planner = planner(&[issued(1, "a.com", T)], T);
    planner.cas[0].orders = Default::default();
    let rsa = SiteOptions { key_type: Some(KeyType::Rsa2048), ..SiteOptions::default() };
    want(&mut planner, 1, "a.com", &rsa, T);
    let (job, _) = orders(&mut planner, T).remove(0);
    planner.ordered(job, Err(failure(FailureKind::Configuration)), T, &mut Half);
    let forecast = planner.forecast(T);
    assert!(forecast.sites[0].waits_for.as_ref().is_some_and(|why| why.contains("an hour")), "{forecast:?}");
    assert_eq!(forecast.sites[0].done, T.after(HOUR));
}

#[test]
fn an_order_that_sites_share_counts_once() {
    let mut planner = planner(&[], T);
    planner.cas[0].orders.empty(lets_encrypt().limits.orders, T);
    for number in 0..10 {
        want(&mut planner, 1, &format!("s{number}.com"), &SiteOptions::default(), T);
    }
    want(&mut planner, 2, "other.com", &SiteOptions::default(), T);
    let forecast = planner.forecast(T);
    assert_eq!((forecast.sites.len(), forecast.orders), (11, 2));
    assert!(forecast.sites.iter().all(|site| site.orders == 1), "{forecast:?}");
}
