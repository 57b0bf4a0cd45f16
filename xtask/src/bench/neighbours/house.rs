//! [`House`]: the gateway with fifty tenants, one backend for them all, and one backend that hangs.

use std::{fs, io, net::SocketAddr, os::unix::fs::chown, path::PathBuf, time::Duration};

use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use vestibule_testkit::{
    Gateway, HttpOrigin, Site,
    process::{Process, Program},
};

use crate::{
    Outcome,
    bench::{PROXY_CORE, pin},
};

/// Tenants whose visitors are measured.
pub(super) const NEIGHBOURS: u32 = 49;
/// The tenant who is attacked.
pub(super) const HOT: &str = "hot.bench.test";
/// Another site of theirs, whose backend hangs.
pub(super) const HANGING: &str = "hanging.bench.test";
/// A site of the operator's: nothing is counted.
pub(super) const OPERATOR: &str = "operator.bench.test";
/// A site of a tenant with limits that are never reached: everything is counted.
pub(super) const RICH: &str = "rich.bench.test";
/// Users who need not exist.
const FIRST_UID: u32 = 100_000;
const HOT_UID: u32 = 99_999;
const RICH_UID: u32 = 99_998;
/// Requests per second that are everybody's share: a core serves some 20,000.
pub(super) const SHARE: u32 = 400;
/// What a load may take beyond its time.
const PATIENCE: Duration = Duration::from_secs(15);
/// Connections of the load that is measured for its cost.
const COST_CONNECTIONS: u32 = 32;

/// See the module. Everything ends when dropped.
pub(super) struct House {
    // First: it ends before its backends.
    gateway: Gateway,
    origin: HttpOrigin,
    hanging: JoinHandle<()>,
    logs: TempDir,
}

/// The name of a neighbour.
pub(super) fn neighbour(number: u32) -> String {
    format!("n{number}.bench.test")
}

impl House {
    pub(super) async fn start(binary: PathBuf) -> Outcome<Self> {
        let origin = HttpOrigin::start().await;
        let (hanging, hanging_address) = hang().await?;
        let dir = tempfile::tempdir()?;
        let sites = dir.path().join("sites.d");
        fs::create_dir(&sites)?;
        let place = |file: String, site: Site, uid: u32| -> io::Result<()> {
            site.write(&sites, &file);
            if is_root() { chown(sites.join(file), Some(uid), Some(uid)) } else { Ok(()) }
        };
        for number in 0..NEIGHBOURS {
            place(format!("n{number}.yaml"), Site::new(&neighbour(number)).upstream(&origin), FIRST_UID + number)?;
        }
        place("hot.yaml".to_owned(), Site::new(HOT).upstream(&origin), HOT_UID)?;
        place("hanging.yaml".to_owned(), Site::new(HANGING).upstream(hanging_address), HOT_UID)?;
        place("rich.yaml".to_owned(), Site::new(RICH).upstream(&origin), RICH_UID)?;
        place("operator.yaml".to_owned(), Site::new(OPERATOR).upstream(&origin), 0)?;
        let builder = Gateway::builder().binary(binary).workers(1).settings(&settings());
        let mut gateway = builder.start_in(dir).await;
        pin(gateway.process().pid(), PROXY_CORE)?;
        Ok(Self { gateway, origin, hanging, logs: tempfile::tempdir()? })
    }

    /// Are the tenants real? Otherwise all sites are one user's, and the limits are that user's.
    pub(super) fn has_tenants(&self) -> bool {
        is_root()
    }

    pub(super) fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// h2load against a site, as the nicest process there is.
    pub(super) fn h2load(&self, name: &str, words: &str, host: &str) -> Process {
        let address: SocketAddr = self.gateway.https();
        let program = Program::new("nice").args(["-n", "19", "h2load"]).args(words.split_whitespace());
        let to = [format!("--connect-to={address}"), format!("https://{host}/bytes/1024")];
        program.args(to).start(name, self.logs.path())
    }

    /// Microseconds of the gateway's processor time per request to a site.
    pub(super) async fn cost(&mut self, host: &str, seconds: u32) -> Outcome<f64> {
        let before = self.gateway.process().cpu_ticks();
        let asked = self.origin.requests();
        let words = format!("--h1 -c{COST_CONNECTIONS} -D{seconds}");
        let mut load = self.h2load("cost", &words, host);
        let bound = Duration::from_secs(seconds.into()) + PATIENCE;
        load.wait_within(bound).await.ok_or("the load for the cost did not end")?;
        let ticks = self.gateway.process().cpu_ticks() - before;
        let requests = self.origin.requests() - asked;
        #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
        let (ticks, requests) = (ticks as f64, requests.max(1) as f64);
        #[expect(clippy::cast_precision_loss, reason = "a hundred")]
        let per_tick = 1_000_000.0 / rustix::param::clock_ticks_per_second() as f64;
        Ok(ticks * per_tick / requests)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.hanging.abort();
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Takes connections and never says anything.
async fn hang() -> Outcome<(JoinHandle<()>, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let task = tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    });
    Ok((task, address))
}

fn settings() -> String {
    format!(
        "log: {{access: off}}\nupstreams: {{owner: off}}\nlimits: {{connections_per_client: 100000}}\n\
         tenants:\n  default:\n    limits: {{requests_per_second: {SHARE}, handshakes_per_second: 50, \
         requests_in_flight: 200, bandwidth: 20MiB}}\n  {RICH_UID}:\n    limits: {{connections: 999999999, \
         requests_in_flight: 999999999, requests_per_second: 999999999, handshakes_per_second: 999999999, \
         bandwidth: 1000GiB, buffered: 1000GiB, upstream_connections: 999999999}}\n"
    )
}
