//! What was paid for is used: answers that get lost cost another look, never another certificate.

use std::time::Duration;

use vestibule_acme::{
    FailureKind,
    config::ChallengeKind::{Http01, TlsAlpn01},
};
use vestibule_testkit::ca::{ALWAYS, Endpoint, Fault, Outcome, RetryAfter, SimulatedCa};

use crate::{
    client, known_client, obtain, refused,
    scene::{Scene, order},
    settings,
};

#[tokio::test]
async fn an_answer_to_finalize_that_is_lost_costs_no_second_certificate() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = client(&scene, &simulated);
    for (number, fault) in [
        Fault::BadGateway,
        Fault::HangInBody,
        Fault::TruncatedBody,
        Fault::Garbage,
        // These two did nothing: it is asked again.
        Fault::HangAtHeaders,
        Fault::Unavailable(RetryAfter::Seconds(0)),
        Fault::Problem(500, "serverInternal", "try again"),
        Fault::Problem(403, "orderNotReady", "not yet"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("n{number}.test");
        simulated.inject(Endpoint::Finalize, fault.clone(), 1);
        obtain(&client, &order(&[&name], &[Http01])).await;
        assert_eq!((simulated.orders().len(), simulated.certificates().len()), (number + 1, number + 1), "{fault:?}");
        assert_eq!(simulated.faults_left(), 0);
    }
    assert!(scene.tools.store.pending().is_empty());
}

#[tokio::test]
async fn a_slow_finalize_is_waited_for() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = client(&scene, &simulated);
    let retries = [RetryAfter::Absent, RetryAfter::Seconds(1), RetryAfter::Date(Duration::from_secs(1))];
    for (number, retry) in retries.into_iter().enumerate() {
        simulated.inject(Endpoint::Finalize, Fault::Slow(2, retry), 1);
        obtain(&client, &order(&[&format!("n{number}.test")], &[Http01])).await;
    }
    assert_eq!(simulated.certificates().len(), 3);
}

#[tokio::test]
async fn an_order_that_takes_too_long_is_resumed_later() {
    let (mut scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let mut config = settings(&simulated);
    config.timeouts.order = Duration::from_secs(2);
    let order = order(&["a.test"], &[Http01]);
    simulated.inject(Endpoint::Finalize, Fault::Slow(3, RetryAfter::Seconds(3600)), 1);
    let failure = scene.client(config.clone()).obtain(&order).await.unwrap_err();
    assert_eq!((failure.kind, failure.retry_after), (FailureKind::Ca, Some(Duration::from_secs(3600))), "{failure}");
    assert_eq!(failure.sentence, "ca has not finished the order within 2 s: it is looked at again later");
    scene = scene.restart();
    let left = scene.tools.store.pending();
    assert_eq!(left.len(), 1);
    drop(left);
    for _ in 0..3 {
        if scene.client(config.clone()).obtain(&order).await.is_ok() {
            break;
        }
    }
    assert_eq!((simulated.orders().len(), simulated.certificates().len()), (1, 1));
    assert_eq!(scene.tools.store.current().len(), 1);
}

#[tokio::test]
async fn an_order_that_ran_out_meanwhile_is_given_up_and_no_other_is_placed_unasked() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = known_client(&scene, &simulated).await;
    let order = order(&["a.test"], &[Http01]);
    simulated.inject(Endpoint::Finalize, Fault::Unavailable(RetryAfter::Seconds(0)), ALWAYS);
    simulated.inject(Endpoint::Order, Fault::Unavailable(RetryAfter::Seconds(0)), ALWAYS);
    let failure = client.obtain(&order).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Ca, "{failure}");
    assert_eq!(scene.tools.store.pending().len(), 1, "it may still be good");
    simulated.heal();
    simulated.expire_orders();
    let failure = refused(&scene, &client, &order, FailureKind::Gone).await;
    assert_eq!(failure.sentence, "ca has given up the order: nothing is to be done, it is ordered anew");
    assert_eq!((simulated.orders().len(), failure.names.len()), (2, 0));
    obtain(&client, &order).await;
    assert_eq!((simulated.orders().len(), simulated.certificates().len()), (3, 2));
    assert!(scene.tools.store.pending().is_empty());
}

#[tokio::test]
async fn a_resumed_order_may_stand_anywhere() {
    let simulated = SimulatedCa::start().await;
    let mut scene = Scene::new().await;
    // Where the first attempt ends; how many orders there are after the second.
    for (number, (endpoint, fault)) in [
        (Endpoint::Authorization, Fault::Unavailable(RetryAfter::Seconds(0))),
        (Endpoint::Challenge, Fault::Unavailable(RetryAfter::Seconds(0))),
        (Endpoint::Order, Fault::Unavailable(RetryAfter::Seconds(0))),
        (Endpoint::Certificate, Fault::Unavailable(RetryAfter::Seconds(0))),
        (Endpoint::Certificate, Fault::Problem(500, "serverInternal", "oh")),
    ]
    .into_iter()
    .enumerate()
    {
        let order = order(&[&format!("n{number}.test")], &[TlsAlpn01]);
        simulated.inject(endpoint, fault.clone(), ALWAYS);
        let mut config = settings(&simulated);
        config.timeouts.order = Duration::from_secs(2);
        let failure = scene.client(config).obtain(&order).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Ca, "{endpoint:?}: {failure}");
        simulated.heal();
        scene = scene.restart();
        let pending = scene.tools.store.pending().pop().unwrap();
        assert!(pending.order_url().is_some());
        client(&scene, &simulated).resume(pending, &order).await.unwrap();
        assert_eq!(
            (simulated.orders().len(), simulated.certificates().len()),
            (number + 1, number + 1),
            "{endpoint:?}"
        );
        assert!(scene.tools.store.pending().is_empty());
    }
}

#[tokio::test]
async fn a_proof_that_the_ca_was_told_of_before_a_kill_is_nobodys_fault() {
    let (mut scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let order = order(&["a.test"], &[Http01]);
    // It looked while nobody was there to answer, and says so when it is asked again.
    simulated.script("a.test", &[Outcome::Stalled, Outcome::Connection]);
    let client = known_client(&scene, &simulated).await;
    let before = simulated.count(Endpoint::Challenge);
    let told = async {
        while simulated.count(Endpoint::Challenge) == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        ended = client.obtain(&order) => panic!("{ended:?}"),
        () = told => {}
    }
    drop(client);
    scene = scene.restart();
    let pending = scene.tools.store.pending().pop().unwrap();
    let client = scene.client(settings(&simulated));
    let failure = client.resume(pending, &order).await.unwrap_err();
    assert_eq!((failure.kind, failure.names.len()), (FailureKind::Gone, 1), "{failure}");
    assert_eq!(failure.names[0].kind, FailureKind::ValidationConnection);
    assert!(scene.tools.store.pending().is_empty());
    // Of the next order's proof the CA is told by this run alone.
    refused(&scene, &client, &order, FailureKind::ValidationConnection).await;
}

#[tokio::test]
async fn a_key_without_an_order_is_used_for_a_new_one() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let order = order(&["a.test"], &[Http01]);
    let draft = vestibule_certs::store::Draft {
        tenant: order.tenant,
        names: order.names.clone(),
        ca: order.ca.clone(),
        profile: None,
        key_type: order.key_type,
        renews: None,
    };
    let pending = scene.tools.store.begin(&draft).unwrap();
    let id = pending.id().clone();
    let obtained = client(&scene, &simulated).resume(pending, &order).await.unwrap();
    assert_eq!(obtained.issued.id, id);
}

#[tokio::test]
async fn an_order_of_another_draft_is_left_alone() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = known_client(&scene, &simulated).await;
    let other = order(&["a.test", "b.test"], &[Http01]);
    simulated.inject(Endpoint::Finalize, Fault::Slow(9, RetryAfter::Seconds(3600)), 1);
    client.obtain(&other).await.unwrap_err();
    obtain(&client, &order(&["a.test"], &[Http01])).await;
    assert_eq!(scene.tools.store.pending().len(), 1);
    assert_eq!(simulated.orders().len(), 3);
}

#[tokio::test]
async fn only_the_cas_own_word_gives_an_order_up() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = known_client(&scene, &simulated).await;
    let order = order(&["a.test"], &[Http01]);
    simulated.inject(Endpoint::Finalize, Fault::RateLimited(RetryAfter::Absent), 1);
    client.obtain(&order).await.unwrap_err();
    for fault in [Fault::Garbage, Fault::BadGateway, Fault::HangInBody, Fault::Unavailable(RetryAfter::Absent)] {
        simulated.inject(Endpoint::Order, fault.clone(), 1);
        assert_eq!(client.obtain(&order).await.unwrap_err().kind, FailureKind::Ca, "{fault:?}");
        assert_eq!(scene.tools.store.pending().len(), 1, "{fault:?}");
    }
    simulated.inject(Endpoint::Order, Fault::Problem(404, "malformed", "no such order"), 1);
    refused(&scene, &client, &order, FailureKind::Gone).await;
    obtain(&client, &order).await;
    assert_eq!((simulated.orders().len(), simulated.certificates().len()), (3, 2));
}

#[tokio::test]
async fn a_proof_that_failed_while_nobody_listened_is_told() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = known_client(&scene, &simulated).await;
    let order = order(&["a.test", "b.test"], &[Http01]);
    simulated.script("a.test", &[Outcome::Connection, Outcome::Valid]);
    // The first challenge is answered, and what comes of it is not heard.
    simulated.inject(Endpoint::Challenge, Fault::HangInBody, ALWAYS);
    assert_eq!(client.obtain(&order).await.unwrap_err().kind, FailureKind::Ca);
    assert_eq!(scene.tools.store.pending().len(), 1);
    simulated.heal();
    let failure = refused(&scene, &client, &order, FailureKind::Gone).await;
    let named: Vec<_> = failure.names.iter().map(|named| (named.name.to_string(), named.kind)).collect();
    assert_eq!(named, [("a.test".to_owned(), FailureKind::ValidationConnection)]);
    obtain(&client, &order).await;
}
