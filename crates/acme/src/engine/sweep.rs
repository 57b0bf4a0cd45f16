//! The daily look for certificates that ran out long ago and that nobody wants: the store removes them, a few in a turn.

use std::{collections::HashSet, time::Duration};

use tokio::time::Instant;
use vestibule_certs::store::Entry;
use vestibule_names::{HostPattern, TenantId};

use super::{Ca, Event, desk::Desk};

const LOOK_EVERY: Duration = Duration::from_hours(24);
/// While there is more.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// Removed in one turn: each takes a few syncs of the disk.
const AT_ONCE: usize = 16;

impl<C: Ca, T: Fn(&Event)> Desk<C, T> {
    /// When the next look is due.
    pub(super) fn sweep(&self) -> Instant {
        let wanted: HashSet<(TenantId, &HostPattern)> =
            self.planner.wanted_names().map(|wanted| (wanted.tenant, wanted.name)).collect();
        let gone = self.store.sweep(|issued| is_wanted(issued, &wanted), AT_ONCE, self.clock.time());
        if gone > 0 {
            tracing::info!(count = gone, "certificates that ran out long ago are removed");
        }
        if let Err(error) = self.store.forget_proofs(self.clock.time()) {
            tracing::warn!(%error, "who proved which name long ago cannot be forgotten");
        }
        Instant::now() + if gone < AT_ONCE { LOOK_EVERY } else { LOOK_AGAIN }
    }
}

fn is_wanted(issued: &Entry, wanted: &HashSet<(TenantId, &HostPattern)>) -> bool {
    let tenant = issued.tenant();
    issued.names().iter().any(|name| match name {
        HostPattern::Wildcard(_) => {
            wanted.iter().any(|(owner, host)| *owner == tenant && (*host == name || name.matches(&host.to_string())))
        }
        HostPattern::Exact(_) | HostPattern::Address(_) => wanted.contains(&(tenant, name)),
    })
}
