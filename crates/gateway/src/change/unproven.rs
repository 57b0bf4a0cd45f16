//! [`Unproven`]: a version of a site that only its certificate files keep from going live. It is tried again when these
//! files look different from outside, so that a wrong path costs two looks at a time and not a whole walk.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use vestibule_diagnostics::Diagnostic;
use vestibule_site::{Site, site::Tls};

use crate::ledger::Version;

/// A version and the files it waits for.
pub(super) struct Unproven {
    pub(super) version: Version,
    pub(super) origin: Origin,
    chain: PathBuf,
    key: PathBuf,
    seen: [Option<Stamp>; 2],
}

/// Which version it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// What the file says now.
    File,
    /// One that was good before, and is served while the file has errors.
    LastGood,
}

/// What changes when a file is replaced or written: device, inode, size, modification, change.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

impl Unproven {
    /// `None` unless every error is one of certificate files, and the site names some.
    pub(super) fn of(origin: Origin, version: Version, site: &Site, diagnostics: &[Diagnostic]) -> Option<Self> {
        let Tls::Files { chain, key } = &site.tls.value else { return None };
        let mut errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
        if !errors.all(|error| error.code.entry().number.starts_with("V05")) {
            return None;
        }
        let (chain, key) = (chain.value.clone(), key.value.clone());
        let seen = [stamp(&chain), stamp(&key)];
        Some(Self { version, origin, chain, key, seen })
    }

    /// Do its files look different now?
    pub(super) fn has_changed(&self) -> bool {
        [stamp(&self.chain), stamp(&self.key)] != self.seen
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let seen = std::fs::metadata(path).ok()?;
    let (modified, changed) = ((seen.mtime(), seen.mtime_nsec()), (seen.ctime(), seen.ctime_nsec()));
    Some((seen.dev(), seen.ino(), seen.size(), modified, changed))
}
