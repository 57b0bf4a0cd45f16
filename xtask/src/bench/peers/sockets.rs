//! [`Room`]: is there room in what the kernel gives all TCP sockets together (`tcp_mem` of tcp(7))? When it gets scarce, packets of
//! everybody are dropped and sent again after a second: that says nothing about the proxy that is measured.

use std::{fs, time::Duration};

use tokio::time::{Instant, sleep};

/// How long the sockets of a load before may take to end.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);
/// There is room while TCP has at most so much of what it may have before it is called scarce.
const SHARE: u64 = 4;

/// There was room at one moment.
pub(super) struct Room {
    /// How often it had been scarce by then; `None` where the kernel does not say.
    scarcities: Option<u64>,
}

impl Room {
    /// Waits until the sockets of earlier loads are gone.
    pub(super) async fn free() -> Result<Self, String> {
        let latest = Instant::now() + PATIENCE;
        while let Some((taken, scarce)) = taken().zip(scarce())
            && taken > scarce / SHARE
        {
            if Instant::now() > latest {
                return Err(format!("sockets of somebody else hold {taken} pages, and from {scarce} on there are few"));
            }
            sleep(LOOK).await;
        }
        Ok(Self { scarcities: scarcities() })
    }

    /// Fails when it became scarce since.
    pub(super) fn was_enough(&self) -> Result<(), String> {
        if self.scarcities == scarcities() {
            Ok(())
        } else {
            Err("the kernel's memory for all sockets became scarce (tcp_mem): it dropped packets of everybody"
                .to_owned())
        }
    }
}

/// Pages that TCP has.
fn taken() -> Option<u64> {
    after("TCP:", "mem", &fs::read_to_string("/proc/net/sockstat").ok()?)
}

/// From so many on they are scarce. The kernel says so in its first network namespace alone.
fn scarce() -> Option<u64> {
    fs::read_to_string("/proc/sys/net/ipv4/tcp_mem").ok()?.split_whitespace().nth(1)?.parse().ok()
}

fn scarcities() -> Option<u64> {
    column("TcpExt:", "TCPMemoryPressures", &fs::read_to_string("/proc/net/netstat").ok()?)
}

/// Of `PREFIX name 1 word 2`, what follows the word.
fn after(prefix: &str, word: &str, text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(prefix))?;
    line.split_whitespace().skip_while(|part| *part != word).nth(1)?.parse().ok()
}

/// Of a line of names and one of values, what stands below the name.
fn column(prefix: &str, name: &str, text: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(prefix));
    let at = lines.next()?.split_whitespace().position(|part| part == name)?;
    lines.next()?.split_whitespace().nth(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_by_their_names() {
        let sockstat = "sockets: used 8\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 344\nUDP: inuse 0 mem 7\n";
        assert_eq!(after("TCP:", "mem", sockstat), Some(344));
        assert_eq!((after("TCP:", "most", sockstat), after("RAW:", "mem", sockstat)), (None, None));
        let netstat = "TcpExt: SyncookiesSent TCPMemoryPressures\nTcpExt: 3 51\nIpExt: TCPMemoryPressures\nIpExt: 9\n";
        assert_eq!(column("TcpExt:", "TCPMemoryPressures", netstat), Some(51));
        assert_eq!(column("TcpExt:", "OfoPruned", netstat), None);
    }

    #[tokio::test]
    async fn what_the_kernel_says_is_understood_and_what_it_does_not_say_is_no_obstacle() {
        let says = |path: &str| fs::exists(path).expect("it can be looked for");
        assert_eq!(taken().is_some(), says("/proc/net/sockstat"));
        assert_eq!(scarcities().is_some(), says("/proc/net/netstat"));
        assert_eq!(scarce().is_some_and(|pages| pages > 0), says("/proc/sys/net/ipv4/tcp_mem"));
        assert!(Room::free().await.is_ok(), "other tests have sockets, but no gigabyte of them");
    }
}
