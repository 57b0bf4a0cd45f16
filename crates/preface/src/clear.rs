//! Clear HTTP: which codec reads it. The request itself is not judged here.

use crate::{Preface, PrefaceError, Progress};

/// RFC 9113 section 3.4.
pub(crate) const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What no HTTP/1 request begins with: the method `PRI` is reserved for the preface (RFC 9113 section 11.6).
const HTTP2_METHOD: &[u8] = b"PRI ";

pub(crate) fn read(bytes: &[u8]) -> Result<Progress, PrefaceError> {
    if bytes.starts_with(HTTP2_PREFACE) {
        Ok(Progress::Complete(Preface::Http2))
    } else if HTTP2_PREFACE.starts_with(bytes) {
        // Also the empty beginning.
        Ok(Progress::Partial)
    } else if bytes.starts_with(HTTP2_METHOD) {
        Err(PrefaceError::BadHttp2)
    } else if is_http_start(bytes) {
        Ok(Progress::Complete(Preface::Http1))
    } else {
        Err(PrefaceError::Unknown)
    }
}

/// A letter of a method, or an empty line before the request (RFC 9112 section 2.2).
pub(crate) fn is_http_start(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(b'A'..=b'Z' | b'a'..=b'z' | b'\r' | b'\n'))
}
