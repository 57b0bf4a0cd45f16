//! [`Encoder`]: what we send as header blocks. Literals with names of the static table where there is one; nothing is
//! indexed and nothing is in Huffman code, because both cost more time here than the bytes they save, and a table would be
//! held by every idle connection.

use http::{HeaderMap, HeaderName, StatusCode, header};

use super::{integer, table::static_index};

/// A literal that is not indexed, and one that nobody may ever index (RFC 7541 sections 6.2.2 and 6.2.3).
const WITHOUT: u8 = 0x00;
const NEVER: u8 = 0x10;
/// A table of size 0 (section 6.3).
const NO_TABLE: u8 = 0x20;
/// The index of `:status` in the static table.
const STATUS: u8 = 8;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    begun: bool,
}

impl Encoder {
    /// Appends the block of a response.
    pub(crate) fn response(&mut self, status: StatusCode, headers: &HeaderMap, out: &mut Vec<u8>) {
        self.begin(out);
        match status.as_u16() {
            200 => out.push(0x88),
            204 => out.push(0x89),
            206 => out.push(0x8a),
            304 => out.push(0x8b),
            400 => out.push(0x8c),
            404 => out.push(0x8d),
            500 => out.push(0x8e),
            _ => {
                out.extend_from_slice(&[WITHOUT | STATUS, 3]);
                out.extend_from_slice(status.as_str().as_bytes());
            }
        }
        write_fields(headers, out);
    }

    /// Appends the block of trailers.
    pub(crate) fn trailers(&mut self, fields: &HeaderMap, out: &mut Vec<u8>) {
        self.begin(out);
        write_fields(fields, out);
    }

    /// The client's limit of our table may change at any time, and we would have to follow (RFC 7541 section 4.2): a table
    /// of size 0 never has to.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            out.push(NO_TABLE);
        }
    }
}

fn write_fields(headers: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in headers.iter().filter(|(name, _)| !is_of_a_connection(name)) {
        let first = if value.is_sensitive() || is_secret(name) { NEVER } else { WITHOUT };
        match static_index(name) {
            Some(index) => integer::write(first, 4, index, out),
            None => {
                out.push(first);
                write_string(name.as_str().as_bytes(), out);
            }
        }
        write_string(value.as_bytes(), out);
    }
}

fn write_string(text: &[u8], out: &mut Vec<u8>) {
    integer::write(0, 7, text.len(), out);
    out.extend_from_slice(text);
}

/// What could be guessed by whoever sees how long heads are (RFC 7541 section 7.1.3).
fn is_secret(name: &HeaderName) -> bool {
    matches!(*name, header::SET_COOKIE | header::AUTHORIZATION | header::COOKIE)
}

/// Of no meaning in HTTP/2, where it would make a head malformed (RFC 9113 section 8.2.2).
pub(crate) fn is_of_a_connection(name: &HeaderName) -> bool {
    matches!(*name, header::CONNECTION | header::TRANSFER_ENCODING | header::UPGRADE)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
        let each = fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).expect("well-formed")));
        each.collect()
    }

    fn response(status: u16, headers: &HeaderMap) -> Vec<u8> {
        let mut encoder = Encoder { begun: true };
        let mut out = Vec::new();
        encoder.response(StatusCode::from_u16(status).expect("a status"), headers, &mut out);
        out
    }

    #[test]
    fn a_response_is_written_in_literals() {
        let none = HeaderMap::new();
        for (status, block) in [(200, &b"\x88"[..]), (204, b"\x89"), (404, b"\x8d"), (502, b"\x08\x03502")] {
            assert_eq!(response(status, &none), block);
        }
        let headers = fields(&[("server", "x"), ("x-own", "1"), ("accept-charset", "")]);
        assert_eq!(response(500, &headers), b"\x8e\x0f\x27\x01x\x00\x05x-own\x011\x0f\x00\x00");
        let long = "x".repeat(200);
        let block = response(200, &fields(&[("age", &long)]));
        assert_eq!(block, [&b"\x88\x0f\x06\x7f\x49"[..], long.as_bytes()].concat());
    }

    #[test]
    fn what_is_secret_is_indexed_by_nobody_and_what_is_of_a_connection_stays() {
        let headers = fields(&[("set-cookie", "a"), ("connection", "close"), ("keep-alive", "1"), ("upgrade", "x")]);
        assert_eq!(response(200, &headers), b"\x88\x1f\x28\x01a");
        let mut headers = fields(&[("age", "1")]);
        headers.values_mut().for_each(|value| value.set_sensitive(true));
        assert_eq!(response(200, &headers), b"\x88\x1f\x06\x011");
    }

    #[test]
    fn the_first_block_of_a_connection_gives_up_the_table() {
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        encoder.response(StatusCode::OK, &HeaderMap::new(), &mut out);
        encoder.trailers(&fields(&[("x-own", "1")]), &mut out);
        assert_eq!(out, b"\x20\x88\x00\x05x-own\x011");
    }
}
