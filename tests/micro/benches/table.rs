//! The table of names: look-ups and publishes among 100,000 names. What caches and memory make of it at other sizes is
//! printed by the example `table_cost` of `vhost`.

use std::{hint::black_box, sync::Arc};

use criterion::Criterion;
use vestibule_names::{HostPattern, Hostname};
use vestibule_vhost::{LiveTable, TableChange};

const NAMES: u32 = 100_000;
/// So many different names are asked for: the table is larger than the caches nearest to the processor.
const ASKED: usize = 10_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let table = LiveTable::new();
    table.publish((0..NAMES).map(put).collect());
    let mut reader = table.reader();
    for (name, host) in [
        ("exact", host as fn(u32) -> String),
        ("wildcard", |n| format!("x.{}", host(n / 10 * 10 + 3))),
        ("unknown", |n| format!("no-{}", host(n))),
    ] {
        // Knuth's multiplicative hash: each once, in no order.
        let keys: Vec<String> = (0..NAMES).map(|n| host(n.wrapping_mul(2_654_435_761) % NAMES)).take(ASKED).collect();
        let mut keys = keys.iter().cycle();
        criterion.bench_function(&format!("table/look-up, {name}"), |bench| {
            bench.iter(|| keys.next().map(|key| reader.table().resolve(black_box(key)).is_some()));
        });
    }
    let mut n = 0;
    criterion.bench_function("table/publish one name", |bench| {
        bench.iter(|| {
            n = (n + 7_919) % NAMES;
            table.publish(vec![put(n)])
        });
    });
}

fn host(n: u32) -> String {
    format!("site-{n}.tenant-{}.example.test", n % 977)
}

/// One name in ten is a wildcard.
fn put(n: u32) -> TableChange<u32> {
    let name = Hostname::parse(&host(n)).expect("the name is valid");
    let pattern = if n % 10 == 3 { HostPattern::Wildcard(name) } else { HostPattern::Exact(name) };
    TableChange::Put(pattern, Arc::new(n))
}
