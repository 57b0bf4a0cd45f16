use super::*;

const LIMITS: Limits = Limits { head: 1024, fields: 8, target: 64 };

/// Shows a text in pieces of every size, and gives the one outcome: the head as text, or the fault. What follows the head
/// stays.
fn check(text: &str, expected: Result<&str, Fault>) {
    for size in 1..=text.len() {
        let (mut seen, mut found) = (0, Ok("unfinished".to_owned()));
        for end in (0..=text.len()).step_by(size).skip(1).chain([text.len()]) {
            match read_request(&text.as_bytes()[..end], &mut seen, &LIMITS) {
                Ok(None) => continue,
                Ok(Some((head, length))) => found = Ok(format!("{} +{}", shown(&head), text.len() - length)),
                Err(fault) => found = Err(fault),
            }
            break;
        }
        assert_eq!(found.as_deref(), expected.as_ref().map(|text| *text), "{text:?} by {size}");
    }
}

fn shown(head: &RequestHead) -> String {
    let request = &head.request;
    let fields: Vec<_> = request.headers().iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    let hop = head.hop;
    let flags = [
        (hop.persistence == Persistence::Close, "close"),
        (hop.expects_continue, "continue"),
        (hop.takes_trailers, "trailers"),
        (hop.asks_upgrade, "upgrade"),
    ];
    let flags: Vec<_> = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| *name).collect();
    format!(
        "{} {} {:?} {:?} [{}] {}",
        request.method(),
        request.uri(),
        request.version(),
        head.body,
        fields.join(" "),
        flags.join(" ")
    )
}

#[test]
fn heads_become_values() {
    check(
        "GET /a?b HTTP/1.1\r\nHost: a.test\r\nX-Own:\t a b \r\ncookie: 1\r\nCookie: 2\r\n\r\n",
        Ok(r#"GET /a?b HTTP/1.1 Known(0) [host="a.test" x-own="a b" cookie="1" cookie="2"]  +0"#),
    );
    check("OPTIONS * HTTP/1.0\r\n\r\n", Ok("OPTIONS * HTTP/1.0 Known(0) [] close +0"));
    check(
        "PURGE http://a.test/x HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello",
        Ok(r#"PURGE http://a.test/x HTTP/1.1 Known(5) [content-length="5"]  +5"#),
    );
    check(
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n",
        Ok(r#"POST / HTTP/1.1 Chunked [transfer-encoding="Chunked"]  +0"#),
    );
}

#[test]
fn what_is_said_of_the_connection_is_understood() {
    for (version, fields, flags) in [
        ("1.1", "connection: Close", "close"),
        ("1.1", "connection: keep-alive, close", "close"),
        ("1.1", "connection: closed", ""),
        ("1.0", "connection: Keep-Alive", ""),
        ("1.0", "connection: keep-alive, close", "close"),
        ("1.1", "expect: 100-Continue", "continue"),
        ("1.1", "expect: 200-ok", ""),
        ("1.0", "connection: keep-alive\r\nexpect: 100-continue", ""),
        ("1.1", "te: gzip , Trailers", "trailers"),
        ("1.1", "te: trailersx", ""),
        ("1.1", "connection: x, Upgrade", "upgrade"),
        ("1.0", "connection: keep-alive, upgrade", ""),
    ] {
        let text = format!("GET / HTTP/{version}\r\n{fields}\r\n\r\n");
        let (head, length) = read_request(text.as_bytes(), &mut 0, &LIMITS).unwrap().unwrap();
        assert_eq!(length, text.len());
        assert!(shown(&head).ends_with(&format!("] {flags}")), "{text:?}: {}", shown(&head));
    }
}

#[test]
fn what_the_grammar_refuses_is_refused() {
    for (text, fault) in [
        ("GET / HTTP/1.1\na: b\r\n\r\n", Fault::LineEnd),
        ("\r\nGET / HTTP/1.1\r\n\r\n", Fault::EmptyLine),
        ("GET / HTTP/1.2\r\n\r\n", Fault::Version),
        ("GET  / HTTP/1.1\r\n\r\n", Fault::RequestLine),
        ("CONNECT a:1 HTTP/1.1\r\n\r\n", Fault::Connect),
        ("GET /\" HTTP/1.1\r\n\r\n", Fault::Target),
        ("GET / HTTP/1.1\r\na : b\r\n\r\n", Fault::FieldName),
        ("GET / HTTP/1.1\r\na: \0\r\n\r\n", Fault::FieldValue),
        ("GET / HTTP/1.1\r\na: 1\r\n b\r\n\r\n", Fault::Folded),
        ("GET / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", Fault::BothLengths),
        ("GET / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n", Fault::Coding),
    ] {
        check(text, Err(fault));
    }
    check(&format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(9)), Err(Fault::TooManyFields));
    check(&format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(1024)), Err(Fault::HeadTooLarge));
    check(&format!("GET /{} HTTP/1.1\r\n\r\n", "b".repeat(64)), Err(Fault::TargetTooLong));
}
