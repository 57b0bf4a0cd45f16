//! Starting and ending: threads in order, and the control side that no request ever waits for.
//!
//! | thread | does |
//! |---|---|
//! | `worker-N` | serves connections (see `worker.rs`) |
//! | `watch` | notices and reads files of the sites folder |
//! | `sites` | walks site changes, commits and publishes them, looks at certificate files |
//! | `acme` | orders certificates from public CAs, if any is configured (see `certificates.rs`) |
//! | `proofs` | looks in DNS for proofs of domains, if the settings ask for them (see `proofs.rs`) |
//! | `control` | the admin interface, readiness, the drain |
//! | `access-log` | writes access events |
//! | `tenant-logs` | writes tenants' own |

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Instant,
};

use vestibule_acme::{Engine, Handle};
use vestibule_certs::Vault;
use vestibule_listener::{ConnectionLimits, Permits, Protocol};
use vestibule_names::{HostPattern, SiteId};
use vestibule_proxy::UpstreamBudget;
use vestibule_vhost::Claim;
use vestibule_watch::{Batch, Change, Next, StopHandle, WatchConfig};

use crate::{
    Config, StartError,
    access::{self, AccessSender},
    arrivals::Arrivals,
    backends::{self, Denials},
    certificates::{self, AcmeThread},
    change::{Certifier, Clock, Sites, Step, Surroundings},
    config::{AcmePolicy, BATCH_QUEUE_LIMIT},
    front::Front,
    ledger::Ledger,
    live::SiteTable,
    proofs::{self, ProofThread},
    refusals::Refusals,
    tasks::Tasks,
    tenancy::Proof,
    tenant::Tenant,
    tenant_log::{self, TenantLog, TenantLogReader},
    totals::Totals,
    walks::{self, When},
    worker::{self, DrainSignal, Shared},
};

/// What the control side knows; shared by its threads only.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) shared: Shared,
    pub(crate) started: Instant,
    pub(crate) http: Arc<[SocketAddr]>,
    pub(crate) https: Arc<[SocketAddr]>,
    pub(crate) ready: Arc<Ready>,
    /// Reads tenants' logs; `None`: there are none.
    pub(crate) tenant_logs: Option<TenantLogReader>,
    /// Talks to the engine; `None`: no public CA is configured.
    pub(crate) acme: Option<Handle>,
    sites: Arc<Mutex<Sites>>,
    /// Locked while `sites` are.
    pub(crate) arrivals: Arc<Mutex<Arrivals>>,
}

/// Set once the first scan is live, or once it never will be.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    state: Mutex<Option<bool>>,
    told: Condvar,
}

impl Ready {
    pub(crate) fn settle(&self, live: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_none() {
            *state = Some(live);
            self.told.notify_all();
        }
    }
    /// Is the first scan live?
    pub(crate) fn is_live(&self) -> bool {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) == Some(true)
    }
    /// Blocks until it is known.
    pub(crate) fn wait(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.told.wait_while(state, |state| state.is_none()).unwrap_or_else(PoisonError::into_inner);
        *state == Some(true)
    }
}

impl House {
    /// The sites, for a moment. Never held while a request waits.
    pub(crate) fn sites(&self) -> MutexGuard<'_, Sites> {
        // A panic while walking one site leaves the records usable: each is replaced as a whole.
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl House {
    /// Every tenant that is known.
    pub(crate) fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.sites().tenants().cloned().collect()
    }

    /// A change that somebody asked for: committed and published when this returns. May wait for the disk.
    pub(crate) fn change<T>(&self, walk: impl FnOnce(&mut Sites) -> (Step, T)) -> T {
        walks::publish(self, When::Now, walk)
    }

    /// What the first scan has walked so far goes live.
    pub(crate) fn publish_arrivals(&self) {
        walks::publish(self, When::Now, |_| (Step::default(), ()));
    }
}

/// Threads of a running gateway.
pub(crate) struct Threads {
    workers: Vec<thread::JoinHandle<()>>,
    watch: thread::JoinHandle<()>,
    sites: thread::JoinHandle<()>,
    acme: Option<AcmeThread>,
    proofs: Option<ProofThread>,
    logging: Vec<thread::JoinHandle<()>>,
    pub(crate) watching: StopHandle,
}

/// The watch, from the moment on when sites may be read: while what was durable is opened, it goes through the folder.
struct Watching {
    stop: StopHandle,
    batches: Receiver<Batch>,
    thread: thread::JoinHandle<()>,
}

impl Watching {
    fn start(config: WatchConfig, ready: Arc<Ready>) -> std::io::Result<Self> {
        let stop = StopHandle::default();
        let (batches, queue) = sync_channel(BATCH_QUEUE_LIMIT);
        let stopped = stop.clone();
        let thread = spawn("watch", move || watch_folder(config, &stopped, &batches, &ready))?;
        Ok(Self { stop, batches: queue, thread })
    }
}

/// Opens everything, binds, and starts every thread but control.
pub(crate) fn open(config: Config) -> Result<(House, Threads), StartError> {
    prepare_folder(&config.state, 0o700)?;
    let ledger = Ledger::open_after_another(&config.state)?;
    let claims = ledger.claims()?;
    if !config.sites.exists() {
        // A mount that is missing must not look like "every site was removed".
        if !claims.is_empty() {
            return Err(StartError::SitesMissing { path: config.sites });
        }
        prepare_folder(&config.sites, 0o755)?;
    }
    let watch_config = WatchConfig {
        dir: config.sites.clone(),
        file_limit: config.limits.site_file.0,
        rescan: config.timeouts.rescan,
        gateway: rustix::process::geteuid().as_raw(),
    };
    let ready = Arc::default();
    let watching = Watching::start(watch_config.clone(), Arc::clone(&ready)).map_err(no_thread)?;
    let stop = watching.stop.clone();
    let look = move |id: &SiteId| walks::look_for(&watch_config, id);
    furnish(config, ledger, claims, ready)
        .and_then(|furnished| start(furnished, watching, look))
        .inspect_err(|_| stop.stop())
}

/// Everything but the threads that serve.
struct Furnished {
    house: House,
    bound: Vec<Vec<vestibule_listener::BoundListener>>,
    acme: Option<AcmeThread>,
    logging: Vec<thread::JoinHandle<()>>,
}

/// Opens what was durable, and binds.
fn furnish(
    config: Config,
    ledger: Ledger,
    claims: Vec<(HostPattern, Claim)>,
    ready: Arc<Ready>,
) -> Result<Furnished, StartError> {
    let vault = Vault::open(&config.state.join("certs"))?;
    let engine = config.acme.as_ref().map(|policy| engine(policy, &vault)).transpose()?;
    let bound = vestibule_listener::bind(&config.http, &config.https, config.workers)?;
    let addresses = |protocol| -> Arc<[SocketAddr]> {
        let of_first = bound.first().into_iter().flatten();
        of_first.filter(|listener| listener.protocol == protocol).map(|listener| listener.local).collect()
    };
    let (http, https) = (addresses(Protocol::Http), addresses(Protocol::Https));
    // Half of the descriptors are for clients, half for backends; asking for more does not make more.
    let half = vestibule_listener::descriptor_budget();
    let connections = config.limits.connections.unwrap_or(half).min(half);
    let limits = ConnectionLimits { total: connections, per_client: config.limits.connections_per_client };
    let (access, tenant_logs, logging) = logs(&config)?;
    let admin_address = config.admin_address.map(|addr| addr.0);
    let listen: Vec<SocketAddr> = http.iter().chain(&*https).copied().chain(admin_address).collect();
    let denials = Arc::new(Denials::default());
    let border = {
        let (check, denials) = (backends::owner_check(&config.tenancy), Arc::clone(&denials));
        let us = rustix::process::geteuid().as_raw();
        backends::border(&config.tenancy, check, listen.clone(), us, move |finding| denials.take(finding))
    };
    let (engine, front) = match engine {
        Some((engine, front)) => (Some(engine), Some(front)),
        None => (None, None),
    };
    let shared = Shared {
        table: SiteTable::new(),
        vault: vault.clone(),
        permits: Permits::new(limits),
        totals: Arc::new(Totals::new(bound.len())),
        tasks: (0..bound.len()).map(|_| Tasks::default()).collect(),
        refusals: Arc::new(Refusals::new(Instant::now())),
        access,
        upstream_sockets: UpstreamBudget::new(half),
        border,
        denials,
        drain: DrainSignal::new(),
        https_port: https.first().map(SocketAddr::port),
        acme: front.clone(),
        config: Arc::new(config),
    };
    let surroundings = Surroundings {
        certifier: Certifier::Vault(vault),
        ledger: Some(ledger),
        listen,
        admin_sockets: shared.config.admin_sockets().map(Path::to_owned).collect(),
        acme: shared.config.acme.as_ref().map(AcmePolicy::standing),
        tenancy: shared.config.tenancy.clone(),
        clock: Clock::of_the_wall(),
    };
    let started = Instant::now();
    let house = House {
        shared,
        started,
        http,
        https,
        ready,
        tenant_logs,
        acme: engine.as_ref().map(|(_, handle)| handle.clone()),
        sites: Arc::new(Mutex::new(Sites::new(surroundings, claims))),
        arrivals: Arc::new(Mutex::new(Arrivals::new(started))),
    };
    let acme = match engine.zip(front) {
        Some(((engine, handle), front)) => {
            Some(certificates::spawn(engine, handle, house.clone(), front).map_err(no_thread)?)
        }
        None => None,
    };
    Ok(Furnished { house, bound, acme, logging })
}

/// The access logs: where workers write, where tenants' are read, and the threads between.
type Logs = (AccessSender, Option<TenantLogReader>, Vec<thread::JoinHandle<()>>);

fn logs(config: &Config) -> Result<Logs, StartError> {
    let mut threads = Vec::new();
    let mut tenants = None;
    if let Some(logs) = &config.tenant_logs {
        let started = tenant_log::start(logs, config.tenancy.clone());
        let (log, thread) = started.map_err(|source| StartError::Io { path: logs.folder.clone(), source })?;
        tenants = Some(log);
        threads.push(thread);
    }
    let reader = tenants.as_ref().map(TenantLog::reader);
    let (access, thread) = access::start(&config.access, tenants)
        .map_err(|source| StartError::Io { path: "the access log".into(), source })?;
    threads.extend(thread);
    Ok((access, reader, threads))
}

/// Reads what is configured of public CAs, and asks nobody yet.
fn engine(policy: &AcmePolicy, vault: &Vault) -> Result<((Engine, Handle), Arc<Front>), StartError> {
    let door = vestibule_acme::Door::default();
    let front = Arc::new(Front::new(policy, door.clone()));
    let engine = Engine::new(policy.config.clone(), vault.clone(), door).map_err(StartError::Acme)?;
    Ok((engine, front))
}

fn no_thread(source: std::io::Error) -> StartError {
    StartError::Io { path: "a thread".into(), source }
}

fn prepare_folder(path: &Path, mode: u32) -> Result<(), StartError> {
    use std::os::unix::fs::DirBuilderExt;
    let created = std::fs::DirBuilder::new().recursive(true).mode(mode).create(path);
    created.map_err(|source| StartError::Io { path: path.to_owned(), source })
}

fn start(
    furnished: Furnished,
    watching: Watching,
    look: impl Fn(&SiteId) -> Change + Send + 'static,
) -> Result<(House, Threads), StartError> {
    let Furnished { house, bound, acme, logging } = furnished;
    let Watching { stop: watching, batches, thread: watch } = watching;
    let walker = house.clone();
    let sites = spawn("sites", move || walks::run(&walker, &batches, &look)).map_err(no_thread)?;
    let config = &house.shared.config;
    let workers = bound
        .into_iter()
        .enumerate()
        .map(|(index, listeners)| worker::spawn(index, listeners, house.shared.clone()))
        .collect::<Result<_, _>>()
        .map_err(no_thread)?;
    let proofs = match config.tenancy.claims.proof {
        Proof::FirstCome => None,
        Proof::DnsTxt => {
            let resolvers = config.acme.as_ref().map(|policy| policy.config.resolvers.clone()).unwrap_or_default();
            Some(proofs::spawn(house.clone(), resolvers).map_err(no_thread)?)
        }
    };
    Ok((house, Threads { workers, watch, sites, acme, proofs, logging, watching }))
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(body)
}

fn watch_folder(config: WatchConfig, stop: &StopHandle, batches: &SyncSender<Batch>, ready: &Ready) {
    let sink = |batch| if batches.send(batch).is_ok() { Next::Continue } else { Next::Stop };
    if let Err(error) = vestibule_watch::run(config, stop, sink) {
        tracing::error!(%error, "sites are not watched; what is live stays live");
    }
    ready.settle(false); // says nothing new once the first scan was live
}

impl Threads {
    /// Waits until the workers have drained, lets the control thread end, then everything that was waiting for these.
    pub(crate) fn join(self, end_control: impl FnOnce()) {
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("a worker panicked");
            }
        }
        if let Some(acme) = self.acme {
            acme.end();
        }
        if let Some(proofs) = self.proofs {
            proofs.end();
        }
        self.watching.stop();
        end_control();
        for thread in [self.watch, self.sites].into_iter().chain(self.logging) {
            if thread.join().is_err() {
                tracing::error!("a thread panicked");
            }
        }
    }
}
