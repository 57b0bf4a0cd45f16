//! `acme` of the settings → what the gateway needs to know of CAs. Nothing is asked of anybody here.

use std::time::Duration;

use vestibule_gateway::config::{
    AcmePolicy, CaId,
    acme::{CaConfig, CaLimits, Config, Eab, NamedProvider, Rate, Tenants},
    as_written,
};
use vestibule_names::TenantId;
use vestibule_site::acme::{self as written, Acme, AcmeCa, AcmeLimits};

/// How long a handshake waits for a first certificate that is on its way, unless the settings say otherwise.
const HOLD: Duration = Duration::from_secs(5);

/// The policy, once the operator has agreed to the terms of the CAs.
pub(super) fn policy(acme: Option<&Acme>) -> Option<AcmePolicy> {
    let acme = acme.filter(|acme| acme.agree)?;
    let dns: Vec<_> = acme.dns.iter().map(named_provider).collect();
    let cas = std::iter::once(&acme.ca).chain(&acme.failover).filter_map(|one| ca(one, &dns)).collect();
    Some(AcmePolicy {
        config: Config {
            hooks: acme.hooks.iter().map(|hook| hook.value.clone()).collect(),
            resolvers: acme.resolvers.clone(),
            advisory_checks: acme.check_dns,
            public_addresses: acme.public_addresses.clone(),
            ..Config::new(cas)
        },
        hold: acme.hold.unwrap_or(HOLD),
        without_certificate: acme.without_certificate,
    })
}

fn ca(ca: &AcmeCa, dns: &[NamedProvider]) -> Option<CaConfig> {
    let id = CaId::new(&ca.id());
    debug_assert!(id.is_some(), "the reader lets only names through that a CA can have: {}", ca.id());
    let standard = CaConfig::new(id?, ca.directory());
    let challenges = ca.challenges.iter().map(|one| as_written::challenge(*one)).collect::<Vec<_>>();
    Some(CaConfig {
        root: ca.root.as_ref().map(|root| root.value.clone()),
        email: ca.email.clone(),
        eab: ca.eab.clone().map(|(kid, hmac_file)| Eab { kid, hmac_file: hmac_file.value }),
        profile: ca.profile.as_ref().map(as_written::profile),
        challenges: if challenges.is_empty() { standard.challenges } else { challenges },
        preferred_chain: ca.preferred_chain.clone(),
        limits: limits(ca.limits, standard.limits),
        dns: dns.to_vec(),
        ..standard
    })
}

fn limits(written: AcmeLimits, known: CaLimits) -> CaLimits {
    let rate =
        |written: Option<(u32, Duration)>, known| written.map_or(known, |(count, window)| Rate { count, window });
    let most = written.names_per_certificate.and_then(|names| usize::try_from(names).ok());
    let names = |known: usize| most.map_or(known, |most| most.min(known));
    CaLimits {
        orders: rate(written.orders, known.orders),
        certificates_per_domain: rate(written.certificates_per_domain, known.certificates_per_domain),
        certificates_per_set: rate(written.certificates_per_set, known.certificates_per_set),
        failed_authorizations: rate(written.failed_authorizations, known.failed_authorizations),
        names_per_certificate: most.unwrap_or(known.names_per_certificate),
        // A profile's own limit is the CA's for that profile: fewer names may be wanted, more are never allowed.
        names_with_profile: known.names_with_profile.into_iter().map(|(name, most)| (name, names(most))).collect(),
        ..known
    }
}

/// A gateway that does not run as root serves its own user, who is its operator.
fn named_provider(named: &written::NamedProvider) -> NamedProvider {
    let us = TenantId(rustix::process::geteuid().as_raw());
    NamedProvider {
        name: named.name.clone(),
        provider: as_written::dns_provider(&named.provider),
        zones: named.zones.clone(),
        tenants: match &named.tenants {
            written::Tenants::Operator => Tenants::Only(vec![us]),
            written::Tenants::All => Tenants::All,
            written::Tenants::Listed(listed) => Tenants::Only(listed.iter().copied().chain([us]).collect()),
        },
    }
}

#[cfg(test)]
mod tests {
    use vestibule_gateway::config::{
        WithoutCertificate,
        acme::{self as decided, ChallengeKind, Need, Profile},
    };

    use super::*;

    fn decide(settings: &str) -> Option<AcmePolicy> {
        let parsed = vestibule_site::parse_settings(settings.as_bytes());
        assert!(parsed.diagnostics.is_empty(), "{settings}: {:?}", parsed.diagnostics);
        policy(parsed.value.unwrap().acme.as_ref())
    }

    #[test]
    fn nobody_is_asked_before_the_terms_are_agreed_to() {
        for settings in ["workers: 1\n", "acme: {}\n", "acme: {agree: false, email: ops@a.test}\n"] {
            assert!(decide(settings).is_none(), "{settings}");
        }
    }

    #[test]
    fn agreeing_means_lets_encrypt_within_its_limits() {
        let policy = decide("acme: {agree: true}\n").unwrap();
        let [ca] = &policy.config.cas[..] else { panic!("one CA: {policy:?}") };
        assert_eq!((ca.id.as_str(), ca.directory.as_str()), ("letsencrypt", decided::LETS_ENCRYPT));
        assert_eq!(ca.limits, CaLimits::lets_encrypt());
        assert_eq!(ca.challenges, ChallengeKind::ALL);
        assert_eq!((policy.hold, policy.without_certificate), (HOLD, WithoutCertificate::Placeholder));
        assert!(policy.config.advisory_checks);
    }

    #[test]
    fn the_directories_of_lets_encrypt_are_written_alike_everywhere() {
        assert_eq!(written::LETS_ENCRYPT, decided::LETS_ENCRYPT);
        assert_eq!(written::LETS_ENCRYPT_STAGING, decided::LETS_ENCRYPT_STAGING);
    }

    #[test]
    fn every_ca_has_a_name_limits_and_the_providers() {
        let policy = decide(
            "acme:\n  agree: true\n  staging: true\n  profile: {name: shortlived, required: true}\n  \
             limits: {names_per_certificate: 10}\n  dns: {default: {exec: /bin/hook}}\n  failover:\n    \
             - directory: https://ca.test:14000/dir\n      eab: {kid: a, hmac_file: /k}\n      \
             challenges: dns-01\n      limits: {orders: 5/1h}\n",
        );
        let cas = policy.unwrap().config.cas;
        let names: Vec<_> = cas.iter().map(|ca| (ca.id.as_str(), ca.dns.len())).collect();
        assert_eq!(names, [("letsencrypt-staging", 1), ("ca-test-14000", 1)]);
        assert_eq!(cas[0].profile, Some(Profile { name: "shortlived".into(), need: Need::Required }));
        assert_eq!((cas[0].limits.names_with(None), cas[0].limits.names_with(Some("shortlived"))), (10, 10));
        assert_eq!(cas[1].limits.orders, Rate { count: 5, window: Duration::from_secs(3600) });
        assert!(cas[1].limits.certificates_per_domain.is_unlimited());
        assert_eq!(cas[1].challenges, [ChallengeKind::Dns01]);
        let provider = cas[1].provider("default").unwrap();
        assert!(provider.tenants.include(TenantId::OPERATOR) && !provider.tenants.include(TenantId(4_000_000)));
        assert_eq!(cas[1].eab.as_ref().map(|eab| eab.kid.as_str()), Some("a"));
    }

    #[test]
    fn a_limit_of_none_limits_nothing() {
        let policy = decide("acme: {agree: true, limits: {orders: none}}\n").unwrap();
        assert!(policy.config.cas[0].limits.orders.is_unlimited());
        assert!(!policy.config.cas[0].limits.certificates_per_set.is_unlimited());
    }
}
