//! Promise: a request reaches the site that was asked for, by handshake and by header alike, and no other.

use rustls::AlertDescription;
use vestibule_testkit::{Curl, Gateway, Protocol, Site, client};

/// `a.test` and `b.test`, each of which says its name, without a backend.
async fn two_sites() -> Gateway {
    Gateway::builder()
        .site("a.yaml", &Site::new("a.test").respond("site a"))
        .site("b.yaml", &Site::new("b.test").respond("site b").line("redirect_to_https: false"))
        .start()
        .await
}

#[tokio::test]
async fn each_name_leads_to_its_own_site() {
    let gateway = two_sites().await;
    assert_eq!(gateway.get("a.test", "/").await.text(), "site a");
    assert_eq!(gateway.get("b.test", "/").await.text(), "site b");
}

#[tokio::test]
async fn a_host_of_another_site_is_misdirected() {
    let gateway = two_sites().await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for host in ["b.test", "nobody.test", "127.0.0.1"] {
            let mut connection = gateway.connect("a.test", protocol).await;
            let request = connection.request_for(host, "/").body(client::no_body()).unwrap();
            let answer = connection.answer(request).await.unwrap();
            assert_eq!(answer.status, 421, "{protocol:?} {host}");
            assert!(!answer.text().contains("site b"), "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn an_unknown_name_is_refused_in_the_handshake() {
    let gateway = two_sites().await;
    let error = gateway.trust().connect(gateway.https(), "nobody.test", &[b"h2"]).await.unwrap_err();
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()).expect("an error of TLS");
    assert_eq!(*error, rustls::Error::AlertReceived(AlertDescription::UnrecognisedName));
}

#[tokio::test]
async fn an_unknown_host_on_clear_http_is_not_found_and_learns_nothing() {
    let gateway = two_sites().await;
    let answer = gateway.connect_clear("nobody.test").await.get("/").await.unwrap();
    assert_eq!(answer.status, 404);
    for secret in ["a.test", "b.test", "nobody.test", "127.0.0.1"] {
        assert!(!answer.text().contains(secret), "{secret} in {}", answer.text());
    }
    let mut connection = gateway.connect_clear("nobody.test").await;
    let request = connection.request("/").header("accept", "application/json").body(client::no_body()).unwrap();
    let answer = connection.answer(request).await.unwrap().json();
    assert!(answer["request_id"].is_string(), "{answer}");
}

#[tokio::test]
async fn every_spelling_of_a_name_is_one_name() {
    let gateway = Gateway::builder()
        .site("a.yaml", &Site::new("a.test, bücher.test").respond("site a").line("redirect_to_https: false"))
        .start()
        .await;
    for host in ["a.test", "A.Test", "a.test.", "a.test:80", "xn--bcher-kva.test"] {
        let answer = gateway.connect_clear(host).await.get("/").await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "site a"), "{host}");
    }
    for host in ["a_b.test@a.test", "a.test:99999", "a.test:x", "a..test"] {
        let answer = gateway.connect_clear(host).await.get("/").await.unwrap();
        assert!(answer.status == 400 || answer.status == 404, "{host}: {}", answer.status);
    }
}

#[tokio::test]
async fn an_exact_name_beats_a_wildcard_and_a_wildcard_covers_one_label() {
    let gateway = Gateway::builder()
        .site("exact.yaml", &Site::new("x.a.test").respond("exact"))
        .site("wild.yaml", &Site::new("*.a.test").respond("wild"))
        .site("longer.yaml", &Site::new("*.b.a.test").respond("longer"))
        .start()
        .await;
    for (host, body) in [("x.a.test", "exact"), ("y.a.test", "wild"), ("y.b.a.test", "longer")] {
        assert_eq!(gateway.get(host, "/").await.text(), body, "{host}");
    }
    assert!(gateway.trust().connect(gateway.https(), "z.y.a.test", &[b"h2"]).await.is_err());
}

#[tokio::test]
async fn clear_http_is_redirected_to_https() {
    let gateway = two_sites().await;
    let answer = gateway.connect_clear("a.test").await.get("/path?query=1").await.unwrap();
    assert_eq!(answer.status, 308);
    let location = format!("https://a.test:{}/path?query=1", gateway.https().port());
    assert_eq!(answer.header("location"), Some(location.as_str()));
    assert_eq!(gateway.connect_clear("b.test").await.get("/").await.unwrap().text(), "site b");
}

#[tokio::test]
async fn other_names_lead_to_the_canonical_one() {
    let site = Site::new("a.test, www.a.test").respond("here").line("canonical: www.a.test");
    let gateway = Gateway::builder().site("a.yaml", &site).start().await;
    let curl = Curl::new(&gateway).args(["--location", "--write-out", " %{url_effective} %{num_redirects}"]);
    assert_eq!(curl.args(["https://a.test/x"]).text().await, "here https://www.a.test/x 1");
    assert_eq!(gateway.get("www.a.test", "/").await.text(), "here");
}

#[tokio::test]
async fn a_site_without_tls_is_served_on_clear_http_only() {
    let gateway =
        Gateway::builder().site("a.yaml", &Site::new("a.test").respond("clear").line("tls: off")).start().await;
    assert_eq!(gateway.connect_clear("a.test").await.get("/").await.unwrap().text(), "clear");
    let curl = Curl::new(&gateway).args(["https://a.test/"]).run().await;
    assert_eq!(curl.exit, 35, "{curl:?}");
}
