//! [`StoreError`]: why the store did not do what it should.

use std::{
    io,
    path::{Path, PathBuf},
};

use vestibule_diagnostics::Diagnostic;

/// Why the store did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried: `write`, `read`, `rename` …
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process writes.
    #[error("another process writes to {path}")]
    Locked {
        /// The lock's path.
        path: PathBuf,
    },
    /// Too little is free for an order to be safe.
    #[error("only {free} bytes are free in {path}, and {needed} are needed before a certificate is ordered")]
    Full {
        /// Where.
        path: PathBuf,
        /// Bytes.
        free: u64,
        /// Bytes.
        needed: u64,
    },
    /// What was read back is not what was written.
    #[error("{path} does not keep what is written to it")]
    Unreliable {
        /// Where.
        path: PathBuf,
    },
    /// A key could not be made, or not be used.
    #[error("no key could be made: {0}")]
    Key(String),
    /// A chain was refused: the diagnostics of its inspection, at least one.
    #[error("the certificate was refused: {}", first_sentence(.0))]
    Refused(Vec<Diagnostic>),
    /// The journal.
    #[error("cannot use the journal {path}: {reason}")]
    Journal {
        /// Where.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The store has no such issuance, or no longer.
    #[error("the store has no issuance {0}")]
    Unknown(String),
    /// What the store has is damaged.
    #[error("{path} cannot be used: {reason}")]
    Damaged {
        /// Where.
        path: PathBuf,
        /// Why, in one sentence.
        reason: String,
    },
}

impl StoreError {
    /// An error of the disk, for `map_err`.
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }

    /// Something that was found not to be as it was written.
    pub(super) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.into() }
    }

    /// Is it that nothing is there?
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Is it that the process, not the file, is in trouble? Then the same file may be read a moment later.
    pub(super) fn is_passing(&self) -> bool {
        use rustix::io::Errno;
        let passing = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::INTR, Errno::AGAIN];
        matches!(self, Self::Io { source, .. } if Errno::from_io_error(source).is_some_and(|errno| passing.contains(&errno)))
    }
}

/// The first error with what to do about it: `Display` is often all that a person sees.
fn first_sentence(found: &[Diagnostic]) -> String {
    match found.iter().find(|found| found.is_error()).or(found.first()) {
        Some(Diagnostic { message, help: Some(help), .. }) => format!("{message} ({help})"),
        Some(found) => found.message.clone(),
        None => String::new(),
    }
}
