//! [`Fields`]: TLS presentation language (RFC 8446 section 3), read front to back without copying.
//!
//! Every read is checked against the end; there is no way to look at what a length does not cover.

/// What is left to read. Reads give `None` when fewer bytes are left than they need.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(front)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// `opaque field<0..2^8-1>`.
    pub(crate) fn vector8(&mut self) -> Option<Fields<'a>> {
        let length = self.u8()?;
        self.take(length.into()).map(Self)
    }

    /// `opaque field<0..2^16-1>`.
    pub(crate) fn vector16(&mut self) -> Option<Fields<'a>> {
        let length = self.u16()?;
        self.take(length.into()).map(Self)
    }
}
