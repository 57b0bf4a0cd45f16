//! What an order says, case by case.

use std::time::Duration;

use vestibule_certs::store::CaId;

use super::*;
use crate::config::{CaLimits, DnsProvider};

const HTTP: ChallengeKind = ChallengeKind::Http01;
const ALPN: ChallengeKind = ChallengeKind::TlsAlpn01;
const DNS: ChallengeKind = ChallengeKind::Dns01;

fn ca(provider: Option<&str>) -> CaConfig {
    let id = CaId::new("le").unwrap();
    let mut ca = CaConfig::new(id, "https://acme-v02.api.letsencrypt.org/directory");
    let exec = DnsProvider::Exec { program: "/bin/true".into(), timeout: Duration::from_secs(1) };
    ca.dns = provider.map(|name| (name.to_owned(), exec)).into_iter().collect();
    ca
}

fn options(challenge: Option<ChallengeKind>, dns: Option<&str>) -> SiteOptions {
    let dns = dns.map(|name| SiteDns::Named(name.to_owned()));
    SiteOptions { challenge, dns, ..SiteOptions::default() }
}

/// The challenges of an order of this name alone, or the sentence that says why there is none.
fn check(provider: Option<&str>, text: &str, options: &SiteOptions, expected: Result<&[ChallengeKind], &str>) {
    let name: HostPattern = text.parse().unwrap();
    let found = resolve(&ca(provider), &name, options).map(|terms| terms.challenges_for(&[name], None, None));
    match (found, expected) {
        (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text} {options:?}"),
        (Err(found), Err(expected)) => assert!(found.contains(expected), "{text} {options:?}: {found}"),
        (found, expected) => panic!("{text} {options:?}: {found:?} instead of {expected:?}"),
    }
}

#[test]
fn challenges_follow_from_the_name_the_site_and_the_providers() {
    let default = Some("default");
    check(None, "a.com", &options(None, None), Ok(&[HTTP, ALPN]));
    check(default, "a.com", &options(None, None), Ok(&[HTTP, ALPN, DNS]));
    check(Some("other"), "a.com", &options(None, None), Ok(&[HTTP, ALPN]));
    check(Some("other"), "a.com", &options(None, Some("other")), Ok(&[DNS, HTTP, ALPN]));
    check(default, "a.com", &options(None, Some("nonesuch")), Err("nonesuch"));
    check(default, "a.com", &options(Some(ALPN), None), Ok(&[ALPN]));
    check(default, "a.com", &options(Some(DNS), None), Ok(&[DNS]));
    check(None, "a.com", &options(Some(DNS), None), Err("no `dns` provider"));
    check(default, "*.a.com", &options(None, None), Ok(&[HTTP, ALPN, DNS]));
    check(default, "*.a.com", &options(Some(HTTP), None), Err("only be proved with dns-01"));
    check(None, "*.a.com", &options(None, None), Err("needs DNS-01"));
    check(default, "9.9.9.9", &options(None, None), Ok(&[HTTP, ALPN]));
    check(default, "9.9.9.9", &options(Some(DNS), None), Err("address"));
}

#[test]
fn a_wildcard_adds_dns_even_when_the_ca_is_asked_without() {
    let mut ca = ca(Some("default"));
    ca.challenges = vec![HTTP];
    let names: Vec<HostPattern> = ["a.com", "*.a.com"].map(|text| text.parse().unwrap()).to_vec();
    let terms = resolve(&ca, &names[0], &SiteOptions::default()).unwrap();
    assert_eq!(terms, resolve(&ca, &names[1], &SiteOptions::default()).unwrap(), "they share a certificate");
    assert_eq!(terms.challenges_for(&names, None, None), [HTTP, DNS]);
    assert_eq!(terms.challenges_for(&names[..1], None, None), [HTTP]);
}

#[test]
fn what_worked_leads_and_what_failed_comes_last() {
    let name: HostPattern = "a.com".parse().unwrap();
    let terms = resolve(&ca(Some("default")), &name, &SiteOptions::default()).unwrap();
    for (first, last, expected) in [
        (Some(ALPN), None, [ALPN, HTTP, DNS]),
        (None, Some(HTTP), [ALPN, DNS, HTTP]),
        (Some(DNS), Some(HTTP), [DNS, ALPN, HTTP]),
        (Some(HTTP), Some(HTTP), [ALPN, DNS, HTTP]),
    ] {
        assert_eq!(terms.challenges_for(std::slice::from_ref(&name), first, last), expected, "{first:?} {last:?}");
    }
}

#[test]
fn profiles_and_sizes() {
    let short = |need| Some(Profile { name: "shortlived".into(), need });
    let preferred = SiteOptions { profile: short(Need::Preferred), ..SiteOptions::default() };
    for (text, directory, options, profile, most) in [
        ("a.com", "https://acme-v02.api.letsencrypt.org/directory", SiteOptions::default(), None, 100),
        (
            "9.9.9.9",
            "https://acme-v02.api.letsencrypt.org/directory",
            SiteOptions::default(),
            short(Need::Required),
            25,
        ),
        ("9.9.9.9", "https://acme.ca.net/letsencrypt.org/dir", SiteOptions::default(), None, 100),
        ("9.9.9.9", "https://letsencrypt.org.evil.net/dir", SiteOptions::default(), None, 100),
        ("a.com", "https://acme-v02.api.letsencrypt.org/directory", preferred.clone(), short(Need::Preferred), 25),
    ] {
        let ca = CaConfig { directory: directory.into(), limits: CaLimits::lets_encrypt(), ..ca(None) };
        let terms = resolve(&ca, &text.parse().unwrap(), &options).unwrap();
        assert_eq!((terms.profile, terms.most), (profile, most), "{text} {directory}");
    }
}
