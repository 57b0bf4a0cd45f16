//! [`Persistence`]: what becomes of a connection after a message.

/// May another message follow on the connection (RFC 9112 section 9.3)?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// Yes.
    Keep,
    /// It ends with this one.
    Close,
}
