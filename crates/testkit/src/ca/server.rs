//! The CA's HTTPS: connections, requests, faults on order, the log.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{
    Shared,
    gate::Takes,
    inject::{Endpoint, Fault},
    observe,
    reply::{Delivery, Problem, Reply, ReplyBody},
    state::State,
    target::Target,
};

/// Larger than any request of ACME.
const BODY_LIMIT: usize = 64 * 1024;
const REPLAY_NONCE: HeaderName = HeaderName::from_static("replay-nonce");

/// Accepts until the task is aborted; connections end with it.
pub(super) async fn serve(shared: Arc<Shared>, listener: TcpListener, tls: TlsAcceptor) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, peer)) => {
                connections.spawn(connection(Arc::clone(&shared), stream, peer, tls.clone()));
            }
            // Out of descriptors: others must end first.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr, tls: TlsAcceptor) {
    let fault = shared.state().faults.take(Endpoint::Connection);
    match fault {
        Some(Fault::HangAtConnect) => return std::future::pending().await,
        Some(_) => return,
        None => {}
    }
    let Ok(stream) = tls.accept(stream).await else { return };
    let service = service_fn(|request| answer(Arc::clone(&shared), request, peer));
    // How a connection ends is the client's matter.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response<ReplyBody>, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let target = Target::parse(&path);
    let (row, fault) = {
        let mut state = shared.state();
        let user_agent = head.headers.get(header::USER_AGENT).map(|name| String::from_utf8_lossy(name.as_bytes()));
        state.log.push(observe::Request {
            at: shared.clock.now(),
            method: head.method.to_string(),
            endpoint: target.endpoint(),
            path: path.clone(),
            status: None,
            user_agent: user_agent.map(|name| name.into_owned()),
        });
        (state.log.len() - 1, state.faults.take(target.endpoint()))
    };
    if fault == Some(Fault::HangAtHeaders) {
        return std::future::pending().await;
    }
    let reply = match fault.as_ref().and_then(|fault| shared.instead(fault)) {
        Some(reply) => reply,
        None => match Limited::new(body, BODY_LIMIT).collect().await {
            Ok(body) => {
                let asked = Asked { head: &head, path: &path, target: &target, body: body.to_bytes(), peer };
                shared.respond(&asked, fault.as_ref())
            }
            Err(_) => Problem::malformed("the body is too large or did not arrive").reply(&shared.clock),
        },
    };
    let reply = shared.finish(reply, &target, &head.method, fault.as_ref());
    shared.state().log[row].status = Some(reply.status.as_u16());
    Ok(reply.into_response())
}

/// A request with its body.
struct Asked<'a> {
    head: &'a http::request::Parts,
    path: &'a str,
    target: &'a Target,
    body: Bytes,
    peer: SocketAddr,
}

impl Shared {
    /// What a fault says without anything being done.
    fn instead(&self, fault: &Fault) -> Option<Reply> {
        let problem = match fault {
            Fault::RateLimited(retry) => Problem::new(429, "rateLimited", "too much, on order").again(*retry),
            Fault::Problem(status, kind, detail) => Problem::new(*status, kind, *detail),
            Fault::BadNonce => Problem::new(400, "badNonce", "refused on order"),
            Fault::Subproblems(names) => {
                let problem = Problem::new(400, "compound", "several names, on order");
                names.iter().fold(problem, |problem, (name, kind)| problem.about(name, kind, "refused on order"))
            }
            Fault::Unavailable(retry) => {
                return Some(Reply::html(503, "Service Unavailable").retry_after(&self.clock, *retry));
            }
            _ => return None,
        };
        Some(problem.reply(&self.clock))
    }

    fn respond(self: &Arc<Self>, asked: &Asked<'_>, fault: Option<&Fault>) -> Reply {
        let reply = if asked.head.method == Method::POST { self.post(asked, fault) } else { self.get(asked) };
        reply.unwrap_or_else(|problem| problem.reply(&self.clock))
    }

    fn get(&self, asked: &Asked<'_>) -> Result<Reply, Problem> {
        if asked.head.headers.get(header::USER_AGENT).is_none() {
            return Err(Problem::malformed("no user agent (RFC 8555 section 6.1)"));
        }
        let state = self.state();
        match asked.target {
            Target::Directory => Ok(Reply::json(200, &self.directory(&state))),
            Target::NewNonce if asked.head.method == Method::HEAD => Ok(Reply::empty(200)),
            Target::NewNonce => Ok(Reply::empty(204)),
            Target::RenewalInfo(id) => self.renewal_info(&state, id),
            Target::Terms => Ok(Reply::with(200, "text/plain", "Be kind.\n")),
            Target::Unknown => Err(Problem::missing()),
            _ => Err(Problem::new(405, "malformed", "POST (RFC 8555 section 6.3)")),
        }
    }

    fn post(self: &Arc<Self>, asked: &Asked<'_>, fault: Option<&Fault>) -> Result<Reply, Problem> {
        if asked.head.headers.get(header::USER_AGENT).is_none() {
            return Err(Problem::malformed("no user agent (RFC 8555 section 6.1)"));
        }
        let takes = match asked.target {
            Target::NewAccount => Takes::Keys,
            Target::Revoke => Takes::Either,
            Target::Directory | Target::NewNonce | Target::RenewalInfo(_) | Target::Terms => {
                return Err(Problem::new(405, "malformed", "GET"));
            }
            Target::Unknown => return Err(Problem::missing()),
            _ => Takes::Accounts,
        };
        let state = &mut *self.state();
        let signed = state.admit(&self.base, asked.path, &asked.head.headers, &asked.body, takes)?;
        match asked.target {
            Target::NewAccount => self.new_account(state, &signed, asked.peer.ip()),
            Target::Account(id) => self.account(state, &signed, *id),
            Target::KeyChange => self.key_change(state, &signed),
            Target::NewOrder => self.new_order(state, &signed, fault),
            Target::Order(id) => self.order(state, &signed, *id),
            Target::Finalize(id) => self.finalize(state, &signed, *id, fault),
            Target::Authorization(id) => self.authorization(state, &signed, *id),
            Target::Challenge(id, index) => self.challenge(state, &signed, *id, *index),
            Target::Certificate(id, chain) => self.certificate(state, &signed, *id, *chain),
            Target::Revoke => self.revoke(state, &signed),
            _ => Err(Problem::missing()),
        }
    }

    fn directory(&self, state: &State) -> serde_json::Value {
        let url = |path: &str| format!("{}/{path}", self.base);
        let settings = &state.settings;
        let profiles = settings.profiles.iter().map(|(name, _)| (name.clone(), format!("about {name}").into()));
        let mut directory = json!({
            "newNonce": url("new-nonce"), "newAccount": url("new-account"), "newOrder": url("new-order"),
            "revokeCert": url("revoke"), "keyChange": url("key-change"),
            "meta": {
                "termsOfService": url("terms"),
                "caaIdentities": settings.caa_identities,
                "externalAccountRequired": !settings.eab.is_empty(),
            },
        });
        if !settings.profiles.is_empty() {
            directory["meta"]["profiles"] = profiles.collect::<serde_json::Map<_, _>>().into();
        }
        if settings.has_renewal_info {
            directory["renewalInfo"] = url("renewal-info").into();
        }
        directory
    }

    /// What every response has (RFC 8555 sections 6.5 and 7.1), and what a fault does to one.
    fn finish(&self, mut reply: Reply, target: &Target, method: &Method, fault: Option<&Fault>) -> Reply {
        reply = match fault {
            Some(Fault::BadGateway) => Reply::html(502, "Bad Gateway"),
            Some(Fault::Garbage) => Reply::with(200, "application/json", "{\"status\": \"val"),
            Some(Fault::HangInBody) => reply.delivered(Delivery::Hangs),
            Some(Fault::TruncatedBody) => reply.delivered(Delivery::IsCut),
            Some(Fault::UnknownStatus) => reply.edit(|object| object["status"] = "hibernating".into()),
            Some(Fault::ExtraMembers) => reply.edit(|object| {
                object["x-simulated"] = json!({ "nested": [1, null, "two"] });
                object["since"] = "yesterday".into();
            }),
            Some(Fault::UnknownChallengeToo) => reply.edit(|object| {
                let unknown = json!({ "type": "carrier-pigeon-01", "url": format!("{}/chall/x", self.base),
                    "status": "pending", "loft": 7 });
                if let Some(challenges) = object["challenges"].as_array_mut() {
                    challenges.insert(0, unknown);
                }
            }),
            Some(Fault::UnknownChallengesOnly) => reply.edit(|object| {
                for challenge in object["challenges"].as_array_mut().into_iter().flatten() {
                    challenge["type"] = "carrier-pigeon-01".into();
                }
            }),
            _ => reply,
        };
        let mut date = self.clock.now();
        if let Some(Fault::SkewedDate(seconds)) = fault {
            let skew = Duration::from_secs(seconds.unsigned_abs());
            date = if *seconds < 0 { date - skew } else { date + skew };
        }
        let http_date = httpdate::fmt_http_date(date);
        reply.headers.insert(header::DATE, HeaderValue::from_str(&http_date).expect("a date is ASCII"));
        reply.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let wants_nonce = *method == Method::POST || *target == Target::NewNonce;
        if wants_nonce && !matches!(fault, Some(Fault::NoNonce | Fault::BadGateway | Fault::Unavailable(_))) {
            reply = reply.header(REPLAY_NONCE, &self.state().nonces.issue());
        }
        if *target != Target::Directory {
            reply = reply.header(header::LINK, &format!("<{}/directory>;rel=\"index\"", self.base));
        }
        reply
    }
}
