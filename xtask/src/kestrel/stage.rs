//! [`Stage`]: everything that runs: two Kestrel processes and two other servers, and the gateway in front of them.

use std::path::{Path, PathBuf};

use vestibule_testkit::{
    Curl, Gateway, HttpOrigin, Site,
    backend::{Backend, User, python_files},
};

use super::{
    dashboard::{Dashboard, Login, Switch},
    inside::Seen,
};
use crate::Outcome;

/// The first dashboard: reads `X-Forwarded-Host`, wants a login.
pub(super) const ASPIRE: &str = "aspire.localhost";
/// The second: reads `X-Forwarded-For`, open to anybody.
pub(super) const SECOND: &str = "second.localhost";
/// The second again, over its Unix socket.
pub(super) const LOCAL: &str = "local.localhost";
/// Python's file server.
pub(super) const FILES: &str = "files.localhost";
/// A server that says what it was sent.
pub(super) const API: &str = "api.localhost";
/// No site has this name.
pub(super) const NOBODY: &str = "nobody.localhost";

/// What the first dashboard asks for.
pub(super) const TOKEN: &str = "open-sesame";
/// What the file server serves.
pub(super) const FILES_PAGE: &str = "files of python";
/// Where our clients come from: not the address from which the gateway speaks to its upstreams.
pub(super) const CLIENT: &str = "127.7.7.7";

/// See the module. All of it ends when dropped.
pub(super) struct Stage {
    /// The gateway.
    pub(super) gateway: Gateway,
    /// Behind [`ASPIRE`].
    pub(super) first: Dashboard,
    /// Behind [`SECOND`].
    pub(super) second: Dashboard,
    _api: HttpOrigin,
    _files: Backend,
    /// The program of the dashboards.
    pub(super) program: PathBuf,
}

impl Stage {
    /// Starts the backends, then the gateway with a site file for each.
    pub(super) async fn start(binary: PathBuf, program: &Path) -> Outcome<Self> {
        let first = Dashboard::start(program, Switch::Both, Login::Token(TOKEN)).await?;
        let second = Dashboard::start(program, Switch::Framework, Login::Anonymous).await?;
        let files = python_files(FILES_PAGE, User::Same).await;
        let api = HttpOrigin::start_named("api").await;
        let gateway = Gateway::builder()
            .binary(binary)
            .site("aspire.yaml", &dashboard_site(ASPIRE, &first))
            .site("second.yaml", &dashboard_site(SECOND, &second))
            .site("local.yaml", &Site::new(LOCAL).upstream(format!("unix:{}", second.socket.display())))
            .site("files.yaml", &Site::new(FILES).upstream(&files.upstream))
            .site("api.yaml", &Site::new(API).upstream(&api))
            .start()
            .await;
        Ok(Self { gateway, first, second, _api: api, _files: files, program: program.to_owned() })
    }

    /// As a browser writes it.
    pub(super) fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.gateway.https().port())
    }

    /// A client at [`CLIENT`] that shows heads and bodies; `https://HOST/` leads to the gateway.
    pub(super) fn curl(&self) -> Curl {
        Curl::new(&self.gateway).args(["--include", "--interface", CLIENT])
    }
}

/// Telemetry has a Kestrel endpoint of its own; one site leads to both.
fn dashboard_site(host: &str, dashboard: &Dashboard) -> Site {
    let telemetry = format!("routes:\n  /v1: \"{}\"", dashboard.telemetry);
    Site::new(host).upstream(dashboard.pages).line(&telemetry)
}

/// For the table.
pub(super) fn shown(seen: &Seen) -> String {
    format!("it sees {}://{} from {}", seen.scheme, seen.host, seen.client)
}
