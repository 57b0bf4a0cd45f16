//! [`Way`]: a provider at work for somebody. Whose it is decides which files and servers it may use; for whom it works
//! decides which name servers are asked afterwards, and where an alias may lead a key that is the operator's.

use tokio::time::Instant;
use vestibule_names::{Hostname, TenantId};

use super::{failed, lookup::shown, reach::Reach, txt::Txt};
use crate::{
    config::{DnsProvider, NamedProvider, is_within},
    failure::{Failure, FailureKind},
};

/// What every challenge's name begins with (RFC 8555 section 8.4).
const CHALLENGE_LABEL: &[u8] = b"_acme-challenge";

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    pub(super) provider: &'a DnsProvider,
    /// Who set the provider up.
    pub(super) owner: TenantId,
    /// Whose name is proved.
    pub(super) tenant: TenantId,
    /// The operator's zones that it is for; empty: any.
    zones: &'a [Hostname],
    /// When the record must be seen; `None`: as late as [`super::Dns`] allows.
    pub(super) until: Option<Instant>,
}

impl<'a> Way<'a> {
    /// By a provider that this tenant has set up.
    pub fn own(provider: &'a DnsProvider, tenant: TenantId) -> Self {
        Self { provider, owner: tenant, tenant, zones: &[], until: None }
    }

    /// By one of the settings, for a tenant. Whether it serves that tenant has been asked before
    /// ([`NamedProvider::serves`]).
    pub fn of_settings(provider: &'a NamedProvider, tenant: TenantId) -> Self {
        let (owner, zones) = (TenantId::OPERATOR, &provider.zones);
        Self { provider: &provider.provider, owner, tenant, zones, until: None }
    }

    /// Not begun any more after this, and not waited for any longer. A program that was begun may end.
    #[must_use]
    pub fn until(self, end: Instant) -> Self {
        Self { until: Some(end), ..self }
    }

    /// The end of a wait, which may come earlier.
    pub(super) fn end(&self, end: Instant) -> Instant {
        self.until.map_or(end, |until| until.min(end))
    }

    pub(super) fn is_over(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// May the record stand where the challenge's alias leads? Who holds a name chooses the alias, and a key may be able to
    /// write more than challenges: with the operator's, a tenant must not get text to just any name.
    pub(super) fn check(&self, txt: &Txt, gateway_uid: u32) -> Result<(), Failure> {
        let target = txt.target.to_lowercase();
        let is_challenge = || target.iter().next() == Some(CHALLENGE_LABEL);
        let text = shown(&target);
        let is_ours = || match self.zones {
            [] => Reach::of(self.tenant, gateway_uid) == Reach::of(self.owner, gateway_uid),
            zones => zones.iter().any(|zone| is_within(&text, zone)),
        };
        // acme-dns has no other record than the one that its credentials are for, and that is looked at there.
        let is_bound = matches!(self.provider, DnsProvider::AcmeDns { .. });
        if is_bound || target == txt.asked.to_lowercase() || is_challenge() || is_ours() {
            return Ok(());
        }
        let sentence = format!(
            "the CNAME of _acme-challenge.{} leads to {text}, where the operator's DNS provider writes no record: let it lead \
             to a name that begins with `_acme-challenge.`; or the operator adds the zone to the provider's `zones`",
            txt.host
        );
        Err(failed(FailureKind::ValidationDns, sentence))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hickory_proto::rr::Name;

    use super::*;

    #[test]
    fn an_alias_leads_the_operators_key_to_challenges_and_to_its_zones_only() {
        let exec = DnsProvider::Exec { program: "/bin/true".into(), timeout: Duration::from_secs(1) };
        let (tenant, operator) = (TenantId(1000), TenantId::OPERATOR);
        let any = NamedProvider::for_all("any", exec.clone());
        let zones = vec![Hostname::parse("acme.test").unwrap()];
        let bound = NamedProvider { zones, ..any.clone() };
        let acme_dns = NamedProvider::for_all(
            "acme-dns",
            DnsProvider::AcmeDns { server: "https://auth.test".into(), credentials_file: "/x".into() },
        );
        let cases = [
            (Way::of_settings(&any, tenant), "_acme-challenge.ann.test", true),
            (Way::of_settings(&any, tenant), "_ACME-challenge.other.test", true),
            (Way::of_settings(&any, tenant), "www.bank.test", false),
            (Way::of_settings(&any, tenant), "x._acme-challenge.bank.test", false),
            (Way::of_settings(&any, operator), "www.bank.test", true),
            (Way::of_settings(&bound, tenant), "ann.ACME.test", true),
            (Way::of_settings(&bound, tenant), "ann.notacme.test", false),
            (Way::of_settings(&bound, operator), "www.bank.test", false),
            (Way::of_settings(&acme_dns, tenant), "0123.auth.test", true),
            (Way::own(&exec, tenant), "www.bank.test", true),
        ];
        for (way, target, expected) in cases {
            let mut txt = Txt::new(&Hostname::parse("ann.test").unwrap(), "VALUE").unwrap();
            txt.target = Name::from_ascii(format!("{target}.")).unwrap();
            let checked = way.check(&txt, 0);
            assert_eq!(checked.is_ok(), expected, "{way:?} to {target}: {checked:?}");
            if let Err(failure) = checked {
                assert!(failure.sentence.contains("begins with `_acme-challenge.`"), "{failure}");
            }
        }
    }
}
