//! [`Journal`]: the planner's records on their way to the store. Nothing that costs something at a CA runs before the
//! records that led to it are durable; while the disk refuses them they are kept here and tried again.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;
use vestibule_certs::store::{Store, StoreError};

use crate::{Failure, FailureKind, plan::Record};

/// The wait after the first refusal; it doubles up to [`RETRY_LIMIT`].
const RETRY: Duration = Duration::from_secs(1);
const RETRY_LIMIT: Duration = Duration::from_mins(1);

/// What the journal needs of the store.
pub(super) trait Keeps {
    fn keep(&self, changes: &[(String, Option<Vec<u8>>)]) -> Result<(), StoreError>;
    fn self_test(&self) -> Result<(), StoreError>;
}

impl Keeps for Store {
    fn keep(&self, changes: &[(String, Option<Vec<u8>>)]) -> Result<(), StoreError> {
        self.record(changes)
    }

    fn self_test(&self) -> Result<(), StoreError> {
        Self::self_test(self)
    }
}

pub(super) struct Journal<S = Store> {
    store: S,
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

impl<S: Keeps> Journal<S> {
    pub(super) fn new(store: S) -> Self {
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
        self.store.keep(&changes).inspect_err(|_| self.unwritten = changes.into_iter().collect())
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
    Failure::new(FailureKind::Storage, format!("the gateway's own store refuses: {reason}"))
}

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        io,
        path::PathBuf,
    };

    use super::*;

    #[derive(Default)]
    struct Disk {
        kept: RefCell<BTreeMap<String, Option<Vec<u8>>>>,
        writes: Cell<usize>,
        is_full: Cell<bool>,
        is_sick: Cell<bool>,
    }

    impl Disk {
        fn answer(refuses: &Cell<bool>) -> Result<(), StoreError> {
            let source = || io::Error::from(io::ErrorKind::StorageFull);
            let refusal = || StoreError::Io { what: "write", path: PathBuf::from("/state"), source: source() };
            if refuses.get() { Err(refusal()) } else { Ok(()) }
        }
    }

    impl Keeps for &Disk {
        fn keep(&self, changes: &[(String, Option<Vec<u8>>)]) -> Result<(), StoreError> {
            self.writes.set(self.writes.get() + 1);
            Disk::answer(&self.is_full)?;
            self.kept.borrow_mut().extend(changes.iter().cloned());
            Ok(())
        }

        fn self_test(&self) -> Result<(), StoreError> {
            Disk::answer(&self.is_sick)
        }
    }

    fn record(key: &str, value: &str) -> Record {
        Record { key: key.to_owned(), value: Some(value.into()) }
    }

    /// The wait is over.
    fn forget_wait<S>(journal: &mut Journal<S>) {
        if let Some(refused) = &mut journal.refused {
            refused.until = Instant::now();
        }
    }

    #[test]
    fn what_the_disk_refuses_is_kept_in_its_latest_form_until_it_does_not() {
        let disk = Disk::default();
        let mut journal = Journal::new(&disk);
        disk.is_full.set(true);
        let refusal = journal.write(vec![record("a", "1"), record("b", "1")], Before::Order).unwrap_err();
        assert_eq!(refusal.kind, FailureKind::Storage);
        assert!(journal.wait().is_some());
        disk.is_full.set(false);
        assert!(journal.write(vec![record("a", "2")], Before::Waiting).is_err(), "the wait is not over");
        assert_eq!(disk.writes.get(), 1);
        forget_wait(&mut journal);
        assert!(journal.write(Vec::new(), Before::Order).is_ok() && journal.wait().is_none());
        let kept = disk.kept.borrow();
        assert_eq!((kept["a"].as_deref(), kept["b"].as_deref()), (Some(&b"2"[..]), Some(&b"1"[..])));
    }

    #[test]
    fn a_disk_that_would_not_take_an_order_holds_up_orders_and_no_records() {
        let disk = Disk::default();
        let mut journal = Journal::new(&disk);
        disk.is_sick.set(true);
        assert!(journal.write(vec![record("a", "1")], Before::Order).is_err());
        assert!(disk.kept.borrow().contains_key("a"));
        forget_wait(&mut journal);
        assert!(journal.write(vec![record("b", "1")], Before::Waiting).is_ok());
        let first = journal.refused.as_ref().map(|refused| refused.wait);
        assert!(journal.write(Vec::new(), Before::Order).is_err());
        assert!(journal.refused.as_ref().map(|refused| refused.wait) > first, "the wait grows");
    }

    #[test]
    fn nothing_to_write_does_not_touch_the_disk() {
        let disk = Disk::default();
        assert!(Journal::new(&disk).write(Vec::new(), Before::Waiting).is_ok());
        assert_eq!(disk.writes.get(), 0);
    }
}
