//! Logs of many tenants against links, full disks and their quota.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use super::*;
use crate::config::ClientAddresses;

const ANN: TenantId = TenantId(1001);
const BEN: TenantId = TenantId(1002);

struct Rig {
    dir: tempfile::TempDir,
    reader: TenantLogReader,
    writer: Writer,
}

impl Rig {
    fn new(settings: &str) -> Self {
        Self::at(tempfile::tempdir().expect("a folder"), settings)
    }

    fn at(dir: tempfile::TempDir, settings: &str) -> Self {
        let parsed = vestibule_site::parse_settings(settings.as_bytes()).value.expect("settings");
        let tenancy = Tenancy::decide(&parsed.tenancy, |_| None).0;
        let folder = Arc::new(Folder::open(&dir.path().join("logs")).expect("opens"));
        let reader = TenantLogReader { folder: Arc::clone(&folder), dropped: Arc::default() };
        let writer = Writer::new(folder, tenancy, ClientAddresses::Full, Arc::clone(&reader.dropped));
        Self { dir, reader, writer }
    }

    fn folder(&self, tenant: TenantId) -> std::path::PathBuf {
        self.dir.path().join("logs").join(tenant.0.to_string())
    }

    fn write(&mut self, lines: &[(TenantId, &str)]) {
        let lines: Vec<_> = lines.iter().map(|(tenant, line)| (Some(*tenant), format!("{line}\n"))).collect();
        self.writer.take(&Lines::of(&lines));
    }

    fn last(&self, tenant: TenantId, last: usize) -> Vec<String> {
        self.read(tenant, None, last).lines
    }

    fn read(&self, tenant: TenantId, after: Option<Cursor>, last: usize) -> Page {
        self.reader.read(tenant, &Wanted { after, last, site: None }).expect("reads")
    }
}

fn bytes_in(folder: &Path) -> u64 {
    fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").metadata().expect("told").len()).sum()
}

#[test]
fn each_tenant_reads_their_own_lines_and_nobody_elses() {
    let mut rig = Rig::new("{}");
    rig.write(&[
        (ANN, r#"{"site":"a.yaml","n":1}"#),
        (BEN, r#"{"site":"b.yaml"}"#),
        (ANN, r#"{"site":"c.yaml","n":2}"#),
    ]);
    assert_eq!(rig.last(ANN, 9), [r#"{"site":"a.yaml","n":1}"#, r#"{"site":"c.yaml","n":2}"#]);
    assert_eq!(rig.last(ANN, 1), [r#"{"site":"c.yaml","n":2}"#]);
    assert_eq!(rig.last(BEN, 9), [r#"{"site":"b.yaml"}"#]);
    assert_eq!(rig.last(TenantId(1003), 9), [""; 0]);
    assert_eq!((rig.reader.kept(BEN), rig.reader.kept(TenantId(1003))), (18, 0));
    let of_site = Wanted { after: None, last: 9, site: Some("a.yaml".to_owned()) };
    assert_eq!(rig.reader.read(ANN, &of_site).expect("reads").lines, [r#"{"site":"a.yaml","n":1}"#]);
    let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o777;
    assert_eq!((mode(&rig.folder(ANN)), mode(&rig.folder(ANN).join("access.1.jsonl"))), (0o700, 0o600));
}

#[test]
fn a_tenant_keeps_no_more_than_the_quota_and_a_follower_misses_nothing() {
    let mut rig = Rig::new("tenants: {1001: {limits: {logs: 16KiB}}}");
    let mut place = rig.read(ANN, None, 1).next;
    let mut seen = Vec::new();
    for round in 0..200 {
        let lines: Vec<_> = (0..5).map(|n| (ANN, format!("{round}-{n} {}", "x".repeat(200)))).collect();
        rig.write(&lines.iter().map(|(tenant, line)| (*tenant, line.as_str())).collect::<Vec<_>>());
        assert!(bytes_in(&rig.folder(ANN)) <= 16 * 1024, "round {round}");
        loop {
            let page = rig.read(ANN, Some(place), 0);
            (place, seen) = (page.next, {
                seen.extend(page.lines);
                seen
            });
            if !page.more {
                break;
            }
        }
    }
    assert_eq!(seen.len(), 1000);
    assert!(seen.iter().enumerate().all(|(n, line)| line.starts_with(&format!("{}-{} ", n / 5, n % 5))));
    assert!(bytes_in(&rig.folder(ANN)) > 8 * 1024, "most of the quota is used");
    assert_eq!(rig.reader.dropped(ANN), 0);
    rig.write(&[(ANN, &"y".repeat(5000)), (ANN, "short"), (BEN, "other")]);
    assert_eq!(
        (rig.reader.dropped(ANN), rig.last(ANN, 1), rig.last(BEN, 1)),
        (1, vec!["short".into()], vec!["other".into()])
    );
}

#[test]
fn a_tenant_without_room_has_no_log() {
    let mut rig = Rig::new("tenants: {1001: {limits: {logs: 0}}}");
    rig.write(&[(ANN, "nothing"), (BEN, "something")]);
    assert!(!rig.folder(ANN).exists());
    assert_eq!((rig.reader.dropped(ANN), rig.reader.dropped(BEN), rig.reader.all_dropped()), (1, 0, 1));
}

#[test]
fn five_hundred_tenants_need_few_descriptors() {
    let mut rig = Rig::new("{}");
    let lines: Vec<_> = (0..500).map(|n| (TenantId(2000 + n), "a line")).collect();
    for _ in 0..3 {
        rig.write(&lines);
        assert_eq!(rig.writer.descriptors(), OPEN_LIMIT);
    }
    assert!(lines.iter().all(|(tenant, _)| rig.last(*tenant, 9) == ["a line"; 3]));
    assert_eq!(rig.reader.all_dropped(), 0);
}

#[test]
fn no_link_is_followed_and_others_never_notice() {
    let mut rig = Rig::new("{}");
    let outside = rig.dir.path().join("outside");
    fs::create_dir(&outside).expect("made");
    let victim = outside.join("victim");
    fs::write(&victim, "precious\n").expect("written");
    let own = rig.folder(ANN);
    type Attack = fn(&Path, &Path, &Path);
    let attacks: HashMap<&str, Attack> = HashMap::from([
        ("a link in the place of the folder", (|own, outside, _| symlink(outside, own).expect("linked")) as Attack),
        ("a link in the place of the file", |own, _, victim| {
            fs::create_dir(own).expect("made");
            symlink(victim, own.join("access.1.jsonl")).expect("linked");
        }),
        ("a second name of another file", |own, _, victim| {
            fs::create_dir(own).expect("made");
            fs::hard_link(victim, own.join("access.1.jsonl")).expect("linked");
        }),
        ("a pipe", |own, _, _| {
            fs::create_dir(own).expect("made");
            let made = Command::new("mkfifo").arg(own.join("access.1.jsonl")).status().expect("runs");
            assert!(made.success());
        }),
    ]);
    for (n, (what, attack)) in attacks.into_iter().enumerate() {
        attack(&own, &outside, &victim);
        rig.write(&[(ANN, "lost"), (BEN, "kept")]);
        assert_eq!(fs::read_to_string(&victim).expect("there"), "precious\n", "{what}");
        assert_eq!(fs::read_dir(&outside).expect("there").count(), 1, "{what}");
        let told = rig.reader.read(ANN, &Wanted { after: None, last: 9, site: None });
        assert!(!told.is_ok_and(|page| page.lines.iter().any(|line| line == "precious")), "{what}");
        assert_eq!((rig.reader.dropped(ANN), rig.last(BEN, 9).len()), (n as u64 + 1, n + 1), "{what}");
        if own.is_symlink() { fs::remove_file(&own) } else { fs::remove_dir_all(&own) }.expect("removed");
    }
}

#[test]
fn a_line_that_was_torn_stays_a_line_of_its_own() {
    let mut rig = Rig::new("{}");
    fs::create_dir(rig.folder(ANN)).expect("made");
    fs::write(rig.folder(ANN).join("access.7.jsonl"), "whole\nto").expect("written");
    rig.write(&[(ANN, "next")]);
    assert_eq!(rig.last(ANN, 9), ["whole", "to", "next"]);
}

/// Unmounted with the test.
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

#[test]
fn a_full_disk_loses_whole_lines_and_goes_on_when_there_is_room() {
    if !rustix::process::geteuid().is_root() {
        return; // no file system of its own can be mounted
    }
    let dir = tempfile::tempdir().expect("a folder");
    let place = dir.path().join("logs");
    fs::create_dir(&place).expect("made");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(&place).status();
    if !mounted.is_ok_and(|status| status.success()) {
        return; // a container that may not mount
    }
    let _mounted = Mounted(place.clone());
    let mut rig = Rig::at(dir, "{}");
    let line = "x".repeat(999);
    for _ in 0..100 {
        rig.write(&[(ANN, &line)]);
    }
    let dropped = rig.reader.dropped(ANN);
    let kept = rig.last(ANN, 1000);
    assert!(dropped > 30 && kept.len() as u64 + dropped == 100, "{dropped} dropped, {} kept", kept.len());
    assert!(kept.iter().all(|kept| *kept == line), "no line is torn");
    let resized = Command::new("mount").args(["-o", "remount,size=512k"]).arg(&place).status().expect("runs");
    assert!(resized.success());
    rig.write(&[(ANN, "after"), (BEN, "another")]);
    assert_eq!((rig.last(ANN, 1), rig.last(BEN, 1)), (vec!["after".to_owned()], vec!["another".to_owned()]));
}

#[test]
fn a_thread_writes_what_workers_hand_over() {
    let dir = tempfile::tempdir().expect("a folder");
    let logs = TenantLogs { folder: dir.path().join("logs"), client_addresses: ClientAddresses::Shortened };
    let (log, thread) = start(&logs, Tenancy::default()).expect("starts");
    let reader = log.reader();
    log.send(Lines::of(&[(None, "nobody's\n".to_owned()), (Some(ANN), "{\"client\":\"192.0.2.7\"}\n".to_owned())]));
    drop(log);
    thread.join().expect("ends");
    let page = reader.read(ANN, &Wanted { after: None, last: 9, site: None }).expect("reads");
    assert_eq!(page.lines, ["{\"client\":\"192.0.2.0\"}"]);
    let mode = fs::metadata(&logs.folder).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
