//! [`Handshake`]: the one upgrade that is forwarded (RFC 6455), recognised strictly and confirmed before a byte flows.
//!
//! Everything else that asks for `Upgrade` stays HTTP: the field is removed like every hop-by-hop field. Extended
//! CONNECT (RFC 8441) is not offered.

use aws_lc_rs::digest;
use http::{
    HeaderMap, HeaderValue, Method, Request, Version,
    header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
};
use http_body::Body;

use super::names::elements;
use crate::upload::Length;

/// RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// 16 octets in base64.
const KEY_LEN: usize = 24;
/// 20 octets in base64.
const ACCEPT_LEN: usize = 28;

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADE_OPTION: HeaderValue = HeaderValue::from_static("upgrade");

/// A well-formed opening handshake that waits for its confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handshake {
    accept: [u8; ACCEPT_LEN],
}

impl Handshake {
    /// What a request asks for: `None` unless every part of the opening handshake is there, once, and right
    /// (RFC 6455 section 4.2.1).
    pub(crate) fn read(method: &Method, version: Version, headers: &HeaderMap) -> Option<Self> {
        key(method, version, headers).map(|key| Self { accept: accept_key(key.as_bytes()) })
    }

    /// Puts the two hop-by-hop fields back on a message.
    pub(super) fn write(headers: &mut HeaderMap) {
        headers.insert(CONNECTION, UPGRADE_OPTION);
        headers.insert(UPGRADE, WEBSOCKET);
    }

    /// Does a 101 confirm this handshake (RFC 6455 section 4.1)?
    pub(super) fn is_confirmed_by(&self, headers: &HeaderMap) -> bool {
        names_websocket(headers)
            && has_option(headers)
            && only(headers, &SEC_WEBSOCKET_ACCEPT).is_some_and(|accept| accept.as_bytes() == self.accept)
    }
}

/// Does a message say exactly `Upgrade: websocket`?
pub(super) fn names_websocket(headers: &HeaderMap) -> bool {
    only(headers, &UPGRADE).is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Will the request be forwarded as a WebSocket handshake, if it is forwarded at all? Only then can it become a
/// tunnel. To be asked with the body as it came, before anything of it is read.
pub fn asks_for_websocket<B: Body>(request: &Request<B>) -> bool {
    key(request.method(), request.version(), request.headers()).is_some() && Length::of(request.body()) == Length::None
}

/// The key of a complete opening handshake.
fn key<'a>(method: &Method, version: Version, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
    // The common case first: one look-up for a request that asks for nothing.
    let upgrade = only(headers, &UPGRADE)?;
    let asks = upgrade.as_bytes().eq_ignore_ascii_case(b"websocket")
        && method == Method::GET
        && version == Version::HTTP_11
        && has_option(headers)
        && only(headers, &SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    only(headers, &SEC_WEBSOCKET_KEY).filter(|key| asks && is_key(key.as_bytes()))
}

fn only<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

fn has_option(headers: &HeaderMap) -> bool {
    headers.get_all(CONNECTION).iter().flat_map(elements).any(|option| option.eq_ignore_ascii_case(b"upgrade"))
}

/// 22 digits that stand for 16 octets, and their padding. The last digit carries four bits that nobody reads.
fn is_key(key: &[u8]) -> bool {
    key.len() == KEY_LEN
        && key.ends_with(b"==")
        && key[..KEY_LEN - 2].iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte))
}

fn accept_key(key: &[u8]) -> [u8; ACCEPT_LEN] {
    // SHA-1 is no matter of security here: the protocol wants it (RFC 6455 section 10.8).
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key);
    hash.update(GUID);
    let digest = hash.finish();
    let mut text = [b'='; ACCEPT_LEN];
    for (octets, digits) in digest.as_ref().chunks(3).zip(text.chunks_mut(4)) {
        encode(octets, digits);
    }
    text
}

/// Up to three octets as base64 (RFC 4648 section 4); padding is left as it is.
fn encode(octets: &[u8], digits: &mut [u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = octets.iter().fold(0_u32, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - octets.len()));
    for (index, digit) in digits.iter_mut().take(octets.len() + 1).enumerate() {
        *digit = ALPHABET[(bits >> (18 - 6 * index)) as usize & 63];
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{Empty, Full};

    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    #[test]
    fn the_accept_key_is_that_of_rfc_6455() {
        assert_eq!(accept_key(KEY.as_bytes()), *ACCEPT.as_bytes());
    }

    fn read(method: &str, version: Version, fields: &[(&str, &str)]) -> Option<Handshake> {
        let mut builder = Request::builder().method(method).version(version);
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        let request = builder.body(Empty::<Bytes>::new()).unwrap();
        let handshake = Handshake::read(request.method(), request.version(), request.headers());
        assert_eq!(asks_for_websocket(&request), handshake.is_some());
        let (head, _) = request.into_parts();
        assert!(!asks_for_websocket(&Request::from_parts(head, Full::new(Bytes::from_static(b"body")))));
        handshake
    }

    #[test]
    fn only_the_whole_handshake_counts() {
        let right = [
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-key", KEY),
            ("sec-websocket-version", "13"),
        ];
        assert!(read("GET", Version::HTTP_11, &right).is_some());
        assert!(read("POST", Version::HTTP_11, &right).is_none());
        assert!(read("GET", Version::HTTP_10, &right).is_none());
        for left_out in 0..right.len() {
            let mut fields = right.to_vec();
            fields.remove(left_out);
            assert!(read("GET", Version::HTTP_11, &fields).is_none(), "without {:?}", right[left_out]);
        }
        for (name, value) in [
            ("upgrade", "h2c"),
            ("upgrade", "websocket, h2c"),
            ("connection", "close"),
            ("sec-websocket-key", "short=="),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZ!=="),
            ("sec-websocket-version", "8"),
        ] {
            let mut fields = right.to_vec();
            fields.retain(|field| field.0 != name);
            fields.push((name, value));
            assert!(read("GET", Version::HTTP_11, &fields).is_none(), "{name}: {value}");
            // Beside the right one it is no better.
            if name != "connection" {
                fields.push(right.into_iter().find(|field| field.0 == name).unwrap());
                assert!(read("GET", Version::HTTP_11, &fields).is_none(), "two {name}");
            }
        }
    }

    #[test]
    fn a_confirmation_is_complete_and_carries_the_right_key() {
        let handshake = Handshake { accept: accept_key(KEY.as_bytes()) };
        let check = |upgrade: &'static str, connection: &'static str, accept: &'static str, expected: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(UPGRADE, HeaderValue::from_static(upgrade));
            headers.insert(CONNECTION, HeaderValue::from_static(connection));
            headers.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(handshake.is_confirmed_by(&headers), expected, "{upgrade} {connection} {accept}");
        };
        check("websocket", "Upgrade", ACCEPT, true);
        check("h2c", "Upgrade", ACCEPT, false);
        check("websocket", "close", ACCEPT, false);
        check("websocket", "Upgrade", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=", false);
        check("websocket", "Upgrade", "", false);
        assert!(!handshake.is_confirmed_by(&HeaderMap::new()));
    }
}
