//! On real folders. What is closed to us is made so for root too, by a thread that gives up its right to pass.

use std::{
    os::unix::{
        ffi::OsStrExt as _,
        fs::{MetadataExt as _, PermissionsExt as _, symlink},
        net::UnixListener,
    },
    thread,
    time::Duration,
};

use rustix::{
    fs::{CWD, FileType, Mode},
    thread::{CapabilitySet, capabilities, set_capabilities},
};
use tempfile::TempDir;

use super::*;

/// A sites folder, and room beside it.
struct Sites {
    dir: TempDir,
    config: WatchConfig,
}

impl Sites {
    fn new(files: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let sites = dir.path().join("sites");
        let config = WatchConfig {
            dir: sites,
            file_limit: 64,
            rescan: Duration::MAX,
            gateway: rustix::process::geteuid().as_raw(),
        };
        let sites = Self { dir, config };
        fs::create_dir(sites.at("")).unwrap();
        for name in files {
            fs::create_dir_all(sites.at(name).parent().unwrap()).unwrap();
            fs::write(sites.at(name), "text").unwrap();
        }
        sites
    }

    fn at(&self, name: &str) -> PathBuf {
        self.config.dir.join(name)
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn check(&self, id: &str, expected: (&str, &str)) {
        let id = SiteId::new(id);
        let present = match confirm(&self.config, &id) {
            Presence::There => "there".to_owned(),
            Presence::Gone => "gone".to_owned(),
            Presence::Unknown(problem) => format!("unknown: {}", told(&problem)),
        };
        let read = match read_site(&self.config, &id) {
            Change::Written(file) => {
                assert_eq!(file.owner.0, rustix::process::geteuid().as_raw());
                String::from_utf8(file.bytes).unwrap()
            }
            Change::Unreadable { problem, .. } => told(&problem),
            Change::Removed(_) => "removed".to_owned(),
        };
        assert_eq!((present.as_str(), read.as_str()), expected, "{id}");
    }
}

/// The kernel's word where there is one.
fn told(problem: &OpenError) -> String {
    match problem {
        OpenError::Io(error) => format!("{:?}", error.kind()),
        other => other.to_string(),
    }
}

fn fifo(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// Permissions hold for root only without these capabilities, which are each thread's own.
fn with_closed_doors(then: impl FnOnce() + Send) {
    thread::scope(|threads| {
        let run = || {
            let mut sets = capabilities(None).unwrap();
            sets.effective.remove(CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH);
            set_capabilities(None, sets).unwrap();
            then();
        };
        threads.spawn(run).join().unwrap();
    });
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_is_there_in_whatever_form_and_read_by_the_rules() {
    let sites = Sites::new(&["a.yaml", "shop/b.yaml", "large.yaml", "shop/bad\nname.yaml", "README", ".x.yaml"]);
    fs::write(sites.at("large.yaml"), "x".repeat(65)).unwrap();
    symlink("a.yaml", sites.at("link.yaml")).unwrap();
    symlink("nowhere", sites.at("shop/dangling.yaml")).unwrap();
    fs::write(sites.beside("secret"), "secret").unwrap();
    fs::hard_link(sites.beside("secret"), sites.at("hard.yaml")).unwrap();
    fifo(&sites.at("fifo.yaml"));
    let _listener = UnixListener::bind(sites.at("socket.yaml")).unwrap();
    fs::create_dir(sites.at("folder.yaml")).unwrap();
    fs::write(sites.at("folder.yaml/c.yaml"), "x").unwrap();
    for (id, read) in [
        ("a.yaml", "text"),
        ("shop/b.yaml", "text"),
        ("large.yaml", "is larger than 64 bytes"),
        ("link.yaml", "is a symbolic link"),
        ("shop/dangling.yaml", "is a symbolic link"),
        ("hard.yaml", "is a hard link"),
        ("fifo.yaml", "is not a regular file"),
        ("socket.yaml", "is not a regular file"),
        ("folder.yaml", "is not a regular file"),
        ("shop/bad\\nname.yaml", "has a name with characters that cannot be shown"),
    ] {
        sites.check(id, ("there", read));
    }
    let no_names =
        ["README", ".x.yaml", "../secret", "/a.yaml", "shop/../a.yaml", "", "folder.yaml/c.yaml", "a\0.yaml"];
    let not_there =
        ["no.yaml", "no/a.yaml", "shop/no.yaml", "a.yaml/b.yaml", "README/b.yaml", "bad\\n.yaml", "no\\n/a.yaml"];
    for gone in no_names.into_iter().chain(not_there) {
        sites.check(gone, ("gone", "removed"));
    }
}

#[test]
fn what_cannot_be_looked_at_is_unknown() {
    let sites = Sites::new(&["a.yaml", "shop/b.yaml"]);
    symlink("shop", sites.at("linked")).unwrap();
    sites.check("linked/b.yaml", ("unknown: is a symbolic link", "is a symbolic link"));
    let long = format!("{}.yaml", "x".repeat(300));
    for id in [long.clone(), format!("shop/{long}"), format!("{long}x/a.yaml")] {
        sites.check(&id, ("unknown: InvalidFilename", "InvalidFilename"));
    }
    fs::rename(sites.at(""), sites.beside("away")).unwrap();
    for id in ["a.yaml", "shop/b.yaml", "bad\\n.yaml"] {
        sites.check(id, ("unknown: NotFound", "NotFound"));
    }
}

#[test]
fn a_closed_folder_hides_whether_its_files_are_gone() {
    let sites = Sites::new(&["a.yaml", "shop/b.yaml", "shop/bad\nname.yaml"]);
    let closed = ("unknown: PermissionDenied", "PermissionDenied");
    with_closed_doors(|| {
        set_mode(&sites.at("a.yaml"), 0o000);
        sites.check("a.yaml", ("there", "PermissionDenied"));
        set_mode(&sites.at("shop"), 0o000);
        for id in ["shop/b.yaml", "shop/no.yaml", "shop/bad\\nname.yaml"] {
            sites.check(id, closed);
        }
        // May be passed, not listed: enough for a name that is known.
        set_mode(&sites.at("shop"), 0o100);
        sites.check("shop/b.yaml", ("there", "text"));
        sites.check("shop/no.yaml", ("gone", "removed"));
        sites.check("shop/bad\\nname.yaml", closed);
        set_mode(&sites.at("shop"), 0o700);
        sites.check("shop/b.yaml", ("there", "text"));
        // The first scan passes over such a folder; that is why it must be asked.
        set_mode(&sites.at("shop"), 0o000);
        let scanned = crate::scan(&sites.config).unwrap();
        assert!(matches!(&scanned[..], [Change::Unreadable { id, .. }] if id.as_str() == "a.yaml"), "{scanned:?}");
        set_mode(&sites.at("shop"), 0o700);
    });
}

#[test]
fn a_draft_is_read_wherever_it_lies() {
    let sites = Sites::new(&["a.yaml"]);
    let check = |path: &Path, expected: &str| {
        let read = match read_draft(path, 64) {
            Ok((owner, bytes)) => {
                assert_eq!(owner.0, fs::metadata(path).unwrap().uid());
                String::from_utf8(bytes).unwrap()
            }
            Err(problem) => told(&problem),
        };
        assert_eq!(read, expected, "{}", path.display());
    };
    let at = |name: &str| sites.beside(name);
    symlink("sites/a.yaml", at("link")).unwrap();
    fs::hard_link(sites.at("a.yaml"), at("hard")).unwrap();
    symlink("loop", at("loop")).unwrap();
    fs::write(at("fits"), "x".repeat(64)).unwrap();
    fs::write(at("large"), "x".repeat(65)).unwrap();
    fifo(&at("fifo"));
    let _listener = UnixListener::bind(at("socket")).unwrap();
    for readable in ["sites/a.yaml", "link", "hard"] {
        check(&at(readable), "text");
    }
    check(&at("fits"), &"x".repeat(64));
    for large in [at("large"), PathBuf::from("/proc/self/smaps")] {
        check(&large, "is larger than 64 bytes");
    }
    for special in [at("fifo"), at("socket"), at("sites"), PathBuf::from("/dev/zero")] {
        check(&special, "is not a regular file");
    }
    check(&at("no"), "NotFound");
    check(&at("loop"), "FilesystemLoop");
    with_closed_doors(|| {
        set_mode(&at("fits"), 0o000);
        check(&at("fits"), "PermissionDenied");
    });
}

#[test]
fn a_path_tells_its_site() {
    let sites = Sites::new(&["a.yaml", "shop/b.yaml"]);
    fs::create_dir(sites.beside("outside")).unwrap();
    fs::write(sites.beside("outside/x.yaml"), "x").unwrap();
    symlink("../outside/x.yaml", sites.at("out.yaml")).unwrap();
    symlink("../outside", sites.at("linked")).unwrap();
    symlink("sites", sites.beside("other-way")).unwrap();
    let check = |path: &[u8], expected: Option<&str>| {
        let path = sites.dir.path().join(OsStr::from_bytes(path));
        let id = site_id(&sites.config, &path);
        assert_eq!(id.as_ref().map(SiteId::as_str), expected, "{}", path.display());
    };
    check(b"sites/a.yaml", Some("a.yaml"));
    check(b"sites/new.yaml", Some("new.yaml"));
    check(b"sites/shop/b.yaml", Some("shop/b.yaml"));
    check(b"sites/shop/../a.yaml", Some("a.yaml"));
    check(b"other-way/shop/b.yaml", Some("shop/b.yaml"));
    check(b"sites/out.yaml", Some("out.yaml"));
    check(b"sites/linked/x.yaml", Some("linked/x.yaml"));
    check(b"sites/\xff.yaml", Some("\\xff.yaml"));
    for outside in
        ["outside/x.yaml", "sites/README", "sites/.a.yaml", "sites/no/deep/a.yaml", "no/a.yaml", "sites", "sites/.."]
    {
        check(outside.as_bytes(), None);
    }
}
