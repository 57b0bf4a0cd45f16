use super::*;

const LIMITS: Limits = Limits { head: 1024, fields: 8, target: 64 };

fn request(text: &str) -> Result<BodyLength, Fault> {
    let text = text.as_bytes();
    let mut seen = 0;
    let whole = read_request(text, &mut seen, &LIMITS);
    // In whatever pieces it comes, the end is the same.
    for step in [1, 2, 7] {
        let (mut seen, mut at) = (0, 0);
        let pieces = loop {
            at = (at + step).min(text.len());
            match read_request(&text[..at], &mut seen, &LIMITS) {
                Ok(Progress::Partial) if at < text.len() => {}
                other => break other,
            }
        };
        assert_eq!(pieces, whole, "{:?} by {step}", String::from_utf8_lossy(text));
    }
    match whole? {
        Progress::Complete(head, length) => {
            assert_eq!(length, text.len());
            Ok(head.body)
        }
        Progress::Partial => panic!("not whole: {:?}", String::from_utf8_lossy(text)),
    }
}

fn check(text: &str, expected: Result<BodyLength, Fault>) {
    assert_eq!(request(text), expected, "{text:?}");
}

const NONE: Result<BodyLength, Fault> = Ok(BodyLength::Known(0));

#[test]
fn request_lines() {
    let lines = [
        ("GET / HTTP/1.1", NONE),
        ("GET / HTTP/1.0", NONE),
        ("OPTIONS * HTTP/1.1", NONE),
        ("GET http://a.test/ HTTP/1.1", NONE),
        ("GET /a?b=c|d HTTP/1.1", NONE),
        ("GET  / HTTP/1.1", Err(Fault::RequestLine)),
        ("GET /  HTTP/1.1", Err(Fault::RequestLine)),
        ("GET\t/ HTTP/1.1", Err(Fault::RequestLine)),
        ("GET /\tHTTP/1.1", Err(Fault::RequestLine)),
        (" GET / HTTP/1.1", Err(Fault::RequestLine)),
        ("GET / HTTP/1.1 ", Err(Fault::RequestLine)),
        ("GET /", Err(Fault::RequestLine)),
        ("G(T / HTTP/1.1", Err(Fault::RequestLine)),
        ("GET / http/1.1", Err(Fault::Version)),
        ("GET / HTTP/1.2", Err(Fault::Version)),
        ("GET / HTTP/2.0", Err(Fault::Version)),
        ("GET / HTTP/0.9", Err(Fault::Version)),
        ("GET / HTTP/1.10", Err(Fault::Version)),
        ("GET /a#b HTTP/1.1", Err(Fault::Target)),
        ("GET /a\\b HTTP/1.1", Err(Fault::Target)),
        ("GET /é HTTP/1.1", Err(Fault::Target)),
        ("GET /\u{7f} HTTP/1.1", Err(Fault::Target)),
        ("GET /\"a\" HTTP/1.1", Err(Fault::Target)),
    ];
    for (line, expected) in lines {
        check(&format!("{line}\r\nhost: a\r\n\r\n"), expected);
    }
    check(&format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(63)), NONE);
    check(&format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(64)), Err(Fault::TargetTooLong));
}

/// Nothing is found, read or refused otherwise than by who judges all ends of lines before anything else.
#[test]
fn the_quick_end_of_a_head_is_the_strict_one() {
    const PARTS: [&str; 5] = ["GET / HTTP/1.1", "a:b", "\r\n", "\r", "\n"];
    const LENGTH: u32 = 7;
    let mut heads = 0;
    for number in 0..PARTS.len().pow(LENGTH) {
        let text: String = (0..LENGTH).map(|place| PARTS[number / PARTS.len().pow(place) % PARTS.len()]).collect();
        for text in [text.clone(), format!("GET / HTTP/1.1\r\n{text}\r\n\r\n")] {
            let bytes = text.as_bytes();
            let strictly = match strict_end(bytes, &mut 0, LIMITS.head) {
                Ok(Some(end)) => super::request_lines(&bytes[..end], &LIMITS, |_, _| {})
                    .map(|(_, head)| Progress::Complete(head, end)),
                Ok(None) => early_request(bytes, &LIMITS).map(|()| Progress::Partial),
                Err(fault) => Err(fault),
            };
            assert_eq!(read_request(bytes, &mut 0, &LIMITS), strictly, "{text:?}");
            heads += usize::from(matches!(strictly, Ok(Progress::Complete(..))));
        }
    }
    assert!(heads > 100, "{heads}");
}

#[test]
fn ends_of_lines() {
    let texts = [
        ("GET / HTTP/1.1\r\n\r\n", NONE),
        ("\r\nGET / HTTP/1.1\r\n\r\n", Err(Fault::EmptyLine)),
        ("\nGET / HTTP/1.1\r\n\r\n", Err(Fault::LineEnd)),
        ("GET / HTTP/1.1\n\n", Err(Fault::LineEnd)),
        ("GET / HTTP/1.1\r\na: b\n\r\n", Err(Fault::LineEnd)),
        ("GET / HTTP/1.1\r\na: b\nc: d\r\n\r\n", Err(Fault::LineEnd)),
        ("GET / HTTP/1.1\r\na: b\n\r\nc: d\r\n\r\n", Err(Fault::LineEnd)),
        ("GET / HTTP/1.1\r\na: b\r\n\n", Err(Fault::LineEnd)),
        ("GET / HTTP/1.1\r\na: b\rc: d\r\n\r\n", Err(Fault::LineEnd)),
        ("GET / HTTP/1.1\r\na: b\r\r\n\r\n", Err(Fault::LineEnd)),
        ("GET / HTTP/1.1\r\r\n\r\n", Err(Fault::LineEnd)),
    ];
    for (text, expected) in texts {
        check(text, expected);
    }
}

#[test]
fn fields() {
    let fields = [
        ("a: b", NONE),
        ("a:b", NONE),
        ("a:", NONE),
        ("a: \t b \t", NONE),
        ("a: b\u{e9}", NONE),
        (" a: b", Err(Fault::Folded)),
        ("\ta: b", Err(Fault::Folded)),
        ("a: b\r\n c", Err(Fault::Folded)),
        ("a : b", Err(Fault::FieldName)),
        ("a\t: b", Err(Fault::FieldName)),
        (": b", Err(Fault::FieldName)),
        ("a", Err(Fault::FieldName)),
        ("a b: c", Err(Fault::FieldName)),
        ("a\0: c", Err(Fault::FieldName)),
        ("ä: c", Err(Fault::FieldName)),
        ("a: b\0c", Err(Fault::FieldValue)),
        ("a: b\u{b}c", Err(Fault::FieldValue)),
        ("a: \u{7f}", Err(Fault::FieldValue)),
    ];
    for (field, expected) in fields {
        check(&format!("GET / HTTP/1.1\r\n{field}\r\n\r\n"), expected);
    }
    check(&format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(8)), NONE);
    check(&format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(9)), Err(Fault::TooManyFields));
    check(&format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(2000)), Err(Fault::HeadTooLarge));
}

#[test]
fn lengths() {
    let known = |length| Ok(BodyLength::Known(length));
    let length = Err(Fault::Length);
    let coding = Err(Fault::Coding);
    let fields = [
        ("Content-Length: 5", known(5)),
        ("content-length:5", known(5)),
        ("content-length: 9223372036854775807", known(i64::MAX as u64)),
        ("content-length: 9223372036854775808", length),
        ("content-length: 18446744073709551616", length),
        ("content-length: +5", length),
        ("content-length: -0", length),
        ("content-length: 05", length),
        ("content-length: 5,5", length),
        ("content-length: 5 5", length),
        ("content-length: 0x5", length),
        ("content-length: 5e0", length),
        ("content-length: ,5", length),
        ("content-length:", length),
        ("content-length: 5\r\ncontent-length: 5", length),
        ("content-length: 5\r\nContent-Length: 6", length),
        ("transfer-encoding: chunked", Ok(BodyLength::Chunked)),
        ("Transfer-Encoding:\tCHUNKED\t", Ok(BodyLength::Chunked)),
        ("transfer-encoding: gzip, chunked", Err(Fault::UnknownCoding)),
        ("transfer-encoding: identity, chunked", coding),
        ("transfer-encoding: chunked, gzip", coding),
        ("transfer-encoding: chunked, chunked", coding),
        ("transfer-encoding: xchunked", coding),
        ("transfer-encoding: ,chunked", coding),
        ("transfer-encoding: chunked,", coding),
        ("transfer-encoding: identity", coding),
        ("transfer-encoding: \"chunked\"", coding),
        ("transfer-encoding:", coding),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked", coding),
        ("transfer-encoding: gzip\r\ntransfer-encoding: chunked", coding),
        ("content-length: 5\r\ntransfer-encoding: chunked", Err(Fault::BothLengths)),
        ("transfer-encoding: chunked\r\ncontent-length: 5", Err(Fault::BothLengths)),
        ("transfer-encoding : chunked", Err(Fault::FieldName)),
        ("content_length: 5", NONE),
    ];
    for (field, expected) in fields {
        check(&format!("POST / HTTP/1.1\r\n{field}\r\n\r\n"), expected);
    }
    check("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n", coding);
}

#[test]
fn responses() {
    let read = |text: &str, to_head| match read_response(text.as_bytes(), &mut 0, &LIMITS, to_head)? {
        Progress::Complete(head, _) => Ok((head.status, head.body)),
        Progress::Partial => panic!("not whole: {text:?}"),
    };
    let check = |text: &str, to_head, expected| assert_eq!(read(text, to_head), expected, "{text:?}");
    check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", false, Ok((200, BodyLength::Known(3))));
    check("HTTP/1.1 200\r\n\r\n", false, Ok((200, BodyLength::UntilClose)));
    check("HTTP/1.1 200 \r\n\r\n", false, Ok((200, BodyLength::UntilClose)));
    check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", true, Ok((200, BodyLength::Known(0))));
    check("HTTP/1.1 204 No\r\ncontent-length: 3\r\n\r\n", false, Ok((204, BodyLength::Known(0))));
    check("HTTP/1.1 304 Not\r\ncontent-length: 3\r\n\r\n", false, Ok((304, BodyLength::Known(0))));
    check("HTTP/1.1 100 Go\r\n\r\n", false, Ok((100, BodyLength::Known(0))));
    check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", false, Ok((200, BodyLength::Chunked)));
    for (line, fault) in [
        ("HTTP/1.1 20 OK", Fault::StatusLine),
        ("HTTP/1.1 2000 OK", Fault::StatusLine),
        ("HTTP/1.1  200 OK", Fault::StatusLine),
        ("HTTP/1.1 099 OK", Fault::StatusLine),
        ("HTTP/1.1 2x0 OK", Fault::StatusLine),
        ("HTTP/1.1 200 O\u{1}K", Fault::StatusLine),
        ("HTTP/2 200 OK00", Fault::Version),
        ("ICY 200 OK", Fault::StatusLine),
    ] {
        check(&format!("{line}\r\n\r\n"), false, Err(fault));
    }
    let both = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n";
    check(both, false, Err(Fault::BothLengths));
    check("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", false, Err(Fault::Coding));
}
