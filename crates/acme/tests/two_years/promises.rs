//! One promise of the planner each: orders, names, renewals.

use std::time::Duration;

use vestibule_acme::{
    FailureKind,
    config::{ChallengeKind, Config, NamedProvider, Need, Profile, SiteOptions},
    plan::{NameState, Pointing, Sight},
};
use vestibule_certs::store::KeyType;

use crate::world::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_new_site_has_its_certificate_within_seconds_and_renews_it_for_ever() {
    let mut world = World::simple();
    world.want("a.yaml", 1, &["a.com", "www.a.com"]);
    world.run(MINUTE);
    assert!(world.is_covered(1, "a.com") && world.is_covered(1, "www.a.com"));
    assert_eq!(world.asked(0), ["a.com www.a.com"]);
    world.run(DAY * 365);
    assert_eq!((world.cas[0].issued, world.gaps.len()), (7, 0));
    assert!(world.cas[0].asked[1..].iter().all(|(_, order)| matches!(order.renews, Some((_, Some(_))))));
    world.assert_no_violations();
}

#[test]
fn ten_thousand_names_of_one_tenant_are_packed_and_delay_nobody_else() {
    for (most, within) in [(100, HOUR), (25, HOUR * 2)] {
        let mut config = Config::new(vec![ca("le")]);
        config.cas[0].limits.names_per_certificate = most;
        let mut world = World::new(config);
        for i in 0..10_000 {
            world.want(&format!("{i}.yaml"), 1, &[&format!("s{i}.com")]);
        }
        let start = world.now;
        world.run(MINUTE * 5);
        world.want("other.yaml", 2, &["other.com"]);
        assert!(world.until_covered(2, "other.com", MINUTE).is_some(), "another tenant waits for one slot at most");
        assert!(world.run_until(start.after(within), World::all_covered), "{most}");
        assert!(world.cas[0].orders <= 600, "{} orders", world.cas[0].orders);
        world.assert_no_violations();
    }
}

#[test]
fn without_scarcity_every_site_has_a_certificate_of_its_own() {
    let mut world = World::simple();
    for i in 0..50 {
        world.want(&format!("{i}.yaml"), 1, &[&format!("s{i}.com"), &format!("www.s{i}.com")]);
    }
    assert!(world.run_until(world.now.after(MINUTE * 10), World::all_covered));
    assert_eq!(world.cas[0].orders, 50);
}

#[test]
fn tenants_and_options_never_share_a_certificate() {
    let mut world = World::simple();
    let rsa = SiteOptions { key_type: Some(KeyType::Rsa2048), ..SiteOptions::default() };
    for i in 0..400 {
        let options = if i % 4 == 0 { rsa.clone() } else { SiteOptions::default() };
        world.want_with(&format!("{i}.yaml"), i % 2, &[&format!("s{i}.com")], options);
    }
    assert!(world.run_until(world.now.after(HOUR), World::all_covered));
    for (_, order) in &world.cas[0].asked {
        let numbers =
            order.names.iter().map(|name| name.to_string()[1..].split('.').next().unwrap().parse::<u32>().unwrap());
        for number in numbers {
            assert_eq!(number % 2, order.tenant.0);
            assert_eq!(number % 4 == 0, order.key_type == KeyType::Rsa2048);
        }
    }
}

#[test]
fn names_move_between_sites_of_a_tenant_without_an_order_and_a_wildcard_serves_all() {
    let mut config = Config::new(vec![ca("le")]);
    config.cas[0].dns = vec![NamedProvider::for_all("default", exec())];
    let mut world = World::new(config);
    world.want("a.yaml", 1, &["a.com", "*.a.com"]);
    world.run(MINUTE);
    assert_eq!(world.asked(0), ["a.com *.a.com"]);
    assert!(world.last_order(0).challenges.contains(&ChallengeKind::Dns01));
    world.want("a.yaml", 1, &["*.a.com"]);
    world.want("b.yaml", 1, &["a.com", "b.a.com", "c.a.com"]);
    world.run(MINUTE);
    world.unwant("b.yaml");
    world.want("c.yaml", 1, &["a.com", "d.a.com"]);
    world.run(MINUTE);
    assert_eq!(world.cas[0].orders, 1);
    world.want("stranger.yaml", 2, &["e.a.com"]);
    world.run(MINUTE);
    assert_eq!(world.asked(0)[1..], ["e.a.com"], "a tenant's wildcard serves no other");
    world.run(DAY * 100);
    let renewed: Vec<_> = world.asked(0)[2..].to_vec();
    assert!(renewed.contains(&"a.com *.a.com".to_owned()), "{renewed:?}");
    assert!(!renewed.iter().any(|names| names.contains("d.a.com")), "the wildcard covers it: {renewed:?}");
}

fn exec() -> vestibule_acme::config::DnsProvider {
    vestibule_acme::config::DnsProvider::Exec { program: "/bin/true".into(), timeout: SECOND }
}

#[test]
fn a_name_waits_for_the_wildcard_that_will_cover_it_and_goes_alone_when_that_fails() {
    let mut config = Config::new(vec![ca("le")]);
    config.cas[0].dns = vec![NamedProvider::for_all("default", exec())];
    let mut world = World::new(config);
    world.dead.insert(name("*.a.com"));
    world.want("a.yaml", 1, &["*.a.com", "a.com", "b.a.com"]);
    world.run(MINUTE * 5);
    assert_eq!(world.asked(0)[0], "a.com *.a.com", "an order with both is refused as redundant");
    assert!(world.is_covered(1, "a.com") && world.is_covered(1, "b.a.com"));
    assert!(!world.is_covered(1, "*.a.com"));
}

#[test]
fn a_name_beside_a_wildcard_is_proved_with_it_and_needs_no_look() {
    let mut config = Config::new(vec![ca("le")]);
    config.cas[0].dns = vec![NamedProvider::for_all("default", exec())];
    let mut world = World::new(config);
    world.want("a.yaml", 1, &["*.a.com", "a.com"]);
    world.want("b.yaml", 1, &["b.com"]);
    world.run(MINUTE);
    assert_eq!(world.looks, 1, "only the name that stands alone");
    let with_wildcard = world.cas[0].asked.iter().map(|(_, order)| order).find(|order| order.names.len() == 2).unwrap();
    assert_eq!(with_wildcard.challenges[0], ChallengeKind::Dns01);
    world.want("a.yaml", 1, &["*.a.com", "a.com", "late.com"]);
    world.run(MINUTE);
    assert_eq!(world.looks, 2, "the wildcard has its certificate: what comes later is proved by itself");
    assert_ne!(world.last_order(0).challenges[0], ChallengeKind::Dns01);
}

#[test]
fn what_settings_do_not_allow_is_told_and_tried_when_they_change() {
    let mut world = World::simple();
    let only_dns = SiteOptions { challenge: Some(ChallengeKind::Dns01), ..SiteOptions::default() };
    world.want("a.yaml", 1, &["*.a.com"]);
    world.want_with("b.yaml", 1, &["9.9.9.9"], only_dns.clone());
    world.want_with("c.yaml", 1, &["c.com"], only_dns);
    world.run(DAY * 3);
    assert_eq!(world.cas[0].orders, 0);
    for (text, word) in [("*.a.com", "DNS-01"), ("9.9.9.9", "address"), ("c.com", "dns-01")] {
        let (kind, sentence, _) = world.status_of(text).failure.expect("told");
        assert_eq!(kind, FailureKind::Configuration);
        assert!(sentence.contains(word), "{sentence}");
    }
    world.want("c.yaml", 1, &["c.com"]);
    assert!(world.until_covered(1, "c.com", MINUTE).is_some());
}

#[test]
fn addresses_have_short_lived_certificates_of_their_own() {
    let mut world = World::simple();
    world.want("a.yaml", 1, &["a.com", "9.9.9.9", "2620:fe::fe"]);
    world.run(MINUTE);
    assert_eq!(world.asked(0).len(), 2);
    let of_addresses = world.cas[0].asked.iter().map(|(_, order)| order).find(|order| order.names.len() == 2).unwrap();
    assert_eq!(of_addresses.profile, Some(Profile { name: "shortlived".into(), need: Need::Required }));
    assert!(!of_addresses.challenges.contains(&ChallengeKind::Dns01));
    world.assert_no_violations();
}

#[test]
fn unwanted_names_leave_with_the_next_renewal() {
    let mut world = World::simple();
    world.want("a.yaml", 1, &["a.com", "b.com"]);
    world.want("gone.yaml", 1, &["gone.com"]);
    world.run(MINUTE);
    world.want("a.yaml", 1, &["a.com"]);
    world.unwant("gone.yaml");
    world.run(DAY * 80);
    assert_eq!(world.asked(0)[2..], ["a.com"]);
    assert!(matches!(world.last_order(0).renews, Some((_, Some(_)))), "one identifier in common is enough");
    world.assert_no_violations();
}

#[test]
fn a_site_change_cancels_no_order() {
    let mut world = World::simple();
    world.want("a.yaml", 1, &["a.com"]);
    world.run_until(world.now.after(MINUTE), |world| world.cas[0].orders == 1);
    world.unwant("a.yaml");
    world.run(MINUTE);
    assert_eq!(world.cas[0].issued, 1);
    world.want("b.yaml", 1, &["a.com"]);
    world.run(MINUTE);
    assert_eq!(world.cas[0].orders, 1, "what came is used");
    assert_eq!(world.status_of("a.com").state, NameState::Valid);
}

#[test]
fn a_stricter_site_has_a_new_certificate_at_once() {
    let mut world = World::simple();
    world.want("a.yaml", 1, &["a.com"]);
    world.run(MINUTE);
    let stricter = SiteOptions { key_type: Some(KeyType::Rsa4096), ..SiteOptions::default() };
    world.want_with("a.yaml", 1, &["a.com"], stricter);
    world.run(MINUTE);
    assert_eq!(world.cas[0].issued, 2);
    assert_eq!(world.last_order(0).key_type, KeyType::Rsa4096);
    assert!(matches!(world.last_order(0).renews, Some((_, Some(_)))), "the CA knows it as a renewal");
    world.assert_no_violations();
}

#[test]
fn already_replaced_is_answered_once_without_replaces() {
    let mut world = World::simple();
    world.want("a.yaml", 1, &["a.com"]);
    world.run(MINUTE);
    world.cas[0].denies_replaces = true;
    world.run(DAY * 365);
    assert!(world.gaps.is_empty());
    assert_eq!(world.cas[0].issued, 7);
    assert_eq!(world.cas[0].orders, 1 + 6 * 2, "each renewal asks twice, not for ever");
    world.assert_no_violations();
}

#[test]
fn without_renewal_information_a_third_or_half_of_the_lifetime_is_left() {
    for (lifetime, left) in [(DAY * 90, DAY * 30), (DAY * 45, DAY * 15), (HOUR * 160, HOUR * 80)] {
        let mut world = World::simple();
        world.cas[0].lifetime = lifetime;
        world.cas[0].has_ari = false;
        world.want("a.yaml", 1, &["a.com"]);
        world.run(lifetime * 2);
        let (first, second) = (world.cas[0].asked[0].0, world.cas[0].asked[1].0);
        let after = second.since(first);
        assert!(
            after <= lifetime - left && after >= lifetime - left.mul_f64(1.11) - HOUR * 2,
            "{after:?} of {lifetime:?}"
        );
        assert!(world.gaps.is_empty());
    }
}

#[test]
fn a_revoked_certificate_is_renewed_within_half_a_day_and_not_all_at_once() {
    let mut world = World::simple();
    for i in 0..200 {
        world.want(&format!("{i}.yaml"), i, &[&format!("s{i}.com")]);
    }
    world.run(DAY * 10);
    assert!(world.all_covered());
    let now = world.now;
    let all: Vec<String> = world.store.keys().cloned().collect();
    world.cas[0].revoked = all.into_iter().map(|id| (id, now)).collect();
    world.run(HOUR * 13);
    assert_eq!(world.cas[0].issued, 400);
    world.assert_no_violations();
}

#[test]
fn an_operator_may_renew_now_and_revoke() {
    let mut world = World::simple();
    world.want("a.yaml", 1, &["a.com"]);
    world.run(HOUR);
    assert!(world.planner.renew_now(&name("a.com"), world.now));
    assert!(!world.planner.renew_now(&name("b.com"), world.now));
    world.run(MINUTE);
    assert_eq!(world.cas[0].issued, 2);
    let latest = world.store.last_key_value().unwrap().1.id.clone();
    world.planner.revoked(&latest, world.now);
    world.run(MINUTE);
    assert_eq!(world.cas[0].issued, 3);
    assert_eq!(world.status_of("a.com").state, NameState::Valid);
}

#[test]
fn other_certificates_of_a_tenant_are_taken_in() {
    let mut world = World::simple();
    world.want("a.yaml", 1, &["a.com"]);
    world.run(MINUTE);
    let issued = world.store.last_key_value().unwrap().1.clone();
    let mut other = World::simple();
    other.store.insert(issued.id.to_string(), issued.clone());
    other.planner.adopted(&issued, other.now);
    other.want("a.yaml", 1, &["a.com"]);
    other.run(DAY);
    assert_eq!((other.cas[0].orders, other.status_of("a.com").state), (0, NameState::Valid));
}

#[test]
fn a_forecast_says_what_then_happens() {
    let mut world = World::simple();
    for i in 0..1000u32 {
        world.want(&format!("{i}.yaml"), i % 500, &[&format!("s{i}.com")]);
    }
    let forecast = world.planner.forecast(world.now);
    assert_eq!(forecast.sites.len(), 1000);
    assert!(forecast.sites.is_sorted_by_key(|line| line.done));
    let last = forecast.sites.last().unwrap();
    assert!(last.waits_for.as_deref().is_some_and(|why| why.contains("new orders")), "{last:?}");
    let start = world.now;
    assert!(world.run_until(start.after(DAY), World::all_covered));
    let (told, took) = (last.done.since(start), world.now.since(start));
    assert!(took < told + MINUTE * 10 && told < took + MINUTE * 10, "{told:?} {took:?}");
}

#[test]
fn unknown_addresses_are_no_reason_to_wait() {
    let mut world = World::simple();
    world.seen = Sight { pointing: Pointing::Unknown, addresses: 3 };
    world.want("a.yaml", 1, &["a.com"]);
    assert!(world.until_covered(1, "a.com", MINUTE / 2).is_some());
}
