//! Before, while and after a name gets its first certificate: what a visitor sees.

use std::time::SystemTime;

use http::Request;
use rcgen::{CertificateParams, KeyPair};
use vestibule_certs::store::CaId;

use super::*;

/// A public and a private name, and a site that tells browsers to stay on HTTPS.
const SITE: &str = "hosts: [new.example.com, www.new.example.com, new.localhost]\nrespond: served\n\
                    headers: {response: {set: {Strict-Transport-Security: max-age=31536000}}}\n";
const CANONICAL: &str =
    "hosts: [other.example.com, www.other.example.com]\ncanonical: www.other.example.com\nrespond: ok\n";
const NEIGHBOUR: &str = "hosts: neighbour.localhost\nredirect_to_https: false\nrespond: here\n";

fn gate(policy: WithoutCertificate) -> Gate {
    Gate::new(policy, &[SITE, CANONICAL, NEIGHBOUR])
}

impl Gate {
    /// A CA has issued a certificate for these names: it is in the store, and then shown.
    fn obtain(&self, names: &[&str]) {
        let key = KeyPair::generate().expect("a key");
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names.clone()).expect("names");
        let (now, day) = (SystemTime::now(), Duration::from_secs(24 * 3600));
        (params.not_before, params.not_after) = ((now - day).into(), (now + 30 * day).into());
        let chain = params.self_signed(&key).expect("signed").pem();
        let ca = CaId::new("test").expect("a name");
        let store = self.vault.store();
        let imported = store.import(TenantId(1000), &ca, chain.as_bytes(), key.serialize_pem().as_bytes(), now);
        imported.expect("fit to be shown");
        let table = self.table.load();
        for name in &names {
            let site = table.resolve(name).expect("live");
            site.identity.as_ref().expect("TLS").refresh();
        }
        self.front.announce();
    }

    /// A request over HTTP/1.1 and TLS for that host.
    async fn secure(&self, host: &str) -> String {
        let (stream, outcome) = self.handshake(host, &[b"http/1.1"]).await;
        let answer = exchange(&mut stream.expect("a handshake"), &keep_alive(host)).await;
        outcome.await.expect("no panic");
        answer
    }
}

/// A request that leaves it to the gateway whether the connection ends.
fn keep_alive(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

fn has(answer: &str, field: &str) -> bool {
    answer.to_lowercase().contains(&format!("\r\n{field}: "))
}

#[test]
fn over_tls_a_name_without_a_certificate_gets_a_placeholder_and_503_for_itself_only() {
    run(async {
        let gate = gate(WithoutCertificate::Placeholder);
        let answer = gate.secure("new.example.com").await;
        assert_eq!(status(&answer), "503", "{answer}");
        assert!(
            answer.contains("no_certificate") && answer.contains("etry-") && has(&answer, "retry-after"),
            "{answer}"
        );
        assert!(
            answer.to_lowercase().contains("connection: close"),
            "a new connection may find the certificate: {answer}"
        );
        assert!(!has(&answer, "strict-transport-security"), "{answer}");
        let (stream, _) = gate.handshake("new.localhost", &[b"http/1.1"]).await;
        let answer = exchange(&mut stream.expect("a handshake"), &get("new.localhost", "/")).await;
        assert_eq!((status(&answer), body(&answer)), ("200", "served"), "a private name of the same site");

        gate.obtain(&["new.example.com"]);
        let (stream, _) = gate.handshake("new.example.com", &[b"http/1.1"]).await;
        let answer = exchange(&mut stream.expect("a handshake"), &get("new.example.com", "/")).await;
        assert_eq!((status(&answer), body(&answer)), ("200", "served"));
        assert!(has(&answer, "strict-transport-security"), "{answer}");
        assert_eq!(status(&gate.secure("www.new.example.com").await), "503", "the other name has none yet");
    });
}

#[test]
fn a_certificate_whose_files_are_gone_when_a_handshake_wants_them_is_none() {
    run(async {
        for policy in [WithoutCertificate::Placeholder, WithoutCertificate::Alert] {
            let gate = gate(policy);
            gate.obtain(&["new.example.com"]);
            // Nobody has asked for it: it is not in memory.
            let [issued] = &gate.vault.store().current()[..] else { panic!("one certificate") };
            let files = gate.dir.path().join("certs/acme/live").join(issued.id.as_str());
            std::fs::remove_file(files.join("chain.pem")).expect("it was there");
            let (stream, outcome) = gate.handshake("new.example.com", &[b"http/1.1"]).await;
            match policy {
                WithoutCertificate::Alert => {
                    assert!(stream.is_err());
                    assert_eq!(outcome.await.expect("no panic").outcome, Outcome::NoCertificate);
                }
                WithoutCertificate::Placeholder => {
                    let answer = exchange(&mut stream.expect("a handshake"), &get("new.example.com", "/")).await;
                    assert_eq!(status(&answer), "503", "no request is served on a placeholder: {answer}");
                }
            }
        }
    });
}

#[test]
fn a_connection_with_a_placeholder_ends_although_the_certificate_has_come() {
    run(async {
        let gate = gate(WithoutCertificate::Placeholder);
        let (stream, outcome) = gate.handshake("new.example.com", &[b"http/1.1"]).await;
        gate.obtain(&["new.example.com"]);
        let answer = exchange(&mut stream.expect("a handshake"), &keep_alive("new.example.com")).await;
        assert!(status(&answer) == "503" && answer.to_lowercase().contains("connection: close"), "{answer}");
        assert_eq!(outcome.await.expect("no panic").outcome, Outcome::Closed);
    });
}

#[test]
fn over_http_2_the_connection_is_told_to_end() {
    run(async {
        let gate = gate(WithoutCertificate::Placeholder);
        let (stream, outcome) = gate.handshake("new.example.com", &[b"h2"]).await;
        let (mut requests, connection) = h2::client::handshake(stream.expect("a handshake")).await.expect("h2");
        let ended = tokio::task::spawn_local(connection);
        let request = Request::get("https://new.example.com/").body(()).expect("a request");
        let (response, _) = requests.send_request(request, true).expect("sent");
        let response = response.await.expect("a response");
        assert_eq!(
            (response.status().as_u16(), &response.headers()["retry-after"]),
            (503, &"30".parse().expect("text"))
        );
        drop(response);
        // The client is still there: only GOAWAY makes it end.
        ended.await.expect("no panic").expect("ended in order");
        assert_ne!(outcome.await.expect("no panic").outcome, Outcome::Overdue, "it was told, and not cut");
        drop(requests);
    });
}

#[test]
fn on_clear_http_nothing_leads_to_https_before_the_certificate() {
    run(async {
        let gate = gate(WithoutCertificate::Placeholder);
        for host in ["new.example.com", "www.new.example.com"] {
            let answer = gate.clear(&get(host, "/")).await;
            assert_eq!((status(&answer), body(&answer)), ("200", "served"), "{host}");
            assert!(!has(&answer, "strict-transport-security"), "{answer}");
        }
        assert_eq!(status(&gate.clear(&get("new.localhost", "/")).await), "308");
        gate.obtain(&["new.example.com"]);
        let moved = gate.clear(&get("new.example.com", "/a?b")).await;
        assert!(status(&moved) == "308" && moved.contains("https://new.example.com/a?b"), "{moved}");
        assert_eq!(status(&gate.clear(&get("www.new.example.com", "/")).await), "200");
    });
}

#[test]
fn nothing_leads_to_a_canonical_name_on_https_before_its_certificate() {
    run(async {
        let gate = gate(WithoutCertificate::Placeholder);
        let moved = gate.clear(&get("other.example.com", "/")).await;
        assert!(status(&moved) == "308" && moved.contains("http://www.other.example.com/"), "{moved}");
        gate.obtain(&["other.example.com"]);
        let moved = gate.clear(&get("other.example.com", "/")).await;
        assert!(status(&moved) == "308" && moved.contains("http://www.other.example.com/"), "{moved}");
        let (stream, _) = gate.handshake("other.example.com", &[b"http/1.1"]).await;
        let stays = exchange(&mut stream.expect("a handshake"), &get("other.example.com", "/")).await;
        assert_eq!((status(&stays), body(&stays)), ("200", "ok"));
        gate.obtain(&["www.other.example.com"]);
        let moved = gate.clear(&get("other.example.com", "/")).await;
        assert!(status(&moved) == "308" && moved.contains("https://www.other.example.com/"), "{moved}");
    });
}

#[test]
fn by_policy_the_handshake_is_refused_instead() {
    run(async {
        let gate = gate(WithoutCertificate::Alert);
        let (refused, outcome) = gate.handshake("new.example.com", &[b"http/1.1"]).await;
        let refused = refused.expect_err("refused").to_string();
        assert!(refused.contains("UnrecognisedName"), "{refused}");
        assert_eq!(outcome.await.expect("no panic").outcome, Outcome::NoCertificate);
        gate.obtain(&["new.example.com"]);
        let (stream, _) = gate.handshake("new.example.com", &[b"http/1.1"]).await;
        let answer = exchange(&mut stream.expect("a handshake"), &get("new.example.com", "/")).await;
        assert_eq!(status(&answer), "200");
    });
}

#[test]
fn a_handshake_waits_for_a_certificate_that_is_on_its_way_and_holds_up_nobody_else() {
    run(async {
        let gate = gate(WithoutCertificate::Alert);
        let order = gate.front.door.ordering(vec!["new.example.com".to_owned()]);
        let visitor = gate.handshake("new.example.com", &[b"http/1.1"]);
        let world = async {
            while gate.front.holds.open() == 0 {
                tokio::task::yield_now().await;
            }
            let (stream, _) = gate.handshake("neighbour.localhost", &[b"http/1.1"]).await;
            let answer = exchange(&mut stream.expect("a handshake"), &get("neighbour.localhost", "/")).await;
            assert_eq!(body(&answer), "here", "served by the same worker meanwhile");
            gate.obtain(&["new.example.com"]);
            drop(order);
        };
        let ((stream, _), ()) = tokio::join!(visitor, world);
        let answer = exchange(&mut stream.expect("no alert"), &get("new.example.com", "/")).await;
        assert_eq!((status(&answer), body(&answer)), ("200", "served"));
        assert_eq!(gate.front.holds.counts(), (1, 0));
    });
}

#[test]
fn a_site_that_goes_while_a_handshake_waits_is_unknown() {
    run(async {
        let gate = gate(WithoutCertificate::Placeholder);
        let order = gate.front.door.ordering(vec!["new.example.com".to_owned()]);
        let world = async {
            while gate.front.holds.open() == 0 {
                tokio::task::yield_now().await;
            }
            let name = vestibule_names::HostPattern::parse("new.example.com").expect("a name");
            gate.table.publish(vec![vestibule_vhost::TableChange::Remove(name)]);
            drop(order);
        };
        let ((refused, outcome), ()) = tokio::join!(gate.handshake("new.example.com", &[b"http/1.1"]), world);
        assert!(refused.expect_err("refused").to_string().contains("UnrecognisedName"));
        assert_eq!(outcome.await.expect("no panic").outcome, Outcome::UnknownName);
    });
}
