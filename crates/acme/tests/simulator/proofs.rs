//! Names that are not proved, and how that is told.

use std::time::Duration;

use vestibule_acme::{
    FailureKind,
    config::{
        ChallengeKind::{self, Dns01, Http01, TlsAlpn01},
        NamedProvider,
    },
};
use vestibule_testkit::ca::{Outcome, SimulatedCa, Validation};

use crate::{
    client, known_client, obtain, patient_ca, refused,
    scene::{Scene, order},
    settings,
};

#[tokio::test]
async fn each_reason_is_told_with_what_to_do() {
    let (scene, simulated) = (Scene::new().await, patient_ca().await);
    let client = known_client(&scene, &simulated).await;
    let check = async |challenge: ChallengeKind, outcome: Outcome, kind: FailureKind, expected: &str| {
        simulated.script("a.test", &[outcome]);
        let failure = refused(&scene, &client, &order(&["a.test"], &[challenge]), kind).await;
        assert!(failure.sentence.contains(expected), "{outcome:?}: {failure}");
        let named: Vec<_> = failure.names.iter().map(|named| (named.kind, named.challenge, &named.sentence)).collect();
        assert_eq!(named, [(kind, Some(challenge), &failure.sentence)]);
    };
    check(Http01, Outcome::Dns, FailureKind::ValidationDns, "let its A or AAAA record point to this gateway").await;
    check(Http01, Outcome::Connection, FailureKind::ValidationConnection, "open port 80").await;
    check(TlsAlpn01, Outcome::Connection, FailureKind::ValidationConnection, "open port 443").await;
    check(TlsAlpn01, Outcome::Tls, FailureKind::ValidationTls, "no other TLS server in front").await;
    check(Http01, Outcome::Unauthorized, FailureKind::ValidationUnauthorized, "got a wrong answer for a.test").await;
    check(Http01, Outcome::Caa, FailureKind::ValidationCaa, "add the record `CAA 0 issue \"simulated.test\"`").await;
}

#[tokio::test]
async fn a_ca_that_leaves_a_failed_challenge_open_has_refused_it() {
    let (scene, simulated) = (Scene::new().await, patient_ca().await);
    let mut config = settings(&simulated);
    config.timeouts.order = Duration::from_secs(4);
    let client = scene.client(config);
    simulated.script("b.test", &[Outcome::Stalled]);
    let order = order(&["a.test", "b.test"], &[Http01]);
    let failure = refused(&scene, &client, &order, FailureKind::ValidationConnection).await;
    assert!(
        failure.sentence.contains("cannot connect to b.test (Connection refused, on order): open port 80"),
        "{failure}"
    );
    let named: Vec<_> = failure.names.iter().map(|named| (named.name.to_string(), named.challenge)).collect();
    assert_eq!(named, [("b.test".to_owned(), Some(Http01))]);
    // Mended: another order, which is not held up by the one before.
    simulated.script("b.test", &[Outcome::Valid]);
    obtain(&client, &order).await;
}

#[tokio::test]
async fn of_several_names_all_that_failed_are_named() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = client(&scene, &simulated);
    simulated.script("b.test", &[Outcome::Connection]);
    simulated.script("c.test", &[Outcome::Caa]);
    let order = order(&["a.test", "b.test", "c.test", "d.test"], &[Http01]);
    let failure = client.obtain(&order).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::ValidationConnection);
    assert!(failure.sentence.ends_with("; 1 more name failed"), "{failure}");
    let mut named: Vec<_> = failure.names.iter().map(|named| (named.name.to_string(), named.kind)).collect();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [("b.test", FailureKind::ValidationConnection), ("c.test", FailureKind::ValidationCaa)];
    assert_eq!(named, expected.map(|(name, kind)| (name.to_owned(), kind)));
    assert!(scene.tools.store.pending().is_empty());
}

#[tokio::test]
async fn challenges_are_open_while_they_are_looked_at_and_closed_after() {
    let scene = Scene::new().await;
    let at = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let (http, tls) = (at(scene.gate.http_port), at(scene.gate.tls_port));
    let validation = Validation::Real { http, tls, dns: Some(scene.names.dns()) };
    let simulated = SimulatedCa::builder().validation(validation).start().await;
    let mut config = settings(&simulated);
    config.dns = vec![NamedProvider::for_all("default", scene.dns_provider())];
    let client = scene.client(config);
    let obtained = obtain(&client, &order(&["c.test", "*.c.test"], &[Http01, TlsAlpn01, Dns01])).await;
    assert_eq!(obtained.proved.len(), 2);
    for challenge in [Http01, TlsAlpn01] {
        let order = order(&["a.test", "b.test", "192.0.2.7", "2001:db8::7"], &[challenge]);
        let obtained = obtain(&client, &order).await;
        assert_eq!(obtained.proved.len(), 4);
        assert!(scene.tools.door.alpn_config("a.test").is_none() && !scene.tools.door.is_ordering("a.test"));
    }
}
