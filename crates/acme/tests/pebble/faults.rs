//! What a real CA says when something is wrong, and that the next attempt works once it is right.

use std::time::Duration;

use vestibule_acme::{
    FailureKind,
    config::{
        ChallengeKind::{Dns01, Http01, TlsAlpn01},
        DnsProvider, NamedProvider, Need, Profile,
    },
};
use vestibule_names::HostPattern;

use crate::{
    client, pebble,
    scene::{Scene, order},
    settings,
};

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_named_and_the_others_are_not() {
    let scene = Scene::new().await;
    let pebble = pebble(&scene, |pebble| pebble.authz_reuse(100)).await;
    let client = client(&scene, &pebble);
    scene.names.add_a("b.test", &["127.0.0.2"]).await;
    // Of a port 443 where nobody is, pebble says "incorrectResponse".
    for (challenge, kind) in
        [(Http01, FailureKind::ValidationConnection), (TlsAlpn01, FailureKind::ValidationUnauthorized)]
    {
        let order = order(&["a.test", "b.test", "c.test"], &[challenge]);
        let failure = client.obtain(&order).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
        let named: Vec<_> = failure.names.iter().map(|named| (named.name.to_string(), named.challenge)).collect();
        assert_eq!(named, [("b.test".to_owned(), Some(challenge))]);
        assert!(failure.sentence.contains("127.0.0.2"), "{failure}");
        assert!(scene.tools.store.pending().is_empty() && scene.tools.store.current().is_empty());
        assert!(!scene.tools.door.is_ordering("b.test"));
    }
    scene.names.clear_a("b.test").await;
    client.obtain(&order(&["a.test", "b.test", "c.test"], &[Http01])).await.unwrap();
}

#[tokio::test]
async fn a_name_whose_dns_fails_is_told_as_such() {
    let scene = Scene::new().await;
    let pebble = pebble(&scene, |pebble| pebble).await;
    scene.names.servfail("a.test").await;
    let failure = client(&scene, &pebble).obtain(&order(&["a.test"], &[Http01])).await.unwrap_err();
    assert!(failure.kind.is_validation(), "{failure}");
    assert_eq!(failure.names.len(), 1);
}

#[tokio::test]
async fn a_name_that_the_ca_never_certifies_is_rejected() {
    let scene = Scene::new().await;
    let pebble = pebble(&scene, |pebble| pebble.block("bad.test")).await;
    let failure = client(&scene, &pebble).obtain(&order(&["a.test", "b.bad.test"], &[Http01])).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Rejected, "{failure}");
    assert!(scene.tools.store.pending().is_empty());
}

#[tokio::test]
async fn what_the_settings_do_not_allow_is_told_with_what_to_write() {
    let scene = Scene::new().await;
    let pebble = pebble(&scene, |pebble| pebble).await;
    let mut config = settings(&scene, &pebble);
    config.dns.clear();
    let client = scene.client(config.clone());
    for (names, challenges, expected) in [
        (&["*.a.test"][..], &[Http01, Dns01][..], "a wildcard needs dns-01, and with it a provider: write `dns`"),
        (&["127.0.0.1"][..], &[Dns01][..], "allow one that is offered"),
    ] {
        let failure = client.obtain(&order(names, challenges)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Configuration, "{failure}");
        assert!(failure.sentence.ends_with(expected), "{failure}");
        assert!(scene.tools.store.pending().is_empty());
    }
    let mut required = order(&["a.test"], &[Http01]);
    required.profile = Some(Profile { name: "shortlived".to_owned(), need: Need::Required });
    let failure = client.obtain(&required).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Configuration, "{failure}");
    assert!(failure.sentence.contains("does not offer the profile `shortlived`"), "{failure}");
    required.profile = Some(Profile { name: "shortlived".to_owned(), need: Need::Preferred });
    assert_eq!(client.obtain(&required).await.unwrap().issued.draft.profile, None);
}

#[tokio::test]
async fn a_provider_that_fails_is_named_and_nothing_is_left_open() {
    let scene = Scene::new().await;
    let pebble = pebble(&scene, |pebble| pebble).await;
    let mut config = settings(&scene, &pebble);
    let program = scene.dir.path().join("no-such-program");
    config.dns =
        vec![NamedProvider::for_all("default", DnsProvider::Exec { program, timeout: Duration::from_secs(5) })];
    let order = order(&["a.test"], &[Dns01]);
    let failure = scene.client(config).obtain(&order).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Configuration, "{failure}");
    // Nothing was paid for and nothing is lost: the same order goes on with a provider that works.
    client(&scene, &pebble).obtain(&order).await.unwrap();
    assert_eq!((pebble.orders(), pebble.issued()), (1, 1));
}

#[tokio::test]
async fn an_outage_is_the_cas_fault_and_ends() {
    let scene = Scene::new().await;
    let mut pebble = pebble(&scene, |pebble| pebble).await;
    let mut config = settings(&scene, &pebble);
    config.timeouts.connect = Duration::from_millis(300);
    config.timeouts.read = Duration::from_millis(300);
    let client = scene.client(config);
    let order = order(&["a.test"], &[Http01]);
    pebble.freeze();
    let failure = client.obtain(&order).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Ca, "{failure}");
    pebble.thaw();
    client.obtain(&order).await.unwrap();
    pebble.stop();
    let failure = client.renewal_info("aki.serial").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Configuration, "{failure}");
    let failure = client.obtain(&order).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Ca, "{failure}");
    assert!(scene.tools.store.pending().is_empty());
    let name = HostPattern::parse("a.test").unwrap();
    assert!(scene.tools.store.find(order.tenant, &name).is_some(), "what was served is served");
}
