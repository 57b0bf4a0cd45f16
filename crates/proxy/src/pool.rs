//! [`Pool`]: the connections of one worker to its backends, the last used first.
//!
//! A connection is either leased to one exchange or idle; only one whose exchange is over in both directions comes back.
//! What is idle is watched by one task per backend, so that what its backend closes, or speaks on unasked, is closed here
//! at once; and it is looked at again before a request is written to it. A connection is keyed by the tenant for whom it
//! was opened, the backend's address and, for `https://`, how it was verified: whose process is at its other end was asked
//! for that tenant, and for nobody else. Requests of different clients share a connection one after the other, never two
//! at a time.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    pin::pin,
    rc::{Rc, Weak},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Instant, sleep};
use vestibule_names::{TenantId, UpstreamAddr, UpstreamScheme};
use vestibule_vhost::UpstreamTls;

use crate::{
    Account, ProxyConfig, Rewound, Spawn, UpstreamBudget, border::Allowance, deadlines::Deadlines, link::Link,
    stream::Stream,
};

/// For how long a backend that took no connection is asked last.
const DOWN_TIME: Duration = Duration::from_secs(5);

/// The sweeper comes so many times in one keep-alive time.
const SWEEPS: u32 = 4;

/// The connections of one worker.
pub(crate) struct Pool {
    pub(crate) config: ProxyConfig,
    pub(crate) spawn: Spawn,
    pub(crate) deadlines: Rc<Deadlines>,
    /// In their order: for as many as a worker has, comparing costs less than a hash that nobody can foresee.
    backends: RefCell<BTreeMap<UpstreamAddr, Vec<Rc<Backend>>>>,
    turn: Cell<usize>,
    sweeper: Cell<Sweeper>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sweeper {
    Asleep,
    Running,
}

/// One backend of one tenant, and what is idle there.
pub(crate) struct Backend {
    pub(crate) addr: UpstreamAddr,
    pub(crate) tls: UpstreamTls,
    /// Whom its sockets cost. What is idle here is used for this tenant's requests only.
    pub(crate) account: Arc<Account>,
    /// To what its tenant may be connected.
    pub(crate) allowance: Arc<Allowance>,
    idle: RefCell<VecDeque<Idle>>,
    /// Of the task that watches what is idle, once it runs.
    watcher: RefCell<Option<Waker>>,
    /// How many connections are open.
    pub(crate) open: Rc<Cell<usize>>,
    down_until: Cell<Option<Instant>>,
}

struct Idle {
    link: Rc<Link>,
    since: Instant,
}

/// A connection that belongs to one exchange. Dropping it closes the connection; [`Lease::give_back`] keeps it.
pub(crate) struct Lease {
    link: Rc<Link>,
    pub(crate) backend: Rc<Backend>,
    pub(crate) origin: Origin,
    pool: Rc<Pool>,
    after: Fate,
}

/// What happens to the connection of a lease that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Closed,
    /// Somebody else has it.
    Kept,
}

/// Whether a connection has served before: only then may its silence be a matter of age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Fresh,
    Reused,
}

impl Pool {
    pub(crate) fn new(config: ProxyConfig, spawn: Spawn) -> Rc<Self> {
        Rc::new(Self {
            config,
            deadlines: Deadlines::new(Rc::clone(&spawn)),
            spawn,
            backends: RefCell::default(),
            turn: Cell::new(0),
            sweeper: Cell::new(Sweeper::Asleep),
        })
    }

    /// Where in a group of that many backends to begin.
    pub(crate) fn turn(&self, count: usize) -> usize {
        if count < 2 {
            return 0;
        }
        let turn = self.turn.get().wrapping_add(1);
        self.turn.set(turn);
        turn % count
    }

    /// The backend of that address and verification, for that tenant.
    pub(crate) fn backend(
        self: &Rc<Self>,
        addr: &UpstreamAddr,
        tls: &UpstreamTls,
        account: &Arc<Account>,
    ) -> Rc<Backend> {
        let mut backends = self.backends.borrow_mut();
        // Verification says nothing of a clear connection.
        let same = |backend: &&Rc<Backend>| {
            Arc::ptr_eq(&backend.account, account) && (addr.scheme == UpstreamScheme::Http || backend.tls == *tls)
        };
        if let Some(backend) = backends.get(addr).and_then(|known| known.iter().find(same)) {
            return Rc::clone(backend);
        }
        let backend = Rc::new(Backend {
            addr: addr.clone(),
            tls: tls.clone(),
            account: Arc::clone(account),
            allowance: self.config.border.allowance(account.tenant()),
            idle: RefCell::default(),
            watcher: RefCell::default(),
            open: Rc::default(),
            down_until: Cell::new(None),
        });
        backends.entry(addr.clone()).or_default().push(Rc::clone(&backend));
        drop(backends);
        (self.spawn)(Box::pin(watch(Rc::downgrade(&backend))));
        if self.sweeper.replace(Sweeper::Running) == Sweeper::Asleep {
            let every = self.config.keep_alive / SWEEPS;
            (self.spawn)(Box::pin(sweep(Rc::downgrade(self), every, self.config.budget.clone())));
        }
        backend
    }

    /// The first backend of that address, if any is known.
    #[cfg(test)]
    pub(crate) fn known(&self, addr: &UpstreamAddr) -> Option<Rc<Backend>> {
        self.backends.borrow().get(addr)?.first().cloned()
    }

    /// The idle connection of a backend that was used last, if one is still good.
    pub(crate) fn take(self: &Rc<Self>, backend: &Rc<Backend>, now: Instant) -> Option<Lease> {
        let mut idle = backend.idle.borrow_mut();
        // The youngest comes first: when it is too old, so are the others, and the sweeper closes them.
        while let Some(Idle { link, since }) = idle.pop_back() {
            if now.duration_since(since) > self.config.keep_alive {
                return None;
            }
            if backend.is_good(&link) {
                return Some(self.lease(link, backend, Origin::Reused));
            }
        }
        None
    }

    /// Takes the connection that has been idle for the longest, of whichever backend, or of a tenant's. A walk over the
    /// backends: only for a budget that is spent, which also bounds how many of them have a connection.
    pub(crate) fn evict(&self, tenant: Option<TenantId>) -> Option<Rc<Link>> {
        let backends = self.backends.borrow();
        let asked = |backend: &&Rc<Backend>| tenant.is_none_or(|tenant| backend.account.tenant() == tenant);
        let oldest = backends.values().flatten().filter(asked).min_by_key(|backend| {
            // The front is the oldest of its backend; a backend without any comes after all others.
            let since = backend.idle.borrow().front().map(|idle| idle.since);
            (since.is_none(), since)
        })?;
        let idle = oldest.idle.borrow_mut().pop_front()?;
        Some(idle.link)
    }

    /// Lets go of what somebody was refused for: the oldest idle connection of all when the budget is spent, and of each
    /// tenant who has too many.
    fn make_room(&self) {
        if self.config.budget.is_spent() {
            drop(self.evict(None));
        }
        let wanted: Vec<_> = {
            let backends = self.backends.borrow();
            let idle = backends.values().flatten().filter(|backend| !backend.idle.borrow().is_empty());
            idle.filter(|backend| backend.account.take_want()).map(|backend| backend.account.tenant()).collect()
        };
        for tenant in wanted {
            drop(self.evict(Some(tenant)));
        }
    }

    /// Makes a lease of a connection.
    pub(crate) fn lease(self: &Rc<Self>, link: Rc<Link>, backend: &Rc<Backend>, origin: Origin) -> Lease {
        Lease { link, backend: Rc::clone(backend), origin, pool: Rc::clone(self), after: Fate::Closed }
    }

    /// Idle and open connections (the open ones include the idle).
    pub(crate) fn counts(&self) -> (usize, usize) {
        let backends = self.backends.borrow();
        backends
            .values()
            .flatten()
            .fold((0, 0), |(idle, open), backend| (idle + backend.idle.borrow().len(), open + backend.open.get()))
    }

    fn keep(&self, link: Rc<Link>, backend: &Backend) {
        if !backend.is_watched(&link) {
            return;
        }
        let mut idle = backend.idle.borrow_mut();
        if idle.len() >= self.config.idle_limit {
            idle.pop_front();
        }
        if self.config.idle_limit > 0 {
            idle.push_back(Idle { link, since: Instant::now() });
        }
    }

    /// Closes what is too old, and forgets backends with nothing to remember. Says how many are left.
    fn sweep(&self) -> usize {
        let now = Instant::now();
        let mut backends = self.backends.borrow_mut();
        backends.retain(|_, known| {
            known.retain(|backend| {
                let mut idle = backend.idle.borrow_mut();
                idle.retain(|idle| now.duration_since(idle.since) <= self.config.keep_alive);
                !idle.is_empty() || backend.open.get() > 0 || backend.is_down(now) || Rc::strong_count(backend) > 1
            });
            !known.is_empty()
        });
        backends.len()
    }
}

/// Runs while a backend is known, and does not keep the pool alive. Between two rounds it lets go of an idle connection
/// whenever a worker had to refuse a request: else what is idle here would hold its place for as long as it is kept
/// alive, and who asks elsewhere would be refused as long.
async fn sweep(pool: Weak<Pool>, every: Duration, budget: UpstreamBudget) {
    let mut round = pin!(sleep(every));
    loop {
        tokio::select! {
            biased;
            () = &mut round => round.set(sleep(every)),
            () = budget.wanted() => {
                let Some(pool) = pool.upgrade() else { return };
                pool.make_room();
                continue;
            }
        }
        let Some(pool) = pool.upgrade() else { return };
        if pool.sweep() == 0 {
            pool.sweeper.set(Sweeper::Asleep);
            return;
        }
    }
}

impl Backend {
    /// From now on the watcher is woken when something happens on a connection. Has nothing happened yet?
    fn is_watched(&self, link: &Link) -> bool {
        // A watcher that has not run yet looks at everything when it does.
        let watcher = self.watcher.borrow();
        watcher.as_ref().is_none_or(|watcher| link.is_good(&mut Context::from_waker(watcher)))
    }

    /// Is a connection that is idle as it was when it was kept?
    fn is_good(&self, link: &Link) -> bool {
        match *self.watcher.borrow() {
            Some(_) => link.is_still_good(),
            // Nobody has looked at it yet. Whoever uses it is woken by what it does with it.
            None => link.is_good(&mut Context::from_waker(Waker::noop())),
        }
    }

    /// Did it refuse a connection just now?
    pub(crate) fn is_down(&self, now: Instant) -> bool {
        self.down_until.get().is_some_and(|until| until > now)
    }

    pub(crate) fn mark_down(&self) {
        self.down_until.set(Some(Instant::now() + DOWN_TIME));
    }

    pub(crate) fn mark_up(&self) {
        self.down_until.set(None);
    }
}

/// Closes what is idle at a backend as soon as something happens there: its end, or bytes that nobody asked for. Ends
/// with the backend.
async fn watch(backend: Weak<Backend>) {
    poll_fn(|cx| {
        let Some(backend) = backend.upgrade() else { return Poll::Ready(()) };
        *backend.watcher.borrow_mut() = Some(cx.waker().clone());
        backend.idle.borrow_mut().retain(|idle| idle.link.is_good(cx));
        Poll::Pending
    })
    .await;
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.watcher.take().into_iter().for_each(Waker::wake);
    }
}

impl Lease {
    pub(crate) fn link(&self) -> &Rc<Link> {
        &self.link
    }

    /// Gives the rest of the request body a task of its own, if there is a rest.
    pub(crate) fn send_apart(&self) {
        self.link.send_apart(&self.pool.spawn);
    }

    /// Hands the connection over, if it is still there: it is none of the pool's any more.
    pub(crate) fn take_stream(self) -> Option<Rewound<Stream>> {
        self.link.take_stream()
    }

    /// The response is over: keeps the connection if the request is over too and nothing stands in the way.
    pub(crate) fn give_back(mut self) {
        if self.link.end() {
            self.after = Fate::Kept;
            self.pool.keep(Rc::clone(&self.link), &self.backend);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.after == Fate::Closed {
            self.link.close();
        }
    }
}
