//! What makes a file of client CAs fit, and whom it lets in.

use std::fs;

use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose};
use rustls::{pki_types::UnixTime, server::danger::ClientCertVerifier};

use super::*;
use crate::testing::{Authority, DAY, Made, put};

fn load(dir: &Path, pem: impl AsRef<[u8]>, demand: Demand) -> Result<(ClientAuth, Vec<Diagnostic>), Vec<Diagnostic>> {
    let client_ca = ClientCa { file: put(dir, "clients.pem", pem), demand };
    client_ca.load(Owner::Any, SystemTime::now(), &tls::crypto_provider())
}

fn policy(dir: &Path, pem: impl AsRef<[u8]>, demand: Demand) -> ClientPolicy {
    load(dir, pem, demand).map(|(auth, _)| auth.policy).unwrap()
}

#[test]
fn a_policy_is_its_cas_and_its_demand_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (Authority::new("One"), Authority::new("Other"));
    let of = |pem: &str, demand| policy(dir.path(), pem, demand);
    let first = of(one.pem(), Demand::Required);
    assert_eq!(first, of(&format!("# ours\n{}\n\n", one.pem()), Demand::Required));
    assert_ne!(first, of(one.pem(), Demand::Optional));
    assert_ne!(first, of(other.pem(), Demand::Required));
    assert_ne!(first, of(&format!("{}{}", one.pem(), other.pem()), Demand::Required));
    assert_ne!(first, of(Authority::new("One").pem(), Demand::Required), "the same name is not the same CA");
}

#[test]
fn what_is_wrong_is_said_and_never_quoted() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("Clients");
    let leaf = authority.leaf(&["ann"]).make();
    let expired = authority.expired("Clients", SystemTime::now() - DAY);
    let not_signing = authority.leaf(&["ca"]).with(|params| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    });
    let many = authority.pem().repeat(CA_LIMIT + 1);
    let path = dir.path().join("clients.pem");
    let path = path.display();
    for (pem, code, expected) in [
        (String::new(), "V0502", format!("cannot use the client CA file {path}: it is empty")),
        ("secret".to_owned(), "V0513", format!("the client CA file {path} holds no certificate")),
        (
            "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n".to_owned(),
            "V0513",
            format!("the client CA file {path} is not valid PEM"),
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
            "V0513",
            format!("the client CA file {path} has at place 1 something that is no X.509 certificate of version 3"),
        ),
        (
            format!("{}{}", authority.pem(), leaf.chain_pem),
            "V0513",
            format!("the client CA file {path} has at place 2 a certificate that is no CA's"),
        ),
        (
            not_signing.make().chain_pem,
            "V0513",
            format!("the client CA file {path} has at place 1 a certificate that is no CA's"),
        ),
        (many, "V0513", format!("the client CA file {path} holds more than 64 certificates")),
        (expired.clone(), "V0505", format!("no CA in the client CA file {path} is valid now")),
    ] {
        let found = load(dir.path(), &pem, Demand::Required).err().unwrap();
        let found: Vec<_> = found.iter().map(|found| (found.code.to_string(), found.message.clone())).collect();
        assert_eq!(found, [(code.to_owned(), expected)]);
    }
    let (_, warnings) = load(dir.path(), format!("{}{expired}", authority.pem()), Demand::Required).unwrap();
    assert_eq!(warnings.iter().map(|found| found.code.to_string()).collect::<Vec<_>>(), ["V0505"]);
    fs::remove_file(dir.path().join("clients.pem")).unwrap();
    let gone = ClientCa { file: dir.path().join("clients.pem"), demand: Demand::Optional };
    let found = gone.load(Owner::Any, SystemTime::now(), &tls::crypto_provider()).err().unwrap();
    assert_eq!(found[0].code.to_string(), "V0501");
}

#[test]
fn names_of_cas_are_told_within_a_bound() {
    let dir = tempfile::tempdir().unwrap();
    let long: String = (0..CA_LIMIT / 2).map(|n| Authority::new(&format!("{n:0>400}")).pem().to_owned()).collect();
    let (_, warnings) = load(dir.path(), long, Demand::Required).unwrap();
    assert_eq!(warnings.iter().map(|found| found.code.to_string()).collect::<Vec<_>>(), ["V0513"]);
}

/// When a visitor with this certificate is let in, of these days from now.
fn days(verifier: &Verifier, visitor: &Made, days: &[u32]) -> Vec<bool> {
    let at = |day: u32| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        UnixTime::since_unix_epoch(since + DAY * day)
    };
    let (leaf, chain) = visitor.chain_der.split_first().unwrap();
    days.iter().map(|day| verifier.verify_client_cert(leaf, chain, at(*day)).is_ok()).collect()
}

fn verifier(roots: &[(&Authority, SystemTime)]) -> Verifier {
    let root = |(authority, until): &(&Authority, SystemTime)| {
        let mut store = RootCertStore::empty();
        store.add(authority.der().clone()).unwrap();
        Root { anchor: store.roots.remove(0), from: SystemTime::UNIX_EPOCH, until: *until }
    };
    let roots = roots.iter().map(root).collect();
    Verifier::new(roots, Demand::Required, Hints::Sent, &tls::crypto_provider()).unwrap()
}

#[test]
fn a_ca_ends_with_its_certificate_and_others_go_on() {
    let (now, one, other) = (SystemTime::now(), Authority::new("One"), Authority::new("Other"));
    let verifier = verifier(&[(&one, now + 10 * DAY), (&other, now + 1000 * DAY)]);
    let check = |authority: &Authority, expected: [bool; 5]| {
        let visitor = authority.leaf(&["ann"]).with(|params| params.extended_key_usages.clear()).make();
        assert_eq!(days(&verifier, &visitor, &[0, 9, 11, 88, 90]), expected);
    };
    check(&one, [true, true, false, false, false]);
    check(&other, [true, true, true, true, false]);
    check(&Authority::new("One"), [false; 5]);
}

#[test]
fn what_is_too_long_to_be_told_or_made_for_servers_is_refused() {
    let authority = Authority::new("Clients");
    let verifier = verifier(&[(&authority, SystemTime::now() + 1000 * DAY)]);
    let check = |visitor: Made, expected: bool| assert_eq!(days(&verifier, &visitor, &[0]), [expected]);
    let usage = |usage| authority.leaf(&["ann"]).with(|params| params.extended_key_usages = usage).make();
    check(usage(vec![ExtendedKeyUsagePurpose::ClientAuth]), true);
    check(usage(Vec::new()), true);
    check(usage(vec![ExtendedKeyUsagePurpose::ServerAuth]), false);
    let names: Vec<_> = (0..400).map(|n| format!("a-rather-long-name-of-a-visitor-{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    check(authority.leaf(&names).with(|params| params.extended_key_usages.clear()).make(), false);
    let mut padded = usage(Vec::new());
    padded.chain_der.extend(vec![authority.der().clone(); 5]);
    check(padded, false);
}
