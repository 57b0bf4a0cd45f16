//! Promise: a TLS session is resumed at the site that gave it, and at no other, however it is offered (CVE-2025-23419).

use std::{
    fs, io,
    sync::{Arc, Mutex},
};

use rustls::{
    HandshakeKind, NamedGroup, SupportedProtocolVersion,
    client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue},
    pki_types::ServerName,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use vestibule_testkit::{
    Gateway, Site,
    certificate::{Authority, Validity},
    client::Trust,
};

/// A client that offers its last session to whomever it speaks: what a hostile one would try.
#[derive(Debug, Default)]
struct LastSession {
    tls12: Mutex<Option<Tls12ClientSessionValue>>,
    tls13: Mutex<Vec<Tls13ClientSessionValue>>,
}

impl ClientSessionStore for LastSession {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }
    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        *self.tls12.lock().unwrap() = Some(value);
    }
    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.tls12.lock().unwrap().clone()
    }
    fn remove_tls12_session(&self, _: &ServerName<'static>) {}
    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.tls13.lock().unwrap().push(value);
    }
    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.tls13.lock().unwrap().pop()
    }
}

/// One client, with one store of sessions for all names.
fn client(trust: &Trust, version: &'static SupportedProtocolVersion) -> TlsConnector {
    let mut config = trust.config(&[version]);
    config.resumption = Resumption::store(Arc::new(LastSession::default()));
    TlsConnector::from(Arc::new(config))
}

/// One request to the end of its connection, so that every ticket has arrived: how the handshake went, and the answer.
async fn visit(client: &TlsConnector, gateway: &Gateway, host: &str) -> (HandshakeKind, String) {
    attempt(client, gateway, host).await.unwrap()
}

async fn attempt(client: &TlsConnector, gateway: &Gateway, host: &str) -> io::Result<(HandshakeKind, String)> {
    let tcp = TcpStream::connect(gateway.https()).await?;
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut stream = client.connect(name, tcp).await?;
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok((stream.get_ref().1.handshake_kind().unwrap(), answer.rsplit("\r\n").next().unwrap().to_owned()))
}

#[tokio::test]
async fn a_session_of_one_site_is_resumed_there_and_nowhere_else() {
    let site = |name: &str| Site::new(&format!("{name}.test")).respond(name);
    let gateway = Gateway::builder().site("a.yaml", &site("a")).site("b.yaml", &site("b")).start().await;
    for version in [&TLS12, &TLS13] {
        let client = client(gateway.trust(), version);
        let first = visit(&client, &gateway, "a.test").await;
        assert_ne!(first, (HandshakeKind::Resumed, "a".to_owned()), "{version:?}");
        assert_eq!(visit(&client, &gateway, "a.test").await, (HandshakeKind::Resumed, "a".to_owned()), "{version:?}");
        let (kind, answer) = visit(&client, &gateway, "b.test").await;
        assert_ne!(kind, HandshakeKind::Resumed, "{version:?}");
        assert_eq!(answer, "b");
    }
}

#[tokio::test]
async fn a_session_ends_when_its_name_goes_to_another_site() {
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").respond("a")).start().await;
    let clients = [&TLS12, &TLS13].map(|version| client(gateway.trust(), version));
    for client in &clients {
        visit(client, &gateway, "a.test").await;
        assert_eq!(visit(client, &gateway, "a.test").await.0, HandshakeKind::Resumed);
    }
    // Both sites are of one user, so that the name is free for the other at once.
    gateway.remove("a.yaml");
    gateway.wait_gone("a.test").await;
    gateway.add("b.yaml", &Site::new("a.test").respond("b")).await;
    for client in &clients {
        let (kind, answer) = visit(client, &gateway, "a.test").await;
        assert_ne!(kind, HandshakeKind::Resumed);
        assert_eq!(answer, "b");
    }
}

#[tokio::test]
async fn no_session_gets_past_a_demand_for_client_certificates() {
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").respond("open")).start().await;
    let (members, versions) = (Authority::default(), [&TLS12, &TLS13]);
    let member = gateway.trust().showing(&members.issue(&["ann"], Validity::Now));
    let clients = versions.map(|version| (client(gateway.trust(), version), client(&member, version)));
    for (anonymous, member) in &clients {
        for client in [anonymous, member] {
            visit(client, &gateway, "a.test").await;
            assert_eq!(visit(client, &gateway, "a.test").await.0, HandshakeKind::Resumed);
        }
    }
    let ca_file = gateway.dir().join("members.pem");
    fs::write(&ca_file, members.root_pem()).unwrap();
    for demand in ["required", "optional"] {
        let tls = format!("tls: {{client_ca: {{file: {}, certificate: {demand}}}}}", ca_file.display());
        gateway.add("a.yaml", &Site::new("a.test").respond(demand).line(&tls)).await;
        for (anonymous, member) in &clients {
            // Each of them offers the sessions that it was given while the site was open.
            match attempt(anonymous, &gateway, "a.test").await {
                Err(_) => assert_eq!(demand, "required"),
                Ok((kind, answer)) => assert_eq!((kind == HandshakeKind::Resumed, &*answer), (false, "optional")),
            }
            for _ in 0..3 {
                let (kind, answer) = visit(member, &gateway, "a.test").await;
                assert_eq!((kind == HandshakeKind::Resumed, &*answer), (false, demand), "each one is proved anew");
            }
        }
    }
    // Nor does one that was made under the demand lead anywhere once it is gone: there is none.
    gateway.add("a.yaml", &Site::new("a.test").respond("open")).await;
    for version in versions {
        let fresh = client(&member, version);
        visit(&fresh, &gateway, "a.test").await;
        assert_eq!(visit(&fresh, &gateway, "a.test").await, (HandshakeKind::Resumed, "open".to_owned()));
    }
}
