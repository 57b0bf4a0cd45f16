//! What a site's `tls` says of a public certificate: `challenge`, `profile`, `key_type` and `dns`.

use vestibule_diagnostics::{Diagnostic, catalogue};
use vestibule_names::HostPattern;

use super::{challenge, dns, is_name, profile};
use crate::{
    acme::{Challenge, KeyType, SiteAcme, SiteDns},
    findings::Findings,
    read::fields::{Field, Fields},
    site::Spanned,
    yaml::Value,
};

/// These keys, in the order of the tables.
pub(in crate::read) const KEYS: [&str; 4] = ["challenge", "profile", "key_type", "dns"];

/// Reads them.
pub(in crate::read) fn site_acme(
    fields: &Fields<'_>,
    hosts: &[Spanned<HostPattern>],
    findings: &mut Findings,
) -> SiteAcme {
    let only = fields.take("challenge");
    let chosen = only.and_then(|field| field.choice(findings)).map(|(_, word)| challenge(word));
    let dns = fields.take("dns");
    if let (Some(only), Some(chosen)) = (only, chosen) {
        let hosts_fit = fits_hosts(only, chosen, hosts, findings);
        if let Some(dns) = dns.filter(|_| hosts_fit && chosen != Challenge::Dns01) {
            findings.push(without_use(only, dns));
        }
    }
    SiteAcme {
        challenge: chosen,
        profile: fields.take("profile").and_then(|field| profile(field, findings)),
        key_type: fields.take("key_type").and_then(|field| field.choice(findings)).map(|(_, word)| key_type(word)),
        dns: dns.and_then(|field| site_dns(field, findings)),
        dns_span: dns.map(|field| field.node.span),
    }
}

/// A wildcard is proved by DNS-01 alone (RFC 8555 section 7.1.3), an address by everything but (RFC 8738 section 7).
fn fits_hosts(field: Field<'_>, chosen: Challenge, hosts: &[Spanned<HostPattern>], findings: &mut Findings) -> bool {
    let unfit = hosts.iter().find(|host| match host.value {
        HostPattern::Wildcard(_) => chosen != Challenge::Dns01,
        HostPattern::Address(_) => chosen == Challenge::Dns01,
        HostPattern::Exact(_) => false,
    });
    let Some(host) = unfit else { return true };
    let (message, help) = match chosen {
        Challenge::Dns01 => (
            format!("{} cannot be proved by `dns-01`", host.value),
            "an address has no records: remove `challenge`, or give the address a site file of its own",
        ),
        _ => (
            format!("{} can be proved by `dns-01` alone", host.value),
            "write `challenge: dns-01` (and `dns` unless the operator has a default), or list the names one by one",
        ),
    };
    findings.push(
        Diagnostic::new(catalogue::CHALLENGE_UNFIT, message)
            .at(field.node.span, "not by this challenge")
            .and_at(host.span, "this host")
            .help(help),
    );
    false
}

fn without_use(challenge: Field<'_>, dns: Field<'_>) -> Diagnostic {
    Diagnostic::new(catalogue::CONFLICTING_KEYS, "`dns` is for `dns-01`, and `challenge` wants another")
        .at(dns.key_span, "a way into DNS")
        .and_at(challenge.node.span, "never needs it")
        .help("remove one of the two, or write `challenge: dns-01`")
}

fn key_type(word: &str) -> KeyType {
    match word {
        "ecdsa-p384" => KeyType::EcdsaP384,
        "rsa-2048" => KeyType::Rsa2048,
        "rsa-4096" => KeyType::Rsa4096,
        _ => KeyType::EcdsaP256,
    }
}

fn site_dns(field: Field<'_>, findings: &mut Findings) -> Option<SiteDns> {
    if let (Value::Mapping(_), Some(table)) = (&field.node.value, field.key.shape.table()) {
        return dns::provider(field.node, "`dns`", table, findings).map(SiteDns::Own);
    }
    let scalar = field.scalar(findings)?;
    if !is_name(scalar.text) {
        let message = format!("{} is no name of a provider", scalar.quoted());
        let finding = scalar.finding(catalogue::BAD_VALUE, message, "not a name");
        findings
            .push(finding.help("write a name from the operator's settings, or a mapping with a provider of your own"));
        return None;
    }
    Some(SiteDns::Named(scalar.text.to_owned()))
}
