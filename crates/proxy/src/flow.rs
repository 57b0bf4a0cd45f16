//! [`Flow`]: how the bytes of one body pass within the tenant's bandwidth and memory. Nothing is refused here: what is too
//! much waits, and back-pressure reaches whoever sends.
//!
//! Bandwidth: bytes that came too soon are kept, one frame at most, until their turn in the tenant's [`Account`]; turns are
//! in order of coming, so that all bodies of a tenant move alike. Memory: each frame is counted until whoever writes it
//! has let go of it. When the tenant has too much of that, a body passes one frame at a time: it goes on as soon as its own
//! reader does, whatever the others do.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::AcqRel, Ordering::Acquire},
    },
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use http_body::SizeHint;
use tokio::time::{Sleep, sleep};

use crate::account::Account;

/// One body's way through its tenant's account.
pub(crate) struct Flow {
    account: Arc<Account>,
    /// What this body has passed and somebody still holds. Made when a second frame may follow.
    outstanding: Option<Arc<Outstanding>>,
    late: Option<Late>,
    /// Was the body asked at the last poll?
    gate: Gate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Open,
    Shut,
}

/// A frame before its turn.
struct Late {
    data: Bytes,
    turn: Pin<Box<Sleep>>,
}

/// Bytes of one body that were passed and not written yet.
#[derive(Default)]
struct Outstanding {
    bytes: AtomicUsize,
    /// Who waits for them to be written; touched only while the tenant's memory is full.
    waiting: Mutex<Option<Waker>>,
}

/// Is a frame the last one of its body?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    Yes,
    No,
}

impl Flow {
    /// `None` for a tenant without limits: there is nothing to count.
    pub(crate) fn of(account: &Arc<Account>) -> Option<Self> {
        (!account.is_free()).then(|| Self {
            account: Arc::clone(account),
            outstanding: None,
            late: None,
            gate: Gate::Open,
        })
    }

    /// How much is kept that was taken from the body already.
    fn late(&self) -> usize {
        self.late.as_ref().map_or(0, |late| late.data.len())
    }

    /// Was the body asked for more at the last poll?
    pub(crate) fn is_open(&self) -> bool {
        self.gate == Gate::Open && self.late.is_none()
    }

    /// Is nothing kept?
    pub(crate) fn is_done(flow: Option<&Self>) -> bool {
        flow.is_none_or(|flow| flow.late.is_none())
    }

    /// Called before the body is asked for more: the frame whose turn has come, or `None` when the body may be asked.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(late) = &mut self.late {
            ready!(late.turn.as_mut().poll(cx));
            return Poll::Ready(self.late.take().map(|late| late.data));
        }
        self.gate = Gate::Open;
        let Some(outstanding) = self.outstanding.as_ref().filter(|_| self.account.is_full()) else {
            return Poll::Ready(None);
        };
        *outstanding.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        // Only now: what was let go of before would not have woken us.
        if outstanding.bytes.load(Acquire) == 0 {
            return Poll::Ready(None);
        }
        self.gate = Gate::Shut;
        Poll::Pending
    }

    /// Takes bytes that came: those that may go on now. Pending: [`Flow::poll`] gives them later, and wakes.
    pub(crate) fn pass(&mut self, cx: &mut Context<'_>, data: Bytes, last: Last) -> Poll<Bytes> {
        let wait = self.account.pass(data.len());
        let data = self.counted(data, last);
        if wait.is_zero() {
            return Poll::Ready(data);
        }
        let mut turn = Box::pin(sleep(wait));
        if turn.as_mut().poll(cx).is_ready() {
            return Poll::Ready(data);
        }
        self.late = Some(Late { data, turn });
        Poll::Pending
    }

    /// What is left of a body, together with a frame that was taken from it already.
    pub(crate) fn size_hint(flow: Option<&Self>, rest: SizeHint) -> SizeHint {
        match (flow.map_or(0, Self::late), rest.exact()) {
            (0, _) => rest,
            (late, Some(rest)) => SizeHint::with_exact(rest + late as u64),
            (_, None) => SizeHint::default(),
        }
    }

    /// The same bytes, counted until they are dropped.
    fn counted(&mut self, data: Bytes, last: Last) -> Bytes {
        if data.is_empty() {
            return data;
        }
        self.account.hold(data.len());
        if self.outstanding.is_none() && last == Last::No {
            self.outstanding = Some(Arc::default());
        }
        if let Some(outstanding) = &self.outstanding {
            outstanding.bytes.fetch_add(data.len(), AcqRel);
        }
        Bytes::from_owner(Held { data, account: Arc::clone(&self.account), outstanding: self.outstanding.clone() })
    }
}

/// Bytes that are counted as long as they live.
struct Held {
    data: Bytes,
    account: Arc<Account>,
    outstanding: Option<Arc<Outstanding>>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.account.release(self.data.len());
        let Some(outstanding) = &self.outstanding else { return };
        if outstanding.bytes.fetch_sub(self.data.len(), AcqRel) == self.data.len() {
            let waiting = outstanding.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use tokio::time::{Instant, timeout};
    use vestibule_names::TenantId;

    use super::*;
    use crate::account::AccountLimits;

    const KIB: usize = 1024;

    fn account(bandwidth: u64, buffered: u64) -> Arc<Account> {
        Account::new(TenantId(7), AccountLimits { bandwidth, buffered, ..AccountLimits::UNLIMITED })
    }

    /// Passes so many frames of a kibibyte, each let go of at once.
    async fn frames(account: &Arc<Account>, count: usize) {
        let mut flow = Flow::of(account).expect("limits");
        for _ in 0..count {
            assert_eq!(poll_fn(|cx| flow.poll(cx)).await, None);
            if poll_fn(|cx| Poll::Ready(flow.pass(cx, Bytes::from(vec![0; KIB]), Last::No))).await.is_pending() {
                assert_eq!(flow.late(), KIB);
                assert_eq!(poll_fn(|cx| flow.poll(cx)).await.map(|data| data.len()), Some(KIB));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_waits_for_its_tenants_bandwidth() {
        let account = account(100 * KIB as u64, u64::MAX);
        let began = Instant::now();
        frames(&account, 100).await; // the burst
        assert_eq!((began.elapsed(), account.waits()), (Duration::ZERO, 0));
        frames(&account, 10).await;
        // Timers are of whole milliseconds, and each rounds up.
        let (least, most) = (Duration::from_millis(100), Duration::from_millis(120));
        assert!((least..=most).contains(&began.elapsed()), "{:?}", began.elapsed());
        assert_eq!((account.waits(), account.held()), (10, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn two_bodies_of_a_tenant_move_alike() {
        let account = account(100 * KIB as u64, u64::MAX);
        frames(&account, 100).await;
        let ends = tokio::join!(async { (frames(&account, 10).await, Instant::now()).1 }, async {
            (frames(&account, 10).await, Instant::now()).1
        });
        let apart = if ends.0 > ends.1 { ends.0 - ends.1 } else { ends.1 - ends.0 };
        assert!(apart < Duration::from_millis(60), "neither came after the other: {apart:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_memory_lets_each_body_have_one_frame_at_a_time() {
        let account = account(u64::MAX, 4 * KIB as u64);
        let hog = account.clone();
        hog.hold(4 * KIB);
        let mut flow = Flow::of(&account).expect("limits");
        assert!(account.is_full());
        assert_eq!(poll_fn(|cx| flow.poll(cx)).await, None, "it holds nothing itself");
        let first = poll_fn(|cx| flow.pass(cx, Bytes::from(vec![1; KIB]), Last::No)).await;
        assert_eq!(account.held(), 5 * KIB as u64);
        let blocked = timeout(Duration::from_secs(60), poll_fn(|cx| flow.poll(cx))).await;
        assert!(blocked.is_err(), "its own frame is not written yet");
        let written = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(first);
        });
        assert_eq!(poll_fn(|cx| flow.poll(cx)).await, None, "woken by its own reader alone");
        written.await.expect("ends");
        assert_eq!(account.held(), 4 * KIB as u64);
        hog.release(4 * KIB);
    }

    #[tokio::test]
    async fn parts_of_a_frame_count_until_the_last_is_gone() {
        let account = account(u64::MAX, 100);
        let mut flow = Flow::of(&account).expect("limits");
        let mut data = poll_fn(|cx| flow.pass(cx, Bytes::from_static(b"hello world"), Last::Yes)).await;
        let part = data.split_to(5);
        drop(data);
        assert_eq!((&part[..], account.held()), (&b"hello"[..], 11));
        drop(part);
        assert_eq!(account.held(), 0);
    }
}
