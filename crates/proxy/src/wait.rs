//! [`IdleWait`]: a timer that costs nothing until somebody really waits.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

/// Runs from the first `Pending` of a wait to its next progress. The timer is allocated at the first wait, and moved
/// at the later ones.
pub(crate) struct IdleWait {
    timeout: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Resting,
    Waiting,
}

impl IdleWait {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, timer: None, state: State::Resting }
    }

    /// Something came: the next wait begins anew.
    pub(crate) fn progress(&mut self) {
        self.state = State::Resting;
    }

    /// Called when what is waited for is pending: ready when the wait has taken too long.
    pub(crate) fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.timeout)));
        if self.state == State::Resting {
            timer.as_mut().reset(Instant::now() + self.timeout);
            self.state = State::Waiting;
        }
        timer.as_mut().poll(cx)
    }
}
