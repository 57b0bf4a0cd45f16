//! Our codec of HTTP/2, behind a client's greeting, with somebody who answers what it tells.

use std::{collections::BTreeMap, time::Instant};

use http::{HeaderMap, HeaderValue, StatusCode};
use vestibule_h2::{Connection, Event, FRAME_LIMIT, Fault, Follows, Last, Limits, Room, Standing, StreamId};

use crate::cuts;

/// Preface and SETTINGS, whose windows are small.
const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\x01\0";
/// What the greeting says of it.
const WINDOW: usize = 256;
const LIMITS: Limits = Limits { streams: 8, head: 4_096, stream_window: 65_535, connection_window: 65_535 };
/// In front of each payload, bytes.
const HEAD: usize = 9;
/// Of an answer's body, bytes: more than the window takes at once.
const BODY: usize = 600;

/// The first byte says how often the rest comes, so that short inputs reach the limits.
pub fn http2(data: &[u8]) {
    let Some((times, once)) = data.split_first() else { return };
    let frames = once.repeat(usize::from(*times).clamp(1, 1 + 65_536 / once.len().max(1)));
    let bytes = [GREETING, &frames].concat();
    let whole = Talk::of(std::iter::once(&bytes[..]));
    let cut = Talk::of(cuts::pieces(&bytes).into_iter());
    assert_eq!(whole.told, cut.told, "the same events however they are cut");
    assert_eq!(whole.fault, cut.fault, "the same fault however they are cut");
    assert_eq!(whole.out, cut.out, "the same replies however they are cut");
    whole.check_replies();
}

/// What was said on both sides.
struct Talk {
    connection: Connection,
    out: Vec<u8>,
    told: Vec<String>,
    fault: Option<Fault>,
    /// Answers under way: what is left of each.
    answers: BTreeMap<u32, (StreamId, usize)>,
}

impl Talk {
    fn of<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Self {
        let (start, mut out) = (Instant::now(), Vec::new());
        let connection = Connection::open(LIMITS, start, &mut out);
        let mut talk = Self { connection, out, told: Vec::new(), fault: None, answers: BTreeMap::new() };
        for mut piece in pieces {
            loop {
                match talk.connection.next(&mut piece, &mut talk.out, || start) {
                    Ok(Some(event)) => talk.react(event),
                    Ok(None) => break assert!(piece.is_empty(), "all of it was taken"),
                    Err(fault) => {
                        talk.fault = Some(fault);
                        return talk;
                    }
                }
                assert!(talk.connection.open_streams() <= LIMITS.streams as usize);
            }
        }
        talk
    }

    /// Answers, takes and opens as the number of the stream has it.
    fn react(&mut self, event: Event) {
        self.told.push(format!("{event:?}"));
        match event {
            Event::Request { stream, follows, .. } => self.request(stream, follows),
            Event::Data { stream, data, .. } => {
                let _: Standing = self.connection.release(stream, data.len(), &mut self.out);
            }
            Event::Trailers { stream, .. } => self.go_on(stream),
            Event::Cancelled { stream, .. } | Event::Rejected { stream, .. } => {
                self.answers.remove(&stream.number());
            }
            Event::Opened(Room::Stream(stream)) => self.go_on(stream),
            Event::Opened(Room::All) => {
                let streams: Vec<StreamId> = self.answers.values().map(|(stream, _)| *stream).collect();
                streams.into_iter().for_each(|stream| self.go_on(stream));
            }
            other => panic!("an event that nobody knows: {other:?}"),
        }
    }

    fn request(&mut self, stream: StreamId, follows: Follows) {
        let mut fields = HeaderMap::new();
        fields.insert("x-own", HeaderValue::from_static("1"));
        self.connection.begin(stream);
        match stream.number() / 2 % 5 {
            0 => {
                let last = self.connection.send_head(stream, StatusCode::OK, &fields, Last::Yes, &mut self.out);
                assert_eq!(last == Standing::Closed, follows == Follows::Nothing);
            }
            1 => {
                let _: Standing = self.connection.unwant(stream, &mut self.out);
                let last = self.connection.send_head(stream, StatusCode::NOT_FOUND, &fields, Last::Yes, &mut self.out);
                assert_eq!(last, Standing::Closed, "the rest of the request is refused");
            }
            2 => self.connection.reset(stream, vestibule_h2::Code::INTERNAL_ERROR, &mut self.out),
            3 => {} // it is never answered
            _ => {
                let _: Standing = self.connection.send_head(stream, StatusCode::OK, &fields, Last::No, &mut self.out);
                self.answers.insert(stream.number(), (stream, BODY));
                self.go_on(stream);
            }
        }
    }

    fn go_on(&mut self, stream: StreamId) {
        let Some((_, left)) = self.answers.get_mut(&stream.number()) else { return };
        let room = self.connection.room(stream).min(*left);
        if room == 0 {
            return;
        }
        *left -= room;
        let last = if *left == 0 { Last::Yes } else { Last::No };
        let standing = self.connection.send_data(stream, room, last, &mut self.out);
        assert_eq!(standing, Standing::Open, "there was room");
        self.out.extend(vec![b'b'; room]);
        let _: Standing = self.connection.sent(stream, last, &mut self.out);
        if last == Last::Yes {
            self.answers.remove(&stream.number());
        }
    }

    /// Replies are whole frames of allowed sizes; nobody gets more than a window before it is opened; GOAWAY is the last.
    fn check_replies(&self) {
        let (mut rest, mut sent) = (&self.out[..], BTreeMap::<u32, usize>::new());
        let mut goaway = false;
        while !rest.is_empty() {
            assert!(!goaway, "something behind GOAWAY");
            let length = usize::from(rest[0]) << 16 | usize::from(rest[1]) << 8 | usize::from(rest[2]);
            assert!(length <= FRAME_LIMIT, "a frame larger than anybody must take");
            let stream = u32::from_be_bytes([rest[5], rest[6], rest[7], rest[8]]);
            match rest[3] {
                0x0 => *sent.entry(stream).or_default() += length,
                0x7 => goaway = true,
                _ => {}
            }
            rest = rest.get(HEAD + length..).expect("a whole frame");
        }
        assert_eq!(goaway, self.fault.is_some_and(|fault| fault.code().is_some()));
        let opens = self.told.iter().any(|told| told.starts_with("Opened"));
        assert!(opens || sent.values().all(|sent| *sent <= WINDOW), "more than the client lets us send");
    }
}
