//! What answers at the addresses of a name when it is asked from here: for port 80 our own answer to a challenge that does
//! not exist, for port 443 anything that speaks TLS.
//!
//! Only addresses that are ours or on the Internet are tried: whoever owns the name chose them, and an explanation must not
//! be a way to look around in the network behind the gateway.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::future::join_all;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::spawn_blocking,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use vestibule_certs::Vault;

use crate::{dns::reach::is_global, printable::printable_bytes};

/// Where CAs ask for HTTP-01 (RFC 8555 section 8.3).
pub(super) const HTTP_PORT: u16 = 80;
/// Where CAs ask for TLS-ALPN-01 (RFC 8737 section 3).
pub(super) const HTTPS_PORT: u16 = 443;
/// One attempt, answer included.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// Addresses of each family that are tried.
const ADDRESSES_LIMIT: usize = 2;
/// Of an answer.
const ANSWER_LIMIT: usize = 4 * 1024;
/// Of what somebody else answers.
const SHOWN_LIMIT: usize = 60;
/// What the gateway answers for a token that it does not know.
const OUR_BODY: &[u8] = b"\r\n\r\nno such challenge\n";

/// What came of asking at one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Where.
    pub address: IpAddr,
    /// What.
    pub reached: Reached,
}

/// Who is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// This gateway (port 80), or something that speaks TLS (port 443).
    Expected,
    /// Somebody else, and the beginning of what it says.
    Stranger(String),
    /// The connection is refused, or there is no way.
    Closed(String),
    /// No answer in time.
    Silent,
    /// Not tried: the address is a private one.
    Private,
}

/// Which addresses are tried, and which are only named.
pub(super) fn targets(addresses: &[IpAddr], ours: &[IpAddr]) -> Vec<(IpAddr, bool)> {
    let family = |is_v6: bool| addresses.iter().filter(move |address| address.is_ipv6() == is_v6).take(ADDRESSES_LIMIT);
    family(false).chain(family(true)).map(|address| (*address, is_global(*address) || ours.contains(address))).collect()
}

/// Tries all at once.
pub(super) async fn all<F: Future<Output = Reached>>(
    targets: &[(IpAddr, bool)],
    attempt: impl Fn(IpAddr) -> F,
) -> Vec<Probe> {
    let one = async |(address, is_tried): &(IpAddr, bool)| {
        let reached = match is_tried {
            false => Reached::Private,
            true => timeout(PROBE_TIMEOUT, attempt(*address)).await.unwrap_or(Reached::Silent),
        };
        Probe { address: *address, reached }
    };
    join_all(targets.iter().map(one)).await
}

/// Asks for a challenge that nobody has opened.
pub(super) async fn http(address: IpAddr, port: u16, host: &str) -> Reached {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    // Unlikely to be cached on the way. It need not be secret.
    let nonce = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let request = format!(
        "GET /.well-known/acme-challenge/vestibule-self-check-{nonce} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    );
    match ask(SocketAddr::new(address, port), request.as_bytes()).await {
        Ok(answer) if is_ours(&answer) => Reached::Expected,
        Ok(answer) => {
            let first = answer.split(|byte| *byte == b'\n').next().unwrap_or_default();
            Reached::Stranger(printable_bytes(first, SHOWN_LIMIT))
        }
        Err(error) => Reached::Closed(words(&error)),
    }
}

fn is_ours(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.1 404") && answer.ends_with(OUR_BODY)
}

async fn ask(server: SocketAddr, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    let mut limited = stream.take(ANSWER_LIMIT as u64);
    while !is_ours(&answer) && limited.read_buf(&mut answer).await? > 0 {}
    Ok(answer)
}

/// Shakes hands. Whose certificate it is does not matter here: that it has one is what is looked for, and even a refusal is
/// an answer in TLS.
pub(super) async fn tls(address: IpAddr, port: u16, host: &str, vault: &Vault) -> Reached {
    let vault = vault.clone();
    let config = spawn_blocking(move || vault.client_config(None)).await;
    let Ok(Ok(config)) = config else { return Reached::Closed("TLS cannot be spoken here".to_owned()) };
    let Ok(name) = ServerName::try_from(host.to_owned()) else {
        return Reached::Closed("it has no name for TLS".to_owned());
    };
    let stream = match TcpStream::connect(SocketAddr::new(address, port)).await {
        Ok(stream) => stream,
        Err(error) => return Reached::Closed(words(&error)),
    };
    match TlsConnector::from(config).connect(name, stream).await {
        Ok(_) => Reached::Expected,
        Err(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(
                rustls::Error::InvalidCertificate(_)
                | rustls::Error::AlertReceived(_)
                | rustls::Error::PeerIncompatible(_)
                | rustls::Error::NoApplicationProtocol,
            ) => Reached::Expected,
            Some(_) => Reached::Stranger("no TLS".to_owned()),
            None => Reached::Closed(words(&error)),
        },
    }
}

/// The kernel's reason, without its number.
fn words(error: &io::Error) -> String {
    error.kind().to_string()
}

#[cfg(test)]
mod tests;
