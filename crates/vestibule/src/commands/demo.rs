//! `vestibule demo`: the main job on embedded defaults. Three backends in processes of their own (as root: of users of their
//! own), their site files, a gateway on free ports, and lines to paste. Everything lies in one temporary folder, which goes
//! with the demo.

pub(crate) mod backend;
mod child;
mod guide;
mod scene;

use std::{thread::available_parallelism, time::Duration};

use clap::Args;
use vestibule_gateway::{
    Config, Gateway,
    config::{AccessLog, AddressMetrics, Limits, Tenancy, Timeouts},
};
use vestibule_names::ListenAddr;
use vestibule_site::settings::Log;

use crate::{
    commands::run::subscribe,
    exit::Exit,
    failure::Failure,
    place::ADMIN_SOCKET_NAME,
    signals::{HangUp, Signals},
};

use self::{child::Backend, guide::Guide, scene::Scene};

/// A visitor of the demo does not wait for a minute of open connections.
const DRAIN_GRACE: Duration = Duration::from_secs(2);

/// The flags of `demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing outside one temporary folder is touched, and no privilege is needed. As root each backend runs as a user of its \
own and owns its site file, as on a box with many tenants. Ctrl-C ends everything and removes the folder.

Examples:
  vestibule demo
  vestibule demo --seconds 30")]
pub(crate) struct Flags {
    /// End by itself after so many seconds [default: at Ctrl-C]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: Option<u64>,
}

/// Runs the demo to its end. Order matters at the end: the gateway drains, then the backends go, then the folder.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    subscribe(&Log { level: Some("warn".to_owned()), ..Log::default() })?;
    let signals = Signals::catch(HangUp::Stop)?;
    let scene = Scene::make()?;
    let backends = scene.cast().into_iter().map(|role| Backend::start(role, &scene)).collect::<Result<Vec<_>, _>>()?;
    for backend in &backends {
        scene.write_site(backend)?;
    }
    let gateway = Gateway::start(config(&scene)).map_err(Failure::Start)?;
    if !gateway.wait_ready() {
        return Err(Failure::Ended);
    }
    scene.write_root()?;
    Guide::new(&scene, &backends, gateway.http(), gateway.https()).print()?;
    signals.conduct(gateway, flags.seconds.map(Duration::from_secs))
}

fn config(scene: &Scene) -> Config {
    let any = ListenAddr(([127, 0, 0, 1], 0).into());
    Config {
        http: vec![any],
        https: vec![any],
        sites: scene.sites(),
        state: scene.state(),
        workers: available_parallelism().map_or(1, usize::from),
        limits: Limits::default(),
        timeouts: Timeouts { drain_grace: DRAIN_GRACE, ..Timeouts::default() },
        admin_socket: scene.state().join(ADMIN_SOCKET_NAME),
        tenant_socket: None,
        admin_address: None,
        address_metrics: AddressMetrics::default(),
        access: AccessLog::File(scene.access_log()),
        tenant_logs: None,
        acme: None,
        trusted_proxies: Vec::new(),
        tenancy: Tenancy::default(),
    }
}
