//! The first bytes of a connection → what it is: TLS with SNI and ALPN, HTTP/1, HTTP/2, or nothing we serve.
//!
//! Incremental and bounded: feed what has arrived so far; the answer is "not yet", a [`Preface`], or a refusal.
//! A ClientHello may come in many records and many reads. Nothing is decrypted, answered or normalised here, and no byte is
//! consumed: whoever serves the connection reads the same bytes again from the start.
//!
//! | module | layer |
//! |---|---|
//! | `record` | TLS records → one whole handshake message (RFC 8446 section 5.1) |
//! | `client_hello` | that message → SNI and ALPN (RFC 8446 section 4.1.2) |
//! | `clear` | HTTP/1 or the HTTP/2 connection preface (RFC 9113 section 3.4) |
//! | `fields` | length-prefixed fields, which cannot be read beyond their end |
//!
//! ```
//! use vestibule_preface::{Preface, Progress, read_clear};
//!
//! assert_eq!(read_clear(b"PRI * HT"), Ok(Progress::Partial));
//! assert_eq!(read_clear(b"GET / HTTP/1.1\r\n"), Ok(Progress::Complete(Preface::Http1)));
//! ```

mod clear;
mod client_hello;
mod fields;
mod record;

pub use client_hello::{ALPN_LIMIT, EXTENSION_LIMIT};

/// What the first bytes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preface {
    /// A TLS ClientHello (RFC 8446 section 4.1.2).
    Tls(ClientHello),
    /// Clear HTTP/1.x.
    Http1,
    /// Clear HTTP/2 with prior knowledge (RFC 9113 section 3.3).
    Http2,
}

/// The parts of a ClientHello that choose a site.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientHello {
    /// The server name as sent (RFC 6066 section 3), unnormalised but printable ASCII of 1 to 255 bytes; `None` when absent.
    pub sni: Option<String>,
    /// The protocols offered (RFC 7301), in order.
    pub alpn: Vec<Vec<u8>>,
}

/// What is known so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed (fewer than [`LIMIT`] have come).
    Partial,
    /// Known.
    Complete(Preface),
}

/// Why the bytes are refused. Always the client's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrefaceError {
    /// Neither TLS nor HTTP.
    #[error("neither TLS nor HTTP")]
    Unknown,
    /// On a TLS port: what looks like clear HTTP.
    #[error("clear HTTP where TLS is spoken")]
    ClearHttp,
    /// No end of the ClientHello within [`LIMIT`] bytes.
    #[error("no whole ClientHello within {LIMIT} bytes")]
    TooLarge,
    /// A record of a length or version that no ClientHello has.
    #[error("a TLS record of a length or version that is not possible")]
    BadRecord,
    /// Another record type, another handshake message, or bytes of one behind the ClientHello.
    #[error("a TLS message other than a ClientHello")]
    UnexpectedMessage,
    /// A length that does not add up, or more extensions than [`EXTENSION_LIMIT`].
    #[error("a malformed ClientHello")]
    Malformed,
    /// RFC 8446 section 4.2: no extension comes twice.
    #[error("an extension that comes twice in one ClientHello")]
    DuplicateExtension,
    /// Not exactly one name, an empty one, or one that is not printable ASCII.
    #[error("a malformed server name")]
    BadServerName,
    /// No protocol, an empty one, or more than [`ALPN_LIMIT`].
    #[error("a malformed list of application protocols")]
    BadAlpn,
    /// Begins like the HTTP/2 preface and goes on differently.
    #[error("a broken HTTP/2 connection preface")]
    BadHttp2,
}

impl PrefaceError {
    /// The TLS alert (RFC 8446 section 6) that says this to a TLS client; `None` when it does not speak TLS.
    pub fn alert(self) -> Option<u8> {
        match self {
            Self::Unknown | Self::ClearHttp | Self::BadHttp2 => None,
            Self::UnexpectedMessage => Some(10),
            Self::BadRecord => Some(22),
            Self::DuplicateExtension | Self::BadServerName => Some(47),
            Self::TooLarge | Self::Malformed | Self::BadAlpn => Some(50),
        }
    }
}

/// A ClientHello beyond this many bytes (records included) is refused.
pub const LIMIT: usize = 32 * 1024;

/// What an HTTPS listener expects: a ClientHello. `bytes` is everything received so far.
///
/// Cost: as long as the ClientHello is not whole, only the headers of its records are read again.
///
/// # Errors
/// As early as the bytes allow; more bytes never turn an error into success.
pub fn read_tls(bytes: &[u8]) -> Result<Progress, PrefaceError> {
    match bytes.first() {
        None => return Ok(Progress::Partial),
        Some(&record::HANDSHAKE) => {}
        Some(_) if clear::is_http_start(bytes) => return Err(PrefaceError::ClearHttp),
        Some(_) => return Err(PrefaceError::Unknown),
    }
    // How the bytes were cut into reads must not decide what is too large.
    let within_limit = &bytes[..bytes.len().min(LIMIT)];
    let Some(message) = record::first_message(within_limit)? else {
        return if bytes.len() >= LIMIT { Err(PrefaceError::TooLarge) } else { Ok(Progress::Partial) };
    };
    client_hello::parse(&message).map(|hello| Progress::Complete(Preface::Tls(hello)))
}

/// What a clear listener expects: HTTP/1 or the HTTP/2 preface; a ClientHello is recognised (and is [`Preface::Tls`]).
///
/// # Errors
/// As [`read_tls`]; HTTP/1 itself is judged by its codec, not here.
pub fn read_clear(bytes: &[u8]) -> Result<Progress, PrefaceError> {
    match bytes.first() {
        Some(&record::HANDSHAKE) => read_tls(bytes),
        _ => clear::read(bytes),
    }
}

/// The seven bytes of a fatal TLS alert record (RFC 8446 section 6), e.g. 112 `unrecognized_name`.
pub fn alert(description: u8) -> [u8; 7] {
    [0x15, 3, 3, 0, 2, 2, description]
}

#[cfg(test)]
mod tests;
