//! [`Inbound`]: what a client says: heads one by one, and the body of the request under way, both read strictly (`h1`).

use std::{
    future::Future,
    io,
    mem::MaybeUninit,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use vestibule_h1::{BodyReader, Intake, Part, RequestHead, read_request};
use vestibule_proxy::{RequestBodyError, forbids_trailer};
use vestibule_wire::{BodyLength, Fault, Limits};

use crate::vitals::Vitals;

/// How much is read at once. On the stack, while it is not known to be worth keeping.
const READ_SIZE: usize = 8 * 1024;
/// What is thrown away of a body that nobody wants, if it is there; else the connection closes, which costs less.
const SKIP_LIMIT: usize = 64 * 1024;

/// See the module.
pub(super) struct Inbound {
    /// What has come and is not understood yet.
    held: BytesMut,
    /// How much of a head is known not to be its end.
    seen: usize,
    body: BodyReader,
    intake: Intake,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fine,
    /// What follows has no meaning.
    Malformed,
    /// The client has ended, or is gone.
    Lost,
}

/// Why there is no head.
pub(super) enum NoHead {
    /// It could be read in two ways, or not at all.
    Refused(Fault),
    /// The client has no more requests.
    End,
    /// It ended within a head.
    Cut,
    /// The connection broke.
    Broken(io::Error),
}

/// Is something of the request still to come?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    Something,
}

impl Default for Inbound {
    fn default() -> Self {
        Self {
            held: BytesMut::new(),
            seen: 0,
            body: BodyReader::new(BodyLength::Known(0)),
            intake: Intake::default(),
            state: State::Fine,
        }
    }
}

impl Inbound {
    /// Has nothing come that is not understood yet?
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Was the body read to its end?
    pub(super) fn is_over(&self) -> bool {
        self.body.is_over()
    }

    pub(super) fn is_lost(&self) -> bool {
        self.state == State::Lost
    }

    /// How much of the body is still to come, where that is known.
    pub(super) fn remaining(&self) -> Option<u64> {
        self.body.remaining()
    }

    /// What has come and belongs to no request.
    pub(super) fn take_rest(&mut self) -> Bytes {
        std::mem::take(&mut self.held).freeze()
    }

    /// A body of that length follows.
    pub(super) fn begin(&mut self, length: BodyLength) {
        self.body = BodyReader::forbidding(length, forbids_trailer);
        self.intake = Intake::default();
    }

    pub(super) fn poll_head<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        limits: &Limits,
        vitals: &Vitals,
        cx: &mut Context<'_>,
    ) -> Poll<Result<RequestHead, NoHead>> {
        if !self.held.is_empty() {
            match read_request(&self.held, &mut self.seen, limits) {
                Err(fault) => return Poll::Ready(Err(NoHead::Refused(fault))),
                Ok(Some((head, length))) => {
                    self.held.advance(length);
                    self.rest();
                    return Poll::Ready(Ok(head));
                }
                Ok(None) => vitals.head_began(), // its time runs from now on, also when it came before the last response
            }
        }
        loop {
            let mut scratch = [MaybeUninit::uninit(); READ_SIZE];
            let mut buffer = ReadBuf::uninit(&mut scratch);
            if let Err(error) = ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer)) {
                return Poll::Ready(Err(NoHead::Broken(error)));
            }
            let came = buffer.filled();
            if came.is_empty() {
                return Poll::Ready(Err(if self.held.is_empty() { NoHead::End } else { NoHead::Cut }));
            }
            // The usual case first: all of a head at once, of which only that is kept.
            let fresh = self.held.is_empty();
            if !fresh {
                self.held.extend_from_slice(came);
            }
            let bytes = if fresh { came } else { &self.held[..] };
            match read_request(bytes, &mut self.seen, limits) {
                Err(fault) => return Poll::Ready(Err(NoHead::Refused(fault))),
                Ok(Some((head, length))) => {
                    if fresh {
                        self.held.extend_from_slice(&came[length..]);
                    } else {
                        self.held.advance(length);
                        self.rest();
                    }
                    return Poll::Ready(Ok(head));
                }
                Ok(None) => {
                    if fresh {
                        self.held.extend_from_slice(came);
                    }
                    vitals.head_began();
                }
            }
        }
    }

    /// The next part of the body, none at its end.
    pub(super) fn poll_body<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Part>, RequestBodyError>> {
        loop {
            let part = self.body.read(&mut self.held).map_err(|fault| {
                self.state = State::Malformed;
                RequestBodyError::Malformed(fault)
            })?;
            if part.is_some() || self.body.is_over() {
                self.rest();
                return Poll::Ready(Ok(part));
            }
            let filled = self.poll_fill(stream, cx);
            if filled.is_pending() {
                self.rest();
            }
            match ready!(filled) {
                Ok(0) => {
                    self.state = State::Lost;
                    return Poll::Ready(Err(RequestBodyError::Cut));
                }
                Ok(_) => {}
                Err(error) => {
                    self.state = State::Lost;
                    return Poll::Ready(Err(RequestBodyError::Broken(error)));
                }
            }
        }
    }

    /// Reads once, into room that is made for it: the content is passed on as it lies there.
    fn poll_fill<S: AsyncRead + Unpin>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.intake.make_room(&mut self.held, self.body.remaining());
        let count = ready!(pin!(stream.read_buf(&mut self.held)).poll(cx))?;
        self.intake.note(count, self.held.capacity() - self.held.len());
        Poll::Ready(Ok(count))
    }

    /// Ready when the client has ended, or is gone. What else comes is kept, and then no more is asked for.
    pub(super) fn poll_end<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.held.is_empty() {
            return Poll::Pending;
        }
        let mut scratch = [MaybeUninit::uninit(); READ_SIZE];
        let mut buffer = ReadBuf::uninit(&mut scratch);
        ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.held.extend_from_slice(buffer.filled());
        Poll::Pending
    }

    /// Throws away what has come of a body that nobody wants.
    pub(super) fn skip<S: AsyncRead + Unpin>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Left {
        let mut allowance = SKIP_LIMIT;
        while self.state == State::Fine && !self.body.is_over() {
            let Poll::Ready(Ok(Some(part))) = self.poll_body(stream, cx) else { break };
            let length = if let Part::Data(data) = &part { data.len() } else { 0 };
            let Some(rest) = allowance.checked_sub(length) else { break };
            allowance = rest;
        }
        if self.state == State::Fine && self.body.is_over() { Left::Nothing } else { Left::Something }
    }

    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.held.capacity()
    }

    /// What is empty holds no memory.
    fn rest(&mut self) {
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
    }
}
