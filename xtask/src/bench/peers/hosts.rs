//! Many hosts: their names, a certificate for each, and which of them a visitor asks for.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use vestibule_testkit::{
    certificate::{Authority, Issued, Validity},
    drawn::Random,
};

/// So many.
const HOSTS: usize = 10_000;

/// All of them.
pub(super) fn names() -> Vec<String> {
    (0..HOSTS).map(|number| format!("s{number}.bench.test")).collect()
}

/// Writes `hosts/NAME.crt`, `hosts/NAME.key`, and both in `both/NAME.pem`, as HAProxy and Caddy want them.
pub(in crate::bench) fn issue(authority: &Authority, names: &[String], dir: &Path) -> io::Result<()> {
    fs::create_dir(dir.join("hosts"))?;
    fs::create_dir(dir.join("both"))?;
    names.iter().try_for_each(|name| issue_one(authority, name, dir))
}

/// The same for one more.
pub(in crate::bench) fn issue_one(authority: &Authority, name: &str, dir: &Path) -> io::Result<()> {
    let issued = authority.issue(&[name], Validity::Now);
    write(&issued, &dir.join("hosts").join(name))?;
    fs::write(dir.join("both").join(format!("{name}.pem")), issued.chain + &issued.key)
}

/// `STEM.crt` and `STEM.key`.
pub(super) fn write(issued: &Issued, stem: &Path) -> io::Result<()> {
    fs::write(with_end(stem, "crt"), &issued.chain)?;
    fs::write(with_end(stem, "key"), &issued.key)
}

/// `set_extension` would take the end of a host's name for one.
pub(super) fn with_end(stem: &Path, end: &str) -> PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(".");
    path.push(end);
    path.into()
}

/// Draws by Zipf's law with exponent 1: the second is asked for half as often as the first, the third a third as often.
pub(super) struct Zipf {
    random: Random,
    /// Weight of each and of all before it.
    up_to: Vec<f64>,
}

impl Zipf {
    /// Among so many; the same in every run.
    pub(super) fn among(count: usize) -> Self {
        let mut sum = 0.0;
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let weight = |rank: usize| 1.0 / (rank + 1) as f64;
        let up_to = (0..count).map(|rank| {
            sum += weight(rank);
            sum
        });
        Self { up_to: up_to.collect(), random: Random::new(7) }
    }

    /// The next one's number.
    pub(super) fn next(&mut self) -> usize {
        const STEPS: u64 = 1 << 52;
        #[expect(clippy::cast_precision_loss, reason = "at most 2^52")]
        let part = self.random.below(STEPS) as f64 / STEPS as f64;
        let at = part * self.up_to.last().copied().unwrap_or_default();
        self.up_to.partition_point(|up_to| *up_to <= at).min(self.up_to.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_asked_for_most_and_the_last_too() {
        let mut zipf = Zipf::among(100);
        let mut drawn = vec![0_u32; 100];
        for _ in 0..100_000 {
            drawn[zipf.next()] += 1;
        }
        // The sum of 1/k up to 100 is 5.19: the first gets 19,278.
        assert!((18_500..20_000).contains(&drawn[0]), "{drawn:?}");
        assert!((9_000..10_200).contains(&drawn[1]), "{drawn:?}");
        assert!(drawn.iter().all(|times| *times > 50), "{drawn:?}");
    }
}
