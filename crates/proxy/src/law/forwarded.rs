//! Whom and how we forward for: `X-Forwarded-For/-Proto/-Host/-Prefix`, `Forwarded` (RFC 7239), `X-Request-Id`.
//!
//! A client's own words were removed before; what a trusted proxy said is continued here. The values of one request
//! lie in one allocation.

use std::{
    fmt::{Display, Write},
    net::IpAddr,
    ops::Range,
};

use bytes::BytesMut;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{FORWARDED, HOST},
};

use crate::{Caller, Refusal, Scheme, Trust};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Room for the three values of an ordinary request.
const ROOM: usize = 160;

/// Sets `Host` and the forwarding headers. Expects that identity headers of an untrusted peer are gone.
pub(super) fn stamp(headers: &mut HeaderMap, caller: &Caller<'_>) -> Result<(), Refusal> {
    let host = match headers.get(HOST) {
        Some(host) if host.as_bytes() == caller.authority.as_bytes() => host.clone(),
        _ => {
            let host = HeaderValue::from_str(caller.authority).map_err(|_| Refusal::BadHost)?;
            headers.insert(HOST, host.clone());
            host
        }
    };
    let mut text = BytesMut::with_capacity(ROOM);
    let chain = write_for(&mut text, headers, caller);
    let forwarded = write_forwarded(&mut text, headers, caller);
    let id = write(&mut text, caller.request_id);
    let text = text.freeze();
    let value = |range: Range<usize>| HeaderValue::from_maybe_shared(text.slice(range)).map_err(|_| Refusal::BadHeader);
    headers.insert(X_FORWARDED_FOR, value(chain)?);
    headers.insert(FORWARDED, value(forwarded)?);
    headers.insert(X_REQUEST_ID, value(id)?);
    if caller.trust == Trust::Client || !only(headers, &X_FORWARDED_PROTO).is_some_and(is_scheme) {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(caller.scheme.as_str()));
    }
    if caller.trust == Trust::Client || !only(headers, &X_FORWARDED_HOST).is_some_and(is_host) {
        headers.insert(X_FORWARDED_HOST, host);
    }
    Ok(())
}

/// Tells a backend which prefix was stripped; what a trusted proxy stripped before stands in front of it.
pub(super) fn stamp_prefix(headers: &mut HeaderMap, prefix: &str, trust: Trust) -> Result<(), Refusal> {
    let before = match trust {
        Trust::Proxy => only(headers, &X_FORWARDED_PREFIX).filter(is_prefix).and_then(|value| value.to_str().ok()),
        Trust::Client => None,
    };
    let value = match before {
        Some(before) => HeaderValue::try_from(format!("{}{prefix}", before.trim_end_matches('/'))),
        None => HeaderValue::from_str(prefix),
    };
    headers.insert(X_FORWARDED_PREFIX, value.map_err(|_| Refusal::BadPath)?);
    Ok(())
}

fn write_for(text: &mut BytesMut, headers: &HeaderMap, caller: &Caller<'_>) -> Range<usize> {
    let start = text.len();
    continue_list(text, headers, &X_FORWARDED_FOR, caller.trust);
    write(text, caller.client.ip());
    start..text.len()
}

/// RFC 7239 section 4: `for=192.0.2.60;host=a.test;proto=https`; IPv6 and ports only in quotes (section 6).
fn write_forwarded(text: &mut BytesMut, headers: &HeaderMap, caller: &Caller<'_>) -> Range<usize> {
    let start = text.len();
    continue_list(text, headers, &FORWARDED, caller.trust);
    text.extend_from_slice(b"for=");
    match caller.client.ip() {
        IpAddr::V4(ip) => write(text, ip),
        IpAddr::V6(ip) => write(text, format_args!("\"[{ip}]\"")),
    };
    text.extend_from_slice(b";host=");
    if super::inspect::is_token(caller.authority.as_bytes()) {
        text.extend_from_slice(caller.authority.as_bytes());
    } else {
        write(text, format_args!("\"{}\"", caller.authority));
    }
    text.extend_from_slice(match caller.scheme {
        Scheme::Http => b";proto=http",
        Scheme::Https => b";proto=https",
    });
    start..text.len()
}

/// What a trusted proxy said so far, from all its lines.
fn continue_list(text: &mut BytesMut, headers: &HeaderMap, name: &HeaderName, trust: Trust) {
    if trust == Trust::Client {
        return;
    }
    for value in headers.get_all(name) {
        let value = value.as_bytes().trim_ascii();
        if !value.is_empty() {
            text.extend_from_slice(value);
            text.extend_from_slice(b", ");
        }
    }
}

fn write(text: &mut BytesMut, value: impl Display) -> Range<usize> {
    let start = text.len();
    write!(text, "{value}").expect("a growing buffer takes every text");
    start..text.len()
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

fn is_scheme(value: &HeaderValue) -> bool {
    value == "http" || value == "https"
}

fn is_host(value: &HeaderValue) -> bool {
    let text = value.as_bytes();
    !text.is_empty()
        && text.len() <= 261
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(byte))
}

fn is_prefix(value: &&HeaderValue) -> bool {
    let text = value.as_bytes();
    text.starts_with(b"/")
        && !text.starts_with(b"//")
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/.-_~%".contains(byte))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use vestibule_names::{ClientAddr, RequestId};

    use super::*;

    fn check(client: &str, authority: &str, trust: Trust, before: &[(&'static str, &'static str)], expected: &[&str]) {
        let caller = Caller {
            client: ClientAddr::new(client.parse::<SocketAddr>().unwrap()),
            scheme: Scheme::Https,
            authority,
            trust,
            request_id: RequestId(7),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in before {
            headers.append(*name, HeaderValue::from_static(value));
        }
        stamp(&mut headers, &caller).unwrap();
        let names = ["host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-request-id"];
        let found: Vec<_> = names.iter().map(|name| headers[*name].to_str().unwrap()).collect();
        assert_eq!(found, expected);
        assert!(names.iter().all(|name| headers.get_all(*name).iter().count() == 1));
    }

    #[test]
    fn a_client_is_described_from_its_connection() {
        check(
            "192.0.2.9:4711",
            "a.test",
            Trust::Client,
            &[("host", "A.test")],
            &["a.test", "192.0.2.9", "https", "a.test", "for=192.0.2.9;host=a.test;proto=https", "0000000000000007"],
        );
        check(
            "[2001:db8::1]:4711",
            "a.test:8443",
            Trust::Client,
            &[],
            &[
                "a.test:8443",
                "2001:db8::1",
                "https",
                "a.test:8443",
                "for=\"[2001:db8::1]\";host=\"a.test:8443\";proto=https",
                "0000000000000007",
            ],
        );
        check(
            "[::ffff:192.0.2.9]:1",
            "a.test",
            Trust::Client,
            &[],
            &["a.test", "192.0.2.9", "https", "a.test", "for=192.0.2.9;host=a.test;proto=https", "0000000000000007"],
        );
    }

    #[test]
    fn a_trusted_proxy_is_continued() {
        check(
            "10.0.0.1:1",
            "a.test",
            Trust::Proxy,
            &[
                ("x-forwarded-for", "198.51.100.1"),
                ("x-forwarded-for", "198.51.100.2 "),
                ("forwarded", "for=198.51.100.1"),
                ("x-forwarded-proto", "http"),
                ("x-forwarded-host", "shop.test"),
                ("x-request-id", "theirs"),
            ],
            &[
                "a.test",
                "198.51.100.1, 198.51.100.2, 10.0.0.1",
                "http",
                "shop.test",
                "for=198.51.100.1, for=10.0.0.1;host=a.test;proto=https",
                "0000000000000007",
            ],
        );
    }

    #[test]
    fn what_a_trusted_proxy_says_badly_is_replaced() {
        check(
            "10.0.0.1:1",
            "a.test",
            Trust::Proxy,
            &[("x-forwarded-proto", "gopher"), ("x-forwarded-host", "a.test/evil")],
            &["a.test", "10.0.0.1", "https", "a.test", "for=10.0.0.1;host=a.test;proto=https", "0000000000000007"],
        );
        check(
            "10.0.0.1:1",
            "a.test",
            Trust::Proxy,
            &[("x-forwarded-proto", "http"), ("x-forwarded-proto", "https")],
            &["a.test", "10.0.0.1", "https", "a.test", "for=10.0.0.1;host=a.test;proto=https", "0000000000000007"],
        );
    }

    #[test]
    fn a_stripped_prefix_stands_behind_the_trusted_one() {
        for (trust, before, expected) in [
            (Trust::Client, None, "/api"),
            (Trust::Client, Some("/x"), "/api"),
            (Trust::Proxy, Some("/x/"), "/x/api"),
            (Trust::Proxy, Some("//evil.test"), "/api"),
            (Trust::Proxy, Some("javascript:"), "/api"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(before) = before {
                headers.insert(X_FORWARDED_PREFIX, HeaderValue::from_static(before));
            }
            stamp_prefix(&mut headers, "/api", trust).unwrap();
            assert_eq!(headers[X_FORWARDED_PREFIX], expected);
        }
    }
}
