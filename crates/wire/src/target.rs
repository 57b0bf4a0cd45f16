//! Request targets (RFC 9112 section 3.2): which form one has, and that no later reader can stumble over its bytes.
//!
//! Not here: what a path or a host means, and whether there is one.

use memchr::{memchr, memmem};

use crate::{
    Fault,
    octets::{self, PATH, TARGET},
};

/// Origin-form, asterisk-form, or absolute-form of `http` and `https`. Authority-form is for CONNECT only.
pub(crate) fn check(target: &[u8]) -> Result<(), Fault> {
    if target == b"*" {
        return Ok(());
    }
    let rest = match target.first() {
        Some(b'/') => target,
        _ => behind_authority(target)?,
    };
    if has_plain_bytes(rest) { Ok(()) } else { Err(Fault::Target) }
}

/// Origin-form (RFC 9112 section 3.2.1), which `:path` of HTTP/2 has too: a slash first, and nothing that a later reader
/// could stumble over.
pub fn is_origin_form(target: &[u8]) -> bool {
    target.first() == Some(&b'/') && has_plain_bytes(target)
}

fn has_plain_bytes(path_and_query: &[u8]) -> bool {
    let (path, query) = path_and_query.split_at(memchr(b'?', path_and_query).unwrap_or(path_and_query.len()));
    octets::all(path, PATH) && octets::all(query, TARGET)
}

/// What follows `scheme://authority`.
fn behind_authority(target: &[u8]) -> Result<&[u8], Fault> {
    let form = if octets::all(target, TARGET) { Fault::TargetForm } else { Fault::Target };
    let at = memmem::find(target, b"://").ok_or(form)?;
    let (scheme, rest) = (&target[..at], &target[at + 3..]);
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        return Err(form);
    }
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    if is_authority(&rest[..end]) { Ok(&rest[end..]) } else { Err(Fault::Authority) }
}

/// `host` or `host:port` of the plainest bytes: no user, no escapes. Brackets only around an address.
fn is_authority(authority: &[u8]) -> bool {
    let (host, port) = match authority.strip_prefix(b"[") {
        Some(rest) => {
            let Some(end) = memchr(b']', rest) else { return false };
            let is_address = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
            if !rest[..end].iter().all(is_address) {
                return false;
            }
            (&rest[..end], &rest[end + 1..])
        }
        None => {
            let (host, port) = authority.split_at(memchr(b':', authority).unwrap_or(authority.len()));
            if !host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte)) {
                return false;
            }
            (host, port)
        }
    };
    let is_port = |port: &[u8]| matches!(port, [b':', digits @ ..] if is_number(digits));
    !host.is_empty() && (port.is_empty() || is_port(port))
}

fn is_number(digits: &[u8]) -> bool {
    (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_all(expected: Result<(), Fault>, targets: &[&str]) {
        for target in targets {
            assert_eq!(check(target.as_bytes()), expected, "{target}");
        }
    }

    #[test]
    fn origin_form_begins_with_a_slash_and_has_plain_bytes() {
        for (target, expected) in [
            ("/", true),
            ("/a?b", true),
            ("", false),
            ("?x", false),
            ("x", false),
            ("*", false),
            ("/\"", false),
            ("/a#b", false),
        ] {
            assert_eq!(is_origin_form(target.as_bytes()), expected, "{target}");
        }
    }

    #[test]
    fn targets_have_one_of_three_forms() {
        check_all(Ok(()), &["*", "/", "/a", "//a", "/a?b?c", "/a?`", "/a|b^{c}", "/http://b.test", "/@a.test", "/:80"]);
        check_all(
            Ok(()),
            &["http://a.test", "HTTPS://a.test/x", "http://a.test:80?x", "http://[::1]:8080/", "http://a_b/"],
        );
        check_all(
            Err(Fault::TargetForm),
            &["a.test", "a.test:80", "?x", "x", "**", "*x", "ftp://a.test/", "://a.test/", "http:/a"],
        );
        check_all(
            Err(Fault::TargetForm),
            &["javascript://a.test/", "http:a.test", "@a.test/", "../x", "%2fx", "ws://a.test/"],
        );
    }

    #[test]
    fn authorities_are_plain() {
        for authority in [
            "",
            ":80",
            "u@a.test",
            "u:p@a.test",
            "@",
            "a.test:",
            "a.test:x",
            "a.test:+1",
            "a.test:123456",
            "a.test:80:80",
            "[::1",
            "::1]",
            "[]",
            "[::1]x",
            "[::1]:",
            "[g::1]",
            "a%2etest",
            "a test",
            "a,b",
            "a!b",
            "a;b",
            "[::1%25lo]",
        ] {
            assert_eq!(check(format!("http://{authority}/").as_bytes()), Err(Fault::Authority), "{authority:?}");
        }
    }

    #[test]
    fn bytes_that_must_be_escaped_are_refused_in_every_form() {
        for byte in (0..=b' ').chain([b'"', b'#', b'<', b'>', b'\\', 0x7f, 0x80, 0xff]) {
            for (before, behind) in [("/a", "b"), ("/a?b", "c"), ("http://a.test/", "x"), ("x", "y")] {
                let target = [before.as_bytes(), &[byte], behind.as_bytes()].concat();
                assert_eq!(check(&target), Err(Fault::Target), "{byte:#04x} behind {before}");
            }
        }
        assert_eq!(check(b"/a`b"), Err(Fault::Target), "no browser sends it in a path");
    }
}
