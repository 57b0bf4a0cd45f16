//! [`Clock`]: the CA's time. Real with an offset, or moved by hand only.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Clones show the same time.
#[derive(Clone, Debug)]
pub struct Clock {
    shows: Arc<Mutex<Shows>>,
}

#[derive(Clone, Copy, Debug)]
enum Shows {
    /// The system's clock, and so much.
    Ahead(Duration),
    /// The system's clock, less so much.
    Behind(Duration),
    /// Exactly this, until moved.
    At(SystemTime),
}

impl Default for Clock {
    fn default() -> Self {
        Self::showing(Shows::Ahead(Duration::ZERO))
    }
}

impl Clock {
    /// Stands still at this time.
    pub fn manual(at: SystemTime) -> Self {
        Self::showing(Shows::At(at))
    }

    /// The system's clock, but behind by so much.
    pub fn behind(by: Duration) -> Self {
        Self::showing(Shows::Behind(by))
    }

    fn showing(shows: Shows) -> Self {
        Self { shows: Arc::new(Mutex::new(shows)) }
    }

    /// What it shows.
    pub fn now(&self) -> SystemTime {
        match *self.shows.lock().unwrap() {
            Shows::Ahead(by) => SystemTime::now() + by,
            Shows::Behind(by) => SystemTime::now() - by,
            Shows::At(at) => at,
        }
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        let mut shows = self.shows.lock().unwrap();
        *shows = match *shows {
            Shows::Ahead(ahead) => Shows::Ahead(ahead + by),
            Shows::Behind(behind) if behind < by => Shows::Ahead(by - behind),
            Shows::Behind(behind) => Shows::Behind(behind - by),
            Shows::At(at) => Shows::At(at + by),
        };
    }

    /// The time since the epoch, as [`super::rules`] counts.
    pub(super) fn since_epoch(&self) -> Duration {
        since_epoch(self.now())
    }
}

pub(super) fn since_epoch(at: SystemTime) -> Duration {
    at.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// As ACME writes points in time.
pub(super) fn rfc3339(at: SystemTime) -> String {
    // Whole seconds: fractions would be of no use, and certificates have none either.
    let at = UNIX_EPOCH + Duration::from_secs(since_epoch(at).as_secs());
    OffsetDateTime::from(at).format(&Rfc3339).expect("a year with four digits")
}
