//! What goes wrong on order: each fault once, as a client sees it, and well again after it.

use std::time::Duration;

use instant_acme::{Account, ChallengeType, Error, OrderStatus};
use vestibule_testkit::ca::{ALWAYS, Endpoint, Fault, RetryAfter, SimulatedCa};

use super::{account, kind, obtain, order, prove, transport::Transport};

async fn scene(endpoint: Endpoint, fault: Fault) -> (SimulatedCa, Account, Transport) {
    let ca = SimulatedCa::start().await;
    let (account, transport) = account(&ca).await;
    ca.inject(endpoint, fault, 1);
    (ca, account, transport)
}

#[tokio::test]
async fn refusals_say_when_to_come_again_in_every_way() {
    for (retry, said) in [
        (RetryAfter::Absent, None),
        (RetryAfter::Seconds(7), Some("7")),
        (RetryAfter::Date(Duration::from_secs(60)), Some("GMT")),
    ] {
        let (_ca, account, transport) = scene(Endpoint::NewOrder, Fault::RateLimited(retry)).await;
        assert_eq!(kind(order(&account, &["a.test"]).await), "rateLimited");
        let header = transport.last().header("retry-after").map(str::to_owned);
        assert_eq!(header.is_some(), said.is_some());
        assert!(header.unwrap_or_default().ends_with(said.unwrap_or_default()));

        let (_ca, account, transport) = scene(Endpoint::NewOrder, Fault::Unavailable(retry)).await;
        assert!(matches!(order(&account, &["a.test"]).await.err(), Some(Error::Json(_))), "HTML");
        assert_eq!(transport.last().header("content-type"), Some("text/html"));
        assert_eq!(transport.last().header("retry-after").is_some(), said.is_some());
        order(&account, &["a.test"]).await.unwrap();
    }
}

#[tokio::test]
async fn what_does_not_arrive_is_no_answer() {
    for (endpoint, fault, orders) in [
        (Endpoint::Connection, Fault::HangAtConnect, 0),
        (Endpoint::Connection, Fault::RefuseConnection, 0),
        (Endpoint::NewOrder, Fault::HangAtHeaders, 0),
        (Endpoint::NewOrder, Fault::HangInBody, 1),
        (Endpoint::NewOrder, Fault::TruncatedBody, 1),
    ] {
        let (ca, account, _) = scene(endpoint, fault.clone()).await;
        let lost = order(&account, &["a.test"]).await.err();
        assert!(matches!(lost, Some(Error::Other(_) | Error::Str(_))), "{fault:?}: {lost:?}");
        assert_eq!(ca.orders().len(), orders, "{fault:?}");
        order(&account, &["a.test"]).await.unwrap();
    }
}

#[tokio::test]
async fn a_bad_gateway_on_finalize_hides_that_it_was_issued() {
    let (ca, account, _) = scene(Endpoint::Finalize, Fault::BadGateway).await;
    let mut lost = order(&account, &["a.test"]).await.unwrap();
    prove(&mut lost, ChallengeType::TlsAlpn01).await.unwrap();
    let csr = vestibule_testkit::certificate::request(&["a.test"]);
    assert!(matches!(lost.finalize_csr(&csr).await, Err(Error::Json(_))));
    assert_eq!(ca.certificates().len(), 1);
    let mut resumed = account.order(lost.url().to_owned()).await.unwrap();
    assert_eq!(resumed.state().status, OrderStatus::Valid);
    assert!(resumed.certificate().await.unwrap().is_some());
}

#[tokio::test]
async fn a_slow_finalize_takes_its_polls() {
    let (ca, account, transport) = scene(Endpoint::Finalize, Fault::Slow(3, RetryAfter::Seconds(0))).await;
    obtain(&account, &["a.test"]).await.unwrap();
    let rows: Vec<_> = ca.requests().into_iter().map(|request| request.endpoint).collect();
    let finalize = rows.iter().position(|endpoint| *endpoint == Endpoint::Finalize).unwrap();
    assert_eq!(rows[finalize + 1..].iter().filter(|endpoint| **endpoint == Endpoint::Order).count(), 3);
    assert_eq!(transport.last().status, 200);
}

#[tokio::test]
async fn objects_of_a_later_time() {
    for (endpoint, fault, works) in [
        (Endpoint::NewOrder, Fault::ExtraMembers, true),
        (Endpoint::NewOrder, Fault::UnknownStatus, false),
        (Endpoint::Authorization, Fault::ExtraMembers, true),
        (Endpoint::Authorization, Fault::UnknownStatus, false),
        (Endpoint::Authorization, Fault::UnknownChallengeToo, true),
        (Endpoint::Challenge, Fault::UnknownStatus, false),
        (Endpoint::Directory, Fault::ExtraMembers, true),
        (Endpoint::NewOrder, Fault::Garbage, false),
    ] {
        let (_ca, account, _) = scene(endpoint, fault.clone()).await;
        assert_eq!(obtain(&account, &["a.test"]).await.is_ok(), works, "{endpoint:?} {fault:?}");
    }
    let (_ca, account, _) = scene(Endpoint::Authorization, Fault::UnknownChallengesOnly).await;
    let mut odd = order(&account, &["a.test"]).await.unwrap();
    let mut authorizations = odd.authorizations();
    assert!(authorizations.next().await.unwrap().unwrap().challenge(ChallengeType::Http01).is_none());
}

#[tokio::test]
async fn orders_that_need_no_proof_or_have_run_out() {
    let (ca, account, _) = scene(Endpoint::NewOrder, Fault::ReadyAtOnce).await;
    assert_eq!(order(&account, &["a.test"]).await.unwrap().state().status, OrderStatus::Ready);
    let pending = order(&account, &["b.test"]).await.unwrap().into_parts().0;
    ca.expire_orders();
    assert_eq!(account.order(pending).await.unwrap().state().status, OrderStatus::Invalid);
    assert!(ca.orders().iter().all(|order| order.status == "invalid"));
}

#[tokio::test]
async fn subproblems_name_their_names() {
    let names = vec![("a.test".to_owned(), "caa"), ("b.test".to_owned(), "rejectedIdentifier")];
    let (_ca, account, _) = scene(Endpoint::NewOrder, Fault::Subproblems(names)).await;
    let Some(Error::Api(problem)) = order(&account, &["a.test", "b.test"]).await.err() else { panic!("a problem") };
    let told: Vec<_> = problem.subproblems.iter().map(|sub| sub.r#type.as_deref().unwrap()).collect();
    assert_eq!(told, ["urn:ietf:params:acme:error:caa", "urn:ietf:params:acme:error:rejectedIdentifier"]);
}

#[tokio::test]
async fn nonces_and_dates_go_wrong_too() {
    let (_ca, account, _) = scene(Endpoint::NewOrder, Fault::BadNonce).await;
    order(&account, &["a.test"]).await.unwrap(); // tried again by instant-acme
    let (_ca, account, transport) = scene(Endpoint::NewOrder, Fault::NoNonce).await;
    order(&account, &["a.test"]).await.unwrap();
    assert_eq!(transport.last().header("replay-nonce"), None);
    let (_ca, account, transport) = scene(Endpoint::NewOrder, Fault::SkewedDate(-7200)).await;
    order(&account, &["a.test"]).await.unwrap();
    assert!(transport.last().header("date").unwrap().ends_with("GMT"));
}

#[tokio::test]
async fn an_outage_lasts_until_it_is_healed() {
    let (ca, account, _) = scene(Endpoint::Elsewhere, Fault::Garbage).await;
    ca.inject(Endpoint::Connection, Fault::RefuseConnection, ALWAYS);
    for _ in 0..3 {
        assert!(order(&account, &["a.test"]).await.is_err());
    }
    ca.heal();
    assert_eq!(ca.faults_left(), 0);
    order(&account, &["a.test"]).await.unwrap();
}
