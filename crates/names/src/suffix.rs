//! Registered domains, by the public suffix list: what limits of CAs are counted by.
//!
//! Not here: whether a tenant may hold a name.

use crate::Hostname;

/// The registered domain of a name (`a.b.example.co.uk` → `example.co.uk`), by the public suffix list with its private
/// section; a name that is a public suffix itself counts as its own.
pub fn registered_domain(name: &Hostname) -> &str {
    psl::domain_str(name.as_str()).unwrap_or(name.as_str())
}
