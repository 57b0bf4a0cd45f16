//! [`Cert`]: one issuance and when it is to be renewed: renewal information (RFC 9773) first, a part of its lifetime
//! otherwise.
//!
//! ```text
//!   not before                        fallback    urgent      ignore ARI   not after
//!       ├───────────── fresh ────────────┼── due ──┼── urgent ────┼───────────┤
//!                  ▲ an instant in ARI's window may lie before or a little after the fallback
//! ```

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use vestibule_certs::{Spelt, store::Entry};
use vestibule_names::TenantId;

use super::{
    name::Name,
    name_set::NameSet,
    work::{Randomness, RenewalWindow},
};
use crate::{Alarm, Timestamp, fnv::fnv1a};

/// A lifetime below this is renewed after half of it rather than after two thirds.
const SHORT_LIFETIME: Duration = Duration::from_secs(10 * 24 * 3600);
/// How far renewals are spread whose window has passed: a mass revocation is told to everybody at once.
const PAST_WINDOW_SPREAD: Duration = Duration::from_secs(600);
/// No certificate is renewed sooner than this after it came, however a CA puts its window.
const YOUNGEST: Duration = Duration::from_secs(3600);

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Cert {
    /// The store has the same one.
    pub(super) issued: Arc<Entry>,
    /// Wanted names whose certificate this is.
    pub(super) covers: NameSet,
    pub(super) ari: Ari,
    pub(super) timer: Option<Alarm>,
    pub(super) poll: Option<Alarm>,
    pub(super) poll_failures: u32,
    pub(super) polling: bool,
    /// Its CA is configured no more: it is served, but a successor is due at once.
    pub(super) is_foreign: bool,
    /// An order with `replaces` is in flight: a second one would be refused.
    pub(super) replacing: bool,
}

/// What is durable of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ari {
    /// The window that was told last, and the instant chosen in it.
    pub(super) window: Option<Box<(Timestamp, Timestamp, Timestamp)>>,
    /// Its successor exists at the CA: `replaces` would be refused.
    pub(super) replaced: bool,
}

/// Until when it is valid, and for how long in all: found once for each question, not kept.
#[derive(Clone, Copy)]
struct Span {
    end: Timestamp,
    lifetime: Duration,
}

impl Span {
    /// How long before its end it is renewed when nobody says otherwise.
    fn margin(self) -> Duration {
        if self.lifetime < SHORT_LIFETIME { self.lifetime / 2 } else { self.lifetime / 3 }
    }

    /// From when on another CA may renew it, and it goes before others.
    fn urgent_at(self) -> Timestamp {
        self.end.before(self.margin() / 3)
    }
}

/// How near the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Nothing is due.
    Fresh,
    /// To be renewed.
    Due,
    /// To be renewed, by another CA if need be.
    Urgent,
    /// It has run out.
    Ended,
}

impl Cert {
    pub(super) fn new(issued: &Arc<Entry>) -> Self {
        Self {
            issued: Arc::clone(issued),
            covers: NameSet::default(),
            ari: Ari::default(),
            timer: None,
            poll: None,
            poll_failures: 0,
            polling: false,
            is_foreign: false,
            replacing: false,
        }
    }

    /// Whose the name at a place of it is, and which.
    pub(super) fn covered(&self, place: u32) -> (TenantId, Spelt<'_>) {
        (self.issued.tenant(), Spelt::of(&self.issued.names()[place as usize]))
    }

    /// Is the name in it itself, not below a wildcard of it?
    pub(super) fn names(&self, name: &Name) -> bool {
        self.issued.names().contains(&name.pattern)
    }

    /// A clock that ran ahead may have been asked when it came: then it came when it began.
    pub(super) fn obtained(&self) -> Timestamp {
        Some(self.issued.obtained().into()).filter(|at| *at < self.end()).unwrap_or(self.issued.not_before().into())
    }

    pub(super) fn end(&self) -> Timestamp {
        self.issued.not_after().into()
    }

    fn span(&self) -> Span {
        let end = self.end();
        Span { end, lifetime: end.since(self.issued.not_before().into()) }
    }

    /// When to renew when nobody says otherwise: earlier by up to a tenth of the margin, always the same for one issuance, so
    /// that what was obtained together is not renewed together for ever.
    fn fallback(&self, span: Span) -> Timestamp {
        span.end.before(span.margin()).before(span.margin().mul_f64(0.1 * self.fraction()))
    }

    /// When it is to be renewed. An instant of a window counts unless it leaves too little: half of the usual margin.
    pub(super) fn due_at(&self) -> Timestamp {
        self.due_within(self.span())
    }

    fn due_within(&self, span: Span) -> Timestamp {
        if self.is_foreign {
            return self.obtained().min(span.end);
        }
        let latest = span.end.before(span.margin() / 2);
        let chosen = match self.ari.window.as_deref() {
            Some((_, _, instant)) if *instant <= latest => *instant,
            _ => self.fallback(span),
        };
        let ignoring_ari = span.end.before(span.lifetime / 20);
        let youngest = self.obtained().after(YOUNGEST.min(span.lifetime / 10));
        chosen.max(youngest).min(ignoring_ari)
    }

    pub(super) fn phase(&self, now: Timestamp) -> Phase {
        let span = self.span();
        match now {
            _ if now >= span.end => Phase::Ended,
            _ if now < self.due_within(span) => Phase::Fresh,
            _ if now >= span.urgent_at() => Phase::Urgent,
            _ => Phase::Due,
        }
    }

    /// When its phase changes next.
    pub(super) fn next_phase_at(&self, now: Timestamp) -> Option<Timestamp> {
        let span = self.span();
        [self.due_within(span), span.urgent_at(), span.end].into_iter().filter(|at| *at > now).min()
    }

    /// Renewal information has come. Says whether something durable has changed.
    pub(super) fn told(&mut self, window: RenewalWindow, now: Timestamp, random: &mut dyn Randomness) -> bool {
        let (start, end) = (window.start, window.end.max(window.start));
        if self
            .ari
            .window
            .as_deref()
            .is_some_and(|(known_start, known_end, _)| (*known_start, *known_end) == (start, end))
        {
            return false;
        }
        let chosen = start.after(end.since(start).mul_f64(random.fraction()));
        // RFC 9773 section 4.2: an instant that has passed means now.
        let instant = if chosen > now { chosen } else { now.after(PAST_WINDOW_SPREAD.mul_f64(random.fraction())) };
        self.ari.window = Some(Box::new((start, end, instant)));
        true
    }

    /// A number in `0.0 .. 1.0` that is always the same for this issuance.
    pub(super) fn fraction(&self) -> f64 {
        let hash = fingerprint([&self.issued.number().to_be_bytes()[..], self.issued.fingerprint().as_bytes()]);
        (hash >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A fingerprint that is the same in every run of the process (FNV-1a, finished by a mixing step): records are keyed by it.
pub(super) fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let mut hash = fnv1a(parts.into_iter().flat_map(|part| part.iter().copied().chain([0])));
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests;
