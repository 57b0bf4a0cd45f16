//! Responses of HTTP/1.1: what our codec makes of them, beside a second reading.

use http::Request;
use vestibule_wire::{BodyLength, Limits};

use crate::{
    cuts,
    exchange::{Answered, Turn, Unanswered, converse},
    law,
    reading::{LIMITS, Message, Said, answer, by_name, sorted},
    told,
};

/// Between what a backend says to one request and to the next: no byte of HTTP.
const NEXT: u8 = 0x1e;

/// For each request of a conversation a byte that says what is asked (`H` for HEAD, `U` for an upgrade, else GET), then
/// what the backend says when it was asked.
pub fn responses(data: &[u8]) {
    let turns: Vec<(u8, &[u8])> = data
        .split(|byte| *byte == NEXT)
        .filter_map(|turn| turn.split_first().map(|(kind, said)| (*kind, said)))
        .take(4)
        .collect();
    let at_once =
        converse(turns.iter().map(|(kind, said)| Turn { request: asked(*kind), pieces: vec![said] }).collect());
    let cut =
        converse(turns.iter().map(|(kind, said)| Turn { request: asked(*kind), pieces: cuts::pieces(said) }).collect());
    assert_eq!(at_once.len(), cut.len(), "the conversation ends elsewhere in pieces");
    for (whole, pieces) in at_once.iter().zip(&cut) {
        match (whole, pieces) {
            (Ok(whole), Ok(pieces)) => same(whole, pieces),
            (Err(_), Err(_)) => {}
            other => panic!("one verdict at once, another in pieces: {other:?}"),
        }
    }
    for ((kind, said), answered) in turns.iter().zip(at_once) {
        judged(*kind, said, answered);
    }
}

fn asked(kind: u8) -> Request<()> {
    let head = match kind {
        b'U' => law::websocket(),
        _ => law::plain(),
    };
    let mut request = Request::from_parts(head, ());
    if kind == b'H' {
        *request.method_mut() = http::Method::HEAD;
    }
    request
}

fn same(whole: &Answered, pieces: &Answered) {
    assert_eq!(whole.head.status, pieces.head.status);
    assert_eq!(whole.head.headers, pieces.head.headers);
    assert_eq!(whole.body, pieces.body);
    assert_eq!(whole.spoilt, pieces.spoilt, "spoilt at once, or in pieces");
}

/// The codec has read what we read, and nothing of what is none.
fn judged(kind: u8, said: &[u8], answered: Result<Answered, Unanswered>) {
    let limits = Limits { target: 0, ..LIMITS };
    match (answer(said, kind == b'H', &limits), answered) {
        (Said::Broken(fault), Ok(answered)) => {
            // Bodies break behind their head. Whoever waits for a switch of protocols sees nothing else.
            assert!(fault.is_in_body() && answered.body.is_none(), "{fault:?} is read as {answered:?}");
        }
        (Said::Unfinished, Ok(answered)) => panic!("no whole head is read as {answered:?}"),
        (Said::Broken(_) | Said::Unfinished, Err(_)) => {}
        (Said::Answer(message, _), Err(error)) => panic!("{message:?} is refused: {error:?}"),
        (Said::Answer(message, behind), Ok(answered)) => matches(&message, behind, answered, kind),
    }
}

fn matches(message: &Message, behind: usize, answered: Answered, kind: u8) {
    assert_eq!(answered.head.status.as_str().as_bytes(), &message.line[1][..3]);
    assert_eq!(sorted(&answered.head.headers), by_name(message.fields.clone()));
    let switches = answered.head.status.as_u16() == 101;
    match &answered.body {
        Some((body, trailers)) => {
            assert!(message.whole, "the codec sees an end that we do not");
            assert_eq!(body, &message.body);
            assert_eq!(sorted(trailers), by_name(message.trailers.clone()));
        }
        None => assert!(!message.whole, "the codec sees no end of {message:?}"),
    }
    if behind > 0 && !switches && message.length != BodyLength::UntilClose {
        assert!(answered.spoilt, "{behind} bytes that nobody asked for, and the connection is used again");
    }
    let asked = if kind == b'U' { law::websocket() } else { law::plain() };
    if let (Some(head), Some((content, trailers))) = (law::response(answered.head, &asked), answered.body) {
        told::told(head, &content, &trailers, kind == b'H');
    }
}
