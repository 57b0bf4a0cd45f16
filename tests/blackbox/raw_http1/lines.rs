//! Cases of lines (RFC 9112 sections 2 to 5): their ends, control bytes, request lines, fields, sizes and counts.

use super::case::{Case, Transport, Wanted, get, got};

/// Bytes that may stand nowhere, with what they are called.
const CONTROLS: [(&str, u8); 14] = [
    ("NUL", 0),
    ("SOH", 1),
    ("BEL", 7),
    ("BS", 8),
    ("VT", 0xb),
    ("FF", 0xc),
    ("SO", 0xe),
    ("DLE", 0x10),
    ("SUB", 0x1a),
    ("ESC", 0x1b),
    ("FS", 0x1c),
    ("RS", 0x1e),
    ("US", 0x1f),
    ("DEL", 0x7f),
];

/// The places of a head, and what a control byte there is called.
const PLACES: [(&str, &str, &str, &str); 12] = [
    ("before the method", "", "GET / HTTP/1.1\r\nhost: a.test\r\n\r\n", "bad_request"),
    ("in the method", "GE", "T / HTTP/1.1\r\nhost: a.test\r\n\r\n", "bad_request"),
    ("behind the method", "GET", " / HTTP/1.1\r\nhost: a.test\r\n\r\n", "bad_request"),
    ("before the target", "GET ", "/ HTTP/1.1\r\nhost: a.test\r\n\r\n", "bad_path"),
    ("in the target", "GET /a", "b HTTP/1.1\r\nhost: a.test\r\n\r\n", "bad_path"),
    ("in the version", "GET / HTTP/1", ".1\r\nhost: a.test\r\n\r\n", "bad_request"),
    ("behind the version", "GET / HTTP/1.1", "\r\nhost: a.test\r\n\r\n", "bad_request"),
    ("before a name", "GET / HTTP/1.1\r\n", "host: a.test\r\n\r\n", "bad_header"),
    ("in a name", "GET / HTTP/1.1\r\nhost: a.test\r\nx-o", "wn: 1\r\n\r\n", "bad_header"),
    ("behind a name", "GET / HTTP/1.1\r\nhost: a.test\r\nx-own", ": 1\r\n\r\n", "bad_header"),
    ("in a value", "GET / HTTP/1.1\r\nhost: a.test\r\nx-own: 1", "2\r\n\r\n", "bad_header"),
    ("behind a value", "GET / HTTP/1.1\r\nhost: a.test\r\nx-own: 1", "\r\n\r\n", "bad_header"),
];

/// Each control byte in each place.
pub(super) fn controls() -> Vec<Case> {
    let mut cases = Vec::new();
    for (place, before, behind, word) in PLACES {
        for (name, byte) in CONTROLS {
            let bytes = [before.as_bytes(), &[byte], behind.as_bytes()].concat();
            let name = format!("{name} {place}");
            cases.push(if before.is_empty() { Case::foreign(name, bytes) } else { Case::refused(name, bytes, word) });
        }
    }
    cases
}

/// A bare CR or LF in each place, and lines that end in one of them.
pub(super) fn ends() -> Vec<Case> {
    let mut cases = Vec::new();
    for (place, before, behind, _) in PLACES {
        for (name, bytes) in
            [("a bare LF", "\n"), ("a bare CR", "\r"), ("CR CR", "\r\r"), ("LF CR", "\n\r"), ("LF LF", "\n\n")]
        {
            // CR CR in front of CR LF, and CR before a line that is there anyway, are bare all the same.
            cases.push(Case::refused(format!("{name} {place}"), format!("{before}{bytes}{behind}"), "bad_request"));
        }
    }
    for (name, bytes) in [
        ("bare LFs only", "GET / HTTP/1.1\nhost: a.test\n\n"),
        ("a bare LF behind the request line", "GET / HTTP/1.1\nhost: a.test\r\n\r\n"),
        ("a bare LF behind a field", "GET / HTTP/1.1\r\nhost: a.test\n\r\n"),
        ("a bare LF as the last line", "GET / HTTP/1.1\r\nhost: a.test\r\n\n"),
        ("bare CRs only", "GET / HTTP/1.1\rhost: a.test\r\r\n\n"),
        ("one empty line first", "\r\nGET / HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("a bare LF first", "\nGET / HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        (
            "many empty lines first",
            "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nhost: a.test\r\n\r\n",
        ),
    ] {
        cases.push(Case::refused(name, bytes, "bad_request"));
    }
    for (name, fields) in [
        ("a folded value", "x-own: 1\r\n 2\r\n"),
        ("a value folded with a tab", "x-own: 1\r\n\t2\r\n"),
        ("a folded host", "x: 1\r\n host: b.test\r\n"),
        ("a folded length", "content-length:\r\n 5\r\n"),
        ("a folded coding", "transfer-encoding:\r\n chunked\r\n"),
        ("a folded coding with a tab", "transfer-encoding:\r\n\tchunked\r\n"),
        ("a fold of blanks only", "x-own: 1\r\n   \r\n"),
        ("a length folded away", "x-own: 1\r\n content-length: 5\r\n"),
    ] {
        cases.push(Case::refused(name, get(fields), "bad_header"));
    }
    cases.push(Case::refused("a first field that is folded", "GET / HTTP/1.1\r\n host: a.test\r\n\r\n", "bad_header"));
    cases
}

/// Whatever one reader might still take for a request line.
const MALFORMED_LINES: &[&str] = &[
    "GET  / HTTP/1.1",
    "GET /  HTTP/1.1",
    "GET  /  HTTP/1.1",
    "GET / HTTP/1.1 ",
    "GET\t/ HTTP/1.1",
    "GET /\tHTTP/1.1",
    "GET\t/\tHTTP/1.1",
    "GET / HTTP/1.1\t",
    "GET /a b HTTP/1.1",
    "GET /",
    "GET",
    "GET ",
    "GET HTTP/1.1",
    "GET  HTTP/1.1",
    "HTTP/1.1",
    "GET / HTTP/1.1 HTTP/1.1",
    "GET / HTTP/1.1 x",
    "GET / http/1.1",
    "GET / Http/1.1",
    "GET / HTTP/2.0",
    "GET / HTTP/2",
    "GET / HTTP/3.0",
    "GET / HTTP/0.9",
    "GET / HTTP/1.2",
    "GET / HTTP/1.9",
    "GET / HTTP/1",
    "GET / HTTP/1.",
    "GET / HTTP/.1",
    "GET / HTTP/01.1",
    "GET / HTTP/1.01",
    "GET / HTTP/1.10",
    "GET / HTTP/1.1.1",
    "GET / HTTP/11",
    "GET / HTTP/1,1",
    "GET / HTTP /1.1",
    "GET / HTTP/ 1.1",
    "GET / HTTPS/1.1",
    "GET / HTP/1.1",
    "GET / HTTP\\1.1",
    "GET / XHTTP/1.1",
    "GET / HTTP/+1.1",
    "GET / HTTP/1.-1",
    "GET / ICAP/1.0",
    "GET / RTSP/1.0",
    "GET / \"HTTP/1.1\"",
    "G(T / HTTP/1.1",
    "GE\"T / HTTP/1.1",
    "GET: / HTTP/1.1",
    "GET, / HTTP/1.1",
    "G/T / HTTP/1.1",
    "G\u{e9}T / HTTP/1.1",
    "G@T / HTTP/1.1",
    "host: a.test",
    "HTTP/1.1 200 OK",
    "GET / HTTP/1.1;",
];

/// `METHOD SP target SP HTTP/1.1`, and the forms of targets that have one meaning (RFC 9112 section 3).
pub(super) fn requests() -> Vec<Case> {
    let mut cases = Vec::new();
    for line in MALFORMED_LINES {
        let bytes = format!("{line}\r\nhost: a.test\r\n\r\n");
        cases.push(Case::refused(format!("the request line {line:?}"), bytes, "bad_request"));
    }
    for line in [
        " GET / HTTP/1.1",
        "\tGET / HTTP/1.1",
        "/ HTTP/1.1",
        " / HTTP/1.1",
        "{GET} / HTTP/1.1",
        "[GET] / HTTP/1.1",
        "\u{feff}GET / HTTP/1.1",
        "PRI * HTTP/2.1",
        "\"GET\" / HTTP/1.1",
        "@GET / HTTP/1.1",
    ] {
        let bytes = format!("{line}\r\nhost: a.test\r\n\r\n");
        cases.push(Case::foreign(format!("the request line {line:?}"), bytes));
    }
    for (line, word) in [
        ("GET * HTTP/1.1", "bad_request"),
        ("POST * HTTP/1.1", "bad_request"),
        ("GET a.test:80 HTTP/1.1", "bad_request"),
        ("GET a.test HTTP/1.1", "bad_request"),
        ("CONNECT a.test:443 HTTP/1.1", "method_not_allowed"),
        ("CONNECT / HTTP/1.1", "method_not_allowed"),
        ("TRACE / HTTP/1.1", "method_not_allowed"),
        ("TRACE * HTTP/1.1", "method_not_allowed"),
        ("GET ftp://a.test/ HTTP/1.1", "bad_request"),
        ("GET ws://a.test/ HTTP/1.1", "bad_request"),
        ("GET file:///etc/passwd HTTP/1.1", "bad_request"),
        ("GET http:///x HTTP/1.1", "bad_host"),
        ("GET http://a.test: HTTP/1.1", "bad_host"),
        ("CONNECT ?x HTTP/1.1", "method_not_allowed"),
        ("GET http://b.test/ HTTP/1.1", "bad_host"),
        ("GET https://b.test/ HTTP/1.1", "bad_host"),
        ("GET http://a.test:81/ HTTP/1.1", "bad_host"),
        ("GET http://u@a.test/ HTTP/1.1", "bad_host"),
        ("GET http://a.test@b.test/ HTTP/1.1", "bad_host"),
    ] {
        let bytes = format!("{line}\r\nhost: a.test\r\n\r\n");
        cases.push(Case::refused(format!("the target of {line:?}"), bytes, word));
    }
    for (transport, scheme, other) in [(Transport::Clear, "http", "https"), (Transport::Tls, "https", "http")] {
        let absolute = |scheme: &str| format!("GET {scheme}://a.test/x?y HTTP/1.1\r\nhost: a.test\r\n\r\n");
        let wanted = Wanted::new("GET /x?y HTTP/1.1", &[], "");
        cases.push(Case::reaches(format!("absolute form of {scheme}"), absolute(scheme), wanted).only(transport));
        if transport == Transport::Tls {
            cases.push(
                Case::refused(format!("absolute form of {other} over {scheme}"), absolute(other), "bad_request")
                    .only(transport),
            );
        }
    }
    for method in
        ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PURGE", "get", "M-SEARCH", "X!#$%&'*+.^_`|~"]
    {
        let bytes = format!("{method} / HTTP/1.1\r\nhost: a.test\r\n\r\n");
        let wanted = Wanted::new(&format!("{method} / HTTP/1.1"), &[], "");
        cases.push(Case::reaches(format!("the method {method}"), bytes, wanted));
    }
    let asterisk = Wanted::new("OPTIONS * HTTP/1.1", &[], "");
    cases.push(Case::reaches("asterisk form of OPTIONS", "OPTIONS * HTTP/1.1\r\nhost: a.test\r\n\r\n", asterisk));
    cases.push(Case::reaches_last("HTTP/1.0 closes", "GET / HTTP/1.0\r\nhost: a.test\r\n\r\n", got(&[])));
    cases
}

/// Names and values of fields (RFC 9110 section 5).
pub(super) fn fields() -> Vec<Case> {
    let mut cases = Vec::new();
    for byte in b" \t\"(),/;<=>?@[\\]{}" {
        for (place, field) in [("in", ("x", "y")), ("at the front of", ("", "x")), ("at the end of", ("x", ""))] {
            let bytes = [b"x-a: 1\r\n", field.0.as_bytes(), &[*byte], field.1.as_bytes(), b": 1\r\n"].concat();
            let bytes = get(&String::from_utf8(bytes).unwrap());
            cases.push(Case::refused(format!("{:?} {place} a name", char::from(*byte)), bytes, "bad_header"));
        }
    }
    for (name, fields) in [
        ("no colon", "x-own\r\n"),
        ("no name", ": 1\r\n"),
        ("a name that is not ASCII", "x-\u{e9}: 1\r\n"),
        ("a whole request line", "GET / HTTP/1.1\r\n"),
        ("only a colon", ":\r\n"),
        ("a blank and a colon", " : 1\r\n"),
        ("an equals sign", "x-own=1\r\n"),
        ("a full-width colon", "x-own\u{ff1a} 1\r\n"),
    ] {
        cases.push(Case::refused(format!("a field with {name}"), get(fields), "bad_header"));
    }
    for (field, arrives) in [
        ("X-Own: 1", "x-own: 1"),
        ("X-OWN:1", "x-own: 1"),
        ("x-own:  1  ", "x-own: 1"),
        ("x-own:\t1\t", "x-own: 1"),
        ("x-own: a:b:c", "x-own: a:b:c"),
        ("x-own: a b\tc", "x-own: a b\tc"),
        ("x-own: \"a, b\"", "x-own: \"a, b\""),
        ("x-own: ;=,@(){}[]<>?/\\", "x-own: ;=,@(){}[]<>?/\\"),
        ("x-own: %0d%0ahost: b.test", "x-own: %0d%0ahost: b.test"),
        ("x-own: GET / HTTP/1.1", "x-own: GET / HTTP/1.1"),
    ] {
        cases.push(Case::reaches(format!("the field {field:?}"), get(&format!("{field}\r\n")), got(&[arrives])));
    }
    let obs_text = b"GET / HTTP/1.1\r\nhost: a.test\r\nx-own: \x80\xff\r\n\r\n";
    cases.push(Case::reaches("obs-text in a value", obs_text, got(&["x-own: \u{80}\u{ff}"])));
    cases.push(Case::reaches("a field twice", get("x-own: 1\r\nx-own: 2\r\n"), got(&["x-own: 1", "x-own: 2"])));
    cases.push(Case::reaches(
        "cookies in two lines",
        get("cookie: a=1\r\ncookie: b=2\r\n"),
        got(&["cookie: a=1; b=2"]),
    ));
    cases
}

/// Each limit of a head, from both sides (defaults of the settings).
pub(super) fn sizes() -> Vec<Case> {
    let target = |length: usize| format!("GET /{} HTTP/1.1\r\nhost: a.test\r\n\r\n", "a".repeat(length - 1));
    let fields = |count: usize| get(&(0..count).map(|number| format!("x-{number}: 1\r\n")).collect::<String>());
    let large = |length: usize| get(&format!("x-own: {}\r\n", "a".repeat(length)));
    let mut cases = vec![
        Case::refused("a target beyond its limit", target(17_000), "uri_too_long"),
        Case::refused("a target far beyond its limit", target(200_000), "uri_too_long"),
        Case::refused("a target without an end", format!("GET /{}", "a".repeat(100_000)), "uri_too_long"),
        Case::refused("too many fields", fields(200), "headers_too_large"),
        Case::refused("far too many fields", fields(5_000), "headers_too_large"),
        Case::refused("a head beyond its limit", large(70_000), "headers_too_large"),
        Case::refused("a head far beyond its limit", large(300_000), "headers_too_large"),
        Case::refused(
            "a head without an end",
            format!("GET / HTTP/1.1\r\nhost: a.test\r\nx-own: {}", "a".repeat(300_000)),
            "headers_too_large",
        ),
        Case::refused("a method without an end", "A".repeat(100_000), "headers_too_large"),
        Case::refused(
            "a name without an end",
            format!("GET / HTTP/1.1\r\n{}", "a".repeat(100_000)),
            "headers_too_large",
        ),
    ];
    let path = "a".repeat(16_383);
    let wanted = Wanted::new(&format!("GET /{path} HTTP/1.1"), &[], "");
    cases.push(Case::reaches("a long target", target(16_384), wanted));
    let value = "a".repeat(8_000);
    cases.push(Case::reaches("a long field", get(&format!("x-own: {value}\r\n")), got(&[&format!("x-own: {value}")])));
    cases
}
