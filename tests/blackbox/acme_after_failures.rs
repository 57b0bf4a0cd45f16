//! Promise: when what stood in the way is mended, the certificate comes by itself: nobody restarts, nobody types.
//!
//! These mostly wait (30 seconds between two looks at DNS, 30 and then 60 between two probes of a CA that is down), so they
//! wait together in one test.

#![expect(clippy::print_stdout, reason = "figures are printed, not judged")]

use std::time::Duration;

use tokio::time::Instant;
use vestibule_testkit::{AcmeRig, ChallTestServer, Pebble, Site, client::Trust, wait::within};

/// A look every 30 seconds, and an order. The promise of the product.
const MENDED_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn what_is_mended_is_certified_without_a_restart() {
    tokio::join!(unknown_address(), known_address(), first_ca_down());
}

/// A name that resolves to nothing and one that leads elsewhere.
async fn breaks(names: &ChallTestServer) {
    names.servfail("nowhere.example.com").await;
    names.add_a("elsewhere.example.com", &["127.9.9.9"]).await;
}

const BROKEN: [&str; 2] = ["nowhere.example.com", "elsewhere.example.com"];

async fn is_mended(rig: &AcmeRig, what: &str) {
    let mended = Instant::now();
    rig.names.clear_servfail(BROKEN[0]).await;
    rig.names.clear_a(BROKEN[1]).await;
    for name in BROKEN {
        let look = || async { rig.shown(name).await.ok() };
        assert!(within(MENDED_WITHIN, look).await.is_some(), "{:?}", rig.gateway.name(name).await);
        println!("DNS of {name} mended, {what}: a certificate after {:?}", mended.elapsed());
        let row = rig.gateway.wait_name(name, "valid", |row| row["state"] == "valid").await;
        assert_eq!(row["failures"], 0, "{row}");
    }
}

fn drop_sites(rig: &AcmeRig) {
    BROKEN.iter().for_each(|name| rig.gateway.write(&format!("{name}.yaml"), &Site::new(name).respond(name)));
}

/// The gateway does not know its own address: a name is ordered, and fails.
async fn unknown_address() {
    let rig = AcmeRig::start().await;
    breaks(&rig.names).await;
    drop_sites(&rig);
    let failed = rig.gateway.wait_name(BROKEN[1], "failed", |row| row["failures"] == 1).await;
    assert_eq!(failed["failure_kind"], "validation-connection", "{failed}");
    rig.gateway.wait_name(BROKEN[0], "quarantined", |row| row["state"] == "quarantined").await;
    let text = rig.gateway.certs(&[]).await;
    let sentence = failed["failure"].as_str().unwrap();
    assert!(text.contains(&format!("{}: {sentence}", BROKEN[1])) && text.contains("quarantined"), "{text}");
    is_mended(&rig, "own address unknown").await;
}

/// The gateway knows its own address: what leads elsewhere is in quarantine at once, and the CA is not bothered.
async fn known_address() {
    let rig = AcmeRig::builder().line("public_addresses: [127.0.0.1]").start().await;
    breaks(&rig.names).await;
    drop_sites(&rig);
    for name in BROKEN {
        rig.gateway.wait_name(name, "quarantined", |row| row["state"] == "quarantined").await;
    }
    assert_eq!(rig.pebble.orders(), 0);
    is_mended(&rig, "own address known").await;
    assert_eq!(rig.pebble.issued(), 2);
}

/// The first CA refuses connections, three probes long: the second is asked.
async fn first_ca_down() {
    let second = Pebble::builder();
    let (directory, root) = (second.directory(), second.root_file());
    let failover = format!("failover: [{{name: second, directory: \"{directory}\", root: \"{}\"}}]", root.display());
    let mut rig = AcmeRig::builder().line(&failover).start().await;
    rig.pebble.stop();
    let (http, https) = (rig.gateway.http().port(), rig.gateway.https().port());
    let second = second.nameserver(rig.names.dns()).start(http, https).await;
    let trust = Trust::roots(&second.issuing_roots().await);

    let dropped = Instant::now();
    rig.gateway.write("a.yaml", &Site::new("a.example.com").respond("a"));
    let failed = rig.gateway.wait_name("a.example.com", "failed", |row| row["failure_kind"] == "ca").await;
    assert_eq!(failed["failures"], 0, "no fault of the name: {failed}");
    let look = || async { rig.gateway.shown(&trust, "a.example.com").await.ok() };
    assert!(within(Duration::from_secs(150), look).await.is_some(), "{:?}", rig.gateway.name("a.example.com").await);
    println!("with the first CA down: a certificate of the second after {:?}", dropped.elapsed());
    assert_eq!(rig.gateway.name("a.example.com").await.unwrap()["ca"], "second");
}
