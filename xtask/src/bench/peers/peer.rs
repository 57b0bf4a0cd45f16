//! [`Peer`]: a proxy, started with its configuration on its core.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::{Signal, geteuid};
use serde::Serialize;
use tempfile::TempDir;
use vestibule_testkit::{
    backend::free_port,
    process::{Process, Program},
};

use super::{
    config::{self, Job, Setup, SiteFile, Terms},
    hosts::with_end,
    metrics::Metrics,
    proc::{Usage, processor_time},
    stage::{HOST, START_LIMIT, Stage, listening},
};
use crate::{
    bench::PROXY_CORE,
    packages::{Package, path_of},
};

/// Debian's `nobody`, as whom Apache serves when we are root; it refuses to serve as root.
const NOBODY: u32 = 65_534;
/// A user who need not exist: the tenant whose site it is with everything on, when we are root.
const TENANT: u32 = 100_000;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(in crate::bench) enum Peer {
    /// Ourselves.
    Vestibule,
    /// nginx.
    Nginx,
    /// HAProxy.
    Haproxy,
    /// Caddy.
    Caddy,
    /// Apache with the event MPM.
    Apache,
}

/// A proxy that serves. Ends when dropped.
pub(in crate::bench) struct Running {
    process: Process,
    /// Where it serves TLS.
    pub(in crate::bench) address: SocketAddr,
    /// As it says itself.
    pub(in crate::bench) version: String,
    /// Where its figures are, with everything on.
    pub(super) metrics: Metrics,
    /// Its access log, with everything on.
    pub(super) access_log: PathBuf,
    /// Resident memory before its first slow clients, KiB: what they needed once it may keep.
    pub(super) before_crowds: Option<u64>,
    _dir: TempDir,
}

impl Peer {
    /// For tables.
    pub(in crate::bench) fn name(self) -> &'static str {
        match self {
            Self::Vestibule => "vestibule",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
            Self::Apache => "apache",
        }
    }

    /// What it needs of the system.
    pub(in crate::bench) fn packages(self) -> Vec<Package> {
        match self {
            // nginx is needed anyway, as the origin.
            Self::Vestibule | Self::Nginx => Vec::new(),
            Self::Haproxy => vec![Package { name: "haproxy", programs: &["haproxy"] }],
            Self::Caddy => vec![Package { name: "caddy", programs: &["caddy"] }],
            Self::Apache => vec![Package { name: "apache2", programs: &["apache2"] }],
        }
    }

    /// Starts it and sees that it listens.
    pub(in crate::bench) async fn launch(self, stage: &Stage, job: Job, terms: Terms) -> Result<Running, String> {
        let program = self.program(stage).ok_or("not installed")?;
        let dir = tempfile::Builder::new().prefix("vestibule-bench").tempdir().map_err(|error| error.to_string())?;
        let (address, metrics) = (free_port(), free_port());
        let setup = Setup {
            terms,
            job,
            dir: dir.path(),
            certificates: stage.dir(),
            names: stage.names(),
            listen: address,
            metrics,
            origin: stage.origin(job),
        };
        let words = self.configure(&setup).map_err(|error| format!("cannot configure: {error}"))?;
        let mut process = self.pinned(&program, words, dir.path()).start(self.name(), dir.path());
        listening(&mut process, address).await?;
        let version = version(&program, self);
        let metrics = match self {
            Self::Vestibule => Metrics::Socket(dir.path().join("state/admin.sock")),
            Self::Nginx | Self::Haproxy | Self::Caddy | Self::Apache => Metrics::Address(metrics),
        };
        metrics.ready().await?;
        let access_log = dir.path().join(if self == Self::Haproxy { "haproxy.stdout" } else { "access.log" });
        Ok(Running { process, address, version, metrics, access_log, before_crowds: None, _dir: dir })
    }

    fn program(self, stage: &Stage) -> Option<PathBuf> {
        match self {
            Self::Vestibule => Some(stage.vestibule.clone()),
            Self::Apache => path_of("apache2"),
            Self::Nginx | Self::Haproxy | Self::Caddy => path_of(self.name()),
        }
    }

    /// Writes the configuration and gives the arguments. Each stays one process that does not leave the foreground, so
    /// that it ends with us in every case.
    fn configure(self, setup: &Setup<'_>) -> std::io::Result<Vec<String>> {
        let words = |text: String| text.split_whitespace().map(str::to_owned).collect();
        let (dir, shown, address) = (setup.dir, setup.dir.display(), setup.listen);
        Ok(match self {
            Self::Vestibule => {
                write_sites(setup)?;
                fs::write(dir.join("vestibule.yaml"), config::settings(setup))?;
                let clear = free_port();
                words(format!(
                    "run --http {clear} --https {address} --workers 1 --settings {shown}/vestibule.yaml \
                     --sites {shown}/sites.d --state {shown}/state"
                ))
            }
            Self::Nginx => {
                fs::write(dir.join("nginx.conf"), config::nginx(setup))?;
                words(format!("-p {shown} -e {shown}/error.log -c nginx.conf"))
            }
            Self::Haproxy => {
                fs::write(dir.join("hosts.map"), config::haproxy_map(setup))?;
                fs::write(dir.join("haproxy.cfg"), config::haproxy(setup))?;
                words(format!("-db -f {shown}/haproxy.cfg"))
            }
            Self::Caddy => {
                fs::write(dir.join("Caddyfile"), config::caddy(setup))?;
                words(format!("run --adapter caddyfile --config {shown}/Caddyfile"))
            }
            Self::Apache => {
                fs::write(dir.join("apache.conf"), config::apache(setup))?;
                if geteuid().is_root() {
                    chown(dir, Some(NOBODY), Some(NOBODY))?;
                }
                words(format!("-X -d {shown} -f apache.conf"))
            }
        })
    }

    fn pinned(self, program: &Path, words: Vec<String>, dir: &Path) -> Program {
        let pinned = Program::new("taskset")
            .args(["--cpu-list", PROXY_CORE])
            .args([program])
            .args(words)
            .env("GOMAXPROCS", "1")
            .env("HOME", dir)
            .env("XDG_DATA_HOME", dir)
            .env("XDG_CONFIG_HOME", dir)
            .env_remove("NOTIFY_SOCKET")
            .env_remove("LISTEN_FDS")
            .dir(dir);
        if self == Self::Apache && geteuid().is_root() { pinned.user(NOBODY) } else { pinned }
    }
}

impl Running {
    /// The address of a file, by the name in the certificate.
    pub(in crate::bench) fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.address.port())
    }

    /// What it has used so far; a proxy that has ended says how.
    pub(in crate::bench) fn usage(&mut self) -> Result<Usage, String> {
        if let Some(exit) = self.process.exited() {
            return Err(format!("the proxy ended with {exit}"));
        }
        Usage::of(self.process.pid()).ok_or_else(|| "the proxy is gone".to_owned())
    }

    /// Ends it in good order.
    pub(super) async fn end(mut self) -> Result<(), String> {
        self.process.signal(Signal::TERM);
        let exit = self.process.wait_within(START_LIMIT).await.ok_or("does not end")?;
        if exit.success() { Ok(()) } else { Err(format!("ended with {exit}: {}", self.process.stderr().trim())) }
    }

    /// The processor time that it has used so far, of its own process alone.
    pub(in crate::bench) fn processor_time(&self) -> Duration {
        processor_time(self.process.pid())
    }
}

/// With everything on they are a tenant's, if we may give files away, and so are the certificates that they name: nobody's site
/// may use those of somebody else.
fn write_sites(setup: &Setup<'_>) -> std::io::Result<()> {
    let tenant = (setup.terms == Terms::Everything && geteuid().is_root()).then_some(TENANT);
    let (dir, own) = (setup.dir.join("sites.d"), setup.dir.join("certificates"));
    fs::create_dir(&dir)?;
    fs::create_dir_all(own.join("hosts"))?;
    let shared = config::sites(setup, setup.certificates);
    let sites = if tenant.is_some() { config::sites(setup, &own) } else { config::sites(setup, setup.certificates) };
    for (SiteFile { name, text, certificate }, from) in sites.into_iter().zip(shared) {
        let file = dir.join(name);
        fs::write(&file, text)?;
        if tenant.is_none() {
            continue;
        }
        chown(file, tenant, tenant)?;
        for end in ["crt", "key"] {
            let copy = with_end(&certificate, end);
            fs::copy(with_end(&from.certificate, end), &copy)?;
            chown(copy, tenant, tenant)?;
        }
    }
    Ok(())
}

/// The first line in which it names a number.
fn version(program: &Path, peer: Peer) -> String {
    let argument = match peer {
        Peer::Vestibule => "--version",
        Peer::Caddy => "version",
        Peer::Nginx | Peer::Haproxy | Peer::Apache => "-v",
    };
    let Ok(output) = Command::new(program).arg(argument).output() else { return String::new() };
    let text = [output.stdout, output.stderr].concat();
    first_number(&String::from_utf8_lossy(&text))
}

/// `nginx version: nginx/1.22.1` → `1.22.1`.
fn first_number(text: &str) -> String {
    let words = text.split([' ', '/', '\n', '-', '+']).map(|word| word.trim_start_matches('v'));
    let mut numbers = words.filter(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'));
    numbers.next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let check = |text: &str, expected: &str| assert_eq!(first_number(text), expected, "{text}");
        check("nginx version: nginx/1.22.1\n", "1.22.1");
        check("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/", "2.6.12");
        check("Server version: Apache/2.4.71 (Debian)", "2.4.71");
        check("v2.11.2 h1:abc=", "2.11.2");
        check("vestibule 0.1.0", "0.1.0");
        check("", "");
    }
}
