//! A folder, a CA, and engines that run one after the other on them.

use std::{
    cell::Cell,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::{JoinHandle, LocalSet, spawn_local},
};
use vestibule_acme::{
    Config, Door, Engine, Event, Handle,
    config::{CaConfig, SiteOptions},
};
use vestibule_certs::{
    Vault,
    store::{CaId, Store},
};
use vestibule_names::{HostPattern, SiteId, TenantId};

use crate::fake::FakeCa;

/// Far beyond what anything here takes; only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_mins(5);
/// The same where days pass in no time.
const PATIENCE_OF_DAYS: Duration = Duration::from_hours(150 * 24);

pub(crate) struct House {
    folder: TempDir,
    pub(crate) ca: FakeCa,
    pub(crate) config: Config,
}

/// A running engine.
pub(crate) struct Run {
    pub(crate) handle: Handle,
    pub(crate) door: Door,
    pub(crate) store: Store,
    events: UnboundedReceiver<Event>,
    task: JoinHandle<()>,
    ca: FakeCa,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::on(TempDir::new().unwrap())
    }

    /// Where many orders would mostly wait for the disk, and nothing is tested of it.
    pub(crate) fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        Self::on(if memory.is_dir() { TempDir::new_in(memory).unwrap() } else { TempDir::new().unwrap() })
    }

    fn on(folder: TempDir) -> Self {
        let ca = CaConfig::new(CaId::new("fake").unwrap(), "https://ca.test/directory");
        let config =
            Config { advisory_checks: false, resolvers: vec!["127.0.0.1:9".parse().unwrap()], ..Config::new(vec![ca]) };
        Self { folder, ca: FakeCa::new(), config }
    }

    pub(crate) fn certs(&self) -> PathBuf {
        self.folder.path().join("certs")
    }

    pub(crate) fn start(&self) -> Run {
        let vault = Vault::open(&self.certs()).unwrap();
        let store = vault.store().clone();
        let door = Door::default();
        self.ca.use_store(Some(store.clone()));
        let cas = vec![(self.config.cas[0].id.clone(), self.ca.clone())];
        let (engine, handle) = Engine::with_cas(self.config.clone(), vault, door.clone(), cas).unwrap();
        let engine = engine.with_clock(self.ca.clock());
        let (tell, events) = unbounded_channel();
        let task = spawn_local(engine.run(move |event| drop(tell.send(event.clone()))));
        Run { handle, door, store, events, task, ca: self.ca.clone() }
    }

    /// With one site for each of these names, each of a tenant of its own, and ready.
    pub(crate) fn start_with(&self, names: &[&str]) -> Run {
        let run = self.start();
        for (number, name) in names.iter().enumerate() {
            run.want(name, u32::try_from(number).unwrap() + 1, &[name]);
        }
        run.handle.ready();
        run
    }
}

impl Run {
    pub(crate) fn want(&self, site: &str, tenant: u32, names: &[&str]) {
        self.want_with(site, tenant, names, SiteOptions::default());
    }

    pub(crate) fn want_with(&self, site: &str, tenant: u32, names: &[&str], options: SiteOptions) {
        let names = names.iter().map(|name| HostPattern::parse(name).unwrap()).collect();
        self.handle.want(SiteId::new(site), TenantId(tenant), names, options);
    }

    /// The next event.
    pub(crate) async fn event(&mut self) -> Event {
        patience(self.events.recv()).await.expect("the engine runs")
    }

    /// Waits until so many certificates came, first or again; fails at any other event.
    pub(crate) async fn certificates(&mut self, count: usize) {
        for _ in 0..count {
            match self.event().await {
                Event::Obtained(_) | Event::Renewed(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// As the gateway ends it.
    pub(crate) async fn stop(self) {
        self.handle.stop();
        self.ca.use_store(None);
        patience(self.task).await.unwrap();
    }

    /// As a kill ends it: nothing gets to run.
    pub(crate) async fn kill(self) {
        self.task.abort();
        self.ca.use_store(None);
        assert!(patience(self.task).await.unwrap_err().is_cancelled());
    }
}

thread_local! {
    static LIMIT: Cell<Duration> = const { Cell::new(PATIENCE) };
}

/// Runs a test where the engine may live, within bounds.
pub(crate) fn test(body: impl Future<Output = ()>) {
    run(tokio::runtime::Builder::new_current_thread().enable_all(), PATIENCE, body);
}

/// As [`test`], but nothing waits: when all stand still, the clock goes on to what comes next.
pub(crate) fn test_of_days(body: impl Future<Output = ()>) {
    run(tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true), PATIENCE_OF_DAYS, body);
}

fn run(builder: &mut tokio::runtime::Builder, limit: Duration, body: impl Future<Output = ()>) {
    LIMIT.set(limit);
    builder.build().unwrap().block_on(LocalSet::new().run_until(patience(body)));
}

pub(crate) async fn patience<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(LIMIT.get(), work).await.expect("it ends")
}
