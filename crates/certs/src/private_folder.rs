//! Our own files: a folder that only the gateway's user may enter, and directories that appear whole or not at all.
//!
//! Not here: anything a tenant chose (see `tenant_file`), and what the files mean.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    time::{Duration, SystemTime},
};

use crate::vault::VaultError;

/// Folders that a killed process left half written are removed after this long.
const LEFTOVER_AGE: Duration = Duration::from_secs(3600);

/// Creates `dir` (0700) with its parents, or checks that an existing one is ours and closes it to everybody else.
pub(crate) fn open(dir: &Path) -> Result<(), VaultError> {
    let at = |source| VaultError::Io { path: dir.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(at)?;
    // From here on through the descriptor: the path may name something else a moment later.
    let folder = File::open(dir).map_err(at)?;
    let found = folder.metadata().map_err(at)?;
    if !found.is_dir() {
        return Err(at(io::ErrorKind::NotADirectory.into()));
    }
    let us = rustix::process::geteuid().as_raw();
    if found.uid() != us {
        return Err(VaultError::Owner { path: dir.to_owned(), owner: found.uid(), expected: us });
    }
    if found.mode() & 0o077 != 0 {
        tracing::warn!(path = %dir.display(), "the certificate folder was open to other users; closing it");
        folder.set_permissions(Permissions::from_mode(0o700)).map_err(at)?;
    }
    Ok(())
}

/// Makes the directory `name` in `folder` with these files (0600), durable before it is visible. Of several processes
/// that try at once exactly one wins: a directory is never renamed over one that has files. `Ok(false)` for the losers.
pub(crate) fn publish(folder: &Path, name: &str, files: &[(&str, &[u8])]) -> io::Result<bool> {
    let made = folder.join(format!(".{name}.{}", random_suffix()?));
    let published = write_whole(&made, files).and_then(|()| match fs::rename(&made, folder.join(name)) {
        Ok(()) => sync(folder).map(|()| true),
        Err(error) if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => {
            Ok(false)
        }
        Err(error) => Err(error),
    });
    if !matches!(published, Ok(true)) {
        // Best effort: a leftover is private, and goes at a later start.
        let _ = fs::remove_dir_all(&made);
    }
    published
}

/// Removes what a killed `publish` of `name` left behind long ago.
pub(crate) fn sweep(folder: &Path, name: &str, now: SystemTime) {
    let prefix = format!(".{name}.");
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let old = entry
            .metadata()
            .and_then(|found| found.modified())
            .is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age > LEFTOVER_AGE));
        if old && entry.file_name().to_string_lossy().starts_with(&prefix) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn write_whole(dir: &Path, files: &[(&str, &[u8])]) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(dir)?;
    for (name, content) in files {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join(name))?;
        file.write_all(content)?;
        file.sync_all()?;
    }
    sync(dir)
}

fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn random_suffix() -> io::Result<String> {
    random_hex().ok_or_else(|| io::Error::other("no randomness"))
}

/// Eight hexadecimal digits, for names that must differ; `None` when the system has no randomness to give.
pub(crate) fn random_hex() -> Option<String> {
    let mut bytes = [0; 4];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(format!("{:08x}", u32::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_new_folder_is_private_and_an_open_one_is_closed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("state/certs");
        open(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        open(&folder).unwrap();
        assert_eq!(mode(&folder), 0o700);
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("certs");
        fs::write(&path, "x").unwrap();
        assert!(matches!(open(&path), Err(VaultError::Io { .. })));
    }

    #[test]
    fn the_folder_of_another_user_is_refused() {
        if !rustix::process::geteuid().is_root() {
            return eprintln!("skipped: needs root to give a folder away");
        }
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(dir.path(), Some(12_345), None).unwrap();
        assert!(matches!(open(dir.path()), Err(VaultError::Owner { owner: 12_345, .. })));
    }

    #[test]
    fn the_first_publish_wins_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        assert!(publish(dir.path(), "x", &[("a", b"1")]).unwrap());
        assert!(!publish(dir.path(), "x", &[("a", b"2")]).unwrap());
        assert_eq!(fs::read(dir.path().join("x/a")).unwrap(), b"1");
        assert_eq!((mode(&dir.path().join("x")), mode(&dir.path().join("x/a"))), (0o700, 0o600));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_old_leftovers_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".x.0badcafe", "x", ".y.0badcafe"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let left = || fs::read_dir(dir.path()).unwrap().count();
        sweep(dir.path(), "x", SystemTime::now());
        assert_eq!(left(), 3);
        sweep(dir.path(), "x", SystemTime::now() + 2 * LEFTOVER_AGE);
        assert_eq!(left(), 2);
    }
}
