//! Processor time and memory of a process and all its descendants, from proc(5).

use std::{collections::BTreeMap, fs, time::Duration};

/// What the bench reads of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// User and system time, in clock ticks.
    ticks: u64,
    /// That of children that have ended.
    ended_ticks: u64,
    resident_pages: u64,
}

/// Of a proxy: all its processes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::bench) struct Usage {
    /// User and system time so far: [`processor_time`].
    pub(in crate::bench) cpu: Duration,
    /// Resident memory; pages shared between processes count in each.
    pub(in crate::bench) resident_kib: u64,
}

impl Usage {
    /// Of that process and everything below it; `None` when it is gone.
    pub(in crate::bench) fn of(root: u32) -> Option<Self> {
        let stats = stats()?;
        let page_kib = u64::try_from(rustix::param::page_size() / 1024).ok()?;
        sum(root, &stats, page_kib, |pid, stat| exact(pid).unwrap_or_else(|| duration(stat.ticks)))
    }
}

/// Memory of a process and everything below it, KiB; pages that they share count once (`Pss` of proc(5)).
pub(in crate::bench) fn proportional_kib(root: u32) -> Option<u64> {
    let kib = |pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    family(root, &stats()?)?.into_iter().map(kib).sum()
}

/// Processor time of a process and everything below it, also of what has ended there, to the nanosecond where the kernel says it, else in clock ticks.
pub(in crate::bench) fn processor_time(pid: u32) -> Duration {
    Usage::of(pid).unwrap_or_default().cpu
}

/// `schedstat` of the threads of one process; those that have ended are not in it.
fn exact(pid: u32) -> Option<Duration> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanos = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Some(nanos.sum()).filter(|nanos| *nanos > 0).map(Duration::from_nanos)
}

/// Of so many clock ticks.
fn duration(ticks: u64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "ticks of a run are few")]
    let (ticks, per_second) = (ticks as f64, rustix::param::clock_ticks_per_second() as f64);
    Duration::from_secs_f64(ticks / per_second)
}

/// Of every process.
fn stats() -> Option<BTreeMap<u32, Stat>> {
    let mut stats = BTreeMap::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // Gone between the listing and here is fine.
        let stat = fs::read_to_string(entry.path().join("stat")).ok();
        stats.extend(stat.as_deref().and_then(parse).map(|stat| (pid, stat)));
    }
    Some(stats)
}

/// That process and everything below it.
fn family(root: u32, stats: &BTreeMap<u32, Stat>) -> Option<Vec<u32>> {
    stats.get(&root)?;
    let (mut family, mut next) = (vec![root], 0);
    while let Some(&pid) = family.get(next) {
        let is_child = |(child, stat): &(&u32, &Stat)| stat.parent == pid && **child != pid;
        family.extend(stats.iter().filter(is_child).map(|(child, _)| *child));
        next += 1;
    }
    Some(family)
}

fn sum(root: u32, stats: &BTreeMap<u32, Stat>, page_kib: u64, time: impl Fn(u32, &Stat) -> Duration) -> Option<Usage> {
    let mut usage = Usage::default();
    for pid in family(root, stats)? {
        let stat = stats.get(&pid)?;
        usage.cpu += time(pid, stat) + duration(stat.ended_ticks);
        usage.resident_kib += stat.resident_pages * page_kib;
    }
    Some(usage)
}

/// The name, in parentheses, may hold spaces and parentheses itself: fields are counted from the last one.
fn parse(stat: &str) -> Option<Stat> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    // Field 3 of proc(5) is the first here.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(field(4)?).ok()?,
        ticks: field(14)? + field(15)?,
        ended_ticks: field(16)? + field(17)?,
        resident_pages: field(24)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines() {
        let line = |name: &str| {
            format!(
                "7 ({name}) S 3 7 7 0 -1 4194560 100 0 0 0 120 45 9 9 20 0 1 0 88 22000000 512 18446744073709551615 1"
            )
        };
        let expected = Some(Stat { parent: 3, ticks: 165, ended_ticks: 18, resident_pages: 512 });
        for name in ["nginx", "nginx: worker) R 9 (", ""] {
            assert_eq!(parse(&line(name)), expected, "{name:?}");
        }
        for broken in ["", "7 (nginx", "7 (nginx) S 3 7"] {
            assert_eq!(parse(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn a_family_is_summed_and_nobody_else() {
        let stat = |parent, ticks| Stat { parent, ticks, ended_ticks: 0, resident_pages: 10 };
        let stats =
            BTreeMap::from([(1, stat(0, 1_000)), (5, stat(1, 1)), (6, stat(5, 2)), (7, stat(6, 4)), (8, stat(1, 8))]);
        let time = |_, stat: &Stat| Duration::from_millis(stat.ticks);
        let expected = Usage { cpu: Duration::from_millis(7), resident_kib: 120 };
        assert_eq!(sum(5, &stats, 4, time), Some(expected));
        assert_eq!(sum(9, &stats, 4, time), None);
    }

    #[test]
    fn we_use_memory_ourselves() {
        let us = std::process::id();
        assert!(Usage::of(us).is_some_and(|usage| usage.resident_kib > 0));
        assert!(proportional_kib(us).is_some_and(|kib| kib > 0));
    }
}
