//! A disk that is full or fails: at each step that the store takes towards a renewal, and for good. The old certificate
//! serves on, the failure is told, and the renewal goes through when the disk works again.

use std::{ffi::OsString, fs, path::PathBuf};

use futures_util::{StreamExt as _, stream};
use http::Method;
use serde_json::Value;
use vestibule_testkit::{
    Answer, SimulatedRig, Site, admin, eventually,
    process::{require, root_or_note},
};

use super::{
    assert_in_order, listed,
    persist_points::{HOST, Work, steps},
    strace,
};

/// Gateways side by side: a run is waiting for ten seconds after a failure.
const AT_ONCE: usize = 32;
/// What may fail; bytes that are written are among it.
const CALLS: &str = "write,pwrite64,ftruncate,fsync,fdatasync,rename,mkdir,unlink";

async fn renew(rig: &SimulatedRig) -> Answer {
    let target = format!("/v1/certs/renew?host={HOST}");
    admin::send(&rig.gateway.admin_socket(), Method::POST, &target).await.unwrap()
}

fn is_storage(standing: &Value) -> bool {
    standing["failure_kind"] == "storage" && standing["failure"].as_str().is_some_and(|why| why.contains("store"))
}

/// How a run with a failing step came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    /// The renewal went through all the same.
    Through,
    /// It did not, and that was told.
    Told,
    /// The gateway did not start, and said why.
    NotStarted,
}

/// Once it is ready, a visitor meets no gap.
async fn outcome(rig: &mut SimulatedRig, what: &str) -> Came {
    loop {
        if rig.gateway.process().exited().is_some() {
            let log = rig.gateway.process().stderr();
            assert!(log.contains("cannot start"), "{what}: {log}");
            return Came::NotStarted;
        }
        let socket = rig.gateway.admin_socket();
        if matches!(admin::get(&socket, "/readyz").await, Ok(answer) if answer.status == 200) {
            break;
        }
        tokio::task::yield_now().await;
    }
    let rig = &*rig;
    eventually(&format!("{what}: an outcome"), || async {
        assert_eq!(rig.visit(HOST).await.as_deref(), Some("here"), "{what}: a gap");
        if Work::Renewal.is_done(rig).await {
            return Some(Came::Through);
        }
        rig.standing(HOST).await.filter(is_storage).map(|_| Came::Told)
    })
    .await
}

/// One step fails once. Afterwards the disk works: after a restart, whatever is on it, there is the new certificate, and the
/// CA was asked for no other.
async fn failed_at(step: &strace::Step) -> (&strace::Step, Came) {
    let error = if step.call.contains("write") || step.call == "mkdir" { "ENOSPC" } else { "EIO" };
    let what = format!("{error} at {step:?}");
    let mut rig = Work::Renewal.prepared().await;
    let words = strace::failing(step, error, &rig.gateway.state_dir());
    rig.gateway.restart_under(&words);
    let came = outcome(&mut rig, &what).await;
    if came != Came::NotStarted {
        strace::end(&mut rig.gateway).await;
    }
    rig.gateway.restart().await;
    assert_eq!(rig.visit(HOST).await.as_deref(), Some("here"), "{what}: a gap after the restart");
    let live = listed(&rig, "live");
    assert!(live.len() <= 2, "{what}: {live:?}");
    // The wait after a failure outlives a restart; an operator waits for the shorter one of the CA only. An order that is
    // resumed, or whose certificate is there, needs no operator.
    let done = || async {
        let needs = came == Came::Told && listed(&rig, "pending").is_empty() && listed(&rig, "live").len() < 2;
        let done = Work::Renewal.is_done(&rig).await || (needs && renew(&rig).await.status == 200);
        done.then_some(())
    };
    eventually(&format!("{what}: the certificate"), done).await;
    rig.served(HOST, "here").await;
    assert_eq!(rig.ca.certificates().len(), 2, "{what}: {:#?}", rig.ca.certificates());
    assert_in_order(&mut rig, &what).await;
    (step, came)
}

fn is_later(one: &strace::Step, other: &strace::Step) -> bool {
    one.call == other.call && one.path == other.path && one.nth > other.nth
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_at_any_step_of_a_renewal_takes_nothing_off_the_air() {
    strace::needed();
    let mut steps = steps(Work::Renewal, CALLS).await;
    // Of a dozen writes to the journal's file the first and the last.
    let last = |step: &strace::Step| !steps.iter().any(|other| is_later(other, step));
    let ends: Vec<bool> = steps.iter().map(|step| step.nth == 1 || last(step)).collect();
    let mut ends = ends.into_iter();
    steps.retain(|_| ends.next() == Some(true));
    let runs: Vec<_> = stream::iter(&steps).map(failed_at).buffer_unordered(AT_ONCE).collect().await;
    let told = runs.iter().filter(|(_, came)| *came == Came::Told).count();
    let refused: Vec<_> = runs.iter().filter(|(_, came)| *came == Came::NotStarted).collect();
    assert!(told >= 10, "{runs:#?}");
    // Only the store's own folders stand between a disk and a start.
    assert!(refused.iter().all(|(step, _)| matches!(&*step.call, "mkdir" | "fsync")), "{refused:#?}");
}

/// Mounts a small file system over the certificates' folder, where nobody else sees it, and becomes the gateway.
fn on_a_small_disk(rig: &SimulatedRig) -> Vec<OsString> {
    let folder = rig.gateway.state_dir().join("certs");
    fs::create_dir_all(&folder).unwrap();
    let script = "mount -t tmpfs -o size=12m,mode=700 small \"$0\" && exec \"$@\"";
    let mut words: Vec<OsString> =
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script].map(Into::into).into();
    words.push(folder.into());
    words
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_space_is_all_it_takes() {
    if !root_or_note("a file system of its own for the store, filled to the last byte") {
        return;
    }
    require("unshare", "util-linux");
    let site = Site::new(HOST).respond("here");
    let mut rig = SimulatedRig::builder().gateway(|gateway| gateway.site("shop.yaml", &site)).start().await;
    rig.served(HOST, "here").await;
    rig.gateway.kill();
    fs::remove_dir_all(rig.gateway.state_dir()).unwrap();
    let words = on_a_small_disk(&rig);
    rig.gateway.restart_under(&words);
    eventually("a start", || async { rig.gateway.admin_socket().exists().then_some(()) }).await;
    rig.served(HOST, "here").await;
    let first = rig.standing(HOST).await.unwrap()["issuance"].clone();
    // Through the process's own view of the file system.
    let pid = rig.gateway.status().await["pid"].as_i64().unwrap();
    let folder = rig.gateway.state_dir().join("certs");
    let filler = PathBuf::from(format!("/proc/{pid}/root")).join(folder.strip_prefix("/").unwrap()).join("filler");
    let full = fs::write(&filler, vec![0; 16 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);

    let orders = rig.ca.orders().len();
    let refused = renew(&rig).await;
    assert!(refused.status.is_client_error() || refused.status.is_server_error(), "{refused:?}");
    assert!(refused.text().contains("store"), "{}", refused.text());
    rig.standing_when(HOST, "told", is_storage).await;
    let listed = rig.gateway.command(&["certs", "--state", "state"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("the gateway's own store"), "{listed:?}");
    assert!(rig.gateway.process().stderr().contains("nothing is ordered until the disk takes"), "the log tells it");
    assert_eq!(rig.ca.orders().len(), orders, "nothing is ordered that could not be kept");
    for _ in 0..20 {
        assert_eq!(rig.visit(HOST).await.as_deref(), Some("here"));
    }

    fs::remove_file(&filler).unwrap();
    let again = || async { (renew(&rig).await.status == 200).then_some(()) };
    eventually("the renewal", again).await;
    rig.standing_when(HOST, "renewed", |standing| standing["state"] == "valid" && standing["issuance"] != first).await;
    rig.served(HOST, "here").await;
}
