//! [`Counted`]: a stream in front of the codec of HTTP/2, which counts the frames of its client (`wire::frames`). Who is over
//! the limits is told by the codec itself, because nothing that it sent gets through any more.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use vestibule_wire::frames::{Frames, Verdict, endless_head};

/// A stream whose bytes are frames.
#[derive(Debug)]
pub(crate) struct Counted<S> {
    stream: S,
    /// `None`: the client was told to calm down.
    pace: Option<Pace>,
}

/// What stands in front of the codec of HTTP/2.
#[derive(Debug)]
enum Pace {
    Counting {
        frames: Frames,
        head_limit: u64,
    },
    /// The client is over its limits: this is left to say in its place.
    Calming(Vec<u8>),
}

impl<S> Counted<S> {
    /// In front of a codec that takes heads of that size.
    pub(crate) fn new(stream: S, head_limit: u64) -> Self {
        Self { stream, pace: Some(Pace::Counting { frames: Frames::new(Instant::now()), head_limit }) }
    }

    fn wrote(&mut self, written: &Poll<io::Result<usize>>) {
        if let (Some(Pace::Counting { frames, .. }), Poll::Ready(Ok(count))) = (&mut self.pace, written) {
            frames.wrote(*count);
        }
    }

    /// Judges what a read has put behind `before`.
    fn judge(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        if let Some(Pace::Counting { frames, head_limit }) = &mut self.pace
            && let Verdict::CalmAfter(count) = frames.read(&buf.filled()[before..], Instant::now)
        {
            buf.set_filled(before + count);
            self.pace = Some(Pace::Calming(endless_head(*head_limit)));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if let Some(Pace::Calming(rest)) = &mut self.pace {
            let count = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..count]);
            rest.drain(..count);
            if rest.is_empty() {
                self.pace = None; // what is still read is thrown away
            }
            return Poll::Ready(Ok(()));
        }
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.judge(buf, before);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(&written);
        written
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(&written);
        written
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
