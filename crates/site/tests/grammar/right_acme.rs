//! What files say about public CAs is understood, with every default filled in.

use std::time::Duration;

use vestibule_names::TenantId;
use vestibule_site::{
    acme::{
        Acme, Challenge, DnsProvider, KeyType, NamedProvider, Profile, SiteAcme, SiteDns, Tenants, WithoutCertificate,
    },
    parse_settings, parse_site,
    site::Tls,
};

fn acme(text: &str) -> Acme {
    let parsed = parse_settings(text.as_bytes());
    assert!(parsed.diagnostics.is_empty(), "{}", super::messages("x", text.as_bytes(), &parsed.diagnostics));
    parsed.value.unwrap().acme.unwrap()
}

fn tls(text: &str) -> (Tls, SiteAcme) {
    let text = format!("hosts: a.test\nupstream: 5000\n{text}\n");
    let parsed = parse_site(text.as_bytes());
    assert!(parsed.diagnostics.is_empty(), "{}", super::messages("x", text.as_bytes(), &parsed.diagnostics));
    let site = parsed.value.unwrap();
    (site.tls.value, site.acme)
}

#[test]
fn agreeing_is_enough() {
    let acme = acme("acme: {agree: true}\n");
    assert!(acme.agree && acme.check_dns && !acme.ca.staging);
    assert_eq!(acme.ca, vestibule_site::acme::AcmeCa::default());
    assert_eq!((acme.hold, acme.without_certificate), (None, WithoutCertificate::Placeholder));
    assert_eq!((acme.span.start, acme.span.end), (0, 4));
    assert!(acme.failover.is_empty() && acme.hooks.is_empty() && acme.dns.is_empty());
}

#[test]
fn what_is_not_agreed_to_is_not_agreed() {
    assert!(!acme("acme: {}\n").agree);
    assert!(!acme("acme: {email: ops@a.test}\n").agree);
    assert!(parse_settings(b"workers: 2\n").value.unwrap().acme.is_none());
}

#[test]
fn a_ca_says_all_there_is_to_say() {
    let acme = acme(
        "acme:\n  agree: true\n  name: our-ca\n  directory: https://ca.test:14000/dir\n  root: roots.pem\n  \
         email: ops@a.test\n  eab: {kid: 0123, hmac_file: eab.key}\n  profile: {name: tlsserver, required: true}\n  \
         challenges: [tls-alpn-01, http-01]\n  preferred_chain: Some Root X1\n  limits:\n    orders: 600 / 3h\n    \
         certificates_per_domain: none\n    names_per_certificate: 10\n",
    );
    let ca = acme.ca;
    assert_eq!((ca.name.as_deref(), ca.directory.as_deref()), (Some("our-ca"), Some("https://ca.test:14000/dir")));
    assert_eq!((ca.root.unwrap().value, ca.email.as_deref()), ("roots.pem".into(), Some("ops@a.test")));
    let (kid, hmac_file) = ca.eab.unwrap();
    assert_eq!((kid.as_str(), hmac_file.value), ("0123", "eab.key".into()));
    assert_eq!(ca.profile, Some(Profile { name: "tlsserver".into(), required: true }));
    assert_eq!(ca.challenges, [Challenge::TlsAlpn01, Challenge::Http01]);
    assert_eq!(ca.preferred_chain.as_deref(), Some("Some Root X1"));
    assert_eq!(ca.limits.orders, Some((600, Duration::from_secs(3 * 3600))));
    assert_eq!(ca.limits.certificates_per_domain, Some((u32::MAX, Duration::ZERO)));
    assert_eq!((ca.limits.certificates_per_set, ca.limits.names_per_certificate), (None, Some(10)));
}

#[test]
fn what_happens_around_the_cas() {
    let acme = acme(
        "acme:\n  failover: [{directory: https://b.test/}, {staging: true}]\n  hooks: [/bin/a, [/bin/b, --x, 1]]\n  \
         hold: 0s\n  without_certificate: alert\n  check_dns: false\n  resolvers: [9.9.9.9, \"[::1]:5353\", 2001:db8::1]\n  \
         public_addresses: [198.51.100.7, 2001:db8::7]\n",
    );
    assert_eq!(acme.failover.len(), 2);
    assert_eq!((acme.failover[0].directory.as_deref(), acme.failover[1].staging), (Some("https://b.test/"), true));
    let hooks: Vec<_> =
        acme.hooks.iter().map(|hook| hook.value.iter().map(String::as_str).collect::<Vec<_>>()).collect();
    assert_eq!(hooks, [vec!["/bin/a"], vec!["/bin/b", "--x", "1"]]);
    assert_eq!((acme.hold, acme.without_certificate), (Some(Duration::ZERO), WithoutCertificate::Alert));
    assert!(!acme.check_dns);
    let resolvers: Vec<_> = acme.resolvers.iter().map(ToString::to_string).collect();
    assert_eq!(resolvers, ["9.9.9.9:53", "[::1]:5353", "[2001:db8::1]:53"]);
    assert_eq!(acme.public_addresses.len(), 2);
}

#[test]
fn providers_have_names() {
    let acme = acme(
        "acme:\n  dns:\n    default: {exec: /bin/hook}\n    slow: {exec: {program: /bin/hook, timeout: 10m}}\n    \
         own:\n      rfc2136: {server: 192.0.2.53, key_name: acme_key., key_file: /k}\n    \
         far:\n      acme_dns: {server: https://auth.test, credentials_file: /c.json}\n",
    );
    let names: Vec<_> = acme.dns.iter().map(|named| named.name.as_str()).collect();
    assert_eq!(names, ["default", "slow", "own", "far"]);
    let exec = |named: &NamedProvider| match &named.provider {
        DnsProvider::Exec { program, timeout } => (program.value.clone(), timeout.as_secs()),
        other => panic!("{other:?}"),
    };
    assert_eq!((exec(&acme.dns[0]), exec(&acme.dns[1])), (("/bin/hook".into(), 120), ("/bin/hook".into(), 600)));
    let DnsProvider::Rfc2136 { server, key_name, algorithm, key_file } = &acme.dns[2].provider else {
        panic!("{:?}", acme.dns[2])
    };
    assert_eq!((server.to_string().as_str(), key_name.as_str()), ("192.0.2.53:53", "acme_key."));
    assert_eq!((algorithm.as_str(), key_file.value.to_str()), ("hmac-sha256", Some("/k")));
}

#[test]
fn a_provider_says_whom_and_what_it_serves() {
    let one = |scope: &str| acme(&format!("acme:\n  dns: {{default: {{exec: /bin/hook{scope}}}}}\n")).dns.remove(0);
    assert_eq!((one("").zones, one("").tenants), (vec![], Tenants::Operator));
    assert_eq!(one(", tenants: all").tenants, Tenants::All);
    assert_eq!(one(", tenants: 1000").tenants, Tenants::Listed(vec![TenantId(1000)]));
    assert_eq!(one(", tenants: [1000, 0]").tenants, Tenants::Listed(vec![TenantId(1000), TenantId::OPERATOR]));
    let zones: Vec<_> = one(", zones: [Example.com, b.test]").zones.iter().map(ToString::to_string).collect();
    assert_eq!(zones, ["example.com", "b.test"]);
}

#[test]
fn every_word_of_tls() {
    for (text, expected) in [
        ("tls: auto", Tls::Auto),
        ("tls: acme", Tls::Acme),
        ("tls: internal", Tls::Internal),
        ("tls: off", Tls::Off),
        ("tls: {certificate: auto}", Tls::Auto),
        ("tls: {certificate: acme}", Tls::Acme),
        ("tls: {certificate: internal}", Tls::Internal),
        ("tls: {challenge: http-01}", Tls::Auto),
        ("tls: {certificate: acme, dns: default}", Tls::Acme),
    ] {
        assert_eq!(tls(text).0, expected, "{text}");
    }
}

#[test]
fn a_site_says_what_it_wants_of_a_ca() {
    assert_eq!(tls("tls: auto").1, SiteAcme::default());
    let (_, wish) = tls("tls: {challenge: dns-01, profile: shortlived, key_type: rsa-2048, dns: cloud}");
    assert_eq!((wish.challenge, wish.key_type), (Some(Challenge::Dns01), Some(KeyType::Rsa2048)));
    assert_eq!(wish.profile, Some(Profile { name: "shortlived".into(), required: false }));
    assert_eq!(wish.dns, Some(SiteDns::Named("cloud".into())));
    assert!(wish.dns_span.is_some());

    let (_, wish) = tls("tls: {dns: {exec: /bin/hook}}");
    let Some(SiteDns::Own(DnsProvider::Exec { program, timeout })) = wish.dns else { panic!("{wish:?}") };
    assert_eq!((program.value, timeout), ("/bin/hook".into(), Duration::from_secs(120)));
}
