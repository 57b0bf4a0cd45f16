//! [`Stream`]: the bytes to and from a backend, over TCP or a Unix socket, clear or under TLS.

use std::{
    future::{Future, poll_fn},
    io::{self, IoSlice},
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, Interest, ReadBuf},
    net::{TcpStream, UnixStream},
    task::coop::unconstrained,
};
use tokio_rustls::client::TlsStream;
use vestibule_h1::Intake;

use crate::budget::Place;

/// So often a socket is read to find out whether it is silent. Under TLS much can come that says nothing (tickets, empty
/// records), and each read takes a few KiB of it: a backend of good will says less than one.
const SILENT_READS: u32 = 8;

/// A connected socket, and its place in the budget: wherever the socket goes (under TLS, into a tunnel), the place goes
/// along, and comes back when the socket is closed.
pub(crate) struct Socket {
    // The order of the fields is the order in which they are dropped.
    end: End,
    /// How often it may be read before that fails, while somebody limits it.
    reads_left: Option<u32>,
    _place: Place,
}

/// Our end of a socket.
pub(crate) enum End {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
}

/// The bytes of a connection to a backend.
pub(crate) enum Stream {
    /// As they are.
    Clear(Socket),
    /// Under TLS.
    Tls(Box<TlsStream<Socket>>),
}

macro_rules! on_stream {
    ($self:expr, $stream:ident => $call:expr) => {
        match &mut *$self {
            Stream::Clear(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Stream::Tls(stream) => {
                let $stream = Pin::new(&mut **stream);
                $call
            }
        }
    };
}

impl Stream {
    /// Has nothing come, and is it not at its end? Said without a system call as long as nothing happens. Whoever asks
    /// is woken when that changes, even if it has used up its turn: it must not take "not now" for "nothing".
    pub(crate) fn is_silent(&mut self, cx: &mut Context<'_>) -> bool {
        let mut byte = [0; 1];
        let mut buffer = ReadBuf::new(&mut byte);
        // Nothing else interrupts it then: a backend that says nothing faster than it is read would have the worker.
        self.socket().reads_left = Some(SILENT_READS);
        let read = poll_fn(|cx| Pin::new(&mut *self).poll_read(cx, &mut buffer));
        let is_silent = pin!(unconstrained(read)).poll(cx).is_pending();
        self.socket().reads_left = None;
        is_silent
    }

    /// The same of a stream that was silent: nobody is woken, and whoever is to be stays so as long as nothing has happened.
    pub(crate) fn is_still_silent(&mut self) -> bool {
        !self.socket().has_news() || self.is_silent(&mut Context::from_waker(Waker::noop()))
    }

    fn socket(&mut self) -> &mut Socket {
        match self {
            Self::Clear(socket) => socket,
            Self::Tls(stream) => stream.get_mut().0,
        }
    }

    /// Reads once into the buffer; zero at the end. Where it can be told whether there is something to read, no room is made
    /// before there is.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
        intake: &Intake,
        most: Option<u64>,
    ) -> Poll<io::Result<usize>> {
        if let Self::Clear(socket) = self {
            ready!(socket.poll_readable(cx))?;
        }
        intake.make_room(buffer, most);
        pin!(self.read_buf(buffer)).poll(cx)
    }
}

impl Socket {
    pub(crate) fn new(end: End, place: Place) -> Self {
        Self { end, reads_left: None, _place: place }
    }

    /// Has the system told of anything that was not looked at yet? Costs no more than a look at memory.
    fn has_news(&self) -> bool {
        let nothing = || Ok(());
        let news = match &self.end {
            End::Tcp(stream) => stream.try_io(Interest::READABLE, nothing),
            End::Unix(stream) => stream.try_io(Interest::READABLE, nothing),
        };
        news.is_ok()
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.end {
            End::Tcp(stream) => stream.poll_read_ready(cx),
            End::Unix(stream) => stream.poll_read_ready(cx),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_stream!(self, stream => stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_stream!(self, stream => stream.poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Clear(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self, stream => stream.poll_shutdown(cx))
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
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(left) = &mut self.reads_left {
            *left = left.checked_sub(1).ok_or(io::ErrorKind::QuotaExceeded)?;
        }
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
