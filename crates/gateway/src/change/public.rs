//! What a site has to do with public CAs: which of its names they certify ([`Wish`], told to the engine after the publish),
//! what is wrong with what it says of DNS providers, and whose identities a new certificate concerns.
//!
//! Not here: claims. Only names that a site holds come this far.

use std::sync::Arc;

use vestibule_acme::config::{DEFAULT_PROVIDER, Denial, NamedProvider, SiteDns, SiteOptions};
use vestibule_certs::{CertificateFiles, Identity, Origin, StoreNames};
use vestibule_diagnostics::{Diagnostic, Severity, Span, catalogue};
use vestibule_names::{HostPattern, SiteId, TenantId};
use vestibule_site::{
    Site, acme,
    site::{Spanned, Tls},
};
use vestibule_vhost::{TlsPolicy, Vhost};

use super::{Sites, Surroundings};
use crate::{
    challenge,
    config::{AcmeStanding, as_written},
    ledger::Version,
    live::SiteTable,
};

/// What the engine is to be told of one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// These names, and nothing else for this site.
    Want(SiteId, TenantId, Vec<HostPattern>, SiteOptions),
    /// Nothing any more.
    Unwant(SiteId),
}

impl Surroundings {
    /// Where the certificates of a site come from.
    pub(super) fn origin(&self, vhost: &Vhost) -> Origin {
        let is_public = |host: &HostPattern| !host.is_private();
        match &vhost.tls {
            TlsPolicy::Files(files) => {
                let (chain, key) = (files.chain.clone(), files.key.clone());
                Origin::Files(Box::new(CertificateFiles { chain, key }))
            }
            TlsPolicy::Auto if self.acme.is_some() && vhost.hosts.iter().any(is_public) => {
                Origin::Store { names: StoreNames::Public }
            }
            TlsPolicy::Acme if self.acme.is_some() => Origin::Store { names: StoreNames::All },
            TlsPolicy::Auto | TlsPolicy::Acme | TlsPolicy::Internal | TlsPolicy::Off => Origin::LocalCa,
        }
    }

    /// The names of a site that a CA certifies and that can be proved: no wildcard without a provider of DNS-01.
    pub(super) fn wanted(&self, vhost: &Vhost, options: Option<&SiteOptions>) -> Vec<HostPattern> {
        let Some(acme) = &self.acme else { return Vec::new() };
        let policy = match vhost.tls {
            TlsPolicy::Auto => StoreNames::Public,
            TlsPolicy::Acme => StoreNames::All,
            TlsPolicy::Internal | TlsPolicy::Files(_) | TlsPolicy::Off => return Vec::new(),
        };
        let named = options.is_some_and(|options| options.dns.is_some());
        let wanted = |host: &&HostPattern| {
            let certified = policy == StoreNames::All || !host.is_private();
            let is_wildcard = matches!(host, HostPattern::Wildcard(_));
            certified && (!is_wildcard || named || by_default(acme, vhost.tenant, host).is_ok())
        };
        vhost.hosts.iter().filter(wanted).cloned().collect()
    }

    /// What the engine must be told when one version of a site follows another; nothing when it knows already.
    pub(super) fn wish(
        &self,
        site: &SiteId,
        before: Option<(&Vhost, Option<&SiteOptions>)>,
        after: Option<(&Vhost, Option<&SiteOptions>)>,
    ) -> Option<Wish> {
        self.acme.as_ref()?;
        let wanted = |version: Option<(&Vhost, Option<&SiteOptions>)>| {
            version.map(|(vhost, options)| (vhost.tenant, self.wanted(vhost, options), options.cloned()))
        };
        let (before, after) = (wanted(before), wanted(after));
        let some = |wish: &(TenantId, Vec<HostPattern>, Option<SiteOptions>)| !wish.1.is_empty();
        match (before.filter(some), after.filter(some)) {
            (before, after) if before == after => None,
            (_, Some((tenant, names, options))) => {
                Some(Wish::Want(site.clone(), tenant, names, options.unwrap_or_default()))
            }
            (_, None) => Some(Wish::Unwant(site.clone())),
        }
    }

    /// What there is to say of a site and public CAs.
    pub(super) fn public_certificates(&self, id: &SiteId, version: &Version, site: &Site) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        found.extend(tenants_program(site, version.owner));
        if let Some(acme) = &self.acme {
            found.extend(challenge_routes(site));
            if let Some(mut unknown) = unfit_provider(site, version.owner, acme) {
                // An operator's change of the settings takes no site off that was good before.
                if self.ledger.as_ref().is_some_and(|ledger| ledger.has_good(id, version)) {
                    unknown.severity = Severity::Warning;
                }
                found.push(unknown);
            }
            found.extend(unprovable(site, version.owner, acme));
        } else if site.tls.value == Tls::Acme {
            found.push(no_ca(site.tls.span));
        } else if found.is_empty() {
            found.extend(idle_provider(site));
        }
        found
    }
}

/// Does the default provider prove this name? Otherwise: why not, if there is one at all.
fn by_default(acme: &AcmeStanding, tenant: TenantId, host: &HostPattern) -> Result<(), Option<Denial>> {
    provider(acme, DEFAULT_PROVIDER).ok_or(None)?.serves(tenant, host).map_err(Some)
}

fn provider<'a>(acme: &'a AcmeStanding, name: &str) -> Option<&'a NamedProvider> {
    acme.dns.iter().find(|provider| provider.name == name)
}

/// `tls: acme` where the operator has no CA.
fn no_ca(span: Span) -> Diagnostic {
    let message = "no CA is configured, so the local CA signs the certificates of this site";
    Diagnostic::new(catalogue::NO_PUBLIC_CERTIFICATE, message).at(span, "").help(
        "the operator writes `acme: {agree: true}` into the settings for Let's Encrypt, or `acme: {agree: true, \
         directory: URL}` for a CA of their own",
    )
}

/// A way into DNS that nobody goes, because no CA is asked.
fn idle_provider(site: &Site) -> Option<Diagnostic> {
    let span = site.acme.dns_span?;
    let found =
        Diagnostic::new(catalogue::NO_EFFECT, "`dns` has no effect: no CA is configured").at(span, "nobody asks");
    Some(found.help("the operator writes `acme: {agree: true}` into the settings for Let's Encrypt; or take `dns` out"))
}

/// A program runs as the gateway's user: a tenant's file must not start one.
fn tenants_program(site: &Site, owner: TenantId) -> Option<Diagnostic> {
    let own = matches!(site.acme.dns, Some(acme::SiteDns::Own(acme::DnsProvider::Exec { .. })));
    (own && owner != TenantId::OPERATOR).then(|| {
        Diagnostic::new(catalogue::DNS_PROVIDER, "a tenant's site may not name a program to run")
            .at(site.acme.dns_span.unwrap_or(site.tls.span), "it would run as the gateway's user")
            .help(
                "use `rfc2136` or `acme_dns`, or a provider that the operator has set up in the settings, by its name",
            )
    })
}

/// A provider by a name that the settings do not know, or that does not serve this site.
fn unfit_provider(site: &Site, owner: TenantId, acme: &AcmeStanding) -> Option<Diagnostic> {
    let Some(acme::SiteDns::Named(name)) = &site.acme.dns else { return None };
    if let Some(provider) = provider(acme, name) {
        let denied = |host: &Spanned<HostPattern>| Some((host.span, provider.serves(owner, &host.value).err()?));
        let (host, denial) = site.hosts.iter().find_map(denied)?;
        return Some(not_served(site, name, host, &denial));
    }
    let names: Vec<_> = acme.dns.iter().map(|provider| provider.name.as_str()).collect();
    let known = match &*names {
        [] => "the settings have none: the operator adds one under `acme.dns`".to_owned(),
        names => format!("the settings have {}", names.join(", ")),
    };
    let unknown = Diagnostic::new(catalogue::DNS_PROVIDER, format!("there is no DNS provider {name:?}"));
    Some(unknown.at(site.acme.dns_span.unwrap_or(site.tls.span), "").help(known))
}

fn not_served(site: &Site, name: &str, host: Span, denial: &Denial) -> Diagnostic {
    let (message, host) = match denial {
        Denial::Tenant { .. } => (format!("the DNS provider {name:?} does not serve this site"), None),
        Denial::Zone { .. } => (format!("the DNS provider {name:?} does not prove this host"), Some(host)),
    };
    let found = Diagnostic::new(catalogue::DNS_PROVIDER, message).at(site.acme.dns_span.unwrap_or(site.tls.span), "");
    let found = match host {
        Some(host) => found.and_at(host, "not in its zones"),
        None => found,
    };
    found.help(denial.to_string())
}

/// Names that only DNS-01 proves, without anybody who writes the record.
fn unprovable(site: &Site, owner: TenantId, acme: &AcmeStanding) -> Option<Diagnostic> {
    let all = match site.tls.value {
        Tls::Auto => false,
        Tls::Acme => true,
        Tls::Internal | Tls::Files { .. } | Tls::Off => return None,
    };
    if site.acme.dns.is_some() {
        return None;
    }
    let needs = |host: &&Spanned<HostPattern>| {
        let only_dns = site.acme.challenge == Some(acme::Challenge::Dns01);
        (all || !host.value.is_private()) && (only_dns || matches!(host.value, HostPattern::Wildcard(_)))
    };
    let denied = |host: &HostPattern| by_default(acme, owner, host).err();
    let (host, denial) = site.hosts.iter().filter(needs).find_map(|host| Some((host, denied(&host.value)?)))?;
    let message = match host.value {
        HostPattern::Wildcard(_) => format!("{} gets no certificate: a wildcard needs DNS-01", host.value),
        _ => format!("{} gets no certificate by the challenge dns-01", host.value),
    };
    let help = "name a DNS provider with `tls: {dns: …}`; the operator can set up one called `default` under \
                `acme.dns` of the settings";
    let found = Diagnostic::new(catalogue::NEEDS_DNS, message);
    Some(match denial {
        Some(denial) => found.at(host.span, "the default DNS provider does not serve it").help(denial.to_string()),
        None => found.at(host.span, "no DNS provider is known for it").help(help),
    })
}

fn challenge_routes(site: &Site) -> Option<Diagnostic> {
    let route = site.routes.iter().find(|route| challenge::is_ours(route.path.value.as_str()))?;
    let message = format!("the route {} is never reached", route.path.value);
    Some(
        Diagnostic::new(catalogue::CHALLENGE_ROUTE, message)
            .at(route.path.span, "the gateway answers here itself")
            .help("take the route out: the gateway proves the names of this site to the CA by itself"),
    )
}

/// `None` for a site that says nothing: most do, and their memory is not spent.
pub(super) fn options(site: &Site) -> Option<Box<SiteOptions>> {
    let acme = &site.acme;
    let options = SiteOptions {
        challenge: acme.challenge.map(as_written::challenge),
        profile: acme.profile.as_ref().map(as_written::profile),
        key_type: acme.key_type.map(as_written::key_type),
        dns: acme.dns.as_ref().map(|dns| match dns {
            acme::SiteDns::Named(name) => SiteDns::Named(name.clone()),
            acme::SiteDns::Own(provider) => SiteDns::Own(as_written::dns_provider(provider)),
        }),
    };
    (options != SiteOptions::default()).then(|| Box::new(options))
}

impl Sites {
    /// The identities that a certificate of this tenant with these names concerns, each once. A name costs one look-up; a
    /// wildcard also serves names below it, and costs a pass over the sites.
    pub(crate) fn identities(&self, table: &SiteTable, tenant: TenantId, names: &[HostPattern]) -> Vec<Arc<Identity>> {
        let table = table.load();
        let mut found: Vec<Arc<Identity>> = Vec::new();
        let mut add = |identity: &Option<Arc<Identity>>| {
            if let Some(identity) = identity
                && !found.iter().any(|known| Arc::ptr_eq(known, identity))
            {
                found.push(Arc::clone(identity));
            }
        };
        for name in names {
            match name {
                HostPattern::Exact(_) | HostPattern::Address(_) => {
                    table.resolve(&name.to_string()).into_iter().for_each(|site| add(&site.identity));
                }
                HostPattern::Wildcard(suffix) => {
                    let of_tenant = self.records.values().filter_map(|record| record.live.as_ref());
                    of_tenant
                        .filter(|live| live.vhost.tenant == tenant)
                        .filter(|live| live.vhost.hosts.iter().any(|host| is_below(host, suffix.as_str())))
                        .for_each(|live| add(&live.identity));
                }
            }
        }
        found
    }
}

/// The wildcard itself, or a name that it covers.
fn is_below(host: &HostPattern, suffix: &str) -> bool {
    match host {
        HostPattern::Wildcard(own) => own.as_str() == suffix,
        HostPattern::Exact(name) => name.as_str().split_once('.').is_some_and(|(_, rest)| rest == suffix),
        HostPattern::Address(_) => false,
    }
}
