//! The Huffman code of RFC 7541 appendix B, read four bits at a time. It is a canonical code: the lengths are all there
//! is to it, and the table of steps is computed from them when this is compiled.

use crate::Fault;

/// The symbol that may not appear (section 5.2).
const END_OF_STRING: usize = 256;

/// How many bits each symbol has.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// The longest code.
const LONGEST: u8 = 30;

/// The codes, by symbol: those of one length are consecutive, in the order of their symbols.
const CODES: [u32; 257] = {
    let mut codes = [0; 257];
    let (mut code, mut length) = (0_u32, 1);
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] == length {
                codes[symbol] = code;
                code += 1;
            }
            symbol += 1;
        }
        code <<= 1;
        length += 1;
    }
    codes
};

/// A node of the tree of codes has two children: another node, or a symbol from [`LEAF`] on.
const LEAF: u16 = 256;

const TREE: [[u16; 2]; 256] = {
    let mut tree = [[0; 2]; 256];
    let mut nodes = 1;
    let mut symbol = 0;
    while symbol < LENGTHS.len() {
        let (mut at, mut bit) = (0, LENGTHS[symbol] - 1);
        while bit > 0 {
            let side = (CODES[symbol] >> bit & 1) as usize;
            if tree[at][side] == 0 {
                tree[at][side] = nodes;
                nodes += 1;
            }
            at = tree[at][side] as usize;
            bit -= 1;
        }
        tree[at][(CODES[symbol] & 1) as usize] = LEAF + symbol as u16;
        symbol += 1;
    }
    tree
};

/// Where four more bits lead.
#[derive(Clone, Copy)]
struct Step {
    node: u8,
    symbol: u8,
    found: Found,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Symbol,
    EndOfString,
}

/// Of each node and four bits. No code is shorter than five, so that there is never more than one symbol.
static STEPS: [[Step; 16]; 256] = {
    let mut steps = [[Step { node: 0, symbol: 0, found: Found::Nothing }; 16]; 256];
    let mut node = 0;
    while node < 256 {
        let mut bits = 0;
        while bits < 16 {
            let (mut at, mut symbol, mut found, mut left) = (node, 0, Found::Nothing, 4);
            while left > 0 {
                left -= 1;
                let child = TREE[at][bits >> left & 1];
                if child < LEAF {
                    at = child as usize;
                } else if (child - LEAF) as usize == END_OF_STRING {
                    (at, found, left) = (0, Found::EndOfString, 0);
                } else {
                    (at, symbol, found) = (0, (child - LEAF) as u8, Found::Symbol);
                }
            }
            steps[node][bits] = Step { node: at as u8, symbol, found };
            bits += 1;
        }
        node += 1;
    }
    steps
};

/// At which nodes a string may end: behind up to seven bits of ones, the beginning of [`END_OF_STRING`] (section 5.2).
const ENDS: [bool; 256] = {
    let mut ends = [false; 256];
    let (mut at, mut depth) = (0, 0);
    while depth <= 7 {
        ends[at] = true;
        at = TREE[at][1] as usize;
        depth += 1;
    }
    ends
};

/// Appends what the bytes mean.
pub(super) fn decode(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    out.reserve(bytes.len() * 8 / 5);
    let mut node = 0;
    for byte in bytes {
        for bits in [byte >> 4, byte & 0xf] {
            let step = STEPS[usize::from(node)][usize::from(bits)];
            match step.found {
                Found::Nothing => {}
                Found::Symbol => out.push(step.symbol),
                Found::EndOfString => return Err(Fault::Compression("the end of string within a Huffman code")),
            }
            node = step.node;
        }
    }
    if ENDS[usize::from(node)] { Ok(()) } else { Err(Fault::Compression("the padding of a Huffman code")) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As a client writes it.
    pub(crate) fn encode(text: &[u8]) -> Vec<u8> {
        let (mut bytes, mut held, mut count) = (Vec::new(), 0_u64, 0);
        for byte in text {
            let symbol = usize::from(*byte);
            held = held << LENGTHS[symbol] | u64::from(CODES[symbol]);
            count += LENGTHS[symbol];
            while count >= 8 {
                count -= 8;
                bytes.push((held >> count & 0xff) as u8);
            }
        }
        if count > 0 {
            bytes.push((held << (8 - count) & 0xff) as u8 | 0xff >> count);
        }
        bytes
    }

    fn decoded(bytes: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        decode(bytes, &mut out).map(|()| out)
    }

    #[test]
    fn codes_are_those_of_the_appendix() {
        for (symbol, code, length) in [
            (0, 0x1ff8, 13),
            (1, 0x7f_ffd8, 23),
            (usize::from(b' '), 0x14, 6),
            (usize::from(b'0'), 0x0, 5),
            (usize::from(b't'), 0x9, 5),
            (usize::from(b'|'), 0x7fc, 11),
            (usize::from(b'~'), 0x1ffd, 13),
            (135, 0x7f_ffd9, 23),
            (255, 0x3ff_ffee, 26),
            (END_OF_STRING, 0x3fff_ffff, 30),
        ] {
            assert_eq!((CODES[symbol], LENGTHS[symbol]), (code, length), "{symbol}");
        }
    }

    /// RFC 7541 appendix C.4 and C.6.
    #[test]
    fn examples_of_the_appendix_are_read() {
        for (bytes, text) in [
            (&b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..], "www.example.com"),
            (b"\xa8\xeb\x10\x64\x9c\xbf", "no-cache"),
            (b"\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f", "custom-key"),
            (b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf", "custom-value"),
            (b"\x64\x02", "302"),
            (b"\xae\xc3\x77\x1a\x4b", "private"),
            (
                b"\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff",
                "Mon, 21 Oct 2013 20:13:21 GMT",
            ),
            (b"\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3", "https://www.example.com"),
            (b"\x64\x0e\xff", "307"),
            (b"\x9b\xd9\xab", "gzip"),
            (b"", ""),
        ] {
            assert_eq!(decoded(bytes).as_deref(), Ok(text.as_bytes()));
            assert_eq!(encode(text.as_bytes()), bytes, "{text}");
        }
    }

    #[test]
    fn every_symbol_comes_back_beside_every_other() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let text = [first, second, b'0'];
                assert_eq!(decoded(&encode(&text)).as_deref(), Ok(&text[..]));
            }
        }
    }

    #[test]
    fn padding_is_short_and_of_ones() {
        let padding = Err(Fault::Compression("the padding of a Huffman code"));
        let end = Err(Fault::Compression("the end of string within a Huffman code"));
        for (bytes, expected) in [
            (&b"\x1f"[..], Ok(b"a".to_vec())),
            (b"\x18", padding.clone()),         // zeros
            (b"\x1f\xff", padding.clone()),     // eleven ones
            (b"\xff", padding.clone()),         // eight, of nothing
            (b"\xff\xff\xff\xff", end.clone()), // all of it
            (b"\x1f\xff\xff\xff\xff", end),
            (b"\xfe", padding), // a beginning that is no padding
        ] {
            assert_eq!(decoded(bytes), expected, "{bytes:x?}");
        }
    }
}
