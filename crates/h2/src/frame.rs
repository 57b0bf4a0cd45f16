//! Frames (RFC 9113 sections 4 and 6): the nine bytes in front of each, what is checked of a payload before its meaning,
//! and the frames that we write, appended to a buffer.
//!
//! Not here: in which state of a stream a frame may come (`connection`).

use crate::fault::{Code, Fault};

/// Bytes in front of every frame.
pub(crate) const HEAD: usize = 9;
/// The largest payload, in both directions: nobody has to take more (section 4.2), and a record of TLS holds no more.
pub const FRAME_LIMIT: usize = 16_384;
/// What a client says first (section 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The largest window (section 6.9.1).
pub(crate) const WINDOW_LIMIT: u32 = (1 << 31) - 1;

pub(crate) const DATA: u8 = 0x0;
pub(crate) const HEADERS: u8 = 0x1;
pub(crate) const PRIORITY: u8 = 0x2;
pub(crate) const RST_STREAM: u8 = 0x3;
pub(crate) const SETTINGS: u8 = 0x4;
pub(crate) const PUSH_PROMISE: u8 = 0x5;
pub(crate) const PING: u8 = 0x6;
pub(crate) const GOAWAY: u8 = 0x7;
pub(crate) const WINDOW_UPDATE: u8 = 0x8;
pub(crate) const CONTINUATION: u8 = 0x9;

pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const WITH_PRIORITY: u8 = 0x20;

/// The number of a stream; of the clients' the odd ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub(crate) u32);

impl StreamId {
    pub(crate) const CONNECTION: Self = Self(0);

    /// As a number.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// What stands in front of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) length: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: StreamId,
}

impl Head {
    /// From the first nine bytes, if they are there.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let &[high, middle, low, kind, flags, a, b, c, d, ..] = bytes else { return None };
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        let stream = u32::from_be_bytes([a & 0x7f, b, c, d]); // the first bit is reserved (section 4.1)
        Some(Self { length, kind, flags, stream: StreamId(stream) })
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn write(self, out: &mut Vec<u8>) {
        let [_, high, middle, low] = u32::try_from(self.length).unwrap_or(u32::MAX).to_be_bytes();
        let [a, b, c, d] = self.stream.0.to_be_bytes();
        out.extend_from_slice(&[high, middle, low, self.kind, self.flags, a, b, c, d]);
    }
}

/// What is left of DATA or HEADERS without padding and priority (sections 6.1 and 6.2): its place in the payload.
pub(crate) fn content(head: Head, payload: &[u8]) -> Result<std::ops::Range<usize>, Fault> {
    let mut start = 0;
    let mut padding = 0;
    if head.has(PADDED) {
        padding = usize::from(*payload.first().ok_or(Fault::FrameSize("padding without its length"))?);
        start = 1;
    }
    if head.kind == HEADERS && head.has(WITH_PRIORITY) {
        start += 5; // of no meaning (section 5.3.2)
    }
    let rest = payload.len().checked_sub(start).ok_or(Fault::FrameSize("HEADERS without their priority"))?;
    let length = rest.checked_sub(padding).ok_or(Fault::Protocol("more padding than frame"))?;
    Ok(start..start + length)
}

/// A payload of exactly four bytes.
pub(crate) fn number(payload: &[u8], wrong: &'static str) -> Result<u32, Fault> {
    Ok(u32::from_be_bytes(payload.try_into().map_err(|_| Fault::FrameSize(wrong))?))
}

/// The name of a setting (section 6.5.2).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting(pub(crate) u16);

impl Setting {
    pub(crate) const ENABLE_PUSH: u16 = 0x2;
    pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 0x3;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 0x4;
    pub(crate) const MAX_FRAME_SIZE: u16 = 0x5;
    pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 0x6;
}

/// Names and values of SETTINGS.
pub(crate) fn settings(payload: &[u8]) -> Result<impl Iterator<Item = (Setting, u32)> + '_, Fault> {
    let (values, rest) = payload.as_chunks::<6>();
    if !rest.is_empty() {
        return Err(Fault::FrameSize("SETTINGS with a part of a value"));
    }
    Ok(values
        .iter()
        .map(|&[high, low, a, b, c, d]| (Setting(u16::from_be_bytes([high, low])), u32::from_be_bytes([a, b, c, d]))))
}

pub(crate) fn write_settings(values: &[(u16, u32)], out: &mut Vec<u8>) {
    Head { length: 6 * values.len(), kind: SETTINGS, flags: 0, stream: StreamId::CONNECTION }.write(out);
    for (name, value) in values {
        out.extend_from_slice(&name.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

pub(crate) fn write_settings_ack(out: &mut Vec<u8>) {
    Head { length: 0, kind: SETTINGS, flags: ACK, stream: StreamId::CONNECTION }.write(out);
}

pub(crate) fn write_ping(flags: u8, payload: [u8; 8], out: &mut Vec<u8>) {
    Head { length: 8, kind: PING, flags, stream: StreamId::CONNECTION }.write(out);
    out.extend_from_slice(&payload);
}

pub(crate) fn write_goaway(last: StreamId, code: Code, out: &mut Vec<u8>) {
    Head { length: 8, kind: GOAWAY, flags: 0, stream: StreamId::CONNECTION }.write(out);
    out.extend_from_slice(&last.0.to_be_bytes());
    out.extend_from_slice(&code.0.to_be_bytes());
}

pub(crate) fn write_reset(stream: StreamId, code: Code, out: &mut Vec<u8>) {
    Head { length: 4, kind: RST_STREAM, flags: 0, stream }.write(out);
    out.extend_from_slice(&code.0.to_be_bytes());
}

pub(crate) fn write_window_update(stream: StreamId, by: u32, out: &mut Vec<u8>) {
    Head { length: 4, kind: WINDOW_UPDATE, flags: 0, stream }.write(out);
    out.extend_from_slice(&by.to_be_bytes());
}

pub(crate) fn write_data_head(stream: StreamId, length: usize, flags: u8, out: &mut Vec<u8>) {
    Head { length, kind: DATA, flags, stream }.write(out);
}

/// HEADERS with the block that `encode` appends, and CONTINUATION where it is longer than a frame.
pub(crate) fn write_headers(stream: StreamId, flags: u8, out: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    let head = Head { length: 0, kind: HEADERS, flags: flags | END_HEADERS, stream };
    head.write(out);
    encode(out);
    let length = out.len() - at - HEAD;
    if length <= FRAME_LIMIT {
        let [_, high, middle, low] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        out[at..at + 3].copy_from_slice(&[high, middle, low]);
        return;
    }
    let block = out.split_off(at + HEAD);
    out.truncate(at);
    let mut parts = block.chunks(FRAME_LIMIT).peekable();
    let mut kind = HEADERS;
    while let Some(part) = parts.next() {
        let end = if parts.peek().is_none() { END_HEADERS } else { 0 };
        let flags = end | if kind == HEADERS { flags } else { 0 };
        Head { length: part.len(), kind, flags, stream }.write(out);
        out.extend_from_slice(part);
        kind = CONTINUATION;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(kind: u8, flags: u8) -> Head {
        Head { length: 0, kind, flags, stream: StreamId(1) }
    }

    #[test]
    fn heads_are_read_as_they_are_written() {
        for head in [
            Head { length: 0, kind: DATA, flags: 0, stream: StreamId(1) },
            Head { length: 0x01_02_03, kind: 0xff, flags: 0xfe, stream: StreamId(u32::MAX >> 1) },
        ] {
            let mut bytes = Vec::new();
            head.write(&mut bytes);
            assert_eq!((Head::read(&bytes), bytes.len()), (Some(head), HEAD));
            bytes[5] |= 0x80;
            assert_eq!(Head::read(&bytes), Some(head), "the reserved bit");
            assert!((0..HEAD).all(|cut| Head::read(&bytes[..cut]).is_none()));
        }
    }

    #[test]
    fn padding_and_priority_are_taken_off() {
        /// Type, flags, payload, and what is left of it.
        type Case = (u8, u8, &'static [u8], Result<&'static [u8], Fault>);
        let cases: &[Case] = &[
            (DATA, 0, b"abc", Ok(b"abc")),
            (DATA, WITH_PRIORITY, b"abc", Ok(b"abc")),
            (DATA, PADDED, b"\x02abc\0\0", Ok(b"abc")),
            (DATA, PADDED, b"\x00abc", Ok(b"abc")),
            (DATA, PADDED, b"\x03\0\0\0", Ok(b"")),
            (DATA, PADDED, b"\x04\0\0\0", Err(Fault::Protocol("more padding than frame"))),
            (DATA, PADDED, b"", Err(Fault::FrameSize("padding without its length"))),
            (HEADERS, WITH_PRIORITY, b"\0\0\0\0\x01abc", Ok(b"abc")),
            (HEADERS, WITH_PRIORITY, b"\0\0\0\0", Err(Fault::FrameSize("HEADERS without their priority"))),
            (HEADERS, PADDED | WITH_PRIORITY, b"\x01\0\0\0\0\x01abc\0", Ok(b"abc")),
            (HEADERS, PADDED | WITH_PRIORITY, b"\x01\0\0\0\0\x01", Err(Fault::Protocol("more padding than frame"))),
        ];
        for (kind, flags, payload, expected) in cases {
            let found = content(head(*kind, *flags), payload).map(|range| &payload[range]);
            assert_eq!(found, *expected, "{kind} {flags:#x} {payload:x?}");
        }
    }

    #[test]
    fn a_long_block_goes_on_in_continuations() {
        for length in [0, 1, FRAME_LIMIT, FRAME_LIMIT + 1, 3 * FRAME_LIMIT] {
            let mut bytes = b"before".to_vec();
            write_headers(StreamId(5), END_STREAM, &mut bytes, |out| out.extend(vec![7; length]));
            let mut rest = &bytes[6..];
            let (mut kinds, mut block) = (Vec::new(), 0);
            while let Some(head) = Head::read(rest) {
                kinds.push((head.kind, head.flags));
                block += head.length;
                assert_eq!((head.stream, head.length <= FRAME_LIMIT), (StreamId(5), true));
                rest = &rest[HEAD + head.length..];
            }
            assert_eq!((block, rest.len()), (length, 0));
            assert_eq!(kinds.len(), length.div_ceil(FRAME_LIMIT).max(1));
            assert!(kinds.iter().enumerate().all(|(at, (kind, flags))| {
                let ends = (flags & END_HEADERS != 0) == (at + 1 == kinds.len());
                ends && (*kind == HEADERS) == (at == 0) && (flags & END_STREAM != 0) == (at == 0)
            }));
        }
    }
}
