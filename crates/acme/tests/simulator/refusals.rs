//! Orders that the CA does not take.

use vestibule_acme::{FailureKind, config::ChallengeKind::Http01};
use vestibule_testkit::ca::{Endpoint, Fault, SimulatedCa};

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
async fn a_refusal_of_the_request_itself_leaves_the_order_to_be_resumed() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = known_client(&scene, &simulated).await;
    let order = order(&["a.test"], &[Http01]);
    simulated.inject(Endpoint::Finalize, Fault::Problem(429, "rateLimited", "too many certificates"), 9);
    simulated.inject(Endpoint::Order, Fault::Problem(429, "rateLimited", "too many looks"), 0);
    let failure = client.obtain(&order).await.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Limit | FailureKind::Ca), "{failure}");
    assert_eq!(scene.tools.store.pending().len(), 1);
    simulated.heal();
    obtain(&client, &order).await;
    assert_eq!((simulated.orders().len(), simulated.certificates().len()), (2, 2));
}
