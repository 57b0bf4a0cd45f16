//! What the cases say in HTTP/2: the frames of the test kit, and heads of requests for `/` on `a.test`.

pub(super) use vestibule_testkit::frames::*;

/// The pseudo-header fields of a request for `/` on `a.test`.
pub(super) const fn pseudo(method: &'static str) -> [(&'static str, &'static str); 4] {
    [(":method", method), (":scheme", "https"), (":authority", "a.test"), (":path", "/")]
}

/// A GET of `/` with these fields behind it.
pub(super) fn get(fields: &[(&str, &str)]) -> Vec<u8> {
    block(&[&pseudo("GET")[..], fields].concat())
}

/// A POST of `/` with these fields behind it.
pub(super) fn post(fields: &[(&str, &str)]) -> Vec<u8> {
    block(&[&pseudo("POST")[..], fields].concat())
}
