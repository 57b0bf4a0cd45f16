//! Ten thousand sites of two hundred tenants for two years: lifetimes shrink, the CA goes down for three days, certificates
//! are revoked by the thousand, a tenth of the names is dead, the process is killed again and again, its records are lost
//! once. No limit is run into, no live name loses its certificate, nobody waits for others' names.

use std::{collections::HashMap, time::Instant};

use vestibule_acme::{Config, Timestamp, plan::Pace};
use vestibule_names::TenantId;

use crate::world::*;

const SITES: usize = 10_000;
const TENANTS: u32 = 200;
const DEAD: usize = 1_000;
/// Of the dead, so many are mended later.
const MENDED: usize = 300;
/// Lifetimes of what is issued from that day on.
const LIFETIMES: [(u64, std::time::Duration); 4] = [
    (0, DAY.saturating_mul(90)),
    (200, DAY.saturating_mul(64)),
    (400, DAY.saturating_mul(45)),
    (600, HOUR.saturating_mul(160)),
];
const OUTAGE: (u64, u64) = (650, 653);
const REVOCATION: u64 = 500;
const LOSS: u64 = 300;
const LAST_DAY: u64 = 730;

/// One site: whose, and its names. Every fourth tenant has all its sites under one registered domain, and one tenant has a
/// twentieth of all sites.
fn site(number: usize) -> (u32, Vec<String>) {
    let tenant = if number.is_multiple_of(20) { 0 } else { (number / 7) as u32 % TENANTS };
    let name = if tenant % 4 == 3 { format!("s{number}.tenant{tenant}.com") } else { format!("s{number}.com") };
    let www = if number.is_multiple_of(5) { vec![format!("www.{name}")] } else { Vec::new() };
    (tenant, [vec![name], www].concat())
}

fn fill(world: &mut World) {
    // Spread over the tenants evenly, so that dead names are everywhere.
    for number in 0..SITES {
        let (tenant, names) = site(number);
        let texts: Vec<&str> = names.iter().map(String::as_str).collect();
        world.want(&format!("{tenant}/{number}.yaml"), tenant, &texts);
        if number % (SITES / DEAD) == 7 {
            world.dead.extend(names.iter().map(|text| name(text)));
        }
    }
}

/// What happens on a day.
fn happen(world: &mut World, day: u64) {
    for (from, lifetime) in LIFETIMES {
        if day == from {
            world.cas[0].lifetime = lifetime;
        }
    }
    if day == OUTAGE.0 {
        world.cas[0].is_down = true;
    }
    if day == OUTAGE.1 {
        world.cas[0].is_down = false;
    }
    if day == REVOCATION {
        let now = world.now;
        let every_tenth: Vec<String> = world.store.keys().step_by(10).cloned().collect();
        world.cas[0].revoked.extend(every_tenth.into_iter().map(|id| (id, now)));
    }
    if day == LOSS {
        world.lose_records();
        world.restart();
    }
    if day % 7 == 3 {
        let hours = world.dice.below(24);
        world.run(HOUR * hours as u32);
        world.restart();
    }
    if (100..100 + MENDED as u64).contains(&day) {
        let mut dead: Vec<_> = world.dead.iter().cloned().collect();
        dead.sort();
        world.dead.remove(&dead[0]);
    }
}

/// Until when each tenant had its first certificate.
fn first_certificates(world: &World, start: Timestamp) -> HashMap<TenantId, Timestamp> {
    let mut first = HashMap::new();
    for ((tenant, _), (since, _)) in &world.covered {
        let known = first.entry(*tenant).or_insert(*since);
        *known = (*known).min(*since);
    }
    assert!(first.values().all(|at| *at >= start));
    first
}

#[test]
fn ten_thousand_sites_live_through_two_years() {
    let real = Instant::now();
    let pace = Pace { look_every: HOUR * 6, ..Pace::default() };
    let mut config = Config::new(vec![ca("le")]);
    config.cas[0].limits.names_per_certificate = 10; // more certificates to look after than a CA would make us have
    let mut world = World::new(config).paced(pace);
    let start = world.now;
    fill(&mut world);
    for day in 0..LAST_DAY {
        happen(&mut world, day);
        world.run_until(start.after(DAY * (day + 1) as u32), |_| false);
        if day == 0 {
            let first = first_certificates(&world, start);
            assert_eq!(first.len(), TENANTS as usize);
            let (soonest, last) = (first.values().min().unwrap(), first.values().max().unwrap());
            eprintln!("first certificates after {:?} .. {:?}", soonest.since(start), last.since(start));
            assert!(last.since(start) < HOUR, "no tenant waits for others' names");
            assert!(world.all_covered(), "ten thousand sites within a day");
        }
        if day == REVOCATION + 1 {
            let left = world.cas[0].revoked.keys().filter(|id| is_served(&world, id)).count();
            assert_eq!(left, 0, "revoked certificates are replaced within two days");
        }
    }
    let ca = &world.cas[0];
    eprintln!(
        "{:?}: {} orders, {} certificates, {} polls, {} looks, {} records at most ({} written), violations {:?}, gaps {}",
        real.elapsed(),
        ca.orders,
        ca.issued,
        world.polls,
        world.looks,
        world.most_records,
        world.written,
        ca.rules.violations(),
        world.gaps.len()
    );
    world.assert_no_violations();
    assert!(world.gaps.is_empty(), "{} gaps, such as {:?}", world.gaps.len(), &world.gaps[..world.gaps.len().min(10)]);
    assert!(world.all_covered());
}

/// Is a certificate still the latest of one of its names?
fn is_served(world: &World, id: &str) -> bool {
    let Some(issued) = world.store.get(id) else { return false };
    let end = Timestamp::from(issued.not_after);
    let tenant = issued.draft.tenant;
    issued
        .draft
        .names
        .iter()
        .any(|name| world.covered.get(&(tenant, name.clone())).is_some_and(|(_, until)| *until == end))
}
