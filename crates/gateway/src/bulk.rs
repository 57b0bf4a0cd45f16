//! [`Bulk`]: a long body moves piece by piece, and so does what passes through a tunnel; each piece beyond the first waits for
//! its tenant's turn: in one turn of the run loop so much is moved in all, however many could go on, and whatever else is
//! ready runs between two turns. A short answer never waits here; a short request waits for what one turn takes, and not for
//! what all bodies would.
//!
//! Not here: what a tenant may move in a second (`vestibule_proxy::Account`), which holds also on a worker that is not busy.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use vestibule_names::TenantId;
use vestibule_proxy::{RequestBody, RequestBodyError, Turns as _};

use crate::{
    tasks::Tasks,
    turnstile::{First, Share, Turn, Turnstile},
};

/// What a body moves between two of its turns, bytes: the most that is read at once.
const PIECE: u32 = vestibule_h1::LARGEST_PIECE;
/// All bodies of a worker move so much in a turn: it takes some hundred microseconds.
const SHARE: Share = Share { turn: 4 * PIECE, quantum: PIECE, first: First::AfterOthers };

/// Where the bodies of a worker wait.
pub(crate) fn turnstile(tasks: Tasks) -> Turnstile {
    Turnstile::sharing(SHARE, tasks)
}

/// See the module: of one body.
#[derive(Default)]
pub(crate) struct Bulk {
    /// What was moved since the last turn.
    moved: u32,
    turn: Option<Turn>,
}

impl Bulk {
    /// So many bytes were moved.
    pub(crate) fn moved(&mut self, count: usize) {
        self.moved = self.moved.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Ready when more may be moved.
    pub(crate) fn poll_turn(&mut self, turnstile: &Turnstile, tenant: TenantId, cx: &mut Context<'_>) -> Poll<()> {
        if self.moved < PIECE {
            return Poll::Ready(());
        }
        if self.turn.is_none() {
            self.turn = turnstile.enter(tenant, self.moved.min(SHARE.turn));
        }
        if let Some(turn) = &mut self.turn {
            ready!(Pin::new(turn).poll(cx));
        }
        (self.turn, self.moved) = (None, 0);
        Poll::Ready(())
    }
}

/// The turns of one tenant's body, or of one direction of a tunnel, for whoever knows of neither the worker nor the tenant.
pub(crate) struct Turns {
    bulk: Bulk,
    turnstile: Turnstile,
    tenant: TenantId,
}

impl Turns {
    pub(crate) fn new(turnstile: &Turnstile, tenant: TenantId) -> Self {
        Self { bulk: Bulk::default(), turnstile: turnstile.clone(), tenant }
    }
}

impl vestibule_proxy::Turns for Turns {
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.bulk.poll_turn(&self.turnstile, self.tenant, cx)
    }

    fn moved(&mut self, count: usize) {
        self.bulk.moved(count);
    }
}

/// The body of a request, in turns.
struct InTurns {
    body: RequestBody,
    turns: Turns,
}

/// Has it move in turns, if it may be long.
pub(crate) fn in_turns(body: RequestBody, turnstile: &Turnstile, tenant: TenantId) -> RequestBody {
    if body.size_hint().upper().is_some_and(|length| length <= PIECE.into()) {
        return body;
    }
    RequestBody::of(InTurns { body, turns: Turns::new(turnstile, tenant) })
}

impl Body for InTurns {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let this = &mut *self;
        ready!(this.turns.poll_turn(cx));
        let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            this.turns.moved(frame.data_ref().map_or(0, Bytes::len));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::poll_fn, rc::Rc};

    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::*;

    const MANY: u32 = 200;

    /// Moves so many pieces, as fast as it may.
    async fn move_pieces(turnstile: Turnstile, tenant: TenantId, pieces: u32, moved: Rc<Cell<u32>>) {
        let mut bulk = Bulk::default();
        for _ in 0..pieces {
            poll_fn(|cx| bulk.poll_turn(&turnstile, tenant, cx)).await;
            bulk.moved(PIECE as usize);
            moved.set(moved.get() + 1);
        }
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a run time");
        LocalSet::new().block_on(&runtime, test);
    }

    #[test]
    fn between_two_turns_of_the_run_loop_little_is_moved_however_many_could() {
        run(async {
            let (turnstile, moved) = (turnstile(Tasks::default()), Rc::new(Cell::new(0)));
            let bodies: Vec<_> = (0..MANY)
                .map(|number| spawn_local(move_pieces(turnstile.clone(), TenantId(number), 8, Rc::clone(&moved))))
                .collect();
            let mut before = MANY; // the first piece of each is free
            while moved.get() < MANY * 8 {
                yield_now().await;
                let now = moved.get();
                assert!(now <= before + 2 * SHARE.turn / PIECE, "{} in one turn", now - before);
                before = now.max(MANY);
            }
            for body in bodies {
                body.await.expect("moves");
            }
        });
    }

    #[test]
    fn a_tenant_with_one_body_does_not_wait_behind_those_of_another() {
        run(async {
            let (turnstile, many, one) = (turnstile(Tasks::default()), Rc::default(), Rc::new(Cell::new(0)));
            let crowd: Vec<_> = (0..MANY)
                .map(|_| spawn_local(move_pieces(turnstile.clone(), TenantId(1), 8, Rc::clone(&many))))
                .collect();
            let calm = spawn_local(move_pieces(turnstile.clone(), TenantId(2), 64, Rc::clone(&one)));
            calm.await.expect("moves");
            assert!(many.get() < MANY + 64 * 4, "{} pieces of the others meanwhile", many.get());
            for body in crowd {
                body.await.expect("moves");
            }
        });
    }

    #[test]
    fn who_moves_little_or_is_gone_costs_no_turn() {
        run(async {
            let turnstile = turnstile(Tasks::default());
            let mut small = Bulk::default();
            small.moved(PIECE as usize - 1);
            poll_fn(|cx| small.poll_turn(&turnstile, TenantId(1), cx)).await;
            assert!(small.turn.is_none() && small.moved == PIECE - 1);
            let mut gone: Vec<_> = (0..MANY).map(|_| Bulk::default()).collect();
            for bulk in &mut gone {
                bulk.moved(PIECE as usize);
                let _ = poll_fn(|cx| Poll::Ready(bulk.poll_turn(&turnstile, TenantId(1), cx))).await;
            }
            drop(gone);
            let moved = Rc::new(Cell::new(0));
            move_pieces(turnstile, TenantId(2), 8, Rc::clone(&moved)).await;
            assert_eq!(moved.get(), 8);
        });
    }
}
