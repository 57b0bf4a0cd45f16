//! [`Stream`]: the bytes to and from a backend, over TCP or a Unix socket, clear or under TLS, and [`Gauge`]: what the
//! request's side needs to know of them.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::client::TlsStream;

use crate::budget::Place;

/// What may come beyond the limit of a response head before the head is complete: interim responses, and the part of
/// the body that is read with the head.
const HEAD_SLACK: u64 = 512 * 1024;

/// A connected socket, and its place in the budget: wherever the socket goes (under TLS, into hyper, out again as a
/// tunnel), the place goes along, and comes back when the socket is closed.
pub(crate) struct Socket {
    // The order of the fields is the order in which they are dropped.
    pub(crate) end: End,
    pub(crate) _place: Place,
}

/// Our end of a socket.
pub(crate) enum End {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
}

enum Wire {
    Clear(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// A connection to a backend.
pub(crate) struct Stream {
    wire: Wire,
    gauge: Arc<Gauge>,
    writes: Writes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writes {
    Sent,
    /// The backend reads no more: what is written goes nowhere, so that what it had said before can still be read
    /// (an early 413, say). The end of the reading side ends the connection.
    Discarded,
}

/// Counts what a backend sends. Shared with the connection's task, which hyper wants to be `Send` for upgrades: hence
/// atomics, though both sides run on one thread.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    received: AtomicU64,
    ceiling: AtomicU64,
}

impl Gauge {
    /// A request is about to be sent: an answer begins, and its head (with whatever stands before it) is bounded.
    pub(crate) fn begin(&self, head_limit: usize) {
        self.received.store(0, Ordering::Relaxed);
        self.ceiling.store(head_limit as u64 + HEAD_SLACK, Ordering::Relaxed);
    }

    /// The head is complete: the body is bounded by back-pressure only.
    pub(crate) fn head_complete(&self) {
        self.ceiling.store(u64::MAX, Ordering::Relaxed);
    }

    /// Did the backend say anything since [`Gauge::begin`]?
    pub(crate) fn is_silent(&self) -> bool {
        self.received.load(Ordering::Relaxed) == 0
    }

    /// Did it say too much before the head was complete?
    pub(crate) fn is_exceeded(&self) -> bool {
        self.received.load(Ordering::Relaxed) > self.ceiling.load(Ordering::Relaxed)
    }

    fn add(&self, count: usize) -> io::Result<()> {
        self.received.fetch_add(count as u64, Ordering::Relaxed);
        if self.is_exceeded() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "too many bytes before a response"));
        }
        Ok(())
    }
}

impl Stream {
    pub(crate) fn clear(socket: Socket) -> Self {
        Self::new(Wire::Clear(socket))
    }

    pub(crate) fn tls(stream: TlsStream<Socket>) -> Self {
        Self::new(Wire::Tls(Box::new(stream)))
    }

    fn new(wire: Wire) -> Self {
        // An idle connection may say nothing at all, but hyper is the one to notice.
        let gauge = Gauge { received: AtomicU64::new(0), ceiling: AtomicU64::new(u64::MAX) };
        Self { wire, gauge: Arc::new(gauge), writes: Writes::Sent }
    }

    pub(crate) fn gauge(&self) -> Arc<Gauge> {
        Arc::clone(&self.gauge)
    }

    /// Turns "the backend reads no more" into a write that goes nowhere.
    fn settle(&mut self, written: Poll<io::Result<usize>>, offered: usize) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Err(error)) if is_hangup(&error) => {
                self.writes = Writes::Discarded;
                Poll::Ready(Ok(offered))
            }
            other => other,
        }
    }
}

fn is_hangup(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

macro_rules! on_wire {
    ($self:expr, $stream:ident => $call:expr) => {
        match &mut $self.wire {
            Wire::Clear(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Wire::Tls(stream) => {
                let $stream = Pin::new(&mut **stream);
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match on_wire!(self, stream => stream.poll_read(cx, buffer)) {
            Poll::Ready(Ok(())) => Poll::Ready(self.gauge.add(buffer.filled().len() - before)),
            other => other,
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.writes == Writes::Discarded {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = on_wire!(self, stream => stream.poll_write(cx, bytes));
        self.settle(written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = || parts.iter().map(|part| part.len()).sum();
        if self.writes == Writes::Discarded {
            return Poll::Ready(Ok(offered()));
        }
        let written = on_wire!(self, stream => stream.poll_write_vectored(cx, parts));
        self.settle(written, offered())
    }

    fn is_write_vectored(&self) -> bool {
        match &self.wire {
            Wire::Clear(_) => true,
            Wire::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.writes == Writes::Discarded {
            return Poll::Ready(Ok(()));
        }
        let flushed = on_wire!(self, stream => stream.poll_flush(cx)).map_ok(|()| 0);
        self.settle(flushed, 0).map_ok(|_| ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_wire!(self, stream => stream.poll_shutdown(cx))
    }
}

macro_rules! on_socket {
    ($self:expr, $stream:ident => $call:expr) => {
        match &mut $self.get_mut().end {
            End::Tcp(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            End::Unix(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_socket!(self, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_socket!(self, stream => stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_socket!(self, stream => stream.poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_socket!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_socket!(self, stream => stream.poll_shutdown(cx))
    }
}
