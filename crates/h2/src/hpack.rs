//! HPACK (RFC 7541): header blocks to fields and back. A [`Decoder`] keeps the table of what a client indexed; what we
//! write needs none (see `encode`).

mod decode;
mod encode;
mod huffman;
mod integer;
mod table;

pub(crate) use decode::{Decoded, Decoder, Field, Limits};
pub(crate) use encode::{Encoder, is_of_a_connection};
pub(crate) use table::{Name, Pseudo};
