//! An identity as its users see it: real handshakes in memory, files in temporary folders, time as an argument.

mod files;
mod guests;
mod handshakes;
mod issued;
mod local_certificates;
mod resumption;

use std::{fs, path::PathBuf, thread};

use rustls::{
    ClientConfig, NamedGroup, ProtocolVersion,
    version::{TLS12, TLS13},
};
use vestibule_names::TenantId;

use super::*;
use crate::{
    Vault, VaultError,
    testing::{Authority, DAY, Made, Session, client, put, request, root_of},
};

/// A vault in a folder of its own.
fn vault() -> (tempfile::TempDir, Vault) {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::open(&dir.path().join("certs")).unwrap();
    (dir, vault)
}

fn local(vault: &Vault, site: &str, hosts: &[&str]) -> Arc<Identity> {
    vault.prepare(&request(site, hosts, Origin::LocalCa)).unwrap().identity
}

fn codes(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics.iter().map(|found| found.code.to_string()).collect()
}

/// There is one for each site.
#[test]
fn an_identity_that_nobody_has_asked_for_anything_is_small() {
    assert!(size_of::<Identity>() <= 14 * size_of::<usize>(), "{}", size_of::<Identity>());
}

#[test]
fn a_reopened_vault_serves_under_the_same_root() {
    let (dir, first) = vault();
    let root = root_of(&first);
    drop(first);
    let again = Vault::open(&dir.path().join("certs")).unwrap();
    let server = local(&again, "a.yaml", &["a.test"]).offer_for("a.test").unwrap().config;
    Session::open(&client(&[root], &TLS13), &server, "a.test").unwrap();
}

#[test]
fn upstream_configurations_are_shared() {
    let (_dir, vault) = vault();
    match (vault.client_config(None), vault.client_config(None)) {
        (Ok(one), Ok(other)) => {
            assert!(Arc::ptr_eq(&one, &other));
            assert_eq!(one.alpn_protocols, [b"http/1.1"]);
        }
        (Err(error), _) => assert!(matches!(error, VaultError::NoSystemRoots)),
        (Ok(_), Err(error)) => panic!("{error}"),
    }
}
