//! [`read_request`]: the head of a request, from the front of some bytes.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONNECTION, EXPECT, TE},
};
use vestibule_wire::{self as wire, BodyLength, Fault, Limits};

use crate::{fields, hop::Persistence};

/// So many fields may be added to a request before its map has to be built anew: who forwards it says for whom.
const ROOM_TO_ADD: usize = 4;

/// The head of a request.
#[derive(Debug)]
pub struct RequestHead {
    /// Method, target, version and fields, in their order.
    pub request: Request<()>,
    /// What follows.
    pub body: BodyLength,
    /// What the client says of the connection.
    pub hop: RequestHop,
}

/// What a request says of its connection, and not to the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHop {
    /// May another request follow (RFC 9112 section 9.3)?
    pub persistence: Persistence,
    /// Does the client wait with its body for `100 Continue` (RFC 9110 section 10.1.1)?
    pub expects_continue: bool,
    /// Does it take trailers (RFC 9110 section 10.1.4)?
    pub takes_trailers: bool,
    /// May the connection become one of another protocol (RFC 9110 section 7.8)?
    pub asks_upgrade: bool,
}

/// Takes a head off the front of the bytes, if it is whole, and says how long it is. `seen` is how far earlier calls with
/// the same bytes got: zero for each head, and the caller's between calls.
///
/// The head is copied once, as it is, so that what is kept of a request keeps no more than that.
///
/// # Errors
/// As soon as the bytes allow. Nothing that follows has a meaning.
pub fn read_request(bytes: &[u8], seen: &mut usize, limits: &Limits) -> Result<Option<(RequestHead, usize)>, Fault> {
    let Some(end) = wire::request_end(bytes, seen, limits)? else { return Ok(None) };
    *seen = 0;
    let head = Bytes::copy_from_slice(&bytes[..end]);
    let mut headers = HeaderMap::with_capacity(fields::room(&head) + ROOM_TO_ADD);
    let mut said = Said::default();
    let mut fault = Ok(());
    let (line, message) = wire::parse_request(&head, limits, |name, value| {
        if fault.is_ok() {
            fault = fields::append(&mut headers, &head, name, value, |name, value| said.note(name, value));
        }
    })?;
    fault?;
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(line.method).map_err(|_| Fault::RequestLine)?;
    *request.uri_mut() = Uri::from_maybe_shared(head.slice_ref(line.target)).map_err(|_| Fault::Target)?;
    *request.version_mut() = fields::version(line.version);
    *request.headers_mut() = headers;
    let hop = said.hop(line.version, message.upgrade);
    Ok(Some((RequestHead { request, body: message.body, hop }, end)))
}

/// What the fields say of the connection.
#[derive(Default)]
struct Said {
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    takes_trailers: bool,
}

impl Said {
    fn note(&mut self, name: &HeaderName, value: &HeaderValue) {
        let options = || value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        match *name {
            CONNECTION => {
                for option in options() {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            EXPECT => self.expects_continue = value.as_bytes().eq_ignore_ascii_case(b"100-continue"),
            TE => self.takes_trailers |= options().any(|coding| coding.eq_ignore_ascii_case(b"trailers")),
            _ => {}
        }
    }

    fn hop(&self, version: wire::Version, asks_upgrade: bool) -> RequestHop {
        let is_11 = version == wire::Version::Http11;
        let goes_on = !self.close && (is_11 || self.keep_alive);
        RequestHop {
            persistence: if goes_on { Persistence::Keep } else { Persistence::Close },
            // Neither is known in HTTP/1.0 (RFC 9110 sections 7.8 and 10.1.1).
            expects_continue: self.expects_continue && is_11,
            asks_upgrade: asks_upgrade && is_11,
            takes_trailers: self.takes_trailers && is_11,
        }
    }
}

#[cfg(test)]
mod tests;
