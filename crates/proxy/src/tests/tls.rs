//! Backends over TLS: verified by name and roots, or not spoken to.

use std::{path::Path, sync::Arc, time::Duration};

use tokio_rustls::TlsAcceptor;
use vestibule_certs::{CertificateRequest, IdentityRequest, Vault};
use vestibule_names::{HostPattern, Hostname, SiteId, TenantId, UpstreamScheme};
use vestibule_vhost::{Action, UpstreamGroup, UpstreamTls};

use super::rig::{Origin, Plan, Wire, run, status};
use crate::{Fault, Refusal};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A plan to speak TLS with the origin, believing the roots in `roots.pem` and verifying `server_name`.
fn plan(origin: &Origin, vault: &Vault, roots: &Path, server_name: Option<&str>) -> Plan {
    let mut addr = origin.addr.clone();
    addr.scheme = UpstreamScheme::Https;
    let vault = vault.clone();
    Plan::to([addr.clone()]).with(|plan| {
        plan.roots = Arc::new(move |ca: Option<&Path>| vault.client_config(ca));
        let tls = UpstreamTls {
            ca: Some(roots.to_path_buf()),
            server_name: server_name.map(|name| Hostname::parse(name).unwrap()),
        };
        plan.route.action =
            Action::Upstream(Arc::new(UpstreamGroup { addrs: vec![addr].into(), tls: Some(Box::new(tls)) }));
    })
}

#[test]
fn a_backend_is_verified_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::open(&dir.path().join("vault")).unwrap();
    let roots = dir.path().join("roots.pem");
    std::fs::write(&roots, vault.root_pem()).unwrap();
    let prepared = vault
        .prepare(&IdentityRequest {
            certificate: CertificateRequest {
                site: SiteId::new("a.yaml"),
                tenant: TenantId::OPERATOR,
                hosts: vec![HostPattern::parse("backend.test").unwrap()].into(),
                origin: vestibule_certs::Origin::LocalCa,
            },
            client_ca: None,
        })
        .unwrap();
    let acceptor = TlsAcceptor::from(prepared.identity.offer_for("backend.test").unwrap().config);
    run(async {
        for (name, expected) in [(Some("backend.test"), 200), (Some("other.test"), 502), (None, 502)] {
            let origin = Origin::tcp().await;
            let gate = plan(&origin, &vault, &roots, name).open().await;
            let backend = async {
                let stream = origin.accept_tcp().await;
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let mut peer = Wire::new(stream);
                peer.head().await;
                peer.send(OK).await;
            };
            let ((), answer) = tokio::join!(backend, gate.ask(GET));
            assert_eq!(status(&answer), expected, "{name:?}");
            if expected == 502 {
                assert!(answer.contains("upstream_tls"), "{answer}");
                assert_eq!(gate.faults(), [(Fault::Upstream, Refusal::UpstreamTls)]);
                assert_eq!(gate.sockets(), 0);
            }
        }
    });
}

#[test]
fn a_handshake_that_never_ends_is_a_connect_timeout() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::open(&dir.path().join("vault")).unwrap();
    let roots = dir.path().join("roots.pem");
    std::fs::write(&roots, vault.root_pem()).unwrap();
    run(async {
        let origin = Origin::tcp().await;
        let gate = plan(&origin, &vault, &roots, Some("backend.test"))
            .with(|plan| plan.timeouts.connect = Duration::from_millis(60))
            .open()
            .await;
        let (_peer, answer) = tokio::join!(origin.accept(), gate.ask(GET));
        assert_eq!(status(&answer), 504);
        assert_eq!(gate.faults(), [(Fault::Upstream, Refusal::ConnectTimeout)]);
        assert_eq!(gate.sockets(), 0);
    });
}

#[test]
fn roots_that_cannot_be_read_are_the_sites_trouble() {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::open(&dir.path().join("vault")).unwrap();
    run(async {
        let origin = Origin::tcp().await;
        let gate = plan(&origin, &vault, &dir.path().join("missing.pem"), Some("backend.test")).open().await;
        let answer = gate.ask(GET).await;
        assert_eq!(status(&answer), 502);
        assert_eq!(gate.faults(), [(Fault::Upstream, Refusal::UpstreamTls)]);
    });
}
