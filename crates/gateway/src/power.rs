//! [`become_user`]: a gateway that root has started goes on as a user of its own, before it has a thread, has opened
//! anything of its state, or has read a byte of a tenant.
//!
//! What is kept is CAP_NET_BIND_SERVICE, for the public ports, and nothing else: asking the kernel whose a socket is needs
//! no capability. Programs that the gateway starts (hooks, DNS programs) keep nothing: the capability is not inheritable,
//! and `no_new_privs` bars every way back (setuid programs, file capabilities), which is also why the bounding set need not
//! be touched. A process that has changed its user cannot be traced or dumped by others of that user (prctl(2),
//! PR_SET_DUMPABLE), and so the keys in its memory are out of their reach.
//!
//! Not here: a gateway that was started as an ordinary user (systemd's `User=`) stays what it is.

use std::{
    ffi::CString,
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use nix::unistd::{Gid, Uid, User as Account, initgroups, setgroups, setresgid, setresuid};
use rustix::{
    fs::{CWD, Mode, OFlags, fchown, openat},
    thread::{
        CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
        set_keep_capabilities, set_no_new_privs,
    },
};
use vestibule_site::tenancy::User;

/// What is kept.
const KEPT: CapabilitySet = CapabilitySet::NET_BIND_SERVICE;

/// Folders that must be there before root's power is gone.
#[derive(Clone, Copy, Debug)]
pub struct Folders<'a> {
    /// Of site files: the operator's. Made 0755 if missing, and left to root.
    pub sites: &'a Path,
    /// The gateway's own. Made 0700 and given to the user if missing; must be that user's.
    pub state: &'a Path,
    /// Of the tenants' socket. Made 0755 and given to the user if missing.
    pub socket: Option<&'a Path>,
}

/// As whom a gateway runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// As root, because nobody said otherwise.
    AsRoot,
    /// As an ordinary user, or as root because the settings say so.
    AsWished,
}

/// Why the gateway does not go on as that user.
#[derive(Debug, thiserror::Error)]
pub enum PowerError {
    /// Only root can become somebody else.
    #[error("the settings say `user: {user}`, and this process (uid {uid}) cannot become that user")]
    NotRoot {
        /// As it was written.
        user: String,
        /// As whom it runs.
        uid: u32,
    },
    /// No such user.
    #[error("the system knows no user {user}")]
    Unknown {
        /// As it was written.
        user: String,
    },
    /// The state folder holds keys that the gateway could not read any more.
    #[error("{path} belongs to uid {owner}, and the gateway is to run as {user} (uid {uid})")]
    State {
        /// Which.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// As it was written.
        user: String,
        /// Whose it must be.
        uid: u32,
    },
    /// A folder.
    #[error("cannot prepare {path}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A thread beside this one would keep root's power.
    #[error("the process has {count} threads before it has given up root's power")]
    Threads {
        /// How many.
        count: usize,
    },
    /// The kernel.
    #[error("cannot give up root's power ({step})")]
    Kernel {
        /// What failed.
        step: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Whom to become.
struct Wanted {
    written: String,
    /// As the system knows it; `None`: a number without an account.
    name: Option<CString>,
    uid: Uid,
    gid: Gid,
}

/// Goes on as this user, if somebody is wished and root started us. Must be called before there is a second thread.
pub fn become_user(user: Option<&User>, folders: Folders<'_>) -> Result<Runs, PowerError> {
    let own = Uid::effective();
    let Some(user) = user else { return Ok(if own.is_root() { Runs::AsRoot } else { Runs::AsWished }) };
    let wanted = Wanted::find(user)?;
    if wanted.uid == own {
        return Ok(Runs::AsWished);
    }
    if !own.is_root() {
        return Err(PowerError::NotRoot { user: wanted.written, uid: own.as_raw() });
    }
    wanted.prepare(folders)?;
    wanted.take_over()?;
    Ok(Runs::AsWished)
}

impl Wanted {
    /// A number without an account (as in containers) has the group of the same number.
    fn find(user: &User) -> Result<Self, PowerError> {
        let written = user.to_string();
        let found = match user {
            User::Name(name) => Account::from_name(name),
            User::Uid(uid) => Account::from_uid(Uid::from_raw(uid.0)),
        };
        let found = found.map_err(|error| kernel("look up the user", error.into()))?;
        match (found, user) {
            (Some(account), _) => {
                let name = CString::new(account.name).ok();
                Ok(Self { written, name, uid: account.uid, gid: account.gid })
            }
            (None, User::Uid(uid)) => {
                Ok(Self { written, name: None, uid: Uid::from_raw(uid.0), gid: Gid::from_raw(uid.0) })
            }
            (None, User::Name(_)) => Err(PowerError::Unknown { user: written }),
        }
    }

    fn prepare(&self, folders: Folders<'_>) -> Result<(), PowerError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| PowerError::Folder { path, source }
        };
        make(folders.sites, 0o755, None).map_err(failed(folders.sites))?;
        make(folders.state, 0o700, Some(self)).map_err(failed(folders.state))?;
        if let Some(socket) = folders.socket {
            make(socket, 0o755, Some(self)).map_err(failed(socket))?;
        }
        let owner = fs::metadata(folders.state).map_err(failed(folders.state))?.uid();
        if owner != self.uid.as_raw() {
            let (path, user) = (folders.state.to_owned(), self.written.clone());
            return Err(PowerError::State { path, owner, user, uid: self.uid.as_raw() });
        }
        Ok(())
    }

    /// The order matters: groups and user while the power for it is there, capabilities once the user is another.
    fn take_over(&self) -> Result<(), PowerError> {
        let count = fs::read_dir("/proc/self/task").map_err(|source| kernel("count threads", source))?.count();
        if count != 1 {
            return Err(PowerError::Threads { count });
        }
        set_no_new_privs(true).map_err(|error| kernel("no_new_privs", error.into()))?;
        set_keep_capabilities(true).map_err(|error| kernel("keep capabilities", error.into()))?;
        match &self.name {
            Some(name) => initgroups(name, self.gid),
            None => setgroups(&[self.gid]),
        }
        .map_err(|error| kernel("set groups", error.into()))?;
        setresgid(self.gid, self.gid, self.gid).map_err(|error| kernel("set group", error.into()))?;
        setresuid(self.uid, self.uid, self.uid).map_err(|error| kernel("set user", error.into()))?;
        keep_the_ports().map_err(|error| kernel("set capabilities", error.into()))?;
        set_keep_capabilities(false).map_err(|error| kernel("keep no more capabilities", error.into()))
    }
}

/// A container may have taken even this one away; then the ports come from elsewhere, or binding says what is wrong.
fn keep_the_ports() -> rustix::io::Result<()> {
    clear_ambient_capability_set()?;
    let kept = capabilities(None)?.permitted & KEPT;
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })
}

fn kernel(step: &'static str, source: io::Error) -> PowerError {
    PowerError::Kernel { step, source }
}

/// Makes a folder that is missing, and gives it away; one that is there stays as it is. What is given is what was made: a
/// folder that is no link, seen through one descriptor.
fn make(path: &Path, mode: u32, whose: Option<&Wanted>) -> io::Result<()> {
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o755).create(above)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    }
    let Some(whose) = whose else { return Ok(()) };
    let folder = openat(CWD, path, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let (uid, gid) = (rustix::fs::Uid::from_raw(whose.uid.as_raw()), rustix::fs::Gid::from_raw(whose.gid.as_raw()));
    Ok(fchown(&folder, Some(uid), Some(gid))?)
}

#[cfg(test)]
mod tests {
    use vestibule_names::TenantId;

    use super::*;

    fn folders(dir: &Path) -> Folders<'_> {
        Folders { sites: dir, state: dir, socket: None }
    }

    #[test]
    fn without_a_wish_or_as_oneself_nothing_changes() {
        let dir = tempfile::tempdir().unwrap();
        let own = Uid::effective();
        let expected = if own.is_root() { Runs::AsRoot } else { Runs::AsWished };
        assert_eq!(become_user(None, folders(dir.path())).unwrap(), expected);
        let own_name = User::Uid(TenantId(own.as_raw()));
        assert_eq!(become_user(Some(&own_name), folders(dir.path())).unwrap(), Runs::AsWished);
    }

    #[test]
    fn a_wish_that_cannot_be_met_is_refused_before_anything_changes() {
        let dir = tempfile::tempdir().unwrap();
        let unknown = become_user(Some(&User::Name("no such user".to_owned())), folders(dir.path()));
        assert!(matches!(unknown, Err(PowerError::Unknown { .. })), "{unknown:?}");
        let other = become_user(Some(&User::Uid(TenantId(64_021))), folders(dir.path()));
        if Uid::effective().is_root() {
            // The folder is root's: the keys in it would be out of reach.
            assert!(matches!(other, Err(PowerError::State { owner: 0, uid: 64_021, .. })), "{other:?}");
        } else {
            assert!(matches!(other, Err(PowerError::NotRoot { .. })), "{other:?}");
        }
        assert_eq!(Uid::effective(), Uid::current());
    }
}
