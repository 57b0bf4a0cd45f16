//! Promise: the longest path prefix decides, by whole segments of the normal form, and what is forwarded is what was
//! judged.

use vestibule_testkit::{Gateway, HttpOrigin, Protocol, Site};

#[tokio::test]
async fn the_longest_prefix_wins_by_whole_segments() {
    let api = HttpOrigin::start_named("api").await;
    let deep = HttpOrigin::start_named("deep").await;
    let root = HttpOrigin::start_named("root").await;
    let routes = format!("routes:\n  /api: \"{api}\"\n  /api/deep: \"{deep}\"");
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").upstream(&root).line(&routes)).start().await;
    let mut connection = gateway.connect("a.test", Protocol::Http1).await;
    for (path, expected) in [
        ("/", "root"),
        ("/apix", "root"),
        ("/api", "api"),
        ("/api/", "api"),
        ("/api/deeper", "api"),
        ("/api/deep", "deep"),
        ("/api/deep/er?x=/other", "deep"),
        ("/%61pi", "api"),
        ("/x/../api/deep", "deep"),
        ("//api", "api"),
    ] {
        let answer = connection.get(path).await.unwrap();
        assert_eq!(answer.header("x-origin"), Some(expected), "{path}");
        let target = answer.json()["target"].as_str().unwrap().to_owned();
        assert!(expected == "root" || target.starts_with("/api"), "{path} was forwarded as {target}");
    }
}

#[tokio::test]
async fn a_site_can_redirect_and_respond_without_a_backend() {
    let routes = "routes:\n  /old: {redirect: \"/new{path}{query}\"}\n  /away: {redirect: {to: \"https://x.test{path}\", status: 302}}\n  /health: {respond: ok}\n  /teapot: {respond: {status: 418, body: short, content_type: text/x-stout}}";
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").line(routes)).start().await;
    let mut connection = gateway.connect("a.test", Protocol::Http2).await;
    for (path, status, location) in [
        ("/old/page?a=b", 308, Some("/new/page?a=b")),
        ("/away/x", 302, Some("https://x.test/x")),
        ("/health", 200, None),
        ("/teapot", 418, None),
        ("/elsewhere", 404, None),
    ] {
        let answer = connection.get(path).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.header("location")), (status, location), "{path}");
    }
    assert_eq!(connection.get("/teapot").await.unwrap().header("content-type"), Some("text/x-stout"));
}

#[tokio::test]
async fn a_stripped_prefix_is_told_to_the_backend() {
    let origin = HttpOrigin::start().await;
    let routes = format!("routes:\n  /wiki: {{upstream: \"{origin}\", strip_prefix: true}}");
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").line(&routes)).start().await;
    for (path, target) in [("/wiki/page?x=1", "/page?x=1"), ("/wiki", "/"), ("/wiki/", "/")] {
        let echo = gateway.get("a.test", path).await.json();
        assert_eq!(echo["target"], target, "{path}");
        assert!(
            echo["headers"].as_array().unwrap().contains(&serde_json::json!(["x-forwarded-prefix", "/wiki"])),
            "{echo}"
        );
    }
}

#[tokio::test]
async fn a_path_that_two_readers_could_understand_differently_is_refused() {
    let origin = HttpOrigin::start().await;
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").upstream(&origin)).start().await;
    for path in ["/a%2fb", "/a%5cb", "/%00", "/..%2fx", "/..;/x", "/../x", "/%zz", "/a%0d%0ab"] {
        let status = gateway.get("a.test", path).await.status;
        assert_eq!(status, 400, "{path}");
    }
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn requests_are_spread_over_the_backends_of_a_group() {
    let (one, two) = (HttpOrigin::start_named("one").await, HttpOrigin::start_named("two").await);
    let site = Site::new("a.test").line(&format!("upstream: [\"{one}\", \"{two}\"]"));
    let gateway = Gateway::builder().site("a.yaml", &site).start().await;
    for _ in 0..40 {
        assert_eq!(gateway.get("a.test", "/").await.status, 200);
    }
    assert!(one.requests() >= 10 && two.requests() >= 10, "{} and {}", one.requests(), two.requests());
}
