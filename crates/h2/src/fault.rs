//! What a client does wrong: [`Fault`]s end the connection, [`Code`]s are how both sides name the reason (RFC 9113
//! section 7).

use std::fmt;

/// An error code of RST_STREAM or GOAWAY, whatever its number: unknown ones have no meaning (RFC 9113 section 7).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub u32);

impl Code {
    /// Nothing is wrong.
    pub const NO_ERROR: Self = Self(0x0);
    /// Against the protocol, and none of the others.
    pub const PROTOCOL_ERROR: Self = Self(0x1);
    /// Our own fault.
    pub const INTERNAL_ERROR: Self = Self(0x2);
    /// More than a window had room for, or a window beyond its limit.
    pub const FLOW_CONTROL_ERROR: Self = Self(0x3);
    /// A frame of a stream that is closed in that direction.
    pub const STREAM_CLOSED: Self = Self(0x5);
    /// A frame of a size that its type cannot have.
    pub const FRAME_SIZE_ERROR: Self = Self(0x6);
    /// Not served, and nothing was done: it may be asked again.
    pub const REFUSED_STREAM: Self = Self(0x7);
    /// Not wanted any more.
    pub const CANCEL: Self = Self(0x8);
    /// A header block that cannot be decoded.
    pub const COMPRESSION_ERROR: Self = Self(0x9);
    /// Too much of something.
    pub const ENHANCE_YOUR_CALM: Self = Self(0xb);
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::NO_ERROR => "NO_ERROR",
            Self::PROTOCOL_ERROR => "PROTOCOL_ERROR",
            Self::INTERNAL_ERROR => "INTERNAL_ERROR",
            Self::FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
            Self::STREAM_CLOSED => "STREAM_CLOSED",
            Self::FRAME_SIZE_ERROR => "FRAME_SIZE_ERROR",
            Self::REFUSED_STREAM => "REFUSED_STREAM",
            Self::CANCEL => "CANCEL",
            Self::COMPRESSION_ERROR => "COMPRESSION_ERROR",
            Self::ENHANCE_YOUR_CALM => "ENHANCE_YOUR_CALM",
            Self(number) => return write!(f, "code {number:#x}"),
        };
        f.write_str(name)
    }
}

/// Why a connection ends. Always the fault of the client; nothing that follows has a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It does not begin with the preface (RFC 9113 section 3.4): who sends this would not understand GOAWAY.
    #[error("it does not begin like HTTP/2")]
    Preface,
    /// See [`Code::PROTOCOL_ERROR`].
    #[error("{0}")]
    Protocol(&'static str),
    /// See [`Code::FRAME_SIZE_ERROR`].
    #[error("{0}")]
    FrameSize(&'static str),
    /// See [`Code::FLOW_CONTROL_ERROR`].
    #[error("{0}")]
    FlowControl(&'static str),
    /// See [`Code::STREAM_CLOSED`].
    #[error("{0}")]
    StreamClosed(&'static str),
    /// The table of both sides would differ from now on.
    #[error("a header block that cannot be decoded: {0}")]
    Compression(&'static str),
    /// It is over a limit whose only purpose is to end floods.
    #[error("{0}")]
    Calm(&'static str),
}

impl Fault {
    /// What GOAWAY says, if it is said.
    pub fn code(self) -> Option<Code> {
        Some(match self {
            Self::Preface => return None,
            Self::Protocol(_) => Code::PROTOCOL_ERROR,
            Self::FrameSize(_) => Code::FRAME_SIZE_ERROR,
            Self::FlowControl(_) => Code::FLOW_CONTROL_ERROR,
            Self::StreamClosed(_) => Code::STREAM_CLOSED,
            Self::Compression(_) => Code::COMPRESSION_ERROR,
            Self::Calm(_) => Code::ENHANCE_YOUR_CALM,
        })
    }
}
