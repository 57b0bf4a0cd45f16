//! [`Staged`]: what is to be written: text (heads, what frames content, small content), a piece of content behind it as it
//! came, and a few bytes behind that. All three go out in one write, and nothing large is copied.

use std::io::IoSlice;

use bytes::{Buf, Bytes};

/// See the module. A piece is staged when there is none; no text is added behind one.
#[derive(Debug, Default)]
pub struct Staged {
    /// Written up to `written`.
    text: Vec<u8>,
    written: usize,
    piece: Bytes,
    tail: &'static [u8],
}

impl Staged {
    /// Where text is added.
    pub fn text(&mut self) -> &mut Vec<u8> {
        debug_assert!(!self.has_piece(), "it would go out in front of the piece");
        &mut self.text
    }

    /// A piece, and what stands behind it.
    pub fn stage(&mut self, piece: Bytes, tail: &'static [u8]) {
        debug_assert!(!self.has_piece());
        (self.piece, self.tail) = (piece, tail);
    }

    /// Is a piece there, or something behind one?
    pub fn has_piece(&self) -> bool {
        !self.piece.is_empty() || !self.tail.is_empty()
    }

    /// How much text is not written yet, bytes.
    pub fn unwritten_text(&self) -> usize {
        self.text.len() - self.written
    }

    /// Is all of it written?
    pub fn is_written(&self) -> bool {
        self.unwritten_text() == 0 && !self.has_piece()
    }

    /// All that is not written, when it lies in one place.
    pub fn in_one(&self) -> Option<&[u8]> {
        (!self.has_piece()).then(|| &self.text[self.written..])
    }

    /// All that is not written, in its order.
    pub fn slices(&self) -> [IoSlice<'_>; 3] {
        [&self.text[self.written..], &self.piece, self.tail].map(IoSlice::new)
    }

    /// So many bytes of it are written now: at most as many as there are.
    pub fn wrote(&mut self, mut count: usize) {
        let text = count.min(self.unwritten_text());
        self.written += text;
        count -= text;
        let piece = count.min(self.piece.len());
        self.piece.advance(piece);
        self.tail = &self.tail[count - piece..];
        if self.piece.is_empty() {
            self.piece = Bytes::new(); // lets go of what it was a part of
        }
    }

    /// What is not written never will be.
    pub fn skip(&mut self) {
        (self.written, self.piece, self.tail) = (self.text.len(), Bytes::new(), b"");
    }

    /// The text is to be written once more, from its first byte.
    pub fn rewind(&mut self) {
        self.written = 0;
    }

    /// Forgets the text, all of which is written; its room is used again.
    pub fn clear(&mut self) {
        debug_assert!(self.is_written());
        self.text.clear();
        self.written = 0;
    }

    /// How much memory is held, bytes.
    pub fn memory(&self) -> usize {
        self.text.capacity() + self.piece.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_writes_take_the_same_bytes_in_their_order() {
        for step in 1..12 {
            let mut staged = Staged::default();
            staged.text().extend_from_slice(b"5\r\n");
            assert_eq!(staged.in_one(), Some(&b"5\r\n"[..]));
            staged.stage(Bytes::from_static(b"hello"), b"\r\n");
            assert_eq!((staged.in_one(), staged.has_piece()), (None, true));
            let mut written = Vec::new();
            while !staged.is_written() {
                let all: Vec<u8> = staged.slices().iter().flat_map(|slice| slice.to_vec()).collect();
                let count = step.min(all.len());
                written.extend_from_slice(&all[..count]);
                staged.wrote(count);
            }
            assert_eq!(written, b"5\r\nhello\r\n", "{step} at a time");
            staged.clear();
            staged.text().push(b'x');
            assert_eq!(staged.in_one(), Some(&b"x"[..]));
        }
    }

    #[test]
    fn what_is_skipped_is_not_written_and_what_is_rewound_is_again() {
        let mut staged = Staged::default();
        staged.text().extend_from_slice(b"head");
        staged.wrote(3);
        staged.rewind();
        assert_eq!(staged.in_one(), Some(&b"head"[..]));
        staged.stage(Bytes::from_static(b"piece"), b"tail");
        staged.skip();
        assert!(staged.is_written());
    }
}
