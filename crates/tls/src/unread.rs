//! [`Unread`]: the ciphertext that cannot be read yet, because the end of its record or handshake message has not come.
//!
//! However small the pieces are in which it comes, no byte is moved more than a few times: a piece that does not
//! complete a record is only put behind the others.

/// The header of a record: its type, a version, the length of the rest (RFC 8446 section 5.1).
const HEADER: usize = 5;
/// The longest record that rustls takes: what RFC 5246 section 6.2.3 allows for, which is more than RFC 8446 does.
pub(crate) const LONGEST_RECORD: usize = HEADER + (1 << 14) + 2048;

/// What is kept of the ciphertext. Without any it holds no memory.
#[derive(Debug, Default)]
pub(crate) struct Unread(Vec<u8>);

impl Unread {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// How much room what is kept needs in front of what is read next; at most [`LONGEST_RECORD`].
    pub(crate) fn room_before(&self) -> usize {
        if self.is_in_pieces() { 0 } else { self.0.len() }
    }

    /// Are these the first pieces of a handshake message, and not just the beginning of a record? rustls has been there,
    /// has decrypted them in their place, and comes back to them.
    fn is_in_pieces(&self) -> bool {
        length(self.0.iter()).is_some_and(|length| length <= self.0.len())
    }

    /// Has the new bytes, which begin at [`Unread::room_before`] of the buffer, read together with what is kept; `read` says
    /// how many bytes it has used up. The rest is kept.
    pub(crate) fn read_with(&mut self, buffer: &mut [u8], read: impl FnOnce(&mut [u8]) -> usize) {
        let (before, new) = buffer.split_at_mut(self.room_before());
        if self.is_in_pieces() {
            self.0.extend_from_slice(new);
            let used = read(&mut self.0);
            self.0.drain(..used);
        } else if self.completes(new) {
            before.copy_from_slice(&self.0);
            let used = read(buffer);
            self.0 = buffer[used..].to_vec();
        } else {
            self.0.extend_from_slice(new);
        }
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
    }

    /// Is there something to be said about the record now? If it is whole, and when its header is: it may be none.
    fn completes(&self, new: &[u8]) -> bool {
        let count = self.0.len() + new.len();
        length(self.0.iter().chain(new)).is_some_and(|length| self.0.len() < HEADER || length <= count)
    }
}

/// How long the record is that begins here, if its header is there.
fn length<'a>(mut bytes: impl Iterator<Item = &'a u8>) -> Option<usize> {
    let high = bytes.nth(HEADER - 2)?;
    let low = bytes.next()?;
    Some(HEADER + usize::from(u16::from_be_bytes([*high, *low])))
}

#[cfg(test)]
impl Unread {
    pub(crate) fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three records of these many bytes behind the header.
    fn records(lengths: [u8; 3]) -> Vec<u8> {
        lengths.iter().flat_map(|&length| [vec![23, 3, 3, 0, length], vec![length; length.into()]].concat()).collect()
    }

    /// How many bytes of whole records these are, as rustls would use them up.
    fn whole(bytes: &[u8]) -> usize {
        let mut used = 0;
        while let Some(length) = length(bytes[used..].iter()).filter(|length| used + length <= bytes.len()) {
            used += length;
        }
        used
    }

    #[test]
    fn records_come_whole_in_whatever_pieces_they_come_and_nothing_stays() {
        let stream = records([1, 0, 9]);
        for size in 1..=stream.len() {
            let mut unread = Unread::default();
            let mut seen = Vec::new();
            for piece in stream.chunks(size) {
                let mut buffer = vec![0; unread.room_before()];
                buffer.extend_from_slice(piece);
                unread.read_with(&mut buffer, |bytes| {
                    let used = whole(bytes);
                    seen.extend_from_slice(&bytes[..used]);
                    used
                });
            }
            assert_eq!(seen, stream, "in pieces of {size}");
            assert_eq!(unread.0.capacity(), 0);
        }
    }

    #[test]
    fn a_header_is_shown_as_soon_as_it_is_there_and_the_record_when_it_is_whole() {
        let mut unread = Unread::default();
        let mut looks = Vec::new();
        for (at, byte) in records([9, 0, 0])[..14].iter().enumerate() {
            let mut buffer = vec![0; unread.room_before()];
            buffer.push(*byte);
            unread.read_with(&mut buffer, |bytes| {
                looks.push(at);
                whole(bytes)
            });
        }
        assert_eq!(looks, [4, 13]);
    }

    #[test]
    fn pieces_of_a_message_stay_in_their_place() {
        let stream = records([2, 3, 4]);
        let mut unread = Unread::default();
        // Two records that are whole and not used up: a message that goes on.
        let mut buffer = stream[..16].to_vec();
        unread.read_with(&mut buffer, |bytes| {
            bytes[5] = 77; // decrypted in its place
            0
        });
        assert_eq!((unread.room_before(), unread.len()), (0, 16));
        unread.read_with(&mut stream[16..].to_vec(), |bytes| {
            assert_eq!((bytes.len(), bytes[5]), (stream.len(), 77));
            bytes.len()
        });
        assert_eq!(unread.0.capacity(), 0);
    }
}
