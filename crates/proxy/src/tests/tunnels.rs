//! WebSocket: a tunnel only on a confirmed 101.

use std::time::Duration;

use super::rig::{Gate, Origin, Plan, Wire, field, run, status};
use crate::{Fault, Refusal, TunnelClose};

pub(super) const ASK: &str = "GET /chat HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
pub(super) const ACCEPT: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

async fn open(idle: Duration) -> (Gate, Wire, Wire) {
    let origin = Origin::tcp().await;
    let gate = Plan::to([origin.addr.clone()]).with(|plan| plan.timeouts.tunnel_idle = idle).open().await;
    let mut client = gate.client().await;
    client.send(ASK).await;
    let mut peer = origin.accept().await;
    let head = peer.head().await;
    assert_eq!(field(&head, "upgrade"), ["websocket"]);
    assert_eq!(field(&head, "connection"), ["upgrade"]);
    assert_eq!(field(&head, "sec-websocket-key"), ["dGhlIHNhbXBsZSBub25jZQ=="]);
    // The first bytes of the new protocol may come with the head.
    peer.send(format!("{ACCEPT}early")).await;
    let head = client.head().await;
    assert_eq!(status(&head), 101);
    assert_eq!(field(&head, "upgrade"), ["websocket"]);
    assert_eq!(field(&head, "sec-websocket-accept"), ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]);
    assert_eq!(client.exactly(5).await, "early");
    (gate, client, peer)
}

#[test]
fn a_confirmed_upgrade_is_a_tunnel_with_half_closes() {
    run(async {
        let (mut gate, mut client, mut peer) = open(Duration::from_secs(60)).await;
        client.send("ping").await;
        assert_eq!(peer.exactly(4).await, "ping");
        peer.send("pong").await;
        assert_eq!(client.exactly(4).await, "pong");
        client.finish().await;
        assert_eq!(peer.rest().await, "");
        peer.send("last words").await;
        drop(peer);
        assert_eq!(client.rest().await, "last words");
        let end = gate.tunnel_ends.recv().await.unwrap();
        assert_eq!((end.bytes_up, end.bytes_down, end.close), (4, 19, TunnelClose::Finished));
        assert_eq!(gate.pool_counts(), (0, 0));
    });
}

#[test]
fn a_tunnel_holds_back_a_sender_that_nobody_reads() {
    run(async {
        let (mut gate, mut client, mut peer) = open(Duration::from_secs(60)).await;
        let payload = "x".repeat(20_000_000);
        let read = async {
            tokio::task::yield_now().await;
            let seen = peer.exactly(payload.len()).await;
            drop(peer);
            seen
        };
        let (seen, ()) = tokio::join!(read, client.send(&payload));
        assert_eq!(seen.len(), payload.len());
        drop(client);
        assert_eq!(gate.tunnel_ends.recv().await.unwrap().bytes_up, payload.len() as u64);
    });
}

#[test]
fn an_idle_tunnel_ends() {
    run(async {
        let (mut gate, mut client, mut peer) = open(Duration::from_millis(60)).await;
        assert_eq!(client.rest().await, "");
        assert_eq!(peer.rest().await, "");
        assert_eq!(gate.tunnel_ends.recv().await.unwrap().close, TunnelClose::Idle);
    });
}

#[test]
fn an_unconfirmed_101_is_a_502_and_no_byte_flows() {
    run(async {
        for answer in [
            ACCEPT.replace("s3pP", "s3pQ"),
            ACCEPT.replace("Sec-WebSocket-Accept", "X-Other"),
            ACCEPT.replace("Upgrade: websocket", "Upgrade: h2c"),
            ACCEPT.replace("Connection: Upgrade", "Connection: close"),
        ] {
            let origin = Origin::tcp().await;
            let gate = Plan::to([origin.addr.clone()]).open().await;
            let mut client = gate.client().await;
            client.send(format!("{ASK}GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n")).await;
            let mut peer = origin.accept().await;
            peer.head().await;
            peer.send(&answer).await;
            assert_eq!(status(&client.head().await), 502, "{answer}");
            assert_eq!(peer.rest().await, "", "not a byte more");
            assert_eq!(gate.faults()[0], (Fault::Upstream, Refusal::UpstreamInvalid));
        }
    });
}

#[test]
fn a_backend_that_declines_stays_http() {
    run(async {
        for answer in [
            "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno",
        ] {
            let origin = Origin::tcp().await;
            let gate = Plan::to([origin.addr.clone()]).open().await;
            let mut client = gate.client().await;
            client.send(ASK).await;
            let mut peer = origin.accept().await;
            peer.head().await;
            peer.send(answer).await;
            let head = client.head().await;
            assert_eq!(head[9..12], answer[9..12]);
            assert_eq!(client.exactly(2).await, "no");
            // What follows is a request again.
            client.send("GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
            assert!(peer.head().await.starts_with("GET /next HTTP/1.1\r\n"));
        }
    });
}

#[test]
fn other_upgrades_are_not_forwarded() {
    run(async {
        for (request, _why) in [
            (ASK.replace("Upgrade: websocket", "Upgrade: h2c\r\nHTTP2-Settings: AAA"), "another protocol"),
            (ASK.replace("Upgrade: websocket", "Upgrade: websocket, h2c"), "two protocols"),
            (ASK.replace("Version: 13", "Version: 8"), "another version"),
            (ASK.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), "no key"),
            (ASK.replace("keep-alive, Upgrade", "keep-alive"), "not nominated"),
            (ASK.replace("GET", "POST"), "another method"),
        ] {
            let origin = Origin::tcp().await;
            let gate = Plan::to([origin.addr.clone()]).open().await;
            let mut client = gate.client().await;
            client.send(&request).await;
            let mut peer = origin.accept().await;
            let head = peer.head().await;
            assert!(field(&head, "upgrade").is_empty(), "{head}");
            assert!(field(&head, "connection").is_empty(), "{head}");
            assert!(field(&head, "http2-settings").is_empty(), "{head}");
            // And a 101 for it is refused.
            peer.send(ACCEPT).await;
            assert_eq!(status(&client.head().await), 502);
        }
    });
}
