use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::fs::mknodat;
use tempfile::TempDir;

use super::*;

const LIMIT: u64 = 64;

/// Both ways of resolving a path must say the same.
fn check(dir: &TempDir, path: &str, expected: &str) {
    for resolution in [Resolution::Kernel, Resolution::Steps] {
        let root = Root::open(dir.path(), rustix::process::geteuid().as_raw()).unwrap();
        root.resolution.set(resolution);
        let found = match root.read(Path::new(path), LIMIT) {
            Ok(Some(opened)) => format!("read {}", String::from_utf8(opened.bytes).unwrap()),
            Ok(None) => "nothing".to_owned(),
            Err(problem) => problem.to_string(),
        };
        assert_eq!(found, expected, "{path} by {resolution:?}");
    }
}

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[test]
fn only_regular_files_beneath_are_read() {
    let (dir, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let at = |name: &str| dir.path().join(name);
    fs::write(outside.path().join("x.yaml"), "secret").unwrap();
    fs::create_dir_all(at("shop/folder.yaml")).unwrap();
    for name in ["a.yaml", "shop/b.yaml"] {
        fs::write(at(name), "text").unwrap();
        check(&dir, name, "read text");
    }
    fs::write(at("empty.yaml"), "").unwrap();
    check(&dir, "empty.yaml", "read ");

    symlink(outside.path().join("x.yaml"), at("out.yaml")).unwrap();
    symlink("a.yaml", at("in.yaml")).unwrap();
    symlink("nowhere", at("shop/dangling.yaml")).unwrap();
    symlink(outside.path(), at("linked")).unwrap();
    symlink("shop", at("inner")).unwrap();
    for link in ["out.yaml", "in.yaml", "shop/dangling.yaml", "linked/x.yaml", "inner/b.yaml"] {
        check(&dir, link, "is a symbolic link");
    }

    fifo(&at("fifo.yaml"));
    let _listener = UnixListener::bind(at("socket.yaml")).unwrap();
    for special in ["fifo.yaml", "socket.yaml", "shop/folder.yaml"] {
        check(&dir, special, "is not a regular file");
    }
    for missing in ["no.yaml", "no/x.yaml", "a.yaml/x.yaml"] {
        check(&dir, missing, "nothing");
    }
    fs::hard_link(outside.path().join("x.yaml"), at("hard.yaml")).unwrap();
    check(&dir, "hard.yaml", "is a hard link");
}

#[test]
fn the_limit_is_a_limit() {
    let dir = TempDir::new().unwrap();
    let text = "x".repeat(64);
    fs::write(dir.path().join("fits.yaml"), &text).unwrap();
    fs::write(dir.path().join("large.yaml"), format!("{text}x")).unwrap();
    check(&dir, "fits.yaml", &format!("read {text}"));
    check(&dir, "large.yaml", "is larger than 64 bytes");
}

#[test]
fn a_file_that_is_swapped_for_a_link_is_never_followed() {
    let (dir, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let (file, spare) = (dir.path().join("x.yaml"), dir.path().join("spare"));
    fs::write(&file, "text").unwrap();
    for resolution in [Resolution::Kernel, Resolution::Steps] {
        let root = Root::open(dir.path(), rustix::process::geteuid().as_raw()).unwrap();
        root.resolution.set(resolution);
        let done = AtomicBool::new(false);
        std::thread::scope(|threads| {
            threads.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    symlink(&secret, &spare).unwrap();
                    fs::rename(&spare, &file).unwrap();
                    fs::write(&spare, "text").unwrap();
                    fs::rename(&spare, &file).unwrap();
                }
            });
            let (mut reads, mut links) = (0, 0);
            // Enough of both that the race was run.
            while reads < 200 || links < 200 {
                match root.read(Path::new("x.yaml"), LIMIT) {
                    Ok(Some(opened)) if opened.bytes == b"text" => reads += 1,
                    // Replaced between the opening and the look at its links.
                    Ok(None) => {}
                    Err(OpenError::Symlink) => links += 1,
                    other => panic!("{other:?}"),
                }
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
fn a_listing_tells_folders_from_the_rest() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("shop")).unwrap();
    fs::write(dir.path().join("shop/a.yaml"), "").unwrap();
    symlink("shop", dir.path().join("link")).unwrap();
    let root = Root::open(dir.path(), rustix::process::geteuid().as_raw()).unwrap();
    let names = |folder: Option<&str>| {
        let mut entries = root.list(folder.map(OsStr::new)).unwrap().entries;
        entries.retain(|(name, _)| name != "." && name != "..");
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries.into_iter().map(|(name, kind)| (name.into_string().unwrap(), kind)).collect::<Vec<_>>()
    };
    assert_eq!(names(None), [("link".to_owned(), EntryKind::Other), ("shop".to_owned(), EntryKind::Folder)]);
    assert_eq!(names(Some("shop")), [("a.yaml".to_owned(), EntryKind::Other)]);
    for folder in ["link", "no", "..", "shop/a.yaml"] {
        assert!(root.list(Some(OsStr::new(folder))).is_err(), "{folder}");
    }
}

#[test]
fn a_root_knows_when_it_was_replaced() {
    let dir = TempDir::new().unwrap();
    let (sites, away) = (dir.path().join("sites"), dir.path().join("away"));
    fs::create_dir(&sites).unwrap();
    let root = Root::open(&sites, rustix::process::geteuid().as_raw()).unwrap();
    assert!(root.is_current());
    fs::rename(&sites, &away).unwrap();
    assert!(!root.is_current());
    fs::create_dir(&sites).unwrap();
    assert!(!root.is_current());
    fs::remove_dir(&sites).unwrap();
    fs::rename(&away, &sites).unwrap();
    assert!(root.is_current());
}

/// What was judged is what is read: while a file is swapped for another user's, a link or a FIFO, and its folder for a link,
/// nothing is read but the text that may be.
#[test]
fn whatever_is_swapped_meanwhile_only_sound_files_are_read() {
    let (dir, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::create_dir_all(dir.path().join("shop")).unwrap();
    fs::write(outside.path().join("x.yaml"), "secret").unwrap();
    let root = Root::open(dir.path(), rustix::process::geteuid().as_raw()).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (fresh, place) = (dir.path().join("fresh"), dir.path().join("shop/x.yaml"));
            for turn in 0..4000 {
                match turn % 5 {
                    0 => fs::write(&fresh, "sound").unwrap(),
                    1 => symlink(outside.path().join("x.yaml"), &fresh).unwrap(),
                    2 => fifo(&fresh),
                    3 => {
                        fs::write(&fresh, "loose").unwrap();
                        fs::set_permissions(&fresh, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
                    }
                    _ => {
                        let _ = fs::rename(dir.path().join("shop"), dir.path().join("away"));
                        symlink(outside.path(), dir.path().join("shop")).unwrap();
                        fs::remove_file(dir.path().join("shop")).unwrap();
                        let _ = fs::rename(dir.path().join("away"), dir.path().join("shop"));
                        continue;
                    }
                }
                fs::rename(&fresh, &place).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        while !done.load(Ordering::SeqCst) {
            if let Ok(Some(opened)) = root.read(Path::new("shop/x.yaml"), LIMIT) {
                assert!(matches!(&opened.bytes[..], b"sound" | b""), "{:?}", String::from_utf8_lossy(&opened.bytes));
            }
        }
    });
}

#[test]
fn who_is_on_an_access_list_may_write() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("a.yaml");
    fs::write(&path, "text").unwrap();
    let me = rustix::process::geteuid().as_raw();
    if me != rustix::process::getegid().as_raw() {
        eprintln!("left out: this user has no group of its own number");
        return;
    }
    // acl(5) as the kernel stores it: version 2, then tag, permissions and id of the owner, a user, the group, the mask, others.
    let entries = [(1u16, 6u16, u32::MAX), (2, 6, 64_001), (4, 4, u32::MAX), (16, 6, u32::MAX), (32, 4, u32::MAX)];
    let mut list = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend(tag.to_le_bytes().into_iter().chain(permissions.to_le_bytes()).chain(id.to_le_bytes()));
    }
    let set = rustix::fs::setxattr(&path, "system.posix_acl_access", &list, rustix::fs::XattrFlags::empty());
    if set == Err(Errno::NOTSUP) {
        eprintln!("left out: this file system has no access lists");
        return;
    }
    set.unwrap();
    // On a gateway that runs as another user: that one's own files may be written by whom it likes.
    let root = Root::open(dir.path(), me.wrapping_add(1)).unwrap();
    let refused = root.read(Path::new("a.yaml"), LIMIT).unwrap_err();
    assert_eq!(refused.to_string(), "may be written by those whom its access control list names");
    // The mask is the mode's group.
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert!(root.read(Path::new("a.yaml"), LIMIT).unwrap().is_some());
}

#[test]
fn whose_a_file_is_that_cannot_be_read_is_told_by_its_place_and_by_the_kernel() {
    let (dir, me) = (TempDir::new().unwrap(), rustix::process::geteuid().as_raw());
    let mode = |path: &str, mode| fs::set_permissions(dir.path().join(path), PermissionsExt::from_mode(mode)).unwrap();
    let chown = |path: &str, uid| std::os::unix::fs::lchown(dir.path().join(path), Some(uid), Some(uid)).unwrap();
    fs::create_dir(dir.path().join("shop")).unwrap();
    symlink("nowhere", dir.path().join("link.yaml")).unwrap();
    fifo(&dir.path().join("pipe.yaml"));
    fs::write(dir.path().join("loose.yaml"), "text").unwrap();
    mode("loose.yaml", 0o666);
    fifo(&dir.path().join("shop/pipe.yaml"));
    let root = Root::open(dir.path(), me).unwrap();
    let check = |path: &str, owner: Option<u32>| {
        assert_eq!(root.owner(Path::new(path)).map(|owner| owner.0), owner, "{path}");
    };
    for path in ["link.yaml", "pipe.yaml", "loose.yaml", "shop/pipe.yaml"] {
        assert!(root.read(Path::new(path), LIMIT).is_err(), "{path}");
        check(path, Some(me));
    }
    check("no.yaml", None);
    check("link.yaml/x.yaml", None);
    if me != 0 {
        eprintln!("left out: only root can give files away");
    } else {
        mode("", 0o1777);
        for path in ["link.yaml", "pipe.yaml", "loose.yaml"] {
            chown(path, 64_001);
            check(path, Some(64_001));
        }
        // In a user's folder root's files are that user's, and a third one's are nobody's.
        chown("shop", 64_001);
        check("shop/pipe.yaml", Some(64_001));
        chown("shop/pipe.yaml", 64_002);
        check("shop/pipe.yaml", None);
    }
    // Where others may move files, nobody can tell.
    mode("", 0o777);
    for path in ["link.yaml", "pipe.yaml", "shop/pipe.yaml"] {
        check(path, None);
    }
}
