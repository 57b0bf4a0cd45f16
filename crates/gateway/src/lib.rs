//! The house: the only wiring. It spawns every thread and task, and is the only crate that knows all the others.
//!
//! | walk | file |
//! |---|---|
//! | a connection | `connection.rs` |
//! | a request | `request.rs` |
//! | a site change | `change.rs` |
//!
//! [`Gateway::start`] runs it; [`review`] walks site changes without running anything, for `check` and `explain`.

mod access;
pub mod admin;
mod admission;
mod appetite;
mod arrivals;
mod backends;
mod bulk;
mod certificates;
mod challenge;
mod change;
pub mod config;
mod connection;
mod control;
mod date;
mod explain;
mod fault;
mod first_certificate;
mod front;
mod house;
mod http1;
mod http2;
mod ledger;
mod live;
mod outcome;
pub mod power;
mod proofs;
mod record;
mod refusals;
mod request;
pub mod review;
mod serve;
mod stream;
mod tasks;
pub mod tenancy;
mod tenant;
mod tenant_log;
mod totals;
mod turnstile;
pub mod users;
mod visitor;
mod vitals;
mod walks;
mod worker;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

pub use config::Config;
pub use control::Stopper;
pub use explain::ExplainError;
pub use ledger::LedgerError;
pub use vestibule_certs::foreign;

use crate::house::{Ready, Threads};

/// A running gateway.
pub struct Gateway {
    http: Arc<[SocketAddr]>,
    https: Arc<[SocketAddr]>,
    admin_socket: PathBuf,
    ready: Arc<Ready>,
    stopper: Stopper,
    control: thread::JoinHandle<()>,
    threads: Threads,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address.
    #[error(transparent)]
    Bind(#[from] vestibule_listener::BindError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] vestibule_certs::VaultError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The configuration of public CAs. That a CA cannot be reached is no such error.
    #[error("certificates cannot be ordered from public CAs")]
    Acme(#[source] vestibule_acme::Failure),
    /// The folder of site files is gone, though sites are known from before.
    #[error(
        "the sites folder {path} is missing, though sites were served from it before; mount or make it, then start again"
    )]
    SitesMissing {
        /// Where it was.
        path: PathBuf,
    },
    /// The state folder, the admin socket, or another resource.
    #[error("cannot use {path}")]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl StartError {
    /// Is it a matter of permission (exit code 77) rather than configuration (78)?
    pub fn is_permission(&self) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
            if kind == Some(std::io::ErrorKind::PermissionDenied) {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

impl Gateway {
    /// Binds, starts the threads and returns at once; sites go live as they are read (see `/readyz`). Readiness and
    /// stopping are told to systemd (sd_notify) when it asked for that.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let (house, threads) = house::open(config)?;
        let sockets = match admin::AdminSockets::bind(&house) {
            Ok(sockets) => sockets,
            Err(error) => {
                house.shared.drain.tell();
                drop(house);
                threads.join(|| {});
                return Err(error);
            }
        };
        let (http, https) = (Arc::clone(&house.http), Arc::clone(&house.https));
        let (ready, admin_socket) = (Arc::clone(&house.ready), house.shared.config.admin_socket.clone());
        let (stopper, control) = control::spawn(house, sockets, threads.watching.clone())
            .map_err(|source| StartError::Io { path: "a thread".into(), source })?;
        Ok(Self { http, https, admin_socket, ready, stopper, control, threads })
    }

    /// Bound clear addresses with real ports.
    pub fn http(&self) -> &[SocketAddr] {
        &self.http
    }

    /// Bound TLS addresses.
    pub fn https(&self) -> &[SocketAddr] {
        &self.https
    }

    /// The admin socket.
    pub fn admin_socket(&self) -> &Path {
        &self.admin_socket
    }

    /// To end it from a signal.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Blocks until the first scan is live, or never will be: true when it is live.
    pub fn wait_ready(&self) -> bool {
        self.ready.wait()
    }

    /// Blocks until everything has ended: the drain was asked for, and the last connection or the grace is over.
    pub fn join(self) {
        let Self { stopper, control, threads, .. } = self;
        threads.join(|| {
            stopper.end();
            if control.join().is_err() {
                tracing::error!("the control thread panicked");
            }
        });
    }
}

/// The PEM of the local CA's root kept in a state folder.
pub fn read_local_root(state: &Path) -> std::io::Result<String> {
    vestibule_certs::read_root(&state.join("certs"))
}
