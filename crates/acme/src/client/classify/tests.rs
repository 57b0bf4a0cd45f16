//! The tables, and the sentences as a person reads them.

use serde_json::json;
use vestibule_certs::store::CaId;

use super::*;

fn config() -> CaConfig {
    CaConfig::new(CaId::new("ca").unwrap(), "https://ca.test/directory")
}

#[test]
fn each_problem_type_has_a_meaning() {
    use Asking::{Account, Directory, NewOrder, Order, Proof};
    use FailureKind as K;
    let proof = Proof(ChallengeKind::Http01);
    for (problem_type, status, asking, expected) in [
        ("accountDoesNotExist", 400, NewOrder, K::Account),
        ("alreadyReplaced", 409, NewOrder, K::AlreadyReplaced),
        ("badCSR", 400, NewOrder, K::Configuration),
        ("badNonce", 400, Order, K::Ca),
        ("badPublicKey", 400, Account, K::Configuration),
        ("badSignatureAlgorithm", 400, Account, K::Configuration),
        ("caa", 403, proof, K::ValidationCaa),
        ("caa", 403, NewOrder, K::ValidationCaa),
        ("connection", 400, proof, K::ValidationConnection),
        ("dns", 400, proof, K::ValidationDns),
        ("externalAccountRequired", 403, Account, K::Configuration),
        ("incorrectResponse", 403, proof, K::ValidationUnauthorized),
        ("invalidContact", 400, Account, K::Configuration),
        ("invalidProfile", 400, NewOrder, K::Configuration),
        ("malformed", 400, NewOrder, K::Ca),
        ("orderNotReady", 403, Order, K::Ca),
        ("rateLimited", 429, NewOrder, K::Limit),
        ("rateLimited", 0, proof, K::Limit),
        ("rejectedIdentifier", 400, NewOrder, K::Rejected),
        ("serverInternal", 500, NewOrder, K::Ca),
        ("serverInternal", 500, proof, K::Ca),
        ("tls", 400, proof, K::ValidationTls),
        ("unauthorized", 403, proof, K::ValidationUnauthorized),
        ("unauthorized", 403, NewOrder, K::Account),
        ("unauthorized", 403, Order, K::Ca),
        ("unsupportedContact", 400, Account, K::Configuration),
        ("unsupportedIdentifier", 400, NewOrder, K::Rejected),
        ("userActionRequired", 403, NewOrder, K::Account),
        ("https://ca.test/errors/new", 400, proof, K::ValidationUnauthorized),
        ("https://ca.test/errors/new", 500, proof, K::Ca),
        ("https://ca.test/errors/new", 429, NewOrder, K::Limit),
        ("https://ca.test/errors/new", 409, NewOrder, K::AlreadyReplaced),
        ("https://ca.test/errors/new", 400, NewOrder, K::Ca),
        ("about:blank", 503, Directory, K::Ca),
    ] {
        assert_eq!(kind_of(problem_type, status, asking), expected, "{problem_type} {status} {asking:?}");
    }
}

#[test]
fn a_sentence_says_who_what_and_what_to_do() {
    let config = config();
    let identities = ["ca.test".to_owned()];
    let judge = Judge::new(&config).knowing(&identities, None);
    let name = HostPattern::parse("a.test").unwrap();
    for (kind, challenge, expected) in [
        (
            "dns",
            ChallengeKind::Http01,
            "ca does not find a.test in DNS (why): let its A or AAAA record point to this gateway",
        ),
        (
            "connection",
            ChallengeKind::Http01,
            "ca cannot connect to a.test (why): open port 80 to the Internet, and let all its A and AAAA records point to this \
             gateway",
        ),
        (
            "connection",
            ChallengeKind::TlsAlpn01,
            "ca cannot connect to a.test (why): open port 443 to the Internet, and let all its A and AAAA records point to \
             this gateway",
        ),
        (
            "tls",
            ChallengeKind::TlsAlpn01,
            "ca gets no good TLS handshake from a.test (why): let port 443 reach this gateway with no other TLS server in \
             front of it",
        ),
        (
            "unauthorized",
            ChallengeKind::Dns01,
            "ca got a wrong answer for a.test (why): see whether old TXT records of _acme-challenge are in the way, and \
             whether its provider works",
        ),
        (
            "caa",
            ChallengeKind::Http01,
            "a CAA record forbids ca to certify a.test (why): add the record `CAA 0 issue \"ca.test\"`, or remove the CAA \
             records",
        ),
    ] {
        let problem = Problem { kind: kind.to_owned(), detail: "why".to_owned(), ..Problem::default() };
        let told = judge.name(&name, challenge, &problem);
        assert_eq!(told.sentence, expected);
        assert_eq!((told.name, told.challenge), (name.clone(), Some(challenge)));
    }
}

#[test]
fn a_problem_of_the_whole_order_names_what_it_is_about() {
    let config = config();
    let names = ["a.test", "*.b.test", "c.test"].map(|name| HostPattern::parse(name).unwrap());
    let judge = Judge::new(&config).of_names(&names);
    let part = |kind: &str, name: &str| {
        json!({"type": format!("urn:ietf:params:acme:error:{kind}"), "detail": "no",
            "identifier": {"type": "dns", "value": name}})
    };
    let document = json!({"type": "urn:ietf:params:acme:error:compound", "detail": "two", "subproblems": [
        part("rejectedIdentifier", "a.test"), part("malformed", "b.test"), part("caa", "elsewhere.test"),
    ]});
    let failure = judge.problem(&Problem::read(&document).unwrap(), Asking::NewOrder);
    assert_eq!(failure.kind, FailureKind::Rejected);
    let told: Vec<_> = failure.names.iter().map(|told| (told.name.to_string(), told.kind)).collect();
    assert_eq!(told, [("a.test".to_owned(), FailureKind::Rejected), ("*.b.test".to_owned(), FailureKind::Rejected)]);
    let expected = "ca does not certify a.test and 1 more (two): take the name out of the site file, or use another CA";
    assert_eq!(failure.sentence, expected);
}

#[test]
fn what_the_operator_must_do_is_said() {
    let config = config();
    let judge = Judge::new(&config);
    let check = |document: serde_json::Value, asking: Asking, expected: &str| {
        let failure = judge.judge(&Fault::Problem(Problem::read(&document).unwrap()), asking);
        assert_eq!(failure.sentence, expected);
    };
    check(
        json!({"type": "urn:ietf:params:acme:error:userActionRequired", "detail": "new terms", "instance": "https://ca.test/t"}),
        Asking::NewOrder,
        "ca does not accept this gateway's account (new terms): visit https://ca.test/t and agree to the new terms",
    );
    check(
        json!({"type": "urn:ietf:params:acme:error:externalAccountRequired", "detail": ""}),
        Asking::Account,
        "ca refuses what the settings ask for (externalAccountRequired): write `eab: {kid: …, hmac_file: …}` into the \
         settings of this CA, with what the CA gave you",
    );
    check(
        json!({"type": "urn:ietf:params:acme:error:unauthorized", "detail": "account is deactivated\u{1b}[2J"}),
        Asking::NewOrder,
        "ca does not accept this gateway's account (account is deactivated\u{fffd}[2J): for a new account, stop the gateway \
         and move the CA's account.json in its store away",
    );
}

#[test]
fn what_is_no_acme_is_told_as_such() {
    let config = config();
    let judge = Judge::new(&config).knowing(&[], Some(-7200));
    let strange = |status: u16| Fault::Strange {
        status: http::StatusCode::from_u16(status).unwrap(),
        what: "something that is no problem document",
        retry_after: Some(Duration::from_secs(5)),
    };
    for (fault, kind, expected) in [
        (
            strange(503),
            FailureKind::Ca,
            "ca is out of order (HTTP status 503 with something that is no problem document): nothing is to be done, it is \
             asked again later",
        ),
        (
            strange(429),
            FailureKind::Limit,
            "ca has reached a limit (HTTP status 429 with something that is no problem document): nothing is to be done, it \
             is asked again when the limit allows it",
        ),
        (
            strange(404),
            FailureKind::Ca,
            "what answers for ca is no ACME server (HTTP status 404 with something that is no problem document): see whether \
             https://ca.test/directory is its directory, and whether a proxy is in between",
        ),
        (
            Fault::Transport(TransportError::Connect {
                host: "ca.test".to_owned(),
                source: std::io::ErrorKind::ConnectionRefused.into(),
            }),
            FailureKind::Ca,
            "ca cannot be reached (nobody takes connections at ca.test: connection refused): it is asked again later; see \
             whether this machine reaches it at all; this machine's clock is 2 h behind the CA's: set it right",
        ),
    ] {
        let failure = judge.judge(&fault, Asking::Order);
        assert_eq!((failure.kind, &*failure.sentence), (kind, expected));
        assert_eq!(failure.retry_after, fault.retry_after());
    }
}

#[test]
fn a_binding_that_is_refused_is_not_mended_by_a_new_account() {
    let mut config = config();
    let problem = Problem { kind: "unauthorized".to_owned(), detail: "unknown kid".to_owned(), ..Problem::default() };
    assert_eq!(Judge::new(&config).problem(&problem, Asking::Account).kind, FailureKind::Account);
    config.eab = Some(crate::config::Eab { kid: "k".to_owned(), hmac_file: "/hmac".into() });
    let failure = Judge::new(&config).problem(&problem, Asking::Account);
    assert_eq!(failure.kind, FailureKind::Configuration);
    assert!(failure.sentence.ends_with("check `eab.kid` and the HMAC key in the settings of this CA"), "{failure}");
}

#[test]
fn a_name_that_does_not_resolve_is_a_matter_of_dns_whatever_the_type() {
    let (config, name) = (config(), HostPattern::parse("a.test").unwrap());
    let told = |detail: &str| {
        let problem = Problem { kind: "connection".to_owned(), detail: detail.to_owned(), ..Problem::default() };
        Judge::new(&config).name(&name, ChallengeKind::Http01, &problem)
    };
    let unresolved = told("Could not resolve host: a.test");
    assert_eq!(unresolved.kind, FailureKind::ValidationDns);
    assert!(unresolved.sentence.ends_with("let its A or AAAA record point to this gateway"), "{}", unresolved.sentence);
    assert_eq!(told("Connection refused").kind, FailureKind::ValidationConnection);
}

#[test]
fn a_certificate_of_the_ca_that_does_not_verify_is_told_by_what_was_written() {
    let told = |root: Option<&str>, error: rustls::Error| {
        let config = CaConfig { root: root.map(Into::into), ..config() };
        let source = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
        let fault = Fault::Transport(TransportError::Tls { host: "ca.test".to_owned(), source });
        Judge::new(&config).judge(&fault, Asking::Directory).sentence
    };
    let unknown = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    assert!(told(None, unknown()).ends_with("name that CA's root as `root` in the settings"));
    assert_eq!(
        told(Some("/etc/our-ca.pem"), unknown()),
        "ca is not trusted (TLS with ca.test failed: invalid peer certificate: UnknownIssuer): its certificate does not \
         verify under the `root` of the settings, /etc/our-ca.pem: write there the root that the CA's own server \
         certificate is from"
    );
    let other = told(Some("/etc/our-ca.pem"), rustls::Error::HandshakeNotComplete);
    assert!(other.ends_with("see whether this machine reaches it at all"), "{other}");
}
