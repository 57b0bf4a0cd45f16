//! Shortened client addresses: an IPv4 address without its last byte, an IPv6 address without all but its first 48 bits.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How an event begins its client. What stands before it (a time, a number of the gateway's own) cannot hold it.
const KEY: &[u8] = b"\"client\":\"";

/// Adds a line with its client's address shortened. A line that says nothing of that kind is added without a client.
pub(super) fn add(line: &[u8], out: &mut Vec<u8>) {
    let start = line.windows(KEY.len()).position(|window| window == KEY).map(|at| at + KEY.len());
    let end = start.and_then(|start| Some(start + line[start..].iter().position(|byte| *byte == b'"')?));
    let Some((start, end)) = start.zip(end) else { return out.extend_from_slice(line) };
    let text = std::str::from_utf8(&line[start..end]).unwrap_or_default();
    out.extend_from_slice(&line[..start]);
    if let Ok(address) = text.parse::<IpAddr>() {
        out.extend_from_slice(shortened(address).to_string().as_bytes());
    }
    out.extend_from_slice(&line[end..]);
}

fn shortened(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & (u32::MAX << 8)).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(client: &str, expected: &str) {
        let line = |client| format!("{{\"ts\":1.5,\"request_id\":\"0\",\"client\":\"{client}\",\"target\":\"/\"}}\n");
        let mut out = b"before\n".to_vec();
        add(line(client).as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).expect("text"), format!("before\n{}", line(expected)));
    }

    #[test]
    fn addresses_lose_their_end() {
        check("192.0.2.77", "192.0.2.0");
        check("::ffff:192.0.2.77", "192.0.2.0");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1::");
        check("no address", "");
        check("", "");
    }

    #[test]
    fn a_line_without_a_client_stays() {
        let mut out = Vec::new();
        add(b"{\"target\":\"/\\\"client\\\":\\\"1.2.3.4\\\"\"}\n", &mut out);
        assert_eq!(out, b"{\"target\":\"/\\\"client\\\":\\\"1.2.3.4\\\"\"}\n");
    }
}
