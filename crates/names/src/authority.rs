//! [`Authority`]: the host (and port) that a client asked for, read once for `Host`, `:authority`, absolute-form and SNI.
//!
//! This is on the path of every request: one scan over the bytes, no allocation for text in normal form. There is no IDN
//! here: clients send A-labels, and a host that is not ASCII is refused.

use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::hostname::{LABEL_LIMIT, NAME_LIMIT, ends_in_number};

/// `host[:port]` as RFC 3986 section 3.2 allows it to HTTP: no userinfo, a port of 0 to 65535 if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority<'a> {
    /// Who is asked for.
    pub host: HostRef<'a>,
    /// The port, when one was written.
    pub port: Option<u16>,
}

/// A host in normal form; borrowed when the text already was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostRef<'a> {
    /// A name in the normal form of [`crate::Hostname`]; unlike there, labels may have underscores, begin or end with a
    /// hyphen, and `xn--` labels are not decoded: such names only fail to match.
    Name(Cow<'a, str>),
    /// An IP literal; IPv4-mapped IPv6 is brought to IPv4.
    Address(IpAddr),
}

/// Why a text is no authority. Always the client's fault (400).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// Nothing was written, or nothing before the port.
    #[error("the host is empty: send the name of the site")]
    Empty,
    /// `user@host` (RFC 9110 section 4.2.4).
    #[error("the host has user information: leave away everything up to the `@`")]
    UserInfo,
    /// `host:`, `host:abc`, `host:-1`, `host:99999`, `host:000080`.
    #[error("the port is not a decimal number of 0 to 65535: write it in at most five digits, or leave the colon away")]
    BadPort,
    /// Brackets around anything but an IPv6 address, or nothing but a port after them.
    #[error("the brackets hold no IPv6 address: write it as in [2001:db8::7]:443, without a zone")]
    BadIpv6,
    /// `2130706433`, `0x7f.1`, `127.1`, `127.0.0.01`: readers disagree on what these mean.
    #[error("the host ends in a number but is no IPv4 address: write four decimal numbers without leading zeros")]
    NumericEnd,
    /// Two dots in a row, or one at the front.
    #[error("the host has an empty label: write exactly one dot between labels")]
    EmptyLabel,
    /// A label beyond [`LABEL_LIMIT`].
    #[error("a label of the host is longer than {LABEL_LIMIT} characters: no DNS name has such labels")]
    LabelTooLong,
    /// A name beyond [`NAME_LIMIT`].
    #[error("the host is longer than {NAME_LIMIT} characters: no DNS name is that long")]
    TooLong,
    /// A blank, a control character, or punctuation.
    #[error("the host has the byte {0:#04x}: letters, digits, hyphens, underscores and dots are possible")]
    Forbidden(u8),
    /// An IDN that was not encoded.
    #[error("the host is not ASCII: send international names in their xn-- form")]
    NonAscii,
    /// RFC 6066 section 3 forbids literal addresses as server name.
    #[error("the server name is an IP address: send no server name, or a DNS name")]
    AddressAsServerName,
}

impl<'a> Authority<'a> {
    /// Parses without allocating when the text is in normal form already. Underscores inside labels are accepted here
    /// (they only fail to match any exact name). A trailing dot of a name is dropped.
    ///
    /// # Errors
    /// The first reason found from left to right.
    pub fn parse(text: &'a str) -> Result<Self, AuthorityError> {
        if let Some(rest) = text.strip_prefix('[') {
            let (inside, after) = rest.split_once(']').ok_or(AuthorityError::BadIpv6)?;
            let address = inside.parse::<Ipv6Addr>().map_err(|_| AuthorityError::BadIpv6)?.to_canonical();
            let port = match after.strip_prefix(':') {
                Some(port) => Some(parse_port(port)?),
                None if after.is_empty() => None,
                None => return Err(AuthorityError::BadIpv6),
            };
            return Ok(Self { host: HostRef::Address(address), port });
        }
        let (host, port) = match text.bytes().position(|byte| byte == b':') {
            // The order matters for the message only: `user:secret@host` is about the user, not the port.
            Some(_) if text.contains('@') => return Err(AuthorityError::UserInfo),
            Some(colon) => (&text[..colon], Some(parse_port(&text[colon + 1..])?)),
            None => (text, None),
        };
        Ok(Self { host: parse_host(host)?, port })
    }

    /// The one way to write it, which is what others are told: the host in normal form, an IPv6 address in brackets, the port
    /// as a number if one was written. `text` is what this was parsed from, and comes back when it is that already.
    pub fn normal_form(&self, text: &'a str) -> Cow<'a, str> {
        let is_normal = match &self.host {
            HostRef::Name(Cow::Borrowed(name)) => match &text.as_bytes()[name.len()..] {
                [] | [b':', b'0'] | [b':', b'1'..=b'9', ..] => true,
                // A trailing dot, or a zero in front of the port.
                _ => false,
            },
            HostRef::Name(Cow::Owned(_)) | HostRef::Address(_) => false,
        };
        if is_normal { Cow::Borrowed(text) } else { Cow::Owned(self.to_string()) }
    }
}

/// As [`Authority::normal_form`].
impl fmt::Display for Authority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HostRef::Name(name) => f.write_str(name)?,
            HostRef::Address(IpAddr::V4(v4)) => v4.fmt(f)?,
            HostRef::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl<'a> HostRef<'a> {
    /// Parses a host without a port, as SNI carries it (RFC 6066 section 3: a DNS name, never an address). A trailing dot,
    /// which that section forbids but some clients send, is dropped.
    ///
    /// # Errors
    /// As [`Authority::parse`], and for addresses.
    pub fn parse_sni(text: &'a str) -> Result<Self, AuthorityError> {
        match parse_host(text) {
            Ok(Self::Address(_)) => Err(AuthorityError::AddressAsServerName),
            Err(AuthorityError::Forbidden(b':' | b'[')) if is_ipv6(text) => Err(AuthorityError::AddressAsServerName),
            other => other,
        }
    }

    /// The key under which the vhost table knows this host: the name, or the canonical text of the address.
    pub fn key(&self) -> Cow<'_, str> {
        match self {
            Self::Name(name) => Cow::Borrowed(name),
            Self::Address(address) => Cow::Owned(address.to_string()),
        }
    }
}

fn is_ipv6(text: &str) -> bool {
    text.trim_start_matches('[').trim_end_matches(']').parse::<Ipv6Addr>().is_ok()
}

/// RFC 3986 section 3.2.3 allows an empty port and any number of zeros; recipients differ on both, so neither passes.
fn parse_port(text: &str) -> Result<u16, AuthorityError> {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().map_err(|_| AuthorityError::BadPort) } else { Err(AuthorityError::BadPort) }
}

/// A name or an IPv4 address, in one scan.
fn parse_host(text: &str) -> Result<HostRef<'_>, AuthorityError> {
    let mut label_start = 0;
    let mut case = Case::Lower;
    for (at, &byte) in text.as_bytes().iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => {}
            b'A'..=b'Z' => case = Case::Mixed,
            b'.' => {
                check_label(at - label_start)?;
                label_start = at + 1;
            }
            b'@' => return Err(AuthorityError::UserInfo),
            0x80.. => return Err(AuthorityError::NonAscii),
            _ => return Err(AuthorityError::Forbidden(byte)),
        }
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() == text.len() {
        if text.is_empty() {
            return Err(AuthorityError::Empty);
        }
        check_label(text.len() - label_start)?;
    }
    if name.len() > NAME_LIMIT {
        return Err(AuthorityError::TooLong);
    }
    if ends_in_number(name) {
        // Not `name`: an address with a trailing dot is one more spelling that readers disagree on.
        return text.parse::<Ipv4Addr>().map(|v4| HostRef::Address(v4.into())).map_err(|_| AuthorityError::NumericEnd);
    }
    Ok(HostRef::Name(match case {
        Case::Lower => Cow::Borrowed(name),
        Case::Mixed => Cow::Owned(name.to_ascii_lowercase()),
    }))
}

enum Case {
    Lower,
    Mixed,
}

fn check_label(length: usize) -> Result<(), AuthorityError> {
    match length {
        0 => Err(AuthorityError::EmptyLabel),
        1..=LABEL_LIMIT => Ok(()),
        _ => Err(AuthorityError::LabelTooLong),
    }
}

#[cfg(test)]
mod tests;
