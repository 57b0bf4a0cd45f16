//! Serves one connection until it ends: the codec is chosen by ALPN or the preface, never sniffed. One timer
//! per connection watches its [`Vitals`]; a drain closes it politely.

use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

use crate::{
    http1,
    http2::Http2,
    outcome::{Ended, Outcome},
    request::{ConnectionFacts, Held, Walker},
    stream::{Transport, Watched},
    vitals::{CLOSE_GRACE, CLOSING_LOOK, FIRST_REQUEST_GRACE, Overdue, Vitals},
    worker::Worker,
};

/// How requests come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// HTTP/1.x
    Http1,
    /// HTTP/2
    Http2,
}

/// Serves HTTP on a stream that is ready for it. A future of its own on the heap, and not an `async fn`, which would keep
/// room for what it was called with: thousands of connections are idle here.
pub(crate) fn serve<S>(worker: Rc<Worker>, stream: S, codec: Codec, facts: ConnectionFacts, held: Held) -> Serving
where
    S: Transport + 'static,
{
    let vitals = Rc::new(Vitals::new(std::time::Instant::now()));
    let walker = Walker::new(Rc::clone(&worker), facts, Rc::clone(&vitals), held);
    match codec {
        Codec::Http1 => {
            let stream = Watched::new(stream, vitals);
            let connection = http1::Connection::new(stream, walker.clone(), wire_limits(&worker));
            Box::pin(Served::new(walker, connection))
        }
        Codec::Http2 => {
            let connection = Http2::new(Watched::new(stream, vitals), walker.clone());
            Box::pin(Served::new(walker, connection))
        }
    }
}

/// A connection that is served, to its end.
pub(crate) type Serving = Pin<Box<dyn Future<Output = Ended>>>;

/// No URI is longer: the type that holds one counts in 16 bits.
const LONGEST_TARGET: usize = 65_534;

/// What a head may cost, as the settings say.
fn wire_limits(worker: &Worker) -> vestibule_wire::Limits {
    let limits = &worker.config().limits;
    let size = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    vestibule_wire::Limits {
        head: size(limits.request_head.0),
        fields: limits.request_headers as usize,
        target: size(limits.request_target.0).min(LONGEST_TARGET),
    }
}

/// A connection as its codec drives it.
pub(crate) trait Conversation {
    /// Moves what can be moved; ready when it has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended>;

    /// It shall take nothing new, and end after what is under way. To be polled afterwards.
    fn close(&mut self);
}

/// Drives a connection while watching its vitals and the drain. The timer and the drain signal are polled only when
/// they are due, not at every wake of the connection.
struct Served<C> {
    conversation: C,
    walker: Walker,
    watchdog: Watchdog,
}

impl<C> Served<C> {
    fn new(walker: Walker, conversation: C) -> Self {
        let watchdog = Watchdog::new(Rc::clone(walker.worker()), walker.vitals());
        Self { conversation, walker, watchdog }
    }

    fn ended(&self, ended: impl Into<Ended>) -> Ended {
        Ended { tenant: self.walker.tenant(), ..ended.into() }
    }
}

impl<C: Conversation + Unpin> Future for Served<C> {
    type Output = Ended;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let this = &mut *self;
        if let Poll::Ready(ended) = this.conversation.poll(cx) {
            return Poll::Ready(this.ended(ended));
        }
        match this.watchdog.poll(cx, this.walker.vitals()) {
            Verdict::Fine => Poll::Pending,
            Verdict::Close => {
                this.conversation.close();
                this.conversation.poll(cx).map(|_| this.ended(Outcome::Closed))
            }
            Verdict::Cut(overdue) => Poll::Ready(this.ended(Outcome::from(overdue))),
        }
    }
}

/// What to do with a connection now.
enum Verdict {
    Fine,
    Close,
    Cut(Overdue),
}

struct Watchdog {
    worker: Rc<Worker>,
    tick: Pin<Box<Sleep>>,
    armed: bool,
    drain: Pin<Box<dyn Future<Output = ()>>>,
    drain_noticed: Option<Instant>,
    closing_since: Option<Instant>,
}

impl Watchdog {
    fn new(worker: Rc<Worker>, vitals: &Vitals) -> Self {
        let draining = Rc::clone(&worker);
        Self {
            tick: Box::pin(tokio::time::sleep(vitals.next_look(&worker.config().timeouts))),
            worker,
            armed: false,
            drain: Box::pin(async move { draining.draining().await }),
            drain_noticed: None,
            closing_since: None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, vitals: &Vitals) -> Verdict {
        if !self.armed {
            // Registers this task's waker with both; it stays the same for the life of the task.
            self.armed = true;
            let (drain, tick) = (self.drain.as_mut().poll(cx), self.tick.as_mut().poll(cx));
            if drain.is_pending() && tick.is_pending() {
                return Verdict::Fine;
            }
        }
        if self.closing_since.is_none() && self.worker.is_draining() {
            let noticed = *self.drain_noticed.get_or_insert_with(Instant::now);
            if !vitals.is_fresh() || noticed.elapsed() >= FIRST_REQUEST_GRACE {
                self.look_again(cx, CLOSING_LOOK);
                return self.begin_close();
            }
            self.look_again(cx, FIRST_REQUEST_GRACE);
            return Verdict::Fine;
        }
        if self.closing_since.is_none() && vitals.is_close_asked() {
            self.look_again(cx, CLOSING_LOOK);
            return self.begin_close();
        }
        if !self.tick.is_elapsed() {
            return Verdict::Fine;
        }
        let verdict = self.judge(vitals);
        let wait = match self.closing_since {
            Some(_) => CLOSING_LOOK,
            None => vitals.next_look(&self.worker.config().timeouts),
        };
        self.look_again(cx, wait);
        verdict
    }

    fn look_again(&mut self, cx: &mut Context<'_>, wait: Duration) {
        self.tick.as_mut().reset(Instant::now() + wait);
        if self.tick.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
    }

    fn begin_close(&mut self) -> Verdict {
        self.closing_since = Some(Instant::now());
        Verdict::Close
    }

    fn judge(&mut self, vitals: &Vitals) -> Verdict {
        let overdue = vitals.overdue(&self.worker.config().timeouts);
        match (self.closing_since, overdue) {
            (_, Some(overdue @ (Overdue::Head | Overdue::WriteStall))) => Verdict::Cut(overdue),
            (None, Some(Overdue::Idle)) => self.begin_close(),
            // It did not follow the polite close, and nothing of it is being answered.
            (Some(since), _) if since.elapsed().min(vitals.rested_for()) >= CLOSE_GRACE => Verdict::Cut(Overdue::Idle),
            (Some(_), _) | (None, None) => Verdict::Fine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::tests::idle_worker;

    /// What becomes of a connection that was asked to close so long ago.
    fn judged(since: Duration, vitals: &Vitals) -> bool {
        let dir = tempfile::tempdir().expect("a folder");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a run time");
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let worker = idle_worker(dir.path());
            let mut watchdog = Watchdog::new(worker, vitals);
            watchdog.closing_since = Instant::now().checked_sub(since);
            assert!(watchdog.closing_since.is_some(), "the machine is up for that long");
            matches!(watchdog.judge(vitals), Verdict::Cut(_))
        })
    }

    fn born(before: Duration) -> Vitals {
        let then = std::time::Instant::now().checked_sub(before).expect("the machine is up for that long");
        Vitals::new(then)
    }

    #[test]
    fn a_closing_connection_is_cut_when_it_has_rested_and_not_before() {
        let (long, minute) = (CLOSE_GRACE * 2, Duration::from_secs(30));
        assert!(judged(long, &born(minute)), "it does not follow the polite close");
        assert!(!judged(Duration::ZERO, &born(minute)), "it was told just now");

        let answering = born(minute);
        answering.request_began();
        assert!(!judged(long, &answering), "a request is open");
        answering.request_ended();
        assert!(!judged(long, &answering), "the end of its response may still be on its way");

        let slow = born(minute);
        slow.write_stalled();
        assert!(!judged(long, &slow), "what is written is not taken yet: that has a wait of its own");
    }
}
