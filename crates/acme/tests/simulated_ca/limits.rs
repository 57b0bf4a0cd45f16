//! Every limit, run into by its own path. How buckets fill and drain is for the tests of the rules.

use std::time::Duration;

use instant_acme::{Account, ChallengeType, OrderStatus};
use vestibule_testkit::ca::{
    Limits, Outcome, SimulatedCa,
    rules::{Rate, Rule},
};

use super::{account, failure, kind, obtain, order, prove, transport::Transport, try_account};

const WINDOW: Duration = Duration::from_secs(3600);
const ONE: Rate = Rate { count: 1, window: WINDOW };

async fn ca(change: impl FnOnce(&mut Limits)) -> SimulatedCa {
    let mut limits = Limits::lets_encrypt();
    change(&mut limits);
    SimulatedCa::builder().limits(limits).start().await
}

/// The refusal of an order for these names: 429 with a wait, and it is counted.
async fn assert_refused(ca: &SimulatedCa, who: (&Account, &Transport), names: &[&str], rule: Rule) {
    assert_eq!(kind(order(who.0, names).await), "rateLimited");
    let answer = who.1.last();
    assert_eq!(answer.status, 429);
    let wait: u64 = answer.header("retry-after").expect("a Retry-After").parse().unwrap();
    assert!((1..=WINDOW.as_secs() + 1).contains(&wait), "{wait}");
    assert_eq!(ca.violations().into_iter().collect::<Vec<_>>(), [(rule, 1)]);
}

#[tokio::test]
async fn orders_per_account() {
    let ca = ca(|limits| limits.orders = ONE).await;
    let (account, transport) = account(&ca).await;
    order(&account, &["a.test"]).await.unwrap();
    assert_refused(&ca, (&account, &transport), &["b.test"], Rule::Orders).await;
    ca.clock().advance(WINDOW);
    order(&account, &["b.test"]).await.unwrap();
}

#[tokio::test]
async fn certificates_per_domain() {
    let ca = ca(|limits| limits.certificates_per_domain = ONE).await;
    let (account, transport) = account(&ca).await;
    obtain(&account, &["a.example.com"]).await.unwrap();
    order(&account, &["a.example.net"]).await.unwrap();
    assert_refused(&ca, (&account, &transport), &["b.example.com"], Rule::CertificatesPerDomain).await;
}

#[tokio::test]
async fn certificates_per_set() {
    let ca = ca(|limits| limits.certificates_per_set = ONE).await;
    let (account, transport) = account(&ca).await;
    obtain(&account, &["a.test", "b.test"]).await.unwrap();
    order(&account, &["a.test"]).await.unwrap();
    assert_refused(&ca, (&account, &transport), &["b.test", "a.test"], Rule::CertificatesPerSet).await;
    assert_eq!(ca.per_set().into_iter().next().unwrap(), (vec!["a.test".to_owned(), "b.test".to_owned()], 1));
}

#[tokio::test]
async fn failed_authorizations() {
    let ca = ca(|limits| limits.failed_authorizations = ONE).await;
    let (account, transport) = account(&ca).await;
    ca.script("a.test", &[Outcome::Connection]);
    let mut failed = order(&account, &["a.test"]).await.unwrap();
    assert_eq!(failure(&mut failed, ChallengeType::Http01).await, "connection");
    assert_refused(&ca, (&account, &transport), &["a.test"], Rule::FailedAuthorizations).await;
    assert_eq!(
        prove(&mut order(&account, &["b.test"]).await.unwrap(), ChallengeType::Http01).await.unwrap(),
        OrderStatus::Ready
    );
}

#[tokio::test]
async fn failures_in_a_row_pause_a_name_for_good() {
    let ca = ca(|limits| limits.pause_after = 1).await;
    let (account, transport) = account(&ca).await;
    ca.script("a.test", &[Outcome::Dns]);
    assert_eq!(failure(&mut order(&account, &["a.test"]).await.unwrap(), ChallengeType::Http01).await, "dns");
    ca.clock().advance(WINDOW * 1000);
    assert_eq!(kind(order(&account, &["a.test"]).await), "rateLimited");
    assert_eq!((transport.last().status.as_u16(), transport.last().header("retry-after")), (429, None));
}

#[tokio::test]
async fn accounts_per_address() {
    let ca = ca(|limits| limits.accounts = ONE).await;
    account(&ca).await;
    let (refused, transport) = try_account(&ca, None).await;
    assert_eq!(kind(refused), "rateLimited");
    assert_eq!(transport.last().status, 429);
    assert_eq!(ca.violations()[&Rule::Accounts], 1);
}

#[tokio::test]
async fn names_per_certificate() {
    let ca = ca(|limits| limits.names = 2).await;
    let (account, transport) = account(&ca).await;
    assert_eq!(kind(order(&account, &["a.test", "b.test", "c.test"]).await), "malformed");
    assert_eq!(transport.last().status, 400);
}
