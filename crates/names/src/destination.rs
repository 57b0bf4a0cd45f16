//! [`Destination`]: a set of places to which the gateway may, or may not, connect.
//!
//! Not here: what a name resolves to, and who listens there.

use std::{
    fmt,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::{
    AddressError, ClientNetwork, Hostname, HostnameError,
    address::{parse_ip, parse_port, strip_prefix_ignoring_case},
};

/// `10.0.0.5:80`, `10.0.0.0/8:8000-8099`, `[2001:db8::]/32:*`, `db.internal:443`, `*:6379`, `unix:/run/shared.sock`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Destination {
    /// Ports of addresses or of a name.
    Ports {
        /// Whose.
        host: DestinationHost,
        /// Which.
        ports: RangeInclusive<u16>,
    },
    /// A Unix socket, or every socket below a folder; the path is absolute.
    Unix(PathBuf),
}

/// Whose ports.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum DestinationHost {
    /// Everybody's.
    Any,
    /// Of these addresses.
    Network(ClientNetwork),
    /// Of a name, whatever it resolves to.
    Name(Hostname),
}

/// Why a text is no destination, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationError {
    /// `10.0.0.5`.
    #[error("the port is missing: write `{0}:` and a port, a range such as 8000-8099, or `*`")]
    MissingPort(String),
    /// `8099-8000`, `0`, `http`.
    #[error("{0:?} is no port: write a number from 1 to 65535, a range such as 8000-8099, or `*`")]
    BadPorts(String),
    /// `unix:run/x.sock`.
    #[error("the path of a Unix socket is absolute: write it as in unix:/run/blog.sock")]
    RelativeSocket,
    /// `unix:/srv/../etc`.
    #[error("the path has parts that lead elsewhere: write it without `.` and `..`")]
    DottedSocket,
    /// The address or the network.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The name.
    #[error(transparent)]
    Name(#[from] HostnameError),
}

const EVERY_PORT: RangeInclusive<u16> = 1..=u16::MAX;

impl Destination {
    /// Parses one of the forms that the type shows.
    ///
    /// # Errors
    /// With advice on what to write.
    pub fn parse(text: &str) -> Result<Self, DestinationError> {
        if let Some(path) = strip_prefix_ignoring_case(text, "unix:") {
            let path = Path::new(path);
            if !path.is_absolute() {
                return Err(DestinationError::RelativeSocket);
            }
            let dotted = path.to_string_lossy().split('/').any(|part| matches!(part, "." | ".."));
            return if dotted { Err(DestinationError::DottedSocket) } else { Ok(Self::Unix(path.to_owned())) };
        }
        let Some((host, ports)) = text.rsplit_once(':').filter(|(_, ports)| !ports.contains(']')) else {
            return Err(DestinationError::MissingPort(text.to_owned()));
        };
        Ok(Self::Ports { ports: parse_ports(ports)?, host: parse_host(host)? })
    }

    /// Is this address and port among them? A destination by name or by path never contains an address.
    pub fn contains(&self, addr: SocketAddr) -> bool {
        match self {
            Self::Ports { host: DestinationHost::Any, ports } => ports.contains(&addr.port()),
            Self::Ports { host: DestinationHost::Network(network), ports } => {
                ports.contains(&addr.port()) && network.contains(addr.ip())
            }
            Self::Ports { host: DestinationHost::Name(_), .. } | Self::Unix(_) => false,
        }
    }

    /// Is this name and port meant, as it is written?
    pub fn names(&self, name: &Hostname, port: u16) -> bool {
        matches!(self, Self::Ports { host: DestinationHost::Name(own), ports } if own == name && ports.contains(&port))
    }

    /// Is this path of a socket among them? Compared as written: whoever asks has resolved what leads elsewhere.
    pub fn contains_path(&self, path: &Path) -> bool {
        matches!(self, Self::Unix(own) if path.starts_with(own))
    }
}

fn parse_host(host: &str) -> Result<DestinationHost, DestinationError> {
    if host == "*" {
        return Ok(DestinationHost::Any);
    }
    if let Some(rest) = host.strip_prefix('[') {
        // `[2001:db8::]/32`, and a whole network in brackets as in `[2001:db8::/32]`.
        let (address, prefix) = rest.split_once(']').ok_or_else(|| AddressError::BadIpv6(host.to_owned()))?;
        return Ok(DestinationHost::Network(ClientNetwork::parse(&format!("{address}{prefix}"))?));
    }
    if host.contains('/') || parse_ip(host).is_ok() || host.contains(':') {
        if host.contains(':') {
            return Err(AddressError::BracketIpv6.into());
        }
        return Ok(DestinationHost::Network(ClientNetwork::parse(host)?));
    }
    Ok(DestinationHost::Name(Hostname::parse(host)?))
}

fn parse_ports(text: &str) -> Result<RangeInclusive<u16>, DestinationError> {
    if text == "*" {
        return Ok(EVERY_PORT);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let bad = |_| DestinationError::BadPorts(text.to_owned());
    let (first, last) = (parse_port(first).map_err(bad)?, parse_port(last).map_err(bad)?);
    if first == 0 || first > last { Err(DestinationError::BadPorts(text.to_owned())) } else { Ok(first..=last) }
}

impl FromStr for Destination {
    type Err = DestinationError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// In the form that [`Destination::parse`] reads back.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, ports) = match self {
            Self::Unix(path) => return write!(f, "unix:{}", path.display()),
            Self::Ports { host, ports } => (host, ports),
        };
        match host {
            DestinationHost::Any => f.write_str("*")?,
            DestinationHost::Network(network) => {
                let network = network.to_string();
                match network.split_once('/') {
                    _ if !network.contains(':') => f.write_str(&network)?,
                    Some((address, prefix)) => write!(f, "[{address}]/{prefix}")?,
                    None => write!(f, "[{network}]")?,
                }
            }
            DestinationHost::Name(name) => name.fmt(f)?,
        }
        match (*ports.start(), *ports.end()) {
            (1, u16::MAX) => f.write_str(":*"),
            (first, last) if first == last => write!(f, ":{first}"),
            (first, last) => write!(f, ":{first}-{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_back() {
        for text in [
            "10.0.0.5:80",
            "10.0.0.0/8:8000-8099",
            "[2001:db8::1]:443",
            "[2001:db8::]/32:*",
            "db.internal:443",
            "*:6379",
            "127.0.0.1:*",
            "unix:/run/shared.sock",
        ] {
            assert_eq!(Destination::parse(text).map(|one| one.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_advice() {
        for (text, advice) in [
            ("10.0.0.5", "write `10.0.0.5:`"),
            ("[::1]", "write `[::1]:`"),
            ("10.0.0.5:0", "no port"),
            ("10.0.0.5:90-80", "no port"),
            ("10.0.0.5:+80", "no port"),
            ("10.0.0.1/8:80", "10.0.0.0/8"),
            ("::1:80", "brackets"),
            ("unix:run/x", "absolute"),
            ("unIx:1", "absolute"),
            ("unix:/srv/../etc/x", "without"),
            ("bad name!:80", "letters"),
        ] {
            let error = Destination::parse(text).expect_err(text).to_string();
            assert!(error.contains(advice), "{text}: {error}");
        }
    }

    #[test]
    fn it_contains_what_it_says_and_nothing_else() {
        let contains = |text: &str, addr: &str| Destination::parse(text).unwrap().contains(addr.parse().unwrap());
        assert!(contains("10.0.0.0/8:80-90", "10.1.2.3:85"));
        assert!(contains("127.0.0.1:80", "[::ffff:127.0.0.1]:80"), "mapped addresses count as IPv4");
        assert!(!contains("10.0.0.0/8:80-90", "10.1.2.3:91"));
        assert!(!contains("10.0.0.0/8:80-90", "11.1.2.3:85"));
        assert!(contains("*:6379", "[::1]:6379"));
        let name = Hostname::parse("db.internal").unwrap();
        let destination = Destination::parse("db.internal:443").unwrap();
        assert!(destination.names(&name, 443) && !destination.names(&name, 444));
        let folder = Destination::parse("unix:/run/shop").unwrap();
        assert!(folder.contains_path(Path::new("/run/shop/a.sock")) && !folder.contains_path(Path::new("/run/shop2")));
    }
}
