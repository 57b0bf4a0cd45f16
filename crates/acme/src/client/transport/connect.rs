//! From an authority to a [`Link`]: addresses, TCP, TLS.
//!
//! Addresses are tried as RFC 8305 has it, in short: the families alternate, the next address starts when the one before
//! has failed or has not answered for a moment, and the first that connects is taken.

use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use http::Uri;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;

use super::{Stage, TransportError, link::Link};

/// RFC 8305 section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// More addresses of one name are not tried.
const ADDRESS_LIMIT: usize = 8;

/// Host and port of an `https` URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Authority {
    /// Without the brackets of IPv6.
    host: String,
    port: u16,
}

impl Authority {
    pub(super) fn of(uri: &Uri) -> Result<Self, TransportError> {
        let host = uri.host().filter(|host| uri.scheme_str() == Some("https") && !host.is_empty());
        let Some(host) = host else {
            return Err(TransportError::Url(crate::failure::printable(&uri.to_string())));
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port: uri.port_u16().unwrap_or(443) })
    }

    pub(super) fn timeout(&self, stage: Stage, limit: Duration) -> TransportError {
        TransportError::Timeout { host: self.to_string(), stage, limit }
    }

    pub(super) fn broken(&self, source: hyper::Error) -> TransportError {
        TransportError::Broken { host: self.to_string(), source }
    }

    pub(super) fn closed(&self) -> TransportError {
        TransportError::Connect { host: self.to_string(), source: io::ErrorKind::ConnectionReset.into() }
    }
}

/// As in a `Host` field: the port only where it is not the default.
impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        if self.port == 443 { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

/// A connection, ready for a request. `limit` is for all of it.
pub(super) async fn open(
    authority: &Authority,
    tls: Arc<ClientConfig>,
    limit: Duration,
) -> Result<Link, TransportError> {
    let connected = timeout(limit, connect(authority, tls)).await;
    connected.unwrap_or_else(|_| Err(authority.timeout(Stage::Connect, limit)))
}

async fn connect(authority: &Authority, tls: Arc<ClientConfig>) -> Result<Link, TransportError> {
    let host = || authority.to_string();
    let found = lookup_host((authority.host.as_str(), authority.port)).await;
    let found = found.map_err(|source| TransportError::Resolve { host: host(), source })?;
    let stream = first_of(alternate(found)).await;
    let stream = stream.map_err(|source| TransportError::Connect { host: host(), source })?;
    // Requests are small and each waits for its answer.
    let _ = stream.set_nodelay(true);
    let name = ServerName::try_from(authority.host.clone()).map_err(|_| TransportError::Url(host()))?;
    let stream = TlsConnector::from(tls).connect(name, stream).await;
    let stream = stream.map_err(|source| TransportError::Tls { host: host(), source })?;
    Link::open(stream).await.map_err(|source| authority.broken(source))
}

/// IPv6 and IPv4 in turn, in the resolver's order otherwise.
fn alternate(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let (v6, v4): (Vec<_>, Vec<_>) = found.partition(SocketAddr::is_ipv6);
    let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
    let pairs = std::iter::from_fn(|| {
        let pair = [v6.next(), v4.next()];
        pair.iter().any(Option::is_some).then_some(pair)
    });
    pairs.flatten().flatten().take(ADDRESS_LIMIT).collect()
}

async fn first_of(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut left = addresses.into_iter();
    let mut tried = FuturesUnordered::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        match left.next() {
            Some(address) => tried.push(TcpStream::connect(address)),
            None if tried.is_empty() => return Err(last),
            None => {}
        }
        let pause = async {
            match left.len() {
                0 => std::future::pending().await,
                _ => sleep(ATTEMPT_DELAY).await,
            }
        };
        tokio::select! {
            Some(outcome) = tried.next() => match outcome {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            },
            () = pause => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_of_an_https_url_only() {
        let check = |url: &str, expected: Option<&str>| {
            let authority = Authority::of(&url.parse().unwrap()).ok().map(|authority| authority.to_string());
            assert_eq!(authority.as_deref(), expected, "{url}");
        };
        check("https://ca.test/directory", Some("ca.test"));
        check("https://ca.test:443/", Some("ca.test"));
        check("https://ca.test:14000/dir", Some("ca.test:14000"));
        check("https://[2001:db8::7]:14000/dir", Some("[2001:db8::7]:14000"));
        check("http://ca.test/directory", None);
        check("/directory", None);
        check("ca.test", None);
    }

    #[test]
    fn families_alternate_and_are_bounded() {
        let of = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let found = of(&["192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1", "192.0.2.3:1"]);
        let expected = of(&["[2001:db8::1]:1", "192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"]);
        assert_eq!(alternate(found.into_iter()), expected);
        let many = (0..100).map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
        assert_eq!(alternate(many).len(), ADDRESS_LIMIT);
    }

    #[tokio::test]
    async fn an_address_that_refuses_gives_way_to_the_next() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let alive = listener.local_addr().unwrap();
        assert_eq!(first_of(vec![gone, alive]).await.unwrap().peer_addr().unwrap(), alive);
        assert_eq!(first_of(vec![gone]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(first_of(vec![]).await.unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
    }
}
