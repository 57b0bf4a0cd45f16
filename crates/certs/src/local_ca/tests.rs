//! The root: made once, by one, whole or not at all; damage is named.

use std::thread;

use super::*;
use crate::{
    testing::{DAY, host},
    tls,
};

fn open(dir: &Path) -> Result<LocalCa, VaultError> {
    LocalCa::open(dir, SystemTime::now())
}

#[test]
fn the_root_survives_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    assert!(read_root(dir.path()).is_err());
    let first = open(dir.path()).unwrap();
    let again = open(dir.path()).unwrap();
    assert_eq!(first.root_pem(), again.root_pem());
    assert_eq!(first.root_pem(), read_root(dir.path()).unwrap());
}

#[test]
fn the_root_is_a_ca_of_ten_years_that_may_sign_leaves_only() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, now) = (open(dir.path()).unwrap(), SystemTime::now());
    let der = CertificateDer::from_pem_slice(ca.root_pem().as_bytes()).unwrap();
    let root = facts::parse(&der).unwrap();
    assert_eq!(root.basic_constraints().unwrap().unwrap().value.path_len_constraint, Some(0));
    let usage = root.key_usage().unwrap().unwrap().value;
    assert!(usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
    assert!(facts::time(root.validity().not_before) < now);
    assert!(facts::time(root.validity().not_after) > now + 3650 * DAY);
    let name = root.subject().iter_common_name().next().unwrap().as_str().unwrap();
    assert!(name.starts_with("Vestibule local CA (") && name.len() <= 64, "{name}");
}

#[test]
fn two_boxes_have_two_roots() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert_ne!(open(one.path()).unwrap().root_pem(), open(other.path()).unwrap().root_pem());
}

#[test]
fn everybody_who_races_for_the_first_use_gets_one_root() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let roots: Vec<String> = thread::scope(|scope| {
        let racers: Vec<_> = (0..8).map(|_| scope.spawn(|| open(path).unwrap().root_pem().to_owned())).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    assert!(roots.iter().all(|root| *root == roots[0]));
    assert_eq!(fs::read_dir(path).unwrap().count(), 1, "losers leave nothing behind");
}

/// A kill at any moment of the creation leaves at most a folder with another name.
#[test]
fn a_killed_creation_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(".local-ca.0badcafe")).unwrap();
    fs::write(dir.path().join(".local-ca.0badcafe/root-key.pem"), "half").unwrap();
    open(dir.path()).unwrap();
}

#[test]
fn a_damaged_root_is_named_and_never_replaced() {
    let check = |damage: &dyn Fn(&Path), expected: &str| {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).unwrap();
        let folder = dir.path().join(FOLDER);
        damage(&folder);
        let before = fs::read(folder.join(ROOT_FILE)).ok();
        let message = open(dir.path()).unwrap_err().to_string().replace(&*dir.path().to_string_lossy(), "DIR");
        assert_eq!(
            message,
            format!(
                "the local CA's DIR/local-ca/{expected}: restore it from a backup, or move DIR/local-ca away for a new CA, whose \
                 root every browser must then be told again"
            )
        );
        assert_eq!(fs::read(folder.join(ROOT_FILE)).ok(), before);
    };
    let other = tempfile::tempdir().unwrap();
    open(other.path()).unwrap();
    let from_other = |folder: &Path, name: &str| {
        fs::copy(other.path().join(FOLDER).join(name), folder.join(name)).unwrap();
    };
    check(&|folder| fs::remove_file(folder.join(KEY_FILE)).unwrap(), "root-key.pem is damaged (it is missing)");
    check(&|folder| fs::remove_file(folder.join(ROOT_FILE)).unwrap(), "root.pem is damaged (it is missing)");
    check(
        &|folder| fs::write(folder.join(KEY_FILE), "").unwrap(),
        "root-key.pem is damaged (it is no PEM private key)",
    );
    check(&|folder| fs::write(folder.join(ROOT_FILE), "").unwrap(), "root.pem is damaged (it is no PEM certificate)");
    check(&|folder| fs::write(folder.join(ROOT_FILE), [0xff; 9]).unwrap(), "root.pem is damaged (it is not text)");
    let mismatch = "root-key.pem is damaged (it does not belong to the root certificate beside it)";
    check(&|folder| from_other(folder, KEY_FILE), mismatch);
    check(&|folder| from_other(folder, ROOT_FILE), mismatch);
}

/// Whatever single character of the root's PEM changes on a bad disk, the CA does not sign with what is left.
#[test]
fn no_changed_character_of_the_root_goes_unnoticed() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).unwrap();
    let path = dir.path().join(FOLDER).join(ROOT_FILE);
    let good = fs::read(&path).unwrap();
    let start = good.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    for place in (start..good.len() - 40).step_by(7).filter(|&place| good[place].is_ascii_alphanumeric()) {
        let mut bad = good.clone();
        bad[place] = if bad[place] == b'A' { b'B' } else { b'A' };
        fs::write(&path, bad).unwrap();
        assert!(matches!(open(dir.path()), Err(VaultError::DamagedRoot { .. })), "character {place}");
    }
}

#[test]
fn a_leaf_names_every_host_and_lasts_ninety_days() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, now) = (open(dir.path()).unwrap(), SystemTime::now());
    let hosts = ["a.test", "*.a.test", "192.0.2.7", "2001:db8::7"];
    let leaf = ca.sign(&hosts.map(host), now, &tls::crypto_provider()).unwrap();
    let der = leaf.certified.cert[0].clone();
    let parsed = facts::parse(&der).unwrap();
    assert_eq!(facts::names(&parsed), hosts);
    assert!(parsed.extended_key_usage().unwrap().unwrap().value.server_auth);
    assert_eq!(leaf.not_after.duration_since(now).unwrap(), 90 * DAY);
    assert_eq!(now.duration_since(leaf.not_before).unwrap(), BACKDATED);
    assert!(leaf.certified.keys_match().is_ok());

    let root = CertificateDer::from_pem_slice(ca.root_pem().as_bytes()).unwrap();
    let root = facts::parse(&root).unwrap();
    assert!(parsed.verify_signature(Some(root.public_key())).is_ok());
}

#[test]
fn a_leaf_may_have_hundreds_of_names() {
    let dir = tempfile::tempdir().unwrap();
    let hosts: Vec<_> = (0..500).map(|n| host(&format!("host-{n}.example.test"))).collect();
    let ca = open(dir.path()).unwrap();
    let leaf = ca.sign(&hosts, SystemTime::now(), &tls::crypto_provider()).unwrap();
    assert_eq!(facts::names(&facts::parse(&leaf.certified.cert[0]).unwrap()).len(), 500);
}
