//! Doors to the inside for the fuzz targets (`tests/fuzz`), behind the feature `fuzzing`: the header law by itself, and the
//! bytes that a backend gets of a request. Nothing is decided here.

use bytes::Bytes;
use http::{HeaderMap, request, response};
use http_body::Frame;
use vestibule_vhost::HeaderChanges;

use crate::{
    Caller, ForwardError, Refusal,
    law::{self, Answer, Handshake, Order, ResponseBreach},
    link::Outbound,
    target,
    upload::Length,
};

/// How long a request's body is, as its codec understood it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none.
    None,
    /// So many bytes.
    Exact(u64),
    /// It ends when it ends.
    Unknown,
}

impl From<BodyLength> for Length {
    fn from(length: BodyLength) -> Self {
        match length {
            BodyLength::None => Self::None,
            BodyLength::Exact(length) => Self::Exact(length),
            BodyLength::Unknown => Self::Unknown,
        }
    }
}

/// What [`crate::Proxy::forward`] makes of the head of a request, for a route without changes of its own: also the fields
/// that are written behind the others are among them. `path` is in
/// normal form.
///
/// # Errors
/// What may not be forwarded.
pub fn rewrite_request(
    head: &mut request::Parts,
    path: &str,
    caller: &Caller<'_>,
    stripped: Option<&str>,
    body: BodyLength,
) -> Result<(), Refusal> {
    let handshake = Handshake::read(&head.method, head.version, &head.headers);
    let body = Length::from(body);
    let changes = HeaderChanges::default();
    // As `forward` does: who sends a body does not shake hands.
    let handshake = handshake.filter(|_| body == Length::None);
    head.uri = target::rewrite_target(std::mem::take(&mut head.uri), path)?;
    let order = Order { caller, stripped, changes: &changes, handshake: handshake.as_ref(), body };
    law::rewrite_request(head, &order)?.put_among(&mut head.headers);
    Ok(())
}

/// What becomes of the head of a response to that request.
///
/// # Errors
/// What may not be passed on.
pub fn rewrite_response(head: &mut response::Parts, asked: &request::Parts) -> Result<(), ResponseBreach> {
    let handshake = Handshake::read(&asked.method, asked.version, &asked.headers);
    let changes = HeaderChanges::default();
    law::rewrite_response(head, &Answer { handshake: handshake.as_ref(), changes: &changes })
}

/// Leaves away the trailers that may not pass.
pub fn retain_trailers(trailers: &mut HeaderMap) {
    law::retain_trailers(trailers);
}

/// The bytes of a rewritten request, as a backend gets them.
///
/// # Errors
/// The body is not as long as was said.
pub fn written(
    head: &request::Parts,
    length: BodyLength,
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
) -> Result<Vec<u8>, ForwardError> {
    Outbound::bytes(head, length.into(), data.map(Frame::data).into_iter().chain(trailers.map(Frame::trailers)))
}
