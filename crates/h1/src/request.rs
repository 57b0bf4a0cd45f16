//! A request: [`read_request`] takes its head off the front of some bytes; the rest writes one: its head, chunks and
//! trailers, each appended to a buffer.
//!
//! What is written must have been judged: fields are written as they are, those that frame included.

use std::collections::HashSet;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header::TRAILER};

use crate::fields;

mod read;

pub use read::{RequestHead, RequestHop, read_request};

/// Behind the content of a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";
/// Behind the last chunk, with no trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What a field line takes, at a guess.
const LINE_GUESS: usize = 48;
/// How many lines are added to the fields, at a guess.
const ADDED_GUESS: usize = 5;

/// Writes a head of HTTP/1.1 in origin-form (RFC 9112 section 3.2.1): of the target, path and query are written. `behind` may
/// add whole field lines.
pub fn write_request_head(
    method: &Method,
    target: &Uri,
    headers: &HeaderMap,
    behind: impl FnOnce(&mut Vec<u8>),
    to: &mut Vec<u8>,
) {
    let target = target.path_and_query().map_or("/", |target| target.as_str());
    to.reserve(method.as_str().len() + target.len() + LINE_GUESS * (headers.len() + ADDED_GUESS));
    to.extend_from_slice(method.as_str().as_bytes());
    to.push(b' ');
    // A URL without a path (`http://a.test?b`) has the empty one, which is written `/`.
    if !target.starts_with(['/', '*']) {
        to.push(b'/');
    }
    to.extend_from_slice(target.as_bytes());
    to.extend_from_slice(b" HTTP/1.1\r\n");
    write_fields(headers, |_| true, to);
    behind(to);
    to.extend_from_slice(b"\r\n");
}

/// Writes the line before the content of a chunk, which is never empty: an empty one would be the last.
pub fn write_chunk_size(size: usize, to: &mut Vec<u8>) {
    debug_assert!(size > 0);
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4);
    for digit in (0..digits).rev() {
        to.push(b"0123456789ABCDEF"[size >> (4 * digit) & 0xf]);
    }
    to.extend_from_slice(b"\r\n");
}

/// What a head says of the names of trailers (RFC 9110 section 6.6.2), for [`write_trailers`]. As it stands there: taken
/// apart it would be many times as large, for as long as the body takes.
pub fn announced_trailers(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.get_all(TRAILER).iter().cloned().collect()
}

/// Writes the end of a chunked body with those of the trailers that were announced: the others nobody expects.
pub fn write_trailers(trailers: &HeaderMap, announced: &[HeaderValue], to: &mut Vec<u8>) {
    let names = announced.iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let names = names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    // One look-up for a name on either side: both lists are as long as whoever sends them likes.
    let wanted: HashSet<_> = names.filter(|name| trailers.contains_key(name)).collect();
    to.extend_from_slice(b"0\r\n");
    write_fields(trailers, |name| wanted.contains(name), to);
    to.extend_from_slice(b"\r\n");
}

fn write_fields(fields: &HeaderMap, is_wanted: impl Fn(&HeaderName) -> bool, to: &mut Vec<u8>) {
    for (name, value) in fields.iter().filter(|(name, _)| is_wanted(name)) {
        fields::write(name.as_str().as_bytes(), value.as_bytes(), to);
    }
}

#[cfg(test)]
mod tests;
