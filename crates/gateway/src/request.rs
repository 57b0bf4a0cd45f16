//! The request walk: authority → challenge of a CA → site → tenant's budget → certificate, and the client's → TLS and canonical
//! redirects → route → budget → answer. Each step is one function here; what refuses says so with a [`Refusal`], and one place turns that into a response.
//!
//! | module | what |
//! |---|---|
//! | `walker` | what every request on one connection walks with |
//! | `local` | what a site answers by itself |

use std::{future::Future, pin::Pin, sync::Arc};

use http::{HeaderValue, Method, Request, Response, StatusCode, header, uri};
use vestibule_certs::Shows;
use vestibule_names::{Authority, path};
use vestibule_proxy::{self as proxy, Body, Caller, Destination, Refusal, RequestBody, Scheme};
use vestibule_vhost::Action;

use crate::{
    admission, bulk, challenge,
    fault::chain,
    live::{LiveSite, Place},
    record::{Record, Tracked, accept_of},
    refusals::Refused,
    tenant::{Limit, Seat},
    visitor,
    worker::{OpenConnection, Worker},
};

mod local;
mod walker;

use local::{fixed_response, local_redirect, moved, redirect};
pub(crate) use walker::{ConnectionFacts, Handshake, Held, Walker};

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
    let site: &Arc<LiveSite>;
    // What is known of the request until it is forwarded is not kept while its answer is waited for.
    let (forwarding, places) = {
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
        let its_site = site_of(walker, &authority)
            .map_err(|refusal| Declined { refusal, why: Some(authority.host.key().into_owned()) })?;
        site = record.site.insert(its_site);
        record.seat = Some(admission::admit(walker, site, record.started).await?);
        record.shows = certificate(walker, site, &authority)?;
        let certificate = visitor::judge(walker, site)?;
        let scheme = told.scheme.unwrap_or(walker.facts().scheme);
        if let Some(location) = moved(walker, site, &authority, scheme, request.uri()) {
            return Ok(redirect(StatusCode::PERMANENT_REDIRECT, &location).map(Answer::Response)?);
        }
        visitor::judge_clear(walker, site, record.shows)?;
        let path = path?;
        let covered = if path == ASTERISK { "/" } else { path.as_str() };
        let route = site.vhost.route(covered).ok_or(Refusal::NoRoute)?;
        record.route = Some(Arc::clone(route));
        let limit = site.vhost.limits().requests_in_flight;
        record.place = Some(site.counters.begin_request(limit).ok_or(Refusal::SiteBusy)?);
        match &route.action {
            Action::Redirect(to) => {
                let response = local_redirect(to, route, &authority, &path, request.uri().query());
                return Ok(response.map(Answer::Response)?);
            }
            Action::Respond(fixed) => return Ok(Answer::Response(fixed_response(fixed, route))),
            Action::Upstream(_) => {}
        }
        let caller = Caller {
            client: walker.facts().client,
            scheme: walker.facts().scheme,
            authority: &authority.normal_form(&asked),
            trust,
            request_id: record.id,
            certificate,
        };
        let places = tunnel_places(site, request)?;
        let request = std::mem::take(request);
        let request = request.map(|body| bulk::in_turns(body, walker.worker().bulk(), site.vhost.tenant));
        let to = Destination { vhost: &site.vhost, route, account: site.tenant.account() };
        (walker.worker().proxy().forward(request, &path, to, caller), places)
    };
    let forwarded =
        forwarding.await.map_err(|error| Declined { refusal: error.refusal(), why: Some(chain(&error)) })?;
    record.upstream = Some(forwarded.upstream);
    Ok(match (forwarded.tunnel, places) {
        (Some(tunnel), Some(places)) => Answer::Tunnel(forwarded.response, tunnel, places),
        _ => Answer::Response(forwarded.response),
    })
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
