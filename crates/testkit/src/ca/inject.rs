//! Faults on order: "the next N requests to X get F", as data.

use std::{collections::VecDeque, time::Duration};

/// What a request is about. Part of observations too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// The TCP connection, before anything is known of requests.
    Connection,
    /// RFC 8555 section 7.1.1.
    Directory,
    /// Section 7.2.
    NewNonce,
    /// Section 7.3.
    NewAccount,
    /// Sections 7.3.2 and 7.3.6.
    Account,
    /// Section 7.3.5.
    KeyChange,
    /// Section 7.4.
    NewOrder,
    /// An order's own URL.
    Order,
    /// Section 7.4, its end.
    Finalize,
    /// Section 7.5.
    Authorization,
    /// Section 7.5.1.
    Challenge,
    /// Section 7.4.2.
    Certificate,
    /// Section 7.6.
    Revoke,
    /// RFC 9773.
    RenewalInfo,
    /// Anything else.
    Elsewhere,
}

/// How a refusal says when to come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// It does not.
    Absent,
    /// In seconds (RFC 9110 section 10.2.3).
    Seconds(u64),
    /// As an HTTP date, so much after the CA's clock.
    Date(Duration),
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429 `rateLimited`.
    RateLimited(RetryAfter),
    /// 503 with a page of HTML, as a load balancer gives it.
    Unavailable(RetryAfter),
    /// A problem document with that status, kind (after `urn:ietf:params:acme:error:`) and detail.
    Problem(u16, &'static str, &'static str),
    /// The same with `compound` on top and one of these kinds per name (RFC 8555 section 6.7.1).
    Subproblems(Vec<(String, &'static str)>),
    /// [`Endpoint::Connection`]: closed at once.
    RefuseConnection,
    /// [`Endpoint::Connection`]: accepted, but no TLS ever.
    HangAtConnect,
    /// No response ever; nothing is done.
    HangAtHeaders,
    /// The work is done; half of the body, then nothing.
    HangInBody,
    /// The work is done; half of the body, then the end of the connection.
    TruncatedBody,
    /// The work is done; what comes back is 502 with a page of HTML.
    BadGateway,
    /// The work is done; what comes back is not JSON.
    Garbage,
    /// The nonce is refused, though it is good.
    BadNonce,
    /// The response has no `Replay-Nonce`.
    NoNonce,
    /// The response's `Date` is off by so many seconds.
    SkewedDate(i64),
    /// The `status` of the object is a word that nobody knows.
    UnknownStatus,
    /// [`Endpoint::Authorization`]: a challenge of an unknown type stands before the others.
    UnknownChallengeToo,
    /// [`Endpoint::Authorization`]: only challenges of unknown types.
    UnknownChallengesOnly,
    /// The object has members that nobody knows.
    ExtraMembers,
    /// [`Endpoint::NewOrder`]: all authorizations are valid already, the order is `ready`.
    ReadyAtOnce,
    /// [`Endpoint::NewOrder`]: 409 `alreadyReplaced` if it has `replaces`; otherwise nothing.
    AlreadyReplaced,
    /// [`Endpoint::Finalize`]: `processing` for so many polls of the order.
    Slow(u32, RetryAfter),
    /// [`Endpoint::Finalize`]: what is issued is not what was asked for.
    Flaw(Flaw),
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is for a key that nobody has.
    WrongKey,
    /// It is for other names.
    WrongNames,
    /// One name is missing.
    MissingName,
    /// It has run out.
    Expired,
    /// It begins tomorrow.
    NotYetValid,
    /// The chain begins with the intermediate.
    WrongOrder,
    /// The chain is only the leaf.
    LeafOnly,
    /// The chain is no PEM.
    NoPem,
}

/// For as long as it is not healed.
pub const ALWAYS: usize = usize::MAX;

#[derive(Debug, Default)]
pub(super) struct Faults {
    waiting: VecDeque<(Endpoint, Fault, usize)>,
}

impl Faults {
    pub(super) fn add(&mut self, endpoint: Endpoint, fault: Fault, times: usize) {
        self.waiting.push_back((endpoint, fault, times));
    }

    /// The oldest for this endpoint, spent once.
    pub(super) fn take(&mut self, endpoint: Endpoint) -> Option<Fault> {
        let index = self.waiting.iter().position(|(at, _, _)| *at == endpoint)?;
        let (_, fault, left) = &mut self.waiting[index];
        let fault = fault.clone();
        if *left != ALWAYS {
            *left -= 1;
            if *left == 0 {
                self.waiting.remove(index);
            }
        }
        Some(fault)
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// How many requests would still go wrong.
    pub(super) fn left(&self) -> usize {
        self.waiting.iter().fold(0, |sum, (_, _, times)| sum.saturating_add(*times))
    }
}
