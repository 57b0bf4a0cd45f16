//! A clock that runs ahead for a while, and is right again: nothing that was noted in the future holds up the present.

use vestibule_names::{SiteId, TenantId};

use super::{super::*, scene::*};
use crate::{FailureKind, config::SiteOptions};

#[test]
fn a_fault_of_the_future_holds_up_no_order_of_the_present() {
    let mut planner = planner(&[], T);
    want(&mut planner, 1, "a.com", &SiteOptions::default(), T);
    let ahead = T.after(DAY * 365);
    let first = orders(&mut planner, ahead);
    planner.ordered(first[0].0, Err(failure(FailureKind::Ca)), ahead, &mut Half);
    let records = planner.records();
    let back = T.after(seconds(120));
    assert!(first_order(&mut planner, back, seconds(60)).unwrap() <= 2, "in the same process");

    let due = issued(1, "b.com", Timestamp(T.0 - 80 * 86_400_000));
    let mut planner = Planner::restore(config(vec![lets_encrypt()]), records, &[due], back);
    want(&mut planner, 1, "a.com", &SiteOptions::default(), back);
    want(&mut planner, 1, "b.com", &SiteOptions::default(), back);
    assert!(first_order(&mut planner, back, seconds(60)).unwrap() <= 2, "after a restart");
}

#[test]
fn every_kind_of_wait_is_as_long_as_it_was_to_be() {
    for (kind, most) in [
        (FailureKind::Ca, seconds(120)),
        (FailureKind::Account, HOUR * 2),
        (FailureKind::Limit, seconds(180)),
        (FailureKind::ValidationTls, seconds(1500)), // the bucket of failed authorizations is held to be empty
        (FailureKind::Configuration, seconds(120)),
    ] {
        for ahead in [DAY, DAY * 30, DAY * 365, DAY * 3650] {
            let mut planner = planner(&[], T);
            want(&mut planner, 1, "a.com", &SiteOptions::default(), T);
            let first = orders(&mut planner, T.after(ahead));
            planner.ordered(first[0].0, Err(failure(kind)), T.after(ahead), &mut Half);
            let waited = first_order(&mut planner, T.after(seconds(300)), seconds(30)).unwrap() * 30;
            assert!(u64::from(waited) <= most.as_secs(), "{kind:?} {ahead:?} {waited}");
        }
    }
}

#[test]
fn certificates_that_seemed_to_be_over_are_taken_in_again() {
    let mut planner = planner(&[issued(1, "a.com", T)], T);
    want(&mut planner, 1, "a.com", &SiteOptions::default(), T);
    assert!(orders(&mut planner, T).is_empty());
    let ahead = T.after(DAY * 365);
    let order = orders(&mut planner, ahead);
    planner.ordered(order[0].0, Err(failure(FailureKind::Rejected)), ahead, &mut Half);
    let back = T.after(seconds(120));
    assert!(orders(&mut planner, back).is_empty(), "nothing is due");
    let status = planner.status_of(&pattern("a.com"), back).unwrap();
    assert_eq!(status.issuance, Some(issued(1, "a.com", T).id));
    let days = first_order(&mut planner, back, DAY).unwrap();
    assert!((50..70).contains(&days), "renewed in its time: {days}");
}

#[test]
fn a_process_that_starts_ahead_takes_in_what_is_not_over() {
    let mut planner = planner(&[issued(1, "a.com", T)], T.after(DAY * 365));
    want(&mut planner, 1, "a.com", &SiteOptions::default(), T.after(DAY * 365));
    let back = T.after(DAY);
    assert!(orders(&mut planner, back).is_empty());
    assert!(planner.status_of(&pattern("a.com"), back).unwrap().issuance.is_some());
}

#[test]
fn what_came_while_the_clock_ran_ahead_is_renewed_in_its_time() {
    let mut planner = planner(&[], T);
    want(&mut planner, 1, "a.com", &SiteOptions::default(), T);
    let ahead = T.after(DAY * 365);
    let order = orders(&mut planner, ahead);
    let mut came = issued(1, "a.com", T);
    came.obtained = ahead.into();
    planner.ordered(order[0].0, Ok(Obtained { issued: came, proved: Vec::new() }), ahead, &mut Half);
    let days = first_order(&mut planner, T.after(HOUR), DAY).unwrap();
    assert!((50..70).contains(&days), "{days}");
}

#[test]
fn a_hundred_names_live_through_a_clock_that_jumps_again_and_again() {
    let mut planner = planner(&[], T);
    for number in 0..100 {
        let site = SiteId::new(&format!("{number}.yaml"));
        let names = [pattern(&format!("s{number}.com"))];
        planner.want(&site, TenantId(number % 7), &names, &SiteOptions::default(), T);
    }
    let (mut now, mut number) = (T, 0);
    for hour in 0..24 * 400u32 {
        now = T.after(HOUR * hour);
        let ahead = hour % (24 * 60) == 24 * 50; // every sixty days for an hour
        let told = if ahead { now.after(DAY * 365) } else { now };
        for (job, order) in orders(&mut planner, told) {
            number += 1;
            let mut came = issued(number, &order.names[0].to_string(), now);
            came.draft.tenant = order.tenant;
            came.draft.names = order.names;
            came.obtained = told.into();
            planner.ordered(job, Ok(Obtained { issued: came, proved: Vec::new() }), told, &mut Half);
        }
        planner.records();
        if ahead || hour < 24 {
            continue;
        }
        for number in 0..100 {
            let status = planner.status_of(&pattern(&format!("s{number}.com")), now).unwrap();
            assert!(status.not_after.is_some_and(|end| end > now), "s{number}.com at hour {hour}: {status:?}");
        }
    }
    assert!(now > T.after(DAY * 399));
    assert!(number < 100 * 30, "{number} certificates");
}
