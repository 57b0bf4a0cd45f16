//! The messages of `NETLINK_SOCK_DIAG` and the one of `NETLINK_ROUTE`, to bytes and from bytes. Pure: nothing is sent here.
//!
//! A request names one socket by its four ends, as the kernel names it when a packet comes in: `local` is the end of the
//! socket that is looked for, `remote` is who speaks to it. The layouts are those of `linux/netlink.h`,
//! `linux/inet_diag.h` and `linux/rtnetlink.h`; numbers are in the machine's order, ports and addresses in the network's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{Seen, State};

/// A request: header, and `inet_diag_req_v2`.
pub(crate) const REQUEST_SIZE: usize = HEADER_SIZE + 56;
/// The most that is taken of an answer: header, `inet_diag_msg`, and attributes that nobody reads.
pub(crate) const ANSWER_LIMIT: usize = 1024;

const HEADER_SIZE: usize = 16;
const NLMSG_ERROR: u16 = 2;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
/// A route to this machine itself.
pub(crate) const RTN_LOCAL: u8 = 2;
const NLM_F_REQUEST: u16 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// `lo`, in every network namespace: what a packet to an address of this machine comes in by. A socket that is bound to
/// another device never gets it.
const LOOPBACK_INDEX: u32 = 1;
/// "Whatever its cookie is."
const NO_COOKIE: u32 = u32::MAX;

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A socket.
    Seen(Seen),
    /// A route, by its kind.
    Route(u8),
    /// A number of an error; `ENOENT` says that there is no such socket.
    Refused(i32),
    /// It answers something else, or nothing that makes sense.
    Other,
}

/// Asks for the socket at `local` that is spoken to from `remote`. Both are of one family.
pub(crate) fn request(sequence: u32, local: SocketAddr, remote: SocketAddr) -> [u8; REQUEST_SIZE] {
    let (local, remote) = (canonical(local), canonical(remote));
    let family = if local.is_ipv4() { AF_INET } else { AF_INET6 };
    let mut bytes = [0; REQUEST_SIZE];
    let mut at = 0;
    let mut put = |part: &[u8]| {
        bytes[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    };
    put(&u32::try_from(REQUEST_SIZE).unwrap_or(u32::MAX).to_ne_bytes());
    put(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(&NLM_F_REQUEST.to_ne_bytes());
    put(&sequence.to_ne_bytes());
    put(&[0; 4]); // the sender is who the socket is
    put(&[family, IPPROTO_TCP, 0, 0]);
    put(&u32::MAX.to_ne_bytes()); // every state
    put(&local.port().to_be_bytes());
    put(&remote.port().to_be_bytes());
    put(&octets(local.ip()));
    put(&octets(remote.ip()));
    put(&LOOPBACK_INDEX.to_ne_bytes());
    put(&NO_COOKIE.to_ne_bytes());
    put(&NO_COOKIE.to_ne_bytes());
    bytes
}

/// Asks for the route to an address: header, `rtmsg`, and the address as an attribute.
pub(crate) fn route_request(sequence: u32, to: IpAddr) -> Vec<u8> {
    let (family, octets) = match to.to_canonical() {
        IpAddr::V4(v4) => (AF_INET, v4.octets().to_vec()),
        IpAddr::V6(v6) => (AF_INET6, v6.octets().to_vec()),
    };
    let bits = u8::try_from(octets.len() * 8).unwrap_or(u8::MAX);
    let attribute = 4 + octets.len();
    let mut bytes = Vec::with_capacity(HEADER_SIZE + 12 + attribute);
    bytes.extend_from_slice(&u32::try_from(HEADER_SIZE + 12 + attribute).unwrap_or(u32::MAX).to_ne_bytes());
    bytes.extend_from_slice(&RTM_GETROUTE.to_ne_bytes());
    bytes.extend_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&[family, bits, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend_from_slice(&u16::try_from(attribute).unwrap_or(u16::MAX).to_ne_bytes());
    bytes.extend_from_slice(&RTA_DST.to_ne_bytes());
    bytes.extend_from_slice(&octets);
    bytes
}

/// Reads an answer. `None`: it belongs to another request.
pub(crate) fn answer(bytes: &[u8], sequence: u32) -> Option<Answer> {
    let length = word(bytes, 0)? as usize;
    if word(bytes, 8)? != sequence {
        return None;
    }
    let Some(message) = bytes.get(..length) else { return Some(Answer::Other) };
    let read = match u16::from_ne_bytes(message.get(4..6)?.try_into().ok()?) {
        NLMSG_ERROR => word(message, HEADER_SIZE).map(|code| Answer::Refused(code.cast_signed().wrapping_neg())),
        SOCK_DIAG_BY_FAMILY => seen(message).map(Answer::Seen),
        RTM_NEWROUTE => message.get(HEADER_SIZE + 7).copied().map(Answer::Route),
        _ => None,
    };
    Some(read.unwrap_or(Answer::Other))
}

/// `inet_diag_msg`: family, state, two more; `inet_diag_sockid`: ports, addresses, device, cookie; then expiry, two queues,
/// uid and inode.
fn seen(message: &[u8]) -> Option<Seen> {
    const ID: usize = HEADER_SIZE + 4;
    const COOKIE: usize = ID + 40;
    const UID: usize = ID + 48 + 12;
    let family = *message.get(HEADER_SIZE)?;
    let state = State::of(*message.get(HEADER_SIZE + 1)?);
    let port = |at: usize| Some(u16::from_be_bytes(message.get(at..at + 2)?.try_into().ok()?));
    let address = |at: usize| ip(family, message.get(at..at + 16)?);
    Some(Seen {
        state,
        local: SocketAddr::new(address(ID + 4)?, port(ID)?),
        remote: SocketAddr::new(address(ID + 20)?, port(ID + 2)?),
        cookie: u64::from(word(message, COOKIE)?) | u64::from(word(message, COOKIE + 4)?) << 32,
        uid: word(message, UID)?,
        inode: word(message, UID + 4)?,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// IPv4 in its IPv6 form is IPv4: so is the packet.
fn canonical(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => {
            let mut octets = [0; 16];
            octets[..4].copy_from_slice(&v4.octets());
            octets
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn ip(family: u8, octets: &[u8]) -> Option<IpAddr> {
    match family {
        AF_INET => Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets.get(..4)?).ok()?).into()),
        AF_INET6 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?).to_canonical()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(family: u8, state: u8, uid: u32, inode: u32) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_SIZE + 72];
        bytes[..4].copy_from_slice(&88u32.to_ne_bytes());
        bytes[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        bytes[8..12].copy_from_slice(&7u32.to_ne_bytes());
        bytes[16] = family;
        bytes[17] = state;
        bytes[20..22].copy_from_slice(&5000u16.to_be_bytes());
        bytes[24..28].copy_from_slice(&[127, 0, 0, 1]);
        bytes[60..68].copy_from_slice(&0x1122_3344_5566_7788u64.to_ne_bytes());
        bytes[80..84].copy_from_slice(&uid.to_ne_bytes());
        bytes[84..88].copy_from_slice(&inode.to_ne_bytes());
        bytes
    }

    #[test]
    fn an_answer_is_read() {
        let Some(Answer::Seen(seen)) = answer(&encode(AF_INET, 10, 1001, 42), 7) else { panic!("it is one") };
        assert_eq!((seen.state, seen.uid, seen.inode), (State::Listen, 1001, 42));
        assert_eq!(seen.local, "127.0.0.1:5000".parse().unwrap());
        #[cfg(target_endian = "little")]
        assert_eq!(seen.cookie, 0x1122_3344_5566_7788);
    }

    #[test]
    fn what_is_cut_or_strange_is_nothing_and_never_a_panic() {
        let whole = encode(AF_INET, 1, 1001, 42);
        for end in 0..whole.len() {
            assert!(!matches!(answer(&whole[..end], 7), Some(Answer::Seen(_))), "{end}");
        }
        assert_eq!(answer(&whole, 8), None, "another request's");
        assert_eq!(answer(&encode(99, 1, 1, 1), 7), Some(Answer::Other));
        for length in [0u32, 3, 16, 20, 87, u32::MAX] {
            let mut lying = whole.clone();
            lying[..4].copy_from_slice(&length.to_ne_bytes());
            assert!(!matches!(answer(&lying, 7), Some(Answer::Seen(_))), "{length}");
        }
    }

    #[test]
    fn an_error_is_its_number() {
        let mut bytes = vec![0; 36];
        bytes[..4].copy_from_slice(&36u32.to_ne_bytes());
        bytes[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        bytes[8..12].copy_from_slice(&7u32.to_ne_bytes());
        bytes[16..20].copy_from_slice(&(-2i32).to_ne_bytes());
        assert_eq!(answer(&bytes, 7), Some(Answer::Refused(2)));
        bytes[16..20].copy_from_slice(&i32::MIN.to_ne_bytes());
        assert_eq!(answer(&bytes, 7), Some(Answer::Refused(i32::MIN)));
    }

    #[test]
    fn a_request_asks_for_what_a_packet_would_find() {
        let bytes = request(3, "[::ffff:127.0.0.1]:5000".parse().unwrap(), "127.0.0.1:40000".parse().unwrap());
        assert_eq!(bytes.len(), 72);
        assert_eq!((bytes[16], bytes[17]), (AF_INET, IPPROTO_TCP), "mapped addresses are IPv4");
        assert_eq!(bytes[24..28], [0x13, 0x88, 0x9c, 0x40]);
        assert_eq!(bytes[28..32], [127, 0, 0, 1]);
        assert_eq!(bytes[44..48], [127, 0, 0, 1]);
    }
}
