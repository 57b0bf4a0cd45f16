//! Authorizations and challenges (RFC 8555 sections 7.5 and 8, RFC 8737, RFC 8738): trusted, looked at for real, or
//! decided by a script.

mod probe;

use std::{net::SocketAddr, sync::Arc};

use vestibule_names::HostPattern;

use super::{
    Shared,
    gate::Signed,
    reply::{Problem, Reply},
    state::{State, Status},
};

/// How challenges are validated, unless a script says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// Every challenge is valid as soon as the client says it is ready.
    Trusting,
    /// They are looked at, at these addresses whatever the name. Redirects are not followed.
    Real {
        /// Where HTTP-01 is asked for.
        http: SocketAddr,
        /// Where TLS-ALPN-01 is.
        tls: SocketAddr,
        /// The name server that DNS-01 asks; `None`: only the CA's own table ([`super::SimulatedCa::set_txt`]).
        dns: Option<SocketAddr>,
    },
}

/// What validating a name comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It proves itself.
    Valid,
    /// As [`Validation`] has it: the end of a script.
    Look,
    /// `dns`: it does not resolve.
    Dns,
    /// `connection`: nobody answers.
    Connection,
    /// `tls`: the handshake fails.
    Tls,
    /// `unauthorized`: somebody else answers.
    Unauthorized,
    /// `caa`: a CAA record forbids it.
    Caa,
    /// `connection`, but the challenge stays `pending` with that error, until the client asks again.
    Stalled,
}

/// What a challenge is looked at with.
#[derive(Clone, Debug)]
struct Question {
    authorization: usize,
    index: usize,
    kind: &'static str,
    name: HostPattern,
    token: String,
    key_authorization: String,
}

impl Shared {
    pub(super) fn authorization(&self, state: &mut State, signed: &Signed, id: usize) -> Result<Reply, Problem> {
        check_owner(state, signed, id)?;
        if !signed.is_get() {
            // RFC 8555 section 7.5.2.
            if signed.jws.object()?["status"] != "deactivated" {
                return Err(Problem::malformed("no such change of status"));
            }
            if state.settings.keeps_authorizations {
                return Err(Problem::new(403, "unauthorized", "authorizations are kept"));
            }
            state.authorizations[id].status = Status::Deactivated;
            self.settle_orders(state, id);
        }
        Ok(Reply::json(200, &state.authorizations[id].view(&self.base, id)))
    }

    pub(super) fn challenge(
        self: &Arc<Self>,
        state: &mut State,
        signed: &Signed,
        id: usize,
        index: usize,
    ) -> Result<Reply, Problem> {
        check_owner(state, signed, id)?;
        let thumbprint = state.accounts[signed.account()?].key.thumbprint();
        let authorization = &mut state.authorizations[id];
        let challenge = authorization.challenges.get_mut(index).ok_or_else(Problem::missing)?;
        // What it is before it is looked at, also where that takes no time: clients must poll.
        let view = challenge.view(&self.base, id, index);
        if !signed.is_get() {
            signed.jws.object()?;
            if authorization.status == Status::Pending && challenge.status == Status::Pending {
                challenge.status = Status::Processing;
                let key_authorization = format!("{}.{thumbprint}", challenge.token);
                let (name, token, kind) = (authorization.name.clone(), challenge.token.clone(), challenge.kind);
                self.begin(state, Question { authorization: id, index, kind, name, token, key_authorization });
            }
        }
        let up = format!("<{}/authz/{id}>;rel=\"up\"", self.base);
        Ok(Reply::json(200, &view).header(http::header::LINK, &up))
    }

    /// Decided at once, or looked at in the background.
    fn begin(self: &Arc<Self>, state: &mut State, question: Question) {
        match (self.script(state, &question.name), state.settings.validation) {
            (Outcome::Look, Validation::Trusting) => self.settle(state, &question, Ok(())),
            (Outcome::Look, Validation::Real { http, tls, dns }) => {
                let shared = Arc::clone(self);
                tokio::spawn(async move {
                    let verdict = match question.kind {
                        "http-01" => probe::http(http, &question).await,
                        "tls-alpn-01" => probe::tls_alpn(tls, &question).await,
                        _ => shared.probe_dns(dns, &question).await,
                    };
                    shared.settle(&mut shared.state(), &question, verdict);
                });
            }
            (Outcome::Stalled, _) => {
                let challenge = &mut state.authorizations[question.authorization].challenges[question.index];
                challenge.status = Status::Pending;
                challenge.error = scripted(Outcome::Stalled).err().map(|problem| problem.document());
            }
            (outcome, _) => self.settle(state, &question, scripted(outcome)),
        }
    }

    fn script(&self, state: &mut State, name: &HostPattern) -> Outcome {
        let Some(script) = state.scripts.get_mut(&name.to_string()) else { return Outcome::Look };
        if script.len() > 1 { script.remove(0) } else { script.first().copied().unwrap_or(Outcome::Look) }
    }

    async fn probe_dns(&self, server: Option<SocketAddr>, question: &Question) -> Result<(), Problem> {
        let record = probe::record(question);
        let mut values: Vec<String> = self.state().txt.get(&record).into_iter().flatten().cloned().collect();
        if let Some(server) = server {
            values.extend(probe::txt(server, &record).await?);
        }
        probe::judge_txt(&record, &values, question)
    }

    fn settle(&self, state: &mut State, question: &Question, verdict: Result<(), Problem>) {
        let authorization = &mut state.authorizations[question.authorization];
        let challenge = &mut authorization.challenges[question.index];
        let kid = format!("{}/account/{}", self.base, authorization.account);
        match verdict {
            Ok(()) => {
                (challenge.status, authorization.status) = (Status::Valid, Status::Valid);
                state.rules.authorization_passed(&kid, &question.name);
            }
            Err(problem) => {
                (challenge.status, authorization.status) = (Status::Invalid, Status::Invalid);
                challenge.error = Some(problem.document());
                state.rules.authorization_failed(self.clock.since_epoch(), &kid, &question.name);
            }
        }
        self.settle_orders(state, question.authorization);
    }

    /// RFC 8555 section 7.1.6: an order is ready when all its authorizations are valid, invalid when one is not. What went
    /// wrong stands at the challenge, not at the order, as Let's Encrypt does it.
    fn settle_orders(&self, state: &mut State, authorization: usize) {
        for order in &mut state.orders {
            if order.status != Status::Pending || !order.authorizations.contains(&authorization) {
                continue;
            }
            let all: Vec<Status> = order.authorizations.iter().map(|id| state.authorizations[*id].status).collect();
            if all.iter().all(|status| *status == Status::Valid) {
                order.status = Status::Ready;
            } else if all.iter().any(|status| matches!(status, Status::Invalid | Status::Deactivated)) {
                order.status = Status::Invalid;
                state.rules.give_up(order.rule);
            }
        }
    }
}

fn check_owner(state: &State, signed: &Signed, id: usize) -> Result<(), Problem> {
    let authorization = state.authorizations.get(id).ok_or_else(Problem::missing)?;
    if authorization.account == signed.account()? {
        Ok(())
    } else {
        Err(Problem::unauthorized("another account's authorization"))
    }
}

fn scripted(outcome: Outcome) -> Result<(), Problem> {
    match outcome {
        Outcome::Valid | Outcome::Look => Ok(()),
        Outcome::Dns => Err(Problem::new(400, "dns", "NXDOMAIN looking up A and AAAA, on order")),
        Outcome::Connection | Outcome::Stalled => Err(Problem::new(400, "connection", "Connection refused, on order")),
        Outcome::Tls => Err(Problem::new(400, "tls", "the handshake failed, on order")),
        Outcome::Unauthorized => Err(Problem::unauthorized("Invalid response, on order: 404")),
        Outcome::Caa => Err(Problem::new(403, "caa", "CAA record prevents issuance, on order")),
    }
}
