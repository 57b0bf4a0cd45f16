//! What a CA remembers as proved is the account's, and the account is everybody's: each tenant uses its own proofs alone.

use vestibule_acme::{FailureKind, config::ChallengeKind::Http01, plan::Order};
use vestibule_names::TenantId;
use vestibule_testkit::ca::{ALWAYS, Endpoint, Fault, Limits, Outcome, RetryAfter, SimulatedCa};

use crate::{
    client, known_client, obtain, refused,
    scene::{Scene, order},
};

const ALICE: u32 = 1000;
const BOB: u32 = 1001;

fn of(tenant: u32, names: &[&str]) -> Order {
    Order { tenant: TenantId(tenant), ..order(names, &[Http01]) }
}

#[tokio::test]
async fn a_tenants_own_proofs_are_used_again_without_another_order() {
    let scene = Scene::new().await;
    for builder in [SimulatedCa::builder().reuse_authorizations(), SimulatedCa::builder().copy_authorizations()] {
        let simulated = builder.start().await;
        let client = client(&scene, &simulated);
        for round in 1..=3 {
            let obtained = obtain(&client, &of(ALICE, &["a.test"])).await;
            assert_eq!(obtained.proved.len(), usize::from(round == 1));
            assert_eq!(simulated.orders().len(), round);
        }
    }
}

#[tokio::test]
async fn a_name_that_changes_hands_is_proved_anew_each_time() {
    let scene = Scene::new().await;
    let mut limits = Limits::lets_encrypt();
    limits.certificates_per_set.count = 100;
    let simulated = SimulatedCa::builder().limits(limits).reuse_authorizations().start().await;
    let client = client(&scene, &simulated);
    obtain(&client, &of(ALICE, &["a.test"])).await;
    for tenant in [BOB, ALICE, BOB] {
        let failure = refused(&scene, &client, &of(tenant, &["a.test"]), FailureKind::Gone).await;
        assert!(
            failure.sentence.contains("remembers a proof of a.test that is not known to be this tenant's"),
            "{failure}"
        );
        assert_eq!(obtain(&client, &of(tenant, &["a.test"])).await.proved.len(), 1, "{tenant}");
        assert_eq!(obtain(&client, &of(tenant, &["a.test"])).await.proved, [], "its own by now");
    }
}

#[tokio::test]
async fn without_a_proof_of_his_own_a_tenant_gets_nothing() {
    let scene = Scene::new().await;
    let simulated = SimulatedCa::builder().reuse_authorizations().start().await;
    let client = client(&scene, &simulated);
    obtain(&client, &of(ALICE, &["a.test"])).await;
    // The name leads elsewhere by now.
    simulated.script("a.test", &[Outcome::Unauthorized]);
    let bobs = of(BOB, &["a.test", "b.test"]);
    refused(&scene, &client, &bobs, FailureKind::Gone).await;
    for _ in 0..3 {
        refused(&scene, &client, &bobs, FailureKind::ValidationUnauthorized).await;
    }
    assert_eq!(simulated.certificates().len(), 1);
}

#[tokio::test]
async fn a_proof_whose_order_came_to_nothing_is_its_tenants_all_the_same() {
    let scene = Scene::new().await;
    let simulated = SimulatedCa::builder().reuse_authorizations().start().await;
    let client = known_client(&scene, &simulated).await;
    simulated.script("b.test", &[Outcome::Connection, Outcome::Valid]);
    refused(&scene, &client, &of(ALICE, &["a.test", "b.test"]), FailureKind::ValidationConnection).await;
    // Nobody has a certificate for it, and yet it is hers.
    refused(&scene, &client, &of(BOB, &["a.test"]), FailureKind::Gone).await;
    obtain(&client, &of(BOB, &["a.test"])).await;
    refused(&scene, &client, &of(ALICE, &["a.test", "b.test"]), FailureKind::Gone).await;
    simulated.script("c.test", &[Outcome::Connection, Outcome::Valid]);
    refused(&scene, &client, &of(ALICE, &["c.test", "d.test"]), FailureKind::ValidationConnection).await;
    let orders = simulated.orders().len();
    let obtained = obtain(&client, &of(ALICE, &["d.test"])).await;
    assert_eq!((obtained.proved.len(), simulated.orders().len()), (0, orders + 1), "split, she loses nothing");
}

#[tokio::test]
async fn an_order_that_is_gone_on_with_is_looked_at_as_a_new_one_is() {
    let mut scene = Scene::new().await;
    let simulated = SimulatedCa::builder().reuse_authorizations().start().await;
    let client = known_client(&scene, &simulated).await;
    // Ready to be finalized, and then the CA fails.
    simulated.inject(Endpoint::Finalize, Fault::RateLimited(RetryAfter::Absent), ALWAYS);
    client.obtain(&of(ALICE, &["a.test"])).await.unwrap_err();
    client.obtain(&of(ALICE, &["b.test"])).await.unwrap_err();
    simulated.heal();
    drop(client);
    scene = scene.restart();
    let client = crate::client(&scene, &simulated);
    let orders = simulated.orders().len();
    obtain(&client, &of(ALICE, &["a.test"])).await;
    assert_eq!(simulated.orders().len(), orders, "her own proof, also after a restart");
    // He proves the other name while her order lies on disk.
    assert_eq!(client.obtain(&of(BOB, &["b.test"])).await.unwrap_err().kind, FailureKind::Gone);
    obtain(&client, &of(BOB, &["b.test"])).await;
    refused(&scene, &client, &of(ALICE, &["b.test"]), FailureKind::Gone).await;
    assert_eq!(simulated.certificates().len(), 3, "none by the proof that was withdrawn");
}

#[tokio::test]
async fn a_proof_that_nobody_asked_for_is_the_operators_alone() {
    let scene = Scene::new().await;
    let simulated = SimulatedCa::start().await;
    let client = known_client(&scene, &simulated).await;
    simulated.inject(Endpoint::NewOrder, Fault::ReadyAtOnce, 1);
    refused(&scene, &client, &of(ALICE, &["a.test"]), FailureKind::Gone).await;
    assert_eq!(obtain(&client, &of(ALICE, &["a.test"])).await.proved.len(), 1);
    simulated.inject(Endpoint::NewOrder, Fault::ReadyAtOnce, 1);
    assert_eq!(obtain(&client, &of(0, &["b.test"])).await.proved, []);
}

#[tokio::test]
async fn a_ca_that_withdraws_nothing_is_told_of_and_never_relied_on() {
    let scene = Scene::new().await;
    let simulated = SimulatedCa::builder().reuse_authorizations().keep_authorizations().start().await;
    let client = client(&scene, &simulated);
    obtain(&client, &of(ALICE, &["a.test"])).await;
    for _ in 0..2 {
        let failure = refused(&scene, &client, &of(BOB, &["a.test"]), FailureKind::Configuration).await;
        assert!(failure.sentence.contains("such a proof is never used"), "{failure}");
    }
    // An outage is another matter.
    simulated.inject(Endpoint::Authorization, Fault::Unavailable(RetryAfter::Seconds(0)), ALWAYS);
    assert_eq!(client.obtain(&of(BOB, &["a.test"])).await.unwrap_err().kind, FailureKind::Ca);
    simulated.heal();
    assert_eq!(obtain(&client, &of(ALICE, &["a.test"])).await.proved, [], "hers as before");
    assert_eq!(simulated.certificates().len(), 2);
}
