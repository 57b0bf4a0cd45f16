//! Whose address an address is: [`ListenAddr`], [`ClientAddr`], [`ClientNetwork`]. Backends are in [`crate::upstream`].

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use crate::HostnameError;

/// An address the gateway binds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ListenAddr(pub SocketAddr);

/// The address of a client: v4-mapped IPv6 is brought to IPv4 first, so that one client has one address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ClientAddr(SocketAddr);

/// A network such as `10.0.0.0/8`, as `trusted_proxies` lists it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ClientNetwork {
    base: IpAddr,
    prefix_len: u8,
}

/// Why a text is no address, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Nothing was written.
    #[error("the address is empty: write one such as 127.0.0.1:5000")]
    Empty,
    /// `127.0.0.1`, `localhost`.
    #[error("the port is missing: write `{0}:` and the port")]
    MissingPort(String),
    /// Not a number, or out of range.
    #[error("{0:?} is no port: write a decimal number of at most 65535")]
    BadPort(String),
    /// Port 0 is "any free port" to who listens, and nothing to who connects.
    #[error("port 0 cannot be connected to: write the port that the backend listens on")]
    PortZero,
    /// `::1:5000`.
    #[error("an IPv6 address with a port needs brackets: write it as in [::1]:5000")]
    BracketIpv6,
    /// `[…]` around something else.
    #[error("{0:?} is no IPv6 address: write it as in [2001:db8::7]:443, without a zone")]
    BadIpv6(String),
    /// A name where a socket is to be bound, or a network to be matched.
    #[error("{0:?} is no IP address: write numbers, such as 127.0.0.1")]
    NameNotPossible(String),
    /// `10.0.0.0/33`.
    #[error("{0:?} is no prefix length: write 0 to {1}")]
    BadPrefix(String, u8),
    /// `10.0.0.1/8`: probably a mistake, certainly ambiguous to a reader.
    #[error("there are bits set behind the prefix: write {0}")]
    HostBits(ClientNetwork),
    /// `ws://`, `fcgi://`, `h2c://` …
    #[error("the scheme {0:?} is not known here: write http://, https:// or unix:/ and the path of a socket")]
    UnknownScheme(String),
    /// `http://127.0.0.1:5000/app`.
    #[error("an upstream has no path or query: leave away everything from the {0:?} on")]
    Path(char),
    /// `http://user:secret@host`.
    #[error("an upstream has no user name: leave away everything up to the `@`")]
    UserInfo,
    /// `0.0.0.0:5000`, `[::]:5000`.
    #[error("{0} is an address to listen on, not to connect to: write {1}")]
    Unspecified(IpAddr, SocketAddr),
    /// `unix:run/blog.sock`.
    #[error("the path of a Unix socket is absolute: write it as in unix:/run/blog.sock")]
    RelativeSocket,
    /// Beyond what `sockaddr_un` holds.
    #[error("the path of the Unix socket is too long: the kernel allows {limit} bytes", limit = crate::upstream::SOCKET_PATH_LIMIT)]
    SocketPathTooLong,
    /// NUL, a control character, or a path that ends in a slash.
    #[error("the path of the Unix socket names no file: write it as in unix:/run/blog.sock")]
    BadSocketPath,
    /// The host is no name.
    #[error(transparent)]
    Name(#[from] HostnameError),
}

impl ListenAddr {
    /// Parses `127.0.0.1:8080`, `[::]:443`, `:443` (all addresses, IPv6 dual stack) or `443`. Port 0 is "any free port".
    ///
    /// # Errors
    /// For names: what a name means may change while the gateway runs, so a listener has an address.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.parse::<IpAddr>().is_ok() {
            let bare = if text.contains(':') { format!("[{text}]") } else { text.to_owned() };
            return Err(AddressError::MissingPort(bare));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return match parse_port(text) {
                Ok(port) => Ok(Self::everywhere(port)),
                Err(_) if text.bytes().all(|byte| byte.is_ascii_digit()) => Err(AddressError::BadPort(text.to_owned())),
                Err(_) => Err(AddressError::MissingPort(text.to_owned())),
            };
        };
        if host.starts_with('[') && text.ends_with(']') {
            return Err(AddressError::MissingPort(text.to_owned()));
        }
        let port = parse_port(port)?;
        if host.is_empty() { Ok(Self::everywhere(port)) } else { Ok(Self(SocketAddr::new(parse_ip(host)?, port))) }
    }

    fn everywhere(port: u16) -> Self {
        Self(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port))
    }
}

impl FromStr for ListenAddr {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ClientAddr {
    /// From what the kernel says of the connection.
    pub fn new(addr: SocketAddr) -> Self {
        Self(SocketAddr::new(addr.ip().to_canonical(), addr.port()))
    }
    /// The address.
    pub fn ip(&self) -> IpAddr {
        self.0.ip()
    }
    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port()
    }
}
impl fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ClientNetwork {
    /// Parses `10.0.0.0/8`, `2001:db8::/32` or one address. IPv4-mapped networks are brought to IPv4.
    ///
    /// # Errors
    /// For names, prefixes out of range and bits behind the prefix.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let base: IpAddr = address.parse().map_err(|_| AddressError::NameNotPossible(address.to_owned()))?;
        let width = width(base);
        let prefix_len = match prefix {
            None => width,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|length| *length <= width && digits.bytes().all(|byte| byte.is_ascii_digit()))
                .ok_or_else(|| AddressError::BadPrefix(digits.to_owned(), width))?,
        };
        let network = match (base, base.to_canonical()) {
            (IpAddr::V6(_), IpAddr::V4(v4)) if prefix_len >= MAPPED_PREFIX => {
                Self { base: v4.into(), prefix_len: prefix_len - MAPPED_PREFIX }
            }
            _ => Self { base, prefix_len },
        };
        let masked = Self { base: mask(network.base, network.prefix_len), ..network };
        if masked == network { Ok(network) } else { Err(AddressError::HostBits(masked)) }
    }

    /// Is that address inside? IPv4-mapped addresses count as IPv4.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_ipv4() == self.base.is_ipv4() && mask(ip, self.prefix_len) == self.base
    }

    /// Is it one address?
    pub fn is_single(&self) -> bool {
        self.prefix_len == width(self.base)
    }

    /// Is all of it this machine's loopback?
    pub fn is_loopback(&self) -> bool {
        self.base.is_loopback() // nothing shorter than 127.0.0.0/8 begins there: bits behind the prefix are refused
    }
}

impl FromStr for ClientNetwork {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
/// `10.0.0.0/8`; a single address without its prefix length.
impl fmt::Display for ClientNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.base.fmt(f)?;
        if self.prefix_len == width(self.base) { Ok(()) } else { write!(f, "/{}", self.prefix_len) }
    }
}

/// `::ffff:0:0/96` (RFC 4291 section 2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

fn width(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn mask(ip: IpAddr, prefix_len: u8) -> IpAddr {
    let prefix_len = u32::from(prefix_len);
    match ip {
        IpAddr::V4(v4) => {
            Ipv4Addr::from_bits(v4.to_bits() & u32::MAX.checked_shl(32 - prefix_len).unwrap_or_default()).into()
        }
        IpAddr::V6(v6) => {
            Ipv6Addr::from_bits(v6.to_bits() & u128::MAX.checked_shl(128 - prefix_len).unwrap_or_default()).into()
        }
    }
}

/// What follows a scheme, which may be written in any case (RFC 3986 section 3.1).
pub(crate) fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (front, rest) = text.split_at_checked(prefix.len())?;
    front.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// An address in front of a port: IPv4, or IPv6 in brackets.
pub(crate) fn parse_ip(host: &str) -> Result<IpAddr, AddressError> {
    if let Some(rest) = host.strip_prefix('[') {
        let inside = rest.strip_suffix(']').unwrap_or(rest);
        let v6 = inside.parse::<Ipv6Addr>().ok().filter(|_| host.ends_with(']'));
        return v6.map(|v6| v6.to_canonical()).ok_or_else(|| AddressError::BadIpv6(host.to_owned()));
    }
    if host.contains(':') {
        return Err(AddressError::BracketIpv6);
    }
    host.parse::<Ipv4Addr>().map(IpAddr::V4).map_err(|_| AddressError::NameNotPossible(host.to_owned()))
}

/// `u16::from_str` alone would take `+80`.
pub(crate) fn parse_port(text: &str) -> Result<u16, AddressError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| AddressError::BadPort(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{AddressError as E, *};

    fn listen(input: &str) -> Result<String, E> {
        let parsed = ListenAddr::parse(input)?;
        assert_eq!(parsed.to_string().parse(), Ok(parsed), "{input}");
        Ok(parsed.to_string())
    }

    #[test]
    fn listeners() {
        for (input, expected) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::]:443", "[::]:443"),
            ("[::1]:0", "[::1]:0"),
            (":443", "[::]:443"),
            ("443", "[::]:443"),
            ("0.0.0.0:80", "0.0.0.0:80"),
        ] {
            assert_eq!(listen(input).as_deref(), Ok(expected), "{input}");
        }
        for (input, expected) in [
            ("", E::Empty),
            ("127.0.0.1", E::MissingPort("127.0.0.1".into())),
            ("::1", E::MissingPort("[::1]".into())),
            ("[::1]", E::MissingPort("[::1]".into())),
            ("localhost", E::MissingPort("localhost".into())),
            ("localhost:80", E::NameNotPossible("localhost".into())),
            ("*:80", E::NameNotPossible("*".into())),
            ("70000", E::BadPort("70000".into())),
            (":", E::BadPort(String::new())),
            ("127.0.0.1:+80", E::BadPort("+80".into())),
            ("fe80:::80", E::BracketIpv6),
            ("[::1%lo]:80", E::BadIpv6("[::1%lo]".into())),
            ("127.1:80", E::NameNotPossible("127.1".into())),
        ] {
            assert_eq!(listen(input), Err(expected), "{input}");
        }
    }

    #[test]
    fn one_client_has_one_address() {
        let client = ClientAddr::new("[::ffff:192.0.2.7]:1234".parse().unwrap());
        assert_eq!(client.to_string(), "192.0.2.7:1234");
        assert_eq!((client.ip(), client.port()), (IpAddr::from([192, 0, 2, 7]), 1234));
    }

    #[test]
    fn networks() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.0.0.0/8", "::ffff:10.0.0.1", "::10.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "9.9.9.9", "::1"),
            ("::/0", "::1", "9.9.9.9"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("fd00::/9", "fd7f::1", "fd80::1"),
        ] {
            let parsed = ClientNetwork::parse(network).unwrap();
            assert_eq!(parsed.to_string(), network);
            assert!(parsed.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!parsed.contains(outside.parse().unwrap()), "{network} {outside}");
        }
        assert_eq!(ClientNetwork::parse("::ffff:10.0.0.0/104").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(
            ClientNetwork::parse("10.0.0.1/8").unwrap_err().to_string(),
            "there are bits set behind the prefix: write 10.0.0.0/8"
        );
        for (input, expected) in [
            ("", E::Empty),
            ("10.0.0.0/33", E::BadPrefix("33".into(), 32)),
            ("10.0.0.0/+8", E::BadPrefix("+8".into(), 32)),
            ("10.0.0.0/", E::BadPrefix(String::new(), 32)),
            ("::/129", E::BadPrefix("129".into(), 128)),
            ("localhost", E::NameNotPossible("localhost".into())),
        ] {
            assert_eq!(ClientNetwork::parse(input), Err(expected), "{input}");
        }
    }
}
