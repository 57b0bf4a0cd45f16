//! [`Stage`]: what all proxies share: the origin, the certificate, and the TLS settings of the load generators.

use std::{
    fs::{self, File},
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use tokio::net::TcpStream;
use vestibule_testkit::{
    backend::free_port,
    certificate::{Authority, Validity},
    client::Trust,
    process::{Process, Program},
    wait::within,
};

use super::{config, workload::Workload, wrk};
use crate::{Outcome, packages::path_of};

/// The one host: wrk sends as SNI what it connects to, so it must be a name that every machine resolves.
pub(in crate::bench) const HOST: &str = "localhost";
/// How long a server may take to listen.
pub(in crate::bench) const START_LIMIT: Duration = Duration::from_secs(20);

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

/// See the module. All of it ends when dropped.
pub(in crate::bench) struct Stage {
    // First: the process ends before its folder goes.
    _files: Option<Process>,
    /// Where the origin listens.
    pub(in crate::bench) origin: SocketAddr,
    /// The gateway to be measured.
    pub(in crate::bench) vestibule: PathBuf,
    trust: Trust,
    dir: TempDir,
}

impl Stage {
    /// With an origin that serves files of every length a load asks for.
    pub(in crate::bench) async fn start(vestibule: PathBuf) -> Outcome<Self> {
        let origin = free_port();
        let stage = Self::before(vestibule, origin)?;
        let dir = stage.dir();
        fs::write(dir.join("openssl.cnf"), OPENSSL)?;
        fs::write(dir.join("report.lua"), wrk::SCRIPT)?;
        for workload in [Workload::H1, Workload::Medium, Workload::Large] {
            let file = File::create(dir.join(workload.path().trim_start_matches('/')))?;
            file.set_len(workload.body_bytes())?;
        }
        fs::write(dir.join("origin.conf"), config::origin(dir, origin))?;
        let nginx = path_of("nginx").ok_or("nginx is not installed")?;
        let program = Program::new(nginx).args(["-p".as_ref(), dir.as_os_str()]);
        let mut process = program.args(["-e", "origin.log", "-c", "origin.conf"]).start("origin", dir);
        listening(&mut process, origin).await?;
        Ok(Self { _files: Some(process), ..stage })
    }

    /// In front of an origin of somebody else's; issues the certificate.
    pub(in crate::bench) fn before(vestibule: PathBuf, origin: SocketAddr) -> Outcome<Self> {
        let dir = tempfile::Builder::new().prefix("vestibule-bench").tempdir()?;
        // Apache runs as another user when we are root.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        let authority = Authority::default();
        let issued = authority.issue(&[HOST], Validity::Now);
        fs::write(dir.path().join("chain.pem"), &issued.chain)?;
        fs::write(dir.path().join("key.pem"), &issued.key)?;
        // HAProxy wants both in one.
        fs::write(dir.path().join("both.pem"), issued.chain + &issued.key)?;
        Ok(Self { _files: None, origin, vestibule, trust: Trust::roots(&authority.root_pem()), dir })
    }

    /// What our own client believes.
    pub(in crate::bench) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The folder of `chain.pem`, `key.pem` and `both.pem`.
    pub(in crate::bench) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The report of wrk.
    pub(in crate::bench) fn script(&self) -> PathBuf {
        self.dir().join("report.lua")
    }

    /// The TLS settings of both load generators.
    pub(in crate::bench) fn openssl_settings(&self) -> PathBuf {
        self.dir().join("openssl.cnf")
    }
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
