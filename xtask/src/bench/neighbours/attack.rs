//! [`Attack`]: what is done to one tenant.

use std::time::Duration;

use serde::Serialize;
use tokio::time::sleep;
use vestibule_testkit::process::Process;

use super::house::{CONNECTIONS, FREE, HANGING, HOT, House, LARGE, RICH, SMALL, UPLOAD};

/// How long it takes to fill the box.
const FILLING: Duration = Duration::from_secs(2);

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
    /// More open connections than the box has places for.
    Full,
    /// 32 downloads of 16 MiB at a time.
    Downloads,
    /// 32 uploads of 16 MiB at a time.
    Uploads,
    /// The same downloads by a tenant without a limit: what is left is how long each turn of the run loop takes.
    Free,
}

impl Attack {
    /// For tables.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Requests => "requests, 64 connections",
            Self::Streams => "ten times the share, HTTP/2",
            Self::Hanging => "a backend that hangs",
            Self::Handshakes => "1,000 handshakes a second",
            Self::Full => "a full box",
            Self::Downloads => "32 downloads of 16 MiB",
            Self::Uploads => "32 uploads of 16 MiB",
            Self::Free => "32 downloads of 16 MiB, no limit",
        }
    }

    /// Starts it, and gives it the time to have its full effect; it ends when dropped.
    pub(super) async fn start(self, house: &House, seconds: u32) -> Process {
        let lasting = seconds + 4;
        let words = match self {
            Self::Requests => format!("--h1 -c64 -D{lasting}"),
            // 40 connections of 100 requests per second each.
            Self::Streams => format!("-c40 -m10 --rps=100 -D{lasting}"),
            Self::Hanging => format!("-c50 -m10 -D{lasting}"),
            Self::Handshakes => format!("--h1 -n{count} -c{count} -r1000", count = 1000 * lasting),
            Self::Full => format!("--h1 -c{count} --rps=1 -D{lasting}", count = 3 * CONNECTIONS / 2),
            Self::Downloads | Self::Free => format!("--h1 -c32 -D{lasting}"),
            Self::Uploads => format!("--h1 -c32 -D{lasting} -d {UPLOAD}"),
        };
        let target = match self {
            Self::Requests | Self::Streams | Self::Handshakes => (HOT, SMALL),
            Self::Hanging => (HANGING, SMALL),
            // Its limits are never reached: what keeps it back is its share of the box.
            Self::Full => (RICH, SMALL),
            Self::Downloads => (LARGE, "/bytes/16777216"),
            Self::Free => (FREE, "/bytes/16777216"),
            Self::Uploads => (LARGE, "/sink"),
        };
        let under_way = house.h2load("attack", &words, target);
        if self == Self::Full {
            sleep(FILLING).await;
        }
        under_way
    }
}
