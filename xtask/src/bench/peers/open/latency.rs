//! [`Latency`]: how long answers took, read off in order.

/// Microseconds within which half, 99 of 100, and 999 of 1,000 were there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::bench::peers) struct Latency {
    pub(in crate::bench::peers) p50: u64,
    pub(in crate::bench::peers) p99: u64,
    pub(in crate::bench::peers) p999: u64,
}

impl Latency {
    /// From each one's microseconds; `None` of none.
    pub(in crate::bench::peers) fn of(mut micros: Vec<u64>) -> Option<Self> {
        micros.sort_unstable();
        let at = |thousandths: usize| {
            let rank = (micros.len() * thousandths).div_ceil(1_000);
            micros.get(rank.saturating_sub(1)).copied()
        };
        Some(Self { p50: at(500)?, p99: at(990)?, p999: at(999)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks() {
        let check = |micros: Vec<u64>, expected: [u64; 3]| {
            let Latency { p50, p99, p999 } = Latency::of(micros).unwrap();
            assert_eq!([p50, p99, p999], expected);
        };
        check((1..=1_000).rev().collect(), [500, 990, 999]);
        check((1..=100).collect(), [50, 99, 100]);
        check(vec![7], [7, 7, 7]);
        assert_eq!(Latency::of(Vec::new()), None);
    }
}
