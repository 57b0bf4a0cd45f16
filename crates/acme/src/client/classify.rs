//! [`Judge`]: what a [`Fault`] means for the next attempt, and how it is told to a person (acme.md M8).
//!
//! | table | from | to |
//! |---|---|---|
//! | [`kind_of`] | a problem type of RFC 8555 section 6.7, and what was asked for | [`FailureKind`] |
//! | [`Judge::advice`] | the same | what to do, in words |
//!
//! Each sentence says who, what the CA said (cut and printable), and what to do. A problem type that is not known is judged
//! by the status of the answer.

use std::time::Duration;

use vestibule_certs::store::StoreError;
use vestibule_names::HostPattern;

use super::{
    fault::{Fault, Problem, Subproblem},
    transport::TransportError,
};
use crate::{
    config::{CaConfig, ChallengeKind},
    failure::{Failure, FailureKind, NameFailure, printable, speaks_of_dns},
};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    /// The directory.
    Directory,
    /// Anything about the account itself.
    Account,
    /// A new order.
    NewOrder,
    /// How an order or an authorization stands; a certificate.
    Order,
    /// That a name be proved.
    Proof(ChallengeKind),
    /// Renewal information.
    RenewalInfo,
    /// A revocation.
    Revocation,
}

/// Judges what one CA says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judge<'a> {
    config: &'a CaConfig,
    /// What was ordered.
    names: &'a [HostPattern],
    /// What a CAA record must name.
    caa_identities: &'a [String],
    skew: Option<i64>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(config: &'a CaConfig) -> Self {
        Self { config, names: &[], caa_identities: &[], skew: None }
    }

    /// About these names.
    pub(super) fn of_names(self, names: &'a [HostPattern]) -> Self {
        Self { names, ..self }
    }

    /// Knows more of the CA and of the clock.
    pub(super) fn knowing(self, caa_identities: &'a [String], skew: Option<i64>) -> Self {
        Self { caa_identities, skew, ..self }
    }

    /// A request that failed.
    pub(super) fn judge(&self, fault: &Fault, asking: Asking) -> Failure {
        let failure = match fault {
            Fault::Transport(error) => self.transport(error),
            Fault::Problem(problem) => self.problem(problem, asking),
            Fault::Strange { status, .. } => self.strange(fault, status.as_u16()),
            Fault::Library(what) => {
                let ca = &self.config.id;
                Failure::new(
                    FailureKind::Ca,
                    format!("{ca} gave an answer that makes no sense ({what}): it is asked again later"),
                )
            }
        };
        failure.after(fault.retry_after())
    }

    /// A problem document.
    pub(super) fn problem(&self, problem: &Problem, asking: Asking) -> Failure {
        let named: Vec<_> = problem.subproblems.iter().filter_map(|part| self.part(part, asking)).collect();
        let kind = match (&*problem.kind, named.first()) {
            ("compound" | "malformed", Some(first)) => first.kind,
            (kind, _) if asking == Asking::Account && self.has_bad_binding(kind) => FailureKind::Configuration,
            _ => kind_of(&problem.kind, problem.status, asking),
        };
        let subject = match &named[..] {
            [] => None,
            [only] => Some(only.name.to_string()),
            [first, rest @ ..] => Some(format!("{} and {} more", first.name, rest.len())),
        };
        let detail = match (&*problem.detail, problem.subproblems.first()) {
            ("", Some(part)) => &part.detail,
            _ => &problem.detail,
        };
        let kind_text = match (&*problem.kind, problem.subproblems.first()) {
            ("compound", Some(part)) => &part.kind,
            _ => &problem.kind,
        };
        let sentence = self.sentence(kind, kind_text, detail, subject.as_deref(), asking, problem.instance.as_deref());
        let failure = Failure::new(kind, sentence).after(problem.retry_after);
        Failure { names: named, ..failure }
    }

    /// A name that was not proved.
    pub(super) fn name(&self, name: &HostPattern, challenge: ChallengeKind, problem: &Problem) -> NameFailure {
        let asking = Asking::Proof(challenge);
        let kind = match kind_of(&problem.kind, problem.status, asking) {
            // RFC 8555 section 6.7 has `dns` for that, and not every CA uses it.
            FailureKind::ValidationConnection if speaks_of_dns(&problem.detail) => FailureKind::ValidationDns,
            kind => kind,
        };
        let text = name.to_string();
        let sentence = self.sentence(kind, &problem.kind, &problem.detail, Some(&text), asking, None);
        NameFailure { name: name.clone(), kind, challenge: Some(challenge), sentence }
    }

    /// The sentence, and that our clock is wrong if it is.
    pub(super) fn with_clock(&self, sentence: String) -> String {
        sentence + &self.skew.map_or_else(String::new, clock)
    }

    fn part(&self, part: &Subproblem, asking: Asking) -> Option<NameFailure> {
        let of = HostPattern::parse(part.identifier.as_ref()?).ok()?;
        // A wildcard's identifier comes without its `*.` from some CAs (RFC 8555 section 7.1.4).
        let name = self.names.iter().find(|name| **name == of).or_else(|| {
            self.names
                .iter()
                .find(|name| matches!((name, &of), (HostPattern::Wildcard(a), HostPattern::Exact(b)) if a == b))
        })?;
        let kind = match (&*part.kind, asking) {
            // About a single identifier, "malformed" is about the name, not about our request.
            ("malformed", Asking::NewOrder) => FailureKind::Rejected,
            _ => kind_of(&part.kind, 0, asking),
        };
        let text = name.to_string();
        let sentence = self.sentence(kind, &part.kind, &part.detail, Some(&text), asking, None);
        Some(NameFailure { name: name.clone(), kind, challenge: None, sentence })
    }

    fn sentence(
        &self,
        kind: FailureKind,
        problem_type: &str,
        detail: &str,
        name: Option<&str>,
        asking: Asking,
        instance: Option<&str>,
    ) -> String {
        let ca = &self.config.id;
        let of = |what: &str| name.map_or_else(|| format!("{ca} {what}"), |name| format!("{ca} {what} for {name}"));
        let said = if detail.is_empty() { printable(problem_type) } else { detail.to_owned() };
        let who = name.unwrap_or("a name");
        let what = match kind {
            FailureKind::Ca => of("has a problem of its own"),
            FailureKind::Limit => of("has reached a limit"),
            FailureKind::AlreadyReplaced => of("has replaced that certificate already"),
            FailureKind::Gone => of("has no such order any more"),
            FailureKind::ValidationDns => format!("{ca} does not find {who} in DNS"),
            FailureKind::ValidationConnection => format!("{ca} cannot connect to {who}"),
            FailureKind::ValidationTls => format!("{ca} gets no good TLS handshake from {who}"),
            FailureKind::ValidationUnauthorized => format!("{ca} got a wrong answer for {who}"),
            FailureKind::ValidationCaa => format!("a CAA record forbids {ca} to certify {who}"),
            FailureKind::Rejected => format!("{ca} does not certify {who}"),
            FailureKind::Account => format!("{ca} does not accept this gateway's account"),
            FailureKind::Configuration => of("refuses what the settings ask for"),
            FailureKind::Storage => of("cannot be used"),
        };
        let advice = self.advice(kind, problem_type, asking, instance);
        self.with_clock(format!("{what} ({said}): {advice}"))
    }

    /// Of what is refused of a new account that carries an external account binding, that is the likeliest cause (RFC 8555
    /// section 7.3.4).
    fn has_bad_binding(&self, problem_type: &str) -> bool {
        self.config.eab.is_some() && matches!(problem_type, "unauthorized" | "malformed")
    }

    fn advice(&self, kind: FailureKind, problem_type: &str, asking: Asking, instance: Option<&str>) -> String {
        let advice = match (kind, problem_type, asking) {
            (FailureKind::Account, "userActionRequired", _) => {
                return format!("visit {} and agree to the new terms", instance.unwrap_or("the CA's site"));
            }
            (FailureKind::Account, ..) => {
                "for a new account, stop the gateway and move the CA's account.json in its store away"
            }
            (FailureKind::Configuration, "externalAccountRequired", _) => {
                "write `eab: {kid: …, hmac_file: …}` into the settings of this CA, with what the CA gave you"
            }
            (FailureKind::Configuration, _, Asking::Account) if self.has_bad_binding(problem_type) => {
                "check `eab.kid` and the HMAC key in the settings of this CA"
            }
            (FailureKind::Configuration, "invalidContact" | "unsupportedContact", _) => {
                "write an `email` into the settings that the CA takes, or leave it out"
            }
            (FailureKind::Configuration, "badCSR" | "badPublicKey" | "badSignatureAlgorithm", _) => {
                "choose another `key_type`"
            }
            (FailureKind::Configuration, "invalidProfile", _) => "choose another `profile`, or leave it out",
            (FailureKind::Configuration, ..) => "see the settings of this CA",
            (FailureKind::Limit, ..) => "nothing is to be done, it is asked again when the limit allows it",
            (FailureKind::AlreadyReplaced | FailureKind::Gone, ..) => {
                "nothing is to be done, it is ordered once more as a new one"
            }
            (FailureKind::ValidationDns, _, Asking::Proof(ChallengeKind::Dns01)) => {
                "see whether the provider of `dns` changes the zone that the Internet sees"
            }
            (FailureKind::ValidationDns, ..) => "let its A or AAAA record point to this gateway",
            (FailureKind::ValidationConnection, _, Asking::Proof(ChallengeKind::TlsAlpn01)) => {
                "open port 443 to the Internet, and let all its A and AAAA records point to this gateway"
            }
            (FailureKind::ValidationConnection, ..) => {
                "open port 80 to the Internet, and let all its A and AAAA records point to this gateway"
            }
            (FailureKind::ValidationTls, ..) => {
                "let port 443 reach this gateway with no other TLS server in front of it"
            }
            (FailureKind::ValidationUnauthorized, _, Asking::Proof(ChallengeKind::Dns01)) => {
                "see whether old TXT records of _acme-challenge are in the way, and whether its provider works"
            }
            (FailureKind::ValidationUnauthorized, ..) => {
                "let all its A and AAAA records point to this gateway, with nothing else that answers in front of it"
            }
            (FailureKind::ValidationCaa, ..) => match self.caa_identities.first() {
                Some(identity) => {
                    return format!("add the record `CAA 0 issue \"{identity}\"`, or remove the CAA records");
                }
                None => "add a CAA record that allows this CA, or remove the CAA records",
            },
            (FailureKind::Rejected, ..) => "take the name out of the site file, or use another CA",
            (FailureKind::Ca | FailureKind::Storage, ..) => "nothing is to be done, it is asked again later",
        };
        advice.to_owned()
    }

    fn strange(&self, fault: &Fault, status: u16) -> Failure {
        let ca = &self.config.id;
        match status {
            429 => Failure::new(
                FailureKind::Limit,
                format!(
                    "{ca} has reached a limit ({fault}): nothing is to be done, it is asked again when the limit allows it"
                ),
            ),
            status if status >= 500 => Failure::new(
                FailureKind::Ca,
                format!("{ca} is out of order ({fault}): nothing is to be done, it is asked again later"),
            ),
            _ => Failure::new(
                FailureKind::Ca,
                format!(
                    "what answers for {ca} is no ACME server ({fault}): see whether {} is its directory, and whether a proxy is in between",
                    printable(&self.config.directory)
                ),
            ),
        }
    }

    fn transport(&self, error: &TransportError) -> Failure {
        let ca = &self.config.id;
        let chain = printable(&chain(error));
        let (kind, advice) = match error {
            TransportError::Url(_) => (FailureKind::Configuration, "write the `directory` of this CA as an https URL"),
            TransportError::Roots(_) => (FailureKind::Configuration, "see the `root` of this CA in the settings"),
            TransportError::Tls { source, .. } if refuses_certificate(source) => return self.untrusted(&chain),
            _ => (FailureKind::Ca, "it is asked again later; see whether this machine reaches it at all"),
        };
        Failure::new(kind, self.with_clock(format!("{ca} cannot be reached ({chain}): {advice}")))
    }

    /// What was written as its root is not what its own certificate is from, or nothing was written.
    fn untrusted(&self, chain: &str) -> Failure {
        let ca = &self.config.id;
        let sentence = match &self.config.root {
            Some(root) => format!(
                "{ca} is not trusted ({chain}): its certificate does not verify under the `root` of the settings, {}: write \
                 there the root that the CA's own server certificate is from",
                printable(&root.display().to_string())
            ),
            None => format!(
                "{ca} cannot be reached ({chain}): is its certificate of a CA of your own, name that CA's root as `root` \
                 in the settings"
            ),
        };
        Failure::new(FailureKind::Ca, self.with_clock(sentence))
    }
}

/// RFC 8555 section 6.7, RFC 9773 section 7.4, and draft-ietf-acme-profiles.
pub(super) fn kind_of(problem_type: &str, status: u16, asking: Asking) -> FailureKind {
    match (problem_type, asking) {
        ("alreadyReplaced", _) => FailureKind::AlreadyReplaced,
        ("rateLimited", _) => FailureKind::Limit,
        ("caa", _) => FailureKind::ValidationCaa,
        ("dns", _) => FailureKind::ValidationDns,
        ("connection", _) => FailureKind::ValidationConnection,
        ("tls", _) => FailureKind::ValidationTls,
        ("incorrectResponse", _) => FailureKind::ValidationUnauthorized,
        ("rejectedIdentifier" | "unsupportedIdentifier", _) => FailureKind::Rejected,
        ("unauthorized", Asking::Proof(_)) => FailureKind::ValidationUnauthorized,
        ("unauthorized", Asking::Account | Asking::NewOrder | Asking::Revocation) => FailureKind::Account,
        ("accountDoesNotExist" | "userActionRequired", _) => FailureKind::Account,
        ("externalAccountRequired" | "invalidContact" | "unsupportedContact" | "invalidProfile", _)
        | ("badCSR" | "badPublicKey" | "badSignatureAlgorithm" | "badRevocationReason", _) => {
            FailureKind::Configuration
        }
        ("serverInternal" | "badNonce" | "orderNotReady" | "malformed", _) => FailureKind::Ca,
        // Not known. An unknown reason why a name was not proved is about the name, unless the CA says otherwise.
        (_, Asking::Proof(_)) if status < 500 => FailureKind::ValidationUnauthorized,
        (_, Asking::NewOrder) if status == 409 => FailureKind::AlreadyReplaced,
        _ if status == 429 => FailureKind::Limit,
        _ => FailureKind::Ca,
    }
}

/// Was it we who did not like the CA's certificate? Everything else that ends a handshake is no matter of roots.
fn refuses_certificate(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

/// Our own disk.
pub(super) fn storage(error: &StoreError) -> Failure {
    let sentence = format!("the store of certificates cannot be used ({}): see its disk", printable(&chain(error)));
    Failure::new(FailureKind::Storage, sentence)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        // Some libraries print their source themselves.
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = error.source();
    }
    text
}

fn clock(skew: i64) -> String {
    let hours = Duration::from_secs(skew.unsigned_abs()).as_secs_f64() / 3600.0;
    let direction = if skew > 0 { "ahead of" } else { "behind" };
    format!("; this machine's clock is {hours:.0} h {direction} the CA's: set it right")
}

#[cfg(test)]
mod tests;
