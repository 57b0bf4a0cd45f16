//! Promise: a client with any of the common tools reaches the backend, by HTTP/1.1 and HTTP/2, over one port.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vestibule_testkit::{Curl, Gateway, HttpOrigin, Protocol, ScriptedOrigin, Site, client};

/// A gateway whose `a.test` leads to a fresh origin.
async fn one_site() -> (Gateway, HttpOrigin) {
    let origin = HttpOrigin::start().await;
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").upstream(&origin)).start().await;
    (gateway, origin)
}

#[tokio::test]
async fn curl_reaches_a_backend_by_http1_and_http2() {
    let (gateway, _origin) = one_site().await;
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let curl = Curl::new(&gateway).args([flag, "--write-out", "\n%{http_version} %{http_code}"]);
        let text = curl.args(["https://a.test/echo/x?y=1"]).text().await;
        let (body, written) = text.rsplit_once('\n').unwrap();
        assert_eq!(written, format!("{version} 200"));
        let echo: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((&echo["method"], &echo["target"]), (&"GET".into(), &"/echo/x?y=1".into()));
        assert_eq!(echo["version"], "HTTP/1.1");
    }
}

#[tokio::test]
async fn a_request_body_and_its_headers_arrive_unchanged() {
    let (gateway, _origin) = one_site().await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut connection = gateway.connect("a.test", protocol).await;
        let request = connection.request("/echo").method("PUT").header("x-own", "kept").header("cookie", "a=1; b=2");
        let echo = connection.answer(request.body(client::whole("the body")).unwrap()).await.unwrap().json();
        assert_eq!((&echo["method"], &echo["body"]), (&"PUT".into(), &"the body".into()));
        let headers = echo["headers"].as_array().unwrap();
        for expected in [["x-own", "kept"], ["cookie", "a=1; b=2"], ["host", "a.test"], ["content-length", "8"]] {
            assert!(headers.contains(&serde_json::json!(expected)), "{expected:?} in {headers:?}");
        }
    }
}

#[tokio::test]
async fn two_cookie_fields_of_http2_arrive_as_one() {
    // RFC 9113 section 8.2.3: crumbs are joined before they leave HTTP/2.
    let (gateway, _origin) = one_site().await;
    let mut connection = gateway.connect("a.test", Protocol::Http2).await;
    let request = connection.request("/echo").header("cookie", "a=1").header("cookie", "b=2");
    let echo = connection.answer(request.body(client::no_body()).unwrap()).await.unwrap().json();
    let cookies: Vec<_> = echo["headers"].as_array().unwrap().iter().filter(|header| header[0] == "cookie").collect();
    assert_eq!(cookies, [&serde_json::json!(["cookie", "a=1; b=2"])]);
}

#[tokio::test]
async fn head_204_and_304_have_no_body_and_keep_the_connection() {
    let (gateway, _origin) = one_site().await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut connection = gateway.connect("a.test", protocol).await;
        let head = connection.request("/bytes/1234").method("HEAD").body(client::no_body()).unwrap();
        assert_eq!(connection.answer(head).await.unwrap().body.len(), 0);
        for status in [204, 304] {
            let answer = connection.get(&format!("/status/{status}")).await.unwrap();
            assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0));
        }
        assert_eq!(connection.get("/echo").await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn connections_to_the_backend_are_kept_and_shared() {
    let origin = HttpOrigin::start().await;
    let site = Site::new("a.test").upstream(&origin);
    let gateway = Gateway::builder().workers(1).site("a.yaml", &site).start().await;
    for _ in 0..10 {
        assert_eq!(gateway.get("a.test", "/echo").await.status, 200);
    }
    assert_eq!((origin.requests(), origin.connections()), (10, 1));
}

#[tokio::test]
async fn many_requests_at_once_over_one_http2_connection_all_succeed() {
    let (gateway, _origin) = one_site().await;
    let urls = (0..100).map(|number| format!("https://a.test/echo/{number}"));
    let curl = Curl::new(&gateway).args(["--http2", "--parallel", "--parallel-max", "50", "--no-progress-meter"]);
    let written = curl.args(["--write-out", "%{stderr}%{http_code}\n"]).args(urls).run().await;
    assert_eq!(written.stderr.lines().filter(|line| *line == "200").count(), 100, "{}", written.stderr);
}

#[tokio::test]
async fn a_slow_backend_delays_only_its_own_request() {
    let (gateway, origin) = one_site().await;
    let mut connection = gateway.connect("a.test", Protocol::Http2).await;
    let slow = connection.request("/gate").body(client::no_body()).unwrap();
    let slow = tokio::spawn(async move { (connection.answer(slow).await.unwrap().text(), connection) });
    origin.at_gate(1).await;
    for _ in 0..20 {
        assert_eq!(gateway.get("a.test", "/echo").await.status, 200);
    }
    assert!(!slow.is_finished());
    origin.open_gate();
    assert_eq!(slow.await.unwrap().0, "through the gate");
}

/// Sends a head, and behind it a request that no backend may see; gives what comes back until the connection ends.
async fn with_a_passenger(gateway: &Gateway, head: &str) -> String {
    let mut stream = gateway.tls("a.test").await;
    stream.write_all(format!("{head}GET /smuggled HTTP/1.1\r\nhost: a.test\r\n\r\n").as_bytes()).await.unwrap();
    let mut received = Vec::new();
    // Closed without a close_notify is an error of the TLS stream; what came before counts.
    let _ = stream.read_to_end(&mut received).await;
    let received = String::from_utf8_lossy(&received).into_owned();
    assert_eq!(received.matches("HTTP/1.1 ").count(), 1, "{head:?}: {received:?}");
    received
}

#[tokio::test]
async fn a_request_that_could_be_read_in_two_ways_reaches_no_backend() {
    let origin = ScriptedOrigin::start_always("ok").await;
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").upstream(&origin)).start().await;
    for head in [
        "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcde",
        "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: +5\r\n\r\nabcde",
        "GET / HTTP/1.1\r\nhost: a.test\r\nhost: b.test\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET /%2e%2e%2f HTTP/1.1\r\nhost: a.test\r\n\r\n",
        "CONNECT a.test:443 HTTP/1.1\r\nhost: a.test\r\n\r\n",
        "TRACE / HTTP/1.1\r\nhost: a.test\r\n\r\n",
    ] {
        let received = with_a_passenger(&gateway, head).await;
        assert!(received.starts_with("HTTP/1.1 4") || received.starts_with("HTTP/1.1 501"), "{head:?}: {received:?}");
    }
    assert_eq!(origin.received().concat(), "");
}
