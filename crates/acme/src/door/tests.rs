//! The door: what is answered for whom, and that everything ends with its guard.

use std::{future::Future as _, pin::pin, task::Poll};

use super::*;

fn config() -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(
        builder.with_no_client_auth().with_cert_resolver(Arc::new(rustls::server::ResolvesServerCertUsingSni::new())),
    )
}

fn is_empty(door: &Door) -> bool {
    let shared = &door.shared;
    shared.http.is_empty() && shared.alpn.is_empty() && shared.flights.is_empty() && shared.wildcard_flights.is_empty()
}

#[test]
fn a_challenge_is_answered_for_its_own_host_only_and_until_its_guard_is_dropped() {
    let door = Door::default();
    let opened = door.open_http("a.example.com", "token-1", "token-1.thumb");
    assert!(opened.is_open());
    for (host, token, expected) in [
        ("a.example.com", "token-1", Some("token-1.thumb")),
        ("a.example.com", "token-2", None),
        ("b.example.com", "token-1", None),
        ("example.com", "token-1", None),
        ("x.a.example.com", "token-1", None),
        ("a.example.com", "", None),
    ] {
        assert_eq!(door.key_authorization(host, token).as_deref(), expected, "{host} {token}");
    }
    drop(opened);
    assert_eq!(door.key_authorization("a.example.com", "token-1"), None);
    assert!(is_empty(&door));
}

#[test]
fn one_token_opened_twice_is_answered_until_both_guards_are_dropped() {
    let door = Door::default();
    let first = door.open_http("a.example.com", "t", "first");
    let second = door.open_http("a.example.com", "t", "second");
    assert_eq!(door.key_authorization("a.example.com", "t").as_deref(), Some("second"));
    drop(second);
    assert_eq!(door.key_authorization("a.example.com", "t").as_deref(), Some("first"));
    drop(first);
    assert!(is_empty(&door));
}

#[test]
fn tokens_that_are_not_base64url_are_not_opened() {
    let door = Door::default();
    let long = "a".repeat(TOKEN_LIMIT + 1);
    for token in ["", "../../etc/passwd", "a b", "a.b", "a+b", "a/b", "a=", "a\r\nb", "%61", "ä", &long] {
        assert!(!door.open_http("a.example.com", token, "x").is_open(), "{token:?}");
    }
    assert!(is_empty(&door));
}

#[test]
fn what_one_host_may_hold_open_is_bounded() {
    let door = Door::default();
    let open: Vec<_> = (0..OPEN_PER_HOST_LIMIT + 3)
        .map(|number| door.open_http("a.example.com", &format!("t{number}"), "x"))
        .filter(Opened::is_open)
        .collect();
    assert_eq!(open.len(), OPEN_PER_HOST_LIMIT);
    assert!(door.open_http("b.example.com", "t", "x").is_open());
    drop(open);
    assert!(is_empty(&door));
}

#[test]
fn of_two_handshake_challenges_the_latest_answers() {
    let door = Door::default();
    let (one, two) = (config(), config());
    let first = door.open_alpn("a.example.com", Arc::clone(&one));
    let second = door.open_alpn("a.example.com", Arc::clone(&two));
    let shown = |door: &Door| door.alpn_config("a.example.com");
    assert!(Arc::ptr_eq(&shown(&door).unwrap(), &two));
    drop(first);
    assert!(Arc::ptr_eq(&shown(&door).unwrap(), &two));
    drop(second);
    assert!(shown(&door).is_none() && is_empty(&door));
}

#[test]
fn a_wildcard_in_flight_covers_one_label_and_not_its_suffix() {
    let door = Door::default();
    let flight = door.ordering(vec!["*.example.com".into(), "example.org".into()]);
    for (host, expected) in [
        ("a.example.com", true),
        ("a.b.example.com", false),
        ("example.com", false),
        ("example.org", true),
        ("a.example.org", false),
    ] {
        assert_eq!(door.is_ordering(host), expected, "{host}");
    }
    drop(flight);
    assert!(!door.is_ordering("a.example.com") && is_empty(&door));
}

#[test]
fn a_host_is_settled_when_its_last_order_has_ended() {
    let door = Door::default();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    {
        let mut settled = pin!(door.settled("a.example.com"));
        assert_eq!(settled.as_mut().poll(&mut context), Poll::Ready(()), "nothing is in flight");
    }
    let first = door.ordering(vec!["a.example.com".into()]);
    let second = door.ordering(vec!["a.example.com".into(), "b.example.com".into()]);
    let mut settled = pin!(door.settled("a.example.com"));
    assert_eq!(settled.as_mut().poll(&mut context), Poll::Pending);
    drop(first);
    assert_eq!(settled.as_mut().poll(&mut context), Poll::Pending, "another order covers it");
    drop(second);
    assert_eq!(settled.as_mut().poll(&mut context), Poll::Ready(()));
    assert!(is_empty(&door));
}

#[test]
fn no_end_of_an_order_is_missed_by_waiters_on_other_threads() {
    let door = Door::default();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                for _ in 0..2_000 {
                    runtime.block_on(door.settled("a.example.com"));
                }
            });
        }
        for _ in 0..4_000 {
            drop(door.ordering(vec!["a.example.com".into(), "*.example.com".into()]));
        }
    });
    assert!(is_empty(&door));
}

#[test]
fn an_address_is_proved_by_its_text_over_http_and_by_its_reverse_name_in_a_handshake() {
    for (name, http, alpn) in [
        ("a.example.com", "a.example.com", "a.example.com"),
        ("192.0.2.7", "192.0.2.7", "7.2.0.192.in-addr.arpa"),
        ("2001:db8::7", "2001:db8::7", "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"),
    ] {
        let pattern = HostPattern::parse(name).unwrap();
        assert_eq!((http_host(&pattern).as_str(), alpn_server_name(&pattern).as_str()), (http, alpn));
    }
}
