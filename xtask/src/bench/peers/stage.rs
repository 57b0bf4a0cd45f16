//! [`Stage`]: what all proxies share: the origins, the certificates, and the TLS settings of the load generators.

use std::{
    fs::{self, File},
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::rustls::{ClientConfig, crypto::aws_lc_rs, version::TLS13};
use vestibule_testkit::{
    HttpOrigin,
    backend::free_port,
    certificate::{Authority, Validity},
    client::Trust,
    process::{Process, Program},
    wait::within,
};

use super::{
    config::{self, Job},
    hosts,
    workload::Workload,
};
use crate::{Outcome, packages::path_of};

/// The one host: wrk sends as SNI what it connects to, so it must be a name that every machine resolves.
pub(in crate::bench) const HOST: &str = "localhost";
/// How long a server may take to listen: with ten thousand certificates nginx and HAProxy take their time.
pub(in crate::bench) const START_LIMIT: Duration = Duration::from_secs(120);

/// The same cipher, group and version for every proxy, whatever each would prefer.
const OPENSSL: &str = "openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = tls
[tls]
MinProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
";

/// See the module. All of it ends when dropped, but the thread of our own origin, which ends with the bench.
pub(in crate::bench) struct Stage {
    // First: the process ends before its folder goes.
    _files: Option<Process>,
    files: SocketAddr,
    exchanges: SocketAddr,
    /// The gateway to be measured.
    pub(in crate::bench) vestibule: PathBuf,
    names: Vec<String>,
    trust: Trust,
    dir: TempDir,
}

impl Stage {
    /// With the origins of every [`Job`], and the names of [`Job::Hosts`] (or none, if that is not to be measured).
    pub(in crate::bench) async fn start(vestibule: PathBuf, names: Vec<String>) -> Outcome<Self> {
        let files = free_port();
        let stage = Self { exchanges: exchanges()?, ..Self::prepare(vestibule, files, names)? };
        let dir = stage.dir();
        fs::write(dir.join("openssl.cnf"), OPENSSL)?;
        for workload in [Workload::H1, Workload::Medium, Workload::Large] {
            let file = File::create(dir.join(workload.path().trim_start_matches('/')))?;
            file.set_len(workload.body_bytes())?;
        }
        fs::write(dir.join("origin.conf"), config::origin(dir, files))?;
        let nginx = path_of("nginx").ok_or("nginx is not installed")?;
        let program = Program::new(nginx).args(["-p".as_ref(), dir.as_os_str()]);
        let mut process = program.args(["-e", "origin.log", "-c", "origin.conf"]).start("origin", dir);
        listening(&mut process, files).await?;
        Ok(Self { _files: Some(process), ..stage })
    }

    /// In front of an origin of somebody else's; issues the certificate.
    pub(in crate::bench) fn before(vestibule: PathBuf, origin: SocketAddr) -> Outcome<Self> {
        Self::prepare(vestibule, origin, Vec::new())
    }

    fn prepare(vestibule: PathBuf, origin: SocketAddr, names: Vec<String>) -> Outcome<Self> {
        let dir = tempfile::Builder::new().prefix("vestibule-bench").tempdir()?;
        // Apache runs as another user when we are root.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        let authority = Authority::default();
        let issued = authority.issue(&[HOST], Validity::Now);
        hosts::write(&issued, &dir.path().join("one"))?;
        // HAProxy wants both in one.
        fs::write(dir.path().join("one.pem"), issued.chain + &issued.key)?;
        hosts::issue(&authority, &names, dir.path())?;
        let trust = Trust::roots(&authority.root_pem());
        Ok(Self { _files: None, files: origin, exchanges: origin, vestibule, names, trust, dir })
    }

    /// What is behind the proxy.
    pub(super) fn origin(&self, job: Job) -> SocketAddr {
        match job {
            Job::Files | Job::Hosts => self.files,
            Job::Exchanges => self.exchanges,
        }
    }

    /// Those of [`Job::Hosts`].
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// What our own client believes.
    pub(in crate::bench) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The folder of the certificates: `one` is that of [`HOST`].
    pub(in crate::bench) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A script for wrk, of that name.
    pub(super) fn script(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.dir().join(name);
        fs::write(&path, text).map_err(|error| format!("no script for wrk: {error}"))?;
        Ok(path)
    }

    /// A client that offers what the load generators offer.
    pub(super) fn tls(&self) -> ClientConfig {
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites = vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256];
        provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
        self.trust.config_with(provider, &[&TLS13])
    }

    /// The TLS settings of both load generators.
    pub(in crate::bench) fn openssl_settings(&self) -> PathBuf {
        self.dir().join("openssl.cnf")
    }
}

/// Our own origin, on a thread of its own: it answers beside the clients, not between them.
fn exchanges() -> Outcome<SocketAddr> {
    let (told, address) = mpsc::channel();
    thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async move {
            let origin = HttpOrigin::start().await;
            // Nobody waits for it: the bench has ended.
            let _ = told.send(origin.to_string());
            std::future::pending::<()>().await;
        });
    });
    Ok(address.recv()?.parse()?)
}

/// Waits until it listens; what it wrote is the error when it ends instead.
pub(in crate::bench) async fn listening(process: &mut Process, address: SocketAddr) -> Result<(), String> {
    let look = || {
        let ended = process.exited();
        async move {
            match ended {
                Some(exit) => Some(Err(exit)),
                None => TcpStream::connect(address).await.ok().map(|_| Ok(())),
            }
        }
    };
    match within(START_LIMIT, look).await {
        Some(Ok(())) => Ok(()),
        Some(Err(exit)) => Err(format!("ended with {exit}: {}", last_line(process))),
        None => Err(format!("does not listen after {START_LIMIT:?}: {}", last_line(process))),
    }
}

/// Why a server gave up is usually in the last line.
fn last_line(process: &Process) -> String {
    let text = process.stderr() + &process.stdout();
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it wrote nothing").trim().to_owned()
}
