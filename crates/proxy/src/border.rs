//! [`Border`]: to what the gateway connects for whom. A tenant must not reach by the gateway what it may not reach by
//! itself: another tenant's process, the operator's services, the metadata of a cloud, the gateway.
//!
//! | place | for a tenant |
//! |---|---|
//! | the gateway's own sockets; link-local, metadata, multicast, reserved addresses; what the operator refuses | never |
//! | loopback, a Unix socket | when the socket is its own, or of a user whom the operator names |
//! | the same, listed by the operator for this tenant | whoever holds it |
//! | anything else | when the operator lists it; a socket of this machine must be its own all the same |
//!
//! The operator's own sites are free. Everything here is decided by values: who holds a socket is asked in `dial`.

use std::{fmt, net::SocketAddr, path::Path, sync::Arc};

use vestibule_names::{Destination, Scope, TenantId, UpstreamAddr, UpstreamTarget};

mod denial;
#[cfg(test)]
mod tests;

pub use denial::{Denial, Why};

/// The border, the same for all workers. Cheap to clone.
#[derive(Clone)]
pub struct Border {
    inner: Arc<Rules>,
}

/// What a [`Border`] is made of.
pub struct Rules {
    /// What happens when a socket is another user's.
    pub check: OwnerCheck,
    /// Places that no tenant is connected to.
    pub refuse: Vec<Destination>,
    /// The gateway's own addresses.
    pub own: Vec<SocketAddr>,
    /// What a tenant is allowed.
    pub allowance: Box<dyn Fn(TenantId) -> Arc<Allowance> + Send + Sync>,
    /// Told of every connection that was not made, or made though it should not have been.
    pub report: Box<dyn Fn(&Finding<'_>) + Send + Sync>,
}

/// What happens when a socket is another user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerCheck {
    /// No request is sent there.
    Enforce,
    /// It is told, and the request is sent.
    Warn,
    /// As [`OwnerCheck::Enforce`], where the kernel does not say who holds a port: none is used.
    Blind,
    /// Nobody asks.
    Off,
}

impl OwnerCheck {
    /// As `status` shows it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Warn => "warn",
            Self::Blind => "blind",
            Self::Off => "off",
        }
    }
}

/// What one tenant is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowance {
    /// The operator: everything.
    Free,
    /// A tenant: its own sockets on this machine, and what is listed.
    Bound {
        /// Whose sockets: the tenant's.
        tenant: TenantId,
        /// Other users whose sockets it may use.
        owners: Vec<TenantId>,
        /// Other places.
        upstreams: Vec<Destination>,
    },
}

/// A connection that was not made, or made though it should not have been.
#[derive(Debug)]
pub struct Finding<'a> {
    /// For whom.
    pub tenant: TenantId,
    /// Where to.
    pub upstream: &'a UpstreamAddr,
    /// Why not.
    pub denial: &'a Denial,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a connection that should not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was not made, or nothing was sent on it.
    Refused,
    /// It was used: the mode is [`OwnerCheck::Warn`].
    LetThrough,
}

/// What is to be done before an address is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing: connect.
    Free,
    /// The socket there must be the tenant's.
    Owned,
    /// The same, if the address turns out to be one of this machine.
    OwnedIfLocal,
    /// Nothing may be sent there.
    Denied(Why),
}

/// The user whom the kernel names for users who have no name here (`/proc/sys/kernel/overflowuid`): nobody's proof.
const OVERFLOW_UID: u32 = 65_534;

impl Border {
    /// A border of these rules.
    pub fn new(rules: Rules) -> Self {
        Self { inner: Arc::new(rules) }
    }

    /// What this tenant is allowed.
    pub(crate) fn allowance(&self, tenant: TenantId) -> Arc<Allowance> {
        (self.inner.allowance)(tenant)
    }

    /// What happens when a socket is another user's.
    pub fn check(&self) -> OwnerCheck {
        self.inner.check
    }

    pub(crate) fn report(&self, finding: &Finding<'_>) {
        (self.inner.report)(finding);
    }

    /// Can this upstream never be used by this tenant, wherever its name leads and whoever listens? For site files, before
    /// anything is dialled.
    pub fn forbids(&self, tenant: TenantId, upstream: &UpstreamAddr) -> Option<Why> {
        let allowance = self.allowance(tenant);
        match &upstream.target {
            UpstreamTarget::Address(addr) => match self.judge(&allowance, &upstream.target, *addr) {
                Verdict::Denied(why) => Some(why),
                Verdict::Free | Verdict::Owned | Verdict::OwnedIfLocal => None,
            },
            UpstreamTarget::Name(name, port) => {
                let refused = self.inner.refuse.iter().any(|place| place.names(name, *port));
                (refused && *allowance != Allowance::Free).then_some(Why::RefusedByOperator)
            }
            UpstreamTarget::Unix(path) => self.refuses_path(&allowance, path),
        }
    }

    /// Judges an address that is about to be dialled: the very one, not the name that led to it.
    pub(crate) fn judge(&self, allowance: &Allowance, target: &UpstreamTarget, addr: SocketAddr) -> Verdict {
        let Allowance::Bound { upstreams, .. } = allowance else { return Verdict::Free };
        let name = match target {
            UpstreamTarget::Name(name, port) => Some((name, *port)),
            UpstreamTarget::Address(_) | UpstreamTarget::Unix(_) => None,
        };
        let meant =
            |place: &Destination| place.contains(addr) || name.is_some_and(|(name, port)| place.names(name, port));
        if self.inner.own.iter().any(|own| leads_to(addr, *own)) {
            return Verdict::Denied(Why::Gateway);
        }
        if self.inner.refuse.iter().any(meant) {
            return Verdict::Denied(Why::RefusedByOperator);
        }
        let scope = Scope::of(addr.ip());
        match scope {
            Scope::Unspecified | Scope::LinkLocal | Scope::Metadata | Scope::Multicast | Scope::Reserved => {
                Verdict::Denied(Why::Never(scope))
            }
            _ if upstreams.iter().any(|place| vouches(place, addr)) => Verdict::Free,
            Scope::Loopback => Verdict::Owned,
            Scope::Private | Scope::Global if upstreams.iter().any(meant) => Verdict::OwnedIfLocal,
            Scope::Private | Scope::Global => Verdict::Denied(Why::NotListed),
        }
    }

    /// Is an address of this machine one of the gateway's own, in whatever way it is written? For addresses that are known
    /// to be of this machine.
    pub(crate) fn is_own(&self, local: SocketAddr) -> bool {
        let wildcard = |own: &&SocketAddr| own.ip().to_canonical().is_unspecified() && own.port() == local.port();
        self.inner.own.iter().any(|own| leads_to(local, *own) || wildcard(&own))
    }

    /// May the socket at this path not be used by a tenant?
    pub(crate) fn refuses_path(&self, allowance: &Allowance, path: &Path) -> Option<Why> {
        let refused = self.inner.refuse.iter().any(|place| place.contains_path(path));
        (refused && *allowance != Allowance::Free).then_some(Why::RefusedByOperator)
    }
}

/// Does connecting to `to` reach a socket bound to `own`?
pub fn leads_to(to: SocketAddr, own: SocketAddr) -> bool {
    let (to_ip, own_ip) = (to.ip().to_canonical(), own.ip().to_canonical());
    to.port() == own.port()
        && (to_ip == own_ip || to_ip.is_unspecified() || (own_ip.is_unspecified() && to_ip.is_loopback()))
}

/// Does the operator mean this very place, whoever holds it? An address does, and a network of the loopback; a wider
/// network, `*` or a name speaks of other hosts, and not of what happens to be on this machine.
fn vouches(place: &Destination, addr: SocketAddr) -> bool {
    use vestibule_names::DestinationHost::Network;
    let Destination::Ports { host: Network(network), .. } = place else { return false };
    place.contains(addr) && (network.is_single() || addr.ip().to_canonical().is_loopback() && network.is_loopback())
}

impl Allowance {
    /// May sockets of this user be used?
    pub(crate) fn accepts(&self, uid: u32) -> bool {
        match self {
            Self::Free => true,
            Self::Bound { tenant, owners, .. } => {
                (tenant.0 == uid && uid != OVERFLOW_UID) || owners.contains(&TenantId(uid))
            }
        }
    }

    /// Is the socket at this path listed for the tenant?
    pub(crate) fn lists_path(&self, path: &Path) -> bool {
        match self {
            Self::Free => true,
            Self::Bound { upstreams, .. } => upstreams.iter().any(|place| place.contains_path(path)),
        }
    }
}

/// Everybody is free: for a gateway whose sites are all of one user, and for tests.
impl Default for Border {
    fn default() -> Self {
        let free = Arc::new(Allowance::Free);
        Self::new(Rules {
            check: OwnerCheck::Enforce,
            refuse: Vec::new(),
            own: Vec::new(),
            allowance: Box::new(move |_| Arc::clone(&free)),
            report: Box::new(|_| {}),
        })
    }
}

impl fmt::Debug for Border {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rules { check, refuse, own, .. } = &*self.inner;
        f.debug_struct("Border").field("check", check).field("refuse", refuse).field("own", own).finish_non_exhaustive()
    }
}
