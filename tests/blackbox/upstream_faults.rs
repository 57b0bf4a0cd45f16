//! Promise: a backend that refuses, dies, lies or sleeps costs its own clients an honest answer and nobody else anything.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use vestibule_testkit::{
    Answer, Gateway, Protocol, ScriptedOrigin, Site, Step, backend::Refusing, client, origin::always,
};

/// `a.test` with that upstream, beside `b.test`, which must not notice.
async fn beside_a_good_site(upstream: &impl std::fmt::Display, lines: &str) -> Gateway {
    Gateway::builder()
        .site("a.yaml", &Site::new("a.test").upstream(upstream).line(lines))
        .site("b.yaml", &Site::new("b.test").respond("fine"))
        .start()
        .await
}

async fn check(upstream: &impl std::fmt::Display, lines: &str, expected: &[u16]) {
    let gateway = beside_a_good_site(upstream, lines).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let answer = gateway.connect("a.test", protocol).await.get("/").await.unwrap();
        assert!(expected.contains(&answer.status.as_u16()), "{protocol:?} {lines}: {}", answer.status);
        assert!(!answer.text().contains("127.0.0.1"), "says where the backend is: {}", answer.text());
        assert_eq!(gateway.get("b.test", "/").await.text(), "fine");
    }
}

#[tokio::test]
async fn a_backend_that_is_not_there_is_502_or_503() {
    check(&Refusing::bind(), "", &[502, 503]).await;
    check(&"unix:/nonexistent/backend.sock", "", &[502, 503]).await;
}

#[tokio::test]
async fn a_backend_that_closes_or_resets_before_an_answer_is_502() {
    check(&ScriptedOrigin::start(vec![Step::ReadHead, Step::Close]).await, "", &[502]).await;
    check(&ScriptedOrigin::start(vec![Step::ReadHead, Step::Reset]).await, "", &[502]).await;
    check(&ScriptedOrigin::start(vec![Step::Reset]).await, "", &[502]).await;
}

#[tokio::test]
async fn a_backend_that_does_not_speak_http_is_502() {
    for garbage in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\r\n\r\nnot HTTP\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad header: x\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ] {
        let origin = ScriptedOrigin::start(vec![Step::ReadHead, Step::send(garbage)]).await;
        check(&origin, "timeouts: {response: 2s}", &[502]).await;
    }
}

#[tokio::test]
async fn a_backend_that_sleeps_is_504() {
    check(&ScriptedOrigin::start(vec![Step::ReadHead, Step::Await]).await, "timeouts: {response: 100ms}", &[504]).await;
}

#[tokio::test]
async fn a_head_that_never_ends_is_502() {
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "x-filler: 0123456789\r\n".repeat(50_000));
    check(&ScriptedOrigin::start(vec![Step::ReadHead, Step::send(&endless)]).await, "", &[502]).await;
}

/// A first connection that serves one request and dies of the second; others serve all.
async fn dies_when_reused() -> ScriptedOrigin {
    let first =
        [Step::ReadHead, Step::send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirst"), Step::ReadHead, Step::Close];
    ScriptedOrigin::start_each(vec![first.to_vec(), always("again")]).await
}

#[tokio::test]
async fn a_reused_connection_that_died_is_retried_once_where_it_is_safe() {
    for (method, expected) in [("GET", 200), ("PUT", 200), ("POST", 502)] {
        let origin = dies_when_reused().await;
        let site = Site::new("a.test").upstream(&origin);
        let gateway = Gateway::builder().workers(1).site("a.yaml", &site).start().await;
        let mut connection = gateway.connect("a.test", Protocol::Http1).await;
        assert_eq!(connection.get("/").await.unwrap().text(), "first");
        let request = connection.request("/").method(method).body(client::no_body()).unwrap();
        let answer = connection.answer(request).await.unwrap();
        assert_eq!(answer.status, expected, "{method}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_request_whose_body_has_been_sent_is_not_sent_twice() {
    let origin = ScriptedOrigin::start_each(vec![
        vec![
            Step::ReadHead,
            Step::send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
            Step::ReadUntil(b"payload".to_vec()),
            Step::Close,
        ],
        always("again"),
    ])
    .await;
    let gateway = Gateway::builder().workers(1).site("a.yaml", &Site::new("a.test").upstream(&origin)).start().await;
    let mut connection = gateway.connect("a.test", Protocol::Http1).await;
    assert_eq!(connection.get("/").await.unwrap().status, 200);
    let request = connection.request("/").method("POST").body(client::whole("payload")).unwrap();
    assert_eq!(connection.answer(request).await.unwrap().status, 502);
    assert_eq!(origin.received().concat().matches("payload").count(), 1);
}

#[tokio::test]
async fn bytes_after_a_response_never_reach_the_next_client() {
    let first = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfirstHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nstolen";
    let origin = ScriptedOrigin::start_each(vec![vec![Step::ReadHead, Step::send(first)], always("next")]).await;
    let gateway = Gateway::builder().workers(1).site("a.yaml", &Site::new("a.test").upstream(&origin)).start().await;
    assert_eq!(gateway.get("a.test", "/").await.text(), "first");
    assert_eq!(gateway.get("a.test", "/").await.text(), "next");
}

#[tokio::test]
async fn an_answer_before_the_body_leaves_no_request_behind() {
    let early = vec![
        Step::ReadHead,
        Step::send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly"),
        Step::ReadUntil(b"more than ever comes".to_vec()),
    ];
    let origin = ScriptedOrigin::start_each(vec![early, always("next")]).await;
    let gateway = Gateway::builder().workers(1).site("a.yaml", &Site::new("a.test").upstream(&origin)).start().await;
    let mut stream = gateway.tls("a.test").await;
    stream.write_all(b"POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 100\r\n\r\n").await.unwrap();
    let (mut heard, mut buffer) = (Vec::new(), [0; 1024]);
    while !heard.ends_with(b"early") {
        let count = stream.read(&mut buffer).await.unwrap();
        assert_ne!(count, 0, "{}", heard.escape_ascii());
        heard.extend_from_slice(&buffer[..count]);
    }
    // What a body holds is no request, neither here nor there; and nobody else is sent to where it was going.
    let _ = stream.write_all(b"GET /hidden HTTP/1.1\r\nhost: a.test\r\n\r\n").await;
    for _ in 0..3 {
        assert_eq!(gateway.get("a.test", "/").await.text(), "next");
    }
    let received = origin.received();
    assert!(received[0].starts_with("POST / "), "{received:?}");
    assert!(received[1..].iter().all(|connection| !connection.contains("hidden")), "{received:?}");
    assert_eq!(received.concat().matches("GET / ").count(), 3, "{received:?}");
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_upstream_request_along() {
    let origin = ScriptedOrigin::start(vec![Step::ReadHead]).await;
    let gateway = beside_a_good_site(&origin, "").await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut connection = gateway.connect("a.test", protocol).await;
        let request = connection.request("/left").body(client::no_body()).unwrap();
        let pending = tokio::spawn(async move { connection.send(request).await.map(drop) });
        origin.received_with("/left").await;
        pending.abort();
        gateway.wait_status("no request in flight", |status| status["requests_in_flight"] == 0).await;
    }
}

#[tokio::test]
async fn our_own_answers_are_pages_or_json_with_a_request_id() {
    let refusing = Refusing::bind();
    let gateway = beside_a_good_site(&refusing, "").await;
    let ask = async |accept: &str| -> Answer {
        let mut connection = gateway.connect("a.test", Protocol::Http1).await;
        let request = connection.request("/").header("accept", accept).body(client::no_body()).unwrap();
        connection.answer(request).await.unwrap()
    };
    let page = ask("text/html,*/*;q=0.8").await;
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.text().contains("request "), "{}", page.text());
    let json = ask("application/json").await.json();
    assert_eq!(json["request_id"].as_str().unwrap().len(), 16);
}
