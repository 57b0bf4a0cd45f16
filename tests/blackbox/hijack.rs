//! Promise: nobody gets at somebody else's name, whatever files are written, moved, linked or removed, in whatever order, and
//! however often the gateway is killed. With real users of the machine.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
};

use serde_json::Value;
use vestibule_testkit::{ChallTestServer, Gateway, Site, process::root_or_note, wait::eventually};

const ANN: u32 = 64_001;
const BOB: u32 = 64_002;

/// A folder for each of two users, and a sticky one for everybody.
async fn town(settings: &str) -> Gateway {
    let gateway =
        Gateway::builder().settings(settings).site("root.yaml", &Site::new("root.test").respond("root")).start().await;
    for (name, uid, mode) in [("ann", ANN, 0o755), ("bob", BOB, 0o755), ("all", 0, 0o1777)] {
        let folder = gateway.sites_dir().join(name);
        fs::create_dir(&folder).unwrap();
        chown(&folder, Some(uid), Some(uid)).unwrap();
        set_mode(&folder, mode);
    }
    gateway
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Puts a file in place in one step, as that user.
fn put(gateway: &Gateway, uid: u32, file: &str, site: &Site) -> PathBuf {
    let target = gateway.sites_dir().join(file);
    let temporary = target.with_extension("tmp");
    fs::write(&temporary, site.text()).unwrap();
    chown(&temporary, Some(uid), Some(uid)).unwrap();
    set_mode(&temporary, 0o644);
    fs::rename(&temporary, &target).unwrap();
    target
}

/// The codes that are told of a file, once it stands so.
async fn codes(gateway: &Gateway, file: &str, state: &str) -> Vec<String> {
    let row = gateway.wait_state(file, state).await;
    row["reports"].as_array().unwrap().iter().map(|report| report["code"].as_str().unwrap().to_owned()).collect()
}

async fn claim(gateway: &Gateway, name: &str) -> Option<Value> {
    let rows = gateway.admin("/v1/claims").await.json();
    let held = |row: &&Value| row["name"] == name && (row["state"] == "held" || row["state"] == "grace");
    rows.as_array().unwrap().iter().find(held).cloned()
}

#[tokio::test]
async fn a_name_stays_its_tenants_through_removals_renames_and_kills() {
    if !root_or_note("files of several users") {
        return;
    }
    let mut gateway = town("claims: {grace: 1h}").await;
    let shop = Site::new("shop.test").respond("ann");
    put(&gateway, ANN, "ann/shop.yaml", &shop);
    gateway.wait_live("shop.test").await;
    let theft = Site::new("shop.test, x.shop.test, *.shop.test, bob.test").respond("bob");
    put(&gateway, BOB, "bob/0.yaml", &theft);
    assert_eq!(codes(&gateway, "bob/0.yaml", "partial").await, ["V0303", "V0306", "V0306"]);
    assert_eq!(gateway.get("bob.test", "/").await.text(), "bob", "his other name works");
    for round in 0..3 {
        fs::remove_file(gateway.sites_dir().join("ann/shop.yaml")).unwrap();
        gateway.wait_gone("shop.test").await;
        if round > 0 {
            gateway.kill();
            gateway.restart().await;
        }
        // In her place in the folder of everybody, in his own, and again by a save.
        put(&gateway, BOB, "all/shop.yaml", &theft);
        put(&gateway, BOB, "bob/0.yaml", &theft);
        assert!(codes(&gateway, "all/shop.yaml", "partial").await.contains(&"V0303".to_owned()));
        let held = claim(&gateway, "shop.test").await.unwrap();
        assert_eq!((&held["owner"], &held["state"]), (&ANN.into(), &"grace".into()), "round {round}: {held}");
        // Another file of hers takes it back at once.
        put(&gateway, ANN, "ann/shop.yaml", &shop);
        gateway.wait_live("shop.test").await;
        assert_eq!(gateway.get("shop.test", "/").await.text(), "ann");
        fs::remove_file(gateway.sites_dir().join("all/shop.yaml")).unwrap();
    }
    // What he is told names nobody.
    let told = gateway.wait_state("bob/0.yaml", "partial").await.to_string();
    assert!(told.contains("another tenant") && !told.contains("ann/") && !told.contains(&ANN.to_string()), "{told}");
}

#[tokio::test]
async fn the_end_of_a_grace_and_the_operators_hand_wake_who_waits() {
    if !root_or_note("files of several users") {
        return;
    }
    let gateway = town("claims: {grace: 2s}").await;
    put(&gateway, ANN, "ann/a.yaml", &Site::new("a.test, b.test").respond("ann"));
    gateway.wait_live("a.test").await;
    put(&gateway, BOB, "bob/a.yaml", &Site::new("a.test, b.test, bob.test").respond("bob"));
    gateway.wait_state("bob/a.yaml", "partial").await;
    let (socket, state) = (gateway.admin_socket(), gateway.state_dir());
    let socket = socket.to_str().unwrap();
    for (args, code) in
        [(&["nobody.test", "64002"][..], 65), (&["b.test", "no-such-user"], 65), (&["b.test", "64002"], 0)]
    {
        let args = [&["claims", "transfer", "--socket", socket], args].concat();
        let output = gateway.commanded(&args).await;
        assert_eq!(output.status.code(), Some(code), "{args:?} {state:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(gateway.get("b.test", "/").await.text(), "bob");
    assert_eq!(gateway.get("a.test", "/").await.text(), "ann", "her other name");
    let listed = gateway.commanded(&["claims", "--socket", socket, "--user", "64001", "--format", "json"]).await;
    let rows: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let standing: Vec<_> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["name"].as_str().unwrap(), row["state"].as_str().unwrap()))
        .collect();
    assert_eq!(standing, [("a.test", "held"), ("b.test", "waiting")]);
    fs::remove_file(gateway.sites_dir().join("ann/a.yaml")).unwrap();
    assert!(gateway.serves_within(vestibule_testkit::wait::PATIENCE, "a.test", "bob").await, "the grace ends");
    gateway.wait_state("bob/a.yaml", "live").await;
    // An ordinary user moves nothing.
    let moved = vestibule_testkit::admin::get(&gateway.admin_socket(), "/v1/claims/release?host=a.test").await.unwrap();
    assert_eq!(moved.status, 405);
}

#[tokio::test]
async fn only_files_that_nobody_else_can_have_put_there_count() {
    if !root_or_note("files of several users") {
        return;
    }
    let gateway = town("claims: {grace: 1h}").await;
    let at = |file: &str| gateway.sites_dir().join(file);
    let site = |name: &str| Site::new(&format!("{name}.test")).respond(name);
    put(&gateway, ANN, "ann/good.yaml", &site("good"));
    // Bob's file in Ann's folder, and root's in everybody's.
    put(&gateway, BOB, "ann/planted.yaml", &site("planted"));
    put(&gateway, 0, "all/moved.yaml", &site("moved"));
    // Files that others may write, and links to somebody else's.
    set_mode(&put(&gateway, ANN, "ann/loose.yaml", &site("loose")), 0o666);
    symlink(at("ann/good.yaml"), at("bob/linked.yaml")).unwrap();
    let elsewhere = gateway.dir().join("elsewhere.yaml");
    fs::write(&elsewhere, site("hard").text()).unwrap();
    chown(&elsewhere, Some(ANN), Some(ANN)).unwrap();
    fs::hard_link(&elsewhere, at("bob/hard.yaml")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, at("bob/fifo.yaml"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    for (file, code, command) in [
        ("ann/planted.yaml", "V0606", "chown 64001 "),
        ("all/moved.yaml", "V0606", "only root writes"),
        ("ann/loose.yaml", "V0604", "chmod go-w "),
        ("bob/linked.yaml", "V0601", "link"),
        ("bob/hard.yaml", "V0601", "hard link"),
        ("bob/fifo.yaml", "V0601", "regular"),
    ] {
        assert_eq!(codes(&gateway, file, "broken").await, [code], "{file}");
        let told = gateway.row(file).await.unwrap().to_string();
        assert!(told.contains(command), "{file}: {told}");
    }
    // Root may write a file into a user's folder: it is that user's.
    put(&gateway, 0, "ann/by-root.yaml", &site("by-root"));
    assert_eq!(gateway.wait_state("ann/by-root.yaml", "live").await["owner"], ANN);
    // A folder that everybody may write keeps its last good versions, and takes nothing new until it is mended.
    set_mode(&at("ann"), 0o777);
    put(&gateway, ANN, "ann/good.yaml", &Site::new("good.test").respond("changed"));
    assert_eq!(codes(&gateway, "ann/good.yaml", "stale").await, ["V0605"]);
    assert_eq!(gateway.get("good.test", "/").await.text(), "good");
    set_mode(&at("ann"), 0o755);
    gateway.wait_state("ann/good.yaml", "live").await;
    assert_eq!(gateway.get("good.test", "/").await.text(), "changed");
    // A folder that is given away, with everything in it: its files are not the new owner's.
    chown(at("ann"), Some(BOB), Some(BOB)).unwrap();
    put(&gateway, ANN, "ann/good.yaml", &Site::new("good.test").respond("again"));
    assert_eq!(codes(&gateway, "ann/good.yaml", "stale").await, ["V0606"]);
    assert_eq!(gateway.get("good.test", "/").await.text(), "changed");
}

#[tokio::test]
async fn a_flood_of_hostile_files_is_its_authors_alone() {
    if !root_or_note("files of several users") {
        return;
    }
    const FLOOD: usize = 100_000;
    let gateway = town("tenants: {default: {limits: {sites: 20, names: 30}}}").await;
    put(&gateway, ANN, "ann/a.yaml", &Site::new("a.test").respond("one"));
    gateway.wait_live("a.test").await;
    for number in 0..FLOOD {
        let file = gateway.sites_dir().join(format!("bob/f{number}.yaml"));
        let text = match number % 4 {
            0 => format!("hosts: [n{number}.test]\nrespond: x\n"),
            1 => "a: &a [x,x]\nb: &b [*a,*a]\nhosts: *b\n".to_owned(),
            2 => format!("hosts: [{}]\n", "'*.com', a.test, ".repeat(50)),
            _ => "[".repeat(10_000),
        };
        fs::write(&file, text).unwrap();
        chown(&file, Some(BOB), Some(BOB)).unwrap();
    }
    for version in ["two", "three"] {
        put(&gateway, ANN, "ann/a.yaml", &Site::new("a.test").respond(version));
        assert!(gateway.serves_within(vestibule_testkit::wait::PATIENCE, "a.test", version).await);
    }
    let rows = gateway.admin("/v1/claims").await.json();
    let held = rows.as_array().unwrap().iter().filter(|row| row["owner"] == BOB && row["state"] == "held").count();
    assert!(held <= 20, "{held}");
    assert_eq!(claim(&gateway, "a.test").await.unwrap()["owner"], ANN);
}

/// With a real name server. The names are public, and no CA is asked for them.
#[tokio::test]
async fn a_public_name_waits_until_dns_says_whose_it_is() {
    if !root_or_note("files of several users") {
        return;
    }
    let (names, record) = (ChallTestServer::start().await, "_vestibule.shop.example.com");
    names.set_txt(record, &format!("uid={BOB}")).await;
    let settings = format!(
        "claims: {{proof: dns-txt}}\nacme: {{agree: true, directory: \"https://127.0.0.1:1/\", resolvers: [\"{}\"]}}",
        names.dns()
    );
    let mut gateway = town(&settings).await;
    let shop = Site::new("shop.example.com, ann.test").respond("ann").line("tls: internal");
    put(&gateway, ANN, "ann/shop.yaml", &shop);
    assert_eq!(codes(&gateway, "ann/shop.yaml", "partial").await, ["V0310"]);
    assert_eq!(gateway.get("ann.test", "/").await.text(), "ann", "a private name needs no proof");
    // Whose number the record says, and no other's.
    let told = eventually("a look at DNS", || async {
        let rows = gateway.admin("/v1/claims").await.json();
        rows.as_array()?.iter().find_map(|row| Some(row["found"].as_str()?.to_owned()))
    });
    assert_eq!(told.await, format!("there is only: uid={BOB}"));
    names.set_txt(record, &format!("uid={ANN}")).await;
    gateway.wait_live("shop.example.com").await;
    assert_eq!(claim(&gateway, "shop.example.com").await.unwrap()["owner"], ANN);
    // Now the record proves both, and whose the name is was decided.
    put(&gateway, BOB, "bob/shop.yaml", &Site::new("shop.example.com").respond("bob").line("tls: internal"));
    assert_eq!(codes(&gateway, "bob/shop.yaml", "partial").await, ["V0303"]);
    // Only the first claim needs it.
    names.clear_txt(record).await;
    gateway.kill();
    gateway.restart().await;
    gateway.wait_live("shop.example.com").await;
    assert_eq!(gateway.get("shop.example.com", "/").await.text(), "ann");
}
