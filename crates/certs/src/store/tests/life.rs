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
    assert_eq!(&*issued.issuer, "Test CA");
    assert!(issued.ari.as_ref().is_some_and(|ari| ari.contains('.')));
    assert_eq!(store.current(), std::slice::from_ref(&issued));
    assert_eq!(store.chain(&issued.id).unwrap(), chain.as_bytes());
    drop(store);

    let store = scene.open();
    let found = store.find(ALICE, &host("b.example.com")).unwrap();
    assert_eq!((found.id, found.draft, found.fingerprint), (issued.id, issued.draft, issued.fingerprint));
    assert!(store.find(BOB, &host("b.example.com")).is_none(), "another tenant's");
    assert!(store.pending().is_empty() && store.broken().is_empty());
}

#[test]
fn every_type_of_key_is_asked_for_and_served() {
    use x509_parser::{certification_request::X509CertificationRequest, prelude::FromDer};
    let scene = Scene::new();
    let store = scene.open();
    for (key_type, bits) in
        [(KeyType::EcdsaP256, 256), (KeyType::EcdsaP384, 384), (KeyType::Rsa2048, 2048), (KeyType::Rsa4096, 4096)]
    {
        let names = ["*.example.com", "192.0.2.7", "2001:db8::7", "example.com"];
        let pending = store.begin(&Draft { key_type, ..draft(&names) }).unwrap();
        let csr = pending.csr().unwrap();
        let (_, parsed) = X509CertificationRequest::from_der(&csr).unwrap();
        let info = &parsed.certification_request_info;
        assert_eq!(info.subject.iter().count(), 0, "the subject is empty");
        assert_eq!(info.subject_pki.parsed().unwrap().key_size(), bits);
        parsed.verify_signature().unwrap();
        let issued = pending.commit(scene.issue(&csr).as_bytes(), scene.now).unwrap();
        assert_eq!(issued.draft.key_type, key_type);
        for name in names.iter().chain(&["x.example.com"]) {
            let entry = store.entry(ALICE, &host(name), scene.now).unwrap();
            assert_eq!(entry.issued(), issued, "{name}");
            store.load(&entry).unwrap();
        }
        for name in ["x.y.example.com", "192.0.2.8", "example.org"] {
            assert!(store.entry(ALICE, &host(name), scene.now).is_none(), "{name}");
        }
    }
}

#[test]
fn the_latest_two_of_each_name_are_kept() {
    let scene = Scene::new();
    let store = scene.open();
    let mut ids = Vec::new();
    let mut check = |names: &[&str], expected: &[usize]| {
        ids.push(scene.obtain(&store, &draft(names)).id);
        let expected: Vec<_> = expected.iter().map(|place: &usize| ids[*place].to_string()).collect();
        assert_eq!(scene.entries("live"), expected, "{names:?}");
    };
    check(&["a.example.com", "b.example.com"], &[0]);
    check(&["a.example.com"], &[0, 1]);
    // The first is still the latest for b.
    check(&["a.example.com"], &[0, 1, 2]);
    check(&["a.example.com"], &[0, 2, 3]);
    check(&["b.example.com"], &[0, 2, 3, 4]);
    check(&["b.example.com", "c.example.com"], &[2, 3, 4, 5]);
    // Another tenant's is another's.
    let bobs = scene.obtain(&store, &Draft { tenant: BOB, ..draft(&["a.example.com"]) }).id;
    assert_eq!(scene.entries("live").len(), 5);
    let latest = |store: &Store, tenant| store.find(tenant, &host("a.example.com")).unwrap().id;
    assert_eq!((latest(&store, ALICE), latest(&store, BOB)), (ids[3].clone(), bobs.clone()));
    let current: Vec<_> = store.current().into_iter().map(|issued| issued.id).collect();
    assert_eq!(current, [ids[3].clone(), ids[5].clone(), bobs.clone()]);
    drop(store);
    let store = scene.open();
    assert_eq!((latest(&store, ALICE), latest(&store, BOB)), (ids[3].clone(), bobs));
}

#[test]
fn what_was_retired_stays_away_and_so_does_what_was_before_it() {
    let scene = Scene::new();
    let store = scene.open();
    let both = scene.obtain(&store, &draft(&["a.example.com", "b.example.com"])).id;
    let before = scene.obtain(&store, &draft(&["a.example.com"])).id;
    let revoked = scene.obtain(&store, &draft(&["a.example.com"])).id;
    store.retire(&revoked).unwrap();
    assert!(matches!(store.retire(&revoked), Err(StoreError::Unknown(_))));
    let check = |store: &Store| {
        assert!(store.find(ALICE, &host("a.example.com")).is_none(), "nothing comes back");
        assert_eq!(store.find(ALICE, &host("b.example.com")).unwrap().id, both, "the other name is not touched");
        assert_eq!(scene.entries("live"), [both.as_str()], "{before} serves nobody any more");
        assert_eq!(scene.entries("retired"), [revoked.as_str()]);
    };
    check(&store);
    drop(store);
    let store = scene.open();
    check(&store);
    let renewed = scene.obtain(&store, &draft(&["a.example.com"])).id;
    assert!(renewed > revoked);
    assert_eq!(store.find(ALICE, &host("a.example.com")).unwrap().id, renewed);
}

#[test]
fn an_id_from_outside_opens_nothing() {
    let scene = Scene::new();
    let store = scene.open();
    let issued = scene.obtain(&store, &draft(&["a.example.com"]));
    for text in
        ["../pending", "", "/etc/passwd", "0000000001-b.example.com", "0000000001", "..", "0000000001-a.example.com/"]
    {
        let id = IssuanceId::new(text);
        assert!(matches!(store.chain(&id), Err(StoreError::Unknown(_))), "{text}");
        assert!(matches!(store.retire(&id), Err(StoreError::Unknown(_))), "{text}");
    }
    assert!(store.chain(&IssuanceId::new(issued.id.as_str())).is_ok());
}

#[test]
fn orders_are_resumed_by_one_at_a_time() {
    let scene = Scene::new();
    let store = scene.open();
    let held = store.begin(&draft(&["a.example.com"])).unwrap();
    assert!(store.pending().is_empty(), "somebody has it");
    let (id, csr) = (held.id().clone(), held.csr().unwrap());
    drop(held);
    let again = store.pending().remove(0);
    assert_eq!((again.id(), store.pending().len()), (&id, 0));
    drop((again, store));

    let store = scene.open();
    let mut resumed = store.pending().remove(0);
    assert_eq!(resumed.id(), &id);
    resumed.set_order_url("https://ca.test/order/1").unwrap();
    // The chain was issued for the request of before: the key is the same.
    let issued = resumed.commit(scene.issue(&csr).as_bytes(), scene.now).unwrap();
    assert!(issued.id == id && store.pending().is_empty() && scene.entries("pending").is_empty());

    let given_up = store.begin(&draft(&["b.example.com"])).unwrap();
    assert!(given_up.id() > &id);
    given_up.abandon().unwrap();
    assert!(store.pending().is_empty() && scene.entries("pending").is_empty());
    assert!(matches!(store.begin(&draft(&[])), Err(StoreError::Key(_))));
}

#[test]
fn a_chain_that_does_not_fit_changes_nothing() {
    let scene = Scene::new();
    let store = scene.open();
    let old = scene.obtain(&store, &draft(&["a.example.com"]));
    let mut pending = store.begin(&draft(&["a.example.com", "b.example.com"])).unwrap();
    let csr = pending.csr().unwrap();
    let good = scene.issue(&csr);
    let request = |change: &dyn Fn(&mut rcgen::CertificateParams)| {
        let mut request =
            CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(&*csr)).unwrap();
        request.params.not_before = (scene.now - DAY).into();
        request.params.not_after = (scene.now + 90 * DAY).into();
        change(&mut request.params);
        request.signed_by(scene.ca.issuer()).unwrap().pem()
    };
    let another_key = scene.ca.leaf(&["a.example.com", "b.example.com"]).make().chain_pem;
    for (what, chain, code, told) in [
        ("nothing", String::new(), "V0502", "no certificate"),
        ("HTML", "<html>502</html>".to_owned(), "V0502", "no certificate"),
        ("another key", another_key, "V0503", "does not belong"),
        ("a name is missing", request(&|p| drop(p.subject_alt_names.pop())), "V0504", "does not name"),
        ("expired", request(&|p| p.not_after = (scene.now - DAY / 2).into()), "V0505", "has expired"),
        ("a wrong clock", request(&|p| p.not_before = (scene.now + DAY).into()), "V0505", "check the clock"),
        ("a wrong order", format!("{good}{}", Authority::new("Another CA").pem()), "V0502", "was not issued by"),
        ("twice the leaf", format!("{good}{good}"), "V0502", "was not issued by"),
        (
            "not for servers",
            request(&|p| p.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth]),
            "V0502",
            "not for servers",
        ),
    ] {
        let (back, error) = pending.commit(chain.as_bytes(), scene.now).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(told), "{what}: {text}");
        let StoreError::Refused(found) = error else { panic!("{what}: {text}") };
        assert_eq!(found.iter().find(|found| found.is_error()).unwrap().code.to_string(), code, "{what}");
        assert_eq!(store.current(), std::slice::from_ref(&old), "{what}");
        pending = back;
    }
    let issued = pending.commit(format!("{good}{}", scene.ca.pem()).as_bytes(), scene.now).unwrap();
    assert_eq!(store.find(ALICE, &host("a.example.com")).unwrap(), issued);
}

#[test]
fn a_certificate_from_elsewhere_is_inspected_and_taken_once() {
    let scene = Scene::new();
    let store = scene.open();
    let made = scene.ca.leaf(&["b.example.com", "*.example.com", "A.example.com", "192.0.2.7"]).make();
    let ca = CaId::new("imported").unwrap();
    let import =
        |tenant, chain: &str, key: &str| store.import(tenant, &ca, chain.as_bytes(), key.as_bytes(), scene.now);
    let issued = import(ALICE, &made.chain_pem, &made.key_pem).unwrap();
    assert_eq!(
        issued.draft,
        Draft { ca: ca.clone(), ..sorted(&["*.example.com", "192.0.2.7", "a.example.com", "b.example.com"]) }
    );
    assert_eq!(import(ALICE, &made.chain_pem, &made.key_pem).unwrap(), issued, "again");
    assert_eq!(store.current().len(), 1);
    assert_ne!(import(BOB, &made.chain_pem, &made.key_pem).unwrap().id, issued.id);
    let other = scene.ca.leaf(&["c.example.com"]).make();
    assert!(matches!(import(ALICE, &other.chain_pem, &made.key_pem), Err(StoreError::Refused(_))));
    assert!(matches!(
        import(ALICE, &scene.ca.leaf(&["a_b.example.com"]).make().chain_pem, ""),
        Err(StoreError::Refused(_))
    ));
    drop(store);
    let store = scene.open();
    assert_eq!(store.find(ALICE, &host("x.example.com")).unwrap(), issued);
    store.load(&store.entry(ALICE, &host("192.0.2.7"), scene.now).unwrap()).unwrap();
}

fn sorted(names: &[&str]) -> Draft {
    let mut draft = draft(names);
    draft.names.sort();
    draft
}

#[test]
fn one_process_writes() {
    let scene = Scene::new();
    let store = scene.open();
    assert!(matches!(Store::open(&scene.root()), Err(StoreError::Locked { .. })));
    let pending = store.begin(&draft(&["a.example.com"])).unwrap();
    drop(store);
    assert!(matches!(Store::open(&scene.root()), Err(StoreError::Locked { .. })), "an order is being made");
    drop(pending);
    scene.open();
}

#[test]
fn accounts_are_kept_by_ca() {
    let scene = Scene::new();
    let store = scene.open();
    let [one, other] = ["letsencrypt", "another"].map(|ca| CaId::new(ca).unwrap());
    assert_eq!(store.account(&one).unwrap(), None);
    store.save_account(&one, b"first").unwrap();
    store.save_account(&one, b"second").unwrap();
    drop(store);
    let store = scene.open();
    assert_eq!(store.account(&one).unwrap().as_deref(), Some(&b"second"[..]));
    assert_eq!(store.account(&other).unwrap(), None);
}

#[test]
fn everything_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::new();
    let store = scene.open();
    scene.obtain(&store, &draft(&["a.example.com"]));
    drop(store.begin(&draft(&["b.example.com"])).unwrap());
    store.save_account(&CaId::new("ca").unwrap(), b"account").unwrap();
    store.record(&[("a".to_owned(), Some(Vec::new()))]).unwrap();
    let mut folders = vec![scene.root()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let found = entry.metadata().unwrap();
            let expected = if found.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(found.permissions().mode() & 0o777, expected, "{}", entry.path().display());
            if found.is_dir() { folders.push(entry.path()) } else { files += 1 }
        }
    }
    assert_eq!(files, 4 + 2 + 1 + 2);
}

#[test]
fn a_store_is_asked_while_it_changes() {
    let scene = Scene::new();
    let store = scene.open();
    scene.obtain(&store, &draft(&["a.example.com"]));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = None;
                    for _ in 0..2000 {
                        let found = store.find(ALICE, &host("a.example.com")).map(|issued| issued.id);
                        assert!(found.is_some() && found >= seen, "never without, never back");
                        seen = found;
                    }
                })
            })
            .collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            scene.obtain(&store, &draft(&["a.example.com"]));
        }
    });
}

#[test]
fn what_ran_out_long_ago_goes_unless_somebody_wants_it() {
    let scene = Scene::new();
    let store = scene.open();
    let gone = scene.obtain(&store, &draft(&["gone.example.com"])).id;
    let wanted = scene.obtain(&store, &draft(&["wanted.example.com"]));
    let revoked = scene.obtain(&store, &draft(&["revoked.example.com"])).id;
    store.retire(&revoked).unwrap();
    let is_wanted = |issued: &Entry| issued.id() == wanted.id;
    let end = wanted.not_after;

    assert_eq!(store.sweep(is_wanted, 10, end + DAY * 29), 0);
    assert_eq!(scene.entries("live"), [gone.as_str(), wanted.id.as_str()]);
    assert_eq!(scene.entries("retired"), [revoked.as_str()]);

    // A few at a time.
    assert_eq!(store.sweep(is_wanted, 1, end + DAY * 31), 1);
    assert_eq!((scene.entries("live"), scene.entries("retired").len()), (vec![wanted.id.to_string()], 1));
    assert_eq!(store.sweep(is_wanted, 1, end + DAY * 31), 1);
    assert_eq!(store.sweep(is_wanted, 1, end + DAY * 31), 0);
    assert!(scene.entries("retired").is_empty());
    assert!(store.find(ALICE, &host("gone.example.com")).is_none());
    assert_eq!(store.current(), [wanted]);
    drop(store);
    assert_eq!(scene.open().current().len(), 1);
}

#[test]
fn what_was_retired_stays_as_long_as_it_keeps_an_older_one_from_counting() {
    let scene = Scene::new();
    let store = scene.open();
    let older = scene.obtain(&store, &draft(&["a.example.com", "b.example.com"]));
    let revoked = scene.obtain(&store, &draft(&["a.example.com"]));
    store.retire(&revoked.id).unwrap();
    let later = revoked.not_after + DAY * 31;
    assert_eq!(store.sweep(|issued| issued.id() == older.id, 10, later), 0);
    drop(store);
    let store = scene.open();
    assert!(store.find(ALICE, &host("a.example.com")).is_none());
    assert_eq!(store.sweep(|_| false, 10, later), 2);
}
