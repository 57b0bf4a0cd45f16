//! Serves the admin interface: which path answers what.

use std::{
    convert::Infallible,
    fs, io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener, UnixStream},
    sync::Semaphore,
    time::timeout,
};

use super::{
    metrics,
    model::{AcmeStatus, AdminFailure, Status},
};
use crate::{StartError, explain::explain, house::House};

/// Admin connections that may be open at once.
const CONNECTION_LIMIT: usize = 64;
/// An admin connection ends after this.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);
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
    let permits = Arc::new(Semaphore::new(CONNECTION_LIMIT));
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

fn open<S>(house: &House, permits: &Arc<Semaphore>, stream: S, door: Door)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let Ok(permit) = Arc::clone(permits).try_acquire_owned() else { return }; // dropped: closed
    let house = house.clone();
    tokio::task::spawn_local(async move {
        let service = service_fn(|request: Request<Incoming>| {
            let response = answer(&house, &request, door);
            async move { Ok::<_, Infallible>(response) }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        if let Ok(Err(error)) = timeout(CONNECTION_TIMEOUT, connection).await {
            tracing::debug!(%error, "admin connection broken");
        }
        drop(permit);
    });
}

fn answer(house: &House, request: &Request<Incoming>, door: Door) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        return failure(StatusCode::METHOD_NOT_ALLOWED, "only GET is known here");
    }
    let query = Query::read(request.uri().query().unwrap_or(""));
    match (request.uri().path(), door) {
        ("/healthz", _) => plain(StatusCode::OK, "ok\n"),
        ("/readyz", _) if house.ready.is_live() && !house.shared.drain.is_told() => plain(StatusCode::OK, "ready\n"),
        ("/readyz", _) => plain(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        ("/metrics", _) => with_type(StatusCode::OK, metrics::CONTENT_TYPE, metrics::render(house)),
        (_, Door::Address) => failure(StatusCode::NOT_FOUND, "this address has /metrics, /readyz and /healthz"),
        ("/v1/status", Door::Socket) => json(&status(house)),
        ("/v1/sites", Door::Socket) => json(&house.sites().page(query.after.as_deref(), query.limit)),
        ("/v1/certs", Door::Socket) => json(&house.sites().certs_page(query.after.as_deref(), query.limit)),
        ("/v1/claims", Door::Socket) => json(&house.sites().claim_rows()),
        ("/v1/explain", Door::Socket) => match query.url {
            None => failure(StatusCode::BAD_REQUEST, "write /v1/explain?url=https%3A%2F%2Fblog.example.com%2F"),
            Some(url) => match explain(&house.shared.table.load(), &url, house.shared.https_port) {
                Ok(explanation) => json(&explanation),
                Err(error) => failure(StatusCode::BAD_REQUEST, &error.to_string()),
            },
        },
        _ => failure(
            StatusCode::NOT_FOUND,
            "known paths: /v1/status, /v1/sites, /v1/certs, /v1/claims, /v1/explain, /metrics, /readyz, /healthz",
        ),
    }
}

/// The parameters that any path may have.
struct Query {
    after: Option<String>,
    url: Option<String>,
    limit: usize,
}

impl Query {
    fn read(text: &str) -> Self {
        let mut query = Self { after: None, url: None, limit: PAGE_LIMIT };
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*key {
                "after" => query.after = Some(value.into_owned()),
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
