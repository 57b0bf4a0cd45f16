//! Promise: every user of the machine may ask for their own things, and is told nothing of another's: not a name, not a path,
//! not a count.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use vestibule_testkit::{
    Gateway, Site,
    backend::python,
    eventually,
    gateway::binary,
    process::{Program, output_as, root_or_note},
};

const ANN: u32 = 1_640_110_777;
const BEN: u32 = 64_012;
const STRANGER: u32 = 64_013;
/// In every name and path of Ann's; her uid, too long to come up by chance, is the other thing that gives her away.
const MARK: &str = "secret-of-ann";
/// What a tenant may ask over HTTP, about names of their own or of Ann's.
const QUESTIONS: [&str; 19] = [
    "/v1/whoami",
    "/v1/status",
    "/v1/sites",
    "/v1/sites?after=a",
    "/v1/backends",
    "/v1/certs",
    "/v1/certs/explain?host=secret-of-ann.test",
    "/v1/certs/explain?host=ben.test",
    "/v1/certs/shown?host=secret-of-ann.test",
    "/v1/certs/plan",
    "/v1/claims",
    "/v1/claims/preview?site=secret-of-ann/shop.yaml&host=free.test",
    "/v1/claims/preview?site=ben/blog.yaml&host=ben.test",
    "/v1/explain?url=https://secret-of-ann.test/private",
    "/v1/explain?url=https://ben.test/",
    "/v1/logs",
    "/v1/logs?tenant=1640110777",
    "/metrics",
    "/v1/nothing",
];
/// Commands, which must not touch Ann's names either.
const COMMANDS: [&str; 6] = [
    "/v1/certs/renew?host=secret-of-ann.test",
    "/v1/certs/revoke?host=secret-of-ann.test&reason=1",
    "/v1/certs/roll-over",
    "/v1/certs/import",
    "/v1/claims/transfer?host=secret-of-ann.test&user=64013",
    "/v1/claims/release?host=secret-of-ann.test",
];

/// A gateway with a socket for tenants, and a binary that they can run.
struct Shared {
    gateway: Gateway,
    socket: String,
}

impl Shared {
    async fn start(settings: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("vestibule-test").tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(binary(), dir.path().join("vestibule")).unwrap();
        let socket = dir.path().join("run/tenants.sock").display().to_string();
        let gateway = Gateway::builder().settings(&format!("admin: {{tenants: \"{socket}\"}}")).settings(settings);
        Self { gateway: gateway.start_in(dir).await, socket }
    }

    fn dir(&self) -> &Path {
        self.gateway.dir()
    }

    /// A site file of a user's, in a folder of theirs.
    async fn write(&self, uid: u32, file: &str, text: &str) {
        let path = self.gateway.sites_dir().join(file);
        let folder = path.parent().unwrap();
        fs::create_dir_all(folder).unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        chown(folder, Some(uid), Some(uid)).unwrap();
        let fresh = path.with_extension("tmp");
        fs::write(&fresh, text).unwrap();
        chown(&fresh, Some(uid), Some(uid)).unwrap();
        fs::rename(&fresh, &path).unwrap();
        let what = format!("{file} to be seen");
        eventually(&what, || async { self.gateway.row(file).await.filter(|row| row["owner"] == uid) }).await;
    }

    /// Asks over HTTP as that user: body and status. Waits for a turn where it must.
    async fn ask(&self, uid: u32, method: &str, target: &str) -> String {
        let url = format!("http://vestibule{target}");
        let words = ["curl", "-s", "--unix-socket", &self.socket, "-X", method, "-w", "\n%{http_code}", &url];
        let what = format!("an answer to {target}");
        eventually(&what, || async {
            let output = output_as(uid, self.dir(), &words).await;
            let text = String::from_utf8(output.stdout).unwrap();
            (output.status.success() && !text.ends_with("\n429")).then_some(text)
        })
        .await
    }

    /// Runs a command of the binary as that user: everything that it printed. It waits for its turn by itself.
    async fn run(&self, uid: u32, args: &[&str]) -> String {
        let mut words = vec!["./vestibule"];
        words.extend(args);
        let output = output_as(uid, self.dir(), &words).await;
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat()
    }

    /// Everything that a tenant can be told, in one text.
    async fn everything_told(&self, uid: u32) -> String {
        let mut told = String::new();
        for (method, targets) in [("GET", &QUESTIONS[..]), ("POST", &COMMANDS[..])] {
            for target in targets {
                told.push_str(&format!("{target}\n{}\n", self.ask(uid, method, target).await));
            }
        }
        let at = ["--socket", self.socket.as_str()];
        let of_gateway: [&[&str]; 9] = [
            &["status"],
            &["status", "--format", "json"],
            &["sites"],
            &["sites", "--format", "json"],
            &["certs"],
            &["certs", "explain", "secret-of-ann.test"],
            &["certs", "renew", "secret-of-ann.test"],
            &["certs", "revoke", "secret-of-ann.test", "--yes"],
            &["logs", "--tenant", "1640110777"],
        ];
        for words in of_gateway {
            told.push_str(&format!("{words:?}\n{}\n", self.run(uid, &[words, &at].concat()).await));
        }
        for words in
            [&["explain", "https://secret-of-ann.test/private"][..], &["check"], &["check", "sites.d/ben/blog.yaml"]]
        {
            let words = [words, &["--settings", "vestibule.yaml"]].concat();
            told.push_str(&format!("{words:?}\n{}\n", self.run(uid, &words).await));
        }
        told
    }
}

/// What one asks about is repeated in answers; what is told is the rest.
fn without_questions(told: &str) -> String {
    let repeated = ["secret-of-ann.test", "secret-of-ann/shop.yaml&", "tenant=1640110777", "\"1640110777\""];
    repeated.iter().fold(told.to_owned(), |told, repeated| told.replace(repeated, ""))
}

#[tokio::test]
async fn a_tenant_is_told_nothing_of_another_byte_for_byte() {
    if !root_or_note("what one tenant is told of another") {
        return;
    }
    let shared = Shared::start("").await;
    let blog = Site::new("ben.test").respond("ben").line("tls: internal");
    shared.write(BEN, "ben/blog.yaml", blog.text()).await;
    shared.write(BEN, "ben/oops.yaml", "hosts: oops.test\nupstraem: 5000\n").await;
    shared.gateway.wait_live("ben.test").await;
    // The local CA signs at the first use, and a log is written within a moment: both are over when it is asked.
    assert_eq!(shared.gateway.get("ben.test", "/once").await.text(), "ben");
    eventually("the event", || async { shared.ask(BEN, "GET", "/v1/logs").await.contains("/once").then_some(()) })
        .await;
    let alone = shared.everything_told(BEN).await;
    for own in ["ben/blog.yaml", "ben.test", "ben/oops.yaml", "upstraem"] {
        assert!(alone.contains(own), "{own} is told to Ben:\n{alone}");
    }

    // No path is left out of this walk.
    let known = shared.ask(BEN, "GET", "/v1/nothing").await;
    let paths = known.split_once("known paths: ").unwrap().1.split_once('"').unwrap().0.split(", ");
    for path in paths.filter(|path| !matches!(*path, "/healthz" | "/readyz")) {
        let mut walked = QUESTIONS.iter().chain(&COMMANDS);
        assert!(walked.any(|target| target.split('?').next() == Some(path)), "{path}");
    }

    let shop = format!("hosts: [{MARK}.test]\nupstream: \"unix:/srv/{MARK}/app.sock\"\n");
    shared.write(ANN, &format!("{MARK}/shop.yaml"), &shop).await;
    shared.write(ANN, &format!("{MARK}/wrong.yaml"), &format!("hosts: [{MARK}-wrong.test]\nnonsense: {MARK}\n")).await;
    for n in 0..20 {
        let site = Site::new(&format!("{MARK}-{n}.test")).respond(MARK).line("tls: internal");
        shared.write(ANN, &format!("{MARK}/{n}.yaml"), site.text()).await;
        shared.gateway.wait_live(&format!("{MARK}-{n}.test")).await;
        assert_eq!(shared.gateway.get(&format!("{MARK}-{n}.test"), "/").await.text(), MARK);
    }
    let beside = shared.everything_told(BEN).await;
    let rest = without_questions(&beside);
    assert!(!rest.contains(MARK) && !rest.contains("1640110777"), "{beside}");
    assert_eq!(alone, beside, "twenty sites and their requests change nothing of what Ben is told");
    // The other way around, so that silence is no accident.
    let hers = shared.ask(ANN, "GET", "/v1/sites").await;
    assert!(hers.contains(MARK) && hers.contains("nonsense") && !hers.contains("ben"), "{hers}");
}

#[tokio::test]
async fn nobody_commands_anothers_certificates() {
    if !root_or_note("commands about another's certificates") {
        return;
    }
    let shared = Shared::start("").await;
    shared.write(ANN, "ann/a.yaml", Site::new("a.test").respond("a").text()).await;
    shared.write(BEN, "ben/b.yaml", Site::new("b.test").respond("b").text()).await;
    for command in ["/v1/certs/renew", "/v1/certs/revoke"] {
        let others = shared.ask(BEN, "POST", &format!("{command}?host=a.test")).await;
        let nobodys = shared.ask(BEN, "POST", &format!("{command}?host=c.test")).await;
        assert!(others.ends_with("\n404"), "{others}");
        assert_eq!(
            others.replace("a.test", "NAME"),
            nobodys.replace("c.test", "NAME"),
            "the same as for nobody's name"
        );
        let own = shared.ask(BEN, "POST", &format!("{command}?host=b.test")).await;
        assert!(own.ends_with("\n422") && own.contains("no public CA"), "{own}");
    }
    for command in ["/v1/certs/roll-over", "/v1/certs/import"] {
        assert!(shared.ask(BEN, "POST", command).await.ends_with("\n403"), "{command}");
    }
    // Through a browser or a proxy not even the operator.
    let url = "http://vestibule/v1/certs/roll-over";
    for field in ["Origin: https://evil.test", "X-Forwarded-For: 192.0.2.1", "Cookie: a=b"] {
        let socket = shared.gateway.admin_socket().display().to_string();
        let words = ["curl", "-s", "--unix-socket", &socket, "-X", "POST", "-H", field, "-w", "\n%{http_code}", url];
        let told = output_as(0, shared.dir(), &words).await;
        assert!(String::from_utf8_lossy(&told.stdout).ends_with("\n403"), "{field}");
    }
}

#[tokio::test]
async fn a_user_without_a_site_is_taught_and_the_operators_socket_stays_closed() {
    if !root_or_note("what a user without a site is told") {
        return;
    }
    let shared = Shared::start("").await;
    shared.write(ANN, "ann/a.yaml", Site::new("a.test").respond("a").text()).await;
    for command in ["status", "sites", "certs", "logs"] {
        let told = shared.run(STRANGER, &[command, "--socket", &shared.socket]).await;
        assert!(told.contains("uid 64013 has no site here") && told.contains("vestibule new"), "{command}: {told}");
    }
    let state: PathBuf = shared.gateway.state_dir();
    let closed = shared.run(ANN, &["status", "--state", state.to_str().unwrap()]).await;
    assert!(closed.contains("no gateway answers") && closed.contains("ermission denied"), "{closed}");
    // A draft of somebody who has nothing yet: the name is taken, and not a word of whose it is.
    fs::write(shared.dir().join("draft.yaml"), "hosts: [a.test, free.test]\nrespond: mine\n").unwrap();
    chown(shared.dir().join("draft.yaml"), Some(STRANGER), Some(STRANGER)).unwrap();
    let told = shared.run(STRANGER, &["check", "--settings", "vestibule.yaml", "draft.yaml"]).await;
    assert!(told.contains("a.test is held by another tenant") && told.contains("draft.yaml:1:9"), "{told}");
    assert!(!told.contains("ann/a.yaml") && !told.contains(&ANN.to_string()), "{told}");
}

#[tokio::test]
async fn a_log_is_its_tenants_and_can_be_followed() {
    if !root_or_note("logs of tenants") {
        return;
    }
    let shared = Shared::start("log: {tenants: {client_addresses: shortened}}").await;
    for (uid, name) in [(ANN, "ann"), (BEN, "ben")] {
        let site = Site::new(&format!("{name}.test")).respond(name).line("tls: internal");
        shared.write(uid, &format!("{name}/a.yaml"), site.text()).await;
        shared.gateway.wait_live(&format!("{name}.test")).await;
    }
    let program = Program::new(shared.dir().join("vestibule"));
    let program = program.args(["logs", "--follow", "--format", "json", "--socket", &shared.socket]).user(BEN);
    let follower = program.dir(shared.dir()).start("follower", shared.dir());
    for n in 0..5 {
        shared.gateway.get("ann.test", &format!("/of-ann-{n}")).await;
        shared.gateway.get("ben.test", &format!("/of-ben-{n}")).await;
    }
    eventually("the last event", || async { follower.stdout().contains("/of-ben-4").then_some(()) }).await;
    let followed = follower.stdout();
    assert_eq!(followed.lines().count(), 5, "{followed}");
    assert!(!followed.contains("of-ann") && followed.contains("\"client\":\"127.0.0.0\""), "{followed}");
    let last = shared.run(BEN, &["logs", "-n", "2", "--socket", &shared.socket]).await;
    assert!(last.lines().count() == 2 && last.lines().all(|line| line.contains("GET ben.test/of-ben-")), "{last}");
    let hers = shared.run(BEN, &["logs", "--tenant", "1640110777", "--socket", &shared.socket]).await;
    assert!(hers.contains("this is not your log"), "{hers}");
    let state = shared.gateway.state_dir();
    let of_root = shared.run(0, &["logs", "--all", "--tenant", "1640110777", "--state", state.to_str().unwrap()]).await;
    assert!(of_root.lines().count() == 5 && !of_root.contains("of-ben"), "{of_root}");
    let refused = output_as(BEN, shared.dir(), &["ls", state.join("logs").to_str().unwrap()]).await;
    assert!(!refused.status.success(), "the files are the gateway's alone");
}

#[tokio::test]
async fn a_tenant_with_every_connection_crowds_out_nobody() {
    // Opens connections until it is told that they are open, and holds what it gets.
    const HOLD: &str = "\
import socket, sys, time
held = []
for n in range(500):
    one = socket.socket(socket.AF_UNIX)
    one.connect(sys.argv[1])
    held.append(one)
print('holding', flush=True)
time.sleep(3600)";
    if !root_or_note("a tenant with every connection to the admin interface") {
        return;
    }
    let shared = Shared::start("").await;
    shared.write(ANN, "ann/a.yaml", Site::new("a.test").respond("a").text()).await;
    shared.write(BEN, "ben/b.yaml", Site::new("b.test").respond("b").text()).await;
    let program = Program::new(python()).args(["-c", HOLD, &shared.socket]).user(BEN);
    let holder = program.dir(shared.dir()).start("holder", shared.dir());
    eventually("five hundred connections", || async { holder.stdout().contains("holding").then_some(()) }).await;
    assert!(shared.ask(ANN, "GET", "/v1/status").await.ends_with("\n200"));
    // So many users that all places are taken.
    const CROWD: &str = "\
import os, socket, sys, time
held = []
for uid in range(64200, 64220):
    os.seteuid(uid)
    for n in range(5):
        held.append(socket.socket(socket.AF_UNIX))
        held[-1].connect(sys.argv[1])
    os.seteuid(0)
print('crowded', flush=True)
time.sleep(3600)";
    let program = Program::new(python()).args(["-c", CROWD, &shared.socket]);
    let crowd = program.dir(shared.dir()).start("crowd", shared.dir());
    eventually("twenty users", || async { crowd.stdout().contains("crowded").then_some(()) }).await;
    assert!(shared.ask(ANN, "GET", "/v1/status").await.ends_with("\n200"), "whoever has none gets a place");
    let of_root = shared.run(0, &["status", "--socket", &shared.socket]).await;
    assert!(of_root.contains("generation"), "root at the tenants' socket is the operator: {of_root}");
    assert_eq!(shared.gateway.status().await["ready"], true);
}

#[tokio::test]
async fn no_site_leads_to_an_admin_socket() {
    let dir = tempfile::Builder::new().prefix("vestibule-test").tempdir().unwrap();
    let socket = dir.path().join("run/tenants.sock");
    let gateway = Gateway::builder().settings(&format!("admin: {{tenants: \"{}\"}}", socket.display()));
    let site = Site::new("a.test").upstream(format!("unix:{}", socket.display())).line("tls: internal");
    site.write(&dir.path().join("sites.d"), "a.yaml");
    let gateway = gateway.start_in(dir).await;
    assert!(vestibule_testkit::admin::get(&socket, "/v1/status").await.is_ok_and(|answer| answer.status == 200));
    // The file says so already; by another spelling the path is found out when it is dialled.
    let row = gateway.wait_state("a.yaml", "broken").await;
    assert_eq!(row["reports"][0]["code"], "V0406", "{row}");
    let link = gateway.dir().join("link.sock");
    std::os::unix::fs::symlink(&socket, &link).unwrap();
    let site = Site::new("a.test").upstream(format!("unix:{}", link.display())).line("tls: internal");
    gateway.add("b.yaml", &site).await;
    let answer = gateway.get("a.test", "/v1/status").await;
    assert!(answer.status.is_server_error() && !answer.text().contains("generation"), "{}", answer.text());
}

#[tokio::test]
async fn the_loopback_address_names_no_site() {
    let port = vestibule_testkit::ports::Reserved::tcp();
    let address = port.address();
    let gateway = Gateway::builder().settings(&format!("admin: {{address: \"{address}\"}}"));
    port.release();
    let gateway = gateway.site("named.yaml", &Site::new("named.test").respond("x").line("tls: internal")).start().await;
    assert_eq!(gateway.get("named.test", "/").await.status, 200);
    assert!(gateway.admin("/metrics").await.text().contains("named.yaml"));
    let ask = async |args: &[&str]| {
        let output =
            tokio::process::Command::new("curl").args(["-s", "--noproxy", "*"]).args(args).output().await.unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let url = |path: &str| format!("http://{address}{path}");
    let totals = ask(&[&url("/metrics")]).await;
    assert!(totals.contains("vestibule_requests_total") && !totals.contains("named") && !totals.contains("tenant=\""));
    assert!(ask(&["-H", "Host: evil.test", &url("/metrics")]).await.contains("ask for 127.0.0.1"));
    assert!(ask(&[&url("/v1/sites")]).await.contains("this address has"));
    assert!(ask(&["-X", "POST", &url("/v1/certs/roll-over")]).await.contains("this address has"));
}
