//! [`GatewayBuilder`]: how a gateway is started.

use std::{
    ffi::OsString,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;

use super::{Gateway, binary};
use crate::{
    Site,
    ports::Reserved,
    process::{Process, Program},
    wait::PATIENCE,
};

/// How a gateway is started.
#[derive(Clone, Debug)]
pub struct GatewayBuilder {
    pub(super) binary: Option<PathBuf>,
    under: Vec<OsString>,
    settings: String,
    workers: usize,
    environment: Vec<(String, String)>,
    descriptors: Option<u64>,
    files: Vec<(String, String)>,
    ports: Option<(Reserved, Reserved)>,
    also_at: Vec<Ipv4Addr>,
    pub(super) patience: Duration,
}

impl Default for GatewayBuilder {
    fn default() -> Self {
        let (settings, environment, files) = (String::new(), Vec::new(), Vec::new());
        Self {
            binary: None,
            under: Vec::new(),
            settings,
            workers: 2,
            environment,
            descriptors: None,
            files,
            ports: None,
            also_at: Vec::new(),
            patience: PATIENCE,
        }
    }
}

impl GatewayBuilder {
    /// Another binary than [`binary`].
    #[must_use]
    pub fn binary(mut self, path: PathBuf) -> Self {
        self.binary = Some(path);
        self
    }

    /// As the end of another command line (`valgrind …`).
    #[must_use]
    pub fn under<S: Into<OsString>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.under = words.into_iter().map(Into::into).collect();
        self
    }

    /// Lines of the settings file.
    #[must_use]
    pub fn settings(mut self, yaml: &str) -> Self {
        self.settings.push_str(yaml);
        self.settings.push('\n');
        self
    }

    /// Threads that serve; 2 unless said.
    #[must_use]
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = count;
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// At most so many open files.
    #[must_use]
    pub fn descriptors(mut self, limit: u64) -> Self {
        self.descriptors = Some(limit);
        self
    }

    /// A site file that is there before the start.
    #[must_use]
    pub fn site(mut self, file: &str, site: &Site) -> Self {
        self.files.push((file.to_owned(), site.text().to_owned()));
        self
    }

    /// Serves clear HTTP and TLS at these ports, also after a restart; otherwise at new ones each time.
    #[must_use]
    pub fn ports(mut self, http: &Reserved, https: &Reserved) -> Self {
        self.ports = Some((http.clone(), https.clone()));
        self
    }

    /// Serves at the same ports of another address of the loopback too. Needs [`GatewayBuilder::ports`].
    #[must_use]
    pub fn also_at(mut self, address: Ipv4Addr) -> Self {
        self.also_at.push(address);
        self
    }

    /// How long to wait for readiness.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Starts it and waits until the first scan is live.
    pub async fn start(self) -> Gateway {
        let dir = tempfile::Builder::new().prefix("vestibule-test").tempdir().unwrap();
        for (file, text) in &self.files {
            crate::site::write(&dir.path().join("sites.d"), file, text);
        }
        self.start_in(dir).await
    }

    /// Starts it in a folder that has been prepared: `sites.d` in it are the sites.
    pub async fn start_in(self, dir: TempDir) -> Gateway {
        fs::create_dir_all(dir.path().join("sites.d")).unwrap();
        Gateway::launch(self, dir).await
    }

    /// Starts the process only.
    pub(super) fn launch(&self, dir: &Path) -> Process {
        self.launch_under(&self.under, dir)
    }

    /// Starts the process only, as the end of that command line.
    pub(super) fn launch_under(&self, words: &[OsString], dir: &Path) -> Process {
        let settings = dir.join("vestibule.yaml");
        fs::write(&settings, if self.settings.is_empty() { "{}\n" } else { &self.settings }).unwrap();
        let workers = self.workers.to_string();
        let address = |port: Option<&Reserved>| {
            port.inspect(|port| port.release()).map_or("127.0.0.1:0".to_owned(), |port| port.address().to_string())
        };
        let ports = self.ports.as_ref();
        let (http, https) = (address(ports.map(|ports| &ports.0)), address(ports.map(|ports| &ports.1)));
        let ours = self.binary.clone().unwrap_or_else(binary);
        let program = match words {
            [] => Program::new(ours),
            [first, others @ ..] => Program::new(first).args(others).args([ours]),
        };
        let mut program = program
            .args(["run", "--http", &http, "--https", &https, "--workers", workers.as_str()])
            .args(["--settings".as_ref(), settings.as_os_str()])
            .args(["--sites".as_ref(), dir.join("sites.d").as_os_str()])
            .args(["--state".as_ref(), dir.join("state").as_os_str()])
            .env("RUST_BACKTRACE", "1")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("LISTEN_FDS")
            .dir(dir);
        for address in &self.also_at {
            let (http, https) = ports.expect("ports of its own");
            let at = |port: &Reserved| SocketAddr::from((*address, port.port())).to_string();
            program = program.args(["--http", &at(http), "--https", &at(https)]);
        }
        for (name, value) in &self.environment {
            program = program.env(name, value);
        }
        if let Some(limit) = self.descriptors {
            program = program.descriptors(limit);
        }
        program.start("gateway", dir)
    }
}
