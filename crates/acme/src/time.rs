//! [`Timestamp`]: points in time as the planner and its records know them. No clock is read here.

use std::{
    num::NonZero,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Later by this much; saturates.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(milliseconds(wait)))
    }

    /// Earlier by this much; saturates.
    #[must_use]
    pub fn before(self, wait: Duration) -> Self {
        Self(self.0.saturating_sub(milliseconds(wait)))
    }

    /// The end of a wait that began at `began`, as it counts now. Whatever began in the future began before the clock went back: it
    /// lasts as long as it was to last, from now on. And nothing lasts longer than `most`, whatever a record says.
    #[must_use]
    pub(crate) fn seen_from(self, began: Self, most: Duration, now: Self) -> Self {
        let until = if began > now { now.after(self.since(began)) } else { self };
        until.min(now.after(most))
    }

    /// How long after `earlier`; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// A [`Timestamp`] of which there may be none at no cost: an `Option` of it is as small as itself. For that the epoch counts
/// as the millisecond after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alarm(NonZero<u64>);

impl From<Timestamp> for Alarm {
    fn from(at: Timestamp) -> Self {
        Self(NonZero::new(at.0).unwrap_or(NonZero::<u64>::MIN))
    }
}

impl From<Alarm> for Timestamp {
    fn from(alarm: Alarm) -> Self {
        Self(alarm.0.get())
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(milliseconds(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(time.0)
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_saturate_and_differences_are_never_negative() {
        let (early, late) = (Timestamp(1_000), Timestamp(u64::MAX - 1_000));
        for (found, expected) in [
            (early.after(Duration::from_secs(1)), Timestamp(2_000)),
            (early.before(Duration::from_secs(5)), Timestamp(0)),
            (late.after(Duration::MAX), Timestamp(u64::MAX)),
            (late.before(Duration::MAX), Timestamp(0)),
        ] {
            assert_eq!(found, expected);
        }
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(Timestamp(3_500).since(early), Duration::from_millis(2_500));
    }

    #[test]
    fn an_alarm_takes_no_more_than_its_time() {
        assert_eq!(size_of::<Option<Alarm>>(), size_of::<Timestamp>());
        for (at, expected) in [(0, 1), (1, 1), (1_800_000_000_123, 1_800_000_000_123)] {
            assert_eq!(Timestamp::from(Alarm::from(Timestamp(at))), Timestamp(expected));
        }
    }

    #[test]
    fn the_clock_of_the_system_goes_there_and_back() {
        let at = Timestamp(1_800_000_000_123);
        assert_eq!(Timestamp::from(SystemTime::from(at)), at);
        assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_secs(1)), Timestamp(0));
    }
}
