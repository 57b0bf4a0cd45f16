//! [`ResponseLine`]: the head of a response, written. Everything is appended to a buffer.
//!
//! The fields that frame are written as the codec frames, whatever the map says of it; all others as they are.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, DATE, TRAILER, TRANSFER_ENCODING},
};

use crate::{fields, hop::Persistence};

/// What a field line takes, at a guess.
const LINE_GUESS: usize = 48;

/// A reason phrase that is not the usual one of its status; in the extensions of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(pub Bytes);

/// How the content that follows a head is framed (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There can be none, and nothing is said of it: 1xx, 204, 304.
    Nothing,
    /// There is none, because it answers a `HEAD`: what the fields say of a length is said.
    Untold,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// It ends with the connection: HTTP/1.0 has no chunks.
    UntilClose,
}

/// What of a response is not in its fields.
#[derive(Debug, Clone, Copy)]
pub struct ResponseLine<'a> {
    /// The version of the client, which is the one that is written.
    pub version: Version,
    /// The status.
    pub status: StatusCode,
    /// The reason, where it is not the usual one.
    pub reason: Option<&'a Reason>,
    /// Of the content.
    pub framing: Framing,
    /// Does the connection end with it? The fields may say so, too.
    pub persistence: Persistence,
    /// Writes the time, where the fields say none (RFC 9110 section 6.6.1).
    pub date: fn(&mut Vec<u8>),
}

impl ResponseLine<'_> {
    /// Writes it with these fields, and says what becomes of the connection.
    pub fn write(&self, headers: &HeaderMap, to: &mut Vec<u8>) -> Persistence {
        to.reserve(LINE_GUESS * (headers.len() + 4));
        self.write_line(to);
        let mut ends = self.persistence == Persistence::Close || self.framing == Framing::UntilClose;
        let (mut says_close, mut has_date) = (false, false);
        for (name, value) in headers {
            match *name {
                CONTENT_LENGTH if self.framing != Framing::Untold => continue,
                TRANSFER_ENCODING => continue,
                TRAILER if self.framing != Framing::Chunked => continue,
                CONNECTION => says_close |= has_close(value),
                DATE => has_date = true,
                _ => {}
            }
            fields::write(name.as_str().as_bytes(), value.as_bytes(), to);
        }
        ends |= says_close;
        match self.framing {
            Framing::Nothing | Framing::Untold | Framing::UntilClose => {}
            Framing::Length(length) => {
                to.extend_from_slice(b"content-length: ");
                write_decimal(length, to);
                to.extend_from_slice(b"\r\n");
            }
            Framing::Chunked => fields::write(b"transfer-encoding", b"chunked", to),
        }
        match (ends, self.version) {
            (true, _) if says_close => {}
            (true, _) => fields::write(b"connection", b"close", to),
            (false, Version::HTTP_10) => fields::write(b"connection", b"keep-alive", to),
            (false, _) => {}
        }
        if !has_date {
            to.extend_from_slice(b"date: ");
            (self.date)(to);
            to.extend_from_slice(b"\r\n");
        }
        to.extend_from_slice(b"\r\n");
        if ends { Persistence::Close } else { Persistence::Keep }
    }

    fn write_line(&self, to: &mut Vec<u8>) {
        let version: &[u8] = if self.version == Version::HTTP_10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " };
        to.extend_from_slice(version);
        to.extend_from_slice(self.status.as_str().as_bytes());
        to.push(b' ');
        // The blank is there also without a reason (RFC 9112 section 4).
        let usual = || self.status.canonical_reason().unwrap_or_default().as_bytes();
        to.extend_from_slice(self.reason.map_or_else(usual, |reason| &reason.0));
        to.extend_from_slice(b"\r\n");
    }
}

/// The machinery of formats would cost as much as half of a head.
fn write_decimal(number: u64, to: &mut Vec<u8>) {
    const LONGEST: usize = 20;
    let (mut digits, mut rest, mut at) = ([0; LONGEST], number, LONGEST);
    loop {
        at -= 1;
        digits[at] = b"0123456789"[(rest % 10) as usize];
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    to.extend_from_slice(&digits[at..]);
}

fn has_close(value: &HeaderValue) -> bool {
    value.as_bytes().split(|byte| *byte == b',').any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

#[cfg(test)]
mod tests;
