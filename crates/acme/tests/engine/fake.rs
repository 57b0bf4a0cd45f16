//! A CA at the engine's seam, without a network: it keeps orders and certificates as a CA would, over restarts of the
//! engine, and can hold still, fail or panic at a chosen point. The store it works with is the real one.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    rc::Rc,
    time::{Duration, SystemTime},
};

use rcgen::{BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::sync::Notify;
use vestibule_acme::{
    Failure, FailureKind, Timestamp,
    client::Directory,
    engine::{Ca, Clock},
    plan::{Obtained, Order, RenewalWindow},
};
use vestibule_certs::store::{Draft, Issued, Pending, Store};
use vestibule_names::HostPattern;

/// Cheap to clone; all clones are one CA.
#[derive(Clone)]
pub(crate) struct FakeCa(Rc<State>);

/// A point of an order at which the engine may be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// Before anything.
    Asked,
    /// The key is on disk, the CA knows nothing.
    Begun,
    /// The CA has the order, its URL is nowhere on disk.
    Ordered,
    /// The URL is on disk.
    Noted,
    /// The CA has issued, and nobody has fetched it.
    Issued,
}

pub(crate) const POINTS: [Point; 5] = [Point::Asked, Point::Begun, Point::Ordered, Point::Noted, Point::Issued];

/// What an order does, instead of what it should.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    Fail(FailureKind),
    Panic,
}

struct State {
    clock: Clock,
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Of the engine that runs.
    store: RefCell<Option<Store>>,
    /// By URL.
    orders: RefCell<BTreeMap<String, AtCa>>,
    /// As they were asked for, also when they were gone on with.
    asked: RefCell<Vec<Order>>,
    revoked: RefCell<Vec<Issued>>,
    faults: RefCell<HashMap<HostPattern, Fault>>,
    hold_at: Cell<Option<Point>>,
    held: Notify,
    holding: Cell<usize>,
    /// So many of the first orders.
    forgotten: Cell<usize>,
    overdue: Cell<bool>,
    silent: Cell<bool>,
    roll_overs: Cell<usize>,
    in_flight: Cell<usize>,
    most_in_flight: Cell<usize>,
}

/// An order as the CA has it.
struct AtCa {
    names: Vec<HostPattern>,
    /// Once issued.
    chain: Option<String>,
}

impl FakeCa {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        // Goes with tokio's, so that both jump together where a test stands still.
        let (begin, time) = (tokio::time::Instant::now(), SystemTime::now());
        let clock = Clock::new(move || time + begin.elapsed());
        Self(Rc::new(State {
            clock,
            issuer,
            store: RefCell::default(),
            orders: RefCell::default(),
            asked: RefCell::default(),
            revoked: RefCell::default(),
            faults: RefCell::default(),
            hold_at: Cell::new(None),
            held: Notify::new(),
            holding: Cell::new(0),
            forgotten: Cell::new(0),
            overdue: Cell::new(false),
            silent: Cell::new(false),
            roll_overs: Cell::new(0),
            in_flight: Cell::new(0),
            most_in_flight: Cell::new(0),
        }))
    }

    pub(crate) fn clock(&self) -> Clock {
        self.0.clock.clone()
    }

    pub(crate) fn use_store(&self, store: Option<Store>) {
        *self.0.store.borrow_mut() = store;
    }

    /// Every order that comes here holds still.
    pub(crate) fn hold_at(&self, point: Option<Point>) {
        self.0.hold_at.set(point);
    }

    /// Ends when an order holds still.
    pub(crate) async fn held(&self) {
        self.0.held.notified().await;
    }

    /// Ends when so many orders have held still, ever.
    pub(crate) async fn holding(&self, count: usize) {
        while self.0.holding.get() < count {
            self.held().await;
        }
    }

    pub(crate) fn fault(&self, name: &str, fault: Option<Fault>) {
        let name = HostPattern::parse(name).unwrap();
        let mut faults = self.0.faults.borrow_mut();
        match fault {
            Some(fault) => faults.insert(name, fault),
            None => faults.remove(&name),
        };
    }

    /// There is no renewal information.
    pub(crate) fn set_silent(&self, silent: bool) {
        self.0.silent.set(silent);
    }

    /// The next time that it is asked for, renewal information says that it is high time.
    pub(crate) fn set_overdue(&self, overdue: bool) {
        self.0.overdue.set(overdue);
    }

    /// Orders that were asked for.
    pub(crate) fn orders(&self) -> usize {
        self.0.orders.borrow().len()
    }

    /// Certificates that were issued, by name.
    pub(crate) fn certificates(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for order in self.0.orders.borrow().values() {
            for name in order.names.iter().filter(|_| order.chain.is_some()) {
                *counts.entry(name.to_string()).or_default() += 1;
            }
        }
        counts
    }

    /// What the client was asked for, in order: orders that begin and orders that go on.
    pub(crate) fn asked(&self) -> Vec<Order> {
        self.0.asked.borrow().clone()
    }

    /// No order of before is known any more.
    pub(crate) fn forget_orders(&self) {
        self.0.forgotten.set(self.orders());
    }

    pub(crate) fn revoked(&self) -> Vec<Issued> {
        self.0.revoked.borrow().clone()
    }

    pub(crate) fn roll_overs(&self) -> usize {
        self.0.roll_overs.get()
    }

    pub(crate) fn most_in_flight(&self) -> usize {
        self.0.most_in_flight.get()
    }

    fn store(&self) -> Store {
        self.0.store.borrow().clone().expect("the engine runs")
    }

    async fn at(&self, point: Point) {
        if self.0.hold_at.get() == Some(point) {
            self.0.holding.set(self.0.holding.get() + 1);
            self.0.held.notify_one();
            std::future::pending::<()>().await;
        }
        tokio::task::yield_now().await;
    }

    async fn finish(&self, mut pending: Pending) -> Result<Obtained, Failure> {
        if pending.order_url().is_none() {
            let names = pending.draft().names.clone();
            let url = format!("https://ca.test/order/{}", self.orders());
            self.0.orders.borrow_mut().insert(url.clone(), AtCa { names, chain: None });
            self.at(Point::Ordered).await;
            pending.set_order_url(&url).unwrap();
        }
        self.at(Point::Noted).await;
        let chain = self.sign(&pending);
        self.at(Point::Issued).await;
        let issued = pending.commit(chain.as_bytes(), self.0.clock.time()).map_err(|(_, error)| failure_of(&error))?;
        Ok(Obtained { issued, proved: Vec::new() })
    }

    /// Once for each order; the same again afterwards.
    fn sign(&self, pending: &Pending) -> String {
        let url = pending.order_url().unwrap();
        let mut orders = self.0.orders.borrow_mut();
        let order = orders.get_mut(url).expect("the CA knows its orders");
        let sign = || {
            let mut request = CertificateSigningRequestParams::from_der(&pending.csr().unwrap().into()).unwrap();
            let now = self.0.clock.time();
            request.params.not_before = (now - Duration::from_hours(1)).into();
            request.params.not_after = (now + Duration::from_hours(90 * 24)).into();
            request.params.use_authority_key_identifier_extension = true;
            request.signed_by(&self.0.issuer).unwrap().pem()
        };
        order.chain.get_or_insert_with(sign).clone()
    }
}

impl Ca for FakeCa {
    async fn directory(&self) -> Result<Directory, Failure> {
        Ok(Directory { has_renewal_info: true, ..Directory::default() })
    }

    async fn obtain(&self, order: &Order) -> Result<Obtained, Failure> {
        self.0.asked.borrow_mut().push(order.clone());
        let _counted = Counted::new(&self.0);
        self.at(Point::Asked).await;
        let fault = order.names.iter().find_map(|name| self.0.faults.borrow().get(name).cloned());
        match fault {
            Some(Fault::Fail(kind)) => return Err(failure(kind)),
            Some(Fault::Panic) => panic!("as the test asked"),
            None => {}
        }
        let draft = Draft {
            tenant: order.tenant,
            names: order.names.clone(),
            ca: order.ca.clone(),
            profile: order.profile.as_ref().map(|profile| profile.name.clone()),
            key_type: order.key_type,
            renews: order.renews.as_ref().map(|(id, _)| id.clone()),
        };
        let left = self.store().pending().into_iter().find(|pending| pending.draft().names == draft.names);
        let pending = left.unwrap_or_else(|| self.store().begin(&draft).unwrap());
        self.at(Point::Begun).await;
        self.finish(pending).await
    }

    async fn resume(&self, pending: Pending, order: &Order) -> Result<Obtained, Failure> {
        self.0.asked.borrow_mut().push(order.clone());
        let _counted = Counted::new(&self.0);
        let known = self.0.orders.borrow().keys().skip(self.0.forgotten.get()).cloned().collect::<Vec<_>>();
        if !known.iter().any(|url| pending.order_url() == Some(url)) {
            pending.abandon().map_err(|error| failure_of(&error))?;
            return Err(failure(FailureKind::Gone));
        }
        self.finish(pending).await
    }

    async fn renewal_info(&self, _certificate: &str) -> Result<RenewalWindow, Failure> {
        let now = Timestamp::from(self.0.clock.time());
        const DAY: Duration = Duration::from_hours(24);
        if self.0.silent.get() {
            return Err(failure(FailureKind::Ca));
        }
        let (start, end) = match self.0.overdue.replace(false) {
            true => (now.before(2 * DAY), now.before(DAY)),
            false => (now.after(60 * DAY), now.after(61 * DAY)),
        };
        Ok(RenewalWindow { start, end, retry_after: None })
    }

    async fn revoke(&self, issued: &Issued, _reason: u8) -> Result<(), Failure> {
        let fault = issued.draft.names.iter().find_map(|name| self.0.faults.borrow().get(name).cloned());
        if let Some(Fault::Fail(kind)) = fault {
            return Err(failure(kind));
        }
        self.0.revoked.borrow_mut().push(issued.clone());
        Ok(())
    }

    async fn roll_over(&self) -> Result<(), Failure> {
        self.0.roll_overs.set(self.roll_overs() + 1);
        Ok(())
    }

    fn account(&self) -> Option<String> {
        Some("https://ca.test/account/1".to_owned())
    }
}

struct Counted<'a>(&'a State);

impl<'a> Counted<'a> {
    fn new(state: &'a State) -> Self {
        state.in_flight.set(state.in_flight.get() + 1);
        state.most_in_flight.set(state.most_in_flight.get().max(state.in_flight.get()));
        Self(state)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
    }
}

fn failure(kind: FailureKind) -> Failure {
    Failure::new(kind, "as the test asked")
}

fn failure_of(error: &vestibule_certs::store::StoreError) -> Failure {
    Failure { sentence: error.to_string(), ..failure(FailureKind::Storage) }
}
