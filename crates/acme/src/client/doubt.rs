//! [`Doubt`]: a challenge that the CA leaves open although something is wrong with it. When is that its last word?
//!
//! RFC 8555 section 8.2 lets a CA put what went wrong at a challenge that is not decided. Some then try again only when they
//! are asked to, which may be never: the order would run into its end, and what is wrong would be told much too late.

use std::time::Duration;

use tokio::time::Instant;

use super::fault::Problem;

/// Looks in a row that must find it.
const LOOKS: u32 = 3;
/// How long it must have stood there.
const TIME: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubt {
    looks: u32,
    since: Option<Instant>,
    time: Duration,
}

impl Doubt {
    /// Of an order that may take this long in all.
    pub(super) fn within(order: Duration) -> Self {
        Self { looks: 0, since: None, time: TIME.min(order / 2) }
    }

    /// What one more look found at the challenge; given back if that is to be taken for the end.
    pub(super) fn consider(&mut self, found: Option<Problem>) -> Option<Problem> {
        let Some(problem) = found else {
            (self.looks, self.since) = (0, None);
            return None;
        };
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        self.looks = self.looks.saturating_add(1);
        (self.looks >= LOOKS && now.duration_since(since) >= self.time).then_some(problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_what_stands_there_for_long_and_in_every_look_is_the_last_word() {
        let problem = || Some(Problem { kind: "connection".to_owned(), ..Problem::default() });
        let mut doubt = Doubt::within(Duration::from_secs(600));
        // Seconds before the look, what it finds, and whether that is the end.
        for (wait, found, expected) in [
            (0, problem(), None),
            (1, problem(), None),
            (1, problem(), None),
            (20, None, None),
            (1, problem(), None),
            (20, problem(), None),
            (1, problem(), problem()),
        ] {
            tokio::time::advance(Duration::from_secs(wait)).await;
            assert_eq!(doubt.consider(found), expected);
        }
        let mut hurried = Doubt::within(Duration::from_secs(4));
        for expected in [None, None, problem()] {
            assert_eq!(hurried.consider(problem()), expected);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }
}
