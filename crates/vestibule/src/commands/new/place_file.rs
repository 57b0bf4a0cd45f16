//! Puts a file in its place in one step: written whole beside it under a hidden name, then linked or renamed.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::failure::Failure;

/// What becomes of a file that is already there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays, and placing fails.
    Keep,
    /// It is replaced.
    Replace,
}

/// Writes `bytes` to `path`, whole or not at all. The folder exists.
pub(crate) fn place(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), Failure> {
    let failed = |source| Failure::Write { path: path.to_owned(), source };
    let name = path.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    let draft = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let placed = write_whole(&draft, bytes).and_then(|()| move_over(&draft, path, existing));
    if placed.is_err() {
        // Whether or not there is a draft to remove, what failed is told.
        drop(fs::remove_file(&draft));
    }
    placed.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => Failure::Exists { path: path.to_owned() },
        _ => failed(source),
    })
}

fn write_whole(draft: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(draft)?;
    file.write_all(bytes)?;
    // Before the rename: a crash leaves the old file or the new one, not an empty one.
    file.sync_all()
}

fn move_over(draft: &Path, path: &Path, existing: Existing) -> io::Result<()> {
    match existing {
        Existing::Replace => fs::rename(draft, path),
        // One step that also refuses: looking first would leave a gap.
        Existing::Keep => Ok(renameat_with(CWD, draft, CWD, path, RenameFlags::NOREPLACE)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_stays_unless_it_shall_not() {
        let folder = std::env::temp_dir().join(format!("vestibule-place-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("blog.yaml");
        place(&path, b"one", Existing::Keep).unwrap();
        assert!(matches!(place(&path, b"two", Existing::Keep), Err(Failure::Exists { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        place(&path, b"three", Existing::Replace).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no draft is left behind");
        fs::remove_dir_all(&folder).unwrap();
        assert!(matches!(place(&path, b"x", Existing::Keep), Err(Failure::Write { .. })));
    }
}
