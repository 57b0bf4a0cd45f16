//! [`Tally`]: what metrics are told. The engine counts and makes it known from time to time; whoever reads never waits.

use std::collections::BTreeMap;

use vestibule_certs::store::CaId;

use crate::{
    FailureKind, Timestamp,
    plan::{NameState, NameStatus},
};

/// Counts for metrics.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Orders by CA and outcome word.
    pub orders: Vec<(String, &'static str, u64)>,
    /// Names by state word.
    pub names: Vec<(&'static str, u64)>,
    /// Seconds until the next certificate of a wanted name runs out. Names whose DNS leads elsewhere (quarantined) do not
    /// count, nor those that have run out long since: what a tenant has left must not hide what is next. `None`: there is
    /// none.
    pub next_expiry: Option<i64>,
    /// Wanted names whose certificate has run out.
    pub expired: u64,
    /// Hooks that failed, and events dropped before a hook saw them.
    pub hook_failures: u64,
}

/// What was last made known.
#[derive(Clone, Debug, Default)]
pub(super) struct Published {
    orders: Vec<(String, &'static str, u64)>,
    names: Vec<(&'static str, u64)>,
    next_expiry: Option<Timestamp>,
    expired: u64,
    hook_failures: u64,
}

impl Published {
    pub(super) fn counts(&self, now: Timestamp) -> Counts {
        Counts {
            orders: self.orders.clone(),
            names: self.names.clone(),
            next_expiry: self.next_expiry.map(|end| seconds(end) - seconds(now)),
            expired: self.expired,
            hook_failures: self.hook_failures,
        }
    }
}

/// Orders so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    orders: BTreeMap<(CaId, &'static str), u64>,
}

impl Tally {
    pub(super) fn count(&mut self, ca: &CaId, outcome: &'static str) {
        *self.orders.entry((ca.clone(), outcome)).or_default() += 1;
    }

    /// Everything of this moment.
    pub(super) fn publish(
        &self,
        names: impl Iterator<Item = NameStatus>,
        hook_failures: u64,
        now: Timestamp,
    ) -> Published {
        let mut by_state: BTreeMap<&'static str, u64> = STATES.iter().map(|state| (state_word(*state), 0)).collect();
        let mut next_expiry: Option<Timestamp> = None;
        let mut expired = 0;
        for status in names {
            *by_state.entry(state_word(status.state)).or_default() += 1;
            let Some(end) = status.not_after else { continue };
            if end <= now {
                expired += 1;
            } else if status.state != NameState::Quarantined {
                next_expiry = Some(next_expiry.map_or(end, |next| next.min(end)));
            }
        }
        Published {
            orders: self.orders.iter().map(|((ca, word), count)| (ca.to_string(), *word, *count)).collect(),
            names: by_state.into_iter().collect(),
            next_expiry,
            expired,
            hook_failures,
        }
    }
}

const STATES: [NameState; 6] = [
    NameState::Waiting,
    NameState::Ordering,
    NameState::Valid,
    NameState::Renewing,
    NameState::Quarantined,
    NameState::Expired,
];

fn state_word(state: NameState) -> &'static str {
    match state {
        NameState::Waiting => "waiting",
        NameState::Ordering => "ordering",
        NameState::Valid => "valid",
        NameState::Renewing => "renewing",
        NameState::Quarantined => "quarantined",
        NameState::Expired => "expired",
    }
}

/// The word of an order that failed so.
pub(super) fn failure_word(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Ca => "ca",
        FailureKind::Limit => "limit",
        FailureKind::AlreadyReplaced => "already-replaced",
        FailureKind::Gone => "gone",
        FailureKind::ValidationDns => "validation-dns",
        FailureKind::ValidationConnection => "validation-connection",
        FailureKind::ValidationTls => "validation-tls",
        FailureKind::ValidationUnauthorized => "validation-unauthorized",
        FailureKind::ValidationCaa => "validation-caa",
        FailureKind::Rejected => "rejected",
        FailureKind::Account => "account",
        FailureKind::Configuration => "configuration",
        FailureKind::Storage => "storage",
    }
}

fn seconds(time: Timestamp) -> i64 {
    i64::try_from(time.0 / 1_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use vestibule_names::{HostPattern, SiteId, TenantId};

    use super::*;

    fn status(state: NameState, not_after: Option<u64>) -> NameStatus {
        NameStatus {
            name: HostPattern::parse("a.example.com").unwrap(),
            site: SiteId::new("a.yaml"),
            tenant: TenantId(1),
            state,
            issuance: None,
            not_after: not_after.map(Timestamp),
            renew_at: None,
            next_attempt: None,
            failure: None,
            failures: 0,
        }
    }

    #[test]
    fn what_has_run_out_or_leads_elsewhere_does_not_hide_the_next_end() {
        let mut tally = Tally::default();
        let ca = CaId::new("ca").unwrap();
        tally.count(&ca, "obtained");
        tally.count(&ca, failure_word(FailureKind::Limit));
        tally.count(&ca, "obtained");
        let names = [
            status(NameState::Valid, Some(90_000)),
            status(NameState::Expired, Some(40_000)),
            status(NameState::Quarantined, Some(30_000)),
            status(NameState::Quarantined, Some(60_000)),
            status(NameState::Renewing, Some(95_000)),
            status(NameState::Waiting, None),
        ];
        let counts = tally.publish(names.into_iter(), 3, Timestamp(50_000)).counts(Timestamp(50_999));
        assert_eq!(counts.orders, [("ca".to_owned(), "limit", 1), ("ca".to_owned(), "obtained", 2)]);
        assert_eq!(counts.names.len(), STATES.len());
        assert_eq!(counts.names.iter().map(|(_, count)| count).sum::<u64>(), 6);
        assert_eq!((counts.next_expiry, counts.expired, counts.hook_failures), (Some(40), 2, 3));
    }
}
