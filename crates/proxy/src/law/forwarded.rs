//! Whom and how we forward for: `X-Forwarded-For/-Proto/-Host/-Prefix`, `Forwarded` (RFC 7239), `X-Request-Id`.
//!
//! A client's own words were removed before. What a trusted proxy said is settled first (`told`), and both families of
//! fields are written from that, so that no two readers of them can see two clients. Scheme and host are said once in
//! `Forwarded`: backends look for them in the first element or in the last.
//!
//! Where nothing comes after them, they never become fields of a map: they are [`Behind`] it. Else the values of one request
//! lie in one allocation.

use std::{fmt::Display, io::Write, net::IpAddr, ops::Range};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{FORWARDED, HOST},
};
use vestibule_vhost::HeaderChanges;

use super::{
    hearsay::retain_judged,
    inspect::is_token,
    told::{Node, Settled, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO},
};
use crate::{Caller, Refusal, Scheme, Trust};

const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// So many fields tell of a client.
#[cfg(any(test, feature = "fuzzing"))]
const OURS: usize = 5;

/// Room for the three values of an ordinary request.
const ROOM: usize = 160;

/// What is to be written behind the fields of a head: all that we say of a client of whom nobody else says anything, or
/// nothing.
#[derive(Debug)]
#[must_use = "a backend is to be told of the client"]
pub(crate) struct Behind<'a>(Option<&'a Caller<'a>>);

impl Behind<'_> {
    /// All is among the fields.
    pub(crate) fn nothing() -> Self {
        Self(None)
    }

    /// Writes the lines.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        let Some(caller) = self.0 else { return };
        let settled = Settled::default();
        let way = Way { host: caller.authority, scheme: caller.scheme };
        line(to, &X_FORWARDED_FOR, |to| write_for(to, &settled, caller));
        line(to, &FORWARDED, |to| write_forwarded(to, &settled, caller, &way));
        line(to, &X_REQUEST_ID, |to| to.extend_from_slice(&caller.request_id.digits()));
        line(to, &X_FORWARDED_PROTO, |to| to.extend_from_slice(caller.scheme.as_str().as_bytes()));
        line(to, &X_FORWARDED_HOST, |to| to.extend_from_slice(caller.authority.as_bytes()));
    }

    /// Puts what the lines say among the fields, where none of it may be yet: for who looks at fields.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn put_among(&self, headers: &mut HeaderMap) {
        let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
        self.write(&mut head);
        head.extend_from_slice(b"\r\n");
        let limits = vestibule_wire::Limits { head: head.len(), fields: OURS, target: 0 };
        let read = vestibule_wire::parse_response(&head, &limits, false, |name, value| {
            let name = HeaderName::from_bytes(name).expect("a token");
            let value = HeaderValue::from_bytes(value).expect("the value of a field");
            assert_eq!(headers.insert(name, value), None, "said twice");
        });
        assert!(read.is_ok(), "{head:?}");
    }
}

/// Sets `Host` and the forwarding headers; those that are not set are behind. Expects that identity headers of an untrusted
/// peer are gone.
pub(super) fn stamp<'a>(
    headers: &mut HeaderMap,
    caller: &'a Caller<'a>,
    changes: &HeaderChanges,
) -> Result<Behind<'a>, Refusal> {
    own_host(headers, caller)?;
    // A peer that is believed has said some of it, and what a site changes comes last.
    if caller.trust == Trust::Client && changes.request_remove.is_empty() && changes.request_set.is_empty() {
        return Ok(Behind(Some(caller)));
    }
    stamp_among(headers, caller)?;
    Ok(Behind::nothing())
}

/// The same as fields of the map.
fn stamp_among(headers: &mut HeaderMap, caller: &Caller<'_>) -> Result<(), Refusal> {
    let settled = Settled::read(headers, caller.trust);
    let scheme = settled.scheme.unwrap_or(caller.scheme);
    let shown = settled.host.as_deref().unwrap_or(caller.authority);
    let shown_value = HeaderValue::from_str(shown).map_err(|_| Refusal::BadHeader)?;
    let mut text = Vec::with_capacity(ROOM);
    write_for(&mut text, &settled, caller);
    let chain = 0..text.len();
    write_forwarded(&mut text, &settled, caller, &Way { host: shown, scheme });
    let forwarded = chain.end..text.len();
    text.extend_from_slice(&caller.request_id.digits());
    let id = forwarded.end..text.len();
    let client = settled.client();
    if caller.trust == Trust::Proxy {
        retain_judged(headers, client);
    }
    let text = Bytes::from(text);
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

/// `Host` as the caller says it, which then is a value that a field may have.
fn own_host(headers: &mut HeaderMap, caller: &Caller<'_>) -> Result<(), Refusal> {
    if headers.get(HOST).is_none_or(|host| host.as_bytes() != caller.authority.as_bytes()) {
        headers.insert(HOST, HeaderValue::from_str(caller.authority).map_err(|_| Refusal::BadHost)?);
    }
    Ok(())
}

fn line(to: &mut Vec<u8>, name: &HeaderName, value: impl FnOnce(&mut Vec<u8>)) {
    to.extend_from_slice(name.as_str().as_bytes());
    to.extend_from_slice(b": ");
    value(to);
    to.extend_from_slice(b"\r\n");
}

/// By which host and scheme the client came.
struct Way<'a> {
    host: &'a str,
    scheme: Scheme,
}

fn write_for(text: &mut Vec<u8>, settled: &Settled<'_>, caller: &Caller<'_>) {
    for node in settled.chain.iter().rev() {
        write(text, format_args!("{node}, "));
    }
    write_address(text, caller.client.ip());
}

/// RFC 7239 section 4: `for=192.0.2.60;host=a.test;proto=https`. The way stands with whom our peer saw, or with the
/// peer itself if it says of nobody.
fn write_forwarded(text: &mut Vec<u8>, settled: &Settled<'_>, caller: &Caller<'_>, way: &Way<'_>) {
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
}

/// IPv6 only in quotes and brackets (RFC 7239 section 6).
fn write_node(text: &mut Vec<u8>, node: Node<'_>) {
    text.extend_from_slice(b"for=");
    match node {
        Node::Address(IpAddr::V6(ip)) => write(text, format_args!("\"[{ip}]\"")),
        Node::Address(ip) => write_address(text, ip),
        node => write(text, node),
    }
}

/// The machinery of `fmt` costs more than all the rest of these fields.
fn write_address(text: &mut Vec<u8>, ip: IpAddr) {
    let IpAddr::V4(ip) = ip else { return write(text, ip) };
    let mut separator: &[u8] = b"";
    for octet in ip.octets() {
        text.extend_from_slice(separator);
        if octet >= 100 {
            text.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            text.push(b'0' + octet / 10 % 10);
        }
        text.push(b'0' + octet % 10);
        separator = b".";
    }
}

fn write_way(text: &mut Vec<u8>, way: &Way<'_>) {
    text.extend_from_slice(b";host=");
    if is_token(way.host.as_bytes()) {
        text.extend_from_slice(way.host.as_bytes());
    } else {
        text.push(b'"');
        text.extend_from_slice(way.host.as_bytes());
        text.push(b'"');
    }
    text.extend_from_slice(match way.scheme {
        Scheme::Http => b";proto=http",
        Scheme::Https => b";proto=https",
    });
}

fn write(text: &mut Vec<u8>, value: impl Display) {
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
            certificate: crate::ClientCertificate::NotAsked,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in before {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let mut among = headers.clone();
        stamp_among(&mut among, &caller).unwrap();
        stamp(&mut headers, &caller, &HeaderChanges::default()).unwrap().put_among(&mut headers);
        let names = ["host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-request-id"];
        let found: Vec<_> = names.iter().map(|name| headers[*name].to_str().unwrap()).collect();
        assert_eq!(found, expected);
        assert!(names.iter().all(|name| headers.get_all(*name).iter().count() == 1));
        // Behind the fields stands what else would stand among them.
        assert!(names.iter().skip(1).all(|name| headers[*name] == among[*name]));
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
