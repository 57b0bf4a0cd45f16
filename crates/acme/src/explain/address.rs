//! The steps about a name's addresses: does it point here, and does its IPv6 lead where its IPv4 does? Pure.

use std::net::IpAddr;

use super::{Findings, Probe, Provider, Reached, Standing, Step, Subject};
use crate::{
    config::ChallengeKind,
    dns::{Facts, Resolution},
};
use vestibule_names::HostPattern;

/// Is this address this gateway's, as far as anybody can say?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    Unknown,
    Others,
}

/// The steps about DNS and IPv6, as far as they matter for this name.
pub(super) fn steps(subject: &Subject, findings: &Findings) -> Vec<Step> {
    let needs_addresses = subject.challenges.iter().any(|kind| *kind != ChallengeKind::Dns01);
    match (&subject.name, &findings.facts) {
        (HostPattern::Address(_), _) => vec![good("an address needs no DNS".to_owned())],
        (HostPattern::Wildcard(_), _) => vec![wildcard(subject)],
        (HostPattern::Exact(name), _) if !needs_addresses => match subject.provider {
            Provider::Present => vec![good(format!("{name} is proved by a TXT record, and need not point here"))],
            Provider::Missing => vec![bad(format!(
                "{name} may be proved by dns-01 only, and its site has no provider: write `dns` under its `tls`"
            ))],
        },
        (HostPattern::Exact(_), None) => Vec::new(),
        (HostPattern::Exact(_), Some(facts)) => {
            let mut steps = vec![dns(subject, facts, findings)];
            if !facts.v4.is_empty() && !facts.v6.is_empty() {
                steps.push(ipv6(subject, facts, findings));
            }
            steps
        }
    }
}

fn wildcard(subject: &Subject) -> Step {
    let name = &subject.name;
    match subject.provider {
        Provider::Present => good(format!("{name} is proved by a TXT record, and needs no address")),
        Provider::Missing => bad(format!(
            "{name} is a wildcard, which CAs prove by dns-01 only, and its site has no provider: write `dns` under its `tls`, \
             or list the hosts one by one"
        )),
    }
}

fn dns(subject: &Subject, facts: &Facts, findings: &Findings) -> Step {
    let name = &subject.name;
    let todo = point_here(subject, facts);
    let problem = facts.problem.as_deref().unwrap_or("it has no addresses");
    match facts.resolution {
        Resolution::Absent => return bad(format!("{name} does not resolve: {problem}; {todo}")),
        Resolution::Failing => {
            return bad(format!(
                "{name} does not resolve: {problem}; mend them, or the delegation to them, where the domain is held"
            ));
        }
        Resolution::Unknown => return unclear(format!("{name} could not be looked up from here: {problem}")),
        Resolution::Found => {}
    }
    // IPv6 has its own step where there is IPv4.
    let all = facts.addresses();
    let shown: Vec<IpAddr> = if facts.v4.is_empty() { all } else { all.into_iter().filter(IpAddr::is_ipv4).collect() };
    let whose: Vec<Whose> = shown.iter().map(|address| whose(*address, subject, &findings.http)).collect();
    let list = list(&shown);
    let through = facts.aliases.last().map(|alias| format!(" (through {alias})")).unwrap_or_default();
    if let Some(problem) = &facts.problem {
        return unclear(format!("{name} points to {list}{through}, but not everything could be looked up: {problem}"));
    }
    if whose.iter().all(|whose| *whose == Whose::Ours) {
        return good(format!("{name} points here: {list}{through}"));
    }
    if whose.contains(&Whose::Ours) {
        let others: Vec<IpAddr> =
            shown.iter().zip(&whose).filter(|(_, whose)| **whose != Whose::Ours).map(|(a, _)| *a).collect();
        let others = self::list(&others);
        return unclear(format!(
            "{name} points here and to {others} as well: a CA may ask there; take those records away"
        ));
    }
    if whose.contains(&Whose::Others) {
        return bad(format!("{name} points to {list}{through}, which is not this gateway: {todo}"));
    }
    unclear(format!(
        "{name} points to {list}{through}; whether that is this gateway is not known: write `public_addresses` under `acme` in \
         the settings"
    ))
}

/// CAs ask by IPv6 first where there is an AAAA record, and not all of them try IPv4 after that.
fn ipv6(subject: &Subject, facts: &Facts, findings: &Findings) -> Step {
    let name = &subject.name;
    let addresses: Vec<IpAddr> = facts.v6.iter().copied().map(IpAddr::V6).collect();
    let whose: Vec<Whose> = addresses.iter().map(|address| whose(*address, subject, &findings.http)).collect();
    let list = list(&addresses);
    if whose.iter().all(|whose| *whose == Whose::Ours) {
        return Step::new("ipv6", Standing::Good, format!("its AAAA record points here too: {list}"));
    }
    let ours = subject.public_addresses.iter().find(|address| address.is_ipv6());
    let or_point = ours.map(|address| format!(", or point it to {address}")).unwrap_or_default();
    let todo = format!("take the AAAA record of {name} away{or_point}");
    if whose.contains(&Whose::Others) {
        let sentence =
            format!("its AAAA record points to {list}, which is not this gateway, and CAs prefer IPv6: {todo}");
        return Step::new("ipv6", Standing::Bad, sentence);
    }
    let sentence = format!(
        "its AAAA record points to {list}, which did not answer as this gateway; CAs prefer IPv6: if it leads \
         elsewhere, {todo}"
    );
    Step::new("ipv6", Standing::Unclear, sentence)
}

fn whose(address: IpAddr, subject: &Subject, probes: &[Probe]) -> Whose {
    let answered = probes.iter().find(|probe| probe.address == address).map(|probe| &probe.reached);
    if subject.public_addresses.contains(&address) || answered == Some(&Reached::Expected) {
        Whose::Ours
    } else if subject.public_addresses.is_empty() {
        Whose::Unknown
    } else {
        Whose::Others
    }
}

/// What to write into DNS.
fn point_here(subject: &Subject, facts: &Facts) -> String {
    let name = &subject.name;
    let at = facts.aliases.last().map_or_else(|| name.to_string(), Clone::clone);
    let ours = &subject.public_addresses;
    match ours.iter().find(|address| address.is_ipv4()).or(ours.first()) {
        Some(address @ IpAddr::V4(_)) => format!("point an A record of {at} to {address}"),
        Some(address @ IpAddr::V6(_)) => format!("point an AAAA record of {at} to {address}"),
        None => format!("point an A record of {at} to this machine's public address"),
    }
}

fn list(addresses: &[IpAddr]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<String> = addresses.iter().take(SHOWN).map(IpAddr::to_string).collect();
    let more = addresses.len().saturating_sub(SHOWN);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

fn good(sentence: String) -> Step {
    Step::new("dns", Standing::Good, sentence)
}

fn unclear(sentence: String) -> Step {
    Step::new("dns", Standing::Unclear, sentence)
}

fn bad(sentence: String) -> Step {
    Step::new("dns", Standing::Bad, sentence)
}
