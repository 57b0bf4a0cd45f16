//! Anything at any time, for many seeds: the planner never panics, never has two orders of a name in flight (the world
//! asserts that), never runs into a limit, and never sleeps while something waits.

use std::time::Duration;

use vestibule_acme::{
    FailureKind, Timestamp,
    config::{ChallengeKind, Config, DnsProvider, NamedProvider, SiteOptions},
    plan::{NameState, Pointing, Sight},
};
use vestibule_certs::store::{IssuanceId, KeyType};
use vestibule_names::SiteId;

use crate::world::*;

const SEEDS: u64 = 60;
const EVENTS: usize = 120;

#[test]
fn anything_at_any_time_breaks_no_promise() {
    for seed in 0..SEEDS {
        let mut world = scene(seed);
        for _ in 0..EVENTS {
            anything(&mut world);
            nothing_that_waits_is_forgotten(&world, seed);
        }
        calm_down(&mut world, seed);
    }
}

fn scene(seed: u64) -> World {
    let names: &[&str] = if seed.is_multiple_of(3) { &["first", "second"] } else { &["first"] };
    let mut config = Config::new(names.iter().map(|name| ca(name)).collect());
    config.advisory_checks = !seed.is_multiple_of(4);
    config.orders_at_once = 1 + (seed % 7) as usize;
    if seed.is_multiple_of(2) {
        for ca in &mut config.cas {
            ca.dns = vec![NamedProvider::for_all(
                "default",
                DnsProvider::Exec { program: "/bin/true".into(), timeout: MINUTE },
            )];
        }
    }
    let mut world = World::new(config);
    world.dice = Dice(seed);
    for ca in &mut world.cas {
        ca.has_ari = !seed.is_multiple_of(5);
        ca.blames = !seed.is_multiple_of(6);
    }
    world
}

/// One event, and some time.
fn anything(world: &mut World) {
    let (site, tenant) = (format!("{}.yaml", world.dice.below(20)), world.dice.below(4) as u32);
    match world.dice.below(16) {
        0..=4 => {
            let names = some_names(world, tenant);
            let options = some_options(world);
            world.want_with(&site, tenant, &names.iter().map(String::as_str).collect::<Vec<_>>(), options);
        }
        5 => world.unwant(&site),
        6 => {
            let names = some_names(world, tenant);
            world.dead.extend(names.iter().map(|text| name(text)));
        }
        7 => world.dead.clear(),
        8 => world.cas[0].is_down = !world.cas[0].is_down,
        9 => world.restart(),
        10 => {
            let answer = some_failure(world);
            world.cas[0].script.push_back(answer);
        }
        11 => {
            let addresses = world.dice.below(3);
            let pointing = if addresses == 0 { Pointing::NotHere } else { Pointing::Unknown };
            world.flicker = Some(Sight { pointing, addresses });
        }
        12 => world.cas[0].lifetime = [DAY * 90, DAY * 45, HOUR * 160][world.dice.below(3) as usize],
        13 => {
            if let Some(text) = some_names(world, tenant).first() {
                world.planner.renew_now(&name(text), world.now);
            }
        }
        14 => {
            if let Some(id) = world.store.keys().next_back().cloned() {
                world.store.remove(&id);
                world.planner.revoked(&IssuanceId::new(&id), world.now);
            }
        }
        _ => world.cas[0].denies_replaces = !world.cas[0].denies_replaces,
    }
    let time = [1, 30, 600, 7200, 86_400, 864_000][world.dice.below(6) as usize];
    world.run(Duration::from_secs(time));
}

/// Names of a tenant: each has its own domain, with subdomains, a wildcard and an address.
fn some_names(world: &mut World, tenant: u32) -> Vec<String> {
    let mut names: Vec<String> = (0..1 + world.dice.below(6))
        .map(|_| match world.dice.below(12) {
            0 => format!("*.t{tenant}.com"),
            1 => format!("9.9.{tenant}.{}", 1 + world.dice.below(3)),
            2 => format!("t{tenant}.com"),
            other => format!("s{other}.t{tenant}.com"),
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

fn some_options(world: &mut World) -> SiteOptions {
    match world.dice.below(6) {
        0 => SiteOptions { key_type: Some(KeyType::Rsa2048), ..SiteOptions::default() },
        1 => SiteOptions { challenge: Some(ChallengeKind::Dns01), ..SiteOptions::default() },
        2 => SiteOptions { challenge: Some(ChallengeKind::Http01), ..SiteOptions::default() },
        _ => SiteOptions::default(),
    }
}

fn some_failure(world: &mut World) -> vestibule_acme::Failure {
    let kinds = [
        FailureKind::Ca,
        FailureKind::Limit,
        FailureKind::AlreadyReplaced,
        FailureKind::Gone,
        FailureKind::ValidationTls,
        FailureKind::Rejected,
        FailureKind::Account,
        FailureKind::Configuration,
        FailureKind::Storage,
    ];
    let wait = [None, Some(MINUTE), Some(DAY), Some(DAY * 10_000)][world.dice.below(4) as usize];
    failure(kinds[world.dice.below(9) as usize], "something", wait)
}

/// Whatever waits has a time at which it is looked at, or an order in flight that brings it there.
fn nothing_that_waits_is_forgotten(world: &World, seed: u64) {
    let wake = world.planner.wake_at();
    for site in world.sites.keys() {
        for status in world.planner.status(site, world.now) {
            let waits = !matches!(status.state, NameState::Valid | NameState::Ordering);
            let flies = world.in_flight.contains_key(&(status.tenant, status.name.clone()));
            if waits && !flies {
                assert!(status.next_attempt.is_some(), "seed {seed}: {status:?}");
                assert!(wake.is_some() || !world.in_flight.is_empty(), "seed {seed}: {status:?}");
            }
        }
    }
    assert!(world.planner.status(&SiteId::new("nonesuch.yaml"), Timestamp(0)).is_empty());
}

/// When everything works again, every name that settings allow gets its certificate.
fn calm_down(world: &mut World, seed: u64) {
    world.dead.clear();
    world.flicker = None;
    for ca in &mut world.cas {
        (ca.is_down, ca.denies_replaces) = (false, false);
        ca.script.clear();
    }
    world.run(DAY * 15);
    for site in world.sites.keys() {
        for status in world.planner.status(site, world.now) {
            let told = status.failure.as_ref().map(|(kind, ..)| *kind);
            let fine = status.state == NameState::Valid || told == Some(FailureKind::Configuration);
            let renews = status.state == NameState::Renewing;
            assert!(fine || renews, "seed {seed}: {status:?}");
        }
    }
    world.assert_no_violations();
}
