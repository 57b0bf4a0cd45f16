//! Promise: what operators and tenants wish of a certificate is what they get: the kind of key, the chain, the CA.

use vestibule_testkit::{AcmeRig, Pebble, Site, certificate::Shown, client::Trust};

#[tokio::test]
async fn keys_are_of_the_kind_that_the_site_names() {
    let rig = AcmeRig::start().await;
    let kinds = [("ecdsa-p256", "ec 256"), ("ecdsa-p384", "ec 384"), ("rsa-2048", "rsa 2048")];
    for (kind, _) in kinds {
        let site = Site::new(&format!("{kind}.example.com")).respond(kind).line(&format!("tls: {{key_type: {kind}}}"));
        rig.gateway.write(&format!("{kind}.yaml"), &site);
    }
    for (kind, key) in kinds {
        assert_eq!(rig.certified(&format!("{kind}.example.com")).await.key(), key);
    }
    // Another kind is another certificate, without a command.
    let changed = Site::new("ecdsa-p256.example.com").respond("changed").line("tls: {key_type: ecdsa-p384}");
    rig.gateway.write("ecdsa-p256.yaml", &changed);
    rig.wait_shown("ecdsa-p256.example.com", "the other kind of key", |shown| shown.key() == "ec 384").await;
}

#[tokio::test]
async fn of_several_chains_the_preferred_one_is_shown() {
    for index in [0, 2] {
        let site = Site::new("a.example.com").respond("a");
        let rig = AcmeRig::builder().pebble(|pebble| pebble.alternate_roots(2)).preferred_root(index);
        let rig = rig.gateway(|gateway| gateway.site("a.yaml", &site)).start().await;
        let shown = rig.certified("a.example.com").await;
        let root = Shown::of_pem(&rig.pebble.issuing_root(index).await).issuers();
        assert_eq!(shown.issuers().last(), root.first(), "{:?}", shown.issuers());
        // Nobody needs the other roots.
        let trust = Trust::roots(&rig.pebble.issuing_root(index).await);
        assert_eq!(rig.gateway.shown(&trust, "a.example.com").await.unwrap(), shown);
    }
}

#[tokio::test]
async fn what_waits_too_long_for_a_limit_is_asked_of_the_second_ca() {
    let second = Pebble::builder();
    let failover = format!(
        "failover: [{{name: second, directory: \"{}\", root: \"{}\"}}]",
        second.directory(),
        second.root_file().display()
    );
    let rig = AcmeRig::builder().line("limits: {orders: 1/3h}").line(&failover).start().await;
    let (http, https) = (rig.gateway.http().port(), rig.gateway.https().port());
    let second = second.nameserver(rig.names.dns()).start(http, https).await;
    let trust = Trust::roots(&second.issuing_roots().await);

    rig.gateway.write("a.yaml", &Site::new("a.example.com").respond("a"));
    rig.certified("a.example.com").await;
    rig.gateway.write("b.yaml", &Site::new("b.example.org").respond("b"));
    rig.gateway.wait_shown(&trust, "b.example.org", "a certificate of the second CA", |_| true).await;
    assert_eq!(rig.gateway.name("b.example.org").await.unwrap()["ca"], "second");
    assert_eq!((rig.pebble.orders(), second.issued()), (1, 1));
}
