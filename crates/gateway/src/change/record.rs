//! [`Record`]: what is known of one site file. A box has very many, and of most there is nothing to say but that they are
//! live: everything else is in its [`Rest`], which takes no memory while it is empty.

use std::sync::Arc;

use vestibule_acme::config::SiteOptions;
use vestibule_diagnostics::Report;
use vestibule_names::{HostPattern, TenantId};

use super::Unproven;
use crate::{
    admin::model::SiteState,
    ledger::Version,
    live::{Counters, LiveSite},
};

/// What is known of one site file.
pub(super) struct Record {
    /// Of the file as it is; the version that is live may only be the same owner's.
    pub(super) owner: TenantId,
    pub(super) state: SiteState,
    /// What the table leads to; `None` while no name leads here.
    pub(super) live: Option<Arc<LiveSite>>,
    pub(super) counters: Arc<Counters>,
    /// Never empty.
    rest: Option<Box<Rest>>,
}

/// What few site files have.
#[derive(Default)]
pub(super) struct Rest {
    /// What the live version says of its public certificates; `None`: nothing.
    pub(super) options: Option<Box<SiteOptions>>,
    pub(super) reports: Box<[Report]>,
    /// What could be understood of the names of a file that is broken.
    pub(super) asked_for: Box<[HostPattern]>,
    /// The version that is live, while it waits for a name of somebody else.
    pub(super) waiting: Option<Box<Version>>,
    /// The file as it is, when its certificate files alone keep it from going live.
    pub(super) unproven_file: Option<Box<Unproven>>,
    /// The same of its last good version.
    pub(super) unproven_good: Option<Box<Unproven>>,
}

impl Record {
    pub(super) fn new(owner: TenantId) -> Self {
        Self { owner, state: SiteState::Broken, live: None, counters: Arc::default(), rest: None }
    }

    /// Is anything served of it, or would be if a name came free?
    pub(super) fn is_of_use(&self) -> bool {
        self.live.is_some() || self.is_waiting()
    }

    /// Does a version of it wait for a name of somebody else?
    pub(super) fn is_waiting(&self) -> bool {
        self.rest.as_ref().is_some_and(|rest| rest.waiting.is_some())
    }

    /// Does a version of it wait for certificate files?
    pub(super) fn is_unproven(&self) -> bool {
        self.rest.as_ref().is_some_and(|rest| rest.unproven_file.is_some() || rest.unproven_good.is_some())
    }

    pub(super) fn options(&self) -> Option<&SiteOptions> {
        self.rest.as_ref()?.options.as_deref()
    }

    pub(super) fn reports(&self) -> &[Report] {
        self.rest.as_ref().map_or(&[], |rest| &rest.reports)
    }

    pub(super) fn asked_for(&self) -> &[HostPattern] {
        self.rest.as_ref().map_or(&[], |rest| &rest.asked_for)
    }

    /// The one way to change the rest.
    pub(super) fn change<T>(&mut self, change: impl FnOnce(&mut Rest) -> T) -> T {
        let mut rest = self.rest.take().map_or_else(Rest::default, |rest| *rest);
        let told = change(&mut rest);
        self.rest = (!rest.is_empty()).then(|| Box::new(rest));
        told
    }
}

impl Rest {
    fn is_empty(&self) -> bool {
        let Self { options, reports, asked_for, waiting, unproven_file, unproven_good } = self;
        let waits = waiting.is_some() || unproven_file.is_some() || unproven_good.is_some();
        options.is_none() && reports.is_empty() && asked_for.is_empty() && !waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_is_not_kept() {
        let mut record = Record::new(TenantId(1001));
        let name = HostPattern::parse("a.test").unwrap();
        assert!(record.rest.is_none() && !record.is_of_use());
        record.change(|rest| rest.asked_for = [name.clone()].into());
        assert_eq!((record.asked_for(), record.reports().len(), record.is_waiting()), (&[name][..], 0, false));
        record.change(|rest| rest.waiting = Some(Box::new(Version { owner: TenantId(1001), text: Vec::new() })));
        assert!(record.is_of_use() && record.is_waiting() && !record.is_unproven());
        record.change(|rest| rest.asked_for = Box::default());
        assert!(record.change(|rest| rest.waiting.take()).is_some() && record.rest.is_none());
    }

    #[test]
    fn a_record_of_a_site_that_is_live_is_small() {
        assert!(size_of::<Record>() <= 4 * size_of::<usize>(), "{}", size_of::<Record>());
    }
}
