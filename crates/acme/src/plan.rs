//! [`Planner`]: what is due, when, at which CA, for whom: a pure state machine. Time and randomness are arguments.
//!
//! It holds every limit of every CA (GCRA), per-name back-off and quarantine, the renewal calendar (ARI first), single
//! flight per set of names, and fairness between tenants. What must survive a restart leaves it as [`Record`]s, to be
//! made durable *before* the job that caused them runs.

use vestibule_certs::store::{CaId, IssuanceId, Issued, KeyType};
use vestibule_names::{HostPattern, SiteId, TenantId};

use crate::{
    Timestamp,
    config::{ChallengeKind, Config, Profile, SiteDns, SiteOptions},
    failure::{Failure, FailureKind},
};

/// Randomness as an argument.
pub trait Randomness {
    /// Uniform in `0.0 .. 1.0`.
    fn fraction(&mut self) -> f64;
}

/// A number for a job, never used twice in one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// Something to do now.
#[derive(Clone, Debug)]
pub struct Job {
    /// Which; told back with what came of it.
    pub id: JobId,
    /// What.
    pub work: Work,
}

/// What there is to do.
#[derive(Clone, Debug)]
pub enum Work {
    /// Order a certificate. Told back with [`Planner::ordered`].
    Order(Order),
    /// Ask for renewal information (RFC 9773). Told back with [`Planner::informed`].
    RenewalInfo {
        /// At which CA.
        ca: CaId,
        /// About which issuance.
        issuance: IssuanceId,
        /// Its identifier (RFC 9773 section 4.1).
        certificate: String,
    },
    /// Look whether DNS points here now. Told back with [`Planner::checked`].
    CheckDns {
        /// Names in quarantine, or waiting for their first order.
        names: Vec<HostPattern>,
    },
}

/// One order.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// At which CA.
    pub ca: CaId,
    /// For whom.
    pub tenant: TenantId,
    /// Sorted, without doubles.
    pub names: Vec<HostPattern>,
    /// Which issuance it renews, with its ARI identifier when the order shall carry `replaces`.
    pub renews: Option<(IssuanceId, Option<String>)>,
    /// Which profile.
    pub profile: Option<Profile>,
    /// Which key.
    pub key_type: KeyType,
    /// Challenges to try, best first (what worked last time comes first). A failed authorization is final, so the client
    /// tries the first one that the CA offers for a name; the next one leads in the next order.
    pub challenges: Vec<ChallengeKind>,
    /// How DNS-01 is answered.
    pub dns: Option<SiteDns>,
}

/// What came of an order that worked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obtained {
    /// The issuance, in the store.
    pub issued: Issued,
    /// Which challenge each name was proved with just now: it is tried first next time. Names whose authorization the CA
    /// reused are absent.
    pub proved: Vec<(HostPattern, ChallengeKind)>,
}

/// What renewal information said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenewalWindow {
    /// Its start.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
    /// When to ask again.
    pub retry_after: Option<std::time::Duration>,
}

/// What a look at DNS said of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointing {
    /// To this gateway.
    Here,
    /// Somewhere, and we do not know our own public addresses.
    Unknown,
    /// Elsewhere, or nowhere.
    NotHere,
}

/// What a look at DNS saw of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Does it point here?
    pub pointing: Pointing,
    /// A fingerprint of all its addresses, zero for none: a change says that somebody has mended something.
    pub addresses: u64,
}

/// One durable record: a key, and a value or its removal. What both contain is the planner's own matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Unique among the records.
    pub key: String,
    /// `None`: forget it.
    pub value: Option<Vec<u8>>,
}

/// How one wanted name stands.
#[derive(Clone, Debug)]
pub struct NameStatus {
    /// Which name.
    pub name: HostPattern,
    /// Of which site.
    pub site: SiteId,
    /// Whose.
    pub tenant: TenantId,
    /// In one word.
    pub state: NameState,
    /// What is served for it, if anything is.
    pub issuance: Option<IssuanceId>,
    /// The end of that.
    pub not_after: Option<Timestamp>,
    /// When its renewal is due.
    pub renew_at: Option<Timestamp>,
    /// When something is tried next, as far as known.
    pub next_attempt: Option<Timestamp>,
    /// The last failure since the last success.
    pub failure: Option<(FailureKind, String, Timestamp)>,
    /// Failures in a row.
    pub failures: u32,
}

/// The state of a wanted name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameState {
    /// Waits for its first order: for its turn, a limit or a back-off.
    Waiting,
    /// An order is in flight.
    Ordering,
    /// Has a certificate, nothing is due.
    Valid,
    /// Has a certificate; renewal is due and tried.
    Renewing,
    /// Failed so often that only DNS is looked at, until it points here.
    Quarantined,
    /// Had a certificate that has run out.
    Expired,
}

/// One line of a simulated queue.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// Which site.
    pub site: SiteId,
    /// When its last name would have its certificate.
    pub done: Timestamp,
    /// How many orders that takes.
    pub orders: usize,
    /// Which limit it waits for longest, in words; `None`: none.
    pub waits_for: Option<String>,
}

/// See the module.
#[derive(Debug)]
pub struct Planner {
    _config: Config,
}

impl Planner {
    /// From the configuration, the durable records of before, and what the store holds. Records that cannot be read are
    /// left out; if none can be read though there are issuances, budgets start empty rather than full.
    pub fn restore(_config: Config, _records: Vec<Record>, _issued: &[Issued], _now: Timestamp) -> Self {
        todo!()
    }

    /// The names that a site wants certificates for (public ones only, all held by `tenant`). Replaces what the site wanted
    /// before. Never cancels an order.
    pub fn want(
        &mut self,
        _site: &SiteId,
        _tenant: TenantId,
        _names: &[HostPattern],
        _options: &SiteOptions,
        _now: Timestamp,
    ) {
        todo!()
    }

    /// The site is gone. What is in flight goes on; what is issued is no longer renewed.
    pub fn unwant(&mut self, _site: &SiteId, _now: Timestamp) {
        todo!()
    }

    /// The next thing to do now, if any. To be called until it says `None`; what it changed is in [`Planner::records`].
    pub fn next(&mut self, _now: Timestamp, _random: &mut dyn Randomness) -> Option<Job> {
        todo!()
    }

    /// When to call [`Planner::next`] again, if nothing else happens.
    pub fn wake_at(&self) -> Option<Timestamp> {
        todo!()
    }

    /// What has changed since the last call and must be durable before a job runs.
    pub fn records(&mut self) -> Vec<Record> {
        todo!()
    }

    /// An order has ended.
    pub fn ordered(
        &mut self,
        _job: JobId,
        _outcome: Result<Obtained, Failure>,
        _now: Timestamp,
        _random: &mut dyn Randomness,
    ) {
        todo!()
    }

    /// An order of an earlier run of the process is being resumed: its names are in flight. Told back with `ordered`.
    pub fn resumed(&mut self, _order: Order, _now: Timestamp) -> JobId {
        todo!()
    }

    /// Renewal information has come, or failed to.
    pub fn informed(
        &mut self,
        _job: JobId,
        _outcome: Result<RenewalWindow, Failure>,
        _now: Timestamp,
        _random: &mut dyn Randomness,
    ) {
        todo!()
    }

    /// DNS has been looked at.
    pub fn checked(&mut self, _job: JobId, _outcome: &[(HostPattern, Sight)], _now: Timestamp) {
        todo!()
    }

    /// An issuance came into the store by another way (an import).
    pub fn adopted(&mut self, _issued: &Issued, _now: Timestamp) {
        todo!()
    }

    /// Renew the certificate of this name now, as an operator asked: skips back-off and quarantine, never a limit of the CA.
    /// False when nobody wants that name.
    pub fn renew_now(&mut self, _name: &HostPattern, _now: Timestamp) -> bool {
        todo!()
    }

    /// An issuance was revoked by us: its names are ordered anew.
    pub fn revoked(&mut self, _issuance: &IssuanceId, _now: Timestamp) {
        todo!()
    }

    /// How the names of one site stand.
    pub fn status(&self, _site: &SiteId, _now: Timestamp) -> Vec<NameStatus> {
        todo!()
    }

    /// How one name stands.
    pub fn status_of(&self, _name: &HostPattern, _now: Timestamp) -> Option<NameStatus> {
        todo!()
    }

    /// Simulates the queue against the CAs' budgets, asking nobody: when would each site be done? In order of time.
    pub fn forecast(&self, _now: Timestamp) -> Vec<Forecast> {
        todo!()
    }
}
