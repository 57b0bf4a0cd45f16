//! Which backend is asked, and what its silence or absence becomes.

use std::net::SocketAddr;

use tokio::net::TcpSocket;
use vestibule_names::{Hostname, UpstreamAddr, UpstreamScheme, UpstreamTarget};

use super::rig::{Origin, Plan, run, status};
use crate::{Fault, Refusal};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An address where nobody listens, and what keeps it so: a socket that is bound and no more.
pub(super) fn nobody() -> (UpstreamAddr, TcpSocket) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let target = UpstreamTarget::Address(socket.local_addr().unwrap());
    (UpstreamAddr { scheme: UpstreamScheme::Http, target }, socket)
}

#[test]
fn a_unix_socket_is_a_backend() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let origin = Origin::unix(&dir.path().join("a.sock"));
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let (head, response) = tokio::join!(origin.serve_once(OK), gate.ask(GET));
        assert!(head.starts_with("GET / HTTP/1.1\r\n"));
        assert_eq!(status(&response), 200);
    });
}

#[test]
fn a_name_is_resolved_when_it_is_dialled() {
    run(async {
        let origin = Origin::tcp().await;
        let UpstreamTarget::Address(SocketAddr::V4(addr)) = origin.addr.target else { panic!("not IPv4") };
        let name = UpstreamTarget::Name(Hostname::parse("localhost").unwrap(), addr.port());
        let gate = Plan::to([UpstreamAddr { scheme: UpstreamScheme::Http, target: name }]).open().await;
        let (_, response) = tokio::join!(origin.serve_once(OK), gate.ask(GET));
        assert_eq!(status(&response), 200);
    });
}

#[test]
fn a_backend_that_does_not_listen_is_a_502() {
    run(async {
        let (addr, _socket) = nobody();
        let gate = Plan::to([addr]).open().await;
        let response = gate.ask(GET).await;
        assert_eq!(status(&response), 502);
        assert!(response.contains("upstream_unreachable"), "{response}");
        assert_eq!(gate.faults(), [(Fault::Upstream, Refusal::UpstreamUnreachable)]);
        // Being marked down does not make a lone backend unreachable for the next request.
        assert_eq!(status(&gate.ask(GET).await), 502);
        assert_eq!(gate.pool_counts(), (0, 0));
    });
}

#[test]
fn a_missing_socket_file_is_a_502() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let addr = Origin::unix(&dir.path().join("gone.sock")).addr;
        std::fs::remove_file(dir.path().join("gone.sock")).unwrap();
        let gate = Plan::to([addr]).open().await;
        assert_eq!(status(&gate.ask(GET).await), 502);
    });
}

#[test]
fn the_next_backend_of_a_group_takes_over() {
    run(async {
        let origin = Origin::tcp().await;
        let ((one, _one), (two, _two)) = (nobody(), nobody());
        let gate = Plan::to([one, origin.addr.clone(), two]).open().await;
        for _ in 0..6 {
            let (_, response) = tokio::join!(origin.serve_once(OK), gate.ask(GET));
            assert_eq!(status(&response), 200);
        }
        assert!(gate.faults().is_empty());
    });
}

#[test]
fn backends_of_a_group_take_turns() {
    run(async {
        let origins = [Origin::tcp().await, Origin::tcp().await];
        let gate = Plan::to(origins.iter().map(|origin| origin.addr.clone())).open().await;
        // One after the other: a turn is a request.
        let first = gate.ask(GET);
        let served = async {
            tokio::select! {
                _ = origins[0].serve_once(OK) => 0,
                _ = origins[1].serve_once(OK) => 1,
            }
        };
        let (_, one) = tokio::join!(first, served);
        let (response, _) = tokio::join!(gate.ask(GET), origins[1 - one].serve_once(OK));
        assert_eq!(status(&response), 200);
    });
}
