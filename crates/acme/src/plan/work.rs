//! The nouns of the planner's surface: jobs, what comes back of them, and what must be made durable.

use std::sync::Arc;

use vestibule_certs::store::{CaId, IssuanceId, Issued, KeyType};
use vestibule_names::{HostPattern, TenantId};

use crate::{
    Timestamp,
    config::{ChallengeKind, Profile, SiteDns},
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
    /// Order a certificate. Told back with [`super::Planner::ordered`].
    Order(Order),
    /// Ask for renewal information (RFC 9773). Told back with [`super::Planner::informed`].
    RenewalInfo {
        /// At which CA.
        ca: CaId,
        /// About which issuance.
        issuance: IssuanceId,
        /// Its identifier (RFC 9773 section 4.1).
        certificate: String,
    },
    /// Look whether DNS points here now. Told back with [`super::Planner::checked`].
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
    pub renews: Option<(IssuanceId, Option<Arc<str>>)>,
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
