//! [`judge`]: from what is known and seen to steps and one verdict. Pure: its tests are values in, sentences out.

use std::time::SystemTime;

use vestibule_names::HostPattern;

use super::{Explanation, Findings, Probe, Provider, Reached, Standing, Step, Subject, address, caa};
use crate::{
    FailureKind, Timestamp,
    config::ChallengeKind,
    failure::speaks_of_ipv6,
    plan::{self, NameState, NameStatus},
    printable::printable,
};

/// Of a sentence that comes from elsewhere: the CA's words, cut already, and what to do at their end.
const QUOTED_LIMIT: usize = 800;

/// The explanation.
pub fn judge(subject: &Subject, findings: &Findings) -> Explanation {
    let mut steps = vec![claim(subject)];
    steps.extend(address::steps(subject, findings));
    // RFC 8738 section 7: CAA records do not apply to addresses.
    if let (Some(facts), false) = (&findings.facts, matches!(subject.name, HostPattern::Address(_))) {
        steps.push(caa::step(subject, facts));
    }
    steps.extend(ports(subject, findings));
    steps.push(ca(subject));
    steps.extend(limits(subject));
    steps.extend(last_attempt(subject));
    let verdict = verdict(subject, &steps);
    Explanation { name: subject.name.to_string(), steps, verdict }
}

fn claim(subject: &Subject) -> Step {
    let name = &subject.name;
    match &subject.status {
        Some(status) => Step::new(
            "claim",
            Standing::Good,
            format!("{name} is held by the site {} of {}", status.site, status.tenant),
        ),
        None => {
            let sentence = format!(
                "no site wants a certificate of a CA for {name}: list it under `hosts` of a site whose `tls` has `certificate: auto`"
            );
            Step::new("claim", Standing::Bad, sentence)
        }
    }
}

fn ports(subject: &Subject, findings: &Findings) -> Vec<Step> {
    // A wildcard has no address at which anything could be tried.
    if matches!(subject.name, HostPattern::Wildcard(_)) {
        return Vec::new();
    }
    let step = |place, kind, expected, probes: &[Probe]| {
        if !subject.challenges.contains(&kind) {
            return Some(unused(place, kind, &subject.challenges));
        }
        (!probes.is_empty()).then(|| port(place, (kind.as_str(), expected), probes))
    };
    let clear = step("port 80", ChallengeKind::Http01, "this gateway", &findings.http);
    clear.into_iter().chain(step("port 443", ChallengeKind::TlsAlpn01, "TLS", &findings.tls)).collect()
}

/// Why a port was not tried.
fn unused(port: &'static str, kind: ChallengeKind, challenges: &[ChallengeKind]) -> Step {
    let kind = kind.as_str();
    let used = challenges.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" or ");
    let sentence = match &*used {
        "" => format!("not tried: no challenge may prove this name, so the CA does not come to {port}"),
        used => format!("not tried: this name is proved by {used}, and only {kind} needs {port}"),
    };
    Step::new(port, Standing::Good, sentence)
}

/// From here is not from outside: whatever is not as expected is a doubt, and a hint where to look.
fn port(subject: &'static str, (challenge, expected): (&str, &str), probes: &[Probe]) -> Step {
    let Some(odd) = probes.iter().find(|probe| probe.reached != Reached::Expected) else {
        return Step::new(subject, Standing::Good, format!("{expected} answers there, as {challenge} needs it"));
    };
    let address = odd.address;
    let doubt = match &odd.reached {
        Reached::Expected => String::new(),
        Reached::Stranger(said) => {
            format!(
                "something else answers at {address} ({said}), such as another server or a proxy in front of this gateway"
            )
        }
        Reached::Closed(why) => {
            format!("nothing can be had at {address} from here ({why}): open {subject} in firewalls on the way")
        }
        Reached::Silent => format!("nothing answers at {address} from here: open {subject} in firewalls on the way"),
        Reached::Private => {
            format!("{address} is a private address, which is not tried from here and no public CA can reach")
        }
    };
    let sentence = format!("{doubt}; from the Internet it may look different, and {challenge} needs {expected} there");
    Step::new(subject, Standing::Unclear, sentence)
}

fn ca(subject: &Subject) -> Step {
    let ca = &subject.ca;
    match &subject.directory {
        Ok(_) => Step::new("ca", Standing::Good, format!("the CA {ca} answers")),
        Err(why) => {
            let why = printable(why, QUOTED_LIMIT);
            Step::new("ca", Standing::Bad, format!("the CA {ca} cannot be asked: {why}; it is tried again by itself"))
        }
    }
}

fn limits(subject: &Subject) -> Option<Step> {
    let waits_for = printable(subject.limit.as_ref()?, QUOTED_LIMIT);
    let next = next(subject).map(|at| format!(", and is tried {at}")).unwrap_or_default();
    Some(Step::new("limits", Standing::Unclear, format!("it waits for a limit: {waits_for}{next}")))
}

/// What nobody but a person can mend stands in the way; anything else may be over by now.
fn last_attempt(subject: &Subject) -> Option<Step> {
    let status = subject.status.as_ref()?;
    let (kind, why, at) = failure(subject)?;
    let (when, why) = (ago(at, subject.now), printable(why, QUOTED_LIMIT));
    let next = next(subject).map(|at| format!("; next attempt {at}")).unwrap_or_default();
    let sentence = match status.failures {
        0 | 1 => format!("the last attempt failed {when}: {why}{next}"),
        count => format!("{count} attempts in a row failed, the last one {when}: {why}{next}"),
    };
    let standing = match kind {
        FailureKind::Configuration | FailureKind::Account | FailureKind::Storage => Standing::Bad,
        _ => Standing::Unclear,
    };
    Some(Step::new("last attempt", standing, sentence))
}

/// The last failure of an attempt: that a name waits for its turn is none.
fn failure(subject: &Subject) -> Option<(FailureKind, &str, Timestamp)> {
    let (kind, why, at) = subject.status.as_ref()?.failure.as_ref()?;
    (!plan::only_waits(why)).then_some((*kind, why.as_str(), *at))
}

/// What to do next: the first thing that is in the way, since nothing after it can work before. Where nothing is for sure, a
/// CA's own word counts more than doubts from here.
fn verdict(subject: &Subject, steps: &[Step]) -> String {
    let name = &subject.name;
    // Nobody is told of a wildcard that cannot be proved: that is the cause, and not that nobody wants it.
    let unproved = matches!(name, HostPattern::Wildcard(_)) && subject.provider == Provider::Missing;
    let counts = |step: &&Step| step.standing == Standing::Bad && !(unproved && step.subject == "claim");
    let bad = || steps.iter().filter(counts);
    // An order that is refused for what a person must mend says more than that the CA cannot be asked.
    let in_the_way = bad().find(|step| step.subject != "ca").or_else(|| bad().next());
    let in_flight = subject.status.as_ref().is_some_and(|status| status.state == NameState::Ordering);
    match in_the_way {
        Some(step) if in_flight => return format!("an order for {name} is in flight; if it fails: {}", step.sentence),
        Some(step) => return step.sentence.clone(),
        None => {}
    }
    let doubt = steps.iter().find(|step| step.standing == Standing::Unclear).map(|step| step.sentence.as_str());
    let Some(status) = &subject.status else { return format!("nothing is known of {name}") };
    match (status.state, failure(subject), doubt) {
        (NameState::Valid, ..) => format!("nothing is to be done: {name} has a certificate{}", until(status)),
        (NameState::Ordering, ..) => format!("nothing is to be done: an order for {name} is in flight"),
        (NameState::Renewing, None, _) => {
            format!("nothing is to be done: {name} has a certificate{}, and is being renewed", until(status))
        }
        (_, Some((kind, why, _)), _) => of_failure(subject, (kind, why), steps),
        (_, None, None) => match next(subject) {
            Some(at) => format!("nothing stands in the way of {name}: it is tried {at}"),
            None => format!("nothing stands in the way of {name}: it is tried as soon as it is its turn"),
        },
        (_, None, Some(doubt)) => format!("nothing is in the way of {name} for sure; the first doubt is: {doubt}"),
    }
}

/// What the CA said, and then what was seen from here that fits it.
fn of_failure(subject: &Subject, (kind, why): (FailureKind, &str), steps: &[Step]) -> String {
    use FailureKind as Kind;
    let fitting: &[&str] = match kind {
        Kind::ValidationDns => &["dns"],
        Kind::ValidationCaa => &["caa"],
        Kind::ValidationTls | Kind::ValidationConnection | Kind::ValidationUnauthorized
            if speaks_of_ipv6(said(why)) =>
        {
            &["ipv6"]
        }
        Kind::ValidationTls => &["port 443"],
        Kind::ValidationConnection | Kind::ValidationUnauthorized => &["port 80", "port 443"],
        _ => &[],
    };
    let is_doubt = |step: &&Step| step.standing != Standing::Good && fitting.contains(&step.subject);
    let seen =
        steps.iter().find(is_doubt).map(|step| format!("; seen from here: {}", step.sentence)).unwrap_or_default();
    let next = next(subject).map(|at| format!("; next attempt {at}")).unwrap_or_default();
    format!("{}{seen}{next}", printable(why, QUOTED_LIMIT))
}

/// The CA's part of a sentence that also says who and what to do.
fn said(why: &str) -> &str {
    why.split_once(" (").and_then(|(_, rest)| rest.rsplit_once("): ")).map_or(why, |(said, _)| said)
}

fn until(status: &NameStatus) -> String {
    status.not_after.map(|end| format!(" until {}", httpdate::fmt_http_date(SystemTime::from(end)))).unwrap_or_default()
}

fn next(subject: &Subject) -> Option<String> {
    let at = subject.status.as_ref()?.next_attempt?;
    Some(if at <= subject.now { "at once".to_owned() } else { format!("in {}", span(at.since(subject.now).as_secs())) })
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    format!("{} ago", span(now.since(at).as_secs()))
}

/// Roughly: people plan by it, machines do not.
fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests;
