//! Promise: a site with `client_ca` is served to those who show a good certificate of its CA, on connections that were made
//! for just that, and to nobody else: whatever else is live, whatever becomes of the file, and however the client comes.

use std::{fs, path::PathBuf, time::Duration};

use rustls::AlertDescription;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vestibule_testkit::{
    Connection, Gateway, HttpOrigin, Protocol, ScriptedOrigin, Site,
    certificate::{Authority, Issued, Validity},
    client::{Trust, no_body},
    eventually,
    origin::always,
    process::root_or_note,
};

/// A gateway whose `club.test` is for members only.
struct Club {
    gateway: Gateway,
    members: Authority,
    member: Issued,
}

impl Club {
    async fn start(upstream: impl std::fmt::Display, demand: &str, settings: &str) -> Self {
        let gateway = Gateway::builder().settings(settings).start().await;
        let members = Authority::default();
        let club = Self { member: members.issue(&["ann"], Validity::Now), gateway, members };
        club.put(&club.members.root_pem());
        club.gateway.add("club.yaml", &club.site("club.test", upstream, demand)).await;
        club
    }

    /// The file of the CA, changed in one step.
    fn put(&self, pem: &str) {
        let path = self.ca_file();
        fs::write(path.with_extension("new"), pem).unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    }

    fn ca_file(&self) -> PathBuf {
        self.gateway.dir().join("members.pem")
    }

    fn site(&self, hosts: &str, upstream: impl std::fmt::Display, demand: &str) -> Site {
        let client_ca = format!("client_ca: {{file: {}, certificate: {demand}}}", self.ca_file().display());
        Site::new(hosts).upstream(upstream).line(&format!("tls: {{{client_ca}}}"))
    }

    fn trust(&self) -> &Trust {
        self.gateway.trust()
    }

    /// What a client gets of `club.test` on a connection of its own: the answer, or the alert.
    async fn visit(&self, trust: &Trust) -> Result<String, AlertDescription> {
        visit(&self.gateway, trust, "club.test").await
    }

    async fn open(&self, issued: &Issued, protocol: Protocol) -> Connection {
        Connection::secure(&self.trust().showing(issued), self.gateway.https(), "club.test", protocol).await.unwrap()
    }

    async fn problem(&self) -> Option<String> {
        let certs = self.gateway.admin("/v1/certs").await.json();
        certs["certs"].as_array()?.iter().find(|row| row["site"] == "club.yaml")?["problem"].as_str().map(str::to_owned)
    }

    /// Waits until this client gets that.
    async fn becomes(&self, what: &str, trust: &Trust, wanted: Result<(), AlertDescription>) {
        let look = || async { (self.visit(trust).await.map(drop) == wanted).then_some(()) };
        eventually(what, look).await;
    }
}

/// One request on a connection of its own. An alert may come before the request or in place of the answer.
async fn visit(gateway: &Gateway, trust: &Trust, host: &str) -> Result<String, AlertDescription> {
    let exchange = async {
        let mut stream = trust.connect(gateway.https(), host, &[b"http/1.1"]).await?;
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    exchange.await.map_err(|error| {
        let of_tls = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
        match of_tls {
            Some(rustls::Error::AlertReceived(alert)) => *alert,
            _ => panic!("neither an answer nor an alert: {error:?}"),
        }
    })
}

/// The values of a header field, as the echoing origin saw them.
fn told(echo: &Value, name: &str) -> Vec<String> {
    let headers = echo["headers"].as_array().unwrap().iter();
    headers.filter(|header| header[0] == name).map(|header| header[1].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn only_who_shows_a_certificate_of_the_sites_ca_is_let_in() {
    let origin = ScriptedOrigin::start(always("inside")).await;
    let club = Club::start(&origin, "required", "").await;
    let (strangers, trust) = (Authority::default(), club.trust());
    assert_eq!(club.visit(trust).await, Err(AlertDescription::CertificateRequired));
    for (shown, alert) in [
        (strangers.issue(&["ann"], Validity::Now), AlertDescription::DecryptError),
        (club.members.issue(&["ann"], Validity::Expired), AlertDescription::CertificateExpired),
    ] {
        assert_eq!(club.visit(&trust.showing(&shown)).await, Err(alert));
    }
    assert_eq!(origin.received(), [""; 0], "nothing has reached the backend");
    assert!(club.visit(&trust.showing(&club.member)).await.unwrap().ends_with("inside"));
    let metrics = club.gateway.admin("/metrics").await.text();
    let counted = |line: &&str| line.contains("outcome=\"client_certificate\"") && line.ends_with(" 3");
    assert!(metrics.lines().any(|line| counted(&line)), "{metrics}");
    let certs = club.gateway.admin("/v1/certs").await.json();
    assert_eq!(certs["certs"][0]["client_certificate"], "required", "{certs}");
}

#[tokio::test]
async fn the_backend_is_told_of_the_verified_certificate_and_of_no_other() {
    let origin = HttpOrigin::start().await;
    let club = Club::start(&origin, "required", "trusted_proxies: [127.0.0.0/8]").await;
    club.gateway.add("open.yaml", &Site::new("open.test").upstream(&origin)).await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut connection = club.open(&club.member, protocol).await;
        // Not even a trusted proxy is believed here.
        let spoofed = connection.request("/echo").header("client-cert", ":ZXZpbA==:");
        let spoofed = spoofed.header("client-cert-chain", ":ZXZpbA==:").body(no_body()).unwrap();
        for _ in 0..2 {
            let echo = connection.get("/echo").await.unwrap().json();
            assert_eq!(told(&echo, "client-cert"), [club.member.field()], "{protocol:?}");
        }
        let echo = connection.answer(spoofed).await.unwrap().json();
        assert_eq!(told(&echo, "client-cert"), [club.member.field()], "{protocol:?}");
        assert!(told(&echo, "client-cert-chain").is_empty(), "{echo}");
    }
    // A site that asks for no certificate is shown none, also by a client that has one.
    let trust = club.trust().showing(&club.member);
    let mut connection = Connection::secure(&trust, club.gateway.https(), "open.test", Protocol::Http1).await.unwrap();
    let echo = connection.get("/echo").await.unwrap().json();
    assert!(told(&echo, "client-cert").is_empty(), "{echo}");
}

#[tokio::test]
async fn an_optional_certificate_is_good_or_absent() {
    let origin = HttpOrigin::start().await;
    let club = Club::start(&origin, "optional", "").await;
    let mut anonymous = club.gateway.connect("club.test", Protocol::Http1).await;
    let request = anonymous.request("/echo").header("client-cert", ":ZXZpbA==:").body(no_body()).unwrap();
    let echo = anonymous.answer(request).await.unwrap().json();
    assert!(told(&echo, "client-cert").is_empty(), "{echo}");
    let echo = club.open(&club.member, Protocol::Http2).await.get("/echo").await.unwrap().json();
    assert_eq!(told(&echo, "client-cert"), [club.member.field()]);
    let stranger = Authority::default().issue(&["ann"], Validity::Now);
    assert!(club.visit(&club.trust().showing(&stranger)).await.is_err());
}

#[tokio::test]
async fn clear_http_is_never_served() {
    let origin = ScriptedOrigin::start(always("inside")).await;
    let club = Club::start(&origin, "required", "trusted_proxies: [127.0.0.0/8]").await;
    let mut clear = club.gateway.connect_clear("club.test").await;
    let answer = clear.get("/").await.unwrap();
    assert_eq!(answer.status, 308);
    assert!(answer.header("location").unwrap().starts_with("https://club.test"), "{answer:?}");
    // A proxy that ended TLS itself cannot vouch for a certificate.
    let request = clear.request("/").header("x-forwarded-proto", "https").header("client-cert", ":ZXZpbA==:");
    let answer = clear.answer(request.header("accept", "application/json").body(no_body()).unwrap()).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str()), (403, Some("tls_only")));
    assert_eq!(origin.received(), [""; 0]);

    for (lines, code) in [("redirect_to_https: false", "V0206"), ("", "")] {
        club.gateway.write("club.yaml", &club.site("club.test", &origin, "required").line(lines));
        let look = || async {
            let row = club.gateway.row("club.yaml").await?;
            (row["reports"][0]["code"].as_str().unwrap_or_default() == code).then_some(row)
        };
        let row = eventually("the verdict", look).await;
        assert_eq!(row["state"], if code.is_empty() { "live" } else { "stale" }, "{row}");
        assert_eq!(club.gateway.connect_clear("club.test").await.get("/").await.unwrap().status, 308);
    }
}

#[tokio::test]
async fn a_connection_of_another_policy_is_misdirected() {
    let origin = ScriptedOrigin::start(always("inside")).await;
    let club = Club::start(&origin, "required", "").await;
    // One certificate for both names, as a browser needs it to send both down one connection.
    let authority = Authority::default();
    let both = authority.issue(&["club.test", "open.test"], Validity::Now);
    let (chain, key) = (club.gateway.dir().join("chain.pem"), club.gateway.dir().join("key.pem"));
    fs::write(&chain, &both.chain).unwrap();
    fs::write(&key, &both.key).unwrap();
    let files = format!("chain: {}, key: {}", chain.display(), key.display());
    let guarded = format!("tls: {{{files}, client_ca: {}}}", club.ca_file().display());
    club.gateway.add("club.yaml", &Site::new("club.test").upstream(&origin).line(&guarded)).await;
    club.gateway.add("open.yaml", &Site::new("open.test").respond("open").line(&format!("tls: {{{files}}}"))).await;

    let trust = Trust::roots(&authority.root_pem());
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut connection = Connection::secure(&trust, club.gateway.https(), "open.test", protocol).await.unwrap();
        let coalesced = connection.request_for("club.test", "/").body(no_body()).unwrap();
        assert_eq!(connection.answer(coalesced).await.unwrap().status, 421, "{protocol:?}");
        assert_eq!(connection.get("/").await.unwrap().text(), "open", "{protocol:?}");
    }
    assert_eq!(origin.received(), [""; 0]);

    // The site under the other name comes to demand the same, then nothing, and then the same again: what is open was made
    // for something else each time.
    let club_too = Site::new("open.test").upstream(&origin).line(&guarded);
    let open = Site::new("open.test").respond("open").line(&format!("tls: {{{files}}}"));
    for (trust, next) in [(trust.clone(), &club_too), (trust.showing(&club.member), &open), (trust.clone(), &club_too)]
    {
        let mut connection =
            Connection::secure(&trust, club.gateway.https(), "open.test", Protocol::Http2).await.unwrap();
        assert_eq!(connection.get("/").await.unwrap().status, 200);
        club.gateway.add("open.yaml", next).await;
        assert_eq!(connection.get("/").await.unwrap().status, 421);
        eventually("the connection to be closed", || async { connection.is_closed().then_some(()) }).await;
    }
}

#[tokio::test]
async fn a_change_of_the_ca_applies_at_once_and_to_open_connections() {
    let origin = ScriptedOrigin::start(always("inside")).await;
    let club = Club::start(&origin, "required", "").await;
    let (old, fresh) = (club.trust().showing(&club.member), Authority::default());
    let new = club.trust().showing(&fresh.issue(&["bob"], Validity::Now));
    let mut open = [club.open(&club.member, Protocol::Http1).await, club.open(&club.member, Protocol::Http2).await];
    for connection in &mut open {
        assert_eq!(connection.get("/").await.unwrap().text(), "inside");
    }
    // Both for a while, as a change of CAs is done.
    club.put(&format!("{}{}", club.members.root_pem(), fresh.root_pem()));
    club.becomes("the second CA to be believed", &new, Ok(())).await;
    assert!(club.visit(&old).await.is_ok());
    for connection in &mut open {
        assert_eq!(connection.get("/").await.unwrap().status, 421, "it was made under another policy");
    }
    club.put(&fresh.root_pem());
    club.becomes("the first CA to be over", &old, Err(AlertDescription::DecryptError)).await;
    assert!(club.visit(&new).await.is_ok());
    assert_eq!(club.visit(club.trust()).await, Err(AlertDescription::CertificateRequired));
}

#[tokio::test]
async fn a_wrong_file_and_no_file_let_nobody_else_in() {
    let origin = ScriptedOrigin::start(always("inside")).await;
    let mut club = Club::start(&origin, "required", "").await;
    let member = club.trust().showing(&club.member);
    let stranger = club.trust().showing(&Authority::default().issue(&["ann"], Validity::Now));
    for (wrong, word) in [
        (Some("no certificate"), "holds no certificate"),
        (Some(club.member.chain.as_str()), "no CA's"),
        (Some(""), "it is empty"),
        (None, "does not exist"),
    ] {
        match wrong {
            Some(text) => club.put(text),
            None => fs::remove_file(club.ca_file()).unwrap(),
        }
        let told = || async { club.problem().await.filter(|problem| problem.contains(word)) };
        eventually(&format!("`{word}` to be told"), told).await;
        assert!(club.visit(&member).await.is_ok(), "{word}: what was good stays in force");
        assert!(club.visit(&stranger).await.is_err(), "{word}");
        assert_eq!(club.visit(club.trust()).await, Err(AlertDescription::CertificateRequired), "{word}");
    }
    // After a restart nothing is known of who may come in: nobody does, not on any port.
    club.gateway.kill();
    club.gateway.restart().await;
    let row = club.gateway.wait_state("club.yaml", "broken").await;
    assert_eq!(row["reports"][0]["code"], "V0501", "{row}");
    for trust in [club.trust(), &member] {
        assert_eq!(club.visit(trust).await, Err(AlertDescription::UnrecognisedName));
    }
    assert_eq!(club.gateway.connect_clear("club.test").await.get("/").await.unwrap().status, 404);
    club.put(&club.members.root_pem());
    club.gateway.wait_state("club.yaml", "live").await;
    assert!(club.visit(&member).await.is_ok());
    assert!(club.visit(&stranger).await.is_err());
}

#[tokio::test]
async fn a_certificate_that_ends_ends_its_connections() {
    let origin = ScriptedOrigin::start(always("inside")).await;
    let club = Club::start(&origin, "required", "").await;
    let brief = club.members.issue(&["ann"], Validity::For(Duration::from_secs(4)));
    let mut connection = club.open(&brief, Protocol::Http2).await;
    assert_eq!(connection.get("/").await.unwrap().text(), "inside");
    let mut lasting = club.open(&club.member, Protocol::Http2).await;
    let status = || async {
        let mut connection =
            Connection::secure(&club.trust().showing(&brief), club.gateway.https(), "club.test", Protocol::Http2)
                .await
                .ok()?;
        connection.get("/").await.is_err().then_some(())
    };
    eventually("the certificate to end", status).await;
    assert_eq!(connection.get("/").await.unwrap().status, 421);
    assert_eq!(lasting.get("/").await.unwrap().text(), "inside");
}

#[tokio::test]
async fn nobody_names_the_file_of_another_user() {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    const ANN: u32 = 64_111;
    const BOB: u32 = 64_112;
    if !root_or_note("files of several users") {
        return;
    }
    let club = Club::start("127.0.0.1:9", "required", "").await;
    fs::set_permissions(club.gateway.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    let link = club.gateway.dir().join("link.pem");
    std::os::unix::fs::symlink(club.ca_file(), &link).unwrap();
    chown(club.ca_file(), Some(ANN), Some(ANN)).unwrap();
    let sites = club.gateway.sites_dir().join("bob");
    for path in [club.ca_file(), link] {
        let site = Site::new("bob.test").respond("bob").line(&format!("tls: {{client_ca: {}}}", path.display()));
        let aside = club.gateway.dir().join("aside");
        fs::create_dir_all(&sites).unwrap();
        chown(&sites, Some(BOB), Some(BOB)).unwrap();
        site.write(&aside, "bob.yaml");
        chown(aside.join("bob.yaml"), Some(BOB), Some(BOB)).unwrap();
        fs::rename(aside.join("bob.yaml"), sites.join("bob.yaml")).unwrap();
        let row = club.gateway.wait_state("bob/bob.yaml", "broken").await;
        assert_eq!(row["reports"][0]["code"], "V0507", "{row}");
        fs::remove_file(sites.join("bob.yaml")).unwrap();
        eventually("the file to be gone", || async { club.gateway.row("bob/bob.yaml").await.is_none().then_some(()) })
            .await;
    }
}
