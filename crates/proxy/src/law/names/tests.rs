//! The tables of names, and what is compared with them.

use super::*;

fn check(name: &str, expected: Claim) {
    assert_eq!(claim(&HeaderName::from_bytes(name.as_bytes()).unwrap()), expected, "{name}");
}

#[test]
fn names_of_identity_and_their_disguises() {
    for name in [
        "X-Forwarded-For",
        "x-forwarded-whatever",
        "x-forwarded",
        "Forwarded",
        "X-Real-IP",
        "X-Original-URL",
        "X-Rewrite-URL",
        "Client-Cert",
        "Client-Cert-Chain",
        "X-ARR-ClientCert",
        "X-SSL-Client-CN",
        "SSL-Client-Verify",
        "True-Client-IP",
        "X-Request-Id",
        "Forwarded-For",
        "Front-End-Https",
        "X-Scheme",
        "X-Url-Scheme",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "CF-Connecting-IP",
        "Script-Name",
        "Remote-Addr",
        "Remote-User",
        "X-Remote-User",
    ] {
        check(name, Claim::Identity);
    }
    for name in [
        "X_Forwarded_For",
        "X.Forwarded.For",
        "x-forwarded.for",
        "x_real_ip",
        "X-Real_IP",
        "client.cert",
        "X!Forwarded-For",
        "X'Forwarded-For",
        "X~Forwarded~For",
        "x|real|ip",
        "remote+user",
        "script`name",
        "front^end^https",
        "forwarded#for",
        "content&length",
        "Content_Length",
        "content.length",
        "transfer.encoding",
        "Proxy",
        "a_b",
        "x.forwarded.for.a-very-long-name-that-does-not-fit-the-fold-buffer-at-all",
    ] {
        check(name, Claim::Disguise);
    }
    for name in [
        "accept",
        "x-custom",
        "com.example.trace",
        "a!b",
        "x-http-method-override",
        "proxy-status",
        "x",
        "x-",
        "xforwarded-for",
        "sec-ch-ua",
        "remote-control",
        "forwarded-by-mail",
    ] {
        check(name, Claim::Plain);
    }
}

#[test]
fn no_byte_of_a_token_disguises_a_name() {
    for mark in "!#$%&'*+.^_`|~".chars() {
        for name in ["x-forwarded-for", "forwarded-for", "x-real-ip", "remote-user", "content-length"] {
            let at_first = name.replacen('-', &mark.to_string(), 1);
            let everywhere = name.replace('-', &mark.to_string());
            check(&at_first, Claim::Disguise);
            check(&everywhere, Claim::Disguise);
        }
    }
}

#[test]
fn what_is_present_agrees_with_the_table() {
    for name in &HOP_BY_HOP {
        let mut headers = HeaderMap::new();
        headers.insert(name.clone(), HeaderValue::from_static("x"));
        headers.insert("accept", HeaderValue::from_static("x"));
        let mut set = Present::default();
        assert_eq!(set.note(name), Noted::HopByHop, "{name}");
        set.remove_from(&mut headers);
        assert_eq!(headers.len(), 1, "{name}");
    }
    assert_eq!(Present::default().note(&header::ACCEPT), Noted::Other);
}

#[test]
fn what_is_looked_for_is_found_where_it_is() {
    type Asked = fn(Present) -> bool;
    let asked: [(HeaderName, Asked); 7] = [
        (header::CONTENT_LENGTH, Present::has_content_length),
        (header::TRAILER, Present::has_trailer),
        (header::COOKIE, Present::has_cookie),
        (header::ALT_SVC, Present::has_alt_svc),
        (header::TRANSFER_ENCODING, Present::has_transfer_encoding),
        (header::CONNECTION, Present::has_connection),
        (header::TE, Present::has_te),
    ];
    for (name, _) in &asked {
        let present = Present::of(&HeaderMap::from_iter([(name.clone(), HeaderValue::from_static("x"))]));
        for (other, has) in &asked {
            assert_eq!(has(present), name == other, "{name} {other}");
        }
    }
}

#[test]
fn only_what_may_be_a_trailer_is_announced() {
    for (lines, expected) in [
        (&["x-sum"][..], Some("x-sum")),
        (&["X-Sum, digest", "grpc-status"], Some("x-sum, digest, grpc-status")),
        (&["x-sum, content-length, X-Forwarded-For,, cookie"], Some("x-sum")),
        (&["transfer-encoding"], None),
        (&["a b, <script>"], None),
        (&[""], None),
        (&[], None),
    ] {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(TRAILER, HeaderValue::from_static(line));
        }
        rewrite_trailer(&mut headers);
        assert_eq!(headers.get_all(TRAILER).iter().collect::<Vec<_>>(), Vec::from_iter(expected), "{lines:?}");
    }
}

#[test]
fn trailers_keep_what_is_about_the_content_only() {
    let mut trailers = HeaderMap::new();
    for name in [
        "grpc-status",
        "server-timing",
        "digest",
        "etag",
        "content-length",
        "host",
        "x-forwarded-for",
        "set-cookie",
        "authorization",
        "a_b",
        "transfer-encoding",
        "if-match",
    ] {
        trailers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static("1"));
    }
    retain_trailers(&mut trailers);
    let mut kept: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
    kept.sort_unstable();
    assert_eq!(kept, ["digest", "etag", "grpc-status", "server-timing"]);
}
