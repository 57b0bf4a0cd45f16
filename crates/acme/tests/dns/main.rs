//! DNS as the trade uses it: look-ups that nothing hostile can hurt, and TXT records put in place by each provider.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod acme_dns;
mod exec;
mod explain;
mod hooks;
mod lookups;
mod named;
mod rfc2136;
mod server;
mod sights;

use std::{
    net::IpAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use server::Server;
use tempfile::TempDir;
use vestibule_acme::{
    Config,
    config::{CaConfig, DnsProvider},
    dns::Dns,
};
use vestibule_certs::Vault;
use vestibule_names::{HostPattern, Hostname};

/// A DNS server, the trade's view of it, and a folder for what a test needs.
struct Scene {
    server: Server,
    dns: Dns,
    vault: Vault,
    folder: TempDir,
}

impl Scene {
    async fn new() -> Self {
        let server = Server::start().await;
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::new(Vec::<CaConfig>::new());
        config.resolvers = vec![server.address()];
        let vault = Vault::open(&folder.path().join("vault")).unwrap();
        let dns = Dns::new(&config, vault.clone()).unwrap().with_authoritative_port(server.address().port());
        Self { server, dns: dns.with_propagation_limit(Duration::from_secs(10)), vault, folder }
    }

    /// Look-ups whose resolver is the scene's server, while the servers of zones are at the port of another.
    fn with_authority(&self, authority: &Server) -> Dns {
        let mut config = Config::new(Vec::<CaConfig>::new());
        config.resolvers = vec![self.server.address()];
        Dns::new(&config, self.vault.clone()).unwrap().with_authoritative_port(authority.address().port())
    }

    /// A script that the kernel can run, and what it was called with goes to the file `calls`.
    fn script(&self, body: &str) -> PathBuf {
        let calls = self.folder.path().join("calls");
        executable(self.folder.path(), "program", &format!("echo \"$@\" >> {}\n{body}", calls.display()))
    }

    fn calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }
}

/// A script that the kernel can run.
fn executable(folder: &Path, name: &str, body: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn host(text: &str) -> Hostname {
    Hostname::parse(text).unwrap()
}

fn pattern(text: &str) -> HostPattern {
    HostPattern::parse(text).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn program(program: PathBuf) -> DnsProvider {
    DnsProvider::Exec { program, timeout: Duration::from_secs(20) }
}

/// Killed processes are reaped by their parent, which may take a moment for one that was orphaned: a zombie is gone too.
async fn is_gone(pid: &str) -> bool {
    for _ in 0..500 {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        if state.is_none_or(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'))) {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}
