//! Promise: a backend can believe what it is told of the client, because nothing of it comes from the client.

use serde_json::{Value, json};
use vestibule_testkit::{Curl, Gateway, HttpOrigin, Protocol, ScriptedOrigin, Site, client, origin::always};

/// The values of one header, in order, as the echoing origin saw them.
fn values(echo: &Value, name: &str) -> Vec<String> {
    let headers = echo["headers"].as_array().unwrap().iter();
    headers.filter(|header| header[0] == name).map(|header| header[1].as_str().unwrap().to_owned()).collect()
}

/// Everything a client could try to be believed with.
const SPOOFED: &[(&str, &str)] = &[
    ("x-forwarded-for", "6.6.6.6"),
    ("x-forwarded-host", "evil.test"),
    ("x-forwarded-proto", "gopher"),
    ("x-forwarded-port", "z666"),
    ("x-forwarded-server", "evil"),
    ("x-forwarded-prefix", "/evil"),
    ("forwarded", "for=6.6.6.6;host=evil.test;proto=gopher"),
    ("x-real-ip", "6.6.6.6"),
    ("x-original-url", "/evil"),
    ("x-rewrite-url", "/evil"),
    ("client-cert", ":ZXZpbA==:"),
    ("proxy", "http://evil.test"),
    ("x_forwarded_for", "6.6.6.6"),
    ("x.forwarded.for", "6.6.6.6"),
];

#[tokio::test]
async fn spoofed_identity_headers_never_arrive() {
    let origin = ScriptedOrigin::start(always("ok")).await;
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").upstream(&origin)).start().await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        // Dropped or refused; a field that is neither would show its value at the origin.
        for (name, value) in SPOOFED {
            let mut connection = gateway.connect("a.test", protocol).await;
            let request = connection.request("/").header(*name, *value).body(client::no_body()).unwrap();
            let status = connection.answer(request).await.unwrap().status;
            assert!(status == 200 || status == 400, "{name}: {status}");
        }
    }
    let received = origin.received().concat().to_lowercase();
    // None of them can be part of a request id, which is hexadecimal.
    for trace in ["6.6.6.6", "evil", "gopher", "z666", "zxzp"] {
        assert!(!received.contains(trace), "{trace} arrived: {received}");
    }
}

#[tokio::test]
async fn the_backend_learns_client_scheme_and_host_from_the_connection() {
    let origin = HttpOrigin::start().await;
    let site = Site::new("a.test").upstream(&origin).line("redirect_to_https: false");
    let gateway = Gateway::builder().site("a.yaml", &site).start().await;
    for (scheme, echo) in [
        ("https", gateway.connect("a.test", Protocol::Http1).await.get("/").await.unwrap().json()),
        ("https", gateway.connect("a.test", Protocol::Http2).await.get("/").await.unwrap().json()),
        ("http", gateway.connect_clear("a.test").await.get("/").await.unwrap().json()),
    ] {
        assert_eq!(values(&echo, "host"), ["a.test"]);
        assert_eq!(values(&echo, "x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(values(&echo, "x-forwarded-proto"), [scheme]);
        assert_eq!(values(&echo, "x-forwarded-host"), ["a.test"]);
        let forwarded = values(&echo, "forwarded").concat();
        for part in ["for=127.0.0.1", "host=a.test", &format!("proto={scheme}")] {
            assert!(forwarded.replace('"', "").contains(part), "{part} in {forwarded}");
        }
    }
}

#[tokio::test]
async fn a_client_cannot_strip_our_headers_by_nominating_them() {
    // CVE-2024-45410: `Connection: X-Forwarded-For` removes the field after it was set.
    let origin = HttpOrigin::start().await;
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").upstream(&origin)).start().await;
    let mut connection = gateway.connect("a.test", Protocol::Http1).await;
    let request = connection.request("/").header("connection", "x-forwarded-for, x-hop").header("x-hop", "1");
    let answer = connection.answer(request.body(client::no_body()).unwrap()).await.unwrap();
    if answer.status == 200 {
        let echo = answer.json();
        assert_eq!(values(&echo, "x-forwarded-for"), ["127.0.0.1"]);
        assert!(values(&echo, "x-hop").is_empty(), "{echo}");
    } else {
        assert_eq!(answer.status, 400);
    }
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_and_extended() {
    let origin = HttpOrigin::start().await;
    let builder = Gateway::builder().settings("trusted_proxies: [127.0.0.0/8]");
    let gateway = builder.site("a.yaml", &Site::new("a.test").upstream(&origin)).start().await;
    let curl = Curl::new(&gateway).args(["--header", "X-Forwarded-For: 203.0.113.9", "https://a.test/"]);
    let echo: Value = serde_json::from_str(&curl.text().await).unwrap();
    let told = values(&echo, "x-forwarded-for").join(", ");
    assert!(told.starts_with("203.0.113.9"), "{told}");
}

#[tokio::test]
async fn a_site_may_set_and_remove_headers_but_not_ours() {
    let origin = HttpOrigin::start().await;
    let headers = "headers:\n  request:\n    set: {X-Deployment: blue}\n    remove: X-Secret\n  response:\n    set: {X-Frame-Options: DENY}\n    remove: X-Origin";
    let site = Site::new("a.test").upstream(&origin).line(headers);
    let gateway = Gateway::builder().site("a.yaml", &site).start().await;
    let mut connection = gateway.connect("a.test", Protocol::Http1).await;
    let request = connection.request("/").header("x-secret", "1").body(client::no_body()).unwrap();
    let answer = connection.answer(request).await.unwrap();
    assert_eq!((answer.header("x-frame-options"), answer.header("x-origin")), (Some("DENY"), None));
    let echo = answer.json();
    assert_eq!((values(&echo, "x-deployment"), values(&echo, "x-secret")), (vec!["blue".to_owned()], vec![]));

    gateway.write(
        "a.yaml",
        &Site::new("a.test").upstream(&origin).line("headers: {request: {set: {X-Forwarded-For: 1.2.3.4}}}"),
    );
    let row = gateway.wait_state("a.yaml", "stale").await;
    assert_eq!(row["reports"][0]["code"], json!("V0209"), "{row}");
}
