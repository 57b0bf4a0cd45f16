//! What the walk of an order needs of ACME (RFC 8555), in words of ours: [`Protocol`] and [`Placed`].
//!
//! One file implements them over a library (`instant`); another version of it, or another library, is that file's work. What
//! is waited for, retried and made durable is decided above, never there.

use vestibule_names::HostPattern;

use super::fault::{Fault, Problem};
use crate::config::ChallengeKind;

/// An account at a CA.
pub(super) trait Protocol {
    /// An order that was placed.
    type Order: Placed;

    /// Places an order.
    async fn place(&self, request: &Request<'_>) -> Result<Self::Order, Fault>;

    /// An order that was placed earlier.
    async fn reopen(&self, url: &str) -> Result<Self::Order, Fault>;

    /// Revokes a certificate, given in DER.
    async fn revoke(&self, certificate: &[u8], reason: u8) -> Result<(), Fault>;
}

/// What is ordered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    /// For which names.
    pub(super) names: &'a [HostPattern],
    /// With which profile.
    pub(super) profile: Option<&'a str>,
    /// Which certificate it replaces (RFC 9773 section 5).
    pub(super) replaces: Option<&'a str>,
}

/// An order at the CA.
pub(super) trait Placed {
    /// Where it is.
    fn url(&self) -> &str;
    /// How it stood when it was last looked at.
    fn status(&self) -> Status;
    /// Why it is invalid, if the CA says.
    fn problem(&self) -> Option<Problem>;
    /// What the CA asked to wait before the next look.
    fn retry_after(&self) -> Option<std::time::Duration>;
    /// Looks again.
    async fn refresh(&mut self) -> Result<(), Fault>;
    /// Its authorizations, in the CA's order. Not looked at again before the next [`Placed::refresh`].
    async fn authorizations(&mut self) -> Result<Vec<Authorization>, Fault>;
    /// Looks at one of them again.
    async fn look(&mut self, index: usize) -> Result<Authorization, Fault>;
    /// Withdraws one of them for the whole account, which ends the order too (RFC 8555 section 7.5.2).
    async fn deactivate(&mut self, index: usize) -> Result<(), Fault>;
    /// The TXT record for DNS-01 of one of them.
    async fn dns_value(&mut self, index: usize) -> Result<String, Fault>;
    /// The CA may look for our answer to this challenge now.
    async fn ready(&mut self, index: usize, challenge: ChallengeKind) -> Result<(), Fault>;
    /// Asks for the certificate, with a signing request in DER.
    async fn finalize(&mut self, csr: &[u8]) -> Result<(), Fault>;
    /// The chain, and where there are others.
    async fn chain(&mut self) -> Result<Chain, Fault>;
    /// Another chain for the same certificate.
    async fn alternate(&mut self, url: &str) -> Result<Vec<u8>, Fault>;
}

/// RFC 8555 section 7.1.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    Ready,
    Processing,
    Valid,
    Invalid,
}

/// One name that is to be proved.
#[derive(Clone, Debug)]
pub(super) struct Authorization {
    pub(super) url: String,
    pub(super) name: HostPattern,
    pub(super) standing: Standing,
    /// What may be answered.
    pub(super) offers: Vec<Offer>,
    /// Challenges that failed for good, and why. Some CAs leave the authorization open all the same.
    pub(super) refused: Vec<(ChallengeKind, Problem)>,
}

#[derive(Clone, Debug)]
pub(super) enum Standing {
    /// Not proved yet.
    Open,
    /// Proved.
    Proved,
    /// Not proved, for good; the challenge that failed and why, if the CA says.
    Failed(Option<(ChallengeKind, Problem)>),
    /// Ran out or was withdrawn, whatever it was before.
    Over,
}

/// A challenge that may be answered.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) kind: ChallengeKind,
    pub(super) token: String,
    /// RFC 8555 section 8.1.
    pub(super) key_authorization: String,
    /// What went wrong with it so far, although the CA does nothing about it and has not refused it either.
    pub(super) problem: Option<Problem>,
}

/// A chain, PEM.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) pem: Vec<u8>,
    pub(super) alternates: Vec<String>,
}
