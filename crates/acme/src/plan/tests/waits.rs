//! What the CA asked to wait is waited for, and one tenant's orders hold up no other.

use std::time::Duration;

use vestibule_certs::store::{CaId, KeyType};
use vestibule_names::{SiteId, TenantId};

use super::{super::*, scene::*};
use crate::{Failure, FailureKind, config::SiteOptions, failure::NameFailure};

fn limit(order: &Order, wait: Duration) -> Failure {
    let name = order.names[0].clone();
    let of_name = NameFailure { name, kind: FailureKind::Limit, challenge: None, sentence: "no".into() };
    Failure { names: vec![of_name], ..failure(FailureKind::Limit).after(Some(wait)) }
}

#[test]
fn nobody_shortens_what_the_ca_asked_to_wait() {
    for how in ["renew", "edit", "site removed and back", "another site", "restart"] {
        let mut planner = planner(&[], T);
        want(&mut planner, 1, "a.com", &SiteOptions::default(), T);
        let first = orders(&mut planner, T);
        planner.ordered(first[0].0, Err(limit(&first[0].1, DAY)), T, &mut Half);
        let soon = T.after(seconds(5));
        match how {
            "renew" => assert!(planner.renew_now(&pattern("a.com"), soon)),
            "edit" => {
                let options = SiteOptions { key_type: Some(KeyType::EcdsaP384), ..SiteOptions::default() };
                want(&mut planner, 1, "a.com", &options, soon);
            }
            "site removed and back" => {
                planner.unwant(&SiteId::new("a.com.yaml"), soon);
                want(&mut planner, 1, "a.com", &SiteOptions::default(), soon);
            }
            "another site" => {
                planner.want(&SiteId::new("b.yaml"), TenantId(2), &[pattern("a.com")], &SiteOptions::default(), soon);
            }
            _ => {
                let records = planner.records();
                planner = Planner::restore(config(vec![lets_encrypt()]), records, &[], soon);
                want(&mut planner, 1, "a.com", &SiteOptions::default(), soon);
            }
        }
        let minutes = first_order(&mut planner, soon, seconds(60)).unwrap();
        assert!((24 * 60 - 1..=24 * 60 + 1).contains(&minutes), "{how}: {minutes}");
    }
}

/// How many orders are placed within this time when each meets a limit of three hours.
fn asked(planner: &mut Planner, within: Duration, step: Duration) -> usize {
    let (mut now, mut asked) = (T, 0);
    while now < T.after(within) {
        for (job, _) in orders(planner, now) {
            asked += 1;
            planner.ordered(job, Err(failure(FailureKind::Limit).after(Some(HOUR * 3))), now, &mut Half);
        }
        now = now.after(step);
    }
    asked
}

#[test]
fn a_limit_of_the_account_is_met_by_what_is_in_flight_and_no_more() {
    let mut alone = planner(&[], T);
    for number in 0..200 {
        want(&mut alone, 1, &format!("s{number}.com"), &SiteOptions::default(), T);
    }
    let count = asked(&mut alone, HOUR * 3, seconds(10));
    assert!(count <= alone.config.orders_at_once, "one tenant: {count}");

    let due: Vec<_> = (0..200)
        .map(|number| issued(number + 1, &format!("s{number}.com"), Timestamp(T.0 - 70 * 86_400_000)))
        .collect();
    let mut exempt = planner(&due, T);
    for number in 0..200 {
        want(&mut exempt, 1, &format!("s{number}.com"), &SiteOptions::default(), T);
    }
    let count = asked(&mut exempt, HOUR * 3, seconds(1));
    assert!(count <= exempt.config.orders_at_once, "exempt renewals: {count}");
}

#[test]
fn one_tenants_limit_stops_that_tenant() {
    let mut planner = planner(&[], T);
    for number in 0..4 {
        want(&mut planner, 1, &format!("s{number}.evil.com"), &SiteOptions::default(), T);
    }
    asked(&mut planner, seconds(30), seconds(10));
    let later = T.after(seconds(100));
    want(&mut planner, 2, "good.com", &SiteOptions::default(), later);
    assert_eq!(orders(&mut planner, later).len(), 1);
}

#[test]
fn slow_orders_of_one_tenant_hold_up_no_other() {
    let mut planner = planner(&[], T);
    for number in 0..20 {
        want(&mut planner, 1, &format!("s{number}.evil{number}.com"), &SiteOptions::default(), T);
    }
    let slow = orders(&mut planner, T);
    assert_eq!(slow.len(), planner.config.orders_at_once - 1, "one slot stays free");
    let later = T.after(seconds(660));
    planner.ordered(slow[0].0, Err(failure(FailureKind::Ca)), later, &mut Half);
    want(&mut planner, 2, "good.com", &SiteOptions::default(), later);
    let waited = (0..600).find(|second| {
        let placed = orders(&mut planner, later.after(seconds(*second)));
        placed.iter().any(|(_, order)| order.tenant == TenantId(2))
    });
    assert!(waited.is_some_and(|second| second <= 180), "{waited:?}");
}

#[test]
fn faults_of_one_tenants_orders_move_nobody_else_to_the_next_ca() {
    let mut next = lets_encrypt();
    next.id = CaId::new("next").unwrap();
    let mut planner = Planner::restore(config(vec![lets_encrypt(), next]), Vec::new(), &[], T);
    let mut now = T;
    for number in 0..3 {
        want(&mut planner, 1, &format!("s{number}.evil.com"), &SiteOptions::default(), now);
        for (job, _) in orders(&mut planner, now) {
            planner.ordered(job, Err(failure(FailureKind::Ca)), now, &mut Half);
        }
        now = now.after(seconds(300));
    }
    assert!(planner.cas[0].is_given_up_for(TenantId(1), now));
    assert!(!planner.cas[0].is_given_up_for(TenantId(2), now));
    planner.cas[0].suffered(TenantId(2));
    assert!(planner.cas[0].is_given_up_for(TenantId(3), now), "two tenants' orders: it is the CA");
}
