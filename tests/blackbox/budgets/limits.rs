//! Each limit refuses what is beyond it, with its own status and code word, and gives back what has ended.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt as _;
use vestibule_testkit::{Connection, Gateway, HttpOrigin, Protocol, Site, client, eventually};

use super::{ask, assert_refused, start};

/// Ann's site before an origin, with that limit for everybody.
async fn limited(limit: &str) -> (Gateway, HttpOrigin) {
    let origin = HttpOrigin::start().await;
    let settings = format!("tenants: {{default: {{limits: {{{limit}}}}}}}");
    (start(&settings, &Site::new("ann.test").upstream(&origin), None).await, origin)
}

async fn connect(gateway: &Gateway) -> Connection {
    gateway.connect("ann.test", Protocol::Http1).await
}

/// A request that waits at the origin.
async fn waiting(gateway: &Gateway, origin: &HttpOrigin) -> tokio::task::JoinHandle<u16> {
    let mut connection = connect(gateway).await;
    let task = tokio::spawn(async move { ask(&mut connection, "/gate").await.status.as_u16() });
    origin.at_gate(1).await;
    task
}

/// What the status says of refusals of that limit.
async fn refused(gateway: &Gateway, limit: &str) -> u64 {
    gateway.status().await["tenants"][0]["refused"][limit].as_u64().unwrap_or_default()
}

#[tokio::test]
async fn the_rate_of_requests() {
    let (gateway, _origin) = limited("requests_per_second: 0").await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut connection = gateway.connect("ann.test", protocol).await;
        for _ in 0..2 {
            assert_refused(&ask(&mut connection, "/").await, 429, "tenant_rate");
        }
    }
    assert_eq!(refused(&gateway, "requests_per_second").await, 4);
    let metrics = gateway.admin("/metrics").await.text();
    assert!(metrics.contains("vestibule_tenant_refused_total{tenant="), "{metrics}");
    assert!(metrics.contains("limit=\"requests_per_second\"} 4"), "{metrics}");
    let told = String::from_utf8(gateway.command(&["status", "--state", "state"]).stdout).unwrap();
    assert!(told.contains(": 4 by requests_per_second"), "{told}");
}

#[tokio::test]
async fn requests_in_flight() {
    let (gateway, origin) = limited("requests_in_flight: 1").await;
    let first = waiting(&gateway, &origin).await;
    let mut connection = connect(&gateway).await;
    assert_refused(&ask(&mut connection, "/").await, 503, "tenant_requests");
    origin.open_gate();
    assert_eq!(first.await.unwrap(), 200);
    assert_eq!(ask(&mut connection, "/").await.status, 200);
}

#[tokio::test]
async fn connections_to_backends() {
    let (gateway, origin) = limited("upstream_connections: 1").await;
    let first = waiting(&gateway, &origin).await;
    let mut connection = connect(&gateway).await;
    assert_refused(&ask(&mut connection, "/").await, 503, "tenant_upstreams");
    origin.open_gate();
    assert_eq!(first.await.unwrap(), 200);
    // Idle at one worker it is in nobody's way at another: the first who is refused there makes it close.
    for _ in 0..10 {
        eventually("the place to be free", || async {
            let mut connection = connect(&gateway).await;
            (ask(&mut connection, "/").await.status == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn tunnels() {
    let (gateway, _origin) = limited("tunnels: 1").await;
    let first = gateway.websocket("ann.test", "/ws").await.unwrap();
    let mut connection = connect(&gateway).await;
    let request = {
        let request = connection.request("/ws").header("accept", "application/json");
        let request = request.header("connection", "upgrade").header("upgrade", "websocket");
        let request = request.header("sec-websocket-version", "13");
        request.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==").body(client::no_body()).unwrap()
    };
    assert_refused(&connection.answer(request).await.unwrap(), 503, "tenant_tunnels");
    drop(first);
    eventually("the place to be free", || async { gateway.websocket("ann.test", "/ws").await.ok() }).await;
}

#[tokio::test]
async fn connections() {
    let (gateway, _origin) = limited("connections: 1").await;
    let mut first = connect(&gateway).await;
    let handshake = gateway.trust().connect(gateway.https(), "ann.test", &[b"http/1.1"]).await;
    let error = handshake.expect_err("one is open");
    assert!(error.to_string().contains("InternalError"), "{error}");
    // A clear connection is the tenant's from its first request on.
    let mut clear = gateway.connect_clear("ann.test").await;
    let answer = ask(&mut clear, "/").await;
    assert_refused(&answer, 503, "tenant_connections");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(ask(&mut first, "/").await.status, 200);
    drop(first);
    eventually("the place to be free", || async {
        let mut clear = gateway.connect_clear("ann.test").await;
        (ask(&mut clear, "/").await.status != 503).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_rate_of_handshakes() {
    let (gateway, _origin) = limited("handshakes_per_second: 0").await;
    let handshake = gateway.trust().connect(gateway.https(), "ann.test", &[b"http/1.1"]).await;
    let error = handshake.expect_err("none is allowed");
    assert!(error.to_string().contains("InternalError"), "{error}");
    assert_eq!(refused(&gateway, "handshakes_per_second").await, 1);
    assert_eq!(ask(&mut gateway.connect_clear("ann.test").await, "/").await.status, 308);
}

#[tokio::test]
async fn bytes_held_for_clients_that_do_not_read() {
    let (gateway, _origin) = limited("buffered: 1KiB").await;
    let mut connection = connect(&gateway).await;
    let mut slow = gateway.tls("ann.test").await;
    slow.write_all(b"GET /bytes/60000000 HTTP/1.1\r\nhost: ann.test\r\n\r\n").await.unwrap();
    slow.flush().await.unwrap();
    let refusal = eventually("the memory to be full", || {
        Box::pin(async {
            let answer = ask(&mut connect(&gateway).await, "/bytes/1").await;
            Some(answer).filter(|answer| answer.status == 503)
        })
    })
    .await;
    assert_refused(&refusal, 503, "tenant_buffers");
    drop(slow);
    eventually("the memory to be free", || async {
        let mut connection = connect(&gateway).await;
        (ask(&mut connection, "/bytes/1").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(ask(&mut connection, "/bytes/5000000").await.body.len(), 5_000_000, "who reads gets everything");
}

#[tokio::test]
async fn bandwidth_makes_wait_and_refuses_nothing() {
    let (gateway, _origin) = limited("bandwidth: 200KiB").await;
    for (began, path, body) in [(Instant::now(), "/bytes/300000", 0), (Instant::now(), "/sink", 300_000)] {
        let mut connection = connect(&gateway).await;
        let request = connection.request(path).method(if body > 0 { "POST" } else { "GET" });
        let answer = connection.answer(request.body(client::whole(vec![0; body])).unwrap()).await.unwrap();
        assert_eq!(answer.status, 200, "{path}");
        // A second's worth passes at once, where it was saved up.
        assert!(began.elapsed() >= Duration::from_millis(400), "{path}: {:?}", began.elapsed());
    }
    let metrics = gateway.admin("/metrics").await.text();
    assert!(metrics.contains("vestibule_tenant_bandwidth_waits_total{"), "{metrics}");
}
