//! What people ask the planner: how names stand, and how long a queue would take.

use vestibule_certs::store::{CaId, IssuanceId};
use vestibule_names::{HostPattern, SiteId, TenantId};

use crate::{Timestamp, config::SiteOptions, failure::FailureKind};

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
    /// The last failure since the last success, or what it waits for and since when; none once all is well.
    pub failure: Option<(FailureKind, String, Timestamp)>,
    /// Failures in a row.
    pub failures: u32,
}

/// A name that a site wants a certificate for.
#[derive(Clone, Copy, Debug)]
pub struct WantedName<'a> {
    /// Which name.
    pub name: &'a HostPattern,
    /// Whose.
    pub tenant: TenantId,
    /// What holds for it: where several sites want it, the first one's.
    pub options: &'a SiteOptions,
}

/// How a sentence begins that tells no failure, but what a name waits for before its first attempt.
const WAITS_FOR: &str = "waits for ";

/// Does a sentence in [`NameStatus::failure`] tell only what is waited for?
pub(crate) fn only_waits(sentence: &str) -> bool {
    sentence.starts_with(WAITS_FOR)
}

/// The sentence about what is waited for.
pub(super) fn waits_for(what: &str) -> String {
    format!("{WAITS_FOR}{what}")
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

/// A simulated queue.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// The sites that wait for something, in the order in which they would be done.
    pub sites: Vec<SiteForecast>,
    /// How many orders all of that takes, one that several sites share counted once.
    pub orders: usize,
}

/// One site of it.
#[derive(Clone, Debug)]
pub struct SiteForecast {
    /// Which site.
    pub site: SiteId,
    /// When its last name would have its certificate.
    pub done: Timestamp,
    /// In how many orders it has names.
    pub orders: usize,
    /// What one of its names waits for longest, in words: a limit of the CA, its wish, a back-off; `None`: nothing.
    pub waits_for: Option<String>,
}

/// What keeps a name from its next order, though its own back-off is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// What kind of thing that is.
    pub by: HoldKind,
    /// Until when, as far as known.
    pub until: Timestamp,
    /// In words, after "waits for".
    pub why: String,
}

/// What a name is held by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldKind {
    /// A limit of a CA.
    Limit,
    /// This CA, which does not work.
    Ca(CaId),
    /// DNS, another order, the settings.
    Other,
}
