//! [`Transport`]: HTTPS to one CA, bounded in time and size (acme.md M9). One request, one [`Answer`], whatever its status.
//!
//! HTTP/1.1 over TLS 1.2 or 1.3, `https` only; a redirect is an answer like any other and is never followed, so that what is
//! signed for one URL goes to no other. Connections are driven by the request that uses them (this crate spawns nothing),
//! and an idle one is kept for the next request.
//!
//! Not here: what an answer means (`talk`, `classify`).

mod answer;
mod connect;
mod link;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};
use vestibule_certs::{Vault, VaultError};

pub(crate) use answer::Answer;
use connect::Authority;
use link::{Link, Sent};

use crate::config::CaTimeouts;

/// Directories, orders, authorizations, problems: a few kilobytes each.
const JSON_LIMIT: usize = 64 * 1024;
/// A chain: a few certificates of two kilobytes each.
const CHAIN_LIMIT: usize = 256 * 1024;
/// Connections kept open to one authority.
const IDLE_LIMIT: usize = 4;
/// Servers close idle connections after a minute or so; we do before them.
const IDLE_TIME: Duration = Duration::from_secs(20);
/// Beyond this, a difference of clocks is told.
const SKEW_TOLERANCE: i64 = 3600;

const AGENT: &str = concat!("vestibule/", env!("CARGO_PKG_VERSION"), " (+", env!("CARGO_PKG_REPOSITORY"), ")");

/// See the module.
#[derive(Debug)]
pub(crate) struct Transport {
    vault: Vault,
    root: Option<PathBuf>,
    timeouts: CaTimeouts,
    idle: Mutex<HashMap<Authority, Vec<Idle>>>,
    /// Seconds that our clock is ahead of the CA's, as of the last answer.
    skew: AtomicI64,
}

#[derive(Debug)]
struct Idle {
    link: Link,
    since: Instant,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    #[error("{0} is not an https URL")]
    Url(String),
    #[error("the roots for the connection cannot be used")]
    Roots(#[source] VaultError),
    #[error("{host} cannot be resolved")]
    Resolve {
        host: String,
        #[source]
        source: std::io::Error,
    },
    #[error("nobody takes connections at {host}")]
    Connect {
        host: String,
        #[source]
        source: std::io::Error,
    },
    #[error("TLS with {host} failed")]
    Tls {
        host: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{host} took more than {} s to {stage}", .limit.as_secs_f32())]
    Timeout { host: String, stage: Stage, limit: Duration },
    #[error("the connection to {host} broke")]
    Broken {
        host: String,
        #[source]
        source: hyper::Error,
    },
    #[error("the answer of {host} has more than {limit} bytes")]
    TooLarge { host: String, limit: usize },
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Connect,
    Headers,
    Body,
    Whole,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "take a connection",
            Self::Headers => "begin its answer",
            Self::Body => "go on with its answer",
            Self::Whole => "answer one request",
        })
    }
}

impl Transport {
    pub(crate) fn new(vault: Vault, root: Option<PathBuf>, timeouts: CaTimeouts) -> Self {
        Self { vault, root, timeouts, idle: Mutex::default(), skew: AtomicI64::new(0) }
    }

    /// How far our clock is ahead of the CA's (negative: behind), when it is more than an hour.
    pub(crate) fn skew(&self) -> Option<i64> {
        let skew = self.skew.load(Ordering::Relaxed);
        (skew.abs() > SKEW_TOLERANCE).then_some(skew)
    }

    /// Sends one request and reads its answer.
    pub(crate) async fn exchange(&self, request: Request<Bytes>) -> Result<Answer, TransportError> {
        let authority = Authority::of(request.uri())?;
        let limit = self.timeouts.request;
        let whole = timeout(limit, self.attempt(&authority, origin_form(request, &authority)?)).await;
        let answer = whole.unwrap_or_else(|_| Err(authority.timeout(Stage::Whole, limit)))?;
        self.note_clock(&authority, &answer);
        Ok(answer)
    }

    async fn attempt(&self, authority: &Authority, request: Request<Full<Bytes>>) -> Result<Answer, TransportError> {
        let mut request = request;
        // An idle connection may have been closed a moment ago. What never left goes over a fresh one; what may have
        // arrived is not sent twice.
        while let Some(mut link) = self.idle(authority).await {
            match self.send(authority, &mut link, request).await? {
                Sent::Answered(response) => return self.receive(authority, link, response).await,
                Sent::Unsent(unsent) => request = unsent,
            }
        }
        let mut link = connect::open(authority, self.tls()?, self.timeouts.connect).await?;
        match self.send(authority, &mut link, request).await? {
            Sent::Answered(response) => self.receive(authority, link, response).await,
            Sent::Unsent(_) => Err(authority.closed()),
        }
    }

    async fn send(
        &self,
        authority: &Authority,
        link: &mut Link,
        request: Request<Full<Bytes>>,
    ) -> Result<Sent, TransportError> {
        let sent = timeout(self.timeouts.read, link.send(request)).await;
        let sent = sent.map_err(|_| authority.timeout(Stage::Headers, self.timeouts.read))?;
        sent.map_err(|source| authority.broken(source))
    }

    async fn receive(
        &self,
        authority: &Authority,
        mut link: Link,
        response: http::Response<Incoming>,
    ) -> Result<Answer, TransportError> {
        let (parts, mut body) = response.into_parts();
        let limit = if answer::is_chain(&parts.headers) { CHAIN_LIMIT } else { JSON_LIMIT };
        let mut collected = BytesMut::new();
        loop {
            let frame = timeout(self.timeouts.read, link.drive(body.frame())).await;
            let frame = frame.map_err(|_| authority.timeout(Stage::Body, self.timeouts.read))?;
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|source| authority.broken(source))?;
            let Some(more) = frame.data_ref() else { continue };
            if collected.len() + more.len() > limit {
                return Err(TransportError::TooLarge { host: authority.to_string(), limit });
            }
            collected.extend_from_slice(more);
        }
        self.keep(authority, link);
        Ok(Answer::new(parts, collected.freeze(), SystemTime::now()))
    }

    fn tls(&self) -> Result<std::sync::Arc<rustls::ClientConfig>, TransportError> {
        self.vault.client_config(self.root.as_deref()).map_err(TransportError::Roots)
    }

    async fn idle(&self, authority: &Authority) -> Option<Link> {
        loop {
            let idle = self.links().get_mut(authority)?.pop()?;
            let mut link = idle.link;
            if idle.since.elapsed() < IDLE_TIME && link.is_open().await {
                return Some(link);
            }
        }
    }

    fn keep(&self, authority: &Authority, link: Link) {
        let mut links = self.links();
        // Authorities come out of the CA's answers: no more than a few are remembered.
        if links.len() >= IDLE_LIMIT && !links.contains_key(authority) {
            links.clear();
        }
        let kept = links.entry(authority.clone()).or_default();
        if kept.len() < IDLE_LIMIT {
            kept.push(Idle { link, since: Instant::now() });
        }
    }

    fn links(&self) -> std::sync::MutexGuard<'_, HashMap<Authority, Vec<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_clock(&self, authority: &Authority, answer: &Answer) {
        let Some(skew) = answer.skew else { return };
        let before = self.skew.swap(skew, Ordering::Relaxed);
        if skew.abs() > SKEW_TOLERANCE && before.abs() <= SKEW_TOLERANCE {
            tracing::warn!(ca = %authority, seconds = skew, "this machine's clock and the CA's differ by more than an hour");
        }
    }
}

/// The request as HTTP/1.1 wants it: a path, a `Host`, and who asks.
fn origin_form(request: Request<Bytes>, authority: &Authority) -> Result<Request<Full<Bytes>>, TransportError> {
    let bad = |uri: &Uri| TransportError::Url(crate::failure::printable(&uri.to_string()));
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let uri = path.parse().map_err(|_| bad(&parts.uri))?;
    let host = HeaderValue::from_str(&authority.to_string()).map_err(|_| bad(&parts.uri))?;
    let library = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let agent = library.map_or_else(|| AGENT.to_owned(), |library| format!("{AGENT} {library}"));
    parts.headers.insert(header::HOST, host);
    parts.headers.insert(header::USER_AGENT, HeaderValue::from_str(&agent).unwrap_or(HeaderValue::from_static(AGENT)));
    parts.uri = uri;
    Ok(Request::from_parts(parts, Full::new(body)))
}

#[cfg(test)]
mod tests;
