//! Sites that change what their certificates are to be: the old one is renewed, at once, and not without end.

use vestibule_certs::store::{IssuanceId, Issued, KeyType};
use vestibule_names::TenantId;

use super::{super::*, scene::*};
use crate::{
    FailureKind,
    config::{Need, Profile, SiteOptions},
};

fn keys(key_type: KeyType) -> SiteOptions {
    SiteOptions { key_type: Some(key_type), ..SiteOptions::default() }
}

/// A planner that has one certificate and all its orders: without records it would count with none.
fn with(issued: Issued) -> Planner {
    let mut planner = planner(&[issued], T);
    planner.cas[0].orders = Default::default();
    planner
}

/// What an order like this brings.
fn came(number: u64, order: &Order, now: Timestamp) -> Obtained {
    let mut issued = issued(number, &order.names[0].to_string(), now);
    issued.draft.tenant = order.tenant;
    issued.draft.names = order.names.clone();
    issued.draft.key_type = order.key_type;
    issued.draft.profile = order.profile.as_ref().map(|profile| profile.name.clone());
    issued.draft.renews = order.renews.as_ref().map(|(renewed, _)| renewed.clone());
    Obtained { issued, proved: Vec::new() }
}

#[test]
fn a_change_renews_the_certificate_of_before_and_counts_against_no_limit() {
    let required = Profile { name: "tlsserver".into(), need: Need::Required };
    let preferred = Profile { need: Need::Preferred, ..required.clone() };
    let of_profile = |profile| SiteOptions { profile: Some(profile), ..SiteOptions::default() };
    for (options, orders_now) in [
        (keys(KeyType::Rsa2048), 1),
        (of_profile(required), 1),
        (keys(KeyType::EcdsaP256), 0),
        (of_profile(preferred), 0),
    ] {
        let mut planner = planner(&[issued(1, "a.com", T)], T);
        want(&mut planner, 1, "a.com", &SiteOptions::default(), T);
        planner.cas[0].orders.empty(planner.config.cas[0].limits.orders, T);
        want(&mut planner, 1, "a.com", &options, T.after(seconds(1)));
        let placed = orders(&mut planner, T.after(seconds(1)));
        assert_eq!(placed.len(), orders_now, "{options:?}");
        let Some((job, order)) = placed.into_iter().next() else { continue };
        assert_eq!(order.renews, Some((IssuanceId::new("0000000001-a.com"), Some("aaa.1".into()))));
        let status = planner.status_of(&pattern("a.com"), T).unwrap();
        assert_eq!((status.state, status.issuance.is_some()), (NameState::Renewing, true), "the old one is served on");
        planner.ordered(job, Ok(came(2, &order, T)), T, &mut Half);
        assert_eq!(planner.status_of(&pattern("a.com"), T).unwrap().state, NameState::Valid);
    }
}

#[test]
fn who_changes_a_file_in_a_loop_costs_an_order_an_hour_over_restarts_too() {
    for restarts in [false, true] {
        let mut planner = planner(&[issued(1, "a.com", T)], T);
        let (mut placed, mut current, mut records) = (0, issued(1, "a.com", T), BTreeMap::new());
        for minute in 0..60 * 12 {
            let now = T.after(seconds(minute * 60));
            if restarts && minute % 7 == 3 {
                let kept = records.iter().map(|(key, value): (&String, &Vec<u8>)| (key.clone(), Some(value.clone())));
                let kept = kept.map(|(key, value)| Record { key, value }).collect();
                planner = Planner::restore(config(vec![lets_encrypt()]), kept, std::slice::from_ref(&current), now);
            }
            let wanted = if minute % 2 == 0 { KeyType::EcdsaP256 } else { KeyType::Rsa2048 };
            want(&mut planner, 1, "a.com", &keys(wanted), now);
            for (job, order) in orders(&mut planner, now) {
                placed += 1;
                let obtained = came(placed + 1, &order, now);
                current = obtained.issued.clone();
                planner.ordered(job, Ok(obtained), now, &mut Half);
            }
            for record in planner.records() {
                match record.value {
                    Some(value) => drop(records.insert(record.key, value)),
                    None => drop(records.remove(&record.key)),
                }
            }
        }
        assert!((10..=12).contains(&placed), "{placed} orders in twelve hours, restarts: {restarts}");
    }
}

#[test]
fn who_has_to_wait_with_a_change_sees_why_and_an_operator_need_not() {
    let mut planner = planner(&[issued(1, "a.com", T)], T);
    want(&mut planner, 1, "a.com", &keys(KeyType::Rsa2048), T);
    let (job, order) = orders(&mut planner, T).remove(0);
    planner.ordered(job, Ok(came(2, &order, T)), T, &mut Half);
    let soon = T.after(seconds(60));
    want(&mut planner, 1, "a.com", &keys(KeyType::EcdsaP384), soon);
    assert!(orders(&mut planner, soon).is_empty());
    let status = planner.status_of(&pattern("a.com"), soon).unwrap();
    assert_eq!((status.state, status.next_attempt), (NameState::Renewing, Some(T.after(HOUR))));
    assert!(status.failure.is_some_and(|(_, why, _)| why.contains("an hour")));
    assert_eq!(planner.hold_of(&pattern("a.com"), soon).unwrap().until, T.after(HOUR));
    assert!(planner.renew_now(&pattern("a.com"), soon));
    assert_eq!(orders(&mut planner, soon).len(), 1);
}

#[test]
fn an_already_replaced_one_is_ordered_at_once_without_the_reference() {
    let mut planner = with(issued(1, "a.com", T));
    want(&mut planner, 1, "a.com", &keys(KeyType::Rsa2048), T);
    let (job, _) = orders(&mut planner, T).remove(0);
    planner.ordered(job, Err(failure(FailureKind::AlreadyReplaced)), T, &mut Half);
    let (_, again) = orders(&mut planner, T).remove(0);
    assert!(matches!(again.renews, Some((_, None))), "{again:?}");
}

#[test]
fn a_change_that_counts_goes_behind_names_that_have_nothing() {
    let mut unknown = issued(1, "a.com", T);
    unknown.ari = None;
    let mut planner = with(unknown);
    planner.cas[0].config.limits.orders.count = 1;
    want(&mut planner, 1, "a.com", &keys(KeyType::Rsa2048), T);
    want(&mut planner, 2, "b.com", &SiteOptions::default(), T);
    let placed = orders(&mut planner, T);
    assert_eq!(placed.len(), 1);
    assert_eq!(placed[0].1.tenant, TenantId(2));
}

#[test]
fn a_name_with_wishes_of_its_own_below_a_wildcard_takes_nothing_from_the_wildcard() {
    let mut planner = with(issued(1, "*.a.com", T));
    want(&mut planner, 1, "b.a.com", &keys(KeyType::Rsa2048), T);
    let (job, order) = orders(&mut planner, T).remove(0);
    assert_eq!((order.names.clone(), &order.renews), (vec![pattern("b.a.com")], &None));
    planner.ordered(job, Ok(came(2, &order, T)), T, &mut Half);
    assert!(!planner.certs[planner.cert_of(&IssuanceId::new("0000000001-_wildcard.a.com")).unwrap()].ari.replaced);
}
