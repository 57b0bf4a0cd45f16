//! What a backend says, byte by byte, and what a client gets of it.

use super::rig::{Origin, Plan, field, run, status};
use crate::{Fault, Refusal};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

/// The whole answer to `request` when the backend says `response` and closes.
async fn answer(request: &str, response: &str) -> (String, Vec<(Fault, Refusal)>) {
    let origin = Origin::tcp().await;
    let gate = Plan::to([origin.addr.clone()]).open().await;
    let (_, answer) = tokio::join!(origin.serve_once(response), gate.ask(request));
    (answer, gate.faults())
}

#[test]
fn what_is_no_clear_response_is_a_502() {
    let long_name = format!("HTTP/1.1 200 OK\r\n{}: x\r\n\r\n", "a".repeat(70_000));
    let long_value = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(70_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n\r\n", "a: b\r\n".repeat(200));
    let cases = [
        "garbage\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/0.9 200 OK\r\n\r\n",
        "\0\0\0\0\0\0\0\0\r\n\r\n",
        "HTTP/1.1 099 Low\r\n\r\n",
        "HTTP/1.1 600 High\r\n\r\n",
        "HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nSpace : x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nFold: a\r\n b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nNul: a\0b\r\n\r\n",
        "HTTP/1.1 200 O\0K\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        &long_name,
        &long_value,
        &many,
    ];
    run(async {
        for response in cases {
            let (answer, faults) = answer(GET, response).await;
            let shown: String = response.chars().take(80).collect();
            assert_eq!(status(&answer), 502, "{shown:?}: {answer}");
            assert_eq!(faults, [(Fault::Upstream, Refusal::UpstreamInvalid)], "{shown:?}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1);
        }
    });
}

#[test]
fn lengths_are_passed_on_once() {
    run(async {
        for (response, length) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "2"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "0"),
        ] {
            let (answer, _) = answer(GET, response).await;
            assert_eq!(field(&answer, "content-length"), [length], "{answer}");
            assert!(field(&answer, "transfer-encoding").is_empty());
        }
    });
}

#[test]
fn responses_without_a_body_have_none() {
    run(async {
        for (method, response, length) in [
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Some("5")),
            ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", None),
            ("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", None),
            ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\n", None),
        ] {
            let (answer, _) = answer(&GET.replace("GET", method), response).await;
            assert!(answer.ends_with("\r\n\r\n"), "{answer:?}");
            assert_eq!(field(&answer, "content-length"), length.into_iter().collect::<Vec<_>>(), "{answer}");
            assert_eq!(answer[9..12], response[9..12]);
        }
    });
}

#[test]
fn a_body_that_ends_with_the_connection_becomes_chunked() {
    run(async {
        let (answer, _) = answer(GET, "HTTP/1.1 200 OK\r\n\r\nhello").await;
        assert_eq!(field(&answer, "transfer-encoding"), ["chunked"]);
        assert!(answer.ends_with("5\r\nhello\r\n0\r\n\r\n"), "{answer}");
    });
}

#[test]
fn hop_by_hop_fields_and_alternative_services_end_here() {
    run(async {
        let response = "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
                        Alt-Svc: h3=\":443\"\r\nServer: origin\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n";
        let (answer, _) = answer(GET, response).await;
        for name in ["x-hop", "keep-alive", "alt-svc", "upgrade"] {
            assert!(field(&answer, name).is_empty(), "{name}: {answer}");
        }
        assert_eq!(field(&answer, "server"), ["origin"]);
    });
}

#[test]
fn interim_responses_are_swallowed_and_bounded() {
    run(async {
        let some = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
                    HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let (answer, _) = answer(GET, some).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");

        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let backend = async {
            let mut peer = origin.accept().await;
            peer.head().await;
            // Until it is hung up on.
            while peer.try_send("HTTP/1.1 102 Processing\r\n\r\n".repeat(100)).await.is_ok() {}
        };
        let ((), answer) = tokio::join!(backend, gate.ask(GET));
        assert_eq!(status(&answer), 502);
        assert_eq!(gate.faults(), [(Fault::Upstream, Refusal::UpstreamInvalid)]);
    });
}

/// However the bytes of a backend are cut, the client gets the same, and the connection serves the next request.
#[test]
fn a_response_may_come_in_any_pieces() {
    run(async {
        let responses = [
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n4;a=b\r\nhell\r\n1\r\no\r\n0\r\nx-sum: 1\r\n\r\n",
        ];
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let mut peer = None;
        for (response, size) in responses.iter().flat_map(|response| (1..20).map(move |size| (response, size))) {
            let mut client = gate.client().await;
            client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").await;
            let peer = match &mut peer {
                Some(peer) => peer,
                none => none.insert(origin.accept().await),
            };
            peer.head().await;
            for piece in response.as_bytes().chunks(size) {
                peer.send(piece).await;
                tokio::task::yield_now().await;
            }
            let answer = client.rest().await;
            assert_eq!(status(&answer), 200);
            let (_, body) = answer.split_once("\r\n\r\n").unwrap();
            let content: String = body.chars().filter(char::is_ascii_lowercase).collect();
            assert!(content == "hello" && (body == "hello" || body.ends_with("0\r\n\r\n")), "{body:?} by {size}");
        }
        assert_eq!(gate.pool_counts(), (1, 1));
    });
}
