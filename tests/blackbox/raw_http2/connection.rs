//! Cases of the connection as a whole: preface, SETTINGS, sizes of frames, frames without a stream, windows, padding.

use super::{
    case::{Case, got, posted},
    frame::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, HEADERS,
        NO_ERROR, PADDED, PING, PREFACE, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS, WHOLE,
        WINDOW_UPDATE, WITH_PRIORITY, frame, get, headers, opening, post, reset, settings, window_update,
    },
};

/// The largest frame that may be sent to us, bytes (RFC 9113 section 4.2).
const LARGEST: usize = 16_384;
const WINDOW: u32 = (1 << 31) - 1;

/// RFC 9113 section 3.4.
pub(super) fn starts() -> Vec<Case> {
    let hello = || [PREFACE, &settings(&[(1, 0)])].concat();
    let with = |rest: &[u8]| [PREFACE, rest].concat();
    let late = |first: &[u8]| [PREFACE, first, &settings(&[(1, 0)])].concat();
    vec![
        Case::reaches(
            "3.4 preface, SETTINGS and a request at once",
            [hello(), headers(1, get(&[]))].concat(),
            got(&[]),
        )
        .own_start(),
        Case::ignored("3.4 empty SETTINGS", with(&[settings(&[(1, 0)]), settings(&[])].concat())).own_start(),
        // A client begins with SETTINGS.
        Case::dies("3.4 PING in front of SETTINGS", late(&frame(PING, 0, 0, *b"vestibul")), PROTOCOL_ERROR).own_start(),
        Case::dies("3.4 WINDOW_UPDATE in front of SETTINGS", late(&window_update(0, 1)), PROTOCOL_ERROR).own_start(),
        Case::dies("3.4 a request in front of SETTINGS", late(&headers(1, get(&[]))), PROTOCOL_ERROR).own_start(),
        Case::dies("3.4 an acknowledgement in front of SETTINGS", late(&frame(SETTINGS, ACK, 0, [])), PROTOCOL_ERROR)
            .own_start(),
        Case::closes("3.4 another preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX".as_slice()),
        Case::closes("3.4 a preface in lower case", b"pri * http/2.0\r\n\r\nsm\r\n\r\n".as_slice()),
        Case::closes("3.4 HTTP/1.1", b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n".as_slice()),
        Case::closes("3.4 no preface", settings(&[])),
        Case::closes("3.4 zeros", vec![0; 64]),
        Case::dies("3.4 the preface twice", [&hello()[..], PREFACE].concat(), FRAME_SIZE_ERROR).own_start(),
    ]
}

/// RFC 9113 section 6.5.
pub(super) fn settings_values() -> Vec<Case> {
    let dies = |name: &str, value: (u16, u32), code| Case::dies(format!("6.5.2 {name}"), settings(&[value]), code);
    let fine = |name: &str, value: (u16, u32)| Case::ignored(format!("6.5.2 {name}"), settings(&[value]));
    vec![
        dies("ENABLE_PUSH 2", (2, 2), PROTOCOL_ERROR),
        dies("ENABLE_PUSH of all bits", (2, u32::MAX), PROTOCOL_ERROR),
        dies("INITIAL_WINDOW_SIZE 2^31", (4, 1 << 31), FLOW_CONTROL_ERROR),
        dies("INITIAL_WINDOW_SIZE of all bits", (4, u32::MAX), FLOW_CONTROL_ERROR),
        dies("MAX_FRAME_SIZE 0", (5, 0), PROTOCOL_ERROR),
        dies("MAX_FRAME_SIZE 16383", (5, 16_383), PROTOCOL_ERROR),
        dies("MAX_FRAME_SIZE 2^24", (5, 1 << 24), PROTOCOL_ERROR),
        dies("MAX_FRAME_SIZE of all bits", (5, u32::MAX), PROTOCOL_ERROR),
        fine("ENABLE_PUSH 0", (2, 0)),
        fine("ENABLE_PUSH 1", (2, 1)),
        fine("INITIAL_WINDOW_SIZE 2^31-1", (4, WINDOW)),
        fine("MAX_FRAME_SIZE 16384", (5, 16_384)),
        fine("MAX_FRAME_SIZE 2^24-1", (5, (1 << 24) - 1)),
        fine("MAX_CONCURRENT_STREAMS 0", (3, 0)),
        fine("HEADER_TABLE_SIZE 0", (1, 0)),
        fine("MAX_HEADER_LIST_SIZE 4096", (6, 4096)),
        fine("an unknown one", (0xff, u32::MAX)),
        fine("number 0", (0, 1)),
        Case::ignored("6.5.3 the same one three times", settings(&[(4, 70_000), (4, 80_000), (4, 90_000)])),
        Case::dies("6.5 on a stream", frame(SETTINGS, 0, 1, []), PROTOCOL_ERROR),
        Case::dies("6.5 an acknowledgement on a stream", frame(SETTINGS, ACK, 1, []), PROTOCOL_ERROR),
        Case::dies("6.5 an acknowledgement of nothing", frame(SETTINGS, ACK, 0, []), PROTOCOL_ERROR),
        Case::ignored("4.1 SETTINGS with unknown flags", frame(SETTINGS, 0xf0, 0, [])),
        Case::dies(
            "6.9.2 a change of INITIAL_WINDOW_SIZE that overflows a window",
            [opening(1, post(&[])), window_update(1, WINDOW - 65_535), settings(&[(4, 65_536)])].concat(),
            FLOW_CONTROL_ERROR,
        ),
    ]
}

/// RFC 9113 sections 4.2 and 6.
pub(super) fn sizes() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut wrong = |name: &str, kind, flags, stream, wrong: &[usize]| {
        for size in wrong {
            let bytes = [opening(1, post(&[])), frame(kind, flags, stream, vec![0; *size])].concat();
            cases.push(Case::dies(format!("6 {name} of {size} bytes"), bytes, FRAME_SIZE_ERROR));
        }
    };
    wrong("PRIORITY", PRIORITY, 0, 3, &[0, 4, 6]);
    wrong("RST_STREAM", RST_STREAM, 0, 1, &[0, 3, 5]);
    wrong("SETTINGS", SETTINGS, 0, 0, &[1, 5, 7]);
    wrong("an acknowledgement", SETTINGS, ACK, 0, &[1, 6]);
    wrong("PING", PING, 0, 0, &[0, 7, 9]);
    wrong("an answered PING", PING, ACK, 0, &[0, 9]);
    wrong("WINDOW_UPDATE", WINDOW_UPDATE, 0, 0, &[0, 3, 5]);
    wrong("WINDOW_UPDATE of a stream", WINDOW_UPDATE, 0, 1, &[0, 3, 5]);
    wrong("GOAWAY", GOAWAY, 0, 0, &[0, 7]);
    for (name, kind, stream) in [
        ("DATA", DATA, 1),
        ("HEADERS", HEADERS, 3),
        ("PRIORITY", PRIORITY, 3),
        ("RST_STREAM", RST_STREAM, 1),
        ("SETTINGS", SETTINGS, 0),
        ("PUSH_PROMISE", PUSH_PROMISE, 1),
        ("PING", PING, 0),
        ("GOAWAY", GOAWAY, 0),
        ("WINDOW_UPDATE", WINDOW_UPDATE, 0),
        ("CONTINUATION", CONTINUATION, 1),
        ("an unknown frame", 0x7f, 0),
    ] {
        let bytes = [opening(1, post(&[])), frame(kind, 0, stream, vec![0; LARGEST + 1])].concat();
        cases.push(Case::dies(format!("4.2 {name} beyond the largest frame"), bytes, FRAME_SIZE_ERROR));
    }
    let long = "x".repeat(LARGEST);
    cases.push(Case::reaches(
        "4.2 the largest DATA",
        [opening(1, post(&[])), frame(DATA, END_STREAM, 1, &long)].concat(),
        posted(&long),
    ));
    cases.push(Case::ignored("4.2 the largest unknown frame", frame(0x7f, 0xff, 0, &long)));
    cases
}

/// RFC 9113 sections 4.1, 5.5, 6.4, 6.7 and 6.8.
pub(super) fn control_frames() -> Vec<Case> {
    let payload = *b"vestibul";
    let dies = |name: &str, bytes: Vec<u8>| Case::dies(name, bytes, PROTOCOL_ERROR);
    let mut cases = vec![
        Case::pongs("6.7 PING is answered", frame(PING, 0, 0, payload), payload),
        Case::pongs("4.1 PING with unknown flags is answered", frame(PING, 0xfe, 0, payload), payload),
        Case::ignored("6.7 an answer to no PING", frame(PING, ACK, 0, payload)),
        dies("6.7 PING on a stream", frame(PING, 0, 1, payload)),
        dies("6.7 an answered PING on a stream", frame(PING, ACK, 3, payload)),
        dies("6.8 GOAWAY on a stream", frame(GOAWAY, 0, 1, [0; 8])),
        dies("6.4 RST_STREAM without a stream", reset(0, 8)),
        dies("6.4 RST_STREAM of an idle stream", reset(1, 8)),
        dies("6.4 RST_STREAM of an idle even stream", reset(2, 8)),
        dies("6.1 DATA without a stream", frame(DATA, 0, 0, b"x")),
        dies("6.2 HEADERS without a stream", headers(0, get(&[]))),
        dies("6.3 PRIORITY without a stream", frame(PRIORITY, 0, 0, [0, 0, 0, 1, 0])),
        dies("8.4 PUSH_PROMISE without a stream", frame(PUSH_PROMISE, END_HEADERS, 0, [0, 0, 0, 2])),
        dies(
            "8.4 PUSH_PROMISE of a client",
            [opening(1, post(&[])), frame(PUSH_PROMISE, END_HEADERS, 1, [&[0, 0, 0, 2][..], &get(&[])].concat())]
                .concat(),
        ),
        Case::ignored("6.3 PRIORITY of an idle stream", frame(PRIORITY, 0, 77, [0, 0, 0, 1, 15])),
        Case::ignored("6.3 exclusive PRIORITY of an idle stream", frame(PRIORITY, 0, 79, [0x80, 0, 0, 1, 255])),
        Case::ignored("6.3 PRIORITY of a closed stream", frame(PRIORITY, 0, 1, [0, 0, 0, 0, 1])).after_an_answer(),
        Case::reaches(
            "5.3 a head with a priority",
            frame(HEADERS, WHOLE | WITH_PRIORITY, 1, [&[0, 0, 0, 9, 15][..], &get(&[])].concat()),
            got(&[]),
        ),
        Case::ignored("6.4 RST_STREAM of a closed stream", reset(1, 8)).after_an_answer(),
        Case::ignored("6.9 WINDOW_UPDATE of a closed stream", window_update(1, 10)).after_an_answer(),
        Case::ignored("6.4 RST_STREAM of an open stream", [opening(1, post(&[])), reset(1, 8)].concat()),
        Case::ignored("7 RST_STREAM with an unknown code", [opening(1, post(&[])), reset(1, u32::MAX)].concat()),
        Case::ignored("4.1 the reserved bit of a stream's number", frame(PRIORITY, 0, 1 << 31 | 77, [0, 0, 0, 1, 15])),
        Case::reaches(
            "4.1 the reserved bit in front of a request",
            frame(HEADERS, WHOLE, 1 << 31 | 1, get(&[])),
            got(&[]),
        ),
        Case::reaches("4.1 HEADERS with unknown flags", frame(HEADERS, 0xd2 | WHOLE, 1, get(&[])), got(&[])),
    ];
    for kind in [0x0a, 0x0b, 0x0c, 0x10, 0x16, 0xff] {
        for stream in [0, 1, 2] {
            let name = format!("5.5 an unknown frame {kind:#x} on stream {stream}");
            cases.push(Case::ignored(name, frame(kind, 0xff, stream, b"unknown")));
        }
    }
    // Of no meaning to a server (RFC 9218 section 7.1, RFC 7838 section 4, RFC 8336 section 2).
    cases.push(Case::ignored("5.5 ORIGIN of a client", frame(0x0c, 0, 0, b"\0\x0ehttps://b.test")));
    cases.push(Case::ignored("5.5 ALTSVC of a client", frame(0x0a, 0, 0, b"\0\x06a.testh2=\":1\"")));
    cases
}

/// RFC 9113 section 6.9.
pub(super) fn windows() -> Vec<Case> {
    let open = |rest: &[u8]| [&opening(1, post(&[])), rest].concat();
    vec![
        Case::dies("6.9 an increment of 0", window_update(0, 0), PROTOCOL_ERROR),
        Case::dies("6.9 an increment of 0 under the reserved bit", window_update(0, 1 << 31), PROTOCOL_ERROR),
        // A server may take an error of a stream for one of the connection (section 5.4).
        Case::dies("6.9 an increment of 0 for a stream", open(&window_update(1, 0)), PROTOCOL_ERROR),
        Case::dies("6.9.1 the connection's window beyond 2^31-1", window_update(0, WINDOW), FLOW_CONTROL_ERROR),
        Case::dies(
            "6.9.1 the connection's window beyond 2^31-1 in two steps",
            [window_update(0, WINDOW - 65_535), window_update(0, 1)].concat(),
            FLOW_CONTROL_ERROR,
        ),
        Case::resets("6.9.1 a stream's window beyond 2^31-1", open(&window_update(1, WINDOW)), FLOW_CONTROL_ERROR),
        Case::resets(
            "6.9.1 a stream's window beyond 2^31-1 in two steps",
            open(&[window_update(1, WINDOW - 65_535), window_update(1, 1)].concat()),
            FLOW_CONTROL_ERROR,
        ),
        Case::ignored("6.9.1 the connection's window at 2^31-1", window_update(0, WINDOW - 65_535)),
        Case::ignored("6.9 the reserved bit of an increment", window_update(0, 1 << 31 | 1)),
        Case::dies("6.9 WINDOW_UPDATE of an idle stream", window_update(3, 1), PROTOCOL_ERROR),
        Case::dies("6.9 WINDOW_UPDATE of an idle even stream", window_update(2, 1), PROTOCOL_ERROR),
        Case::dies("6.9 WINDOW_UPDATE of 0 for an idle stream", window_update(3, 0), PROTOCOL_ERROR),
        Case::ignored("6.8 GOAWAY without an error", frame(GOAWAY, 0, 0, [[0; 4], NO_ERROR.to_be_bytes()].concat())),
    ]
}

/// RFC 9113 sections 6.1 and 6.2.
pub(super) fn padding() -> Vec<Case> {
    let data = |flags, payload: &[u8]| [opening(1, post(&[])), frame(DATA, flags, 1, payload)].concat();
    let padded = |rest: &[u8], pad: &[u8]| [&[u8::try_from(pad.len()).unwrap()][..], rest, pad].concat();
    let head = |payload: Vec<u8>| frame(HEADERS, WHOLE | PADDED, 1, payload);
    vec![
        Case::dies("6.1 padding as long as DATA", data(PADDED | END_STREAM, &[1]), PROTOCOL_ERROR),
        Case::dies("6.1 padding longer than DATA", data(PADDED | END_STREAM, b"\x06hello"), PROTOCOL_ERROR),
        Case::dies("6.1 padding of 255 in short DATA", data(PADDED, b"\xffhello"), PROTOCOL_ERROR),
        Case::dies("6.1 padded DATA without its length", data(PADDED, b""), FRAME_SIZE_ERROR),
        Case::dies("6.2 padding longer than HEADERS", head([&[255][..], &get(&[])].concat()), PROTOCOL_ERROR),
        Case::dies("6.2 padded HEADERS without its length", head(Vec::new()), FRAME_SIZE_ERROR),
        Case::dies(
            "6.2 padding that reaches into the priority",
            frame(HEADERS, WHOLE | PADDED | WITH_PRIORITY, 1, [1, 0, 0, 0, 9, 15]),
            PROTOCOL_ERROR,
        ),
        Case::dies(
            "6.2 HEADERS without the rest of its priority",
            frame(HEADERS, WHOLE | WITH_PRIORITY, 1, [0, 0, 0]),
            FRAME_SIZE_ERROR,
        ),
        Case::reaches("6.1 DATA of padding only", data(PADDED | END_STREAM, b"\x05\0\0\0\0\0"), posted("")),
        Case::reaches("6.1 padded DATA", data(PADDED | END_STREAM, &padded(b"hello", &[0; 200])), posted("hello")),
        Case::reaches("6.1 DATA with no padding", data(PADDED | END_STREAM, b"\0hello"), posted("hello")),
        Case::reaches("6.2 padded HEADERS", head(padded(&get(&[]), &[0; 100])), got(&[])),
        Case::reaches("6.2 HEADERS with no padding", head(padded(&get(&[]), &[])), got(&[])),
    ]
}
