//! [`Dialler`]: opens a connection to a backend: name → address → socket (see `dial/socket.rs`) → TLS.
//!
//! Names are resolved at every dial, by the system's resolver on tokio's blocking pool: a backend that moves is found
//! again, and a slow resolver costs the connect timeout and never the worker, and one tenant few threads (`blocking`).

use std::{
    cell::RefCell,
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, timeout};
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
    link::{Link, OpenMark},
    pool::{Backend, Lease, Origin, Pool},
    stream::{Socket, Stream},
};

mod room;
mod socket;

use socket::Opener;

/// Gives the TLS configuration for a file of roots, or for the system's. Runs on the blocking pool.
pub(crate) type Roots = Arc<dyn Fn(Option<&Path>) -> Result<Arc<ClientConfig>, VaultError> + Send + Sync>;

/// After this, the file of roots is read again.
const ROOTS_LIFETIME: Duration = Duration::from_secs(60);

pub(crate) struct Dialler {
    roots: Roots,
    opener: Opener,
    loaded: RefCell<HashMap<Option<PathBuf>, Loaded>>,
}

struct Loaded {
    config: Arc<ClientConfig>,
    since: Instant,
}

impl Dialler {
    pub(crate) fn new(config: &ProxyConfig, roots: Roots) -> Self {
        Self { roots, opener: Opener::new(config.border.clone()), loaded: RefCell::default() }
    }

    /// A fresh connection, ready for one request.
    pub(crate) async fn dial(
        &self,
        pool: &Rc<Pool>,
        backend: &Rc<Backend>,
        limit: Duration,
    ) -> Result<Lease, ForwardError> {
        let stream =
            timeout(limit, self.connect(pool, backend, limit)).await.map_err(|_| ForwardError::ConnectTimeout)??;
        Ok(pool.lease(Link::new(stream, OpenMark::new(&backend.open), &pool.deadlines), backend, Origin::Fresh))
    }

    async fn connect(&self, pool: &Pool, backend: &Backend, limit: Duration) -> Result<Stream, ForwardError> {
        let place = place(pool, backend)?;
        let end = self.opener.open(backend, limit).await?;
        let socket = Socket::new(end, place);
        if backend.addr.scheme == UpstreamScheme::Http {
            return Ok(Stream::Clear(socket));
        }
        let name = server_name(&backend.addr.target, &backend.tls)?;
        let config = self.tls_config(&backend.account, backend.tls.ca.as_deref()).await?;
        let stream = TlsConnector::from(config).connect(name, socket).await.map_err(ForwardError::Tls)?;
        Ok(Stream::Tls(Box::new(stream)))
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
fn place(pool: &Pool, backend: &Backend) -> Result<Place, ForwardError> {
    let budget = &pool.config.budget;
    loop {
        let spent = match budget.take(&backend.account) {
            Ok(place) => return Ok(place),
            Err(spent) => spent,
        };
        // Another worker may be faster with the place that becomes free. Every round closes something, so there is an end.
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
        drop(link);
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
