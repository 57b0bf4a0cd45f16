//! [`HostPattern`]: what a site file may list under `hosts`, and the key of claims.

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use crate::{Hostname, HostnameError};

/// What a site file may list under `hosts`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HostPattern {
    /// Exactly this name.
    Exact(Hostname),
    /// `*.suffix`: one label, then this suffix.
    Wildcard(Hostname),
    /// An IP literal: a site that answers for the bare address says so.
    Address(IpAddr),
}

impl HostPattern {
    /// Parses `blog.example.com`, `*.example.com`, `192.0.2.7`, `[2001:db8::7]` or `2001:db8::7`.
    ///
    /// Whether a tenant may hold `*.com` is not decided here.
    ///
    /// # Errors
    /// As [`Hostname::parse`], and for wildcards that are not the whole first label.
    pub fn parse(text: &str) -> Result<Self, HostnameError> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Address(address.to_canonical()));
        }
        if let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address = inside.parse::<std::net::Ipv6Addr>().map_err(|_| HostnameError::BadIpv6)?;
            return Ok(Self::Address(address.to_canonical()));
        }
        if text == "*" || text == "*." {
            return Err(HostnameError::WildcardAlone);
        }
        match text.strip_prefix("*.") {
            Some(suffix) => Hostname::parse(suffix).map(Self::Wildcard),
            None => Hostname::parse(text).map(Self::Exact),
        }
        .map_err(|error| match error {
            HostnameError::WildcardHere => HostnameError::WildcardPlace,
            HostnameError::Port { name, port } if text.starts_with("*.") => {
                HostnameError::Port { name: format!("*.{name}"), port }
            }
            other => other,
        })
    }

    /// Would this pattern match that host (in normal form, see [`crate::HostRef::key`])?
    pub fn matches(&self, host_key: &str) -> bool {
        match self {
            Self::Exact(name) => name.as_str() == host_key,
            Self::Wildcard(suffix) => {
                host_key.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == suffix.as_str())
            }
            Self::Address(address) => host_key.parse() == Ok(*address),
        }
    }

    /// The name itself, or the name below which the wildcard stands; `None` for an address.
    pub fn base(&self) -> Option<&Hostname> {
        match self {
            Self::Exact(name) | Self::Wildcard(name) => Some(name),
            Self::Address(_) => None,
        }
    }

    /// As it is displayed; of an exact name the text that is kept anyway, shared.
    pub fn text(&self) -> Arc<str> {
        match self {
            Self::Exact(name) => name.shared(),
            Self::Wildcard(_) | Self::Address(_) => self.to_string().into(),
        }
    }

    /// As an entry of an allow list, where a wildcard stands for every name below it, however deep: does it allow this
    /// pattern? `*.a.test` allows `x.a.test`, `y.x.a.test`, `*.a.test` and `*.x.a.test`, but not `a.test`.
    pub fn allows(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Wildcard(zone), Self::Wildcard(name)) => name.is_within(zone),
            (Self::Wildcard(zone), Self::Exact(name)) => name != zone && name.is_within(zone),
            _ => self == other,
        }
    }

    /// True when no public CA would certify what this pattern stands for: [`Hostname::is_private`], below a wildcard only
    /// by suffix (`*.com` is not private), and addresses that are not routed on the Internet.
    pub fn is_private(&self) -> bool {
        match self {
            Self::Exact(name) => name.is_private(),
            Self::Wildcard(suffix) => suffix.has_private_suffix(),
            Self::Address(address) => !is_routed(*address),
        }
    }
}

/// The large blocks of the IANA special-purpose registries (RFC 6890) that a host of one's own may have.
fn is_routed(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]); // RFC 6598
            let local = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified();
            !(shared || local || v4.is_documentation() || v4.is_broadcast() || v4.is_multicast())
        }
        IpAddr::V6(v6) => {
            let documentation = v6.segments()[..2] == [0x2001, 0x0db8]; // RFC 3849
            let local = v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local();
            !(documentation || local || v6.is_multicast())
        }
    }
}

impl FromStr for HostPattern {
    type Err = HostnameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// `blog.example.com`, `*.example.com`, `192.0.2.7`, `2001:db8::7`: also the key of claims.
impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(f),
            Self::Wildcard(suffix) => f.pad(&format!("*.{suffix}")),
            Self::Address(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HostnameError as E, *};

    #[test]
    fn patterns_round_trip_in_their_normal_form() {
        for (input, expected) in [
            ("Blog.Example.com.", "blog.example.com"),
            ("*.Bücher.example", "*.xn--bcher-kva.example"),
            ("*.com", "*.com"),
            ("*.localhost", "*.localhost"),
            ("192.0.2.7", "192.0.2.7"),
            ("[2001:DB8:0::7]", "2001:db8::7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[::ffff:192.0.2.7]", "192.0.2.7"),
        ] {
            let pattern = HostPattern::parse(input).unwrap();
            assert_eq!(pattern.to_string(), expected, "{input}");
            assert_eq!(expected.parse(), Ok(pattern), "{input}");
        }
    }

    #[test]
    fn other_wildcards_and_brackets_are_refused() {
        for (input, expected) in [
            ("*", E::WildcardAlone),
            ("*.", E::WildcardAlone),
            ("*.*.example.com", E::WildcardPlace),
            ("a.*.example.com", E::WildcardPlace),
            ("*a.example.com", E::WildcardPlace),
            ("**.example.com", E::WildcardPlace),
            ("*.192.0.2.7", E::Address([192, 0, 2, 7].into())),
            ("*.7", E::NumericEnd),
            ("[192.0.2.7]", E::BadIpv6),
            ("[fe80::1%eth0]", E::BadIpv6),
            ("*.a.test:8443", E::Port { name: "*.a.test".into(), port: "8443".into() }),
        ] {
            assert_eq!(HostPattern::parse(input), Err(expected), "{input}");
        }
    }

    #[test]
    fn a_wildcard_matches_exactly_one_label() {
        for (pattern, host, expected) in [
            ("a.test", "a.test", true),
            ("a.test", "b.a.test", false),
            ("*.a.test", "b.a.test", true),
            ("*.a.test", "a.test", false),
            ("*.a.test", ".a.test", false),
            ("*.a.test", "c.b.a.test", false),
            ("*.a.test", "ba.test", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("[2001:db8::7]", "2001:db8::7", true),
        ] {
            assert_eq!(HostPattern::parse(pattern).unwrap().matches(host), expected, "{pattern} {host}");
        }
    }

    #[test]
    fn an_allow_list_goes_deep_and_leaves_the_name_itself_out() {
        for (entry, pattern, expected) in [
            ("a.test", "a.test", true),
            ("a.test", "x.a.test", false),
            ("a.test", "*.a.test", false),
            ("*.a.test", "a.test", false),
            ("*.a.test", "x.a.test", true),
            ("*.a.test", "y.x.a.test", true),
            ("*.a.test", "*.a.test", true),
            ("*.a.test", "*.x.a.test", true),
            ("*.a.test", "xa.test", false),
            ("*.x.a.test", "*.a.test", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("*.a.test", "192.0.2.7", false),
        ] {
            let [entry, pattern] = [entry, pattern].map(|text| HostPattern::parse(text).unwrap());
            assert_eq!(entry.allows(&pattern), expected, "{entry} {pattern}");
        }
    }

    #[test]
    fn the_text_of_an_exact_name_is_not_copied() {
        for text in ["a.test", "*.a.test", "192.0.2.7", "2001:db8::7"] {
            let pattern = HostPattern::parse(text).unwrap();
            assert_eq!(&*pattern.text(), text);
            assert_eq!(
                Arc::ptr_eq(&pattern.text(), &pattern.text()),
                matches!(pattern, HostPattern::Exact(_)),
                "{text}"
            );
        }
    }

    #[test]
    fn privacy_of_a_pattern() {
        for (pattern, expected) in [
            ("a.test", true),
            ("*.localhost", true),
            ("*.com", false),
            ("*.example.com", false),
            ("192.168.1.1", true),
            ("100.64.0.1", true),
            ("9.9.9.9", false),
            ("::1", true),
            ("2620:fe::fe", false),
        ] {
            assert_eq!(HostPattern::parse(pattern).unwrap().is_private(), expected, "{pattern}");
        }
    }
}
