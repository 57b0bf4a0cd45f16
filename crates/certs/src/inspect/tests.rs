//! Certificates of every wrong kind. The fixtures were made by `openssl`, for these tests only.

use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use vestibule_diagnostics::Severity;

use super::*;
use crate::{
    testing::{Authority, DAY, Made, host},
    tls,
};

const PATH: &str = "/tls/file.pem";

/// All findings of a pair, one line each: severity, code, message.
fn findings(chain_pem: &str, key_pem: &str, hosts: &[&str]) -> Vec<String> {
    findings_at(SystemTime::now(), chain_pem, key_pem, hosts)
}

fn findings_at(now: SystemTime, chain_pem: &str, key_pem: &str, hosts: &[&str]) -> Vec<String> {
    let (mut found, path) = (Findings::default(), Path::new(PATH));
    let hosts: Vec<_> = hosts.iter().map(|text| host(text)).collect();
    let chain = parse_chain(chain_pem.as_bytes(), path, &mut found);
    let key = parse_key(key_pem.as_bytes(), path, &mut found);
    if let Some(chain) = &chain {
        judge_chain(chain, path, &hosts, now, &mut found);
    }
    if let (Some(chain), Some(key)) = (chain, key) {
        join(chain, key, path, &tls::crypto_provider(), &mut found);
    }
    let line = |found: Diagnostic| {
        let severity = if found.severity == Severity::Error { "error" } else { "warning" };
        assert!(found.help.is_some(), "every finding says what to do: {}", found.message);
        format!("{severity} {} {}", found.code, found.message.replace(PATH, "F"))
    };
    found.into_diagnostics().into_iter().map(line).collect()
}

fn check(made: &Made, hosts: &[&str], expected: &[&str]) {
    assert_eq!(findings(&made.chain_pem, &made.key_pem, hosts), expected);
}

#[test]
fn names_must_be_covered() {
    let ca = Authority::new("CA");
    let check = |names: &[&str], hosts: &[&str], uncovered: &[&str]| {
        let expected: Vec<_> =
            uncovered.iter().map(|host| format!("error V0504 the certificate in F does not name `{host}`")).collect();
        let made = ca.leaf(names).make();
        assert_eq!(findings(&made.chain_pem, &made.key_pem, hosts), expected, "{names:?} for {hosts:?}");
    };
    check(&["a.test"], &["a.test"], &[]);
    check(&["A.Test"], &["a.test"], &[]);
    check(&["a.test", "b.test"], &["b.test", "a.test"], &[]);
    check(&["a.test"], &["b.test", "a.test", "c.test"], &["b.test", "c.test"]);
    check(&["*.a.test"], &["x.a.test"], &[]);
    check(&["*.a.test"], &["a.test"], &["a.test"]);
    check(&["*.a.test"], &["x.y.a.test"], &["x.y.a.test"]);
    check(&["*.a.test"], &["*.a.test"], &[]);
    check(&["*.a.test"], &["*.b.a.test"], &["*.b.a.test"]);
    check(&["x.a.test"], &["*.a.test"], &["*.a.test"]);
    check(&["*.test"], &["*.a.test"], &["*.a.test"]);
    check(&["x*.a.test"], &["xy.a.test"], &["xy.a.test"]);
    check(&["192.0.2.7"], &["192.0.2.7"], &[]);
    check(&["192.0.2.7"], &["192.0.2.8"], &["192.0.2.8"]);
    check(&["2001:db8:0::7"], &["2001:db8::7"], &[]);
    check(&["*.0.2.7"], &["192.0.2.7"], &["192.0.2.7"]);
    check(&["xn--bcher-kva.test"], &["bücher.test"], &[]);
    check(&[], &["a.test"], &["a.test"]);
}

#[test]
fn a_long_list_of_uncovered_names_is_cut() {
    let made = Authority::new("CA").leaf(&["a.test"]).make();
    let hosts: Vec<_> = (0..20).map(|n| format!("h{n}.test")).collect();
    let found = findings(&made.chain_pem, &made.key_pem, &hosts.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(found.len(), NAMES_LISTED_LIMIT + 1);
    assert_eq!(found.last().unwrap(), "error V0504 the certificate in F does not name 12 more hosts");
}

#[test]
fn validity_is_judged_at_the_given_time() {
    let (ca, now) = (Authority::new("CA"), SystemTime::now());
    let check = |from: SystemTime, until: SystemTime, expected: &[&str]| {
        let made = ca
            .leaf(&["a.test"])
            .with(|params| {
                params.not_before = from.into();
                params.not_after = until.into();
            })
            .make();
        check(&made, &["a.test"], expected);
    };
    check(now - 30 * DAY, now + 60 * DAY, &[]);
    check(now - 90 * DAY, now - DAY / 24, &["error V0505 the certificate in F has expired"]);
    check(now + DAY, now + 90 * DAY, &["error V0505 the certificate in F is not valid yet"]);
    check(now - 82 * DAY, now + 8 * DAY, &["warning V0505 the certificate in F expires soon"]);
    check(now - 5 * DAY, now + DAY, &[]);
    // Far ends of the calendar neither overflow nor panic.
    check(SystemTime::UNIX_EPOCH - 3650 * DAY, now + 365 * 7000 * DAY, &[]);
}

#[test]
fn the_role_must_be_a_servers() {
    let ca = Authority::new("CA");
    let with =
        |change: &dyn Fn(&mut rcgen::CertificateParams)| ca.leaf(&["a.test"]).with(|params| change(params)).make();
    let clients_only = |params: &mut rcgen::CertificateParams| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    };
    let marked_ca = |params: &mut rcgen::CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.extended_key_usages = Vec::new();
    };
    check(&with(&|params| params.extended_key_usages = Vec::new()), &["a.test"], &[]);
    check(&with(&clients_only), &["a.test"], &["error V0502 the certificate in F is not for servers"]);
    // What `openssl req -x509` makes by default.
    let expected = "warning V0502 the certificate in F is marked as a CA's; some clients refuse it for a site";
    check(&with(&marked_ca), &["a.test"], &[expected]);
}

#[test]
fn the_chain_must_be_in_order() {
    let root = Authority::new("Root");
    let (middle, stranger) = (root.intermediate("Middle"), Authority::new("Middle"));
    let Made { chain_pem: leaf, key_pem: key, .. } = middle.leaf(&["a.test"]).make();
    let check = |parts: &[&str], expected: &[&str]| assert_eq!(findings(&parts.concat(), &key, &["a.test"]), expected);
    check(&[&leaf], &[]);
    check(&[&leaf, middle.pem()], &[]);
    check(&[&leaf, middle.pem(), root.pem()], &[]);
    check(&["text before\n", &leaf, "text between\n", middle.pem()], &[]);
    // The key in the same file, as HAProxy has it.
    check(&[&leaf, &key, middle.pem()], &[]);
    check(
        &[&leaf, root.pem(), middle.pem()],
        &[
            "error V0502 certificate 1 in F was not issued by certificate 2, which follows it",
            "error V0502 certificate 2 in F was not issued by certificate 3, which follows it",
        ],
    );
    // The right name, but another key.
    check(
        &[&leaf, stranger.pem()],
        &["error V0502 certificate 1 in F was not issued by certificate 2, which follows it"],
    );
    check(
        &[middle.pem(), &leaf],
        &[
            "error V0502 the first certificate in F is a CA's, not the site's",
            "error V0502 certificate 1 in F was not issued by certificate 2, which follows it",
            "error V0504 the certificate in F does not name `a.test`",
            "error V0503 the key in F does not belong to the first certificate of the chain",
        ],
    );
}

#[test]
fn an_expired_intermediate_is_only_a_warning() {
    let root = Authority::new("Root");
    let now = SystemTime::now();
    let made = root.leaf(&["a.test"]).make();
    let old = root.expired("Root", now - DAY);
    assert_eq!(
        findings(&(made.chain_pem.clone() + &old), &made.key_pem, &["a.test"]),
        ["warning V0505 an intermediate certificate in F has expired"]
    );
}

#[test]
fn the_key_must_fit() {
    let ca = Authority::new("CA");
    let (one, other) = (ca.leaf(&["a.test"]).make(), ca.leaf(&["a.test"]).make());
    assert_eq!(
        findings(&one.chain_pem, &other.key_pem, &["a.test"]),
        ["error V0503 the key in F does not belong to the first certificate of the chain"]
    );
    for algorithm in [&PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
        check(&ca.leaf(&["a.test"]).key(KeyPair::generate_for(algorithm).unwrap()).make(), &["a.test"], &[]);
    }
}

/// Pairs as `openssl` makes them: PKCS #1 and SEC1 keys, parameters between the sections.
#[test]
fn keys_of_many_shapes_are_judged() {
    // The fixtures are good from 2026 to 2126.
    let now = SystemTime::UNIX_EPOCH + 80 * 365 * DAY;
    let check = |pem: &str, expected: &[&str]| assert_eq!(findings_at(now, pem, pem, &["a.test"]), expected);
    let unusable = "error V0502 the key file F holds a key that cannot be used";
    check(include_str!("fixtures/rsa2048.pem"), &[]);
    check(include_str!("fixtures/p256.pem"), &[]);
    check(
        include_str!("fixtures/rsa1024.pem"),
        &["error V0502 the RSA key of certificate 1 in F is too short; clients refuse it", unusable],
    );
    check(
        include_str!("fixtures/rsa5120.pem"),
        &["error V0502 the RSA key of certificate 1 in F is so long that each handshake would take too much time"],
    );
    check(include_str!("fixtures/secp256k1.pem"), &[unusable]);
    check(
        include_str!("fixtures/v1.pem"),
        &[
            "error V0504 the certificate in F does not name `a.test`",
            "error V0502 the first certificate of the chain is of a form that clients refuse",
        ],
    );
}

#[test]
fn garbage_is_refused_in_few_words_and_never_quoted() {
    let made = Authority::new("CA").leaf(&["a.test"]).make();
    let no_pem = "error V0502 the certificate file F is not valid PEM";
    let no_certificate = "error V0502 the certificate file F holds no certificate";
    let no_key = "error V0502 the key file F holds no private key";
    let chain = |text: &str, expected: &str| assert_eq!(findings(text, &made.key_pem, &["a.test"]), [expected]);
    let key = |text: &str, expected: &str| assert_eq!(findings(&made.chain_pem, text, &["a.test"]), [expected]);
    chain("root:x:0:0:root:/root:/bin/bash\n", no_certificate);
    chain(&made.key_pem, no_certificate);
    chain("-----BEGIN CERTIFICATE-----\nsecret!\n-----END CERTIFICATE-----\n", no_pem);
    chain("-----BEGIN CERTIFICATE-----\nAAAA\n", no_pem);
    chain(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "error V0502 the certificate file F has a section that is not an X.509 certificate",
    );
    chain(&made.chain_pem.repeat(11), "error V0502 the certificate file F holds more than 10 certificates");
    key("root:x:0:0:root:/root:/bin/bash\n", no_key);
    key(&made.chain_pem, no_key);
    key(
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "error V0502 the key file F holds a key that cannot be used",
    );
    let encrypted = "error V0502 the key file F is encrypted with a passphrase";
    key("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", encrypted);
    key("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", encrypted);
}

#[test]
fn a_chain_that_no_client_would_take_is_refused() {
    let ca = Authority::new("CA");
    let names: Vec<_> = (0..2500).map(|n| format!("host-{n}.a-rather-long-name.test")).collect();
    let made = ca.leaf(&names.iter().map(String::as_str).collect::<Vec<_>>()).make();
    check(&made, &[], &["error V0502 the certificate file F holds certificates of more than 63 KiB together"]);
}

#[test]
fn no_changed_byte_of_a_certificate_panics() {
    let made = Authority::new("CA").leaf(&["a.test", "192.0.2.7"]).make();
    let (path, hosts) = (Path::new(PATH), [host("a.test")]);
    for place in 0..made.chain_der[0].len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut der = made.chain_der[0].to_vec();
            der[place] ^= flip;
            let mut found = Findings::default();
            judge_chain(&[der.clone().into(), der.into()], path, &hosts, SystemTime::now(), &mut found);
        }
    }
}

#[test]
fn controls_of_a_path_do_not_reach_a_terminal() {
    assert_eq!(shown(Path::new("/tls/\u{1b}[2J.pem")), "/tls/\u{fffd}[2J.pem");
}
