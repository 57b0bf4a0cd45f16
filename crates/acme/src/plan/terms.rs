//! [`Terms`]: what a name's order says beyond names, from the CA's configuration and the site's options. Only names with
//! equal terms share a certificate.

use vestibule_certs::store::KeyType;
use vestibule_names::{HostPattern, TenantId};

use crate::config::{CaConfig, ChallengeKind, DEFAULT_PROVIDER, Denial, Need, Profile, SiteDns, SiteOptions};

/// The only profile with which Let's Encrypt certifies addresses.
const ADDRESS_PROFILE: &str = "shortlived";

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Terms {
    pub(super) profile: Option<Profile>,
    pub(super) key_type: KeyType,
    /// In the order of preference. A wildcard adds DNS-01, see [`Terms::challenges_for`].
    challenges: Vec<ChallengeKind>,
    pub(super) dns: Option<SiteDns>,
    /// Names in one certificate.
    pub(super) most: usize,
    /// Addresses are never mixed with names.
    is_address: bool,
}

/// What an order of this tenant for this name would say at this CA; an error is one sentence about what must be changed.
pub(super) fn resolve(
    ca: &CaConfig,
    tenant: TenantId,
    name: &HostPattern,
    options: &SiteOptions,
) -> Result<Terms, String> {
    let is_address = matches!(name, HostPattern::Address(_));
    let profile = options.profile.clone().or_else(|| ca.profile.clone()).or_else(|| address_profile(ca, is_address));
    let (dns, denial) = provider(ca, tenant, name, options)?;
    let challenges = challenges(ca, options, dns.as_ref(), is_address);
    let wildcard = matches!(name, HostPattern::Wildcard(_));
    if wildcard && dns.is_none() {
        return Err(denial.map_or_else(
            || format!("{name} needs DNS-01, and the site has no `dns` provider: name one, or list the hosts"),
            |denial| format!("{name} needs DNS-01, and {denial}"),
        ));
    }
    if wildcard && options.challenge.is_some_and(|only| only != ChallengeKind::Dns01) {
        return Err(format!("{name} can only be proved with dns-01: take the site's `challenge` away"));
    }
    if challenges.is_empty() && !wildcard {
        return Err(match is_address {
            true => format!("{name} is an address, which dns-01 cannot prove: allow http-01 or tls-alpn-01"),
            false => denial.map_or_else(
                || format!("{name} may only use dns-01, and there is no `dns` provider: name one"),
                |denial| format!("{name} may only use dns-01, and {denial}"),
            ),
        });
    }
    let most = ca.limits.names_with(profile.as_ref().map(|profile| profile.name.as_str())).max(1);
    Ok(Terms { profile, key_type: options.key_type.unwrap_or_default(), challenges, dns, most, is_address })
}

/// By what an order of these names is proved at this CA, most preferred first, and through which provider: the same for an
/// order that begins, one that goes on, and an explanation. Where something must be changed before an order could begin (see
/// [`resolve`]), what is left of it: what has been proved already needs no proof.
pub(crate) fn proofs(
    ca: &CaConfig,
    tenant: TenantId,
    names: &[HostPattern],
    options: &SiteOptions,
) -> (Vec<ChallengeKind>, Option<SiteDns>) {
    let of_order = names.iter().find_map(|name| resolve(ca, tenant, name, options).ok());
    match of_order {
        Some(terms) => (terms.challenges_for(names, None, &[]), terms.dns),
        None => (options.challenge.map_or_else(|| ca.challenges.clone(), |only| vec![only]), None),
    }
}

/// Is this CA Let's Encrypt, production or staging?
fn is_lets_encrypt(ca: &CaConfig) -> bool {
    let host = ca.directory.strip_prefix("https://").unwrap_or(&ca.directory).split('/').next().unwrap_or_default();
    host == "letsencrypt.org" || host.ends_with(".letsencrypt.org")
}

fn address_profile(ca: &CaConfig, is_address: bool) -> Option<Profile> {
    let needed = is_address && is_lets_encrypt(ca);
    needed.then(|| Profile { name: ADDRESS_PROFILE.to_owned(), need: Need::Required })
}

/// The provider for this name, and why the default one does not serve it. One that the site names must serve it.
fn provider(
    ca: &CaConfig,
    tenant: TenantId,
    name: &HostPattern,
    options: &SiteOptions,
) -> Result<(Option<SiteDns>, Option<Denial>), String> {
    match &options.dns {
        Some(SiteDns::Named(named)) => {
            let Some(provider) = ca.provider(named) else {
                return Err(format!("the settings have no `dns` provider called {named:?}: name one that they have"));
            };
            provider.serves(tenant, name).map_err(|denial| denial.to_string())?;
            Ok((options.dns.clone(), None))
        }
        Some(SiteDns::Own(_)) => Ok((options.dns.clone(), None)),
        None => Ok(match ca.provider(DEFAULT_PROVIDER).map(|provider| provider.serves(tenant, name)) {
            Some(Ok(())) => (Some(SiteDns::Named(DEFAULT_PROVIDER.to_owned())), None),
            Some(Err(denial)) => (None, Some(denial)),
            None => (None, None),
        }),
    }
}

/// A site with a provider of its own choice wants it used; otherwise the CA's list holds.
fn challenges(ca: &CaConfig, options: &SiteOptions, dns: Option<&SiteDns>, is_address: bool) -> Vec<ChallengeKind> {
    let mut list = match options.challenge {
        Some(only) => vec![only],
        None => ca.challenges.clone(),
    };
    if options.challenge.is_none() && options.dns.is_some() {
        list.retain(|kind| *kind != ChallengeKind::Dns01);
        list.insert(0, ChallengeKind::Dns01);
    }
    list.retain(|kind| *kind != ChallengeKind::Dns01 || (dns.is_some() && !is_address));
    list
}

impl Terms {
    /// The challenges for an order of these names: `first` leads (it worked), those that `failed` come last, the latest
    /// last of all: so each is tried in turn.
    pub(super) fn challenges_for(
        &self,
        names: &[HostPattern],
        first: Option<ChallengeKind>,
        failed: &[ChallengeKind],
    ) -> Vec<ChallengeKind> {
        let mut list = self.challenges.clone();
        let wildcard = names.iter().any(|name| matches!(name, HostPattern::Wildcard(_)));
        if wildcard && !list.contains(&ChallengeKind::Dns01) {
            list.push(ChallengeKind::Dns01);
        }
        // What proves the wildcard proves the names beside it: one way to fail instead of two.
        let leads = |kind| if wildcard { kind == ChallengeKind::Dns01 } else { Some(kind) == first };
        list.sort_by_key(|kind| {
            let failed = failed.iter().rposition(|failed| failed == kind).map_or(0, |place| place + 1);
            (failed, !leads(*kind), Some(*kind) != first)
        });
        list
    }

    /// What is tried first when nothing was learned: need not be remembered.
    pub(super) fn preferred(&self) -> Option<ChallengeKind> {
        self.challenges.first().copied()
    }
}

/// What else is in the next order of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    /// A wildcard: DNS-01 leads, for the names beside it too.
    Wildcard,
    /// Only names.
    Names,
}

/// Can a look at A and AAAA records say something about this name? Not when it is proved by a TXT record.
pub(super) fn looks_matter(
    ca: &CaConfig,
    tenant: TenantId,
    name: &HostPattern,
    options: &SiteOptions,
    beside: Beside,
) -> bool {
    let has_provider = || provider(ca, tenant, name, options).is_ok_and(|(dns, _)| dns.is_some());
    let by_txt = options.challenge == Some(ChallengeKind::Dns01)
        || options.dns.is_some()
        || (beside == Beside::Wildcard && has_provider());
    matches!(name, HostPattern::Exact(_)) && !by_txt
}

#[cfg(test)]
mod tests;
