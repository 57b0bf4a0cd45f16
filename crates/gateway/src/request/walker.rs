//! [`Walker`]: what every request on one connection walks with: whose connection it is, and for whom it counts.

use std::{cell::RefCell, net::SocketAddr, rc::Rc, sync::Arc};

use vestibule_certs::{ClientPolicy, Shows};
use vestibule_listener::Permit;
use vestibule_names::ClientAddr;
use vestibule_proxy::Scheme;

use crate::{
    tenant::{Limit, Seat, Tenant},
    visitor,
    vitals::Vitals,
    worker::Worker,
};

/// What is known of the connection that a request came on.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionFacts {
    pub(crate) client: ClientAddr,
    pub(crate) local: SocketAddr,
    pub(crate) scheme: Scheme,
    /// `None` on a clear connection.
    pub(crate) handshake: Option<Handshake>,
}

/// What the handshake of a TLS connection was.
#[derive(Clone, Debug)]
pub(crate) struct Handshake {
    /// The host (in normal form) that it was for.
    pub(crate) host: Arc<str>,
    /// What it was shown.
    pub(crate) shows: Shows,
    /// What was demanded of the client.
    pub(crate) client_policy: Option<ClientPolicy>,
    /// Who the client is, if it has shown a certificate.
    pub(crate) visitor: Option<Arc<visitor::Known>>,
}

/// Everything a request on one connection walks with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Walker {
    inner: Rc<Inner>,
}

struct Inner {
    worker: Rc<Worker>,
    facts: ConnectionFacts,
    vitals: Rc<Vitals>,
    /// Held by the connection, and after an upgrade by its tunnel.
    _permit: Permit,
    /// Whom the connection counts for: the tenant of the handshake, or of the latest request.
    seat: RefCell<Option<Seat>>,
}

/// What a connection holds until its end.
pub(crate) struct Held {
    pub(crate) permit: Permit,
    /// Of the tenant of the handshake; a clear connection is nobody's before its first request.
    pub(crate) seat: Option<Seat>,
}

impl Walker {
    pub(crate) fn new(worker: Rc<Worker>, facts: ConnectionFacts, vitals: Rc<Vitals>, held: Held) -> Self {
        let Held { permit, seat } = held;
        Self { inner: Rc::new(Inner { worker, facts, vitals, _permit: permit, seat: RefCell::new(seat) }) }
    }
    /// The connection counts for this tenant from now on.
    pub(crate) fn sit(&self, tenant: &Arc<Tenant>) -> Result<(), Limit> {
        let mut seat = self.inner.seat.borrow_mut();
        if !seat.as_ref().is_some_and(|seat| seat.is_of(tenant)) {
            *seat = None; // it does not count for two
            *seat = Some(tenant.begin_connection(self.worker().free_connections())?);
        }
        Ok(())
    }
    /// Whom the connection counts for now.
    pub(crate) fn tenant(&self) -> Option<Arc<Tenant>> {
        self.inner.seat.borrow().as_ref().map(|seat| Arc::clone(seat.tenant()))
    }
    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.inner.worker
    }
    pub(crate) fn facts(&self) -> &ConnectionFacts {
        &self.inner.facts
    }
    pub(crate) fn vitals(&self) -> &Rc<Vitals> {
        &self.inner.vitals
    }
}
