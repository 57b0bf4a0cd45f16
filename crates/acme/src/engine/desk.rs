//! [`Desk`]: the engine while it runs, and its loop. A turn does everything that can be done without waiting; between
//! turns the engine waits for a message, the end of a job, or the calendar.
//!
//! Not here: what comes of jobs (`outcome`), of questions (`answers`), and of orders of earlier runs (`resume`).

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt as _, StreamExt as _, stream};
use tokio::time::Instant;
use vestibule_certs::store::{CaId, Store};
use vestibule_names::HostPattern;

use super::{
    Ca, Engine, Event,
    alarm::Alarm,
    answers::Waiter,
    chance::Chance,
    clock::Clock,
    inbox::{Change, Inbox, Owner, Standing},
    journal::{Before, Journal},
    lanes::{Ended, InFlight, Lane, Lanes, guarded},
    resume::Known,
    revoke::Revocation,
    tally::Tally,
};
use crate::{
    Config, Door, Failure, Planner,
    config::CaConfig,
    dns::Dns,
    hooks::Hooks,
    plan::{Job, JobId, NameStatus, Order, Record, Sight, Work},
};

/// How long the first scan may take before names are ordered all the same.
const READY_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest sleep. The wall clock may jump (a machine that slept, a clock set right), and only a look notices that.
const SLEEP_LIMIT: Duration = Duration::from_mins(1);
/// The shortest sleep towards an instant that has come already: the planner had its say and had nothing.
const SLEEP_AGAIN: Duration = Duration::from_secs(1);
/// Changes, questions and jobs of one turn, so that what is in flight is looked after in between.
const BATCH: usize = 512;
/// Names of one job that DNS is asked for at once.
const LOOK_UPS_AT_ONCE: usize = 25;
/// One look at a name, all its records and retries included. Short, since the other names of the job wait for it.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// What the engine's own limit of an order leaves the client beyond the client's, to end it in good order.
pub(super) const ORDER_GRACE: Duration = Duration::from_mins(1);
/// Counts are made known this long after something changed, and at least this often.
const TALLY_DELAY: Duration = Duration::from_secs(2);
/// Counting takes at most one part in so many of the engine's time.
const TALLY_SHARE: u32 = 50;

/// The engine while it runs.
pub(super) struct Desk<C, T> {
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) door: Door,
    pub(super) dns: Dns,
    pub(super) hooks: Rc<Hooks>,
    pub(super) cas: Vec<(CaId, Rc<C>)>,
    pub(super) clock: Clock,
    pub(super) inbox: Arc<Inbox>,
    pub(super) planner: Planner,
    pub(super) chance: Chance,
    pub(super) lanes: Lanes,
    pub(super) journal: Journal,
    pub(super) tally: Tally,
    pub(super) alarm: Alarm,
    pub(super) waiters: Vec<Waiter>,
    pub(super) revocations: Vec<Revocation>,
    opening: Opening,
    sweep_at: Instant,
    tally_at: Instant,
    tally_delay: Duration,
    tell: T,
    /// Dropped last: from then on questions have no answer.
    _owner: Owner,
}

/// Whether orders may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    /// Not before all sites have said what they want, or this instant.
    At(Instant),
    /// The instant has come, and the first scan still goes on.
    Late,
    /// All sites have said what they want.
    Open,
}

/// How soon the next turn is due.
enum Next {
    /// There is more to do.
    Now,
    /// If nothing happens.
    In(Duration),
}

/// See [`Engine::run`].
pub(super) async fn run<C: Ca>(engine: Engine<C>, tell: impl Fn(&Event)) {
    let mut desk = Desk::restore(engine, tell);
    let (inbox, hooks) = (Arc::clone(&desk.inbox), Rc::clone(&desk.hooks));
    // Should the hooks ever end, that is no reason to.
    let mut hooks = pin!(async {
        hooks.run().await;
        std::future::pending::<()>().await;
    });
    while inbox.standing() != Standing::Stopping {
        let wait = match desk.turn() {
            Next::Now => Duration::ZERO,
            Next::In(wait) => wait,
        };
        // Not biased: whatever comes in a flood, the others get their turn.
        tokio::select! {
            () = inbox.woken() => {}
            ended = desk.lanes.ended() => desk.all_ended(ended),
            () = &mut hooks => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    desk.close();
}

impl<C: Ca, T: Fn(&Event)> Desk<C, T> {
    fn restore(engine: Engine<C>, tell: T) -> Self {
        let Engine { config, vault, door, dns, hooks, cas, clock, inbox } = engine;
        let store = vault.store().clone();
        let records = store.records().into_iter().map(|(key, value)| Record { key, value: Some(value) }).collect();
        let planner = Planner::restore_shared(config.clone(), records, store.shared(), clock.now());
        Self {
            planner,
            chance: Chance::new(),
            lanes: Lanes::new(config.orders_at_once),
            journal: Journal::new(store.clone()),
            tally: Tally::default(),
            alarm: Alarm::new(config.alarm_at),
            waiters: Vec::new(),
            revocations: Vec::new(),
            opening: Opening::At(Instant::now() + READY_TIMEOUT),
            sweep_at: Instant::now(),
            tally_at: Instant::now(),
            tally_delay: TALLY_DELAY,
            cas: cas.into_iter().map(|(id, ca)| (id, Rc::new(ca))).collect(),
            hooks: Rc::new(hooks),
            clock,
            inbox: Arc::clone(&inbox.0),
            _owner: inbox,
            config,
            store,
            door,
            dns,
            tell,
        }
    }

    fn turn(&mut self) -> Next {
        self.take_changes();
        self.take_questions();
        self.open();
        let mut next = Next::In(SLEEP_LIMIT);
        if !matches!(self.opening, Opening::At(_)) {
            next = self.plan();
            self.settle_waiters();
            self.settle_revocations();
            self.look_for_alarms();
            self.sweep_old();
        }
        self.write();
        self.publish();
        match next {
            Next::In(_) if !self.inbox.has_more() => Next::In(self.wait()),
            _ => Next::Now,
        }
    }

    /// And what else has ended by now: one turn, and one write, for all of it.
    fn all_ended(&mut self, first: Ended) {
        self.ended(first);
        for _ in 1..BATCH {
            let Some(ended) = self.lanes.ended().now_or_never() else { break };
            self.ended(ended);
        }
    }

    fn take_changes(&mut self) {
        let now = self.clock.now();
        for change in self.inbox.changes(BATCH) {
            match change {
                Change::Want(site, wanted) => {
                    self.planner.want(&site, wanted.tenant, &wanted.names, wanted.options(), now);
                }
                Change::Unwant(site) => self.planner.unwant(&site, now),
            }
            self.changed();
        }
    }

    fn take_questions(&mut self) {
        for question in self.inbox.questions(BATCH) {
            self.answer(question);
        }
    }

    /// Orders begin when all sites have said what they want: then packing sees everything, and what an earlier run left
    /// behind can be told from what nobody wants any more. A scan that takes long holds up no orders, but until it is
    /// through nothing is given up.
    fn open(&mut self) {
        let is_ready = self.inbox.standing() == Standing::Ready;
        let (next, known) = match self.opening {
            Opening::At(_) | Opening::Late if is_ready => (Opening::Open, Known::All),
            Opening::At(latest) if Instant::now() >= latest => (Opening::Late, Known::Some),
            _ => return,
        };
        if known == Known::Some {
            tracing::warn!(
                "the first scan of the sites goes on after {READY_TIMEOUT:?}: certificates are ordered all the same"
            );
        }
        self.opening = next;
        self.planner.pack();
        self.resume_pending(known);
        self.tally_at = Instant::now();
    }

    /// Lets the planner decide, makes its records durable, and only then starts what it decided.
    fn plan(&mut self) -> Next {
        if let Some(wait) = self.journal.wait() {
            return Next::In(wait);
        }
        let now = self.clock.now();
        let mut jobs = Vec::new();
        while jobs.len() < BATCH
            && let Some(job) = self.planner.next(now, &mut self.chance)
        {
            jobs.push(job);
        }
        if jobs.is_empty() {
            return Next::In(SLEEP_LIMIT);
        }
        let next = if jobs.len() < BATCH { Next::In(SLEEP_LIMIT) } else { Next::Now };
        let has_orders = jobs.iter().any(|job| matches!(job.work, Work::Order(_)));
        let before = if has_orders { Before::Order } else { Before::Waiting };
        let written = self.journal.write(self.planner.records(), before);
        for job in jobs {
            self.start(job, written.as_ref().err());
        }
        self.changed();
        next
    }

    /// What costs something at the CA is not started while the disk refuses what must be known of it afterwards.
    fn start(&mut self, job: Job, refused: Option<&Failure>) {
        match (job.work, refused) {
            (Work::Order(order), None) => self.start_order(job.id, order),
            (Work::Order(order), Some(failure)) => self.order_failed(job.id, &order, failure.clone()),
            (Work::RenewalInfo { ca, certificate, .. }, _) => self.start_renewal_info(job.id, &ca, certificate),
            (Work::CheckDns { names }, _) => self.start_dns_check(job.id, names),
        }
    }

    fn start_order(&mut self, job: JobId, order: Order) {
        let Some((ca, limit)) = self.ca(&order.ca) else {
            let failure = self.unknown_ca(&order.ca);
            return self.order_failed(job, &order, failure);
        };
        let in_flight = self.in_flight(&order);
        let limit = crate::client::longest_order(limit, &order) + ORDER_GRACE;
        let work = async move {
            let outcome = guarded(&order.ca, limit, ca.obtain(&order)).await;
            Ended::Order { job, outcome }
        };
        self.lanes.order(job, in_flight, work.boxed_local());
    }

    pub(super) fn in_flight(&self, order: &Order) -> InFlight {
        InFlight::new(order.clone(), self.door.ordering(order.names.iter().map(HostPattern::to_string).collect()))
    }

    fn start_renewal_info(&mut self, job: JobId, id: &CaId, certificate: String) {
        let Some((ca, config)) = self.ca(id) else {
            let outcome = Err(self.unknown_ca(id));
            return self.planner.informed(job, outcome, self.clock.now(), &mut self.chance);
        };
        let limit = config.timeouts.request * 2;
        let id = id.clone();
        let work = async move {
            let outcome = guarded(&id, limit, ca.renewal_info(&certificate)).await;
            Ended::RenewalInfo { job, outcome }
        };
        self.lanes.put(Lane::RenewalInfo, work.boxed_local());
    }

    fn start_dns_check(&mut self, job: JobId, names: Vec<HostPattern>) {
        let (dns, ours) = (self.dns.clone(), self.config.public_addresses.clone());
        let work = async move {
            let look = |name: HostPattern| {
                let (dns, ours) = (&dns, &ours);
                async move {
                    let sight = AssertUnwindSafe(dns.sight(&name, ours)).catch_unwind();
                    let seen: Option<Sight> = tokio::time::timeout(LOOK_TIMEOUT, sight).await.ok()?.ok();
                    Some((name, seen?))
                }
            };
            let looks = stream::iter(names).map(look).buffer_unordered(LOOK_UPS_AT_ONCE);
            Ended::DnsCheck { job, sights: looks.filter_map(std::future::ready).collect().await }
        };
        self.lanes.put(Lane::DnsCheck, work.boxed_local());
    }

    pub(super) fn ca(&self, id: &CaId) -> Option<(Rc<C>, &CaConfig)> {
        let (_, ca) = self.cas.iter().find(|(known, _)| known == id)?;
        Some((Rc::clone(ca), self.config.ca(id)?))
    }

    /// Tells the gateway first, since clients may wait for the swap, and logs; then the hooks.
    pub(super) fn tell(&self, event: &Event) {
        if catch_unwind(AssertUnwindSafe(|| (self.tell)(event))).is_err() {
            tracing::error!(?event, "a bug: an event could not be told to the gateway");
        }
        self.hooks.tell(event);
    }

    /// How all wanted names stand.
    pub(super) fn all(&self) -> impl Iterator<Item = NameStatus> {
        self.planner.statuses(self.clock.now())
    }

    pub(super) fn changed(&mut self) {
        self.tally_at = self.tally_at.min(Instant::now() + self.tally_delay);
    }

    /// Not before it is known who wants what.
    fn sweep_old(&mut self) {
        if self.opening == Opening::Open && Instant::now() >= self.sweep_at {
            self.sweep_at = self.sweep();
        }
    }

    /// What outcomes and changes left to be made durable, when no order waits for it. A refusal is tried again later.
    fn write(&mut self) {
        let records = self.planner.records();
        let _ = self.journal.write(records, Before::Waiting);
    }

    fn publish(&mut self) {
        if self.tally_wait().is_some_and(|wait| wait.is_zero()) {
            self.make_known();
        }
    }

    /// Until counts are made known; `None`: while sites arrive there is nothing to count that would hold for long.
    fn tally_wait(&self) -> Option<Duration> {
        let is_arriving = matches!(self.opening, Opening::At(_));
        (!is_arriving).then(|| self.tally_at.saturating_duration_since(Instant::now()))
    }

    /// Looks at all names. The more there are, the more seldom: changes come at any time, and the engine has other work.
    fn make_known(&mut self) {
        let begin = std::time::Instant::now();
        let (failures, now) = (self.hooks.failures(), self.clock.now());
        self.inbox.publish(self.tally.publish(self.all(), failures, now));
        self.tally_delay = (begin.elapsed() * TALLY_SHARE).clamp(TALLY_DELAY, SLEEP_LIMIT);
        self.tally_at = Instant::now() + SLEEP_LIMIT;
    }

    fn wait(&self) -> Duration {
        let (now, instant) = (self.clock.now(), Instant::now());
        let planned = self.planner.wake_at().map(|wake| wake.since(now));
        let calendar = match self.opening {
            Opening::At(latest) => Some(latest.saturating_duration_since(instant)),
            Opening::Late | Opening::Open => {
                self.journal.wait().or(planned.map(|wait| if wait.is_zero() { SLEEP_AGAIN } else { wait }))
            }
        };
        [self.tally_wait(), calendar].into_iter().flatten().fold(SLEEP_LIMIT, Duration::min)
    }

    /// What is in flight is dropped: its pending directories are what the next run goes on from.
    fn close(mut self) {
        self.write();
        self.make_known();
    }
}
