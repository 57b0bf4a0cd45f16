//! Frames of HTTP/2 by hand (RFC 9113 section 4): written byte for byte, so that what no library would send can be
//! sent; and read, as far as a test has to. Not here: what a test sends (`flood`, and the cases of the black-box tests).

/// Section 6.1.
pub const DATA: u8 = 0;
/// Section 6.2.
pub const HEADERS: u8 = 1;
/// Section 6.3.
pub const PRIORITY: u8 = 2;
/// Section 6.4.
pub const RST_STREAM: u8 = 3;
/// Section 6.5.
pub const SETTINGS: u8 = 4;
/// Section 6.6.
pub const PUSH_PROMISE: u8 = 5;
/// Section 6.7.
pub const PING: u8 = 6;
/// Section 6.8.
pub const GOAWAY: u8 = 7;
/// Section 6.9.
pub const WINDOW_UPDATE: u8 = 8;
/// Section 6.10.
pub const CONTINUATION: u8 = 9;

/// The last frame of its stream.
pub const END_STREAM: u8 = 0x1;
/// The answer to SETTINGS or PING.
pub const ACK: u8 = 0x1;
/// No CONTINUATION follows.
pub const END_HEADERS: u8 = 0x4;
/// A length of padding stands first.
pub const PADDED: u8 = 0x8;
/// A priority stands before the block.
pub const WITH_PRIORITY: u8 = 0x20;
/// A whole request head without a body.
pub const WHOLE: u8 = END_STREAM | END_HEADERS;

/// RFC 9113 section 3.4.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Section 7.
pub const NO_ERROR: u32 = 0x0;
/// Section 7.
pub const PROTOCOL_ERROR: u32 = 0x1;
/// Section 7.
pub const FLOW_CONTROL_ERROR: u32 = 0x3;
/// Section 7.
pub const STREAM_CLOSED: u32 = 0x5;
/// Section 7.
pub const FRAME_SIZE_ERROR: u32 = 0x6;
/// Section 7.
pub const REFUSED_STREAM: u32 = 0x7;
/// Section 7.
pub const COMPRESSION_ERROR: u32 = 0x9;
/// Section 7.
pub const ENHANCE_YOUR_CALM: u32 = 0xb;

/// A frame with any payload, under its true length.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// SETTINGS: names and values.
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> =
        values.iter().flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
    frame(SETTINGS, 0, 0, payload)
}

/// WINDOW_UPDATE: of a stream, or of the connection (0).
pub fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
}

/// RST_STREAM.
pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, code.to_be_bytes())
}

/// A whole head without a body.
pub fn headers(stream: u32, block: impl AsRef<[u8]>) -> Vec<u8> {
    frame(HEADERS, WHOLE, stream, block)
}

/// A whole head in front of a body.
pub fn opening(stream: u32, block: impl AsRef<[u8]>) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, block)
}

/// An integer with a prefix of so many bits (RFC 7541 section 5.1), `first` being what stands before them.
pub fn integer(first: u8, bits: u32, value: usize) -> Vec<u8> {
    let most = (1_usize << bits) - 1;
    if value < most {
        return vec![first | u8::try_from(value).unwrap()];
    }
    let mut out = vec![first | u8::try_from(most).unwrap()];
    let mut rest = value - most;
    while rest >= 128 {
        out.push(u8::try_from(rest % 128).unwrap() | 0x80);
        rest /= 128;
    }
    out.push(u8::try_from(rest).unwrap());
    out
}

/// A literal field that is not indexed (RFC 7541 section 6.2.2), without Huffman codes.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    literal_as(0x00, name, value)
}

/// The same with other first bits: 0x40 puts it into the dynamic table, 0x10 forbids that for ever.
pub fn literal_as(first: u8, name: &str, value: &str) -> Vec<u8> {
    let (name, value) = (shown(name), shown(value));
    [vec![first], integer(0, 7, name.len()), name, integer(0, 7, value.len()), value].concat()
}

/// A byte for each character, so that a table can hold bytes that are no UTF-8.
fn shown(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
}

/// A block of literals.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

/// The block of a request without a body for that host and path, as literals.
pub fn request(method: &str, host: &str, path: &str) -> Vec<u8> {
    block(&[(":method", method), (":scheme", "https"), (":authority", host), (":path", path)])
}

/// The `:status` at the beginning of a block that uses no dynamic table: indexed, or digits with or without Huffman.
pub fn status(mut block: &[u8]) -> Option<u16> {
    while let Some(rest) = block.strip_prefix(b"\x20") {
        block = rest; // the size of the dynamic table is 0
    }
    match *block {
        [indexed @ 0x88..=0x8e, ..] => Some([200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)]),
        [0x08 | 0x48, length @ ..=0x7f, ref rest @ ..] => {
            std::str::from_utf8(rest.get(..usize::from(length))?).ok()?.parse().ok()
        }
        [0x08 | 0x48, length, ref rest @ ..] => digits(rest.get(..usize::from(length & 0x7f))?),
        _ => None,
    }
}

/// Three digits in the code of RFC 7541 appendix B: 0 to 2 have five bits, 3 to 9 six.
fn digits(bytes: &[u8]) -> Option<u16> {
    let bits = bytes.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    let mut left = u32::try_from(bytes.len()).ok()? * 8;
    let mut take = |count: u32| {
        let at = left.checked_sub(count)?;
        Some((bits >> at) & ((1 << count) - 1)).inspect(|code| {
            if count == 6 || *code < 3 {
                left = at;
            }
        })
    };
    (0..3).try_fold(0_u16, |number, _| {
        let digit = match take(5)? {
            short @ 0..=2 => short,
            _ => take(6)?.checked_sub(0x19)? + 3,
        };
        Some(number * 10 + u16::try_from(digit).ok()?)
    })
}

/// A frame as it came.
#[derive(Debug)]
pub struct Received {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Received {
    /// Takes the first whole frame.
    pub fn take(held: &mut Vec<u8>) -> Option<Self> {
        let head: [u8; 9] = held.get(..9)?.try_into().unwrap();
        let end = 9 + u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = held.get(9..end)?.to_vec();
        held.drain(..end);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Self { kind: head[3], flags: head[4], stream, payload })
    }

    /// The number that begins at that place.
    pub fn number(&self, at: usize) -> u32 {
        self.payload.get(at..at + 4).map_or(u32::MAX, |bytes| u32::from_be_bytes(bytes.try_into().unwrap()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_in_every_spelling() {
        for (block, expected) in [
            (&b"\x88"[..], 200),
            (b"\x20\x8d", 404),
            (b"\x08\x03431", 431),
            (b"\x48\x03502", 502),
            (b"\x48\x82\x64\x02", 302),     // RFC 7541 appendix C.6.1
            (b"\x48\x83\x64\x0e\xff", 307), // RFC 7541 appendix C.6.2
        ] {
            assert_eq!(status(block), Some(expected));
        }
    }
}
