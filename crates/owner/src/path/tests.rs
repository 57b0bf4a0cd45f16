//! The way to a socket. What needs files of two users runs as root only, and says so.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{
        fs::{chown, lchown, symlink},
        net::{UnixListener, UnixStream},
    },
};

use super::*;

const A: u32 = 52_001;
const B: u32 = 52_002;

/// A folder whose parents are root's or ours.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn own() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn is_root() -> bool {
    let root = own() == 0;
    if !root {
        eprintln!("left out: needs root, for files of other users");
    }
    root
}

#[test]
fn a_socket_is_found_by_plain_and_linked_ways() {
    let dir = folder();
    let socket = dir.path().join("app.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    symlink(dir.path(), dir.path().join("here")).unwrap();
    symlink("here/./here/app.sock", dir.path().join("link")).unwrap();
    symlink(&socket, dir.path().join("absolute")).unwrap();
    for name in ["app.sock", "link", "absolute", "here/here/link"] {
        let file = open(&dir.path().join(name), |uid| uid == own()).unwrap();
        assert_eq!(file.uid, own());
        let mut stream = UnixStream::connect(file.address()).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        stream.write_all(b"x").unwrap();
        accepted.read_exact(&mut [0]).unwrap();
    }
}

#[test]
fn what_leads_nowhere_is_told() {
    let dir = folder();
    fs::write(dir.path().join("file"), "").unwrap();
    symlink("loop", dir.path().join("loop")).unwrap();
    let open = |name: &str| open(&dir.path().join(name), |uid| uid == own()).map(|_| ());
    assert!(matches!(open("file"), Err(PathError::NotASocket(_))));
    assert!(matches!(open("file/x"), Err(PathError::NotASocket(_))));
    assert!(matches!(open("."), Err(PathError::NotASocket(_))));
    assert!(matches!(open("loop"), Err(PathError::Loop)));
    assert!(matches!(open("gone"), Err(PathError::Open { .. })));
}

#[test]
fn what_was_opened_stays_what_it_is_when_the_path_changes() {
    let dir = folder();
    let path = dir.path().join("app.sock");
    let first = UnixListener::bind(&path).unwrap();
    let file = open(&path, |uid| uid == own()).unwrap();
    fs::remove_file(&path).unwrap();
    let second = UnixListener::bind(&path).unwrap();
    second.set_nonblocking(true).unwrap();
    let _stream = UnixStream::connect(file.address()).unwrap();
    first.accept().unwrap();
    assert_eq!(second.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn links_and_folders_of_others_are_not_followed() {
    if !is_root() {
        return;
    }
    let dir = folder();
    let socket = dir.path().join("app.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    chown(&socket, Some(A), None).unwrap();
    let theirs = dir.path().join("theirs");
    symlink(&socket, &theirs).unwrap();
    lchown(&theirs, Some(B), None).unwrap();
    let their_folder = dir.path().join("folder");
    fs::create_dir(&their_folder).unwrap();
    chown(&their_folder, Some(B), None).unwrap();
    let _inner = UnixListener::bind(their_folder.join("app.sock")).unwrap();
    let as_a = |path: &Path| open(path, |uid| uid == A).map(|file| file.uid);
    assert_eq!(as_a(&socket).unwrap(), A);
    for path in [theirs, their_folder.join("app.sock"), their_folder.join("../app.sock")] {
        assert!(matches!(as_a(&path), Err(PathError::Foreign { uid: B, .. })), "{}", path.display());
    }
}
