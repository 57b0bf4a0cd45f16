//! [`Patience`]: how long an order may still take, and how long to wait before the next look at it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Before the second look; a CA that needs longer says so (RFC 8555 section 8.2), or is looked at less and less often.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// A Retry-After of no time at all would be a loop.
const SHORTEST_WAIT: Duration = Duration::from_millis(50);

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    end: Instant,
    next: Duration,
}

/// The end would come before the next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutOfTime;

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        let now = Instant::now();
        Self { end: now.checked_add(limit).unwrap_or(now), next: FIRST_WAIT }
    }

    /// The same, with another end if that is earlier.
    pub(super) fn at_most(self, limit: Duration) -> Self {
        Self { end: self.end.min(Self::new(limit).end), ..self }
    }

    /// So long was waited for somebody else than the CA.
    pub(super) fn pause(&mut self, spent: Duration) {
        self.end = self.end.checked_add(spent).unwrap_or(self.end);
    }

    /// From here on the waits are short again.
    pub(super) fn afresh(&mut self) {
        self.next = FIRST_WAIT;
    }

    /// Waits what the CA asked for, or a little longer than the last time.
    pub(super) async fn wait(&mut self, asked: Option<Duration>) -> Result<(), OutOfTime> {
        let wait = asked.unwrap_or(self.next).max(SHORTEST_WAIT);
        self.next = (self.next * 2).min(LONGEST_WAIT);
        if Instant::now() + wait >= self.end {
            return Err(OutOfTime);
        }
        sleep(wait).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_grow_are_bounded_and_end() {
        let start = Instant::now();
        let mut patience = Patience::new(Duration::from_secs(600));
        let mut looks = 0;
        while patience.wait(None).await.is_ok() {
            looks += 1;
        }
        assert!((60..80).contains(&looks), "{looks}");
        assert!(start.elapsed() < Duration::from_secs(600) && start.elapsed() > Duration::from_secs(580));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_ca_asks_for_is_waited_if_there_is_time() {
        let start = Instant::now();
        let mut patience = Patience::new(Duration::from_secs(60));
        patience.wait(Some(Duration::from_secs(5))).await.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        patience.wait(Some(Duration::ZERO)).await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(5) + SHORTEST_WAIT);
        assert_eq!(patience.wait(Some(Duration::from_secs(3600))).await, Err(OutOfTime));
        patience.pause(Duration::from_secs(3600));
        patience.wait(Some(Duration::from_secs(3600))).await.unwrap();
        assert_eq!(patience.at_most(Duration::from_secs(1)).wait(Some(Duration::from_secs(2))).await, Err(OutOfTime));
    }
}
