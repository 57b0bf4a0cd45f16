//! [`Record`]: what is remembered of a request from its head to the last byte of its response; [`Tracked`] carries it
//! with the body. However a request ends, the record ends it once: counters, access event, vitals, its place.

use std::{
    net::IpAddr,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version, header};
use http_body::{Body as _, Frame, SizeHint};
use vestibule_certs::Shows;
use vestibule_names::{RequestId, UpstreamAddr};
use vestibule_proxy::{Body, BodyError, Refusal, Scheme};
use vestibule_vhost::Route;

use crate::{
    access::AccessEvent,
    bulk::Bulk,
    fault::chain,
    live::{LiveSite, Place},
    refusals::{Particulars, Refused},
    request::Walker,
    tenant::Seat,
};

/// Logged for a client that left before a response began.
const CLIENT_GONE: u16 = 499;

/// What is remembered of one request.
pub(crate) struct Record {
    walker: Walker,
    pub(crate) id: RequestId,
    /// Whom a trusted proxy saw; `None` without one.
    pub(crate) client: Option<IpAddr>,
    pub(crate) started: Instant,
    /// `None` when no access log wants it.
    seen: Option<Box<Seen>>,
    pub(crate) site: Option<Arc<LiveSite>>,
    pub(crate) route: Option<Arc<Route>>,
    pub(crate) upstream: Option<UpstreamAddr>,
    pub(crate) refusal: Option<Refusal>,
    /// The code word of an answer to a challenge.
    pub(crate) challenge: Option<&'static str>,
    /// What a handshake for the host of this request would be shown.
    pub(crate) shows: Shows,
    pub(crate) place: Option<Place>,
    /// Its place among the requests of the tenant.
    pub(crate) seat: Option<Seat>,
    status: u16,
    bytes: u64,
    bulk: Bulk,
    complete: bool,
}

/// The parts of the request for the access event; all are shared, not copied.
struct Seen {
    method: Method,
    target: Uri,
    version: Version,
    host: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    referer: Option<HeaderValue>,
}

impl Seen {
    fn of<B>(request: &Request<B>) -> Self {
        let field = |name: HeaderName| request.headers().get(name).cloned();
        Self {
            method: request.method().clone(),
            target: request.uri().clone(),
            version: request.version(),
            host: field(header::HOST),
            user_agent: field(header::USER_AGENT),
            referer: field(header::REFERER),
        }
    }

    /// What no request is.
    fn nothing() -> Self {
        let nobody = HeaderValue::from_static("-");
        Self {
            method: Method::from_bytes(b"-").unwrap_or_default(),
            target: Uri::from_static("*"),
            version: Version::HTTP_11,
            host: Some(nobody),
            user_agent: None,
            referer: None,
        }
    }
}

impl Record {
    /// On the heap, where it stays: it goes along from the walk to the body of the response.
    pub(crate) fn new<B>(walker: Walker, request: &Request<B>) -> Box<Self> {
        Self::begin(walker, || Seen::of(request))
    }

    /// Of what was refused before it became a request.
    pub(crate) fn of_nothing(walker: Walker) -> Box<Self> {
        Self::begin(walker, Seen::nothing)
    }

    fn begin(walker: Walker, seen: impl FnOnce() -> Seen) -> Box<Self> {
        walker.vitals().request_began();
        walker.worker().request_began();
        let mut wanted = false;
        walker.worker().with_access_line(|line| wanted = line.is_wanted());
        let seen = wanted.then(|| Box::new(seen()));
        Box::new(Self {
            id: walker.worker().next_request_id(),
            client: None,
            walker,
            started: Instant::now(),
            seen,
            site: None,
            route: None,
            upstream: None,
            refusal: None,
            challenge: None,
            shows: Shows::Certificate,
            place: None,
            seat: None,
            status: CLIENT_GONE,
            bytes: 0,
            bulk: Bulk::default(),
            complete: false,
        })
    }

    /// Binds the record to a response: it ends with the body.
    pub(crate) fn attach(mut self: Box<Self>, mut response: Response<Body>, head_only: bool) -> Response<Tracked> {
        self.status = response.status().as_u16();
        if self.shows == Shows::Placeholder {
            // A browser that remembers it could not come back before there is a certificate (RFC 6797 section 8.4).
            response.headers_mut().remove(header::STRICT_TRANSPORT_SECURITY);
        }
        if head_only {
            leave_out_body(&mut response);
        }
        let expected = response.body().size_hint().exact();
        self.complete = head_only || response.body().is_end_stream();
        response.map(|body| Tracked { body, expected, record: Some(self) })
    }

    /// Ends it with a tunnel instead.
    pub(crate) fn tunnelled(mut self, bytes: u64) {
        self.status = 101;
        self.bytes = bytes;
        self.complete = true;
    }

    /// Tells the log that it was refused, or its response cut.
    pub(crate) fn tell(&self, refused: Refused, why: Option<&str>) {
        let site = self.site.as_deref();
        self.walker.worker().refusals().tell(
            refused,
            &Particulars {
                client: Some(self.walker.facts().client),
                tenant: site.map(|site| &*site.tenant),
                site: site.map(|site| &site.vhost.id),
                request_id: Some(self.id),
                why,
            },
        );
    }

    /// Ready when more of its response may be moved.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(site) = &self.site else { return Poll::Ready(()) };
        self.bulk.poll_turn(self.walker.worker().bulk(), site.vhost.tenant, cx)
    }

    fn event<'a>(&'a self, seen: &'a Seen) -> AccessEvent<'a> {
        let text = |value: &'a Option<HeaderValue>| value.as_ref().and_then(|value| value.to_str().ok());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        AccessEvent {
            ts: (now.as_secs_f64() * 1000.0).round() / 1000.0,
            request_id: self.id.to_string(),
            client: self.client.unwrap_or(self.walker.facts().client.ip()).to_string(),
            scheme: match self.walker.facts().scheme {
                Scheme::Http => "http",
                Scheme::Https => "https",
            },
            protocol: protocol_name(seen.version),
            method: seen.method.as_str(),
            host: seen.target.authority().map(http::uri::Authority::as_str).or(text(&seen.host)).unwrap_or(""),
            target: seen.target.path_and_query().map_or("", http::uri::PathAndQuery::as_str),
            status: self.status,
            bytes: self.bytes,
            duration_ms: (self.started.elapsed().as_secs_f64() * 1_000_000.0).round() / 1000.0,
            site: self.site.as_ref().map(|site| site.vhost.id.as_str()),
            route: self.route.as_ref().map(|route| route.path.as_str()),
            upstream: self.upstream.as_ref().map(ToString::to_string),
            code: self.refusal.map(Refusal::word).or(self.challenge),
            complete: self.complete,
            user_agent: text(&seen.user_agent),
            referer: text(&seen.referer),
        }
    }
}

/// Only the length is left of a page that answers HEAD (RFC 9110 section 9.3.2). The codec of HTTP/1.1 would see to that,
/// that of HTTP/2 does not.
fn leave_out_body(response: &mut Response<Body>) {
    if response.body().is_end_stream() {
        return;
    }
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    *response.body_mut() = Body::empty();
}

fn protocol_name(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2",
        _ => "other",
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(site) = &self.site {
            site.counters.finished(self.status, self.bytes);
        }
        let worker = Rc::clone(self.walker.worker());
        worker.request_finished(self.refusal);
        if let Some(seen) = &self.seen {
            worker.with_access_line(|line| {
                line.write(&self.event(seen), self.site.as_ref().map(|site| site.vhost.tenant))
            });
        }
        self.walker.vitals().request_ended();
    }
}

/// A response body under way.
pub(crate) struct Tracked {
    body: Body,
    expected: Option<u64>,
    record: Option<Box<Record>>,
}

impl Tracked {
    /// A body whose record is kept by somebody else (a tunnel).
    pub(crate) fn untracked(body: Body) -> Self {
        Self { body, expected: None, record: None }
    }
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(record) = &mut self.record {
            ready!(record.poll_turn(cx));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let expected = self.expected;
        if let Some(record) = &mut self.record {
            match &frame {
                Some(Ok(frame)) => {
                    let count = frame.data_ref().map_or(0, Bytes::len);
                    record.bulk.moved(count);
                    record.bytes += count as u64;
                    record.complete = frame.is_trailers() || expected == Some(record.bytes);
                }
                Some(Err(error)) => {
                    record.complete = false;
                    record.walker.worker().totals().response_cut();
                    record.tell(Refused::Response, Some(&chain(error)));
                }
                None => record.complete = true,
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The request's `Accept`, kept for a response of our own.
pub(crate) fn accept_of(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(header::ACCEPT).cloned()
}
