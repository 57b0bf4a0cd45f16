//! Promise: whatever ends the gateway or its disk, at whatever moment, costs at most one certificate per name, leaves no
//! half behind, and takes no site off the air.
//!
//! The CA is the test's own, so that every order and certificate is counted where it costs something. strace ends the
//! gateway, or fails its disk, at exactly one step.

mod disk;
mod persist_points;
mod storm;
mod strace;

use std::{fs, path::PathBuf, time::Duration};

use serde_json::Value;
use vestibule_testkit::{SimulatedRig, eventually};

/// How long a run may take to come to the step at which it is to end.
const RUN: Duration = Duration::from_secs(3);
/// So old that a certificate of 90 days is due, and so young that it is good for weeks.
const OLD: Duration = Duration::from_secs(61 * 86_400);

/// The folder of the certificate store.
fn store(rig: &SimulatedRig) -> PathBuf {
    rig.gateway.state_dir().join("certs/acme")
}

/// What is in a folder of the store: names of directories, sorted.
fn listed(rig: &SimulatedRig, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(store(rig).join(folder)).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// With the gateway ended and the CA's clock behind by [`OLD`]: the certificate in the store becomes as old as it says, and
/// the CA comes to the present. The next start finds a renewal due.
fn age(rig: &SimulatedRig) {
    for id in listed(rig, "live") {
        let path = store(rig).join("live").join(id).join("meta.json");
        let mut meta: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        meta["obtained"] = meta["not_before"].clone();
        fs::write(&path, meta.to_string()).unwrap();
    }
    rig.ca.clock().advance(OLD);
}

/// Nothing damaged was met, nothing was left behind, and the CA was never asked for too much.
async fn assert_in_order(rig: &mut SimulatedRig, what: &str) {
    let log = rig.gateway.process().stderr() + &rig.gateway.process().stdout();
    for trouble in ["an entry of the certificate store", "is damaged", "panicked", "a bug"] {
        assert!(!log.contains(trouble), "{what}: {trouble:?} in the log:\n{log}");
    }
    let tidy = || async { listed(rig, "pending").is_empty().then_some(()) };
    eventually(&format!("{what}: no order to be left behind"), tidy).await;
    let dots: Vec<_> = listed(rig, "live").into_iter().filter(|name| name.starts_with('.')).collect();
    assert!(dots.is_empty(), "{what}: {dots:?}");
    assert!(rig.ca.violations().is_empty(), "{what}: {:?}", rig.ca.violations());
    assert!(rig.ca.accounts() <= 1, "{what}: {} accounts", rig.ca.accounts());
}
