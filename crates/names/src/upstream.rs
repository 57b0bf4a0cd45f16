//! [`UpstreamAddr`]: where a backend listens and how it is spoken to. Nothing is resolved or dialled here.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    str::FromStr,
    sync::Arc,
};

use crate::{
    AddressError, Hostname,
    address::{parse_ip, parse_port, strip_prefix_ignoring_case},
    hostname::ends_in_number,
};

/// How a backend is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum UpstreamScheme {
    /// Clear HTTP/1.1.
    Http,
    /// HTTP/1.1 over TLS.
    Https,
}

/// Where a backend listens.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum UpstreamTarget {
    /// An IP address and port.
    Address(SocketAddr),
    /// A name, resolved when it is dialled.
    Name(Hostname, u16),
    /// A Unix socket; the path is absolute.
    Unix(Arc<Path>),
}

/// A backend: scheme and target.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct UpstreamAddr {
    /// How it is spoken to.
    pub scheme: UpstreamScheme,
    /// Where it listens.
    pub target: UpstreamTarget,
}

/// What `sun_path` holds on Linux, less the NUL at its end.
pub(crate) const SOCKET_PATH_LIMIT: usize = 107;

impl UpstreamScheme {
    /// The port when none is written (RFC 9110 section 4.2.1 and 4.2.2).
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl UpstreamAddr {
    /// Parses `5000` (loopback), `127.0.0.1:5000`, `[::1]:5000`, `localhost:5000`, `http://…`, `https://…` (default
    /// ports 80 and 443; a path other than `/`, a query or userinfo is refused) or `unix:/run/blog.sock`.
    ///
    /// # Errors
    /// Also for what parses but can never be meant: port 0, `0.0.0.0`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if let Some(path) = strip_prefix_ignoring_case(text, "unix:") {
            return parse_socket_path(path);
        }
        let (scheme, authority) = match text.split_once("://") {
            None => (None, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Some(UpstreamScheme::Http), rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Some(UpstreamScheme::Https), rest),
            Some((scheme, _)) => return Err(AddressError::UnknownScheme(scheme.to_owned())),
        };
        let authority = match scheme {
            Some(_) => authority.strip_suffix('/').unwrap_or(authority),
            None => authority,
        };
        if let Some(found) = authority.chars().find(|c| matches!(c, '/' | '?' | '#')) {
            return Err(AddressError::Path(found));
        }
        if authority.contains('@') {
            return Err(AddressError::UserInfo);
        }
        let target = parse_target(authority, scheme.map(UpstreamScheme::default_port))?;
        Ok(Self { scheme: scheme.unwrap_or(UpstreamScheme::Http), target })
    }
}

/// `unix:/path`, and `unix:///path` as other programs write it.
fn parse_socket_path(path: &str) -> Result<UpstreamAddr, AddressError> {
    let path = path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path);
    if !path.starts_with('/') {
        return Err(AddressError::RelativeSocket);
    }
    if path.len() > SOCKET_PATH_LIMIT {
        return Err(AddressError::SocketPathTooLong);
    }
    if path.ends_with('/') || path.starts_with("//") || path.chars().any(char::is_control) {
        return Err(AddressError::BadSocketPath);
    }
    Ok(UpstreamAddr { scheme: UpstreamScheme::Http, target: UpstreamTarget::Unix(Arc::from(Path::new(path))) })
}

fn parse_target(authority: &str, default_port: Option<u16>) -> Result<UpstreamTarget, AddressError> {
    if authority.is_empty() {
        return Err(AddressError::Empty);
    }
    if default_port.is_none() && authority.bytes().all(|byte| byte.is_ascii_digit()) {
        let port = nonzero(parse_port(authority)?)?;
        return Ok(UpstreamTarget::Address(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)));
    }
    if authority.parse::<Ipv6Addr>().is_ok() {
        return Err(AddressError::BracketIpv6);
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => (host, nonzero(parse_port(port)?)?),
        _ => (authority, default_port.ok_or_else(|| AddressError::MissingPort(authority.to_owned()))?),
    };
    if host.is_empty() {
        return Err(AddressError::Empty);
    }
    if host.contains([':', '[']) || ends_in_number(host) {
        let ip = parse_ip(host)?;
        return match loopback_instead(ip) {
            Some(loopback) => Err(AddressError::Unspecified(ip, SocketAddr::new(loopback, port))),
            None => Ok(UpstreamTarget::Address(SocketAddr::new(ip, port))),
        };
    }
    Ok(UpstreamTarget::Name(Hostname::parse(host)?, port))
}

fn nonzero(port: u16) -> Result<u16, AddressError> {
    if port == 0 { Err(AddressError::PortZero) } else { Ok(port) }
}

/// Linux connects `0.0.0.0` to the loopback; other systems do not, and a reader of the file cannot know.
fn loopback_instead(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(v4) if v4.is_unspecified() => Some(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(v6) if v6.is_unspecified() => Some(Ipv6Addr::LOCALHOST.into()),
        _ => None,
    }
}

impl FromStr for UpstreamAddr {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The shortest readable text that parses to the same: `127.0.0.1:5000`, `https://api.internal:8443`,
/// `unix:/run/blog.sock`.
impl fmt::Display for UpstreamAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (port, default) = match &self.target {
            UpstreamTarget::Unix(path) => return write!(f, "unix:{}", path.display()),
            UpstreamTarget::Address(address) => (address.port(), UpstreamScheme::Https.default_port()),
            UpstreamTarget::Name(_, port) => (*port, UpstreamScheme::Https.default_port()),
        };
        let https = self.scheme == UpstreamScheme::Https;
        if https {
            f.write_str("https://")?;
        }
        match &self.target {
            UpstreamTarget::Address(address) => match address.ip() {
                IpAddr::V4(v4) => v4.fmt(f)?,
                IpAddr::V6(v6) => write!(f, "[{v6}]")?,
            },
            UpstreamTarget::Name(name, _) => name.fmt(f)?,
            UpstreamTarget::Unix(_) => {}
        }
        if https && port == default { Ok(()) } else { write!(f, ":{port}") }
    }
}

#[cfg(test)]
mod tests;
