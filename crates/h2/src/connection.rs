//! [`Connection`]: the state of one connection, from the preface to GOAWAY.

use std::{borrow::Cow, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, Request};

use crate::{
    fault::{Code, Fault},
    frame::{
        self, CONTINUATION, DATA, FRAME_LIMIT, GOAWAY, HEAD, HEADERS, Head, PING, PREFACE, PRIORITY, PUSH_PROMISE,
        RST_STREAM, SETTINGS, Setting, StreamId, WINDOW_LIMIT, WINDOW_UPDATE,
    },
    hpack::{Decoder, Encoder},
    pace::{Counted, Pace},
    streams::Streams,
    window::{ReceiveWindow, SendWindow},
};

mod receive;
mod send;

/// The size of every window before anybody says otherwise (RFC 9113 section 6.9.2).
const INITIAL_WINDOW: u32 = 65_535;
/// Parts of a head behind its first one that are always taken (CVE-2024-27316).
const LEAST_PARTS: usize = 5;
/// What is asked back before a polite close is final: all that the client sent before it heard of it has come by then.
const CLOSE_PING: [u8; 8] = *b"closing?";

/// What one client may make us keep.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Streams that are open at once; others are refused.
    pub streams: u32,
    /// The size of the list of fields of a head, bytes (RFC 9113 section 6.5.2). One that is larger is told as far as
    /// it fits; one that is four times as large ends the connection.
    pub head: usize,
    /// What one body may have in flight towards us, bytes.
    pub stream_window: u32,
    /// What all bodies may have in flight towards us, bytes.
    pub connection_window: u32,
}

/// What came.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A request, to be answered or reset.
    Request {
        /// Its stream.
        stream: StreamId,
        /// Its head.
        request: Request<()>,
        /// What comes behind it.
        follows: Follows,
        /// Is it all there?
        fits: Fits,
    },
    /// Content of a body, to be released once it was taken. Empty only as the last one.
    Data {
        /// Of that stream.
        stream: StreamId,
        /// The content.
        data: Bytes,
        /// Is it the end?
        last: Last,
    },
    /// The end of a body.
    Trailers {
        /// Of that stream.
        stream: StreamId,
        /// Its fields.
        fields: HeaderMap,
    },
    /// The client has given a stream up, which is closed.
    Cancelled {
        /// That stream.
        stream: StreamId,
        /// Why.
        code: Code,
    },
    /// The client's error on a stream made us reset it: it is closed, and was perhaps never told of.
    Rejected {
        /// That stream.
        stream: StreamId,
        /// What it is told.
        code: Code,
        /// What was wrong.
        why: &'static str,
    },
    /// There is more room to send in.
    Opened(Room),
}

/// Where there is more room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// For that stream.
    Stream(StreamId),
    /// For all of them.
    All,
}

/// What comes behind the head of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// It is all there is.
    Nothing,
    /// A body, and how long it says it is.
    Content(Option<u64>),
}

/// Is a head within its limit?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fits {
    /// Yes.
    Yes,
    /// No: the last fields of it were left away.
    No,
}

/// Is it the last of its stream?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// Something follows.
    No,
    /// Nothing follows.
    Yes,
}

/// What has become of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "what is closed is told of no more"]
pub enum Standing {
    /// There is more to send, or to come.
    Open,
    /// It is over in both directions.
    Closed,
}

/// See the module.
#[derive(Debug)]
pub struct Connection {
    limits: Limits,
    start: Start,
    /// A frame that has come in part.
    held: Vec<u8>,
    /// A head that has come in part.
    block: Option<Block>,
    decoder: Decoder,
    encoder: Encoder,
    streams: Streams,
    /// The largest number that the client has used.
    last: StreamId,
    /// What we may send on all streams together, and at first on each.
    window: SendWindow,
    initial_window: u32,
    /// What the client may send on all streams together.
    inbound: ReceiveWindow,
    settings: OurSettings,
    pace: Pace,
    closing: Closing,
    /// How many have come.
    frames: u64,
}

/// How far the client has begun (RFC 9113 section 3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// So much of the preface has come.
    Preface(usize),
    /// It says nothing before its SETTINGS.
    Settings,
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OurSettings {
    Said,
    Acknowledged,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    /// The client was told; what it has sent before it heard of it is still served.
    Announced,
    /// What begins behind this stream is not served.
    Final(StreamId),
}

/// The parts of a head that have come.
#[derive(Debug)]
struct Block {
    stream: StreamId,
    last: Last,
    bytes: Vec<u8>,
    parts: usize,
}

impl Connection {
    /// A client has connected. Appends what we say first.
    pub fn open(limits: Limits, now: Instant, out: &mut Vec<u8>) -> Self {
        let stream_window = limits.stream_window.clamp(INITIAL_WINDOW, WINDOW_LIMIT);
        let limits = Limits { stream_window, ..limits };
        frame::write_settings(
            &[
                (Setting::MAX_CONCURRENT_STREAMS, limits.streams),
                (Setting::INITIAL_WINDOW_SIZE, stream_window),
                (Setting::MAX_HEADER_LIST_SIZE, u32::try_from(limits.head).unwrap_or(u32::MAX)),
            ],
            out,
        );
        let mut inbound = ReceiveWindow::new(limits.connection_window.min(WINDOW_LIMIT), INITIAL_WINDOW);
        if let Some(by) = inbound.release(0) {
            frame::write_window_update(StreamId::CONNECTION, by, out);
        }
        Self {
            limits,
            start: Start::Preface(0),
            held: Vec::new(),
            block: None,
            decoder: Decoder::default(),
            encoder: Encoder::default(),
            streams: Streams::new(limits.streams),
            last: StreamId::CONNECTION,
            window: SendWindow::new(INITIAL_WINDOW),
            initial_window: INITIAL_WINDOW,
            inbound,
            settings: OurSettings::Said,
            pace: Pace::new(now),
            closing: Closing::No,
            frames: 0,
        }
    }

    /// Takes from the front of what came until it means something. `None`: all of it was taken. The clock is asked
    /// only of a client that says a lot.
    ///
    /// # Errors
    /// The connection must end, once what was appended is sent; nothing that follows has a meaning.
    pub fn next(
        &mut self,
        input: &mut &[u8],
        out: &mut Vec<u8>,
        clock: impl Fn() -> Instant,
    ) -> Result<Option<Event>, Fault> {
        let event = self.advance(input, &mut Reply { out, clock: &clock });
        if let Err(fault) = event
            && let Some(code) = fault.code()
        {
            frame::write_goaway(self.last_served(), code, out);
        }
        event
    }

    /// The last stream of which GOAWAY does not say that nothing was done; it never says a larger one than before (RFC 9113
    /// section 6.8).
    fn last_served(&self) -> StreamId {
        if let Closing::Final(last) = self.closing { last } else { self.last }
    }

    fn advance(&mut self, input: &mut &[u8], reply: &mut Reply<'_>) -> Result<Option<Event>, Fault> {
        if !self.is_begun(input)? {
            return Ok(None);
        }
        while let Some(frame) = self.whole_frame(input)? {
            if let Some(event) = self.receive(frame, reply)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn is_begun(&mut self, input: &mut &[u8]) -> Result<bool, Fault> {
        let Start::Preface(seen) = self.start else { return Ok(true) };
        let (part, rest) = input.split_at(input.len().min(PREFACE.len() - seen));
        if part != &PREFACE[seen..seen + part.len()] {
            return Err(Fault::Preface);
        }
        *input = rest;
        let seen = seen + part.len();
        self.start = if seen == PREFACE.len() { Start::Settings } else { Start::Preface(seen) };
        Ok(self.start == Start::Settings)
    }

    /// The next frame with its head, once all of it has come. It stays where it is if it came at once.
    fn whole_frame<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Cow<'a, [u8]>>, Fault> {
        if self.held.is_empty() {
            let length = match frame_length(input)? {
                Some(length) if length <= input.len() => length,
                _ => {
                    self.held.extend_from_slice(std::mem::take(input));
                    return Ok(None);
                }
            };
            let (frame, rest) = input.split_at(length);
            *input = rest;
            return Ok(Some(Cow::Borrowed(frame)));
        }
        self.hold(HEAD, input);
        let Some(length) = frame_length(&self.held)? else { return Ok(None) };
        self.hold(length, input);
        Ok((self.held.len() == length).then(|| Cow::Owned(std::mem::take(&mut self.held))))
    }

    /// Keeps the front of what came, until that much is kept.
    fn hold(&mut self, length: usize, input: &mut &[u8]) {
        let (part, rest) = input.split_at(length.saturating_sub(self.held.len()).min(input.len()));
        self.held.extend_from_slice(part);
        *input = rest;
    }

    fn receive(&mut self, frame: Cow<'_, [u8]>, reply: &mut Reply<'_>) -> Result<Option<Event>, Fault> {
        let Some(head) = Head::read(&frame) else { return Ok(None) };
        self.frames = self.frames.wrapping_add(1);
        let payload = &frame[HEAD..];
        if self.block.as_ref().is_some_and(|block| head.kind != CONTINUATION || head.stream != block.stream) {
            return Err(Fault::Protocol("something in the middle of a head"));
        }
        if self.start == Start::Settings && (head.kind != SETTINGS || head.has(frame::ACK)) {
            return Err(Fault::Protocol("something in front of SETTINGS"));
        }
        match head.kind {
            DATA => self.data(head, frame, reply),
            HEADERS => self.headers(head, payload, reply),
            CONTINUATION => self.continuation(head, payload, reply),
            RST_STREAM => self.reset_by_client(head, payload, reply),
            WINDOW_UPDATE => self.window_update(head, payload, reply),
            PUSH_PROMISE => Err(Fault::Protocol("PUSH_PROMISE of a client")),
            kind => {
                self.count(Counted::Control, reply)?;
                match kind {
                    SETTINGS => self.settings(head, payload, reply),
                    PING => self.ping(head, payload, reply),
                    PRIORITY => priority(head, payload),
                    GOAWAY => goaway(head, payload),
                    _ => Ok(None), // unknown (RFC 9113 section 5.5)
                }
            }
        }
    }

    fn count(&mut self, counted: Counted, reply: &Reply<'_>) -> Result<(), Fault> {
        if self.pace.count(counted, reply.clock) { Err(Fault::Calm("too many frames of one kind")) } else { Ok(()) }
    }

    /// So much was written of what was appended: who reads much may say more.
    pub fn wrote(&mut self, count: usize) {
        self.pace.wrote(count);
    }

    /// How many frames have come, those included that mean nothing: what a client costs, however few bytes they have.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Streams that are not closed.
    pub fn open_streams(&self) -> usize {
        self.streams.count()
    }

    /// Nothing comes for a while: room that is not used is given back.
    pub fn rest(&mut self) {
        self.decoder.rest();
    }

    /// Has a polite close come to its end?
    pub fn is_drained(&self) -> bool {
        matches!(self.closing, Closing::Final(_)) && self.streams.count() == 0
    }
}

/// Where replies go, and the time.
struct Reply<'a> {
    out: &'a mut Vec<u8>,
    clock: &'a dyn Fn() -> Instant,
}

/// How long a frame is with its head, if that is known.
fn frame_length(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    match Head::read(bytes) {
        Some(head) if head.length > FRAME_LIMIT => Err(Fault::FrameSize("a frame larger than it may be")),
        head => Ok(head.map(|head| HEAD + head.length)),
    }
}

/// RFC 9113 section 6.3.
fn priority(head: Head, payload: &[u8]) -> Result<Option<Event>, Fault> {
    match (head.stream, payload.len()) {
        (StreamId::CONNECTION, _) => Err(Fault::Protocol("PRIORITY without a stream")),
        (_, 5) => Ok(None),
        _ => Err(Fault::FrameSize("PRIORITY of another size")),
    }
}

/// RFC 9113 section 6.8. It is about streams that we would begin; the client ends the connection itself.
fn goaway(head: Head, payload: &[u8]) -> Result<Option<Event>, Fault> {
    match (head.stream, payload.len()) {
        (StreamId::CONNECTION, 8..) => Ok(None),
        (StreamId::CONNECTION, _) => Err(Fault::FrameSize("GOAWAY of another size")),
        _ => Err(Fault::Protocol("GOAWAY on a stream")),
    }
}

#[cfg(test)]
mod tests;
