//! [`inspect`]: the checks before anything of a request is used.
//!
//! It sees what a codec has read. What is gone by then (the ends of lines, above all) is the business of that codec; what is
//! judged there and here alike is judged here for HTTP/2, and for callers that read no raw heads.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header, uri::Authority};
use vestibule_wire as wire;

use super::names::{elements, is_plain_option, may_not_be_nominated};
use crate::Refusal;

/// The checks before anything of the request is used: method, target form, `Host`, framing, `Connection`, `Expect`.
/// What two readers could understand differently is refused.
pub fn inspect<B>(request: &Request<B>) -> Result<(), Refusal> {
    // First thing: these two have a meaning for proxies that must not be given to them.
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        return Err(Refusal::MethodNotAllowed);
    }
    let seen = Seen::read(request.headers(), request.version())?;
    seen.framing(request.version())?;
    target(request)?;
    host(request.uri(), request.version(), seen.host)
}

/// What one walk over the fields finds.
#[derive(Default)]
struct Seen<'a> {
    host: Option<&'a HeaderValue>,
    content_length: Option<&'a HeaderValue>,
    transfer_encoding: Option<&'a HeaderValue>,
    expect: Option<&'a HeaderValue>,
}

impl<'a> Seen<'a> {
    fn read(headers: &'a HeaderMap, version: Version) -> Result<Self, Refusal> {
        let mut seen = Self::default();
        for (name, value) in headers {
            match *name {
                header::HOST => only(&mut seen.host, value, Refusal::BadHost)?,
                header::CONTENT_LENGTH => only(&mut seen.content_length, value, Refusal::BadFraming)?,
                header::TRANSFER_ENCODING => only(&mut seen.transfer_encoding, value, Refusal::BadFraming)?,
                header::CONNECTION => connection(value)?,
                header::EXPECT => {
                    only(&mut seen.expect, value, Refusal::ExpectationFailed)?;
                    expect(value)?;
                }
                _ => {}
            }
            if version == Version::HTTP_2
                && (!is_token(name.as_str().as_bytes()) || is_connection_specific(name) || is_padded(value))
            {
                return Err(Refusal::BadHeader);
            }
        }
        Ok(seen)
    }

    /// RFC 9112 sections 6.1 to 6.3: the length is said once, in one way.
    fn framing(&self, version: Version) -> Result<(), Refusal> {
        if self.content_length.is_some_and(|length| content_length(length).is_none()) {
            return Err(Refusal::BadFraming);
        }
        let Some(coding) = self.transfer_encoding else { return Ok(()) };
        if version != Version::HTTP_11 || self.content_length.is_some() {
            return Err(Refusal::BadFraming);
        }
        transfer_coding(coding)
    }
}

/// A length as RFC 9110 section 8.6 writes it.
pub(super) fn content_length(value: &HeaderValue) -> Option<u64> {
    wire::content_length(value.as_bytes())
}

fn only<'a>(slot: &mut Option<&'a HeaderValue>, value: &'a HeaderValue, doubled: Refusal) -> Result<(), Refusal> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(doubled),
    }
}

/// RFC 9113 section 8.2.2. `te` is not among them: what is not `trailers` is simply not forwarded.
fn is_connection_specific(name: &HeaderName) -> bool {
    matches!(*name, header::CONNECTION | header::TRANSFER_ENCODING | header::UPGRADE)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// RFC 9113 section 8.2.1: a value neither begins nor ends with a blank. The parser of HTTP/1.1 strips them, so that
/// only here a reader could see another value than the next one.
fn is_padded(value: &HeaderValue) -> bool {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    is_blank(value.as_bytes().first()) || is_blank(value.as_bytes().last())
}

fn transfer_coding(value: &HeaderValue) -> Result<(), Refusal> {
    wire::transfer_coding(value.as_bytes()).map_err(|fault| match fault {
        wire::Fault::UnknownCoding => Refusal::UnsupportedCoding,
        _ => Refusal::BadFraming,
    })
}

/// RFC 9110 section 5.6.2.
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

fn connection(value: &HeaderValue) -> Result<(), Refusal> {
    for option in elements(value) {
        if is_plain_option(option) {
            continue;
        }
        if !is_token(option) || may_not_be_nominated(option) {
            return Err(Refusal::BadHeader);
        }
    }
    Ok(())
}

fn expect(value: &HeaderValue) -> Result<(), Refusal> {
    // RFC 9110 section 10.1.1.
    if value.as_bytes().eq_ignore_ascii_case(b"100-continue") { Ok(()) } else { Err(Refusal::ExpectationFailed) }
}

/// RFC 9112 section 3.2: which forms of a target have one meaning here.
fn target<B>(request: &Request<B>) -> Result<(), Refusal> {
    let uri = request.uri();
    if let Some(scheme) = uri.scheme_str()
        && !matches!(scheme, "http" | "https")
    {
        return Err(Refusal::BadRequest);
    }
    let Some(target) = uri.path_and_query() else { return Err(Refusal::BadRequest) };
    if target.as_str() == "*" {
        // Asterisk-form asks about the server as a whole.
        return if *request.method() == Method::OPTIONS { Ok(()) } else { Err(Refusal::BadRequest) };
    }
    // Authority-form is for CONNECT; http's parser gives it an authority without a scheme.
    if uri.scheme().is_none() && uri.authority().is_some() && request.version() < Version::HTTP_2 {
        return Err(Refusal::BadRequest);
    }
    // What http's parser accepts of `:path` is more: `"`, and a query without a path (RFC 9113 section 8.3.1).
    let fine = match request.version() {
        Version::HTTP_2 => wire::is_origin_form(target.as_str().as_bytes()),
        _ => uri.path().starts_with('/'),
    };
    if fine { Ok(()) } else { Err(Refusal::BadPath) }
}

/// RFC 9112 section 3.2 and RFC 9113 section 8.3.1: one host, said once or the same twice. HTTP/1.0 without a host is
/// refused too: nothing here could tell whom it means.
fn host(uri: &Uri, version: Version, host: Option<&HeaderValue>) -> Result<(), Refusal> {
    let authority = uri.authority().map(Authority::as_str);
    let host = match host {
        Some(value) => Some(value.to_str().map_err(|_| Refusal::BadHost)?),
        None => None,
    };
    let name = match (authority, host) {
        (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host) => host,
        // HTTP/1.x carries Host beside an absolute-form target (RFC 9112 section 3.2.2).
        (Some(authority), None) if version >= Version::HTTP_2 => authority,
        (None, Some(host)) => host,
        _ => return Err(Refusal::BadHost),
    };
    if name.is_empty() || name.contains('@') { Err(Refusal::BadHost) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request as text: the request line, then the fields; `h2` in place of the version makes it one of HTTP/2.
    fn request(text: &str) -> Request<()> {
        let mut lines = text.lines();
        let mut line = lines.next().unwrap().split(' ');
        let (method, target, version) = (line.next().unwrap(), line.next().unwrap(), line.next().unwrap());
        let version = match version {
            "1.0" => Version::HTTP_10,
            "1.1" => Version::HTTP_11,
            _ => Version::HTTP_2,
        };
        let mut builder = Request::builder().method(method).uri(target).version(version);
        for field in lines {
            let (name, value) = field.trim_start().split_once(':').unwrap();
            builder = builder.header(name, value.trim());
        }
        builder.body(()).unwrap()
    }

    fn check(text: &str, expected: Result<(), Refusal>) {
        assert_eq!(inspect(&request(text)), expected, "{text}");
    }

    #[test]
    fn methods() {
        for (method, expected) in [("GET", Ok(())), ("PURGE", Ok(())), ("TRACE", Err(Refusal::MethodNotAllowed))] {
            check(&format!("{method} / 1.1\nhost: a.test"), expected);
        }
        check("CONNECT a.test:443 1.1\nhost: a.test:443", Err(Refusal::MethodNotAllowed));
    }

    #[test]
    fn transfer_encodings() {
        for (coding, expected) in [
            ("chunked", Ok(())),
            ("Chunked", Ok(())),
            ("gzip, chunked", Err(Refusal::UnsupportedCoding)),
            ("br,gzip,chunked", Err(Refusal::UnsupportedCoding)),
            ("identity, chunked", Err(Refusal::BadFraming)),
            ("identity", Err(Refusal::BadFraming)),
            ("xchunked", Err(Refusal::BadFraming)),
            ("chunked, gzip", Err(Refusal::BadFraming)),
            ("chunked, chunked", Err(Refusal::BadFraming)),
            (", chunked", Err(Refusal::BadFraming)),
            ("chunked,", Err(Refusal::BadFraming)),
            ("gzip;q=1, chunked", Err(Refusal::BadFraming)),
            ("\"chunked\"", Err(Refusal::BadFraming)),
            ("", Err(Refusal::BadFraming)),
        ] {
            check(&format!("POST / 1.1\nhost: a.test\ntransfer-encoding: {coding}"), expected);
        }
        let bad = Err(Refusal::BadFraming);
        check("POST / 1.1\nhost: a.test\ntransfer-encoding: chunked\ntransfer-encoding: chunked", bad);
        check("POST / 1.1\nhost: a.test\ntransfer-encoding: gzip\ntransfer-encoding: chunked", bad);
        check("POST / 1.0\nhost: a.test\ntransfer-encoding: chunked", bad);
        check("POST / 1.1\nhost: a.test\ntransfer-encoding: chunked\ncontent-length: 3", bad);
    }

    #[test]
    fn content_lengths() {
        for (length, expected) in [
            ("0", Ok(())),
            ("5", Ok(())),
            ("9223372036854775807", Ok(())),
            ("9223372036854775808", Err(Refusal::BadFraming)),
            ("99999999999999999999", Err(Refusal::BadFraming)),
            ("+5", Err(Refusal::BadFraming)),
            ("-0", Err(Refusal::BadFraming)),
            ("5,5", Err(Refusal::BadFraming)),
            (",5", Err(Refusal::BadFraming)),
            ("5 5", Err(Refusal::BadFraming)),
            ("0x5", Err(Refusal::BadFraming)),
            ("5e0", Err(Refusal::BadFraming)),
            ("05", Err(Refusal::BadFraming)),
            ("00", Err(Refusal::BadFraming)),
            ("", Err(Refusal::BadFraming)),
        ] {
            for version in ["1.1", "h2"] {
                let target = if version == "h2" { "https://a.test/" } else { "/" };
                check(&format!("POST {target} {version}\nhost: a.test\ncontent-length: {length}"), expected);
            }
        }
        check("POST / 1.1\nhost: a.test\ncontent-length: 5\ncontent-length: 5", Err(Refusal::BadFraming));
        check("POST / 1.1\nhost: a.test\ncontent-length: 5\ncontent-length: 6", Err(Refusal::BadFraming));
    }

    #[test]
    fn hosts() {
        let bad = Err(Refusal::BadHost);
        check("GET / 1.1\nhost: a.test:8443", Ok(()));
        check("GET / 1.0\nhost: a.test", Ok(()));
        check("GET / 1.1", bad);
        check("GET / 1.0", bad);
        check("GET / 1.1\nhost: ", bad);
        check("GET / 1.1\nhost: a.test\nhost: a.test", bad);
        check("GET / 1.1\nhost: a.test\nhost: b.test", bad);
        check("GET / 1.1\nhost: user@a.test", bad);
        check("GET http://a.test/ 1.1\nhost: A.test", Ok(()));
        check("GET http://a.test/ 1.1\nhost: b.test", bad);
        check("GET http://a.test:81/ 1.1\nhost: a.test", bad);
        check("GET http://a.test/ 1.1", bad);
        check("GET http://u@a.test/ 1.1\nhost: u@a.test", bad);
        check("GET https://a.test/ h2", Ok(()));
        check("GET https://a.test/ h2\nhost: a.test", Ok(()));
        check("GET https://a.test/ h2\nhost: b.test", bad);
        check("GET / h2\nhost: a.test", Ok(()));
        check("GET / h2", bad);
    }

    #[test]
    fn targets() {
        check("OPTIONS * 1.1\nhost: a.test", Ok(()));
        check("GET * 1.1\nhost: a.test", Err(Refusal::BadRequest));
        check("GET ftp://a.test/ 1.1\nhost: a.test", Err(Refusal::BadRequest));
        check("GET a.test:80 1.1\nhost: a.test:80", Err(Refusal::BadRequest));
        check("GET /?q 1.1\nhost: a.test", Ok(()));
    }

    #[test]
    fn connection_options() {
        for (options, expected) in [
            ("close", Ok(())),
            ("keep-alive, Upgrade", Ok(())),
            ("X-Forwarded-For, x-my-hop", Ok(())),
            (",close,", Ok(())),
            ("Host", Err(Refusal::BadHeader)),
            ("close, Content-Length", Err(Refusal::BadHeader)),
            ("cookie", Err(Refusal::BadHeader)),
            ("a b", Err(Refusal::BadHeader)),
        ] {
            check(&format!("GET / 1.1\nhost: a.test\nconnection: {options}"), expected);
        }
        for name in ["connection", "keep-alive", "proxy-connection", "upgrade", "transfer-encoding"] {
            check(&format!("GET https://a.test/ h2\n{name}: close"), Err(Refusal::BadHeader));
        }
        check("GET https://a.test/ h2\nte: gzip", Ok(()));
    }

    #[test]
    fn expectations() {
        check("POST / 1.1\nhost: a.test\nexpect: 100-Continue", Ok(()));
        check("POST / 1.1\nhost: a.test\nexpect: 200-ok", Err(Refusal::ExpectationFailed));
        check("POST / 1.1\nhost: a.test\nexpect: 100-continue\nexpect: x", Err(Refusal::ExpectationFailed));
        let twice = "POST / 1.1\nhost: a.test\nexpect: 100-continue\nexpect: 100-continue";
        check(twice, Err(Refusal::ExpectationFailed));
        check("POST / 1.1\nhost: a.test\nexpect: 100-continue, 100-continue", Err(Refusal::ExpectationFailed));
    }

    #[test]
    fn values_of_http2_have_no_blanks_around_them() {
        for (value, expected) in [
            ("a", Ok(())),
            ("", Ok(())),
            ("a b\tc", Ok(())),
            (" a", Err(Refusal::BadHeader)),
            ("a ", Err(Refusal::BadHeader)),
            ("\ta", Err(Refusal::BadHeader)),
            ("a\t", Err(Refusal::BadHeader)),
            (" ", Err(Refusal::BadHeader)),
        ] {
            let request = Request::get("https://a.test/").version(Version::HTTP_2).header("x", value);
            assert_eq!(inspect(&request.body(()).unwrap()), expected, "{value:?}");
        }
    }
}
