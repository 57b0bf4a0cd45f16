//! The rig: [`run`], [`Gate`] (the gateway in small), [`Origin`] (a backend driven by the test), [`Wire`] (raw bytes).

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    path::Path,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response, header::ACCEPT};
use hyper::{body::Incoming, server::conn, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener},
    sync::mpsc,
    task::LocalSet,
    time::timeout,
};
use vestibule_names::{ClientAddr, RequestId, RoutePath, TenantId, UpstreamAddr, UpstreamScheme, UpstreamTarget};
use vestibule_vhost::{
    Action, Route, UpstreamGroup,
    vhost::{Limits, Prefix, Timeouts},
};

use super::by_hyper::from_hyper;
use crate::{
    Account, AccountLimits, Body, Caller, Fault, Proxy, ProxyConfig, Refusal, Scheme, Spawn, Trust, TunnelEnd, Turns,
    dial::Roots, forward::Terms, inspect, refuse,
};

/// No wait of a test is longer; a hang becomes a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test as a worker runs: one thread, local tasks.
pub(super) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async { timeout(PATIENCE, test).await.expect("the test hangs") });
}

/// Spawns beside the test, as the gateway spawns on a worker. Each task holds something until it ends.
pub(super) fn spawn(tasks: &Rc<()>) -> Spawn {
    let tasks = Rc::downgrade(tasks);
    Rc::new(move |task| {
        let held = tasks.upgrade();
        drop(tokio::task::spawn_local(async move {
            task.await;
            drop(held);
        }));
    })
}

/// How a gate forwards.
pub(super) struct Plan {
    pub(super) config: ProxyConfig,
    pub(super) timeouts: Timeouts,
    pub(super) limits: Limits,
    pub(super) trust: Trust,
    pub(super) route: Route,
    pub(super) roots: Roots,
    pub(super) account: Arc<Account>,
}

impl Plan {
    pub(super) fn to(addrs: impl IntoIterator<Item = UpstreamAddr>) -> Self {
        let group = UpstreamGroup { addrs: addrs.into_iter().collect(), tls: None };
        Self {
            config: ProxyConfig::default(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            trust: Trust::Client,
            route: Route {
                path: RoutePath::root(),
                action: Action::Upstream(Arc::new(group)),
                prefix: Prefix::Keep,
                headers: None,
            },
            roots: Arc::new(|_: Option<&Path>| panic!("no TLS in this test")),
            account: Account::new(TenantId::OPERATOR, AccountLimits::UNLIMITED),
        }
    }

    pub(super) fn at(mut self, prefix: &str, rule: Prefix) -> Self {
        self.route.path = RoutePath::parse(prefix).unwrap();
        self.route.prefix = rule;
        self
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Opens the gate.
    pub(super) async fn open(self) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let tasks = Rc::new(());
        let spawn = spawn(&tasks);
        let proxy = Proxy::with_roots(self.config.clone(), Arc::clone(&self.roots), Rc::clone(&spawn));
        let (ends, tunnel_ends) = mpsc::unbounded_channel();
        let state = Rc::new(State {
            plan: self,
            proxy,
            spawn,
            tasks,
            faults: RefCell::default(),
            ends,
            protocol: Cell::new(Protocol::H1),
        });
        let serving = Rc::clone(&state);
        tokio::task::spawn_local(async move {
            loop {
                let (stream, peer) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::task::spawn_local(serve(Rc::clone(&serving), stream, peer));
            }
        });
        Gate { addr, state, tunnel_ends }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    H1,
    H2,
}

struct State {
    plan: Plan,
    proxy: Proxy,
    spawn: Spawn,
    /// Each task of the proxy holds it.
    tasks: Rc<()>,
    faults: RefCell<Vec<(Fault, Refusal)>>,
    ends: mpsc::UnboundedSender<TunnelEnd>,
    protocol: Cell<Protocol>,
}

/// The gateway in small.
pub(super) struct Gate {
    pub(super) addr: SocketAddr,
    state: Rc<State>,
    pub(super) tunnel_ends: mpsc::UnboundedReceiver<TunnelEnd>,
}

impl Gate {
    /// A raw client.
    pub(super) async fn client(&self) -> Wire {
        Wire::new(TcpStream::connect(self.addr).await.unwrap())
    }

    /// Sends a request on a connection of its own and returns all that comes back until its end.
    pub(super) async fn ask(&self, request: &str) -> String {
        let mut client = self.client().await;
        client.send(request).await;
        client.rest().await
    }

    /// From now on connections are HTTP/2.
    pub(super) fn speak_h2(&self) {
        self.state.protocol.set(Protocol::H2);
    }

    /// What went wrong in forwarding since the last call.
    pub(super) fn faults(&self) -> Vec<(Fault, Refusal)> {
        self.state.faults.take()
    }

    pub(super) fn pool_counts(&self) -> (usize, usize) {
        self.state.proxy.pool_counts()
    }

    /// The tasks of the proxy that have not ended.
    pub(super) fn tasks(&self) -> usize {
        Rc::strong_count(&self.state.tasks) - 1
    }

    /// The sockets to backends that are open or on their way.
    pub(super) fn sockets(&self) -> u32 {
        self.state.plan.config.budget.open()
    }

    /// Is that backend asked last, because it took no connection?
    pub(super) fn is_down(&self, addr: &UpstreamAddr) -> bool {
        self.state.proxy.is_down(addr)
    }
}

async fn serve(state: Rc<State>, stream: TcpStream, peer: SocketAddr) {
    let answering = Rc::clone(&state);
    let service = service_fn(move |request| answer(Rc::clone(&answering), peer, request));
    let io = TokioIo::new(stream);
    match state.protocol.get() {
        Protocol::H1 => drop(conn::http1::Builder::new().serve_connection(io, service).with_upgrades().await),
        Protocol::H2 => drop(conn::http2::Builder::new(LocalExec).serve_connection(io, service).await),
    }
}

async fn answer(state: Rc<State>, peer: SocketAddr, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let request = from_hyper(request, &state.spawn);
    let id = RequestId(0xabc);
    let accept = request.headers().get(ACCEPT).cloned();
    if let Err(refusal) = inspect(&request) {
        return Ok(refuse(refusal, accept.as_ref(), id));
    }
    let Ok(path) = vestibule_names::path::normalise(request.uri().path()).map(std::borrow::Cow::into_owned) else {
        return Ok(refuse(Refusal::BadPath, accept.as_ref(), id));
    };
    let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let authority = authority.unwrap_or_else(|| request.headers()["host"].to_str().unwrap().to_owned());
    let caller = Caller {
        client: ClientAddr::new(peer),
        scheme: Scheme::Http,
        authority: &authority,
        trust: state.plan.trust,
        request_id: id,
        certificate: crate::ClientCertificate::NotAsked,
    };
    let plan = &state.plan;
    let terms = Terms {
        timeouts: &plan.timeouts,
        limits: &plan.limits,
        route: &plan.route,
        account: &plan.account,
        path: &path,
        caller: &caller,
    };
    Ok(match state.proxy.forward_on(request, &terms).await {
        Ok(forwarded) => {
            if let Some(tunnel) = forwarded.tunnel {
                let ends = state.ends.clone();
                tokio::task::spawn_local(
                    async move { ends.send(tunnel.run([AtOnce, AtOnce]).await).unwrap_or_default() },
                );
            }
            forwarded.response
        }
        Err(error) => {
            state.faults.borrow_mut().push((error.fault(), error.refusal()));
            refuse(error.refusal(), accept.as_ref(), id)
        }
    })
}

/// Runs hyper's HTTP/2 tasks beside ours.
#[derive(Clone, Copy)]
pub(super) struct LocalExec;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalExec {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

/// A backend that the test plays itself.
pub(super) struct Origin {
    socket: Listening,
    pub(super) addr: UpstreamAddr,
}

enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Origin {
    pub(super) async fn tcp() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = UpstreamTarget::Address(socket.local_addr().unwrap());
        Self { socket: Listening::Tcp(socket), addr: UpstreamAddr { scheme: UpstreamScheme::Http, target } }
    }

    pub(super) fn unix(path: &Path) -> Self {
        let socket = UnixListener::bind(path).unwrap();
        let target = UpstreamTarget::Unix(Arc::from(path));
        Self { socket: Listening::Unix(socket), addr: UpstreamAddr { scheme: UpstreamScheme::Http, target } }
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> Wire {
        match &self.socket {
            Listening::Tcp(socket) => {
                let (stream, _) = socket.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                Wire::new(stream)
            }
            Listening::Unix(socket) => Wire::new(socket.accept().await.unwrap().0),
        }
    }

    /// The next connection, as a socket.
    pub(super) async fn accept_tcp(&self) -> TcpStream {
        match &self.socket {
            Listening::Tcp(socket) => socket.accept().await.unwrap().0,
            Listening::Unix(_) => panic!("a Unix socket"),
        }
    }

    /// Is a connection waiting? Only meaningful after the answer to a request is known.
    pub(super) async fn is_untouched(&self) -> bool {
        timeout(Duration::ZERO, self.accept()).await.is_err()
    }

    /// Accepts one connection, reads one request head, answers, and gives the head.
    pub(super) async fn serve_once(&self, response: &str) -> String {
        let mut peer = self.accept().await;
        let head = peer.head().await;
        peer.send(response).await;
        head
    }
}

trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

/// One end of a connection, as raw bytes.
pub(super) struct Wire {
    stream: Box<dyn Duplex>,
    seen: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: impl AsyncRead + AsyncWrite + Unpin + 'static) -> Self {
        Self { stream: Box::new(stream), seen: Vec::new() }
    }

    /// Both directions apart: what is heard, and what is said.
    pub(super) fn split(self) -> (Self, Self) {
        let (reading, writing) = tokio::io::split(self.stream);
        let heard = tokio::io::join(reading, tokio::io::sink());
        (Self { stream: Box::new(heard), seen: self.seen }, Self::new(tokio::io::join(tokio::io::empty(), writing)))
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// Sends, if the other side still listens.
    pub(super) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.stream.flush().await
    }

    /// Ends this side.
    pub(super) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Reads up to and including the first `end`.
    pub(super) async fn until(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.seen.windows(end.len()).position(|window| window == end.as_bytes()) {
                return text(self.seen.drain(..at + end.len()).collect());
            }
            if self.read().await == 0 {
                panic!("ended before {end:?}: {:?}", text(self.seen.clone()));
            }
        }
    }

    /// A message head.
    pub(super) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// So many bytes.
    pub(super) async fn exactly(&mut self, count: usize) -> String {
        while self.seen.len() < count {
            assert!(self.read().await > 0, "ended after {:?}", text(self.seen.clone()));
        }
        text(self.seen.drain(..count).collect())
    }

    /// All until the end, be it clean or not.
    pub(super) async fn rest(&mut self) -> String {
        while self.read().await > 0 {}
        text(std::mem::take(&mut self.seen))
    }

    async fn read(&mut self) -> usize {
        self.stream.read_buf(&mut self.seen).await.unwrap_or(0)
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// The status of a response.
pub(super) fn status(response: &str) -> u16 {
    response.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no response: {response:?}"))
}

/// The values of a field in a message head, in order.
pub(super) fn field<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let lines = head.split("\r\n\r\n").next().unwrap_or_default().lines().skip(1);
    lines
        .filter_map(|line| line.split_once(':'))
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect()
}

/// Nothing else moves.
struct AtOnce;

impl Turns for AtOnce {
    fn poll_turn(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
    fn moved(&mut self, _: usize) {}
}
