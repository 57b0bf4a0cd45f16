//! [`Intake`]: how much room is made for what is read next: little at first, much when much comes. Room of which nobody
//! holds a part any more is used again; content that is all there is takes its room along ([`crate::BodyReader`]).

use bytes::{Buf as _, BufMut as _, BytesMut};

/// Free bytes in front of what is read: TLS copies it behind a header of five bytes at the beginning of memory, and some
/// processors copy to almost the same place of a page thirty times as slowly (AMD's Zen 3 and 4: decision 21).
const LEAD: usize = 256;
/// How much is read at once.
const SMALL: usize = 8 * 1024 - LEAD;
/// The same, when that was not enough for what had come: the most that is read at once, bytes. A little less than 64 KiB: with
/// what TLS adds, it is still no more than the kernel sends as one segment where it may (64 KiB with their headers). A few
/// bytes beyond that are a segment by themselves, which costs as much as a large one.
pub const LARGEST_PIECE: u32 = 63 * 1024;
const LARGE: usize = LARGEST_PIECE as usize;
/// With less room than this a buffer is not worth a system call. With more, it is used up first: pieces that come one by
/// one share its memory.
const LEAST: usize = 512;

/// See the module.
#[derive(Debug)]
pub struct Intake {
    next: usize,
}

impl Default for Intake {
    fn default() -> Self {
        Self { next: SMALL }
    }
}

impl Intake {
    /// To be called before each read: behind this, the buffer has room for one. New room is for no more than so many
    /// bytes, where it is known how many may come.
    pub fn make_room(&self, buffer: &mut BytesMut, most: Option<u64>) {
        let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
        let room = self.next.min(most.max(LEAST));
        if buffer.is_empty() && buffer.capacity() >= room {
            return; // also of a read that had nothing yet
        }
        if buffer.is_empty() && buffer.try_reclaim(LEAD + room) {
            return lead(buffer);
        }
        if buffer.capacity() - buffer.len() >= LEAST {
            return;
        }
        if buffer.is_empty() {
            // To grow would be to keep the room of pieces that are gone.
            *buffer = BytesMut::with_capacity(LEAD + room);
            lead(buffer);
        } else {
            buffer.reserve(room);
        }
    }

    /// To be called after each read: how many bytes came, and for how many more there was room.
    pub fn note(&mut self, count: usize, room_left: usize) {
        self.next = if count >= SMALL || room_left == 0 { LARGE } else { SMALL };
    }
}

/// Leaves [`LEAD`] bytes free.
fn lead(buffer: &mut BytesMut) {
    buffer.put_bytes(0, LEAD);
    buffer.advance(LEAD);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One read of so many bytes, as far as there is room. Returns how much room there was.
    fn read(intake: &mut Intake, buffer: &mut BytesMut, most: Option<u64>, count: usize) -> usize {
        intake.make_room(buffer, most);
        let room = buffer.capacity() - buffer.len();
        let count = count.min(room);
        buffer.resize(buffer.len() + count, b'x');
        intake.note(count, room - count);
        room
    }

    #[test]
    fn much_room_is_made_while_much_comes() {
        let (mut intake, mut buffer) = (Intake::default(), BytesMut::new());
        for (count, room) in [(usize::MAX, SMALL), (usize::MAX, LARGE), (SMALL, LARGE), (3, LARGE), (3, SMALL)] {
            assert_eq!(read(&mut intake, &mut buffer, None, count), room, "{count}");
            drop(std::mem::take(&mut buffer));
        }
    }

    #[test]
    fn room_of_which_nobody_holds_a_part_is_used_again() {
        let (mut intake, mut buffer) = (Intake::default(), BytesMut::new());
        read(&mut intake, &mut buffer, None, SMALL - 1);
        let place = buffer.as_ptr();
        drop(buffer.split());
        assert_eq!(read(&mut intake, &mut buffer, None, 1), SMALL);
        assert_eq!(buffer.as_ptr(), place);
    }

    #[test]
    fn what_is_read_lies_behind_free_bytes_of_its_memory() {
        let (mut intake, mut buffer) = (Intake::default(), BytesMut::new());
        intake.make_room(&mut buffer, None);
        let place = buffer.as_ptr();
        intake.make_room(&mut buffer, None);
        assert_eq!(buffer.as_ptr(), place, "nothing came in between");
        read(&mut intake, &mut buffer, None, SMALL - 1);
        drop(buffer.split());
        intake.make_room(&mut buffer, None);
        assert_eq!(buffer.as_ptr(), place, "used again");
        assert!(buffer.try_reclaim(LEAD + SMALL), "it is the whole of its memory");
        assert_eq!(buffer.as_ptr() as usize + LEAD, place as usize);
    }

    #[test]
    fn what_is_held_stays_and_what_is_left_of_its_buffer_is_used_first() {
        let (mut intake, mut buffer) = (Intake::default(), BytesMut::new());
        read(&mut intake, &mut buffer, None, SMALL - 1000);
        let held = buffer.split();
        assert_eq!(read(&mut intake, &mut buffer, None, 600), 1000);
        let second = buffer.split();
        assert_eq!(read(&mut intake, &mut buffer, None, 1), SMALL, "400 bytes are not worth a read");
        assert!(held.iter().chain(&second).all(|byte| *byte == b'x'));
    }

    #[test]
    fn a_short_body_gets_no_more_room_than_it_needs() {
        let (mut intake, mut buffer) = (Intake::default(), BytesMut::new());
        assert_eq!(read(&mut intake, &mut buffer, Some(3000), usize::MAX), 3000);
        drop(buffer.split());
        assert_eq!(read(&mut intake, &mut buffer, Some(20), 20), 3000, "there is room already");
        let (mut intake, mut buffer) = (Intake::default(), BytesMut::new());
        assert_eq!(read(&mut intake, &mut buffer, Some(20), 20), LEAST);
    }

    #[test]
    fn the_beginning_of_something_is_kept_when_room_is_made_behind_it() {
        let (mut intake, mut buffer) = (Intake::default(), BytesMut::from(&b"HTTP/1.1 2"[..]));
        assert!(read(&mut intake, &mut buffer, None, 1) >= SMALL);
        assert_eq!(&buffer[..], b"HTTP/1.1 2x");
    }
}
