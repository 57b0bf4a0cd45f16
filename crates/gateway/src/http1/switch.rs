//! [`Handover`]: the client's side of a connection that becomes one of another protocol, once the 101 is written. What
//! came behind the request comes first.

use std::{
    future::Future,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use vestibule_proxy::Duplex;

use super::line::{Line, State};

/// See the module.
pub(super) struct Handover<S> {
    line: Rc<Line<S>>,
    number: u64,
}

impl<S> Handover<S> {
    /// For the request of that number.
    pub(super) fn new(line: Rc<Line<S>>, number: u64) -> Self {
        Self { line, number }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Future for Handover<S> {
    type Output = Option<Box<dyn Duplex>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.line.state(self.number) {
            State::Http => {
                self.line.note_guest(cx);
                Poll::Pending
            }
            State::HandedOver => {
                let (line, early) = (Rc::clone(&self.line), self.line.take_early());
                Poll::Ready(Some(Box::new(HandedOver { line, early })))
            }
            State::Left => Poll::Ready(None),
        }
    }
}

struct HandedOver<S> {
    line: Rc<Line<S>>,
    early: Bytes,
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for HandedOver<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let count = self.early.len().min(buffer.remaining());
            buffer.put_slice(&self.early[..count]);
            self.early.advance(count);
            return Poll::Ready(Ok(()));
        }
        self.line.with_stream(|stream| stream.poll_read(cx, buffer))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for HandedOver<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.line.with_stream(|stream| stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.with_stream(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.with_stream(|stream| stream.poll_shutdown(cx))
    }
}
