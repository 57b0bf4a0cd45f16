//! Orders: asked for, looked at, finalized; their certificates fetched (RFC 8555 sections 7.4 to 7.4.2, RFC 9773
//! section 5).

use std::time::Duration;

use http::header;
use rcgen::{CertificateSigningRequestParams, SanType};
use rustls::pki_types::CertificateSigningRequestDer;
use serde_json::Value;
use vestibule_names::HostPattern;

use super::{
    Shared,
    builder::Reuse,
    gate::Signed,
    inject::{Fault, RetryAfter},
    issue::Wanted,
    jws,
    observe::Certificate,
    reply::{Problem, Reply},
    rules::{NewOrder, Refusal, Rule},
    state::{Authorization, Challenge, Issued, Order, State, Status, random_text},
};

/// How long an order may stay unfinished, and an authorization valid.
const ORDER_LIFETIME: Duration = Duration::from_secs(7 * 86_400);

impl Shared {
    pub(super) fn new_order(
        &self,
        state: &mut State,
        signed: &Signed,
        fault: Option<&Fault>,
    ) -> Result<Reply, Problem> {
        let (account, now) = (signed.account()?, self.clock.now());
        let request = signed.jws.object()?;
        let names = names_of(&request)?;
        let (profile, replaces) = (request["profile"].as_str(), request["replaces"].as_str());
        if replaces.is_some() && fault == Some(&Fault::AlreadyReplaced) {
            return Err(Problem::new(409, "alreadyReplaced", "replaced already, on order"));
        }
        state.sweep(now);
        let kid = format!("{}/account/{account}", self.base);
        let asked = NewOrder { account: &kid, names: &names, profile, replaces };
        let rule = state.rules.new_order(self.clock.since_epoch(), &asked);
        let rule = rule.map_err(|refusal| self.refusal(refusal))?;
        let ready = fault == Some(&Fault::ReadyAtOnce);
        let authorizations: Vec<_> =
            names.iter().map(|name| self.authorization_for(state, account, name, ready)).collect();
        let valid = authorizations.iter().all(|id| state.authorizations[*id].status == Status::Valid);
        let order = Order {
            account,
            names,
            authorizations,
            status: if valid { Status::Ready } else { Status::Pending },
            at: now,
            expires: now + ORDER_LIFETIME,
            replaces: replaces.map(str::to_owned),
            profile: profile.map(str::to_owned),
            rule,
            certificate: None,
            polls: 0,
            poll_after: RetryAfter::Absent,
        };
        let id = state.orders.len();
        let reply = Reply::json(201, &order.view(&self.base, id));
        state.orders.push(order);
        Ok(reply.header(header::LOCATION, &format!("{}/order/{id}", self.base)))
    }

    /// A valid one of before, if the CA does that; else a new one.
    fn authorization_for(&self, state: &mut State, account: usize, name: &HostPattern, valid: bool) -> usize {
        let now = self.clock.now();
        let usable = |known: &Authorization| {
            known.account == account && known.name == *name && known.status == Status::Valid && known.expires > now
        };
        let known = state.authorizations.iter().rposition(usable);
        let valid = match (state.settings.reuse, known) {
            (Reuse::Same, Some(id)) => return id,
            (Reuse::Copy, Some(_)) => true,
            _ => valid,
        };
        let kinds: &[&'static str] = match name {
            HostPattern::Exact(_) => &["http-01", "tls-alpn-01", "dns-01"],
            HostPattern::Wildcard(_) => &["dns-01"],
            HostPattern::Address(_) => &["http-01", "tls-alpn-01"], // RFC 8738 section 7
        };
        let status = if valid { Status::Valid } else { Status::Pending };
        let challenge = |kind: &&'static str| Challenge { kind, token: random_text(), status, error: None };
        let challenges = kinds.iter().map(challenge).collect();
        let expires = now + ORDER_LIFETIME;
        state.authorizations.push(Authorization { account, name: name.clone(), status, expires, challenges });
        state.authorizations.len() - 1
    }

    pub(super) fn order(&self, state: &mut State, signed: &Signed, id: usize) -> Result<Reply, Problem> {
        state.sweep(self.clock.now());
        let order = owned(state, signed, id)?;
        let mut reply_after = RetryAfter::Absent;
        if order.status == Status::Processing {
            order.polls = order.polls.saturating_sub(1);
            if order.polls == 0 {
                order.status = Status::Valid;
            } else {
                reply_after = order.poll_after;
            }
        }
        Ok(Reply::json(200, &order.view(&self.base, id)).retry_after(&self.clock, reply_after))
    }

    pub(super) fn finalize(
        &self,
        state: &mut State,
        signed: &Signed,
        id: usize,
        fault: Option<&Fault>,
    ) -> Result<Reply, Problem> {
        state.sweep(self.clock.now());
        let request = signed.jws.object()?;
        let order = owned(state, signed, id)?;
        if order.status != Status::Ready {
            return Err(Problem::new(403, "orderNotReady", format!("the order is {}", order.status.word())));
        }
        let csr = request["csr"].as_str().and_then(jws::decode);
        let csr = self.check_csr(state, id, &csr.ok_or_else(|| Problem::malformed("no csr"))?)?;
        self.issue(state, id, &csr, fault);
        let order = &mut state.orders[id];
        order.status = Status::Valid;
        let mut reply_after = RetryAfter::Absent;
        if let Some(Fault::Slow(polls, retry)) = fault {
            (order.status, order.polls, order.poll_after, reply_after) = (Status::Processing, *polls, *retry, *retry);
        }
        let reply = Reply::json(200, &order.view(&self.base, id)).retry_after(&self.clock, reply_after);
        Ok(reply.header(header::LOCATION, &format!("{}/order/{id}", self.base)))
    }

    /// RFC 8555 section 7.4: exactly the order's names, and not the account's key.
    fn check_csr(&self, state: &State, id: usize, der: &[u8]) -> Result<CertificateSigningRequestParams, Problem> {
        let bad = |why: String| Problem::new(400, "badCSR", why);
        let csr = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(der));
        let csr = csr.map_err(|error| bad(error.to_string()))?;
        let mut asked: Vec<String> = csr.params.subject_alt_names.iter().filter_map(san_text).collect();
        asked.sort();
        asked.dedup();
        let ordered: Vec<String> = sorted(&state.orders[id].names);
        if asked != ordered {
            return Err(bad(format!("the order is for {ordered:?}, the request for {asked:?}")));
        }
        let account = &state.accounts[state.orders[id].account];
        if rcgen::PublicKeyData::der_bytes(&csr.public_key) == account.key.point() {
            return Err(Problem::new(400, "badPublicKey", "the account's key"));
        }
        Ok(csr)
    }

    fn issue(&self, state: &mut State, id: usize, csr: &CertificateSigningRequestParams, fault: Option<&Fault>) {
        let (now, order) = (self.clock.now(), &state.orders[id]);
        let lifetime = state.settings.lifetime_of(order.profile.as_deref());
        let flaw = if let Some(Fault::Flaw(flaw)) = fault { Some(*flaw) } else { None };
        let issued = self.authority.issue(&Wanted { csr, names: &order.names, now, lifetime, flaw });
        state.rules.issue(self.clock.since_epoch(), order.rule, &issued.id);
        let order = &mut state.orders[id];
        order.certificate = Some(state.certificates.len());
        let seen = Certificate {
            id: issued.id,
            account: format!("{}/account/{}", self.base, order.account),
            names: sorted(&order.names),
            at: now,
            not_before: issued.not_before,
            not_after: issued.not_after,
            replaces: order.replaces.clone(),
            profile: order.profile.clone(),
            revoked: None,
        };
        let account = order.account;
        state.certificates.push(Issued { seen, chains: issued.chains, leaf: issued.leaf, account });
    }

    /// RFC 8555 section 7.4.2, with alternate chains.
    pub(super) fn certificate(
        &self,
        state: &State,
        signed: &Signed,
        id: usize,
        chain: usize,
    ) -> Result<Reply, Problem> {
        let issued = state.certificates.get(id).ok_or_else(Problem::missing)?;
        let pem = issued.chains.get(chain).ok_or_else(Problem::missing)?;
        if signed.account()? != issued.account {
            return Err(Problem::unauthorized("another account's certificate"));
        }
        let mut reply = Reply::with(200, "application/pem-certificate-chain", pem.clone());
        for other in (0..issued.chains.len()).filter(|other| *other != chain) {
            let link = format!("<{}/cert/{id}/{other}>;rel=\"alternate\"", self.base);
            reply = reply.header(header::LINK, &link);
        }
        Ok(reply)
    }

    /// As a limit says it.
    pub(super) fn refusal(&self, refusal: Refusal) -> Problem {
        let status = match refusal.rule {
            Rule::Names | Rule::Profile | Rule::Replaces => 400,
            Rule::AlreadyReplaced => 409,
            _ => 429,
        };
        let problem = Problem::new(status, refusal.rule.error(), refusal.detail);
        match refusal.retry_after {
            // The whole second after, as a client must not come too early.
            Some(wait) => problem.again(RetryAfter::Seconds(wait.as_secs() + 1)),
            None => problem,
        }
    }
}

fn owned<'a>(state: &'a mut State, signed: &Signed, id: usize) -> Result<&'a mut Order, Problem> {
    let account = signed.account()?;
    let order = state.orders.get_mut(id).ok_or_else(Problem::missing)?;
    if order.account == account { Ok(order) } else { Err(Problem::unauthorized("another account's order")) }
}

/// The identifiers of a newOrder; all that are wrong are told at once (RFC 8555 section 6.7.1).
fn names_of(request: &Value) -> Result<Vec<HostPattern>, Problem> {
    let list = request["identifiers"].as_array().ok_or_else(|| Problem::malformed("no identifiers"))?;
    let mut wrong = Problem::new(400, "rejectedIdentifier", "some names are not taken");
    let mut names = Vec::new();
    let mut is_wrong = false;
    for identifier in list {
        let value = identifier["value"].as_str().unwrap_or_default();
        match (identifier["type"].as_str(), HostPattern::parse(value)) {
            (Some("dns"), Ok(name @ (HostPattern::Exact(_) | HostPattern::Wildcard(_)))) => names.push(name),
            (Some("ip"), Ok(name @ HostPattern::Address(_))) => names.push(name),
            _ => {
                is_wrong = true;
                wrong = wrong.about(value, "rejectedIdentifier", "not a name of its type");
            }
        }
    }
    names.sort();
    names.dedup();
    if is_wrong { Err(wrong) } else { Ok(names) }
}

pub(super) fn sorted(names: &[HostPattern]) -> Vec<String> {
    let mut sorted: Vec<_> = names.iter().map(ToString::to_string).collect();
    sorted.sort();
    sorted
}

fn san_text(san: &SanType) -> Option<String> {
    match san {
        SanType::DnsName(name) => Some(name.to_string()),
        SanType::IpAddress(address) => Some(address.to_string()),
        _ => None,
    }
}
