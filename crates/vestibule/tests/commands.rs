//! The commands that need no running gateway, as people and scripts meet them: what they print, where, and the exit code.

#![expect(clippy::unwrap_used, reason = "a test that cannot run a command has failed")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// A folder of a test's own, in which commands run with it as their home.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vestibule-commands-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
        command.args(arguments).current_dir(&self.0).env("HOME", &self.0);
        for inherited in ["XDG_STATE_HOME", "LISTEN_FDS", "LISTEN_PID", "COLUMNS"] {
            command.env_remove(inherited);
        }
        Ended::from(command.output().unwrap())
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.join(path)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// How a command ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

fn vestibule(arguments: &[&str]) -> Ended {
    Folder::new().run(arguments)
}

#[test]
fn a_wrong_command_line_exits_64_and_says_so_on_standard_error() {
    for arguments in [
        &[][..],
        &["frobnicate"],
        &["run", "--http", "nowhere"],
        &["run", "--workers", "0"],
        &["new", "a..b", "5000"],
        &["new", "blog.localhost", "nonsense nonsense"],
        &["explain"],
        &["explain", "V9999"],
        &["status", "--state", "a", "--socket", "b"],
        &["demo", "--seconds", "0"],
    ] {
        let ended = vestibule(arguments);
        assert_eq!(ended.code, Some(64), "{arguments:?} {ended:?}");
        assert!(ended.out.is_empty() && !ended.err.is_empty(), "{arguments:?} {ended:?}");
    }
}

#[test]
fn help_and_version_exit_0_on_standard_output() {
    for arguments in [&["--help"][..], &["--version"], &["help", "run"], &["check", "--help"], &["demo", "-h"]] {
        let ended = vestibule(arguments);
        assert_eq!(ended.code, Some(0), "{arguments:?} {ended:?}");
        assert!(!ended.out.is_empty() && ended.err.is_empty(), "{arguments:?} {ended:?}");
    }
    assert!(!vestibule(&["--help"]).out.contains("demo-backend"), "what is hidden stays hidden");
}

#[test]
fn a_code_is_explained_with_a_wrong_and_a_right_example() {
    let ended = vestibule(&["explain", "v0201"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.starts_with("error[V0201]: "), "{ended:?}");
    let (wrong, right) = (ended.out.find("\nWrong:\n    "), ended.out.find("\nRight:\n    "));
    assert!(wrong.is_some() && wrong < right, "{ended:?}");

    let ended = vestibule(&["explain", "V0201", "V0303", "--format", "json"]);
    let told: Vec<serde_json::Value> = ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let codes: Vec<_> = told.iter().map(|entry| entry["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["V0201", "V0303"]);
}

#[test]
fn the_schema_is_json_and_knows_the_keys() {
    let ended = vestibule(&["schema"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let schema: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert!(schema["properties"]["hosts"].is_object(), "{schema}");
}

#[test]
fn new_writes_a_file_that_check_takes_and_never_overwrites_one() {
    let folder = Folder::new();
    let new = |more: &[&str]| folder.run(&[&["new", "Blog.Localhost.", "5000", "--sites", "sites.d"], more].concat());
    let ended = new(&[]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), "./sites.d/blog.localhost.yaml\n"), "{ended:?}");
    assert!(ended.err.contains("vestibule check ./sites.d/blog.localhost.yaml"), "{ended:?}");
    let written = folder.read("sites.d/blog.localhost.yaml");
    assert!(written.contains("\nhosts: blog.localhost\nupstream: 127.0.0.1:5000\n"), "{written}");

    let again = new(&[]);
    assert_eq!(again.code, Some(73), "{again:?}");
    assert!(again.err.starts_with("vestibule: ") && again.err.contains("help: edit it, or pass --force"), "{again:?}");
    assert_eq!(new(&["--force"]).code, Some(0));
    assert_eq!(fs::read_dir(folder.0.join("sites.d")).unwrap().count(), 1, "no draft is left behind");
}

#[test]
fn new_knows_wildcards_sockets_and_folders() {
    let folder = Folder::new();
    let ended = folder.run(&["new", "*.shop.test", "unix:/run/shop.sock", "--sites", "sites.d", "--in", "shop"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let written = folder.read("sites.d/shop/_wildcard.shop.test.yaml");
    assert!(written.contains("hosts: \"*.shop.test\"\nupstream: unix:/run/shop.sock\n"), "{written}");
    for outside in ["..", "a/b", "/tmp", ".hidden"] {
        let ended = folder.run(&["new", "x.test", "1", "--sites", "sites.d", "--in", outside]);
        assert_eq!(ended.code, Some(64), "{outside} {ended:?}");
    }
    assert!(!folder.0.join("x.test.yaml").exists());
}

#[test]
fn new_refuses_what_the_gateway_would_refuse() {
    let folder = Folder::new();
    let ended = folder.run(&["new", "*.com", "5000", "--sites", "sites.d"]);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.err.contains("V0304"), "{ended:?}");
    assert!(!folder.0.join("sites.d").exists(), "nothing was written");
}

#[test]
fn nobody_to_ask_is_unavailable() {
    let folder = Folder::new();
    for command in ["status", "sites", "certs"] {
        let ended = folder.run(&[command, "--state", "state"]);
        assert_eq!(ended.code, Some(69), "{command} {ended:?}");
        assert!(ended.err.contains("no gateway answers on state/admin.sock"), "{command} {ended:?}");
    }
}

#[test]
fn commands_about_certificates_need_a_gateway_or_a_store() {
    let folder = Folder::new();
    for action in [&["renew", "a.test"][..], &["explain", "a.test"], &["plan"], &["revoke", "a.test"], &["roll-over"]] {
        let ended = folder.run(&[&["certs"], action, &["--state", "state"]].concat());
        assert_eq!(ended.code, Some(69), "{action:?} {ended:?}");
    }
    let import = |store: &str| folder.run(&["certs", "import", store, "--dry-run", "--state", "state"]);
    assert_eq!(import("nowhere").code, Some(66));
    let ended = import(".");
    assert_eq!(ended.code, Some(65), "{ended:?}");
    assert!(ended.err.contains("no store of certbot, Caddy or Traefik"), "{ended:?}");
    fs::write(folder.0.join("acme.json"), r#"{"le": {"Certificates": [{"domain": {"main": "a.test"}}]}}"#).unwrap();
    let ended = import("acme.json");
    assert_eq!(ended.code, Some(65), "{ended:?}");
    assert!(ended.out.contains("le: a.test: cannot be used: its certificate is missing"), "{ended:?}");
}

#[test]
fn a_public_name_is_worth_a_warning_only_while_no_ca_is_asked() {
    let folder = Folder::new();
    fs::create_dir(folder.0.join("sites.d")).unwrap();
    fs::write(folder.0.join("sites.d/blog.yaml"), "hosts: blog.example.com\nrespond: hello\n").unwrap();
    let check = |settings: &str| {
        fs::write(folder.0.join("vestibule.yaml"), settings).unwrap();
        folder.run(&["check", "--settings", "vestibule.yaml", "--sites", "sites.d", "--state", "state"])
    };
    for settings in ["", "acme: {email: ops@example.com}\n"] {
        let ended = check(settings);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.out.contains("V0506"), "{settings:?} {ended:?}");
    }
    let ended = check("acme: {agree: true}\n");
    assert!(ended.out.contains("all good"), "{ended:?}");
}

#[test]
fn run_says_once_what_to_agree_to() {
    let folder = Folder::new();
    fs::create_dir(folder.0.join("sites.d")).unwrap();
    fs::write(folder.0.join("sites.d/blog.yaml"), "hosts: blog.example.com\nrespond: hello\n").unwrap();
    fs::write(folder.0.join("vestibule.yaml"), "").unwrap();
    let listen = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--settings", "vestibule.yaml"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.args(["run", "--sites", "sites.d", "--state", "state"]).args(listen).current_dir(&folder.0);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (send, lines) = std::sync::mpsc::channel();
    let said = BufReader::new(child.stderr.take().unwrap());
    std::thread::spawn(move || said.lines().map_while(Result::ok).all(|line| send.send(line).is_ok()));
    let found = loop {
        match lines.recv_timeout(std::time::Duration::from_secs(30)) {
            Ok(line) if line.contains("acme: {agree: true}") => break Some(line),
            Ok(_) => {}
            Err(_) => break None,
        }
    };
    child.kill().unwrap();
    child.wait().unwrap();
    let line = found.unwrap();
    assert!(line.contains("blog.example.com is a public name"), "{line}");
    assert!(lines.iter().all(|line| !line.contains("agree")), "said once");
}

#[test]
fn schemas_are_printed_for_both_kinds_of_file() {
    let check = |arguments: &[&str], title: &str, key: &str| {
        let ended = vestibule(&[&["schema"], arguments].concat());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let schema: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(schema["title"], title);
        assert!(schema["properties"][key].is_object(), "{key}");
    };
    check(&[], "Vestibule site file", "tls");
    check(&["--settings"], "Vestibule settings file", "acme");
}

#[test]
fn settings_with_errors_keep_run_from_starting_and_are_shown_with_their_place() {
    let folder = Folder::new();
    fs::write(folder.0.join("vestibule.yaml"), "workers: many\n").unwrap();
    let ended = folder.run(&["run", "--settings", "vestibule.yaml", "--state", "state", "--sites", "sites.d"]);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.err.contains("vestibule.yaml:1:10"), "{ended:?}");
    assert!(!folder.0.join("state").exists(), "nothing was made");

    let missing = folder.run(&["run", "--settings", "elsewhere.yaml"]);
    assert_eq!(missing.code, Some(66), "{missing:?}");
}

#[test]
fn what_is_not_there_cannot_be_checked() {
    let folder = Folder::new();
    let ended = folder.run(&["check", "--sites", "nowhere.d", "--state", "state"]);
    assert_eq!(ended.code, Some(66), "{ended:?}");
    let ended = folder.run(&["check", "blog.yaml", "--sites", "nowhere.d", "--state", "state"]);
    assert_eq!(ended.code, Some(66), "{ended:?}");
}

#[test]
fn a_demo_backend_says_where_it_is_and_ends_with_its_standard_input() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.args(["demo-backend", "--name", "blog", "--port", "0"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();

    let mut stream = TcpStream::connect(address.trim()).unwrap();
    let request =
        "GET /cart HTTP/1.1\r\nhost: blog.localhost\r\nx-forwarded-for: 192.0.2.1\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(&format!("blog here: pid {}, uid ", child.id())), "{answer}");
    assert!(answer.ends_with("GET /cart\nhost: blog.localhost\nx-forwarded-for: 192.0.2.1\n"), "{answer}");

    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
