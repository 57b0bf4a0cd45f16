//! Promise: what is there is served whatever happens to the CA, and what changes is a swap: nothing that is open ends,
//! nothing that was begun is lost.

use std::{fs, os::unix::fs::PermissionsExt as _};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use vestibule_testkit::{AcmeRig, HttpOrigin, Site, client::websocket, eventually};

#[tokio::test]
async fn a_certificate_serves_at_once_after_a_restart_with_the_ca_down() {
    let site = Site::new("a.example.com").respond("a");
    let mut rig = AcmeRig::builder().gateway(|gateway| gateway.site("a.yaml", &site)).start().await;
    let before = rig.certified("a.example.com").await;
    rig.pebble.stop();
    rig.gateway.kill();
    rig.gateway.restart().await;
    assert_eq!(rig.shown("a.example.com").await.unwrap(), before);
    let row = rig.gateway.name("a.example.com").await.unwrap();
    assert_eq!(row["state"], "valid", "{row}");
}

#[tokio::test]
async fn an_edit_of_a_site_does_not_cancel_its_order() {
    let rig = AcmeRig::start().await;
    rig.gateway.write("a.yaml", &Site::new("a.example.com").respond("0"));
    rig.gateway.wait_in_flight().await;
    rig.pebble.freeze();
    for body in ["1", "2", "3"] {
        rig.gateway.add("a.yaml", &Site::new("a.example.com").respond(body)).await;
    }
    rig.pebble.thaw();
    rig.certified("a.example.com").await;
    assert_eq!(rig.https("a.example.com").await.unwrap().get("/").await.unwrap().text(), "3");
    assert_eq!((rig.pebble.orders(), rig.pebble.issued()), (1, 1), "{}", rig.pebble.log());
}

#[tokio::test]
async fn a_new_certificate_goes_live_while_connections_stay() {
    let origin = HttpOrigin::start().await;
    let site = Site::new("a.example.com").upstream(&origin);
    let rig = AcmeRig::builder().gateway(|gateway| gateway.site("a.yaml", &site)).start().await;
    let before = rig.certified("a.example.com").await;
    let mut kept = rig.https("a.example.com").await.unwrap();
    assert_eq!(kept.get("/echo").await.unwrap().status, 200);
    let stream = rig.trust.connect(rig.gateway.https(), "a.example.com", &[b"http/1.1"]).await.unwrap();
    let mut socket = websocket(stream, "wss://a.example.com/ws").await.unwrap();

    for verb in [&["renew"][..], &["revoke", "--yes", "--reason", "superseded"]] {
        let shown = rig.shown("a.example.com").await.unwrap();
        rig.gateway.certs(&[verb, &["a.example.com"]].concat()).await;
        let after = rig.wait_shown("a.example.com", "another certificate", |other| *other != shown).await;
        assert_ne!(after, before);
        assert_eq!(kept.get("/echo").await.unwrap().status, 200);
        socket.send(Message::text("still there?")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("still there?"));
    }
}

/// A hook that adds what it is told to a file: words and names in one line, then the document.
const HOOK: &str = "#!/bin/sh
document=$(cat)
printf '%s\\t%s\\t%s\\n' \"$*\" \"$VESTIBULE_NAMES\" \"$document\" >> \"${0%/*}/told\"
";

#[tokio::test]
async fn hooks_are_told_of_a_certificates_life() {
    let dir = tempfile::tempdir().unwrap();
    let hook = dir.path().join("hook");
    fs::write(&hook, HOOK).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let rig = AcmeRig::builder().line(&format!("hooks: [[\"{}\", --channel, ops]]", hook.display())).start().await;
    rig.names.add_a("lost.example.com", &["127.9.9.9"]).await;

    rig.gateway.write("a.yaml", &Site::new("a.example.com").respond("a"));
    rig.certified("a.example.com").await;
    rig.gateway.certs(&["renew", "a.example.com"]).await;
    rig.gateway.certs(&["revoke", "a.example.com", "--yes"]).await;
    let words = || told(dir.path()).into_iter().map(|(words, _, _)| words).collect::<Vec<_>>();
    // A revocation orders the replacement first, so a renewal comes before it.
    let events = ["obtained", "renewed", "renewed", "revoked"].map(|event| format!("--channel ops {event}"));
    eventually("four events", || std::future::ready((words() == events).then_some(()))).await;
    for (_, names, document) in told(dir.path()) {
        assert_eq!((names.as_str(), &document["names"]), ("a.example.com", &serde_json::json!(["a.example.com"])));
        assert!(document["not_after"].is_u64() && document["ca"].is_string(), "{document}");
    }

    rig.gateway.write("lost.yaml", &Site::new("lost.example.com").respond("lost"));
    let failed = eventually("a fifth event", || std::future::ready(told(dir.path()).into_iter().nth(4))).await;
    assert_eq!(failed.0, "--channel ops failed");
    assert!(failed.2["reason"].is_string() && failed.2["next_attempt"].is_u64(), "{failed:?}");
}

/// Words, names and document of each event so far.
fn told(dir: &std::path::Path) -> Vec<(String, String, Value)> {
    let text = fs::read_to_string(dir.join("told")).unwrap_or_default();
    let lines = text.lines().map(|line| {
        let mut parts = line.splitn(3, '\t').map(str::to_owned);
        let (words, names) = (parts.next().unwrap(), parts.next().unwrap());
        (words, names, serde_json::from_str(&parts.next().unwrap()).unwrap())
    });
    lines.collect()
}
