//! One bad entry disables itself: it is told, it stays where it is, and everything else serves.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// What somebody does to the directory of an issuance.
type Damage = fn(&Path);

fn live(scene: &Scene, issued: &Issued) -> PathBuf {
    scene.root().join("live").join(issued.id.as_str())
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// What is seen when the store opens.
const AT_ONCE: &[(&str, Damage, &str)] = &[
    ("no meta", |dir| fs::remove_file(dir.join("meta.json")).unwrap(), "No such file"),
    ("empty meta", |dir| fs::write(dir.join("meta.json"), "").unwrap(), "not as it was written"),
    (
        "half a meta",
        |dir| {
            let text = fs::read(dir.join("meta.json")).unwrap();
            fs::write(dir.join("meta.json"), &text[..text.len() / 2]).unwrap();
        },
        "not as it was written",
    ),
    ("a meta of another version", |dir| edit(&dir.join("meta.json"), "\"version\": 1", "\"version\": 2"), "version 2"),
    ("a wrong name", |dir| edit(&dir.join("meta.json"), "bad.example.com", "bad..example.com"), "wrong name"),
    ("another name", |dir| edit(&dir.join("meta.json"), "bad.example.com", "a.example.com"), "should be"),
    ("a wrong CA", |dir| edit(&dir.join("meta.json"), "test-ca", "../../x"), "wrong CA"),
    (
        "a time beyond all times",
        |dir| edit(&dir.join("meta.json"), "\"not_after\": ", "\"not_after\": 999999999"),
        "wrong time",
    ),
    (
        "no fingerprint",
        |dir| edit(&dir.join("meta.json"), "\"fingerprint\": \"", "\"fingerprint\": \"sha256:"),
        "no SHA-256",
    ),
    ("a huge meta", |dir| fs::write(dir.join("meta.json"), vec![b' '; 2 * 1024 * 1024]).unwrap(), "too large"),
    (
        "a folder as meta",
        |dir| {
            fs::remove_file(dir.join("meta.json")).unwrap();
            fs::create_dir(dir.join("meta.json")).unwrap();
        },
        "not a file",
    ),
    (
        "a link as meta",
        |dir| {
            fs::rename(dir.join("meta.json"), dir.join("meta")).unwrap();
            symlink(dir.join("meta"), dir.join("meta.json")).unwrap();
        },
        "symbolic link",
    ),
    ("a meta that others read", |dir| chmod(&dir.join("meta.json"), 0o644), "lets other users in"),
    ("a folder that others enter", |dir| chmod(dir, 0o755), "lets other users in"),
    (
        "a link as folder",
        |dir| {
            let away = dir.with_file_name("0000000099-elsewhere");
            fs::rename(dir, &away).unwrap();
            symlink(&away, dir).unwrap();
        },
        "not a folder",
    ),
    (
        "a file as folder",
        |dir| {
            fs::remove_dir_all(dir).unwrap();
            fs::write(dir, "").unwrap();
        },
        "not a folder",
    ),
];

/// What is seen when a handshake wants it.
const WHEN_LOADED: &[(&str, Damage, &str)] = &[
    ("no key", |dir| fs::remove_file(dir.join("key.pem")).unwrap(), "No such file"),
    ("an empty key", |dir| fs::write(dir.join("key.pem"), "").unwrap(), "no private key"),
    ("a key that others read", |dir| chmod(&dir.join("key.pem"), 0o640), "lets other users in"),
    (
        "a link as key",
        |dir| {
            fs::rename(dir.join("key.pem"), dir.join("key")).unwrap();
            symlink("key", dir.join("key.pem")).unwrap();
        },
        "symbolic link",
    ),
    (
        "another key",
        |dir| {
            let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
            fs::write(dir.join("key.pem"), key).unwrap();
        },
        "does not belong",
    ),
    ("no chain", |dir| fs::remove_file(dir.join("chain.pem")).unwrap(), "No such file"),
    (
        "half a chain",
        |dir| {
            let text = fs::read(dir.join("chain.pem")).unwrap();
            fs::write(dir.join("chain.pem"), &text[..text.len() / 2]).unwrap();
        },
        "",
    ),
    (
        "another chain",
        |dir| {
            fs::write(dir.join("chain.pem"), Authority::new("x").leaf(&["bad.example.com"]).make().chain_pem).unwrap();
        },
        "not the one that was issued",
    ),
];

#[test]
fn a_damaged_issuance_makes_room_for_the_one_before() {
    for (what, damage, reason) in AT_ONCE.iter().chain(WHEN_LOADED) {
        let scene = Scene::new();
        let store = scene.open();
        let before = scene.obtain(&store, &draft(&["bad.example.com"]));
        let other = scene.obtain(&store, &draft(&["a.example.com"]));
        let bad = scene.obtain(&store, &draft(&["bad.example.com"]));
        drop(store);
        damage(&live(&scene, &bad));

        let store = scene.open();
        let at_once = AT_ONCE.iter().any(|(one, ..)| one == what);
        assert_eq!(store.broken().is_empty(), !at_once, "{what}");
        let mut entry = store.entry(ALICE, &host("bad.example.com"), SystemTime::now()).unwrap();
        if !at_once {
            assert!(matches!(store.load(&entry), Err(NotLoaded::Gone)), "{what}");
            assert!(matches!(store.load(&entry), Err(NotLoaded::Gone)), "{what}: again");
            entry = store.entry(ALICE, &host("bad.example.com"), SystemTime::now()).unwrap();
        }
        assert_eq!(entry.issued(), before, "{what}");
        store.load(&entry).unwrap();
        let others = store.entry(ALICE, &host("a.example.com"), SystemTime::now()).unwrap();
        assert_eq!(others.issued(), other, "{what}");
        store.load(&others).unwrap();

        let broken = store.broken();
        assert!(broken.iter().all(|one| one.path.starts_with(scene.root().join("live"))), "{what}: {broken:?}");
        let told = broken.iter().find(|one| one.path == live(&scene, &bad)).unwrap_or_else(|| panic!("{what}"));
        assert!(told.reason.contains(reason), "{what}: {}", told.reason);
        assert!(live(&scene, &bad).symlink_metadata().is_ok(), "{what}: it is left as it is");
        // The next one gets a number of its own.
        assert!(scene.obtain(&store, &draft(&["bad.example.com"])).id > bad.id, "{what}");
    }
}

#[test]
fn foreign_things_are_told_and_left() {
    let scene = Scene::new();
    let store = scene.open();
    let issued = scene.obtain(&store, &draft(&["a.example.com"]));
    drop(store);
    let folder = scene.root().join("live");
    let junk = ["README", ".hidden", "lost+found", "..0000000001-x.new", ".x.new", "12-a", "0000000013-UPPER"];
    for name in junk {
        fs::create_dir(folder.join(name)).unwrap();
    }
    fs::write(folder.join("0000000014-file"), "").unwrap();
    let name = std::os::unix::ffi::OsStrExt::from_bytes(b"0000000015-\xff");
    fs::create_dir(folder.join::<&std::ffi::OsStr>(name)).unwrap();
    // A copy must not count as a newer one.
    fs::create_dir(folder.join("0000000016-copy")).unwrap();
    for file in ["meta.json", "key.pem", "chain.pem"] {
        fs::copy(live(&scene, &issued).join(file), folder.join("0000000016-copy").join(file)).unwrap();
    }
    chmod(&folder.join("0000000016-copy"), 0o700);
    let before = fs::read_dir(&folder).unwrap().count();
    let store = scene.open();
    assert_eq!(store.broken().len(), junk.len() + 3);
    assert_eq!(store.current(), [issued]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), before);
}

#[test]
fn a_damaged_order_is_not_resumed() {
    for (what, damage) in [
        ("no order", (|dir| fs::remove_file(dir.join("order.json")).unwrap()) as Damage),
        ("half an order", |dir| fs::write(dir.join("order.json"), "{\"version\": 1,").unwrap()),
        ("no key", |dir| fs::remove_file(dir.join("key.pem")).unwrap()),
        ("no key in the key's file", |dir| fs::write(dir.join("key.pem"), "key").unwrap()),
        ("no names", |dir| edit(&dir.join("order.json"), "\"bad.example.com\"", "")),
    ] {
        let scene = Scene::new();
        let store = scene.open();
        drop(store.begin(&draft(&["a.example.com"])).unwrap());
        let bad = store.begin(&draft(&["bad.example.com"])).unwrap().id().clone();
        drop(store);
        let path = scene.root().join("pending").join(bad.as_str());
        damage(&path);
        let store = scene.open();
        let names: Vec<_> = store.pending().iter().flat_map(|one| one.draft().names.clone()).collect();
        assert_eq!(names, [host("a.example.com")], "{what}");
        assert!(store.broken().iter().any(|one| one.path == path) && path.exists(), "{what}");
    }
}

#[test]
fn a_folder_of_another_user_is_not_used() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: needs root to give a folder away");
    }
    let scene = Scene::new();
    let store = scene.open();
    let issued = scene.obtain(&store, &draft(&["a.example.com"]));
    drop(store);
    std::os::unix::fs::chown(live(&scene, &issued), Some(12_345), None).unwrap();
    assert!(scene.open().broken()[0].reason.contains("belongs to uid 12345"));
}

#[test]
fn a_damaged_journal_is_set_aside_and_counts_as_empty() {
    let scene = Scene::new();
    let path = scene.root().join("journal.redb");
    let record = |store: &Store| store.record(&[("a".to_owned(), Some(b"1".to_vec()))]).unwrap();
    for round in 1..=3 {
        let store = scene.open();
        assert_eq!(store.records(), []);
        record(&store);
        drop(store);
        assert_eq!(scene.open().records(), [("a".to_owned(), b"1".to_vec())]);
        match round {
            1 => fs::write(&path, "this is no journal").unwrap(),
            2 => fs::write(&path, &fs::read(&path).unwrap()[..5000]).unwrap(),
            _ => fs::write(&path, "").unwrap(),
        }
        let damaged = fs::read(&path).unwrap();
        let store = scene.open();
        assert_eq!(store.records(), [], "round {round}");
        if round < 3 {
            let aside = scene.root().join(format!("journal.redb.damaged-{round}"));
            assert_eq!(fs::read(aside).unwrap(), damaged, "round {round}");
        }
        drop(store);
    }
}

/// Bits rot. Whatever is read is what was written, or nothing; and nothing panics.
#[test]
fn a_journal_with_a_wrong_byte_gives_what_was_written_or_nothing() {
    let scene = Scene::new();
    let written: Vec<_> = (0..50).map(|n| (format!("key-{n:03}"), vec![n; 100])).collect();
    let store = scene.open();
    store.record(&written.iter().cloned().map(|(key, value)| (key, Some(value))).collect::<Vec<_>>()).unwrap();
    drop(store);
    let path = scene.root().join("journal.redb");
    let good = fs::read(&path).unwrap();
    let used: Vec<usize> = (0..good.len()).filter(|at| good[*at] != 0).collect();
    for at in used.iter().step_by(used.len() / 200 + 1) {
        let mut bad = good.clone();
        bad[*at] ^= 0x55;
        fs::write(&path, &bad).unwrap();
        let store = scene.open();
        let read = store.records();
        assert!(read == written || read.is_empty(), "byte {at}");
        store.record(&[("after".to_owned(), Some(Vec::new()))]).unwrap();
        assert!(store.records().iter().any(|(key, _)| key == "after"), "byte {at}");
    }
}
