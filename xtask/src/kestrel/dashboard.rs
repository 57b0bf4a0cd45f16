//! [`Dashboard`]: the Aspire dashboard, a Blazor Server application on Kestrel, as a process on free loopback ports.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::timeout;
use vestibule_testkit::{
    Connection,
    backend::free_port,
    eventually,
    process::{Process, Program},
};

use super::inside::Inside;
use crate::Outcome;

/// From the start to the first answer; about two seconds on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(60);
/// More records than the checks send; the default would drop the oldest.
const RECORDS_LIMIT: usize = 1_000_000;

/// In the process's own folder.
const SOCKET: &str = "kestrel.sock";

/// What turns ASP.NET Core's ForwardedHeaders middleware on.
#[derive(Clone, Copy)]
pub(super) enum Switch {
    /// The framework's `ASPNETCORE_FORWARDEDHEADERS_ENABLED`: `X-Forwarded-For` and `-Proto` are read, not `-Host`.
    Framework,
    /// The application's own beside it: now `X-Forwarded-Host` and `-Proto` are read, not `-For`. Its own alone would
    /// put the middleware after authentication, which then looks for the cookie of clear HTTP.
    Both,
}

/// Who may look.
#[derive(Clone, Copy)]
pub(super) enum Login {
    /// Who knows this token; it becomes a cookie.
    Token(&'static str),
    /// Anybody.
    Anonymous,
}

/// A running dashboard and what it sees.
pub(super) struct Dashboard {
    /// First: the process ends before its folder goes.
    _process: Process,
    /// Where the pages are.
    pub(super) pages: SocketAddr,
    /// Where telemetry comes in: OTLP over HTTP/1.1, a Kestrel endpoint of its own.
    pub(super) telemetry: SocketAddr,
    /// A Kestrel endpoint on a Unix socket beside them; the application has only its health there, and no pages.
    pub(super) socket: PathBuf,
    /// What the application sees of its requests.
    pub(super) inside: Inside,
    _dir: TempDir,
}

impl Dashboard {
    /// Starts it and waits until it answers and its view can be read.
    pub(super) async fn start(program: &Path, switch: Switch, login: Login) -> Outcome<Self> {
        let dir = tempfile::Builder::new().prefix("kestrel").tempdir()?;
        let (pages, telemetry) = (free_port(), free_port());
        let process = configured(program, dir.path(), switch, login, [pages, telemetry]).start("kestrel", dir.path());
        let answers = async || Connection::clear(pages, "ready").await.ok()?.get("/health").await.ok();
        let ready = eventually("the dashboard to answer", answers);
        timeout(START_LIMIT, ready).await.map_err(|_| "the dashboard does not start")?;
        let inside = Inside::attach(dir.path(), process.pid()).await?;
        inside.awake(pages).await?;
        let socket = dir.path().join(SOCKET);
        Ok(Self { _process: process, pages, telemetry, socket, inside, _dir: dir })
    }

    /// Another one on the same address, run to its end: Kestrel does not share a port. Gives what it said.
    pub(super) async fn start_twin(&self, program: &Path) -> Outcome<String> {
        let dir = tempfile::Builder::new().prefix("kestrel").tempdir()?;
        let addresses = [self.pages, free_port()];
        let twin = configured(program, dir.path(), Switch::Framework, Login::Anonymous, addresses);
        let mut twin = twin.start("twin", dir.path());
        let exit = twin.wait_within(START_LIMIT).await.ok_or("the second process keeps running")?;
        if exit.success() {
            return Err("the second process ended well".into());
        }
        let said = twin.stdout() + &twin.stderr();
        let line = said.lines().find(|line| line.contains("already in use")).unwrap_or("nothing of an address in use");
        Ok(line.trim().chars().take(160).collect())
    }
}

/// The command line. Globalization without ICU: the version of that library differs from system to system.
fn configured(
    program: &Path,
    dir: &Path,
    switch: Switch,
    login: Login,
    [pages, telemetry]: [SocketAddr; 2],
) -> Program {
    let mut words = vec![
        "dashboard".to_owned(),
        format!("--ASPNETCORE_URLS=http://{pages}"),
        format!("--ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL=http://{}", free_port()),
        format!("--ASPIRE_DASHBOARD_OTLP_HTTP_ENDPOINT_URL=http://{telemetry}"),
        "--Dashboard:Otlp:AuthMode=Unsecured".to_owned(),
        format!("--Dashboard:TelemetryLimits:MaxLogCount={RECORDS_LIMIT}"),
    ];
    words.extend(match login {
        Login::Token(token) => {
            vec![
                "--Dashboard:Frontend:AuthMode=BrowserToken".into(),
                format!("--Dashboard:Frontend:BrowserToken={token}"),
            ]
        }
        Login::Anonymous => vec!["--ASPIRE_DASHBOARD_UNSECURED_ALLOW_ANONYMOUS=true".to_owned()],
    });
    words.extend(match switch {
        Switch::Both => Some("--ASPIRE_DASHBOARD_FORWARDEDHEADERS_ENABLED=true".to_owned()),
        Switch::Framework => None,
    });
    Program::new(program)
        .args(words)
        .dir(dir)
        // Read before the command line is.
        .env("ASPNETCORE_FORWARDEDHEADERS_ENABLED", "true")
        .env("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1")
        .env("DOTNET_SYSTEM_GLOBALIZATION_PREDEFINED_CULTURES_ONLY", "0")
        .env("Kestrel__Endpoints__Local__Url", format!("http://unix:{}", dir.join(SOCKET).display()))
        // The runtime puts its diagnostics socket here.
        .env("TMPDIR", dir)
        .env("HOME", dir)
}
