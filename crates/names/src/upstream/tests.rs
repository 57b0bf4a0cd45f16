//! Upstreams as people write them → scheme and target, or the reason.

use super::{AddressError as E, *};
use crate::{HostnameError, arbitrary::Arbitrary};

fn check(input: &str, expected: Result<&str, E>) {
    let found = UpstreamAddr::parse(input);
    let text = found.as_ref().map(ToString::to_string).map_err(Clone::clone);
    assert_eq!(text, expected.map(str::to_owned), "{input:?}");
    if let Ok(found) = found {
        assert_eq!(found.to_string().parse(), Ok(found), "{input:?}");
    }
}

#[test]
fn every_form_parses_and_round_trips() {
    for (input, expected) in [
        ("5000", "127.0.0.1:5000"),
        ("127.0.0.1:5000", "127.0.0.1:5000"),
        ("[::1]:5000", "[::1]:5000"),
        ("[::ffff:127.0.0.1]:5000", "127.0.0.1:5000"),
        ("localhost:5000", "localhost:5000"),
        ("Bücher.internal:80", "xn--bcher-kva.internal:80"),
        ("http://127.0.0.1:5000", "127.0.0.1:5000"),
        ("http://localhost:5000/", "localhost:5000"),
        ("http://api.internal", "api.internal:80"),
        ("HTTPS://api.internal", "https://api.internal"),
        ("https://api.internal:8443", "https://api.internal:8443"),
        ("https://[2001:db8::7]", "https://[2001:db8::7]"),
        ("http://[::1]", "[::1]:80"),
        ("unix:/run/blog.sock", "unix:/run/blog.sock"),
        ("unix:///run/blog.sock", "unix:/run/blog.sock"),
    ] {
        check(input, Ok(expected));
    }
}

#[test]
fn everything_else_has_a_precise_reason() {
    let loopback = |port: u16| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    for (input, expected) in [
        ("", E::Empty),
        ("http://", E::Empty),
        (":5000", E::Empty),
        ("0", E::PortZero),
        ("localhost:0", E::PortZero),
        ("70000", E::BadPort("70000".into())),
        ("localhost:http", E::BadPort("http".into())),
        ("localhost:", E::BadPort(String::new())),
        ("localhost", E::MissingPort("localhost".into())),
        ("127.0.0.1", E::MissingPort("127.0.0.1".into())),
        ("[::1]", E::MissingPort("[::1]".into())),
        ("::1", E::BracketIpv6),
        ("::1:5000", E::BracketIpv6),
        ("[::1%lo]:5000", E::BadIpv6("[::1%lo]".into())),
        ("127.1:5000", E::NameNotPossible("127.1".into())),
        ("http://2130706433", E::NameNotPossible("2130706433".into())),
        ("ws://localhost:5000", E::UnknownScheme("ws".into())),
        ("http://localhost:5000/app", E::Path('/')),
        ("localhost:5000/", E::Path('/')),
        ("http://localhost:5000?x", E::Path('?')),
        ("http://me:secret@localhost", E::UserInfo),
        ("0.0.0.0:5000", E::Unspecified(Ipv4Addr::UNSPECIFIED.into(), loopback(5000))),
        ("unix:blog.sock", E::RelativeSocket),
        ("unix:@blog", E::RelativeSocket),
        ("unix:", E::RelativeSocket),
        ("unix:/run/", E::BadSocketPath),
        ("unix:/run/\0", E::BadSocketPath),
        ("my_app:5000", E::Name(HostnameError::Underscore)),
        ("*.internal:5000", E::Name(HostnameError::WildcardHere)),
    ] {
        check(input, Err(expected));
    }
    check(&format!("unix:/{}", "a".repeat(107)), Err(E::SocketPathTooLong));
}

#[test]
fn parsing_round_trips_and_never_panics() {
    let mut arbitrary = Arbitrary::new(5);
    for _ in 0..40_000 {
        let text = arbitrary.text("a1:/.[]5@unix:/http://s?ü");
        for text in [text.clone(), format!("https://{text}"), format!("unix:/{text}"), format!("{text}:1")] {
            let _ = crate::ListenAddr::parse(&text);
            let _ = crate::ClientNetwork::parse(&text);
            let Ok(parsed) = UpstreamAddr::parse(&text) else { continue };
            assert_eq!(parsed.to_string().parse(), Ok(parsed), "{text:?}");
        }
    }
}
