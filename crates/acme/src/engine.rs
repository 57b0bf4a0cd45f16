//! [`Engine`]: drives the planner, the clients and the hooks on one thread that the gateway gives it; [`Handle`]: how the
//! rest of the gateway talks to it.
//!
//! ```text
//!   Handle ──▶ inbox ──▶ ┌────────── desk: one turn after the other ──────────┐
//!                        │ take changes and questions                         │
//!                        │ planner.next … ──▶ records durable ──▶ jobs start  │──▶ lanes: futures of orders, looks, errands
//!   metrics ◀── tally ◀──│ alarms, counts                                     │      │
//!                        └────────────────────────────────────────────────────┘◀─────┘ outcome: planner, events, answers
//! ```
//!
//! What this deliberately does not do: it decides nothing that the planner decides, and speaks no protocol. Writes to
//! the store block this thread, which serves nobody; what only computes for long has threads of its own.

mod alarm;
mod answers;
mod ca;
mod chance;
mod clock;
mod desk;
mod handle;
mod inbox;
mod journal;
mod lanes;
mod outcome;
mod resume;
mod revoke;
mod sweep;
mod tally;

use std::sync::Arc;

use vestibule_certs::{
    Vault,
    store::{CaId, Issued},
};
use vestibule_names::{HostPattern, TenantId};

use self::inbox::{Inbox, Owner};
use crate::{Client, Config, Door, Failure, FailureKind, Timestamp, client::Tools, dns::Dns, hooks::Hooks};

pub use self::{ca::Ca, clock::Clock, handle::Handle, tally::Counts};

/// What happened, for logs, hooks, metrics and the swap.
#[derive(Clone, Debug)]
pub enum Event {
    /// A new name has its first certificate. It is in the store.
    Obtained(Issued),
    /// A certificate was renewed. It is in the store.
    Renewed(Issued),
    /// An attempt failed.
    Failed {
        /// Whose.
        tenant: TenantId,
        /// Which names.
        names: Vec<HostPattern>,
        /// Why, and when next.
        failure: Failure,
        /// Milliseconds since the epoch of the next attempt.
        next_attempt: Option<Timestamp>,
    },
    /// Little is left of a certificate, and no renewal has worked yet.
    Expiring {
        /// Which.
        issued: Issued,
        /// The last failure, in words.
        why: Option<String>,
    },
    /// A name is not ordered any more until DNS points here.
    Quarantined {
        /// Whose.
        tenant: TenantId,
        /// Which.
        name: HostPattern,
        /// Why.
        why: String,
    },
    /// An issuance was revoked on request.
    Revoked(Issued),
}

/// Everything that is needed to keep names certified; idle until [`Engine::run`].
#[derive(Debug)]
pub struct Engine<C = Client> {
    config: Config,
    vault: Vault,
    door: Door,
    dns: Dns,
    hooks: Hooks,
    cas: Vec<(CaId, C)>,
    clock: Clock,
    inbox: Owner,
}

impl Engine {
    /// Asks nobody yet.
    pub fn new(config: Config, vault: Vault, door: Door) -> Result<(Self, Handle), Failure> {
        check(&config)?;
        let dns = Dns::new(&config, vault.clone())?;
        let tools = Tools { store: vault.store().clone(), vault: vault.clone(), door: door.clone(), dns: dns.clone() };
        let client = |ca: &crate::config::CaConfig| Ok((ca.id.clone(), Client::new(ca.clone(), tools.clone())?));
        let cas = config.cas.iter().map(client).collect::<Result<Vec<_>, Failure>>()?;
        Ok(Engine::assemble(config, vault, door, dns, cas))
    }
}

impl<C: Ca> Engine<C> {
    /// With these in place of the clients of the configured CAs: the seam at which tests put a CA of their own. One for
    /// each CA of the configuration.
    pub fn with_cas(config: Config, vault: Vault, door: Door, cas: Vec<(CaId, C)>) -> Result<(Self, Handle), Failure> {
        check(&config)?;
        let dns = Dns::new(&config, vault.clone())?;
        Ok(Self::assemble(config, vault, door, dns, cas))
    }

    fn assemble(config: Config, vault: Vault, door: Door, dns: Dns, cas: Vec<(CaId, C)>) -> (Self, Handle) {
        let inbox = Arc::new(Inbox::default());
        let owner = Owner(Arc::clone(&inbox));
        let hooks = Hooks::new(config.hooks.clone());
        let clock = Clock::default();
        (Self { config, vault, door, dns, hooks, cas, clock, inbox: owner }, Handle::new(inbox))
    }

    /// With this instead of the system's clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Runs until [`Handle::stop`]. `tell` is called on this thread for each event, after the store has it.
    pub async fn run(self, tell: impl Fn(&Event)) {
        desk::run(self, tell).await;
    }
}

fn check(config: &Config) -> Result<(), Failure> {
    let refuse = |sentence: String| Err(Failure::new(FailureKind::Configuration, sentence));
    if config.cas.is_empty() {
        return refuse("no CA is configured: name at least one directory".to_owned());
    }
    for (place, ca) in config.cas.iter().enumerate() {
        if config.cas[..place].iter().any(|earlier| earlier.id == ca.id) {
            return refuse(format!("two CAs are called {}: give each directory a name of its own", ca.id));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CaConfig;

    #[test]
    fn the_engine_goes_to_its_thread_and_handles_go_everywhere() {
        fn goes<T: Send>() {}
        fn is_shared<T: Send + Sync + Clone>() {}
        goes::<Engine>();
        is_shared::<Handle>();
        is_shared::<Door>();
    }

    #[test]
    fn each_ca_has_a_name_of_its_own_and_there_is_one() {
        let ca = |id: &str| CaConfig::new(CaId::new(id).unwrap(), "https://ca.test/directory");
        for (cas, is_good) in [
            (vec![], false),
            (vec![ca("a")], true),
            (vec![ca("a"), ca("b")], true),
            (vec![ca("a"), ca("b"), ca("a")], false),
        ] {
            let count = cas.len();
            assert_eq!(check(&Config::new(cas)).is_ok(), is_good, "{count} CAs");
        }
    }
}
