//! The client against a second real CA: Debian's caddy. It shows what was only learned from pebble.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "scene/mod.rs"]
#[expect(dead_code, reason = "this CA has less to try")]
mod scene;

use scene::{Scene, ca, order};
use vestibule_acme::config::ChallengeKind::{self, Dns01, Http01, TlsAlpn01};
use vestibule_testkit::caddy_ca::CaddyCa;

/// Every set of names by this challenge, at one CA.
async fn check(challenge: ChallengeKind, sets: &[&[&str]]) {
    let scene = Scene::new().await;
    let Some(caddy) = CaddyCa::start(&scene.names, scene.gate.http_port, scene.gate.tls_port).await else { return };
    let mut config = ca(&caddy.directory(), caddy.root_file());
    config.dns = vec![vestibule_acme::config::NamedProvider::for_all("default", scene.dns_provider())];
    let client = scene.client(config);
    for names in sets {
        let order = order(names, &[challenge]);
        let obtained = client.obtain(&order).await.unwrap_or_else(|failure| panic!("{failure}: {}", caddy.log()));
        assert_eq!(obtained.issued.draft.names, order.names);
    }
    assert_eq!(scene.tools.store.current().len(), sets.len());
}

#[tokio::test]
async fn names_over_http() {
    check(Http01, &[&["a.test"], &["b.test", "c.test", "d.test"]]).await;
}

#[tokio::test]
async fn names_over_tls() {
    check(TlsAlpn01, &[&["a.test"], &["b.test", "c.test", "d.test"]]).await;
}

#[tokio::test]
async fn names_and_wildcards_by_dns() {
    check(Dns01, &[&["a.test"], &["*.b.test", "b.test"]]).await;
}
