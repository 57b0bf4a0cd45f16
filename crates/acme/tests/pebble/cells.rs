//! Every challenge for every kind of name set, at a CA in good and in bad mood: issue, renew, revoke.

use data_encoding::BASE64URL_NOPAD;
use vestibule_acme::{
    Client,
    config::ChallengeKind::{self, Dns01, Http01, TlsAlpn01},
    plan::{Obtained, Order},
};
use vestibule_certs::{CertificateFacts, store::Issued};
use vestibule_names::HostPattern;
use vestibule_testkit::pebble::Pebble;

use crate::{
    client, pebble,
    scene::{Scene, order},
    settings,
};

/// All names but the IPv4 address stand for every machine of the test's network.
const CELLS: &[(ChallengeKind, &[&str])] = &[
    (Http01, &["a.test"]),
    (Http01, &["b.test", "c.test", "d.test"]),
    (Http01, &["127.0.0.1"]),
    (TlsAlpn01, &["e.test"]),
    (TlsAlpn01, &["f.test", "g.test", "h.test"]),
    (TlsAlpn01, &["127.0.0.1"]),
    (Dns01, &["i.test"]),
    (Dns01, &["j.test", "k.test", "l.test"]),
    (Dns01, &["m.test", "*.m.test"]),
];

/// What the CA does with an authorization that it has already.
#[derive(Clone, Copy, PartialEq)]
enum Reuse {
    Never,
    Always,
}

impl Reuse {
    /// Was proved just now what had to be? `expected` is sorted.
    fn check(self, is_new: bool, told: Vec<(HostPattern, ChallengeKind)>, expected: &[(HostPattern, ChallengeKind)]) {
        match self {
            _ if is_new => assert_eq!(sorted(told), expected),
            Self::Always => assert_eq!(told, []),
            // Pebble's dice reuse one of a hundred all the same.
            Self::Never => assert!(told.iter().all(|proof| expected.contains(proof)), "{told:?}"),
        }
    }
}

async fn obtain(client: &Client, pebble: &Pebble, order: &Order) -> Obtained {
    let outcome = client.obtain(order).await;
    outcome.unwrap_or_else(|failure| panic!("{:?}: {failure}: {}", order.names, pebble.log()))
}

/// Issues, renews and revokes in each cell.
async fn all_cells(scene: &Scene, pebble: &Pebble, client: &Client, reuse: Reuse) {
    for (done, (challenge, names)) in CELLS.iter().enumerate() {
        let order = order(names, &[*challenge]);
        let first = obtain(client, pebble, &order).await;
        assert_eq!(first.issued.draft.names, order.names);
        let proved: Vec<_> = order.names.iter().map(|name| (name.clone(), *challenge)).collect();
        // The address was proved in an earlier cell.
        let is_new = (*challenge, *names) != (TlsAlpn01, &["127.0.0.1"][..]);
        reuse.check(is_new, first.proved, &proved);

        let renewal = Order { renews: Some((first.issued.id.clone(), first.issued.ari.clone())), ..order.clone() };
        let second = obtain(client, pebble, &renewal).await;
        assert!(second.issued.id > first.issued.id && second.issued.fingerprint != first.issued.fingerprint);
        reuse.check(false, second.proved, &proved);
        assert_eq!(scene.tools.store.find(order.tenant, &order.names[0]).unwrap().id, second.issued.id);

        client.revoke(&second.issued, 1).await.unwrap();
        assert_eq!(pebble.status_of(&serial(&second.issued)).await.as_deref(), Some("Revoked"));
        assert_eq!(pebble.status_of(&serial(&first.issued)).await.as_deref(), Some("Valid"));
        client.revoke(&second.issued, 1).await.expect("revoked already is revoked");
        assert_eq!(pebble.issued(), 2 * (done + 1));
    }
    assert!(scene.tools.store.pending().is_empty() && scene.tools.store.broken().is_empty());
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}

/// As pebble writes it: hexadecimal without leading zeros.
fn serial(issued: &Issued) -> String {
    let ari = issued.ari.as_ref().unwrap();
    let bytes = BASE64URL_NOPAD.decode(ari.split_once('.').unwrap().1.as_bytes()).unwrap();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.trim_start_matches('0').to_owned()
}

#[tokio::test]
async fn every_cell_at_a_ca_that_forgets_authorizations() {
    let scene = Scene::new().await;
    let pebble = pebble(&scene, |pebble| pebble).await;
    all_cells(&scene, &pebble, &client(&scene, &pebble), Reuse::Never).await;
}

#[tokio::test]
async fn every_cell_at_a_ca_that_keeps_authorizations() {
    let scene = Scene::new().await;
    let pebble = pebble(&scene, |pebble| pebble.authz_reuse(100)).await;
    all_cells(&scene, &pebble, &client(&scene, &pebble), Reuse::Always).await;
}

#[tokio::test]
async fn every_cell_at_a_ca_that_throws_nonces_away_and_wants_accounts_bound() {
    let scene = Scene::new().await;
    let hmac = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let pebble = pebble(&scene, |pebble| pebble.bad_nonces(30).eab("kid-1", hmac)).await;
    let mut config = settings(&scene, &pebble);
    let hmac_file = scene.dir.path().join("hmac");
    std::fs::write(&hmac_file, format!("{hmac}\n")).unwrap();
    config.eab = Some(vestibule_acme::config::Eab { kid: "kid-1".to_owned(), hmac_file });
    config.email = Some("admin@example.com".to_owned());
    all_cells(&scene, &pebble, &scene.client(config), Reuse::Never).await;
}

#[tokio::test]
async fn the_first_challenge_that_fits_is_taken_for_each_name() {
    let scene = Scene::new().await;
    let pebble = pebble(&scene, |pebble| pebble).await;
    let order = order(&["*.a.test", "127.0.0.1", "a.test"], &[TlsAlpn01, Dns01, Http01]);
    let obtained = obtain(&client(&scene, &pebble), &pebble, &order).await;
    let told: Vec<_> = obtained.proved.iter().map(|(name, challenge)| (name.to_string(), *challenge)).collect();
    let expected = [("*.a.test", Dns01), ("127.0.0.1", TlsAlpn01), ("a.test", TlsAlpn01)];
    assert_eq!(sorted(told), expected.map(|(name, challenge)| (name.to_owned(), challenge)));
}

#[tokio::test]
async fn of_several_chains_the_preferred_one_is_taken() {
    let scene = Scene::new().await;
    let pebble = pebble(&scene, |pebble| pebble.alternate_roots(2).bad_nonces(30)).await;
    for (index, name) in ["a.test", "b.test", "c.test"].iter().enumerate() {
        let root = CertificateFacts::issuers(pebble.issuing_root(index).await.as_bytes());
        let mut config = settings(&scene, &pebble);
        config.preferred_chain = Some(root[0].clone());
        let obtained = obtain(&scene.client(config), &pebble, &order(&[name], &[Http01])).await;
        let chain = scene.tools.store.chain(&obtained.issued.id).unwrap();
        assert!(CertificateFacts::issuers(&chain).contains(&root[0]), "{root:?}");
    }
    let mut config = settings(&scene, &pebble);
    config.preferred_chain = Some("Nobody's Root".to_owned());
    obtain(&scene.client(config), &pebble, &order(&["d.test"], &[Http01])).await;
}
