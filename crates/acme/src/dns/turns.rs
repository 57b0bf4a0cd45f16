//! [`Turns`]: programs of one tenant's names run one after the other, since those that rewrite a zone's file are not made for
//! two at once; and no tenant waits for the slow zone of another.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    sync::{Mutex as Turnstile, OwnedMutexGuard},
    time::{Instant, timeout_at},
};
use vestibule_names::TenantId;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Only tenants for whom something runs or waits.
    tenants: Mutex<HashMap<TenantId, Arc<Turnstile<()>>>>,
}

impl Turns {
    /// The tenant's turn, until it is dropped; `None` when it has not come by then.
    pub(super) async fn turn(&self, tenant: TenantId, until: Option<Instant>) -> Option<OwnedMutexGuard<()>> {
        let turn = self.turnstile(tenant).lock_owned();
        match until {
            Some(until) => timeout_at(until, turn).await.ok(),
            None => Some(turn.await),
        }
    }

    fn turnstile(&self, tenant: TenantId) -> Arc<Turnstile<()>> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        // One that nobody else holds is nobody's turn.
        tenants.retain(|_, turnstile| Arc::strong_count(turnstile) > 1);
        Arc::clone(tenants.entry(tenant).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_after_the_other_for_a_tenant_and_side_by_side_for_two() {
        let turns = Turns::default();
        let soon = || Some(Instant::now() + Duration::from_secs(1));
        let (ann, bob) = (TenantId(1000), TenantId(1001));
        let first = turns.turn(ann, None).await.unwrap();
        assert!(turns.turn(ann, soon()).await.is_none(), "it is taken");
        assert!(turns.turn(bob, soon()).await.is_some(), "another's");
        drop(first);
        assert!(turns.turn(ann, soon()).await.is_some());
        drop(turns.turn(bob, None).await);
        assert_eq!(turns.tenants.lock().unwrap().len(), 1, "those that are over are forgotten");
    }
}
