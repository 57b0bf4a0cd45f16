//! [`Proxy::forward`]: the walk of one request to a backend and back.

use std::{
    future::{Future, poll_fn},
    path::Path,
    rc::Rc,
    sync::Arc,
};

use http::{Method, Request, Response, StatusCode, Version, header::CONNECTION};
use tokio::time::Instant;
use vestibule_h1::{AnswerTo, Reason, ResponseHead};
use vestibule_names::UpstreamAddr;
use vestibule_vhost::{
    Action, HeaderChanges, Route, UpstreamGroup, Vhost,
    vhost::{Limits, Timeouts},
};

use crate::{
    Account, Body, Caller, Fault, ForwardError, Handover, ProxyConfig, RequestBody, Spawn, Tunnel,
    body::After,
    dial::{Dialler, Roots},
    error::ConnectionError,
    flow::Flow,
    law::{Answer, Handshake, Order, rewrite_request, rewrite_response},
    link::{Effect, Outbound},
    pool::{Lease, Origin, Pool},
    target::{rewrite_target, strip},
    upload::{Length, Upload},
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
    pub tunnel: Option<Box<Tunnel>>,
}

/// Where a request goes, and whom it costs.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// Whose limits and timeouts apply.
    pub vhost: &'a Vhost,
    /// Leads to backends.
    pub route: &'a Arc<Route>,
    /// Of the tenant.
    pub account: &'a Arc<Account>,
}

/// What a site says of forwarding.
pub(crate) struct Terms<'a> {
    pub(crate) timeouts: &'a Timeouts,
    pub(crate) limits: &'a Limits,
    pub(crate) route: &'a Route,
    pub(crate) account: &'a Arc<Account>,
    pub(crate) path: &'a str,
    pub(crate) caller: &'a Caller<'a>,
}

/// A request that is ready to be sent.
struct Parcel {
    request: Outbound,
    to: AnswerTo,
    effect: Effect,
    /// The upgrade it asks for, and the client's side of it.
    upgrade: Option<(Handshake, Handover)>,
}

/// Where a request goes, and within which times.
struct Way<'a> {
    timeouts: &'a Timeouts,
    group: &'a UpstreamGroup,
    changes: &'a HeaderChanges,
    account: &'a Arc<Account>,
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
    /// The request is taken apart at once: neither it nor what is known of its caller is part of the future. Dropping the
    /// future gives the request up and closes its connection.
    pub fn forward<'a>(
        &'a self,
        request: Request<RequestBody>,
        path: &str,
        to: Destination<'a>,
        caller: Caller<'_>,
    ) -> impl Future<Output = Result<Forwarded, ForwardError>> + use<'a> {
        let Destination { vhost, route, account } = to;
        let (timeouts, limits) = (vhost.timeouts(), vhost.limits());
        let parcel = prepare(request, &Terms { timeouts, limits, route, account, path, caller: &caller });
        self.carry(parcel, timeouts, route, account)
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

    /// The same, on terms of a test's own.
    #[cfg(test)]
    pub(crate) async fn forward_on(
        &self,
        request: Request<RequestBody>,
        terms: &Terms<'_>,
    ) -> Result<Forwarded, ForwardError> {
        let parcel = prepare(request, terms);
        self.carry(parcel, terms.timeouts, terms.route, terms.account).await
    }

    /// The walk: send, receive. For the reason below the parcel is lent to what sends it, too.
    #[expect(clippy::manual_async_fn, reason = "an async fn would keep room for the parcel twice")]
    fn carry<'a>(
        &'a self,
        mut parcel: Result<Parcel, ForwardError>,
        timeouts: &'a Timeouts,
        route: &'a Route,
        account: &'a Arc<Account>,
    ) -> impl Future<Output = Result<Forwarded, ForwardError>> + use<'a> {
        async move {
            let parcel = match parcel {
                Ok(ref mut parcel) => parcel,
                Err(error) => return Err(error),
            };
            let Action::Upstream(group) = &route.action else { return Err(ForwardError::NoUpstream) };
            let way = Way { timeouts, group, changes: route.headers(), account };
            let (lease, head) = self.send(parcel, &way).await?;
            receive(lease, head, parcel.upgrade.take(), &way)
        }
    }

    /// Sends, and sends once more on a fresh connection where that is safe: a reused connection turned out dead, and
    /// the request was never written, or it is idempotent, has no body and was answered with not a single byte
    /// (RFC 9110 section 9.2.2, RFC 9112 section 9.3.1).
    async fn send(&self, parcel: &mut Parcel, way: &Way<'_>) -> Result<(Lease, ResponseHead), ForwardError> {
        let turn = self.inner.pool.turn(way.group.addrs.len());
        let now = Instant::now();
        let lease = match self.idle(way, turn, now) {
            Some(lease) => {
                self.begin(&lease, parcel, way, now);
                lease
            }
            None => Box::pin(self.fresh(parcel, way, turn, Reuse::Allowed)).await?,
        };
        match poll_fn(|cx| lease.link().poll_answer(cx)).await {
            Ok(head) => Ok((lease, head)),
            Err(error) => Box::pin(self.send_again(parcel, way, lease, error)).await,
        }
    }

    /// What becomes of a request that got no answer.
    async fn send_again(
        &self,
        parcel: &mut Parcel,
        way: &Way<'_>,
        lease: Lease,
        error: ForwardError,
    ) -> Result<(Lease, ResponseHead), ForwardError> {
        let is_dead = lease.origin == Origin::Reused && matches!(error, ForwardError::Reset(_));
        let Some(request) = is_dead.then(|| lease.link().take_back(parcel.effect)).flatten() else { return Err(error) };
        parcel.request = request;
        drop(lease); // its place in the budget may be the one that is needed
        let turn = self.inner.pool.turn(way.group.addrs.len());
        let lease = self.fresh(parcel, way, turn, Reuse::Forbidden).await?;
        let head = poll_fn(|cx| lease.link().poll_answer(cx)).await?;
        Ok((lease, head))
    }

    /// The exchange begins, on a connection that is looked for.
    async fn fresh(
        &self,
        parcel: &mut Parcel,
        way: &Way<'_>,
        turn: usize,
        reuse: Reuse,
    ) -> Result<Lease, ForwardError> {
        let lease = self.connection(way, turn, reuse).await?;
        self.begin(&lease, parcel, way, Instant::now());
        Ok(lease)
    }

    fn begin(&self, lease: &Lease, parcel: &mut Parcel, way: &Way<'_>, now: Instant) {
        let head_limit = self.inner.pool.config.response_head_limit;
        lease.link().begin(&mut parcel.request, parcel.to, head_limit, (now, way.timeouts.response));
    }

    /// The common case first: an idle connection to the backend whose turn it is.
    fn idle(&self, way: &Way<'_>, turn: usize, now: Instant) -> Option<Lease> {
        let pool = &self.inner.pool;
        pool.take(&pool.backend(way.group.addrs.get(turn)?, way.group.tls(), way.account), now)
    }

    /// A connection to a backend of the group: the one whose turn it is and those behind it, who refused a moment ago
    /// last.
    async fn connection(&self, way: &Way<'_>, turn: usize, reuse: Reuse) -> Result<Lease, ForwardError> {
        let Inner { pool, dialler } = &*self.inner;
        let addrs = &way.group.addrs;
        let mut failure = None;
        for asks_the_down in [false, true] {
            for addr in addrs.iter().cycle().skip(turn).take(addrs.len()) {
                let backend = pool.backend(addr, way.group.tls(), way.account);
                if reuse == Reuse::Allowed
                    && let Some(lease) = pool.take(&backend, Instant::now())
                {
                    return Ok(lease);
                }
                if backend.is_down(Instant::now()) != asks_the_down {
                    continue;
                }
                match dialler.dial(pool, &backend, way.timeouts.connect).await {
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
}

/// Everything that is done with a request before a connection is thought of.
fn prepare(mut request: Request<RequestBody>, terms: &Terms<'_>) -> Result<Parcel, ForwardError> {
    let length = Length::of(request.body());
    // An upgrade with a body has two meanings for what follows the head.
    let handshake = Handshake::read(request.method(), request.version(), request.headers());
    let handshake = handshake.filter(|_| length == Length::None);
    let upgrade = handshake.and_then(|asked| Some((asked, request.body_mut().take_handover()?)));
    let (mut head, incoming) = request.into_parts();
    let limit = terms.limits.request_body.map(|limit| limit.0);
    let upload = if length == Length::None {
        Upload::none()
    } else {
        Upload::new(incoming, limit, terms.timeouts.request_body).through(Flow::of(terms.account))
    };
    if let (Length::Exact(length), Some(limit)) = (length, limit)
        && length > limit
    {
        return Err(ForwardError::BodyTooLarge);
    }
    let (path, stripped) = strip(terms.path, &terms.route.path, terms.route.prefix);
    head.uri = rewrite_target(std::mem::take(&mut head.uri), path).map_err(ForwardError::Refused)?;
    let asked = upgrade.as_ref().map(|(asked, _)| asked);
    let order =
        Order { caller: terms.caller, stripped, changes: terms.route.headers(), handshake: asked, body: length };
    let behind = rewrite_request(&mut head, &order).map_err(ForwardError::Refused)?;
    let to = if head.method == Method::HEAD { AnswerTo::Head } else { AnswerTo::Other };
    let effect = if head.method.is_idempotent() { Effect::Idempotent } else { Effect::Unknown };
    Ok(Parcel { request: Outbound::new(&head, &behind, upload, length), to, effect, upgrade })
}

/// Everything that is done with a response before its body flows.
fn receive(
    lease: Lease,
    answer: ResponseHead,
    upgrade: Option<(Handshake, Handover)>,
    way: &Way<'_>,
) -> Result<Forwarded, ForwardError> {
    let (mut head, ()) = answer.response.into_parts();
    let after = after(&head);
    let asked = upgrade.as_ref().map(|(asked, _)| asked);
    rewrite_response(&mut head, &Answer { handshake: asked, changes: way.changes }).map_err(ForwardError::Breach)?;
    head.version = Version::HTTP_11;
    // Codes that are not of the standard have no other reason.
    if let Some(reason) = answer.reason {
        head.extensions.insert(Reason(reason));
    }
    let upstream = lease.backend.addr.clone();
    let (body, tunnel) = match upgrade {
        // Only a confirmed 101 comes this far.
        Some((_, client)) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
            let tunnel = Tunnel::new(client, lease, way.timeouts.tunnel_idle);
            (Body::empty(), Some(Box::new(tunnel.ok_or(ForwardError::Reset(ConnectionError::Closed))?)))
        }
        _ => (Body::streaming(lease, after, way.timeouts.upstream_idle), None),
    };
    Ok(Forwarded { response: Response::from_parts(head, body), upstream, tunnel })
}

/// A connection whose backend speaks HTTP/1.0 is not used again: there a request body without a length cannot be sent.
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
