//! Names as people write them → the normal form, or the reason.

use super::{HostnameError as E, *};
use crate::arbitrary::Arbitrary;

fn check(input: &str, expected: Result<&str, E>) {
    let found = Hostname::parse(input);
    assert_eq!(found.as_ref().map(Hostname::as_str), expected.as_ref().copied(), "{input:?}");
}

#[test]
fn every_spelling_has_one_normal_form() {
    for (input, expected) in [
        ("blog.example.com", "blog.example.com"),
        ("Blog.EXAMPLE.com", "blog.example.com"),
        ("blog.example.com.", "blog.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("bu\u{308}cher.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("faß.de", "xn--fa-hia.de"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("ｂｌｏｇ．example", "blog.example"),
        ("blog.example。", "blog.example"),
        ("so\u{ad}ft.example", "soft.example"),
        ("localhost", "localhost"),
        ("r3---sn-4g5e6nsz.example", "r3---sn-4g5e6nsz.example"),
        ("a1.2b", "a1.2b"),
        ("1.2.3.4.example", "1.2.3.4.example"),
    ] {
        check(input, Ok(expected));
    }
    let longest = format!("{}.{}", ["a".repeat(63), "b".repeat(63), "c".repeat(63)].join("."), "d".repeat(61));
    check(&longest, Ok(&longest));
    check(&format!("{longest}."), Ok(&longest));
}

#[test]
fn everything_else_has_a_precise_reason() {
    let port = |name: &str, port: &str| E::Port { name: name.into(), port: port.into() };
    for (input, expected) in [
        ("", E::Empty),
        (".", E::Empty),
        ("\u{ad}", E::Empty),
        ("https://blog.example.com", E::Scheme("https".into())),
        ("blog.example.com/", E::Path('/')),
        ("blog.example.com?x", E::Path('?')),
        ("me@blog.example.com", E::UserInfo),
        ("*.example.com", E::WildcardHere),
        ("blog.example.com:443", port("blog.example.com", "443")),
        ("blog.example.com:", port("blog.example.com", "")),
        ("[::1]:443", port("[::1]", "443")),
        ("192.0.2.7", E::Address([192, 0, 2, 7].into())),
        ("192.0.2.7.", E::Address([192, 0, 2, 7].into())),
        ("::ffff:192.0.2.7", E::Address([192, 0, 2, 7].into())),
        ("2130706433", E::NumericEnd),
        ("127.1", E::NumericEnd),
        ("0x7f.1", E::NumericEnd),
        ("a.0x", E::NumericEnd),
        ("127.0.0.01", E::NumericEnd),
        ("１２７.1", E::NumericEnd),
        ("1::2::3", E::BadIpv6),
        ("my_app.example", E::Underscore),
        ("a..example", E::EmptyLabel),
        (".example", E::EmptyLabel),
        ("a.example..", E::EmptyLabel),
        ("-a.example", E::Hyphen("-a".into())),
        ("a-.example", E::Hyphen("a-".into())),
        ("xn--zz.example", E::Idn("xn--zz".into())),
        ("xn--abc-.example", E::Hyphen("xn--abc-".into())),
        ("a.\u{200b}\u{fffe}.example", E::Idn("\u{200b}\u{fffe}".into())),
        ("a b.example", E::Forbidden(' ')),
        (" a.example", E::Forbidden(' ')),
        ("a\0.example", E::Forbidden('\0')),
        ("a%62.example", E::Forbidden('%')),
        ("a,b", E::Forbidden(',')),
    ] {
        check(input, Err(expected));
    }
    check(&format!("{}.example", "a".repeat(64)), Err(E::LabelTooLong("a".repeat(64))));
    check(&["abc"; 64].join("."), Err(E::TooLong));
    check(&"ü.".repeat(100_000), Err(E::TooLong));
}

#[test]
fn names_that_no_public_ca_certifies_are_private() {
    for name in [
        "localhost",
        "a.localhost",
        "a.test",
        "b.a.internal",
        "printer.local",
        "nas.home.arpa",
        "home.arpa",
        "x.invalid",
        "x.example",
        "x.onion",
        "intranet",
    ] {
        assert!(Hostname::parse(name).unwrap().is_private(), "{name}");
    }
    for name in
        ["example.com", "a.latest", "localhost.example.com", "test.dev", "x.arpa", "notlocalhost.com", "xhome.arpa"]
    {
        assert!(!Hostname::parse(name).unwrap().is_private(), "{name}");
    }
}

#[test]
fn people_read_unicode() {
    assert_eq!(Hostname::parse("xn--bcher-kva.example").unwrap().to_unicode(), "bücher.example");
    assert_eq!(Hostname::parse("plain.example").unwrap().to_unicode(), "plain.example");
    let encoded = Hostname::parse("xn--xn--bchvkr-xtta.example").unwrap();
    assert_eq!(encoded.to_unicode(), encoded.as_str(), "it would be read as another name, or none");
    assert_eq!(Hostname::parse("a.example").unwrap().to_string(), "a.example");
}

#[test]
fn parsing_is_idempotent_and_never_panics() {
    let mut arbitrary = Arbitrary::new(1);
    for _ in 0..20_000 {
        let text = arbitrary.text("aZ09-._*:/[]@%xn--üß例。\u{200d}\u{ad}\0 ");
        if let Ok(name) = Hostname::parse(&text) {
            assert_eq!(Hostname::parse(name.as_str()), Ok(name.clone()), "{text:?}");
            assert_eq!(Hostname::parse(&name.to_unicode()), Ok(name.clone()), "{text:?}");
            assert!(name.as_str().len() <= NAME_LIMIT && name.as_str().is_ascii());
        }
    }
}

#[test]
fn names_above_and_within() {
    let name = |text: &str| Hostname::parse(text).unwrap();
    assert_eq!(name("a.b.test").parent(), Some(name("b.test")));
    assert_eq!(name("test").parent(), None);
    for (inner, zone, expected) in [
        ("b.test", "b.test", true),
        ("a.b.test", "b.test", true),
        ("ab.test", "b.test", false),
        ("test", "b.test", false),
    ] {
        assert_eq!(name(inner).is_within(&name(zone)), expected, "{inner} {zone}");
    }
}
