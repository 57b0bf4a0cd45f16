//! [`CaddyCa`]: Debian's caddy with `acme_server`, a second real CA, which shares no code with pebble.
//!
//! Caddy 2.6.2 validates at ports 80 and 443 only, asks the system's name server, and lets neither be set. So it runs in a
//! namespace of its own (users, network, mounts), which needs no root where the kernel lets users have them; in there these
//! ports and the name server lead to those of the test, through Unix sockets.
//!
//! A challenge that it could not reach was seen to stay `pending`, with an `error`, instead of becoming `invalid`.
//!
//! What cannot be had with it: renewal information, profiles, external account binding, alternate chains, bad nonces at will,
//! lifetimes (its certificates live 12 hours), a directory's terms and CAA identities, and key types of its own choice.

use std::{collections::BTreeSet, fs, net::SocketAddr, path::PathBuf, process::Command};

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    task::JoinSet,
};

use crate::{
    ChallTestServer, Connection, Protocol,
    certificate::{Authority, Validity},
    client::Trust,
    process::{Process, Program, require},
    wait::{PATIENCE, within},
};

/// `$1` is the folder, `$2` is caddy's configuration. The relay ends with its parent, which becomes caddy.
const INSIDE: &str = "set -e
mount --bind \"$1/resolv.conf\" /etc/resolv.conf
mount --bind \"$1/hosts\" /etc/hosts
setpriv --pdeathsig KILL -- python3 \"$1/inside.py\" \"$1\" &
exec setpriv --pdeathsig KILL -- caddy run --config \"$2\"
";

/// A running CA; ends with the test.
#[derive(Debug)]
pub struct CaddyCa {
    process: Process,
    api: SocketAddr,
    relays: JoinSet<()>,
    dir: TempDir,
}

/// May this user have namespaces of its own?
fn has_namespaces() -> bool {
    let tried = Command::new("unshare").args(["--map-root-user", "--net", "--mount", "true"]).output();
    tried.is_ok_and(|output| output.status.success())
}

impl CaddyCa {
    /// Starts it: HTTP-01 is looked for at the first port of the loopback, TLS-ALPN-01 at the second, whatever the name's
    /// address. `None` where the kernel allows no namespaces, which is said on the terminal.
    pub async fn start(names: &ChallTestServer, http_port: u16, tls_port: u16) -> Option<Self> {
        require("caddy", "caddy");
        if !has_namespaces() {
            eprintln!("note: left out, because it needs namespaces of users and networks: caddy as a CA");
            return None;
        }
        let dir = tempfile::Builder::new().prefix("vestibule-caddy").tempdir().unwrap();
        let mut relays = JoinSet::new();
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        for (name, target) in [("http", loopback(http_port)), ("tls", loopback(tls_port)), ("dns", names.dns())] {
            let listener = UnixListener::bind(dir.path().join(format!("{name}.sock"))).unwrap();
            relays.spawn(out(listener, target));
        }
        let listener = TcpListener::bind(loopback(0)).await.unwrap();
        let api = listener.local_addr().unwrap();
        relays.spawn(into(listener, dir.path().join("api.sock")));
        let process = launch(&dir);
        let ca = Self { process, api, relays, dir };
        ca.settle().await;
        Some(ca)
    }

    async fn settle(&self) {
        let ready = within(PATIENCE, || async {
            assert!(!self.process.has_ended(), "caddy ended: {}", self.log());
            let trust = Trust::roots(&fs::read_to_string(self.root_file()).unwrap());
            let connection = Connection::secure(&trust, self.api, "localhost", Protocol::Http1).await;
            let answer = connection.ok()?.get("/acme/second/directory").await.ok()?;
            // A challenge that it cannot reach stays pending for ever, so the relay must be there before the first one.
            let relayed = self.dir.path().join("relayed").exists();
            (answer.status == 200 && relayed && self.issuing_root_file().exists()).then_some(())
        });
        assert!(ready.await.is_some(), "caddy is not ready after {PATIENCE:?}: {}", self.log());
    }

    /// The URL of its directory.
    pub fn directory(&self) -> String {
        format!("https://{}/acme/second/directory", self.api)
    }

    /// PEM file of the root that its API's certificate is from.
    pub fn root_file(&self) -> PathBuf {
        self.dir.path().join("root.pem")
    }

    /// What a client of the certificates that it issues must trust, PEM.
    pub fn issuing_root(&self) -> String {
        fs::read_to_string(self.issuing_root_file()).unwrap()
    }

    fn issuing_root_file(&self) -> PathBuf {
        self.dir.path().join("storage/pki/authorities/second/root.crt")
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        self.process.stderr()
    }

    /// How many certificates it has issued: orders that were finalized, by its log of accesses.
    pub fn issued(&self) -> usize {
        let log = self.log();
        let finalized = log.lines().filter_map(|line| {
            let entry: serde_json::Value = serde_json::from_str(line).ok()?;
            let uri = entry["request"]["uri"].as_str()?;
            (uri.ends_with("/finalize") && entry["status"] == 200).then(|| uri.to_owned())
        });
        finalized.collect::<BTreeSet<_>>().len()
    }

    /// An outage that hangs: connections are accepted, and nobody answers.
    pub fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// The end of that.
    pub fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }

    /// The end of it, for outages: connections to its API are then closed at once.
    pub fn stop(&mut self) {
        self.process.kill();
        self.relays.abort_all();
    }
}

fn launch(dir: &TempDir) -> Process {
    let path = |name: &str| dir.path().join(name);
    let authority = Authority::default();
    let api = authority.issue(&["localhost", "127.0.0.1"], Validity::Now);
    let config = json!({
        "admin": { "disabled": true },
        "storage": { "module": "file_system", "root": path("storage") },
        "apps": {
            "pki": { "certificate_authorities": { "second": { "name": "Second CA", "install_trust": false } } },
            "http": { "servers": { "ca": {
                "listen": [format!("unix/{}", path("api.sock").display())],
                "automatic_https": { "disable": true },
                "logs": {},
                "routes": [{ "handle": [{ "handler": "acme_server", "ca": "second" }] }],
                "tls_connection_policies": [{ "default_sni": "localhost" }],
            } } },
            "tls": { "certificates": { "load_files": [{ "certificate": path("api.pem"), "key": path("api.key") }] } },
        },
    });
    for (name, text) in [
        ("root.pem", authority.root_pem()),
        ("api.pem", api.chain),
        ("api.key", api.key),
        ("config.json", config.to_string()),
        ("inside.py", include_str!("caddy_ca/inside.py").to_owned()),
        ("resolv.conf", "nameserver 127.0.0.1\n".to_owned()),
        ("hosts", "127.0.0.1 localhost\n".to_owned()),
    ] {
        fs::write(path(name), text).unwrap();
    }
    Program::new("unshare")
        .args(["--map-root-user", "--net", "--mount", "sh", "-c", INSIDE, "sh"])
        .args([dir.path(), &path("config.json")])
        .env("HOME", dir.path())
        .env("XDG_DATA_HOME", dir.path())
        .env("XDG_CONFIG_HOME", dir.path())
        .dir(dir.path())
        .start("caddy", dir.path())
}

/// From the namespace out. Whoever is not there is a connection that ends at once.
async fn out(listener: UnixListener, target: SocketAddr) {
    let mut open = JoinSet::new();
    while let Ok((mut inside, _)) = listener.accept().await {
        while open.try_join_next().is_some() {}
        open.spawn(async move {
            if let Ok(mut outside) = TcpStream::connect(target).await {
                let _ = copy_bidirectional(&mut inside, &mut outside).await;
            }
        });
    }
}

/// Into the namespace: its API.
async fn into(listener: TcpListener, target: PathBuf) {
    let mut open = JoinSet::new();
    while let Ok((mut outside, _)) = listener.accept().await {
        while open.try_join_next().is_some() {}
        let target = target.clone();
        open.spawn(async move {
            if let Ok(mut inside) = UnixStream::connect(target).await {
                let _ = copy_bidirectional(&mut outside, &mut inside).await;
            }
        });
    }
}
