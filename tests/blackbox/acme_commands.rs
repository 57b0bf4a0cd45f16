//! Promise: `vestibule certs` and what stands below it say how things are, and do what they are told.

use std::{fs, path::Path};

use vestibule_testkit::{
    AcmeRig, Site,
    certificate::{Authority, Issued, Shown, Validity},
    client::Trust,
};

#[tokio::test]
async fn explain_says_what_is_well_and_what_stands_in_the_way() {
    let rig = AcmeRig::builder().line("public_addresses: [127.0.0.1]").start().await;
    rig.names.add_a("lost.example.com", &["127.9.9.9"]).await;
    rig.names.add_caa("lost.example.com", &[("issue", "other.example")]).await;
    rig.gateway.add("a.yaml", &Site::new("a.example.com").respond("a")).await;
    rig.gateway.add("lost.yaml", &Site::new("lost.example.com").respond("lost")).await;
    rig.certified("a.example.com").await;

    let well = rig.gateway.certs(&["explain", "a.example.com"]).await;
    for good in ["claim", "dns", "ca "] {
        let line = well.lines().find(|line| line.trim_start().starts_with(good));
        assert!(line.is_some_and(|line| line.contains("good")), "{good}: {well}");
    }
    let lost = rig.gateway.certs(&["explain", "lost.example.com"]).await;
    let line = lost.lines().find(|line| line.trim_start().starts_with("dns")).unwrap();
    assert!(line.contains("bad") && line.contains("127.9.9.9"), "{lost}");
    assert!(lost.lines().last().unwrap().contains("127.0.0.1"), "what to do comes last: {lost}");
}

#[tokio::test]
async fn plan_says_what_waits_for_which_limit() {
    let rig = AcmeRig::builder().line("limits: {orders: 1/3h, names_per_certificate: 1}").start().await;
    rig.gateway.add("a.yaml", &Site::new("a.example.com").respond("a")).await;
    rig.certified("a.example.com").await;
    assert!(rig.gateway.certs(&["plan"]).await.starts_with("nothing waits"));

    rig.gateway.add("b.yaml", &Site::new("b.example.com").respond("b")).await;
    rig.gateway.add("c.yaml", &Site::new("c.example.com").respond("c")).await;
    rig.gateway.wait_name("c.example.com", "waiting", |row| row["state"] == "waiting").await;
    let plan = rig.gateway.certs(&["plan"]).await;
    let rows: Vec<_> = plan.lines().filter(|line| line.contains(".yaml")).collect();
    assert!(rows.len() == 2 && rows.iter().all(|row| row.contains("orders")), "{plan}");
    assert!(plan.contains("2 sites, 2 orders"), "{plan}");
    assert_eq!(rig.pebble.orders(), 1, "nobody was asked");
}

/// A store of certbot's with one lineage.
fn certbot(folder: &Path, name: &str, issued: &Issued) {
    let (archive, live) = (folder.join("archive").join(name), folder.join("live").join(name));
    fs::create_dir_all(folder.join("renewal")).unwrap();
    fs::write(folder.join("renewal").join(format!("{name}.conf")), "version = 2.1.0\n").unwrap();
    for dir in [&archive, &live] {
        fs::create_dir_all(dir).unwrap();
    }
    for (file, text) in [("fullchain", &issued.chain), ("privkey", &issued.key)] {
        fs::write(archive.join(format!("{file}1.pem")), text).unwrap();
        let target = format!("../../archive/{name}/{file}1.pem");
        std::os::unix::fs::symlink(target, live.join(format!("{file}.pem"))).unwrap();
    }
}

#[tokio::test]
async fn an_imported_certificate_is_served_at_once_and_renewed_by_the_ca() {
    let (store, authority) = (tempfile::tempdir().unwrap(), Authority::default());
    let issued = authority.issue(&["old.example.com", "www.old.example.com"], Validity::Now);
    certbot(store.path(), "old.example.com", &issued);
    let rig = AcmeRig::start().await;
    // Nothing is ordered meanwhile.
    rig.pebble.freeze();
    rig.gateway.add("old.yaml", &Site::new("old.example.com, www.old.example.com").respond("old")).await;
    let folder = store.path().to_str().unwrap();
    let dry = rig.gateway.certs(&["import", folder, "--dry-run"]).await;
    assert!(dry.contains("old.example.com"), "{dry}");
    rig.gateway.certs(&["import", folder]).await;
    let trust = Trust::roots(&authority.root_pem());
    let shown = rig.gateway.shown(&trust, "www.old.example.com").await.unwrap();
    assert_eq!(shown, Shown::of_pem(&issued.chain));
    assert_eq!(rig.gateway.name("old.example.com").await.unwrap()["ca"], "imported");

    rig.pebble.thaw();
    rig.gateway.certs(&["renew", "old.example.com"]).await;
    assert_eq!(rig.certified("www.old.example.com").await.names(), ["old.example.com", "www.old.example.com"]);
}

#[tokio::test]
async fn account_keys_are_changed_and_orders_go_on() {
    let rig = AcmeRig::builder().gateway(|gateway| gateway.site("a.yaml", &Site::new("a.example.com").respond("a")));
    let mut rig = rig.start().await;
    let before = rig.certified("a.example.com").await;
    rig.gateway.certs(&["roll-over"]).await;
    rig.gateway.kill();
    rig.gateway.restart().await;
    rig.gateway.certs(&["renew", "a.example.com"]).await;
    assert_ne!(rig.certified("a.example.com").await, before);
}
