//! Paths → the normal form, or the reason.

use super::{PathError as E, *};
use crate::arbitrary::Arbitrary;

fn check(input: &str, expected: Result<&str, E>) {
    let found = normalise(input);
    assert_eq!(found.as_deref(), expected.as_deref(), "{input:?}");
    if let Ok(Cow::Borrowed(_)) = found {
        assert_eq!(expected, Ok(input), "borrowed means unchanged");
    }
}

#[test]
fn normal_paths_are_borrowed() {
    for path in [
        "/",
        "/a/b/",
        "/.well-known/acme-challenge/x-_~y",
        "/...",
        "/..a",
        "/a..",
        "/a.b;c=1/d",
        "/a%20b",
        "/%C3%A9",
        "/%25",
        "/%252e%252e/".to_uppercase().as_str(),
        "/a[0]|{b}",
        "/@user/:id/a,b+c=d&e",
    ] {
        assert!(matches!(normalise(path), Ok(Cow::Borrowed(same)) if same == path), "{path}");
    }
}

#[test]
fn every_spelling_has_one_normal_form() {
    for (input, expected) in [
        ("//", "/"),
        ("//a///b//", "/a/b/"),
        ("/./a", "/a"),
        ("/a/.", "/a/"),
        ("/a/./b", "/a/b"),
        ("/a/..", "/"),
        ("/a/../", "/"),
        ("/a/b/../c", "/a/c"),
        ("/a/b/..", "/a/"),
        ("/a//../b", "/b"),
        ("/%61%2d%2E%5f%7e", "/a-._~"),
        ("/x/%2e%2e/admin", "/admin"),
        ("/x/.%2E/admin", "/admin"),
        ("/%2e", "/"),
        ("/a%c3%a9", "/a%C3%A9"),
        ("/%3a%3B", "/%3A%3B"),
        ("/a%2ewell", "/a.well"),
        ("/.%41", "/.A"),
    ] {
        check(input, Ok(expected));
    }
}

#[test]
fn what_two_readers_could_understand_differently_is_refused() {
    for (input, expected) in [
        ("", E::NoLeadingSlash),
        ("a", E::NoLeadingSlash),
        ("*", E::NoLeadingSlash),
        ("/a?b", E::Query),
        ("/a#b", E::Fragment),
        ("/a\\b", E::Backslash),
        ("/a b", E::Control(b' ')),
        ("/a\tb", E::Control(b'\t')),
        ("/\u{7f}", E::Control(0x7f)),
        ("/é", E::NonAscii),
        ("/%", E::BadEscape),
        ("/%4", E::BadEscape),
        ("/%zz", E::BadEscape),
        ("/%%36%31", E::BadEscape),
        ("/%u0041", E::BadEscape),
        ("/a%2fb", E::EscapedSlash),
        ("/a%2Fb", E::EscapedSlash),
        ("/..%2f..", E::EscapedSlash),
        ("/a%5cb", E::EscapedBackslash),
        ("/a%00", E::EscapedControl(0)),
        ("/a%0d%0a", E::EscapedControl(0x0d)),
        ("/a%7F", E::EscapedControl(0x7f)),
        ("/%c0%af", E::OverlongEscape),
        ("/%e0%80%af", E::OverlongEscape),
        ("/%f0%80%80%af", E::OverlongEscape),
        ("/a/..;/b", E::DotParameter),
        ("/a/..;x=1", E::DotParameter),
        ("/a/.;/b", E::DotParameter),
        ("/a/%2e%2e;/b", E::DotParameter),
        ("/a/..%3b/b", E::DotParameter),
        ("/..", E::AboveRoot),
        ("/../a", E::AboveRoot),
        ("/a/../../b", E::AboveRoot),
        ("/%2e%2e/a", E::AboveRoot),
    ] {
        check(input, Err(expected));
    }
}

#[test]
fn routes_cover_whole_segments() {
    for (route, path, expected) in [
        ("/", "/", true),
        ("/", "/a", true),
        ("/api", "/api", true),
        ("/api/", "/api", true),
        ("/api", "/api/", true),
        ("/api", "/api/x", true),
        ("/api", "/apix", false),
        ("/api", "/ap", false),
        ("/api/v1", "/api/v1/x", true),
        ("/%61pi//", "/api", true),
    ] {
        assert_eq!(RoutePath::parse(route).unwrap().covers(path), expected, "{route} {path}");
    }
    assert_eq!(RoutePath::parse("//").unwrap(), RoutePath::root());
    assert_eq!("/a/b/".parse::<RoutePath>().unwrap().to_string(), "/a/b");
}

#[test]
fn normalising_is_idempotent_and_never_panics() {
    let mut arbitrary = Arbitrary::new(4);
    for _ in 0..60_000 {
        let text = format!("/{}", arbitrary.text("a/./..;%%22eEfF5cC3;b~ü"));
        let Ok(normal) = normalise(&text) else { continue };
        assert!(matches!(normalise(&normal), Ok(Cow::Borrowed(same)) if same == normal), "{text:?} -> {normal:?}");
        assert!(normal.starts_with('/') && !normal.contains("//"), "{text:?}");
        assert!(normal.split('/').all(|segment| segment != "." && segment != ".."), "{text:?}");
        let route = RoutePath::parse(&text).unwrap();
        assert!(route.covers(&normal), "{text:?}");
        assert_eq!(RoutePath::parse(route.as_str()), Ok(route), "{text:?}");
    }
}
