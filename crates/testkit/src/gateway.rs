//! [`Gateway`]: the real binary as a process, with a sites folder and a state folder of its own.

mod builder;
mod certified;

use std::{
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

pub use builder::GatewayBuilder;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{WebSocketStream, tungstenite};

use crate::{
    Answer, Connection, Protocol, Site, admin,
    client::{Trust, websocket},
    process::Process,
    wait::{eventually, within},
};

/// Where the binary is: `VESTIBULE_BIN`, or beside the folder of the running test.
pub fn binary() -> PathBuf {
    let beside = || Some(std::env::current_exe().ok()?.parent()?.parent()?.join("vestibule"));
    let path = std::env::var_os("VESTIBULE_BIN").map(PathBuf::from).or_else(beside);
    let path = path.unwrap_or_else(|| PathBuf::from("vestibule"));
    assert!(path.is_file(), "there is no {}: build it with `cargo build --package vestibule`", path.display());
    path
}

/// A running gateway. Ends with the test; its log is shown when the test fails.
#[derive(Debug)]
pub struct Gateway {
    // First: the process ends before its folders go.
    process: Process,
    https: SocketAddr,
    http: SocketAddr,
    trust: OnceLock<Trust>,
    builder: GatewayBuilder,
    dir: TempDir,
}

impl Gateway {
    /// With the defaults and no sites.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// With something else.
    pub fn builder() -> GatewayBuilder {
        GatewayBuilder::default()
    }

    async fn launch(builder: GatewayBuilder, dir: TempDir) -> Self {
        let process = builder.launch(dir.path());
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut gateway = Self { process, https: nowhere, http: nowhere, trust: OnceLock::new(), builder, dir };
        gateway.settle().await;
        gateway
    }

    /// Waits for readiness and learns the ports.
    async fn settle(&mut self) {
        let socket = self.admin_socket();
        let end = tokio::time::Instant::now() + self.builder.patience;
        let status = loop {
            if let Some(exit) = self.process.exited() {
                panic!("the gateway ended with {exit} before it was ready");
            }
            if matches!(admin::get(&socket, "/readyz").await, Ok(answer) if answer.status == 200) {
                break self.status().await;
            }
            assert!(tokio::time::Instant::now() < end, "the gateway is not ready after {:?}", self.builder.patience);
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        self.https = status["https"][0].as_str().unwrap().parse().unwrap();
        self.http = status["http"][0].as_str().unwrap().parse().unwrap();
    }

    /// Starts the same gateway again: same folders, new ports unless [`GatewayBuilder::ports`] keeps them. The old process
    /// must have ended.
    pub async fn restart(&mut self) {
        assert!(self.process.exited().is_some(), "still running");
        let _ = fs::remove_file(self.admin_socket());
        self.process = self.builder.launch(self.dir.path());
        self.settle().await;
    }

    /// Starts the same gateway again at the end of another command line (`strace …`), and does not wait for readiness: it may
    /// never come to that. The old process must have ended.
    pub fn restart_under(&mut self, words: &[OsString]) {
        assert!(self.process.exited().is_some(), "still running");
        let _ = fs::remove_file(self.admin_socket());
        self.process = self.builder.launch_under(words, self.dir.path());
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// SIGKILL: no chance to clean up.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// SIGTERM: the order to drain.
    pub fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Where TLS is served.
    pub fn https(&self) -> SocketAddr {
        self.https
    }

    /// Where clear HTTP is served.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Everything it has: `sites.d`, `state`, its log.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The folder of site files.
    pub fn sites_dir(&self) -> PathBuf {
        self.dir().join("sites.d")
    }

    /// The gateway's own folder.
    pub fn state_dir(&self) -> PathBuf {
        self.dir().join("state")
    }

    /// The admin socket.
    pub fn admin_socket(&self) -> PathBuf {
        self.state_dir().join("admin.sock")
    }

    /// A file with the local CA's root, PEM.
    pub fn root_file(&self) -> PathBuf {
        let path = self.dir().join("root.pem");
        if !path.exists() {
            fs::write(&path, self.command(&["certs", "--root", "--state", "state"]).stdout).unwrap();
        }
        path
    }

    /// Runs another command of the binary in this gateway's folder, to its end. Commands that ask the running gateway
    /// need `--state state`.
    pub fn command(&self, args: &[&str]) -> std::process::Output {
        let binary = self.builder.binary.clone().unwrap_or_else(binary);
        std::process::Command::new(binary).args(args).current_dir(self.dir()).output().unwrap()
    }

    /// The same, while other things of the test go on.
    pub async fn commanded(&self, args: &[&str]) -> std::process::Output {
        let binary = self.builder.binary.clone().unwrap_or_else(binary);
        let mut command = tokio::process::Command::new(binary);
        command.args(args).current_dir(self.dir()).kill_on_drop(true).output().await.unwrap()
    }

    /// Writes a site file in one step.
    pub fn write(&self, file: &str, site: &Site) {
        site.write(&self.sites_dir(), file);
    }

    /// Writes a site file and waits until exactly this content is live.
    pub async fn add(&self, file: &str, site: &Site) {
        let before = self.generation().await;
        self.write(file, site);
        self.wait_beyond(before).await;
    }

    /// Removes a site file.
    pub fn remove(&self, file: &str) {
        fs::remove_file(self.sites_dir().join(file)).unwrap();
    }

    /// `GET /v1/status` of the admin socket.
    pub async fn status(&self) -> Value {
        self.admin("/v1/status").await.json()
    }

    /// The number of the live table.
    pub async fn generation(&self) -> u64 {
        self.status().await["generation"].as_u64().unwrap()
    }

    /// Waits for a table later than that one.
    pub async fn wait_beyond(&self, generation: u64) {
        self.wait_status(&format!("a generation after {generation}"), |status| {
            status["generation"].as_u64() > Some(generation)
        })
        .await;
    }

    /// Waits until the status is as wanted, and gives it.
    pub async fn wait_status(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || async { Some(self.status().await).filter(|status| wanted(status)) }).await
    }

    /// The row of a site file in `GET /v1/sites`.
    pub async fn row(&self, file: &str) -> Option<Value> {
        let page = self.admin("/v1/sites?limit=1000").await.json();
        page["sites"].as_array().unwrap().iter().find(|row| row["site"] == file).cloned()
    }

    /// Waits until the row of a site file says that state: `live`, `partial`, `stale`, `broken`.
    pub async fn wait_state(&self, file: &str, state: &str) -> Value {
        let what = format!("{file} to be {state}");
        eventually(&what, || async { self.row(file).await.filter(|row| row["state"] == state) }).await
    }

    /// Waits until the name leads to a site.
    pub async fn wait_live(&self, host: &str) {
        let what = format!("{host} to be live");
        eventually(&what, || async { (!self.explain(host).await["site"].is_null()).then_some(()) }).await;
    }

    /// Waits until the name leads nowhere.
    pub async fn wait_gone(&self, host: &str) {
        let what = format!("{host} to be gone");
        eventually(&what, || async { self.explain(host).await["site"].is_null().then_some(()) }).await;
    }

    async fn explain(&self, host: &str) -> Value {
        self.admin(&format!("/v1/explain?url=https://{host}/")).await.json()
    }

    /// GET on the admin socket.
    pub async fn admin(&self, target: &str) -> Answer {
        admin::get(&self.admin_socket(), target).await.unwrap()
    }

    /// What a client of its sites believes.
    pub fn trust(&self) -> &Trust {
        self.trust.get_or_init(|| Trust::roots(&fs::read_to_string(self.root_file()).unwrap()))
    }

    /// A connection over TLS to that host.
    pub async fn connect(&self, host: &str, protocol: Protocol) -> Connection {
        Connection::secure(self.trust(), self.https, host, protocol).await.unwrap()
    }

    /// A connection of clear HTTP to that host.
    pub async fn connect_clear(&self, host: &str) -> Connection {
        Connection::clear(self.http, host).await.unwrap()
    }

    /// GET over TLS and HTTP/1.1, on a connection of its own.
    pub async fn get(&self, host: &str, path: &str) -> Answer {
        self.connect(host, Protocol::Http1).await.get(path).await.unwrap()
    }

    /// A raw TLS stream that offers HTTP/1.1.
    pub async fn tls(&self, host: &str) -> TlsStream<TcpStream> {
        self.trust().connect(self.https, host, &[b"http/1.1"]).await.unwrap()
    }

    /// A WebSocket over TLS.
    pub async fn websocket(
        &self,
        host: &str,
        path: &str,
    ) -> tungstenite::Result<WebSocketStream<TlsStream<TcpStream>>> {
        websocket(self.tls(host).await, &format!("wss://{host}{path}")).await
    }

    /// Repeats a GET over TLS until the body is that text; false when the bound ends first.
    pub async fn serves_within(&self, bound: Duration, host: &str, body: &str) -> bool {
        let look = || async {
            let mut connection = Connection::secure(self.trust(), self.https, host, Protocol::Http1).await.ok()?;
            connection.get("/").await.ok().filter(|answer| answer.text() == body)
        };
        within(bound, look).await.is_some()
    }
}
