//! Promise: a dropped file is a certified site within seconds, and until then nobody is sent where nothing is.
//!
//! The figure is printed, not judged: a test says what happens, a bench how fast.

use std::{io, time::Duration};

use tokio::time::Instant;
use vestibule_testkit::{AcmeRig, Answer, Connection, Curl, Protocol, Site, wait::within};

/// One attempt of a client that trusts pebble only.
async fn visit(rig: &AcmeRig, host: &str) -> io::Result<Answer> {
    let mut connection = Connection::secure(&rig.trust, rig.gateway.https(), host, Protocol::Http1).await?;
    connection.get("/").await.map_err(io::Error::other)
}

#[tokio::test]
async fn a_dropped_file_becomes_a_certified_site() {
    let rig = AcmeRig::start().await;
    for (host, what) in [("a.example.com", "with a new account"), ("b.example.com", "with the account at hand")] {
        let dropped = Instant::now();
        rig.gateway.write(&format!("{host}.yaml"), &Site::new(host).respond(host));
        let look = || async { visit(&rig, host).await.ok().filter(|answer| answer.status == 200) };
        let answer = within(Duration::from_secs(60), look).await.expect("a certified site");
        println!("from the file's drop to the first HTTPS response, {what}: {:?}", dropped.elapsed());
        assert_eq!(answer.text(), host);
    }
}

#[tokio::test]
async fn until_the_first_certificate_nobody_is_redirected_and_https_says_503() {
    let rig = AcmeRig::builder().line("hold: 0s").start().await;
    let site = Site::new("a.example.com").respond("a").line("redirect_to_https: true");
    rig.pebble.freeze();
    rig.gateway.add("a.yaml", &site).await;

    let clear = async || rig.gateway.connect_clear("a.example.com").await.get("/").await.unwrap();
    let answer = clear().await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "a"), "{answer:?}");
    assert!(rig.shown("a.example.com").await.is_err(), "the placeholder is nobody's");
    let curl = Curl::new(&rig.gateway).args(["--insecure", "--write-out", "%{http_code}", "https://a.example.com/"]);
    let curled = curl.run().await;
    assert!(curled.stdout.ends_with("503") && curled.stdout.contains("no_certificate"), "{curled:?}");

    rig.pebble.thaw();
    rig.certified("a.example.com").await;
    let answer = clear().await;
    let there = format!("https://a.example.com:{}/", rig.gateway.https().port());
    assert_eq!(answer.header("location"), Some(&*there), "{answer:?}");
}

#[tokio::test]
async fn a_handshake_waits_for_the_order_in_flight() {
    let rig = AcmeRig::builder().line("hold: 30s").start().await;
    rig.pebble.freeze();
    rig.gateway.add("a.yaml", &Site::new("a.example.com").respond("a")).await;
    rig.gateway.wait_name("a.example.com", "being ordered", |row| row["state"] == "ordering").await;
    let thaw = async {
        tokio::task::yield_now().await;
        rig.pebble.thaw();
    };
    let (answer, ()) = tokio::join!(visit(&rig, "a.example.com"), thaw);
    assert_eq!(answer.unwrap().text(), "a", "the first visitor sees no error");
}
