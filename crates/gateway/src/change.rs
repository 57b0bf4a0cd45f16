//! The site-change walk: a file that changed → parsed → compiled → its names and certificate settled → one step of the
//! next table. [`Sites::apply`] is the parent; nothing here publishes or writes, so that `check` walks the same way.
//!
//! A change touches the site it is of, and those sites only that waited for a name it gives up.

mod activate;
mod rows;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
};

use vestibule_certs::Vault;
use vestibule_diagnostics::{Diagnostic, Report, Source, catalogue};
use vestibule_names::{HostPattern, SiteId, TenantId};
use vestibule_site::parse_site;
use vestibule_vhost::{Claim, Claims, TableChange};
use vestibule_watch::{Change, OpenError, SiteFile};

use crate::{
    admin::model::SiteState,
    ledger::{Entry, GoodVersion, Ledger, LedgerError},
    live::{Counters, LiveSite},
};

/// What is known of one site file.
struct Record {
    owner: TenantId,
    state: SiteState,
    /// What the table leads to; `None` while no name leads here.
    live: Option<Arc<LiveSite>>,
    counters: Arc<Counters>,
    reports: Box<[Report]>,
    /// The text of the version that is live, while it waits for a name of somebody else.
    waiting: Option<Box<[u8]>>,
    /// A version that fails for its certificate files alone: tried again when they change.
    unproven: Option<Box<[u8]>>,
}

/// Every site that the gateway knows of, live or not. Only the control side touches it.
pub(crate) struct Sites {
    records: BTreeMap<SiteId, Record>,
    claims: Claims,
    /// Sites whose certificate files are to be looked at.
    with_files: BTreeSet<SiteId>,
    surroundings: Surroundings,
}

/// What sites are judged against.
pub(crate) struct Surroundings {
    /// `None` for a review: certificates are checked, and none is signed.
    pub(crate) vault: Option<Vault>,
    pub(crate) ledger: Option<Ledger>,
    /// The gateway's own addresses: an upstream that leads back would be a loop.
    pub(crate) listen: Vec<SocketAddr>,
    /// The gateway's admin socket.
    pub(crate) admin_socket: PathBuf,
    pub(crate) thoroughness: Thoroughness,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thoroughness {
    /// A running gateway: remarks that hold for every public site are left to `certs`, they would cost memory per site.
    Run,
    /// `check`: everything is said.
    Check,
}

/// What a batch comes to: to be committed, then published.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub(crate) table: Vec<TableChange<LiveSite>>,
    pub(crate) ledger: Vec<Entry>,
    woken: VecDeque<SiteId>,
}

impl Sites {
    /// No sites yet; claims as the ledger (or a running gateway) tells them.
    pub(crate) fn new(surroundings: Surroundings, claims: Vec<(HostPattern, Claim)>) -> Self {
        Self { records: BTreeMap::new(), claims: Claims::restore(claims), with_files: BTreeSet::new(), surroundings }
    }

    /// Takes changes in. Sites that are woken by a released name come after the batch, so that a renamed file keeps its
    /// names.
    pub(crate) fn apply(&mut self, changes: Vec<Change>) -> Result<Step, LedgerError> {
        let mut step = Step::default();
        for change in changes {
            let id = change_id(&change).clone();
            // A file must never stop the changes of others, not even one that finds a bug of ours.
            match catch_unwind(AssertUnwindSafe(|| self.take(change, &mut step))) {
                Ok(result) => result?,
                Err(_) => tracing::error!(site = %id, "a bug: this change panicked; the site stays as it was"),
            }
        }
        self.wake(&mut step)?;
        Ok(step)
    }

    fn take(&mut self, change: Change, step: &mut Step) -> Result<(), LedgerError> {
        match change {
            Change::Written(file) => self.written(file, step),
            Change::Unreadable(id, error) => self.unreadable(&id, &error, step),
            Change::Removed(id) => {
                self.removed(&id, step);
                Ok(())
            }
        }
    }

    /// Writes a step's entries to the ledger, on disk when this returns.
    pub(crate) fn commit(&self, entries: &[Entry]) -> Result<(), LedgerError> {
        self.surroundings.ledger.as_ref().map_or(Ok(()), |ledger| ledger.commit(entries))
    }

    /// After the first complete scan: what the ledger knows of files that are not there any more is released.
    pub(crate) fn forget_missing(&mut self) -> Result<Step, LedgerError> {
        let mut step = Step::default();
        let mut known = self.claims.sites();
        if let Some(ledger) = &self.surroundings.ledger {
            known.extend(ledger.sites()?);
        }
        for id in known {
            if !self.records.contains_key(&id) {
                self.removed(&id, &mut step);
            }
        }
        self.wake(&mut step)?;
        Ok(step)
    }

    /// Looks at certificate files again: swaps what changed, and tries again what failed for them.
    pub(crate) fn refresh_files(&mut self) -> Result<Step, LedgerError> {
        let mut step = Step::default();
        for id in self.with_files.clone() {
            let Some(record) = self.records.get(&id) else { continue };
            if let Some(identity) = record.live.as_ref().and_then(|live| live.identity.as_ref()) {
                match identity.refresh() {
                    vestibule_certs::Refresh::Unchanged => {}
                    vestibule_certs::Refresh::Swapped => tracing::info!(site = %id, "certificate swapped"),
                    vestibule_certs::Refresh::Refused(why) => {
                        let why = why.first().map_or("", |diagnostic| diagnostic.message.as_str());
                        tracing::warn!(site = %id, why, "changed certificate files refused, the old certificate stays");
                    }
                }
            }
            if let Some(text) = &record.unproven {
                let file = SiteFile { id: id.clone(), owner: record.owner, bytes: text.to_vec() };
                self.written(file, &mut step)?;
            }
        }
        self.wake(&mut step)?;
        Ok(step)
    }

    /// A file that was read: its version goes live, or the last good one stays.
    fn written(&mut self, file: SiteFile, step: &mut Step) -> Result<(), LedgerError> {
        let SiteFile { id, owner, bytes } = file;
        let source = source(&id, &bytes);
        let mut parsed = parse_site(&bytes);
        let diagnostics = std::mem::take(&mut parsed.diagnostics);
        let site = parsed.value.filter(|_| !diagnostics.iter().any(Diagnostic::is_error));
        let Some(site) = site else {
            return self.keep_last_good(&id, Some(owner), reports(&diagnostics, &source), step);
        };
        match self.activate(&id, owner, &site, &bytes, diagnostics, step) {
            Ok(remarks) => {
                let record = self.record(&id, owner);
                record.reports = reports(&remarks, &source);
                record.unproven = None;
                let partial = record.waiting.is_some();
                record.state = if partial { SiteState::Partial } else { SiteState::Live };
                self.remember_good(id, owner, bytes, step)
            }
            Err(diagnostics) => {
                let only_files = diagnostics.iter().filter(|d| d.is_error()).all(is_of_certificate_files);
                self.keep_last_good(&id, Some(owner), reports(&diagnostics, &source), step)?;
                if only_files {
                    self.with_files.insert(id.clone());
                    self.record(&id, owner).unproven = Some(bytes.into());
                }
                Ok(())
            }
        }
    }

    /// A file that is there but cannot be opened safely.
    fn unreadable(&mut self, id: &SiteId, error: &OpenError, step: &mut Step) -> Result<(), LedgerError> {
        let code = match error {
            OpenError::TooLarge { .. } => catalogue::FILE_TOO_LARGE,
            OpenError::BadName => catalogue::BAD_FILE_NAME,
            _ => catalogue::FILE_UNREADABLE,
        };
        let diagnostic = Diagnostic::new(code, format!("the site file {}", chain(error)));
        self.keep_last_good(id, None, reports(&[diagnostic], &source(id, b"")), step)
    }

    /// A file that is gone: its names are free at once.
    fn removed(&mut self, id: &SiteId, step: &mut Step) {
        let record = self.records.remove(id);
        self.with_files.remove(id);
        if let Some(live) = record.and_then(|record| record.live) {
            step.table.extend(live.vhost.hosts.iter().cloned().map(TableChange::Remove));
        }
        let settlement = self.claims.release(id);
        step.ledger.extend(settlement.released.into_iter().map(Entry::Release));
        step.ledger.push(Entry::Forget(id.clone()));
        step.woken.extend(settlement.woken);
    }

    /// The file has an error: what is live stays live; after a start the last good version comes from the ledger.
    fn keep_last_good(
        &mut self,
        id: &SiteId,
        owner: Option<TenantId>,
        reports: Box<[Report]>,
        step: &mut Step,
    ) -> Result<(), LedgerError> {
        let known = self.records.contains_key(id);
        let restored = if known { None } else { self.restore(id, owner, step)? };
        let owner = owner.or(restored).unwrap_or(TenantId::OPERATOR);
        let record = self.record(id, owner);
        record.reports = reports;
        record.unproven = None;
        record.state =
            if record.live.is_some() || record.waiting.is_some() { SiteState::Stale } else { SiteState::Broken };
        Ok(())
    }

    /// Brings the last good version of a site back from the ledger, if it was the same owner's. Says whose it was.
    fn restore(
        &mut self,
        id: &SiteId,
        owner: Option<TenantId>,
        step: &mut Step,
    ) -> Result<Option<TenantId>, LedgerError> {
        let Some(ledger) = &self.surroundings.ledger else { return Ok(None) };
        let Some(GoodVersion { owner: good_owner, text }) = ledger.good(id)? else { return Ok(None) };
        if owner.is_some_and(|owner| owner != good_owner) {
            return Ok(None); // another user's file under the old name: its predecessor's site is over
        }
        if let Some(site) = parse_site(&text).valid() {
            let result = self.activate(id, good_owner, site, &text, Vec::new(), step);
            if let Err(diagnostics) = result {
                let why = diagnostics.first().map_or("", |diagnostic| diagnostic.message.as_str());
                tracing::warn!(site = %id, why, "the last good version cannot be served any more");
            }
        }
        Ok(Some(good_owner))
    }

    /// Notes a version as the last good one, unless the ledger has just that.
    fn remember_good(&self, id: SiteId, owner: TenantId, text: Vec<u8>, step: &mut Step) -> Result<(), LedgerError> {
        let version = GoodVersion { owner, text };
        if let Some(ledger) = &self.surroundings.ledger
            && ledger.good(&id)?.as_ref() != Some(&version)
        {
            step.ledger.push(Entry::Good(id, version));
        }
        Ok(())
    }

    /// Sites that waited for a name that is free now are settled again. Each wake ends a wait, so this ends.
    fn wake(&mut self, step: &mut Step) -> Result<(), LedgerError> {
        while let Some(id) = step.woken.pop_front() {
            let Some(record) = self.records.get_mut(&id) else { continue };
            let Some(text) = record.waiting.take() else { continue };
            let (owner, state) = (record.owner, record.state);
            if let Some(site) = parse_site(&text).valid() {
                let result = self.activate(&id, owner, site, &text, Vec::new(), step);
                let record = self.record(&id, owner);
                match (result, state) {
                    (Ok(remarks), SiteState::Live | SiteState::Partial) => {
                        record.reports = reports(&remarks, &source(&id, &text));
                        record.state = if record.waiting.is_some() { SiteState::Partial } else { SiteState::Live };
                    }
                    (Ok(_), SiteState::Stale | SiteState::Broken) => {} // what its file says still stands
                    (Err(_), _) => record.waiting = Some(text),
                }
            }
        }
        Ok(())
    }

    /// The record of a site, made when missing. The owner is the file's as it is now.
    fn record(&mut self, id: &SiteId, owner: TenantId) -> &mut Record {
        let record = self.records.entry(id.clone()).or_insert_with(|| Record {
            owner,
            state: SiteState::Broken,
            live: None,
            counters: Arc::default(),
            reports: Box::default(),
            waiting: None,
            unproven: None,
        });
        record.owner = owner;
        record
    }
}

/// Which site file a change is of.
pub(crate) fn change_id(change: &Change) -> &SiteId {
    match change {
        Change::Written(file) => &file.id,
        Change::Unreadable(id, _) | Change::Removed(id) => id,
    }
}

fn source(id: &SiteId, bytes: &[u8]) -> Source {
    Source { name: Arc::from(id.as_str()), text: Arc::from(String::from_utf8_lossy(bytes)) }
}

fn reports(diagnostics: &[Diagnostic], source: &Source) -> Box<[Report]> {
    diagnostics.iter().map(|diagnostic| Report::new(diagnostic, source)).collect()
}

/// Does this error go away when certificate files change, without an edit of the site file?
fn is_of_certificate_files(diagnostic: &Diagnostic) -> bool {
    diagnostic.code.entry().number.starts_with("V05")
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
