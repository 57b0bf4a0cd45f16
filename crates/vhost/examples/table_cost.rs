//! What a look-up and a publish cost with 1,000, 100,000 and 1,000,000 names:
//! `cargo run --release --package vestibule-vhost --example table_cost`.
#![expect(clippy::print_stdout, reason = "its purpose is to print")]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use vestibule_names::{HostPattern, Hostname};
use vestibule_vhost::{LiveTable, TableChange};

const LOOK_UPS: u32 = 2_000_000;
const PUBLISHES: u32 = 20_000;

fn main() {
    println!("names      fill      look-up  (hot 100)  wildcard     miss     publish (median of 1)");
    for names in [1_000, 100_000, 1_000_000] {
        measure(names);
    }
}

fn host(n: u32) -> String {
    format!("site-{n}.tenant-{}.example.test", n % 977)
}

fn pattern(n: u32) -> HostPattern {
    let name = |text: &str| Hostname::parse(text).expect("the name is valid");
    // One name in ten is a wildcard.
    if n % 10 == 3 { HostPattern::Wildcard(name(&host(n))) } else { HostPattern::Exact(name(&host(n))) }
}

fn measure(names: u32) {
    let table = LiveTable::new();
    let all = (0..names).map(|n| TableChange::Put(pattern(n), Arc::new(n))).collect();
    let started = Instant::now();
    table.publish(all);
    let fill = started.elapsed();

    let mut seed = 1;
    let mut random = |below: u32| {
        seed = next(seed);
        u32::try_from((u64::from(below) * (seed >> 32)) >> 32).expect("it is below a u32")
    };
    let exact: Vec<String> = (0..LOOK_UPS / 4).map(|_| random(names) / 10 * 10).map(host).collect();
    let wild: Vec<String> = (0..LOOK_UPS / 4).map(|_| format!("x.{}", host(random(names) / 10 * 10 + 3))).collect();
    let missing: Vec<String> = exact.iter().map(|name| format!("no-{name}")).collect();
    let look_up = |keys: &[String]| {
        let mut reader = table.reader();
        let started = Instant::now();
        for at in 0..LOOK_UPS as usize {
            black_box(reader.table().resolve(&keys[at % keys.len()]));
        }
        started.elapsed() / LOOK_UPS
    };
    let (cold, hot, wild, missing) = (look_up(&exact), look_up(&exact[..100]), look_up(&wild), look_up(&missing));

    let mut costs: Vec<Duration> = (0..PUBLISHES)
        .map(|_| {
            let n = random(names);
            let change = vec![TableChange::Put(pattern(n), Arc::new(n))];
            let started = Instant::now();
            black_box(table.publish(change));
            started.elapsed()
        })
        .collect();
    costs.sort_unstable();
    let publish = costs[costs.len() / 2];
    println!("{names:<10} {fill:<9.1?} {cold:<8.0?} {hot:<10.0?} {wild:<12.0?} {missing:<8.0?} {publish:.2?}");
}

/// The generator of Knuth's MMIX: good enough to choose names.
fn next(seed: u64) -> u64 {
    seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
}
