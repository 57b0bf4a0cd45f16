//! A worker: one thread, one current-thread run time, its own accept sockets, upstream pools and view of the table.
//! Nothing on the request path crosses to another thread.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Builder, LocalOptions, LocalRuntime},
    sync::{Notify, watch},
    time::timeout,
};
use vestibule_listener::{Accepted, Acceptor, BoundListener, Permits};
use vestibule_names::{ClientAddr, RequestId};
use vestibule_proxy::{Border, Proxy, ProxyConfig, Refusal, Spawn, Trust, UpstreamBudget};

use crate::{
    access::AccessLine,
    backends::Denials,
    bulk,
    config::Config,
    connection,
    front::Front,
    live::{LiveSite, SiteReader, SiteTable},
    outcome::{Ended, Outcome},
    refusals::{Particulars, Refusals, Refused},
    tasks::{Alive, Tasks},
    totals::Totals,
    turnstile::Turnstile,
};

/// What every worker of a gateway shares.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) table: SiteTable,
    pub(crate) vault: vestibule_certs::Vault,
    pub(crate) permits: Permits,
    pub(crate) totals: Arc<Totals>,
    /// Of each worker.
    pub(crate) tasks: Arc<[Tasks]>,
    /// What the log was told of what was refused.
    pub(crate) refusals: Arc<Refusals>,
    /// Sockets to backends that all workers may have open together.
    pub(crate) upstream_sockets: UpstreamBudget,
    /// To what is connected for whom.
    pub(crate) border: Border,
    /// What was kept from crossing it.
    pub(crate) denials: Arc<Denials>,
    pub(crate) access: crate::access::AccessSender,
    pub(crate) drain: DrainSignal,
    /// The first bound TLS port: where redirects to HTTPS lead.
    pub(crate) https_port: Option<u16>,
    /// Public CAs; `None`: none is configured.
    pub(crate) acme: Option<Arc<Front>>,
}

/// Told once to every connection: take nothing new, finish, close.
#[derive(Clone, Debug)]
pub(crate) struct DrainSignal {
    flag: Arc<AtomicBool>,
    told: watch::Sender<bool>,
}

impl DrainSignal {
    pub(crate) fn new() -> Self {
        Self { flag: Arc::new(AtomicBool::new(false)), told: watch::Sender::new(false) }
    }
    pub(crate) fn tell(&self) {
        self.flag.store(true, Relaxed);
        self.told.send_replace(true);
    }
    pub(crate) fn is_told(&self) -> bool {
        self.flag.load(Relaxed)
    }
    /// Waits until it is told.
    pub(crate) fn wait(&self) -> impl Future<Output = ()> + use<> {
        let mut told = self.told.subscribe();
        async move {
            // An error means that the sender is gone: then there is nothing left to wait for either.
            let _ = told.wait_for(|told| *told).await;
        }
    }
}

/// One worker's things. Lives in an `Rc` on its thread.
pub(crate) struct Worker {
    index: usize,
    shared: Shared,
    reader: RefCell<SiteReader>,
    proxy: Proxy,
    spawn: Spawn,
    access: RefCell<AccessLine>,
    open: Cell<usize>,
    empty: Notify,
    next_request: Cell<u64>,
    turnstile: Turnstile,
    bulk: Turnstile,
    tasks: Tasks,
}

/// How often lines of the access log leave a worker.
const ACCESS_FLUSH: Duration = Duration::from_millis(200);
/// A connection that is queued already is accepted within this.
const QUEUED_TIMEOUT: Duration = Duration::from_millis(5);
/// A response head of an upstream beyond this is refused, bytes.
const RESPONSE_HEAD_LIMIT: usize = 64 * 1024;

/// Starts a worker's thread. It ends when it was told to drain and its connections have ended or the grace is over.
pub(crate) fn spawn(
    index: usize,
    listeners: Vec<BoundListener>,
    shared: Shared,
) -> std::io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(format!("worker-{index}")).spawn(move || match local_runtime() {
        Ok(runtime) => run_out(runtime, run(index, listeners, shared)),
        Err(error) => tracing::error!(%error, "a worker has no run time"),
    })
}

/// For tasks that stay on this thread. A set of local tasks on another run time would be woken and polled as a whole for each
/// of its tasks.
fn local_runtime() -> std::io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}

/// Runs it to its end. A tenant's name or path that hangs on a thread of the blocking pool holds up no stop: to drop the run
/// time would wait for it.
fn run_out(runtime: LocalRuntime, work: impl Future<Output = ()>) {
    runtime.block_on(work);
    runtime.shutdown_background();
}

async fn run(index: usize, listeners: Vec<BoundListener>, shared: Shared) {
    let grace = shared.config.timeouts.drain_grace;
    let worker = Rc::new(Worker::new(index, shared));
    let mut accepting = Vec::new();
    for bound in listeners {
        match Acceptor::new(bound, worker.shared.permits.clone()) {
            Ok(acceptor) => accepting.push(tokio::task::spawn_local(accept(Rc::clone(&worker), acceptor))),
            Err(error) => tracing::error!(%error, "a worker cannot accept"),
        }
    }
    let flushing = tokio::task::spawn_local(flush_access(Rc::clone(&worker)));
    worker.draining().await;
    for task in accepting {
        drop(task.await); // it takes what the kernel has queued, and drops the socket: nothing new
    }
    if timeout(grace, worker.until_empty()).await.is_err() {
        tracing::warn!(open = worker.open.get(), "the drain's grace is over, connections are cut");
    }
    flushing.abort();
    worker.flush_access();
}

/// Accepts until the drain; then takes those that the kernel has queued, which a closed socket would reset.
async fn accept(worker: Rc<Worker>, mut acceptor: Acceptor) {
    let _alive = worker.tasks.begin();
    let mut draining = pin!(worker.draining());
    loop {
        tokio::select! {
            biased;
            () = &mut draining => break,
            accepted = acceptor.accept() => open(&worker, accepted),
        }
    }
    for _ in 0..vestibule_listener::BACKLOG {
        match timeout(QUEUED_TIMEOUT, acceptor.accept()).await {
            Ok(accepted) => open(&worker, accepted),
            Err(_) => return,
        }
    }
}

/// Each connection is a task of its own: a panic in it ends that task only.
fn open(worker: &Rc<Worker>, accepted: Accepted) {
    let guard = OpenConnection::new(worker);
    let client = accepted.client;
    let walk = connection::walk(Rc::clone(worker), accepted);
    tokio::task::spawn_local(async move {
        let ended = walk.await;
        guard.worker.ended(client, &ended);
    });
}

async fn flush_access(worker: Rc<Worker>) {
    let _alive = worker.tasks.begin();
    let mut tick = tokio::time::interval(ACCESS_FLUSH);
    loop {
        tick.tick().await;
        worker.flush_access();
    }
}

/// Counts one open connection or tunnel of this worker, also when its task panics.
pub(crate) struct OpenConnection {
    pub(crate) worker: Rc<Worker>,
    _alive: Alive,
}

impl OpenConnection {
    pub(crate) fn new(worker: &Rc<Worker>) -> Self {
        worker.open.set(worker.open.get() + 1);
        Self { worker: Rc::clone(worker), _alive: worker.tasks.begin() }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        if thread::panicking() {
            self.worker.shared.totals.ended(Outcome::Panicked);
            self.worker.shared.refusals.tell(Refused::Connection(Outcome::Panicked), &Particulars::default());
        }
        let open = self.worker.open.get() - 1;
        self.worker.open.set(open);
        if open == 0 {
            self.worker.empty.notify_waiters();
        }
    }
}

impl Worker {
    fn new(index: usize, shared: Shared) -> Self {
        let tasks = shared.tasks.get(index).cloned().unwrap_or_default();
        let proxy_config = ProxyConfig {
            idle_limit: shared.config.limits.idle_upstream_connections as usize,
            keep_alive: shared.config.timeouts.upstream_keep_alive,
            response_head_limit: RESPONSE_HEAD_LIMIT,
            budget: shared.upstream_sockets.clone(),
            border: shared.border.clone(),
        };
        let spawning = tasks.clone();
        let spawn: Spawn = Rc::new(move |task| spawning.spawn(task));
        Self {
            index,
            reader: RefCell::new(shared.table.reader()),
            proxy: Proxy::new(proxy_config, shared.vault.clone(), Rc::clone(&spawn)),
            spawn,
            access: RefCell::new(AccessLine::new(shared.access.clone())),
            open: Cell::new(0),
            empty: Notify::new(),
            next_request: Cell::new(first_request_id()),
            turnstile: Turnstile::new(tasks.clone()),
            bulk: bulk::turnstile(tasks.clone()),
            tasks,
            shared,
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The tasks of this worker.
    #[cfg(test)]
    pub(crate) fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    pub(crate) fn totals(&self) -> &Totals {
        &self.shared.totals
    }

    /// A request began here.
    pub(crate) fn request_began(&self) {
        self.shared.totals.began(self.index);
    }

    /// A request ended here, with or without a refusal of our own.
    pub(crate) fn request_finished(&self, refusal: Option<Refusal>) {
        self.shared.totals.finished(self.index, refusal);
    }

    /// The same, as the crate that forwards wants it.
    pub(crate) fn spawn(&self) -> &Spawn {
        &self.spawn
    }

    /// What the log is told of what is refused.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.shared.refusals
    }

    /// A connection of that client ended: counted, and told if it was refused.
    fn ended(&self, client: ClientAddr, ended: &Ended) {
        self.shared.totals.ended(ended.outcome);
        let (tenant, why) = (ended.tenant.as_deref(), ended.why.as_deref());
        let particulars = Particulars { client: Some(client), tenant, why, ..Particulars::default() };
        self.shared.refusals.tell(Refused::Connection(ended.outcome), &particulars);
    }

    pub(crate) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Whose turn it is here.
    pub(crate) fn turnstile(&self) -> &Turnstile {
        &self.turnstile
    }

    /// Which long body may move here.
    pub(crate) fn bulk(&self) -> &Turnstile {
        &self.bulk
    }

    /// Client connections that the whole gateway could take beside those that are open.
    pub(crate) fn free_connections(&self) -> u64 {
        self.shared.permits.free()
    }

    /// Public CAs, if any is configured.
    pub(crate) fn acme(&self) -> Option<&Front> {
        self.shared.acme.as_deref()
    }

    pub(crate) fn https_port(&self) -> Option<u16> {
        self.shared.https_port
    }

    /// The site of a host in normal form, in the table as it is now.
    pub(crate) fn resolve(&self, host_key: &str) -> Option<Arc<LiveSite>> {
        self.reader.borrow_mut().table().resolve(host_key).cloned()
    }

    /// A number for a request, unlikely to come again in this box's logs.
    pub(crate) fn next_request_id(&self) -> RequestId {
        let id = self.next_request.get();
        self.next_request.set(id.wrapping_add(0x9e37_79b9_7f4a_7c15)); // odd: every number once
        RequestId(id)
    }

    /// Are forwarding headers of this peer believed?
    pub(crate) fn trust(&self, client: ClientAddr) -> Trust {
        let trusted = &self.shared.config.trusted_proxies;
        if trusted.iter().any(|network| network.contains(client.ip())) { Trust::Proxy } else { Trust::Client }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.shared.drain.is_told()
    }

    /// Waits for the drain.
    pub(crate) fn draining(&self) -> impl Future<Output = ()> + use<> {
        self.shared.drain.wait()
    }

    pub(crate) fn with_access_line(&self, write: impl FnOnce(&mut AccessLine)) {
        write(&mut self.access.borrow_mut());
    }

    fn flush_access(&self) {
        self.access.borrow_mut().flush();
    }

    async fn until_empty(&self) {
        while self.open.get() > 0 {
            self.empty.notified().await;
        }
    }
}

fn first_request_id() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // Seeded by the system's randomness, once per worker.
    std::hash::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::mpsc::channel;

    use tokio::task::LocalSet;

    use super::*;
    use crate::config::{AccessLog, Limits, Timeouts};

    /// A worker that listens nowhere, with defaults. Must be made inside a run time.
    pub(crate) fn idle_worker(dir: &std::path::Path) -> Rc<Worker> {
        worker(shared(dir))
    }

    /// A worker of these things. Must be made inside a run time.
    pub(crate) fn worker(shared: Shared) -> Rc<Worker> {
        Rc::new(Worker::new(0, shared))
    }

    pub(crate) fn shared(dir: &std::path::Path) -> Shared {
        let config = Config {
            http: Vec::new(),
            https: Vec::new(),
            sites: dir.join("sites"),
            state: dir.to_owned(),
            workers: 1,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            admin_socket: dir.join("admin.sock"),
            tenant_socket: None,
            admin_address: None,
            address_metrics: Default::default(),
            access: AccessLog::Off,
            tenant_logs: None,
            trusted_proxies: Vec::new(),
            tenancy: crate::tenancy::Tenancy::default(),
            acme: None,
        };
        Shared {
            table: SiteTable::new(),
            vault: vestibule_certs::Vault::open(&dir.join("certs")).expect("opens"),
            permits: Permits::new(vestibule_listener::ConnectionLimits { total: 1, per_client: 1 }),
            totals: Arc::new(Totals::new(1)),
            tasks: Arc::new([Tasks::default()]),
            refusals: Arc::new(Refusals::new(std::time::Instant::now())),
            upstream_sockets: UpstreamBudget::new(2),
            border: Border::default(),
            denials: Arc::default(),
            access: crate::access::start(&config.access, None).expect("starts").0,
            drain: DrainSignal::new(),
            https_port: None,
            acme: None,
            config: Arc::new(config),
        }
    }

    #[test]
    fn a_panic_ends_one_connection_and_is_counted() {
        let dir = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a run time");
        LocalSet::new().block_on(&runtime, async {
            let worker = idle_worker(dir.path());
            let guard = OpenConnection::new(&worker);
            let other = OpenConnection::new(&worker);
            let task = tokio::task::spawn_local(async move {
                let _guard = guard;
                panic!("a bug, as this test wants it");
            });
            assert!(task.await.expect_err("panicked").is_panic());
            assert_eq!(worker.open.get(), 1, "the other connection is still open");
            let panics = worker.totals().outcomes().find(|(outcome, _)| *outcome == Outcome::Panicked);
            assert_eq!(panics, Some((Outcome::Panicked, 1)));
            drop(other);
            worker.until_empty().await;
        });
    }

    #[test]
    fn a_look_up_that_hangs_holds_up_no_stop() {
        let ((begun, begins), (go, gone), (ended, ends)) = (channel::<()>(), channel::<()>(), channel::<()>());
        let stopping = thread::spawn(move || {
            run_out(local_runtime().expect("a run time"), async move {
                let hanging = tokio::task::spawn_blocking(move || {
                    begun.send(()).expect("somebody waits");
                    let _ = gone.recv();
                });
                begins.recv().expect("it hangs");
                drop(hanging); // its timeout is over
            });
            ended.send(()).expect("somebody waits");
        });
        let ended = ends.recv_timeout(Duration::from_secs(10));
        drop(go);
        stopping.join().expect("no panic");
        assert!(ended.is_ok(), "it waited for the look-up");
    }

    #[test]
    fn request_ids_do_not_repeat() {
        let dir = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a run time");
        LocalSet::new().block_on(&runtime, async {
            let worker = idle_worker(dir.path());
            let ids: std::collections::HashSet<_> = (0..10_000).map(|_| worker.next_request_id()).collect();
            assert_eq!(ids.len(), 10_000);
        });
    }
}
