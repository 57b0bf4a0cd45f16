//! `vestibule run`: decides the configuration, starts the gateway, says where it is, and waits for the end.

mod advice;
mod greeting;
mod logging;

use std::thread::available_parallelism;

use clap::Args;
use vestibule_gateway::{
    Config, Gateway,
    power::{self, Folders, Runs},
    review,
    tenancy::UnknownUser,
};
use vestibule_site::{settings::LogFormat, tenancy::User};

use crate::{
    cli::{ListenFlags, PlaceFlags},
    decide,
    exit::Exit,
    failure::Failure,
    place::Surroundings,
    reports,
    settings_file::Loaded,
    signals::{HangUp, Signals},
    terminal::{escaped, tell},
};

pub(crate) use logging::subscribe;

/// The flags of `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Flags override the settings file, which overrides the defaults. As root, with CAP_NET_BIND_SERVICE or with sockets \
from systemd the defaults are those of a box's gateway (ports 80 and 443, /etc/vestibule, /var/lib/vestibule); \
otherwise those of somebody trying it out (127.0.0.1:8080 and :8443, ./sites.d, a state folder of the user's). \
Relative paths in the settings file are meant from its folder.

SIGTERM and SIGINT finish what is open and take nothing new; a second one ends at once. SIGHUP rescans the sites \
folder and reopens the access log. Edits of site files need no signal.

Examples:
  vestibule run
  vestibule run --sites ./sites.d --http 127.0.0.1:8080 --https 127.0.0.1:8443
  vestibule run --settings /etc/vestibule/vestibule.yaml
  setcap cap_net_bind_service=+ep $(command -v vestibule)   # ports 80 and 443 without root")]
pub(crate) struct Flags {
    #[command(flatten)]
    place: PlaceFlags,
    #[command(flatten)]
    listen: ListenFlags,
    /// When started as root: the user, by name or number, as whom to go on, with the right to low ports and no other
    /// [default: `user` of the settings, else root stays root]
    #[arg(long, value_name = "USER", value_parser = User::parse)]
    user: Option<User>,
}

/// One line about a user whom the system does not know; `vestibule check` shows the place.
fn unknown_user(unknown: &UnknownUser) -> String {
    let line = unknown.user.value.to_string();
    format!(
        "the settings name the user {line}, whom this system does not know: what they say of that user applies to nobody"
    )
}

/// One line for whoever started a gateway that keeps more power than it needs.
const AS_ROOT: &str = "the gateway runs as root and needs none of that power: make a user for it and write `user: \
                       vestibule` into the settings (`user: root` if it must be)";

/// What must be there before root's power is gone.
fn power_folders(config: &Config) -> Folders<'_> {
    let socket = config.tenant_socket.as_ref().and_then(|(path, _)| path.parent());
    Folders { sites: &config.sites, state: &config.state, socket }
}

/// One line to whoever watches the start.
fn advise(format: LogFormat, advice: &str) {
    match format {
        LogFormat::Text => tell(&format!("vestibule: {}\n", escaped(advice))),
        LogFormat::Json => tracing::warn!("{advice}"),
    }
}

/// Huge pages are for memory that is used as a whole. A gateway's is many small things that come and go, and the allocator
/// asks for huge pages all the same: then much is resident that nothing is in (decision 17).
fn keep_pages_small() {
    // A kernel that does not know of them has none.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Runs until it is told to end.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    keep_pages_small();
    let surroundings = Surroundings::detect();
    let loaded = Loaded::find(&flags.place, &surroundings)?.accepted()?;
    for unknown in &decide::unknown_users(&loaded.settings) {
        tell(&format!("vestibule: {}\n", escaped(&unknown_user(unknown))));
    }
    // One worker where the number of cores cannot be told.
    let cores = available_parallelism().map_or(1, usize::from);
    let context = decide::review_context(&flags.place, &loaded.settings, &surroundings);
    let config = decide::config(&flags.place, &flags.listen, &loaded.settings, &surroundings, cores)?;
    let log = &loaded.settings.log;
    let wished = flags.user.as_ref().or(loaded.settings.user.as_ref());
    let runs = power::become_user(wished, power_folders(&config)).map_err(Failure::Power)?;
    subscribe(log)?;
    let signals = Signals::catch(HangUp::Reload)?;
    let (sites, state) = (config.sites.clone(), config.state.clone());
    let cas: Vec<String> =
        config.acme.iter().flat_map(|policy| &policy.config.cas).map(|ca| ca.id.to_string()).collect();
    let gateway = Gateway::start(config).map_err(Failure::Start)?;
    let place = greeting::Place {
        http: gateway.http(),
        https: gateway.https(),
        sites: &sites,
        state: &state,
        settings: loaded.path.as_deref(),
        cas: &cas,
        standing: surroundings.standing,
    };
    match log.format {
        LogFormat::Text => tell(&place.lines()),
        // Whoever reads JSON lines gets nothing else.
        LogFormat::Json => tracing::info!(
            version = env!("CARGO_PKG_VERSION"), http = ?place.http, https = ?place.https,
            sites = %sites.display(), state = %state.display(), "listening"
        ),
    }
    if runs == Runs::AsRoot {
        advise(log.format, AS_ROOT);
    }
    // By now as the user as whom the gateway goes on.
    for report in loaded.missing() {
        advise(log.format, &reports::one_line(&report));
    }
    let settings = loaded.path.unwrap_or_else(|| surroundings.standing.settings());
    let (acme, format) = (loaded.settings.acme, loaded.settings.log.format);
    signals.aside(move || {
        if let Some(advice) = advice::to_agree(acme.as_ref(), &settings, || review::public_name(&context)) {
            advise(format, &advice);
        }
    });
    signals.conduct(gateway, None)
}
