//! A request is sent twice only where that is safe.

use super::rig::{Gate, Origin, Plan, Wire, run, status};
use crate::{Fault, Refusal};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A gate whose pool holds one connection, and both its ends.
async fn warm(origin: &Origin) -> (Gate, Wire, Wire) {
    let gate = Plan::to([origin.addr.clone()]).open().await;
    let mut client = gate.client().await;
    client.send(GET).await;
    let mut peer = origin.accept().await;
    peer.head().await;
    peer.send(OK).await;
    assert_eq!(status(&client.head().await), 200);
    client.exactly(2).await;
    (gate, client, peer)
}

#[test]
fn an_idempotent_request_on_a_dead_old_connection_is_sent_again() {
    run(async {
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
            let origin = Origin::tcp().await;
            let (gate, mut client, mut peer) = warm(&origin).await;
            client.send(GET.replace("GET", method)).await;
            let first = peer.head().await;
            drop(peer);
            let mut peer = origin.accept().await;
            assert_eq!(peer.head().await, first, "the same request again");
            peer.send("HTTP/1.1 204 No Content\r\n\r\n").await;
            assert_eq!(status(&client.head().await), 204);
            assert!(gate.faults().is_empty());
        }
    });
}

#[test]
fn it_is_sent_again_once_only() {
    run(async {
        let origin = Origin::tcp().await;
        let (gate, mut client, mut peer) = warm(&origin).await;
        client.send(GET).await;
        peer.head().await;
        drop(peer);
        let mut peer = origin.accept().await;
        peer.head().await;
        drop(peer);
        assert_eq!(status(&client.head().await), 502);
        assert_eq!(gate.faults(), [(Fault::Upstream, Refusal::UpstreamReset)]);
        assert!(origin.is_untouched().await);
    });
}

#[test]
fn a_fresh_connection_that_dies_is_not_tried_again() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let mut client = gate.client().await;
        client.send(GET).await;
        let mut peer = origin.accept().await;
        peer.head().await;
        drop(peer);
        assert_eq!(status(&client.head().await), 502);
        assert!(origin.is_untouched().await);
    });
}

#[test]
fn what_may_have_had_an_effect_is_not_sent_again() {
    run(async {
        for request in [
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n",
            "PATCH / HTTP/1.1\r\nHost: a.test\r\n\r\n",
            // A body that was sent is gone, whatever the method.
            "PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi",
        ] {
            let origin = Origin::tcp().await;
            let (gate, mut client, mut peer) = warm(&origin).await;
            client.send(request).await;
            peer.head().await;
            drop(peer);
            let response = client.head().await;
            assert_eq!(status(&response), 502, "{request:?}");
            assert!(origin.is_untouched().await, "{request:?}");
            assert_eq!(gate.faults(), [(Fault::Upstream, Refusal::UpstreamReset)]);
        }
    });
}

#[test]
fn one_byte_of_an_answer_is_an_answer() {
    run(async {
        let origin = Origin::tcp().await;
        let (_gate, mut client, mut peer) = warm(&origin).await;
        client.send(GET).await;
        peer.head().await;
        peer.send("H").await;
        drop(peer);
        assert_eq!(status(&client.head().await), 502);
        assert!(origin.is_untouched().await);
    });
}

/// The backend closes while nobody looks: whoever comes next does not notice, with a body or without.
#[test]
fn a_connection_closed_in_the_pool_costs_nobody_a_request() {
    run(async {
        for _ in 0..50 {
            let origin = Origin::tcp().await;
            let (gate, mut client, peer) = warm(&origin).await;
            drop(peer);
            client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello").await;
            let mut peer = origin.accept().await;
            peer.head().await;
            assert_eq!(peer.exactly(5).await, "hello");
            peer.send(OK).await;
            assert_eq!(status(&client.head().await), 200);
            assert!(gate.faults().is_empty());
        }
    });
}
