//! [`Handover`]: the client's side of a connection that becomes one of another protocol, once the 101 is written. What
//! came behind the request comes first.

use std::{
    future::Future,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use vestibule_proxy::{Duplex, Rewound};

use super::line::{Line, State};
use crate::stream::Transport;

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

impl<S: Transport + 'static> Future for Handover<S> {
    type Output = Option<Box<dyn Duplex>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.line.state(self.number) {
            State::Http => {
                self.line.note_guest(cx);
                Poll::Pending
            }
            State::HandedOver => {
                let guest = Guest(Rc::clone(&self.line));
                Poll::Ready(Some(Box::new(Rewound::new(self.line.take_early(), guest))))
            }
            State::Left => Poll::Ready(None),
        }
    }
}

/// The stream of a connection that was handed over.
struct Guest<S>(Rc<Line<S>>);

impl<S: Transport> AsyncRead for Guest<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.with_stream(|stream| stream.poll_read(cx, buffer))
    }
}

impl<S: Transport> AsyncWrite for Guest<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.with_stream(|stream| stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.with_stream(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.with_stream(|stream| stream.poll_shutdown(cx))
    }
}
