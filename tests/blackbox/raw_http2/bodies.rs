//! Cases of bodies and trailers: RFC 9113 sections 8.1 and 8.1.1.

use super::{
    case::{Case, got, posted},
    frame::{DATA, END_HEADERS, END_STREAM, HEADERS, PROTOCOL_ERROR, block, frame, get, headers, opening, post},
};
use crate::recorder::Wanted;

/// A POST that says these lengths, with a body of these parts.
fn body(lengths: &[&str], parts: &[&str]) -> Vec<u8> {
    let fields: Vec<_> = lengths.iter().map(|length| ("content-length", *length)).collect();
    let Some((last, parts)) = parts.split_last() else { return headers(1, post(&fields)) };
    let mut bytes = opening(1, post(&fields));
    bytes.extend(parts.iter().flat_map(|part| frame(DATA, 0, 1, part)));
    bytes.extend(frame(DATA, END_STREAM, 1, last));
    bytes
}

fn sized(length: &str, body: &str) -> Wanted {
    Wanted::new("POST / HTTP/1.1", &[&format!("content-length: {length}")], body)
}

/// RFC 9113 section 8.1.1.
pub(super) fn lengths() -> Vec<Case> {
    let malformed = |name: &str, lengths: &[&str], parts: &[&str]| {
        Case::resets(format!("8.1.1 {name}"), body(lengths, parts), PROTOCOL_ERROR)
    };
    let mut cases = vec![
        Case::reaches("8.1.1 a body of its length", body(&["5"], &["hello"]), sized("5", "hello")),
        Case::reaches("8.1.1 a body of its length in parts", body(&["5"], &["he", "", "llo"]), sized("5", "hello")),
        Case::reaches("8.1.1 a body of its length and an empty end", body(&["5"], &["hello", ""]), sized("5", "hello")),
        Case::reaches("8.1.1 a body without a length", body(&[], &["hello"]), posted("hello")),
        Case::reaches("8.1.1 no body of length 0", body(&["0"], &[]), sized("0", "")),
        Case::reaches("8.1.1 an empty body of length 0", body(&["0"], &[""]), sized("0", "")),
        malformed("a body that is shorter", &["5"], &["hell"]),
        malformed("a body in parts that is shorter", &["5"], &["he", "ll"]),
        malformed("an empty body that is shorter", &["5"], &[""]),
        malformed("no body where there should be one", &["5"], &[]),
        malformed("a body that is longer", &["5"], &["hello!"]),
        malformed("a body in parts that is longer", &["5"], &["hell", "o!"]),
        malformed("a body of length 0", &["0"], &["x"]),
        malformed("a body whose end is longer", &["5"], &["hello", "!"]).may_arrive(sized("5", "hello")),
        malformed("two lengths, the first right", &["5", "6"], &["hello"]),
        malformed("two lengths, the last right", &["6", "5"], &["hello"]),
        Case::answered("8.1.1 the same length twice", body(&["5", "5"], &["hello"]), 400, "bad_framing"),
        Case::reaches(
            "8.1 a GET with a body",
            [opening(1, get(&[])), frame(DATA, END_STREAM, 1, "x")].concat(),
            Wanted { body: "x".to_owned(), ..got(&["transfer-encoding: chunked"]) },
        ),
    ];
    for length in [
        "+5",
        "-5",
        "5,5",
        "5 5",
        "0x5",
        "5e0",
        "5.0",
        ",5",
        "",
        "five",
        "18446744073709551616",
        "99999999999999999999999",
    ] {
        cases.push(malformed(&format!("the length {length:?}"), &[length], &["hello"]));
    }
    cases.push(Case::answered("8.1.1 the length \"05\"", body(&["05"], &["hello"]), 400, "bad_framing"));
    for length in [" 5", "5 ", "\t5"] {
        cases.push(malformed(&format!("the length {length:?}"), &[length], &["hello"]));
    }
    cases
}

/// Fields that frame, route or identify (RFC 9110 section 6.5.1).
const NO_TRAILERS: &[(&str, &str)] = &[
    ("content-length", "1"),
    ("host", "b.test"),
    ("authorization", "Basic eA=="),
    ("cookie", "a=b"),
    ("x-forwarded-for", "1.2.3.4"),
    ("forwarded", "for=1.2.3.4"),
    ("x_forwarded_for", "1.2.3.4"),
    ("content-type", "text/html"),
    ("trailer", "x"),
    ("te", "trailers"),
];

/// RFC 9113 section 8.1, RFC 9110 section 6.5.1.
pub(super) fn trailers() -> Vec<Case> {
    let with = |head: &[(&str, &str)], fields: &[(&str, &str)]| {
        let trailers = frame(HEADERS, END_STREAM | END_HEADERS, 1, block(fields));
        [opening(1, post(head)), frame(DATA, 0, 1, "hello"), trailers].concat()
    };
    let announced = [("trailer", "x-own")];
    let malformed = |name: &str, fields: &[(&str, &str)]| {
        Case::resets(format!("8.1 trailers with {name}"), with(&[], fields), PROTOCOL_ERROR)
    };
    let mut cases = vec![
        Case::reaches("8.1 trailers that were not announced", with(&[], &[("x-own", "1")]), posted("hello")),
        Case::reaches("8.1 trailers of no fields", with(&[], &[]), posted("hello")),
        Case::reaches(
            "8.1 trailers that were announced",
            with(&announced, &[("x-own", "1")]),
            Wanted::new("POST / HTTP/1.1", &["trailer: x-own", "transfer-encoding: chunked"], "hello")
                .with_trailers(&["x-own: 1"]),
        ),
        Case::resets(
            "8.1 trailers without END_STREAM",
            [opening(1, post(&[])), frame(DATA, 0, 1, "x"), frame(HEADERS, END_HEADERS, 1, block(&[("x-own", "1")]))]
                .concat(),
            PROTOCOL_ERROR,
        ),
        Case::resets(
            "8.1.1 trailers in the place of the rest of a body",
            [
                opening(1, post(&[("content-length", "5")])),
                frame(DATA, 0, 1, "hell"),
                frame(HEADERS, END_STREAM | END_HEADERS, 1, block(&[("x-own", "1")])),
            ]
            .concat(),
            PROTOCOL_ERROR,
        ),
        malformed("connection", &[("connection", "close")]),
        malformed("transfer-encoding", &[("transfer-encoding", "chunked")]),
        malformed("te", &[("te", "gzip")]),
        malformed("a name in upper case", &[("X-Own", "1")]),
        malformed("a pseudo-header field behind others", &[("x-own", "1"), (":path", "/x")]),
        malformed("an unknown pseudo-header field", &[(":x", "1")]),
        malformed("a line feed", &[("x-own", "1\nx: y")]),
    ];
    for field in
        [(":path", "/admin"), (":method", "GET"), (":authority", "b.test"), (":status", "200"), (":scheme", "http")]
    {
        cases.push(malformed(field.0, &[field]));
    }
    for &field in NO_TRAILERS {
        let head = [("trailer", field.0)];
        let bytes = with(&head, &[field]);
        cases.push(Case::answered(format!("RFC 9110 6.5.1 trailers with {}", field.0), bytes, 400, "bad_body"));
    }
    cases
}
