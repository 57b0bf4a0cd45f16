//! [`Lanes`]: jobs that wait and jobs that run, by kind, so that neither slow look-ups hold up orders nor orders
//! questions. Everything runs on the engine's thread, without tasks of its own; what panics there is caught.

use std::{
    any::Any,
    collections::{HashMap, VecDeque},
    panic::AssertUnwindSafe,
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, future::LocalBoxFuture, stream::FuturesUnordered};
use vestibule_certs::store::{CaId, Issued};
use vestibule_names::{HostPattern, TenantId};

use super::inbox::Reply;
use crate::{
    Failure, FailureKind,
    door::Opened,
    plan::{JobId, Obtained, Order, RenewalWindow, Sight},
};

/// Looks at renewal information at once.
const RENEWAL_INFOS_AT_ONCE: usize = 16;
/// Jobs of looks at DNS at once; each asks for several names.
const DNS_CHECKS_AT_ONCE: usize = 8;
/// Questions of operators in work at once.
const ERRANDS_AT_ONCE: usize = 8;
/// Questions of operators that wait for that.
const ERRANDS_LIMIT: usize = 256;

/// What kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Order,
    RenewalInfo,
    DnsCheck,
    Errand,
}

const LANES: [Lane; 4] = [Lane::Order, Lane::RenewalInfo, Lane::DnsCheck, Lane::Errand];

/// What has ended, and how.
pub(super) enum Ended {
    Order {
        job: JobId,
        outcome: Result<Obtained, Failure>,
    },
    RenewalInfo {
        job: JobId,
        outcome: Result<RenewalWindow, Failure>,
    },
    DnsCheck {
        job: JobId,
        sights: Vec<(HostPattern, Sight)>,
    },
    Revoked {
        issued: Box<Issued>,
        outcome: Result<(), Failure>,
        reply: Reply<Result<Issued, String>>,
    },
    /// It answered by itself.
    Errand,
}

pub(super) type Work = LocalBoxFuture<'static, Ended>;

/// An order from the moment it is taken on until its outcome has been told.
pub(super) struct InFlight {
    pub(super) order: Order,
    /// Handshakes for its names may wait for it.
    _ordering: Opened,
}

impl InFlight {
    pub(super) fn new(order: Order, ordering: Opened) -> Self {
        Self { order, _ordering: ordering }
    }
}

#[derive(Default)]
pub(super) struct Lanes {
    waiting: [VecDeque<Work>; LANES.len()],
    running: [usize; LANES.len()],
    orders_at_once: usize,
    works: FuturesUnordered<LocalBoxFuture<'static, (Lane, Ended)>>,
    orders: HashMap<JobId, InFlight>,
}

impl Lanes {
    pub(super) fn new(orders_at_once: usize) -> Self {
        Self { orders_at_once: orders_at_once.max(1), ..Self::default() }
    }

    /// Takes an order on: its names count as being ordered from now on.
    pub(super) fn order(&mut self, job: JobId, in_flight: InFlight, work: Work) {
        self.orders.insert(job, in_flight);
        self.put(Lane::Order, work);
    }

    /// Lets this run as soon as its lane has room.
    pub(super) fn put(&mut self, lane: Lane, work: Work) {
        self.waiting[lane as usize].push_back(work);
        self.start();
    }

    /// Lets this run for an operator; it is dropped, and with it the way of its answer, when too many wait.
    pub(super) fn errand(&mut self, work: Work) {
        if self.waiting[Lane::Errand as usize].len() < ERRANDS_LIMIT {
            self.put(Lane::Errand, work);
        }
    }

    /// The next one that ends. Never, when nothing runs. May be dropped at any time.
    pub(super) async fn ended(&mut self) -> Ended {
        match self.works.next().await {
            None => std::future::pending().await,
            Some((lane, ended)) => {
                self.running[lane as usize] -= 1;
                self.start();
                ended
            }
        }
    }

    /// What was ordered under this number; its names count as being ordered until the return value is dropped.
    pub(super) fn land(&mut self, job: JobId) -> Option<InFlight> {
        self.orders.remove(&job)
    }

    /// Is any of these names of this tenant in an order that has not landed?
    pub(super) fn orders_any(&self, tenant: TenantId, names: &[HostPattern]) -> bool {
        let of_tenant = self.orders.values().map(|in_flight| &in_flight.order).filter(|order| order.tenant == tenant);
        let mut ordered = of_tenant.flat_map(|order| &order.names);
        ordered.any(|name| names.contains(name))
    }

    fn start(&mut self) {
        for lane in LANES {
            let limit = match lane {
                Lane::Order => self.orders_at_once,
                Lane::RenewalInfo => RENEWAL_INFOS_AT_ONCE,
                Lane::DnsCheck => DNS_CHECKS_AT_ONCE,
                Lane::Errand => ERRANDS_AT_ONCE,
            };
            while self.running[lane as usize] < limit
                && let Some(work) = self.waiting[lane as usize].pop_front()
            {
                self.running[lane as usize] += 1;
                self.works.push(work.map(move |ended| (lane, ended)).boxed_local());
            }
        }
    }
}

/// Runs what a CA is asked for: bounded in time (the client has its own, shorter limits), and a panic counts as a failure
/// on the CA's side, so that it is tried again with back-off and nobody else is harmed.
pub(super) async fn guarded<T>(
    ca: &CaId,
    limit: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => {
            let reason = panic_text(panic.as_ref());
            tracing::error!(ca = %ca, reason, "a bug: what was asked of a CA panicked");
            Err(Failure::new(FailureKind::Ca, format!("a bug of the gateway ended what was asked of {ca}: {reason}")))
        }
        Err(_) => Err(Failure::new(FailureKind::Ca, format!("{ca} gave no end within {} s", limit.as_secs()))),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given")
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;

    fn ca() -> CaId {
        CaId::new("ca").unwrap()
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_panic_is_a_failure_of_that_work_alone() {
        let outcome = guarded::<()>(&ca(), Duration::from_secs(9), async { panic!("no {}", "way") }).await;
        let failure = outcome.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Ca);
        assert!(failure.sentence.ends_with("no way"), "{failure}");
    }

    #[tokio::test(flavor = "current_thread", start_paused = true)]
    async fn what_never_ends_is_ended() {
        let failure = guarded::<()>(&ca(), Duration::from_secs(9), std::future::pending()).await.unwrap_err();
        assert_eq!((failure.kind, failure.sentence.as_str()), (FailureKind::Ca, "ca gave no end within 9 s"));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_full_lane_holds_up_no_other_lane() {
        let mut lanes = Lanes::new(2);
        let started = Rc::new(Cell::new(0));
        for _ in 0..5 {
            let started = Rc::clone(&started);
            lanes.put(
                Lane::Order,
                async move {
                    started.set(started.get() + 1);
                    std::future::pending().await
                }
                .boxed_local(),
            );
        }
        lanes.put(Lane::Errand, async { Ended::Errand }.boxed_local());
        assert!(matches!(lanes.ended().await, Ended::Errand));
        assert!(lanes.ended().now_or_never().is_none());
        assert_eq!(started.get(), 2);
    }
}
