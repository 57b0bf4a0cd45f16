//! The request walk: authority → challenge of a CA → site → tenant's budget → certificate, and the client's → TLS and canonical
//! redirects → route → budget → answer. Each step is one function here; what refuses says so with a [`Refusal`], and one place turns that into a response.

use std::{cell::RefCell, future::Future, net::SocketAddr, pin::Pin, rc::Rc, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, uri};
use vestibule_certs::{ClientPolicy, Shows};
use vestibule_listener::Permit;
use vestibule_names::{Authority, ClientAddr, HostRef, path};
use vestibule_proxy::{self as proxy, Body, Caller, Refusal, RequestBody, Scheme};
use vestibule_vhost::{Action, Redirect, Route, vhost::RedirectToHttps};

use crate::{
    admission, bulk, challenge,
    fault::chain,
    live::{LiveSite, Place},
    record::{Record, Tracked, accept_of},
    refusals::Refused,
    tenant::{Limit, Seat, Tenant},
    visitor,
    vitals::Vitals,
    worker::{OpenConnection, Worker},
};

/// What is known of the connection that a request came on.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionFacts {
    pub(crate) client: ClientAddr,
    pub(crate) local: SocketAddr,
    pub(crate) scheme: Scheme,
    /// `None` on a clear connection.
    pub(crate) handshake: Option<Handshake>,
}

/// What the handshake of a TLS connection was.
#[derive(Clone, Debug)]
pub(crate) struct Handshake {
    /// The host (in normal form) that it was for.
    pub(crate) host: Arc<str>,
    /// What it was shown.
    pub(crate) shows: Shows,
    /// What was demanded of the client.
    pub(crate) client_policy: Option<ClientPolicy>,
    /// Who the client is, if it has shown a certificate.
    pub(crate) visitor: Option<Arc<visitor::Known>>,
}

/// Everything a request on one connection walks with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Walker {
    inner: Rc<Inner>,
}

struct Inner {
    worker: Rc<Worker>,
    facts: ConnectionFacts,
    vitals: Rc<Vitals>,
    /// Held by the connection, and after an upgrade by its tunnel.
    _permit: Permit,
    /// Whom the connection counts for: the tenant of the handshake, or of the latest request.
    seat: RefCell<Option<Seat>>,
}

/// What a connection holds until its end.
pub(crate) struct Held {
    pub(crate) permit: Permit,
    /// Of the tenant of the handshake; a clear connection is nobody's before its first request.
    pub(crate) seat: Option<Seat>,
}

impl Walker {
    pub(crate) fn new(worker: Rc<Worker>, facts: ConnectionFacts, vitals: Rc<Vitals>, held: Held) -> Self {
        let Held { permit, seat } = held;
        Self { inner: Rc::new(Inner { worker, facts, vitals, _permit: permit, seat: RefCell::new(seat) }) }
    }
    /// The connection counts for this tenant from now on.
    pub(crate) fn sit(&self, tenant: &Arc<Tenant>) -> Result<(), Limit> {
        let mut seat = self.inner.seat.borrow_mut();
        if !seat.as_ref().is_some_and(|seat| seat.is_of(tenant)) {
            *seat = None; // it does not count for two
            *seat = Some(tenant.begin_connection(self.worker().free_connections())?);
        }
        Ok(())
    }
    /// Whom the connection counts for now.
    pub(crate) fn tenant(&self) -> Option<Arc<Tenant>> {
        self.inner.seat.borrow().as_ref().map(|seat| Arc::clone(seat.tenant()))
    }
    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.inner.worker
    }
    pub(crate) fn facts(&self) -> &ConnectionFacts {
        &self.inner.facts
    }
    pub(crate) fn vitals(&self) -> &Rc<Vitals> {
        &self.inner.vitals
    }
}

/// A request under way, until its answer begins. On the heap: it is large, and what is at rest keeps no room for it.
pub(crate) type Walk = Pin<Box<dyn Future<Output = Response<Tracked>>>>;

/// Walks one request; never fails: whatever is refused becomes a response. No `async fn`, which would keep room for the
/// request twice: here, and where it is taken from.
pub(crate) fn walk(
    walker: Walker,
    mut request: Request<RequestBody>,
) -> impl Future<Output = Response<Tracked>> + use<> {
    let mut record = Record::new(walker.clone(), &request);
    let accept = accept_of(request.headers());
    let head_only = request.method() == Method::HEAD;
    async move {
        // Nothing of the answer is kept over the wait below: it would have room of its own in every walk.
        let declined = match answer(&walker, &mut request, &mut record).await {
            Ok(Answer::Response(response)) => return record.attach(response, head_only),
            Ok(Answer::Tunnel(response, tunnel, places)) => {
                return open_tunnel(&walker, record, response, tunnel, places);
            }
            Err(declined) => declined,
        };
        drop(request); // nobody wants its body
        let refusal = decline(&mut record, declined);
        if let (Some(limit), Some(site)) = (Limit::behind(refusal), &record.site) {
            Box::pin(admission::hold_back(&walker, &site.tenant, limit)).await;
        }
        let response = proxy::refuse(refusal, accept.as_ref(), record.id);
        record.attach(response, head_only)
    }
}

/// Notes and tells what was refused, and why.
fn decline(record: &mut Record, declined: Declined) -> Refusal {
    let Declined { refusal, why } = declined;
    record.refusal = Some(refusal);
    record.tell(Refused::Request(refusal), why.as_deref());
    record.seat = None; // what is refused is in flight no more
    refusal
}

/// The answer to a head that was refused before it became a request; the last one on its connection.
pub(crate) fn turn_away(walker: Walker, refusal: Refusal) -> Response<Tracked> {
    turned_away(Record::of_nothing(walker), refusal, None, &Method::GET)
}

/// The answer to a head that its codec does not give in full: nothing else of it is looked at.
pub(crate) fn turn_away_from<B>(walker: Walker, request: &Request<B>, refusal: Refusal) -> Response<Tracked> {
    let accept = accept_of(request.headers());
    turned_away(Record::new(walker, request), refusal, accept.as_ref(), request.method())
}

fn turned_away(
    mut record: Box<Record>,
    refusal: Refusal,
    accept: Option<&HeaderValue>,
    method: &Method,
) -> Response<Tracked> {
    record.refusal = Some(refusal);
    record.tell(Refused::Request(refusal), None);
    let response = proxy::refuse(refusal, accept, record.id);
    record.attach(response, *method == Method::HEAD)
}

/// Why a request gets nothing of a site's.
struct Declined {
    refusal: Refusal,
    /// What the log is told beside the code.
    why: Option<String>,
}

impl From<Refusal> for Declined {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, why: None }
    }
}

/// What a request gets.
enum Answer {
    Response(Response<Body>),
    Tunnel(Response<Body>, Box<proxy::Tunnel>, TunnelPlaces),
}

/// What a tunnel holds until its end: of its site, and of its tenant.
type TunnelPlaces = (Place, Seat);

/// The steps. Everything that can refuse comes before anything is sent to an upstream. Challenges of a CA are answered
/// before anything of a tenant's has a say, and before any limit.
async fn answer(walker: &Walker, request: &mut Request<RequestBody>, record: &mut Record) -> Result<Answer, Declined> {
    proxy::inspect(request)?;
    if walker.facts().scheme == Scheme::Https
        && request.uri().scheme().is_some_and(|scheme| *scheme != uri::Scheme::HTTPS)
    {
        return Err(Refusal::BadRequest.into());
    }
    let asked = asked_authority(request)?.to_owned();
    let authority = Authority::parse(&asked).map_err(|_| Refusal::BadHost)?;
    let trust = walker.worker().trust(walker.facts().client);
    let told = proxy::told(request.headers(), trust);
    record.client = told.client;
    let path = judged_path(request.uri());
    if let Ok(path) = &path
        && let Some(response) = challenged(walker, request, &authority, path, record)?
    {
        return Ok(Answer::Response(response));
    }
    within_limits(walker.worker(), request)?;
    let site = site_of(walker, &authority)
        .map_err(|refusal| Declined { refusal, why: Some(authority.host.key().into_owned()) })?;
    record.site = Some(Arc::clone(&site));
    admission::admit(walker, &site, record).await?;
    record.shows = certificate(walker, &site, &authority)?;
    let certificate = visitor::judge(walker, &site)?;
    let scheme = told.scheme.unwrap_or(walker.facts().scheme);
    if let Some(location) = moved(walker, &site, &authority, scheme, request.uri()) {
        return Ok(redirect(StatusCode::PERMANENT_REDIRECT, &location).map(Answer::Response)?);
    }
    visitor::judge_clear(walker, &site, record.shows)?;
    let path = path?;
    let covered = if path == ASTERISK { "/" } else { path.as_str() };
    let route = Arc::clone(site.vhost.route(covered).ok_or(Refusal::NoRoute)?);
    record.route = Some(Arc::clone(&route));
    record.place = Some(site.counters.begin_request(site.vhost.limits().requests_in_flight).ok_or(Refusal::SiteBusy)?);
    match &route.action {
        Action::Redirect(to) => {
            Ok(local_redirect(to, &route, &authority, &path, request.uri().query()).map(Answer::Response)?)
        }
        Action::Respond(fixed) => Ok(Answer::Response(fixed_response(fixed, &route))),
        Action::Upstream(_) => {
            let caller = Caller {
                client: walker.facts().client,
                scheme: walker.facts().scheme,
                authority: &authority.normal_form(&asked),
                trust,
                request_id: record.id,
                account: site.tenant.account(),
                certificate,
            };
            let places = tunnel_places(&site, request)?;
            let request = std::mem::take(request);
            let request = request.map(|body| bulk::in_turns(body, walker.worker().bulk(), site.vhost.tenant));
            let forwarded = walker.worker().proxy().forward(request, &path, &site.vhost, &route, caller).await;
            let forwarded =
                forwarded.map_err(|error| Declined { refusal: error.refusal(), why: Some(chain(&error)) })?;
            record.upstream = Some(forwarded.upstream);
            Ok(match (forwarded.tunnel, places) {
                (Some(tunnel), Some(places)) => Answer::Tunnel(forwarded.response, tunnel, places),
                _ => Answer::Response(forwarded.response),
            })
        }
    }
}

/// Step 7c: a route that leads to backends, and a request that may become a tunnel.
fn tunnel_places(site: &LiveSite, request: &Request<RequestBody>) -> Result<Option<TunnelPlaces>, Refusal> {
    if !proxy::asks_for_websocket(request) {
        return Ok(None);
    }
    let place = site.counters.begin_tunnel(site.vhost.limits().tunnels).ok_or(Refusal::SiteBusy)?;
    Ok(Some((place, site.tenant.begin_tunnel().map_err(Limit::refusal)?)))
}

fn within_limits<B>(worker: &Worker, request: &Request<B>) -> Result<(), Refusal> {
    let limits = &worker.config().limits;
    let target_length = request.uri().path_and_query().map_or(0, |target| target.as_str().len() as u64);
    if target_length > limits.request_target.0 {
        return Err(Refusal::UriTooLong);
    }
    if request.headers().len() > limits.request_headers as usize {
        return Err(Refusal::HeadersTooLarge); // the codec of HTTP/2 counts bytes only
    }
    Ok(())
}

/// The target of `OPTIONS *` (RFC 9112 section 3.2.4), which asks about the site as a whole.
const ASTERISK: &str = "*";

/// The path in the form that is judged and forwarded.
fn judged_path(target: &uri::Uri) -> Result<String, Refusal> {
    match target.path() {
        ASTERISK => Ok(ASTERISK.to_owned()),
        path => path::normalise(path).map(std::borrow::Cow::into_owned).map_err(|_| Refusal::BadPath),
    }
}

/// Step 1: who is asked for. The authority of an absolute-form target or of HTTP/2 comes first; `inspect` has made
/// sure that a Host field does not say otherwise.
fn asked_authority<B>(request: &Request<B>) -> Result<&str, Refusal> {
    match request.uri().authority() {
        Some(authority) => Ok(authority.as_str()),
        None => request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).ok_or(Refusal::BadHost),
    }
}

/// Step 2: a challenge of a CA, for a host that a site has, or (on clear ports) that a challenge is open for. For any
/// other host the walk goes on, and refuses it as it would anything else.
fn challenged<B>(
    walker: &Walker,
    request: &Request<B>,
    authority: &Authority<'_>,
    path: &str,
    record: &mut Record,
) -> Result<Option<Response<Body>>, Refusal> {
    let Some(acme) = walker.worker().acme() else { return Ok(None) };
    let Some(asked) = challenge::asked(request.uri(), path) else { return Ok(None) };
    let answer = challenge::answer(&acme.door, &authority.host.key(), asked, request.method());
    match site_of(walker, authority) {
        Ok(site) => record.site = Some(site),
        Err(Refusal::UnknownHost) if matches!(answer, challenge::Answer::Given(_)) => {}
        Err(refusal) => return Err(refusal),
    }
    walker.worker().totals().challenged(&answer);
    record.challenge = Some(answer.word());
    Ok(Some(answer.response()))
}

/// Step 3: the site of that host, which must be the one the handshake was for. The table is asked afresh for each
/// request, so that a site change reaches an open connection.
fn site_of(walker: &Walker, authority: &Authority<'_>) -> Result<Arc<LiveSite>, Refusal> {
    let host = authority.host.key();
    let site = walker.worker().resolve(&host);
    let Some(handshake) = &walker.facts().handshake else { return site.ok_or(Refusal::UnknownHost) };
    let shown = &handshake.host;
    // The same answer for "not yours" and "not there": a connection learns nothing of other sites.
    let site = site.ok_or(Refusal::Misdirected)?;
    let same = **shown == *host
        || walker.worker().resolve(shown).is_some_and(|of_handshake| of_handshake.vhost.id == site.vhost.id);
    if same && site.identity.is_some() { Ok(site) } else { Err(Refusal::Misdirected) }
}

/// Step 4: is there a certificate for that host? Over TLS a request without one is refused, for this host only, and the
/// connection closed: a new one may find the certificate. On a clear connection the site answers as usual.
fn certificate(walker: &Walker, site: &LiveSite, authority: &Authority<'_>) -> Result<Shows, Refusal> {
    if walker.worker().acme().is_none() {
        return Ok(Shows::Certificate);
    }
    let host = authority.host.key();
    let shows = match &walker.facts().handshake {
        Some(handshake) if *handshake.host == *host || handshake.shows == Shows::Placeholder => handshake.shows,
        Some(_) | None => site.shows(&host),
    };
    if shows == Shows::Placeholder && walker.facts().handshake.is_some() {
        walker.vitals().ask_close();
        return Err(Refusal::NoCertificate);
    }
    Ok(shows)
}

/// Step 5: where the site as a whole says to go instead: to HTTPS, to its canonical name, or both at once. Never to a name
/// on HTTPS that has no certificate yet: browsers keep a permanent redirect, and one to an error is worse than none.
fn moved(
    walker: &Walker,
    site: &LiveSite,
    authority: &Authority<'_>,
    scheme: Scheme,
    target: &uri::Uri,
) -> Option<String> {
    let https_port = walker.worker().https_port();
    let host = authority.host.key();
    let canonical = site.vhost.canonical().map(|name| name.as_str()).filter(|name| *name != host);
    let wants_https = scheme == Scheme::Http
        && https_port.is_some()
        && site.identity.is_some()
        && site.vhost.redirect_to_https == RedirectToHttps::Yes;
    if !wants_https && canonical.is_none() {
        return None;
    }
    let certified = site.shows(canonical.unwrap_or(&host)) == Shows::Certificate;
    let to_https = wants_https && certified;
    let stays = match scheme {
        Scheme::Http => !to_https && canonical.is_none(),
        Scheme::Https => !certified,
    };
    if stays {
        return None;
    }
    let (scheme, port) = if to_https {
        ("https", https_port.filter(|port| *port != 443))
    } else {
        match scheme {
            Scheme::Http => ("http", authority.port.filter(|port| *port != 80)),
            Scheme::Https => ("https", authority.port.filter(|port| *port != 443)),
        }
    };
    let host = canonical.unwrap_or(&host);
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let path = match target.path() {
        ASTERISK => "/".into(),
        path => path::normalise(path).ok()?, // refused one step later
    };
    let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{scheme}://{host}{port}{path}{query}"))
}

fn redirect(status: StatusCode, location: &str) -> Result<Response<Body>, Refusal> {
    let location = HeaderValue::from_str(location).map_err(|_| Refusal::BadPath)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// Step 7a: a route that redirects.
fn local_redirect(
    to: &Redirect,
    route: &Route,
    authority: &Authority<'_>,
    path: &str,
    query: Option<&str>,
) -> Result<Response<Body>, Refusal> {
    let path = if path == ASTERISK { "/" } else { path };
    let rest = if route.path.as_str() == "/" { path } else { path.strip_prefix(route.path.as_str()).unwrap_or("") };
    let host = match &authority.host {
        HostRef::Address(std::net::IpAddr::V6(address)) => format!("[{address}]"),
        host => host.key().into_owned(),
    };
    let mut response = redirect(to.status, &to.location(&host, rest, query))?;
    change_headers(response.headers_mut(), route);
    Ok(response)
}

/// Step 7b: a route with a fixed answer.
fn fixed_response(fixed: &vestibule_vhost::Respond, route: &Route) -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::copy_from_slice(fixed.body.as_bytes())));
    *response.status_mut() = fixed.status;
    response.headers_mut().insert(header::CONTENT_TYPE, fixed.content_type.clone());
    change_headers(response.headers_mut(), route);
    response
}

fn change_headers(headers: &mut HeaderMap, route: &Route) {
    for name in &route.headers().response_remove {
        headers.remove(name);
    }
    for (name, value) in &route.headers().response_set {
        headers.insert(name.clone(), value.clone());
    }
}

/// Step 8: after a 101 the connection lives on as a tunnel of its own; its record ends with it. Not inlined: its task would
/// have room on the stack of each walk.
#[inline(never)]
fn open_tunnel(
    walker: &Walker,
    mut record: Box<Record>,
    response: Response<Body>,
    tunnel: Box<proxy::Tunnel>,
    places: TunnelPlaces,
) -> Response<Tracked> {
    walker.vitals().become_tunnel();
    (record.place, record.seat) = (None, None); // it is no request in flight any more
    let guard = OpenConnection::new(walker.worker());
    let turns = [(); 2].map(|()| bulk::Turns::new(walker.worker().bulk(), tunnel.tenant()));
    tokio::task::spawn_local(async move {
        let end = tunnel.run(turns).await;
        record.tunnelled(end.bytes_down);
        drop((places, guard));
    });
    response.map(Tracked::untracked)
}
