//! `GET /v1/backends`: who listens where sites forward to, for people to read. No verdict about a request is built on it.
//!
//! Of a socket that is another user's a tenant is told whose it is, as the kernel tells every user of the machine, and no
//! more.

use std::{collections::BTreeMap, net::SocketAddr};

use http::StatusCode;
use vestibule_names::UpstreamTarget;
use vestibule_owner::{
    Kernel,
    holder::{self, Holder},
};

use super::{
    Caller,
    model::{BackendRow, Backends},
    reply::Failed,
};
use crate::{change::Forwarding, house::House, tenancy::Tenancy};

/// Backends that one answer looks at: each reads `/proc`.
const BACKENDS_LIMIT: usize = 50;

/// The answer, from the site after a given one on.
pub(super) async fn answer(house: &House, caller: Caller, after: Option<&str>) -> Result<Backends, Failed> {
    let (backends, next) = house.sites().backends(caller, after, BACKENDS_LIMIT);
    let tenancy = house.shared.config.tenancy.clone();
    let looked = tokio::task::spawn_blocking(move || look(backends, &tenancy)).await;
    let backends = looked.map_err(|_| (StatusCode::SERVICE_UNAVAILABLE, "the gateway is stopping".to_owned()))?;
    Ok(Backends { backends, next })
}

fn look(backends: Vec<Forwarding>, tenancy: &Tenancy) -> Vec<BackendRow> {
    let kernel = Kernel::open().ok();
    let mut known: BTreeMap<SocketAddr, Option<Option<Holder>>> = BTreeMap::new();
    let row = |backend: Forwarding| {
        let held = match &backend.target {
            UpstreamTarget::Address(to) if to.ip().to_canonical().is_loopback() => {
                *known.entry(*to).or_insert_with(|| holder::listening(kernel.as_ref()?, *to).ok())
            }
            _ => None,
        };
        judged(backend, held, tenancy)
    };
    backends.into_iter().map(row).collect()
}

/// `held`: `None` when nobody can say, and of a listener none when nobody listens.
fn judged(backend: Forwarding, held: Option<Option<Holder>>, tenancy: &Tenancy) -> BackendRow {
    let (standing, holder) = match held {
        None => ("unknown", None),
        Some(None) => ("nobody", None),
        Some(Some(holder)) if holder.uid == backend.tenant.0 => ("own", Some(holder)),
        Some(Some(holder)) => {
            let allowed = tenancy.rule(backend.tenant).owners.iter().any(|owner| owner.0 == holder.uid);
            (if allowed { "allowed" } else { "other" }, Some(Holder { pid: None, ..holder }))
        }
    };
    BackendRow {
        site: backend.site.to_string(),
        upstream: backend.upstream,
        standing: standing.to_owned(),
        uid: holder.map(|holder| holder.uid),
        pid: holder.and_then(|holder| holder.pid),
    }
}

#[cfg(test)]
mod tests {
    use vestibule_names::{SiteId, TenantId};

    use super::*;

    fn forwarding(to: &str) -> Forwarding {
        let target = UpstreamTarget::Address(to.parse().expect("an address"));
        Forwarding { site: SiteId::new("a.yaml"), tenant: TenantId(1001), upstream: to.to_owned(), target }
    }

    #[test]
    fn whose_a_backend_is_is_told_and_another_process_is_not() {
        let settings = vestibule_site::parse_settings(b"tenants: {1001: {owners: [33]}}").value.expect("settings");
        let tenancy = Tenancy::decide(&settings.tenancy, |_| None).0;
        let check = |held: Option<Option<u32>>, expected: (&str, Option<u32>, Option<u32>)| {
            let held = held.map(|uid| uid.map(|uid| Holder { uid, inode: 1, pid: Some(42) }));
            let row = judged(forwarding("127.0.0.1:5000"), held, &tenancy);
            assert_eq!((row.standing.as_str(), row.uid, row.pid), expected);
        };
        check(None, ("unknown", None, None));
        check(Some(None), ("nobody", None, None));
        check(Some(Some(1001)), ("own", Some(1001), Some(42)));
        check(Some(Some(1002)), ("other", Some(1002), None));
        check(Some(Some(33)), ("allowed", Some(33), None));
    }

    #[test]
    fn a_listener_of_this_process_is_found_and_a_closed_port_is_nobodys() {
        if Kernel::open().is_err() {
            return; // a sandbox without netlink: nothing is known, and nothing is said
        }
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = listener.local_addr().expect("bound").to_string();
        let rows = look(vec![forwarding(&address), forwarding("127.0.0.1:1")], &Tenancy::default());
        let ours = rustix::process::geteuid().as_raw();
        assert_eq!((rows[0].uid, rows[1].standing.as_str()), (Some(ours), "nobody"));
    }
}
