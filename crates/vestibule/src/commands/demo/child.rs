//! [`Backend`]: a backend of the demo in a process of its own: this very binary, re-executed. It ends when it is dropped, and
//! also when we are killed: then its standard input ends.

use std::{
    io::{self, BufRead as _, BufReader, Read as _},
    os::unix::process::CommandExt as _,
    process::{Child, ChildStdout, Command, Stdio},
};

use vestibule_names::UpstreamAddr;

use crate::{failure::Failure, terminal::tell};

use super::scene::{Door, Role, Scene};

/// The longest line in which a backend says where it listens.
const LINE_LIMIT: u64 = 4096;

/// A running backend.
#[derive(Debug)]
pub(super) struct Backend {
    role: Role,
    upstream: UpstreamAddr,
    child: Child,
}

impl Backend {
    /// Starts it and waits until it listens.
    pub(super) fn start(role: Role, scene: &Scene) -> Result<Self, Failure> {
        let name = role.name;
        let failed = |source| Failure::Backend { name: name.to_owned(), source };
        scene.admit(&role).map_err(failed)?;
        let (mut child, role) = match spawn(&role) {
            // A container may not let even root become somebody else.
            Err(source) if source.kind() == io::ErrorKind::PermissionDenied && role.uid.is_some() => {
                tell(&format!("vestibule: backend {name} runs as our own user: {source}\n"));
                let role = Role { uid: None, ..role };
                (spawn(&role).map_err(failed)?, role)
            }
            spawned => (spawned.map_err(failed)?, role),
        };
        match listening(child.stdout.take()) {
            Ok(upstream) => Ok(Self { role, upstream, child }),
            Err(source) => {
                end(&mut child);
                Err(failed(source))
            }
        }
    }

    /// Of the role.
    pub(super) fn name(&self) -> &'static str {
        self.role.name
    }

    /// The user it runs as, when that is not ours.
    pub(super) fn uid(&self) -> Option<u32> {
        self.role.uid
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens, as a site file says it.
    pub(super) fn upstream(&self) -> &UpstreamAddr {
        &self.upstream
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// By its pid, and reaped.
fn end(child: &mut Child) {
    // An error says that it has ended already.
    drop(child.kill());
    drop(child.wait());
}

fn spawn(role: &Role) -> io::Result<Child> {
    // Not current_exe(): another user may not be able to walk to where the binary lies, and it may have been replaced.
    let mut command = Command::new("/proc/self/exe");
    command.arg0("vestibule").args(["demo-backend", "--name", role.name]);
    match &role.door {
        Door::Port => command.args(["--port", "0"]),
        Door::Unix(path) => command.arg("--unix").arg(path),
    };
    if let Some(uid) = role.uid {
        command.uid(uid).gid(uid);
    }
    // A process group of its own: Ctrl-C reaches the gateway only, which lets the backends finish what is open.
    command.process_group(0).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
}

/// The first line of a backend is its address.
fn listening(stdout: Option<ChildStdout>) -> io::Result<UpstreamAddr> {
    let stdout = stdout.ok_or(io::ErrorKind::BrokenPipe)?;
    let mut line = String::new();
    BufReader::new(stdout.take(LINE_LIMIT)).read_line(&mut line)?;
    UpstreamAddr::parse(line.trim()).map_err(|_| io::Error::new(io::ErrorKind::UnexpectedEof, "it ended at once"))
}
