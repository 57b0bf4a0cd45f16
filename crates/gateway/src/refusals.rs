//! [`Refusals`]: what the log is told of requests and connections that were refused. Every one has a code and is counted
//! (`totals.rs`); of each code a tenant has a line at once, and then one in [`INTERVAL`] at most, with the number of those
//! that had none. So a flood costs the log a line now and then, and none of it goes untold.
//!
//! What it keeps is a number for each code and tenant, and for each code of whoever asked for nobody's site: however many
//! names are asked for, and from wherever. What came from a client or a backend is cut and printable in a line.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tracing::field::display;
use vestibule_diagnostics::quote::one_line;
use vestibule_names::{ClientAddr, RequestId, SiteId};
use vestibule_proxy::{Rate, Refusal};

use crate::{outcome::Outcome, tenant::Tenant};

/// Of one code and tenant there is at most one line in this time.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);
/// Lines of all codes and tenants together. What finds no room is told later.
const LINES_PER_SECOND: u64 = 50;

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// A request: the gateway answered it itself.
    Request(Refusal),
    /// A connection: it ended so.
    Connection(Outcome),
    /// The rest of a response: the client has seen the cut.
    Response,
}

/// How loud a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loudness {
    /// It is no refusal.
    Silent,
    /// A client's own doing.
    Info,
    /// Somebody with a site should look.
    Warn,
    /// The operator should look.
    Error,
}

impl Refused {
    const COUNT: usize = Refusal::ALL.len() + Outcome::ALL.len() + 1;

    fn all() -> impl Iterator<Item = Self> {
        let requests = Refusal::ALL.into_iter().map(Self::Request);
        requests.chain(Outcome::ALL.into_iter().map(Self::Connection)).chain([Self::Response])
    }

    /// Its place in [`Refused::all`].
    fn index(self) -> usize {
        match self {
            Self::Request(refusal) => refusal as usize,
            Self::Connection(outcome) => Refusal::ALL.len() + outcome as usize,
            Self::Response => Self::COUNT - 1,
        }
    }

    /// The code: what metrics and access events call it, too.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Request(refusal) => refusal.word(),
            Self::Connection(outcome) => outcome.word(),
            Self::Response => "response_cut",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Request(_) => "a request was refused",
            Self::Connection(_) => "a connection was refused",
            Self::Response => "a response was cut",
        }
    }

    fn loudness(self) -> Loudness {
        match self {
            Self::Request(Refusal::Internal) | Self::Connection(Outcome::Panicked | Outcome::Unprepared) => {
                Loudness::Error
            }
            Self::Request(Refusal::UnsupportedCoding | Refusal::ShuttingDown | Refusal::NoCertificate) => {
                Loudness::Info
            }
            Self::Request(refusal) if refusal.status().is_server_error() || refusal.is_tenants() => Loudness::Warn,
            Self::Request(_) => Loudness::Info,
            Self::Response | Self::Connection(Outcome::TenantLimit) => Loudness::Warn,
            Self::Connection(outcome) if outcome.is_refusal() => Loudness::Info,
            Self::Connection(_) => Loudness::Silent,
        }
    }
}

/// What is known of it beside the code.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Particulars<'a> {
    pub(crate) client: Option<ClientAddr>,
    /// `None`: nobody's site was asked for.
    pub(crate) tenant: Option<&'a Tenant>,
    pub(crate) site: Option<&'a SiteId>,
    pub(crate) request_id: Option<RequestId>,
    pub(crate) why: Option<&'a str>,
}

/// What was told of each code: of one tenant, or of nobody.
#[derive(Debug)]
pub(crate) struct Told([Gate; Refused::COUNT]);

impl Default for Told {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Gate::default()))
    }
}

/// See the module. Shared by all workers; nothing of it waits.
#[derive(Debug)]
pub(crate) struct Refusals {
    origin: Instant,
    nobodys: Told,
    lines: Rate,
}

impl Refusals {
    pub(crate) fn new(now: Instant) -> Self {
        Self { origin: now, nobodys: Told::default(), lines: Rate::new(LINES_PER_SECOND, now) }
    }

    /// One more was refused.
    pub(crate) fn tell(&self, refused: Refused, particulars: &Particulars<'_>) {
        if refused.loudness() == Loudness::Silent {
            return;
        }
        let now = Instant::now();
        let told = particulars.tenant.map_or(&self.nobodys, Tenant::told);
        if let Some(unsaid) = told.0[refused.index()].pass(self.millis(now), || self.lines.take(now).is_ok()) {
            say(refused, particulars, unsaid);
        }
    }

    /// Tells what is left of floods that are over. To be asked now and then.
    pub(crate) fn catch_up(&self, tenants: &[Arc<Tenant>]) {
        let now = Instant::now();
        for tenant in tenants.iter().map(|tenant| Some(&**tenant)).chain([None]) {
            let told = tenant.map_or(&self.nobodys, Tenant::told);
            for refused in Refused::all() {
                let gate = &told.0[refused.index()];
                if let Some(unsaid) = gate.rest(self.millis(now), || self.lines.take(now).is_ok()) {
                    let of = tenant.map(|tenant| display(tenant.id()));
                    tracing::info!(
                        code = refused.word(),
                        tenant = of,
                        unsaid,
                        "{}, and no line told it",
                        refused.what()
                    );
                }
            }
        }
    }

    /// The same at the end, of all tenants together.
    pub(crate) fn finish(&self, tenants: &[Arc<Tenant>]) {
        for refused in Refused::all() {
            let all = tenants.iter().map(|tenant| tenant.told()).chain([&self.nobodys]);
            let unsaid: u64 = all.map(|told| told.0[refused.index()].unsaid.swap(0, Relaxed)).sum();
            if unsaid > 0 {
                tracing::info!(code = refused.word(), unsaid, "{}, and no line told it", refused.what());
            }
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.origin).as_millis()).unwrap_or(u64::MAX)
    }
}

fn say(refused: Refused, particulars: &Particulars<'_>, unsaid: u64) {
    let &Particulars { client, tenant, site, request_id, why } = particulars;
    let (code, what) = (refused.word(), refused.what());
    let (client, tenant) = (client.map(display), tenant.map(|tenant| display(tenant.id())));
    let (site, request_id) = (site.map(display), request_id.map(display));
    let why = why.map(one_line);
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(code, client, tenant, site, request_id, why, unsaid, "{what}")
        };
    }
    match refused.loudness() {
        Loudness::Silent => {}
        Loudness::Info => line!(info),
        Loudness::Warn => line!(warn),
        Loudness::Error => line!(error),
    }
}

/// Lets one through per [`INTERVAL`], and counts the others.
#[derive(Debug, Default)]
struct Gate {
    /// Milliseconds after the origin.
    opens_at: AtomicU64,
    unsaid: AtomicU64,
}

impl Gate {
    /// One more. How many before it were not said, if this one may be, and there is room for a line.
    fn pass(&self, now: u64, room: impl FnOnce() -> bool) -> Option<u64> {
        if self.opens(now, room) {
            return Some(self.unsaid.swap(0, Relaxed));
        }
        self.unsaid.fetch_add(1, Relaxed);
        None
    }

    /// How many were not said, if there are any and it may be told now.
    fn rest(&self, now: u64, room: impl FnOnce() -> bool) -> Option<u64> {
        let is_due = self.unsaid.load(Relaxed) > 0 && self.opens(now, room);
        is_due.then(|| self.unsaid.swap(0, Relaxed))
    }

    /// Is it open? Then it is shut again: of those who come at once, one gets through.
    fn opens(&self, now: u64, room: impl FnOnce() -> bool) -> bool {
        let at = self.opens_at.load(Relaxed);
        let next = now.saturating_add(INTERVAL.as_millis() as u64);
        now >= at && room() && self.opens_at.compare_exchange(at, next, Relaxed, Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests;
