//! Whom and how we forward for: `X-Forwarded-For/-Proto/-Host/-Prefix`, `Forwarded` (RFC 7239), `X-Request-Id`.
//!
//! A client's own words were removed before. What a trusted proxy said is settled first (`told`), and both families of
//! fields are written from that, so that no two readers of them can see two clients. Scheme and host are said once in
//! `Forwarded`: backends look for them in the first element or in the last. The values of one request lie in one
//! allocation.

use std::{
    fmt::{Display, Write},
    net::IpAddr,
    ops::Range,
};

use bytes::{BufMut, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{FORWARDED, HOST},
};

use super::{
    hearsay::retain_judged,
    inspect::is_token,
    told::{Node, Settled, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO},
};
use crate::{Caller, Refusal, Scheme, Trust};

const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Room for the three values of an ordinary request.
const ROOM: usize = 160;

/// Sets `Host` and the forwarding headers. Expects that identity headers of an untrusted peer are gone.
pub(super) fn stamp(headers: &mut HeaderMap, caller: &Caller<'_>) -> Result<(), Refusal> {
    let own = own_host(headers, caller)?;
    let settled = Settled::read(headers, caller.trust);
    let scheme = settled.scheme.unwrap_or(caller.scheme);
    let (shown, shown_value) = match &settled.host {
        Some(host) => (host.as_str(), HeaderValue::from_str(host).map_err(|_| Refusal::BadHeader)?),
        None => (caller.authority, own),
    };
    let mut text = BytesMut::with_capacity(ROOM);
    let chain = write_for(&mut text, &settled, caller);
    let forwarded = write_forwarded(&mut text, &settled, caller, &Way { host: shown, scheme });
    let start = text.len();
    text.extend_from_slice(&caller.request_id.digits());
    let id = start..text.len();
    let client = settled.client();
    if caller.trust == Trust::Proxy {
        retain_judged(headers, client);
    }
    let text = text.freeze();
    let value = |range: Range<usize>| HeaderValue::from_maybe_shared(text.slice(range)).map_err(|_| Refusal::BadHeader);
    headers.insert(X_FORWARDED_FOR, value(chain)?);
    headers.insert(FORWARDED, value(forwarded)?);
    headers.insert(X_REQUEST_ID, value(id)?);
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme.as_str()));
    headers.insert(X_FORWARDED_HOST, shown_value);
    Ok(())
}

/// Tells a backend which prefix was stripped; what a trusted proxy stripped before stands in front of it. Expects that
/// what stands there was judged.
pub(super) fn stamp_prefix(headers: &mut HeaderMap, prefix: &str, trust: Trust) -> Result<(), Refusal> {
    let before = match trust {
        Trust::Proxy => headers.get(X_FORWARDED_PREFIX).and_then(|value| value.to_str().ok()),
        Trust::Client => None,
    };
    let value = match before {
        Some(before) => HeaderValue::try_from(format!("{}{prefix}", before.trim_end_matches('/'))),
        None => HeaderValue::from_str(prefix),
    };
    headers.insert(X_FORWARDED_PREFIX, value.map_err(|_| Refusal::BadPath)?);
    Ok(())
}

/// `Host` as the caller says it.
fn own_host(headers: &mut HeaderMap, caller: &Caller<'_>) -> Result<HeaderValue, Refusal> {
    if let Some(host) = headers.get(HOST).filter(|host| host.as_bytes() == caller.authority.as_bytes()) {
        return Ok(host.clone());
    }
    let host = HeaderValue::from_str(caller.authority).map_err(|_| Refusal::BadHost)?;
    headers.insert(HOST, host.clone());
    Ok(host)
}

/// By which host and scheme the client came.
struct Way<'a> {
    host: &'a str,
    scheme: Scheme,
}

fn write_for(text: &mut BytesMut, settled: &Settled<'_>, caller: &Caller<'_>) -> Range<usize> {
    let start = text.len();
    for node in settled.chain.iter().rev() {
        write(text, format_args!("{node}, "));
    }
    write_address(text, caller.client.ip());
    start..text.len()
}

/// RFC 7239 section 4: `for=192.0.2.60;host=a.test;proto=https`. The way stands with whom our peer saw, or with the
/// peer itself if it says of nobody.
fn write_forwarded(text: &mut BytesMut, settled: &Settled<'_>, caller: &Caller<'_>, way: &Way<'_>) -> Range<usize> {
    let start = text.len();
    for (distance, node) in settled.chain.iter().enumerate().rev() {
        write_node(text, *node);
        if distance == 0 {
            write_way(text, way);
        }
        text.extend_from_slice(b", ");
    }
    write_node(text, Node::Address(caller.client.ip()));
    if settled.chain.is_empty() {
        write_way(text, way);
    }
    start..text.len()
}

/// IPv6 only in quotes and brackets (RFC 7239 section 6).
fn write_node(text: &mut BytesMut, node: Node<'_>) {
    text.extend_from_slice(b"for=");
    match node {
        Node::Address(IpAddr::V6(ip)) => write(text, format_args!("\"[{ip}]\"")),
        Node::Address(ip) => write_address(text, ip),
        node => write(text, node),
    }
}

/// The machinery of `fmt` costs more than all the rest of these fields.
fn write_address(text: &mut BytesMut, ip: IpAddr) {
    let IpAddr::V4(ip) = ip else { return write(text, ip) };
    let mut separator: &[u8] = b"";
    for octet in ip.octets() {
        text.extend_from_slice(separator);
        if octet >= 100 {
            text.put_u8(b'0' + octet / 100);
        }
        if octet >= 10 {
            text.put_u8(b'0' + octet / 10 % 10);
        }
        text.put_u8(b'0' + octet % 10);
        separator = b".";
    }
}

fn write_way(text: &mut BytesMut, way: &Way<'_>) {
    text.extend_from_slice(b";host=");
    if is_token(way.host.as_bytes()) {
        text.extend_from_slice(way.host.as_bytes());
    } else {
        text.put_u8(b'"');
        text.extend_from_slice(way.host.as_bytes());
        text.put_u8(b'"');
    }
    text.extend_from_slice(match way.scheme {
        Scheme::Http => b";proto=http",
        Scheme::Https => b";proto=https",
    });
}

fn write(text: &mut BytesMut, value: impl Display) {
    write!(text, "{value}").expect("a growing buffer takes every text");
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
            account: &crate::account::free(),
            certificate: crate::ClientCertificate::NotAsked,
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

    /// Behind a trusted proxy: what it says, and what `X-Forwarded-For`, `-Proto`, `-Host` and `Forwarded` say then.
    fn check_told(before: &[(&'static str, &'static str)], expected: [&str; 4]) {
        let [chain, proto, host, forwarded] = expected;
        let expected = ["a.test", chain, proto, host, forwarded, "0000000000000007"];
        check("10.0.0.1:1", "a.test", Trust::Proxy, before, &expected);
    }

    #[test]
    fn a_trusted_proxy_is_continued_in_both_families() {
        let expected = [
            "198.51.100.1, 198.51.100.2, 10.0.0.1",
            "http",
            "shop.test",
            "for=198.51.100.1, for=198.51.100.2;host=shop.test;proto=http, for=10.0.0.1",
        ];
        let extended = [
            ("x-forwarded-for", "198.51.100.1"),
            ("x-forwarded-for", "198.51.100.2 "),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "shop.test"),
            ("x-request-id", "theirs"),
        ];
        check_told(&extended, expected);
        let evil = ("forwarded", "for=192.0.2.66;proto=https;host=evil.test");
        check_told(&[&extended[..], &[evil]].concat(), expected);
        check_told(&[("forwarded", "for=198.51.100.1, for=198.51.100.2;proto=http;host=shop.test")], expected);
        check_told(
            &[("x-forwarded-for", "unknown, _x, [2001:db8::1]:80"), ("x-forwarded-host", "shop.test:81")],
            [
                "unknown, _x, 2001:db8::1, 10.0.0.1",
                "https",
                "shop.test:81",
                "for=unknown, for=_x, for=\"[2001:db8::1]\";host=\"shop.test:81\";proto=https, for=10.0.0.1",
            ],
        );
    }

    #[test]
    fn a_trusted_proxy_may_say_a_part() {
        check_told(
            &[("x-forwarded-proto", "http")],
            ["10.0.0.1", "http", "a.test", "for=10.0.0.1;host=a.test;proto=http"],
        );
        check_told(
            &[("x-forwarded-for", "192.0.2.1")],
            ["192.0.2.1, 10.0.0.1", "https", "a.test", "for=192.0.2.1;host=a.test;proto=https, for=10.0.0.1"],
        );
        check_told(
            &[("forwarded", "proto=http")],
            ["unknown, 10.0.0.1", "http", "a.test", "for=unknown;host=a.test;proto=http, for=10.0.0.1"],
        );
    }

    #[test]
    fn what_a_trusted_proxy_says_badly_is_replaced() {
        let nothing = ["10.0.0.1", "https", "a.test", "for=10.0.0.1;host=a.test;proto=https"];
        check_told(&[("x-forwarded-proto", "gopher"), ("x-forwarded-host", "a.test/evil")], nothing);
        check_told(&[("x-forwarded-for", "\"><script>,,")], nothing);
        check_told(&[("forwarded", "for=;;")], nothing);
        check_told(&[("x-forwarded-for", "\"><script>"), ("forwarded", "for=192.0.2.66")], nothing);
    }

    #[test]
    fn a_stripped_prefix_stands_behind_the_trusted_one() {
        for (trust, before, expected) in [
            (Trust::Client, None, "/api"),
            (Trust::Client, Some("/x"), "/api"),
            (Trust::Proxy, Some("/x/"), "/x/api"),
            (Trust::Proxy, None, "/api"),
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
