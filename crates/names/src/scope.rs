//! [`Scope`]: what kind of place an IP address is. Who may connect there is decided elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far an address reaches, judged by the address alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Scope {
    /// This machine, and nobody outside sees it: `127.0.0.0/8`, `::1`.
    Loopback,
    /// No address of anybody: `0.0.0.0/8`, `::` (Linux connects some of them to the loopback).
    Unspecified,
    /// The cable itself: `169.254.0.0/16`, `fe80::/10`.
    LinkLocal,
    /// Where clouds tell a machine its secrets, outside the link-local range.
    Metadata,
    /// Many at once: multicast and broadcast.
    Multicast,
    /// Nobody's, or a wrapping of an address that is not of the Internet: 6to4, NAT64 and Teredo could carry a packet to
    /// where the address inside leads.
    Reserved,
    /// A network behind a border: private, shared by carriers, for documentation or benchmarks.
    Private,
    /// The Internet.
    Global,
}

/// Where clouds tell a machine its secrets, beside `169.254.169.254`. One of them is an address of the Internet.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba
    Ipv4Addr::new(168, 63, 129, 16),   // Azure's wire server
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle
];

impl Scope {
    /// The scope of an address. IPv4 addresses in their IPv6 form are what they are: the kernel speaks IPv4 to them.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => of_v4(v4),
            IpAddr::V6(v6) => of_v6(v6),
        }
    }
}

fn of_v4(address: Ipv4Addr) -> Scope {
    if METADATA_V4.contains(&address) {
        return Scope::Metadata;
    }
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (127, ..) => Scope::Loopback,                                   // RFC 1122 section 3.2.1.3
        (0, ..) => Scope::Unspecified,                                  // RFC 1122 section 3.2.1.3
        (169, 254, _) => Scope::LinkLocal,                              // RFC 3927
        (224..=239, ..) => Scope::Multicast,                            // RFC 1112
        _ if address.is_broadcast() => Scope::Multicast,                // RFC 919
        (240.., ..) | (192, 88, 99) => Scope::Reserved,                 // RFC 1112; 6to4 relays (RFC 7526)
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Scope::Private, // RFC 1918
        (100, 64..=127, _) => Scope::Private,                           // shared by carriers (RFC 6598)
        (192, 0, 0 | 2) | (198, 51, 100) | (203, 0, 113) => Scope::Private, // RFC 6890, RFC 5737
        (198, 18 | 19, _) => Scope::Private,                            // benchmarks (RFC 2544)
        _ => Scope::Global,
    }
}

fn of_v6(address: Ipv6Addr) -> Scope {
    let wrapped = |high: u16, low: u16| match of_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))) {
        Scope::Global => Scope::Global,
        _ => Scope::Reserved,
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Scope::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Scope::Loopback,
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => wrapped(high, low), // NAT64 (RFC 6052)
        [0x2002, high, low, ..] => wrapped(high, low),               // 6to4 (RFC 3056)
        [0xfd00, 0xec2, ..] | [0xfd20, 0xce, ..] => Scope::Metadata, // Amazon, Google
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Scope::Private, // documentation (RFC 3849, RFC 9637)
        [0x2001, 0..=0x1ff, ..] => Scope::Reserved,                  // protocols, Teredo among them (RFC 2928)
        [first, ..] => match first {
            0xfe80..=0xfebf => Scope::LinkLocal, // RFC 4291 section 2.5.6
            0xfec0..=0xfeff => Scope::Private,   // once site-local (RFC 3879)
            0xfc00..=0xfdff => Scope::Private,   // RFC 4193
            0xff00.. => Scope::Multicast,        // RFC 4291 section 2.7
            0x2000..=0x3fff => Scope::Global,    // RFC 4291 section 2.4
            _ => Scope::Reserved,                // IPv4-compatible, local NAT64 (RFC 8215), discard (RFC 6666)
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_one_scope() {
        let table: [(Scope, &[&str]); 8] = [
            (Scope::Loopback, &["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "::ffff:7f01:203"]),
            (Scope::Unspecified, &["0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0"]),
            (Scope::LinkLocal, &["169.254.169.254", "169.254.0.1", "::ffff:169.254.169.254", "fe80::1", "febf::1"]),
            (
                Scope::Metadata,
                &[
                    "100.100.100.200",
                    "168.63.129.16",
                    "192.0.0.192",
                    "fd00:ec2::254",
                    "fd20:ce::254",
                    "::ffff:6464:64c8",
                ],
            ),
            (Scope::Multicast, &["224.0.0.1", "239.255.255.255", "255.255.255.255", "ff02::1", "::ffff:224.0.0.1"]),
            (
                Scope::Reserved,
                &[
                    "240.0.0.1",
                    "192.88.99.1",
                    "::7f00:1",
                    "::a9fe:a9fe",
                    "2001::1",
                    "64:ff9b::7f00:1",
                    "64:ff9b::a9fe:a9fe",
                    "64:ff9b::a00:1",
                    "64:ff9b:1::1",
                    "2002:7f00:1::1",
                    "2002:a9fe:a9fe::1",
                    "2002:a00:1::1",
                    "100::1",
                    "4000::1",
                ],
            ),
            (
                Scope::Private,
                &[
                    "10.1.2.3",
                    "172.16.0.1",
                    "172.31.255.255",
                    "192.168.1.1",
                    "100.64.0.1",
                    "192.0.0.1",
                    "192.0.2.1",
                    "198.18.0.1",
                    "198.51.100.1",
                    "203.0.113.9",
                    "fc00::1",
                    "fd12::1",
                    "fec0::1",
                    "2001:db8::1",
                    "3fff::1",
                ],
            ),
            (
                Scope::Global,
                &[
                    "1.1.1.1",
                    "100.63.255.255",
                    "100.128.0.0",
                    "172.15.0.1",
                    "172.32.0.1",
                    "192.0.1.1",
                    "223.255.255.1",
                    "2606:4700::1111",
                    "2a00:1450::1",
                    "::ffff:8.8.8.8",
                    "64:ff9b::808:808",
                    "2002:808:808::1",
                ],
            ),
        ];
        for (scope, addresses) in table {
            for text in addresses {
                assert_eq!(Scope::of(text.parse().unwrap()), scope, "{text}");
            }
        }
    }
}
