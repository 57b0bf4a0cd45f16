//! What a rig's gateway shows, says and has on disk.

use std::{fs, io, net::SocketAddr, path::PathBuf, time::Duration};

use serde_json::Value;

use super::AcmeRig;
use crate::{certificate::Shown, wait::within};

/// Enough for an order on a loaded machine, whatever nonces the CA throws away.
const ORDER_PATIENCE: Duration = Duration::from_secs(60);

impl AcmeRig {
    /// What a new handshake for that host (a name, or an address of the loopback) shows to a client that trusts pebble
    /// only.
    ///
    /// # Errors
    /// Whatever that client takes offence at.
    pub async fn shown(&self, host: &str) -> io::Result<Shown> {
        let https = self.gateway.https();
        let address = host.parse().map_or(https, |ip| SocketAddr::new(ip, https.port()));
        let stream = self.trust.connect(address, host, &[b"http/1.1"]).await?;
        Ok(Shown::new(stream.get_ref().1.peer_certificates().unwrap()))
    }

    /// Waits until a handshake shows what is wanted.
    pub async fn wait_shown(&self, host: &str, what: &str, wanted: impl Fn(&Shown) -> bool) -> Shown {
        let shown =
            within(ORDER_PATIENCE, || async { self.shown(host).await.ok().filter(|shown| wanted(shown)) }).await;
        match shown {
            Some(shown) => shown,
            None => panic!("waited for {what} of {host} in vain: {:?}; {}", self.name(host).await, self.pebble.log()),
        }
    }

    /// Waits for a certificate of pebble's.
    pub async fn certified(&self, host: &str) -> Shown {
        self.wait_shown(host, "a certificate", |_| true).await
    }

    /// How a name stands, as `GET /v1/certs` has it.
    pub async fn name(&self, name: &str) -> Option<Value> {
        let page = self.gateway.admin("/v1/certs?limit=1000").await.json();
        let rows = page["certs"].as_array()?.iter().flat_map(|row| row["names"].as_array().unwrap());
        rows.clone().find(|row| row["name"] == name).cloned()
    }

    /// Waits until a name stands as wanted.
    pub async fn wait_name(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let row = within(ORDER_PATIENCE, || async { self.name(name).await.filter(|row| wanted(row)) }).await;
        match row {
            Some(row) => row,
            None => {
                panic!("waited in vain for {name} to be {what}: {:?}; {}", self.name(name).await, self.pebble.log())
            }
        }
    }

    /// The names of each order that is in flight and that the CA has confirmed, as they are on disk, sorted.
    pub fn in_flight(&self) -> Vec<Vec<String>> {
        let orders = folders(&self.gateway.state_dir().join("certs/acme/pending")).into_iter().filter_map(|order| {
            let order: Value = serde_json::from_slice(&fs::read(order.join("order.json")).ok()?).ok()?;
            let names = order["names"].as_array()?.iter().map(|name| name.as_str().unwrap().to_owned());
            let mut names: Vec<_> = names.collect();
            names.sort();
            order["order_url"].is_string().then_some(names)
        });
        orders.collect()
    }
}

/// What is in a folder; nothing while there is none.
fn folders(folder: &std::path::Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
