//! [`Proxy::forward`]: the walk of one request to a backend and back.

use std::{
    future::{Future, poll_fn},
    path::Path,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Poll, ready},
    time::Duration,
};

use http::{Request, Response, StatusCode, Version, header::CONNECTION};
use hyper::{
    body::Incoming,
    client::conn::TrySendError,
    upgrade::{self, OnUpgrade},
};
use tokio::time::{Instant, sleep};
use vestibule_names::UpstreamAddr;

use vestibule_vhost::{
    Action, Route, UpstreamGroup, Vhost,
    vhost::{Limits, Timeouts},
};

use crate::{
    Account, Body, Caller, Fault, ForwardError, ProxyConfig, Spawn, Tunnel,
    body::After,
    dial::{Dialler, Roots},
    flow::Flow,
    law::{Answer, Handshake, Order, rewrite_request, rewrite_response},
    pool::{Lease, Origin, Pool},
    stream::Spoilt,
    target::{rewrite_target, strip},
    upload::{Exchange, Length, Upload},
};

/// A worker's forwarding side. Cheap to clone.
#[derive(Clone)]
pub struct Proxy {
    inner: Rc<Inner>,
}

struct Inner {
    pool: Rc<Pool>,
    dialler: Dialler,
}

/// What forwarding gave.
#[derive(Debug)]
pub struct Forwarded {
    /// To the client.
    pub response: Response<Body>,
    /// Which backend answered.
    pub upstream: UpstreamAddr,
    /// Set on a 101: run it (spawned) after the response was sent; it ends with the tunnel.
    pub tunnel: Option<Tunnel>,
}

/// What a site says of forwarding.
pub(crate) struct Terms<'a> {
    pub(crate) timeouts: &'a Timeouts,
    pub(crate) limits: &'a Limits,
    pub(crate) route: &'a Route,
    pub(crate) path: &'a str,
    pub(crate) caller: &'a Caller<'a>,
}

/// A request that is ready to be sent.
struct Parcel {
    request: Request<Upload>,
    exchange: Option<Rc<Exchange>>,
    handshake: Option<Handshake>,
    client: OnUpgrade,
}

/// One attempt that failed.
struct Failed {
    error: ForwardError,
    /// The request, when nothing of it was sent.
    unsent: Option<Request<Upload>>,
    /// Did the backend say nothing at all?
    silent: Silence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    Silent,
    Spoke,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reuse {
    Allowed,
    Forbidden,
}

impl Proxy {
    /// One per worker. The vault gives the TLS configurations for `https://` backends; they are kept for a while.
    pub fn new(config: ProxyConfig, vault: vestibule_certs::Vault, spawn: Spawn) -> Self {
        Self::with_roots(config, Arc::new(move |ca: Option<&Path>| vault.client_config(ca)), spawn)
    }

    pub(crate) fn with_roots(config: ProxyConfig, roots: Roots, spawn: Spawn) -> Self {
        let dialler = Dialler::new(&config, roots);
        Self { inner: Rc::new(Inner { pool: Pool::new(config, spawn), dialler }) }
    }

    /// Forwards one request that passed [`crate::inspect`]. `path` is the normalised path (before the prefix is
    /// stripped), or `*` for `OPTIONS *`; it is what the backend sees, with the query as it came.
    ///
    /// Dropping the future gives the request up and closes its connection.
    pub async fn forward(
        &self,
        request: Request<Incoming>,
        path: &str,
        vhost: &Arc<Vhost>,
        route: &Arc<Route>,
        caller: Caller<'_>,
    ) -> Result<Forwarded, ForwardError> {
        let terms = Terms { timeouts: &vhost.timeouts, limits: &vhost.limits, route, path, caller: &caller };
        self.carry(request, &terms).await
    }

    /// Idle and open upstream connections of this worker (the open ones include the idle).
    pub fn pool_counts(&self) -> (usize, usize) {
        self.inner.pool.counts()
    }

    #[cfg(test)]
    pub(crate) fn is_down(&self, addr: &UpstreamAddr) -> bool {
        let known = self.inner.pool.known(addr);
        known.is_some_and(|backend| backend.is_down(Instant::now()))
    }

    /// The walk: prepare, send, receive.
    pub(crate) async fn carry(&self, request: Request<Incoming>, terms: &Terms<'_>) -> Result<Forwarded, ForwardError> {
        let Action::Upstream(group) = &terms.route.action else { return Err(ForwardError::NoUpstream) };
        let Parcel { request, exchange, handshake, client } = prepare(request, terms, &self.inner.pool.spawn)?;
        let (lease, response) = self.send(request, exchange, group, terms).await?;
        receive(lease, response, handshake.map(|handshake| (handshake, client)), terms)
    }

    /// Sends, and sends once more on a fresh connection where that is safe: a reused connection turned out dead, and
    /// the request was never written, or it is idempotent, has no body and was answered with not a single byte
    /// (RFC 9110 section 9.2.2, RFC 9112 section 9.3.1).
    async fn send(
        &self,
        request: Request<Upload>,
        exchange: Option<Rc<Exchange>>,
        group: &UpstreamGroup,
        terms: &Terms<'_>,
    ) -> Result<(Lease, Response<Incoming>), ForwardError> {
        let (timeouts, account) = (terms.timeouts, terms.caller.account);
        let lease = self.connection(group, account, timeouts.connect, Reuse::Allowed).await?;
        if lease.origin == Origin::Fresh {
            return self.attempt(lease, request, exchange, timeouts.response).await.map_err(|failed| failed.error);
        }
        let spare = (exchange.is_none() && request.method().is_idempotent()).then(|| copy(&request));
        let failed = match self.attempt(lease, request, exchange.clone(), timeouts.response).await {
            Ok(answer) => return Ok(answer),
            Err(failed) => failed,
        };
        let again = failed.unsent.or(spare.filter(|_| failed.silent == Silence::Silent));
        let Some(request) = again.filter(|_| matches!(failed.error, ForwardError::Reset(_))) else {
            return Err(failed.error);
        };
        let lease = self.connection(group, account, timeouts.connect, Reuse::Forbidden).await?;
        self.attempt(lease, request, exchange, timeouts.response).await.map_err(|failed| failed.error)
    }

    /// A connection to a backend of the group: the next one in turn, those that refused a moment ago last.
    async fn connection(
        &self,
        group: &UpstreamGroup,
        account: &Arc<Account>,
        limit: Duration,
        reuse: Reuse,
    ) -> Result<Lease, ForwardError> {
        let Inner { pool, dialler } = &*self.inner;
        let start = pool.turn(group.addrs.len());
        let mut failure = None;
        for asks_the_down in [false, true] {
            for addr in group.addrs.iter().cycle().skip(start).take(group.addrs.len()) {
                let backend = pool.backend(addr, &group.tls, account);
                if reuse == Reuse::Allowed
                    && let Some(lease) = pool.take(&backend)
                {
                    return Ok(lease);
                }
                if backend.is_down(Instant::now()) != asks_the_down {
                    continue;
                }
                match dialler.dial(pool, &backend, limit).await {
                    Ok(lease) => {
                        backend.mark_up();
                        return Ok(lease);
                    }
                    // No backend changes it, and none is to blame.
                    Err(
                        error @ (ForwardError::BudgetSpent | ForwardError::TenantShare | ForwardError::TenantUpstreams),
                    ) => return Err(error),
                    Err(error) => {
                        if error.fault() == Fault::Upstream {
                            backend.mark_down();
                        }
                        failure = Some(error);
                    }
                }
            }
            // Who refused in this round is not asked again in the next.
            if failure.is_some() {
                break;
            }
        }
        Err(failure.unwrap_or(ForwardError::NoUpstream))
    }

    async fn attempt(
        &self,
        mut lease: Lease,
        request: Request<Upload>,
        exchange: Option<Rc<Exchange>>,
        limit: Duration,
    ) -> Result<(Lease, Response<Incoming>), Failed> {
        lease.bind(exchange);
        let head_limit = self.inner.pool.config.response_head_limit;
        let link = lease.link();
        link.gauge.begin(&request, head_limit);
        let answer = link.sender.try_send_request(request);
        match in_time(answer, lease.exchange().map(|exchange| &**exchange), limit).await {
            Some(Ok(response)) => {
                lease.link().gauge.head_complete();
                Ok((lease, response))
            }
            Some(Err(error)) => Err(fail(&mut lease, error)),
            None => Err(Failed { error: ForwardError::ResponseTimeout, unsent: None, silent: Silence::Spoke }),
        }
    }
}

/// Everything that is done with a request before a connection is thought of.
fn prepare(mut request: Request<Incoming>, terms: &Terms<'_>, spawn: &Spawn) -> Result<Parcel, ForwardError> {
    let client = upgrade::on(&mut request);
    let (mut head, incoming) = request.into_parts();
    let body = Length::of(&incoming);
    let limit = terms.limits.request_body.map(|limit| limit.0);
    let version = head.version;
    // Made first: whatever is refused from here on, the rest of the body is seen to.
    let (upload, exchange) = if body == Length::None {
        (Upload::none(), None)
    } else {
        let (upload, exchange) = Upload::new(incoming, version, limit, terms.timeouts.request_body, Rc::clone(spawn));
        let upload = upload.through(Flow::of(terms.caller.account));
        (upload, Some(exchange))
    };
    if let (Length::Exact(length), Some(limit)) = (body, limit)
        && length > limit
    {
        return Err(ForwardError::BodyTooLarge);
    }
    // An upgrade with a body has two meanings for what follows the head.
    let handshake =
        if body == Length::None { Handshake::read(&head.method, head.version, &head.headers) } else { None };
    let (path, stripped) = strip(terms.path, &terms.route.path, terms.route.prefix);
    head.uri = rewrite_target(std::mem::take(&mut head.uri), path).map_err(ForwardError::Refused)?;
    let order =
        Order { caller: terms.caller, stripped, changes: &terms.route.headers, handshake: handshake.as_ref(), body };
    rewrite_request(&mut head, &order).map_err(ForwardError::Refused)?;
    Ok(Parcel { request: Request::from_parts(head, upload), exchange, handshake, client })
}

/// Waits for the response head; `None` when it is overdue.
async fn in_time<T>(answer: impl Future<Output = T>, exchange: Option<&Exchange>, limit: Duration) -> Option<T> {
    let mut answer = pin!(answer);
    let mut timer = pin!(sleep(limit));
    poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(Some(answer));
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            // The time runs from the last byte of the request, which may have come late.
            match exchange.map(|exchange| exchange.answer_due(limit)) {
                Some(due) if due > Instant::now() => timer.as_mut().reset(due),
                _ => return Poll::Ready(None),
            }
        }
    })
    .await
}

/// Whose fault it was, and what may still be done.
fn fail(lease: &mut Lease, mut error: TrySendError<Request<Upload>>) -> Failed {
    let unsent = error.take_message();
    let (silent, invalid) = {
        let gauge = &lease.link().gauge;
        let spoilt = gauge.spoilt();
        // What came unasked came before anything of this request was written.
        let silent = gauge.is_silent() || spoilt == Some(Spoilt::Unasked);
        let invalid = gauge.is_exceeded() || spoilt == Some(Spoilt::Malformed);
        (if silent { Silence::Silent } else { Silence::Spoke }, invalid)
    };
    let error = error.into_error();
    let fault = lease.exchange().and_then(|exchange| exchange.take_fault());
    let error = match fault {
        Some(fault) => fault,
        None if invalid || error.is_parse() => ForwardError::Malformed(error),
        None => ForwardError::Reset(error),
    };
    Failed { error, unsent, silent }
}

/// The same request again; it has no body.
fn copy(request: &Request<Upload>) -> Request<Upload> {
    let mut copy = Request::new(Upload::none());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// Everything that is done with a response before its body flows.
fn receive(
    lease: Lease,
    mut response: Response<Incoming>,
    asked: Option<(Handshake, OnUpgrade)>,
    terms: &Terms<'_>,
) -> Result<Forwarded, ForwardError> {
    let backend = upgrade::on(&mut response);
    let (mut head, incoming) = response.into_parts();
    let after = after(&head);
    let handshake = asked.as_ref().map(|(handshake, _)| handshake);
    let answer = Answer { handshake, changes: &terms.route.headers };
    rewrite_response(&mut head, &answer).map_err(ForwardError::Breach)?;
    head.version = Version::HTTP_11;
    let upstream = lease.backend.addr.clone();
    let (body, tunnel) = match asked {
        // Only a confirmed 101 comes this far.
        Some((_, client)) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
            (Body::empty(), Some(Tunnel::new(client, backend, lease, terms.timeouts.tunnel_idle)))
        }
        _ => (Body::streaming(incoming, lease, after, terms.timeouts.upstream_idle), None),
    };
    Ok(Forwarded { response: Response::from_parts(head, body), upstream, tunnel })
}

/// A connection whose backend speaks HTTP/1.0 is not used again: hyper would go on in HTTP/1.0, where a request body
/// without a length is silently left out.
fn after(head: &http::response::Parts) -> After {
    let closes = head.version != Version::HTTP_11
        || head.headers.get_all(CONNECTION).iter().any(|value| {
            value
                .as_bytes()
                .split(|byte| *byte == b',')
                .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
        });
    if closes { After::Close } else { After::Keep }
}
