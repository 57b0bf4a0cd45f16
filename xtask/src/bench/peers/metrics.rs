//! [`Metrics`]: where a proxy tells its figures; looked at every second while everything is on.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tokio::{task::JoinHandle, time::interval};
use vestibule_testkit::{Connection, admin, wait::within};

use super::stage::START_LIMIT;

/// As often as a Prometheus that is in a hurry.
const PERIOD: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Clone)]
pub(super) enum Metrics {
    /// A Unix socket, ours.
    Socket(PathBuf),
    /// Clear HTTP; whatever is asked for, they are the answer (Caddy wants the path).
    Address(SocketAddr),
}

/// Looks until it is dropped.
pub(super) struct Looking(JoinHandle<()>);

impl Metrics {
    /// All of them.
    pub(super) async fn look(&self) -> Result<String, String> {
        const PATH: &str = "/metrics";
        let answer = match self {
            Self::Socket(path) => admin::get(path, PATH).await.map_err(|error| error.to_string())?,
            Self::Address(address) => {
                let host = address.to_string();
                let mut connection =
                    Connection::clear(*address, &host).await.map_err(|error| format!("no metrics: {error}"))?;
                connection.get(PATH).await.map_err(|error| format!("no metrics: {error}"))?
            }
        };
        if answer.status == 200 && !answer.body.is_empty() {
            Ok(answer.text())
        } else {
            Err(format!("no metrics: {}", answer.status))
        }
    }

    /// Waits until all sites are served: ours begins with those that it has read.
    pub(super) async fn ready(&self) -> Result<(), String> {
        let Self::Socket(path) = self else { return Ok(()) };
        let ready = || async { admin::get(path, "/readyz").await.ok().filter(|answer| answer.status == 200) };
        within(START_LIMIT, ready).await.map(drop).ok_or_else(|| format!("is not ready after {START_LIMIT:?}"))
    }

    /// From now on.
    pub(super) fn keep_looking(&self) -> Looking {
        let metrics = self.clone();
        Looking(tokio::spawn(async move {
            let mut ticks = interval(PERIOD);
            loop {
                ticks.tick().await;
                // One that is missed costs the proxy less, and is no fault of the load's.
                drop(metrics.look().await);
            }
        }))
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.abort();
    }
}
