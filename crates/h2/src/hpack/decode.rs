//! [`Decoder`]: header blocks of a client to fields, within limits (RFC 7541 sections 3 and 6).
//!
//! A block that cannot be decoded ends the connection: the tables of both sides would differ from then on. A field whose
//! name or value belongs into none is decoded like any other, and only its head is malformed; and a list that is too long
//! is decoded to its end, as far as that costs little.

use bytes::{Bytes, BytesMut};
use http::HeaderValue;

use super::{
    huffman,
    integer::{Reader, Spelling},
    table::{Entry, Name, OVERHEAD, TABLE_LIMIT, Table},
};
use crate::Fault;

/// Changes of the table's size in front of a block: the least and the last one since the block before it (section 4.2).
const RESIZE_LIMIT: usize = 2;
/// A list that is so many times too long is not decoded to its end.
const PATIENCE: usize = 4;

/// What a block may decode to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The size of the list of fields (RFC 9113 section 6.5.2), bytes.
    pub(crate) list: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    table: Table,
}

/// A field of a block.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: Name,
    /// `None`: bytes that belong into no value.
    pub(crate) value: Option<HeaderValue>,
}

/// A block was decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// All of its fields were told.
    Whole,
    /// They are more than the limit: only the first ones were told.
    TooLarge,
}

/// What becomes of a literal field (section 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Indexing {
    Incremental,
    Without,
    Never,
}

impl Decoder {
    /// Nothing comes for a while: room that is not used is given back.
    pub(crate) fn rest(&mut self) {
        self.table.rest();
    }

    /// Decodes a whole block, and tells each field.
    ///
    /// # Errors
    /// The connection must end.
    pub(crate) fn decode(
        &mut self,
        block: &[u8],
        limits: Limits,
        mut tell: impl FnMut(Field),
    ) -> Result<Decoded, Fault> {
        let mut reader = Reader(block);
        let mut values = Values::default();
        let (mut size, mut resizes, mut fields) = (0_usize, 0, 0_usize);
        while let Some(first) = reader.byte() {
            if first & 0xe0 == 0x20 {
                resizes += 1;
                if fields > 0 {
                    return Err(Fault::Compression("the size of the table behind a field"));
                }
                if resizes > RESIZE_LIMIT {
                    return Err(Fault::Calm("a head that changes the size of the table over and over"));
                }
                self.resize(reader.integer(first, 5)?)?;
                continue;
            }
            fields += 1;
            let (field, length) = self.field(first, &mut reader, &mut values)?;
            size = size.saturating_add(length + OVERHEAD);
            if size <= limits.list {
                tell(field);
            } else if size > limits.list.saturating_mul(PATIENCE) {
                return Err(Fault::Calm("a head that is far too large"));
            }
        }
        Ok(if size <= limits.list { Decoded::Whole } else { Decoded::TooLarge })
    }

    fn resize(&mut self, limit: usize) -> Result<(), Fault> {
        if limit > TABLE_LIMIT {
            return Err(Fault::Compression("a table larger than it may be"));
        }
        self.table.resize(limit);
        Ok(())
    }

    /// A field, and how long name and value are.
    fn field(&mut self, first: u8, reader: &mut Reader<'_>, values: &mut Values) -> Result<(Field, usize), Fault> {
        let (indexing, bits) = match first {
            0x80.. => {
                let entry = self.entry(reader.integer(first, 7)?)?;
                let field = Field { name: entry.name.clone(), value: entry.value.clone() };
                return Ok((field, entry.lengths.0 + entry.lengths.1));
            }
            0x40.. => (Indexing::Incremental, 6),
            0x10..=0x1f => (Indexing::Never, 4),
            _ => (Indexing::Without, 4),
        };
        let (name, name_length) = match reader.integer(first, bits)? {
            0 => values.name(reader)?,
            index => {
                let entry = self.entry(index)?;
                (entry.name.clone(), entry.lengths.0)
            }
        };
        let (text, value_length) = match indexing {
            Indexing::Incremental => values.own(reader)?,
            Indexing::Without | Indexing::Never => values.shared(reader)?,
        };
        let mut value = HeaderValue::from_maybe_shared(text).ok();
        if indexing == Indexing::Incremental {
            let entry = Entry { name: name.clone(), value: value.clone(), lengths: (name_length, value_length) };
            self.table.insert(entry);
        } else if indexing == Indexing::Never {
            value.iter_mut().for_each(|value| value.set_sensitive(true));
        }
        Ok((Field { name, value }, name_length + value_length))
    }

    fn entry(&self, index: usize) -> Result<&Entry, Fault> {
        self.table.entry(index).ok_or(Fault::Compression("an index behind both tables"))
    }
}

/// Where strings of a block go. Those of one head share a buffer; those of the table have their own, because they would
/// keep that of the whole head.
#[derive(Default)]
struct Values {
    buffer: BytesMut,
    plain: Vec<u8>,
}

impl Values {
    fn name(&mut self, reader: &mut Reader<'_>) -> Result<(Name, usize), Fault> {
        let text = text(&mut self.plain, reader)?;
        Ok((Name::read(text), text.len()))
    }

    fn own(&mut self, reader: &mut Reader<'_>) -> Result<(Bytes, usize), Fault> {
        let text = Bytes::copy_from_slice(text(&mut self.plain, reader)?);
        let length = text.len();
        Ok((text, length))
    }

    fn shared(&mut self, reader: &mut Reader<'_>) -> Result<(Bytes, usize), Fault> {
        let more = reader.0.len();
        let text = text(&mut self.plain, reader)?;
        if self.buffer.capacity() < text.len() {
            self.buffer.reserve(text.len().max(more));
        }
        self.buffer.extend_from_slice(text);
        Ok((self.buffer.split().freeze(), text.len()))
    }
}

/// The next string, with its Huffman code undone.
fn text<'p, 'b: 'p>(plain: &'p mut Vec<u8>, reader: &mut Reader<'b>) -> Result<&'p [u8], Fault> {
    let (bytes, spelling) = reader.string()?;
    if spelling == Spelling::Plain {
        return Ok(bytes);
    }
    plain.clear();
    huffman::decode(bytes, plain)?;
    Ok(plain)
}

#[cfg(test)]
mod tests;
