//! Orders that the CA does not take.

use vestibule_acme::{FailureKind, config::ChallengeKind::Http01};
use vestibule_testkit::ca::{Endpoint, Fault, RetryAfter, SimulatedCa};

use crate::{
    known_client, obtain, refused,
    scene::{Scene, order},
};

#[tokio::test]
async fn what_is_about_single_names_is_told_by_name() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = known_client(&scene, &simulated).await;
    let parts = vec![("a.test".to_owned(), "rejectedIdentifier"), ("b.test".to_owned(), "caa")];
    simulated.inject(Endpoint::NewOrder, Fault::Subproblems(parts), 1);
    let order = order(&["a.test", "b.test", "c.test"], &[Http01]);
    let failure = refused(&scene, &client, &order, FailureKind::Rejected).await;
    let named: Vec<_> = failure.names.iter().map(|named| (named.name.to_string(), named.kind)).collect();
    let expected = [("a.test", FailureKind::Rejected), ("b.test", FailureKind::ValidationCaa)];
    assert_eq!(named, expected.map(|(name, kind)| (name.to_owned(), kind)));
    obtain(&client, &order).await;
}

#[tokio::test]
async fn each_refusal_has_its_kind() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = known_client(&scene, &simulated).await;
    for (status, problem_type, kind) in [
        (400, "rejectedIdentifier", FailureKind::Rejected),
        (400, "unsupportedIdentifier", FailureKind::Rejected),
        (403, "caa", FailureKind::ValidationCaa),
        (429, "rateLimited", FailureKind::Limit),
        (403, "externalAccountRequired", FailureKind::Configuration),
        (403, "unauthorized", FailureKind::Account),
        (500, "serverInternal", FailureKind::Ca),
        (400, "malformed", FailureKind::Ca),
        (400, "brandNewReason", FailureKind::Ca),
        (429, "brandNewReason", FailureKind::Limit),
    ] {
        simulated.inject(Endpoint::NewOrder, Fault::Problem(status, problem_type, "on order"), 1);
        let failure = refused(&scene, &client, &order(&["a.test"], &[Http01]), kind).await;
        assert!(failure.sentence.contains("(on order): "), "{failure}");
    }
    assert_eq!(simulated.orders().len(), 1);
}

#[tokio::test]
async fn a_limit_on_certificates_leaves_the_order_to_be_resumed() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = known_client(&scene, &simulated).await;
    let order = order(&["a.test"], &[Http01]);
    simulated.inject(Endpoint::Finalize, Fault::RateLimited(RetryAfter::Seconds(3600)), 1);
    let failure = client.obtain(&order).await.unwrap_err();
    let expected = (FailureKind::Limit, Some(std::time::Duration::from_secs(3600)));
    assert_eq!((failure.kind, failure.retry_after), expected, "{failure}");
    assert_eq!(scene.tools.store.pending().len(), 1);
    assert_eq!(simulated.count(Endpoint::Finalize), 2, "a limit is not tried again");
    obtain(&client, &order).await;
    assert_eq!((simulated.orders().len(), simulated.certificates().len()), (2, 2));
}

#[tokio::test]
async fn a_signing_request_that_is_refused_is_told_and_given_up_only_if_the_order_is() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = known_client(&scene, &simulated).await;
    let order = order(&["a.test"], &[Http01]);
    simulated.inject(Endpoint::Finalize, Fault::Problem(400, "badCSR", "no such curve"), 1);
    let failure = client.obtain(&order).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Configuration);
    assert!(failure.sentence.ends_with("(no such curve): choose another `key_type`"), "{failure}");
    assert_eq!(scene.tools.store.pending().len(), 1);
    simulated.inject(Endpoint::Finalize, Fault::Unavailable(RetryAfter::Seconds(0)), 9);
    let failure = client.obtain(&order).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Ca);
    assert!(failure.sentence.starts_with("ca is out of order (HTTP status 503"), "{failure}");
    simulated.heal();
    obtain(&client, &order).await;
    assert_eq!((simulated.orders().len(), simulated.certificates().len()), (2, 2));
}
