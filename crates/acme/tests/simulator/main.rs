//! The client against the simulated CA: everything that a real one does only on its bad days. Each test says what the
//! failure is told as, what it cost at the CA, and that the store is as it should be.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../scene/mod.rs"]
mod scene;

mod accounts;
mod answers;
mod certificates;
mod proofs;
mod refusals;
mod renewals;
mod resumption;
mod trust;

use std::time::Duration;

use scene::{Scene, ca, order};
use vestibule_acme::{
    Client, Failure, FailureKind,
    config::{CaConfig, ChallengeKind::Http01},
    plan::{Obtained, Order},
};
use vestibule_testkit::ca::{Limits, SimulatedCa};

/// Settings with waits that a test can afford.
fn settings(simulated: &SimulatedCa) -> CaConfig {
    let mut config = ca(&simulated.directory(), simulated.root_file());
    config.timeouts.connect = Duration::from_millis(500);
    config.timeouts.read = Duration::from_millis(500);
    config.timeouts.order = Duration::from_secs(20);
    config
}

fn client(scene: &Scene, simulated: &SimulatedCa) -> Client {
    scene.client(settings(simulated))
}

/// One that many things may go wrong at, for the same names.
async fn patient_ca() -> SimulatedCa {
    let mut limits = Limits::lets_encrypt();
    limits.certificates_per_set.count = 100;
    limits.failed_authorizations.count = 100;
    SimulatedCa::builder().limits(limits).start().await
}

/// One that has its account already, and a certificate for `old.test`.
async fn known_client(scene: &Scene, simulated: &SimulatedCa) -> Client {
    let client = client(scene, simulated);
    obtain(&client, &order(&["old.test"], &[Http01])).await;
    client
}

async fn obtain(client: &Client, order: &Order) -> Obtained {
    client.obtain(order).await.unwrap_or_else(|failure| panic!("{:?}: {failure}", order.names))
}

/// It fails like this, and leaves nothing behind that is half done.
async fn refused(scene: &Scene, client: &Client, order: &Order, kind: FailureKind) -> Failure {
    let failure = client.obtain(order).await.expect_err("a failure");
    assert_eq!(failure.kind, kind, "{failure}");
    assert!(scene.tools.store.pending().is_empty(), "{failure}");
    assert!(scene.tools.store.broken().is_empty(), "{failure}");
    assert!(!scene.tools.door.is_ordering(&order.names[0].to_string()), "{failure}");
    failure
}
