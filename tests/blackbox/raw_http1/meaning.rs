//! Cases of what a request means: whom it is for, who sends it, and which path it asks for.

use super::case::{Case, Outcome, Wanted, get, got};

/// Whatever one reader might still take for the name of a site.
const MALFORMED_HOSTS: &[&str] = &[
    "a.test, b.test",
    "a.test,a.test",
    "a.test b.test",
    "a.test\tb.test",
    "u@a.test",
    "u:p@a.test",
    "@a.test",
    "a.test@b.test",
    "a.test:80@b.test",
    "b.test@a.test",
    "a.test:",
    "a.test:abc",
    "a.test:-1",
    "a.test:+80",
    "a.test:99999",
    "a.test:65536",
    "a.test:000080",
    "a.test:80:80",
    "a.test:8 0",
    "a.test: 80",
    "a.test :80",
    ":80",
    ":",
    "a.test/",
    "a.test/x",
    "/a.test",
    "//a.test",
    "http://a.test",
    "a.test?x",
    "a.test#x",
    "a.test\\",
    "\\a.test",
    "a.test%00",
    "a%2etest",
    "%61.test",
    "a..test",
    ".a.test",
    ".",
    "..",
    "a.test..",
    "\u{e9}.test",
    "a.t\u{ff45}st",
    "[::1",
    "::1]",
    "[]",
    "[::1]x",
    "[::1%25lo]",
    "[a.test]",
    "::1",
    "fe80::1%lo",
    "127.1",
    "0x7f.0.0.1",
    "127.0.0.01",
    "2130706433",
    "0177.0.0.1",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "a.test;b.test",
    "a.test&",
    "a.test=",
    "a*test",
    "*.test",
    "*",
    "\"a.test\"",
    "'a.test'",
    "<a.test>",
    "(a.test)",
    "{a.test}",
    "a.test|",
    "a.test^",
    "a.test`",
    "a.test$",
    "a.test!",
    "a.test~",
    "a+test",
    "a.test,",
    ",a.test",
    "$(id).test",
];

/// One host, said once, in one way (RFC 9112 section 3.2).
pub(super) fn hosts() -> Vec<Case> {
    let mut cases = Vec::new();
    let with = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n");
    for (name, fields) in [
        ("no host", ""),
        ("an empty host", "host:\r\n"),
        ("a blank host", "host:  \r\n"),
        ("two hosts", "host: a.test\r\nhost: b.test\r\n"),
        ("the same host twice", "host: a.test\r\nhost: a.test\r\n"),
        ("two spellings of the field", "Host: a.test\r\nHOST: a.test\r\n"),
        ("an empty host behind", "host: a.test\r\nhost:\r\n"),
        ("an empty host in front", "host:\r\nhost: a.test\r\n"),
    ] {
        cases.push(Case::refused(name, with(fields), "bad_host"));
    }
    for host in MALFORMED_HOSTS {
        cases.push(Case::refused(format!("the host {host:?}"), with(&format!("host: {host}\r\n")), "bad_host"));
    }
    let label = "a".repeat(64);
    let long = ["a".repeat(60).as_str(); 5].join(".");
    cases.push(Case::refused("an over-long label", with(&format!("host: {label}.test\r\n")), "bad_host"));
    cases.push(Case::refused("an over-long name", with(&format!("host: {long}\r\n")), "bad_host"));
    for host in [
        "b.test",
        "b.test:443",
        "x.a.test",
        "test",
        "a.test.evil.test",
        "aatest",
        "127.0.0.1",
        "[::1]",
        "localhost",
        "a_b.test",
        "-a.test",
        "a.test.b",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
    ] {
        let bytes = with(&format!("host: {host}\r\n"));
        cases.push(Case::answered(format!("the host {host} of no site here"), bytes, Outcome::Elsewhere));
    }
    for (host, normal) in [
        ("a.test", "a.test"),
        ("A.TEST", "a.test"),
        ("a.Test", "a.test"),
        ("a.test.", "a.test"),
        ("a.test:80", "a.test:80"),
        ("a.test:00443", "a.test:443"),
        ("A.test.:8080", "a.test:8080"),
        ("a.test:0", "a.test:0"),
    ] {
        let bytes = with(&format!("host: {host}\r\n"));
        cases.push(Case::reaches(format!("the host {host} is ours"), bytes, got(&[]).for_host(normal)));
    }
    cases
}

/// What tells a backend who the client is comes from us alone, in every spelling that folds onto it (CVE-2024-45410).
pub(super) fn identity() -> Vec<Case> {
    let mut cases = Vec::new();
    for name in [
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Server",
        "X-Forwarded-Prefix",
        "X-Forwarded-Ssl",
        "X-Forwarded-Scheme",
        "X-Forwarded-Uri",
        "X-Forwarded",
        "X-Forwarded-Client-Cert",
        "Forwarded",
        "Forwarded-For",
        "X-Real-IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Remote-Addr",
        "X-Remote-User",
        "Remote-Addr",
        "Remote-User",
        "X-Original-URL",
        "X-Original-Host",
        "X-Original-For",
        "X-Original-Proto",
        "X-Rewrite-URL",
        "X-Host",
        "X-HTTP-Host-Override",
        "X-Scheme",
        "X-Url-Scheme",
        "Front-End-Https",
        "Client-Cert",
        "Client-Cert-Chain",
        "X-Client-Cert",
        "X-SSL-Client-Verify",
        "SSL-Client-Cert",
        "X-ARR-ClientCert",
        "Script-Name",
        "X-Request-Id",
        "Proxy",
    ] {
        let mut spellings = vec![name.to_owned(), name.to_uppercase()];
        spellings
            .extend(["_", ".", "~", "!"].iter().filter(|_| name.contains('-')).map(|fold| name.replace('-', fold)));
        for spelling in spellings {
            let bytes = get(&format!("{spelling}: 6.6.6.6\r\n"));
            cases.push(Case::reaches(format!("{spelling} is ours to say"), bytes, got(&[])));
        }
    }
    for name in ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "X-Request-Id", "X-Forwarded-Host"] {
        let bytes = get(&format!("{name}: 6.6.6.6\r\n{name}: 7.7.7.7\r\n"));
        cases.push(Case::reaches(format!("{name} twice is ours to say"), bytes, got(&[])));
        let nominated = get(&format!("connection: {name}, x-own\r\nx-own: 1\r\n"));
        cases.push(Case::reaches(format!("a client cannot nominate {name}"), nominated, got(&[])));
        let bytes = get(&format!("x-own: 1\r\n {name}: 6.6.6.6\r\n"));
        cases.push(Case::refused(format!("{name} behind a fold"), bytes, "bad_header"));
        let bytes = get(&format!("x-own: 1\n{name}: 6.6.6.6\r\n"));
        cases.push(Case::refused(format!("{name} behind a bare LF"), bytes, "bad_request"));
        let bytes = get(&format!("{name} : 6.6.6.6\r\n"));
        cases.push(Case::refused(format!("{name} with a blank before the colon"), bytes, "bad_header"));
    }
    for name in ["X_Own", "_", "x-own_", "HTTP_HOST", "REMOTE_ADDR", "Content_Type", "User_Agent", "Cookie_"] {
        let bytes = get(&format!("{name}: 1\r\n"));
        cases.push(Case::reaches(format!("{name} has an underscore"), bytes, got(&[])));
    }
    cases
}

/// Read as one path by some and as another by others.
const REFUSED_TARGETS: &[&str] = &[
    "/%2f",
    "/a%2Fb",
    "/a%2f..%2fb",
    "/%5c",
    "/a%5Cb",
    "/%00",
    "/a%00.png",
    "/%0a",
    "/%0d%0ahost:%20b",
    "/%1f",
    "/%7f",
    "/%",
    "/%4",
    "/%zz",
    "/%u002e",
    "/a%",
    "/a%2",
    "/%%32%65",
    "/%c0%af",
    "/%c0%ae%c0%ae/x",
    "/%e0%80%af",
    "/%f0%80%80%af",
    "/..;/x",
    "/a/..;/b",
    "/.;/x",
    "/..;a=b/x",
    "/%2e%2e;/x",
    "/..%3b/x",
    "/../x",
    "/a/../../x",
    "/%2e%2e/x",
    "/..",
    "/./..",
    "/a\\b",
    "/\\..\\x",
    "\\x",
    "/a#b",
    "/#",
    "/\u{e9}",
    "/a\"b",
    "/<x>",
];

/// What is judged is what is forwarded.
pub(super) fn paths() -> Vec<Case> {
    let mut cases = Vec::new();
    for target in REFUSED_TARGETS {
        let bytes = format!("GET {target} HTTP/1.1\r\nhost: a.test\r\n\r\n");
        cases.push(Case::refused(format!("the target {target}"), bytes, "bad_path"));
    }
    for target in ["x", "@a.test/", "?x", ".", "../x", "%2fx"] {
        let bytes = format!("GET {target} HTTP/1.1\r\nhost: a.test\r\n\r\n");
        cases.push(Case::refused(format!("the relative target {target}"), bytes, "bad_request"));
    }
    // Every byte that may stand in a target arrives as it came; the rest is refused. `/`, `?`, `%` and `.` have cases of
    // their own.
    for byte in (b'!'..=b'~').filter(|byte| !b"/?%.".contains(byte)) {
        let byte = char::from(byte);
        for (place, target) in [("path", format!("/a{byte}b")), ("query", format!("/a?b{byte}c"))] {
            let bytes = format!("GET {target} HTTP/1.1\r\nhost: a.test\r\n\r\n");
            let name = format!("{byte:?} in a {place}");
            cases.push(if "\"#<>\\".contains(byte) || (byte == '`' && place == "path") {
                Case::refused(name, bytes, "bad_path")
            } else {
                Case::reaches(name, bytes, Wanted::new(&format!("GET {target} HTTP/1.1"), &[], ""))
            });
        }
    }
    for (target, arrives) in [
        ("/", "/"),
        ("/a", "/a"),
        ("//a", "/a"),
        ("/a//b", "/a/b"),
        ("///", "/"),
        ("/./a", "/a"),
        ("/a/.", "/a/"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/b/..", "/a/"),
        ("/%61", "/a"),
        ("/%41%2d%5F%7e", "/A-_~"),
        ("/a/%2e%2e/b", "/b"),
        ("/a/%2E/b", "/a/b"),
        ("/a/.%2e/b", "/b"),
        ("/%c3%a9", "/%C3%A9"),
        ("/a%20b", "/a%20b"),
        ("/a%3fb", "/a%3Fb"),
        ("/a%23b", "/a%23b"),
        ("/a%25b", "/a%25b"),
        ("/%252e%252e/x", "/%252e%252e/x"),
        ("/a;b=c", "/a;b=c"),
        ("/a:b@c", "/a:b@c"),
        ("/.well-known/x", "/.well-known/x"),
        ("/...", "/..."),
        ("/a?b=c", "/a?b=c"),
        ("/?", "/?"),
        ("/?a/../b", "/?a/../b"),
        ("/?%2e%2e%2f", "/?%2e%2e%2f"),
        ("/a?b?c", "/a?b?c"),
        ("//a/../b?x", "/b?x"),
    ] {
        let bytes = format!("GET {target} HTTP/1.1\r\nhost: a.test\r\n\r\n");
        let wanted = Wanted::new(&format!("GET {arrives} HTTP/1.1"), &[], "");
        cases.push(Case::reaches(format!("the target {target} arrives as {arrives}"), bytes, wanted));
    }
    cases
}
