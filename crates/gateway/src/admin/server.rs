//! Serves one connection to the admin interface: whose question it is, whether it may be asked, and which file answers it.

use std::{
    cell::Cell,
    convert::Infallible,
    pin::pin,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderName, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{timeout, timeout_at},
};
use vestibule_names::{Authority, TenantId};

use super::{
    Caller, backends, certs, claims,
    guests::{Guests, Place, Refused},
    logs, metrics,
    reply::{Failed, Reply, failure, json, json_or, plain, too_often, with_type},
    routes::{Asked, OverAddress, Route, Who},
    status,
};
use crate::{
    config::{AcmePolicy, AddressMetrics},
    explain::explain,
    house::House,
};

/// An admin connection ends after this, unless an answer waits for an order.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);
/// The body of a request: two PEM files as JSON.
const BODY_LIMIT: usize = 512 * 1024;
/// A body must be complete by then.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// A request head must be complete by then.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Rows of a page unless the query says less.
const PAGE_LIMIT: usize = 1000;

/// Where a connection came in, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// A Unix socket, whose other end the kernel knows.
    Socket(Caller),
    /// The loopback address: anybody's.
    Address,
}

impl Door {
    /// Whose places the connection takes.
    pub(super) fn caller(self) -> Caller {
        match self {
            Self::Socket(caller) => caller,
            Self::Address => Caller::Operator,
        }
    }
}

/// One admin connection.
struct Conversation {
    house: House,
    door: Door,
    guests: Guests,
    /// When it ends, whatever it does.
    end: Cell<Instant>,
}

/// Serves a connection in a task of its own.
pub(super) fn converse<S>(house: &House, guests: &Guests, stream: S, door: Door, place: Place)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let end = Cell::new(Instant::now() + CONNECTION_TIMEOUT);
    let talk = Conversation { house: house.clone(), door, guests: guests.clone(), end };
    tokio::task::spawn_local(async move {
        let talk = &talk;
        let service =
            service_fn(|request: Request<Incoming>| async move { Ok::<_, Infallible>(talk.answer(request).await) });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut way = pin!(place.has_to_make_way());
        while Instant::now() < talk.end.get() {
            let ended = tokio::select! {
                biased;
                ended = timeout_at(talk.end.get().into(), connection.as_mut()) => ended,
                () = &mut way => {
                    tracing::debug!("an admin connection makes way for a user who has none");
                    break;
                }
            };
            if let Ok(result) = ended {
                if let Err(error) = result {
                    tracing::debug!(%error, "admin connection broken");
                }
                break;
            }
        }
    });
}

impl Conversation {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        let route = match Route::find(request.method(), request.uri().path()) {
            Ok(route) => route,
            Err((status, sentence)) => return failure(status, &sentence),
        };
        match self.door {
            Door::Address => self.watched(route, &request),
            Door::Socket(caller) => match self.admit(route, caller, request.headers()).await {
                Ok(()) => self.told(route, caller, request).await,
                Err(refused) => refused,
            },
        }
    }

    /// What monitoring asks over the address.
    fn watched(&self, route: &Route, request: &Request<Incoming>) -> Reply {
        if route.over_address == OverAddress::No {
            return failure(StatusCode::NOT_FOUND, "this address has /metrics, /readyz and /healthz");
        }
        if !is_meant_for_us(request.headers()) {
            // A page in a browser that has its own name lead here (DNS rebinding).
            return failure(StatusCode::MISDIRECTED_REQUEST, "ask for 127.0.0.1, [::1] or localhost");
        }
        let scope = match self.house.shared.config.address_metrics {
            AddressMetrics::Totals => metrics::Scope::Totals,
            AddressMetrics::Sites => metrics::Scope::Everything,
        };
        self.monitored(route.asked, scope)
    }

    fn monitored(&self, asked: Asked, scope: metrics::Scope) -> Reply {
        match asked {
            Asked::Readiness if status::is_ready(&self.house) => plain(StatusCode::OK, "ready\n"),
            Asked::Readiness => plain(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            Asked::Metrics => with_type(StatusCode::OK, metrics::CONTENT_TYPE, metrics::render(&self.house, scope)),
            _ => plain(StatusCode::OK, "ok\n"),
        }
    }

    /// May this be asked, by this caller, now?
    async fn admit(&self, route: &Route, caller: Caller, headers: &HeaderMap) -> Result<(), Reply> {
        if let Err(refused) = self.guests.ask(caller, route.cost, Instant::now()) {
            return Err(refusal(refused));
        }
        // The kernel vouches for who connected, not for whom they speak: a proxy, or a page in a browser, is nobody's proof.
        if route.purpose().is_some() && headers.keys().any(speaks_for_another) {
            return Err(failure(StatusCode::FORBIDDEN, "a command is not taken from a browser or through a proxy"));
        }
        match (caller, route.who) {
            (Caller::Operator, _) | (Caller::Tenant(_), Who::Anybody) => Ok(()),
            (Caller::Tenant(_), Who::Operator) => {
                Err(failure(StatusCode::FORBIDDEN, "this is for the operator: ask as root or as the gateway's user"))
            }
            (Caller::Tenant(tenant), Who::Owner) if self.house.sites().is_tenant(tenant) => Ok(()),
            (Caller::Tenant(tenant), Who::Owner) => Err(self.stranger(tenant).await),
        }
    }

    /// Somebody who has nothing here yet.
    async fn stranger(&self, tenant: TenantId) -> Reply {
        let user = status::name_of(tenant).await.map(|name| format!(" ({name})")).unwrap_or_default();
        let folder = self.house.shared.config.sites.display();
        let sentence = format!(
            "{tenant}{user} has no site here: whoever owns a site file in {folder} is the tenant of that site; \
             'vestibule new HOST UPSTREAM' writes one, and the operator can make a folder for it"
        );
        failure(StatusCode::FORBIDDEN, &sentence)
    }

    /// Each question, with who asks it.
    async fn told(&self, route: &Route, caller: Caller, request: Request<Incoming>) -> Reply {
        let house = &self.house;
        let query = Query::read(request.uri().query().unwrap_or(""));
        let host = query.hosts.first().map(String::as_str);
        match route.asked {
            Asked::Health | Asked::Readiness => self.monitored(route.asked, metrics::Scope::Totals),
            Asked::Metrics => self.monitored(route.asked, metrics::Scope::of(caller)),
            Asked::Whoami => json(&status::whoami(house, caller).await),
            Asked::Status => match caller {
                Caller::Operator => json(&status::of_all(house)),
                Caller::Tenant(tenant) => json(&status::of_tenant(house, tenant).await),
            },
            Asked::Sites => json(&house.sites().page(caller, query.after.as_deref(), query.limit)),
            Asked::Backends => json_or(backends::answer(house, caller, query.after.as_deref()).await),
            Asked::Certs => json(&certs::page(house, caller, query.after.as_deref(), query.limit).await),
            Asked::CertExplained => json_or(certs::explain(house, caller, host).await),
            Asked::CertPlan => json_or(certs::plan(house, caller).await),
            Asked::CertShown => json_or(certs::shown(house, caller, host)),
            Asked::Claims => json(&claims::rows(house, caller)),
            Asked::ClaimsPreview => json_or(claims::preview(house, caller, query.site.as_deref(), &query.hosts)),
            Asked::Logs => json_or(logs::answer(house, caller, &query).await),
            Asked::Explained => explained(house, caller, query.url.as_deref()),
            Asked::Renewal
            | Asked::Revocation
            | Asked::RollOver
            | Asked::Import
            | Asked::ClaimTransfer
            | Asked::ClaimRelease => self.commanded(route, caller, request, &query).await,
        }
    }

    /// What changes something. These answers wait for orders: the connection may live as long.
    async fn commanded(&self, route: &Route, caller: Caller, request: Request<Incoming>, query: &Query) -> Reply {
        let (house, host) = (&self.house, query.hosts.first().map(String::as_str));
        // Whose name it is comes before its cost: a mistake costs no turn.
        if matches!(route.asked, Asked::Renewal | Asked::Revocation)
            && let Err((status, sentence)) = certs::held(house, caller, host)
        {
            return failure(status, &sentence);
        }
        let Some(purpose) = route.purpose() else {
            return failure(StatusCode::METHOD_NOT_ALLOWED, "this is no command");
        };
        let _place = match self.guests.enter(caller, purpose, Instant::now()) {
            Ok(place) => place,
            Err(refused) => return refusal(refused),
        };
        self.end.set(Instant::now() + certs::ORDER_TIMEOUT + CONNECTION_TIMEOUT);
        let response = match route.asked {
            Asked::Renewal => json_or(certs::renew(house, caller, host).await),
            Asked::Revocation => json_or(certs::revoke(house, caller, host, query.reason.as_deref()).await),
            Asked::ClaimTransfer => json_or(claims::transfer(house, host, query.user.as_deref()).await),
            Asked::ClaimRelease => json_or(claims::release(house, host).await),
            Asked::RollOver => json_or(certs::roll_over(house).await),
            _ => match body(request).await {
                Ok(import) => json_or(certs::import(house, import).await),
                Err(refused) => json_or::<()>(Err(refused)),
            },
        };
        self.end.set(Instant::now() + CONNECTION_TIMEOUT);
        response
    }
}

/// Fields that browsers and proxies set.
fn speaks_for_another(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, "origin" | "referer" | "cookie" | "via" | "forwarded" | "x-real-ip")
        || name.starts_with("x-forwarded-")
        || name.starts_with("sec-")
}

/// Does a request to the loopback address say so?
fn is_meant_for_us(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    match host.to_str().ok().map(Authority::parse) {
        Some(Ok(authority)) => {
            let host = authority.host.key();
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|addr| addr.is_loopback())
        }
        _ => false,
    }
}

fn refusal(refused: Refused) -> Reply {
    match refused {
        Refused::Full(limit) => {
            let sentence = format!("{limit} commands wait for their end already: try again when one is through");
            failure(StatusCode::SERVICE_UNAVAILABLE, &sentence)
        }
        Refused::TooOften(wait) => too_often(wait),
    }
}

/// A body of JSON, bounded in size and time.
async fn body<T: serde::de::DeserializeOwned>(request: Request<Incoming>) -> Result<T, Failed> {
    let refused = |sentence: String| (StatusCode::BAD_REQUEST, sentence);
    let collected = timeout(BODY_TIMEOUT, Limited::new(request.into_body(), BODY_LIMIT).collect()).await;
    let bytes = collected
        .map_err(|_| refused("the body did not come in time".to_owned()))?
        .map_err(|error| refused(format!("the body cannot be read: {error}")))?
        .to_bytes();
    serde_json::from_slice(&bytes).map_err(|error| refused(format!("the body is not understood: {error}")))
}

/// `GET /v1/explain`.
fn explained(house: &House, caller: Caller, url: Option<&str>) -> Reply {
    let Some(url) = url else {
        return failure(StatusCode::BAD_REQUEST, "write /v1/explain?url=https%3A%2F%2Fblog.example.com%2F");
    };
    let standing = house.shared.config.acme.as_ref().map(AcmePolicy::standing);
    match explain(&house.shared.table.load(), url, house.shared.https_port, standing.as_ref(), caller) {
        Ok(explanation) => json(&explanation),
        Err(error) => failure(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

/// The parameters that any path may have.
pub(super) struct Query {
    pub(super) after: Option<String>,
    url: Option<String>,
    hosts: Vec<String>,
    reason: Option<String>,
    pub(super) site: Option<String>,
    pub(super) user: Option<String>,
    pub(super) tenant: Option<String>,
    /// Seconds.
    pub(super) wait: u64,
    pub(super) limit: usize,
}

impl Query {
    fn read(text: &str) -> Self {
        let (hosts, limit) = (Vec::new(), PAGE_LIMIT);
        let mut query =
            Self { after: None, url: None, hosts, reason: None, site: None, user: None, tenant: None, wait: 0, limit };
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*key {
                "after" => query.after = Some(value.into_owned()),
                "host" => query.hosts.push(value.into_owned()),
                "reason" => query.reason = Some(value.into_owned()),
                "site" => query.site = Some(value.into_owned()),
                "tenant" => query.tenant = Some(value.into_owned()),
                "wait" => query.wait = value.parse().unwrap_or(0),
                "user" => query.user = Some(value.into_owned()),
                "url" => query.url = Some(value.into_owned()),
                "limit" => query.limit = value.parse().unwrap_or(PAGE_LIMIT).clamp(1, PAGE_LIMIT),
                _ => {}
            }
        }
        query
    }
}
