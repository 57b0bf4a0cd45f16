//! [`Name`]: one wanted name of one tenant: who wants it, what covers it, and how it has fared.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use vestibule_names::{Few, HostPattern, Hostname, SiteId, TenantId, suffix};

use super::{
    ca::{Closed, RETRY_AFTER_LIMIT},
    lanes::Lane,
    looks::Look,
    lot::Lot,
    slab::CertIx,
    work::{JobId, Pointing, Randomness, Sight},
};
use crate::{
    Timestamp,
    config::{ChallengeKind, SiteOptions},
    failure::FailureKind,
};

/// After how many failures of validation in a row only DNS is looked at.
pub(super) const QUARANTINE_AFTER: u32 = 5;
/// What is kept of a sentence, in bytes.
pub(super) const SENTENCE_LIMIT: usize = 400;
const MINUTE: u64 = 60;
/// Waits after the first, second … failure in a row.
const LADDER: [u64; 5] = [MINUTE, 10 * MINUTE, 100 * MINUTE, 360 * MINUTE, 1440 * MINUTE];
/// The wait once DNS has said for [`HOPELESS_AFTER`] failures in a row that the next one fails too. DNS is looked at all the
/// while; this only guards against looks that lie.
const HOPELESS: Duration = Duration::from_secs(7 * 24 * 3600);
const HOPELESS_AFTER: u32 = 30;
/// The first waits of the ladder that a change in DNS skips however often it changes.
const FREE_SKIPS: u32 = 2;
/// Between two orders of a name that only a change of its options asks for: no limit of a CA stops who edits a file in a loop.
const CHANGE_EVERY: Duration = Duration::from_secs(3600);
/// DNS that has not changed for as long may change again for free.
const CALM: Duration = Duration::from_secs(24 * 3600);

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) tenant: TenantId,
    pub(super) pattern: HostPattern,
    /// Who wants it; the options of the first one hold.
    pub(super) sites: Few<(SiteId, Arc<SiteOptions>)>,
    /// Since when it waits for its first certificate.
    pub(super) since: Timestamp,
    /// What covers it, best what does as its options ask.
    pub(super) cert: Option<CertIx>,
    pub(super) fate: Lot<Fate>,
    /// An operator asked for it.
    pub(super) forced: bool,
    pub(super) sight: Option<Box<Sight>>,
    /// A look is wanted before the first order.
    pub(super) unseen: bool,
    pub(super) quest: Lot<Quest>,
}

/// What is known of a name only while it is without what it needs, or lately was. Not durable.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Quest {
    /// When the last certificate ran out or was revoked, if it is without one since.
    pub(super) lapsed: Option<Timestamp>,
    pub(super) flight: Option<JobId>,
    /// What the CA counts it under, once it has been in a lane.
    pub(super) domain: Option<Arc<str>>,
    /// Where it waits: at most one of the two.
    pub(super) lane: Option<(Lane, Timestamp)>,
    pub(super) timer: Option<Timestamp>,
    /// Waits for something other than its own back-off until then.
    pub(super) parked: Option<Parked>,
    /// Where it stands with looks at DNS.
    pub(super) look: Look,
    pub(super) looked_at: Timestamp,
    /// When a look last saw something mended.
    pub(super) changed_at: Timestamp,
}

/// What is durable of a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Fate {
    /// Failures of validation in a row.
    pub(super) failures: u32,
    /// Other failures in a row: of the CA, of the settings.
    pub(super) setbacks: u32,
    /// Not before this, as was said then.
    pub(super) retry_at: Timestamp,
    pub(super) said_at: Timestamp,
    pub(super) last_attempt: Timestamp,
    pub(super) last: Option<(FailureKind, String, Timestamp)>,
    /// Was blamed: goes alone until it works.
    pub(super) alone: bool,
    /// Which half of a bisected order it belongs to; zero: none.
    pub(super) part: u64,
    /// What worked last, if that is not what is preferred anyway; what has failed since, the latest last.
    pub(super) learned: Option<ChallengeKind>,
    pub(super) failed_with: Vec<ChallengeKind>,
    /// How often a change in DNS has skipped the back-off since the last success.
    pub(super) skips: u32,
    /// Since when DNS has been seen to point elsewhere, while there is no certificate.
    pub(super) elsewhere_since: Option<Timestamp>,
    /// People were told that it is in quarantine.
    pub(super) quarantine_told: bool,
    /// When an order last began only because its certificate did not do what its options ask for.
    pub(super) change_ordered_at: Option<Timestamp>,
}

/// Why a name waits though its own back-off is over.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parked {
    pub(super) until: Timestamp,
    pub(super) why: Waits,
}

/// What a name can wait for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Waits {
    /// The CA is down; another must not be asked yet.
    Ca,
    /// New orders per account.
    Orders,
    /// Certificates per registered domain.
    Domain(Arc<str>),
    /// Certificates per set.
    Set,
    /// Failed authorizations.
    Failures,
    /// The CA asked to wait.
    Told,
    /// A wildcard of the tenant that is being ordered.
    Wildcard,
    /// The first look at other names of its site.
    Mates,
    /// The first look at its own DNS.
    Look,
    /// DNS points elsewhere.
    Dns,
    /// Its back-off after failures.
    BackOff,
    /// The settings or the site must change.
    Settings,
    /// The options of its site have changed twice within [`CHANGE_EVERY`].
    Change,
}

impl From<Closed> for Waits {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Orders => Self::Orders,
            Closed::Told => Self::Told,
        }
    }
}

impl Waits {
    /// In words, after "waits for".
    pub(super) fn words(&self) -> String {
        match self {
            Self::Ca => "the CA, which is down".into(),
            Self::Orders => "the limit of new orders per account".into(),
            Self::Domain(domain) => format!("the limit of certificates for {domain}"),
            Self::Set => "the limit of certificates for one set of names".into(),
            Self::Failures => "the limit of failed authorizations".into(),
            Self::Told => "the time that the CA asked to wait".into(),
            Self::Wildcard => "a wildcard that is being ordered".into(),
            Self::Mates => "a look at the site's other names".into(),
            Self::Look => "a first look at DNS".into(),
            Self::BackOff => "the time after its last failure".into(),
            Self::Dns => "DNS to point here".into(),
            Self::Settings => "a change of the settings or the site".into(),
            Self::Change => "an hour to pass since the site's key type or profile changed last".into(),
        }
    }
}

impl Name {
    pub(super) fn new(tenant: TenantId, pattern: HostPattern, now: Timestamp) -> Self {
        Self {
            tenant,
            pattern,
            sites: Few::default(),
            since: now,
            cert: None,
            fate: Lot::default(),
            forced: false,
            sight: None,
            unseen: false,
            quest: Lot::default(),
        }
    }

    /// The pattern as text: the very one, but for wildcards and addresses.
    pub(super) fn text(&self) -> Arc<str> {
        self.pattern.text()
    }

    /// What the CA counts it under.
    pub(super) fn domain(&self) -> Arc<str> {
        self.quest.domain.clone().unwrap_or_else(|| suffix::registered_domain_of(&self.pattern).into())
    }

    /// Below which a wildcard would cover it; `None` when none could.
    pub(super) fn parent(&self) -> Option<Hostname> {
        if let HostPattern::Exact(name) = &self.pattern { name.parent() } else { None }
    }

    /// Whose it is, and that name as text.
    pub(super) fn below(&self) -> Option<(TenantId, &str)> {
        let HostPattern::Exact(name) = &self.pattern else { return None };
        name.as_str().split_once('.').map(|(_, parent)| (self.tenant, parent))
    }

    pub(super) fn options(&self) -> Option<&Arc<SiteOptions>> {
        self.sites.first().map(|(_, options)| options)
    }

    pub(super) fn is_wanted(&self) -> bool {
        !self.sites.is_empty()
    }

    /// Does DNS say that an order would fail?
    pub(super) fn points_elsewhere(&self) -> bool {
        self.sight.as_ref().is_some_and(|sight| sight.pointing == Pointing::NotHere)
    }

    pub(super) fn is_quarantined(&self) -> bool {
        self.fate.failures >= QUARANTINE_AFTER || (self.points_elsewhere() && self.cert.is_none())
    }

    /// Validation failed: the next wait of the ladder, or its longest when DNS says that it will fail again.
    pub(super) fn failed(&mut self, now: Timestamp, retry_after: Option<Duration>, random: &mut dyn Randomness) {
        self.fate.failures = self.fate.failures.saturating_add(1);
        let wait = match self.points_elsewhere() {
            false => ladder(self.fate.failures),
            true if self.fate.failures <= HOPELESS_AFTER => ladder(u32::MAX),
            true => HOPELESS,
        };
        let wait = wait.mul_f64(0.9 + 0.2 * random.fraction());
        self.fate.alone = true;
        self.fate.part = 0;
        self.wait_until(now.after(wait.max(retry_after.unwrap_or_default())), now);
    }

    /// Something else stood in the way: it is not tried again before this wait is over.
    pub(super) fn set_back(&mut self, wait: Duration, now: Timestamp) {
        self.fate.setbacks = self.fate.setbacks.saturating_add(1);
        self.wait_until(now.after(wait), now);
    }

    fn wait_until(&mut self, at: Timestamp, now: Timestamp) {
        self.fate = std::mem::take(&mut self.fate).into_inner().seen_from(now).into();
        self.fate.retry_at = self.fate.retry_at.max(at);
        self.fate.said_at = now;
    }

    /// The clock went back: nothing has happened in the future, and no wait goes on until then.
    pub(super) fn went_back(&mut self, now: Timestamp) {
        self.fate = std::mem::take(&mut self.fate).into_inner().seen_from(now).into();
        self.quest.parked = None;
        self.quest.lapsed = self.quest.lapsed.filter(|at| *at <= now);
        let quest = &mut *self.quest;
        for past in [&mut self.since, &mut quest.looked_at, &mut quest.changed_at] {
            *past = (*past).min(now);
        }
    }

    pub(super) fn tell(&mut self, kind: FailureKind, sentence: &str, now: Timestamp) {
        self.fate.last = Some((kind, cut(sentence), now));
    }

    pub(super) fn succeeded(&mut self, now: Timestamp) {
        let change_ordered_at = self.fate.change_ordered_at.filter(|_| self.fate.change_ready_at() > now);
        self.fate = Fate { learned: self.fate.learned, change_ordered_at, ..Fate::default() }.into();
        self.quest.lapsed = None;
        self.quest.parked = None;
    }

    /// What it waits for that is not ready before then; `change`: what a change of its options waits for.
    pub(super) fn waits_until(&self, ready_at: Timestamp, change: Timestamp) -> Waits {
        let last = self.fate.last.as_ref().map(|(kind, ..)| *kind);
        match &self.quest.parked {
            Some(parked) if parked.until >= ready_at => parked.why.clone(),
            _ if change >= ready_at => Waits::Change,
            _ if self.fate.retry_at < ready_at => Waits::Look,
            _ if last == Some(FailureKind::Limit) => Waits::Told,
            _ if last == Some(FailureKind::Ca) => Waits::Ca,
            _ => Waits::BackOff,
        }
    }

    /// DNS has changed for the better: the back-off starts anew, at once. Answers that change all the time (round robin) soon
    /// wait their turn of the ladder between two attempts.
    pub(super) fn mended(&mut self, now: Timestamp) {
        if now.since(self.quest.changed_at) > CALM {
            self.fate.skips = 0;
        }
        self.quest.changed_at = now;
        let more = self.fate.skips.checked_sub(FREE_SKIPS);
        let soonest = more.map_or(now, |more| self.fate.last_attempt.after(ladder(more + 1)));
        if more.is_none() {
            self.fate.failures = 0;
        }
        if soonest <= now {
            self.fate.skips = self.fate.skips.saturating_add(1);
            self.quest.parked = None;
        }
        self.fate.retry_at = self.fate.retry_at.min(soonest);
    }

    /// Nothing to remember that is not so by default.
    pub(super) fn is_ordinary(&self) -> bool {
        *self.fate == Fate::default()
    }
}

impl Fate {
    /// When the next order may begin that only a change of its options asks for.
    pub(super) fn change_ready_at(&self) -> Timestamp {
        self.change_ordered_at.map_or(Timestamp::default(), |at| at.after(CHANGE_EVERY))
    }

    /// As it counts now, if it was told by a clock that ran ahead.
    pub(super) fn seen_from(mut self, now: Timestamp) -> Self {
        self.retry_at = self.retry_at.seen_from(self.said_at, RETRY_AFTER_LIMIT, now);
        self.said_at = self.said_at.min(now);
        self.last_attempt = self.last_attempt.min(now);
        self.elsewhere_since = self.elsewhere_since.map(|at| at.min(now));
        self.change_ordered_at = self.change_ordered_at.map(|at| at.min(now));
        if let Some((_, _, at)) = &mut self.last {
            *at = (*at).min(now);
        }
        self
    }
}

/// The wait after the `nth` setback in a row, when the CA names none.
pub(super) fn wait_after_setback(nth: u32, random: &mut dyn Randomness) -> Duration {
    ladder(nth).mul_f64(0.9 + 0.2 * random.fraction())
}

/// The wait after the `nth` failure in a row.
fn ladder(nth: u32) -> Duration {
    let step = (nth.max(1) as usize - 1).min(LADDER.len() - 1);
    Duration::from_secs(LADDER[step])
}

/// At most [`SENTENCE_LIMIT`] bytes, cut between characters.
fn cut(sentence: &str) -> String {
    let mut end = sentence.len().min(SENTENCE_LIMIT);
    while !sentence.is_char_boundary(end) {
        end -= 1;
    }
    sentence[..end].to_owned()
}

#[cfg(test)]
mod tests;
