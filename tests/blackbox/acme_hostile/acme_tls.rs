//! `acme-tls/1` (RFC 8737) is between a CA and the gateway: no handshake that offers it alone reaches a site.

use rustls::AlertDescription;
use tokio::io::AsyncWriteExt as _;
use vestibule_testkit::{ScriptedOrigin, SimulatedRig, Site, Step, client::Trust, origin::always};

use super::{exchange, renew_watched_by, targets};

const SHOP: &str = "shop.example.net";

/// The alert that ends a handshake; `None`: it went through.
async fn alert(rig: &SimulatedRig, trust: &Trust, sni: &str, alpn: &[&[u8]]) -> Option<AlertDescription> {
    let error = trust.connect(rig.gateway.https(), sni, alpn).await.err()?;
    match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => Some(*alert),
        _ => panic!("{sni}: {error}"),
    }
}

/// A shop with a certificate of the CA, and sites of every other kind, all on one recording origin.
async fn sites() -> (SimulatedRig, ScriptedOrigin) {
    let origin = ScriptedOrigin::start(always("here")).await;
    let site = |hosts: &str| Site::new(hosts).upstream(&origin);
    let sites = [
        ("shop.yaml", site(SHOP)),
        ("wild.yaml", site("*.example.org").line("tls: internal")),
        ("local.yaml", site("local.internal")),
        ("clear.yaml", site("clear.example.net").line("tls: off")),
    ];
    let builder = SimulatedRig::builder().line("challenges: [tls-alpn-01]");
    let rig = builder
        .gateway(|gateway| sites.iter().fold(gateway, |gateway, (file, site)| gateway.site(file, site)))
        .start()
        .await;
    rig.served(SHOP, "here").await;
    (rig, origin)
}

const NAMES: &[&str] = &["x.example.org", "local.internal", "clear.example.net", "nobody.example.com"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acme_tls_alone_meets_an_alert_and_no_site() {
    let (rig, origin) = sites().await;
    let before = targets(&origin).len();
    for name in NAMES.iter().chain(&[SHOP]) {
        let alert = alert(&rig, rig.trust(), name, &[b"acme-tls/1"]).await;
        assert_eq!(alert, Some(AlertDescription::NoApplicationProtocol), "{name}");
    }
    // While a challenge of one name is open, the others are as closed as before.
    let validator = ScriptedOrigin::start(vec![Step::Read(1), Step::Await]).await;
    renew_watched_by(&rig, SHOP, &validator);
    vestibule_testkit::eventually("the CA's look", || async { (validator.connections() > 0).then_some(()) }).await;
    for name in NAMES.iter().chain(&["x.shop.example.net", "example.net"]) {
        let alert = alert(&rig, rig.trust(), name, &[b"acme-tls/1"]).await;
        assert_eq!(alert, Some(AlertDescription::NoApplicationProtocol), "{name}");
    }
    assert_eq!(targets(&origin).len(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acme_tls_among_others_is_an_ordinary_handshake() {
    let (rig, _origin) = sites().await;
    let validator = ScriptedOrigin::start(vec![Step::Read(1), Step::Await]).await;
    renew_watched_by(&rig, SHOP, &validator);
    vestibule_testkit::eventually("the CA's look", || async { (validator.connections() > 0).then_some(()) }).await;
    let mixed: &[&[&[u8]]] =
        &[&[b"acme-tls/1", b"http/1.1"], &[b"http/1.1", b"acme-tls/1"], &[b"x", b"http/1.1", b"acme-tls/1"]];
    for alpn in mixed {
        // The CA's certificate, and not that of the challenge: the client believes the CA only.
        let mut stream = rig.trust().connect(rig.gateway.https(), SHOP, alpn).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let request = format!("GET / HTTP/1.1\r\nHost: {SHOP}\r\nConnection: close\r\n\r\n");
        assert!(exchange(&mut stream, &request).await.ends_with("here"));
    }
    // Twice is alone no more; whatever comes of it, it is no proof and no site.
    let twice = rig.trust().connect(rig.gateway.https(), SHOP, &[b"acme-tls/1", b"acme-tls/1"]).await;
    if let Ok(mut stream) = twice {
        let _ = stream.shutdown().await;
        assert_ne!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
}
