//! [`Journal`]: the planner's records on their way to the store. Nothing that costs something at a CA runs before the
//! records that led to it are durable; while the disk refuses them they are kept here and tried again.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use vestibule_certs::store::{Store, StoreError};

use crate::{Failure, FailureKind, plan::Record};

/// The wait after the first refusal; it doubles up to [`RETRY_LIMIT`].
const RETRY: Duration = Duration::from_secs(1);
const RETRY_LIMIT: Duration = Duration::from_mins(1);

pub(super) struct Journal {
    store: Store,
    /// By key, the latest value; empty when all is durable. Bounded by the number of the planner's records.
    unwritten: BTreeMap<String, Option<Vec<u8>>>,
    refused: Option<Refused>,
}

/// What comes after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// An order, which will need the disk.
    Order,
    /// Nothing that costs something.
    Waiting,
}

struct Refused {
    failure: Failure,
    before: Before,
    wait: Duration,
    until: Instant,
}

impl Journal {
    pub(super) fn new(store: Store) -> Self {
        Self { store, unwritten: BTreeMap::new(), refused: None }
    }

    /// Makes these records durable, and those that were refused before; before an order also tries whether the disk would
    /// take what an order writes. Does not touch the disk when there is nothing to do.
    pub(super) fn write(&mut self, records: Vec<Record>, before: Before) -> Result<(), Failure> {
        self.unwritten.extend(records.into_iter().map(|record| (record.key, record.value)));
        if let Some(refused) = self.refused.as_ref().filter(|refused| Instant::now() < refused.until) {
            return Err(refused.failure.clone());
        }
        self.record().and_then(|()| self.test(before)).map_err(|error| self.refuse(&error, before))?;
        self.recovered(before);
        Ok(())
    }

    fn record(&mut self) -> Result<(), StoreError> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let changes: Vec<_> = std::mem::take(&mut self.unwritten).into_iter().collect();
        self.store.record(&changes).inspect_err(|_| self.unwritten = changes.into_iter().collect())
    }

    fn test(&self, before: Before) -> Result<(), StoreError> {
        match before {
            Before::Order => self.store.self_test(),
            Before::Waiting => Ok(()),
        }
    }

    /// How long nothing shall be planned because the disk refused; `None`: it did not.
    pub(super) fn wait(&self) -> Option<Duration> {
        let refused = self.refused.as_ref()?;
        Some(refused.until.saturating_duration_since(Instant::now())).filter(|wait| !wait.is_zero())
    }

    fn refuse(&mut self, error: &StoreError, before: Before) -> Failure {
        let failure = storage_failure(error);
        let wait = self.refused.as_ref().map_or(RETRY, |refused| (refused.wait * 2).min(RETRY_LIMIT));
        tracing::error!(error = %failure, retry_in = ?wait, "nothing is ordered until the disk takes what must be kept");
        self.refused = Some(Refused { failure: failure.clone(), before, wait, until: Instant::now() + wait });
        failure
    }

    /// What was refused before an order is only forgotten when it works before an order.
    fn recovered(&mut self, before: Before) {
        if self.refused.as_ref().is_some_and(|refused| before == Before::Order || refused.before == Before::Waiting) {
            self.refused = None;
            tracing::info!("the disk takes what must be kept: orders go on");
        }
    }
}

/// Our own disk, in one sentence.
pub(super) fn storage_failure(error: &StoreError) -> Failure {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    super::failure(FailureKind::Storage, format!("the gateway's own store refuses: {reason}"))
}
