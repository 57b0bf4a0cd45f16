//! [`judge`]: from what is known and seen to steps and one verdict. Pure: its tests are values in, sentences out.

use std::time::SystemTime;

use vestibule_names::HostPattern;

use super::{Explanation, Findings, Probe, Reached, Standing, Step, Subject, address, caa};
use crate::{
    Timestamp,
    config::ChallengeKind,
    plan::{NameState, NameStatus},
    printable::printable,
};

/// Of a sentence that comes from elsewhere.
const QUOTED_LIMIT: usize = 400;

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
    let may_use = |kind| subject.challenges.contains(&kind);
    let mut steps = Vec::new();
    if may_use(ChallengeKind::Http01) && !findings.http.is_empty() {
        steps.push(port("port 80", ("http-01", "this gateway"), &findings.http));
    }
    if may_use(ChallengeKind::TlsAlpn01) && !findings.tls.is_empty() {
        steps.push(port("port 443", ("tls-alpn-01", "TLS"), &findings.tls));
    }
    steps
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

fn last_attempt(subject: &Subject) -> Option<Step> {
    let status = subject.status.as_ref()?;
    let (_, why, at) = status.failure.as_ref()?;
    let (when, why) = (ago(*at, subject.now), printable(why, QUOTED_LIMIT));
    let next = next(subject).map(|at| format!("; next attempt {at}")).unwrap_or_default();
    let sentence = match status.failures {
        0 | 1 => format!("the last attempt failed {when}: {why}{next}"),
        count => format!("{count} attempts in a row failed, the last one {when}: {why}{next}"),
    };
    Some(Step::new("last attempt", Standing::Unclear, sentence))
}

/// What to do next: the first thing that is in the way, since nothing after it can work before.
fn verdict(subject: &Subject, steps: &[Step]) -> String {
    if let Some(step) = steps.iter().find(|step| step.standing == Standing::Bad) {
        return step.sentence.clone();
    }
    let name = &subject.name;
    let doubt = steps.iter().find(|step| step.standing == Standing::Unclear).map(|step| step.sentence.as_str());
    let Some(status) = &subject.status else { return format!("nothing is known of {name}") };
    match (status.state, doubt) {
        (NameState::Valid, _) => format!("nothing is to be done: {name} has a certificate{}", until(status)),
        (NameState::Renewing, None) => {
            format!("nothing is to be done: {name} has a certificate{}, and is being renewed", until(status))
        }
        (NameState::Ordering, None) => format!("nothing is to be done: an order for {name} is in flight"),
        (NameState::Ordering, Some(doubt)) => format!("an order for {name} is in flight; if it fails: {doubt}"),
        (_, None) => match next(subject) {
            Some(at) => format!("nothing stands in the way of {name}: it is tried {at}"),
            None => format!("nothing stands in the way of {name}: it is tried as soon as it is its turn"),
        },
        (_, Some(doubt)) => format!("nothing is in the way of {name} for sure; the first doubt is: {doubt}"),
    }
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
