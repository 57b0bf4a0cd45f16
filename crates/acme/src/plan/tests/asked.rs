//! What an operator asked for by hand, when its order fails.

use vestibule_names::{SiteId, TenantId};

use super::{super::*, scene::*};
use crate::{FailureKind, config::SiteOptions};

/// Never the same twice.
struct Different(f64);

impl Randomness for Different {
    fn fraction(&mut self) -> f64 {
        self.0 = (self.0 + 0.37).fract();
        self.0
    }
}

#[test]
fn a_renewal_asked_for_by_hand_is_ordered_again_soon_where_no_name_is_to_blame() {
    for (kind, soon) in [
        (FailureKind::Ca, true),
        (FailureKind::AlreadyReplaced, true),
        (FailureKind::Gone, true),
        (FailureKind::ValidationTls, false),
        (FailureKind::Configuration, false),
    ] {
        let names = ["a.com", "b.com", "c.com"].map(pattern);
        let mut fresh = issued(1, "a.com", T);
        fresh.draft.names = names.to_vec();
        let mut planner = planner(&[fresh], T);
        planner.want(&SiteId::new("a.yaml"), TenantId(1), &names, &SiteOptions::default(), T);
        assert!(orders(&mut planner, T).is_empty(), "nothing is due");

        assert!(planner.renew_now(&names[1], T));
        let placed = orders(&mut planner, T);
        let [(job, order)] = &placed[..] else { panic!("{placed:?}") };
        assert_eq!(order.names.len(), 3);
        planner.ordered(*job, Err(failure(kind)), T, &mut Different(0.1));
        let again = (1..=60).find_map(|second| Some(orders(&mut planner, T.after(seconds(second))).first()?.1.clone()));
        assert_eq!(again.is_some(), soon, "{kind:?}");
        if let Some(again) = again {
            assert_eq!(again.names.len(), 3, "{kind:?}: what shared an order shares the next one");
        }
    }
}

#[test]
fn a_fault_of_the_ca_does_not_split_an_order() {
    let names = ["a.com", "b.com", "c.com"].map(pattern);
    let mut planner = planner(&[], T);
    planner.want(&SiteId::new("a.yaml"), TenantId(1), &names, &SiteOptions::default(), T);
    let mut now = T;
    for fault in 0..4 {
        let placed = loop {
            let placed = orders(&mut planner, now);
            if !placed.is_empty() {
                break placed;
            }
            now = now.after(seconds(1));
            assert!(now < T.after(DAY), "fault {fault}: nothing is ordered any more");
        };
        let [(job, order)] = &placed[..] else { panic!("fault {fault}: {placed:?}") };
        assert_eq!(order.names, names, "fault {fault}");
        planner.ordered(*job, Err(failure(FailureKind::Ca)), now, &mut Different(0.1));
    }
}

#[test]
fn a_second_word_of_the_operator_renews_the_whole_certificate() {
    let names = ["*.a.com", "a.com"].map(pattern);
    let mut fresh = issued(1, "a.com", T);
    fresh.draft.names = names.to_vec();
    let mut planner = planner(&[fresh], T);
    let dns = crate::config::DnsProvider::Exec { program: "/bin/true".into(), timeout: seconds(1) };
    let options = SiteOptions { dns: Some(crate::config::SiteDns::Own(dns)), ..SiteOptions::default() };
    planner.want(&SiteId::new("a.yaml"), TenantId(1), &names, &options, T);

    assert!(planner.renew_now(&names[1], T));
    let first = orders(&mut planner, T);
    planner.ordered(first[0].0, Err(failure(FailureKind::Ca)), T, &mut Half);
    planner.cas[0].works(); // another order came through

    let soon = T.after(seconds(1));
    assert!(orders(&mut planner, soon).is_empty(), "both wait");
    assert!(planner.renew_now(&names[1], soon));
    let again = orders(&mut planner, soon);
    let [(_, order)] = &again[..] else { panic!("{again:?}") };
    assert_eq!(order.names.len(), 2, "{order:?}");
}

#[test]
fn a_renewal_that_was_asked_for_before_a_restart_is_still_asked_for() {
    for (kind, again) in [(FailureKind::Gone, true), (FailureKind::Ca, true), (FailureKind::ValidationTls, false)] {
        let fresh = issued(1, "a.com", T);
        let mut before = planner(std::slice::from_ref(&fresh), T);
        want(&mut before, 1, "a.com", &SiteOptions::default(), T);
        assert!(before.renew_now(&pattern("a.com"), T));
        let order = orders(&mut before, T).remove(0).1;
        let records = before.records();

        let mut after = Planner::restore(config(vec![lets_encrypt()]), records, &[fresh], T);
        want(&mut after, 1, "a.com", &SiteOptions::default(), T);
        let job = after.resumed(order, T);
        assert!(orders(&mut after, T).is_empty(), "{kind:?}: it is in flight");
        after.ordered(job, Err(failure(kind)), T, &mut Half);
        let soon = (0..=60).any(|second| !orders(&mut after, T.after(seconds(second))).is_empty());
        assert_eq!(soon, again, "{kind:?}");
    }
}
