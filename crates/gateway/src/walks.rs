//! The thread `sites`: walks site changes, commits and publishes them, looks at certificate files. Not here: the walk of one
//! change (`change`), and what of a start goes live together (`arrivals`).

use std::{
    sync::{
        PoisonError,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use vestibule_names::SiteId;
use vestibule_watch::{Batch, Change, OpenError, Presence, WatchConfig};

use crate::{
    arrivals::{self, Arrived},
    certificates,
    change::{Sites, Step},
    config::CERTIFICATE_POLL,
    fault::chain,
    house::House,
};

/// Changes that are walked, committed and published in one step: bounds how long the admin interface waits at a start.
const STEP_LIMIT: usize = 1000;

/// Between two looks at the wall clock for names whose grace is over: it may be set while we wait.
const GRACE_LOOK: Duration = Duration::from_secs(60);

/// Sites whose certificate files are looked at in one step.
const LOOK_LIMIT: usize = 100;

/// When what a step comes to is live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// When the call returns.
    Now,
    /// After the first scan the same; while it goes on, with more of its sites.
    WithOthers,
}

/// The thread: batches as they come; in between certificate files, a few at a time, and graces that end.
pub(crate) fn run(house: &House, queue: &Receiver<Batch>, look: &dyn Fn(&SiteId) -> Change) {
    let mut next_look = Instant::now() + CERTIFICATE_POLL;
    let mut from = None;
    let mut pass = Duration::ZERO;
    loop {
        let grace = house.sites().expires_in().map_or(GRACE_LOOK, Duration::from_secs).min(GRACE_LOOK);
        let wait = next_look.saturating_duration_since(Instant::now()).min(grace);
        let wait = if house.ready.is_live() { wait } else { wait.min(arrivals::LONGEST) };
        let next = queue.recv_timeout(wait);
        publish(house, When::WithOthers, |sites| (sites.expire(), ()));
        match next {
            Ok(batch) => take_batch(house, batch, look),
            Err(RecvTimeoutError::Timeout) => house.publish_arrivals(), // a scan that takes long
            Err(RecvTimeoutError::Disconnected) => return house.publish_arrivals(),
        }
        // Also when another batch waits already: who saves a file over and over must not keep certificates of others old.
        if Instant::now() >= next_look {
            let began = Instant::now();
            from = publish(house, When::WithOthers, |sites| sites.refresh_files(from.as_ref(), LOOK_LIMIT));
            pass += began.elapsed();
            next_look = Instant::now();
            if from.is_none() {
                // Looking costs at most a hundredth of the time, however many files there are.
                next_look += CERTIFICATE_POLL.max(std::mem::take(&mut pass) * 100);
            }
        }
        take_turns(house, look);
    }
}

/// Files that were over their tenant's limit and have room now are read again.
fn take_turns(house: &House, look: &dyn Fn(&SiteId) -> Change) {
    loop {
        let turns = house.sites().turns();
        if turns.is_empty() {
            return;
        }
        let changes = turns.iter().map(look).collect();
        publish(house, When::WithOthers, |sites| (sites.apply(changes), ()));
    }
}

fn take_batch(house: &House, batch: Batch, look: &dyn Fn(&SiteId) -> Change) {
    let Batch { changes, complete } = batch;
    let mut changes = changes.into_iter();
    while changes.len() > 0 {
        let step = changes.by_ref().take(STEP_LIMIT).collect();
        publish(house, When::WithOthers, |sites| (sites.apply(step), ()));
    }
    if complete && !house.ready.is_live() {
        if house.sites().is_empty() {
            // As after a mount that failed: nobody has left, as far as anybody can tell.
            let unknown = |id: &SiteId| Change::Unreadable { id: id.clone(), owner: None, problem: empty_folder() };
            publish(house, When::WithOthers, |sites| (sites.settle_missing(unknown), ()));
        } else {
            publish(house, When::WithOthers, |sites| (sites.settle_missing(look), ()));
        }
        house.publish_arrivals();
        tracing::info!(
            sites = house.sites().standing().served,
            milliseconds = u64::try_from(house.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "the first scan is live"
        );
        if let Some(acme) = &house.acme {
            acme.ready(); // every name that is wanted has been told
        }
        house.ready.settle(true);
    }
}

/// A site that the first scan did not see, though the ledger knows it: a folder that may be entered but not listed still
/// gives its files.
pub(crate) fn look_for(config: &WatchConfig, id: &SiteId) -> Change {
    match vestibule_watch::confirm(config, id) {
        Presence::Gone => Change::Removed(id.clone()),
        Presence::Unknown(problem) => Change::Unreadable { id: id.clone(), owner: None, problem },
        Presence::There => vestibule_watch::read_site(config, id),
    }
}

fn empty_folder() -> OpenError {
    OpenError::Io(std::io::Error::other(
        "the sites folder is empty; if all sites are really gone, start once with any one site file in it",
    ))
}

/// Walks a change, commits it, publishes it: in this order, so that what is live is on disk.
pub(crate) fn publish<T>(house: &House, when: When, walk: impl FnOnce(&mut Sites) -> (Step, T)) -> T {
    let mut sites = house.sites();
    let (step, told) = walk(&mut sites);
    if let Err(error) = sites.commit(step.ledger) {
        // A full disk must not stop changes: they are live now, and written as soon as the disk takes them.
        tracing::error!(error = chain(&error), entries = sites.uncommitted(), "site changes are not in the ledger yet");
    }
    let may_wait = when == When::WithOthers && !house.ready.is_live();
    let mut arrivals = house.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
    let arrived = arrivals.take_in(step.table, step.wishes, Instant::now(), may_wait);
    let Some(Arrived { changes, wishes }) = arrived else { return told };
    if !changes.is_empty() {
        let table = house.shared.table.publish(changes);
        tracing::debug!(generation = %table.generation(), "published");
    }
    // Under the lock of the sites: the engine believes the last word on a site, which must be that of the last walk.
    if let Some(acme) = &house.acme {
        certificates::pass_on(acme, wishes);
    }
    told
}
