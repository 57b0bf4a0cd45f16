//! [`Attack`]: what is done to one tenant.

use serde::Serialize;
use vestibule_testkit::process::Process;

use super::house::{HANGING, HOT, House};
use crate::Outcome;

/// What is done to one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Attack {
    /// 64 connections of HTTP/1.1 that ask as fast as they can.
    Requests,
    /// Ten times the share, over HTTP/2.
    Streams,
    /// 500 requests at a time to a backend that takes connections and says nothing.
    Hanging,
    /// 1,000 new TLS connections per second.
    Handshakes,
}

impl Attack {
    /// For tables.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Requests => "requests, 64 connections",
            Self::Streams => "ten times the share, HTTP/2",
            Self::Hanging => "a backend that hangs",
            Self::Handshakes => "1,000 handshakes a second",
        }
    }

    /// Starts it; it ends when dropped.
    pub(super) fn start(self, house: &House, seconds: u32) -> Outcome<Process> {
        let lasting = seconds + 2;
        let words = match self {
            Self::Requests => format!("--h1 -c64 -D{lasting}"),
            // 40 connections of 100 requests per second each.
            Self::Streams => format!("-c40 -m10 --rps=100 -D{lasting}"),
            Self::Hanging => format!("-c50 -m10 -D{lasting}"),
            Self::Handshakes => format!("--h1 -n{count} -c{count} -r1000", count = 1000 * lasting),
        };
        let host = if self == Self::Hanging { HANGING } else { HOT };
        Ok(house.h2load("attack", &words, host))
    }
}
