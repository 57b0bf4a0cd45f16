//! Chunk frames and trailers (RFC 9112 section 7.1), over whatever pieces the bytes come in.

use memchr::memchr;

use crate::{Fault, Progress, head::field, octets::is_token};

/// Bytes of extensions behind one chunk size. They are never forwarded; long ones only cost (CVE-2023-39326).
pub const EXTENSION_LIMIT: usize = 256;
/// Bytes of all trailers together.
pub const TRAILER_LIMIT: usize = 8 * 1024;
/// How many trailer fields there may be.
const TRAILER_FIELD_LIMIT: usize = 100;
/// RFC 9112 section 7.1: no more digits than fit 64 bits.
const SIZE_DIGITS: usize = 16;

/// Reads one chunked body.
#[derive(Debug, Clone, Copy)]
pub struct Chunks {
    at: At,
    /// Bytes and number of the trailers so far.
    trailers: usize,
    fields: usize,
    /// May not be a trailer field, beside those that frame.
    forbidden: fn(&[u8]) -> bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// At the line with the size of a chunk.
    Size,
    /// In the data of a chunk: so many bytes to come, never zero.
    Data(u64),
    /// At the CR LF behind the data.
    DataEnd,
    /// At a line of the trailers, or the empty one behind them.
    Trailers,
    /// Behind the last byte.
    End,
}

/// What some bytes of a chunked body are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// A size, an end of data, or the end of the body: nothing for whoever wants the content.
    Frame,
    /// Content.
    Data,
    /// The line of a trailer field with its end: [`trailer_field`] takes it apart.
    Trailer,
}

/// The name and the value of a trailer field, of a line that was found to be one.
pub fn trailer_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    field(line.strip_suffix(b"\r\n")?).ok()
}

impl Chunks {
    /// At the start of a body. `forbidden` says which names may not be trailer fields here.
    pub fn new(forbidden: fn(&[u8]) -> bool) -> Self {
        Self { at: At::Size, trailers: 0, fields: 0, forbidden }
    }

    /// Has the body ended?
    pub fn is_end(&self) -> bool {
        self.at == At::End
    }

    /// Has all content been read? What follows are trailers, or none.
    pub fn is_behind_content(&self) -> bool {
        matches!(self.at, At::Trailers | At::End)
    }

    /// Says how many bytes from the front are understood and may pass; the rest needs more bytes, or belongs to the next
    /// message when the body has ended.
    ///
    /// # Errors
    /// Nothing more may pass.
    pub fn admit(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let mut passed = 0;
        while !self.is_end() && passed < bytes.len() {
            let Progress::Complete(_, taken) = self.piece(&bytes[passed..])? else { break };
            passed += taken;
        }
        Ok(passed)
    }

    /// What the bytes begin with, and how much of them that is: at least one byte, unless the body has ended.
    ///
    /// # Errors
    /// As [`Chunks::admit`].
    pub fn piece(&mut self, bytes: &[u8]) -> Result<Progress<Piece>, Fault> {
        match self.at {
            At::End => Ok(Progress::Complete(Piece::Frame, 0)),
            At::Data(_) if bytes.is_empty() => Ok(Progress::Partial),
            At::Data(left) => {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let left = left - taken as u64;
                self.at = if left == 0 { At::DataEnd } else { At::Data(left) };
                Ok(Progress::Complete(Piece::Data, taken))
            }
            At::DataEnd => match bytes {
                [b'\r', b'\n', ..] => {
                    self.at = At::Size;
                    Ok(Progress::Complete(Piece::Frame, 2))
                }
                [] | [b'\r'] => Ok(Progress::Partial),
                _ => Err(Fault::ChunkEnd),
            },
            At::Size => {
                let limit = SIZE_DIGITS + EXTENSION_LIMIT;
                let Some(line) = line(bytes, limit, Fault::ChunkSize, Fault::ChunkExtension)? else {
                    return Ok(Progress::Partial);
                };
                self.at = match size(line)? {
                    0 => At::Trailers,
                    size => At::Data(size),
                };
                Ok(Progress::Complete(Piece::Frame, line.len() + 2))
            }
            At::Trailers => self.trailer(bytes),
        }
    }

    fn trailer(&mut self, bytes: &[u8]) -> Result<Progress<Piece>, Fault> {
        let limit = TRAILER_LIMIT - self.trailers;
        let Some(line) = line(bytes, limit, Fault::Trailer, Fault::Trailer)? else { return Ok(Progress::Partial) };
        let length = line.len() + 2;
        self.trailers += length;
        if line.is_empty() {
            self.at = At::End;
            return Ok(Progress::Complete(Piece::Frame, length));
        }
        self.fields += 1;
        if self.trailers >= TRAILER_LIMIT || self.fields > TRAILER_FIELD_LIMIT || !self.may_stand(line) {
            return Err(Fault::Trailer);
        }
        Ok(Progress::Complete(Piece::Trailer, length))
    }
}

impl Chunks {
    fn may_stand(&self, line: &[u8]) -> bool {
        field(line).is_ok_and(|(name, _)| !frames(name) && !(self.forbidden)(name))
    }
}

/// The first line without its end, once it is whole. It must end in CR LF and have no other CR.
fn line(bytes: &[u8], limit: usize, too_long: Fault, bad_end: Fault) -> Result<Option<&[u8]>, Fault> {
    let (line, whole) = match memchr(b'\n', bytes) {
        Some(end) => (bytes[..end].strip_suffix(b"\r").ok_or(bad_end)?, true),
        None => (bytes.strip_suffix(b"\r").unwrap_or(bytes), false),
    };
    if memchr(b'\r', line).is_some() {
        return Err(bad_end);
    }
    if line.len() > limit {
        return Err(too_long);
    }
    Ok(whole.then_some(line))
}

/// `chunk-size [ chunk-ext ]`: up to sixteen hexadecimal digits; extensions as plain as `;name` and `;name=value`.
fn size(line: &[u8]) -> Result<u64, Fault> {
    let (digits, extensions) = match memchr(b';', line) {
        Some(at) => (&line[..at], Some(&line[at + 1..])),
        None => (line, None),
    };
    if digits.is_empty() || digits.len() > SIZE_DIGITS {
        return Err(Fault::ChunkSize);
    }
    let digit = |size: u64, byte: &u8| char::from(*byte).to_digit(16).map(|digit| size << 4 | u64::from(digit));
    let size = digits.iter().try_fold(0, digit).ok_or(Fault::ChunkSize)?;
    if i64::try_from(size).is_err() {
        return Err(Fault::ChunkSize); // readers with signed numbers would see a negative one
    }
    if extensions.is_some_and(|text| text.len() > EXTENSION_LIMIT || !text.split(|b| *b == b';').all(is_extension)) {
        return Err(Fault::ChunkExtension);
    }
    Ok(size)
}

fn is_extension(text: &[u8]) -> bool {
    match memchr(b'=', text) {
        Some(at) => is_token(&text[..at]) && is_token(&text[at + 1..]),
        None => is_token(text),
    }
}

/// RFC 9110 section 6.5.1: fields that a reader needs before the body.
fn frames(name: &[u8]) -> bool {
    const FRAMING: [&[u8]; 9] = [
        b"content-length",
        b"transfer-encoding",
        b"host",
        b"connection",
        b"upgrade",
        b"te",
        b"trailer",
        b"expect",
        b"content-encoding",
    ];
    FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing))
}

#[cfg(test)]
mod tests;
