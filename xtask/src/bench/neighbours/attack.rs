//! [`Attack`]: what is done to one tenant.

use std::time::Duration;

use serde::Serialize;
use tokio::time::sleep;
use vestibule_testkit::process::Process;

use super::{
    house::{CONNECTIONS, FREE, HANGING, HOT, House, LARGE, RICH, SMALL, TALKATIVE, UPLOAD},
    tunnels::{self, Crowd},
};

/// How long it takes to fill the box.
const FILLING: Duration = Duration::from_secs(2);
/// What is downloaded.
const BODY: &str = "/bytes/16777216";

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
    /// As much through 32 WebSockets of that tenant.
    Tunnels,
}

/// An attack that goes on; it ends when dropped.
pub(super) enum UnderWay {
    Load { _load: Process },
    Crowd { _crowd: Crowd },
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
            Self::Tunnels => "32 WebSockets, no limit",
        }
    }

    /// Starts it, and gives it the time to have its full effect.
    pub(super) async fn start(self, house: &House, seconds: u32) -> UnderWay {
        let lasting = seconds + 4;
        let (words, target) = match self {
            Self::Requests => (format!("--h1 -c64 -D{lasting}"), (HOT, SMALL)),
            // 40 connections of 100 requests per second each.
            Self::Streams => (format!("-c40 -m10 --rps=100 -D{lasting}"), (HOT, SMALL)),
            Self::Hanging => (format!("-c50 -m10 -D{lasting}"), (HANGING, SMALL)),
            Self::Handshakes => (format!("--h1 -n{count} -c{count} -r1000", count = 1000 * lasting), (HOT, SMALL)),
            // Its limits are never reached: what keeps it back is its share of the box.
            Self::Full => (format!("--h1 -c{count} --rps=1 -D{lasting}", count = 3 * CONNECTIONS / 2), (RICH, SMALL)),
            Self::Downloads => (format!("--h1 -c32 -D{lasting}"), (LARGE, BODY)),
            Self::Free => (format!("--h1 -c32 -D{lasting}"), (FREE, BODY)),
            Self::Uploads => (format!("--h1 -c32 -D{lasting} -d {UPLOAD}"), (LARGE, "/sink")),
            Self::Tunnels => {
                let entrance = house.entrance();
                let crowd = tunnels::listen(entrance.trust().clone(), entrance.address(), TALKATIVE);
                return UnderWay::Crowd { _crowd: crowd };
            }
        };
        let load = house.h2load("attack", &words, target);
        if self == Self::Full {
            sleep(FILLING).await;
        }
        UnderWay::Load { _load: load }
    }
}
