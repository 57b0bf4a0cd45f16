//! One promise each about what fails: names, CAs, limits.

use std::time::Duration;

use vestibule_acme::{
    FailureKind, Timestamp,
    config::Config,
    plan::{NameState, Pointing, Sight},
};

use crate::world::*;

fn mend(world: &mut World, text: &str) {
    world.dead.remove(&name(text));
}

#[test]
fn dns_made_right_is_a_certificate_within_a_minute_even_among_a_thousand_dead_names() {
    let mut world = World::simple();
    for i in 0..1000u32 {
        world.dead.insert(name(&format!("s{i}.com")));
        world.want(&format!("{i}.yaml"), i % 10, &[&format!("s{i}.com")]);
    }
    world.run(HOUR * 30);
    for (tenant, text) in [(3, "s3.com"), (7, "s997.com")] {
        mend(&mut world, text);
        let took = world.until_covered(tenant, text, HOUR);
        assert!(took.is_some_and(|took| took <= MINUTE + Duration::from_secs(15)), "{text}: {took:?}");
    }
    world.assert_no_violations();
    let per_second = world.looks / (30 * 3600);
    assert!(per_second <= 21, "{per_second} looks per second");
}

#[test]
fn a_dead_name_waits_longer_and_longer_and_is_never_forgotten() {
    let mut world = World::new(Config { advisory_checks: false, ..Config::new(vec![ca("le")]) });
    world.dead.insert(name("dead.com"));
    world.want("a.yaml", 1, &["dead.com"]);
    let start = world.now;
    world.run(DAY * 10);
    let waits: Vec<f64> =
        world.cas[0].asked.windows(2).map(|pair| pair[1].0.since(pair[0].0).as_secs_f64() / 60.0).collect();
    for (wait, expected) in waits.iter().zip([1.0, 1440.0, 1440.0]) {
        assert!((expected * 0.9..expected * 1.1 + 1.0).contains(wait), "{waits:?}");
    }
    assert_eq!(world.cas[0].asked[0].0.since(start).as_secs(), 0);
    assert_eq!(world.status_of("dead.com").state, NameState::Quarantined);
    assert!(world.status_of("dead.com").next_attempt.is_some_and(|at| at > world.now));
}

#[test]
fn a_closed_port_takes_the_ladder() {
    let mut world = World::simple();
    let closed = || failure(FailureKind::ValidationConnection, "nobody answered", None);
    world.cas[0].script = (0..7).map(|_| closed()).collect();
    world.want("a.yaml", 1, &["a.com"]);
    world.run(DAY * 6);
    let waits: Vec<f64> =
        world.cas[0].asked.windows(2).map(|pair| pair[1].0.since(pair[0].0).as_secs_f64() / 60.0).collect();
    let ladder = [1.0, 10.0, 100.0, 360.0, 1440.0, 1440.0, 1440.0];
    assert_eq!(waits.len(), ladder.len());
    for (wait, expected) in waits.iter().zip(ladder) {
        assert!((expected * 0.9..expected * 1.1 + 1.0).contains(wait), "{waits:?}");
    }
    let tried: Vec<_> = world.cas[0].asked.iter().map(|(_, order)| order.challenges[0].as_str()).collect();
    assert_eq!(tried[..4], ["http-01", "tls-alpn-01", "http-01", "tls-alpn-01"], "each is the other's fallback");
    assert!(world.is_covered(1, "a.com"));
    world.run(DAY * 90);
    assert_eq!(world.last_order(0).challenges[0].as_str(), tried[7], "what worked is tried first");
}

#[test]
fn advice_delays_but_never_blocks() {
    let mut world = World::simple();
    world.seen = Sight { pointing: Pointing::NotHere, addresses: 1 }; // it lies
    world.want("a.yaml", 1, &["a.com"]);
    let took = world.until_covered(1, "a.com", HOUR).unwrap();
    assert!(took > MINUTE * 9 && took < MINUTE * 12, "{took:?}");
}

#[test]
fn one_dead_name_holds_up_nobody_on_its_certificate() {
    for blames in [true, false] {
        let mut world = World::new(Config { advisory_checks: false, ..Config::new(vec![ca("le")]) });
        world.cas[0].blames = blames;
        let names: Vec<String> = (0..16).map(|i| format!("s{i}.com")).collect();
        world.dead.insert(name("s5.com"));
        world.want("a.yaml", 1, &names.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(world.run_until(world.now.after(HOUR * 2), World::all_covered), "blames: {blames}");
        assert!(world.cas[0].orders < if blames { 4 } else { 16 }, "{:?}", world.asked(0));
        mend(&mut world, "s5.com");
        assert!(world.until_covered(1, "s5.com", HOUR).is_some());
        world.assert_no_violations();
    }
}

#[test]
fn an_outage_blames_no_name_and_ends_without_a_herd() {
    let mut world = World::simple();
    for i in 0..300u32 {
        world.want(&format!("{i}.yaml"), i, &[&format!("s{i}.com")]);
    }
    world.cas[0].is_down = true;
    let start = world.now;
    world.run(HOUR * 72);
    assert!(world.next_trip() < 200, "{} probes in three days", world.next_trip());
    let status = world.status_of("s7.com");
    assert_eq!((status.state, status.failures), (NameState::Waiting, 0));
    world.cas[0].is_down = false;
    let up = world.now;
    assert!(world.run_until(up.after(HOUR * 3), World::all_covered));
    assert!(start < up);
    world.assert_no_violations();
}

#[test]
fn an_order_that_always_upsets_the_ca_does_not_stop_the_others() {
    let mut world = World::simple();
    world.poison = Some(name("poison.com"));
    world.want("0.yaml", 1, &["poison.com"]);
    for i in 0..50u32 {
        world.want(&format!("{i}.yaml"), 100 + i, &[&format!("s{i}.com")]);
    }
    world.run(HOUR * 3);
    assert!((0..50).all(|i| world.is_covered(100 + i, &format!("s{i}.com"))));
}

#[test]
fn the_second_ca_is_asked_for_new_names_only_while_the_first_is_down() {
    let mut world = World::new(Config::new(vec![ca("first"), ca("second")]));
    world.cas[0].is_down = true;
    world.want("a.yaml", 1, &["a.com"]);
    let took = world.until_covered(1, "a.com", HOUR).expect("failover");
    assert!(took > MINUTE && took < MINUTE * 15, "{took:?}");
    assert_eq!((world.cas[0].orders, world.cas[1].orders), (0, 1));
    world.cas[0].is_down = false;
    world.run(HOUR * 2);
    world.want("b.yaml", 1, &["b.com"]);
    assert!(world.until_covered(1, "b.com", HOUR).is_some());
    assert_eq!((world.cas[0].orders, world.cas[1].orders), (1, 1));
    world.run(DAY * 80);
    assert_eq!((world.cas[0].orders, world.cas[1].orders), (3, 1), "renewed at the first CA, without replaces");
    assert!(world.cas[0].asked.iter().any(|(_, order)| matches!(order.renews, Some((_, None)))));
}

#[test]
fn a_renewal_goes_to_the_second_ca_only_when_little_is_left() {
    let mut world = World::new(Config::new(vec![ca("first"), ca("second")]));
    world.want("a.yaml", 1, &["a.com"]);
    world.run(DAY);
    world.cas[0].is_down = true;
    world.run(DAY * 78);
    assert_eq!(world.cas[1].orders, 0);
    world.run(DAY * 2);
    assert_eq!(world.cas[1].orders, 1);
    assert!(matches!(world.last_order(1).renews, Some((_, None))));
    assert!(world.gaps.is_empty());
}

#[test]
fn the_waits_a_ca_asks_for_are_kept() {
    let kinds = [FailureKind::Limit, FailureKind::Ca, FailureKind::ValidationConnection, FailureKind::Configuration];
    for kind in kinds {
        let mut world = World::simple();
        world.cas[0].script = [failure(kind, "later", Some(HOUR * 5))].into();
        world.want("a.yaml", 1, &["a.com"]);
        let took = world.until_covered(1, "a.com", DAY).unwrap();
        assert!(took >= HOUR * 5 && took < HOUR * 5 + MINUTE * 2, "{kind:?}: {took:?}");
    }
}

#[test]
fn a_limit_of_one_tenant_does_not_stop_the_others_unless_they_meet_it_too() {
    let mut world = World::simple();
    world.cas[0].script = [failure(FailureKind::Limit, "too many", Some(DAY))].into();
    world.want("a.yaml", 1, &["a.com"]);
    world.run(Duration::from_secs(20));
    world.want("b.yaml", 2, &["b.com"]);
    assert!(world.until_covered(2, "b.com", MINUTE * 3).is_some());

    let mut world = World::simple();
    world.cas[0].script = (0..2).map(|_| failure(FailureKind::Limit, "too many", Some(HOUR * 3))).collect();
    for tenant in 1..5 {
        world.want(&format!("{tenant}.yaml"), tenant, &[&format!("s{tenant}.com")]);
        world.run(Duration::from_secs(90));
    }
    assert_eq!(world.cas[0].orders, 2, "the account's limit");
    assert!(world.run_until(world.now.after(HOUR * 4), World::all_covered));
}

#[test]
fn one_tenants_broken_settings_do_not_count_as_the_cas_fault() {
    let mut world = World::simple();
    world.cas[0].script = (0..3).map(|_| failure(FailureKind::Configuration, "no such profile", None)).collect();
    world.want("a.yaml", 1, &["a.com"]);
    world.run(MINUTE * 2);
    world.want("b.yaml", 2, &["b.com"]);
    world.cas[0].script.clear();
    assert!(world.until_covered(2, "b.com", Duration::from_secs(20)).is_some());
}

#[test]
fn what_was_learned_and_spent_survives_a_restart() {
    let mut world = World::new(Config { advisory_checks: false, ..Config::new(vec![ca("le")]) });
    world.dead.insert(name("dead.com"));
    world.want("a.yaml", 1, &["dead.com"]);
    for i in 0..300u32 {
        world.want(&format!("{i}.yaml"), 2 + i, &[&format!("s{i}.com")]);
    }
    world.run(MINUTE * 30);
    let failures = world.status_of("dead.com").failures;
    assert!(failures >= 2);
    let orders = world.cas[0].orders;
    for _ in 0..50 {
        world.restart();
        world.run(Duration::from_secs(3));
    }
    assert_eq!(world.status_of("dead.com").failures, failures);
    assert_eq!(world.cas[0].orders, orders);
    world.assert_no_violations();
}

#[test]
fn a_storm_of_restarts_orders_every_name_once() {
    let mut world = World::simple();
    for i in 0..100u32 {
        world.want(&format!("{i}.yaml"), i, &[&format!("s{i}.com")]);
    }
    for _ in 0..50 {
        world.run(Duration::from_millis(700));
        world.restart();
    }
    assert!(world.run_until(world.now.after(HOUR), World::all_covered));
    assert_eq!(world.cas[0].orders, 100);
    world.assert_no_violations();
}

#[test]
fn lost_records_empty_the_budgets() {
    let mut world = World::simple();
    for i in 0..250u32 {
        world.want(&format!("{i}.yaml"), i, &[&format!("s{i}.com")]);
    }
    assert!(world.run_until(world.now.after(HOUR), World::all_covered));
    world.lose_records();
    world.restart();
    for i in 250..350u32 {
        world.want(&format!("{i}.yaml"), i, &[&format!("s{i}.com")]);
    }
    world.run(MINUTE * 30);
    assert!(world.cas[0].orders < 250 + 60, "{}", world.cas[0].orders);
    assert!(world.run_until(world.now.after(HOUR * 3), World::all_covered));
    world.assert_no_violations();
}

#[test]
fn a_name_whose_dns_flickers_keeps_below_the_limit_of_failures() {
    let mut world = World::simple();
    world.dead.insert(name("dead.com"));
    world.want("a.yaml", 1, &["dead.com"]);
    for round in 0..2000u64 {
        world.flicker = Some(Sight { pointing: Pointing::Unknown, addresses: round + 1 });
        world.run(Duration::from_secs(31));
    }
    let asked: Vec<Timestamp> = world.cas[0].asked.iter().map(|(at, _)| *at).collect();
    assert!(
        asked.windows(5).all(|five| five[4].since(five[0]) > MINUTE * 11),
        "four, and one more as the limit refills"
    );
    assert!(asked.len() < 20, "{} orders in 17 hours", asked.len());
    world.assert_no_violations();
}

#[test]
fn an_expired_name_is_told_and_mended() {
    let mut world = World::simple();
    world.want("a.yaml", 1, &["a.com"]);
    world.run(MINUTE);
    world.cas[0].is_down = true;
    world.run(DAY * 91);
    assert_eq!(world.status_of("a.com").state, NameState::Expired);
    world.restart();
    world.cas[0].is_down = false;
    assert!(world.until_covered(1, "a.com", HOUR * 2).is_some());
    world.run(MINUTE);
    assert_eq!(world.status_of("a.com").state, NameState::Valid);
}
