//! [`Bells`]: which exchanges of a connection have something to do. One task drives them all; each has a waker of its own,
//! which marks its place and wakes the task if it is not awake already.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Wake, Waker},
};

/// Of one connection.
#[derive(Debug)]
pub(super) struct Bells {
    /// A bit for each place.
    rung: Box<[AtomicU64]>,
    /// Is the task awake? Then it looks by itself.
    awake: AtomicBool,
    task: Mutex<Option<Waker>>,
}

struct Bell {
    bells: Arc<Bells>,
    place: usize,
}

impl Bells {
    /// For so many places.
    pub(super) fn new(places: usize) -> Arc<Self> {
        let rung = (0..places.div_ceil(64).max(1)).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self { rung, awake: AtomicBool::new(false), task: Mutex::new(None) })
    }

    /// The waker of a place.
    pub(super) fn bell(self: &Arc<Self>, place: usize) -> Waker {
        Waker::from(Arc::new(Bell { bells: Arc::clone(self), place }))
    }

    /// The task is awake.
    pub(super) fn awake(&self, cx: &Context<'_>) {
        self.awake.store(true, SeqCst);
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *task {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *task = Some(cx.waker().clone()),
        }
    }

    /// The task goes to sleep. Whoever rang while it was awake wakes it again.
    pub(super) fn asleep(&self) {
        self.awake.store(false, SeqCst);
        if !self.are_silent() {
            self.wake();
        }
    }

    /// Wakes the task, for no place.
    pub(super) fn wake(&self) {
        if !self.awake.load(SeqCst)
            && let Some(waker) = &*self.task.lock().unwrap_or_else(PoisonError::into_inner)
        {
            waker.wake_by_ref();
        }
    }

    /// Marks a place. The first mark wakes the task; it looks at all of them.
    pub(super) fn ring(&self, place: usize) {
        if let Some(word) = self.rung.get(place / 64)
            && word.fetch_or(1 << (place % 64), SeqCst) == 0
        {
            self.wake();
        }
    }

    /// Does nobody ring?
    pub(super) fn are_silent(&self) -> bool {
        self.rung.iter().all(|word| word.load(SeqCst) == 0)
    }

    /// The places that were marked, and are not any more.
    pub(super) fn take(&self, mut each: impl FnMut(usize)) {
        for (at, word) in self.rung.iter().enumerate() {
            if word.load(SeqCst) == 0 {
                continue;
            }
            let mut bits = word.swap(0, SeqCst);
            while bits != 0 {
                each(at * 64 + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.bells.ring(self.place);
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.bells.ring(self.place);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn the_first_mark_wakes_the_task_and_each_place_is_told_once() {
        let (bells, woken) = (Bells::new(130), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        let cx = Context::from_waker(&waker);
        bells.awake(&cx);
        bells.asleep();
        let times = || woken.0.load(SeqCst);
        let taken = || {
            let mut places = Vec::new();
            bells.take(|place| places.push(place));
            places
        };
        for place in [7, 3, 7] {
            bells.bell(place).wake();
        }
        assert_eq!((times(), bells.are_silent()), (1, false));
        assert_eq!(taken(), [3, 7]);
        assert_eq!((taken(), bells.are_silent()), (vec![], true));
        for place in [129, 64, 0] {
            bells.bell(place).wake_by_ref();
        }
        assert_eq!((times(), taken()), (4, vec![0, 64, 129]), "each word once");
        bells.ring(10_000); // no place at all
        assert_eq!(times(), 4);
    }

    #[test]
    fn whoever_rings_while_the_task_is_awake_wakes_it_when_it_sleeps() {
        let (bells, woken) = (Bells::new(1), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        let times = || woken.0.load(SeqCst);
        bells.awake(&Context::from_waker(&waker));
        bells.ring(0);
        bells.wake();
        assert_eq!(times(), 0);
        bells.asleep();
        assert_eq!(times(), 1);
        bells.awake(&Context::from_waker(&waker));
        bells.take(|_| ());
        bells.asleep();
        assert_eq!(times(), 1);
    }
}
