//! Do the CAA records of a name allow a CA (RFC 8659), this account and these challenges (RFC 8657)? Pure.

use vestibule_names::HostPattern;

use super::{Standing, Step, Subject};
use crate::{config::ChallengeKind, dns::Facts};

const SUBJECT: &str = "caa";
/// What CAs understand: anything else that is marked critical makes them refuse (RFC 8659 section 4.5). The ones for mail
/// and logos are understood to be of no concern here (RFC 9495).
const KNOWN_TAGS: [&str; 7] = ["issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"];

/// The step about CAA.
pub(super) fn step(subject: &Subject, facts: &Facts) -> Step {
    let bad = |sentence: String| Step::new(SUBJECT, Standing::Bad, sentence);
    if let Some(problem) = &facts.caa_problem {
        let name = &subject.name;
        return bad(format!(
            "the CAA records of {name} cannot be looked up, and a CA refuses then: {problem}; mend its DNS servers"
        ));
    }
    let at = facts.caa_at.as_deref().unwrap_or_default();
    if let Some(tag) = facts.caa_critical.iter().find(|tag| !KNOWN_TAGS.contains(&tag.as_str())) {
        return bad(format!("a CAA record at {at} is marked critical, and no CA knows its tag `{tag}`: take it away"));
    }
    let tag = relevant_tag(&subject.name, facts);
    let grants: Vec<Grant<'_>> =
        facts.caa.iter().filter(|(of, _)| of == tag).map(|(_, value)| Grant::parse(value)).collect();
    if grants.is_empty() {
        return Step::new(SUBJECT, Standing::Good, "no CAA record keeps a CA away".to_owned());
    }
    judge(subject, &grants, (at, tag))
}

fn judge(subject: &Subject, grants: &[Grant<'_>], (at, tag): (&str, &str)) -> Step {
    let allowed = allowed(grants);
    let identities = subject.directory.as_ref().map(|directory| &directory.caa_identities[..]).unwrap_or_default();
    let Some(identity) = identities.first() else {
        let ca = &subject.ca;
        let sentence =
            format!("the CAA records at {at} allow {allowed}; under which name the CA {ca} goes there is not known");
        return Step::new(SUBJECT, Standing::Unclear, sentence);
    };
    let add = format!("add `{at}. CAA 0 {tag} \"{identity}\"`");
    let of_ca: Vec<_> =
        grants.iter().filter(|grant| identities.iter().any(|id| id.eq_ignore_ascii_case(grant.issuer))).collect();
    if of_ca.is_empty() {
        return Step::new(SUBJECT, Standing::Bad, format!("the CAA records at {at} allow {allowed}: {add}"));
    }
    let verdicts: Vec<Fit> = of_ca.iter().map(|grant| grant.fits(subject)).collect();
    if verdicts.contains(&Fit::Yes) {
        return Step::new(SUBJECT, Standing::Good, format!("the CAA records at {at} allow {identity}"));
    }
    if verdicts.contains(&Fit::Unknown) {
        let sentence = format!(
            "the CAA records at {at} allow {identity} for one account only; whether that is ours is not known yet"
        );
        return Step::new(SUBJECT, Standing::Unclear, sentence);
    }
    let sentence = format!(
        "the CAA records at {at} allow {identity}, but not for our account and the challenges used here: {add}"
    );
    Step::new(SUBJECT, Standing::Bad, sentence)
}

/// RFC 8659 section 4.3: for a wildcard `issuewild` counts if there is one.
fn relevant_tag(name: &HostPattern, facts: &Facts) -> &'static str {
    let has_wild = facts.caa.iter().any(|(tag, _)| tag == "issuewild");
    if has_wild && matches!(name, HostPattern::Wildcard(_)) { "issuewild" } else { "issue" }
}

fn allowed(grants: &[Grant<'_>]) -> String {
    let names: Vec<&str> = grants.iter().map(|grant| grant.issuer).filter(|issuer| !issuer.is_empty()).collect();
    if names.is_empty() { "no CA at all".to_owned() } else { format!("only {}", names.join(", ")) }
}

/// One `issue` or `issuewild`: an issuer, or none, and conditions.
struct Grant<'a> {
    issuer: &'a str,
    conditions: Vec<(&'a str, &'a str)>,
}

/// Does a grant fit us?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    Yes,
    No,
    Unknown,
}

impl<'a> Grant<'a> {
    /// RFC 8659 section 4.2. What has no `=` is malformed, and then nobody may issue: kept with an empty value, which fits
    /// nothing.
    fn parse(value: &'a str) -> Self {
        let mut parts = value.split(';').map(str::trim);
        let issuer = parts.next().unwrap_or_default().trim_end_matches('.');
        let conditions = parts.filter(|part| !part.is_empty()).map(|part| part.split_once('=').unwrap_or((part, "")));
        Self { issuer, conditions: conditions.map(|(tag, value)| (tag.trim(), value.trim())).collect() }
    }

    fn fits(&self, subject: &Subject) -> Fit {
        let mut fit = Fit::Yes;
        for (tag, value) in &self.conditions {
            let one = match (tag.to_ascii_lowercase().as_str(), &subject.account) {
                ("accounturi", Some(account)) if account == value => Fit::Yes,
                ("accounturi", None) => Fit::Unknown,
                ("accounturi", Some(_)) => Fit::No,
                ("validationmethods", _) if subject.challenges.iter().any(|kind| lists(value, *kind)) => Fit::Yes,
                ("validationmethods", _) => Fit::No,
                // Others are the CA's own matter.
                _ => Fit::Yes,
            };
            fit = match (fit, one) {
                (Fit::No, _) | (_, Fit::No) => Fit::No,
                (Fit::Unknown, _) | (_, Fit::Unknown) => Fit::Unknown,
                _ => Fit::Yes,
            };
        }
        fit
    }
}

fn lists(methods: &str, kind: ChallengeKind) -> bool {
    methods.split(',').any(|method| method.trim() == word(kind))
}

/// As RFC 8555 and RFC 8737 name it.
pub(super) fn word(kind: ChallengeKind) -> &'static str {
    match kind {
        ChallengeKind::Http01 => "http-01",
        ChallengeKind::TlsAlpn01 => "tls-alpn-01",
        ChallengeKind::Dns01 => "dns-01",
    }
}
