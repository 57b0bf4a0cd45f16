//! [`Browser`]: a headless Chromium of its own, with a home folder of its own.
//!
//! It trusts the local CA as a person would make it do: the root goes into the certificate database of that home
//! folder. No flag that switches verification off is ever given; without the root the same browser refuses.

mod base64;
mod devtools;
mod socket;

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use vestibule_testkit::{
    process::{Process, Program},
    wait::within,
};

use self::devtools::Devtools;
pub(super) use self::{devtools::Event, socket::sockets};
use crate::{Outcome, step::succeed};

/// From the start to the conversation.
const START_LIMIT: Duration = Duration::from_secs(40);
/// For anything in a page; the first load of the application takes seconds on two cores.
const PAGE_LIMIT: Duration = Duration::from_secs(40);
/// Between two looks at the page.
const INTERVAL: Duration = Duration::from_millis(100);

/// What it believes beside the public CAs.
pub(super) enum Belief<'a> {
    /// This root, a PEM file.
    Root(&'a Path),
    /// Nothing.
    Nothing,
}

/// A running browser with one page.
pub(super) struct Browser {
    devtools: Devtools,
    // Before the folder.
    _process: Process,
    _home: TempDir,
}

impl Browser {
    /// Starts it with an empty page. Every `*.localhost` leads to this machine.
    pub(super) async fn start(belief: Belief<'_>) -> Outcome<Self> {
        let home = tempfile::Builder::new().prefix("chromium").tempdir()?;
        if let Belief::Root(root) = belief {
            trust(home.path(), root)?;
        }
        let process = command_line(home.path()).start("chromium", home.path());
        let port_file = home.path().join("profile/DevToolsActivePort");
        let look = async || {
            let text = fs::read_to_string(&port_file).ok()?;
            let (port, path) = text.split_once('\n')?;
            Some((port.parse::<u16>().ok()?, path.trim().to_owned()))
        };
        let found = within(START_LIMIT, look).await;
        let (port, path) =
            found.ok_or_else(|| format!("Chromium does not start: {}", last_lines(&process.stderr())))?;
        let mut devtools = Devtools::connect(SocketAddr::from(([127, 0, 0, 1], port)), &path).await?;
        devtools.open_page().await?;
        Ok(Self { devtools, _process: process, _home: home })
    }

    /// Goes to a page; an error is what the browser calls it, `net::ERR_…`.
    pub(super) async fn go(&mut self, url: &str) -> Outcome {
        let result = self.devtools.call("Page.navigate", json!({"url": url})).await?;
        match result["errorText"].as_str() {
            Some(error) if !error.is_empty() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The value of a JavaScript expression in the page.
    pub(super) async fn value(&mut self, expression: &str) -> Outcome<Value> {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut result = self.devtools.call("Runtime.evaluate", params).await?;
        match result.get("exceptionDetails") {
            Some(exception) => Err(format!("`{expression}`: {exception}").into()),
            None => Ok(result["result"]["value"].take()),
        }
    }

    /// Looks until a JavaScript expression is truthy, and gives its value.
    pub(super) async fn until(&mut self, what: &str, expression: &str) -> Outcome<Value> {
        let end = Instant::now() + PAGE_LIMIT;
        loop {
            // Between two pages there is nothing to ask.
            if let Ok(value) = self.value(expression).await
                && !matches!(value, Value::Null | Value::Bool(false))
            {
                return Ok(value);
            }
            if Instant::now() > end {
                return Err(format!("waited {PAGE_LIMIT:?} in vain for {what}").into());
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Clicks with the mouse in the middle of the element that the expression gives.
    pub(super) async fn click(&mut self, element: &str) -> Outcome {
        let middle = format!(
            "(() => {{ const e = {element}; if (!e) return null; const r = e.getBoundingClientRect(); \
             return r.width ? [r.x + r.width / 2, r.y + r.height / 2] : null; }})()"
        );
        let place = self.until(&format!("{element} to be visible"), &middle).await?;
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let params = json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1});
            self.devtools.call("Input.dispatchMouseEvent", params).await?;
        }
        Ok(())
    }

    /// The picture of the page as it is now, PNG.
    pub(super) async fn picture(&mut self, path: &Path) -> Outcome {
        let result = self.devtools.call("Page.captureScreenshot", json!({"format": "png"})).await?;
        let text = result["data"].as_str().ok_or("no picture")?;
        let image = base64::decode(text).ok_or("the picture is not base64")?;
        Ok(fs::write(path, image)?)
    }

    /// Waits until the events, past or to come, give something.
    pub(super) async fn event<T>(&mut self, what: &str, wanted: impl Fn(&[Event]) -> Option<T>) -> Outcome<T> {
        self.devtools.event(what, PAGE_LIMIT, wanted).await
    }

    /// All that happened so far.
    pub(super) fn events(&self) -> &[Event] {
        self.devtools.events()
    }
}

fn command_line(home: &Path) -> Program {
    let mut program = Program::new("chromium")
        .args(["--headless=new", "--remote-debugging-port=0", "--no-first-run", "--disable-gpu"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"])
        .args(["--window-size=1400,900", "--host-resolver-rules=MAP *.localhost 127.0.0.1", "--no-proxy-server"])
        .args([format!("--user-data-dir={}", home.join("profile").display()), "about:blank".to_owned()])
        .env("HOME", home)
        .env_remove("DBUS_SESSION_BUS_ADDRESS")
        .dir(home);
    if rustix::process::geteuid().is_root() {
        // Chromium's sandbox does not start for root. The only pages it opens are ours.
        program = program.args(["--no-sandbox"]);
    }
    program
}

/// Puts a root into the certificate database that Chromium reads: NSS, in the home folder.
fn trust(home: &Path, root: &Path) -> Outcome {
    let database = home.join(".pki/nssdb");
    fs::create_dir_all(&database)?;
    let database = format!("sql:{}", database.display());
    succeed(Command::new("certutil").args(["-N", "--empty-password", "-d", &database]))?;
    let mut add = Command::new("certutil");
    add.args(["-A", "-d", &database, "-n", "vestibule", "-t", "C,,", "-i"]).arg(root);
    succeed(&mut add)
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}
