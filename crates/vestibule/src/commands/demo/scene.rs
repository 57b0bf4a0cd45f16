//! [`Scene`]: the temporary folder of a demo and what lies in it. Removed when it is dropped.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use vestibule_names::HostPattern;

use crate::{commands::new::site_text, failure::Failure};

use super::child::Backend;

/// Tenants of the demo when it runs as root: users that no distribution hands out.
const FIRST_UID: u32 = 60_001;
/// Tries to find a name for the folder that nobody has taken.
const NAMES: u32 = 100;

/// Who plays what.
#[derive(Clone, Debug)]
pub(super) struct Role {
    /// The backend's name; its site is NAME.localhost.
    pub(super) name: &'static str,
    /// The user it runs as, when we may choose.
    pub(super) uid: Option<u32>,
    /// Where it listens.
    pub(super) door: Door,
}

/// Where a backend listens.
#[derive(Clone, Debug)]
pub(super) enum Door {
    /// A free port on loopback.
    Port,
    /// A Unix socket.
    Unix(PathBuf),
}

/// The folder.
#[derive(Debug)]
pub(super) struct Scene {
    folder: PathBuf,
}

impl Scene {
    /// Makes the folder and those inside it.
    pub(super) fn make() -> Result<Self, Failure> {
        let folder = fresh_folder(&std::env::temp_dir())?;
        let scene = Self { folder };
        for folder in [scene.sites(), scene.sockets()] {
            make_folder(&folder).map_err(|source| Failure::Write { path: folder, source })?;
        }
        Ok(scene)
    }

    /// The backends to start.
    pub(super) fn cast(&self) -> Vec<Role> {
        let root = rustix::process::geteuid().is_root();
        let doors = [("blog", Door::Port), ("shop", Door::Port), ("api", Door::Unix(self.sockets().join("api.sock")))];
        let uids = (FIRST_UID..).map(|uid| root.then_some(uid));
        doors.into_iter().zip(uids).map(|((name, door), uid)| Role { name, uid, door }).collect()
    }

    /// Lets the backend of that role make its socket here.
    pub(super) fn admit(&self, role: &Role) -> io::Result<()> {
        match (&role.door, role.uid) {
            (Door::Unix(_), Some(uid)) => chown(self.sockets(), Some(uid), Some(uid)),
            _ => Ok(()),
        }
    }

    /// Writes the site file of a backend, owned by the backend's user: that is who the tenant is.
    pub(super) fn write_site(&self, backend: &Backend) -> Result<(), Failure> {
        let path = self.site_file(backend.name());
        let failed = |source| Failure::Write { path: path.clone(), source };
        let host = format!("{}.localhost", backend.name());
        let host = HostPattern::parse(&host).expect("the demo's names are hostnames");
        fs::write(&path, site_text(&host, backend.upstream())).map_err(failed)?;
        backend.uid().map_or(Ok(()), |uid| chown(&path, Some(uid), Some(uid))).map_err(failed)
    }

    /// Writes the local CA's root for curl.
    pub(super) fn write_root(&self) -> Result<(), Failure> {
        let state = self.state();
        let pem = vestibule_gateway::read_local_root(&state).map_err(|source| Failure::Root { path: state, source })?;
        fs::write(self.root(), pem).map_err(|source| Failure::Write { path: self.root(), source })
    }

    /// All of it.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The site file of a backend.
    pub(super) fn site_file(&self, name: &str) -> PathBuf {
        self.sites().join(format!("{name}.yaml"))
    }

    /// The folder of site files.
    pub(super) fn sites(&self) -> PathBuf {
        self.folder.join("sites.d")
    }

    /// The gateway's own folder.
    pub(super) fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// The local CA's root.
    pub(super) fn root(&self) -> PathBuf {
        self.folder.join("root.pem")
    }

    /// One line per request.
    pub(super) fn access_log(&self) -> PathBuf {
        self.folder.join("access.log")
    }

    fn sockets(&self) -> PathBuf {
        self.folder.join("run")
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // At the end there is nobody left to tell; a temporary folder is cleared in the end anyway.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// Making it fails when it exists, so nobody else's folder (or link) is ever used.
fn fresh_folder(base: &Path) -> Result<PathBuf, Failure> {
    let mut number = 0;
    loop {
        let path = base.join(format!("vestibule-demo-{}-{number}", std::process::id()));
        match make_folder(&path) {
            Ok(()) => return Ok(path),
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists && number < NAMES => number += 1,
            Err(source) => return Err(Failure::Write { path, source }),
        }
    }
}

/// Others may look in, whatever the umask: backends of other users must reach their sockets.
fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o755).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_leaves_nothing_behind() {
        let scene = Scene::make().unwrap();
        let other = Scene::make().unwrap();
        assert_ne!(scene.folder(), other.folder());
        assert!(scene.sites().is_dir());
        let folder = scene.folder().to_owned();
        drop(scene);
        assert!(!folder.exists());
        assert!(other.folder().exists());
    }
}
