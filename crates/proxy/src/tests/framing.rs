//! What a client says, byte by byte, and what a backend gets of it.

use vestibule_vhost::vhost::Prefix;

use super::rig::{Origin, Plan, field, run, status};
use crate::{Fault, Refusal, Trust};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_backend_gets_exactly_these_bytes() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let request = "GET /%61//b/./c?d=%61 HTTP/1.1\r\nHost: a.test:81\r\nAccept: */*\r\n\
                       X-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\
                       Connection: close, X-Hop, X-Forwarded-For\r\nX-Hop: 1\r\nProxy: evil\r\nX-Kept: 1\r\n\r\n";
        let (head, response) = tokio::join!(origin.serve_once(OK), gate.ask(request));
        let mut lines: Vec<&str> = head.trim_end().split("\r\n").collect();
        assert_eq!(lines.remove(0), "GET /a/b/c?d=%61 HTTP/1.1");
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                "accept: */*",
                "forwarded: for=127.0.0.1;host=\"a.test:81\";proto=http",
                "host: a.test:81",
                "x-forwarded-for: 127.0.0.1",
                "x-forwarded-host: a.test:81",
                "x-forwarded-proto: http",
                "x-kept: 1",
                "x-request-id: 0000000000000abc",
            ]
        );
        assert_eq!(status(&response), 200);
        assert!(response.ends_with("\r\n\r\nok"), "{response}");
    });
}

#[test]
fn a_trusted_proxy_is_believed() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).with(|plan| plan.trust = Trust::Proxy).open().await;
        let request = "GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n\
                       Connection: close\r\n\r\n";
        let (head, _) = tokio::join!(origin.serve_once(OK), gate.ask(request));
        assert_eq!(field(&head, "x-forwarded-for"), ["192.0.2.1, 127.0.0.1"]);
        assert_eq!(field(&head, "x-forwarded-proto"), ["https"]);
    });
}

#[test]
fn a_prefix_is_stripped_and_told() {
    run(async {
        for (asked, sent) in [("/api", "/"), ("/api/", "/"), ("/api/x?q=1", "/x?q=1")] {
            let origin = Origin::tcp().await;
            let gate = Plan::to([origin.addr.clone()]).at("/api", Prefix::Strip).open().await;
            let request = format!("GET {asked} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
            let (head, _) = tokio::join!(origin.serve_once(OK), gate.ask(&request));
            assert!(head.starts_with(&format!("GET {sent} HTTP/1.1\r\n")), "{head}");
            assert_eq!(field(&head, "x-forwarded-prefix"), ["/api"]);
        }
    });
}

/// Requests that never reach a backend; after the refusal nothing on the connection is a request.
#[test]
fn what_could_be_understood_in_two_ways_is_refused() {
    let cases = [
        ("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: +5\r\n\r\nhello", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5,5\r\n\r\nhello", 400),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\n\r\n", 400),
        ("GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("GET a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: host\r\n\r\n", 400),
        ("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n", 405),
        ("TRACE / HTTP/1.1\r\nHost: a.test\r\n\r\n", 405),
        ("POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\nx", 417),
        ("GET /a%2fb HTTP/1.1\r\nHost: a.test\r\n\r\n", 400),
    ];
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        for (request, expected) in cases {
            let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
            let response = gate.ask(&format!("{request}{smuggled}")).await;
            assert_eq!(status(&response), expected, "{request:?}");
            assert_eq!(response.matches("HTTP/1.").count(), 1, "one answer, then the end: {response:?}");
        }
        assert!(origin.is_untouched().await);
    });
}

/// hyper hides the Content-Length of a request that has both; what is forwarded is chunked and nothing else.
#[test]
fn both_lengths_never_reach_a_backend() {
    run(async {
        for lengths in
            ["Content-Length: 3\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 3"]
        {
            let origin = Origin::tcp().await;
            let gate = Plan::to([origin.addr.clone()]).open().await;
            let request = format!(
                "POST / HTTP/1.1\r\nHost: a.test\r\n{lengths}\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n"
            );
            let backend = async {
                let mut peer = origin.accept().await;
                let head = peer.head().await;
                assert_eq!(peer.until("0\r\n\r\n").await, "5\r\nhello\r\n0\r\n\r\n");
                peer.send(OK).await;
                head
            };
            let (head, response) = tokio::join!(backend, gate.ask(&request));
            assert_eq!(field(&head, "transfer-encoding"), ["chunked"]);
            assert!(field(&head, "content-length").is_empty());
            assert_eq!(response.matches("HTTP/1.1 ").count(), 1, "{response}");
            assert!(origin.is_untouched().await);
        }
    });
}

#[test]
fn a_broken_body_is_the_clients_fault() {
    run(async {
        for body in ["5\r\nhelloX", "zz\r\n", "5;ext=\"a\nb\"\r\nhello\r\nQ", "-1\r\n", "11111111111111111\r\n"] {
            let origin = Origin::tcp().await;
            let gate = Plan::to([origin.addr.clone()]).open().await;
            let request = format!("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
            let backend = async {
                let mut peer = origin.accept().await;
                peer.rest().await
            };
            let (seen, response) = tokio::join!(backend, gate.ask(&request));
            assert_eq!(status(&response), 400, "{body:?}");
            assert!(response.contains("bad_body"), "{response}");
            assert!(!seen.ends_with("0\r\n\r\n"), "half a body must not look whole: {seen:?}");
            assert_eq!(gate.faults(), [(Fault::Downstream, Refusal::BadBody)]);
        }
    });
}

#[test]
fn a_get_with_a_chunked_body_keeps_it() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let request = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
                       5;ext=1\r\nhello\r\n0\r\n\r\n";
        let backend = async {
            let mut peer = origin.accept().await;
            let head = peer.head().await;
            assert_eq!(field(&head, "transfer-encoding"), ["chunked"]);
            // Chunk extensions end here.
            assert_eq!(peer.until("0\r\n\r\n").await, "5\r\nhello\r\n0\r\n\r\n");
            peer.send(OK).await;
        };
        let ((), response) = tokio::join!(backend, gate.ask(request));
        assert_eq!(status(&response), 200);
    });
}
