//! [`Outbox`]: what is to be written, in its order. Heads and small contents are gathered in one buffer, large contents
//! stand between as they are; all of it goes out in few writes. One that is empty holds no memory.

use std::{
    cell::Cell,
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

/// Content of this size is not copied.
const LARGE: usize = 2 * 1024;
/// Slices of one write.
const SLICES: usize = 32;
/// Written bytes that may stay in the buffer until all of it is written.
const COMPACTED: usize = 16 * 1024;
/// A buffer that is larger than this is not kept for the next connection.
const SPARE_LIMIT: usize = 64 * 1024;

thread_local! {
    /// One buffer goes round among the connections of a thread.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    gathered: Vec<u8>,
    /// How much of `gathered` is written.
    written: usize,
    /// Content, and in front of which place of `gathered` it stands.
    large: VecDeque<(usize, Bytes)>,
    large_size: usize,
    flushed: bool,
}

impl Outbox {
    /// What is to be appended to.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.gathered.capacity() == 0 {
            self.gathered = SPARE.take();
        }
        &mut self.gathered
    }

    /// Appends content.
    pub(super) fn push(&mut self, content: Bytes) {
        if content.len() < LARGE {
            self.buffer().extend_from_slice(&content);
        } else {
            self.large_size += content.len();
            self.large.push_back((self.gathered.len(), content));
        }
    }

    /// Bytes to be written.
    pub(super) fn len(&self) -> usize {
        self.gathered.len() - self.written + self.large_size
    }

    /// Writes all of it, and tells how much went in each write.
    pub(super) fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
        mut wrote: impl FnMut(usize),
    ) -> Poll<io::Result<()>> {
        while self.len() > 0 {
            self.flushed = false;
            let Poll::Ready(count) = self.poll_write_once(io, cx) else {
                self.compact();
                return Poll::Pending;
            };
            let count = count?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            wrote(count);
            self.advance(count);
        }
        if !self.flushed {
            ready!(Pin::new(io).poll_flush(cx))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_once<W: AsyncWrite + Unpin>(&self, io: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.large.is_empty() {
            return Pin::new(io).poll_write(cx, &self.gathered[self.written..]);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        let mut from = self.written;
        for (before, content) in &self.large {
            if count + 2 > SLICES {
                break;
            }
            slices[count] = IoSlice::new(&self.gathered[from..*before]);
            slices[count + 1] = IoSlice::new(content);
            (count, from) = (count + 2, *before);
        }
        if count < SLICES && count == 2 * self.large.len() {
            slices[count] = IoSlice::new(&self.gathered[from..]);
            count += 1;
        }
        Pin::new(io).poll_write_vectored(cx, &slices[..count])
    }

    fn advance(&mut self, mut count: usize) {
        while let Some((before, content)) = self.large.front_mut() {
            let gathered = count.min(*before - self.written);
            self.written += gathered;
            count -= gathered;
            if count == 0 {
                return;
            }
            let part = count.min(content.len());
            content.advance(part);
            count -= part;
            self.large_size -= part;
            if content.is_empty() {
                self.large.pop_front();
            }
        }
        self.written += count;
        if self.written == self.gathered.len() {
            self.rest();
        }
    }

    /// Whoever takes slowly what is appended without end never takes all of it: what is written goes meanwhile.
    fn compact(&mut self) {
        if self.written > COMPACTED && self.written >= self.gathered.len() - self.written {
            self.gathered.drain(..self.written);
            self.large.iter_mut().for_each(|(before, _)| *before -= self.written);
            self.written = 0;
        }
    }

    /// Everything is written: the buffer is another's.
    fn rest(&mut self) {
        let mut buffer = std::mem::take(&mut self.gathered);
        (self.written, self.large) = (0, VecDeque::new());
        if buffer.capacity() <= SPARE_LIMIT {
            buffer.clear();
            SPARE.set(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// Takes so many bytes at once.
    struct Narrow(usize, Vec<u8>);

    impl AsyncWrite for Narrow {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let count = bytes.len().min(self.0);
            self.1.extend_from_slice(&bytes[..count]);
            Poll::Ready(Ok(count))
        }
        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            let count = all.len().min(self.0);
            self.1.extend_from_slice(&all[..count]);
            Poll::Ready(Ok(count))
        }
        fn is_write_vectored(&self) -> bool {
            true
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn all_of_it_is_written_in_its_order_however_little_is_taken_at_once() {
        for width in [1, 7, LARGE - 1, LARGE, 3 * LARGE, usize::MAX] {
            let (mut outbox, mut expected, mut io) = (Outbox::default(), Vec::new(), Narrow(width, Vec::new()));
            for round in 0..3_u8 {
                for (at, size) in [0, 5, LARGE, LARGE - 1, 3 * LARGE, LARGE, 1].into_iter().enumerate() {
                    let head = [round, u8::try_from(at).unwrap()];
                    outbox.buffer().extend_from_slice(&head);
                    outbox.push(Bytes::from(vec![0x77; size]));
                    expected.extend_from_slice(&head);
                    expected.extend(vec![0x77; size]);
                }
                let (mut told, before) = (0, io.1.len());
                let all = outbox.len();
                let mut cx = Context::from_waker(Waker::noop());
                assert!(matches!(outbox.poll_write(&mut io, &mut cx, |count| told += count), Poll::Ready(Ok(()))));
                assert_eq!((told, io.1.len() - before, outbox.len()), (all, all, 0));
                assert_eq!(outbox.gathered.capacity(), 0, "it holds nothing");
            }
            assert_eq!(io.1, expected, "{width}");
        }
    }

    /// Takes so many bytes, and then no more until it is asked again.
    struct Slow(Narrow, usize);

    impl AsyncWrite for Slow {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.poll_write_vectored_of(cx, &[IoSlice::new(bytes)])
        }
        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored_of(cx, slices)
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl Slow {
        fn poll_write_vectored_of(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
            match self.1.checked_sub(1) {
                Some(left) => {
                    self.1 = left;
                    Pin::new(&mut self.0).poll_write_vectored(cx, slices)
                }
                None => Poll::Pending,
            }
        }
    }

    #[test]
    fn a_client_that_never_takes_all_of_it_does_not_make_it_grow() {
        let (mut outbox, mut expected) = (Outbox::default(), Vec::new());
        let mut io = Slow(Narrow(10_000, Vec::new()), 0);
        let mut cx = Context::from_waker(Waker::noop());
        for round in 0..2_000_u32 {
            while outbox.len() < 48 * 1024 {
                let size = if round % 3 == 0 { LARGE } else { LARGE - 1 };
                let content = Bytes::from(vec![u8::try_from(round % 251).unwrap(); size]);
                outbox.buffer().extend_from_slice(b"a head");
                outbox.push(content.clone());
                expected.extend_from_slice(b"a head");
                expected.extend_from_slice(&content);
            }
            io.1 = 1;
            assert!(outbox.poll_write(&mut io, &mut cx, |_| ()).is_pending());
            assert!(outbox.gathered.len() < 128 * 1024, "round {round}: {}", outbox.gathered.len());
        }
        io.1 = usize::MAX;
        assert!(outbox.poll_write(&mut io, &mut cx, |_| ()).is_ready());
        assert!(io.0.1 == expected);
    }

    #[test]
    fn more_contents_than_slices_go_out_too() {
        let (mut outbox, mut io) = (Outbox::default(), Narrow(usize::MAX, Vec::new()));
        for number in 0..50_u8 {
            outbox.buffer().push(number);
            outbox.push(Bytes::from(vec![number; LARGE]));
        }
        outbox.buffer().extend_from_slice(b"end");
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(outbox.poll_write(&mut io, &mut cx, |_| ()), Poll::Ready(Ok(()))));
        let expected: Vec<u8> = (0..50_u8).flat_map(|number| vec![number; LARGE + 1]).chain(*b"end").collect();
        assert!(io.1 == expected);
    }
}
