//! [`Visitors`]: who comes, each sort from an address of its own: a limit that one of them meets is not the others'.

use std::net::Ipv4Addr;

use vestibule_testkit::{
    client::Trust,
    visitor::{Sessions, Visitor},
};

/// Where clients of each sort come from.
const GOOD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const SLOW: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const BROKEN: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);
const HOSTILE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);

/// Who visits.
pub(super) struct Visitors {
    /// Comes back to its sessions.
    pub(super) good: Visitor,
    /// Begins anew each time.
    pub(super) fresh: Visitor,
    pub(super) slow: Visitor,
    pub(super) broken: Visitor,
    pub(super) hostile: Visitor,
}

impl Visitors {
    /// Those who believe that.
    pub(super) fn new(trust: &Trust) -> Self {
        let visitor = |from, sessions| Visitor::new(from, trust, sessions);
        Self {
            good: visitor(GOOD, Sessions::Resumed),
            fresh: visitor(GOOD, Sessions::Full),
            slow: visitor(SLOW, Sessions::Resumed),
            broken: visitor(BROKEN, Sessions::Full),
            hostile: visitor(HOSTILE, Sessions::Full),
        }
    }
}
