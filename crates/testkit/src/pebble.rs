//! [`Pebble`]: Debian's pebble, a real CA, as a process with an API certificate, ports and settings of its own.
//!
//! What pebble 2.4.0 does not have, and [`crate::ca`] therefore does: renewal information (RFC 9773), profiles, limits,
//! CAA, subproblems, and anything that survives its own end (a restarted pebble knows no account and no order).

mod builder;
mod challtest;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use rustix::process::Signal;
use tempfile::TempDir;

pub use builder::{PebbleBuilder, Strictness};
pub use challtest::ChallTestServer;

use crate::{
    Answer, Connection, Protocol,
    client::Trust,
    process::Process,
    wait::{PATIENCE, within},
};

/// A running pebble; ends with the test. Its log is shown when the test fails.
#[derive(Debug)]
pub struct Pebble {
    // First: the process ends before its folder goes.
    process: Process,
    builder: PebbleBuilder,
    trust: Trust,
    /// The validation ports, for a start anew.
    validation: (u16, u16),
}

impl Pebble {
    /// Settings in the making; its addresses are known from now on.
    pub fn builder() -> PebbleBuilder {
        PebbleBuilder::default()
    }

    async fn launch(builder: PebbleBuilder, validation: (u16, u16)) -> Self {
        let trust = Trust::roots(&builder.root_pem());
        let process = builder.launch(validation);
        let pebble = Self { process, builder, trust, validation };
        pebble.settle().await;
        pebble
    }

    /// Waits until both of its interfaces answer.
    async fn settle(&self) {
        let ready = within(PATIENCE, || async {
            assert!(!self.process.has_ended(), "pebble ended: {}", self.log());
            let directory = self.ask(self.builder.api(), "/dir").await?;
            let root = self.ask(self.builder.management(), "/roots/0").await?;
            (directory.status == 200 && root.status == 200).then_some(())
        });
        assert!(ready.await.is_some(), "pebble is not ready after {PATIENCE:?}: {}", self.log());
    }

    /// One GET on a connection of its own; `None`: nobody there.
    async fn ask(&self, address: SocketAddr, path: &str) -> Option<Answer> {
        let mut connection = Connection::secure(&self.trust, address, "localhost", Protocol::Http1).await.ok()?;
        connection.get(path).await.ok()
    }

    /// The URL of its directory.
    pub fn directory(&self) -> String {
        self.builder.directory()
    }

    /// PEM file of the root that its API's certificate is from.
    pub fn root_file(&self) -> PathBuf {
        self.builder.root_file()
    }

    /// What a client of the certificates that it issues must trust: all its roots, PEM. Made anew by each start.
    pub async fn issuing_roots(&self) -> String {
        let mut pem = String::new();
        for index in 0..=self.builder.alternates() {
            pem.push_str(&self.management(&format!("/roots/{index}")).await.text());
        }
        pem
    }

    /// One of its issuing roots, PEM: 0 is the default one, the others are the alternates.
    pub async fn issuing_root(&self, index: usize) -> String {
        self.management(&format!("/roots/{index}")).await.text()
    }

    /// GET on the management interface.
    pub async fn management(&self, path: &str) -> Answer {
        self.ask(self.builder.management(), path).await.unwrap_or_else(|| panic!("pebble is gone: {}", self.log()))
    }

    /// `Valid` or `Revoked`, by the serial number in lower-case hexadecimal; `None`: it never issued that.
    pub async fn status_of(&self, serial: &str) -> Option<String> {
        let answer = self.management(&format!("/cert-status-by-serial/{serial}")).await;
        (answer.status == 200).then(|| answer.json()["Status"].as_str().unwrap().to_owned())
    }

    /// How many certificates it has issued since its start, by its log.
    pub fn issued(&self) -> usize {
        self.log().lines().filter(|line| line.contains("Issued certificate serial ")).count()
    }

    /// How many orders it has taken since its start, by its log.
    pub fn orders(&self) -> usize {
        self.log().lines().filter(|line| line.contains("Added order ")).count()
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        self.process.stdout() + &self.process.stderr()
    }

    /// An outage that hangs: connections are accepted by the kernel, and nobody answers.
    pub fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// The end of that.
    pub fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }

    /// An outage that refuses: the process ends.
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// Starts it again at the same addresses, with nothing of before: no account, no order, other issuing roots.
    pub async fn start_again(&mut self) {
        assert!(self.process.has_ended(), "still running");
        self.process = self.builder.launch(self.validation);
        self.settle().await;
    }

    /// Ends it, and says whether it was waiting for a lock of its own: some of its answers lock an order for reading twice, and
    /// wait for ever if somebody wants to write it in between (letsencrypt/pebble#554; the same in 2.4.0).
    pub async fn ends_locked_out(&mut self) -> bool {
        self.process.signal(Signal::QUIT);
        self.thaw();
        self.process.wait().await;
        locked_out(&self.process.stderr())
    }

    /// Everything it has.
    pub fn dir(&self) -> &Path {
        self.builder.dir()
    }
}

/// Does one of the goroutines that Go tells of on SIGQUIT wait for a lock of pebble's? Their stacks are apart by empty lines.
fn locked_out(trace: &str) -> bool {
    trace.split("\n\n").any(|stack| stack.contains("sync.(*RWMutex).") && stack.contains("letsencrypt/pebble"))
}

/// A folder of a fixture.
fn folder(prefix: &str) -> TempDir {
    tempfile::Builder::new().prefix(prefix).tempdir().unwrap()
}

#[cfg(test)]
mod tests;
