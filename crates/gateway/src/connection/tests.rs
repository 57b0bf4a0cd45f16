//! Connections over real sockets, through the whole walk, against a table and a vault: what a CA and a visitor see before,
//! while and after a name gets its certificate. Only the CA is made up.

mod challenges;
mod first_certificate;
mod guests;
mod http1;
mod http2;
mod turns;

use std::{future::Future, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{net::TcpListener, task::LocalSet};
use tokio_rustls::{TlsConnector, client};
use vestibule_acme::Door;
use vestibule_certs::Vault;
use vestibule_names::{ClientAddr, SiteId, TenantId};
use vestibule_watch::{Change, SiteFile};

use super::*;
use crate::{
    change::{Certifier, Clock, Sites, Surroundings},
    config::AcmeStanding,
    front::Front,
    live::SiteTable,
    tenancy::Tenancy,
    worker::tests::{shared, worker},
};

/// A gateway of one worker that listens on demand.
struct Gate {
    dir: tempfile::TempDir,
    vault: Vault,
    front: Arc<Front>,
    table: SiteTable,
    worker: Rc<Worker>,
}

impl Gate {
    /// With these sites, by their text.
    fn new(without_certificate: WithoutCertificate, sites: &[&str]) -> Self {
        Self::owned(TenantId(1000), without_certificate, sites)
    }

    /// The same with sites of this tenant.
    fn owned(owner: TenantId, without_certificate: WithoutCertificate, sites: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let mut shared = shared(dir.path());
        let vault = shared.vault.clone();
        let front = Arc::new(Front {
            door: Door::default(),
            hold: Duration::from_secs(4),
            without_certificate,
            holds: Arc::default(),
            told: tokio::sync::watch::Sender::new(0),
            running: true.into(),
        });
        shared.acme = Some(Arc::clone(&front));
        shared.https_port = Some(443);
        let surroundings = Surroundings {
            certifier: Certifier::Vault(vault.clone()),
            ledger: None,
            listen: Vec::new(),
            admin_sockets: vec![dir.path().join("admin.sock")],
            acme: Some(AcmeStanding { dns: Vec::new(), without_certificate }),
            tenancy: Tenancy::default(),
            clock: Clock::of_the_wall(),
        };
        let changes = sites.iter().enumerate().map(|(number, text)| {
            let id = SiteId::new(&format!("{number}.yaml"));
            Change::Written(SiteFile { id, owner, bytes: text.as_bytes().to_vec() })
        });
        let mut known = Sites::new(surroundings, Vec::new());
        let step = known.apply(changes.collect());
        shared.table.publish(step.table);
        Self { dir, vault, front, table: shared.table.clone(), worker: worker(shared) }
    }

    /// A client's end of a connection that is walked; its outcome comes later.
    async fn connect(&self, protocol: Protocol) -> (TcpStream, tokio::task::JoinHandle<Ended>) {
        let (client, accepted) = accepted(protocol).await;
        let outcome = tokio::task::spawn_local(walk(Rc::clone(&self.worker), accepted));
        (client, outcome)
    }

    /// What a request over clear HTTP/1.1 gets, whole.
    async fn clear(&self, request: &str) -> String {
        let (mut stream, outcome) = self.connect(Protocol::Http).await;
        let answer = exchange(&mut stream, request).await;
        drop(stream);
        outcome.await.expect("no panic");
        answer
    }

    /// A handshake for this name with these protocols.
    async fn handshake(
        &self,
        name: &str,
        alpn: &[&[u8]],
    ) -> (std::io::Result<client::TlsStream<TcpStream>>, tokio::task::JoinHandle<Ended>) {
        let (stream, outcome) = self.connect(Protocol::Https).await;
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        (TlsConnector::from(self.client(alpn)).connect(name, stream).await, outcome)
    }

    /// A client that takes any certificate.
    fn client(&self, alpn: &[&[u8]]) -> Arc<ClientConfig> {
        let root = self.dir.path().join("root-for-clients.pem");
        std::fs::write(&root, self.vault.root_pem()).expect("written");
        let mut config = (*self.vault.client_config(Some(&root)).expect("a root")).clone();
        let schemes = config.crypto_provider().signature_verification_algorithms.supported_schemes();
        config.dangerous().set_certificate_verifier(Arc::new(Anything(schemes)));
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }
}

/// Both ends of a connection, ours as the listener gives it.
async fn accepted(protocol: Protocol) -> (TcpStream, Accepted) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let local = listener.local_addr().expect("bound");
    let (client, accepted) = tokio::join!(TcpStream::connect(local), listener.accept());
    let (stream, peer) = accepted.expect("accepted");
    let peer = ClientAddr::new(peer);
    let limits = vestibule_listener::ConnectionLimits { total: 1, per_client: 1 };
    let permit = vestibule_listener::Permits::new(limits).acquire(peer).expect("a permit");
    (client.expect("connects"), Accepted { stream, client: peer, local, protocol, permit })
}

/// Believes every certificate: what is shown is looked at by the tests themselves.
#[derive(Debug)]
struct Anything(Vec<SignatureScheme>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

/// Sends a request and reads until the connection ends.
async fn exchange<S>(stream: &mut S, request: &str) -> String
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    // A connection that ends without a close_notify has been read all the same.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).expect("text")
}

fn get(host: &str, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("nothing")
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

fn run(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a run time");
    LocalSet::new().block_on(&runtime, story);
}

#[test]
fn last_words_in_clear_http_are_well_formed() {
    for words in [NOT_HTTP, NOT_TLS] {
        let text = std::str::from_utf8(words).expect("ASCII");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    }
}
