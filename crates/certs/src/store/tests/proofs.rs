//! Whose a proof is: the same account serves all tenants, and none may have what another has proved.

use super::*;

fn ca() -> CaId {
    CaId::new("test-ca").unwrap()
}

fn proof(authorization: &str) -> Proof {
    Proof { name: host("a.example.com"), authorization: format!("https://ca.test/authz/{authorization}") }
}

fn note(store: &Store, tenant: TenantId, authorization: &str) -> bool {
    store.note_proofs(&ca(), tenant, &[proof(authorization)], SystemTime::now()).unwrap().taken.is_empty()
}

fn check(store: &Store, tenant: TenantId, authorization: &str, expected: bool, why: &str) {
    assert_eq!(store.is_proof_of(&ca(), tenant, &proof(authorization)).unwrap(), expected, "{why}");
}

#[test]
fn a_proof_is_of_whoever_answered_for_it_also_after_a_restart() {
    let scene = Scene::new();
    let store = scene.open();
    check(&store, ALICE, "1", false, "nobody answered for it");
    assert!(note(&store, ALICE, "1"));
    drop(store);
    let store = scene.open();
    check(&store, ALICE, "1", true, "she answered");
    check(&store, BOB, "1", false, "he did not");
    check(&store, ALICE, "2", false, "another one, and she has no certificate");
    let elsewhere = CaId::new("other-ca").unwrap();
    assert!(!store.is_proof_of(&elsewhere, ALICE, &proof("1")).unwrap());
    let records = store.records();
    assert!(records.is_empty(), "the scheduler sees nothing of it: {records:?}");
}

#[test]
fn a_name_that_changes_hands_takes_no_proof_along() {
    let scene = Scene::new();
    let store = scene.open();
    assert!(note(&store, ALICE, "1"));
    scene.obtain(&store, &draft(&["a.example.com"]));
    assert!(note(&store, BOB, "2"));
    check(&store, ALICE, "1", false, "another one answered since, though he has no certificate");
    check(&store, ALICE, "2", false, "his");
    check(&store, BOB, "1", false, "hers, whichever the CA shows");
    check(&store, BOB, "2", true, "his own");
    scene.obtain(&store, &Draft { tenant: BOB, ..draft(&["a.example.com"]) });
    check(&store, BOB, "3", false, "the name is not his alone: a copy may be of hers");
    assert!(note(&store, ALICE, "4"));
    check(&store, ALICE, "4", true, "her own again");
    check(&store, ALICE, "5", false, "the name is not hers alone");
}

#[test]
fn who_is_alone_may_use_what_the_ca_copies() {
    let scene = Scene::new();
    let store = scene.open();
    assert!(note(&store, ALICE, "1"));
    check(&store, ALICE, "copy", false, "nothing says that she has proved it");
    scene.obtain(&store, &draft(&["a.example.com"]));
    check(&store, ALICE, "copy", true, "she has a certificate, and nobody else ever answered");
    // A journal that is lost takes with it who else there was.
    drop(store);
    fs::remove_file(scene.root().join("journal.redb")).unwrap();
    let store = scene.open();
    check(&store, ALICE, "1", false, "nobody knows");
    assert!(note(&store, ALICE, "2"));
    check(&store, ALICE, "2", true, "her own");
    check(&store, ALICE, "copy", false, "whose, nobody knows any more");
}

#[test]
fn of_two_who_answer_for_one_authorization_the_second_is_told() {
    let scene = Scene::new();
    let store = scene.open();
    let note = |tenant, proofs: &[Proof]| store.note_proofs(&ca(), tenant, proofs, SystemTime::now()).unwrap();
    assert_eq!(note(ALICE, &[proof("1")]), Noted::default());
    assert_eq!(
        note(ALICE, &[proof("1")]),
        Noted { again: vec![host("a.example.com")], ..Noted::default() },
        "after a kill"
    );
    let proofs = [proof("1"), Proof { name: host("b.example.com"), ..proof("2") }];
    assert_eq!(note(BOB, &proofs), Noted { taken: vec![host("a.example.com")], ..Noted::default() });
    check(&store, ALICE, "1", true, "nothing was noted");
    assert!(!store.is_proof_of(&ca(), BOB, &proofs[1]).unwrap(), "nothing was noted");
}

#[test]
fn what_no_ca_goes_by_any_more_is_forgotten() {
    let scene = Scene::new();
    let store = scene.open();
    store.forget_proofs(scene.now).unwrap();
    assert!(note(&store, ALICE, "1"));
    store.forget_proofs(scene.now + DAY * 199).unwrap();
    check(&store, ALICE, "1", true, "it may still be used");
    store.forget_proofs(scene.now + DAY * 201).unwrap();
    check(&store, ALICE, "1", false, "forgotten");
}
