//! TLS records → the first handshake message, put together when it comes in several records (RFC 8446 section 5.1).

use std::borrow::Cow;

use crate::{LIMIT, PrefaceError, fields::Fields};

/// The record type of handshake messages.
pub(crate) const HANDSHAKE: u8 = 22;
/// RFC 8446 section 5.1: what a plaintext record holds at most.
const FRAGMENT_LIMIT: usize = 1 << 14;
/// Type and three bytes of length (RFC 8446 section 4).
const MESSAGE_HEADER: usize = 4;
const CLIENT_HELLO: u8 = 1;

/// The body of the ClientHello, or `None` as long as it is not whole. Borrowed when it came in one record, as nearly all
/// do. Records behind it (early data) are left alone.
pub(crate) fn first_message(bytes: &[u8]) -> Result<Option<Cow<'_, [u8]>>, PrefaceError> {
    let mut records = Fields::new(bytes);
    let mut header = MessageHeader::default();
    let mut have = 0;
    let mut count = 0;
    while let Some(fragment) = next_fragment(&mut records)? {
        count += 1;
        header.feed(fragment.available);
        let end_of_record = have + fragment.announced;
        have += fragment.available.len();
        if let Some(length) = header.message_length()? {
            if length > LIMIT {
                return Err(PrefaceError::TooLarge);
            }
            // A second message in the record would have been sent before our answer: no TLS client does that.
            if end_of_record > length {
                return Err(PrefaceError::UnexpectedMessage);
            }
            if have == length {
                return Ok(Some(match count {
                    1 => Cow::Borrowed(&fragment.available[MESSAGE_HEADER..]),
                    _ => Cow::Owned(gather(bytes, length)?),
                }));
            }
        }
        if fragment.available.len() < fragment.announced {
            break;
        }
    }
    Ok(None)
}

/// The second pass, only over a message that is whole, so that bytes which trickle in are not copied again and again.
fn gather(bytes: &[u8], length: usize) -> Result<Vec<u8>, PrefaceError> {
    let mut records = Fields::new(bytes);
    let mut message = Vec::with_capacity(length);
    while message.len() < length
        && let Some(fragment) = next_fragment(&mut records)?
    {
        message.extend_from_slice(fragment.available);
    }
    Ok(message.split_off(MESSAGE_HEADER.min(message.len())))
}

/// What has come of one record.
struct Fragment<'a> {
    /// Bytes that are here.
    available: &'a [u8],
    /// Bytes that its header promises.
    announced: usize,
}

/// Refuses a wrong header at its first wrong byte; `None` when nothing of the fragment is here yet.
fn next_fragment<'a>(records: &mut Fields<'a>) -> Result<Option<Fragment<'a>>, PrefaceError> {
    match records.rest() {
        [] => return Ok(None),
        [HANDSHAKE] => return Ok(None),
        // The minor version means nothing (RFC 8446 section 5.1, legacy_record_version).
        [HANDSHAKE, 3, ..] => {}
        [HANDSHAKE, ..] => return Err(PrefaceError::BadRecord),
        _ => return Err(PrefaceError::UnexpectedMessage),
    }
    let (Some(_type_and_version), Some(announced)) = (records.take(3), records.u16().map(usize::from)) else {
        return Ok(None);
    };
    // Section 5.1: no handshake fragment is empty.
    if !(1..=FRAGMENT_LIMIT).contains(&announced) {
        return Err(PrefaceError::BadRecord);
    }
    let here = announced.min(records.rest().len());
    Ok(records.take(here).map(|available| Fragment { available, announced }))
}

/// The first bytes of the message: they too may be spread over records.
#[derive(Default)]
struct MessageHeader {
    bytes: [u8; MESSAGE_HEADER],
    filled: usize,
}

impl MessageHeader {
    fn feed(&mut self, fragment: &[u8]) {
        for (slot, byte) in self.bytes[self.filled..].iter_mut().zip(fragment) {
            *slot = *byte;
            self.filled += 1;
        }
    }

    /// The whole length of the message, header included, once the header is here.
    fn message_length(&self) -> Result<Option<usize>, PrefaceError> {
        let [kind, a, b, c] = self.bytes;
        if self.filled > 0 && kind != CLIENT_HELLO {
            return Err(PrefaceError::UnexpectedMessage);
        }
        let body = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        Ok((self.filled == MESSAGE_HEADER).then_some(body + MESSAGE_HEADER))
    }
}
