//! Whole conversations: what a client says as frames, and what comes of it as one line of text.

use std::fmt::Write as _;

use http::StatusCode;

use super::*;
use crate::frame::{ACK, END_HEADERS, END_STREAM};

const LIMITS: Limits = Limits { streams: 3, head: 2_000, stream_window: 65_535, connection_window: 65_535 };
/// `GET https://a.test/`, as a block.
const GET: &[u8] = b"\x82\x87\x84\x01\x06a.test";
/// The same as POST.
const POST: &[u8] = b"\x83\x87\x84\x01\x06a.test";
const WHOLE: u8 = END_HEADERS | END_STREAM;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn setting(name: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())
}

fn open_window(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

struct Client {
    connection: Connection,
    out: Vec<u8>,
    now: Instant,
}

impl Client {
    /// One that has said its preface and SETTINGS, and was answered.
    fn greeted() -> Self {
        let mut client = Self::new();
        assert_eq!(client.says(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()), "");
        assert_eq!(client.hears(), "settings; settings ack");
        client
    }

    fn new() -> Self {
        let (now, mut out) = (Instant::now(), Vec::new());
        Self { connection: Connection::open(LIMITS, now, &mut out), out, now }
    }

    /// What its bytes mean.
    fn says(&mut self, mut bytes: &[u8]) -> String {
        let mut told = Vec::new();
        loop {
            match self.connection.next(&mut bytes, &mut self.out, || self.now) {
                Ok(Some(event)) => told.push(shown(&event)),
                Ok(None) => break,
                Err(fault) => {
                    told.push(format!("fault: {fault}"));
                    break;
                }
            }
        }
        told.join("; ")
    }

    /// The frames that it was sent since.
    fn hears(&mut self) -> String {
        let out = std::mem::take(&mut self.out);
        let (mut rest, mut heard) = (&out[..], Vec::new());
        while let Some(head) = Head::read(rest) {
            let payload = &rest[HEAD..HEAD + head.length];
            let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().expect("four bytes"));
            let end = if head.has(END_STREAM) { " end" } else { "" };
            let stream = head.stream.0;
            heard.push(match head.kind {
                SETTINGS if head.has(ACK) => "settings ack".to_owned(),
                SETTINGS => "settings".to_owned(),
                PING => format!("ping {:#x} {}", head.flags, String::from_utf8_lossy(payload)),
                GOAWAY => format!("goaway {} {}", number(0), Code(number(4))),
                RST_STREAM => format!("reset {stream} {}", Code(number(0))),
                WINDOW_UPDATE => format!("window {stream} +{}", number(0)),
                HEADERS => format!("head {stream}{end}"),
                kind => format!("frame {kind} {stream}{end}"),
            });
            rest = &rest[HEAD + head.length..];
        }
        assert!(rest.is_empty(), "whole frames");
        heard.join("; ")
    }

    fn answers(&mut self, stream: u32, last: Last) -> Standing {
        self.connection.begin(StreamId(stream));
        self.connection.send_head(StreamId(stream), StatusCode::OK, &HeaderMap::new(), last, &mut self.out)
    }
}

fn shown(event: &Event) -> String {
    let mut text = String::new();
    let end = |last: &Last| if *last == Last::Yes { " end" } else { "" };
    let written = match event {
        Event::Request { stream, request, follows, fits } => {
            write!(text, "{} {} {} {follows:?} {fits:?}", stream.0, request.method(), request.uri())
        }
        Event::Data { stream, data, last } => {
            write!(text, "{} data {}{}", stream.0, String::from_utf8_lossy(data), end(last))
        }
        Event::Trailers { stream, fields } => write!(text, "{} trailers {}", stream.0, fields.len()),
        Event::Cancelled { stream, code } => write!(text, "{} cancelled {code}", stream.0),
        Event::Rejected { stream, code, why } => write!(text, "{} rejected {code}: {why}", stream.0),
        Event::Opened(Room::All) => write!(text, "opened"),
        Event::Opened(Room::Stream(stream)) => write!(text, "{} opened", stream.0),
    };
    written.expect("a string takes all");
    text
}

#[test]
fn requests_bodies_and_trailers_are_told_however_they_are_cut() {
    let long = vec![b'x'; 300];
    let field = [b"\x00\x05x-own\x7f\xad\x01".as_slice(), &long].concat();
    let bytes = [
        PREFACE,
        &setting(0xff, 7),
        &frame(HEADERS, WHOLE, 1, GET),
        &frame(HEADERS, END_HEADERS, 3, POST),
        &frame(DATA, 0, 3, b"hello"),
        &frame(DATA, 0x8, 3, b"\x03abc\0\0\0"),
        &frame(DATA, 0, 3, b""),
        &frame(HEADERS, END_STREAM, 5, &GET[..3]),
        &frame(CONTINUATION, 0, 5, &GET[3..7]),
        &frame(CONTINUATION, END_HEADERS, 5, &[&GET[7..], &field].concat()),
        &frame(HEADERS, WHOLE, 3, b"\x00\x05x-own\x011"),
        &frame(PING, 0, 0, b"12345678"),
        &frame(0x7f, 0xff, 9, b"unknown"),
        &frame(PRIORITY, 0, 9, &[0; 5]),
        &frame(SETTINGS, ACK, 0, &[]),
    ]
    .concat();
    let expected = "1 GET https://a.test/ Nothing Yes; 3 POST https://a.test/ Content(None) Yes; 3 data hello; \
                    3 data abc; 5 GET https://a.test/ Nothing Yes; 3 trailers 1";
    for cut in 1..=bytes.len() {
        let mut client = Client::new();
        let told: Vec<_> = bytes.chunks(cut).map(|part| client.says(part)).filter(|told| !told.is_empty()).collect();
        assert_eq!(told.join("; "), expected, "cut at {cut}");
        assert_eq!(client.hears(), "settings; settings ack; ping 0x1 12345678", "cut at {cut}");
        assert_eq!(client.connection.held.capacity() * usize::from(cut == bytes.len()), 0, "nothing is kept");
    }
}

#[test]
fn a_client_begins_with_its_preface_and_settings() {
    for (bytes, fault, heard) in [
        (&b"GET / HTTP/1.1\r\n"[..], "it does not begin like HTTP/2", "settings"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", "it does not begin like HTTP/2", "settings"),
        (&[PREFACE, PREFACE].concat(), "a frame larger than it may be", "settings; goaway 0 FRAME_SIZE_ERROR"),
        (
            &[PREFACE, &frame(PING, 0, 0, &[0; 8])].concat(),
            "something in front of SETTINGS",
            "settings; goaway 0 PROTOCOL_ERROR",
        ),
        (
            &[PREFACE, &frame(SETTINGS, ACK, 0, &[])].concat(),
            "something in front of SETTINGS",
            "settings; goaway 0 PROTOCOL_ERROR",
        ),
    ] {
        let mut client = Client::new();
        assert_eq!(client.says(bytes), format!("fault: {fault}"));
        assert_eq!(client.hears(), heard);
    }
}

/// The state of a stream, a frame, and what becomes of it (RFC 9113 section 5.1).
#[test]
fn frames_come_in_the_states_of_their_stream() {
    let (idle, half, open) = (vec![], frame(HEADERS, WHOLE, 1, GET), frame(HEADERS, END_HEADERS, 1, POST));
    let cancelled = [&open[..], &reset(1)].concat();
    let refused = frame(HEADERS, END_HEADERS, 1, b"\x83");
    let data = || frame(DATA, END_STREAM, 1, b"x");
    let trailers = |flags| frame(HEADERS, flags, 1, b"\x00\x05x-own\x011");
    let overflow = || open_window(1, WINDOW_LIMIT);
    for (before, then, expected) in [
        (&idle, data(), "fault: DATA of an idle stream"),
        (&idle, reset(1), "fault: RST_STREAM of an idle stream"),
        (&idle, open_window(1, 1), "fault: WINDOW_UPDATE of an idle stream"),
        (&idle, frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 9]), ""),
        (&idle, frame(HEADERS, WHOLE, 2, GET), "fault: HEADERS of a number that no client may use"),
        (&idle, frame(HEADERS, WHOLE, 0, GET), "fault: HEADERS of a number that no client may use"),
        (&idle, frame(DATA, 0, 0, b"x"), "fault: DATA of an idle stream"),
        (&idle, frame(CONTINUATION, END_HEADERS, 1, GET), "fault: CONTINUATION of nothing"),
        (&half, data(), "fault: DATA behind the end of its stream"),
        (&half, trailers(WHOLE), "fault: HEADERS behind the end of their stream"),
        (&half, open_window(1, 1), "1 opened"),
        (&half, reset(1), "1 cancelled CANCEL"),
        (&half, overflow(), "1 rejected FLOW_CONTROL_ERROR: a window beyond 2^31-1"),
        (&open, data(), "1 data x end"),
        (&open, frame(DATA, END_STREAM, 1, b""), "1 data  end"),
        (&open, trailers(WHOLE), "1 trailers 1"),
        (&open, trailers(END_HEADERS), "1 rejected PROTOCOL_ERROR: trailers that do not end their stream"),
        (&open, reset(1), "1 cancelled CANCEL"),
        (&open, frame(HEADERS, WHOLE, 2, GET), "fault: HEADERS of a number that no client may use"),
        (&cancelled, data(), "1 rejected STREAM_CLOSED: DATA of a closed stream"),
        (&cancelled, trailers(WHOLE), "fault: HEADERS of a number that was used up"),
        (&cancelled, open_window(1, 1), ""),
        (&cancelled, reset(1), ""),
        // What is still under way when we have reset a stream means nothing.
        (&refused, data(), ""),
        (&refused, trailers(WHOLE), ""),
        (&refused, open_window(1, 1), ""),
        (&refused, reset(1), ""),
    ] {
        let mut client = Client::greeted();
        client.says(before);
        assert_eq!(client.says(&then), expected, "{before:x?} {then:x?}");
    }
}

#[test]
fn nothing_comes_between_the_parts_of_a_head() {
    for between in [
        frame(PING, 0, 0, &[0; 8]),
        frame(HEADERS, WHOLE, 1, GET),
        frame(CONTINUATION, END_HEADERS, 3, GET),
        frame(0x7f, 0, 1, b""),
    ] {
        let mut client = Client::greeted();
        let bytes = [frame(HEADERS, END_STREAM, 1, &GET[..3]), between].concat();
        assert_eq!(client.says(&bytes), "fault: something in the middle of a head");
    }
    let mut client = Client::greeted();
    client.says(&frame(HEADERS, END_STREAM, 1, GET));
    assert_eq!(client.says(&frame(CONTINUATION, 0, 1, b"").repeat(LEAST_PARTS)), "");
    assert_eq!(client.says(&frame(CONTINUATION, 0, 1, b"")), "fault: a head in too many parts");
    assert_eq!(client.hears(), "goaway 0 ENHANCE_YOUR_CALM");
}

#[test]
fn a_malformed_request_ends_its_stream_and_its_table_stays_true() {
    let mut client = Client::greeted();
    let head = [GET, b"\x40\x05x-own\x011\x00\x0aconnection\x05close"].concat();
    assert_eq!(client.says(&frame(HEADERS, WHOLE, 1, &head)), "1 rejected PROTOCOL_ERROR: a field of one connection");
    let next = client.says(&frame(HEADERS, WHOLE, 3, &[GET, b"\xbe"].concat()));
    assert_eq!(next, "3 GET https://a.test/ Nothing Yes");
    assert_eq!(client.hears(), "reset 1 PROTOCOL_ERROR");
    assert!(client.says(&frame(HEADERS, WHOLE, 5, b"\x80")).starts_with("fault: a header block"));
    assert_eq!(client.hears(), "goaway 5 COMPRESSION_ERROR");
}

#[test]
fn a_body_has_the_length_that_was_said() {
    let post = |length: &str| [POST, b"\x0f\x0d", &[u8::try_from(length.len()).unwrap()], length.as_bytes()].concat();
    for (length, parts, expected) in [
        ("5", &["he", "llo!"][..], "1 data he; 1 rejected PROTOCOL_ERROR: a body of another length"),
        ("5", &["he", "ll"], "1 data he; 1 rejected PROTOCOL_ERROR: a body of another length"),
        ("5", &["he", "llo"], "1 data he; 1 data llo end"),
        ("0", &["x"], "1 rejected PROTOCOL_ERROR: a body of another length"),
        ("0", &[""], "1 data  end"),
    ] {
        let mut client = Client::greeted();
        client.says(&frame(HEADERS, END_HEADERS, 1, &post(length)));
        let (last, first) = parts.split_last().expect("some");
        let mut bytes: Vec<u8> = first.iter().flat_map(|part| frame(DATA, 0, 1, part.as_bytes())).collect();
        bytes.extend(frame(DATA, END_STREAM, 1, last.as_bytes()));
        assert_eq!(client.says(&bytes), expected, "{length} {parts:?}");
    }
    let mut client = Client::greeted();
    let none = client.says(&frame(HEADERS, WHOLE, 1, &post("5")));
    assert_eq!(none, "1 rejected PROTOCOL_ERROR: no body where there should be one");
}

#[test]
fn streams_and_heads_have_limits() {
    let mut client = Client::greeted();
    for stream in [1, 3, 5] {
        client.says(&frame(HEADERS, END_HEADERS, stream, POST));
    }
    let refused = client.says(&frame(HEADERS, WHOLE, 7, GET));
    assert_eq!(refused, "7 rejected REFUSED_STREAM: more streams than are allowed");
    assert_eq!((client.hears(), client.connection.open_streams()), ("reset 7 REFUSED_STREAM".to_owned(), 3));
    client.says(&reset(1));
    let large = [GET, b"\x00\x05x-own\x7f\xd1\x0d", &[b'x'; 1872]].concat();
    assert_eq!(client.says(&frame(HEADERS, WHOLE, 9, &large)), "9 GET https://a.test/ Nothing No");
}

#[test]
fn what_is_sent_is_within_the_windows_of_the_client() {
    let mut client = Client::greeted();
    client.says(&[frame(HEADERS, WHOLE, 1, GET), frame(HEADERS, WHOLE, 3, GET)].concat());
    for stream in [1, 3] {
        assert_eq!(client.answers(stream, Last::No), Standing::Open);
    }
    client.hears();
    let (one, three) = (StreamId(1), StreamId(3));
    let mut sent = 0;
    while let room @ 1.. = client.connection.room(one) {
        assert_eq!(client.connection.send_data(one, room, Last::No, &mut client.out), Standing::Open);
        client.out.clear(); // its content is another's
        sent += room;
    }
    assert_eq!((sent, client.connection.room(three)), (65_535, 0), "the window of the connection");
    assert_eq!(client.says(&open_window(0, 100)), "opened");
    assert_eq!((client.connection.room(one), client.connection.room(three)), (0, 100));
    assert_eq!(client.says(&open_window(1, 7)), "1 opened");
    assert_eq!(client.connection.room(one), 7);
    assert_eq!(client.says(&setting(Setting::INITIAL_WINDOW_SIZE, 5)), "opened");
    assert_eq!((client.connection.room(one), client.connection.room(three)), (0, 5), "one is below zero");
    assert_eq!(client.says(&setting(Setting::INITIAL_WINDOW_SIZE, 65_535)), "opened");
    assert_eq!(client.connection.room(one), 7);
    assert_eq!(client.connection.send_data(one, 7, Last::Yes, &mut client.out), Standing::Open);
    client.out.extend_from_slice(b"content");
    assert_eq!(client.connection.sent(one, Last::Yes, &mut client.out), Standing::Closed);
    assert_eq!(
        (client.hears().as_str(), client.connection.open_streams()),
        ("settings ack; settings ack; frame 0 1 end", 1)
    );
    // Of many values of one frame the last one counts.
    let name = Setting::INITIAL_WINDOW_SIZE.to_be_bytes();
    let values = [WINDOW_LIMIT, 0, 70].map(|value| [&name[..], &value.to_be_bytes()].concat());
    client.says(&[open_window(0, 1_000), open_window(3, 1)].concat());
    assert_eq!(client.says(&frame(SETTINGS, 0, 0, &values.concat())), "opened");
    assert_eq!(client.connection.room(three), 71);
    let overflow = client.says(&setting(Setting::INITIAL_WINDOW_SIZE, 1 << 31));
    assert_eq!(overflow, "fault: INITIAL_WINDOW_SIZE beyond 2^31-1");
}

#[test]
fn a_client_may_send_what_was_taken() {
    let mut client = Client::greeted();
    client.says(&frame(HEADERS, END_HEADERS, 1, POST));
    let full = frame(DATA, 0, 1, &vec![b'x'; 16_000]);
    client.says(&full.repeat(4));
    assert_eq!(client.hears(), "", "nobody took anything");
    let one = StreamId(1);
    let standing = client.connection.release(one, 40_000, &mut client.out);
    assert_eq!((client.hears().as_str(), standing), ("window 0 +40000; window 1 +40000", Standing::Open));
    let most = frame(DATA, 0, 1, &vec![b'x'; 16_384]);
    assert_eq!(client.says(&most.repeat(2)).matches("data").count(), 2);
    assert_eq!(client.says(&most), "fault: more DATA than the window of the connection");
    assert_eq!(client.hears(), "goaway 1 FLOW_CONTROL_ERROR");
}

#[test]
fn a_body_that_nobody_wants_is_stopped_once_its_answer_is_said() {
    for order in [0, 1] {
        let mut client = Client::greeted();
        client.says(&frame(HEADERS, END_HEADERS, 1, POST));
        client.hears();
        let one = StreamId(1);
        if order == 0 {
            assert_eq!(client.connection.unwant(one, &mut client.out), Standing::Open);
            assert_eq!(client.says(&frame(DATA, 0, 1, b"x")), "", "thrown away");
            assert_eq!(client.answers(1, Last::Yes), Standing::Closed);
        } else {
            assert_eq!(client.answers(1, Last::Yes), Standing::Open);
            assert_eq!(client.says(&frame(DATA, 0, 1, b"x")), "1 data x");
            assert_eq!(client.connection.unwant(one, &mut client.out), Standing::Closed);
        }
        assert_eq!(client.hears(), "head 1 end; reset 1 NO_ERROR");
        assert_eq!(client.says(&frame(DATA, END_STREAM, 1, b"x")), "", "it was under way");
        assert_eq!(client.connection.open_streams(), 0);
    }
}

#[test]
fn a_polite_close_serves_what_was_begun() {
    let mut client = Client::greeted();
    client.says(&frame(HEADERS, WHOLE, 1, GET));
    client.connection.announce_close(&mut client.out);
    client.connection.announce_close(&mut client.out);
    assert_eq!(client.hears(), "goaway 2147483647 NO_ERROR; ping 0x0 closing?");
    assert_eq!(client.says(&frame(HEADERS, WHOLE, 3, GET)), "3 GET https://a.test/ Nothing Yes", "it had not heard");
    client.says(&frame(PING, ACK, 0, b"another!"));
    assert_eq!(client.hears(), "");
    client.says(&frame(PING, ACK, 0, &CLOSE_PING));
    assert_eq!(client.hears(), "goaway 3 NO_ERROR");
    assert_eq!(client.says(&frame(HEADERS, END_HEADERS, 5, POST)), "", "it is not served");
    assert_eq!(client.says(&frame(DATA, END_STREAM, 5, b"x")), "");
    assert_eq!((client.answers(1, Last::Yes), client.connection.is_drained()), (Standing::Closed, false));
    assert_eq!((client.answers(3, Last::Yes), client.connection.is_drained()), (Standing::Closed, true));
    assert_eq!(client.answers(5, Last::Yes), Standing::Closed, "what is closed is not answered");
    client.hears();
    client.says(&frame(PING, 0, 1, &[0; 8]));
    assert_eq!(client.hears(), "goaway 3 PROTOCOL_ERROR", "not one that was not served");
}

#[test]
fn floods_are_told_to_calm_down() {
    let ping = frame(PING, 0, 0, &[0; 8]);
    let empty = frame(DATA, 0, 1, b"");
    let padded = frame(DATA, 0x8, 1, b"\0");
    // Its first one is malformed, and the stream reset.
    let buried = frame(HEADERS, WHOLE, 1, GET);
    let rapid = |number: u32| [frame(HEADERS, WHOLE, 2 * number + 3, GET), reset(2 * number + 3)].concat();
    let made = |number: u32| frame(HEADERS, WHOLE, 2 * number + 3, b"\x82");
    for (name, turn) in [
        ("ping", &(|_| ping.clone()) as &dyn Fn(u32) -> Vec<u8>),
        ("empty", &|_| empty.clone()),
        ("padded", &|_| padded.clone()),
        ("buried", &|_| buried.clone()),
        ("rapid", &rapid),
        ("made", &made),
        ("settings", &|_| frame(SETTINGS, 0, 0, &[])),
    ] {
        let mut client = Client::greeted();
        client.says(&frame(HEADERS, END_HEADERS, 1, POST));
        let calm = (0..2_000).find(|number| client.says(&turn(*number)).contains("fault: too many frames"));
        assert!(calm.is_some_and(|turns| turns >= 20), "{name} {calm:?}");
        assert!(client.hears().ends_with("ENHANCE_YOUR_CALM"), "{name}");
    }
}

#[test]
fn a_client_may_begin_more_than_the_limit_before_it_has_heard_of_it() {
    let mut client = Client::greeted();
    let begun: Vec<u8> = (0..100).flat_map(|number| frame(HEADERS, END_HEADERS, 2 * number + 1, POST)).collect();
    let told = client.says(&begun);
    assert_eq!((told.matches("REFUSED_STREAM").count(), told.contains("fault")), (97, false), "{told}");
    // Once it has heard of it, it is its own fault.
    assert_eq!(client.says(&frame(SETTINGS, ACK, 0, &[])), "");
    let begun: Vec<u8> = (100..200).flat_map(|number| frame(HEADERS, END_HEADERS, 2 * number + 1, POST)).collect();
    assert!(client.says(&begun).ends_with("fault: too many frames of one kind"));
}

#[test]
fn what_is_under_way_on_many_streams_that_were_reset_at_once_means_nothing() {
    let (now, mut out) = (Instant::now(), Vec::new());
    let connection = Connection::open(Limits { streams: 128, ..LIMITS }, now, &mut out);
    let mut client = Client { connection, out, now };
    client.says(&[PREFACE, &frame(SETTINGS, 0, 0, &[]), &frame(SETTINGS, ACK, 0, &[])].concat());
    let each = || (0..128_u32).map(|number| 2 * number + 1);
    client.says(&each().flat_map(|stream| frame(HEADERS, END_HEADERS, stream, POST)).collect::<Vec<_>>());
    for stream in each() {
        client.connection.reset(StreamId(stream), Code::NO_ERROR, &mut client.out);
    }
    let under_way: Vec<u8> = each().flat_map(|stream| frame(DATA, 0, stream, b"x")).collect();
    assert_eq!(client.says(&under_way), "");
}
