//! Serves the admin interface: which path answers what.

use std::{
    cell::Cell,
    convert::Infallible,
    fs, io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener, UnixStream},
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};

use super::{
    certs, metrics,
    model::{AcmeStatus, AdminFailure, Status},
    tenants,
};
use crate::{StartError, config::AcmePolicy, explain::explain, house::House};

/// Admin connections that may be open at once.
const CONNECTION_LIMIT: usize = 64;
/// An admin connection ends after this, unless an answer waits for an order.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);
/// Renewals that may be waited for at once.
const RENEWALS_LIMIT: usize = 16;
/// Other commands that may be waited for at once: a script that renews many names must not keep a stolen key from being
/// revoked. The rest of the connections is left for everything that only asks.
const COMMANDS_LIMIT: usize = 16;
/// The body of a request: two PEM files as JSON.
const BODY_LIMIT: usize = 512 * 1024;
/// A body must be complete by then.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// A request head must be complete by then.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Waits after a failed accept.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Rows of a page unless the query says less.
const PAGE_LIMIT: usize = 1000;
/// Sites listed in `status` that are not simply live.
const ATTENTION_LIMIT: usize = 100;

/// Where the admin interface listens.
#[derive(Debug)]
pub(crate) struct AdminSockets {
    unix: std::os::unix::net::UnixListener,
    tcp: Option<std::net::TcpListener>,
}

/// Who may ask what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// The Unix socket: everything.
    Socket,
    /// The loopback address: metrics and readiness.
    Address,
}

impl AdminSockets {
    /// Binds both. A socket file that nobody listens on is removed first.
    pub(crate) fn bind(house: &House) -> Result<Self, StartError> {
        let config = &house.shared.config;
        let path = &config.admin_socket;
        let unix = bind_unix(path).map_err(|source| StartError::Io { path: path.clone(), source })?;
        let tcp = config.admin_address.map(|addr| {
            let listener = std::net::TcpListener::bind(addr.0).and_then(|listener| {
                listener.set_nonblocking(true)?;
                Ok(listener)
            });
            listener.map_err(|source| StartError::Bind(vestibule_listener::BindError::Bind { addr, source }))
        });
        Ok(Self { unix, tcp: tcp.transpose()? })
    }
}

fn bind_unix(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
        && std::os::unix::net::UnixStream::connect(path).is_err()
    {
        fs::remove_file(path)?; // left behind by a gateway that was killed
    }
    // Bound under another name and moved into place with its mode set: at no moment may others connect.
    let fresh = path.with_extension(format!("{}.tmp", std::process::id()));
    if path.exists() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another gateway answers on this socket"));
    }
    if let Err(error) = fs::remove_file(&fresh)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error); // else: left behind by a start that was killed
    }
    let listener = std::os::unix::net::UnixListener::bind(&fresh)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))?;
    fs::rename(&fresh, path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves until the future is dropped. Must run inside a `LocalSet`.
pub(crate) async fn serve(house: House, sockets: AdminSockets) -> io::Result<Infallible> {
    let permits = Permits {
        connections: Arc::new(Semaphore::new(CONNECTION_LIMIT)),
        renewals: Arc::new(Semaphore::new(RENEWALS_LIMIT)),
        commands: Arc::new(Semaphore::new(COMMANDS_LIMIT)),
    };
    let unix = UnixListener::from_std(sockets.unix)?;
    let tcp = sockets.tcp.map(TcpListener::from_std).transpose()?;
    let over_socket = async {
        loop {
            match unix.accept().await {
                // Our own process only connects when a site names this socket as its upstream, in whatever spelling.
                Ok((stream, _)) if is_our_own(&stream) => tracing::warn!("a site leads to the admin socket: refused"),
                Ok((stream, _)) => open(&house, &permits, stream, Door::Socket),
                Err(_) => tokio::time::sleep(BACK_OFF).await,
            }
        }
    };
    let over_address = async {
        let Some(tcp) = tcp else { return std::future::pending().await };
        loop {
            match tcp.accept().await {
                Ok((stream, _)) => open(&house, &permits, stream, Door::Address),
                Err(_) => tokio::time::sleep(BACK_OFF).await,
            }
        }
    };
    tokio::select! {
        never = over_socket => Ok(never),
        never = over_address => Ok(never),
    }
}

/// Who cannot be told is refused too.
fn is_our_own(stream: &UnixStream) -> bool {
    stream.peer_cred().map_or(true, |peer| peer.pid().is_none_or(|pid| pid.unsigned_abs() == std::process::id()))
}

/// Of all admin connections together.
#[derive(Clone)]
struct Permits {
    connections: Arc<Semaphore>,
    renewals: Arc<Semaphore>,
    commands: Arc<Semaphore>,
}

/// One admin connection.
struct Conversation {
    house: House,
    door: Door,
    permits: Permits,
    /// When it ends, whatever it does.
    end: Cell<Instant>,
}

fn open<S>(house: &House, permits: &Permits, stream: S, door: Door)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let Ok(permit) = Arc::clone(&permits.connections).try_acquire_owned() else { return }; // dropped: closed
    let talk = Conversation {
        house: house.clone(),
        door,
        permits: permits.clone(),
        end: Cell::new(Instant::now() + CONNECTION_TIMEOUT),
    };
    tokio::task::spawn_local(async move {
        let talk = &talk;
        let service =
            service_fn(|request: Request<Incoming>| async move { Ok::<_, Infallible>(talk.answer(request).await) });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        while Instant::now() < talk.end.get() {
            if let Ok(result) = timeout_at(talk.end.get(), connection.as_mut()).await {
                if let Err(error) = result {
                    tracing::debug!(%error, "admin connection broken");
                }
                break;
            }
        }
        drop(permit);
    });
}

impl Conversation {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match (request.method(), self.door) {
            (&Method::GET, Door::Address) => watched(&self.house, request.uri().path()),
            (&Method::GET, Door::Socket) => told(&self.house, &request).await,
            (&Method::POST, Door::Socket) => self.act(request).await,
            _ => {
                failure(StatusCode::METHOD_NOT_ALLOWED, "only GET is known here, and POST for a few paths of /v1/certs")
            }
        }
    }

    /// What changes something. These answers wait for orders: the connection may live as long.
    async fn act(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (places, limit) = match request.uri().path() {
            "/v1/certs/renew" => (&self.permits.renewals, RENEWALS_LIMIT),
            _ => (&self.permits.commands, COMMANDS_LIMIT),
        };
        let Ok(_place) = places.try_acquire() else {
            let sentence =
                format!("{limit} commands like this one wait for their end already: try again when one is through");
            return failure(StatusCode::SERVICE_UNAVAILABLE, &sentence);
        };
        self.end.set(Instant::now() + certs::ORDER_TIMEOUT + CONNECTION_TIMEOUT);
        let query = Query::read(request.uri().query().unwrap_or(""));
        let response = match request.uri().path() {
            "/v1/certs/renew" => json_or(certs::renew(&self.house, query.host.as_deref()).await),
            "/v1/certs/revoke" => {
                json_or(certs::revoke(&self.house, query.host.as_deref(), query.reason.as_deref()).await)
            }
            "/v1/certs/roll-over" => json_or(certs::roll_over(&self.house).await),
            "/v1/certs/import" => match body(request).await {
                Ok(import) => json_or(certs::import(&self.house, import).await),
                Err(refused) => json_or::<()>(Err(refused)),
            },
            _ => failure(
                StatusCode::NOT_FOUND,
                "POST is known for /v1/certs/renew, /v1/certs/revoke, /v1/certs/roll-over and /v1/certs/import",
            ),
        };
        self.end.set(Instant::now() + CONNECTION_TIMEOUT);
        response
    }
}

/// A body of JSON, bounded in size and time.
async fn body<T: serde::de::DeserializeOwned>(request: Request<Incoming>) -> Result<T, certs::Failed> {
    let refused = |sentence: String| (StatusCode::BAD_REQUEST, sentence);
    let collected = timeout(BODY_TIMEOUT, Limited::new(request.into_body(), BODY_LIMIT).collect()).await;
    let bytes = collected
        .map_err(|_| refused("the body did not come in time".to_owned()))?
        .map_err(|error| refused(format!("the body cannot be read: {error}")))?
        .to_bytes();
    serde_json::from_slice(&bytes).map_err(|error| refused(format!("the body is not understood: {error}")))
}

/// What monitoring asks, through either door.
fn watched(house: &House, path: &str) -> Response<Full<Bytes>> {
    match path {
        "/healthz" => plain(StatusCode::OK, "ok\n"),
        "/readyz" if house.ready.is_live() && !house.shared.drain.is_told() => plain(StatusCode::OK, "ready\n"),
        "/readyz" => plain(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        "/metrics" => with_type(StatusCode::OK, metrics::CONTENT_TYPE, metrics::render(house)),
        _ => failure(StatusCode::NOT_FOUND, "this address has /metrics, /readyz and /healthz"),
    }
}

/// What is only read.
async fn told(house: &House, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let query = Query::read(request.uri().query().unwrap_or(""));
    match request.uri().path() {
        path @ ("/healthz" | "/readyz" | "/metrics") => watched(house, path),
        "/v1/status" => json(&status(house)),
        "/v1/sites" => json(&house.sites().page(query.after.as_deref(), query.limit)),
        "/v1/certs" => json(&certs::page(house, query.after.as_deref(), query.limit).await),
        "/v1/certs/explain" => json_or(certs::explain(house, query.host.as_deref()).await),
        "/v1/certs/plan" => json_or(certs::plan(house).await),
        "/v1/certs/shown" => json_or(certs::shown(house, query.host.as_deref())),
        "/v1/claims" => json(&house.sites().claim_rows()),
        "/v1/explain" => match query.url {
            None => failure(StatusCode::BAD_REQUEST, "write /v1/explain?url=https%3A%2F%2Fblog.example.com%2F"),
            Some(url) => {
                let standing = house.shared.config.acme.as_ref().map(AcmePolicy::standing);
                match explain(&house.shared.table.load(), &url, house.shared.https_port, standing.as_ref()) {
                    Ok(explanation) => json(&explanation),
                    Err(error) => failure(StatusCode::BAD_REQUEST, &error.to_string()),
                }
            }
        },
        _ => failure(
            StatusCode::NOT_FOUND,
            "known paths: /v1/status, /v1/sites, /v1/certs, /v1/certs/explain, /v1/certs/plan, /v1/certs/shown, /v1/claims, \
             /v1/explain, /metrics, /readyz, /healthz",
        ),
    }
}

/// The parameters that any path may have.
struct Query {
    after: Option<String>,
    url: Option<String>,
    host: Option<String>,
    reason: Option<String>,
    limit: usize,
}

impl Query {
    fn read(text: &str) -> Self {
        let mut query = Self { after: None, url: None, host: None, reason: None, limit: PAGE_LIMIT };
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*key {
                "after" => query.after = Some(value.into_owned()),
                "host" => query.host = Some(value.into_owned()),
                "reason" => query.reason = Some(value.into_owned()),
                "url" => query.url = Some(value.into_owned()),
                "limit" => query.limit = value.parse().unwrap_or(PAGE_LIMIT).clamp(1, PAGE_LIMIT),
                _ => {}
            }
        }
        query
    }
}

fn status(house: &House) -> Status {
    let table = house.shared.table.load();
    let (standing, attention, uncommitted) = {
        let sites = house.sites();
        (sites.standing(), sites.attention(ATTENTION_LIMIT), sites.uncommitted())
    };
    let config = &house.shared.config;
    let texts = |addrs: &[std::net::SocketAddr]| addrs.iter().map(ToString::to_string).collect();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uptime_seconds: house.started.elapsed().as_secs(),
        generation: table.generation().0,
        ready: house.ready.is_live() && !house.shared.drain.is_told(),
        draining: house.shared.drain.is_told(),
        http: texts(&house.http),
        https: texts(&house.https),
        sites_dir: config.sites.display().to_string(),
        state_dir: config.state.display().to_string(),
        workers: config.workers,
        sites: standing.served,
        names: table.len(),
        stale: standing.stale,
        broken: standing.broken,
        connections: house.shared.permits.open(),
        requests_in_flight: house.shared.totals.in_flight(),
        requests: house.shared.totals.requests(),
        uncommitted,
        acme: acme_status(house),
        tenants: tenants::rows(house),
        attention,
    }
}

fn acme_status(house: &House) -> Option<AcmeStatus> {
    let (handle, front, policy) =
        (house.acme.as_ref()?, house.shared.acme.as_ref()?, house.shared.config.acme.as_ref()?);
    let counts = handle.counts();
    Some(AcmeStatus {
        cas: policy.config.cas.iter().map(|ca| ca.id.to_string()).collect(),
        running: front.running.load(Relaxed),
        names: counts.names.iter().map(|(state, count)| ((*state).to_owned(), *count)).collect(),
        next_expiry_seconds: counts.next_expiry,
        hook_failures: counts.hook_failures,
    })
}

fn json(value: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_vec(value) {
        Ok(body) => with_type(StatusCode::OK, "application/json", body),
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn json_or<T: Serialize>(result: Result<T, certs::Failed>) -> Response<Full<Bytes>> {
    match result {
        Ok(value) => json(&value),
        Err((status, sentence)) => failure(status, &sentence),
    }
}

fn failure(status: StatusCode, sentence: &str) -> Response<Full<Bytes>> {
    let body = serde_json::to_vec(&AdminFailure { error: sentence.to_owned() }).unwrap_or_default();
    with_type(status, "application/json", body)
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    with_type(status, "text/plain; charset=utf-8", text)
}

fn with_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}
