//! Who is let into a site that asks its visitors for certificates, and how that changes.
//!
//! An [`Identity`] has one policy for its whole life. When the file of client CAs changes, another identity takes its
//! place, with the same certificates: whoever holds a handshake under one of them knows by which policy, and the other is
//! told apart from it by every request. A wrong file changes nothing, and neither does one that is gone: what was good
//! stays in force, and nobody is let in whom it does not let in.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use rustls::ServerConfig;
use vestibule_diagnostics::Diagnostic;

use super::Identity;
use crate::{
    clients::{ClientAuth, ClientCa, ClientPolicy},
    tenant_file::Stamp,
};

/// The policy of a site, and what the last look at its file gave.
pub(crate) struct Guests {
    client_ca: ClientCa,
    auth: ClientAuth,
    look: Mutex<Look>,
}

struct Look {
    stamp: Option<Stamp>,
    /// Does an equal stamp prove that nothing changed since?
    settled: bool,
    refusal: Option<String>,
}

/// What looking at the file of client CAs again gave.
#[derive(Debug)]
pub enum GuestRefresh {
    /// Nothing that counts changed on disk (or what changed has been refused already).
    Unchanged,
    /// Other visitors are let in by this identity, which is to take the place of the one that was asked.
    Changed(Arc<Identity>),
    /// The new file is wrong; the old policy stays.
    Refused(Vec<Diagnostic>),
}

impl Guests {
    pub(crate) fn new(client_ca: ClientCa, auth: ClientAuth, now: SystemTime) -> Self {
        let look = Look { settled: auth.stamp.is_settled(now), stamp: Some(auth.stamp), refusal: None };
        Self { client_ca, auth, look: Mutex::new(look) }
    }

    /// Whose certificates they show.
    pub(super) fn client_ca(&self) -> &ClientCa {
        &self.client_ca
    }

    pub(super) fn template(&self) -> &ServerConfig {
        &self.auth.template
    }

    /// Why the last change was not taken, if it was not.
    pub(super) fn refusal(&self) -> Option<String> {
        self.lock().refusal.clone()
    }

    /// A panic while the lock was held leaves nothing half done: each field is written whole.
    fn lock(&self) -> MutexGuard<'_, Look> {
        self.look.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Identity {
    /// What a client is asked to prove before a request for this site is served; `None`: nothing.
    pub fn client_policy(&self) -> Option<ClientPolicy> {
        self.guests.as_ref().map(|guests| guests.auth.policy)
    }

    /// Looks at the file of client CAs again (a stat when nothing changed). Blocking; control thread only.
    pub fn refresh_guests(&self) -> GuestRefresh {
        self.refresh_guests_at(SystemTime::now())
    }

    pub(crate) fn refresh_guests_at(&self, now: SystemTime) -> GuestRefresh {
        let Some(guests) = &self.guests else { return GuestRefresh::Unchanged };
        let client_ca = guests.client_ca();
        let mut look = guests.lock();
        let stamp = Stamp::look(&client_ca.file);
        if look.settled && look.stamp == stamp && look.refusal.is_none() {
            return GuestRefresh::Unchanged;
        }
        let told = look.refusal.take().filter(|_| look.stamp == stamp);
        look.stamp = stamp;
        look.settled = stamp.is_some_and(|stamp| stamp.is_settled(now));
        let owner = self.request.owner(self.shared.gateway_uid);
        match client_ca.load(owner, now, &self.shared.provider) {
            Ok((auth, _)) if auth.policy == guests.auth.policy => GuestRefresh::Unchanged,
            Ok((auth, warnings)) => {
                for warning in &warnings {
                    tracing::warn!(site = %self.request.site, code = %warning.code, "{}", warning.message);
                }
                GuestRefresh::Changed(Arc::new(self.with_guests(Guests::new(client_ca.clone(), auth, now))))
            }
            Err(diagnostics) => {
                let refusal = diagnostics.iter().filter(|found| found.is_error()).map(|found| &*found.message);
                let refusal = refusal.collect::<Vec<_>>().join("; ");
                let again = told.is_some_and(|told| told == refusal);
                look.refusal = Some(refusal);
                if again { GuestRefresh::Unchanged } else { GuestRefresh::Refused(diagnostics) }
            }
        }
    }

    /// The same certificates, shown to others.
    fn with_guests(&self, guests: Guests) -> Self {
        let identity = Self::unsigned(Arc::clone(&self.shared), self.request.clone(), Some(guests));
        let change = self.lock();
        identity.shown.store(self.shown.load().as_ref().map(|shown| Arc::new(shown.afresh())));
        identity.issued.store(self.issued.load().as_ref().map(|resolved| Arc::new(resolved.afresh())));
        identity.lock().clone_from(&change);
        drop(change);
        identity
    }
}
