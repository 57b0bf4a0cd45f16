//! Cases of streams: their states, their numbers, and heads in several frames.

use super::{
    case::{Case, Outcome, got, posted},
    frame::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, PROTOCOL_ERROR, REFUSED_STREAM, SETTINGS,
        STREAM_CLOSED, WITH_PRIORITY, block, frame, get, headers, opening, post, reset, window_update,
    },
};

fn data(stream: u32, flags: u8, text: &str) -> Vec<u8> {
    frame(DATA, flags, stream, text)
}

/// RFC 9113 section 5.1.
pub(super) fn states() -> Vec<Case> {
    let trailers = |flags| frame(HEADERS, flags, 1, block(&[("x-own", "1")]));
    let half_closed = |name: &str, rest: Vec<u8>| {
        // A server may take an error of a stream for one of the connection (section 5.4).
        Case::dies(name, [headers(1, get(&[])), rest].concat(), STREAM_CLOSED).may_arrive(got(&[]))
    };
    vec![
        Case::dies("5.1 DATA on an idle stream", data(1, END_STREAM, "x"), PROTOCOL_ERROR),
        Case::dies("5.1 empty DATA on an idle stream", data(3, 0, ""), PROTOCOL_ERROR),
        half_closed("5.1 DATA on a half-closed stream", data(1, END_STREAM, "x")),
        half_closed("5.1 empty DATA on a half-closed stream", data(1, END_STREAM, "")),
        Case::resets("5.1 DATA on a closed stream", data(1, 0, "x"), STREAM_CLOSED).after_an_answer(),
        Case::dies("5.1 HEADERS on a closed stream", headers(1, get(&[])), PROTOCOL_ERROR).after_an_answer(),
        Case::dies("5.1 trailers on a closed stream", trailers(END_STREAM | END_HEADERS), PROTOCOL_ERROR)
            .after_an_answer(),
        Case::dies("5.1 CONTINUATION on a closed stream", frame(CONTINUATION, END_HEADERS, 1, []), PROTOCOL_ERROR)
            .after_an_answer(),
        half_closed("5.1 a second request on a half-closed stream", headers(1, get(&[]))),
        half_closed("5.1 trailers on a half-closed stream", trailers(END_STREAM | END_HEADERS)),
        Case::resets(
            "8.1 a second head that does not end its stream",
            [opening(1, post(&[])), opening(1, post(&[]))].concat(),
            PROTOCOL_ERROR,
        ),
        Case::resets(
            "5.1 DATA behind the client's own RST_STREAM",
            [opening(1, post(&[])), reset(1, 8), data(1, END_STREAM, "x")].concat(),
            STREAM_CLOSED,
        ),
        Case::dies(
            "5.1 HEADERS behind the client's own RST_STREAM",
            [opening(1, post(&[])), reset(1, 8), headers(1, get(&[]))].concat(),
            PROTOCOL_ERROR,
        ),
        Case::ignored(
            "5.1 WINDOW_UPDATE behind the client's own RST_STREAM",
            [opening(1, post(&[])), reset(1, 8), window_update(1, 1)].concat(),
        ),
        Case::ignored(
            "5.1 PRIORITY behind the client's own RST_STREAM",
            [opening(1, post(&[])), reset(1, 8), frame(PRIORITY, 0, 1, [0, 0, 0, 9, 1])].concat(),
        ),
        Case::ignored("5.4.2 RST_STREAM twice", [opening(1, post(&[])), reset(1, 8), reset(1, 8)].concat()),
    ]
}

/// RFC 9113 sections 5.1.1 and 5.1.2.
pub(super) fn ids() -> Vec<Case> {
    // The last frame makes room for the canary.
    let many =
        (0..140).map(|number| opening(2 * number + 1, post(&[]))).chain([reset(1, 8)]).flatten().collect::<Vec<u8>>();
    let mut below = Case::dies(
        "5.1.1 a number below a refused one",
        [headers(5, block(&[(":method", "GET")])), headers(3, get(&[]))].concat(),
        PROTOCOL_ERROR,
    );
    below.expected.push(Outcome::Resets(5, PROTOCOL_ERROR));
    let mut cases = vec![
        Case::dies("5.1.1 an even number", headers(2, get(&[])), PROTOCOL_ERROR),
        Case::dies("5.1.1 a large even number", headers(1 << 30, get(&[])), PROTOCOL_ERROR),
        Case::dies(
            "5.1.1 a number below the last",
            [opening(5, post(&[])), headers(3, get(&[]))].concat(),
            PROTOCOL_ERROR,
        ),
        below,
        Case::dies(
            "5.1.1 an even number in the middle",
            [opening(1, post(&[])), headers(4, get(&[]))].concat(),
            PROTOCOL_ERROR,
        ),
    ];
    // Signals of no meaning (section 5.3.2); there is no error in them.
    for (name, id) in [("5.3.2 PRIORITY that depends on itself", 1_u32), ("5.3.2 the same of a later stream", 9)] {
        cases.push(Case::ignored(name, frame(PRIORITY, 0, id, [&id.to_be_bytes()[..], &[15]].concat())));
    }
    let own = [&[0, 0, 0, 1, 15][..], &get(&[])].concat();
    cases.push(Case::reaches(
        "5.3.2 HEADERS that depend on themselves",
        frame(HEADERS, END_STREAM | END_HEADERS | WITH_PRIORITY, 1, own),
        got(&[]),
    ));
    let mut crowd = Case::ignored("5.1.2 more streams than are allowed", many);
    crowd.expected = (128..140).map(|number| Outcome::Resets(2 * number + 1, REFUSED_STREAM)).collect();
    cases.push(crowd);
    cases
}

/// RFC 9113 sections 4.3, 6.2 and 6.10.
pub(super) fn continuations() -> Vec<Case> {
    let head = get(&[("accept", "x")]);
    let (first, second) = head.split_at(20);
    let begin = || frame(HEADERS, END_STREAM, 1, first);
    let rest = || frame(CONTINUATION, END_HEADERS, 1, second);
    let between = |name: &str, bytes: Vec<u8>| {
        Case::dies(format!("6.10 {name} in the middle of a head"), [begin(), bytes, rest()].concat(), PROTOCOL_ERROR)
    };
    let split_everywhere = || {
        let bytes = head.iter().map(|byte| frame(CONTINUATION, 0, 1, [*byte]));
        // Five frames of a head are always allowed.
        let tail: Vec<u8> = bytes.take(4).flatten().collect();
        [frame(HEADERS, END_STREAM, 1, []), tail, frame(CONTINUATION, END_HEADERS, 1, &head[4..])].concat()
    };
    vec![
        Case::reaches("6.10 a head in two frames", [begin(), rest()].concat(), got(&["accept: x"])),
        Case::reaches("6.10 a head in single bytes", split_everywhere(), got(&["accept: x"])),
        Case::reaches(
            "6.10 an empty CONTINUATION at the end",
            [frame(HEADERS, END_STREAM, 1, &head), frame(CONTINUATION, END_HEADERS, 1, [])].concat(),
            got(&["accept: x"]),
        ),
        Case::reaches(
            "6.10 CONTINUATION with the flag END_STREAM",
            [
                frame(HEADERS, 0, 1, post(&[])),
                frame(CONTINUATION, END_HEADERS | END_STREAM, 1, []),
                data(1, END_STREAM, "x"),
            ]
            .concat(),
            posted("x"),
        ),
        between("PING", frame(PING, 0, 0, [0; 8])),
        between("SETTINGS", frame(SETTINGS, 0, 0, [])),
        between("DATA", data(1, 0, "x")),
        between("PRIORITY", frame(PRIORITY, 0, 3, [0, 0, 0, 1, 1])),
        between("RST_STREAM", reset(1, 8)),
        between("WINDOW_UPDATE", window_update(0, 1)),
        between("HEADERS of another stream", headers(3, get(&[]))),
        between("HEADERS of the same stream", headers(1, get(&[]))),
        between("an unknown frame", frame(0x7f, 0, 1, b"x")),
        between("CONTINUATION of another stream", frame(CONTINUATION, END_HEADERS, 3, [])),
        between("CONTINUATION without a stream", frame(CONTINUATION, END_HEADERS, 0, [])),
        Case::dies("6.10 CONTINUATION first", frame(CONTINUATION, END_HEADERS, 1, get(&[])), PROTOCOL_ERROR),
        Case::dies(
            "6.10 CONTINUATION behind a whole head",
            [opening(1, post(&[])), frame(CONTINUATION, END_HEADERS, 1, [])].concat(),
            PROTOCOL_ERROR,
        ),
        Case::dies(
            "6.10 CONTINUATION behind DATA",
            [opening(1, post(&[])), data(1, 0, "x"), frame(CONTINUATION, END_HEADERS, 1, [])].concat(),
            PROTOCOL_ERROR,
        ),
    ]
}
