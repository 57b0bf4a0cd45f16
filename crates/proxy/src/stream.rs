//! [`Stream`]: the bytes to and from a backend, over TCP or a Unix socket, clear or under TLS, and [`Gauge`]: what the
//! request's side needs to know of them.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use http::{Method, Request, header::UPGRADE};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::client::TlsStream;
use vestibule_wire::Fault;

use crate::{
    budget::Place,
    screen::{Screen, Step},
};

/// What may come beyond the limit of a response head before the head is complete: interim responses, and the part of
/// the body that is read with the head.
const HEAD_SLACK: u64 = 512 * 1024;

/// How much is read at once while a head or chunk is not whole.
const READ_SIZE: usize = 8 * 1024;

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
    screen: Screen,
    writes: Writes,
    /// Requests whose first bytes were written.
    begun: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writes {
    Sent,
    /// The backend reads no more: what is written goes nowhere, so that what it had said before can still be read
    /// (an early 413, say). The end of the reading side ends the connection.
    Discarded,
}

/// What the connection's task and the request's side tell each other: what a backend sends, and what it was asked. The
/// task must be `Send`, for upgrades: hence atomics, though both sides run on one thread.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    received: AtomicU64,
    ceiling: AtomicU64,
    count: AtomicU64,
    to_head: AtomicBool,
    upgrade: AtomicBool,
    spoilt: AtomicU8,
}

/// What a backend was asked last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Requests on this connection, this one included.
    pub(crate) count: u64,
    /// `HEAD`: the response has no body.
    pub(crate) to_head: bool,
    /// For another protocol.
    pub(crate) upgrade: bool,
}

/// Why a connection can serve no other request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoilt {
    /// The backend said what is no response, or could be read in two ways.
    Malformed,
    /// It said something that nobody had asked for.
    Unasked,
}

impl Gauge {
    /// A request is about to be sent: an answer begins, and its head (with whatever stands before it) is bounded.
    pub(crate) fn begin<B>(&self, request: &Request<B>, head_limit: usize) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.to_head.store(*request.method() == Method::HEAD, Ordering::Relaxed);
        self.upgrade.store(request.headers().contains_key(UPGRADE), Ordering::Relaxed);
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

    /// What was asked last.
    pub(crate) fn asked(&self) -> Asked {
        Asked {
            count: self.count.load(Ordering::Relaxed),
            to_head: self.to_head.load(Ordering::Relaxed),
            upgrade: self.upgrade.load(Ordering::Relaxed),
        }
    }

    /// The connection can serve no other request. The first reason stays.
    pub(crate) fn spoil(&self, why: Spoilt) {
        if self.spoilt().is_none() {
            self.spoilt.store(if why == Spoilt::Malformed { 1 } else { 2 }, Ordering::Relaxed);
        }
    }

    /// Why it cannot, if it cannot.
    pub(crate) fn spoilt(&self) -> Option<Spoilt> {
        match self.spoilt.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Spoilt::Malformed),
            _ => Some(Spoilt::Unasked),
        }
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
    pub(crate) fn clear(socket: Socket, head_limit: usize) -> Self {
        Self::new(Wire::Clear(socket), head_limit)
    }

    pub(crate) fn tls(stream: TlsStream<Socket>, head_limit: usize) -> Self {
        Self::new(Wire::Tls(Box::new(stream)), head_limit)
    }

    fn new(wire: Wire, head_limit: usize) -> Self {
        // An idle connection may say nothing at all; the screen is the one to notice.
        let gauge = Gauge { ceiling: AtomicU64::new(u64::MAX), ..Gauge::default() };
        Self { wire, gauge: Arc::new(gauge), screen: Screen::new(head_limit), writes: Writes::Sent, begun: 0 }
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

impl Stream {
    /// Reads once into the screen; zero at the end of the stream.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut scratch = [MaybeUninit::uninit(); READ_SIZE];
        let mut buffer = ReadBuf::uninit(&mut scratch);
        ready!(on_wire!(self, stream => stream.poll_read(cx, &mut buffer)))?;
        self.gauge.add(buffer.filled().len())?;
        self.screen.push(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Before the first bytes of a request on a connection that served another: what has come by now answers no request,
    /// and must not be taken for the answer to this one.
    fn begin_request(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let count = self.gauge.asked().count;
        let is_reused = count > 1;
        if std::mem::replace(&mut self.begun, count) == count || !is_reused {
            return Ok(());
        }
        // The codec has read until nothing was left, so this costs no system call as long as nothing comes.
        let came = matches!(self.poll_more(cx), Poll::Ready(Ok(1..)));
        if came || self.screen.is_holding() {
            self.gauge.spoil(Spoilt::Unasked);
            return Err(io::Error::new(io::ErrorKind::InvalidData, Fault::AfterEnd));
        }
        Ok(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            match this.screen.step(&this.gauge, buffer.remaining())? {
                Step::Pass(bytes) => {
                    buffer.put_slice(bytes);
                    return Poll::Ready(Ok(()));
                }
                // Straight to the reader, if it has no room for what may not pass unseen.
                Step::Unseen(count) if count >= buffer.remaining() as u64 => {
                    let before = buffer.filled().len();
                    ready!(on_wire!(this, stream => stream.poll_read(cx, buffer)))?;
                    let count = buffer.filled().len() - before;
                    this.screen.passed(count);
                    return Poll::Ready(this.gauge.add(count));
                }
                Step::Unseen(_) | Step::Read => match this.poll_more(cx)? {
                    Poll::Ready(0) => return Poll::Ready(Ok(())), // the backend's end
                    Poll::Ready(_) => {}
                    Poll::Pending => {
                        this.screen.rest();
                        return Poll::Pending;
                    }
                },
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.writes == Writes::Discarded {
            return Poll::Ready(Ok(bytes.len()));
        }
        self.begin_request(cx)?;
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
        self.begin_request(cx)?;
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
