//! The account at a CA that forgets it, closes it, or loses answers about it.

use vestibule_acme::{FailureKind, config::ChallengeKind::Http01};
use vestibule_testkit::ca::{Endpoint, Fault, SimulatedCa};

use crate::{
    client, known_client, obtain, refused,
    scene::{Scene, order},
};

#[tokio::test]
async fn a_deactivated_account_is_told_and_not_replaced() {
    let (mut scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let first = known_client(&scene, &simulated).await;
    simulated.deactivate_accounts();
    let order = order(&["a.test"], &[Http01]);
    let failure = refused(&scene, &first, &order, FailureKind::Account).await;
    assert!(failure.sentence.starts_with("ca does not accept this gateway's account ("), "{failure}");
    drop(first);
    scene = scene.restart();
    refused(&scene, &client(&scene, &simulated), &order, FailureKind::Account).await;
    assert_eq!(simulated.accounts(), 1);
    assert_eq!(scene.tools.store.current().len(), 1, "what is served is served");
}

#[tokio::test]
async fn a_forgotten_account_is_made_anew_once() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = known_client(&scene, &simulated).await;
    let before = client.account();
    simulated.forget_accounts();
    obtain(&client, &order(&["a.test"], &[Http01])).await;
    assert_eq!(simulated.accounts(), 2);
    assert_ne!(client.account(), before);
    simulated.inject(Endpoint::NewOrder, Fault::Problem(400, "accountDoesNotExist", "who?"), 2);
    refused(&scene, &client, &order(&["b.test"], &[Http01]), FailureKind::Account).await;
    assert_eq!(simulated.accounts(), 2, "the CA does know the key");
}

#[tokio::test]
async fn a_registration_whose_answer_is_lost_is_found_again_by_its_key() {
    let (mut scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    for (number, fault) in [Fault::BadGateway, Fault::HangInBody, Fault::TruncatedBody].into_iter().enumerate() {
        scene = scene.elsewhere();
        let order = order(&[&format!("n{number}.test")], &[Http01]);
        simulated.inject(Endpoint::NewAccount, fault.clone(), 1);
        refused(&scene, &client(&scene, &simulated), &order, FailureKind::Ca).await;
        scene = scene.restart();
        obtain(&client(&scene, &simulated), &order).await;
        assert_eq!(simulated.accounts(), number + 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_change_of_key_whose_answer_is_lost_is_settled_by_asking() {
    let (mut scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    drop(known_client(&scene, &simulated).await);
    for (number, (fault, kind)) in [
        (Fault::BadGateway, FailureKind::Ca),
        (Fault::HangInBody, FailureKind::Ca),
        (Fault::HangAtHeaders, FailureKind::Ca),
        (Fault::Problem(409, "conflict", "another account has that key"), FailureKind::Ca),
        (Fault::Problem(500, "serverInternal", "oh"), FailureKind::Ca),
    ]
    .into_iter()
    .enumerate()
    {
        simulated.inject(Endpoint::KeyChange, fault.clone(), 1);
        let first = client(&scene, &simulated);
        assert_eq!(first.roll_over().await.unwrap_err().kind, kind, "{fault:?}");
        obtain(&first, &order(&[&format!("n{number}.test")], &[Http01])).await;
        drop(first);
        scene = scene.restart();
        obtain(&client(&scene, &simulated), &order(&[&format!("m{number}.test")], &[Http01])).await;
    }
    client(&scene, &simulated).roll_over().await.unwrap();
    assert_eq!(simulated.accounts(), 1);
}

#[tokio::test]
async fn a_damaged_account_file_stops_no_order() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = client(&scene, &simulated);
    let order = order(&["a.test"], &[Http01]);
    scene.tools.store.save_account(&order.ca, b"{\"accounts\": [").unwrap();
    assert_eq!(client.account(), None);
    obtain(&client, &order).await;
    assert_eq!(simulated.accounts(), 1);
}

#[tokio::test]
async fn new_terms_are_told_with_where_to_read_them() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = known_client(&scene, &simulated).await;
    simulated.inject(Endpoint::NewOrder, Fault::Problem(403, "userActionRequired", "the terms have changed"), 1);
    let failure = refused(&scene, &client, &order(&["a.test"], &[Http01]), FailureKind::Account).await;
    assert!(failure.sentence.contains("the terms have changed") && failure.sentence.contains("agree"), "{failure}");
}
