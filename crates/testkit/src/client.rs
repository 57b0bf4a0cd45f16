//! Clients of the gateway: [`Connection`] for HTTP/1.1 and HTTP/2, [`Trust`] for raw TLS, WebSockets.

use std::{io, net::SocketAddr, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Full, combinators::UnsyncBoxBody};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{WebSocketStream, tungstenite};

use crate::{Answer, certificate::Issued};

/// Any request body.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A response that is under way. To drop it gives the request up.
pub type Awaited = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

/// No body.
pub fn no_body() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A whole body.
pub fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Which HTTP a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

impl Protocol {
    pub(crate) fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http1 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }
}

/// What a TLS client believes, and what it shows of itself.
#[derive(Clone, Debug)]
pub struct Trust {
    roots: Arc<RootCertStore>,
    shows: Option<Issued>,
}

impl Trust {
    /// These roots only, PEM.
    pub fn roots(pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        assert!(!roots.is_empty(), "no certificate in {pem:?}");
        Self { roots: Arc::new(roots), shows: None }
    }

    /// The same client with a certificate of its own, for servers that ask for one.
    #[must_use]
    pub fn showing(&self, issued: &Issued) -> Self {
        Self { shows: Some(issued.clone()), ..self.clone() }
    }

    /// A configuration that speaks these versions, without ALPN.
    pub fn config(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        self.config_with(rustls::crypto::aws_lc_rs::default_provider(), versions)
    }

    /// The same with other cryptography: what it offers is what `provider` has.
    pub fn config_with(
        &self,
        provider: CryptoProvider,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(Arc::clone(&self.roots));
        match &self.shows {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(issued.chain.as_bytes()).collect();
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain.unwrap(), key).unwrap()
            }
        }
    }

    /// A finished handshake for that name, offering these protocols.
    pub async fn connect(&self, address: SocketAddr, sni: &str, alpn: &[&[u8]]) -> io::Result<TlsStream<TcpStream>> {
        let mut config = self.config(rustls::DEFAULT_VERSIONS);
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(sni.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await
    }
}

/// One open connection, used for request after request.
#[derive(Debug)]
pub struct Connection {
    sender: Sender,
    task: JoinHandle<()>,
    scheme: &'static str,
    host: String,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Connection {
    /// Over TLS, to that host.
    pub async fn secure(trust: &Trust, address: SocketAddr, host: &str, protocol: Protocol) -> io::Result<Self> {
        let stream = trust.connect(address, host, &[protocol.alpn()]).await?;
        let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(agreed.as_deref(), Some(protocol.alpn()), "ALPN");
        Self::over(stream, "https", host, protocol).await
    }

    /// Clear HTTP/1.1, to that host.
    pub async fn clear(address: SocketAddr, host: &str) -> io::Result<Self> {
        Self::over(TcpStream::connect(address).await?, "http", host, Protocol::Http1).await
    }

    /// Over a stream that is ready for it.
    pub(crate) async fn over<S>(stream: S, scheme: &'static str, host: &str, protocol: Protocol) -> io::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let io = TokioIo::new(stream);
        let (sender, task) = match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(io).await.map_err(io::Error::other)?;
                let ended = async move { drop(connection.with_upgrades().await) };
                (Sender::Http1(sender), tokio::spawn(ended))
            }
            Protocol::Http2 => {
                let (sender, connection) =
                    http2::handshake(TokioExecutor::new(), io).await.map_err(io::Error::other)?;
                (Sender::Http2(sender), tokio::spawn(async move { drop(connection.await) }))
            }
        };
        Ok(Self { sender, task, scheme, host: host.to_owned() })
    }

    /// The beginning of a request to this connection's host: absolute form for HTTP/2, `Host` for HTTP/1.1.
    pub fn request(&self, path: &str) -> http::request::Builder {
        self.request_for(&self.host, path)
    }

    /// The beginning of a request that claims another host.
    pub fn request_for(&self, host: &str, path: &str) -> http::request::Builder {
        match &self.sender {
            Sender::Http1(_) => Request::builder().uri(path).header("host", host),
            Sender::Http2(_) => Request::builder().uri(format!("{}://{host}{path}", self.scheme)),
        }
    }

    /// Sends a request and gives the response as soon as its head is there.
    pub async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// Sends a request, and gives the wait for the head of its response: over HTTP/2 others may be sent meanwhile.
    pub async fn begin(&mut self, request: Request<Body>) -> hyper::Result<Awaited> {
        Ok(match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                Box::pin(sender.send_request(request))
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                Box::pin(sender.send_request(request))
            }
        })
    }

    /// Sends a request and reads the whole answer.
    pub async fn answer(&mut self, request: Request<Body>) -> hyper::Result<Answer> {
        Answer::read(self.send(request).await?).await
    }

    /// GET, to the end.
    pub async fn get(&mut self, path: &str) -> hyper::Result<Answer> {
        let request = self.request(path).body(no_body()).unwrap();
        self.answer(request).await
    }

    /// Has the gateway closed it?
    pub fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A WebSocket through any stream: the opening handshake of RFC 6455 for that URL.
pub async fn websocket<S>(stream: S, url: &str) -> tungstenite::Result<WebSocketStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    Ok(tokio_tungstenite::client_async(url, stream).await?.0)
}
