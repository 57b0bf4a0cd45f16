//! What an order says, case by case.

use std::time::Duration;

use vestibule_certs::store::CaId;

use super::*;
use crate::config::{CaLimits, DnsProvider, NamedProvider, Tenants};

const TENANT: TenantId = TenantId(1000);
const HTTP: ChallengeKind = ChallengeKind::Http01;
const ALPN: ChallengeKind = ChallengeKind::TlsAlpn01;
const DNS: ChallengeKind = ChallengeKind::Dns01;

fn ca(provider: Option<&str>) -> CaConfig {
    let id = CaId::new("le").unwrap();
    let mut ca = CaConfig::new(id, "https://acme-v02.api.letsencrypt.org/directory");
    let exec = DnsProvider::Exec { program: "/bin/true".into(), timeout: Duration::from_secs(1) };
    ca.dns = provider.map(|name| NamedProvider::for_all(name, exec)).into_iter().collect();
    ca
}

fn options(challenge: Option<ChallengeKind>, dns: Option<&str>) -> SiteOptions {
    let dns = dns.map(|name| SiteDns::Named(name.to_owned()));
    SiteOptions { challenge, dns, ..SiteOptions::default() }
}

/// The challenges of an order of this name alone, or the sentence that says why there is none.
fn check(provider: Option<&str>, text: &str, options: &SiteOptions, expected: Result<&[ChallengeKind], &str>) {
    let name: HostPattern = text.parse().unwrap();
    let found = resolve(&ca(provider), TENANT, &name, options).map(|terms| terms.challenges_for(&[name], None, &[]));
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
    check(default, "*.a.com", &options(None, None), Ok(&[DNS, HTTP, ALPN]));
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
    let terms = resolve(&ca, TENANT, &names[0], &SiteOptions::default()).unwrap();
    assert_eq!(terms, resolve(&ca, TENANT, &names[1], &SiteOptions::default()).unwrap(), "they share a certificate");
    assert_eq!(terms.challenges_for(&names, None, &[]), [DNS, HTTP]);
    assert_eq!(terms.challenges_for(&names[..1], None, &[]), [HTTP]);
}

#[test]
fn what_worked_leads_and_what_failed_comes_last() {
    let name: HostPattern = "a.com".parse().unwrap();
    let terms = resolve(&ca(Some("default")), TENANT, &name, &SiteOptions::default()).unwrap();
    for (first, last, expected) in [
        (Some(ALPN), None, [ALPN, HTTP, DNS]),
        (None, Some(HTTP), [ALPN, DNS, HTTP]),
        (Some(DNS), Some(HTTP), [DNS, ALPN, HTTP]),
        (Some(HTTP), Some(HTTP), [ALPN, DNS, HTTP]),
    ] {
        assert_eq!(
            terms.challenges_for(std::slice::from_ref(&name), first, last.as_slice()),
            expected,
            "{first:?} {last:?}"
        );
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
        let terms = resolve(&ca, TENANT, &text.parse().unwrap(), &options).unwrap();
        assert_eq!((terms.profile, terms.most), (profile, most), "{text} {directory}");
    }
}

#[test]
fn a_provider_of_the_operator_serves_whom_and_what_it_is_for() {
    let ours = || Tenants::Only(vec![TENANT]);
    let only_operators = || Tenants::Only(Vec::new());
    let (plain, named, dns) = (options(None, None), options(None, Some("default")), options(Some(DNS), None));
    type Case<'a> = (Tenants, &'a str, &'a SiteOptions, &'a str, Result<&'a [ChallengeKind], &'a str>);
    let cases: [Case<'_>; 9] = [
        (only_operators(), "", &plain, "a.com", Ok(&[HTTP, ALPN])),
        (only_operators(), "", &plain, "*.a.com", Err("*.a.com needs DNS-01, and the DNS provider `default`")),
        (only_operators(), "", &dns, "a.com", Err("`tenants: [1000]`")),
        (only_operators(), "", &named, "a.com", Err("does not serve sites of uid 1000")),
        (ours(), "", &plain, "*.a.com", Ok(&[DNS, HTTP, ALPN])),
        (ours(), "a.com", &dns, "x.a.com", Ok(&[DNS])),
        (ours(), "a.com", &plain, "b.com", Ok(&[HTTP, ALPN])),
        (ours(), "a.com", &dns, "b.com", Err("proves names in a.com only, and b.com is not there")),
        (ours(), "a.com", &named, "*.b.com", Err("`zones` under `acme.dns.default`")),
    ];
    for (tenants, zone, options, text, expected) in cases {
        let mut ca = ca(Some("default"));
        ca.dns[0].tenants = tenants;
        ca.dns[0].zones =
            Some(zone).filter(|zone| !zone.is_empty()).map(|zone| zone.parse().unwrap()).into_iter().collect();
        let name: HostPattern = text.parse().unwrap();
        let found = resolve(&ca, TENANT, &name, options).map(|terms| terms.challenges_for(&[name], None, &[]));
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{text} {options:?}"),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{text} {options:?}: {found}"),
            (found, expected) => panic!("{text} {options:?}: {found:?} instead of {expected:?}"),
        }
    }
}

#[test]
fn a_look_at_addresses_says_nothing_about_what_a_txt_record_proves() {
    let (plain, named, dns) = (options(None, None), options(None, Some("other")), options(Some(DNS), None));
    for (provider, text, options, beside, expected) in [
        (None, "a.com", &plain, Beside::Names, true),
        (Some("default"), "a.com", &plain, Beside::Names, true),
        (Some("default"), "a.com", &plain, Beside::Wildcard, false),
        (Some("other"), "a.com", &plain, Beside::Wildcard, true),
        (Some("other"), "a.com", &named, Beside::Names, false),
        (Some("default"), "a.com", &dns, Beside::Names, false),
        (Some("default"), "*.a.com", &plain, Beside::Wildcard, false),
    ] {
        let found = looks_matter(&ca(provider), TENANT, &text.parse().unwrap(), options, beside);
        assert_eq!(found, expected, "{provider:?} {text} {options:?} {beside:?}");
    }
}
