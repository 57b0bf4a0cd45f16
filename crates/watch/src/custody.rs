//! Whose word is a file? Decided from what the kernel says of the opened folder and of the opened file, so that nothing can
//! change between the look and the reading. Pure but for that: it opens nothing.
//!
//! | folder | files in it |
//! |---|---|
//! | of root or of the gateway's user, which nobody else may write | anybody's: only its owner can have put them there |
//! | of root or of the gateway's user, writable by others, sticky | anybody's but root's: whoever may move a file here need not own it, and what root says goes |
//! | of root or of the gateway's user, writable by others | none |
//! | of another user, which nobody else may write | that user's; root's count as that user's |
//!
//! A group that has its owner's number is the owner's own (user-private groups), unless an access control list (acl(5)) lets
//! others in: then the group's bits are those of its mask, and say nothing of the group. The gateway's user may let a group write
//! its files and folders: on a gateway of one's own that is nobody's harm but one's own.

use std::path::Path;

use rustix::fs::{Mode, Stat};
use vestibule_names::TenantId;

use crate::OpenError;

/// Who may put files into a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Steward {
    /// Its trusted owner alone.
    Trusted,
    /// Everybody, and each can touch the own files only.
    Everybody,
    /// One user.
    User(u32),
}

/// A file or folder as the kernel tells of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) stat: Stat,
    pub(crate) list: AccessList,
}

/// Is there an access control list beyond the mode?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AccessList {
    None,
    /// Or it cannot be told.
    Some,
}

/// The users who may do everything anyway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trust {
    /// As whom the gateway runs.
    pub(crate) gateway: u32,
}

impl Trust {
    fn covers(self, uid: u32) -> bool {
        uid == TenantId::OPERATOR.0 || uid == self.gateway
    }

    /// Whose files may lie in this folder? `above`: in a folder of whom it lies.
    pub(crate) fn steward(self, folder: &Seen, path: &Path, above: Option<Steward>) -> Result<Steward, OpenError> {
        let owner = folder.stat.st_uid;
        if let Some(Steward::User(user)) = above
            && owner != user
        {
            return Err(misplaced(path, owner, user));
        }
        let sticky = Mode::from_raw_mode(folder.stat.st_mode).contains(Mode::SVTX);
        match (self.covers(owner), self.writers(folder)) {
            (true, None) => Ok(Steward::Trusted),
            (true, Some(_)) if sticky => Ok(Steward::Everybody),
            (false, None) => Ok(Steward::User(owner)),
            (trusted, Some(writers)) => {
                let mend = if trusted { format!("chmod +t {}", quoted(path)) } else { writers.forbid(path) };
                Err(OpenError::FolderWritable { folder: path.to_owned(), writers, mend })
            }
        }
    }

    /// Whose word is this file?
    pub(crate) fn tenant(self, file: &Seen, path: &Path, steward: Steward) -> Result<TenantId, OpenError> {
        if let Some(writers) = self.writers(file) {
            return Err(OpenError::FileWritable { writers, mend: writers.forbid(path) });
        }
        let owner = file.stat.st_uid;
        match (self.owner(&file.stat, steward), steward) {
            (Some(tenant), _) => Ok(tenant),
            (None, Steward::User(user)) => Err(misplaced(path, owner, user)),
            (None, Steward::Trusted | Steward::Everybody) => {
                Err(OpenError::Unplaced { mend: format!("mv {} into a folder that only root writes", quoted(path)) })
            }
        }
    }

    /// Whose a file is by its place, whatever else is wrong with it; `None` when its owner is not who put it there.
    pub(crate) fn owner(self, file: &Stat, steward: Steward) -> Option<TenantId> {
        let owner = file.st_uid;
        match steward {
            Steward::Everybody if owner == TenantId::OPERATOR.0 => None,
            Steward::Trusted | Steward::Everybody => Some(TenantId(owner)),
            Steward::User(user) => (self.covers(owner) || owner == user).then_some(TenantId(user)),
        }
    }

    /// Who may write this beside its owner?
    fn writers(self, seen: &Seen) -> Option<Writers> {
        let Seen { stat, list } = seen;
        let mode = Mode::from_raw_mode(stat.st_mode);
        let is_private = stat.st_gid == stat.st_uid && *list == AccessList::None;
        let is_own_group = is_private || (stat.st_uid == self.gateway && self.gateway != 0);
        if mode.contains(Mode::WOTH) {
            Some(Writers::Everybody)
        } else if mode.contains(Mode::WGRP) && !is_own_group {
            Some(if *list == AccessList::None { Writers::Group(stat.st_gid) } else { Writers::Listed })
        } else {
            None
        }
    }
}

/// Who may write a file or folder beside its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// The group of this number.
    Group(u32),
    /// Whom its access control list names.
    Listed,
    /// Everybody.
    Everybody,
}

impl Writers {
    fn forbid(self, path: &Path) -> String {
        format!("chmod go-w {}", quoted(path))
    }
}

impl std::fmt::Display for Writers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Group(gid) => write!(f, "group {gid}"),
            Self::Listed => f.write_str("those whom its access control list names"),
            Self::Everybody => f.write_str("everybody"),
        }
    }
}

fn misplaced(path: &Path, owner: u32, user: u32) -> OpenError {
    OpenError::Misplaced { owner, user, mend: format!("chown {user} {}", quoted(path)) }
}

/// As a shell reads it: what is shown is typed by an administrator, and tenants choose names.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    if text.starts_with('/') && text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: u32 = 0;
    const ANN: u32 = 1000;
    const BOB: u32 = 1001;

    fn stat(uid: u32, gid: u32, mode: u32) -> Seen {
        let dir = tempfile::tempdir().unwrap();
        let mut stat = rustix::fs::stat(dir.path()).unwrap();
        (stat.st_uid, stat.st_gid, stat.st_mode) = (uid, gid, mode);
        Seen { stat, list: AccessList::None }
    }

    #[test]
    fn an_access_list_makes_a_group_of_ones_own_anybodys() {
        let trust = Trust { gateway: ROOT };
        for (mode, list, expected) in [
            (0o664, AccessList::None, None),
            (0o664, AccessList::Some, Some(Writers::Listed)),
            (0o644, AccessList::Some, None), // its mask lets nobody write
        ] {
            for uid in [ROOT, ANN] {
                assert_eq!(trust.writers(&Seen { list, ..stat(uid, uid, mode) }), expected, "{mode:o} {list:?}");
            }
        }
    }

    /// A file in a folder in the sites folder, each as (owner, group, mode).
    fn check(
        gateway: u32,
        top: (u32, u32, u32),
        folder: Option<(u32, u32, u32)>,
        file: (u32, u32, u32),
        expected: &str,
    ) {
        let trust = Trust { gateway };
        let of = |(uid, gid, mode)| stat(uid, gid, mode);
        let judged = || {
            let mut steward = trust.steward(&of(top), Path::new("/s"), None)?;
            if let Some(folder) = folder {
                steward = trust.steward(&of(folder), Path::new("/s/ann"), Some(steward))?;
            }
            trust.tenant(&of(file), Path::new("/s/ann/a b.yaml"), steward)
        };
        let told = match judged() {
            Ok(tenant) => tenant.0.to_string(),
            Err(error) => error.mend().unwrap_or_default().to_owned(),
        };
        assert_eq!(told, expected, "gateway {gateway}: {top:?} {folder:?} {file:?}");
    }

    #[test]
    fn whose_word_a_file_is() {
        let root = (ROOT, ROOT, 0o755);
        let sticky = (ROOT, ROOT, 0o1777);
        let (ann, bob) = ((ANN, ANN, 0o644), (BOB, BOB, 0o644));
        let chown = "chown 1000 '/s/ann/a b.yaml'";
        let chmod = "chmod go-w '/s/ann/a b.yaml'";
        for (top, folder, file, expected) in [
            // The operator's own folder.
            (root, None, (ROOT, ROOT, 0o644), "0"),
            (root, None, ann, "1000"),
            (root, None, (ANN, ANN, 0o664), "1000"),
            (root, None, (ANN, 100, 0o664), chmod),
            (root, None, (ANN, ANN, 0o666), chmod),
            (root, None, (ROOT, ROOT, 0o666), chmod),
            // One for everybody.
            (sticky, None, ann, "1000"),
            (sticky, None, (ROOT, ROOT, 0o644), "mv '/s/ann/a b.yaml' into a folder that only root writes"),
            ((ROOT, 100, 0o1775), None, ann, "1000"),
            ((ROOT, ROOT, 0o777), None, ann, "chmod +t /s"),
            ((ROOT, 100, 0o775), None, ann, "chmod +t /s"),
            // A folder of each user's.
            (root, Some((ANN, ANN, 0o755)), ann, "1000"),
            (root, Some((ANN, ANN, 0o775)), ann, "1000"),
            (sticky, Some((ANN, ANN, 0o700)), ann, "1000"),
            (root, Some((ANN, ANN, 0o755)), (ROOT, ROOT, 0o644), "1000"),
            (root, Some((ANN, ANN, 0o755)), bob, chown),
            (root, Some((ANN, ANN, 0o777)), ann, "chmod go-w /s/ann"),
            (root, Some((ANN, ANN, 0o1777)), ann, "chmod go-w /s/ann"),
            (root, Some((ANN, 100, 0o775)), ann, "chmod go-w /s/ann"),
            (root, Some((ROOT, ROOT, 0o755)), bob, "1001"),
            ((ANN, ANN, 0o755), Some((BOB, BOB, 0o755)), bob, "chown 1000 /s/ann"),
        ] {
            check(ROOT, top, folder, file, expected);
        }
    }

    #[test]
    fn a_gateway_of_ones_own_is_lenient_about_groups() {
        let own = (ANN, 100, 0o775);
        check(ANN, own, None, (ANN, 100, 0o664), "1000");
        check(ANN, own, Some(own), (ANN, 100, 0o664), "1000");
        check(ANN, own, None, (BOB, BOB, 0o644), "1001");
        check(ANN, (ANN, 100, 0o777), None, (ANN, 100, 0o644), "chmod +t /s");
        check(ANN, own, None, (ANN, 100, 0o666), "chmod go-w '/s/ann/a b.yaml'");
        // Of root's, and of users in a system's gateway that runs as a user of its own.
        check(64_000, (ROOT, ROOT, 0o755), None, (ANN, 100, 0o664), "chmod go-w '/s/ann/a b.yaml'");
        check(64_000, (ROOT, 64_000, 0o775), None, (ANN, ANN, 0o644), "chmod +t /s");
    }

    #[test]
    fn a_name_of_a_tenants_does_nothing_in_an_administrators_shell() {
        for (path, expected) in [
            ("/s/a.yaml", "/s/a.yaml"),
            ("/s/$(reboot).yaml", "'/s/$(reboot).yaml'"),
            ("/s/a';reboot;'.yaml", r"'/s/a'\'';reboot;'\''.yaml'"),
        ] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }
}
