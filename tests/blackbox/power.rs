//! Promise: a gateway that root has started keeps nothing of root's power but the ports, and what it keeps secret is its
//! own user's alone.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use vestibule_testkit::{
    Gateway, Site,
    gateway::binary,
    process::{Program, root_or_note},
};

const USER: u32 = 64_021;
/// CAP_NET_BIND_SERVICE as /proc shows it.
const PORTS_ONLY: &str = "0000000000000400";
const NOTHING: &str = "0000000000000000";

/// A folder that other users may enter.
fn open_folder() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("vestibule-test").tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// Everything below a folder, and itself.
fn all_below(folder: PathBuf) -> Vec<PathBuf> {
    let (mut found, mut next) = (Vec::new(), vec![folder]);
    while let Some(path) = next.pop() {
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            next.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        found.push(path);
    }
    found
}

fn field(status: &str, name: &str) -> String {
    let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("no {name} in {status}")).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn root_hands_over_to_the_gateways_own_user_in_every_thread() {
    if !root_or_note("a gateway that root starts") {
        return;
    }
    let dir = open_folder();
    Site::new("a.test").respond("a").write(&dir.path().join("sites.d"), "a.yaml");
    let mut gateway = Gateway::builder().settings(&format!("user: {USER}")).start_in(dir).await;
    for _ in 0..2 {
        assert_eq!(gateway.get("a.test", "/").await.text(), "a");
        let user = USER.to_string();
        let tasks = format!("/proc/{}/task", gateway.process().pid());
        let mut threads = 0;
        for task in fs::read_dir(tasks).unwrap() {
            // A thread of the pool may just have ended.
            let Ok(status) = fs::read_to_string(task.unwrap().path().join("status")) else { continue };
            threads += 1;
            let four = [user.as_str(); 4].join(" ");
            let facts = ["Uid", "Gid", "Groups", "CapEff", "CapPrm", "CapInh", "CapAmb", "NoNewPrivs"];
            let expected = [&four, &four, user.as_str(), PORTS_ONLY, PORTS_ONLY, NOTHING, NOTHING, "1"];
            assert_eq!(facts.map(|name| field(&status, name)), expected);
        }
        assert!(threads > 3, "{threads}");
        // The state is there and its own: it starts again as the same user.
        gateway.kill();
        gateway.process().wait().await;
        gateway.restart().await;
    }
}

#[tokio::test]
async fn every_secret_is_readable_by_the_gateways_user_alone() {
    let dir = open_folder();
    Site::new("a.test").respond("a").write(&dir.path().join("sites.d"), "a.yaml");
    let is_root = root_or_note("state of a user other than the one who starts");
    let builder = if is_root { Gateway::builder().settings(&format!("user: {USER}")) } else { Gateway::builder() };
    let gateway = builder.start_in(dir).await;
    assert_eq!(gateway.get("a.test", "/").await.text(), "a");
    let owner = if is_root { USER } else { rustix::process::geteuid().as_raw() };
    let all = all_below(gateway.state_dir());
    assert!(all.iter().any(|path| path.extension().is_some_and(|extension| extension == "pem")), "{all:?}");
    for path in all {
        let found = fs::symlink_metadata(&path).unwrap();
        assert_eq!((found.uid(), found.mode() & 0o077), (owner, 0), "{}: {:o}", path.display(), found.mode());
    }
}

/// Runs a gateway that must not start: its exit code and what it says.
async fn refused(dir: &Path, user: &str) -> (Option<i32>, String) {
    let program = Program::new(binary()).args(["run", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0"]);
    let mut process = program
        .args(["--sites", "sites.d", "--state", "state", "--user", user])
        .env_remove("NOTIFY_SOCKET")
        .dir(dir)
        .start("refused", dir);
    let exit = process.wait().await;
    (exit.code(), process.stderr())
}

#[tokio::test]
async fn a_user_who_cannot_be_or_whose_state_it_is_not_is_refused_and_taught() {
    let dir = open_folder();
    let (exit, said) = refused(dir.path(), "no-such-user").await;
    assert_eq!(exit, Some(78), "{said}");
    assert!(said.contains("useradd"), "{said}");
    fs::create_dir(dir.path().join("state")).unwrap();
    let (exit, said) = refused(dir.path(), &USER.to_string()).await;
    let (code, lesson) = if root_or_note("a state folder of root's") {
        (78, "chown -R")
    } else {
        (77, "start it as root or as that user")
    };
    assert_eq!(exit, Some(code), "{said}");
    assert!(said.contains(lesson), "{said}");
    assert_eq!(fs::read_dir(dir.path().join("state")).unwrap().count(), 0, "nothing was touched");
}
