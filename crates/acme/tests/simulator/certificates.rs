//! Certificates that are none: whatever the CA sends, what is served goes on being served.

use std::time::Duration;

use vestibule_acme::{
    FailureKind,
    config::{ChallengeKind::Http01, Need, Profile},
};
use vestibule_testkit::ca::{Clock, Endpoint, Fault, Flaw, SimulatedCa};

use crate::{
    client, known_client, obtain, patient_ca, refused,
    scene::{Scene, order},
};

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_refused_and_the_old_one_stays() {
    let (scene, simulated) = (Scene::new().await, patient_ca().await);
    let client = client(&scene, &simulated);
    let order = order(&["a.test", "b.test"], &[Http01]);
    let old = obtain(&client, &order).await.issued;
    for flaw in [Flaw::WrongKey, Flaw::WrongNames, Flaw::MissingName, Flaw::Expired, Flaw::NotYetValid, Flaw::NoPem] {
        simulated.inject(Endpoint::Finalize, Fault::Flaw(flaw), 1);
        let failure = refused(&scene, &client, &order, FailureKind::Ca).await;
        assert!(failure.sentence.starts_with("ca issued, but "), "{flaw:?}: {failure}");
        assert_eq!(scene.tools.store.current(), std::slice::from_ref(&old), "{flaw:?}");
    }
    let new = obtain(&client, &order).await.issued;
    assert_eq!(scene.tools.store.current(), [new]);
}

#[tokio::test]
async fn a_wrong_clock_is_named_and_costs_one_certificate() {
    let clock = Clock::default();
    clock.advance(Duration::from_secs(5 * 3600));
    let (scene, simulated) = (Scene::new().await, SimulatedCa::builder().clock(clock).start().await);
    let client = client(&scene, &simulated);
    let order = order(&["a.test"], &[Http01]);
    for _ in 0..2 {
        let failure = client.obtain(&order).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Configuration, "{failure}");
        assert!(failure.sentence.ends_with("this machine's clock is 5 h behind the CA's: set it right"), "{failure}");
        assert_eq!((simulated.orders().len(), simulated.certificates().len()), (1, 1));
        assert_eq!(scene.tools.store.pending().len(), 1);
    }
}

#[tokio::test]
async fn a_clock_that_is_ahead_or_dates_that_are_odd_stop_nothing() {
    let clock = Clock::behind(Duration::from_secs(5 * 3600));
    let (scene, simulated) = (Scene::new().await, SimulatedCa::builder().clock(clock).start().await);
    let client = client(&scene, &simulated);
    obtain(&client, &order(&["a.test"], &[Http01])).await;
    simulated.inject(Endpoint::NewOrder, Fault::SkewedDate(-86_400), 1);
    obtain(&client, &order(&["b.test"], &[Http01])).await;
}

#[tokio::test]
async fn a_profile_is_asked_for_where_it_is_offered() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = known_client(&scene, &simulated).await;
    let of = |name: &str, profile: &str, need: Need| {
        let mut order = order(&[name], &[Http01]);
        order.profile = Some(Profile { name: profile.to_owned(), need });
        order
    };
    for (name, profile, need, expected) in [
        ("a.test", "tlsserver", Need::Required, Some("tlsserver")),
        ("b.test", "shortlived", Need::Preferred, Some("shortlived")),
        ("c.test", "longlived", Need::Preferred, None),
    ] {
        let issued = obtain(&client, &of(name, profile, need)).await.issued;
        assert_eq!(issued.draft.profile.as_deref(), expected);
        assert_eq!(simulated.certificates().pop().unwrap().profile.as_deref(), expected);
    }
    let failure =
        refused(&scene, &client, &of("d.test", "longlived", Need::Required), FailureKind::Configuration).await;
    assert!(failure.sentence.contains("(it offers: classic, tlsserver, shortlived)"), "{failure}");
    // Offered by the directory, and refused all the same.
    let refuses = Fault::Problem(400, "invalidProfile", "not for you");
    simulated.inject(Endpoint::NewOrder, refuses.clone(), 1);
    obtain(&client, &of("e.test", "tlsserver", Need::Preferred)).await;
    simulated.inject(Endpoint::NewOrder, refuses, 1);
    refused(&scene, &client, &of("f.test", "tlsserver", Need::Required), FailureKind::Configuration).await;
}

#[tokio::test]
async fn the_settings_profile_counts_where_the_order_names_none() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let mut config = crate::settings(&simulated);
    config.profile = Some(Profile { name: "tlsserver".to_owned(), need: Need::Required });
    obtain(&scene.client(config), &order(&["a.test"], &[Http01])).await;
    assert_eq!(simulated.certificates()[0].profile.as_deref(), Some("tlsserver"));
}
