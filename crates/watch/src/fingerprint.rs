//! [`Fingerprint`] of what a file says and [`Stamp`] of what the kernel says of it: kept instead of the bytes.
//!
//! Keyed by the process's own random numbers, so that nobody can write two texts with one fingerprint.

use std::{
    hash::{BuildHasher as _, Hash, RandomState},
    num::NonZeroU64,
    time::{SystemTime, UNIX_EPOCH},
};

use rustix::fs::Stat;
use vestibule_names::TenantId;

use crate::OpenError;

/// Of a file's owner and content, or of the reason why it cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u64; 2]);

/// Of identity, size, owner, mode and times. Equal stamps: nothing was written in between. Never zero, so that a file without one
/// takes no more room: every file that is watched has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(NonZeroU64);

/// The keys.
#[derive(Debug, Default)]
pub(crate) struct Fingerprints {
    keys: [RandomState; 2],
}

/// A file changed this recently may change again without a new time: the kernel's clock for files ticks.
const SETTLED_SECONDS: i64 = 2;

impl Fingerprints {
    pub(crate) fn of_content(&self, owner: u32, bytes: &[u8]) -> Fingerprint {
        self.of((owner, bytes))
    }

    pub(crate) fn of_problem(&self, owner: Option<TenantId>, problem: &OpenError) -> Fingerprint {
        self.of(format!("{owner:?} {problem:?}"))
    }

    fn of(&self, value: impl Hash) -> Fingerprint {
        Fingerprint(self.keys.each_ref().map(|key| key.hash_one(&value)))
    }

    pub(crate) fn stamp(&self, stat: &Stat) -> Stamp {
        let times = (stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec);
        let rest = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_uid, stat.st_mode, stat.st_nlink);
        Stamp(NonZeroU64::new(self.keys[0].hash_one((times, rest))).unwrap_or(NonZeroU64::MIN))
    }

    /// The stamp of a file that is about to be read; `None` when a later change might not show in it.
    pub(crate) fn settled_stamp(&self, stat: &Stat) -> Option<Stamp> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let age = i64::try_from(now).ok()?.checked_sub(stat.st_ctime)?;
        (age >= SETTLED_SECONDS).then(|| self.stamp(stat))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owner_and_content_make_the_fingerprint() {
        let prints = Fingerprints::default();
        assert_eq!(prints.of_content(1, b"a"), prints.of_content(1, b"a"));
        assert_ne!(prints.of_content(1, b"a"), prints.of_content(2, b"a"));
        assert_ne!(prints.of_content(1, b"a"), prints.of_content(1, b"b"));
        assert_ne!(prints.of_content(1, b"a"), Fingerprints::default().of_content(1, b"a"));
        let of = |owner, problem| prints.of_problem(owner, &problem);
        let ann = Some(TenantId(1000));
        assert_eq!(of(ann, OpenError::Symlink), of(ann, OpenError::Symlink));
        assert_ne!(of(ann, OpenError::Symlink), of(ann, OpenError::NotRegular));
        assert_ne!(of(ann, OpenError::Symlink), of(None, OpenError::Symlink));
    }

    #[test]
    fn a_fresh_file_has_no_settled_stamp() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let prints = Fingerprints::default();
        let mut stat = rustix::fs::fstat(file.as_file()).unwrap();
        assert_eq!(prints.settled_stamp(&stat), None);
        stat.st_ctime -= 10;
        assert_eq!(prints.settled_stamp(&stat), Some(prints.stamp(&stat)));
        stat.st_ctime += 1_000_000;
        assert_eq!(prints.settled_stamp(&stat), None, "of the future");
    }
}
