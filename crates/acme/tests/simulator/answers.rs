//! Answers of a later time, of a proxy, and of a bad line.

use std::time::Duration;

use vestibule_acme::{FailureKind, config::ChallengeKind::Http01};
use vestibule_testkit::ca::{ALWAYS, Endpoint, Fault, RetryAfter, SimulatedCa};

use crate::{
    known_client, obtain, refused,
    scene::{Scene, order},
};

#[tokio::test]
async fn words_that_nobody_knows_stop_no_order() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = known_client(&scene, &simulated).await;
    let mut names = 0;
    for endpoint in
        [Endpoint::NewOrder, Endpoint::Authorization, Endpoint::Challenge, Endpoint::Order, Endpoint::Finalize]
    {
        for fault in [Fault::UnknownStatus, Fault::ExtraMembers] {
            names += 1;
            simulated.inject(endpoint, fault.clone(), 1);
            obtain(&client, &order(&[&format!("n{names}.test")], &[Http01])).await;
            assert_eq!(simulated.certificates().len(), names + 1, "{endpoint:?} {fault:?}");
            assert_eq!(simulated.faults_left(), 0, "{endpoint:?} {fault:?}");
        }
    }
    simulated.inject(Endpoint::Authorization, Fault::UnknownChallengeToo, 1);
    obtain(&client, &order(&["a.test"], &[Http01])).await;
}

#[tokio::test]
async fn challenges_that_nobody_knows_are_told() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = known_client(&scene, &simulated).await;
    simulated.inject(Endpoint::Authorization, Fault::UnknownChallengesOnly, 1);
    let failure = refused(&scene, &client, &order(&["a.test"], &[Http01]), FailureKind::Configuration).await;
    let expected = "no challenge fits a.test (ca offers: none; allowed here: http-01): allow one that is offered";
    assert_eq!(failure.sentence, expected);
}

#[tokio::test]
async fn a_limit_or_an_outage_says_when_to_come_again_in_every_way() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = known_client(&scene, &simulated).await;
    for (retry, expected) in [
        (RetryAfter::Absent, None),
        (RetryAfter::Seconds(7), Some(7)),
        (RetryAfter::Date(Duration::from_secs(60)), Some(60)),
    ] {
        for (fault, kind) in
            [(Fault::RateLimited(retry), FailureKind::Limit), (Fault::Unavailable(retry), FailureKind::Ca)]
        {
            simulated.inject(Endpoint::NewOrder, fault.clone(), 1);
            let failure = refused(&scene, &client, &order(&["a.test"], &[Http01]), kind).await;
            assert_eq!(failure.retry_after, expected.map(Duration::from_secs), "{fault:?}");
        }
    }
    obtain(&client, &order(&["a.test"], &[Http01])).await;
    assert_eq!(simulated.orders().len(), 2, "a refusal is not asked again by itself");
}

#[tokio::test]
async fn a_line_that_hangs_or_breaks_is_the_cas_fault_and_ends() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = known_client(&scene, &simulated).await;
    for (endpoint, fault) in [
        (Endpoint::Connection, Fault::HangAtConnect),
        (Endpoint::Connection, Fault::RefuseConnection),
        (Endpoint::NewOrder, Fault::HangAtHeaders),
        (Endpoint::NewOrder, Fault::HangInBody),
        (Endpoint::NewOrder, Fault::TruncatedBody),
        (Endpoint::NewOrder, Fault::BadGateway),
        (Endpoint::NewOrder, Fault::Garbage),
    ] {
        simulated.inject(endpoint, fault.clone(), ALWAYS);
        // Another client, so that no connection is open yet.
        let fresh = crate::client(&scene, &simulated);
        let failure = refused(&scene, &fresh, &order(&["a.test"], &[Http01]), FailureKind::Ca).await;
        assert!(failure.sentence.starts_with("ca "), "{fault:?}: {failure}");
        simulated.heal();
    }
    obtain(&client, &order(&["a.test"], &[Http01])).await;
    assert_eq!(simulated.accounts(), 1);
}

#[tokio::test]
async fn a_fault_that_passes_within_an_order_is_borne() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = known_client(&scene, &simulated).await;
    for endpoint in [Endpoint::Authorization, Endpoint::Challenge, Endpoint::Order, Endpoint::Certificate] {
        simulated.inject(endpoint, Fault::Unavailable(RetryAfter::Seconds(0)), 3);
    }
    obtain(&client, &order(&["a.test", "b.test"], &[Http01])).await;
    assert_eq!((simulated.faults_left(), simulated.orders().len()), (0, 2));
}

#[tokio::test]
async fn nonces_may_go_wrong() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::builder().bad_nonces(40).start().await);
    let client = known_client(&scene, &simulated).await;
    for number in 0..5 {
        obtain(&client, &order(&[&format!("n{number}.test")], &[Http01])).await;
    }
    simulated.set_bad_nonces(0);
    simulated.inject(Endpoint::NewOrder, Fault::NoNonce, 1);
    obtain(&client, &order(&["a.test"], &[Http01])).await;
    assert_eq!((simulated.orders().len(), simulated.certificates().len()), (7, 7));
    simulated.set_bad_nonces(100);
    refused(&scene, &client, &order(&["b.test"], &[Http01]), FailureKind::Ca).await;
}

#[tokio::test]
async fn requests_say_who_asks() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    known_client(&scene, &simulated).await;
    let agents: Vec<_> = simulated.requests().into_iter().map(|request| request.user_agent.unwrap()).collect();
    assert!(!agents.is_empty() && agents.iter().all(|agent| agent.starts_with("vestibule/")), "{agents:?}");
}
