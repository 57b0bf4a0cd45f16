//! A response from the law to the bytes that a client gets: read back, it is the one that was meant.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Version, response};
use vestibule_h1::{
    CHUNK_END, Framing, LAST_CHUNK, Persistence, Reason, ResponseLine, announced_trailers, write_chunk_size,
    write_trailers,
};

use crate::{
    cuts,
    exchange::{Turn, converse},
    reading::{Fields, LIMITS, by_name, sorted},
};

/// Writes it in each way that there is, and reads it back.
pub(crate) fn told(head: response::Parts, content: &[u8], trailers: &HeaderMap, to_head: bool) {
    // What we add may be more than whoever reads it back takes.
    if head.headers.len() + 4 > LIMITS.fields
        || head.headers.iter().map(|(_, value)| value.len() + 64).sum::<usize>() > LIMITS.head / 2
    {
        return;
    }
    let has_none =
        head.status.is_informational() || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let ways = match (has_none, to_head) {
        (true, _) => vec![Framing::Nothing],
        (false, true) => vec![Framing::Untold],
        (false, false) => vec![Framing::Length(content.len() as u64), Framing::Chunked, Framing::UntilClose],
    };
    for framing in ways {
        one_way(&head, content, trailers, framing);
    }
}

fn one_way(head: &response::Parts, content: &[u8], trailers: &HeaderMap, framing: Framing) {
    let line = ResponseLine {
        version: if framing == Framing::UntilClose { Version::HTTP_10 } else { Version::HTTP_11 },
        status: head.status,
        reason: head.extensions.get::<Reason>(),
        framing,
        persistence: Persistence::Keep,
        date: |to| to.extend_from_slice(b"Sun, 06 Nov 1994 08:49:37 GMT"),
    };
    let mut bytes = Vec::new();
    let persistence = line.write(&head.headers, &mut bytes);
    assert!(framing != Framing::UntilClose || persistence == Persistence::Close, "its end is its length");
    body(head, content, trailers, framing, &mut bytes);
    let method = if framing == Framing::Untold { Method::HEAD } else { Method::GET };
    let request = Request::builder().method(method).body(()).expect("well-formed");
    let answer = converse(vec![Turn { request, pieces: cuts::pieces(&bytes) }]).pop().expect("one answer");
    let answer = answer.unwrap_or_else(|why| panic!("{why:?}: {}", bytes.escape_ascii()));
    assert_eq!(answer.head.status, head.status);
    assert_eq!(plain(&answer.head.headers), plain(&head.headers), "{}", bytes.escape_ascii());
    let (read, _) = answer.body.expect("a whole body");
    let bodiless = matches!(framing, Framing::Nothing | Framing::Untold);
    assert_eq!(read, if bodiless { &[][..] } else { content });
    assert!(!answer.spoilt && answer.closed == (framing == Framing::UntilClose), "{}", bytes.escape_ascii());
}

fn body(head: &response::Parts, content: &[u8], trailers: &HeaderMap, framing: Framing, bytes: &mut Vec<u8>) {
    match framing {
        Framing::Nothing | Framing::Untold => {}
        Framing::Length(_) | Framing::UntilClose => bytes.extend_from_slice(content),
        Framing::Chunked => {
            for piece in cuts::pieces(content) {
                write_chunk_size(piece.len(), bytes);
                bytes.extend_from_slice(&Bytes::copy_from_slice(piece));
                bytes.extend_from_slice(CHUNK_END);
            }
            if trailers.is_empty() {
                bytes.extend_from_slice(LAST_CHUNK);
            } else {
                write_trailers(trailers, &announced_trailers(&head.headers), bytes);
            }
        }
    }
}

/// The fields that are not the codec's own.
fn plain(headers: &HeaderMap) -> Fields {
    const OWN: [&str; 5] = ["content-length", "transfer-encoding", "trailer", "connection", "date"];
    by_name(sorted(headers).into_iter().filter(|(name, _)| !OWN.contains(&name.as_str())).collect())
}
