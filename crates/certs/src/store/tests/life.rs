//! The life of an issuance.

use super::*;

#[test]
fn an_order_becomes_a_certificate_that_is_there_after_a_reopen() {
    let scene = Scene::new();
    let store = scene.open();
    store.self_test().unwrap();
    let mut pending = store.begin(&draft(&["b.example.com", "a.example.com", "b.example.com"])).unwrap();
    assert_eq!(pending.id().as_str(), "0000000001-a.example.com");
    assert_eq!(pending.draft().names, [host("a.example.com"), host("b.example.com")]);
    assert_eq!(pending.order_url(), None);
    pending.set_order_url("https://ca.test/order/1").unwrap();
    assert!(store.find(ALICE, &host("a.example.com")).is_none());

    let chain = scene.issue(&pending.csr().unwrap());
    let issued = pending.commit(chain.as_bytes(), scene.now).unwrap();
    assert_eq!(issued.issuer, "Test CA");
    assert!(issued.ari.as_ref().is_some_and(|ari| ari.contains('.')));
    assert_eq!(store.current(), [issued.clone()]);
    assert_eq!(store.chain(&issued.id).unwrap(), chain.as_bytes());
    drop(store);

    let store = scene.open();
    let found = store.find(ALICE, &host("b.example.com")).unwrap();
    assert_eq!((found.id, found.draft, found.fingerprint), (issued.id, issued.draft, issued.fingerprint));
    assert!(store.find(BOB, &host("b.example.com")).is_none(), "another tenant's");
    assert!(store.pending().is_empty() && store.broken().is_empty());
}
