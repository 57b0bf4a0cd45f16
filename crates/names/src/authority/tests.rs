//! What clients send → one normal form, or the reason for the 400.

use super::{AuthorityError as E, *};
use crate::{Hostname, arbitrary::Arbitrary};

fn check(input: &str, expected: Result<(&str, Option<u16>), E>) {
    let found = Authority::parse(input);
    let found = found.as_ref().map(|authority| (authority.host.key(), authority.port)).map_err(|error| *error);
    assert_eq!(found, expected.map(|(key, port)| (Cow::Borrowed(key), port)), "{input:?}");
}

#[test]
fn every_spelling_has_one_normal_form() {
    for (input, key, port) in [
        ("a.test", "a.test", None),
        ("A.Test:443", "a.test", Some(443)),
        ("a.test.", "a.test", None),
        ("a.test.:80", "a.test", Some(80)),
        ("a.test:0", "a.test", Some(0)),
        ("a.test:65535", "a.test", Some(65535)),
        ("my_app.test", "my_app.test", None),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", None),
        ("localhost:8080", "localhost", Some(8080)),
        ("192.0.2.7", "192.0.2.7", None),
        ("192.0.2.7:8443", "192.0.2.7", Some(8443)),
        ("[2001:DB8:0:0::7]", "2001:db8::7", None),
        ("[2001:db8::7]:443", "2001:db8::7", Some(443)),
        ("[::ffff:192.0.2.7]", "192.0.2.7", None),
        ("[::FFFF:c000:207]:80", "192.0.2.7", Some(80)),
    ] {
        check(input, Ok((key, port)));
    }
}

#[test]
fn everything_else_has_a_precise_reason() {
    for (input, expected) in [
        ("", E::Empty),
        (":80", E::Empty),
        ("me@a.test", E::UserInfo),
        ("me:secret@a.test", E::UserInfo),
        ("a.test:", E::BadPort),
        ("a.test:abc", E::BadPort),
        ("a.test:-1", E::BadPort),
        ("a.test:+1", E::BadPort),
        ("a.test:99999", E::BadPort),
        ("a.test:000080", E::BadPort),
        ("a.test:80:80", E::BadPort),
        ("a.test: 80", E::BadPort),
        ("2001:db8::7", E::BadPort),
        ("[::1", E::BadIpv6),
        ("[]", E::BadIpv6),
        ("[a.test]", E::BadIpv6),
        ("[192.0.2.7]", E::BadIpv6),
        ("[v1.a]", E::BadIpv6),
        ("[fe80::1%25eth0]", E::BadIpv6),
        ("[::1]80", E::BadIpv6),
        ("[::1]:", E::BadPort),
        ("::1]", E::BadPort),
        ("2130706433", E::NumericEnd),
        ("0x7f000001", E::NumericEnd),
        ("0x7f.1", E::NumericEnd),
        ("127.1", E::NumericEnd),
        ("0177.0.0.1", E::NumericEnd),
        ("127.0.0.01", E::NumericEnd),
        ("127.0.0.256", E::NumericEnd),
        ("1.2.3.4.5", E::NumericEnd),
        ("127.0.0.1.", E::NumericEnd),
        ("a.test.7", E::NumericEnd),
        (".", E::EmptyLabel),
        (".a.test", E::EmptyLabel),
        ("a..test", E::EmptyLabel),
        ("a.test..", E::EmptyLabel),
        ("a b.test", E::Forbidden(b' ')),
        ("a.test\t", E::Forbidden(b'\t')),
        ("a.test\r\nx", E::Forbidden(b'\r')),
        ("a\0.test", E::Forbidden(0)),
        ("a\x7f.test", E::Forbidden(0x7f)),
        ("a.test/", E::Forbidden(b'/')),
        ("a.test\\b", E::Forbidden(b'\\')),
        ("a.test?x", E::Forbidden(b'?')),
        ("a.test#x", E::Forbidden(b'#')),
        ("a.test,b.test", E::Forbidden(b',')),
        ("%61.test", E::Forbidden(b'%')),
        ("*.test", E::Forbidden(b'*')),
        ("bücher.example", E::NonAscii),
    ] {
        check(input, Err(expected));
    }
    check(&format!("{}.test", "a".repeat(63)), Ok((&format!("{}.test", "a".repeat(63)), None)));
    check(&format!("{}.test", "a".repeat(64)), Err(E::LabelTooLong));
    check(&format!("{}test", "abc.".repeat(63)), Err(E::TooLong));
}

#[test]
fn normal_text_is_borrowed() {
    for text in ["a.test", "a.test.", "a.test:443", "my_app.a.test"] {
        let authority = Authority::parse(text).unwrap();
        assert!(matches!(authority.host, HostRef::Name(Cow::Borrowed(_))), "{text}");
    }
}

#[test]
fn a_server_name_is_a_name() {
    for (input, expected) in [
        ("A.test", Ok("a.test")),
        ("a.test.", Ok("a.test")),
        ("192.0.2.7", Err(E::AddressAsServerName)),
        ("2001:db8::7", Err(E::AddressAsServerName)),
        ("[::1]", Err(E::AddressAsServerName)),
        ("a.test:443", Err(E::Forbidden(b':'))),
        ("127.1", Err(E::NumericEnd)),
        ("", Err(E::Empty)),
        ("*.a.test", Err(E::Forbidden(b'*'))),
    ] {
        let found = HostRef::parse_sni(input);
        assert_eq!(found, expected.map(|name| HostRef::Name(Cow::Borrowed(name))), "{input}");
    }
}

#[test]
fn parsing_is_idempotent_and_never_panics() {
    let mut arbitrary = Arbitrary::new(2);
    for _ in 0..40_000 {
        let text = arbitrary.text("aZ019x-._:[]@%/f::ü\0");
        let _ = HostRef::parse_sni(&text);
        let Ok(authority) = Authority::parse(&text) else { continue };
        let key = authority.host.key();
        match &authority.host {
            HostRef::Name(_) => {
                assert_eq!(Authority::parse(&key).map(|again| again.host), Ok(authority.host.clone()), "{text:?}");
            }
            HostRef::Address(address) => assert_eq!(key.parse(), Ok(*address), "{text:?}"),
        }
    }
}

/// A site is found by what its file says and asked for by what a client says: both must reach the same key.
#[test]
fn a_hostname_and_the_same_authority_have_one_key() {
    let mut arbitrary = Arbitrary::new(3);
    for _ in 0..20_000 {
        let text = arbitrary.text("aZ09-.xn--ü");
        let Ok(name) = Hostname::parse(&text) else { continue };
        assert_eq!(Authority::parse(name.as_str()).unwrap().host.key(), name.as_str());
        if text.is_ascii() {
            assert_eq!(Authority::parse(&text).unwrap().host.key(), name.as_str(), "{text:?}");
        }
    }
}

#[test]
fn there_is_one_way_to_write_it() {
    for (text, normal) in [
        ("a.test", "a.test"),
        ("A.Test.", "a.test"),
        ("a.test:0443", "a.test:443"),
        ("192.0.2.7:80", "192.0.2.7:80"),
        ("[2001:DB8:0::7]", "[2001:db8::7]"),
        ("[::ffff:192.0.2.7]:80", "192.0.2.7:80"),
    ] {
        assert_eq!(Authority::parse(text).unwrap().normal_form(text), normal, "{text}");
    }
    let text = "a.test";
    assert!(matches!(Authority::parse(text).unwrap().normal_form(text), Cow::Borrowed(_)), "nothing is copied");
}
