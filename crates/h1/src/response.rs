//! The head of a response: [`read_response`] takes one off the front of a buffer; [`ResponseLine`] writes one.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode};
use vestibule_wire::{self as wire, BodyLength, Fault, Limits, StatusLine};

use crate::fields;

mod written;

pub use written::{Framing, Reason, ResponseLine};

/// What was asked, as far as it decides how long the answer is (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerTo {
    /// `HEAD`: no body follows, whatever the head says of one.
    Head,
    /// Any other method but `CONNECT`, which nobody asks here.
    Other,
}

/// The head of a response.
#[derive(Debug)]
pub struct ResponseHead {
    /// Version, status and fields, in their order.
    pub response: Response<()>,
    /// The reason phrase, where it is not the usual one of the status.
    pub reason: Option<Bytes>,
    /// What follows.
    pub body: BodyLength,
}

impl ResponseHead {
    /// Is another response to come to the same request (RFC 9110 section 15.2)? A switch of protocols is final.
    pub fn is_interim(&self) -> bool {
        self.response.status().is_informational() && self.response.status() != StatusCode::SWITCHING_PROTOCOLS
    }
}

/// Takes a head off the front, if it is whole. `seen` is how far earlier calls with the same bytes got: zero for each
/// head, and the caller's between calls.
///
/// # Errors
/// As soon as the bytes allow. Nothing that follows has a meaning.
pub fn read_response(
    bytes: &mut BytesMut,
    seen: &mut usize,
    limits: &Limits,
    to: AnswerTo,
) -> Result<Option<ResponseHead>, Fault> {
    let Some(end) = wire::response_end(bytes, seen, limits)? else { return Ok(None) };
    *seen = 0;
    let head = bytes.split_to(end).freeze();
    let mut headers = HeaderMap::with_capacity(fields::room(&head));
    let mut fault = Ok(());
    let (line, message) = wire::parse_response(&head, limits, to == AnswerTo::Head, |name, value| {
        if fault.is_ok() {
            fault = fields::append(&mut headers, &head, name, value, |_, _| {});
        }
    })?;
    fault?;
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(line.status).map_err(|_| Fault::StatusLine)?;
    *response.version_mut() = fields::version(line.version);
    *response.headers_mut() = headers;
    let reason = reason(&head, &line, response.status());
    Ok(Some(ResponseHead { response, reason, body: message.body }))
}

/// What is not ASCII in a reason is in nobody's encoding: such a phrase is left away (RFC 9112 section 4 lets a reader
/// ignore any).
fn reason(head: &Bytes, line: &StatusLine<'_>, status: StatusCode) -> Option<Bytes> {
    let usual = status.canonical_reason().unwrap_or_default();
    match line.reason {
        reason if reason == usual.as_bytes() => None,
        reason if reason.is_ascii() => Some(head.slice_ref(reason)),
        _ => Some(Bytes::new()),
    }
}

#[cfg(test)]
mod tests;
