//! What a look-up, a publish and a name in memory cost with 1,000, 100,000 and 1,000,000 names:
//! `cargo run --release --package vestibule-vhost --example table_cost [names]`.
//!
//! Times are CPU time of this thread, so that other work on the machine does not lengthen them; what it does to the
//! caches it does. Each figure is the median of fifty parts, each of other names than the last. Before them stands what one
//! cache miss takes at that moment: chains of pointers through pieces of memory of two sizes, each pointer known only when
//! the one before has come. A look-up of a name that is in no cache cannot take less.
#![expect(clippy::print_stdout, reason = "its purpose is to print")]

use std::{env, fs, hint::black_box, process::Command, sync::Arc, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use vestibule_names::{HostPattern, Hostname};
use vestibule_vhost::{LiveTable, TableChange};

/// Names, unless a number is given.
const SIZES: [u32; 3] = [1_000, 100_000, 1_000_000];
/// Look-ups of a part.
const PART: usize = 10_000;
const PARTS: usize = 50;
const PUBLISHES: usize = 5_000;
/// Names of one publish while the table is filled.
const FILL_STEP: usize = 10_000;
/// Bytes of the chains of pointers: beyond the caches of a core, and beyond those of most processors.
const CHAINS: [usize; 2] = [16 << 20, 64 << 20];
/// What a processor fetches at once.
const CACHE_LINE: usize = 64;
/// So many names are looked up again and again.
const HOT: usize = 100;

/// What a name leads to, of about the size of a site.
type Value = [u64; 16];

fn main() -> std::io::Result<()> {
    if let Some(names) = env::args().nth(1).and_then(|arg| arg.parse().ok()) {
        measure(names);
        return Ok(());
    }
    for bytes in CHAINS {
        println!("one miss of a chain of pointers through {} MiB: {:.0?}", bytes >> 20, miss(bytes));
    }
    // A process for each, so that none gets the memory of another.
    for names in SIZES {
        Command::new(env::current_exe()?).arg(names.to_string()).status()?;
    }
    Ok(())
}

fn host(n: u32) -> String {
    format!("site-{n}.tenant-{}.example.test", n % 977)
}

/// One name in ten is a wildcard.
fn is_wildcard(n: u32) -> bool {
    n % 10 == 3
}

fn pattern(n: u32) -> HostPattern {
    let name = Hostname::parse(&host(n)).expect("the name is valid");
    if is_wildcard(n) { HostPattern::Wildcard(name) } else { HostPattern::Exact(name) }
}

/// A host that the name serves.
fn served(n: u32) -> String {
    if is_wildcard(n) { format!("x.{}", host(n)) } else { host(n) }
}

fn measure(names: u32) {
    let table = LiveTable::new();
    let values: Vec<Arc<Value>> = (0..names).map(|n| Arc::new([u64::from(n); 16])).collect();
    let before = resident_bytes();
    let fill = timed(|| fill(&table, &values));
    let per_name = resident_bytes().saturating_sub(before) / u64::from(names.max(1));
    println!("{names} names: {fill:.1?} to fill, {per_name} B resident for a name");

    let mut random = Random(1);
    let mut keys = |choose: &mut dyn FnMut(&mut Random) -> String| -> Vec<String> {
        (0..PART * PARTS).map(|_| choose(&mut random)).collect()
    };
    let exact = |n: u32| host(if is_wildcard(n) { n - 1 } else { n });
    let uniform = keys(&mut |random| exact(random.below(names)));
    let zipf = keys(&mut |random| exact(random.zipf(names)));
    let wild = keys(&mut |random| served(random.below(names) / 10 * 10 + 3));
    let beside = keys(&mut |random| format!("x.x.{}", host(random.below(names) / 10 * 10 + 3)));
    let unknown = keys(&mut |random| format!("no-{}", host(random.below(names))));

    for (what, manner, keys) in [
        ("exact, at random", Manner::Alone, &uniform[..]),
        ("  each after the last", Manner::AfterTheLast, &uniform),
        ("  with what it leads to", Manner::Used, &uniform),
        ("exact, Zipf", Manner::Alone, &zipf),
        ("  with what it leads to", Manner::Used, &zipf),
        ("exact, always the same 100", Manner::Alone, &uniform[..HOT]),
        ("wildcard, at random", Manner::Alone, &wild),
        ("two labels below a wildcard", Manner::Alone, &beside),
        ("unknown, at random", Manner::Alone, &unknown),
    ] {
        println!("  {what:<30}{:>6.0?}", look_up(&table, keys, manner));
    }
    let (publish, free) = publish(&table, &values, &mut random);
    println!("  publish of one name           {publish:>6.1?}, and {free:.1?} to free what it replaced");
}

/// The median time of a step from one cache line to another anywhere in so much memory, which leads on to a third.
fn miss(bytes: usize) -> Duration {
    let (lines, words) = (bytes / CACHE_LINE, CACHE_LINE / size_of::<usize>());
    // Sattolo's shuffle: one cycle through all lines.
    let mut order: Vec<usize> = (0..lines).collect();
    let mut random = Random(1);
    for last in (1..lines).rev() {
        let limit = u32::try_from(last).expect("a chain has fewer lines than a u32 counts");
        order.swap(last, random.below(limit) as usize);
    }
    let mut memory = vec![0; lines * words];
    for (line, next) in order.iter().enumerate() {
        memory[line * words] = next * words;
    }
    let mut at = 0;
    let mut part = || (0..PART).for_each(|_| at = memory[at]);
    let part_len = u32::try_from(PART).expect("it is small");
    let miss = median((0..PARTS).map(|_| timed(&mut part)).collect()) / part_len;
    black_box(at);
    miss
}

/// In small steps, so that what is brought with a name does not count as the table's memory.
fn fill(table: &LiveTable<Value>, values: &[Arc<Value>]) {
    let mut names = (0..).zip(values);
    loop {
        let step: Vec<_> = names.by_ref().take(FILL_STEP).collect();
        if step.is_empty() {
            return;
        }
        let puts = step.into_iter().map(|(n, value)| TableChange::Put(pattern(n), Arc::clone(value)));
        table.publish(puts.collect());
    }
}

/// How look-ups follow each other.
#[derive(Clone, Copy)]
enum Manner {
    /// What it leads to is not looked at: the processor may begin the next before one is over.
    Alone,
    /// The next begins when one is over.
    AfterTheLast,
    /// What it leads to is counted as used, as the gateway does, and read.
    Used,
}

/// The median of all parts, for each look-up.
fn look_up(table: &LiveTable<Value>, keys: &[String], manner: Manner) -> Duration {
    let mut reader = table.reader();
    let mut last = 0;
    let mut key = 0;
    let mut part = || {
        for _ in 0..PART {
            // The highest bit of an address is never set, which the processor cannot know.
            let found = reader.table().resolve(&keys[key + (last >> (usize::BITS - 1))]);
            match manner {
                Manner::Alone => drop(black_box(found)),
                Manner::AfterTheLast => last = found.map_or(0, |value| Arc::as_ptr(value).addr()),
                Manner::Used => drop(black_box(found.cloned().map(|value| value[0]))),
            }
            key = if key + 1 == keys.len() { 0 } else { key + 1 };
        }
    };
    let part_len = u32::try_from(PART).expect("it is small");
    median((0..PARTS).map(|_| timed(&mut part)).collect()) / part_len
}

/// The median time of a publish, and of freeing the table before.
fn publish(table: &LiveTable<Value>, values: &[Arc<Value>], random: &mut Random) -> (Duration, Duration) {
    let publish_one = |_| {
        let n = random.below(u32::try_from(values.len()).expect("names are counted in a u32"));
        let change = vec![TableChange::Put(pattern(n), Arc::clone(&values[n as usize]))];
        let before = table.load();
        let publish = timed(|| drop(black_box(table.publish(change))));
        (publish, timed(|| drop(before)))
    };
    let (publish, free) = (0..PUBLISHES).map(publish_one).unzip();
    (median(publish), median(free))
}

fn median(mut durations: Vec<Duration>) -> Duration {
    durations.sort_unstable();
    durations[durations.len() / 2]
}

/// The CPU time of this thread for `work`.
fn timed(work: impl FnOnce()) -> Duration {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("it is not negative");
    let before = now();
    work();
    now() - before
}

/// See proc(5).
fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}

/// The generator of Knuth's MMIX: good enough to choose names.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((u64::from(limit) * (self.0 >> 32)) >> 32).expect("it is below a u32")
    }

    /// The nth name about as often as 1/n, near enough: the logarithm is uniform.
    fn zipf(&mut self, limit: u32) -> u32 {
        let uniform = f64::from(self.below(u32::MAX)) / f64::from(u32::MAX);
        // Popular names are anywhere in the order in which names were added.
        let rank = f64::from(limit).powf(uniform) as u32;
        (rank.wrapping_mul(2_654_435_761)) % limit
    }
}
