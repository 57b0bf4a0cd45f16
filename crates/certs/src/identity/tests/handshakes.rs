//! What a client meets: versions, groups, cipher suites, ALPN.

use rustls::{ClientConfig, RootCertStore};

use super::*;
use crate::tls;

#[test]
fn a_local_site_is_served_in_both_versions() {
    let (_dir, vault) = vault();
    let server = local(&vault, "a.yaml", &["a.test", "*.a.test"]).offer_for("a.test").unwrap().config;
    for (version, negotiated) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let client = client(&[root_of(&vault)], version);
        for name in ["a.test", "x.a.test"] {
            let session = Session::open(&client, &server, name).unwrap();
            assert_eq!(session.server.protocol_version(), Some(negotiated));
            assert_eq!(session.server.alpn_protocol(), Some(&b"h2"[..]));
        }
        assert!(Session::open(&client, &server, "b.test").is_err());
    }
}

#[test]
fn addresses_are_served() {
    let (_dir, vault) = vault();
    let server = local(&vault, "a.yaml", &["192.0.2.7", "2001:db8::7"]).offer_for("a.test").unwrap().config;
    let client = client(&[root_of(&vault)], &TLS13);
    for name in ["192.0.2.7", "2001:db8::7"] {
        Session::open(&client, &server, name).unwrap();
    }
}

#[test]
fn the_post_quantum_exchange_comes_first() {
    let (_dir, vault) = vault();
    let server = local(&vault, "a.yaml", &["a.test"]).offer_for("a.test").unwrap().config;
    let groups: Vec<_> = server.crypto_provider().kx_groups.iter().map(|group| group.name()).collect();
    assert_eq!(groups[..2], [NamedGroup::X25519MLKEM768, NamedGroup::X25519]);
    let session = Session::open(&client(&[root_of(&vault)], &TLS13), &server, "a.test").unwrap();
    let group = session.server.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, NamedGroup::X25519MLKEM768);
}

#[test]
fn every_cipher_suite_has_forward_secrecy_and_early_data_is_off() {
    let (_dir, vault) = vault();
    let server = local(&vault, "a.yaml", &["a.test"]).offer_for("a.test").unwrap().config;
    for suite in &server.crypto_provider().cipher_suites {
        let name = format!("{:?}", suite.suite());
        assert!(name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_"), "{name}");
    }
    assert_eq!(server.max_early_data_size, 0);
    assert!(!server.enable_secret_extraction && !server.key_log.will_log("CLIENT_RANDOM"));
}

#[test]
fn the_order_of_cipher_suites_is_ours() {
    let (_dir, vault) = vault();
    let server = local(&vault, "a.yaml", &["a.test"]).offer_for("a.test").unwrap().config;
    for (version, first) in [(&TLS12, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"), (&TLS13, "TLS13_AES_128_GCM_SHA256")]
    {
        let mut provider = (*tls::crypto_provider()).clone();
        provider.cipher_suites.reverse();
        let mut roots = RootCertStore::empty();
        roots.add(root_of(&vault)).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let session = Session::open(&Arc::new(client), &server, "a.test").unwrap();
        let suite = session.server.negotiated_cipher_suite().unwrap().suite();
        assert_eq!(suite.as_str(), Some(first));
    }
}

#[test]
fn alpn_is_strict() {
    let (_dir, vault) = vault();
    let server = local(&vault, "a.yaml", &["a.test"]).offer_for("a.test").unwrap().config;
    let check = |offered: &[&str], expected: Option<&str>| {
        let mut client = (*client(&[root_of(&vault)], &TLS13)).clone();
        client.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let session = Session::open(&Arc::new(client), &server, "a.test");
        let chosen = session.map(|session| session.server.alpn_protocol().map(<[u8]>::to_vec));
        match expected {
            Some("") => assert_eq!(chosen.unwrap(), None),
            Some(name) => assert_eq!(chosen.unwrap().as_deref(), Some(name.as_bytes())),
            None => assert!(chosen.is_err(), "{offered:?}"),
        }
    };
    check(&["http/1.1"], Some("http/1.1"));
    check(&["http/1.1", "h2"], Some("h2"));
    check(&[], Some(""));
    check(&["spdy/3"], None);
    check(&["acme-tls/1"], None);
}
