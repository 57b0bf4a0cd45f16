//! [`Appetite`]: how fast a client takes what it asked for, and so how much the kernel may hold for it. Who moves megabytes in
//! a moment is given room for longer turns, which cost less; who is slow, or slow again, has little.
//!
//! Not here: whether it takes anything at all (`vitals`).

use std::time::{Duration, Instant};

use vestibule_listener::{GENEROUS_UNSENT_LIMIT, UNSENT_LIMIT};

/// Looked at after each so many bytes.
const HELPING: usize = 4 * 1024 * 1024;
/// Taken within this, that is a lot.
const QUICKLY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Appetite {
    /// Until the next look, bytes.
    left: usize,
    /// When the helping before was finished, if there was one.
    since: Option<Instant>,
    limit: u32,
}

impl Default for Appetite {
    fn default() -> Self {
        Self { left: HELPING, since: None, limit: UNSENT_LIMIT }
    }
}

impl Appetite {
    /// So many bytes were written; the new limit of what the kernel may hold, if it changes. Nothing is known before the
    /// end of the second helping: the first one began whenever something was asked for.
    pub(crate) fn took(&mut self, count: usize, now: impl FnOnce() -> Instant) -> Option<u32> {
        if let Some(left) = self.left.checked_sub(count).filter(|left| *left > 0) {
            self.left = left;
            return None;
        }
        self.left = HELPING;
        let now = now();
        let since = self.since.replace(now)?;
        let limit = if now.duration_since(since) <= QUICKLY { GENEROUS_UNSENT_LIMIT } else { UNSENT_LIMIT };
        let changes = std::mem::replace(&mut self.limit, limit) != limit;
        changes.then_some(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told after each step: so many bytes, so long after the step before.
    fn told(steps: &[(usize, Duration)]) -> Vec<Option<u32>> {
        let (mut appetite, mut now) = (Appetite::default(), Instant::now());
        steps
            .iter()
            .map(|(count, after)| {
                now += *after;
                appetite.took(*count, || now)
            })
            .collect()
    }

    #[test]
    fn who_takes_much_is_given_room_and_who_slows_down_loses_it() {
        let (quick, slow) = ((HELPING, QUICKLY), (HELPING, QUICKLY * 2));
        assert_eq!(told(&[quick, quick, quick]), [None, Some(GENEROUS_UNSENT_LIMIT), None]);
        assert_eq!(told(&[quick, quick, slow, slow]), [None, Some(GENEROUS_UNSENT_LIMIT), Some(UNSENT_LIMIT), None]);
        assert_eq!(told(&[quick, slow, quick]), [None, None, Some(GENEROUS_UNSENT_LIMIT)]);
    }

    #[test]
    fn no_clock_is_read_for_what_is_small() {
        let mut appetite = Appetite::default();
        for _ in 1..HELPING / 1024 {
            assert_eq!(appetite.took(1024, || unreachable!("it is not much yet")), None);
        }
    }
}
