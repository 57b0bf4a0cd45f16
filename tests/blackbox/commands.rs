//! Promise: every command says what it did in words for people, in JSON for machines, and in its exit code.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;
use vestibule_testkit::{
    Gateway, Site, eventually,
    gateway::binary,
    process::{Program, root_or_note},
    site,
};

/// The exit codes of sysexits(3) that matter here.
const OK: i32 = 0;
const USAGE: i32 = 64;
const NO_INPUT: i32 = 66;
const UNAVAILABLE: i32 = 69;
const NO_PERMISSION: i32 = 77;
const CONFIG: i32 = 78;

/// Runs the binary in a folder.
fn vestibule(dir: &Path, args: &[&str]) -> Output {
    Command::new(binary()).args(args).current_dir(dir).env("XDG_STATE_HOME", dir.join("xdg")).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// A folder with `sites.d` in it.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("sites.d")).unwrap();
    for (file, text) in files {
        site::write(&dir.path().join("sites.d"), file, text);
    }
    dir
}

#[test]
fn check_passes_good_files_and_points_at_mistakes() {
    let dir = folder(&[("good.yaml", "hosts: a.test\nupstream: 5000\n")]);
    let check =
        |format: &str| vestibule(dir.path(), &["check", "--sites", "sites.d", "--state", "state", "--format", format]);
    assert_eq!(code(&check("text")), OK, "{:?}", check("text"));
    site::write(&dir.path().join("sites.d"), "bad.yaml", "hosts: b.test\nupstraem: 5000\n");
    let text = check("text");
    assert_eq!(code(&text), CONFIG);
    for part in ["V0201", "bad.yaml:2:1", "upstream"] {
        assert!(stdout(&text).contains(part), "{part} in {}", stdout(&text));
    }
    let verdict = json(&check("json"));
    assert_eq!(verdict["valid"], false);
    let reports = verdict["files"].as_array().unwrap().iter().flat_map(|file| file["reports"].as_array().unwrap());
    let report = reports.into_iter().find(|report| report["code"] == "V0201").expect("the unknown key");
    assert_eq!((&report["line"], &report["column"]), (&2.into(), &1.into()));
}

#[test]
fn check_judges_a_draft_in_the_context_of_the_other_sites() {
    let dir = folder(&[("a.yaml", "hosts: a.test\nupstream: 5000\n")]);
    fs::write(dir.path().join("draft.yaml"), "hosts: a.test\nupstream: 5001\n").unwrap();
    let output = vestibule(dir.path(), &["check", "--sites", "sites.d", "--state", "state", "draft.yaml"]);
    assert_eq!(code(&output), CONFIG, "{output:?}");
    assert!(stdout(&output).contains("V0303"), "{}", stdout(&output));
}

#[test]
fn exit_codes_are_those_of_sysexits() {
    let dir = folder(&[]);
    let check = |args: &[&str], expected: i32| {
        let output = vestibule(dir.path(), args);
        assert_eq!(code(&output), expected, "{args:?}: {output:?}");
    };
    check(&["--version"], OK);
    check(&["--help"], OK);
    check(&["no-such-command"], USAGE);
    check(&["run", "--workers", "many"], USAGE);
    check(&["check", "missing.yaml"], NO_INPUT);
    check(&["status", "--state", "nowhere"], UNAVAILABLE);
    check(&["new", "not a host", "5000"], USAGE);
    fs::write(dir.path().join("bad.yaml"), "lisen: 443\n").unwrap();
    check(&["run", "--settings", "bad.yaml"], CONFIG);
}

#[test]
fn what_may_not_be_read_is_told_as_a_matter_of_permission() {
    let dir = folder(&[]);
    let secret = dir.path().join("secret.yaml");
    fs::write(&secret, "hosts: a.test\nupstream: 5000\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    if rustix::process::geteuid().is_root() {
        // For root no file is secret: another user must try. The binary may lie where that user cannot reach it.
        let copy = dir.path().join("vestibule");
        fs::copy(binary(), &copy).unwrap();
        let program = Program::new(&copy).args(["check", "--sites", "sites.d", "secret.yaml"]).user(65_534);
        let mut process = program.dir(dir.path()).start("check", dir.path());
        let exit = loop {
            if let Some(exit) = process.exited() {
                break exit;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        assert_eq!(exit.code(), Some(NO_PERMISSION), "{}", process.stderr());
    } else {
        assert_eq!(code(&vestibule(dir.path(), &["check", "--sites", "sites.d", "secret.yaml"])), NO_PERMISSION);
    }
}

#[test]
fn explain_knows_every_code_it_prints() {
    let dir = folder(&[]);
    let output = vestibule(dir.path(), &["explain", "V0201"]);
    assert_eq!(code(&output), OK, "{output:?}");
    assert!(stdout(&output).contains("V0201"), "{}", stdout(&output));
    assert_ne!(code(&vestibule(dir.path(), &["explain", "V9999"])), OK);
}

/// About something that one file alone does not show.
const CONTEXT_CODES: &[&str] =
    &["V0102", "V0103", "V0106", "V0303", "V0306", "V0307", "V0308", "V0309", "V0310", "V0406", "V0408"];

#[test]
fn check_finds_what_explain_shows() {
    let dir = folder(&[]);
    let draft = dir.path().join("draft.yaml");
    let mut judged = 0;
    for number in [1, 2, 3, 4].into_iter().flat_map(|group| (1..=20).map(move |last| format!("V0{group}{last:02}"))) {
        let explained = vestibule(dir.path(), &["explain", &number, "--format", "json"]);
        // Past the last of its group, or not to be seen here.
        if code(&explained) != OK || CONTEXT_CODES.contains(&number.as_str()) {
            continue;
        }
        let explained = json(&explained);
        for (example, expected) in [("wrong", true), ("right", false)] {
            fs::write(&draft, explained[example].as_str().unwrap()).unwrap();
            let args = ["check", "--sites", "sites.d", "--state", "state", "--format", "json", "draft.yaml"];
            let verdict = json(&vestibule(dir.path(), &args));
            let found =
                verdict["files"][0]["reports"].as_array().unwrap().iter().any(|report| report["code"] == number);
            assert_eq!(found, expected, "{number} {example}: {verdict}");
        }
        judged += 1;
    }
    assert!(judged >= 20, "only {judged} codes were judged");
}

#[tokio::test]
async fn explain_says_where_a_url_leads_and_what_lost() {
    let site = Site::new("*.a.test").respond("root").line("routes: {/api: {respond: api}}");
    let gateway = Gateway::builder().site("a.yaml", &site).start().await;
    let output = gateway.command(&["explain", "https://x.a.test/api/y", "--state", "state", "--format", "json"]);
    let explained = json(&output);
    assert_eq!((&explained["site"], &explained["route"]), (&"a.yaml".into(), &"/api".into()), "{explained}");
    assert!(!explained["lost"].as_array().unwrap().is_empty(), "{explained}");
}

#[test]
fn new_writes_a_file_that_check_accepts_and_overwrites_nothing() {
    let dir = folder(&[]);
    let new = || vestibule(dir.path(), &["new", "blog.test", "5000", "--sites", "sites.d"]);
    assert_eq!(code(&new()), OK);
    let written = fs::read_to_string(dir.path().join("sites.d/blog.test.yaml")).unwrap();
    assert!(written.contains("blog.test") && written.contains("5000"), "{written}");
    assert_eq!(code(&vestibule(dir.path(), &["check", "--sites", "sites.d", "--state", "state"])), OK);
    assert_ne!(code(&new()), OK);
    assert_eq!(fs::read_to_string(dir.path().join("sites.d/blog.test.yaml")).unwrap(), written);
}

#[test]
fn the_schema_is_json_and_knows_the_keys() {
    let dir = folder(&[]);
    let schema = json(&vestibule(dir.path(), &["schema"]));
    assert!(schema["$schema"].as_str().unwrap().contains("2020-12"), "{schema}");
    for key in ["hosts", "upstream", "routes", "tls", "redirect_to_https", "canonical", "headers", "timeouts", "limits"]
    {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
}

#[tokio::test]
async fn the_running_gateway_answers_for_people_and_for_machines() {
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").respond("a")).start().await;
    assert_eq!(gateway.get("a.test", "/").await.text(), "a");
    site::write(&gateway.sites_dir(), "bad.yaml", "hosts: [");
    gateway.wait_state("bad.yaml", "broken").await;
    for command in ["status", "sites", "certs"] {
        let text = gateway.command(&[command, "--state", "state"]);
        assert_eq!(code(&text), OK, "{text:?}");
        let json = json(&gateway.command(&[command, "--state", "state", "--format", "json"]));
        assert!(json.is_object(), "{json}");
        if command != "status" {
            assert!(stdout(&text).contains("a.yaml") && json.to_string().contains("a.test"), "{text:?} {json}");
        }
    }
    let status = stdout(&gateway.command(&["status", "--state", "state"]));
    assert!(status.contains("bad.yaml"), "{status}");
    let root = stdout(&gateway.command(&["certs", "--root", "--state", "state"]));
    assert!(root.starts_with("-----BEGIN CERTIFICATE-----"), "{root}");
}

#[tokio::test]
async fn a_second_gateway_on_the_same_state_is_refused() {
    let gateway = Gateway::start().await;
    let args = ["run", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--sites", "sites.d", "--state", "state"];
    let second = gateway.command(&args);
    assert!(!second.status.success(), "{second:?}");
    assert_eq!(gateway.status().await["ready"], true);
}

#[tokio::test]
async fn a_taken_port_is_told_with_its_address() {
    let gateway = Gateway::start().await;
    let address = gateway.https().to_string();
    let second = gateway.command(&[
        "run",
        "--http",
        "127.0.0.1:0",
        "--https",
        &address,
        "--sites",
        "sites.d",
        "--state",
        "other",
    ]);
    assert_eq!(code(&second), UNAVAILABLE, "{second:?}");
    assert!(String::from_utf8_lossy(&second.stderr).contains(&address), "{second:?}");
}

#[tokio::test]
async fn the_demo_serves_three_backends_and_stops_on_ctrl_c() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().to_str().unwrap().to_owned();
    let mut demo =
        Program::new(binary()).args(["demo"]).dir(dir.path()).env("XDG_STATE_HOME", &home).start("demo", dir.path());
    let lines = eventually("three curl lines", || {
        let lines: Vec<_> =
            demo.stdout().lines().map(|line| line.trim().to_owned()).filter(|line| line.starts_with("curl ")).collect();
        std::future::ready((lines.len() >= 3).then_some(lines))
    })
    .await;
    for line in &lines {
        let curl = Command::new("timeout")
            .args(["30", "sh", "-c", &format!("{line} --silent --show-error")])
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(curl.status.success(), "{line}: {curl:?}");
    }
    let children = || fs::read_to_string(format!("/proc/{0}/task/{0}/children", demo.pid())).unwrap_or_default();
    let before: Vec<_> = children().split_whitespace().map(str::to_owned).collect();
    demo.signal(rustix::process::Signal::INT);
    assert!(demo.wait().await.success());
    for child in before {
        let gone = || async { (!Path::new(&format!("/proc/{child}")).exists()).then_some(()) };
        eventually("the demo's backends to end", gone).await;
    }
}

#[tokio::test]
async fn an_ordinary_user_needs_no_flags() {
    if !root_or_note("starting as another user") {
        return;
    }
    let dir = folder(&[("a.yaml", "hosts: a.test\nrespond: a\n")]);
    let home = dir.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::copy(binary(), dir.path().join("vestibule")).unwrap();
    for path in [dir.path(), &home, &dir.path().join("sites.d"), &dir.path().join("sites.d/a.yaml")] {
        std::os::unix::fs::chown(path, Some(64_001), Some(64_001)).unwrap();
    }
    let program = Program::new(dir.path().join("vestibule")).args(["run"]).user(64_001).dir(dir.path());
    let program = program.env("HOME", &home).env_remove("XDG_STATE_HOME");
    let mut process = program.start("run", dir.path());
    let socket = home.join(".local/state/vestibule/admin.sock");
    for _ in 0..2_000 {
        // The well-known development ports may be taken by somebody else on this machine: then it must say so.
        if let Some(exit) = process.exited() {
            assert_eq!(exit.code(), Some(UNAVAILABLE), "{}", process.stderr());
            return;
        }
        if let Ok(answer) = vestibule_testkit::admin::get(&socket, "/v1/status").await {
            assert!(answer.json()["https"].to_string().contains("127.0.0.1:8443"), "{}", answer.text());
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("neither ready nor ended: {}", process.stderr());
}
