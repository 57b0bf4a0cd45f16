//! [`TenantId`], [`SiteId`], [`Generation`], [`RequestId`]: who and which.

use std::{borrow::Borrow, fmt, sync::Arc};

/// The Unix user (uid) who owns a site file. Root's sites are the operator's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TenantId(pub u32);
impl TenantId {
    /// The operator: root.
    pub const OPERATOR: Self = Self(0);
}
impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {}", self.0)
    }
}

/// The path of a site file relative to `sites.d`, with `/` between folder and file: `blog.yaml`, `shop/blog.yaml`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SiteId(Arc<str>);
impl SiteId {
    /// From a relative path that `watch` has seen (it checks depth, ending and characters).
    pub fn new(relative: &str) -> Self {
        Self(Arc::from(relative))
    }
    /// The relative path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
/// Maps by site are asked with a text.
impl Borrow<str> for SiteId {
    fn borrow(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of a published table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Generation(pub u64);
impl Generation {
    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number by which a request is found in logs; shown as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RequestId(pub u64);

impl RequestId {
    /// As it is shown.
    pub fn digits(self) -> [u8; 16] {
        let mut left = self.0;
        let mut digits = [0; 16];
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789abcdef"[(left & 0xf) as usize];
            left >>= 4;
        }
        digits
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digits().iter().try_for_each(|digit| fmt::Write::write_char(f, char::from(*digit)))
    }
}
