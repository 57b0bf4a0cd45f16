//! Cases of what the fields of a head say: RFC 9113 sections 8.2, 8.3 and 8.5, and our limits.

use super::{
    case::{Case, got},
    frame::{
        CONTINUATION, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, PROTOCOL_ERROR, block, frame, get, headers,
        literal, pseudo,
    },
};
use crate::recorder::Wanted;

type Fields<'a> = &'a [(&'a str, &'a str)];

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "https");
const AUTHORITY: (&str, &str) = (":authority", "a.test");
const PATH: (&str, &str) = (":path", "/");

/// A request of exactly these fields is malformed.
fn malformed(name: impl Into<String>, fields: Fields<'_>) -> Case {
    Case::resets(name, headers(1, block(fields)), PROTOCOL_ERROR)
}

fn answered(name: impl Into<String>, fields: Fields<'_>, status: u16, word: &'static str) -> Case {
    Case::answered(name, headers(1, block(fields)), status, word)
}

fn reaches(name: impl Into<String>, fields: Fields<'_>, wanted: Wanted) -> Case {
    Case::reaches(name, headers(1, block(fields)), wanted)
}

/// RFC 9113 sections 8.3.1 and 8.5.
pub(super) fn pseudo_fields() -> Vec<Case> {
    let own = ("x-own", "1");
    let mut cases = vec![
        malformed("8.3.1 no :method", &[SCHEME, AUTHORITY, PATH]),
        malformed("8.3.1 no :scheme", &[METHOD, AUTHORITY, PATH]),
        malformed("8.3.1 no :path", &[METHOD, SCHEME, AUTHORITY]),
        malformed("8.3.1 no pseudo-header field", &[("host", "a.test")]),
        malformed("8.3.1 an empty head", &[]),
        malformed("8.3.1 :status alone", &[(":status", "200")]),
        malformed("8.3 :status beside the others", &[METHOD, SCHEME, AUTHORITY, PATH, (":status", "200")]),
        malformed("8.3.1 an empty :path", &[METHOD, SCHEME, AUTHORITY, (":path", "")]),
        answered("8.3.1 an empty :scheme", &[METHOD, (":scheme", ""), AUTHORITY, PATH], 400, "bad_request"),
        malformed("8.3.1 an odd :scheme", &[METHOD, (":scheme", "ht tp"), AUTHORITY, PATH]),
        malformed("8.5 CONNECT with all fields", &pseudo("CONNECT")),
        malformed("8.5 CONNECT with :path", &[(":method", "CONNECT"), AUTHORITY, PATH]),
        malformed("8.5 CONNECT with :scheme", &[(":method", "CONNECT"), SCHEME, AUTHORITY]),
        answered("8.5 CONNECT", &[(":method", "CONNECT"), (":authority", "a.test:443")], 405, "method_not_allowed"),
        answered("8.5 CONNECT without :authority", &[(":method", "CONNECT")], 405, "method_not_allowed"),
        answered("9.3.8 TRACE", &pseudo("TRACE"), 405, "method_not_allowed"),
        answered("8.3.1 :scheme http over TLS", &[METHOD, (":scheme", "http"), AUTHORITY, PATH], 400, "bad_request"),
        answered("8.3.1 :scheme ftp", &[METHOD, (":scheme", "ftp"), AUTHORITY, PATH], 400, "bad_request"),
        reaches("8.3.1 a method of lower case", &pseudo("get"), Wanted::new("get / HTTP/1.1", &[], "")),
        reaches("8.3.1 a method that nobody knows", &pseudo("PURGE"), Wanted::new("PURGE / HTTP/1.1", &[], "")),
        reaches("8.3 another order", &[PATH, AUTHORITY, METHOD, SCHEME, own], got(&["x-own: 1"])),
    ];
    for protocol in ["websocket", "", "connect-udp"] {
        let extended = [(":method", "CONNECT"), SCHEME, AUTHORITY, PATH, (":protocol", protocol)];
        cases.push(malformed(format!("RFC 8441 extended CONNECT for {protocol:?} that was not offered"), &extended));
    }
    cases
        .push(malformed("RFC 8441 :protocol of a GET", &[METHOD, SCHEME, AUTHORITY, PATH, (":protocol", "websocket")]));
    for method in ["", "GE T", "GET /", "GET\r\n", "G\0T", "GET:", "G\u{e9}T", "\"GET\"", "GET\t"] {
        cases.push(malformed(format!("8.3.1 the method {method:?}"), &pseudo_method(method)));
    }
    let all = [METHOD, SCHEME, AUTHORITY, PATH];
    for (at, (name, value)) in all.into_iter().enumerate() {
        cases.push(malformed(format!("8.3 {name} twice"), &[&all[..], &[(name, value)]].concat()));
        let other = [&all[..], &[(name, "x")]].concat();
        cases.push(malformed(format!("8.3 two different {name}"), &other));
        let mut behind = all.to_vec();
        behind.insert(0, own);
        cases.push(malformed(format!("8.3 {name} and the others behind a regular field"), &moved(&behind, at)));
        let mut last = all.to_vec();
        last.remove(at);
        last.extend([own, (name, value)]);
        cases.push(malformed(format!("8.3 {name} behind a regular field"), &last));
    }
    for name in [":", ":x", ":host", ":Path", ":PATH", ":method ", ":query", "::path", ":version", ":authority:"] {
        cases.push(malformed(format!("8.3 the pseudo-header field {name:?}"), &[&all[..], &[(name, "x")]].concat()));
    }
    cases
}

fn pseudo_method(method: &str) -> [(&str, &str); 4] {
    [(":method", method), SCHEME, AUTHORITY, PATH]
}

/// The same fields with that pseudo-header field directly behind the first one.
fn moved<'a>(fields: &[(&'a str, &'a str)], at: usize) -> Vec<(&'a str, &'a str)> {
    let mut fields = fields.to_vec();
    let field = fields.remove(at + 1);
    fields.insert(1, field);
    fields
}

/// What is no authority to any reader, or one to some.
const MALFORMED: &[&str] = &[
    "a.test, b.test",
    "a.test b.test",
    "a.test\t",
    " a.test",
    "a.test ",
    "a.test/",
    "a.test/x",
    "http://a.test",
    "a.test?x",
    "a.test#x",
    "a.test\\",
    "\\a.test",
    "[::1",
    "a.test:80:80",
    "a.test\r\nx-own: 1",
    "a.test\0",
    "a.test\n",
    "<a.test>",
    "\"a.test\"",
    "{a.test}",
    "a.test|",
    "a.test^",
    "a.test`",
    "a%2etest",
];

/// What the codec takes for one, and we do not.
const REFUSED: &[&str] = &[
    "u@a.test",
    "u:p@a.test",
    "@a.test",
    "a.test:80@b.test",
    "a.test:",
    "a.test:abc",
    "a.test:99999",
    "a.test:000080",
    ":80",
    ":",
    "a..test",
    ".a.test",
    ".",
    "..",
    "a.test..",
    "[]",
    "127.1",
    "0x7f.0.0.1",
    "2130706433",
    "a*test",
    "*",
    "'a.test'",
    "(a.test)",
    "a.test!",
    "a.test;b.test",
    "$(id).test",
    "a.test,",
];

/// RFC 9113 section 8.3.1.
pub(super) fn authorities() -> Vec<Case> {
    let with = |authority| [METHOD, SCHEME, (":authority", authority), PATH];
    let mut cases = Vec::new();
    for authority in MALFORMED {
        cases.push(malformed(format!("8.3.1 the authority {authority:?}"), &with(authority)));
    }
    for authority in REFUSED {
        cases.push(answered(format!("8.3.1 the authority {authority:?}"), &with(authority), 400, "bad_host"));
    }
    for authority in ["\u{e9}.test", "a.test\u{80}", "\u{ff}"] {
        cases.push(malformed(format!("8.3.1 the authority {authority:?}"), &with(authority)));
    }
    for authority in ["b.test", "x.a.test", "test", "a.test.evil.test", "127.0.0.1", "[::1]", "localhost", "b.test:443"]
    {
        let name = format!("the authority {authority} of no site here");
        cases.push(answered(name, &with(authority), 421, "misdirected"));
    }
    for (authority, normal) in [
        ("a.test", "a.test"),
        ("A.TEST", "a.test"),
        ("a.test.", "a.test"),
        ("a.test:0443", "a.test:443"),
        ("a.test:80", "a.test:80"),
    ] {
        let arrives = got(&[]).for_host(normal);
        cases.push(reaches(format!("the authority {authority}"), &with(authority), arrives));
    }
    cases.push(reaches("8.3.1 a host alone", &[METHOD, SCHEME, PATH, ("host", "a.test")], got(&[])));
    cases.push(answered("8.3.1 neither authority nor host", &[METHOD, SCHEME, PATH], 400, "bad_host"));
    cases.push(answered(
        "8.3.1 a host of no site here",
        &[METHOD, SCHEME, PATH, ("host", "b.test")],
        421,
        "misdirected",
    ));
    cases.push(malformed("8.3.1 an empty authority", &with("")));
    for (host, fine) in
        [("a.test", true), ("A.test", true), ("b.test", false), ("", false), ("a.test:443", false), ("u@a.test", false)]
    {
        let fields = [&pseudo("GET")[..], &[("host", host)]].concat();
        let name = format!("8.3.1 the host {host:?} beside the authority a.test");
        cases.push(match fine {
            true => reaches(name, &fields, got(&[])),
            false => answered(name, &fields, 400, "bad_host"),
        });
    }
    for hosts in [["a.test", "a.test"], ["a.test", "b.test"], ["b.test", "a.test"]] {
        let fields = [&pseudo("GET")[..], &hosts.map(|host| ("host", host))].concat();
        cases.push(answered(format!("8.3.1 the hosts {hosts:?} beside the authority"), &fields, 400, "bad_host"));
        let name = format!("8.3.1 the hosts {hosts:?} alone");
        cases.push(answered(name, &[&[METHOD, SCHEME, PATH][..], &fields[4..]].concat(), 400, "bad_host"));
    }
    cases
}

/// RFC 9113 section 8.3.1, and our one form of a path.
pub(super) fn paths() -> Vec<Case> {
    let with = |method, path| [(":method", method), SCHEME, AUTHORITY, (":path", path)];
    let mut cases = Vec::new();
    for path in [
        "/a b",
        "/a\tb",
        "/\0",
        "/a\r\nx-own: 1",
        "/ HTTP/1.1\r\nhost: b.test\r\n\r\n",
        "/\n",
        "/\x7f",
        " /",
        "/ ",
        "/a\u{1f}",
    ] {
        cases.push(malformed(format!("8.3.1 the path {path:?}"), &with("GET", path)));
    }
    for path in [
        "/a%2fb",
        "/a%5cb",
        "/a\\b",
        "/%00",
        "/%zz",
        "/%",
        "/%2",
        "/..",
        "/../x",
        "/a/../../x",
        "/%2e%2e/x",
        "/a/..;/x",
        "/\"",
        "?x",
    ] {
        cases.push(answered(format!("8.3.1 the path {path:?}"), &with("GET", path), 400, "bad_path"));
    }
    for path in ["/<", "/?\"", "x", "../x", "a.test/", "@b.test/", "https://b.test/", "b.test:443", ":80/"] {
        cases.push(malformed(format!("8.3.1 the path {path:?}"), &with("GET", path)));
    }
    for (path, arrives) in [
        ("/a/../b", "/b"),
        ("/a/%2e%2e/b", "/b"),
        ("//b.test/", "/b.test/"),
        ("/%61", "/a"),
        ("/./a//b", "/a/b"),
        ("/a?b=/../c", "/a?b=/../c"),
        ("/a:b@c", "/a:b@c"),
        ("/a#b", "/a"), // the codec forgets a fragment
    ] {
        let wanted = Wanted::new(&format!("GET {arrives} HTTP/1.1"), &[], "");
        cases.push(reaches(format!("the path {path} arrives as {arrives}"), &with("GET", path), wanted));
    }
    cases.push(answered("8.3.1 the path * of a GET", &with("GET", "*"), 400, "bad_request"));
    cases.push(reaches(
        "8.3.1 the path * of OPTIONS",
        &with("OPTIONS", "*"),
        Wanted::new("OPTIONS * HTTP/1.1", &[], ""),
    ));
    cases
}

/// RFC 9113 section 8.2.1: every byte in every place of a name.
pub(super) fn names() -> Vec<Case> {
    let mut cases = Vec::new();
    for byte in 0..=u8::MAX {
        let token = byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let byte_as = char::from(byte);
        for (place, name) in
            [("start", format!("{byte_as}own")), ("middle", format!("x{byte_as}own")), ("end", format!("own{byte_as}"))]
        {
            let fields = [&pseudo("GET")[..], &[(name.as_str(), "1")]].concat();
            let case = format!("8.2.1 the byte {byte:#04x} at the {place} of a name");
            cases.push(match (token, byte) {
                // What CGI would fold onto a dash goes no further.
                (true, b'_') => reaches(case, &fields, got(&[])),
                (true, _) => reaches(case, &fields, got(&[&format!("{name}: 1")])),
                // The codec takes it for a part of a name.
                (false, b'"') => answered(case, &fields, 400, "bad_header"),
                (false, _) => malformed(case, &fields),
            });
        }
    }
    cases.push(malformed("8.2.1 an empty name", &[&pseudo("GET")[..], &[("", "1")]].concat()));
    for name in ["Host", "Content-Length", "COOKIE", "Transfer-Encoding", "x-oWn"] {
        cases.push(malformed(format!("8.2.1 the name {name}"), &[&pseudo("GET")[..], &[(name, "1")]].concat()));
    }
    cases
}

/// RFC 9113 section 8.2.1: every byte in every place of a value.
pub(super) fn values() -> Vec<Case> {
    let mut cases = Vec::new();
    for byte in 0..=u8::MAX {
        let text = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
        let blank = matches!(byte, b' ' | b'\t');
        let byte_as = char::from(byte);
        for (place, value) in
            [("start", format!("{byte_as}a")), ("middle", format!("a{byte_as}b")), ("end", format!("a{byte_as}"))]
        {
            let fields = [&pseudo("GET")[..], &[("x-own", value.as_str())]].concat();
            let case = format!("8.2.1 the byte {byte:#04x} at the {place} of a value");
            cases.push(match (text, blank && place != "middle") {
                (true, true) => answered(case, &fields, 400, "bad_header"),
                (true, false) => reaches(case, &fields, got(&[&format!("x-own: {value}")])),
                (false, _) => malformed(case, &fields),
            });
        }
    }
    for value in ["a\r\nhost: b.test", "a\nx: y", "a\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a.test\r\n\r\n", "\0", "\r"]
    {
        let fields = [&pseudo("GET")[..], &[("x-own", value)]].concat();
        cases.push(malformed(format!("8.2.1 the value {value:?}"), &fields));
    }
    cases.push(reaches("8.2.1 an empty value", &[&pseudo("GET")[..], &[("x-own", "")]].concat(), got(&["x-own: "])));
    cases
}

/// RFC 9113 section 8.2.2, and what is between a client and us only.
pub(super) fn connection_fields() -> Vec<Case> {
    let with = |field| [&pseudo("GET")[..], &[field]].concat();
    let mut cases = Vec::new();
    for field in [
        ("connection", "close"),
        ("connection", "x-own"),
        ("connection", ""),
        ("connection", "keep-alive"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("transfer-encoding", ""),
        ("upgrade", "websocket"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
        ("te", "trailers;q=1"),
        ("te", ""),
        ("te", "chunked"),
    ] {
        cases.push(malformed(format!("8.2.2 {} {:?}", field.0, field.1), &with(field)));
    }
    cases.push(reaches("8.2.2 te trailers", &with(("te", "trailers")), got(&["connection: te", "te: trailers"])));
    for field in [
        ("http2-settings", "AAMAAABkAAQAAP__"),
        ("proxy-authorization", "Basic eA=="),
        ("proxy", "http://evil.test"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-host", "b.test"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "for=1.2.3.4"),
        ("x-real-ip", "1.2.3.4"),
        ("x-original-url", "/admin"),
        ("x-rewrite-url", "/admin"),
        ("x_forwarded_for", "1.2.3.4"),
        ("x.forwarded.for", "1.2.3.4"),
        ("client-cert", ":eA==:"),
        ("x-forwarded-prefix", "/x"),
        ("x-forwarded-port", "1"),
    ] {
        cases.push(reaches(format!("{} goes no further", field.0), &with(field), got(&[])));
    }
    for (value, outcome) in [("200-maybe", 417), ("100-continue, x", 417)] {
        cases.push(answered(format!("expect {value:?}"), &with(("expect", value)), outcome, "expectation_failed"));
    }
    for crumbs in [vec!["a=1", "b=2"], vec!["a=1", "b=2", "c=3", "d=4"], vec!["a=1; b=2", "c=3"]] {
        let fields: Vec<_> = pseudo("GET").into_iter().chain(crumbs.iter().map(|crumb| ("cookie", *crumb))).collect();
        let joined = format!("cookie: {}", crumbs.join("; "));
        cases.push(reaches(format!("8.2.3 the cookies {crumbs:?} are one"), &fields, got(&[&joined])));
    }
    cases
}

/// The limits of a head, as they are without a setting.
pub(super) fn limits() -> Vec<Case> {
    let path = |length: usize| {
        let path = format!("/{}", "x".repeat(length - 1));
        (block(&[METHOD, SCHEME, AUTHORITY, (":path", &path)]), path)
    };
    let split = |bytes: &[u8]| {
        let mut parts: Vec<&[u8]> = bytes.chunks(16_384).collect();
        let last = parts.pop().unwrap();
        let mut frames = Vec::new();
        for (at, part) in parts.into_iter().enumerate() {
            frames.extend(frame(
                if at == 0 { HEADERS } else { CONTINUATION },
                if at == 0 { END_STREAM } else { 0 },
                1,
                part,
            ));
        }
        frames.extend(frame(CONTINUATION, END_HEADERS, 1, last));
        frames
    };
    let many = |count: usize| {
        let fields: Vec<u8> = (0..count).flat_map(|number| literal(&format!("x-{number}"), "1")).collect();
        headers(1, [get(&[]), fields].concat())
    };
    let own = |length: usize| split(&get(&[("x-own", &"x".repeat(length))]));
    let mut cases = vec![
        Case::answered("a target beyond the limit", split(&path((16 << 10) + 1).0), 414, "uri_too_long"),
        Case::answered("more fields than the limit", many(129), 431, "headers_too_large"),
        Case::dies("a head of four times the limit", own(4 * 65_536), ENHANCE_YOUR_CALM),
        Case::dies("a head without an end", endless(), ENHANCE_YOUR_CALM),
    ];
    let (longest, target) = path(16 << 10);
    cases.push(Case::reaches(
        "a target at the limit",
        split(&longest),
        Wanted::new(&format!("GET {target} HTTP/1.1"), &[], ""),
    ));
    cases.push(Case::answered("a head beyond the limit", own(65_536), 431, "headers_too_large"));
    cases
}

/// CONTINUATION after CONTINUATION (CVE-2024-27316 and others).
fn endless() -> Vec<u8> {
    let field = literal("x-own", "x");
    [frame(HEADERS, END_STREAM, 1, get(&[])), frame(CONTINUATION, 0, 1, field).repeat(200)].concat()
}
