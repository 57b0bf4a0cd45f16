//! [`Outbound`]: what is on its way to a client: heads and frames, and content behind them in the same write.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use tokio::io::AsyncWrite;
use vestibule_h1::{CHUNK_END, LAST_CHUNK, Persistence, ResponseLine, Staged, write_chunk_size, write_trailers};

use crate::vitals::Vitals;

/// Content up to this size is copied behind what is there, so that small pieces share a write; more goes out as it is.
const COPY_LIMIT: usize = 4 * 1024;
/// As much is staged before it is written.
const ROOM: usize = 16 * 1024;
/// For a head, at a guess.
const HEAD_GUESS: usize = 512;
/// Behind a chunk that is the last one with content.
const LAST_CHUNK_END: &[u8] = b"\r\n0\r\n\r\n";

/// See the module.
#[derive(Default)]
pub(super) struct Outbound {
    staged: Staged,
    /// Was something written that the stream may still hold?
    unflushed: bool,
    /// Do the vitals know that something waits for the client to take it?
    waits: bool,
}

/// Does content end with this piece?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Yes,
    No,
}

impl Outbound {
    /// May more be staged?
    pub(super) fn has_room(&self) -> bool {
        !self.staged.has_piece() && self.staged.unwritten_text() < ROOM
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.staged.text().extend_from_slice(bytes);
    }

    /// The head of a response whose content is perhaps so long.
    pub(super) fn head(&mut self, line: &ResponseLine<'_>, headers: &HeaderMap, content: u64) -> Persistence {
        let content = usize::try_from(content).ok().filter(|length| *length <= COPY_LIMIT);
        let text = self.staged.text();
        text.reserve(HEAD_GUESS + content.unwrap_or(0));
        line.write(headers, text)
    }

    /// Content that is framed by its length, or by the end of the connection.
    pub(super) fn plain(&mut self, data: Bytes) {
        if data.len() <= COPY_LIMIT {
            self.append(&data);
        } else {
            self.staged.stage(data, b"");
        }
    }

    /// A chunk. No content is no chunk: it would be the last.
    pub(super) fn chunk(&mut self, data: Bytes, last: Last) {
        let end = match last {
            Last::Yes => LAST_CHUNK_END,
            Last::No => CHUNK_END,
        };
        if data.is_empty() {
            if last == Last::Yes {
                self.append(LAST_CHUNK);
            }
            return;
        }
        write_chunk_size(data.len(), self.staged.text());
        if data.len() <= COPY_LIMIT {
            self.append(&data);
            self.append(end);
        } else {
            self.staged.stage(data, end);
        }
    }

    /// The end of chunks, with those of the trailers that were announced.
    pub(super) fn trailers(&mut self, trailers: &HeaderMap, announced: &[HeaderValue]) {
        write_trailers(trailers, announced, self.staged.text());
    }

    /// Ready when all of it is with the system; then no memory is held.
    pub(super) fn poll_written<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        vitals: &Vitals,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_room(stream, vitals, cx))?;
        self.staged = Staged::default();
        Poll::Ready(Ok(()))
    }

    /// Ready when there is nothing left of what was staged. What the stream itself has of it counts: while a client takes
    /// nothing, nothing more is asked of who answers.
    pub(super) fn poll_room<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        vitals: &Vitals,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let taken = self.poll_out(stream, cx);
        if taken.is_pending() != self.waits {
            self.waits = !self.waits;
            if self.waits { vitals.piece_given() } else { vitals.piece_taken() }
        }
        ready!(taken)?;
        self.staged.clear();
        Poll::Ready(Ok(()))
    }

    fn poll_out<S: AsyncWrite + Unpin>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.staged.is_written() {
            match ready!(self.poll_write_once(stream, cx))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => {
                    self.unflushed = true;
                    self.staged.wrote(count);
                }
            }
        }
        if self.unflushed {
            ready!(Pin::new(stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.staged.memory()
    }

    fn poll_write_once<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(stream);
        match self.staged.in_one() {
            Some(text) => stream.poll_write(cx, text),
            None => stream.poll_write_vectored(cx, &self.staged.slices()),
        }
    }
}
