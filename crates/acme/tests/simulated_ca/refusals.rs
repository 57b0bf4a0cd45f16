//! What is refused before it is looked at: RFC 8555 section 6.

use vestibule_testkit::ca::{Endpoint, Fault, SimulatedCa};

use super::{account, kind, obtain, order, transport::Spoil, try_account};

#[tokio::test]
async fn a_request_must_be_whole_signed_fresh_and_meant_for_here() {
    let ca = SimulatedCa::start().await;
    let (account, transport) = account(&ca).await;
    for (spoil, refusal, status) in [
        (Spoil::Signature, "malformed", 400),
        (Spoil::Path("/new-order/"), "malformed", 404),
        (Spoil::Path("/key-change"), "unauthorized", 401),
        (Spoil::ContentType, "malformed", 415),
        (Spoil::NoAgent, "malformed", 400),
        (Spoil::Junk, "malformed", 400),
    ] {
        transport.spoil(spoil);
        assert_eq!(kind(order(&account, &["a.test"]).await), refusal, "{spoil:?}");
        assert_eq!(transport.last().status, status, "{spoil:?}");
    }
    assert!(ca.orders().is_empty());
}

#[tokio::test]
async fn a_nonce_serves_once() {
    let ca = SimulatedCa::start().await;
    let (account, transport) = account(&ca).await;
    transport.spoil(Spoil::Replay);
    // The second of the two is refused, and instant-acme then tries with a fresh nonce.
    order(&account, &["a.test"]).await.unwrap();
    let refused: Vec<_> =
        ca.requests().iter().filter_map(|request| request.status).filter(|status| *status == 400).collect();
    assert_eq!((refused.len(), ca.orders().len()), (1, 2));
}

#[tokio::test]
async fn bad_nonces_come_as_often_as_told() {
    let ca = SimulatedCa::builder().bad_nonces(30).start().await;
    let (account, _) = account(&ca).await;
    for name in ["a.test", "b.test", "c.test"] {
        obtain(&account, &[name]).await.unwrap();
    }
    let posts: Vec<_> = ca.requests().into_iter().filter(|request| request.method == "POST").collect();
    let refused = posts.iter().filter(|request| request.status == Some(400)).count();
    assert_eq!(refused, posts.len() * 30 / 100);
}

#[tokio::test]
async fn an_account_that_is_gone_orders_nothing() {
    let ca = SimulatedCa::start().await;
    let (account, transport) = account(&ca).await;
    ca.deactivate_accounts();
    assert_eq!(kind(order(&account, &["a.test"]).await), "unauthorized");
    assert_eq!(transport.last().status, 403);
    ca.forget_accounts();
    assert_eq!(kind(order(&account, &["a.test"]).await), "accountDoesNotExist");
}

#[tokio::test]
async fn names_that_are_none_are_told_one_by_one() {
    let ca = SimulatedCa::start().await;
    let (account, transport) = account(&ca).await;
    assert_eq!(kind(order(&account, &["a.test", "a b", "-.test"]).await), "rejectedIdentifier");
    let told = transport.last().json();
    let about: Vec<_> = told["subproblems"].as_array().unwrap().iter().map(|sub| &sub["identifier"]["value"]).collect();
    assert_eq!(about, ["a b", "-.test"]);
}

#[tokio::test]
async fn an_account_can_be_refused_on_order() {
    let ca = SimulatedCa::start().await;
    ca.inject(Endpoint::NewAccount, Fault::Problem(403, "userActionRequired", "read the new terms"), 1);
    assert_eq!(kind(try_account(&ca, None).await.0), "userActionRequired");
    assert_eq!(ca.faults_left(), 0);
    account(&ca).await;
}
