//! Promise: what a site is sent reaches processes of its own user, whoever gets hold of the port, the path or the name, and
//! in whatever order. With real users of the machine.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown, symlink},
    path::Path,
    time::Duration,
};

use tempfile::TempDir;
use vestibule_testkit::{
    Gateway, Protocol, Site,
    backend::{free_port, python},
    client::no_body,
    process::{Process, Program, root_or_note},
    wait::eventually,
};

const ANN: u32 = 64_101;
const BOB: u32 = 64_102;
const SCRIPT: &str = include_str!("owners/backend.py");

/// A box on which Ann has a site, and the folder for its backends.
struct Town {
    gateway: Gateway,
    dir: TempDir,
}

impl Town {
    /// `None` where there are no other users to be.
    async fn new(settings: &str, upstream: &str) -> Option<Self> {
        if !root_or_note("backends of other users") {
            return None;
        }
        let dir = tempfile::Builder::new().prefix("vestibule-owners").tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o1777)).unwrap();
        let upstream = upstream.replace("DIR", &dir.path().display().to_string());
        let home = tempfile::Builder::new().prefix("vestibule-test").tempdir().unwrap();
        let sites = home.path().join("sites.d/ann");
        fs::create_dir_all(&sites).unwrap();
        Site::new("ann.test").upstream(upstream).line("timeouts: {connect: 2s}").write(&sites, "ann.yaml");
        for path in [sites.join("ann.yaml"), sites] {
            chown(path, Some(ANN), Some(ANN)).unwrap();
        }
        let gateway = Gateway::builder().settings(settings).start_in(home).await;
        Some(Self { gateway, dir })
    }

    /// A backend; it listens when this returns.
    async fn backend(&self, address: &str, uid: u32, style: &str) -> Process {
        let address = address.replace("DIR", &self.dir.path().display().to_string());
        let process = self.start(&address, uid, style);
        if !style.contains("brief") {
            let there = || async { is_listening(&address).then_some(()) };
            eventually("the backend to listen", there).await;
        }
        process
    }

    fn start(&self, address: &str, uid: u32, style: &str) -> Process {
        let record = self.record(uid);
        let words = ["-c", SCRIPT, address, &uid.to_string(), &record.display().to_string(), style].map(str::to_owned);
        Program::new(python()).args(words).start(&format!("backend-{uid}"), self.dir.path())
    }

    fn record(&self, uid: u32) -> std::path::PathBuf {
        self.dir.path().join(format!("record-{uid}"))
    }

    /// Everything that any backend of this user has received.
    fn received(&self, uid: u32) -> String {
        String::from_utf8_lossy(&fs::read(self.record(uid)).unwrap_or_default()).into_owned()
    }

    /// Asks Ann's site on a connection of its own: status and body.
    async fn ask(&self) -> (u16, String) {
        let mut connection = self.gateway.connect("ann.test", Protocol::Http1).await;
        let request = connection.request("/secret").header("accept", "application/json").body(no_body()).unwrap();
        let answer = connection.answer(request).await.unwrap();
        (answer.status.as_u16(), answer.text())
    }

    async fn is_refused(&self, code: &str) {
        let (status, body) = self.ask().await;
        assert!(status == 502 && body.contains(code), "{status} {body}");
        assert_eq!(self.received(BOB), "", "nothing of Ann's reaches Bob");
    }

    async fn is_served(&self) {
        let ask = || async { (self.ask().await == (200, format!("uid {ANN}"))).then_some(()) };
        eventually("Ann's backend to answer", ask).await;
    }

    /// What the operator is told of Ann's backends.
    async fn denials(&self) -> Vec<String> {
        let status = self.gateway.status().await;
        let tenants = status["tenants"].as_array().cloned().unwrap_or_default();
        let of_ann = tenants.iter().filter(|row| row["tenant"] == ANN).filter_map(|row| row["denied"].as_array());
        of_ann.flatten().map(|denied| denied["why"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// How `status` says that Ann's backend stands, and whose it is.
    async fn standing(&self) -> (String, Option<u64>) {
        let told = self.gateway.admin("/v1/backends").await.text();
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let row = &told["backends"][0];
        (row["standing"].as_str().unwrap_or_default().to_owned(), row["uid"].as_u64())
    }
}

/// Does anybody listen there? Asked of the kernel's tables, so that no connection is made.
fn is_listening(address: &str) -> bool {
    if address.starts_with('/') {
        let table = fs::read_to_string("/proc/net/unix").unwrap();
        return table.lines().any(|line| line.ends_with(address) && line.contains(" 00010000 "));
    }
    let port = format!(":{:04X}", address.rsplit(':').next().unwrap().parse::<u16>().unwrap());
    let listens = |table: &str| {
        let table = fs::read_to_string(table).unwrap_or_default();
        table.lines().any(|line| {
            let mut fields = line.split_whitespace();
            fields.nth(1).is_some_and(|local| local.ends_with(&port)) && fields.nth(1) == Some("0A")
        })
    };
    listens("/proc/net/tcp") || listens("/proc/net/tcp6")
}

async fn end(mut process: Process) {
    process.kill();
    process.wait().await;
}

#[tokio::test]
async fn a_port_is_its_owners_in_every_order_and_after_restarts() {
    let port = free_port().to_string();
    let Some(mut town) = Town::new("", &port).await else { return };
    let bob = town.backend(&port, BOB, "plain").await;
    town.is_refused("upstream_not_yours").await;
    let told = town.denials().await;
    assert!(told.iter().any(|why| why.contains(&format!("is held by uid {BOB}, not by you"))), "{told:?}");
    end(bob).await;
    let ann = town.backend(&port, ANN, "plain").await;
    town.is_served().await;
    end(ann).await;
    // The connection that was kept is gone with its process, and the next one finds Bob.
    let bob = town.backend(&port, BOB, "plain").await;
    town.is_refused("upstream_not_yours").await;
    town.gateway.kill();
    town.gateway.restart().await;
    town.gateway.wait_live("ann.test").await;
    town.is_refused("upstream_not_yours").await;
    end(bob).await;
    let _ann = town.backend(&port, ANN, "plain").await;
    town.is_served().await;
    assert_eq!(town.received(BOB), "");
}

#[tokio::test]
async fn every_way_to_listen_is_seen_through() {
    let port = free_port().port();
    let Some(town) = Town::new("", &port.to_string()).await else { return };
    for address in [format!("127.0.0.1:{port}"), format!("0.0.0.0:{port}"), format!("[::]:{port}")] {
        for style in ["plain", "deferred", "handed"] {
            let bob = town.backend(&address, BOB, style).await;
            town.is_refused("upstream_not_yours").await;
            end(bob).await;
            let ann = town.backend(&address, ANN, style).await;
            town.is_served().await;
            end(ann).await;
        }
    }
    assert_eq!(town.received(BOB), "");
}

#[tokio::test]
async fn a_websocket_gets_no_further_than_a_request() {
    let port = free_port().to_string();
    let Some(town) = Town::new("", &port).await else { return };
    let _bob = town.backend(&port, BOB, "plain").await;
    let mut connection = town.gateway.connect("ann.test", Protocol::Http1).await;
    let request = connection.request("/").header("connection", "upgrade").header("upgrade", "websocket");
    let request = request.header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let answer = connection.answer(request.body(no_body()).unwrap()).await.unwrap();
    assert_eq!(answer.status, 502);
    assert_eq!(town.received(BOB), "");
}

/// Both wait for the port and hold it for a moment, hundreds of times, while clients ask all the time.
#[tokio::test]
async fn a_port_that_changes_hands_hundreds_of_times_gives_nothing_away() {
    const TAKEOVERS: usize = 300;
    let port = free_port().to_string();
    let Some(town) = Town::new("", &port).await else { return };
    let bob = town.backend(&port, BOB, "brief").await;
    let ann = town.backend(&port, ANN, "brief").await;
    let held = |process: &Process| process.stdout().lines().count();
    let (mut served, mut refused) = (0, 0);
    let began = std::time::Instant::now();
    let hold = Duration::from_secs(60);
    while (held(&ann) < TAKEOVERS || held(&bob) < TAKEOVERS || served == 0 || refused == 0) && began.elapsed() < hold {
        let answers = tokio::join!(town.ask(), town.ask(), town.ask(), town.ask());
        for (status, body) in [answers.0, answers.1, answers.2, answers.3] {
            served += usize::from(status == 200);
            refused += usize::from(body.contains("upstream_not_yours"));
            assert!(status != 200 || body == format!("uid {ANN}"), "{body}");
        }
    }
    assert!(held(&ann) >= TAKEOVERS && held(&bob) >= TAKEOVERS, "Ann {} Bob {}", held(&ann), held(&bob));
    assert!(served > 0 && refused > 0, "{served} served, {refused} refused");
    assert_eq!(town.received(BOB), "", "not a byte");
    end(ann).await;
    end(bob).await;
}

#[tokio::test]
async fn a_unix_socket_is_its_owners_whatever_the_path_becomes() {
    let Some(town) = Town::new("", "unix:DIR/app.sock").await else { return };
    let path = town.dir.path().join("app.sock");
    let clear = |path: &Path| fs::remove_file(path).unwrap();
    let (hers, his) = (Some(u64::from(ANN)), Some(u64::from(BOB)));
    let ann = town.backend("DIR/app.sock", ANN, "plain").await;
    town.is_served().await;
    assert_eq!(town.standing().await, ("own".to_owned(), hers));
    end(ann).await;
    assert_eq!(town.standing().await, ("nobody".to_owned(), None));
    clear(&path);
    // Bob takes the path while Ann is away: with a socket of his own, by a link, in a folder of his.
    let bob = town.backend("DIR/app.sock", BOB, "plain").await;
    town.is_refused("upstream_not_yours").await;
    assert_eq!(town.standing().await, ("other".to_owned(), his));
    end(bob).await;
    clear(&path);
    let ann = town.backend("DIR/elsewhere.sock", ANN, "plain").await;
    symlink(town.dir.path().join("elsewhere.sock"), &path).unwrap();
    std::os::unix::fs::lchown(&path, Some(BOB), Some(BOB)).unwrap();
    town.is_refused("upstream_not_yours").await;
    assert_eq!(town.standing().await, ("astray".to_owned(), his));
    // Her own link she may follow.
    std::os::unix::fs::lchown(&path, Some(ANN), Some(ANN)).unwrap();
    town.is_served().await;
    end(ann).await;
    clear(&path);
    // Root opens sockets for others, and gives them the file.
    let for_bob = town.backend("DIR/app.sock", BOB, "given").await;
    town.is_refused("upstream_not_yours").await;
    end(for_bob).await;
    let _for_ann = town.backend("DIR/app.sock", ANN, "given").await;
    town.is_served().await;
}

#[tokio::test]
async fn what_the_operator_allows_is_allowed_and_a_warning_lets_through() {
    let port = free_port().to_string();
    let allow = [
        format!("tenants: {{{ANN}: {{owners: [{BOB}]}}}}"),
        format!("tenants: {{{ANN}: {{upstreams: [\"{port}\"]}}}}"),
    ];
    for settings in [allow[0].as_str(), allow[1].as_str(), "upstreams: {owner: warn}", "upstreams: {owner: off}"] {
        let Some(town) = Town::new(settings, &port).await else { return };
        let bob = town.backend(&port, BOB, "plain").await;
        assert_eq!(town.ask().await, (200, format!("uid {BOB}")), "{settings}");
        let is_told = settings.contains("warn");
        assert_eq!(!town.denials().await.is_empty(), is_told, "{settings}");
        end(bob).await;
    }
}

#[tokio::test]
async fn a_site_that_names_a_place_out_of_bounds_is_told_where() {
    let refuse = "upstreams: {refuse: [\"*:6379\", \"unix:/run/docker.sock\"]}";
    for upstream in [
        "169.254.169.254:80",
        "10.0.0.5:80",
        "[fd00:ec2::254]:80",
        "[::ffff:169.254.169.254]:80",
        "127.0.0.1:6379",
        "unix:/run/docker.sock",
    ] {
        let Some(town) = Town::new(refuse, upstream).await else { return };
        let row = town.gateway.wait_state("ann/ann.yaml", "broken").await;
        assert!(row["reports"].to_string().contains("V0408"), "{upstream}: {row}");
    }
}

/// What a name leads to is judged when it is dialled: `localhost` is loopback, and the gateway's own socket is not a backend.
#[tokio::test]
async fn names_lead_no_further_than_addresses() {
    let port = free_port().port();
    let Some(town) =
        Town::new("upstreams: {refuse: [\"127.0.0.0/8:*\", \"[::1]:*\"]}", &format!("localhost:{port}")).await
    else {
        return;
    };
    let _ann = town.backend(&format!("127.0.0.1:{port}"), ANN, "plain").await;
    town.is_refused("upstream_not_allowed").await;
    assert_eq!(town.received(ANN), "");
}
