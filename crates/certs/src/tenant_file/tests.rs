//! Paths that a hostile tenant would write.

use std::os::unix::{fs::symlink, net::UnixListener};

use super::*;

const UID: u32 = 1000;

fn mkfifo(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

/// The user of the test: on its own files `Owner::Only` of it always holds.
fn us() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn check(path: &Path, owner: Owner, expected: &str) {
    let result = read(path, owner).map(|file| String::from_utf8(file.bytes).unwrap());
    assert_eq!(result.unwrap_or_else(|fault| fault.to_string()), expected, "{} as {owner:?}", path.display());
}

#[test]
fn who_may_name_whose_files() {
    let check = |tenant, gateway, expected| assert_eq!(Owner::required(TenantId(tenant), gateway), expected);
    check(0, 0, Owner::Any);
    check(0, UID, Owner::Any);
    check(UID, UID, Owner::Any);
    check(UID, 0, Owner::Only(UID));
    check(UID, 33, Owner::Only(UID));
}

#[test]
fn regular_files_are_read_also_through_links() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("file"), "content").unwrap();
    symlink("file", at("link")).unwrap();
    for name in ["file", "link"] {
        check(&at(name), Owner::Any, "content");
        check(&at(name), Owner::Only(us()), "content");
        check(&at(name), Owner::Only(us() + 1), &format!("it is not a file of uid {}", us() + 1));
    }
}

#[test]
fn what_is_no_regular_file_is_not_even_opened() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    mkfifo(&at("fifo"));
    symlink("fifo", at("link-to-fifo")).unwrap();
    symlink("loop", at("loop")).unwrap();
    fs::write(at("empty"), "").unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    // Opening the FIFO would wait for a writer for ever; opening the socket would fail in another way.
    check(&at("fifo"), Owner::Any, "it is a FIFO, not a regular file");
    check(&at("link-to-fifo"), Owner::Any, "it is a FIFO, not a regular file");
    check(&at("socket"), Owner::Any, "it is a socket, not a regular file");
    check(dir.path(), Owner::Any, "it is a folder, not a regular file");
    check(Path::new("/dev/zero"), Owner::Any, "it is a device, not a regular file");
    check(Path::new("/proc/self/status"), Owner::Any, "it is empty");
    check(&at("empty"), Owner::Any, "it is empty");
    check(&at("none"), Owner::Any, "it does not exist");
    check(Path::new("tls/chain.pem"), Owner::Any, "the path is not absolute");
    assert!(matches!(read(&at("loop"), Owner::Any), Err(FileFault::Io(_))));
}

#[test]
fn the_size_is_limited() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large");
    let size = |bytes| File::create(&path).unwrap().set_len(bytes).unwrap();
    size(FILE_SIZE_LIMIT);
    assert!(read(&path, Owner::Any).is_ok());
    size(FILE_SIZE_LIMIT + 1);
    check(&path, Owner::Any, "it is larger than 1024 KiB");
    size(1 << 40);
    check(&path, Owner::Any, "it is larger than 1024 KiB");
}

#[test]
fn a_site_file_is_no_way_to_look_into_other_peoples_folders() {
    let dir = tempfile::tempdir().unwrap();
    let (open, closed) = (dir.path().join("open"), dir.path().join("closed"));
    for (folder, mode) in [(&open, 0o755), (&closed, 0o700)] {
        fs::create_dir(folder).unwrap();
        fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }
    // Temporary directories are private: for this test everybody may pass through.
    fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(closed.join("there"), "secret").unwrap();
    symlink(closed.join("gone"), open.join("link-to-nothing")).unwrap();
    symlink(closed.join("there"), open.join("link-to-something")).unwrap();

    let stranger = us() + 1;
    let same = format!("it is not a file of uid {stranger}");
    for path in
        [closed.join("there"), closed.join("gone"), open.join("link-to-nothing"), open.join("link-to-something")]
    {
        check(&path, Owner::Only(stranger), &same);
    }
    check(&open.join("gone"), Owner::Only(stranger), "it does not exist");
    check(&closed.join("gone"), Owner::Only(us()), "it does not exist");
}

#[test]
fn a_gateway_that_is_root_tells_users_apart() {
    if us() != 0 {
        return eprintln!("skipped: needs root to give files away");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key.pem");
    fs::write(&path, "content").unwrap();
    std::os::unix::fs::chown(&path, Some(UID), None).unwrap();
    check(&path, Owner::Only(UID), "content");
    check(&path, Owner::Only(UID + 1), "it is not a file of uid 1001");
    check(&path, Owner::Any, "content");
    // A hard link in a folder of one's own changes no owner.
    fs::hard_link(&path, dir.path().join("mine.pem")).unwrap();
    check(&dir.path().join("mine.pem"), Owner::Only(UID + 1), "it is not a file of uid 1001");
}

#[test]
fn stamps_tell_changes_and_settle() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    assert_eq!(Stamp::look(&path), None);
    fs::write(&path, "1").unwrap();
    let first = Stamp::look(&path).unwrap();
    assert_eq!(read(&path, Owner::Any).unwrap().stamp, first);
    assert!(!first.is_settled(SystemTime::now()));
    assert!(first.is_settled(SystemTime::now() + 3 * SETTLED_AGE));
    fs::write(dir.path().join("new"), "1").unwrap();
    fs::rename(dir.path().join("new"), &path).unwrap();
    assert_ne!(Stamp::look(&path).unwrap(), first);
}
