//! [`Peer`]: a proxy, started with its configuration on its core and seen to do the job.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde::Serialize;
use tempfile::TempDir;
use vestibule_testkit::{
    Connection, Protocol,
    backend::free_port,
    process::{Process, Program},
    wait::within,
};

use super::{
    config::{self, Terms},
    proc::{Usage, processor_time},
    stage::{HOST, START_LIMIT, Stage, listening},
    workload::Workload,
};
use crate::{
    bench::PROXY_CORE,
    packages::{Package, path_of},
};

/// Debian's `nobody`, as whom Apache serves when we are root; it refuses to serve as root.
const NOBODY: u32 = 65_534;

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

    /// Starts it for a load and sees that it does the whole job.
    pub(in crate::bench) async fn start(self, stage: &Stage) -> Result<Running, String> {
        let running = self.launch(stage, Terms::Load).await?;
        running.does_the_job(stage).await?;
        Ok(running)
    }

    /// Starts it and sees that it listens.
    pub(in crate::bench) async fn launch(self, stage: &Stage, terms: Terms) -> Result<Running, String> {
        let program = self.program(stage).ok_or("not installed")?;
        let dir = tempfile::Builder::new().prefix("vestibule-bench").tempdir().map_err(|error| error.to_string())?;
        let address = free_port();
        let words =
            self.configure(stage, terms, dir.path(), address).map_err(|error| format!("cannot configure: {error}"))?;
        let mut process = self.pinned(&program, words, dir.path()).start(self.name(), dir.path());
        listening(&mut process, address).await?;
        let version = version(&program, self);
        Ok(Running { process, address, version, _dir: dir })
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
    fn configure(self, stage: &Stage, terms: Terms, dir: &Path, address: SocketAddr) -> std::io::Result<Vec<String>> {
        let words = |text: String| text.split_whitespace().map(str::to_owned).collect();
        let (certificate, origin, shown) = (stage.dir(), stage.origin, dir.display());
        Ok(match self {
            Self::Vestibule => {
                fs::create_dir(dir.join("sites.d"))?;
                fs::write(dir.join("sites.d/bench.yaml"), config::site(certificate, origin))?;
                fs::write(dir.join("vestibule.yaml"), config::settings(terms))?;
                let clear = free_port();
                words(format!(
                    "run --http {clear} --https {address} --workers 1 --settings {shown}/vestibule.yaml \
                     --sites {shown}/sites.d --state {shown}/state"
                ))
            }
            Self::Nginx => {
                fs::write(dir.join("nginx.conf"), config::nginx(terms, dir, certificate, address, origin))?;
                words(format!("-p {shown} -e {shown}/error.log -c nginx.conf"))
            }
            Self::Haproxy => {
                fs::write(dir.join("haproxy.cfg"), config::haproxy(terms, certificate, address, origin))?;
                words(format!("-db -f {shown}/haproxy.cfg"))
            }
            Self::Caddy => {
                fs::write(dir.join("Caddyfile"), config::caddy(certificate, address, origin))?;
                words(format!("run --adapter caddyfile --config {shown}/Caddyfile"))
            }
            Self::Apache => {
                fs::write(dir.join("apache.conf"), config::apache(dir, certificate, address, origin))?;
                if rustix::process::geteuid().is_root() {
                    std::os::unix::fs::chown(dir, Some(NOBODY), Some(NOBODY))?;
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
        if self == Self::Apache && rustix::process::geteuid().is_root() { pinned.user(NOBODY) } else { pinned }
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

    /// The processor time that it has used so far, of its own process alone.
    pub(in crate::bench) fn processor_time(&self) -> Duration {
        processor_time(self.process.pid())
    }

    /// Right lengths, forwarded headers, upstream connections that are used again.
    async fn does_the_job(&self, stage: &Stage) -> Result<(), String> {
        // Some listen before they can answer.
        let answers = || async { Some(self.get(stage, "/1k").await?.0 == 200).filter(|good| *good) };
        within(START_LIMIT, answers).await.ok_or("does not answer as it should")?;
        for workload in [Workload::H1, Workload::Medium, Workload::Large] {
            let (status, body) = self.get(stage, workload.path()).await.ok_or("ended a connection")?;
            if status != 200 || body.len() as u64 != workload.body_bytes() {
                return Err(format!("answered {status} with {} bytes to {}", body.len(), workload.path()));
            }
        }
        let (_, body) = self.get(stage, "/seen").await.ok_or("ended a connection")?;
        let seen = String::from_utf8_lossy(&body);
        let mut words = seen.split(' ');
        let requests = words.next().and_then(|count| count.parse::<u32>().ok()).unwrap_or_default();
        if requests < 2 {
            return Err(format!("does not keep upstream connections: {seen:?}"));
        }
        let host = format!("{HOST}:{}", self.address.port());
        if words.eq(["127.0.0.1", "https", HOST]) || seen.ends_with(&format!(" 127.0.0.1 https {host}")) {
            Ok(())
        } else {
            Err(format!("does not forward what it should: {seen:?}"))
        }
    }

    async fn get(&self, stage: &Stage, path: &str) -> Option<(u16, Vec<u8>)> {
        let mut connection = Connection::secure(stage.trust(), self.address, HOST, Protocol::Http1).await.ok()?;
        let answer = connection.get(path).await.ok()?;
        Some((answer.status.as_u16(), answer.body.to_vec()))
    }
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
