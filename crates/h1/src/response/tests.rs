use super::*;

const LIMITS: Limits = Limits { head: 1024, fields: 8, target: 0 };

/// Feeds a text in pieces of every size, and gives the one outcome: the head as text and what is left, or the fault.
fn check(text: &str, to: AnswerTo, expected: Result<&str, Fault>) {
    for size in 1..=text.len() {
        let (mut bytes, mut seen, mut found) = (BytesMut::new(), 0, Ok(String::new()));
        for piece in text.as_bytes().chunks(size) {
            bytes.extend_from_slice(piece);
            match read_response(&mut bytes, &mut seen, &LIMITS, to) {
                Ok(None) => continue,
                Ok(Some(head)) => found = Ok(shown(&head)),
                Err(fault) => found = Err(fault),
            }
            break;
        }
        assert_eq!(found.as_deref(), expected.as_ref().map(|text| *text), "{text:?} by {size}");
    }
}

fn shown(head: &ResponseHead) -> String {
    let response = &head.response;
    let reason = head.reason.as_ref().map(|reason| String::from_utf8(reason.to_vec()).unwrap());
    let fields: Vec<_> = response.headers().iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{:?} {} {reason:?} {:?} [{}]", response.version(), response.status().as_u16(), head.body, fields.join(" "))
}

#[test]
fn heads_become_values() {
    check(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Own:\t a b \r\nset-cookie: 1\r\nSet-Cookie: 2\r\n\r\n",
        AnswerTo::Other,
        Ok(r#"HTTP/1.1 200 None Known(2) [content-length="2" x-own="a b" set-cookie="1" set-cookie="2"]"#),
    );
    check("HTTP/1.0 200 OK\r\n\r\n", AnswerTo::Other, Ok("HTTP/1.0 200 None UntilClose []"));
    check("HTTP/1.1 200\r\na:\r\n\r\n", AnswerTo::Head, Ok(r#"HTTP/1.1 200 Some("") Known(0) [a=""]"#));
    check("HTTP/1.1 299 Mine\r\n\r\n", AnswerTo::Head, Ok(r#"HTTP/1.1 299 Some("Mine") Known(0) []"#));
    check("HTTP/1.1 404 N\u{e4}h\r\n\r\n", AnswerTo::Head, Ok(r#"HTTP/1.1 404 Some("") Known(0) []"#));
    check(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        AnswerTo::Other,
        Ok(r#"HTTP/1.1 200 None Chunked [transfer-encoding="chunked"]"#),
    );
    check("HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n", AnswerTo::Other, {
        Ok(r#"HTTP/1.1 304 None Known(0) [content-length="2"]"#)
    });
}

#[test]
fn what_the_grammar_refuses_is_refused() {
    for (text, fault) in [
        ("HTTP/1.1 200 OK\r\na: b\n\r\n", Fault::LineEnd),
        ("HTTP/2 200 OK\r\n\r\n", Fault::Version),
        ("HTTP/1.1 200 OK\r\na : b\r\n\r\n", Fault::FieldName),
        ("HTTP/1.1 200 OK\r\na: \0\r\n\r\n", Fault::FieldValue),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", Fault::BothLengths),
    ] {
        check(text, AnswerTo::Other, Err(fault));
    }
    check(&format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(9)), AnswerTo::Other, Err(Fault::TooManyFields));
    check(&format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "b".repeat(1024)), AnswerTo::Other, Err(Fault::HeadTooLarge));
}

#[test]
fn what_follows_stays_and_only_switches_are_final_among_the_interim() {
    let mut bytes = BytesMut::from(&b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 101 Go\r\n\r\n\x81\x00"[..]);
    let mut next = || read_response(&mut bytes, &mut 0, &LIMITS, AnswerTo::Other).unwrap().unwrap().is_interim();
    assert!(next());
    assert!(!next());
    assert_eq!(&bytes[..], b"\x81\x00");
}
