//! Every wait has an end, and its own code.

use std::time::Duration;

use super::rig::{Origin, Plan, run, status};
use crate::{Fault, Refusal};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
/// For waits that are to end.
const SHORT: Duration = Duration::from_millis(60);
/// For waits that are not to end, and a pause that only together with others is longer.
const LONG: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(550);

#[test]
fn a_backend_that_does_not_answer_is_a_504() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).with(|plan| plan.timeouts.response = SHORT).open().await;
        for spoken in ["", "HTTP/1.1 200"] {
            let mut client = gate.client().await;
            client.send(GET).await;
            let mut peer = origin.accept().await;
            peer.head().await;
            peer.send(spoken).await;
            let head = client.head().await;
            assert_eq!(status(&head), 504);
            assert_eq!(peer.rest().await, "", "the connection is closed");
            assert_eq!(gate.faults(), [(Fault::Upstream, Refusal::UpstreamTimeout)]);
        }
    });
}

#[test]
fn a_slow_upload_does_not_cost_the_backend_its_time() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).with(|plan| plan.timeouts.response = LONG).open().await;
        let mut client = gate.client().await;
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\n").await;
        let mut peer = origin.accept().await;
        peer.head().await;
        for _ in 0..2 {
            tokio::time::sleep(PAUSE).await;
            client.send("x").await;
            peer.exactly(1).await;
        }
        peer.send("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(status(&client.head().await), 204);
    });
}

#[test]
fn a_client_that_stops_sending_is_a_408() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).with(|plan| plan.timeouts.request_body = SHORT).open().await;
        let mut client = gate.client().await;
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nx").await;
        let mut peer = origin.accept().await;
        peer.head().await;
        assert_eq!(peer.rest().await, "x");
        let answer = client.rest().await;
        assert_eq!(status(&answer), 408);
        assert_eq!(gate.faults(), [(Fault::Downstream, Refusal::RequestTimeout)]);
    });
}

#[test]
fn a_backend_that_stops_in_a_body_is_a_cut() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).with(|plan| plan.timeouts.upstream_idle = LONG).open().await;
        let mut client = gate.client().await;
        client.send(GET).await;
        let mut peer = origin.accept().await;
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        // Every frame begins the wait anew.
        for _ in 0..2 {
            tokio::time::sleep(PAUSE).await;
            peer.send("2\r\nok\r\n").await;
        }
        let answer = client.rest().await;
        assert!(answer.ends_with("2\r\nok\r\n2\r\nok\r\n"), "{answer}");
        assert_eq!(peer.rest().await, "");
    });
}

#[test]
fn a_backend_that_does_not_read_is_a_504() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).with(|plan| plan.timeouts.response = SHORT).open().await;
        let mut client = gate.client().await;
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000000\r\n\r\n").await;
        let _peer = origin.accept().await;
        // The client is hung up on: it would send for ever.
        while client.try_send(&[b'x'; 100_000]).await.is_ok() {}
        assert_eq!(status(&client.head().await), 504);
        assert_eq!(gate.faults(), [(Fault::Upstream, Refusal::UpstreamTimeout)]);
    });
}
