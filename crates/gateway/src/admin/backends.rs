//! `GET /v1/backends`: who listens where sites forward to, for people to read. No verdict about a request is built on it.
//!
//! Of a socket that is another user's a tenant is told whose it is, as the kernel tells every user of the machine, and no
//! more. Names and paths may take as long as they please: they are looked at within [`LOOK_TIMEOUT`] for the whole answer,
//! and by the few threads of their tenant.

use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use http::StatusCode;
use tokio::{
    net::UnixStream,
    time::{Instant, timeout_at},
};
use vestibule_names::{TenantId, UpstreamTarget};
use vestibule_owner::{
    Kernel,
    holder::{self, Holder},
    path::{self, PathError},
};
use vestibule_proxy::blocking;

use super::{
    Caller,
    model::{BackendRow, Backends},
    reply::Failed,
};
use crate::{change::Forwarding, house::House, tenancy::Tenancy};

/// Backends that one answer looks at: each reads `/proc`.
const BACKENDS_LIMIT: usize = 50;
/// Names and paths of one answer are looked at for so long; the rest is unknown.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);
/// Addresses of one name that are looked at.
const ADDRESSES_LIMIT: usize = 4;

/// What was found at one backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Nobody can say.
    Unknown,
    /// Nobody listens.
    Nobody,
    /// Somebody does.
    Held { uid: u32, pid: Option<u32> },
    /// The way there is this user's.
    Astray(u32),
    /// A name without an address.
    Unresolved,
    /// Another host's address, or one of this machine that is not of the loopback.
    Elsewhere,
}

/// Where to look.
#[derive(Debug)]
enum Place {
    /// Nowhere any more.
    Seen(Found),
    /// At one of these ports, the first that somebody holds.
    Ports(Vec<SocketAddr>),
}

/// The answer, from the site after a given one on.
pub(super) async fn answer(house: &House, caller: Caller, after: Option<&str>) -> Result<Backends, Failed> {
    let (backends, next) = house.sites().backends(caller, after, BACKENDS_LIMIT);
    let tenancy = house.shared.config.tenancy.clone();
    let backends = rows(backends, tenancy).await;
    let backends = backends.ok_or((StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping".to_owned()))?;
    Ok(Backends { backends, next })
}

async fn rows(backends: Vec<Forwarding>, tenancy: Tenancy) -> Option<Vec<BackendRow>> {
    let deadline = Instant::now() + LOOK_TIMEOUT;
    let mut places = Vec::with_capacity(backends.len());
    for backend in backends {
        let place = timeout_at(deadline, locate(&backend, &tenancy)).await.unwrap_or(Place::Seen(Found::Unknown));
        places.push((backend, place));
    }
    tokio::task::spawn_blocking(move || look(places, &tenancy)).await.ok()
}

/// What names and paths lead to now.
async fn locate(backend: &Forwarding, tenancy: &Tenancy) -> Place {
    match &backend.target {
        UpstreamTarget::Address(to) if is_loopback(to) => Place::Ports(vec![*to]),
        UpstreamTarget::Address(_) => Place::Seen(Found::Elsewhere),
        UpstreamTarget::Name(name, port) => {
            let (name, port) = (name.as_str().to_owned(), *port);
            let resolve =
                move || (name.as_str(), port).to_socket_addrs().map(|found| found.take(ADDRESSES_LIMIT).collect());
            match blocking::run(&backend.account, resolve).await {
                Ok(Ok(found)) => Place::Ports(found),
                Ok(Err(_)) => Place::Seen(Found::Unresolved),
                Err(_) => Place::Seen(Found::Unknown),
            }
        }
        UpstreamTarget::Unix(path) => Place::Seen(behind(path, backend, tenancy).await),
    }
}

/// Who listens at a Unix socket: asked by a connection on which nothing is sent, after a way that the tenant could go.
async fn behind(path: &Arc<Path>, backend: &Forwarding, tenancy: &Tenancy) -> Found {
    let (path, tenant, owners) = (Arc::clone(path), backend.tenant, tenancy.rule(backend.tenant).owners.clone());
    let trusted = move |uid| tenant == TenantId::OPERATOR || tenant.0 == uid || owners.contains(&TenantId(uid));
    let file = match blocking::run(&backend.account, move || path::open(&path, trusted)).await {
        Ok(Ok(file)) => file,
        Ok(Err(PathError::Foreign { uid, .. })) => return Found::Astray(uid),
        Ok(Err(PathError::NotASocket(_))) => return Found::Nobody,
        Ok(Err(PathError::Open { source, .. })) if source.kind() == io::ErrorKind::NotFound => return Found::Nobody,
        _ => return Found::Unknown,
    };
    // Does not wait: a backlog that is full is an error.
    let peer = match UnixStream::connect(file.address()).await.and_then(|stream| stream.peer_cred()) {
        Ok(peer) => peer,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Found::Nobody,
        Err(_) => return Found::Unknown,
    };
    match (peer.uid(), peer.pid().map(i32::unsigned_abs)) {
        (_, Some(pid)) if pid == std::process::id() => Found::Unknown,
        // Root opens sockets for others, and gives them the file (as `vestibule_proxy` judges).
        (0, _) if file.uid != 0 => Found::Held { uid: file.uid, pid: None },
        (uid, pid) => Found::Held { uid, pid },
    }
}

/// Blocks: reads `/proc`.
fn look(places: Vec<(Forwarding, Place)>, tenancy: &Tenancy) -> Vec<BackendRow> {
    let kernel = Kernel::open().ok();
    let mut known: BTreeMap<SocketAddr, Found> = BTreeMap::new();
    let mut at = |to: SocketAddr| {
        let found = || match kernel.as_ref().map(|kernel| holder::listening(kernel, to)) {
            _ if !is_loopback(&to) => Found::Elsewhere,
            None | Some(Err(_)) => Found::Unknown,
            Some(Ok(None)) => Found::Nobody,
            Some(Ok(Some(Holder { uid, pid, .. }))) => Found::Held { uid, pid },
        };
        *known.entry(to).or_insert_with(found)
    };
    let row = |(backend, place): (Forwarding, Place)| match place {
        Place::Seen(found) => judged(backend, found, None, tenancy),
        Place::Ports(addrs) => {
            let is_name = matches!(backend.target, UpstreamTarget::Name(..));
            let all: Vec<_> = addrs.into_iter().map(|addr| (addr, at(addr))).collect();
            let held = all.iter().find(|(_, found)| *found != Found::Nobody).or(all.first());
            let (to, found) = held.map_or((None, Found::Unresolved), |(addr, found)| (Some(*addr), *found));
            judged(backend, found, to.filter(|_| is_name), tenancy)
        }
    };
    places.into_iter().map(row).collect()
}

fn is_loopback(addr: &SocketAddr) -> bool {
    addr.ip().to_canonical().is_loopback()
}

fn judged(backend: Forwarding, found: Found, leads_to: Option<SocketAddr>, tenancy: &Tenancy) -> BackendRow {
    let (standing, uid, pid) = match found {
        Found::Unknown => ("unknown", None, None),
        Found::Nobody => ("nobody", None, None),
        Found::Unresolved => ("unresolved", None, None),
        Found::Elsewhere => ("elsewhere", None, None),
        Found::Astray(uid) => ("astray", Some(uid), None),
        Found::Held { uid, pid } if uid == backend.tenant.0 => ("own", Some(uid), pid),
        Found::Held { uid, .. } => {
            let allowed = tenancy.rule(backend.tenant).owners.contains(&TenantId(uid));
            (if allowed { "allowed" } else { "other" }, Some(uid), None)
        }
    };
    BackendRow {
        site: backend.site.to_string(),
        upstream: backend.upstream,
        standing: standing.to_owned(),
        leads_to: leads_to.map(|addr| addr.to_string()),
        uid,
        pid,
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, os::unix::net::UnixListener};

    use vestibule_names::{SiteId, UpstreamAddr};
    use vestibule_proxy::{Account, AccountLimits};

    use super::*;

    fn forwarding(tenant: u32, to: &str) -> Forwarding {
        let target = UpstreamAddr::parse(to).expect("an upstream").target;
        let account = Account::new(TenantId(tenant), AccountLimits::UNLIMITED);
        Forwarding { site: SiteId::new("a.yaml"), tenant: TenantId(tenant), upstream: to.to_owned(), target, account }
    }

    async fn told(backends: Vec<Forwarding>) -> Vec<(String, Option<u32>, Option<String>)> {
        let rows = rows(backends, Tenancy::default()).await.expect("an answer");
        rows.into_iter().map(|row| (row.standing, row.uid, row.leads_to)).collect()
    }

    #[test]
    fn whose_a_backend_is_is_told_and_another_process_is_not() {
        let settings = vestibule_site::parse_settings(b"tenants: {1001: {owners: [33]}}").value.expect("settings");
        let tenancy = Tenancy::decide(&settings.tenancy, |_| None).0;
        let check = |found, expected: (&str, Option<u32>, Option<u32>)| {
            let row = judged(forwarding(1001, "127.0.0.1:5000"), found, None, &tenancy);
            assert_eq!((row.standing.as_str(), row.uid, row.pid), expected);
        };
        let held = |uid| Found::Held { uid, pid: Some(42) };
        check(Found::Unknown, ("unknown", None, None));
        check(Found::Nobody, ("nobody", None, None));
        check(Found::Unresolved, ("unresolved", None, None));
        check(Found::Elsewhere, ("elsewhere", None, None));
        check(Found::Astray(1002), ("astray", Some(1002), None));
        check(held(1001), ("own", Some(1001), Some(42)));
        check(held(1002), ("other", Some(1002), None));
        check(held(33), ("allowed", Some(33), None));
    }

    #[tokio::test]
    async fn ports_and_names_are_looked_at_as_they_are_now() {
        if Kernel::open().is_err() {
            return; // a sandbox without netlink: nothing is known, and nothing is said
        }
        let ours = rustix::process::geteuid().as_raw();
        let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
        let addr = listener.local_addr().expect("bound");
        let name = format!("localhost:{}", addr.port());
        let asked = [addr.to_string().as_str(), "127.0.0.1:1", &name, "192.0.2.1:80", "no.such.invalid:80"]
            .map(|to| forwarding(ours, to));
        let found = told(asked.into()).await;
        let row = |standing: &str, uid, to: Option<String>| (standing.to_owned(), uid, to);
        assert_eq!(
            found,
            [
                row("own", Some(ours), None),
                row("nobody", None, None),
                row("own", Some(ours), Some(addr.to_string())),
                row("elsewhere", None, None),
                row("unresolved", None, None),
            ]
        );
    }

    #[tokio::test]
    async fn who_listens_at_a_unix_socket_is_told_and_who_does_not_let_us_by() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| format!("unix:{}", dir.path().join(name).display());
        std::fs::write(dir.path().join("file"), "").expect("written");
        drop(UnixListener::bind(dir.path().join("left.sock")).expect("binds"));
        let _ours = UnixListener::bind(dir.path().join("ours.sock")).expect("binds");
        let ours = rustix::process::geteuid().as_raw();
        let found = told(["no.sock", "file", "left.sock", "ours.sock"].map(|name| forwarding(ours, &at(name))).into());
        let standings: Vec<_> = found.await.into_iter().map(|(standing, ..)| standing).collect();
        assert_eq!(standings, ["nobody", "nobody", "nobody", "unknown"], "our own process is no backend");
        if ours != 0 {
            eprintln!("left out: only root can give files away");
            return;
        }
        std::os::unix::fs::chown(dir.path(), Some(64_002), None).expect("given away");
        let found = told(vec![forwarding(64_001, &at("ours.sock")), forwarding(64_002, &at("ours.sock"))]).await;
        let told: Vec<_> = found.into_iter().map(|(standing, uid, _)| (standing, uid)).collect();
        assert_eq!(told, [("astray".to_owned(), Some(64_002)), ("unknown".to_owned(), None)]);
    }
}
