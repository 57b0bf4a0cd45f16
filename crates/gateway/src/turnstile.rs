//! [`Turnstile`]: whose turn it is on a busy worker. So much work may begin in one turn of the worker's run loop; what comes
//! beyond that waits, and tenants are served in turn (deficit round robin), however many requests or handshakes each has
//! waiting. On a worker that is not busy everything passes at once. Long bodies have a turnstile of their own (`bulk`).
//!
//! It bounds nothing: whoever waits here has a place within a tenant's limits already.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use vestibule_names::TenantId;

use crate::tasks::Tasks;

/// What a request's own work counts: roughly 20 µs.
pub(crate) const REQUEST: u32 = 1;
/// What a TLS handshake counts beside it.
pub(crate) const HANDSHAKE: u32 = 8;

/// How a turnstile deals out its turns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    /// What may begin in one turn.
    pub(crate) turn: u32,
    /// What a tenant may begin before it is the next one's turn.
    pub(crate) quantum: u32,
    /// When the first turn begins for which somebody waits.
    pub(crate) first: First,
}

/// When a turn begins that somebody waits for while there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    AtOnce,
    /// When everything that is ready, and what the system tells of meanwhile, has run.
    AfterOthers,
}

impl Share {
    /// Of requests and handshakes.
    const WORK: Self = Self { turn: 16, quantum: 4, first: First::AtOnce };
}

impl Default for Share {
    fn default() -> Self {
        Self::WORK
    }
}

/// One per worker. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Turnstile {
    state: Rc<RefCell<State>>,
    /// Where the keeper runs.
    tasks: Tasks,
}

#[derive(Default)]
struct State {
    share: Share,
    /// What may still begin in this turn.
    left: u32,
    keeper: Keeper,
    /// Tenants with somebody waiting, whose turn comes first at the front.
    ring: VecDeque<TenantId>,
    queues: HashMap<TenantId, Queue>,
    /// How many turns were begun for somebody who waited.
    #[cfg(test)]
    turns: usize,
}

/// The task that begins a new turn.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Keeper {
    /// Nobody has asked for a turn since the last one.
    #[default]
    Asleep,
    Running,
}

#[derive(Default)]
struct Queue {
    credit: u32,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    cost: u32,
    pass: Rc<Pass>,
}

/// A turn that is waited for. Both sides are of one thread: a channel between threads takes an atomic instruction for each step.
pub(crate) struct Turn(Rc<Pass>);

#[derive(Default)]
struct Pass {
    is_given: Cell<bool>,
    waiter: RefCell<Option<Waker>>,
}

impl Pass {
    /// Fails when nobody waits any more.
    fn give(self: Rc<Self>) -> Result<(), ()> {
        if Rc::strong_count(&self) == 1 {
            return Err(());
        }
        self.is_given.set(true);
        self.waiter.take().into_iter().for_each(Waker::wake);
        Ok(())
    }
}

impl Future for Turn {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.is_given.get() {
            return Poll::Ready(());
        }
        *self.0.waiter.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Turnstile {
    /// For requests and handshakes, of the worker with these tasks.
    pub(crate) fn new(tasks: Tasks) -> Self {
        Self::sharing(Share::WORK, tasks)
    }

    /// For something else.
    pub(crate) fn sharing(share: Share, tasks: Tasks) -> Self {
        Self { state: Rc::new(RefCell::new(State { share, ..State::default() })), tasks }
    }

    /// Waits for the tenant's turn to begin work of that cost. Dropping the future gives the turn up.
    pub(crate) async fn pass(&self, tenant: TenantId, cost: u32) {
        if let Some(turn) = self.enter(tenant, cost) {
            turn.await;
        }
    }

    /// The turn that is waited for; `None`: it is now.
    pub(crate) fn enter(&self, tenant: TenantId, cost: u32) -> Option<Turn> {
        let mut state = self.state.borrow_mut();
        if state.ring.is_empty() && state.left >= cost {
            state.left -= cost;
            return None;
        }
        let turn = state.queue(tenant, cost);
        if state.keeper == Keeper::Asleep {
            state.keeper = Keeper::Running;
            self.tasks.spawn(self.clone().keep());
        }
        Some(turn)
    }

    #[cfg(test)]
    pub(crate) fn turns(&self) -> usize {
        self.state.borrow().turns
    }

    /// Begins turn after turn until one leaves nobody waiting. Between two of them everything that was ready has run.
    async fn keep(self) {
        if self.state.borrow().share.first == First::AfterOthers {
            tokio::task::yield_now().await;
        }
        loop {
            let rest = self.state.borrow_mut().turn();
            if rest == Keeper::Asleep {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

impl State {
    fn queue(&mut self, tenant: TenantId, cost: u32) -> Turn {
        let pass = Rc::<Pass>::default();
        let turn = Turn(Rc::clone(&pass));
        let queue = self.queues.entry(tenant).or_default();
        if queue.waiting.is_empty() {
            self.ring.push_back(tenant);
        }
        queue.waiting.push_back(Waiting { cost, pass });
        turn
    }

    fn turn(&mut self) -> Keeper {
        #[cfg(test)]
        {
            self.turns += 1;
        }
        self.left = self.share.turn;
        while self.left > 0
            && let Some(tenant) = self.ring.pop_front()
        {
            let Some(queue) = self.queues.get_mut(&tenant) else { continue };
            queue.credit += self.share.quantum;
            while let Some(next) = queue.waiting.pop_front_if(|next| next.cost <= queue.credit) {
                // Who has left meanwhile costs nothing.
                if next.pass.give().is_ok() {
                    queue.credit -= next.cost;
                    self.left = self.left.saturating_sub(next.cost);
                }
            }
            if queue.waiting.is_empty() {
                self.queues.remove(&tenant);
            } else {
                self.ring.push_back(tenant);
            }
        }
        self.keeper = if self.ring.is_empty() { Keeper::Asleep } else { Keeper::Running };
        self.keeper
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOT: TenantId = TenantId(1);
    const CALM: TenantId = TenantId(2);

    /// How many of these have passed.
    fn passed(turns: &mut Vec<Turn>) -> usize {
        let before = turns.len();
        turns.retain(|turn| !turn.0.is_given.get());
        before - turns.len()
    }

    #[test]
    fn a_tenant_with_one_request_does_not_wait_behind_a_flood() {
        let mut state = State::default();
        let mut flood: Vec<_> = (0..1000).map(|_| state.queue(HOT, REQUEST)).collect();
        let mut calm = vec![state.queue(CALM, REQUEST)];
        assert_eq!(state.turn(), Keeper::Running);
        assert_eq!((passed(&mut flood), passed(&mut calm)), (Share::WORK.turn as usize - 1 + 1, 1));
    }

    #[test]
    fn tenants_get_alike_whatever_their_work_costs() {
        let mut state = State::default();
        let mut requests: Vec<_> = (0..10_000).map(|_| state.queue(HOT, REQUEST)).collect();
        let mut handshakes: Vec<_> = (0..10_000).map(|_| state.queue(CALM, HANDSHAKE)).collect();
        for _ in 0..100 {
            state.turn();
        }
        let (requests, handshakes) = (passed(&mut requests), passed(&mut handshakes) * HANDSHAKE as usize);
        assert!(requests.abs_diff(handshakes) <= (HANDSHAKE + Share::WORK.quantum) as usize, "{requests} {handshakes}");
    }

    #[test]
    fn who_has_left_costs_nothing_and_nothing_is_kept() {
        let mut state = State::default();
        drop((0..1000).map(|_| state.queue(HOT, REQUEST)).collect::<Vec<_>>());
        let mut calm = vec![state.queue(CALM, HANDSHAKE)];
        let mut turns = 0;
        while state.turn() == Keeper::Running {
            turns += 1;
        }
        assert_eq!((passed(&mut calm), turns), (1, 0));
        assert!(state.queues.is_empty() && state.ring.is_empty());
    }

    #[tokio::test]
    async fn everybody_passes_in_the_end() {
        tokio::task::LocalSet::new()
            .run_until(async {
                let turnstile = Turnstile::default();
                let tasks: Vec<_> = (0..500)
                    .map(|number| {
                        let turnstile = turnstile.clone();
                        tokio::task::spawn_local(async move { turnstile.pass(TenantId(number % 7), REQUEST).await })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("passes");
                }
                assert!(turnstile.state.borrow().ring.is_empty());
            })
            .await;
    }
}
