//! [`Protocol`] over instant-acme 0.8.
//!
//! Of the library we take signatures, nonces and requests. Not its polling (it gives up on orders that are valid already, and
//! drops Retry-After) and not its reading of what is not ACME (see `talk`). Alternate chains are fetched as if they were
//! orders: a POST-as-GET is a POST-as-GET, the library then fails to read the PEM, and the talk has kept it.

pub(super) mod keys;

use std::{borrow::Cow, time::Duration};

use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, CertificateIdentifier, Challenge, ChallengeStatus,
    ChallengeType, Identifier, NewOrder, OrderStatus, RevocationReason, RevocationRequest,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use vestibule_names::{HostPattern, Hostname};

use super::{
    fault::{Fault, Problem},
    protocol::{Authorization, Chain, Offer, Placed, Protocol, Request, Standing, Status},
    talk::Talk,
};
use crate::config::ChallengeKind;

/// The library answers a bad nonce twice. A CA that throws away three of ten would still fail one request in forty; with
/// this many rounds it is one in ten thousand million.
const NONCE_ROUNDS: usize = 6;
/// Certificates of one chain, as CAs have them, are three; a document of many megabytes is stopped by the transport.
const NOT_PEM: &str = "the CA sent no chain in PEM";

/// An account, and the talk in which it is used.
pub(super) struct Instant {
    account: Account,
    talk: Talk,
}

/// An order of it.
pub(super) struct InstantOrder {
    account: Account,
    order: instant_acme::Order,
    talk: Talk,
    status: Status,
    problem: Option<Problem>,
    retry_after: Option<Duration>,
}

/// A bad nonce means that nothing was done: the request is signed and sent again.
struct Rounds(usize);

impl Rounds {
    fn again(&mut self, error: instant_acme::Error) -> Result<(), Fault> {
        let fault = Fault::from(error);
        self.0 += 1;
        if self.0 < NONCE_ROUNDS && fault.problem_type() == Some("badNonce") { Ok(()) } else { Err(fault) }
    }
}

/// The call, again after bad nonces.
async fn retrying<T>(mut call: impl AsyncFnMut() -> Result<T, instant_acme::Error>) -> Result<T, Fault> {
    let mut rounds = Rounds(0);
    loop {
        match call().await {
            Ok(done) => return Ok(done),
            Err(error) => rounds.again(error)?,
        }
    }
}

impl Instant {
    /// An account that exists.
    pub(super) async fn of(talk: Talk, url: &str, key: &[u8]) -> Result<Self, Fault> {
        let builder = Account::builder_with_http(talk.client());
        let key = PrivatePkcs8KeyDer::from(key);
        let account = builder.from_parts(url.to_owned(), key, talk.directory_url().to_owned()).await?;
        Ok(Self { account, talk })
    }

    fn order(&self, order: instant_acme::Order) -> InstantOrder {
        let (account, talk) = (self.account.clone(), self.talk.clone());
        let mut order =
            InstantOrder { account, order, talk, status: Status::Pending, problem: None, retry_after: None };
        order.note();
        order
    }
}

impl Protocol for Instant {
    type Order = InstantOrder;

    async fn place(&self, request: &Request<'_>) -> Result<InstantOrder, Fault> {
        let identifiers: Vec<_> = request.names.iter().map(identifier).collect();
        let replaces = request.replaces.and_then(|id| id.split_once('.')).map(|(authority, serial)| {
            CertificateIdentifier { authority_key_identifier: Cow::Borrowed(authority), serial: Cow::Borrowed(serial) }
        });
        self.talk.expect_replaces(replaces.as_ref().map(ToString::to_string).as_deref());
        let mut order = NewOrder::new(&identifiers);
        if let Some(replaces) = replaces {
            order = order.replaces(replaces);
        }
        if let Some(profile) = request.profile {
            order = order.profile(profile);
        }
        Ok(self.order(retrying(async || self.account.new_order(&order).await).await?))
    }

    async fn reopen(&self, url: &str) -> Result<InstantOrder, Fault> {
        Ok(self.order(retrying(async || self.account.order(url.to_owned()).await).await?))
    }

    async fn revoke(&self, certificate: &[u8], reason: u8) -> Result<(), Fault> {
        let certificate = CertificateDer::from(certificate);
        let request = RevocationRequest { certificate: &certificate, reason: Some(revocation_reason(reason)) };
        retrying(async || self.account.revoke(&request).await).await
    }
}

impl Placed for InstantOrder {
    fn url(&self) -> &str {
        self.order.url()
    }

    fn status(&self) -> Status {
        self.status
    }

    fn problem(&self) -> Option<Problem> {
        self.problem.clone()
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    async fn refresh(&mut self) -> Result<(), Fault> {
        retrying(async || self.order.refresh().await.map(drop)).await?;
        self.note();
        Ok(())
    }

    async fn authorizations(&mut self) -> Result<Vec<Authorization>, Fault> {
        let mut rounds = Rounds(0);
        'round: loop {
            let mut found = Vec::new();
            let mut authorizations = self.order.authorizations();
            while let Some(next) = authorizations.next().await {
                match next {
                    Ok(handle) => found.push(authorization(&handle, &self.account)?),
                    // What was fetched is kept by the library: the next round goes on here.
                    Err(error) => {
                        rounds.again(error)?;
                        continue 'round;
                    }
                }
            }
            return Ok(found);
        }
    }

    async fn look(&mut self, index: usize) -> Result<Authorization, Fault> {
        let mut rounds = Rounds(0);
        loop {
            let mut authorizations = self.order.authorizations();
            let mut handle = nth(&mut authorizations, index).await?;
            match handle.refresh().await {
                Ok(_) => {
                    self.retry_after = self.talk.retry_after();
                    return authorization(&handle, &self.account);
                }
                Err(error) => rounds.again(error)?,
            }
        }
    }

    async fn deactivate(&mut self, index: usize) -> Result<(), Fault> {
        let mut rounds = Rounds(0);
        loop {
            let mut authorizations = self.order.authorizations();
            let mut handle = nth(&mut authorizations, index).await?;
            match handle.deactivate().await {
                Ok(_) => return Ok(()),
                Err(error) => rounds.again(error)?,
            }
        }
    }

    async fn dns_value(&mut self, index: usize) -> Result<String, Fault> {
        let mut authorizations = self.order.authorizations();
        let mut handle = nth(&mut authorizations, index).await?;
        let challenge = handle.challenge(ChallengeType::Dns01).ok_or_else(no_such)?;
        Ok(challenge.key_authorization().dns_value())
    }

    async fn ready(&mut self, index: usize, challenge: ChallengeKind) -> Result<(), Fault> {
        let mut rounds = Rounds(0);
        loop {
            let mut authorizations = self.order.authorizations();
            let mut handle = nth(&mut authorizations, index).await?;
            let mut challenge = handle.challenge(type_of(challenge)).ok_or_else(no_such)?;
            match challenge.set_ready().await {
                // The look that follows says how it stands; an answer that is no challenge does no harm.
                Ok(()) | Err(instant_acme::Error::Json(_)) => return Ok(()),
                Err(error) => rounds.again(error)?,
            }
        }
    }

    async fn finalize(&mut self, csr: &[u8]) -> Result<(), Fault> {
        retrying(async || self.order.finalize_csr(csr).await).await?;
        self.note();
        Ok(())
    }

    async fn chain(&mut self) -> Result<Chain, Fault> {
        let whole = retrying(async || self.order.certificate().await).await?;
        // The talk has it too, unless the CA gave it another media type.
        let kept = self.talk.chain();
        let pem = whole.map(String::into_bytes).ok_or_else(|| Fault::Library(NOT_PEM.to_owned()))?;
        Ok(Chain { pem, alternates: kept.map(|(_, alternates)| alternates).unwrap_or_default() })
    }

    async fn alternate(&mut self, url: &str) -> Result<Vec<u8>, Fault> {
        let mut rounds = Rounds(0);
        loop {
            let outcome = self.account.order(url.to_owned()).await;
            match (self.talk.chain(), outcome) {
                (Some((pem, _)), _) => return Ok(pem.into()),
                (None, Ok(_)) => return Err(Fault::Library(NOT_PEM.to_owned())),
                (None, Err(error)) => rounds.again(error)?,
            }
        }
    }
}

impl InstantOrder {
    fn note(&mut self) {
        self.retry_after = self.talk.retry_after();
        let state = self.order.state();
        self.problem = state.error.clone().map(Problem::from);
        self.status = match state.status {
            OrderStatus::Pending => Status::Pending,
            OrderStatus::Ready => Status::Ready,
            OrderStatus::Processing => Status::Processing,
            OrderStatus::Valid => Status::Valid,
            OrderStatus::Invalid => Status::Invalid,
        };
    }
}

/// One authorization of an order. Those that were fetched before cost no request.
async fn nth<'a>(
    authorizations: &'a mut instant_acme::Authorizations<'_>,
    index: usize,
) -> Result<AuthorizationHandle<'a>, Fault> {
    for _ in 0..index {
        authorizations.next().await.ok_or_else(no_such)??;
    }
    Ok(authorizations.next().await.ok_or_else(no_such)??)
}

fn no_such() -> Fault {
    Fault::Library("the authorization has changed meanwhile".to_owned())
}

fn authorization(state: &AuthorizationHandle<'_>, account: &Account) -> Result<Authorization, Fault> {
    let identifier = state.identifier();
    let name = match (identifier.identifier, identifier.wildcard) {
        (Identifier::Dns(name), true) => Hostname::parse(name).map(HostPattern::Wildcard),
        (Identifier::Dns(name), false) => HostPattern::parse(name),
        (Identifier::Ip(address), _) => Ok(HostPattern::Address(address.to_canonical())),
        _ => return Err(Fault::Library("an authorization is for no name of this order".to_owned())),
    };
    let name = name.map_err(|error| Fault::Library(format!("an authorization is for a name that is none: {error}")))?;
    let standing = match state.status {
        AuthorizationStatus::Pending => Standing::Open,
        AuthorizationStatus::Valid => Standing::Proved,
        AuthorizationStatus::Deactivated | AuthorizationStatus::Expired | AuthorizationStatus::Revoked => {
            Standing::Over
        }
        _ => Standing::Failed(state.challenges.iter().find_map(failed)),
    };
    let (spent, open): (Vec<_>, Vec<_>) =
        state.challenges.iter().partition(|challenge| challenge.status == ChallengeStatus::Invalid);
    let refused = spent.into_iter().filter_map(failed).collect();
    let offers = open.into_iter().filter_map(|challenge| {
        Some(Offer {
            kind: kind_of(&challenge.r#type)?,
            token: challenge.token.clone(),
            key_authorization: format!("{}.{}", challenge.token, account.key_thumbprint()),
            problem: stalled(challenge),
        })
    });
    Ok(Authorization { url: state.url().to_owned(), name, standing, offers: offers.collect(), refused })
}

fn failed(challenge: &Challenge) -> Option<(ChallengeKind, Problem)> {
    Some((kind_of(&challenge.r#type)?, challenge.error.clone()?.into()))
}

/// While it is `processing`, the CA tries again by itself (RFC 8555 section 8.2).
fn stalled(challenge: &Challenge) -> Option<Problem> {
    let is_pending = challenge.status == ChallengeStatus::Pending;
    challenge.error.clone().filter(|_| is_pending).map(Problem::from)
}

fn kind_of(challenge: &ChallengeType) -> Option<ChallengeKind> {
    match challenge {
        ChallengeType::Http01 => Some(ChallengeKind::Http01),
        ChallengeType::TlsAlpn01 => Some(ChallengeKind::TlsAlpn01),
        ChallengeType::Dns01 => Some(ChallengeKind::Dns01),
        _ => None,
    }
}

fn type_of(challenge: ChallengeKind) -> ChallengeType {
    match challenge {
        ChallengeKind::Http01 => ChallengeType::Http01,
        ChallengeKind::TlsAlpn01 => ChallengeType::TlsAlpn01,
        ChallengeKind::Dns01 => ChallengeType::Dns01,
    }
}

fn identifier(name: &HostPattern) -> Identifier {
    match name {
        HostPattern::Exact(_) | HostPattern::Wildcard(_) => Identifier::Dns(name.to_string()),
        HostPattern::Address(address) => Identifier::Ip(*address),
    }
}

/// RFC 5280 section 5.3.1; what is none of it is "unspecified".
fn revocation_reason(code: u8) -> RevocationReason {
    match code {
        1 => RevocationReason::KeyCompromise,
        2 => RevocationReason::CaCompromise,
        3 => RevocationReason::AffiliationChanged,
        4 => RevocationReason::Superseded,
        5 => RevocationReason::CessationOfOperation,
        6 => RevocationReason::CertificateHold,
        8 => RevocationReason::RemoveFromCrl,
        9 => RevocationReason::PrivilegeWithdrawn,
        10 => RevocationReason::AaCompromise,
        _ => RevocationReason::Unspecified,
    }
}
