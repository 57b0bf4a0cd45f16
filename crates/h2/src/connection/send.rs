//! What we send on a stream, and how a connection is closed politely. What is sent on a stream that is closed already is
//! not said: whoever sends may not have heard of it yet.

use http::{HeaderMap, StatusCode};

use super::{CLOSE_PING, Closing, Connection, Last, Standing};
use crate::{
    fault::Code,
    frame::{self, END_STREAM, FRAME_LIMIT, StreamId, WINDOW_LIMIT},
    streams::{Receiving, Sending},
};

impl Connection {
    /// Somebody begins to serve that request.
    pub fn begin(&mut self, stream: StreamId) {
        self.pace.taken();
        if let Some(stream) = self.streams.stream(stream)
            && stream.sending == Sending::Untaken
        {
            stream.sending = Sending::Head;
        }
    }

    /// The head of a response. An interim one (RFC 9110 section 15.2) is never the last.
    pub fn send_head(
        &mut self,
        id: StreamId,
        status: StatusCode,
        headers: &HeaderMap,
        last: Last,
        out: &mut Vec<u8>,
    ) -> Standing {
        let Some(stream) = self.streams.stream(id) else { return Standing::Closed };
        debug_assert!(matches!(stream.sending, Sending::Untaken | Sending::Head));
        frame::write_headers(id, flags(last), out, |block| self.encoder.response(status, headers, block));
        if !status.is_informational() {
            stream.sending = Sending::Body;
        }
        self.sent(id, last, out)
    }

    /// How much content may be sent on a stream now, in one frame.
    pub fn room(&mut self, id: StreamId) -> usize {
        let stream = self.streams.stream(id).map_or(0, |stream| stream.window.room());
        stream.min(self.window.room()).min(FRAME_LIMIT)
    }

    /// What stands in front of so much content, which is no more than there is [room](Self::room) for and must be
    /// appended next, if the stream is not closed.
    pub fn send_data(&mut self, id: StreamId, length: usize, last: Last, out: &mut Vec<u8>) -> Standing {
        let Some(stream) = self.streams.stream(id) else { return Standing::Closed };
        debug_assert_eq!(stream.sending, Sending::Body);
        stream.window.spend(length);
        self.window.spend(length);
        frame::write_data_head(id, length, flags(last), out);
        Standing::Open
    }

    /// Trailers, which end the stream.
    pub fn send_trailers(&mut self, id: StreamId, fields: &HeaderMap, out: &mut Vec<u8>) -> Standing {
        if self.streams.stream(id).is_none() {
            return Standing::Closed;
        }
        frame::write_headers(id, END_STREAM, out, |block| self.encoder.trailers(fields, block));
        self.sent(id, Last::Yes, out)
    }

    /// It was the last we have to say on that stream, or not. If the client still sends and nobody reads, it is told
    /// to stop (RFC 9113 section 8.1).
    pub fn sent(&mut self, id: StreamId, last: Last, out: &mut Vec<u8>) -> Standing {
        let Some(stream) = self.streams.stream(id) else { return Standing::Closed };
        if last == Last::Yes {
            stream.sending = Sending::Over;
        }
        self.settle(id, out)
    }

    /// Nobody reads the rest of its body.
    pub fn unwant(&mut self, id: StreamId, out: &mut Vec<u8>) -> Standing {
        let Some(stream) = self.streams.stream(id) else { return Standing::Closed };
        if stream.receiving != Receiving::Over {
            stream.receiving = Receiving::Unwanted;
        }
        self.settle(id, out)
    }

    fn settle(&mut self, id: StreamId, out: &mut Vec<u8>) -> Standing {
        match self.streams.stream(id).map(|stream| (stream.sending, stream.receiving)) {
            None => Standing::Closed,
            Some((Sending::Over, Receiving::Over)) => {
                self.streams.close(id);
                Standing::Closed
            }
            Some((Sending::Over, Receiving::Unwanted)) => {
                self.reset(id, Code::NO_ERROR, out);
                Standing::Closed
            }
            Some(_) => Standing::Open,
        }
    }

    /// Gives a stream up for reasons of our own.
    pub fn reset(&mut self, id: StreamId, code: Code, out: &mut Vec<u8>) {
        if self.streams.stream(id).is_some() {
            frame::write_reset(id, code, out);
            self.streams.bury(id);
        }
    }

    /// So much content of a body was taken.
    pub fn release(&mut self, id: StreamId, count: usize, out: &mut Vec<u8>) -> Standing {
        self.release_connection(count, out);
        let Some(stream) = self.streams.stream(id) else { return Standing::Closed };
        // A client that has said all has no use for a window.
        if stream.receiving != Receiving::Over
            && let Some(by) = stream.inbound.release(count)
        {
            frame::write_window_update(id, by, out);
        }
        Standing::Open
    }

    /// So much content was given up with its stream, or taken after it.
    pub fn release_connection(&mut self, count: usize, out: &mut Vec<u8>) {
        if let Some(by) = self.inbound.release(count) {
            frame::write_window_update(StreamId::CONNECTION, by, out);
        }
    }

    /// Begins a polite close (RFC 9113 section 6.8): the client shall begin nothing new. Once it has answered, what it
    /// began before is all that is served.
    pub fn announce_close(&mut self, out: &mut Vec<u8>) {
        if self.closing == Closing::No {
            self.closing = Closing::Announced;
            frame::write_goaway(StreamId(WINDOW_LIMIT), Code::NO_ERROR, out);
            frame::write_ping(0, CLOSE_PING, out);
        }
    }
}

fn flags(last: Last) -> u8 {
    if last == Last::Yes { END_STREAM } else { 0 }
}
