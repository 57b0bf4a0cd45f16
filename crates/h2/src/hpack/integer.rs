//! Integers of RFC 7541 section 5.1, and a reader of what stands behind each other in a block.

use crate::Fault;

/// Bytes behind the prefix: enough for more than any length or index that could be right.
const CONTINUED: u32 = 4;

/// What is left of a block.
#[derive(Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next byte, if there is one.
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// An integer whose prefix is the last so many bits of `first`.
    pub(super) fn integer(&mut self, first: u8, bits: u32) -> Result<usize, Fault> {
        let most = (1_usize << bits) - 1;
        let mut value = usize::from(first) & most;
        if value < most {
            return Ok(value);
        }
        for count in 0..CONTINUED {
            let byte = self.byte().ok_or(Fault::Compression("an integer without its end"))?;
            value += usize::from(byte & 0x7f) << (7 * count);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::Compression("an integer of too many bytes"))
    }

    /// A string as it is written, and whether in Huffman code (section 5.2).
    pub(super) fn string(&mut self) -> Result<(&'a [u8], Spelling), Fault> {
        let first = self.byte().ok_or(Fault::Compression("a field that stops in the middle"))?;
        let length = self.integer(first, 7)?;
        let (text, rest) =
            self.0.split_at_checked(length).ok_or(Fault::Compression("a string longer than its block"))?;
        self.0 = rest;
        Ok((text, if first & 0x80 == 0 { Spelling::Plain } else { Spelling::Huffman }))
    }
}

/// How a string is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    Plain,
    Huffman,
}

/// Appends an integer, `first` being what stands before its prefix of so many bits.
pub(super) fn write(first: u8, bits: u32, value: usize, out: &mut Vec<u8>) {
    let most = (1_usize << bits) - 1;
    if value < most {
        out.push(first | low(value));
        return;
    }
    out.push(first | low(most));
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(low(rest & 0x7f) | 0x80);
        rest >>= 7;
    }
    out.push(low(rest));
}

fn low(value: usize) -> u8 {
    u8::try_from(value & 0xff).expect("eight bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], bits: u32) -> Result<(usize, usize), Fault> {
        let mut reader = Reader(&bytes[1..]);
        reader.integer(bytes[0], bits).map(|value| (value, reader.0.len()))
    }

    /// RFC 7541 appendix C.1, and both sides of each border.
    #[test]
    fn integers_are_read_as_they_are_written() {
        for (value, bits, expected) in [
            (10, 5, &b"\x0a"[..]),
            (1337, 5, b"\x1f\x9a\x0a"),
            (42, 8, b"\x2a"),
            (30, 5, b"\x1e"),
            (31, 5, b"\x1f\x00"),
            (158, 5, b"\x1f\x7f"),
            (159, 5, b"\x1f\x80\x01"),
            (127, 7, b"\x7f\x00"),
        ] {
            let mut bytes = Vec::new();
            write(0, bits, value, &mut bytes);
            assert_eq!(bytes, expected);
            assert_eq!(read(&bytes, bits), Ok((value, 0)));
            assert_eq!(read(&[&bytes[..], b"\xff"].concat(), bits), Ok((value, 1)), "what follows stays");
        }
        for value in (0..1 << 20).step_by(997) {
            for bits in 4..=7 {
                let mut bytes = Vec::new();
                write(0, bits, value, &mut bytes);
                assert_eq!(read(&bytes, bits), Ok((value, 0)));
            }
        }
    }

    #[test]
    fn integers_have_an_end() {
        let unfinished = Err(Fault::Compression("an integer without its end"));
        let long = Err(Fault::Compression("an integer of too many bytes"));
        for (bytes, expected) in [
            (&b"\x1f"[..], unfinished),
            (b"\x1f\x80", unfinished),
            (b"\x1f\xff\xff\xff\x7f", Ok(((1 << 28) - 1 + 31, 0))),
            (b"\x1f\xff\xff\xff\xff", long),
            (b"\x1f\x80\x80\x80\x80\x00", long),
        ] {
            assert_eq!(read(bytes, 5), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn strings_are_within_their_block() {
        assert_eq!(Reader(b"\x02abc").string(), Ok((&b"ab"[..], Spelling::Plain)));
        assert_eq!(Reader(b"\x82abc").string(), Ok((&b"ab"[..], Spelling::Huffman)));
        assert_eq!(Reader(b"\x00").string(), Ok((&b""[..], Spelling::Plain)));
        assert!(Reader(b"").string().is_err() && Reader(b"\x02a").string().is_err());
    }
}
