//! [`Stage`]: the gateway, seven tenants with a backend each, and what clients need to know of them.
//!
//! As root the tenants are seven users; otherwise all sites and backends are ours, and so are their budgets together.

use std::{
    fs, io,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use tempfile::TempDir;
use vestibule_testkit::{
    Gateway, Site,
    certificate::{Authority, Shown, Validity},
    client::Trust,
};

use super::{
    backend::Backend,
    tally::{Tally, Weather},
    visitors::Visitors,
};
use crate::Outcome;

/// A tenant who does nothing at all.
pub(super) const CALM: &str = "calm.soak.test";
/// A tenant whose backend listens on a Unix socket.
pub(super) const UNIX: &str = "unix.soak.test";
/// A tenant whose backend crashes.
pub(super) const CRASHING: &str = "crashing.soak.test";
/// A tenant who edits, breaks, renames.
pub(super) const EDITED: &str = "edited.soak.test";
/// A tenant who replaces certificate files.
pub(super) const CERTIFIED: &str = "certified.soak.test";
/// A tenant who saves one file as fast as it goes.
pub(super) const SCRIBBLED: &str = "scribbled.soak.test";
/// A tenant who is attacked, with little to spend.
pub(super) const PREY: &str = "prey.soak.test";
/// Sites with good clients.
pub(super) const JUDGED: [&str; 6] = [CALM, UNIX, CRASHING, EDITED, CERTIFIED, SCRIBBLED];

/// Certificate files.
const CHAIN: &str = "chain.pem";
const KEY: &str = "key.pem";

/// Users who need not exist.
const FIRST_UID: u32 = 64_300;

/// See the module. Everything ends when dropped.
pub(super) struct Stage {
    // First: it ends before its backends.
    pub(super) gateway: Gateway,
    backends: Vec<Backend>,
    pub(super) visitors: Visitors,
    pub(super) tally: Tally,
    pub(super) weather: Weather,
    authority: Authority,
    users: Users,
    stopped: AtomicBool,
    _dir: TempDir,
}

/// Whose a tenant's things are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Users {
    Real,
    Ourselves,
}

impl Users {
    /// The user of a tenant; `None`: we ourselves.
    fn of(self, host: &str) -> Option<u32> {
        let number = JUDGED.iter().position(|judged| *judged == host).unwrap_or(JUDGED.len());
        (self == Self::Real).then(|| FIRST_UID + u32::try_from(number).unwrap_or(0))
    }
}

/// The part of a host before the first dot: names folders and files.
fn word(host: &str) -> &str {
    host.split('.').next().unwrap_or(host)
}

impl Stage {
    /// Starts backends, writes the sites, starts the gateway. Gives the crashing backend apart.
    pub(super) async fn start(binary: PathBuf) -> Outcome<(Self, Backend)> {
        let users = if rustix::process::geteuid().is_root() { Users::Real } else { Users::Ourselves };
        let dir = tempfile::Builder::new().prefix("vestibule-soak").tempdir()?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        let program = own_program(dir.path())?;
        let home = tempfile::Builder::new().prefix("vestibule-test").tempdir()?;
        let authority = Authority::default();
        let (mut backends, mut crashing) = (Vec::new(), None);
        for host in JUDGED.into_iter().chain([PREY]) {
            let logs = dir.path().join(word(host));
            fs::create_dir(&logs)?;
            let user = users.of(host);
            let backend = match host {
                UNIX => Backend::at_socket(&program, user, &logs).await?,
                _ => Backend::at_port(&program, user, &logs).await,
            };
            let folder = home.path().join("sites.d").join(word(host));
            fs::create_dir_all(&folder)?;
            chown(&folder, user, user)?;
            place(&folder, &format!("{}.yaml", word(host)), site(host, &folder).upstream(&backend).text(), user)?;
            if host == CERTIFIED {
                issue(&authority, &folder, user)?;
            }
            match host {
                CRASHING => crashing = Some(backend),
                _ => backends.push(backend),
            }
        }
        let builder = Gateway::builder().binary(binary).settings(&settings(home.path(), users));
        let gateway = builder.start_in(home).await;
        for host in JUDGED {
            let file = format!("{0}/{0}.yaml", word(host));
            let row = gateway.row(&file).await.filter(|row| row["state"] == "live");
            row.ok_or(format!("{file} is not live: {:?}", gateway.row(&file).await))?;
        }
        let roots = fs::read_to_string(gateway.root_file())? + &authority.root_pem();
        let (tally, weather) = Default::default();
        let visitors = Visitors::new(&Trust::roots(&roots));
        let stopped = AtomicBool::new(false);
        let stage = Self { gateway, backends, visitors, tally, weather, authority, users, stopped, _dir: dir };
        Ok((stage, crashing.ok_or("no backend crashes")?))
    }

    /// May clients go on?
    pub(super) fn goes_on(&self) -> bool {
        !self.stopped.load(Relaxed)
    }

    /// All clients come to an end, or begin again.
    pub(super) fn stop(&self, stopped: Going) {
        self.stopped.store(stopped == Going::Ends, Relaxed);
    }

    /// The folder of a tenant.
    pub(super) fn folder(&self, host: &str) -> PathBuf {
        self.gateway.sites_dir().join(word(host))
    }

    /// Puts a file of that tenant's into its folder in one step.
    pub(super) fn place(&self, host: &str, file: &str, text: &str) -> io::Result<()> {
        place(&self.folder(host), file, text, self.users.of(host))
    }

    /// The site file of a host, to be gone on with.
    pub(super) fn site(&self, host: &str) -> Site {
        // Backends are in the order of hosts, without the one that crashes.
        let hosts = JUDGED.into_iter().chain([PREY]).filter(|host| *host != CRASHING);
        let backend = hosts.zip(&self.backends).find(|(known, _)| *known == host).map(|(_, backend)| backend);
        let site = site(host, &self.folder(host));
        backend.map_or_else(|| site.clone(), |backend| site.clone().upstream(backend))
    }

    /// Replaces the certificate files, the key after the chain as certbot does it. Gives what is to be shown from then on.
    pub(super) fn issue(&self) -> io::Result<Shown> {
        issue(&self.authority, &self.folder(CERTIFIED), self.users.of(CERTIFIED))
    }
}

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Going {
    On,
    Ends,
}

fn site(host: &str, folder: &Path) -> Site {
    let site = Site::new(host).line("redirect_to_https: false").line("timeouts: {response: 20s, tunnel_idle: 10s}");
    match host {
        CERTIFIED => {
            let (chain, key) = (folder.join(CHAIN), folder.join(KEY));
            site.line(&format!("tls: {{chain: {}, key: {}}}", chain.display(), key.display()))
        }
        _ => site,
    }
}

fn place(folder: &Path, file: &str, text: &str, user: Option<u32>) -> io::Result<()> {
    let draft = folder.join(format!("{file}.tmp"));
    fs::write(&draft, text)?;
    if file == KEY {
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o600))?;
    }
    chown(&draft, user, user)?;
    fs::rename(draft, folder.join(file))
}

fn issue(authority: &Authority, folder: &Path, user: Option<u32>) -> io::Result<Shown> {
    let issued = authority.issue(&[CERTIFIED], Validity::Now);
    place(folder, CHAIN, &issued.chain, user)?;
    place(folder, KEY, &issued.key, user)?;
    Ok(Shown::of_pem(&issued.chain))
}

/// This program, where every user can run it.
fn own_program(dir: &Path) -> io::Result<PathBuf> {
    let copy = dir.join("xtask");
    // Its file may have been built anew meanwhile: the kernel still has the one that runs.
    fs::copy("/proc/self/exe", &copy)?;
    Ok(copy)
}

/// Waits are short, so that what is slow ends within a round.
fn settings(home: &Path, users: Users) -> String {
    let prey = match users {
        Users::Real => users.of(PREY).map_or(String::new(), |uid| {
            format!(
                "  {uid}: {{limits: {{connections: 40, requests_in_flight: 60, requests_per_second: 300, \
                 handshakes_per_second: 60, bandwidth: 8MiB, buffered: 1MiB, tunnels: 5, upstream_connections: 20}}}}\n"
            )
        }),
        Users::Ourselves => String::new(),
    };
    format!(
        "log: {{access: {}}}\nlimits: {{connections_per_client: 150}}\n\
         timeouts: {{handshake: 5s, request_head: 5s, idle: 15s, write_stall: 5s, upstream_keep_alive: 3s, rescan: 10s}}\n\
         tenants:\n  default: {{limits: {{handshakes_per_second: 100000, requests_per_second: 100000, logs: 1MiB}}}}\n{prey}",
        home.join("access.log").display()
    )
}
