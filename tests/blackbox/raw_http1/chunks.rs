//! Cases of chunked bodies (RFC 9112 section 7.1): sizes, extensions, the ends of lines, trailers.

use super::case::{Case, post, posted_in_chunks};

const BODY: &str = "bad_body";

fn chunked(frames: &str) -> Vec<u8> {
    post("transfer-encoding: chunked\r\n", frames)
}

/// Hexadecimal digits and nothing else.
pub(super) fn sizes() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in [
        "+5",
        "-5",
        "-0",
        "0x5",
        "0X5",
        " 5",
        "\t5",
        "5 ",
        "5\t",
        "5 5",
        "5,5",
        "5.0",
        "5h",
        "g",
        "",
        ".",
        "\"5\"",
        "5_0",
        "00000000000000005",
        "10000000000000005",
        "8000000000000000",
        "FFFFFFFFFFFFFFFF",
        "7FFFFFFFFFFFFFFFF",
        "0000000000000000000000000000005",
        "5\u{0}",
        "\u{0}5",
        "\u{b}5",
        "5\u{c}",
        "\u{ff15}",
        "%35",
        "5:",
        "=5",
        "{5}",
        "5e",
        "five",
    ] {
        // `5e` is a size, of more bytes than follow up to what is no end of a chunk.
        let frames = if size == "5e" {
            format!("{size}\r\n{}\r\n0\r\n\r\n", "a".repeat(0x5d))
        } else {
            format!("{size}\r\nabcde\r\n0\r\n\r\n")
        };
        cases.push(Case::refused(format!("the size {size:?}"), chunked(&frames), BODY));
        let second = format!("3\r\nxyz\r\n{frames}");
        cases.push(Case::refused(format!("the size {size:?} of the second chunk"), chunked(&second), BODY));
    }
    for size in ["5", "05", "00005", "0000000000000005"] {
        let frames = format!("{size}\r\nabcde\r\n0\r\n\r\n");
        cases.push(Case::reaches(format!("the size {size} is right"), chunked(&frames), posted_in_chunks("abcde")));
    }
    for (size, length) in [("a", 10), ("A", 10), ("1a", 26), ("1A", 26), ("fF", 255)] {
        let data = "x".repeat(length);
        let frames = format!("{size}\r\n{data}\r\n0\r\n\r\n");
        cases.push(Case::reaches(format!("the size {size} is right"), chunked(&frames), posted_in_chunks(&data)));
    }
    for end in ["0", "00", "0000000000000000"] {
        let frames = format!("5\r\nabcde\r\n{end}\r\n\r\n");
        cases.push(Case::reaches(format!("the last size {end} is right"), chunked(&frames), posted_in_chunks("abcde")));
    }
    cases
}

/// Chunks whose lines end otherwise, or whose data ends elsewhere.
const SPILLED: &[(&str, &str)] = &[
    ("a bare LF behind a size", "5\nabcde\r\n0\r\n\r\n"),
    ("a bare CR behind a size", "5\rabcde\r\n0\r\n\r\n"),
    ("CR CR LF behind a size", "5\r\r\nabcde\r\n0\r\n\r\n"),
    ("LF CR behind a size", "5\n\rabcde\r\n0\r\n\r\n"),
    ("a bare LF behind data", "5\r\nabcde\n0\r\n\r\n"),
    ("a bare CR behind data", "5\r\nabcde\r0\r\n\r\n"),
    ("CR CR behind data", "5\r\nabcde\r\r0\r\n\r\n"),
    ("LF LF behind data", "5\r\nabcde\n\n0\r\n\r\n"),
    ("LF CR behind data", "5\r\nabcde\n\r0\r\n\r\n"),
    ("nothing behind data", "5\r\nabcde0\r\n\r\n"),
    ("two spilled bytes behind data", "5\r\nabcdeXX0\r\n\r\n"),
    ("a spilled byte before the end of data", "5\r\nabcdeX\r\n0\r\n\r\n"),
    ("a blank before the end of data", "5\r\nabcde \r\n0\r\n\r\n"),
    ("data that is too short", "5\r\nabcd\r\n0\r\n\r\n"),
    ("a bare LF behind the last size", "5\r\nabcde\r\n0\n\r\n"),
    ("bare LFs at the end", "5\r\nabcde\r\n0\n\n"),
    ("a bare LF as the last line", "5\r\nabcde\r\n0\r\n\n"),
    ("a bare CR as the last line", "5\r\nabcde\r\n0\r\n\r"),
    ("a bare CR behind the last size", "5\r\nabcde\r\n0\r\r\n"),
    ("an empty line before the first size", "\r\n5\r\nabcde\r\n0\r\n\r\n"),
    ("an empty line before the last size", "5\r\nabcde\r\n\r\n0\r\n\r\n"),
    ("NUL behind data", "5\r\nabcde\0\r\n0\r\n\r\n"),
    ("a tab in the place of CR LF", "5\tabcde\t0\t\t"),
    ("a body without frames", "hello\r\n"),
    ("a negative end", "5\r\nabcde\r\n-0\r\n\r\n"),
];

/// Every line ends in CR LF, and the data where its size says (TERM.SPILL and its kin).
pub(super) fn ends() -> Vec<Case> {
    let mut cases = Vec::new();
    for &(name, frames) in SPILLED {
        cases.push(Case::refused(name, chunked(frames), BODY));
    }
    cases
}

/// Extensions that two grammars read in two ways, or that none reads.
const ODD_EXTENSIONS: &[&str] = &[
    ";",
    ";;",
    ";a;",
    ";=",
    ";=b",
    ";a=",
    ";a=\"b\"",
    ";a=\"\"",
    ";a=\"b;c\"",
    ";a=\"\\\"\"",
    ";a='b",
    " ;a",
    "; a",
    ";a ",
    ";a =b",
    ";a= b",
    ";a=b c",
    "\t;a",
    ";\ta",
    ";a=b,c",
    ";a/b",
    ";a=(b)",
    ";a@b",
    ";\u{e9}",
    ";a=\u{e9}",
    ",a=b",
    " a=b",
    "&a",
    ":a",
    ";a:b",
    ";a=b=c",
    ";{a}",
    ";a=[b]",
];

/// Bytes that end a line for somebody.
const ODD_BYTES: &[(&str, &str)] = &[
    ("bare LF", "\n"),
    ("bare CR", "\r"),
    ("CR CR LF", "\r\r\n"),
    ("NUL", "\0"),
    ("VT", "\u{b}"),
    ("FF", "\u{c}"),
    ("DEL", "\u{7f}"),
];

/// Extensions are read by the plainest grammar, and never forwarded (CVE-2025-55315, EXT.TERM).
pub(super) fn extensions() -> Vec<Case> {
    let mut cases = Vec::new();
    for &(what, end) in ODD_BYTES {
        for (place, extension) in [
            ("alone", format!(";{end}")),
            ("in the name", format!(";a{end}b")),
            ("behind the name", format!(";a{end}")),
            ("behind the equals sign", format!(";a={end}b")),
            ("in the value", format!(";a=b{end}c")),
            ("in quotes", format!(";a=\"{end}\"")),
            ("before a second one", format!(";a=b{end};c")),
            ("before the semicolon", format!("{end};a=b")),
        ] {
            // The two readings: one that ends the line here, one that goes on to CR LF.
            let frames = format!(
                "2{extension}\r\nxx\r\n4c\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\n\r\n0\r\n\r\n"
            );
            cases.push(Case::refused(format!("{what} {place} of an extension"), chunked(&frames), BODY));
            let last = format!("2\r\nxx\r\n0{extension}\r\n\r\n");
            cases.push(Case::refused(format!("{what} {place} of the last extension"), chunked(&last), BODY));
        }
    }
    for &extension in ODD_EXTENSIONS {
        // `;a='b` is a token: the apostrophe is one of its characters (RFC 9110 section 5.6.2).
        let frames = format!("5{extension}\r\nabcde\r\n0\r\n\r\n");
        let name = format!("the extension {extension:?}");
        cases.push(match extension {
            ";a='b" => Case::reaches(name, chunked(&frames), posted_in_chunks("abcde")),
            _ => Case::refused(name, chunked(&frames), BODY),
        });
    }
    for extension in [";a", ";a=b", ";a=b;c=d", ";a;b;c", ";0", ";A=B", ";a-b=c.d", ";*=!"] {
        for (place, frames) in [
            ("first", format!("5{extension}\r\nabcde\r\n0\r\n\r\n")),
            ("last", format!("5\r\nabcde\r\n0{extension}\r\n\r\n")),
        ] {
            let name = format!("the extension {extension:?} of the {place} chunk goes no further");
            cases.push(Case::reaches(name, chunked(&frames), posted_in_chunks("abcde")));
        }
    }
    let long = format!("5;{}\r\nabcde\r\n0\r\n\r\n", "a".repeat(300));
    cases.push(Case::refused("an over-long extension (CVE-2023-39326)", chunked(&long), BODY));
    let endless = format!("5;{}", "a".repeat(20_000));
    cases.push(Case::refused("an extension without an end", chunked(&endless), BODY));
    cases
}

/// Fields that frame, route or identify (RFC 9110 section 6.5.1).
const NO_TRAILERS: &[&str] = &[
    "content-length",
    "transfer-encoding",
    "host",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "content-encoding",
    "content-type",
    "content-range",
    "authorization",
    "cookie",
    "set-cookie",
    "cache-control",
    "range",
    "if-match",
    "max-forwards",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "forwarded",
    "x-forwarded-for",
    "X-Forwarded-Proto",
    "x-forwarded-host",
    "x-real-ip",
    "x-original-url",
    "x-rewrite-url",
    "client-cert",
    "x-request-id",
    "proxy",
    "x_forwarded_for",
    "x.forwarded.for",
    "content_length",
    "x-http-host-override",
    "sec-websocket-key",
    "http2-settings",
    "origin",
    "referer",
    "pragma",
    "location",
];

/// Lines that are no field.
const MALFORMED_TRAILERS: &[(&str, &str)] = &[
    ("a trailer without a colon", "x-sum"),
    ("a trailer with a blank before the colon", "x-sum : 1"),
    ("a folded trailer", "x-sum: 1\r\n 2"),
    ("a trailer that begins with a blank", " x-sum: 1"),
    ("a trailer without a name", ": 1"),
    ("a bare LF between trailers", "x-sum: 1\nx-b: 2"),
    ("a bare CR between trailers", "x-sum: 1\rx-b: 2"),
    ("NUL in a trailer", "x-sum: \0"),
    ("a bare LF in a trailer", "x-sum: \nhost: b.test"),
    ("a request line as a trailer", "GET /smuggled HTTP/1.1"),
    ("VT in a trailer", "x-sum\u{b}: 1"),
    ("DEL in a trailer", "x-sum: \u{7f}"),
    ("a trailer whose name is no token", "x(sum: 1"),
];

/// Trailers that frame, route or identify are refused; others arrive as trailers (RFC 9110 section 6.5.1).
pub(super) fn trailers() -> Vec<Case> {
    let mut cases = Vec::new();
    let with = |trailer: &str| chunked(&format!("5\r\nabcde\r\n0\r\n{trailer}\r\n\r\n"));
    for &name in NO_TRAILERS {
        cases.push(Case::refused(format!("{name} as a trailer"), with(&format!("{name}: 1")), BODY));
    }
    for &(name, trailer) in MALFORMED_TRAILERS {
        cases.push(Case::refused(name, with(trailer), BODY));
    }
    let long = format!("x-sum: {}", "a".repeat(10_000));
    cases.push(Case::refused("an over-long trailer", with(&long), BODY));
    let many = (0..2_000).map(|number| format!("x-{number}: 1")).collect::<Vec<_>>().join("\r\n");
    cases.push(Case::refused("too many trailers", with(&many), BODY));
    let announced = |fields: &str, trailer: &str| {
        post(&format!("transfer-encoding: chunked\r\n{fields}"), &format!("5\r\nabcde\r\n0\r\n{trailer}\r\n\r\n"))
    };
    let mut wanted = posted_in_chunks("abcde").with_trailers(&["x-sum: 1"]);
    wanted.fields.push("trailer: x-sum".into());
    cases.push(Case::reaches(
        "an announced trailer arrives",
        announced("trailer: x-sum\r\n", "x-sum: 1"),
        wanted.clone(),
    ));
    let both = announced("trailer: X-Sum, Content-Length, x_forwarded_for\r\n", "X-Sum: 1");
    cases.push(Case::reaches("only what may be a trailer is announced", both, wanted));
    let name = "a trailer that nobody announced is left away";
    cases.push(Case::reaches(name, announced("", "x-sum: 1"), posted_in_chunks("abcde")));
    cases
}
