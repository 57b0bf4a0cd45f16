//! The client against a real CA: Debian's pebble.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../scene/mod.rs"]
mod scene;

mod accounts;
mod cells;
mod faults;
mod kills;
mod tenants;

use scene::Scene;
use vestibule_acme::{
    Client,
    config::{CaConfig, NamedProvider},
};
use vestibule_testkit::pebble::{Pebble, PebbleBuilder};

/// A pebble that validates at the scene's gate, by the scene's name server.
async fn pebble(scene: &Scene, change: impl FnOnce(PebbleBuilder) -> PebbleBuilder) -> Pebble {
    let builder = change(Pebble::builder().nameserver(scene.names.dns()));
    builder.start(scene.gate.http_port, scene.gate.tls_port).await
}

/// The settings for it.
fn settings(scene: &Scene, pebble: &Pebble) -> CaConfig {
    let mut config = scene::ca(&pebble.directory(), pebble.root_file());
    config.dns = vec![NamedProvider::for_all("default", scene.dns_provider())];
    config
}

fn client(scene: &Scene, pebble: &Pebble) -> Client {
    scene.client(settings(scene, pebble))
}
