//! [`Failure`]: why there is no certificate yet, in a type that the planner acts on and a sentence that a person reads.

use std::{net::Ipv6Addr, time::Duration};

use serde::{Deserialize, Serialize};
use vestibule_names::HostPattern;

use crate::config::ChallengeKind;

/// One attempt that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct Failure {
    /// What it means for the next attempt.
    pub kind: FailureKind,
    /// One sentence for a person: what, why, what to do. Text of a CA or a DNS server in it is cut and made printable.
    pub sentence: String,
    /// Which names it was about, as far as the CA said (subproblems, failed authorizations); empty: the order as a whole.
    pub names: Vec<NameFailure>,
    /// What the CA asked to wait, from now on.
    pub retry_after: Option<Duration>,
    /// Was the CA asked to look for a proof? Only then it may have counted a failed one.
    pub asked: Asked,
}

/// Who was asked to look for the proof of a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// The CA, or nobody knows.
    #[default]
    Ca,
    /// Nobody yet: it failed on our side, such as a TXT record that never appeared. No budget of the CA's is spent.
    Nobody,
}

/// One name of an order that failed.
#[derive(Clone, Debug)]
pub struct NameFailure {
    /// Which.
    pub name: HostPattern,
    /// What it means.
    pub kind: FailureKind,
    /// Which challenge was tried, if it came to that: another one leads the next attempt.
    pub challenge: Option<ChallengeKind>,
    /// One sentence.
    pub sentence: String,
}

impl Failure {
    /// About the order as a whole, with no wish of the CA's.
    pub fn new(kind: FailureKind, sentence: impl Into<String>) -> Self {
        Self { kind, sentence: sentence.into(), names: Vec::new(), retry_after: None, asked: Asked::Ca }
    }

    /// With what the CA asked to wait.
    #[must_use]
    pub fn after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..self }
    }
}

/// Whose fault it is, which decides who waits for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The CA is down, slow or wrong: another CA may be asked; the name is not to blame.
    Ca,
    /// A limit of the CA.
    Limit,
    /// The `replaces` of a renewal was refused (`alreadyReplaced`, RFC 9773 section 7.4): once more, without.
    AlreadyReplaced,
    /// The order is of no use any more, though nothing is wrong: the CA has forgotten it, it ran out between two runs, or it
    /// rested on a proof that was not its tenant's. At once again, as a new order; names that failed in it are counted as
    /// such and not blamed.
    Gone,
    /// The name does not resolve, or resolves elsewhere.
    ValidationDns,
    /// Nobody answered the CA at the address.
    ValidationConnection,
    /// The CA's TLS handshake failed.
    ValidationTls,
    /// Somebody answered, but not with our challenge.
    ValidationUnauthorized,
    /// A CAA record forbids this CA (RFC 8659).
    ValidationCaa,
    /// The CA will never issue for this name (rejectedIdentifier, unsupportedIdentifier).
    Rejected,
    /// The account: deactivated, unknown, terms changed, external binding missing.
    Account,
    /// The settings or the site: a required profile that is not offered, no challenge in common, a missing key file.
    Configuration,
    /// Our own disk.
    Storage,
}

impl FailureKind {
    /// Is it about the name rather than about the CA or us?
    pub fn is_validation(self) -> bool {
        matches!(
            self,
            Self::ValidationDns
                | Self::ValidationConnection
                | Self::ValidationTls
                | Self::ValidationUnauthorized
                | Self::ValidationCaa
                | Self::Rejected
        )
    }
}

/// Characters of text from outside (a CA, a DNS server) that a sentence takes in.
const TEXT_LIMIT: usize = 300;

/// Text from outside, fit for a sentence.
pub(crate) fn printable(text: &str) -> String {
    crate::printable::printable(text, TEXT_LIMIT)
}

/// Does a CA's text name an IPv6 address, or the records that lead to one? A CA that prefers IPv6 fails there first.
pub(crate) fn speaks_of_ipv6(text: &str) -> bool {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, ':' | '.')));
    let is_one = |word: &str| word.trim_end_matches([':', '.']).parse::<Ipv6Addr>().is_ok();
    words.into_iter().any(|word| word == "AAAA" || is_one(word))
}

/// Does a CA's text say that a name did not resolve? In the words of resolvers, which CAs pass on.
pub(crate) fn speaks_of_dns(text: &str) -> bool {
    const WORDS: [&str; 8] = [
        "could not resolve host",
        "name or service not known",
        "no such host",
        "no such name",
        "no valid ip addresses",
        "nxdomain",
        "server misbehaving",
        "temporary failure in name resolution",
    ];
    let text = text.to_ascii_lowercase();
    WORDS.iter().any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_is_found_in_what_a_ca_says() {
        for (text, expected) in [
            ("2001:db8::66: Invalid response from http://a.test/: 404", true),
            ("Fetching http://a.test/: [2001:db8::66]:80 refused", true),
            ("its AAAA record leads nowhere", true),
            ("192.0.2.7: Invalid response from http://a.test:80/x: 404", false),
            ("urn:ietf:params:acme:error:tls at 10:20:30", false),
        ] {
            assert_eq!(speaks_of_ipv6(text), expected, "{text}");
        }
    }

    #[test]
    fn a_name_that_did_not_resolve_is_found_in_what_a_ca_says() {
        for (text, expected) in [
            ("Could not resolve host: a.test", true),
            (
                "error doing http GET for url http://a.test/x: dial tcp: lookup a.test on 127.0.0.11:53: no such host",
                true,
            ),
            ("DNS problem: NXDOMAIN looking up A for a.test", true),
            ("192.0.2.7: Fetching http://a.test/x: Connection refused", false),
            ("", false),
        ] {
            assert_eq!(speaks_of_dns(text), expected, "{text}");
        }
    }
}
