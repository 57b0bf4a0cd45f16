//! Promise: any HTTP backend, of any user, by TCP or Unix socket, many of them behind one port.

use vestibule_testkit::{
    Curl, Gateway, HttpOrigin, Protocol, Site,
    backend::{User, nginx, python_files, python_unix},
    process::root_or_note,
};

#[tokio::test]
async fn pythons_file_server_is_reached() {
    let backend = python_files("from python", User::Same).await;
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").upstream(&backend.upstream)).start().await;
    for flag in ["--http1.1", "--http2"] {
        assert_eq!(Curl::new(&gateway).args([flag, "https://a.test/"]).text().await, "from python");
    }
    assert_eq!(gateway.get("a.test", "/missing").await.status, 404);
}

#[tokio::test]
async fn a_server_on_a_unix_socket_is_reached() {
    let backend = python_unix("from a socket", User::Same).await;
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").upstream(&backend.upstream)).start().await;
    let mut connection = gateway.connect("a.test", Protocol::Http2).await;
    for _ in 0..5 {
        assert!(connection.get("/").await.unwrap().text().starts_with("from a socket"));
    }
}

#[tokio::test]
async fn nginx_is_reached_and_sees_the_host() {
    let backend = nginx("from nginx").await;
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").upstream(&backend.upstream)).start().await;
    assert_eq!(Curl::new(&gateway).args(["--http2", "https://a.test/"]).text().await, "from nginx");
    assert_eq!(Curl::new(&gateway).args(["https://a.test/host"]).text().await, "a.test https");
    let ranged = Curl::new(&gateway).args(["--range", "5-9", "--write-out", " %{http_code}", "https://a.test/"]);
    assert_eq!(ranged.text().await, "nginx 206");
}

#[tokio::test]
async fn fifty_backends_answer_on_one_port() {
    let gateway = Gateway::start().await;
    let mut origins = Vec::new();
    for number in 0..50 {
        let origin = HttpOrigin::start_named(&format!("backend-{number}")).await;
        gateway.write(&format!("{number}.yaml"), &Site::new(&format!("s{number}.test")).upstream(&origin));
        origins.push(origin);
    }
    gateway.wait_status("50 sites", |status| status["sites"] == 50).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for number in 0..50 {
            let host = format!("s{number}.test");
            let answer = gateway.connect(&host, protocol).await.get("/echo").await.unwrap();
            assert_eq!(answer.header("x-origin"), Some(format!("backend-{number}").as_str()));
        }
    }
    assert!(origins.iter().all(|origin| origin.requests() == 2));
}

#[tokio::test]
async fn backends_of_different_users_answer_side_by_side() {
    if !root_or_note("backends of different users") {
        return;
    }
    let uids = [64_001, 64_002, 64_003];
    let gateway = Gateway::start().await;
    let mut backends = Vec::new();
    for uid in uids {
        let backend = python_unix("hello", User::Uid(uid)).await;
        let file = format!("{uid}.yaml");
        gateway.write(&file, &Site::new(&format!("u{uid}.test")).upstream(&backend.upstream));
        std::os::unix::fs::chown(gateway.sites_dir().join(&file), Some(uid), Some(uid)).unwrap();
        backends.push(backend);
    }
    for uid in uids {
        gateway.wait_live(&format!("u{uid}.test")).await;
        assert_eq!(gateway.get(&format!("u{uid}.test"), "/").await.text(), format!("hello uid={uid}"));
        let row = gateway.wait_state(&format!("{uid}.yaml"), "live").await;
        assert_eq!(row["owner"], uid);
    }
}

/// A gateway as the backend of another: the shortest way to a backend that speaks TLS.
#[tokio::test]
async fn a_backend_behind_tls_is_verified() {
    let backend = Gateway::builder().site("b.yaml", &Site::new("b.test").respond("behind TLS")).start().await;
    let upstream = format!("https://{}", backend.https());
    let trusting = |root: &std::path::Path, name: &str| {
        // The Host that arrives is the client's, so the backend must know it as a name of the same site.
        let tls = format!("upstream_tls: {{ca: {}, server_name: {name}}}", root.display());
        Site::new("b.test").upstream(&upstream).line(&tls)
    };
    let gateway = Gateway::builder().site("b.yaml", &trusting(&backend.root_file(), "b.test")).start().await;
    assert_eq!(gateway.get("b.test", "/").await.text(), "behind TLS");
    // The wrong root, then the wrong name: nothing is sent to somebody else.
    gateway.add("b.yaml", &trusting(&gateway.root_file(), "b.test")).await;
    assert_eq!(gateway.get("b.test", "/").await.status, 502);
    gateway.add("b.yaml", &trusting(&backend.root_file(), "other.test")).await;
    assert_eq!(gateway.get("b.test", "/").await.status, 502);
}

#[tokio::test]
async fn a_backend_that_starts_late_is_reached_as_soon_as_it_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("late.sock");
    let site = Site::new("a.test").upstream(format!("unix:{}", socket.display()));
    let gateway = Gateway::builder().site("a.yaml", &site).start().await;
    assert!(gateway.get("a.test", "/").await.status.is_server_error());
    let _origin = HttpOrigin::start_unix(&socket);
    let look = || async { (gateway.get("a.test", "/").await.status == 200).then_some(()) };
    vestibule_testkit::eventually("the late backend", look).await;
}
