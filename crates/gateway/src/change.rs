//! The site-change walk: a file that changed → parsed → compiled → its names and certificate settled → one step of the
//! next table. [`Sites::apply`] is the parent; nothing here publishes or writes, so that `check` walks the same way.
//!
//! A change touches the site it is of, and those sites only that waited for a name it gives up.

mod activate;
mod allowance;
mod names;
mod public;
mod record;
mod records;
mod refresh;
mod roster;
mod rows;
#[cfg(test)]
mod tests;
mod unproven;

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::Arc,
};

use vestibule_certs::Vault;
use vestibule_diagnostics::{Diagnostic, Report, Source, catalogue};
use vestibule_names::{HostPattern, Hostname, SiteId, TenantId};
use vestibule_proxy::Border;
use vestibule_site::parse_site;
use vestibule_vhost::{Claim, Claims, TableChange};
use vestibule_watch::{Change, OpenError, SiteFile};

use self::{
    allowance::Allowances,
    record::Record,
    records::Records,
    roster::{Admission, Roster},
    unproven::{Files, Unproven},
};
pub(crate) use self::{names::Clock, public::Wish, rows::Forwarding};
use crate::{
    admin::model::SiteState,
    config::AcmeStanding,
    fault::chain,
    ledger::{Entry, Ledger, LedgerError, Version},
    live::LiveSite,
    tenancy::Tenancy,
    tenant::Tenants,
};

/// Shown for a file that cannot be opened and that nobody has served before.
const UNKNOWN_OWNER: TenantId = TenantId(u32::MAX);

/// Every site that the gateway knows of, live or not. Only the control side touches it.
pub(crate) struct Sites {
    records: Records,
    claims: Claims,
    /// Whose files are within their tenant's limit.
    roster: Roster,
    /// What the last look for a proof that is waited for found.
    proofs_seen: HashMap<(TenantId, Hostname), String>,
    /// Sites whose certificate files are to be looked at.
    with_files: BTreeSet<SiteId>,
    /// For how many names CAs are asked.
    allowances: Allowances,
    /// Whose the live sites are.
    tenants: Tenants,
    /// To what tenants may be connected.
    border: Border,
    surroundings: Surroundings,
}

/// What sites are judged against.
pub(crate) struct Surroundings {
    pub(crate) certifier: Certifier,
    pub(crate) ledger: Option<Ledger>,
    /// The gateway's own addresses: an upstream that leads back would be a loop.
    pub(crate) listen: Vec<SocketAddr>,
    /// The gateway's sockets for the operator and for tenants.
    pub(crate) admin_sockets: Vec<PathBuf>,
    /// Public CAs; `None`: none is configured.
    pub(crate) acme: Option<AcmeStanding>,
    /// What tenants may do.
    pub(crate) tenancy: Tenancy,
    /// When a name was claimed, and when its grace is over.
    pub(crate) clock: Clock,
}

/// Who judges certificates.
pub(crate) enum Certifier {
    /// A running gateway. Remarks that hold for every public site are left to `certs`: they would cost memory per site.
    Vault(Vault),
    /// A review, for a gateway that runs as this user: everything is said, and nothing is signed.
    Review { gateway_uid: u32 },
}

/// What a batch comes to: to be committed, then published.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub(crate) table: Vec<TableChange<LiveSite>>,
    pub(crate) ledger: Vec<Entry>,
    /// For the engine, once the table is live.
    pub(crate) wishes: Vec<Wish>,
    woken: VecDeque<SiteId>,
    /// Sites whose last good version this step has given up so far.
    forgotten: HashSet<SiteId>,
}

impl Certifier {
    /// The same claims. A name that has a certificate is in memory already.
    fn sharing_names(&self, mut claims: Vec<(HostPattern, Claim)>) -> Vec<(HostPattern, Claim)> {
        if let Self::Vault(vault) = self {
            for (name, claim) in &mut claims {
                *name = vault.store().shared_name(claim.tenant, name.clone());
            }
        }
        claims
    }
}

impl Sites {
    /// No sites yet; claims as the ledger (or a running gateway) tells them.
    pub(crate) fn new(surroundings: Surroundings, claims: Vec<(HostPattern, Claim)>) -> Self {
        let claims = Claims::restore(surroundings.certifier.sharing_names(claims));
        // Who served a name before the start is within the limit before anybody new.
        let roster = Roster::new(claims.sites());
        Self {
            records: Records::default(),
            claims,
            roster,
            proofs_seen: HashMap::new(),
            with_files: BTreeSet::new(),
            allowances: Allowances::default(),
            tenants: Tenants::new(surroundings.tenancy.clone()),
            border: surroundings.border(),
            surroundings,
        }
    }

    /// Takes changes in. Sites that are woken by a released name come after the batch, so that a renamed file keeps its
    /// names.
    pub(crate) fn apply(&mut self, changes: Vec<Change>) -> Step {
        let mut step = Step::default();
        for change in changes {
            let id = change_id(&change).clone();
            self.contain(&id, &mut step, |sites, step| sites.take(change, step));
        }
        self.wake(&mut step);
        step
    }

    /// A file must never stop the changes of others, not even one that finds a bug of ours.
    fn contain(&mut self, id: &SiteId, step: &mut Step, walk: impl FnOnce(&mut Self, &mut Step)) {
        if catch_unwind(AssertUnwindSafe(|| walk(self, step))).is_err() {
            tracing::error!(site = %id, "a bug: this change panicked; the site stays as it was");
        }
    }

    fn take(&mut self, change: Change, step: &mut Step) {
        match change {
            Change::Written(file) => self.written(file, step),
            Change::Unreadable { id, owner, problem } => self.unreadable(&id, owner, &problem, step),
            Change::Removed(id) => self.removed(&id, step),
        }
    }

    /// Writes a step's entries to the ledger, on disk when this returns without an error. What could not be written is
    /// kept, and written with the next step.
    pub(crate) fn commit(&mut self, entries: Vec<Entry>) -> Result<(), LedgerError> {
        self.surroundings.ledger.as_mut().map_or(Ok(()), |ledger| ledger.commit(entries))
    }

    /// Entries that the ledger could not take yet.
    pub(crate) fn uncommitted(&self) -> usize {
        self.surroundings.ledger.as_ref().map_or(0, Ledger::backlog)
    }

    /// Has any file been seen? An empty folder at a start may be a mount that failed.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// After the first complete scan: what it did not see of the sites that the ledger knows. A look at each says whether
    /// its file is gone (and the site released), or cannot be read (and the last good version served).
    pub(crate) fn settle_missing(&mut self, look: impl Fn(&SiteId) -> Change) -> Step {
        let mut step = Step::default();
        let is_missing = |id: &str| !self.records.contains_key(id);
        let serving = self.claims.sites().map(|(site, _)| site).filter(|site| is_missing(site.as_str()));
        let mut missing: Vec<SiteId> = serving.cloned().collect();
        missing.sort_unstable();
        missing.extend(self.surroundings.ledger.iter().flat_map(|ledger| ledger.sites(is_missing)));
        for id in missing {
            if !self.records.contains_key(id.as_str()) {
                self.contain(&id, &mut step, |sites, step| sites.take(look(&id), step));
            }
        }
        self.wake(&mut step);
        self.records.pack();
        step
    }

    /// A file that was read: its version goes live, or the last good one stays.
    fn written(&mut self, file: SiteFile, step: &mut Step) {
        let SiteFile { id, owner, bytes } = file;
        if self.admit(&id, owner) == Admission::Full {
            return self.turn_away(&id, owner, step);
        }
        let source = source(&id, &bytes);
        let mut parsed = parse_site(&bytes);
        let diagnostics = std::mem::take(&mut parsed.diagnostics);
        let is_broken = diagnostics.iter().any(Diagnostic::is_error);
        let Some(site) = parsed.value.as_ref().filter(|_| !is_broken) else {
            self.keep_last_good(&id, Some(owner), reports(&diagnostics, &source), step);
            let asked_for = parsed.value.as_ref().map(hosts_of).unwrap_or_default();
            self.record(&id, owner).change(|rest| rest.asked_for = asked_for);
            return;
        };
        let version = Version { owner, text: bytes };
        let files = Files::of(site);
        match self.activate(&id, &version, site, diagnostics, step) {
            Ok(remarks) => {
                let record = self.record(&id, owner);
                record.change(|rest| {
                    (rest.reports, rest.asked_for) = (reports(&remarks, &source), Box::default());
                    (rest.unproven_file, rest.unproven_good) = (None, None);
                });
                record.state = if record.is_waiting() { SiteState::Partial } else { SiteState::Live };
                self.attend(&id);
                self.remember(id, version, step);
            }
            Err(diagnostics) => {
                self.keep_last_good(&id, Some(owner), reports(&diagnostics, &source), step);
                self.record(&id, owner).change(|rest| {
                    rest.asked_for = hosts_of(site);
                    rest.unproven_file = Unproven::of(version, files, &diagnostics);
                });
                self.attend(&id);
            }
        }
    }

    /// Notes a version as the last good one, unless the ledger has just that.
    fn remember(&self, id: SiteId, version: Version, step: &mut Step) {
        if let Some(ledger) = &self.surroundings.ledger
            && (step.forgotten.remove(&id) || !ledger.has_good(&id, &version))
        {
            step.ledger.push(Entry::Good(id, version));
        }
    }

    /// A file that is there but cannot be opened safely. Another tenant's, under the same name, ends the site as a broken one
    /// does; the operator's says nothing of whose the site is.
    fn unreadable(&mut self, id: &SiteId, owner: Option<TenantId>, error: &OpenError, step: &mut Step) {
        self.pass_on_place(id);
        let code = match error {
            OpenError::TooLarge { .. } => catalogue::FILE_TOO_LARGE,
            OpenError::BadName => catalogue::BAD_FILE_NAME,
            OpenError::FileWritable { .. } => catalogue::FILE_WRITABLE,
            OpenError::FolderWritable { .. } => catalogue::FOLDER_WRITABLE,
            OpenError::Misplaced { .. } | OpenError::Unplaced { .. } => catalogue::FILE_MISPLACED,
            _ => catalogue::FILE_UNREADABLE,
        };
        let mut diagnostic = Diagnostic::new(code, format!("the site file {}", chain(error)));
        diagnostic.help = error.mend().map(|mend| format!("type `{mend}`"));
        let owner = owner.filter(|owner| *owner != TenantId::OPERATOR);
        self.keep_last_good(id, owner, reports(&[diagnostic], &source(id, b"")), step);
    }

    /// A file that is gone: its names begin their grace.
    fn removed(&mut self, id: &SiteId, step: &mut Step) {
        self.give_place_up(id);
        let record = self.records.remove(id);
        if let Some(record) = &record
            && let Some(live) = &record.live
        {
            let before = (&live.vhost, record.options());
            let wish = self.surroundings.wish(id, Some(before), None);
            step.wishes.extend(wish.map(|wish| self.allowed(wish)));
        }
        self.release(id, record.and_then(|record| record.live), step);
    }

    /// Gives up everything that a site served.
    fn release(&mut self, id: &SiteId, live: Option<Arc<LiveSite>>, step: &mut Step) {
        self.with_files.remove(id);
        if let Some(live) = live {
            step.table.extend(live.vhost.hosts.iter().cloned().map(TableChange::Remove));
        }
        let settlement = self.claims.release(&self.surroundings.petition(id, UNKNOWN_OWNER));
        step.settled(settlement);
        step.ledger.push(Entry::Forget(id.clone()));
        step.forgotten.insert(id.clone());
    }

    /// The file has an error: what is live stays live; after a start the last good version comes from the ledger.
    /// `owner` is the file's, unless that cannot be told.
    fn keep_last_good(&mut self, id: &SiteId, owner: Option<TenantId>, reports: Box<[Report]>, step: &mut Step) {
        let owner = match (self.records.get(id).map(|record| record.owner), owner) {
            (None, owner) => self.restore(id, owner, step),
            (Some(before), owner) => {
                if owner.is_some_and(|owner| !may_follow(owner, before)) {
                    self.removed(id, step); // as after a restart: see `restore`
                }
                owner.unwrap_or(before)
            }
        };
        let record = self.record(id, owner);
        record.change(|rest| {
            (rest.reports, rest.asked_for) = (reports, Box::default());
            rest.unproven_file = None;
        });
        record.state = if record.is_of_use() { SiteState::Stale } else { SiteState::Broken };
    }

    /// Brings the last good version of a site back from the ledger, unless the file is another user's now: then its
    /// predecessor's site is over. Says whose the site is.
    fn restore(&mut self, id: &SiteId, owner: Option<TenantId>, step: &mut Step) -> TenantId {
        match self.surroundings.ledger.as_ref().and_then(|ledger| ledger.good(id)) {
            None => owner.unwrap_or(UNKNOWN_OWNER),
            Some(version) if owner.is_some_and(|owner| !may_follow(owner, version.owner)) => {
                self.release(id, None, step);
                owner.unwrap_or(version.owner)
            }
            Some(version) => {
                let good_owner = version.owner;
                self.revive(id, version, step);
                owner.unwrap_or(good_owner)
            }
        }
    }

    /// Sites that waited for a name that is free now are settled again, and then those get certificates that waited for room
    /// among their tenant's. Each wake ends a wait, so this ends.
    fn wake(&mut self, step: &mut Step) {
        while let Some(id) = step.woken.pop_front() {
            match self.records.get_mut(&id).and_then(|record| record.change(|rest| rest.waiting.take())) {
                Some(version) => self.contain(&id, step, |sites, step| sites.revive(&id, *version, step)),
                None => step.settled(self.claims.forgo_room(&id)),
            }
        }
        self.pass_allowances_on(step);
    }

    /// Activates a version that was good before: one that waited for a name, or one from the ledger.
    fn revive(&mut self, id: &SiteId, version: Version, step: &mut Step) {
        let Some(site) = parse_site(&version.text).value else { return };
        let files = Files::of(&site);
        let result = self.activate(id, &version, &site, Vec::new(), step);
        let source = source(id, &version.text);
        let owner = self.records.get(id).map_or(version.owner, |record| record.owner);
        let record = self.record(id, owner);
        let is_file = matches!(record.state, SiteState::Live | SiteState::Partial);
        let (Ok(findings) | Err(findings)) = &result;
        if is_file {
            record.change(|rest| rest.reports = reports(findings, &source)); // else: what the broken file says still stands
        }
        match result {
            Ok(_) => {
                record.change(|rest| rest.unproven_good = None);
                record.state = match (is_file, record.is_waiting()) {
                    (true, true) => SiteState::Partial,
                    (true, false) => SiteState::Live,
                    (false, _) => SiteState::Stale,
                };
            }
            Err(diagnostics) => {
                if is_file {
                    record.change(|rest| rest.waiting = Some(Box::new(version.clone())));
                    record.state = if record.live.is_some() { SiteState::Partial } else { SiteState::Broken };
                }
                record.change(|rest| rest.unproven_good = Unproven::of(version, files, &diagnostics));
                // A name that it was woken for must not be kept from the tenant's other sites by a site that does not take it.
                step.settled(self.claims.forgo_room(id));
            }
        }
        self.attend(id);
    }

    /// The record of a site, made when missing. The owner is the file's as it is now.
    fn record(&mut self, id: &SiteId, owner: TenantId) -> &mut Record {
        self.records.of(id, owner)
    }
}

/// May a broken file of `owner` leave the version of `before` live? The operator's hand on a tenant's file ends nothing;
/// another tenant's does.
fn may_follow(owner: TenantId, before: TenantId) -> bool {
    owner == before || owner == TenantId::OPERATOR || before == UNKNOWN_OWNER
}

/// Which site file a change is of.
pub(crate) fn change_id(change: &Change) -> &SiteId {
    match change {
        Change::Written(file) => &file.id,
        Change::Unreadable { id, .. } | Change::Removed(id) => id,
    }
}

fn hosts_of(site: &vestibule_site::Site) -> Box<[HostPattern]> {
    site.hosts.iter().map(|host| host.value.clone()).collect()
}

pub(crate) fn source(id: &SiteId, bytes: &[u8]) -> Source {
    Source { name: Arc::from(id.as_str()), text: Arc::from(String::from_utf8_lossy(bytes)) }
}

fn reports(diagnostics: &[Diagnostic], source: &Source) -> Box<[Report]> {
    diagnostics.iter().map(|diagnostic| Report::new(diagnostic, source)).collect()
}
