//! Every challenge, for every kind of name set.

use vestibule_acme::config::ChallengeKind::{self, Dns01, Http01, TlsAlpn01};
use vestibule_testkit::pebble::Pebble;

use crate::scene::{Scene, ca, order};

async fn check(challenge: ChallengeKind, names: &[&str]) {
    let scene = Scene::new().await;
    let pebble = Pebble::builder().nameserver(scene.names.dns());
    let pebble = pebble.start(scene.gate.http_port, scene.gate.tls_port).await;
    let mut config = ca(&pebble.directory(), pebble.root_file());
    config.dns = vec![("default".to_owned(), scene.dns_provider())];
    let client = scene.client(config);
    let order = order(names, &[challenge]);
    let obtained = client.obtain(&order).await.unwrap_or_else(|failure| panic!("{failure}: {}", pebble.log()));
    assert_eq!(obtained.issued.draft.names, order.names);
    let proved: Vec<_> = order.names.iter().map(|name| (name.clone(), challenge)).collect();
    let mut told = obtained.proved.clone();
    told.sort();
    assert_eq!(told, proved);
    assert_eq!(scene.tools.store.current(), [obtained.issued]);
    assert!(scene.tools.store.pending().is_empty());
    assert_eq!((pebble.orders(), pebble.issued()), (1, 1));
}

#[tokio::test]
async fn one_name_over_http() {
    check(Http01, &["a.test"]).await;
}

#[tokio::test]
async fn one_name_over_tls() {
    check(TlsAlpn01, &["a.test"]).await;
}

#[tokio::test]
async fn one_name_by_dns() {
    check(Dns01, &["a.test"]).await;
}
