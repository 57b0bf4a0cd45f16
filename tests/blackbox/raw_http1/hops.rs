//! Cases of what ends at the gateway: hop-by-hop fields, upgrades, expectations, and what stands behind a refusal.

use super::case::{Case, Outcome, Wanted, get, got, post, posted_in_chunks};

/// Hop-by-hop fields end here, and upgrades go no further unless they are WebSockets (RFC 9110 section 7.6.1).
pub(super) fn hops() -> Vec<Case> {
    let mut cases = Vec::new();
    for fields in [
        "keep-alive: 5\r\n",
        "proxy-connection: keep-alive\r\n",
        "proxy-authorization: x\r\n",
        "te: gzip\r\n",
        "http2-settings: AAMAAABk\r\n",
        "connection: keep-alive\r\n",
        "connection: x-own\r\nx-own: 1\r\n",
        "connection: X-Own, , keep-alive\r\nx-own: 1\r\nx-own: 2\r\n",
        "connection:\r\n",
        "connection: keep-alive\r\nconnection: x-own\r\nx-own: 1\r\n",
        "upgrade: websocket\r\n",
        "upgrade: h2c\r\n",
        "upgrade: TLS/1.0\r\n",
        "connection: upgrade\r\n",
        "connection: upgrade\r\nupgrade: h2c\r\n",
        "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n",
        "connection: upgrade\r\nupgrade: TLS/1.0\r\n",
        "connection: upgrade\r\nupgrade: websocket, h2c\r\n",
        "connection: upgrade\r\nupgrade: foo/2\r\n",
        "connection: upgrade\r\nupgrade:\r\n",
        "connection: Upgrade, keep-alive\r\nupgrade: h2c, websocket\r\n",
    ] {
        cases.push(Case::reaches(format!("{fields:?} ends here"), get(fields), got(&[])));
    }
    for option in [
        "host",
        "content-length",
        "authorization",
        "cookie",
        "cache-control",
        "expect",
        "content-type",
        "a b",
        "\"x\"",
        "x@y",
    ] {
        let bytes = get(&format!("connection: keep-alive, {option}\r\n"));
        cases.push(Case::refused(format!("nominating {option}"), bytes, "bad_header"));
    }
    for fields in ["connection: close\r\n", "connection: Close\r\n", "connection: keep-alive, close\r\n"] {
        cases.push(Case::reaches_last(format!("{fields:?} is the last request"), get(fields), got(&[])));
    }
    let te = got(&["te: trailers", "connection: te"]);
    cases.push(Case::reaches("trailers are welcome", get("te: trailers\r\n"), te.clone()));
    cases.push(Case::reaches("only trailers are welcome", get("te: gzip, trailers, deflate\r\n"), te));
    // A WebSocket handshake that the backend answers with 200: what follows is HTTP.
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
    let bytes = get(&format!("connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n{key}\r\n"));
    let wanted = got(&["connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13", key]);
    cases.push(Case::reaches("an upgrade that is not confirmed stays HTTP", bytes, wanted));
    let bytes = get("connection: upgrade\r\nupgrade: h2c\r\n");
    let preface = [bytes.as_slice(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"].concat();
    cases.push(Case::refused_after("a preface of HTTP/2 behind an h2c upgrade", preface, &[got(&[])], "bad_request"));
    for (expect, fields) in [
        ("200-ok", "expect: 200-ok\r\n"),
        ("nothing", "expect:\r\n"),
        ("twice", "expect: 100-continue\r\nexpect: 100-continue\r\n"),
        ("a list", "expect: 100-continue, 100-continue\r\n"),
        ("a parameter", "expect: 100-continue;q=1\r\n"),
        ("100", "expect: 100\r\n"),
    ] {
        let bytes = post(&format!("{fields}content-length: 5\r\n"), "abcde");
        cases.push(Case::refused(format!("expecting {expect}"), bytes, "expectation_failed"));
    }
    let wanted = Wanted::new("POST / HTTP/1.1", &["content-length: 5"], "abcde");
    for expect in ["100-continue", "100-Continue"] {
        let bytes = post(&format!("expect: {expect}\r\ncontent-length: 5\r\n"), "abcde");
        cases.push(Case::reaches(format!("expecting {expect} with the body at once"), bytes, wanted.clone()));
        let bytes = post(&format!("expect: {expect}\r\ntransfer-encoding: chunked\r\n"), "5\r\nabcde\r\n0\r\n\r\n");
        cases.push(Case::reaches(format!("expecting {expect} with chunks at once"), bytes, posted_in_chunks("abcde")));
    }
    cases
}

/// After a refusal nothing on the connection is a request; before it, everything keeps its place.
pub(super) fn pipelines() -> Vec<Case> {
    let mut cases = Vec::new();
    let first = get("x-own: 1\r\n");
    let wanted = got(&["x-own: 1"]);
    for (name, second, word) in [
        ("both lengths", post("content-length: 5\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"), "bad_framing"),
        ("a bad length", post("content-length: +5\r\n", "abcde"), "bad_framing"),
        ("a bare LF", b"GET / HTTP/1.1\nhost: a.test\n\n".to_vec(), "bad_request"),
        ("an empty line", b"\r\nGET / HTTP/1.1\r\nhost: a.test\r\n\r\n".to_vec(), "bad_request"),
        ("a bad chunk", post("transfer-encoding: chunked\r\n", "+5\r\nabcde\r\n0\r\n\r\n"), "bad_body"),
        ("no host", b"GET / HTTP/1.1\r\n\r\n".to_vec(), "bad_host"),
        ("a bad path", b"GET /%00 HTTP/1.1\r\nhost: a.test\r\n\r\n".to_vec(), "bad_path"),
        ("CONNECT", b"CONNECT a.test:443 HTTP/1.1\r\nhost: a.test\r\n\r\n".to_vec(), "method_not_allowed"),
        ("a stray body", b"abcde\r\n".to_vec(), "bad_request"),
        ("a spilled chunk", b"0\r\n\r\n".to_vec(), "bad_request"),
        ("TLS in the clear", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n".to_vec(), "bad_request"),
        ("the stand-in for refused heads", b"- * HTTP/1.1\r\nhost: -\r\n\r\n".to_vec(), "bad_request"),
    ] {
        let bytes = [first.as_slice(), &second].concat();
        cases.push(Case::refused_after(format!("{name} in second place"), bytes, std::slice::from_ref(&wanted), word));
        let bytes = [first.as_slice(), &first, &second].concat();
        let before = [wanted.clone(), wanted.clone()];
        cases.push(Case::refused_after(format!("{name} in third place"), bytes, &before, word));
    }
    // A request in the body of one that is answered without it (0.CL): it stays a body.
    let inner = "GET /smuggled HTTP/1.1\r\nhost: a.test\r\n\r\n";
    let fields = format!("GET /%00 HTTP/1.1\r\nhost: a.test\r\ncontent-length: {}\r\n\r\n{inner}", inner.len());
    cases.push(Case::refused("a request in the body of a refused one", fields, "bad_path"));
    let fields = format!("POST / HTTP/1.1\r\nhost: b.test\r\ncontent-length: {}\r\n\r\n{inner}", inner.len());
    cases.push(Case::answered("a request in the body of one for nobody", fields, Outcome::Elsewhere));
    cases
}
