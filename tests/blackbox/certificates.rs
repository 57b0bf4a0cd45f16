//! Promise: every site shows its own certificate, and a change of certificate files is checked before it is taken.

use std::{fs, path::PathBuf};

use vestibule_testkit::{
    Connection, Curl, Gateway, Protocol, Site,
    certificate::{Authority, Issued, Validity},
    client::{Trust, no_body},
    eventually,
};

/// `a.test` with certificate files of its own.
struct OwnFiles {
    gateway: Gateway,
    authority: Authority,
}

impl OwnFiles {
    async fn start() -> Self {
        let (gateway, authority) = (Gateway::start().await, Authority::default());
        let own = Self { gateway, authority };
        own.put(&own.authority.issue(&["a.test"], Validity::Now));
        own.gateway.add("a.yaml", &own.site("a.test")).await;
        own
    }

    fn site(&self, hosts: &str) -> Site {
        let (chain, key) = (self.path("chain.pem"), self.path("key.pem"));
        let tls = format!("tls: {{chain: {}, key: {}}}", chain.display(), key.display());
        Site::new(hosts).respond("own").line(&tls)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.gateway.dir().join(file)
    }

    fn put(&self, issued: &Issued) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::write(self.path("chain.pem"), &issued.chain).unwrap();
        fs::write(self.path("key.pem"), &issued.key).unwrap();
        fs::set_permissions(self.path("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The leaf that a new handshake shows, DER; `None` when the handshake fails.
    async fn shown(&self) -> Option<Vec<u8>> {
        let trust = Trust::roots(&self.authority.root_pem());
        let stream = trust.connect(self.gateway.https(), "a.test", &[b"h2"]).await.ok()?;
        Some(stream.get_ref().1.peer_certificates()?[0].to_vec())
    }

    async fn problem(&self) -> Option<String> {
        let certs = self.gateway.admin("/v1/certs").await.json();
        certs["certs"][0]["problem"].as_str().map(str::to_owned)
    }
}

#[tokio::test]
async fn a_sites_own_certificate_is_shown() {
    let own = OwnFiles::start().await;
    assert!(own.shown().await.is_some());
}

#[tokio::test]
async fn changed_certificate_files_are_taken_without_an_edit() {
    let own = OwnFiles::start().await;
    let before = own.shown().await.unwrap();
    own.put(&own.authority.issue(&["a.test"], Validity::Now));
    eventually("the new certificate", || async { own.shown().await.filter(|shown| *shown != before) }).await;
}

#[tokio::test]
async fn wrong_certificate_files_are_refused_and_the_old_stay() {
    let own = OwnFiles::start().await;
    let issue = |names: &[&str], validity| own.authority.issue(names, validity);
    let other_key = Issued { key: issue(&["a.test"], Validity::Now).key, ..issue(&["a.test"], Validity::Now) };
    let garbage = Issued { chain: "no certificate".to_owned(), ..issue(&["a.test"], Validity::Now) };
    for wrong in [other_key, garbage, issue(&["b.test"], Validity::Now), issue(&["a.test"], Validity::Expired)] {
        let before = own.shown().await.unwrap();
        own.put(&wrong);
        eventually("the refusal to be told", || own.problem()).await;
        assert_eq!(own.shown().await.unwrap(), before);
        own.put(&issue(&["a.test"], Validity::Now));
        eventually("the next good one", || async { own.shown().await.filter(|shown| *shown != before) }).await;
        assert_eq!(own.problem().await, None);
    }
}

#[tokio::test]
async fn a_site_whose_certificate_does_not_cover_a_name_does_not_go_live() {
    let own = OwnFiles::start().await;
    own.gateway.write("a.yaml", &own.site("a.test, b.test"));
    let row = own.gateway.wait_state("a.yaml", "stale").await;
    assert_eq!(row["reports"][0]["code"], "V0504", "{row}");
    assert!(own.shown().await.is_some());
}

#[tokio::test]
async fn a_certificate_is_shown_for_the_names_of_its_site_alone() {
    let own = OwnFiles::start().await;
    own.gateway.add("b.yaml", &Site::new("b.test").respond("b")).await;
    // A good certificate, also for a name of another site, for one that nobody has, and for all below its own.
    let names = ["a.test", "b.test", "free.test", "*.a.test"];
    let before = own.shown().await.unwrap();
    own.put(&own.authority.issue(&names, Validity::Now));
    let theirs = eventually("the certificate", || async { own.shown().await.filter(|shown| *shown != before) }).await;
    let everybody =
        Trust::roots(&format!("{}{}", own.authority.root_pem(), fs::read_to_string(own.gateway.root_file()).unwrap()));
    let stream = everybody.connect(own.gateway.https(), "b.test", &[b"h2"]).await.unwrap();
    assert_ne!(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec(), theirs, "the other site shows its own");
    for free in ["free.test", "x.a.test"] {
        let error = everybody.connect(own.gateway.https(), free, &[b"h2"]).await.unwrap_err();
        let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        let refused = rustls::Error::AlertReceived(rustls::AlertDescription::UnrecognisedName);
        assert_eq!(error, Some(&refused), "{free} is no name of the site, whatever its certificate says");
    }
    // And a request for the other name on a connection of the first is not the first site's to answer.
    let trust = Trust::roots(&own.authority.root_pem());
    let mut connection = Connection::secure(&trust, own.gateway.https(), "a.test", Protocol::Http2).await.unwrap();
    for other in ["b.test", "free.test", "x.a.test"] {
        let request = connection.request_for(other, "/").body(no_body()).unwrap();
        assert_eq!(connection.answer(request).await.unwrap().status, 421, "{other}");
    }
}

#[tokio::test]
async fn both_tls_versions_are_spoken_and_older_ones_are_not() {
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").respond("a")).start().await;
    for (most, exit) in [("1.3", 0), ("1.2", 0), ("1.1", 35)] {
        // Level 0, or the client itself would refuse to try the old version.
        let curl = Curl::new(&gateway).args(["--tlsv1.0", "--tls-max", most, "--ciphers", "DEFAULT@SECLEVEL=0"]);
        let curled = curl.args(["https://a.test/"]).run().await;
        assert_eq!(curled.exit, exit, "TLS {most}: {curled:?}");
    }
}

#[tokio::test]
async fn the_key_exchange_is_hybrid_post_quantum() {
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").respond("a")).start().await;
    let stream = gateway.tls("a.test").await;
    let group = stream.get_ref().1.negotiated_key_exchange_group().expect("TLS 1.3").name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
}

#[tokio::test]
async fn the_local_ca_survives_a_restart() {
    let mut gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").respond("a")).start().await;
    let root = fs::read_to_string(gateway.root_file()).unwrap();
    gateway.kill();
    gateway.restart().await;
    let again = gateway.command(&["certs", "--root", "--state", "state"]).stdout;
    assert_eq!(root, String::from_utf8(again).unwrap());
    assert_eq!(gateway.get("a.test", "/").await.text(), "a");
}
