//! Cases of lengths (RFC 9112 section 6): both at once, malformed, doubled, disguised.

use super::case::{Case, Wanted, get, got, post, posted_in_chunks};

const FRAMING: &str = "bad_framing";

/// A length said twice is refused in any order and spelling (CVE-2019-18277, CVE-2021-33193).
pub(super) fn both_lengths() -> Vec<Case> {
    let mut cases = Vec::new();
    for name in ["transfer-encoding", "Transfer-Encoding", "TRANSFER-ENCODING", "tRANSFER-eNCODING"] {
        for coding in ["chunked", "Chunked", " chunked ", "identity", "xchunked", "gzip, chunked", ""] {
            for length in ["0", "5", "+5"] {
                let (coded, counted) = (format!("{name}: {coding}\r\n"), format!("Content-Length: {length}\r\n"));
                let case = |order, fields: String| {
                    let name = format!("{name} {coding:?} {order} a length of {length}");
                    Case::refused(name, post(&fields, "0\r\n\r\n"), FRAMING)
                };
                cases.push(case("before", format!("{coded}{counted}")));
                cases.push(case("behind", format!("{counted}{coded}")));
            }
        }
    }
    let apart = "content-length: 5\r\naccept: a\r\ncookie: b\r\ntransfer-encoding: chunked\r\n";
    cases.push(Case::refused("both lengths far apart", post(apart, "0\r\n\r\n"), FRAMING));
    cases.push(Case::refused(
        "both lengths of a GET",
        get("content-length: 0\r\ntransfer-encoding: chunked\r\n"),
        FRAMING,
    ));
    cases
}

/// What is nearly `chunked`, or more than that.
const ODD_CODINGS: &[&str] = &[
    "xchunked",
    "chunkedx",
    "chunke",
    "chunked, gzip",
    "chunked,gzip",
    "identity",
    "identity, chunked",
    "chunked, identity",
    "chunked, chunked",
    "chunked,chunked",
    ", chunked",
    "chunked,",
    ",chunked,",
    "chunked;q=1",
    "chunked; a=b",
    "\"chunked\"",
    "'chunked'",
    "chunked chunked",
    "chun ked",
    "(chunked)",
    "gzip",
    "deflate",
    "x",
    "chunked\u{e9}",
    "0",
    "",
    "gzip;q=1, chunked",
    "gzip,, chunked",
    "chunked/1",
    "[chunked]",
    "chunked:",
    ":chunked",
    "chunked=chunked",
    "trailers",
    "compress, identity, chunked",
    "gzip chunked",
    "gzip\tchunked",
    "close",
    "*",
    "chunked\\",
    "%63hunked",
];

/// Exactly `chunked`, once, in HTTP/1.1 (CVE-2021-40346, CVE-2026-2835).
pub(super) fn codings() -> Vec<Case> {
    let mut cases = Vec::new();
    for &coding in ODD_CODINGS {
        let bytes = post(&format!("transfer-encoding: {coding}\r\n"), "0\r\n\r\n");
        cases.push(Case::refused(format!("transfer-encoding: {coding}"), bytes, FRAMING));
    }
    for coding in
        ["gzip, chunked", "gzip,chunked", "br, gzip, chunked", "deflate , chunked", "x-own, chunked", "GZIP, Chunked"]
    {
        let bytes = post(&format!("transfer-encoding: {coding}\r\n"), "0\r\n\r\n");
        cases.push(Case::refused(format!("unknown coding: {coding}"), bytes, "unsupported_coding"));
    }
    for (what, first, second) in [
        ("twice the same", "chunked", "chunked"),
        ("a list over two lines", "gzip", "chunked"),
        ("identity first", "identity", "chunked"),
        ("identity last", "chunked", "identity"),
        ("empty first", "", "chunked"),
        ("empty last", "chunked", ""),
    ] {
        let fields = format!("transfer-encoding: {first}\r\ntransfer-encoding: {second}\r\n");
        cases.push(Case::refused(format!("two lines of codings, {what}"), post(&fields, "0\r\n\r\n"), FRAMING));
    }
    for coding in ["chunked", "identity", "gzip, chunked", "xchunked"] {
        let bytes = format!("POST / HTTP/1.0\r\nhost: a.test\r\ntransfer-encoding: {coding}\r\n\r\n0\r\n\r\n");
        cases.push(Case::refused(format!("{coding} in HTTP/1.0"), bytes, FRAMING));
    }
    // RFC 9110 section 5.5: blanks and tabs around a value are no part of it.
    for value in ["chunked", "Chunked", "CHUNKED", "  chunked", "\tchunked", "chunked \t", ""] {
        let field =
            if value.is_empty() { "Transfer-Encoding:chunked".into() } else { format!("transfer-encoding: {value}") };
        let bytes = post(&format!("{field}\r\n"), "5\r\nabcde\r\n0\r\n\r\n");
        cases.push(Case::reaches(format!("{field:?} is one reading"), bytes, posted_in_chunks("abcde")));
    }
    cases
}

/// What looks like a framing field is one, or is refused, or is nothing at all.
pub(super) fn disguised_names() -> Vec<Case> {
    let mut cases = Vec::new();
    for field in [
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        " Transfer-Encoding: chunked",
        "\tTransfer-Encoding: chunked",
        "Transfer Encoding: chunked",
        "Transfer-Encoding chunked",
        "Transfer-Encoding;: chunked",
        "Transfer-Encoding\u{e9}: chunked",
        "\"Transfer-Encoding\": chunked",
        "(Transfer-Encoding): chunked",
        "Transfer-Encoding=: chunked",
        "Transfer-Encoding",
        ": chunked",
        "Content-Length : 5",
        "Content-Length\t: 5",
        " Content-Length: 5",
        "\tContent-Length: 5",
        "Content Length: 5",
        "Content-Length 5",
        "Content-Length=5",
        "Content-Length, Host: 5",
        "{Content-Length}: 5",
        "Content-Length/: 5",
        "Content-Length@: 5",
        "Content-Length\\: 5",
    ] {
        for (place, fields) in
            [("alone", format!("{field}\r\n")), ("behind another", format!("accept: a\r\n{field}\r\n"))]
        {
            cases.push(Case::refused(format!("{field:?} {place}"), post(&fields, "abcde"), "bad_header"));
        }
    }
    // No reader may take these for a length; what follows is the next request.
    for field in [
        "Transfer_Encoding: chunked",
        "Content_Length: 36",
        "Transfer.Encoding: chunked",
        "Content.Length: 36",
        "transfer!encoding: chunked",
        "content~length: 36",
        "transfer'encoding: chunked",
        "Content+Length: 36",
    ] {
        cases.push(Case::reaches(format!("{field} is dropped"), get(&format!("{field}\r\n")), got(&[])));
    }
    for field in [
        "X-Content-Length: 36",
        "Content-Length-X: 36",
        "X-Transfer-Encoding: chunked",
        "Content-Lengt: 36",
        "Encoding: chunked",
    ] {
        let arrives = field.to_lowercase();
        cases.push(Case::reaches(format!("{field} is another field"), get(&format!("{field}\r\n")), got(&[&arrives])));
    }
    cases
}

/// What is no decimal number of bytes, or not in one way.
const ODD_LENGTHS: &[&str] = &[
    "+5",
    "-5",
    "-0",
    "+0",
    "5,5",
    "5, 5",
    "5,6",
    ",5",
    "5,",
    "5 5",
    "5\t5",
    "0x5",
    "0X5",
    "5e0",
    "5.0",
    "5.",
    ".5",
    "05",
    "00",
    "005",
    "",
    "five",
    "5a",
    "a5",
    "5;",
    "\"5\"",
    "'5'",
    "5_0",
    "1_000",
    "0b1",
    "0o5",
    "1,000",
    "%35",
    "\u{b2}",
    "\u{ff15}",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "18446744073709551621",
    "99999999999999999999999",
    "NaN",
    "Infinity",
    "(5)",
    "5 bytes",
    "=5",
    "5=5",
];

/// One decimal number, said once.
pub(super) fn lengths() -> Vec<Case> {
    let mut cases = Vec::new();
    for &length in ODD_LENGTHS {
        let bytes = post(&format!("content-length: {length}\r\n"), "abcde");
        cases.push(Case::refused(format!("content-length: {length}"), bytes, FRAMING));
    }
    for (what, first, second) in [
        ("the same", "5", "5"),
        ("others", "5", "6"),
        ("zero first", "0", "5"),
        ("empty", "5", ""),
        ("the last bad", "5", "+5"),
    ] {
        for name in ["content-length", "Content-Length", "CONTENT-LENGTH"] {
            let fields = format!("content-length: {first}\r\n{name}: {second}\r\n");
            cases.push(Case::refused(format!("{name} twice, {what}"), post(&fields, "abcde"), FRAMING));
        }
    }
    let wanted =
        |length: &str, body: &str| Wanted::new("POST / HTTP/1.1", &[&format!("content-length: {length}")], body);
    for (length, body) in [("0", ""), ("5", "abcde"), ("10", "abcde\r\n\r\n."), (" 5", "abcde"), ("5 \t", "abcde")] {
        let bytes = post(&format!("content-length: {length}\r\n"), body);
        cases.push(Case::reaches(format!("content-length {length:?} is right"), bytes, wanted(length.trim(), body)));
    }
    // A body that looks like a request is a body.
    let inner = "GET /smuggled HTTP/1.1\r\nhost: a.test\r\n\r\n";
    let bytes = post(&format!("content-length: {}\r\n", inner.len()), inner);
    cases.push(Case::reaches("a request as a body", bytes, wanted(&inner.len().to_string(), inner)));
    for method in ["GET", "DELETE", "OPTIONS", "PURGE"] {
        let bytes = format!("{method} / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\nabcde");
        let wanted = Wanted::new(&format!("{method} / HTTP/1.1"), &["content-length: 5"], "abcde");
        cases.push(Case::reaches(format!("a body of {method}"), bytes, wanted));
    }
    cases
}
