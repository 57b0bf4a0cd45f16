//! [`Clock`]: the wall clock as an argument, so that years pass in a test in seconds.
//!
//! Not here: waits, which are tokio's and stand still with it in tests.

use std::{fmt, sync::Arc, time::SystemTime};

use crate::Timestamp;

/// Tells the time of day. It may jump, forwards and backwards.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// One of a test's own.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Now.
    pub fn time(&self) -> SystemTime {
        (self.0)()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.time().into()
    }
}

impl Default for Clock {
    /// The system's.
    fn default() -> Self {
        Self::new(SystemTime::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.time()).finish()
    }
}
