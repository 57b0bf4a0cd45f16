//! [`Outbound`]: a request on its way to a backend: its head, and its body as it comes from the client.
//!
//! A piece of the body goes out as it came, with its frame before and behind it in the same write; the next one is taken
//! from the client when it is written.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, request};
use http_body::Frame;
use tokio::{io::AsyncWrite, time::Instant};
use vestibule_h1::{
    CHUNK_END, LAST_CHUNK, Staged, announced_trailers, write_chunk_size, write_request_head, write_trailers,
};

use crate::{
    ForwardError,
    error::ConnectionError,
    law::Behind,
    stream::Stream,
    upload::{Length, Upload},
};

/// See the module.
pub(crate) struct Outbound {
    /// The head; later what frames the body, and a piece of it.
    staged: Staged,
    upload: Upload,
    framing: Framing,
    state: State,
    sink: Sink,
}

enum Framing {
    /// So many bytes to come.
    Length(u64),
    /// Chunks, and trailers of the names in these lists.
    Chunks(Vec<HeaderValue>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The body has not ended.
    Open,
    /// All of it is here, or written.
    Ended,
    /// All of it is with the system.
    Sent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sink {
    /// Not a byte was written, for certain.
    Untouched,
    Touched,
    /// The backend reads no more: what is written goes nowhere, so that what it had said before can still be read (an
    /// early 413, say). The end of what it says ends the connection.
    Gone,
    /// The same, before a byte was written: everything is still here.
    NeverThere,
}

impl Outbound {
    /// A request of that head, with what is behind its fields, and that body.
    pub(crate) fn new(head: &request::Parts, behind: &Behind<'_>, upload: Upload, length: Length) -> Self {
        let mut staged = Staged::default();
        write_request_head(&head.method, &head.uri, &head.headers, |to| behind.write(to), staged.text());
        let (framing, state) = match length {
            Length::None => (Framing::Length(0), State::Ended),
            Length::Exact(length) => (Framing::Length(length), State::Open),
            Length::Unknown => (Framing::Chunks(announced_trailers(&head.headers)), State::Open),
        };
        Self { staged, upload, framing, state, sink: Sink::Untouched }
    }

    /// None at all.
    pub(crate) fn none() -> Self {
        Self {
            staged: Staged::default(),
            upload: Upload::none(),
            framing: Framing::Length(0),
            state: State::Sent,
            sink: Sink::Untouched,
        }
    }

    /// Was a byte of it written?
    pub(crate) fn is_begun(&self) -> bool {
        matches!(self.sink, Sink::Touched | Sink::Gone)
    }

    /// Did the backend get all of it?
    pub(crate) fn is_sent(&self) -> bool {
        self.state == State::Sent && self.sink == Sink::Touched
    }

    /// Until when the backend has time to answer, if a body says so.
    pub(crate) fn answer_due(&self, timeout: Duration) -> Option<Instant> {
        self.upload.answer_due(timeout)
    }

    /// The same request, to be sent again from its first byte; `None` when part of its body is gone.
    pub(crate) fn again(mut self) -> Option<Self> {
        if self.is_begun() {
            if !self.upload.is_none() {
                return None;
            }
            self.staged.rewind();
            self.state = State::Ended;
        }
        self.sink = Sink::Untouched;
        Some(self)
    }

    /// Writes what can be written, and takes from the client what it has; ready when all of it is with the system.
    pub(crate) fn poll_send(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<(), ForwardError>> {
        while self.state != State::Sent {
            let staged = self.poll_stage(cx)?;
            ready!(self.poll_write(stream, cx))?;
            match self.state {
                State::Open if staged.is_pending() => {
                    ready!(self.poll_flush(stream, cx))?;
                    return Poll::Pending;
                }
                State::Open => {}
                State::Ended | State::Sent => {
                    ready!(self.poll_flush(stream, cx))?;
                    self.state = State::Sent;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes the next frame of the body, when there is room for one.
    fn poll_stage(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ForwardError>> {
        if self.state != State::Open || self.staged.has_piece() || self.sink == Sink::NeverThere {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(match ready!(self.upload.poll_frame(cx)).transpose()? {
            Some(frame) => self.stage(frame),
            None => self.end(),
        })
    }

    fn stage(&mut self, frame: Frame<Bytes>) -> Result<(), ForwardError> {
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => {
                if let (Framing::Chunks(announced), Ok(trailers)) = (&self.framing, frame.into_trailers()) {
                    write_trailers(&trailers, announced, self.staged.text());
                    self.state = State::Ended;
                }
                return Ok(());
            }
        };
        if data.is_empty() {
            return Ok(()); // an empty chunk would be the last
        }
        let tail = match &mut self.framing {
            // More than was announced would be read as another request.
            Framing::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(ForwardError::RequestBodyCut)?;
                if *left == 0 {
                    self.state = State::Ended;
                }
                b""
            }
            Framing::Chunks(_) => {
                write_chunk_size(data.len(), self.staged.text());
                CHUNK_END
            }
        };
        self.staged.stage(data, tail);
        Ok(())
    }

    fn end(&mut self) -> Result<(), ForwardError> {
        match self.framing {
            Framing::Length(0) => {}
            Framing::Length(_) => return Err(ForwardError::RequestBodyCut),
            Framing::Chunks(_) => self.staged.text().extend_from_slice(LAST_CHUNK),
        }
        self.state = State::Ended;
        Ok(())
    }

    /// Ready when nothing is staged any more.
    fn poll_write(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<(), ForwardError>> {
        while !self.staged.is_written() {
            match self.sink {
                Sink::Untouched | Sink::Touched => {}
                Sink::Gone => {
                    self.staged.skip();
                    continue;
                }
                // What the backend said is read first, and its end is the end of this.
                Sink::NeverThere => return Poll::Pending,
            }
            match ready!(self.poll_write_once(stream, cx)) {
                Ok(0) => return Poll::Ready(Err(broken(io::ErrorKind::WriteZero.into()))),
                Ok(count) => self.wrote(count),
                Err(error) => self.fail(stream, error)?,
            }
        }
        if !self.upload.is_none() {
            self.staged.clear();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_once(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = Pin::new(stream);
        match self.staged.in_one() {
            Some(text) => stream.poll_write(cx, text),
            None => stream.poll_write_vectored(cx, &self.staged.slices()),
        }
    }

    fn wrote(&mut self, count: usize) {
        self.sink = Sink::Touched;
        self.staged.wrote(count);
    }

    /// A write failed. Under TLS one write is several to the system, and those before the one that failed are done.
    fn fail(&mut self, stream: &Stream, error: io::Error) -> Result<(), ForwardError> {
        if matches!(stream, Stream::Tls(_)) && self.sink == Sink::Untouched {
            self.sink = Sink::Touched;
        }
        if !is_hangup(&error) {
            return Err(broken(error));
        }
        self.hang_up();
        Ok(())
    }

    fn poll_flush(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<(), ForwardError>> {
        if matches!(self.sink, Sink::Gone | Sink::NeverThere) {
            return Poll::Ready(Ok(()));
        }
        match ready!(Pin::new(stream).poll_flush(cx)) {
            Err(error) if is_hangup(&error) => self.hang_up(),
            flushed => flushed.map_err(broken)?,
        }
        Poll::Ready(Ok(()))
    }

    /// All that is written of a request with a body of these frames.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn bytes(
        head: &request::Parts,
        length: Length,
        frames: impl Iterator<Item = Frame<Bytes>>,
    ) -> Result<Vec<u8>, ForwardError> {
        let mut outbound = Self::new(head, &Behind::nothing(), Upload::none(), length);
        let mut bytes = Vec::new();
        let take = |staged: &mut Staged, bytes: &mut Vec<u8>| {
            staged.slices().iter().for_each(|slice| bytes.extend_from_slice(slice));
            staged.skip();
        };
        for frame in frames {
            outbound.stage(frame)?;
            take(&mut outbound.staged, &mut bytes);
        }
        if outbound.state == State::Open {
            outbound.end()?;
        }
        take(&mut outbound.staged, &mut bytes);
        Ok(bytes)
    }

    fn hang_up(&mut self) {
        self.sink = if self.sink == Sink::Untouched { Sink::NeverThere } else { Sink::Gone };
    }
}

fn broken(error: io::Error) -> ForwardError {
    ForwardError::from(ConnectionError::Broken(error))
}

fn is_hangup(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}
