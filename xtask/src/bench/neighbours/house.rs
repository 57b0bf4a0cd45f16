//! [`House`]: an entrance with fifty tenants, one backend for them all, one that hangs, and one for large bodies.

use std::{fs, io, net::SocketAddr, os::unix::fs::chown, path::PathBuf, time::Duration};

use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use vestibule_testkit::{
    Gateway, HttpOrigin, Site,
    process::{Process, Program},
};

use super::{entrance::Entrance, tunnels};
use crate::{
    Outcome,
    bench::{PROXY_CORE, peers::peer::Peer, pin},
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
/// Another site of the tenant who is attacked, with bodies of 16 MiB.
pub(super) const LARGE: &str = "large.bench.test";
/// The same of the tenant whose limits are never reached.
pub(super) const FREE: &str = "free.bench.test";
/// A site of theirs whose backend talks through WebSockets without end.
pub(super) const TALKATIVE: &str = "talkative.bench.test";
/// Users who need not exist.
const FIRST_UID: u32 = 100_000;
const HOT_UID: u32 = 99_999;
const RICH_UID: u32 = 99_998;
/// Requests per second that are everybody's share: a core serves some 20,000.
pub(super) const SHARE: u32 = 400;
/// Requests in flight that are everybody's share.
pub(super) const IN_FLIGHT: u32 = 200;
/// Client connections in all.
pub(super) const CONNECTIONS: u32 = 800;
/// What a load may take beyond its time.
const PATIENCE: Duration = Duration::from_secs(15);
/// What visitors ask for.
pub(super) const SMALL: &str = "/bytes/1024";
/// The file that is uploaded.
pub(super) const UPLOAD: &str = "upload";
/// Connections of the load that is measured for its cost.
const COST_CONNECTIONS: u32 = 32;

/// See the module. Everything ends when dropped, but the thread of large bodies, which ends with the bench.
pub(super) struct House {
    // First: it ends before its backends.
    entrance: Entrance,
    origin: HttpOrigin,
    hanging: JoinHandle<()>,
    logs: TempDir,
}

/// A site, and whose it is.
pub(super) struct Tenant {
    pub(super) host: String,
    pub(super) upstream: String,
    pub(super) uid: u32,
}

impl Tenant {
    /// Has it the limits that everybody has?
    pub(super) fn is_limited(&self) -> bool {
        self.uid != 0 && self.uid != RICH_UID
    }
}

/// The name of a neighbour.
pub(super) fn neighbour(number: u32) -> String {
    format!("n{number}.bench.test")
}

impl House {
    pub(super) async fn start(binary: PathBuf, peer: Peer) -> Outcome<Self> {
        let origin = HttpOrigin::start().await;
        let (hanging, hanging_address) = hang().await?;
        let tenant =
            |host: &str, upstream: &str, uid| Tenant { host: host.to_owned(), upstream: upstream.to_owned(), uid };
        let usual = origin.to_string();
        let large = apart(async || {
            let origin = HttpOrigin::start().await;
            Ok((origin.to_string(), origin))
        })?;
        let talkative = apart(async || Ok((tunnels::talk().await?, ())))?;
        let mut tenants: Vec<_> =
            (0..NEIGHBOURS).map(|number| tenant(&neighbour(number), &usual, FIRST_UID + number)).collect();
        tenants.extend([
            tenant(HOT, &usual, HOT_UID),
            tenant(HANGING, &hanging_address.to_string(), HOT_UID),
            tenant(LARGE, &large, HOT_UID),
            tenant(RICH, &usual, RICH_UID),
            tenant(FREE, &large, RICH_UID),
            tenant(TALKATIVE, &talkative, RICH_UID),
            tenant(OPERATOR, &usual, 0),
        ]);
        let entrance = match peer {
            Peer::Vestibule => gateway(binary, &tenants).await?,
            peer => Entrance::of_peer(peer, &tenants).await?,
        };
        let logs = tempfile::tempdir()?;
        fs::File::create(logs.path().join(UPLOAD))?.set_len(16 << 20)?;
        Ok(Self { entrance, origin, hanging, logs })
    }

    pub(super) fn entrance(&self) -> &Entrance {
        &self.entrance
    }

    /// h2load against a path of a site, as the nicest process there is.
    pub(super) fn h2load(&self, name: &str, words: &str, (host, path): (&str, &str)) -> Process {
        let address = self.entrance.address();
        let program = Program::new("nice").args(["-n", "19", "h2load"]).args(words.split_whitespace());
        let to = [format!("--connect-to={address}"), format!("https://{host}{path}")];
        program.args(to).dir(self.logs.path()).start(name, self.logs.path())
    }

    /// Microseconds of the gateway's processor time per request to a site.
    pub(super) async fn cost(&mut self, host: &str, seconds: u32) -> Outcome<f64> {
        let Entrance::Ours(gateway) = &mut self.entrance else { return Err("only of the gateway".into()) };
        let before = gateway.process().cpu_ticks();
        let asked = self.origin.requests();
        let words = format!("--h1 -c{COST_CONNECTIONS} -D{seconds}");
        let mut load = self.h2load("cost", &words, (host, SMALL));
        let bound = Duration::from_secs(seconds.into()) + PATIENCE;
        load.wait_within(bound).await.ok_or("the load for the cost did not end")?;
        let Entrance::Ours(gateway) = &mut self.entrance else { return Err("only of the gateway".into()) };
        let ticks = gateway.process().cpu_ticks() - before;
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

/// Are the tenants real? Otherwise all sites are one user's, and the limits are that user's.
pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The gateway in front of these tenants.
async fn gateway(binary: PathBuf, tenants: &[Tenant]) -> Outcome<Entrance> {
    let dir = tempfile::tempdir()?;
    let sites = dir.path().join("sites.d");
    fs::create_dir(&sites)?;
    for Tenant { host, upstream, uid } in tenants {
        let file = format!("{host}.yaml");
        Site::new(host).upstream(upstream).line("limits: {request_body: 1GiB}").write(&sites, &file);
        if is_root() {
            chown(sites.join(file), Some(*uid), Some(*uid))?;
        }
    }
    let builder = Gateway::builder().binary(binary).workers(1).settings(&settings());
    let mut gateway = builder.start_in(dir).await;
    pin(gateway.process().pid(), PROXY_CORE)?;
    Ok(Entrance::Ours(Box::new(gateway)))
}

/// A backend on a thread of its own that gives way to the visitors; where it is. It stays as long as the bench.
fn apart<T>(start: impl AsyncFnOnce() -> io::Result<(String, T)> + Send + 'static) -> Outcome<String> {
    let (told, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Of this thread alone, on Linux.
        let _ = rustix::process::nice(15);
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async move {
            let started = start().await;
            let _ = told.send(started.as_ref().map(|(address, _)| address.clone()).map_err(io::Error::kind));
            std::future::pending::<()>().await;
            drop(started);
        });
    });
    Ok(address.recv()?.map_err(io::Error::from)?)
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
        "log: {{access: off}}\nupstreams: {{owner: off}}\n\
         limits: {{connections: {CONNECTIONS}, connections_per_client: 100000}}\n\
         tenants:\n  default:\n    limits: {{requests_per_second: {SHARE}, handshakes_per_second: 50, \
         requests_in_flight: {IN_FLIGHT}, bandwidth: 20MiB}}\n  {RICH_UID}:\n    limits: {{connections: 999999999, \
         requests_in_flight: 999999999, requests_per_second: 999999999, handshakes_per_second: 999999999, \
         bandwidth: 1000GiB, tunnels: 999999999, buffered: 1000GiB, upstream_connections: 999999999}}\n"
    )
}
