//! Frames of a client, each in the state of its stream (RFC 9113 sections 5.1 and 6).

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;

use super::{Block, Closing, Connection, Event, Fits, Follows, LEAST_PARTS, Last, OurSettings, Reply, Room, Start};
use crate::{
    fault::{Code, Fault},
    frame::{self, ACK, END_HEADERS, END_STREAM, FRAME_LIMIT, HEAD, Head, Setting, StreamId, WINDOW_LIMIT},
    head::{Malformed, RequestFields, RequestHead, TrailerFields},
    hpack::{self, Decoded},
    pace::{Counted, Taken},
    streams::{Found, Receiving, Sending, Stream},
    window::{ReceiveWindow, SendWindow},
};

type Told = Result<Option<Event>, Fault>;

impl Connection {
    /// Is that a stream that the client has begun? Even numbers are ours, and we begin none.
    fn is_begun_stream(&self, id: StreamId) -> bool {
        id <= self.last && id.0 % 2 == 1
    }

    /// Section 6.1.
    pub(super) fn data(&mut self, head: Head, frame: Cow<'_, [u8]>, reply: &mut Reply<'_>) -> Told {
        if !self.is_begun_stream(head.stream) {
            return Err(Fault::Protocol("DATA of an idle stream"));
        }
        let content = frame::content(head, &frame[HEAD..])?;
        let last = last(head);
        if content.is_empty() && last == Last::No {
            self.count(Counted::Control, reply)?;
        }
        self.inbound
            .spend(head.length)
            .map_err(|_| Fault::FlowControl("more DATA than the window of the connection"))?;
        let stream = match self.streams.find(head.stream) {
            Found::Open(stream) => stream,
            Found::Reset => {
                self.release_connection(head.length, reply.out);
                return Ok(None);
            }
            Found::Closed => {
                self.release_connection(head.length, reply.out);
                return self.reject(head.stream, Code::STREAM_CLOSED, "DATA of a closed stream", reply);
            }
        };
        match received(stream, head.length, content.len(), last) {
            Ok(Wanted::Yes) => {}
            Ok(Wanted::No) => {
                self.release_connection(head.length, reply.out);
                self.forget_closed(head.stream);
                return Ok(None);
            }
            Err(Refused::Half) => return Err(Fault::StreamClosed("DATA behind the end of its stream")),
            Err(Refused::Stream(code, why)) => {
                self.release_connection(head.length, reply.out);
                return self.reject(head.stream, code, why, reply);
            }
        }
        // Padding is taken by nobody.
        let _open = self.release(head.stream, head.length - content.len(), reply.out);
        self.forget_closed(head.stream);
        if content.is_empty() && last == Last::No {
            return Ok(None);
        }
        let data = match frame {
            Cow::Borrowed(bytes) => Bytes::copy_from_slice(&bytes[HEAD..][content]),
            Cow::Owned(bytes) => Bytes::from(bytes).slice(HEAD + content.start..HEAD + content.end),
        };
        Ok(Some(Event::Data { stream: head.stream, data, last }))
    }

    /// Section 6.2.
    pub(super) fn headers(&mut self, head: Head, payload: &[u8], reply: &mut Reply<'_>) -> Told {
        if head.stream.0.is_multiple_of(2) {
            return Err(Fault::Protocol("HEADERS of a number that no client may use"));
        }
        if head.stream <= self.last {
            match self.streams.find(head.stream) {
                Found::Open(stream) if stream.receiving == Receiving::Over => {
                    return Err(Fault::StreamClosed("HEADERS behind the end of their stream"));
                }
                Found::Open(_) | Found::Reset => {}
                Found::Closed => return Err(Fault::Protocol("HEADERS of a number that was used up")),
            }
        }
        let part = &payload[frame::content(head, payload)?];
        if head.has(END_HEADERS) {
            return self.whole_block(head.stream, last(head), part, reply);
        }
        self.block = Some(Block { stream: head.stream, last: last(head), bytes: part.to_vec(), parts: 0 });
        Ok(None)
    }

    /// Section 6.10.
    pub(super) fn continuation(&mut self, head: Head, payload: &[u8], reply: &mut Reply<'_>) -> Told {
        // What a head within the limit needs in full frames, and a quarter more.
        let most = (self.limits.head / FRAME_LIMIT * 5 / 4).max(LEAST_PARTS);
        let Some(block) = &mut self.block else {
            return Err(Fault::Protocol("CONTINUATION of nothing"));
        };
        block.parts += 1;
        if block.parts > most {
            return Err(Fault::Calm("a head in too many parts"));
        }
        block.bytes.extend_from_slice(payload);
        if !head.has(END_HEADERS) {
            return Ok(None);
        }
        let Some(block) = self.block.take() else { return Ok(None) };
        self.whole_block(block.stream, block.last, &block.bytes, reply)
    }

    fn whole_block(&mut self, id: StreamId, last: Last, block: &[u8], reply: &mut Reply<'_>) -> Told {
        if id > self.last {
            return self.request(id, last, block, reply);
        }
        let mut trailers = TrailerFields::default();
        let limits = hpack::Limits { list: self.limits.head };
        let decoded = self.decoder.decode(block, limits, |field| trailers.push(field))?;
        let Some(stream) = self.streams.stream(id) else {
            self.count(Counted::Control, reply)?; // it was reset; nothing else bounds how often
            return Ok(None);
        };
        if stream.receiving == Receiving::Unwanted && last == Last::Yes {
            stream.receiving = Receiving::Over;
            self.forget_closed(id);
            return Ok(None);
        }
        match whole_trailers(stream, trailers, decoded, last) {
            Ok(fields) => {
                stream.receiving = Receiving::Over;
                self.forget_closed(id);
                Ok(Some(Event::Trailers { stream: id, fields }))
            }
            Err(Malformed(why)) => self.reject(id, Code::PROTOCOL_ERROR, why, reply),
        }
    }

    /// Section 8.1: a head that begins a stream.
    fn request(&mut self, id: StreamId, last: Last, block: &[u8], reply: &mut Reply<'_>) -> Told {
        self.last = id;
        let mut fields = RequestFields::default();
        let limits = hpack::Limits { list: self.limits.head };
        let decoded = self.decoder.decode(block, limits, |field| fields.push(field))?;
        if let Closing::Final(_) = self.closing {
            self.count(Counted::Control, reply)?;
            self.streams.bury(id); // it was told that this is not served (section 6.8)
            return Ok(None);
        }
        if self.streams.count() >= self.limits.streams as usize {
            let why = "more streams than are allowed";
            return match self.settings {
                OurSettings::Acknowledged => self.reject(id, Code::REFUSED_STREAM, why, reply),
                // It has not heard of the limit, and may begin as many as it likes.
                OurSettings::Said => {
                    self.count(Counted::Control, reply)?;
                    Ok(Some(self.tell_reset(id, Code::REFUSED_STREAM, why, reply)))
                }
            };
        }
        let RequestHead { request, length } = match fields.finish() {
            Ok(head) => head,
            Err(Malformed(why)) => return self.reject(id, Code::PROTOCOL_ERROR, why, reply),
        };
        let follows = match (last, length) {
            (Last::No, length) => Follows::Content(length),
            (Last::Yes, None | Some(0)) => Follows::Nothing,
            (Last::Yes, Some(_)) => {
                return self.reject(id, Code::PROTOCOL_ERROR, "no body where there should be one", reply);
            }
        };
        self.streams.open(Stream {
            id,
            sending: Sending::Untaken,
            receiving: match follows {
                Follows::Nothing => Receiving::Over,
                Follows::Content(length) => Receiving::Body(length),
            },
            window: SendWindow::new(self.initial_window),
            inbound: ReceiveWindow::new(self.limits.stream_window, self.limits.stream_window),
        });
        let fits = if decoded == Decoded::Whole { Fits::Yes } else { Fits::No };
        Ok(Some(Event::Request { stream: id, request, follows, fits }))
    }

    /// Section 6.4.
    pub(super) fn reset_by_client(&mut self, head: Head, payload: &[u8], reply: &mut Reply<'_>) -> Told {
        let code = Code(frame::number(payload, "RST_STREAM of another size")?);
        if !self.is_begun_stream(head.stream) {
            return Err(Fault::Protocol("RST_STREAM of an idle stream"));
        }
        let stream = self.streams.close(head.stream);
        let is_untaken = stream.as_ref().is_some_and(|stream| stream.sending == Sending::Untaken);
        self.count(Counted::Reset(if is_untaken { Taken::No } else { Taken::Yes }), reply)?;
        Ok(stream.map(|stream| Event::Cancelled { stream: stream.id, code }))
    }

    /// Section 6.5.
    pub(super) fn settings(&mut self, head: Head, payload: &[u8], reply: &mut Reply<'_>) -> Told {
        if head.stream != StreamId::CONNECTION {
            return Err(Fault::Protocol("SETTINGS on a stream"));
        }
        if head.has(ACK) {
            if !payload.is_empty() {
                return Err(Fault::FrameSize("an acknowledgement that says something"));
            }
            if self.settings == OurSettings::Acknowledged {
                return Err(Fault::Protocol("an acknowledgement of nothing"));
            }
            self.settings = OurSettings::Acknowledged;
            return Ok(None);
        }
        self.start = Start::Over;
        let mut initial_window = None;
        for (Setting(name), value) in frame::settings(payload)? {
            match name {
                Setting::ENABLE_PUSH if value > 1 => return Err(Fault::Protocol("ENABLE_PUSH beyond 1")),
                Setting::MAX_FRAME_SIZE if !(FRAME_LIMIT..1 << 24).contains(&(value as usize)) => {
                    return Err(Fault::Protocol("MAX_FRAME_SIZE out of its range"));
                }
                Setting::INITIAL_WINDOW_SIZE if value > WINDOW_LIMIT => {
                    return Err(Fault::FlowControl("INITIAL_WINDOW_SIZE beyond 2^31-1"));
                }
                Setting::INITIAL_WINDOW_SIZE => initial_window = Some(value),
                // The table of what we send is never used, and no frame is larger than anybody takes.
                _ => {}
            }
        }
        // A frame has room for thousands of them, and each would be a walk over all streams.
        let opened = initial_window.map(|size| self.resize_windows(size)).transpose()?;
        frame::write_settings_ack(reply.out);
        Ok(opened)
    }

    /// Section 6.9.2.
    fn resize_windows(&mut self, size: u32) -> Result<Event, Fault> {
        let by = i64::from(size) - i64::from(self.initial_window);
        self.initial_window = size;
        for stream in self.streams.each() {
            stream.window.change(by).map_err(|_| Fault::FlowControl("INITIAL_WINDOW_SIZE that overflows a window"))?;
        }
        Ok(Event::Opened(Room::All))
    }

    /// Section 6.7.
    pub(super) fn ping(&mut self, head: Head, payload: &[u8], reply: &mut Reply<'_>) -> Told {
        if head.stream != StreamId::CONNECTION {
            return Err(Fault::Protocol("PING on a stream"));
        }
        let payload: [u8; 8] = payload.try_into().map_err(|_| Fault::FrameSize("PING of another size"))?;
        if !head.has(ACK) {
            frame::write_ping(ACK, payload, reply.out);
        } else if payload == super::CLOSE_PING && self.closing == Closing::Announced {
            self.closing = Closing::Final(self.last);
            frame::write_goaway(self.last, Code::NO_ERROR, reply.out);
        }
        Ok(None)
    }

    /// Section 6.9.
    pub(super) fn window_update(&mut self, head: Head, payload: &[u8], reply: &mut Reply<'_>) -> Told {
        self.count(Counted::Control, reply)?;
        let by = frame::number(payload, "WINDOW_UPDATE of another size")? & WINDOW_LIMIT;
        if by == 0 {
            return Err(Fault::Protocol("WINDOW_UPDATE of 0"));
        }
        if head.stream == StreamId::CONNECTION {
            let changed = self.window.change(i64::from(by));
            changed.map_err(|_| Fault::FlowControl("a window of the connection beyond 2^31-1"))?;
            return Ok(Some(Event::Opened(Room::All)));
        }
        if !self.is_begun_stream(head.stream) {
            return Err(Fault::Protocol("WINDOW_UPDATE of an idle stream"));
        }
        match self.streams.stream(head.stream).map(|stream| stream.window.change(i64::from(by))) {
            None => Ok(None),
            Some(Ok(())) => Ok(Some(Event::Opened(Room::Stream(head.stream)))),
            Some(Err(_)) => self.reject(head.stream, Code::FLOW_CONTROL_ERROR, "a window beyond 2^31-1", reply),
        }
    }

    /// An error of a stream (section 5.4.2), which is counted: it costs us more than the client (CVE-2025-8671).
    fn reject(&mut self, id: StreamId, code: Code, why: &'static str, reply: &mut Reply<'_>) -> Told {
        self.count(Counted::Error, reply)?;
        Ok(Some(self.tell_reset(id, code, why, reply)))
    }

    fn tell_reset(&mut self, id: StreamId, code: Code, why: &'static str, reply: &mut Reply<'_>) -> Event {
        frame::write_reset(id, code, reply.out);
        self.streams.bury(id);
        Event::Rejected { stream: id, code, why }
    }

    fn forget_closed(&mut self, id: StreamId) {
        if self.streams.stream(id).is_some_and(|stream| stream.is_closed()) {
            self.streams.close(id);
        }
    }
}

/// Does anybody want the content of a body?
enum Wanted {
    Yes,
    No,
}

/// Why DATA is not taken.
enum Refused {
    /// The client had ended the stream.
    Half,
    Stream(Code, &'static str),
}

/// DATA of so many bytes has come, `content` of them not padding.
fn received(stream: &mut Stream, length: usize, content: usize, last: Last) -> Result<Wanted, Refused> {
    let wanted = match stream.receiving {
        Receiving::Over => return Err(Refused::Half),
        Receiving::Unwanted => Wanted::No,
        Receiving::Body(_) => Wanted::Yes,
    };
    let window = stream.inbound.spend(length);
    window.map_err(|_| Refused::Stream(Code::FLOW_CONTROL_ERROR, "more DATA than its window"))?;
    if let Receiving::Body(Some(left)) = &mut stream.receiving {
        // Section 8.1.1.
        let rest = left.checked_sub(content as u64).filter(|rest| last == Last::No || *rest == 0);
        *left = rest.ok_or(Refused::Stream(Code::PROTOCOL_ERROR, "a body of another length"))?;
    }
    if last == Last::Yes {
        stream.receiving = Receiving::Over;
    }
    Ok(wanted)
}

/// Section 8.1: trailers end their stream, and are no way to shorten a body.
fn whole_trailers(
    stream: &Stream,
    trailers: TrailerFields,
    decoded: Decoded,
    last: Last,
) -> Result<HeaderMap, Malformed> {
    match (last, stream.receiving, decoded) {
        (Last::No, ..) => Err(Malformed("trailers that do not end their stream")),
        (_, Receiving::Body(Some(1..)), _) => Err(Malformed("a body of another length")),
        (.., Decoded::TooLarge) => Err(Malformed("trailers that are too large")),
        _ => trailers.finish(),
    }
}

fn last(head: Head) -> Last {
    if head.has(END_STREAM) { Last::Yes } else { Last::No }
}
