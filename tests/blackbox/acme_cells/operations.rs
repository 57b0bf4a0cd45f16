//! What is done in each cell. Each operation leaves one more certificate at the CA, and the site shows it.

use std::time::Duration;

use futures_util::future::join_all;
use vestibule_testkit::{AcmeRig, certificate::Shown, wait::within};

use super::cell::{CELLS, Cell};

/// An order may be through before it is caught; it is caught in one of so many.
const CATCHES: usize = 10;

/// Waits until both ends of a cell show another certificate than before, and looks whether it is the right one.
async fn shows_another_than(rig: &AcmeRig, cell: &Cell, before: Option<&Shown>) -> Shown {
    let shown = rig.wait_shown(cell.first(), "another certificate", |shown| Some(shown) != before).await;
    assert_eq!(shown.names(), cell.hosts);
    assert_eq!(rig.shown(cell.last).await.unwrap(), shown, "{cell:?}");
    assert_eq!(rig.pebble.status_of(&shown.serial()).await.as_deref(), Some("Valid"), "{cell:?}");
    shown
}

/// What each cell shows.
async fn all_shown(rig: &AcmeRig) -> Vec<Shown> {
    join_all(CELLS.iter().map(|cell| async { rig.shown(cell.first()).await.unwrap() })).await
}

/// Runs `vestibule certs VERB HOST …` for all cells at once.
async fn command_all(rig: &AcmeRig, verb: &str, more: &[&str]) {
    let commands = CELLS.iter().map(|cell| async move {
        let args = [&["certs", verb, cell.first(), "--state", "state"], more].concat();
        let output = rig.gateway.commanded(&args).await;
        assert!(output.status.success(), "{cell:?}: {output:?}; {}", rig.pebble.log());
    });
    join_all(commands).await;
}

/// The files are dropped, and every site has its certificate.
pub(crate) async fn issue_all(rig: &AcmeRig) {
    let before = rig.pebble.issued();
    CELLS.iter().for_each(|cell| rig.gateway.write(&cell.file(), &cell.site()));
    join_all(CELLS.iter().map(|cell| shows_another_than(rig, cell, None))).await;
    assert_eq!(rig.pebble.issued(), before + CELLS.len());
}

/// `vestibule certs renew`: another certificate when the command ends; the old one stays valid.
pub(crate) async fn renew_all(rig: &AcmeRig) {
    let before = all_shown(rig).await;
    command_all(rig, "renew", &[]).await;
    for (cell, old) in CELLS.iter().zip(&before) {
        shows_another_than(rig, cell, Some(old)).await;
        assert_eq!(rig.pebble.status_of(&old.serial()).await.as_deref(), Some("Valid"));
    }
}

/// `vestibule certs revoke`: the CA knows, and another certificate is ordered by itself.
pub(crate) async fn revoke_all(rig: &AcmeRig) {
    let before = all_shown(rig).await;
    command_all(rig, "revoke", &["--yes"]).await;
    for (cell, old) in CELLS.iter().zip(&before) {
        assert_eq!(rig.pebble.status_of(&old.serial()).await.as_deref(), Some("Revoked"), "{cell:?}");
    }
    let another = CELLS.iter().zip(&before).map(|(cell, old)| shows_another_than(rig, cell, Some(old)));
    join_all(another).await;
}

/// A renewal whose order is cut off by `kill -9` brings its one certificate after the restart; the old one serves from
/// the start, while the CA hangs.
pub(crate) async fn resume_renewal(rig: &mut AcmeRig, cell: &Cell) {
    for _ in 0..CATCHES {
        let (old, issued) = (rig.shown(cell.first()).await.unwrap(), rig.pebble.issued());
        let args = ["certs", "renew", cell.first(), "--state", "state"];
        let caught = tokio::select! {
            // It ends with the gateway, or when the order is through.
            _ = rig.gateway.commanded(&args) => false,
            caught = catch(rig, cell) => caught,
        };
        if !kill_and_restart(rig, cell, caught).await {
            continue;
        }
        assert_eq!(rig.shown(cell.first()).await.unwrap(), old, "served at once");
        rig.pebble.thaw();
        shows_another_than(rig, cell, Some(&old)).await;
        assert_eq!(rig.pebble.issued(), issued + 1, "{cell:?}: {}", rig.pebble.log());
        return;
    }
    panic!("no order of {cell:?} was caught in flight");
}

/// The same for the first order of a site.
pub(crate) async fn resume_first(rig: &mut AcmeRig, cell: &Cell) {
    let issued = rig.pebble.issued();
    rig.gateway.write(&cell.file(), &cell.site());
    let caught = catch(rig, cell).await;
    assert!(kill_and_restart(rig, cell, caught).await, "{cell:?} was through before it was caught");
    assert!(rig.shown(cell.first()).await.is_err(), "nothing to show yet");
    rig.pebble.thaw();
    shows_another_than(rig, cell, None).await;
    assert_eq!(rig.pebble.issued(), issued + 1, "{cell:?}: {}", rig.pebble.log());
}

/// Stops the CA as soon as the order of a cell is on disk.
async fn catch(rig: &AcmeRig, cell: &Cell) -> bool {
    let look = || async { is_in_flight(rig, cell).then_some(()) };
    let caught = within(Duration::from_secs(20), look).await.is_some();
    rig.pebble.freeze();
    caught
}

fn is_in_flight(rig: &AcmeRig, cell: &Cell) -> bool {
    rig.gateway.in_flight().iter().any(|names| names == cell.hosts)
}

/// Kills the gateway and starts it again. If nothing was in flight then, the CA goes on too, and the answer is no.
async fn kill_and_restart(rig: &mut AcmeRig, cell: &Cell, caught: bool) -> bool {
    if caught {
        rig.gateway.kill();
        let in_flight = is_in_flight(rig, cell);
        rig.gateway.restart().await;
        if in_flight {
            return true;
        }
    }
    rig.pebble.thaw();
    false
}
