//! What a client needs around it: a vault with its store, a door, and a gate that answers challenges from that door, in
//! place of a gateway.

mod gate;

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use vestibule_acme::{
    Client, Config, Door,
    client::Tools,
    config::{CaConfig, ChallengeKind, DnsProvider},
    dns::Dns,
    plan::Order,
};
use vestibule_certs::{
    Vault, VaultError,
    store::{CaId, KeyType, StoreError},
};
use vestibule_names::{HostPattern, TenantId};
use vestibule_testkit::pebble::ChallTestServer;

pub(crate) use gate::Gate;

/// A place for clients of one gateway.
pub(crate) struct Scene {
    pub(crate) gate: Gate,
    pub(crate) tools: Tools,
    pub(crate) names: ChallTestServer,
    pub(crate) dir: TempDir,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let names = ChallTestServer::start().await;
        let door = Door::default();
        let gate = Gate::open(door.clone()).await;
        let tools = tools(dir.path(), &names, door);
        Self { gate, tools, names, dir }
    }

    /// As after a kill: nothing of what was in memory, everything that is on disk.
    pub(crate) fn restart(self) -> Self {
        let Self { gate, tools, names, dir } = self;
        Self::at(dir, gate, names, tools)
    }

    /// On another disk, with nothing on it.
    pub(crate) fn elsewhere(self) -> Self {
        let Self { gate, tools, names, .. } = self;
        Self::at(tempfile::tempdir().unwrap(), gate, names, tools)
    }

    fn at(dir: TempDir, gate: Gate, names: ChallTestServer, before: Tools) -> Self {
        // The gate's door stays; the store's lock goes with its last holder.
        let door = before.door.clone();
        drop(before);
        let tools = tools(dir.path(), &names, door);
        Self { gate, tools, names, dir }
    }

    pub(crate) fn client(&self, config: CaConfig) -> Client {
        Client::new(config, self.tools.clone()).unwrap()
    }

    /// A provider of DNS-01 that tells the name server.
    pub(crate) fn dns_provider(&self) -> DnsProvider {
        let url = self.names.url();
        let script = format!(
            "#!/bin/sh\nset -e\ncase $1 in\n\
             present) curl -sf -d \"{{\\\"host\\\":\\\"$2\\\",\\\"value\\\":\\\"$3\\\"}}\" {url}/set-txt ;;\n\
             cleanup) curl -sf -d \"{{\\\"host\\\":\\\"$2\\\"}}\" {url}/clear-txt ;;\n\
             esac\n"
        );
        DnsProvider::Exec {
            program: executable(self.dir.path(), "provider", &script),
            timeout: Duration::from_secs(20),
        }
    }
}

fn tools(dir: &Path, names: &ChallTestServer, door: Door) -> Tools {
    let vault = vault(&dir.join("vault"));
    let mut config = Config::new(Vec::new());
    config.resolvers = vec![names.dns()];
    let dns = Dns::new(&config, vault.clone()).unwrap().with_authoritative_port(names.dns().port());
    Tools { store: vault.store().clone(), vault, door, dns }
}

/// A child that another test starts at this moment has, between its fork and its exec, a copy of the store's lock.
fn vault(dir: &Path) -> Vault {
    for _ in 0..500 {
        match Vault::open(dir) {
            Err(VaultError::Store(StoreError::Locked { .. })) => std::thread::sleep(Duration::from_millis(10)),
            opened => return opened.unwrap(),
        }
    }
    panic!("somebody keeps the lock of {}", dir.display());
}

/// A CA with short waits.
pub(crate) fn ca(directory: &str, root: PathBuf) -> CaConfig {
    let mut config = CaConfig::new(CaId::new("ca").unwrap(), directory);
    config.root = Some(root);
    config.timeouts.order = Duration::from_secs(60);
    config
}

/// An order of tenant 1000, by these challenges.
pub(crate) fn order(names: &[&str], challenges: &[ChallengeKind]) -> Order {
    let mut names: Vec<_> = names.iter().map(|name| HostPattern::parse(name).unwrap()).collect();
    names.sort();
    Order {
        ca: CaId::new("ca").unwrap(),
        tenant: TenantId(1000),
        names,
        renews: None,
        profile: None,
        key_type: KeyType::EcdsaP256,
        challenges: challenges.to_vec(),
        dns: None,
    }
}

fn executable(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}
