//! [`BodyReader`]: the body of a message, from the front of a buffer.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use vestibule_wire::{BodyLength, Chunks, Fault, Piece, Progress, trailer_field};

use crate::CHUNK_END;

/// Reads one body.
#[derive(Debug)]
pub struct BodyReader {
    at: At,
}

#[derive(Debug)]
enum At {
    /// So many bytes to come, never zero.
    Length(u64),
    Chunks(Chunks, HeaderMap),
    UntilClose,
    Over,
}

/// A part of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// Content, never empty.
    Data(Bytes),
    /// What stood behind the last chunk, if anything did.
    Trailers(HeaderMap),
}

/// The connection ended before the body did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut;

impl BodyReader {
    /// For a body that is so long.
    pub fn new(length: BodyLength) -> Self {
        let at = match length {
            BodyLength::Known(0) => At::Over,
            BodyLength::Known(length) => At::Length(length),
            // Which trailers may be passed on is decided by whoever passes them on.
            BodyLength::Chunked => At::Chunks(Chunks::new(|_| false), HeaderMap::new()),
            BodyLength::UntilClose => At::UntilClose,
        };
        Self { at }
    }

    /// The same, where trailers of some names are a fault of the body: those that frame, and these.
    pub fn forbidding(length: BodyLength, forbidden: fn(&[u8]) -> bool) -> Self {
        match length {
            BodyLength::Chunked => Self { at: At::Chunks(Chunks::new(forbidden), HeaderMap::new()) },
            _ => Self::new(length),
        }
    }

    /// Was all of it read? What is left in the buffer belongs to another message.
    pub fn is_over(&self) -> bool {
        matches!(self.at, At::Over)
    }

    /// How much content is still to come, where that is known.
    pub fn remaining(&self) -> Option<u64> {
        match self.at {
            At::Length(left) => Some(left),
            At::Over => Some(0),
            At::Chunks(..) | At::UntilClose => None,
        }
    }

    /// Takes the next part off the front; `None` when it is over, or more bytes are needed first.
    ///
    /// # Errors
    /// The rest has no meaning.
    pub fn read(&mut self, bytes: &mut BytesMut) -> Result<Option<Part>, Fault> {
        match &mut self.at {
            At::Over => Ok(None),
            _ if bytes.is_empty() => Ok(None),
            At::Length(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= count as u64;
                if *left == 0 {
                    self.at = At::Over;
                }
                Ok(Some(Part::Data(take(bytes, count))))
            }
            At::UntilClose => Ok(Some(Part::Data(std::mem::take(bytes).freeze()))),
            At::Chunks(chunks, trailers) => {
                let part = read_chunks(chunks, trailers, bytes)?;
                if chunks.is_end() {
                    self.at = At::Over;
                }
                Ok(part)
            }
        }
    }

    /// The connection has ended.
    ///
    /// # Errors
    /// [`Cut`] unless just that ends the body.
    pub fn end(&mut self) -> Result<(), Cut> {
        match self.at {
            At::UntilClose | At::Over => {
                self.at = At::Over;
                Ok(())
            }
            At::Length(_) | At::Chunks(..) => Err(Cut),
        }
    }
}

/// The first so many bytes. If they are all there is, the memory goes with them: a buffer that kept it would hold as much again
/// as long as whoever takes the content has not asked for more, and a slow client has all the time in the world.
fn take(bytes: &mut BytesMut, count: usize) -> Bytes {
    if count == bytes.len() { std::mem::take(bytes) } else { bytes.split_to(count) }.freeze()
}

/// Content of a chunk that is shorter than this is put together with that of the next one, if that is there.
const SMALL: usize = 1024;
/// As much is put together at once.
const JOINED: usize = 16 * 1024;

fn read_chunks(chunks: &mut Chunks, trailers: &mut HeaderMap, bytes: &mut BytesMut) -> Result<Option<Part>, Fault> {
    loop {
        let Progress::Complete(piece, length) = chunks.piece(bytes)? else { return Ok(None) };
        match piece {
            Piece::Data if length < SMALL && goes_on(&bytes[length..]) => {
                return Ok(Some(Part::Data(join(chunks, length, bytes))));
            }
            Piece::Data => return Ok(Some(Part::Data(take(bytes, length)))),
            Piece::Frame => bytes.advance(length),
            Piece::Trailer => append(trailers, &bytes.split_to(length).freeze())?,
        }
        if chunks.is_end() {
            let trailers = std::mem::take(trailers);
            return Ok((!trailers.is_empty()).then_some(Part::Trailers(trailers)));
        }
    }
}

/// Does more content follow behind that of a chunk, as far as it has come?
fn goes_on(behind: &[u8]) -> bool {
    behind.len() > CHUNK_END.len() && !behind[CHUNK_END.len()..].starts_with(b"0\r\n")
}

/// The content of as many chunks as have come, of which the first one is so long. Each of them alone would be counted and
/// written by itself, which takes many times what it takes to send them. What is wrong with one is found the next time.
fn join(chunks: &mut Chunks, first: usize, bytes: &mut BytesMut) -> Bytes {
    let mut joined = BytesMut::from(&bytes[..first]);
    bytes.advance(first);
    while joined.len() < JOINED
        && !chunks.is_behind_content()
        && let Ok(Progress::Complete(piece, length)) = chunks.piece(bytes)
    {
        if piece == Piece::Data {
            joined.extend_from_slice(&bytes[..length]);
        }
        bytes.advance(length);
    }
    joined.freeze()
}

fn append(trailers: &mut HeaderMap, line: &Bytes) -> Result<(), Fault> {
    let (name, value) = trailer_field(line).ok_or(Fault::Trailer)?;
    let name = HeaderName::from_bytes(name).map_err(|_| Fault::Trailer)?;
    let value = HeaderValue::from_maybe_shared(line.slice_ref(value)).map_err(|_| Fault::Trailer)?;
    trailers.try_append(name, value).map_err(|_| Fault::Trailer)?;
    Ok(())
}

#[cfg(test)]
mod tests;
