//! What the CA saw, for assertions.

use std::time::SystemTime;

use super::inject::Endpoint;

/// One request, in order of arrival.
#[derive(Clone, Debug)]
pub struct Request {
    /// By the CA's clock.
    pub at: SystemTime,
    /// GET, HEAD or POST.
    pub method: String,
    /// What it is about.
    pub endpoint: Endpoint,
    /// Its path.
    pub path: String,
    /// The response's status; `None`: a response never came.
    pub status: Option<u16>,
    /// As the client calls itself.
    pub user_agent: Option<String>,
}

/// One certificate, in order of issue.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Its identifier (RFC 9773 section 4.1).
    pub id: String,
    /// The URL of the account that ordered it.
    pub account: String,
    /// As ordered, sorted.
    pub names: Vec<String>,
    /// When, by the CA's clock.
    pub at: SystemTime,
    /// Its beginning.
    pub not_before: SystemTime,
    /// Its end.
    pub not_after: SystemTime,
    /// What it replaces, if the order said so.
    pub replaces: Option<String>,
    /// Its profile, if the order said one.
    pub profile: Option<String>,
    /// The reason code, if it was revoked.
    pub revoked: Option<u64>,
}

/// One order, in order of arrival.
#[derive(Clone, Debug)]
pub struct Order {
    /// The URL of the account that ordered it.
    pub account: String,
    /// Sorted.
    pub names: Vec<String>,
    /// When, by the CA's clock.
    pub at: SystemTime,
    /// What it replaces.
    pub replaces: Option<String>,
    /// Its profile.
    pub profile: Option<String>,
    /// Its state now, in ACME's word.
    pub status: &'static str,
}
