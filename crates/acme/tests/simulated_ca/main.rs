//! The simulated CA against a client that is not ours: plain instant-acme over a transport of this test. What holds here is
//! the ground on which our own client is judged.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod faults;
mod flaws;
mod flows;
mod limits;
mod proofs;
mod refusals;
mod transport;

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error, ExternalAccountKey, Identifier,
    NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use transport::Transport;
use vestibule_testkit::{ca::SimulatedCa, certificate};

const QUICK: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(1)).backoff(1.0).timeout(Duration::from_secs(10));

/// A new account, and the transport to look at.
async fn account(ca: &SimulatedCa) -> (Account, Transport) {
    let (account, transport) = try_account(ca, None).await;
    (account.unwrap(), transport)
}

async fn try_account(ca: &SimulatedCa, eab: Option<&ExternalAccountKey>) -> (Result<Account, Error>, Transport) {
    let transport = Transport::to(ca);
    let new = NewAccount { contact: &["mailto:a@b.test"], terms_of_service_agreed: true, only_return_existing: false };
    let made = Account::builder_with_http(transport.boxed()).create(&new, ca.directory(), eab).await;
    (made.map(|(account, _)| account), transport)
}

fn identifiers(names: &[&str]) -> Vec<Identifier> {
    let identifier = |name: &&str| match name.parse() {
        Ok(address) => Identifier::Ip(address),
        Err(_) => Identifier::Dns((*name).to_owned()),
    };
    names.iter().map(identifier).collect()
}

async fn order(account: &Account, names: &[&str]) -> Result<Order, Error> {
    account.new_order(&NewOrder::new(&identifiers(names))).await
}

/// Says that every pending authorization is ready, by its first challenge of that type, or its only one.
async fn prove(order: &mut Order, kind: ChallengeType) -> Result<OrderStatus, Error> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let has = authorization.challenges.iter().any(|challenge| challenge.r#type == kind);
        let kind = if has { kind.clone() } else { ChallengeType::Dns01 };
        authorization.challenge(kind).unwrap().set_ready().await?;
    }
    order.poll_ready(&QUICK).await
}

/// What the only name's challenge failed with.
async fn failure(order: &mut Order, kind: ChallengeType) -> String {
    assert_eq!(prove(order, kind).await.unwrap(), OrderStatus::Invalid);
    why(order).await
}

async fn why(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    let mut authorization = authorizations.next().await.unwrap().unwrap();
    let state = authorization.refresh().await.unwrap();
    let error = state.challenges.iter().find_map(|challenge| challenge.error.clone());
    crate::kind::<()>(Err(Error::Api(error.expect("a challenge that failed"))))
}

/// The whole walk: the chain, PEM.
async fn obtain(account: &Account, names: &[&str]) -> Result<String, Error> {
    let mut order = order(account, names).await?;
    finish(&mut order, names).await
}

async fn finish(order: &mut Order, names: &[&str]) -> Result<String, Error> {
    if order.state().status == OrderStatus::Pending {
        assert_eq!(prove(order, ChallengeType::Http01).await?, OrderStatus::Ready);
    }
    order.finalize_csr(&certificate::request(names)).await?;
    order.poll_certificate(&QUICK).await
}

fn leaf(chain: &str) -> CertificateDer<'static> {
    CertificateDer::pem_slice_iter(chain.as_bytes()).next().unwrap().unwrap()
}

fn id(chain: &str) -> CertificateIdentifier<'static> {
    CertificateIdentifier::try_from(&leaf(chain)).unwrap().into_owned()
}

/// The kind of a problem document, after the URN's beginning.
#[track_caller]
fn kind<T>(result: Result<T, Error>) -> String {
    match result.err().expect("a refusal") {
        Error::Api(problem) => problem.r#type.unwrap().strip_prefix("urn:ietf:params:acme:error:").unwrap().to_owned(),
        other => panic!("no problem document: {other:?}"),
    }
}
