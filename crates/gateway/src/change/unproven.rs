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
    files: Files,
}

/// The certificate files that a site names, as they looked at one moment.
pub(super) struct Files {
    seen: Vec<(PathBuf, Option<Stamp>)>,
}

/// What changes when a file is replaced or written: device, inode, size, modification, change.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

impl Files {
    /// `None` for a site that names none. To be taken before the files are judged: a change in between counts.
    pub(super) fn of(site: &Site) -> Option<Self> {
        let mut paths = Vec::new();
        if let Tls::Files { chain, key } = &site.tls.value {
            paths.extend([&chain.value, &key.value]);
        }
        paths.extend(site.client_ca.as_ref().map(|client_ca| &client_ca.file.value));
        let seen: Vec<_> = paths.into_iter().map(|path| (path.clone(), stamp(path))).collect();
        (!seen.is_empty()).then_some(Self { seen })
    }
}

impl Unproven {
    /// `None` unless every error is one of certificate files, and the site names some.
    pub(super) fn of(version: Version, files: Option<Files>, diagnostics: &[Diagnostic]) -> Option<Box<Self>> {
        let mut errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
        let only_files = errors.all(|error| error.code.entry().number.starts_with("V05"));
        files.filter(|_| only_files).map(|files| Box::new(Self { version, files }))
    }

    /// Do its files look different now?
    pub(super) fn has_changed(&self) -> bool {
        self.files.seen.iter().any(|(path, seen)| stamp(path) != *seen)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let seen = std::fs::metadata(path).ok()?;
    let (modified, changed) = ((seen.mtime(), seen.mtime_nsec()), (seen.ctime(), seen.ctime_nsec()));
    Some((seen.dev(), seen.ino(), seen.size(), modified, changed))
}
