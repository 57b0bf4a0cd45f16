//! Between changes of site files: the files that they name, chains, keys and client CAs, are looked at again. What is good is
//! swapped in; what is wrong changes nothing, and is told.

use std::{ops::Bound, sync::Arc};

use vestibule_certs::{GuestRefresh, Identity, Refresh};
use vestibule_diagnostics::Diagnostic;
use vestibule_names::SiteId;
use vestibule_vhost::{TableChange, TlsPolicy};
use vestibule_watch::SiteFile;

use super::{Sites, Step};
use crate::{ledger::Version, live::LiveSite};

impl Sites {
    /// Looks at the certificate files of some sites, from one site on: swaps what changed, and tries again what failed
    /// for them. Says where to go on; `None` when it was through.
    pub(crate) fn refresh_files(&mut self, from: Option<&SiteId>, limit: usize) -> (Step, Option<SiteId>) {
        let mut step = Step::default();
        let start = from.map_or(Bound::Unbounded, Bound::Excluded);
        let ids: Vec<_> = self.with_files.range::<SiteId, _>((start, Bound::Unbounded)).take(limit).cloned().collect();
        for id in &ids {
            self.contain(id, &mut step, |sites, step| sites.refresh(id, step));
        }
        self.wake(&mut step);
        let next = if ids.len() == limit { ids.last().cloned() } else { None };
        (step, next)
    }

    fn refresh(&mut self, id: &SiteId, step: &mut Step) {
        let Some(record) = self.records.get(id) else { return };
        if let Some(identity) = record.live.as_ref().and_then(|live| live.identity.clone()) {
            self.refresh_identity(id, &identity, step);
        }
        let Some(record) = self.records.get_mut(id) else { return };
        if let Some(file) = record.change(|rest| rest.unproven_file.take_if(|unproven| unproven.has_changed())) {
            let Version { owner, text } = file.version;
            self.written(SiteFile { id: id.clone(), owner, bytes: text }, step);
        } else if let Some(good) = record.change(|rest| rest.unproven_good.take_if(|unproven| unproven.has_changed())) {
            self.revive(id, good.version, step);
        }
    }

    /// What is live of the files stays live when the new ones are wrong or gone.
    fn refresh_identity(&mut self, id: &SiteId, identity: &Identity, step: &mut Step) {
        let first = |why: Vec<Diagnostic>| why.into_iter().next().map(|found| found.message).unwrap_or_default();
        match identity.refresh() {
            Refresh::Unchanged => {}
            Refresh::Swapped => tracing::info!(site = %id, "certificate swapped"),
            Refresh::Refused(why) => {
                tracing::warn!(site = %id, why = first(why), "changed certificate files refused, the old certificate stays");
            }
        }
        match identity.refresh_guests() {
            GuestRefresh::Unchanged => {}
            GuestRefresh::Changed(identity) => {
                tracing::info!(site = %id, "client CAs changed: open connections have to prove themselves anew");
                self.let_in_others(id, identity, step);
            }
            GuestRefresh::Refused(why) => {
                tracing::warn!(site = %id, why = first(why), "changed client CAs refused, the old ones stay in force");
            }
        }
    }

    /// Other visitors are let in from now on, also on connections that are open: each request is held against the identity
    /// that its site has now.
    fn let_in_others(&mut self, id: &SiteId, identity: Arc<Identity>, step: &mut Step) {
        let Some(record) = self.records.get_mut(id) else { return };
        let Some(LiveSite { vhost, counters, tenant, .. }) = record.live.as_deref() else { return };
        let (vhost, counters, tenant) = (vhost.clone(), Arc::clone(counters), Arc::clone(tenant));
        let live = Arc::new(LiveSite { vhost, identity: Some(identity), counters, tenant });
        let puts = live.vhost.hosts.iter().map(|host| TableChange::Put(host.clone(), Arc::clone(&live)));
        step.table.extend(puts);
        record.live = Some(live);
    }

    /// Sees to it that the certificate files of a site are looked at for as long as somebody waits for their change.
    pub(super) fn attend(&mut self, id: &SiteId) {
        let waits = self.records.get(id).is_some_and(|record| {
            let shows_files =
                |live: &LiveSite| matches!(live.vhost.tls, TlsPolicy::Files(_)) || live.vhost.client_ca().is_some();
            record.live.as_deref().is_some_and(shows_files) || record.is_unproven()
        });
        if waits {
            self.with_files.insert(id.clone());
        } else {
            self.with_files.remove(id);
        }
    }
}
