//! [`Dialler`]: opens a connection to a backend: name → address → socket (see `dial/socket.rs`) → TLS → hyper.
//!
//! Names are resolved at every dial, by the system's resolver on tokio's blocking pool: a backend that moves is found
//! again, and a slow resolver costs the connect timeout and never the worker, and one tenant few threads (`blocking`).

use std::{
    cell::RefCell,
    collections::HashMap,
    convert::Infallible,
    io,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};
use vestibule_certs::VaultError;
use vestibule_names::{UpstreamScheme, UpstreamTarget};
use vestibule_vhost::UpstreamTls;

use crate::{
    Account, ForwardError, ProxyConfig,
    account::Spent,
    blocking,
    budget::Place,
    pool::{Backend, Lease, Link, OpenMark, Origin, Pool},
    stream::{Socket, Stream},
};

mod socket;

use socket::Opener;

/// Gives the TLS configuration for a file of roots, or for the system's. Runs on the blocking pool.
pub(crate) type Roots = Arc<dyn Fn(Option<&Path>) -> Result<Arc<ClientConfig>, VaultError> + Send + Sync>;

/// After this, the file of roots is read again.
const ROOTS_LIFETIME: Duration = Duration::from_secs(60);

/// The most that hyper buffers of one connection, in each direction.
const BUFFER_LIMIT: usize = 64 * 1024;

pub(crate) struct Dialler {
    roots: Roots,
    opener: Opener,
    loaded: RefCell<HashMap<Option<PathBuf>, Loaded>>,
    http1: http1::Builder,
}

struct Loaded {
    config: Arc<ClientConfig>,
    since: Instant,
}

impl Dialler {
    pub(crate) fn new(config: &ProxyConfig, roots: Roots) -> Self {
        let mut http1 = http1::Builder::new();
        http1.max_header_size(config.response_head_limit).max_buf_size(BUFFER_LIMIT.max(config.response_head_limit));
        Self { roots, opener: Opener::new(config.border.clone()), loaded: RefCell::default(), http1 }
    }

    /// A fresh connection, ready for one request; its task is spawned.
    pub(crate) async fn dial(
        &self,
        pool: &Rc<Pool>,
        backend: &Rc<Backend>,
        limit: Duration,
    ) -> Result<Lease, ForwardError> {
        let stream =
            timeout(limit, self.connect(pool, backend, limit)).await.map_err(|_| ForwardError::ConnectTimeout)??;
        let gauge = stream.gauge();
        let (sender, connection) = self.http1.handshake(TokioIo::new(stream)).await.map_err(ForwardError::Malformed)?;
        let (held, mut released) = oneshot::channel();
        let (ending, ended) = oneshot::channel::<Infallible>();
        let mark = OpenMark::new(backend);
        (pool.spawn)(Box::pin(async move {
            tokio::select! {
                biased;
                _ = &mut released => {}
                ended = connection.with_upgrades() => if let Err(error) = ended {
                    tracing::debug!(%error, upstream = %mark.addr(), "a connection to a backend broke");
                },
            }
            // Last of all: the socket is closed, or handed over to a tunnel.
            drop((mark, ending));
        }));
        Ok(pool.lease(Link { sender, gauge, ended, _held: held }, backend, Origin::Fresh))
    }

    async fn connect(&self, pool: &Pool, backend: &Backend, limit: Duration) -> Result<Stream, ForwardError> {
        let place = place(pool, backend).await?;
        let end = self.opener.open(backend, limit).await?;
        let socket = Socket { end, _place: place };
        if backend.addr.scheme == UpstreamScheme::Http {
            return Ok(Stream::clear(socket, pool.config.response_head_limit));
        }
        let name = server_name(&backend.addr.target, &backend.tls)?;
        let config = self.tls_config(&backend.account, backend.tls.ca.as_deref()).await?;
        let stream = TlsConnector::from(config).connect(name, socket).await.map_err(ForwardError::Tls)?;
        Ok(Stream::tls(stream, pool.config.response_head_limit))
    }

    async fn tls_config(&self, account: &Account, ca: Option<&Path>) -> Result<Arc<ClientConfig>, ForwardError> {
        let key = ca.map(Path::to_path_buf);
        if let Some(loaded) = self.loaded.borrow().get(&key)
            && loaded.since.elapsed() < ROOTS_LIFETIME
        {
            return Ok(Arc::clone(&loaded.config));
        }
        let (roots, path) = (Arc::clone(&self.roots), key.clone());
        let config = blocking::run(account, move || roots(path.as_deref()))
            .await
            .map_err(ForwardError::TlsRootsLost)?
            .map_err(ForwardError::TlsRoots)?;
        let mut loaded = self.loaded.borrow_mut();
        loaded.retain(|_, loaded| loaded.since.elapsed() < ROOTS_LIFETIME);
        loaded.insert(key, Loaded { config: Arc::clone(&config), since: Instant::now() });
        Ok(config)
    }
}

/// A place in the budget; when there is none, what has been idle for the longest on this worker makes room: the tenant's
/// own, where it is the tenant who has too much.
async fn place(pool: &Pool, backend: &Backend) -> Result<Place, ForwardError> {
    let budget = &pool.config.budget;
    loop {
        let spent = match budget.take(&backend.account) {
            Ok(place) => return Ok(place),
            Err(spent) => spent,
        };
        // Another may be faster with the place that becomes free. Every round closes something, so there is an end.
        let evicted = match spent {
            Spent::Box => pool.evict(None),
            Spent::Share | Spent::Limit => pool.evict(Some(backend.account.tenant())),
        };
        let Some(link) = evicted else {
            return Err(match spent {
                Spent::Box => {
                    budget.refuse();
                    ForwardError::BudgetSpent
                }
                Spent::Share | Spent::Limit => {
                    budget.refuse_tenant(&backend.account);
                    if spent == Spent::Share { ForwardError::TenantShare } else { ForwardError::TenantUpstreams }
                }
            });
        };
        link.close().await;
    }
}

/// Out of descriptors, ports or memory is our trouble, not the backend's.
fn refused(error: io::Error) -> ForwardError {
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    const ENOBUFS: i32 = 105;
    let ours = matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory)
        || matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOBUFS));
    if ours { ForwardError::Exhausted(error) } else { ForwardError::Connect(error) }
}

/// The name to verify: the one that is set, else the host of the address; an IP address is verified as such.
fn server_name(target: &UpstreamTarget, tls: &UpstreamTls) -> Result<ServerName<'static>, ForwardError> {
    let host = match (&tls.server_name, target) {
        (Some(name), _) | (None, UpstreamTarget::Name(name, _)) => name,
        (None, UpstreamTarget::Address(addr)) => return Ok(ServerName::from(addr.ip())),
        (None, UpstreamTarget::Unix(_)) => return Err(ForwardError::TlsName),
    };
    ServerName::try_from(host.as_str().to_owned()).map_err(|_| ForwardError::TlsName)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fault, Refusal};

    #[test]
    fn what_we_lack_is_not_the_backends_fault() {
        for (errno, fault, refusal) in [
            (23, Fault::Gateway, Refusal::GatewayBusy),
            (24, Fault::Gateway, Refusal::GatewayBusy),
            (105, Fault::Gateway, Refusal::GatewayBusy),
            (111, Fault::Upstream, Refusal::UpstreamUnreachable),
        ] {
            let error = refused(io::Error::from_raw_os_error(errno));
            assert_eq!((error.fault(), error.refusal()), (fault, refusal), "{errno}");
        }
    }
}
