//! Buffers that belong to the thread and are lent for the length of one call: however many connections a worker has, only
//! one of them moves bytes at a time.
//!
//! A buffer is taken, not borrowed: whoever finds it taken (a stream over another stream) makes a new one.

use std::{
    cell::Cell,
    ops::{Deref, DerefMut},
    thread::LocalKey,
};

thread_local! {
    static INCOMING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static OUTGOING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static JOINED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What is copied from or to a buffer lies behind so many bytes of it: rustls copies plaintext behind a header of five bytes at
/// the beginning of memory, and some processors copy to almost the same place of a page thirty times as slowly (decision 21).
pub(crate) const LEAD: usize = 256;
/// The same for small pieces that become one record, which come from behind a [`LEAD`] themselves.
const JOINED_LEAD: usize = 1024 + LEAD;

/// A buffer of the thread, given back when it is dropped. What it holds is what the last one left in it.
pub(crate) struct Spare {
    buffer: Vec<u8>,
    home: &'static LocalKey<Cell<Vec<u8>>>,
}

/// At least so long, for what is read.
pub(crate) fn incoming(length: usize) -> Spare {
    Spare::take(&INCOMING, length)
}

/// At least so long, for what is written.
pub(crate) fn outgoing(length: usize) -> Spare {
    Spare::take(&OUTGOING, length)
}

/// For small pieces that become one record.
pub(crate) fn joined() -> Joined {
    let mut spare = Spare::take(&JOINED, JOINED_LEAD);
    spare.truncate(JOINED_LEAD);
    Joined(spare)
}

/// Small pieces, one after the other; none at first.
pub(crate) struct Joined(Spare);

impl Joined {
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
    }

    pub(crate) fn clear(&mut self) {
        self.0.truncate(JOINED_LEAD);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0[JOINED_LEAD..]
    }
}

impl Spare {
    fn take(home: &'static LocalKey<Cell<Vec<u8>>>, length: usize) -> Self {
        let mut buffer = home.take();
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        Self { buffer, home }
    }
}

impl Deref for Spare {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.buffer
    }
}

impl DerefMut for Spare {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        // At the end of the thread there is nobody left to keep it for.
        let _ = self.home.try_with(|home| home.set(std::mem::take(&mut self.buffer)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_and_a_second_one_is_another() {
        let mut first = incoming(8);
        first[0] = 7;
        let second = incoming(16);
        assert_eq!(second[0], 0, "the first one is still lent");
        drop(second);
        drop(first);
        let again = incoming(4);
        assert_eq!((again[0], again.len()), (7, 8), "the last one that came back");
    }
}
