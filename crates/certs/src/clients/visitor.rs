//! [`Visitor`]: what is known of a client by the certificate it has shown.

use std::time::SystemTime;

use data_encoding::BASE64;
use rustls::pki_types::CertificateDer;

use crate::facts;

/// A client whose certificate a handshake has verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    field: String,
    until: SystemTime,
}

impl Visitor {
    /// From the chain of a finished handshake, which has verified it. `None` for an empty one, and for what cannot be
    /// parsed, which no verifier lets through.
    pub fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let leaf = chain.first()?;
        let until = facts::time(facts::parse(leaf)?.validity().not_after);
        Some(Self { field: format!(":{}:", BASE64.encode(leaf)), until })
    }

    /// The value of the `Client-Cert` field: a byte sequence of structured fields (RFC 9440 section 2.2). As long as the
    /// verifier lets certificates be.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Until when the certificate counts: also on a connection that stays open for longer.
    pub fn until(&self) -> SystemTime {
        self.until
    }
}
