//! One HTTP request to one place, and the beginning of its answer.
//!
//! Not here: time (the caller bounds the whole), redirects (an answer like any other), and connections kept for later. The
//! transport to CAs is another one: it knows their limits and clocks, and takes no list of addresses.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::spawn_blocking,
};
use tokio_rustls::TlsConnector;
use vestibule_certs::Vault;

/// Of an answer's body; the rest is not read.
const BODY_LIMIT: usize = 4 * 1024;

/// Where to.
pub(super) struct Place {
    /// Tried in this order.
    pub(super) addresses: Vec<SocketAddr>,
    /// The name that the server's certificate must have; `None`: in clear.
    pub(super) tls_name: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostFault {
    #[error("nobody takes connections there: {0}")]
    Connect(io::Error),
    #[error("TLS fails: {0}")]
    Tls(String),
    #[error("it breaks off: {0}")]
    Http(#[from] hyper::Error),
}

/// Sends it.
pub(super) async fn post(
    place: &Place,
    vault: &Vault,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Vec<u8>), PostFault> {
    let stream = connect(&place.addresses).await.map_err(PostFault::Connect)?;
    let Some(name) = &place.tls_name else { return exchange(stream, request).await };
    let tls = |error: &dyn std::fmt::Display| PostFault::Tls(error.to_string());
    let name = ServerName::try_from(name.clone()).map_err(|error| tls(&error))?;
    let vault = vault.clone();
    // Reads the system's roots the first time.
    let config = spawn_blocking(move || vault.client_config(None)).await.map_err(|error| tls(&error))?;
    let connector = TlsConnector::from(Arc::clone(&config.map_err(|error| tls(&error))?));
    let stream = connector.connect(name, stream).await.map_err(|error| tls(&error))?;
    exchange(stream, request).await
}

/// The first address that takes the connection.
async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<(StatusCode, Vec<u8>), PostFault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let asking = async {
        let response = sender.send_request(request).await?;
        let (head, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        while bytes.len() < BODY_LIMIT
            && let Some(frame) = body.frame().await
        {
            if let Ok(chunk) = frame?.into_data() {
                bytes.extend_from_slice(&chunk[..chunk.len().min(BODY_LIMIT - bytes.len())]);
            }
        }
        Ok((head.status, bytes))
    };
    // The connection is driven here, by whoever waits for the answer; when it ends first, the answer is already with us.
    match select(std::pin::pin!(asking), std::pin::pin!(connection)).await {
        Either::Left((answer, _)) => answer,
        Either::Right((_, asking)) => asking.await,
    }
}
