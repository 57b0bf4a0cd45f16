//! [`Pace`]: when the next request is due, to some ten microseconds. The timer of the run time knows only milliseconds,
//! which is more than most answers take.

use std::{
    io,
    time::{Duration, Instant},
};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;

/// Moments at a steady distance.
pub(super) struct Pace {
    /// A timerfd, which the run time polls and reads like a pipe.
    timer: Receiver,
    begin: Instant,
    per_second: f64,
    total: u64,
    next: u64,
}

impl Pace {
    /// So many a second, for so long, beginning now.
    pub(super) fn new(per_second: f64, lasting: Duration) -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of requests")]
        let total = (per_second * lasting.as_secs_f64()) as u64;
        let timer = Receiver::from_owned_fd_unchecked(timer)?;
        Ok(Self { timer, begin: Instant::now(), per_second, total, next: 0 })
    }

    /// Waits until the next one is due, and says its number and when it was due: that may be past. `None` at the end.
    pub(super) async fn due(&mut self) -> io::Result<Option<(u64, Instant)>> {
        if self.next == self.total {
            return Ok(None);
        }
        let number = self.next;
        self.next += 1;
        #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
        let due = self.begin + Duration::from_secs_f64(number as f64 / self.per_second);
        let wait = due.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            // Others get their turn also when we are late for good.
            tokio::task::yield_now().await;
        } else {
            self.sleep(wait).await?;
        }
        Ok(Some((number, due)))
    }

    /// A wait of 0 would switch the timer off: callers do not ask for it.
    async fn sleep(&self, wait: Duration) -> io::Result<()> {
        let value = Timespec::try_from(wait).map_err(io::Error::other)?;
        let once = Itimerspec { it_interval: Timespec::default(), it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        loop {
            self.timer.readable().await?;
            match self.timer.try_read(&mut [0_u8; 8]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read.map(drop),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_moment_comes_once_and_none_too_early() {
        let mut pace = Pace::new(2_000.0, Duration::from_millis(50)).unwrap();
        let mut before = None;
        for expected in 0..100 {
            let (number, due) = pace.due().await.unwrap().unwrap();
            assert_eq!(number, expected);
            assert!(Instant::now() >= due);
            assert!(before.is_none_or(|before| before < due));
            before = Some(due);
        }
        assert_eq!(pace.due().await.unwrap(), None);
    }
}
