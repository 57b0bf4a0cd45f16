//! [`Line`]: two ends in one memory. The server's end reads and writes in pieces of a length that the test chooses, and
//! has only so much room; the client's end takes what is there.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io::{self, Read, Write},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[derive(Clone)]
pub(super) struct Line(Rc<RefCell<Ends>>);

pub(super) struct Ends {
    pub(super) to_server: VecDeque<u8>,
    pub(super) to_client: VecDeque<u8>,
    /// The client's end of the network is gone.
    pub(super) has_client_left: bool,
    /// The server has shut its end down.
    pub(super) has_server_ended: bool,
    /// So much is read at most at a time.
    pub(super) read_size: usize,
    /// So much is taken at most at a time.
    pub(super) write_size: usize,
    /// So much may be on its way to the client.
    pub(super) room: usize,
    /// How often something was taken.
    pub(super) writes: usize,
    /// How often something was read.
    pub(super) reads: usize,
    /// Who asked last for room: a socket wakes one writer only.
    pub(super) writer: Option<Waker>,
    moved: usize,
}

impl Line {
    pub(super) fn new() -> Self {
        Self::in_pieces(usize::MAX, usize::MAX)
    }

    pub(super) fn in_pieces(read_size: usize, write_size: usize) -> Self {
        Self(Rc::new(RefCell::new(Ends {
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            has_client_left: false,
            has_server_ended: false,
            read_size,
            write_size,
            room: usize::MAX,
            writes: 0,
            reads: 0,
            writer: None,
            moved: 0,
        })))
    }

    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Ends) -> T) -> T {
        look(&mut self.0.borrow_mut())
    }

    /// A number that changes when something is read or written.
    pub(super) fn moved(&self) -> usize {
        self.with(|ends| ends.moved)
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.with(|ends| {
            let count = ends.to_server.len().min(buf.remaining()).min(ends.read_size);
            if count == 0 && !ends.has_client_left {
                return Poll::Pending;
            }
            buf.put_slice(&ends.to_server.drain(..count).collect::<Vec<_>>());
            ends.reads += 1;
            ends.moved += count;
            Poll::Ready(Ok(()))
        })
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|ends| {
            let count = bytes.len().min(ends.write_size).min(ends.room.saturating_sub(ends.to_client.len()));
            if count == 0 {
                ends.writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            ends.to_client.extend(&bytes[..count]);
            ends.writes += 1;
            ends.moved += count;
            Poll::Ready(Ok(count))
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|ends| ends.has_server_ended = true);
        Poll::Ready(Ok(()))
    }
}

/// The client's end.
impl Read for Line {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.with(|ends| {
            if ends.to_client.is_empty() && !ends.has_server_ended {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let count = ends.to_client.read(bytes)?;
            ends.moved += count;
            Ok(count)
        })
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|ends| {
            ends.to_server.extend(bytes);
            ends.moved += bytes.len();
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
