//! What a gateway that asks public CAs shows, says, and has on disk.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use super::Gateway;
use crate::{certificate::Shown, client::Trust, wait::within};

/// Enough for an order on a loaded machine, whatever nonces the CA throws away.
const ORDER_PATIENCE: Duration = Duration::from_secs(60);

impl Gateway {
    /// Where that host is served over TLS: a name, or an address of the loopback.
    pub fn https_of(&self, host: &str) -> SocketAddr {
        host.parse().map_or(self.https(), |ip| SocketAddr::new(ip, self.https().port()))
    }

    /// What a new handshake for that host (a name, or an address of the loopback) shows to a client with that trust.
    ///
    /// # Errors
    /// Whatever that client takes offence at.
    pub async fn shown(&self, trust: &Trust, host: &str) -> io::Result<Shown> {
        let stream = trust.connect(self.https_of(host), host, &[b"http/1.1"]).await?;
        Ok(Shown::new(stream.get_ref().1.peer_certificates().unwrap()))
    }

    /// Waits until a handshake shows what is wanted.
    pub async fn wait_shown(&self, trust: &Trust, host: &str, what: &str, wanted: impl Fn(&Shown) -> bool) -> Shown {
        let look = || async { self.shown(trust, host).await.ok().filter(|shown| wanted(shown)) };
        match within(ORDER_PATIENCE, look).await {
            Some(shown) => shown,
            None => panic!("waited for {what} of {host} in vain: {:?}", self.name(host).await),
        }
    }

    /// How a name stands, as `GET /v1/certs` has it.
    pub async fn name(&self, name: &str) -> Option<Value> {
        let page = self.admin("/v1/certs?limit=1000").await.json();
        let mut rows = page["certs"].as_array()?.iter().flat_map(|row| row["names"].as_array().unwrap());
        rows.find(|row| row["name"] == name).cloned()
    }

    /// Waits until a name stands as wanted.
    pub async fn wait_name(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        match within(ORDER_PATIENCE, || async { self.name(name).await.filter(|row| wanted(row)) }).await {
            Some(row) => row,
            None => panic!("waited in vain for {name} to be {what}: {:?}", self.name(name).await),
        }
    }

    /// The names of each order that is in flight and that the CA has confirmed, as they are on disk, sorted.
    pub fn in_flight(&self) -> Vec<Vec<String>> {
        let orders = folders(&self.state_dir().join("certs/acme/pending")).into_iter().filter_map(|order| {
            let order: Value = serde_json::from_slice(&fs::read(order.join("order.json")).ok()?).ok()?;
            let names = order["names"].as_array()?.iter().map(|name| name.as_str().unwrap().to_owned());
            let mut names: Vec<_> = names.collect();
            names.sort();
            order["order_url"].is_string().then_some(names)
        });
        orders.collect()
    }

    /// Waits until an order is in flight.
    pub async fn wait_in_flight(&self) {
        let look = || std::future::ready((!self.in_flight().is_empty()).then_some(()));
        assert!(within(ORDER_PATIENCE, look).await.is_some(), "waited in vain for an order to be in flight");
    }

    /// Runs `vestibule certs WORDS` for this gateway, and gives what it printed; a failure of it fails the test.
    pub async fn certs(&self, words: &[&str]) -> String {
        let args = [&["certs"], words, &["--state", "state"]].concat();
        let output = self.commanded(&args).await;
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// What is in a folder; nothing while there is none.
fn folders(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
