//! Against rustls' own client, over a line that takes and gives as much as a test wants.

mod faults;
mod handshake;
mod line;
mod traffic;

use std::{
    future::Future,
    io::{self, Read, Write},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    version::{TLS12, TLS13},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::line::Line;
use crate::{Refused, TlsStream, accept};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A name, and who believes in it.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: Arc<RootCertStore>,
}

impl Identity {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).expect("signed");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        Self { chain: vec![made.cert.der().clone()], key, roots: Arc::new(roots) }
    }

    fn server(&self, version: &'static SupportedProtocolVersion) -> ServerConfig {
        let config = ServerConfig::builder_with_protocol_versions(&[version]).with_no_client_auth();
        config.with_single_cert(self.chain.clone(), self.key.clone_key()).expect("a key of its certificate")
    }

    fn client(&self) -> ClientConfig {
        let config = ClientConfig::builder_with_protocol_versions(&VERSIONS);
        let mut config = config.with_root_certificates(Arc::clone(&self.roots)).with_no_client_auth();
        config.enable_secret_extraction = true; // some tests say what rustls would not
        config
    }
}

/// The other end of a line.
struct Client {
    rustls: ClientConnection,
    line: Line,
    fault: Option<rustls::Error>,
}

impl Client {
    fn new(config: ClientConfig, line: &Line) -> Self {
        let name = ServerName::try_from("a.test").expect("a name");
        let rustls = ClientConnection::new(Arc::new(config), name).expect("a configuration");
        Self { rustls, line: line.clone(), fault: None }
    }

    /// Says what is to be said, and hears what came.
    fn pump(&mut self) {
        let mut line = self.line.clone();
        while self.rustls.wants_write() {
            self.rustls.write_tls(&mut line).expect("the line takes everything");
        }
        while self.fault.is_none() && self.rustls.wants_read() {
            match self.rustls.read_tls(&mut line) {
                Ok(0) | Err(_) => break,
                Ok(_) => self.fault = self.rustls.process_new_packets().err(),
            }
        }
        while self.rustls.wants_write() {
            self.rustls.write_tls(&mut line).expect("the line takes everything");
        }
    }

    fn say(&mut self, plaintext: &[u8]) {
        self.rustls.set_buffer_limit(None);
        self.rustls.writer().write_all(plaintext).expect("no limit");
        self.pump();
    }

    /// What has come until now.
    fn hear(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        loop {
            self.pump();
            let mut piece = [0; 4096];
            match self.rustls.reader().read(&mut piece) {
                Ok(0) | Err(_) => return heard,
                Ok(count) => heard.extend_from_slice(&piece[..count]),
            }
        }
    }
}

/// Asks once.
fn poll<T>(asked: impl FnOnce(&mut Context<'_>) -> T) -> T {
    asked(&mut Context::from_waker(Waker::noop()))
}

type Stream = TlsStream<Line>;

/// A handshake, to its end or until nobody has anything to say.
fn shake(config: ServerConfig, client: &mut Client) -> Poll<Result<Stream, Refused<Line>>> {
    let mut shaking = pin!(accept(Arc::new(config), Vec::new(), client.line.clone()));
    for _ in 0..100_000 {
        client.pump();
        let moved = client.line.moved();
        if let Poll::Ready(shaken) = poll(|cx| shaking.as_mut().poll(cx)) {
            client.pump();
            return Poll::Ready(shaken);
        }
        if client.line.moved() == moved {
            return Poll::Pending;
        }
    }
    panic!("a handshake without an end");
}

/// Both ends of a connection of this version, over a line that was not used yet.
fn connection(version: &'static SupportedProtocolVersion, line: &Line) -> (Client, Stream) {
    let identity = Identity::new();
    let mut client = Client::new(identity.client(), line);
    let Poll::Ready(Ok(server)) = shake(identity.server(version), &mut client) else { panic!("no handshake") };
    assert_eq!(client.rustls.protocol_version(), Some(version.version));
    (client, server)
}

/// Reads once into a buffer of this size: `None` when there is nothing yet.
fn read(server: &mut Stream, size: usize) -> Option<io::Result<Vec<u8>>> {
    let mut bytes = vec![0; size];
    let mut buf = ReadBuf::new(&mut bytes);
    match poll(|cx| Pin::new(server).poll_read(cx, &mut buf)) {
        Poll::Pending => None,
        Poll::Ready(Ok(())) => Some(Ok(buf.filled().to_vec())),
        Poll::Ready(Err(error)) => {
            assert!(buf.filled().is_empty(), "an error comes alone");
            Some(Err(error))
        }
    }
}

/// Reads as far as it goes, with a buffer of this size. `Err` is the error, or nothing at an end in good order.
fn read_all(server: &mut Stream, size: usize) -> (Vec<u8>, Option<Result<(), io::Error>>) {
    let mut all = Vec::new();
    loop {
        match read(server, size) {
            None => return (all, None),
            Some(Ok(bytes)) if bytes.is_empty() => return (all, Some(Ok(()))),
            Some(Ok(bytes)) => all.extend_from_slice(&bytes),
            Some(Err(error)) => return (all, Some(Err(error))),
        }
    }
}

fn write(server: &mut Stream, bytes: &[u8]) -> Poll<io::Result<usize>> {
    poll(|cx| Pin::new(server).poll_write(cx, bytes))
}

fn shut_down(server: &mut Stream) -> Poll<io::Result<()>> {
    poll(|cx| Pin::new(server).poll_shutdown(cx))
}

/// Bytes of which no two pieces are alike.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at ^ (at >> 8).wrapping_mul(31)) as u8).collect()
}
