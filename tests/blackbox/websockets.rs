//! Promise: a WebSocket works, stays open while other things change, and is a tunnel only after both sides agreed.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use vestibule_testkit::{Gateway, HttpOrigin, ScriptedOrigin, Site, Step};

async fn one_site() -> (Gateway, HttpOrigin) {
    let origin = HttpOrigin::start().await;
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").upstream(&origin)).start().await;
    (gateway, origin)
}

#[tokio::test]
async fn messages_pass_in_both_directions() {
    let (gateway, _origin) = one_site().await;
    let mut socket = gateway.websocket("a.test", "/ws").await.unwrap();
    for message in [Message::text("hello"), Message::binary(vec![0; 1 << 20]), Message::text("")] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), message);
    }
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
}

#[tokio::test]
async fn the_end_of_one_side_ends_the_other() {
    let (gateway, origin) = one_site().await;
    let socket = gateway.websocket("a.test", "/ws").await.unwrap();
    vestibule_testkit::eventually("the socket to open", || {
        std::future::ready((origin.websockets() == 1).then_some(()))
    })
    .await;
    drop(socket);
    vestibule_testkit::eventually("the socket to end", || std::future::ready((origin.websockets() == 0).then_some(())))
        .await;
}

#[tokio::test]
async fn a_websocket_outlives_edits_of_its_own_site() {
    let (gateway, origin) = one_site().await;
    let mut socket = gateway.websocket("a.test", "/ws").await.unwrap();
    gateway
        .add("a.yaml", &Site::new("a.test").upstream(&origin).line("headers: {response: {set: {X-New: yes}}}"))
        .await;
    socket.send(Message::text("still there?")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("still there?"));
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Asks for an upgrade, sends more at once, and gives what comes back until the connection ends.
async fn upgrade(gateway: &Gateway, more: &str) -> String {
    let mut stream = gateway.tls("a.test").await;
    stream.write_all(format!("{UPGRADE}{more}").as_bytes()).await.unwrap();
    let mut received = Vec::new();
    let _ = stream.read_to_end(&mut received).await;
    String::from_utf8_lossy(&received).into_owned()
}

#[tokio::test]
async fn bytes_after_an_unconfirmed_upgrade_are_never_forwarded() {
    for response in [
        "HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        // The right upgrade with a wrong key: no WebSocket server said this.
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: x\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: other\r\nconnection: upgrade\r\n\r\n",
    ] {
        let origin = ScriptedOrigin::start(vec![Step::ReadHead, Step::send(response)]).await;
        let site = Site::new("a.test").upstream(&origin);
        let gateway = Gateway::builder().settings("timeouts: {idle: 1s}").site("a.yaml", &site).start().await;
        let received = upgrade(&gateway, "GET /smuggled HTTP/1.1\r\nhost: a.test\r\nx-smuggled: 1\r\n\r\n").await;
        assert!(!received.starts_with("HTTP/1.1 101"), "{response:?}: {received:?}");
        // As a request of its own it would be a new head with our headers, never raw bytes behind the upgrade.
        let first = origin.received().first().cloned().unwrap_or_default();
        assert!(!first.contains("smuggled"), "{response:?}: {first:?}");
    }
}
