//! Connections are used again, and nothing of one request is seen by the next.

use std::time::Duration;

use super::rig::{Origin, Plan, Wire, run, status};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const CLOSE: &str = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn serve(peer: &mut Wire, response: &str) {
    peer.head().await;
    peer.send(response).await;
}

#[test]
fn a_connection_serves_many_requests_of_many_clients() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let mut peer = None;
        for response in [
            OK,
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            OK,
        ] {
            let mut client = gate.client().await;
            client.send(CLOSE).await;
            let peer = match &mut peer {
                Some(peer) => peer,
                none => none.insert(origin.accept().await),
            };
            serve(peer, response).await;
            assert!(status(&client.rest().await) < 400);
        }
        assert_eq!(gate.pool_counts(), (1, 1));
        assert!(origin.is_untouched().await);
    });
}

#[test]
fn the_last_used_connection_is_used_first() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let (mut one, mut two) = (gate.client().await, gate.client().await);
        one.send(GET).await;
        let mut first = origin.accept().await;
        two.send(GET).await;
        let mut second = origin.accept().await;
        serve(&mut second, OK).await;
        two.until("ok").await;
        serve(&mut first, OK).await;
        one.until("ok").await;
        assert_eq!(gate.pool_counts(), (2, 2));
        one.send(GET).await;
        serve(&mut first, OK).await;
        one.until("ok").await;
    });
}

/// Whatever a backend says beyond its response is for nobody.
#[test]
fn surplus_bytes_close_the_connection() {
    run(async {
        let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
        for response in [
            OK,
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ] {
            let origin = Origin::tcp().await;
            let gate = Plan::to([origin.addr.clone()]).open().await;
            let mut client = gate.client().await;
            client.send(CLOSE).await;
            let mut peer = origin.accept().await;
            serve(&mut peer, &format!("{response}{poison}")).await;
            assert!(!client.rest().await.contains("poison"));
            assert_eq!(peer.rest().await, "");
            let mut client = gate.client().await;
            client.send(CLOSE).await;
            serve(&mut origin.accept().await, OK).await;
            assert!(client.rest().await.ends_with("\r\n\r\nok"));
        }
    });
}

/// Nobody asks for it, and yet it does not linger: one among others, each backend by itself.
#[test]
fn what_a_backend_closes_is_closed_here() {
    run(async {
        let (one, other) = (Origin::tcp().await, Origin::tcp().await);
        let gate = Plan::to([one.addr.clone(), other.addr.clone()]).open().await;
        let mut peers = Vec::new();
        let mut clients = Vec::new();
        for _ in 0..6 {
            let mut client = gate.client().await;
            client.send(GET).await;
            let mut peer = tokio::select! { peer = one.accept() => peer, peer = other.accept() => peer };
            peer.head().await;
            peers.push(peer);
            clients.push(client);
        }
        for (peer, client) in peers.iter_mut().zip(&mut clients) {
            peer.send(OK).await;
            client.until("ok").await;
        }
        assert_eq!(gate.pool_counts(), (6, 6));
        while let Some(peer) = peers.pop() {
            drop(peer);
            while gate.pool_counts().0 > peers.len() {
                tokio::task::yield_now().await;
            }
            assert_eq!(gate.pool_counts(), (peers.len(), peers.len()));
        }
    });
}

#[test]
fn bytes_on_an_idle_connection_close_it() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let mut client = gate.client().await;
        client.send(GET).await;
        let mut peer = origin.accept().await;
        serve(&mut peer, OK).await;
        client.until("ok").await;
        peer.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison").await;
        assert_eq!(peer.rest().await, "");
        client.send(GET).await;
        serve(&mut origin.accept().await, OK).await;
        assert_eq!(status(&client.head().await), 200);
        assert_eq!(client.exactly(2).await, "ok");
    });
}

#[test]
fn a_backend_that_speaks_http_1_0_or_closes_is_not_kept() {
    run(async {
        for response in [
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n",
        ] {
            let origin = Origin::tcp().await;
            let gate = Plan::to([origin.addr.clone()]).open().await;
            let mut client = gate.client().await;
            client.send(CLOSE).await;
            let mut peer = origin.accept().await;
            serve(&mut peer, response).await;
            assert_eq!(status(&client.rest().await), 200);
            assert_eq!(peer.rest().await, "", "{response}");
            assert_eq!(gate.pool_counts().0, 0);
        }
    });
}

#[test]
fn a_client_that_leaves_takes_its_connection_along() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        // While it waits for the head.
        let mut client = gate.client().await;
        client.send(GET).await;
        let mut peer = origin.accept().await;
        peer.head().await;
        drop(client);
        assert_eq!(peer.rest().await, "");
        // In the middle of a body.
        let mut client = gate.client().await;
        client.send(GET).await;
        let mut peer = origin.accept().await;
        serve(&mut peer, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nsome").await;
        client.until("some").await;
        drop(client);
        assert_eq!(peer.rest().await, "");
        assert_eq!(gate.pool_counts().0, 0);
    });
}

#[test]
fn idle_connections_are_bounded_and_closed_in_time() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()])
            .with(|plan| {
                plan.config.idle_limit = 1;
                plan.config.keep_alive = Duration::from_millis(50);
            })
            .open()
            .await;
        let (mut one, mut two) = (gate.client().await, gate.client().await);
        one.send(GET).await;
        let mut first = origin.accept().await;
        two.send(GET).await;
        let mut second = origin.accept().await;
        serve(&mut first, OK).await;
        one.until("ok").await;
        serve(&mut second, OK).await;
        two.until("ok").await;
        // The older makes room for the younger, the younger for nobody: its time is over.
        assert_eq!(first.rest().await, "");
        assert_eq!(second.rest().await, "");
        assert_eq!(gate.pool_counts().0, 0);
        one.send(GET).await;
        serve(&mut origin.accept().await, OK).await;
        assert_eq!(status(&one.head().await), 200);
    });
}
