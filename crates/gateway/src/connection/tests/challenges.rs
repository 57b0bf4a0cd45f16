//! A CA checks a name: over HTTP and by `acme-tls/1`; and somebody else tries the same.

use vestibule_names::HostPattern;

use super::*;

/// A tenant who answers everything, and would like to answer challenges too.
const GREEDY: &str = "hosts: [a.test, \"*.a.test\"]\ntls: internal\nredirect_to_https: false\nrespond: mine\n\
                      routes:\n  /.well-known/acme-challenge: {respond: mine}\n";
/// One whose site redirects, and is busy.
const REDIRECTS: &str = "hosts: [b.test]\ntls: internal\nrespond: ok\nlimits: {requests_in_flight: 1}\n";
const CLEAR: &str = "hosts: [c.test]\ntls: off\nrespond: ok\n";

fn gate() -> Gate {
    Gate::new(WithoutCertificate::Placeholder, &[GREEDY, REDIRECTS, CLEAR])
}

#[test]
fn the_gateway_alone_answers_below_the_path_of_challenges() {
    run(async {
        let gate = gate();
        let _a = gate.front.door.open_http("a.test", "tok", "tok.thumb");
        let _b = gate.front.door.open_http("b.test", "tok", "tok.of-b");
        let _new = gate.front.door.open_http("new.test", "tok", "tok.of-new");
        let path = "/.well-known/acme-challenge";
        for (host, target, expected_status, expected_body) in [
            ("a.test", "/tok", "200", "tok.thumb"),
            ("A.Test:80", "/tok", "200", "tok.thumb"),
            ("b.test", "/tok", "200", "tok.of-b"),
            ("new.test", "/tok", "200", "tok.of-new"),
            ("x.a.test", "/tok", "404", "no such challenge\n"),
            ("c.test", "/tok", "404", "no such challenge\n"),
            ("a.test", "/tok2", "404", "no such challenge\n"),
            ("a.test", "", "404", "no such challenge\n"),
            ("a.test", "/", "404", "no such challenge\n"),
            ("a.test", "/./tok", "404", "no such challenge\n"),
            ("b.test", "/../acme-challenge/tok", "404", "no such challenge\n"),
            ("b.test", "/%74ok", "404", "no such challenge\n"),
        ] {
            let answer = gate.clear(&get(host, &format!("{path}{target}"))).await;
            assert_eq!((status(&answer), body(&answer)), (expected_status, expected_body), "{host} {target}: {answer}");
            assert!(answer.to_lowercase().contains("cache-control: no-store"), "{answer}");
        }
        // Out of it again, and next to it: the site's own.
        for target in
            ["/.well-known/acme-challenge/../x", "/.well-known/acme-challenges/tok", "/.WELL-KNOWN/acme-challenge/tok"]
        {
            let answer = gate.clear(&get("a.test", target)).await;
            assert_eq!((status(&answer), body(&answer)), ("200", "mine"), "{target}");
        }
        // A host that nobody has is told what it always is.
        let unknown = gate.clear(&get("d.test", "/.well-known/acme-challenge/tok")).await;
        assert!(status(&unknown) == "404" && unknown.contains("unknown_host"), "{unknown}");
        let refused = gate.clear(&get("b.test", "/.well-known/acme-challenge/a%2Fb")).await;
        assert_eq!(status(&refused), "400", "{refused}");
    });
}

#[test]
fn a_challenge_is_asked_for_by_get_and_head_and_waits_for_no_limit() {
    run(async {
        let gate = gate();
        let _open = gate.front.door.open_http("b.test", "tok", "tok.of-b");
        let site = gate.worker.resolve("b.test").expect("live");
        let _busy = site.counters.begin_request(1).expect("a place");
        let target = "/.well-known/acme-challenge/tok";
        assert_eq!(status(&gate.clear(&get("b.test", target)).await), "200");
        let head = gate.clear(&get("b.test", target).replacen("GET", "HEAD", 1)).await;
        assert!(head.to_lowercase().contains("content-length: 8") && body(&head).is_empty(), "{head}");
        let post = gate.clear(&get("b.test", target).replacen("GET", "POST", 1)).await;
        assert!(status(&post) == "405" && post.to_lowercase().contains("allow: get, head"), "{post}");
        assert_eq!(gate.worker.totals().challenges(), [("given", 2), ("nothing", 1)]);
    });
}

#[test]
fn over_tls_a_challenge_is_answered_for_the_site_of_the_handshake() {
    run(async {
        let gate = gate();
        let _a = gate.front.door.open_http("a.test", "tok", "tok.of-a");
        let _b = gate.front.door.open_http("b.test", "tok", "tok.of-b");
        for (host, expected) in [("b.test", "200"), ("a.test", "421")] {
            let (stream, _) = gate.handshake("b.test", &[b"http/1.1"]).await;
            let answer =
                exchange(&mut stream.expect("a handshake"), &get(host, "/.well-known/acme-challenge/tok")).await;
            assert_eq!(status(&answer), expected, "{answer}");
        }
    });
}

#[test]
fn a_handshake_for_a_challenge_never_meets_a_site() {
    run(async {
        let gate = gate();
        let name = HostPattern::parse("a.test").expect("a name");
        let config = gate.vault.challenge_config(&name, "tok.thumb").expect("a configuration");
        let open = gate.front.door.open_alpn("a.test", config);

        let (stream, outcome) = gate.handshake("a.test", &[b"acme-tls/1"]).await;
        let mut stream = stream.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"acme-tls/1"[..]));
        let mut nothing = Vec::new();
        assert_eq!(stream.read_to_end(&mut nothing).await.expect("closed in order"), 0);
        assert_eq!(outcome.await.expect("no panic").outcome, Outcome::Challenge);

        // Somebody who offers it among others is an ordinary client.
        let (stream, _) = gate.handshake("a.test", &[b"acme-tls/1", b"http/1.1"]).await;
        let mut stream = stream.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(body(&exchange(&mut stream, &get("a.test", "/")).await), "mine");

        drop(open);
        for host in ["a.test", "x.a.test", "c.test", "nobody.test", "7.2.0.192.in-addr.arpa"] {
            let (refused, outcome) = gate.handshake(host, &[b"acme-tls/1"]).await;
            let refused = refused.expect_err("no challenge is open").to_string();
            assert!(refused.contains("NoApplicationProtocol"), "{host}: {refused}");
            assert_eq!(outcome.await.expect("no panic").outcome, Outcome::HandshakeFailed);
        }
    });
}

#[test]
fn a_challenge_for_an_address_comes_under_its_reverse_name() {
    run(async {
        let gate = gate();
        let name = HostPattern::parse("192.0.2.7").expect("an address");
        let config = gate.vault.challenge_config(&name, "tok.thumb").expect("a configuration");
        let _open = gate.front.door.open_alpn("7.2.0.192.in-addr.arpa", config);
        let (stream, outcome) = gate.handshake("7.2.0.192.IN-ADDR.ARPA", &[b"acme-tls/1"]).await;
        drop(stream.expect("a handshake"));
        assert_eq!(outcome.await.expect("no panic").outcome, Outcome::Challenge);
    });
}
