//! A site that asks for client certificates, among CAs that check names and before it has a certificate of its own.

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use vestibule_names::HostPattern;

use super::*;

/// With a site for members; one name is public, and has no certificate yet.
fn gate(dir: &tempfile::TempDir, demand: &str) -> Gate {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&KeyPair::generate().expect("a key")).expect("signed");
    let file = dir.path().join("members.pem");
    std::fs::write(&file, authority.pem()).expect("written");
    let client_ca = format!("client_ca: {{file: {}, certificate: {demand}}}", file.display());
    let site = format!("hosts: [club.example.com, club.localhost]\nrespond: inside\ntls: {{{client_ca}}}\n");
    Gate::owned(TenantId::OPERATOR, WithoutCertificate::Placeholder, &[&site])
}

#[test]
fn a_ca_that_checks_a_name_shows_no_certificate() {
    run(async {
        let dir = tempfile::tempdir().expect("a folder");
        let gate = gate(&dir, "required");
        let name = HostPattern::parse("club.localhost").expect("a name");
        let config = gate.vault.challenge_config(&name, "tok.thumb").expect("a configuration");
        let _alpn = gate.front.door.open_alpn("club.localhost", config);
        let _http = gate.front.door.open_http("club.localhost", "tok", "tok.thumb");

        let (stream, outcome) = gate.handshake("club.localhost", &[b"acme-tls/1"]).await;
        drop(stream.expect("a handshake"));
        assert_eq!(outcome.await.expect("no panic").outcome, Outcome::Challenge);
        let answer = gate.clear(&get("club.localhost", "/.well-known/acme-challenge/tok")).await;
        assert_eq!((status(&answer), body(&answer)), ("200", "tok.thumb"));

        // Everybody else has to.
        let (stream, outcome) = gate.handshake("club.localhost", &[b"http/1.1"]).await;
        if let Ok(mut stream) = stream {
            assert_eq!(exchange(&mut stream, &get("club.localhost", "/")).await, "");
        }
        assert_eq!(outcome.await.expect("no panic").outcome, Outcome::ClientCertificate);
    });
}

#[test]
fn before_the_first_certificate_nobody_is_served() {
    run(async {
        for demand in ["required", "optional"] {
            let dir = tempfile::tempdir().expect("a folder");
            let gate = gate(&dir, demand);
            let clear = gate.clear(&get("club.example.com", "/")).await;
            assert!(status(&clear) == "503" && clear.contains("no_certificate"), "{clear}");
            let (stream, outcome) = gate.handshake("club.example.com", &[b"http/1.1"]).await;
            let answer = exchange(&mut stream.expect("the placeholder"), &get("club.example.com", "/")).await;
            assert!(status(&answer) == "503" && answer.contains("no_certificate"), "{answer}");
            assert_eq!(outcome.await.expect("no panic").outcome, Outcome::Closed);
            let redirected = gate.clear(&get("club.localhost", "/")).await;
            assert_eq!(status(&redirected), "308", "{redirected}");
        }
    });
}
