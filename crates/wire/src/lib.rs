//! HTTP/1.1 messages on the wire (RFC 9112), read strictly: what two readers could take in two ways is a [`Fault`].
//!
//! Incremental and bounded: a head is looked for in what has come, and parsed once it is whole ([`request_end`],
//! [`parse_request`]); chunks are understood piece by piece ([`Chunks`]). Whoever makes values of it (`h1`) sees no byte that
//! was not understood here.
//!
//! Nothing is allocated, changed or normalised here, and nothing is known of hosts, paths or what fields mean, except
//! for those that say how long a message is.
//!
//! | module | layer |
//! |---|---|
//! | `octets` | which bytes may stand where |
//! | `target` | the forms of request targets |
//! | `head` | the head of a message → where it ends, and how long its body is |
//! | `chunked` | chunk frames and trailers |

mod chunked;
mod head;
mod octets;
mod target;

pub use chunked::{Chunks, EXTENSION_LIMIT, Piece, TRAILER_LIMIT, trailer_field};
pub use head::{
    BodyLength, Limits, MessageHead, RequestLine, StatusLine, Version, content_length, parse_request, parse_response,
    read_request, read_response, request_end, response_end, transfer_coding,
};
pub use target::is_origin_form;

/// Why bytes are refused. Always the fault of who sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A line that ends otherwise than in CR LF, or a CR within a line (RFC 9112 section 2.2).
    #[error("a line that does not end in CR LF")]
    LineEnd,
    /// An empty line where a message must begin. RFC 9112 section 2.2 lets a server skip some; readers differ on how many.
    #[error("an empty line before a message")]
    EmptyLine,
    /// Not `METHOD SP target SP HTTP/1.1` with single blanks (RFC 9112 section 3).
    #[error("a malformed request line")]
    RequestLine,
    /// Neither `HTTP/1.1` nor `HTTP/1.0`, in just this spelling (RFC 9112 section 2.3).
    #[error("a protocol version other than HTTP/1.1 and HTTP/1.0")]
    Version,
    /// A byte in the target that belongs into none (RFC 3986 section 2), or a fragment.
    #[error("a byte in the request target that must be percent-encoded")]
    Target,
    /// A target of none of the forms that a request to an origin has (RFC 9112 section 3.2).
    #[error("a request target that is no path, no URL and no asterisk")]
    TargetForm,
    /// The authority of an absolute target is more than a host and a port (RFC 9110 section 4.2.4).
    #[error("a malformed authority in the request target")]
    Authority,
    /// CONNECT: what follows would not be HTTP.
    #[error("a request for a tunnel")]
    Connect,
    /// A target beyond its limit.
    #[error("a request target beyond the limit")]
    TargetTooLong,
    /// Not `HTTP/1.1 SP 3DIGIT SP reason` (RFC 9112 section 4).
    #[error("a malformed status line")]
    StatusLine,
    /// A field without a colon, with blanks before it, or with a name that is no token (RFC 9112 section 5).
    #[error("a malformed field name")]
    FieldName,
    /// A control byte in a value (RFC 9110 section 5.5).
    #[error("a control byte in a field value")]
    FieldValue,
    /// A line that begins with a blank: obs-fold (RFC 9112 section 5.2).
    #[error("a folded field")]
    Folded,
    /// More fields than allowed.
    #[error("too many fields")]
    TooManyFields,
    /// A head that does not end within its limit.
    #[error("a head beyond the limit")]
    HeadTooLarge,
    /// A Content-Length that is not one decimal number, or comes twice (RFC 9112 section 6.3).
    #[error("a malformed or doubled Content-Length")]
    Length,
    /// A Transfer-Encoding that is not exactly `chunked`, comes twice, or comes in HTTP/1.0 (RFC 9112 section 6.1).
    #[error("a malformed or doubled Transfer-Encoding")]
    Coding,
    /// A well-formed list of codings that ends in `chunked` and has one that we do not know (RFC 9112 section 6.1).
    #[error("an unknown transfer coding")]
    UnknownCoding,
    /// Both lengths (RFC 9112 section 6.3): the oldest way to smuggle.
    #[error("Content-Length beside Transfer-Encoding")]
    BothLengths,
    /// A chunk size that is not one to sixteen hexadecimal digits (RFC 9112 section 7.1).
    #[error("a malformed chunk size")]
    ChunkSize,
    /// A chunk extension that is too long, or has quotes, blanks or control bytes (RFC 9112 section 7.1.1).
    #[error("a malformed chunk extension")]
    ChunkExtension,
    /// Chunk data that is not followed by CR LF.
    #[error("chunk data without its end")]
    ChunkEnd,
    /// A trailer field that frames, routes or identifies (RFC 9110 section 6.5.1), or trailers beyond their limits.
    #[error("a trailer field that may not be one")]
    Trailer,
}

impl Fault {
    /// Is it about a body, whose head has passed?
    pub fn is_in_body(self) -> bool {
        matches!(self, Self::ChunkSize | Self::ChunkExtension | Self::ChunkEnd | Self::Trailer)
    }
}

/// What is known so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<T> {
    /// More bytes are needed.
    Partial,
    /// Known; it took this many bytes.
    Complete(T, usize),
}
