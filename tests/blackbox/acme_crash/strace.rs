//! strace around the gateway: it lists the durable steps of a run, ends the gateway at one of them, or makes calls fail.
//!
//! strace counts the calls of each thread, kind by kind, and only those on the path that it is limited to: a step is named
//! by kind, path and count.

use std::{collections::BTreeMap, ffi::OsString, fs, path::Path, process::Command};

use rustix::process::{Pid, Signal, kill_process};
use vestibule_testkit::{Gateway, process::require};

/// All calls by which the store changes the disk, but for `write`: what was written is only worth something once it is
/// synced.
pub(super) const STEPS: &str =
    "fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat,unlink,unlinkat,rmdir,ftruncate,pwrite64";

/// Stops the gateway at the calls of interest only.
const FAST: &str = "--seccomp-bpf";

/// One step of a run: the n-th such call of a thread on that path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) call: String,
    /// Below the state folder.
    pub(super) path: String,
    pub(super) nth: usize,
}

/// Panics unless strace is there and may trace its own children.
pub(super) fn needed() {
    require("strace", "strace");
    let traced = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output().unwrap();
    assert!(
        traced.status.success(),
        "strace may not trace its own children here; allow ptrace (sysctl kernel.yama.ptrace_scope=1, or a container that \
         may call ptrace): {}",
        String::from_utf8_lossy(&traced.stderr)
    );
}

/// The command line before the gateway's: nothing changes, and such calls go to that file.
pub(super) fn listing(calls: &str, file: &Path) -> Vec<OsString> {
    let mut words = words(&[FAST], calls);
    words.extend(["-y".into(), "-o".into(), file.into()]);
    ended_with(words)
}

/// The gateway is killed before it takes that step.
pub(super) fn killing(step: &Step, state: &Path) -> Vec<OsString> {
    // Not the fast way: at its stops signals get lost.
    let mut words = words(&[], &step.call);
    words.extend(["-P".into(), state.join(&step.path).into(), "-o".into(), "/dev/null".into()]);
    words.push(format!("--inject={}:signal=KILL:when={}", step.call, step.nth).into());
    ended_with(words)
}

/// The gateway cannot take that step: it fails with that error, once.
pub(super) fn failing(step: &Step, error: &str, state: &Path) -> Vec<OsString> {
    let mut words = words(&[FAST], &step.call);
    words.extend(["-P".into(), state.join(&step.path).into(), "-o".into(), "/dev/null".into()]);
    words.push(format!("--inject={}:error={error}:when={}", step.call, step.nth).into());
    ended_with(words)
}

/// Kills a gateway under strace, which ends with it: the other way round the gateway would end a moment later than its
/// folder and ports are wanted again.
pub(super) async fn end(gateway: &mut Gateway) {
    let pid = gateway.status().await["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    kill_process(pid.and_then(Pid::from_raw).unwrap(), Signal::KILL).unwrap();
    gateway.process().wait().await;
}

fn words(options: &[&str], calls: &str) -> Vec<OsString> {
    let trace = format!("trace={calls}");
    let words = ["strace", "-f", "-qq", "-s", "0", "-e", &trace];
    words.iter().chain(options).map(OsString::from).collect()
}

/// Should strace be killed, the gateway ends too.
fn ended_with(mut words: Vec<OsString>) -> Vec<OsString> {
    words.extend(["--", "setpriv", "--pdeathsig", "KILL", "--"].map(OsString::from));
    words
}

/// The steps that a [`listing`] has below a folder of the state folder.
pub(super) fn steps(file: &Path, state: &Path, below: &str) -> Vec<Step> {
    let (text, state) = (fs::read_to_string(file).unwrap(), format!("{}/", state.display()));
    let mut counts = BTreeMap::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let Some((thread, call, path)) = parse(line) else { continue };
        let Some(path) = path.strip_prefix(&state).filter(|path| path.starts_with(below)) else { continue };
        let nth = counts.entry((thread.to_owned(), call.to_owned(), path.to_owned())).or_insert(0);
        *nth += 1;
        found.push(Step { call: call.to_owned(), path: path.to_owned(), nth: *nth });
    }
    found
}

/// `12 fsync(9</state/x>) = 0`, `12 rename("/state/x", "/state/y") = 0`: thread, call and first path.
fn parse(line: &str) -> Option<(&str, &str, &str)> {
    let (thread, rest) = line.split_once(' ')?;
    let (call, arguments) = rest.trim_start().split_once('(')?;
    let path = match arguments.strip_prefix('"') {
        Some(text) => text.split_once('"')?.0,
        None => arguments.split_once('<')?.1.split_once('>')?.0,
    };
    call.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some((thread, call, path))
}

#[test]
fn steps_are_counted_by_thread_call_and_path() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trace");
    let trace = "7 fsync(3</s/b>) = 0\n7 fsync(9</s/a/x>) = 0\n8 fsync(9</s/a/x> <unfinished ...>\n\
                 8 <... fsync resumed>) = 0\n8 rename(\"/s/a/x\", \"/s/a/y\") = 0\n8 fsync(9</s/a/y>) = 0\n\
                 8 pwrite64(4</s/a/j>, \"\"..., 320, 0) = 320\n8 +++ exited with 0 +++\n";
    fs::write(&file, trace).unwrap();
    let found: Vec<_> = steps(&file, Path::new("/s"), "a/").into_iter().map(|s| (s.call, s.path, s.nth)).collect();
    let expected = [("fsync", "a/x", 1), ("fsync", "a/x", 1), ("rename", "a/x", 1), ("fsync", "a/y", 1)];
    let mut expected: Vec<_> = expected.map(|(call, path, nth)| (call.to_owned(), path.to_owned(), nth)).into();
    expected.push(("pwrite64".to_owned(), "a/j".to_owned(), 1));
    assert_eq!(found, expected);
}
