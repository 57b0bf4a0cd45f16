//! [`Told`]: what a trusted proxy says of the client, parsed once and judged. Nothing of it is passed on as it was
//! written; who writes it afresh is `forwarded`.
//!
//! - A chain of addresses is read from right to left, as it was appended, and ends at the first element that is not
//!   well-formed: what stands before that was there before anybody looked.
//! - Of a scheme or host that is said several times, the right-most is what our peer said itself.
//! - `X-Forwarded-For`, `-Proto` and `-Host` are one family, `Forwarded` is another. If anything of the first is there,
//!   it alone is believed: that is what deployed proxies set, and one that sets it mostly lets a `Forwarded` of its
//!   client through. A proxy that sets only `Forwarded` has to remove the others.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use http::{HeaderMap, HeaderName, header::FORWARDED};
use vestibule_names::Authority;

use super::inspect::is_token;
use crate::{Scheme, Trust};

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// No more of a chain is passed on; the nearest are kept.
const CHAIN_LIMIT: usize = 32;
/// No obfuscated identifier is longer.
const HIDDEN_LIMIT: usize = 64;

/// What the peer says of the client it forwards for, as the header law tells it to a backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Whom the peer saw: the right-most address of the chain. `None` if it says none, or hides it.
    pub client: Option<IpAddr>,
    /// How that client reached the peer.
    pub scheme: Option<Scheme>,
}

/// Reads the forwarding headers of a request. An untrusted peer tells nothing.
pub fn told(headers: &HeaderMap, trust: Trust) -> Told {
    let settled = Settled::read(headers, trust);
    Told { client: settled.client(), scheme: settled.scheme }
}

/// All that is believed.
#[derive(Debug, Default)]
pub(super) struct Settled<'a> {
    /// For whom, the nearest first.
    pub(super) chain: Vec<Node<'a>>,
    pub(super) scheme: Option<Scheme>,
    /// In normal form.
    pub(super) host: Option<String>,
}

/// One of a chain (RFC 7239 section 6). Its port is not kept: half of the readers of `X-Forwarded-For` expect none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node<'a> {
    Address(IpAddr),
    Unknown,
    /// An obfuscated identifier, with its underscore.
    Hidden(&'a str),
}

impl<'a> Settled<'a> {
    pub(super) fn read(headers: &'a HeaderMap, trust: Trust) -> Self {
        let extended = [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST];
        match trust {
            Trust::Client => Self::default(),
            Trust::Proxy if extended.iter().any(|name| headers.contains_key(name)) => Self::of_extended(headers),
            Trust::Proxy => Self::of_forwarded(headers),
        }
    }

    pub(super) fn client(&self) -> Option<IpAddr> {
        match self.chain.first() {
            Some(Node::Address(ip)) => Some(*ip),
            // What stands before was not seen by our peer.
            Some(Node::Unknown | Node::Hidden(_)) | None => None,
        }
    }

    fn of_extended(headers: &'a HeaderMap) -> Self {
        let last = |name: &HeaderName| from_the_right(headers, name).next();
        Self {
            chain: from_the_right(headers, &X_FORWARDED_FOR).map_while(Node::parse).take(CHAIN_LIMIT).collect(),
            scheme: last(&X_FORWARDED_PROTO).and_then(scheme),
            host: last(&X_FORWARDED_HOST).and_then(host),
        }
    }

    fn of_forwarded(headers: &'a HeaderMap) -> Self {
        let mut elements = from_the_right(headers, &FORWARDED).map_while(Element::parse).take(CHAIN_LIMIT).peekable();
        let nearest = elements.peek().copied().unwrap_or_default();
        Self {
            scheme: nearest.proto.and_then(scheme),
            host: nearest.host.and_then(host),
            // Who is left out is not known; to leave it out here would make the one before it the nearest.
            chain: elements.map(|element| element.node.unwrap_or(Node::Unknown)).collect(),
        }
    }
}

/// The elements of all lines of a field, the last first; the empty ones too, which are well-formed nowhere. To split at
/// each comma is right for `Forwarded` too: no value that is believed has a comma in quotes, and read so, a quote that
/// a client has left open cannot swallow what was appended behind it.
fn from_the_right<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().rev();
    let elements = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',').rev());
    elements.map(|element| str::from_utf8(element.trim_ascii()).unwrap_or_default())
}

fn scheme(text: &str) -> Option<Scheme> {
    [Scheme::Http, Scheme::Https].into_iter().find(|scheme| text.eq_ignore_ascii_case(scheme.as_str()))
}

fn host(text: &str) -> Option<String> {
    Authority::parse(text).ok().map(|authority| authority.to_string())
}

impl<'a> Node<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        if text.eq_ignore_ascii_case("unknown") {
            return Some(Self::Unknown);
        }
        if let Some(rest) = text.strip_prefix('_') {
            let is_hidden = (1..HIDDEN_LIMIT).contains(&rest.len())
                && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
            return is_hidden.then_some(Self::Hidden(text));
        }
        address(text).map(|ip| Self::Address(ip.to_canonical()))
    }
}

/// An address, alone or with a port.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(ip);
    }
    if let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    // An IPv6 address has no zone here: it would mean something to one machine only.
    text.parse::<SocketAddr>().ok().filter(|_| !text.contains('%')).map(|addr| addr.ip())
}

impl fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(ip) => write!(f, "{ip}"),
            Self::Unknown => f.write_str("unknown"),
            Self::Hidden(name) => f.write_str(name),
        }
    }
}

/// One element of `Forwarded` (RFC 7239 section 4), as far as it is used.
#[derive(Debug, Clone, Copy, Default)]
struct Element<'a> {
    node: Option<Node<'a>>,
    proto: Option<&'a str>,
    host: Option<&'a str>,
}

impl<'a> Element<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut element = Self::default();
        let mut pairs = text.split(';').map(str::trim_ascii).filter(|pair| !pair.is_empty()).peekable();
        pairs.peek()?;
        for pair in pairs {
            let (name, value) = pair.split_once('=')?;
            let value = unquote(value)?;
            let doubled = if name.eq_ignore_ascii_case("for") {
                element.node.replace(Node::parse(value)?).is_some()
            } else if name.eq_ignore_ascii_case("proto") {
                element.proto.replace(value).is_some()
            } else if name.eq_ignore_ascii_case("host") {
                element.host.replace(value).is_some()
            } else {
                !is_token(name.as_bytes())
            };
            if doubled {
                return None;
            }
        }
        Some(element)
    }
}

/// A token, or what is in quotes. No value that is believed needs a backslash, so there is none.
fn unquote(text: &str) -> Option<&str> {
    match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').filter(|inside| !inside.contains(['"', '\\'])),
        None => is_token(text.as_bytes()).then_some(text),
    }
}

#[cfg(test)]
mod tests;
