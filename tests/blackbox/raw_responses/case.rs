//! [`Case`]: the bytes of a backend, and the only outcome that is allowed.

use super::speaker::After;

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) method: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) after: After,
    pub(super) expected: Outcome,
}

/// What the client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A whole answer of the backend, with that body.
    Body(String),
    /// 502 `upstream_invalid`.
    Invalid,
    /// An answer that the client sees is cut.
    Cut,
    /// Never expected.
    Other(String),
}

fn case(name: impl Into<String>, bytes: impl AsRef<[u8]>, expected: Outcome) -> Case {
    Case { name: name.into(), method: "GET", bytes: bytes.as_ref().to_vec(), after: After::Keep, expected }
}

fn closing(name: impl Into<String>, bytes: impl AsRef<[u8]>, expected: Outcome) -> Case {
    Case { after: After::Close, ..case(name, bytes, expected) }
}

fn body(text: &str) -> Outcome {
    Outcome::Body(text.to_owned())
}

/// A 200 of two bytes with these field lines, each with its end.
fn with(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}content-length: 2\r\n\r\nok")
}

/// Status lines and fields (RFC 9112 sections 4 and 5).
pub(super) fn heads() -> Vec<Case> {
    let mut cases = Vec::new();
    for line in [
        "HTTP/2.0 200 OK",
        "HTTP/2 200 OK",
        "HTTP/0.9 200 OK",
        "HTTP/1.2 200 OK",
        "http/1.1 200 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        " HTTP/1.1 200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 200OK",
        "HTTP/1.1 0x200 OK",
        "HTTP/1.1 +200 OK",
        "HTTP/1.1 -200 OK",
        "HTTP/1.1 2 00 OK",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 OK",
        "HTTP/1.1 099 Low",
        "HTTP/1.1 000 Zero",
        "HTTP/1.1 600 High",
        "HTTP/1.1 999 High",
        "200 OK",
        "garbage",
        "ICY 200 OK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\u{b}K",
        "HTTP/1.1 200 O\u{7f}K",
        "HTTP/1.1 200 \u{1b}[31mOK",
        "GET / HTTP/1.1",
        "HTTP/1.10 200 OK",
        "HTTPS/1.1 200 OK",
    ] {
        cases.push(case(
            format!("the status line {line:?}"),
            format!("{line}\r\ncontent-length: 2\r\n\r\nok"),
            Outcome::Invalid,
        ));
    }
    for (name, text) in [
        ("bare LFs only", "HTTP/1.1 200 OK\ncontent-length: 2\n\nok".to_owned()),
        ("a bare LF behind the status line", "HTTP/1.1 200 OK\ncontent-length: 2\r\n\r\nok".to_owned()),
        ("a bare LF between fields", with("a: b\n")),
        ("a bare CR between fields", with("a: b\r")),
        ("a bare CR in a value", with("a: b\rc\r\n")),
        ("a bare LF as the last line", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\nok".to_owned()),
        ("CR CR LF", with("a: b\r\r\n")),
        ("an empty line first", "\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned()),
        ("a folded field", with("a: b\r\n c\r\n")),
        ("a field folded with a tab", with("a: b\r\n\tc\r\n")),
        ("a first field that is folded", with(" a: b\r\n")),
        ("a blank before the colon", with("a : b\r\n")),
        ("a tab before the colon", with("a\t: b\r\n")),
        ("a blank in a name", with("a b: c\r\n")),
        ("no colon", with("a\r\n")),
        ("no name", with(": a\r\n")),
        ("a name that is not ASCII", with("\u{e9}: a\r\n")),
        ("NUL in a value", with("a: \0\r\n")),
        ("VT in a value", with("a: \u{b}\r\n")),
        ("DEL in a value", with("a: \u{7f}\r\n")),
        ("ESC in a value", with("a: \u{1b}[31m\r\n")),
        ("a parenthesis in a name", with("a(b: c\r\n")),
        ("too many fields", with(&"a: b\r\n".repeat(200))),
        ("an over-long value", with(&format!("a: {}\r\n", "x".repeat(100_000)))),
        ("an over-long name", with(&format!("{}: x\r\n", "a".repeat(100_000)))),
    ] {
        cases.push(case(name, text, Outcome::Invalid));
    }
    for (name, text) in [
        ("no reason", "HTTP/1.1 200 \r\ncontent-length: 2\r\n\r\nok"),
        ("no reason and no blank", "HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok"),
        ("a long reason", "HTTP/1.1 200 All is well, thank you\r\ncontent-length: 2\r\n\r\nok"),
        ("blanks around values", "HTTP/1.1 200 OK\r\ncontent-length: \t2 \r\na:b\r\n\r\nok"),
    ] {
        cases.push(case(format!("{name} is right"), text, body("ok")));
    }
    cases
}

/// The length is said once, in one way (RFC 9112 section 6.3).
pub(super) fn lengths() -> Vec<Case> {
    let mut cases = Vec::new();
    for length in [
        "+2",
        "-2",
        "-0",
        "2,2",
        "2, 2",
        "2,3",
        ",2",
        "2,",
        "2 2",
        "0x2",
        "2e0",
        "2.0",
        "02",
        "",
        "two",
        "2;",
        "\"2\"",
        "9223372036854775808",
        "18446744073709551618",
        "99999999999999999999",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\nok");
        cases.push(case(format!("content-length: {length}"), text, Outcome::Invalid));
    }
    for coding in [
        "identity",
        "identity, chunked",
        "chunked, identity",
        "gzip",
        "gzip, chunked",
        "chunked, chunked",
        "xchunked",
        ", chunked",
        "chunked,",
        "",
        "chunked;q=1",
        "\"chunked\"",
        "chunked gzip",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: {coding}\r\n\r\n2\r\nok\r\n0\r\n\r\n");
        cases.push(case(format!("transfer-encoding: {coding}"), text, Outcome::Invalid));
    }
    let chunked = "transfer-encoding: chunked\r\n";
    for (name, fields) in [
        ("both lengths", format!("content-length: 2\r\n{chunked}")),
        ("both lengths, the other way round", format!("{chunked}content-length: 2\r\n")),
        ("both lengths, one of them zero", format!("{chunked}content-length: 0\r\n")),
        ("two lengths that differ", "content-length: 2\r\ncontent-length: 3\r\n".to_owned()),
        ("the same length twice", "content-length: 2\r\nContent-Length: 2\r\n".to_owned()),
        ("two codings", chunked.repeat(2)),
        ("a folded coding", "transfer-encoding:\r\n chunked\r\n".to_owned()),
        ("a blank behind the name of the coding", "transfer-encoding : chunked\r\n".to_owned()),
    ] {
        cases.push(case(name, format!("HTTP/1.1 200 OK\r\n{fields}\r\n2\r\nok\r\n0\r\n\r\n"), Outcome::Invalid));
    }
    let old = format!("HTTP/1.0 200 OK\r\n{chunked}\r\n2\r\nok\r\n0\r\n\r\n");
    cases.push(case("chunks in HTTP/1.0", old, Outcome::Invalid));
    let both = format!("HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n{chunked}\r\n");
    cases.push(case("both lengths of a 304", both, Outcome::Invalid));
    let to_head = format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n{chunked}\r\n");
    cases.push(Case { method: "HEAD", ..case("both lengths to HEAD", to_head, Outcome::Invalid) });
    cases.push(case("one length", with(""), body("ok")));
    cases.push(case("chunks", format!("HTTP/1.1 200 OK\r\n{chunked}\r\n2\r\nok\r\n0\r\n\r\n"), body("ok")));
    cases.push(closing("up to the end of the connection", "HTTP/1.1 200 OK\r\n\r\nok", body("ok")));
    cases.push(closing("HTTP/1.0 up to the end of the connection", "HTTP/1.0 200 OK\r\n\r\nok", body("ok")));
    cases
}

/// Chunks and cut bodies (RFC 9112 section 7.1): the head has passed, so the client sees a cut.
pub(super) fn bodies() -> Vec<Case> {
    let mut cases = Vec::new();
    for frames in [
        "+2\r\nok\r\n0\r\n\r\n",
        "-2\r\nok\r\n0\r\n\r\n",
        "0x2\r\nok\r\n0\r\n\r\n",
        " 2\r\nok\r\n0\r\n\r\n",
        "2 \r\nok\r\n0\r\n\r\n",
        "zz\r\nok\r\n0\r\n\r\n",
        "\r\nok\r\n0\r\n\r\n",
        "00000000000000002\r\nok\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nok\r\n0\r\n\r\n",
        "8000000000000000\r\nok\r\n",
        "2\nok\r\n0\r\n\r\n",
        "2\rok\r\n0\r\n\r\n",
        "2\r\nok0\r\n\r\n",
        "2\r\nok\n0\r\n\r\n",
        "2\r\nok\r0\r\n\r\n",
        "2\r\nokXX0\r\n\r\n",
        "2\r\nok\r\n0\n\r\n",
        "2\r\nok\r\n0\r\n\n",
        "2;\nok\r\n0\r\n\r\n",
        "2;a\nb\r\nok\r\n0\r\n\r\n",
        "2;a=\"b\"\r\nok\r\n0\r\n\r\n",
        "2;\r\nok\r\n0\r\n\r\n",
        "2; a\r\nok\r\n0\r\n\r\n",
        "2\0\r\nok\r\n0\r\n\r\n",
        "2\r\nok\r\n0\r\ncontent-length: 5\r\n\r\n",
        "2\r\nok\r\n0\r\ntransfer-encoding: x\r\n\r\n",
        "2\r\nok\r\n0\r\nx y: z\r\n\r\n",
        "2\r\nok\r\n0\r\nx\r\n\r\n",
        "2\r\nok\r\n0\r\nx: \0\r\n\r\n",
        "2\r\nok\r\n0\r\nx: y\r\n folded\r\n\r\n",
        "2\r\nok\r\n0\r\nx: y\n\r\n",
    ] {
        // The first chunk is right: the answer has begun when the fault is met.
        let text = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{frames}");
        cases.push(case(format!("the chunks {frames:?}"), text, Outcome::Cut));
    }
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n";
    for (name, end) in
        [("the last chunk", ""), ("the last line", "0\r\n"), ("a chunk", "5\r\nab"), ("the end of a chunk", "2\r\nab")]
    {
        cases.push(closing(format!("the connection ends before {name}"), format!("{chunked}{end}"), Outcome::Cut));
    }
    cases.push(closing("a body that is too short", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok", Outcome::Cut));
    cases.push(closing("no byte of a body", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", Outcome::Cut));
    cases.push(case("plain extensions", format!("{chunked}1;a;b=c\r\n!\r\n0;d\r\n\r\n"), body("ok!")));
    cases
}

/// Interim responses (RFC 9110 section 15.2) end here; a switch that nobody asked for is refused.
pub(super) fn interims() -> Vec<Case> {
    let mut cases = Vec::new();
    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n",
        "HTTP/1.1 100\r\n\r\n",
        "HTTP/1.1 199 Own\r\nx: y\r\n\r\n",
        "HTTP/1.1 100 Continue\r\ncontent-length: 0\r\n\r\n",
    ] {
        cases.push(case(format!("{interim:?} before the answer"), format!("{interim}{}", with("")), body("ok")));
        cases.push(case(format!("{interim:?} ten times"), format!("{}{}", interim.repeat(10), with("")), body("ok")));
    }
    let flood = "HTTP/1.1 102 Processing\r\n\r\n".repeat(40_000);
    cases.push(case("a flood of interim responses", flood, Outcome::Invalid));
    for (name, text) in [
        ("an interim response with a bare LF", "HTTP/1.1 100 Continue\n\n"),
        (
            "an interim response with both lengths",
            "HTTP/1.1 103 x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
        ),
        ("an interim response with a body", "HTTP/1.1 103 x\r\ncontent-length: 5\r\n\r\nhello"),
    ] {
        cases.push(case(name, format!("{text}{}", with("")), Outcome::Invalid));
    }
    for protocol in ["websocket", "h2c", "TLS/1.0", "x"] {
        let text = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: {protocol}\r\n\r\n{}",
            with("")
        );
        cases.push(case(format!("a switch to {protocol} that nobody asked for"), text, Outcome::Invalid));
    }
    cases.push(case("a bare switch", "HTTP/1.1 101 Switching Protocols\r\n\r\n", Outcome::Invalid));
    cases
}

/// Bytes behind the end of a response: the answer is right, the connection serves nobody any more.
pub(super) fn surpluses() -> Vec<Case> {
    let mut cases = Vec::new();
    let smuggled = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsmuggled";
    for (name, surplus) in [
        ("a whole response", smuggled),
        ("two responses", &smuggled.repeat(2)),
        ("half a response", "HTTP/1.1 200 OK\r\ncontent-le"),
        ("a byte", "x"),
        ("an empty line", "\r\n"),
        ("a bare LF", "\n"),
        ("NUL", "\0"),
        ("an interim response", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("a request", "GET / HTTP/1.1\r\n\r\n"),
        ("a last chunk", "0\r\n\r\n"),
        ("a switch", "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    ] {
        let after = |what: &str, head: &str, expected: &str| {
            case(format!("{name} behind {what}"), format!("{head}{surplus}"), body(expected))
        };
        cases.push(after("a body of known length", &with(""), "ok"));
        cases.push(after("an empty body", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ""));
        cases.push(after("chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok"));
        cases.push(after("a 204", "HTTP/1.1 204 No Content\r\n\r\n", ""));
        cases.push(after("a 304", "HTTP/1.1 304 Not Modified\r\ncontent-length: 8\r\n\r\n", ""));
        cases.push(Case {
            method: "HEAD",
            ..after("the answer to HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n", "")
        });
    }
    cases.push(case("a body of a 204", "HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nok", body("")));
    cases
}
