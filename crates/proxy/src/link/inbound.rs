//! [`Inbound`]: what a backend says to one request: interim responses, which end here, a head, a body.
//!
//! It is read strictly (`h1`, `wire`); what it finds wrong in a head becomes a 502, in a body a cut that the client sees.

use std::{
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead as _, ReadBuf};
use vestibule_h1::{AnswerTo, BodyReader, Intake, Part, ResponseHead, read_response};
use vestibule_wire::{BodyLength, Limits};

use crate::{error::ConnectionError, stream::Stream};

/// Fields of one response head.
const FIELD_LIMIT: usize = 100;

/// What may come beyond the limit of a response head before the head is complete: interim responses, and the part of
/// the body that is read with the head.
const HEAD_SLACK: u64 = 512 * 1024;

/// How much is read at first, on the stack.
const READ_SIZE: usize = 8 * 1024;

/// See the module.
pub(crate) struct Inbound {
    to: AnswerTo,
    limits: Limits,
    /// What has come and is not understood yet.
    buffer: BytesMut,
    /// How much of a head is known not to be its end.
    seen: usize,
    received: u64,
    intake: Intake,
    body: BodyReader,
}

impl Inbound {
    /// An answer to be, with a head of at most so many bytes.
    pub(crate) fn new(to: AnswerTo, head_limit: usize) -> Self {
        Self {
            to,
            limits: Limits { head: head_limit, fields: FIELD_LIMIT, target: 0 },
            buffer: BytesMut::new(),
            seen: 0,
            received: 0,
            intake: Intake::default(),
            body: BodyReader::new(BodyLength::Known(0)),
        }
    }

    /// Did the backend say nothing at all?
    pub(crate) fn is_silent(&self) -> bool {
        self.received == 0
    }

    /// Was the body read to its end?
    pub(crate) fn is_over(&self) -> bool {
        self.body.is_over()
    }

    /// Has something come behind the end?
    pub(crate) fn has_surplus(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// How much of the body is still to come, where that is known.
    pub(crate) fn remaining(&self) -> Option<u64> {
        self.body.remaining()
    }

    /// All of a body of known length, when it has come already.
    pub(crate) fn whole(&mut self) -> Option<Bytes> {
        match self.body.remaining() {
            Some(0) => Some(Bytes::new()),
            Some(left) if left <= self.buffer.len() as u64 => match self.body.read(&mut self.buffer) {
                Ok(Some(Part::Data(data))) => Some(data),
                _ => None,
            },
            _ => None,
        }
    }

    /// What has come and was not taken.
    pub(crate) fn take_rest(&mut self) -> Bytes {
        std::mem::take(&mut self.buffer).freeze()
    }

    /// The head of the final response.
    pub(crate) fn poll_head(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<ResponseHead, ConnectionError>> {
        loop {
            while !self.buffer.is_empty()
                && let Some(head) = read_response(&mut self.buffer, &mut self.seen, &self.limits, self.to)
                    .map_err(ConnectionError::Malformed)?
            {
                if !head.is_interim() {
                    self.body = BodyReader::new(head.body);
                    return Poll::Ready(Ok(head));
                }
            }
            let fresh = self.buffer.is_empty();
            let count = ready!(if fresh { self.poll_first(stream, cx) } else { self.poll_fill(stream, cx) })?;
            if count == 0 {
                return Poll::Ready(Err(ConnectionError::Closed));
            }
            self.received += count as u64;
            if self.received > self.limits.head as u64 + HEAD_SLACK {
                return Poll::Ready(Err(ConnectionError::TooMuch));
            }
        }
    }

    /// The next part of the body, none at its end.
    pub(crate) fn poll_body(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Part>, ConnectionError>> {
        loop {
            let part = self.body.read(&mut self.buffer).map_err(ConnectionError::Malformed)?;
            if part.is_some() || self.body.is_over() {
                return Poll::Ready(Ok(part));
            }
            if ready!(self.poll_fill(stream, cx))? == 0 {
                self.body.end().map_err(|_| ConnectionError::Closed)?;
            }
        }
    }

    /// The usual case: all of a small answer at once. It is read on the stack, and no more is kept than has come.
    fn poll_first(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<usize, ConnectionError>> {
        let mut scratch = [MaybeUninit::uninit(); READ_SIZE];
        let mut read = ReadBuf::uninit(&mut scratch);
        ready!(Pin::new(stream).poll_read(cx, &mut read)).map_err(ConnectionError::Broken)?;
        self.buffer = BytesMut::from(read.filled());
        self.intake.note(self.buffer.len(), read.remaining());
        Poll::Ready(Ok(self.buffer.len()))
    }

    fn poll_fill(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<Result<usize, ConnectionError>> {
        // What is left of a body, and a byte that may not come behind it.
        let most = self.body.remaining().filter(|rest| *rest > 0).map(|rest| rest.saturating_add(1));
        let count =
            ready!(stream.poll_fill(cx, &mut self.buffer, &self.intake, most)).map_err(ConnectionError::Broken)?;
        self.intake.note(count, self.buffer.capacity() - self.buffer.len());
        Poll::Ready(Ok(count))
    }
}
