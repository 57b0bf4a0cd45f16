//! Stores as the three programs write them, and as nobody should.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::SystemTime,
};

use data_encoding::BASE64;
use serde_json::json;

use super::*;
use crate::testing::{Authority, DAY, Made};

fn made(names: &[&str]) -> Made {
    Authority::new("Test CA").leaf(names).make()
}

fn write(path: PathBuf, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// As certbot does: numbered files in the archive, links to the latest.
fn certbot(root: &Path, name: &str, made: &Made) {
    let (archive, live) = (root.join("archive").join(name), root.join("live").join(name));
    write(archive.join("fullchain2.pem"), &made.chain_pem);
    write(archive.join("privkey2.pem"), &made.key_pem);
    fs::create_dir_all(&live).unwrap();
    for file in ["fullchain", "privkey"] {
        symlink(format!("../../archive/{name}/{file}2.pem"), live.join(format!("{file}.pem"))).unwrap();
    }
}

fn caddy(root: &Path, ca: &str, name: &str, made: &Made) {
    let entry = root.join("certificates").join(ca).join(name);
    write(entry.join(format!("{name}.crt")), &made.chain_pem);
    write(entry.join(format!("{name}.key")), &made.key_pem);
    write(entry.join(format!("{name}.json")), "{}");
}

fn traefik_entry(main: &str, made: &Made) -> serde_json::Value {
    json!({
        "domain": {"main": main, "sans": ["www.a.test"]}, "Store": "default",
        "certificate": BASE64.encode(made.chain_pem.as_bytes()), "key": BASE64.encode(made.key_pem.as_bytes()),
    })
}

fn contents(path: &Path) -> Contents {
    read(path, SystemTime::now()).unwrap()
}

/// Names of what is good, and reasons of what is not.
fn told(contents: &Contents) -> (Vec<Vec<String>>, Vec<&str>) {
    let names = contents.certificates.iter().map(|one| one.names.clone()).collect();
    (names, contents.skipped.iter().map(|one| one.reason.as_str()).collect())
}

#[test]
fn certbots_links_lead_to_what_is_current() {
    let dir = tempfile::tempdir().unwrap();
    let pair = made(&["a.test", "www.a.test"]);
    certbot(dir.path(), "a.test", &pair);
    write(dir.path().join("live/README"), "This directory contains your keys and certificates.");
    let contents = contents(dir.path());
    assert_eq!(contents.kind, Kind::Certbot);
    assert_eq!(told(&contents), (vec![vec!["a.test".into(), "www.a.test".into()]], vec![]));
    let found = &contents.certificates[0];
    assert_eq!((&found.chain_pem, &found.key_pem), (&pair.chain_pem, &pair.key_pem));
    assert_eq!(found.origin, dir.path().join("live/a.test"));
    assert!(found.not_after > SystemTime::now() + 80 * DAY);
}

#[test]
fn caddys_folders_are_by_ca_and_its_local_one_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    caddy(dir.path(), "acme-v02.api.letsencrypt.org-directory", "a.test", &made(&["a.test"]));
    caddy(dir.path(), "acme.zerossl.com-v2-dv90", "wildcard_.b.test", &made(&["*.b.test"]));
    caddy(dir.path(), "local", "c.localhost", &made(&["c.localhost"]));
    let contents = contents(dir.path());
    assert_eq!(contents.kind, Kind::Caddy);
    let (mut names, skipped) = told(&contents);
    names.sort();
    assert_eq!((names, skipped), (vec![vec!["*.b.test".to_owned()], vec!["a.test".to_owned()]], vec![]));
}

#[test]
fn traefiks_file_is_read_by_itself_and_in_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let entries = json!({
        "le": {"Account": {"Email": "ops@a.test"}, "Certificates": [traefik_entry("a.test", &made(&["a.test"]))]},
        "idle": null,
        "new": {"Account": null, "Certificates": null},
    });
    let file = dir.path().join("acme.json");
    write(file.clone(), entries.to_string());
    for path in [dir.path(), &file] {
        let contents = contents(path);
        assert_eq!(contents.kind, Kind::Traefik);
        assert_eq!(told(&contents), (vec![vec!["a.test".to_owned()]], vec![]));
        assert_eq!(contents.certificates[0].origin, file.join("le: a.test"));
    }
}

#[test]
fn what_runs_out_last_comes_last() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::new("Test CA");
    let now = SystemTime::now();
    for (name, days) in [("a", 60), ("b", 10), ("c", 30)] {
        let plan = authority.leaf(&["a.test"]).with(|params| params.not_after = (now + days * DAY).into());
        certbot(dir.path(), name, &plan.make());
    }
    let origins: Vec<_> = contents(dir.path()).certificates.into_iter().map(|one| one.origin).collect();
    assert_eq!(origins, ["b", "c", "a"].map(|name| dir.path().join("live").join(name)));
}

#[test]
fn broken_entries_are_told_and_the_others_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let (good, other) = (made(&["a.test"]), made(&["b.test"]));
    let authority = Authority::new("Test CA");
    let old = authority.leaf(&["old.test"]).with(|params| {
        params.not_before = (SystemTime::now() - 90 * DAY).into();
        params.not_after = (SystemTime::now() - DAY).into();
    });
    let file = |certificate: &str, key: &str| json!({"certificate": certificate, "key": key});
    let base64 = |text: &str| BASE64.encode(text.as_bytes());
    let entries = json!({"le": {"Certificates": [
        file(&base64(&good.chain_pem), &base64(&other.key_pem)),
        file("*", &base64(&good.key_pem)),
        file(&base64(&good.chain_pem), &base64("no key")),
        file(&base64("no certificate"), &base64(&good.key_pem)),
        {"certificate": base64(&good.chain_pem)},
        {},
        traefik_entry("old.test", &old.make()),
        traefik_entry("evil\u{1b}[2J", &good),
    ]}});
    let path = dir.path().join("acme.json");
    write(path.clone(), entries.to_string());
    let contents = contents(dir.path());
    let (names, reasons) = told(&contents);
    assert_eq!(names, [["a.test"]]);
    let expected = [
        "does not belong to the first certificate",
        "its certificate is no base64",
        "holds no private key",
        "holds no certificate",
        "its key is missing",
        "its certificate is missing",
        "it has expired",
    ];
    assert_eq!(reasons.len(), expected.len(), "{reasons:?}");
    for (reason, expected) in reasons.iter().zip(expected) {
        assert!(reason.contains(expected), "{reason:?} says {expected:?}");
    }
    assert_eq!(contents.skipped[1].origin, path.join("le: certificate 2"));
}

#[test]
fn nothing_leads_out_of_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (outside, root) = (dir.path().join("outside"), dir.path().join("letsencrypt"));
    let pair = made(&["victim.test"]);
    write(outside.join("fullchain.pem"), &pair.chain_pem);
    write(outside.join("privkey.pem"), &pair.key_pem);
    for name in ["absolute", "relative", "folder"] {
        fs::create_dir_all(root.join("live").join(name)).unwrap();
    }
    for file in ["fullchain.pem", "privkey.pem"] {
        symlink(outside.join(file), root.join("live/absolute").join(file)).unwrap();
        symlink(format!("../../../outside/{file}"), root.join("live/relative").join(file)).unwrap();
        // What is a magic link in /proc leads to an open file of whoever reads.
        symlink("/proc/self/fd/0", root.join("live/folder").join(file)).unwrap();
    }
    symlink(&outside, root.join("live/whole")).unwrap();
    let contents = contents(&root);
    assert!(contents.certificates.is_empty(), "{contents:?}");
    assert!(contents.skipped.iter().all(|one| one.reason == "it leads out of the folder"), "{contents:?}");
}

#[test]
fn no_fifo_giant_folder_or_circle_holds_the_reader_up() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("certificates/ca");
    let pair = made(&["a.test"]);
    for name in ["fifo", "giant", "folder", "circle"] {
        write(root.join(name).join(format!("{name}.key")), &pair.key_pem);
    }
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("fifo/fifo.crt"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    fs::File::create(root.join("giant/giant.crt")).unwrap().set_len(1 << 40).unwrap();
    fs::create_dir(root.join("folder/folder.crt")).unwrap();
    symlink("circle.crt", root.join("circle/circle.crt")).unwrap();
    write(root.join("a file among folders"), "x");
    let contents = contents(dir.path());
    let (names, mut reasons) = told(&contents);
    reasons.sort_unstable();
    assert!(names.is_empty());
    let expected = [
        "it is larger than 1024 KiB",
        "it is no regular file",
        "it is no regular file",
        "its links go round in circles",
        "not a directory",
    ];
    assert_eq!(reasons, expected, "{:?}", contents.skipped);
}

#[test]
fn what_is_no_store_is_said_to_be_none() {
    let dir = tempfile::tempdir().unwrap();
    let read = |path: &Path| super::read(path, SystemTime::now());
    assert!(matches!(read(dir.path()), Err(ForeignError::Unknown { .. })));
    assert!(matches!(read(&dir.path().join("missing")), Err(ForeignError::Io { .. })));
    let file = dir.path().join("acme.json");
    for text in ["", "[]", "{\"le\": 1}", "not json", &"[".repeat(100_000)] {
        write(file.clone(), text);
        assert!(matches!(read(&file), Err(ForeignError::Malformed { .. })), "{text:.20}");
    }
}

#[test]
fn nobody_prints_a_key() {
    let dir = tempfile::tempdir().unwrap();
    certbot(dir.path(), "a.test", &made(&["a.test"]));
    assert!(!format!("{:?}", contents(dir.path())).contains("PRIVATE KEY"));
}
