//! [`Planner`]: what is due, when, at which CA, for whom: a pure state machine. Time and randomness are arguments.
//!
//! It holds every limit of every CA (GCRA), per-name back-off and quarantine, the renewal calendar (ARI first), single
//! flight per set of names, and fairness between tenants. What must survive a restart leaves it as [`Record`]s, to be
//! made durable *before* the job that caused them runs.
//!
//! One wanted name of one tenant is the unit of everything; certificates and orders only group names:
//!
//! ```text
//!            want                                 look says NotHere
//!   (gone) ───────▶ unseen ──look──▶ in a lane ◀─────────────────── parked ◀─┐
//!      ▲              │ advisory     │    ▲  ▲                        │      │ a budget, the CA, a wildcard in
//!      │ unwant       └─────────────▶│    │  └── back-off over, DNS ──┘      │ flight, DNS or the settings
//!      │                             │    │      mended, budget refilled     │
//!      │                        dispatch  └─────────── blamed ──┐            │
//!      │                             ├─ some budget is spent ───┼────────────┘
//!      │                             ▼                          │
//!      │                          in flight ──── ordered ───────┤
//!      │                             ▲                          ▼
//!      └──────────────────────── due: calendar ◀──────────── covered
//! ```
//!
//! `settle` is the one place that decides where a name stands; whatever happens to a name ends in it. A name stands in at
//! most one of: a flight, a lane (`lanes`), a timer. So nothing is ordered twice, and nothing that waits is forgotten.
//!
//! | module | in reading order |
//! |---|---|
//! | `work`, `standing` | the nouns of the surface |
//! | `name`, `lot`, `calendar`, `ca` | one wanted name, its fate where it has one, one certificate, one CA |
//! | `wants` | want and unwant; `settle` |
//! | `holdings` | what covers a name, and its calendar |
//! | `lanes` | who goes next |
//! | `terms`, `group` | what an order says, which names share it, at which CA |
//! | `dispatch` | `next` and `wake_at` |
//! | `outcome` | what an order's end does to names, certificates and CAs |
//! | `clock` | a clock that goes back |
//! | `polls`, `looks` | renewal information; DNS |
//! | `bucket`, `slab`, `name_set`, `siblings` | one limit; numbered values; several names, and those a wildcard could cover |
//! | `journal`, `restore` | records: written, and read back |
//! | `status`, `forecast` | what people ask |

mod bucket;
mod ca;
mod calendar;
mod clock;
mod dispatch;
mod forecast;
mod group;
mod holdings;
mod journal;
mod lanes;
mod looks;
mod lot;
mod name;
mod name_set;
mod outcome;
mod polls;
mod restore;
mod siblings;
mod slab;
mod standing;
mod status;
mod terms;
mod wants;
mod work;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use vestibule_certs::store::IssuanceId;
use vestibule_names::{Few, Lookup, SiteId, TenantId};

pub(crate) use standing::only_waits;
pub use standing::{Forecast, Hold, HoldKind, NameState, NameStatus, SiteForecast, WantedName};
pub(crate) use terms::proofs;
pub use work::{Job, JobId, Obtained, Order, Pointing, Randomness, Record, RenewalWindow, Sight, Work};

use crate::{
    Timestamp,
    config::{Config, SiteOptions},
};
use ca::Ca;
use calendar::Cert;
use clock::Ended;
use journal::Journal;
use lanes::Lanes;
use looks::Looks;
use name::Name;
use outcome::Flight;
use siblings::Siblings;
use slab::{CertIx, NameIx, Slab};

/// How much is looked at, and how often. The default keeps the promise that DNS made right is seen within a minute as long
/// as no more than about a thousand names wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two looks at one name that waits.
    pub look_every: Duration,
    /// Looks per second, over all names.
    pub looks_per_second: u32,
    /// Between two requests for renewal information of one certificate when the CA names no time: never more than 12 hours.
    pub poll_every: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { look_every: Duration::from_secs(30), looks_per_second: 20, poll_every: Duration::from_secs(6 * 3600) }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Planner {
    config: Arc<Config>,
    pace: Pace,
    /// In the order of the configuration.
    cas: Vec<Ca>,
    names: Slab<NameIx, Name>,
    /// By the pattern alone: of several tenants at worst.
    by_name: Lookup<NameIx>,
    /// Names that a wildcard could cover.
    siblings: Siblings,
    sites: BTreeMap<SiteId, Site>,
    /// The options of all sites that say nothing.
    plain: Arc<SiteOptions>,
    certs: Slab<CertIx, Cert>,
    by_issuance: Lookup<CertIx>,
    /// Live issuances by tenant and name: which, and the place of the name in it.
    by_covered: Lookup<(CertIx, u32)>,
    lanes: Lanes,
    timers: BTreeSet<(Timestamp, Timer)>,
    looks: Looks,
    flights: BTreeMap<JobId, Flight>,
    /// Names that wait for a CA which is down, and some that have stopped to.
    parked_for_ca: BTreeSet<NameIx>,
    /// When the last certificate of names ran out before this run, as far as the store knows.
    lapsed: HashMap<(TenantId, Arc<str>), Timestamp>,
    /// Certificates that have run out, in case the clock was wrong.
    ended: Ended,
    /// The last time that was told.
    latest: Timestamp,
    /// Orders of an earlier run that nobody has resumed yet.
    orphans: Vec<Flight>,
    polls_in_flight: HashMap<JobId, (CertIx, IssuanceId)>,
    next_job: u64,
    next_part: u64,
    journal: Journal,
    /// What the lanes wait for, as the last `next` found it; `Some` of the past: not known.
    lanes_wait: Option<Timestamp>,
    /// Set in a simulation only: how long names have waited, and for what.
    waits: Option<forecast::Ledger>,
}

#[derive(Clone, Debug)]
struct Site {
    names: Few<NameIx>,
    /// Those among them that are wildcards.
    wildcards: Box<[NameIx]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Name(NameIx),
    Cert(CertIx),
    /// Forgets what is not needed any more.
    Sweep,
}

impl Planner {
    /// With a pace of one's own.
    #[must_use]
    pub fn paced(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Everybody has said what they want. Trees that were filled in order have half of each node empty: that is given back.
    pub fn pack(&mut self) {
        repacked(&mut self.sites);
        repacked(&mut self.timers);
        self.cas.iter_mut().for_each(|ca| repacked(&mut ca.polls));
    }

    fn job_id(&mut self) -> JobId {
        self.next_job += 1;
        JobId(self.next_job)
    }
}

/// A collection that is built at once from what is in order fills its nodes.
fn repacked<T>(tree: &mut T)
where
    T: Default + IntoIterator + FromIterator<T::Item>,
{
    *tree = std::mem::take(tree).into_iter().collect();
}

#[cfg(test)]
mod tests;
