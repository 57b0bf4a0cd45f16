//! The account: made once, found again, bound, changed, lost.

use vestibule_acme::{
    FailureKind,
    config::{ChallengeKind::Http01, Eab},
};

use crate::{
    client, pebble,
    scene::{Scene, order},
    settings,
};

const HMAC: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

#[tokio::test]
async fn one_account_serves_all_runs() {
    let mut scene = Scene::new().await;
    let pebble = pebble(&scene, |pebble| pebble).await;
    let first = client(&scene, &pebble);
    assert_eq!(first.account(), None);
    first.obtain(&order(&["a.test"], &[Http01])).await.unwrap();
    let account = first.account().unwrap();
    drop(first);
    scene = scene.restart();
    let second = client(&scene, &pebble);
    assert_eq!(second.account().as_ref(), Some(&account), "known before anything is asked");
    second.obtain(&order(&["b.test"], &[Http01])).await.unwrap();
    assert_eq!(second.account(), Some(account));
    assert!(!pebble.log().contains("There are now 2 accounts"));
}

#[tokio::test]
async fn another_contact_is_told() {
    let scene = Scene::new().await;
    let pebble = pebble(&scene, |pebble| pebble.bad_nonces(30)).await;
    let mut config = settings(&scene, &pebble);
    for email in [None, Some("one@example.com"), Some("mailto:two@example.com"), None] {
        config.email = email.map(str::to_owned);
        let client = scene.client(config.clone());
        client.obtain(&order(&["a.test"], &[Http01])).await.unwrap();
        let account = scene.tools.store.account(&config.id).unwrap().unwrap();
        let account: serde_json::Value = serde_json::from_slice(&account).unwrap();
        let expected = email.map(|email| format!("mailto:{}", email.trim_start_matches("mailto:")));
        assert_eq!(account["accounts"][0]["contact"].as_str(), expected.as_deref());
    }
    assert!(!pebble.log().contains("There are now 2 accounts"));
}

#[tokio::test]
async fn a_changed_key_works_at_once_and_after_a_restart() {
    let mut scene = Scene::new().await;
    let pebble = pebble(&scene, |pebble| pebble.bad_nonces(30)).await;
    let first = client(&scene, &pebble);
    first.roll_over().await.unwrap();
    assert_eq!(first.account(), None, "none is made for that");
    first.obtain(&order(&["a.test"], &[Http01])).await.unwrap();
    let account = first.account();
    first.roll_over().await.unwrap();
    first.obtain(&order(&["b.test"], &[Http01])).await.unwrap();
    drop(first);
    scene = scene.restart();
    let second = client(&scene, &pebble);
    second.obtain(&order(&["c.test"], &[Http01])).await.unwrap();
    assert_eq!(second.account(), account);
}

#[tokio::test]
async fn a_ca_that_has_forgotten_the_account_gets_another_one() {
    let scene = Scene::new().await;
    let mut pebble = pebble(&scene, |pebble| pebble).await;
    let client = client(&scene, &pebble);
    client.obtain(&order(&["a.test"], &[Http01])).await.unwrap();
    pebble.stop();
    pebble.start_again().await;
    client.obtain(&order(&["b.test"], &[Http01])).await.unwrap();
    assert_eq!(pebble.issued(), 2);
    assert_eq!(pebble.log().matches("There are now 1 accounts").count(), 2, "{}", pebble.log());
}

#[tokio::test]
async fn each_directory_has_its_account() {
    let mut scene = Scene::new().await;
    let (one, two) = (pebble(&scene, |pebble| pebble).await, pebble(&scene, |pebble| pebble).await);
    for (name, pebble) in [("a.test", &one), ("b.test", &two), ("c.test", &one), ("d.test", &two)] {
        client(&scene, pebble).obtain(&order(&[name], &[Http01])).await.unwrap();
        scene = scene.restart();
    }
    for pebble in [&one, &two] {
        assert_eq!(pebble.issued(), 2);
        assert!(!pebble.log().contains("There are now 2 accounts"));
    }
}

#[tokio::test]
async fn an_external_binding_that_is_wrong_is_told_with_what_to_write() {
    let scene = Scene::new().await;
    let pebble = pebble(&scene, |pebble| pebble.eab("kid-1", HMAC)).await;
    let hmac_file = scene.dir.path().join("hmac");
    let eab = |kid: &str| Some(Eab { kid: kid.to_owned(), hmac_file: hmac_file.clone() });
    std::fs::write(&hmac_file, HMAC).unwrap();
    for (eab, kind, expected) in [
        (None, FailureKind::Configuration, "write `eab: {kid: …, hmac_file: …}`"),
        (eab("kid-2"), FailureKind::Configuration, "check `eab.kid`"),
    ] {
        let mut config = settings(&scene, &pebble);
        config.eab = eab;
        let failure = scene.client(config).obtain(&order(&["a.test"], &[Http01])).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.sentence.contains(expected), "{failure}");
        assert!(scene.tools.store.pending().is_empty(), "nothing is left of what was never ordered");
    }
    std::fs::remove_file(&hmac_file).unwrap();
    let mut config = settings(&scene, &pebble);
    config.eab = eab("kid-1");
    let failure = scene.client(config.clone()).obtain(&order(&["a.test"], &[Http01])).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Configuration);
    assert!(failure.sentence.contains(hmac_file.to_str().unwrap()), "{failure}");
    std::fs::write(&hmac_file, HMAC).unwrap();
    scene.client(config).obtain(&order(&["a.test"], &[Http01])).await.unwrap();
}
