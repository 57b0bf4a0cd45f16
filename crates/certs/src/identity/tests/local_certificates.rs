//! When the local CA signs.

use super::*;

#[test]
fn nothing_is_signed_before_the_first_handshake() {
    let (_dir, vault) = vault();
    let (identity, now) = (local(&vault, "a.yaml", &["a.test", "*.b.test"]), SystemTime::now());
    let cold = identity.facts_at(now);
    assert_eq!((cold.fingerprint.as_str(), cold.issuer.as_str()), ("", "local CA"));
    assert_eq!(cold.names, ["a.test", "*.b.test"]);
    identity.offer_at("a.test", now).unwrap();
    let warm = identity.facts_at(now);
    assert_eq!((warm.fingerprint.len(), warm.issuer.as_str()), (64, "local CA"));
    assert_eq!(warm.names, cold.names);
    assert!(cold.not_after.duration_since(warm.not_after).unwrap_or_default().as_secs() < 1);
}

#[test]
fn it_is_signed_again_when_a_third_is_left() {
    let (_dir, vault) = vault();
    let (identity, now) = (local(&vault, "a.yaml", &["a.test"]), SystemTime::now());
    let first = identity.offer_at("a.test", now).unwrap().config;
    let check = |at, same| {
        let config = identity.offer_at("a.test", at).unwrap().config;
        assert_eq!(Arc::ptr_eq(&first, &config), same);
    };
    check(now + 59 * DAY, true);
    check(now + 61 * DAY, false);
    // The clock was set back to before the certificate began.
    let fingerprint = identity.facts().fingerprint;
    identity.offer_at("a.test", now - DAY).unwrap();
    assert_ne!(identity.facts().fingerprint, fingerprint);
}

#[test]
fn first_handshakes_at_one_moment_sign_once() {
    let (_dir, vault) = vault();
    let identity = local(&vault, "a.yaml", &["a.test"]);
    let configs: Vec<_> = thread::scope(|scope| {
        let first: Vec<_> = (0..8).map(|_| scope.spawn(|| identity.offer_for("a.test").unwrap().config)).collect();
        first.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(configs.iter().all(|config| Arc::ptr_eq(config, &configs[0])));
}

#[test]
fn nobody_waits_for_a_renewal() {
    let (_dir, vault) = vault();
    let (identity, now) = (local(&vault, "a.yaml", &["a.test"]), SystemTime::now());
    let old = identity.offer_at("a.test", now).unwrap().config;
    let signing = identity.lock();
    assert!(Arc::ptr_eq(&old, &identity.offer_at("a.test", now + 70 * DAY).unwrap().config));
    drop(signing);
    assert!(!Arc::ptr_eq(&old, &identity.offer_at("a.test", now + 70 * DAY).unwrap().config));
}

#[test]
fn a_site_with_more_names_than_clients_take_is_told_so() {
    let (_dir, vault) = vault();
    let hosts: Vec<_> = (0..2000).map(|n| format!("host-{n}.a-rather-long-name.test")).collect();
    let hosts: Vec<_> = hosts.iter().map(String::as_str).collect();
    let check = |hosts: &[&str], expected: &[&str]| {
        let request = request("a.yaml", hosts, Origin::LocalCa);
        let found = vault.prepare(&request).map(|prepared| prepared.warnings).unwrap_or_else(|errors| errors);
        assert_eq!(codes(&found), expected);
        assert_eq!(codes(&crate::check(&request, rustix::process::geteuid().as_raw())), expected);
    };
    check(&hosts[..500], &[]);
    check(&hosts, &["V0502"]);
}

#[test]
fn refresh_finds_nothing() {
    let (_dir, vault) = vault();
    assert!(matches!(local(&vault, "a.yaml", &["a.test"]).refresh(), Refresh::Unchanged));
}
