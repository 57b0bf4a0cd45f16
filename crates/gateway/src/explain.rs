//! `explain`: the steps of the request walk for a URL, in words, without a request.

use vestibule_certs::Shows;
use vestibule_names::{Authority, AuthorityError, HostPattern, HostRef, PathError, path};
use vestibule_vhost::{
    Action, Route, TlsPolicy, VhostTable,
    vhost::{ClientCertificate, RedirectToHttps},
};

use crate::{
    admin::{Caller, model::Explanation},
    challenge,
    config::{AcmeStanding, WithoutCertificate},
    live::LiveSite,
};

/// Why a URL cannot be explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// No scheme that the gateway serves.
    #[error("write a whole URL, such as https://blog.example.com/path")]
    NotAUrl,
    /// The host.
    #[error("the host of the URL is refused (400): {0}")]
    Host(#[from] AuthorityError),
    /// The path.
    #[error("the path of the URL is refused (400): {0}")]
    Path(#[from] PathError),
}

/// Explains a URL against a table. `https_port` is where redirects to HTTPS lead, if anywhere; `acme` are public CAs, if
/// any is configured.
pub(crate) fn explain(
    table: &VhostTable<LiveSite>,
    url: &str,
    https_port: Option<u16>,
    acme: Option<&AcmeStanding>,
    caller: Caller,
) -> Result<Explanation, ExplainError> {
    let (secure, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        (None, None) => return Err(ExplainError::NotAUrl),
    };
    let rest = rest.split('#').next().unwrap_or(rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let authority = Authority::parse(authority)?;
    let raw_path = target.split('?').next().unwrap_or("");
    let path = path::normalise(if raw_path.is_empty() { "/" } else { raw_path })?;
    let host = authority.host.key().into_owned();
    let asked = Asked { host: &host, path: &path, secure, https_port, acme, caller };

    let scheme = if secure { "https" } else { "http" };
    let shown =
        if let HostRef::Address(std::net::IpAddr::V6(v6)) = authority.host { format!("[{v6}]") } else { host.clone() };
    let port = authority.port.map(|port| format!(":{port}")).unwrap_or_default();
    let mut told = Explanation {
        url: format!("{scheme}://{shown}{port}{path}"),
        steps: Vec::new(),
        site: None,
        route: None,
        outcome: String::new(),
        lost: Vec::new(),
    };
    match table.resolve(&host).filter(|site| caller.may_see(site.vhost.tenant)) {
        // The same words for what is another's and for what is nobody's.
        None if caller != Caller::Operator => {
            told.steps.push(format!("no site of yours has the name {host}, nor a wildcard that covers it"));
            "nothing of yours answers it".clone_into(&mut told.outcome);
        }
        None => {
            told.steps.push(format!("no site has the name {host}, nor a wildcard that covers it"));
            told.outcome = if secure {
                "the TLS handshake is refused with the alert unrecognized_name".to_owned()
            } else {
                "404 unknown_host".to_owned()
            };
        }
        Some(site) => in_site(table, site, &asked, &mut told),
    }
    Ok(told)
}

/// The parts of the URL that decide.
struct Asked<'a> {
    host: &'a str,
    path: &'a str,
    secure: bool,
    https_port: Option<u16>,
    acme: Option<&'a AcmeStanding>,
    caller: Caller,
}

fn in_site(table: &VhostTable<LiveSite>, site: &LiveSite, asked: &Asked<'_>, told: &mut Explanation) {
    let Asked { host, path, secure, https_port, acme, caller } = *asked;
    let vhost = &site.vhost;
    told.site = Some(vhost.id.to_string());
    let by = vhost.hosts.iter().find(|pattern| pattern.matches(host));
    let by = by.map_or_else(|| host.to_owned(), ToString::to_string);
    told.steps.push(format!("the host {host} belongs to the site {} by its name {by}", vhost.id));
    told.lost.extend(lost_wildcard(table, site, host, caller));
    let clear_only = vhost.tls == TlsPolicy::Off;
    if secure && clear_only {
        told.steps.push("the site has `tls: off`".to_owned());
        "the TLS handshake is refused with the alert unrecognized_name".clone_into(&mut told.outcome);
        return;
    }
    if let Some(acme) = acme
        && answered_before_the_site(acme, site, asked, told)
    {
        return;
    }
    if let Some(client_ca) = vhost.client_ca().filter(|_| secure) {
        told.steps.push(match client_ca.certificate {
            ClientCertificate::Required => "the handshake demands a client certificate (tls.client_ca)".to_owned(),
            ClientCertificate::Optional => "the handshake asks for a client certificate (tls.client_ca)".to_owned(),
        });
    }
    let canonical = vhost.canonical().filter(|canonical| canonical.as_str() != host);
    let target = canonical.map_or(host, |canonical| canonical.as_str());
    let certified = site.shows(target) == Shows::Certificate;
    if !secure && !clear_only && https_port.is_some() && vhost.redirect_to_https == RedirectToHttps::Yes {
        if certified {
            told.steps.push("clear HTTP is redirected to HTTPS (redirect_to_https)".to_owned());
            "308 to the same URL on HTTPS".clone_into(&mut told.outcome);
            return;
        }
        told.steps.push(format!("{target} has no certificate yet, so clear HTTP is not redirected to HTTPS for now"));
    }
    match canonical {
        Some(canonical) if secure && !certified => {
            told.steps.push(format!("{canonical}, the canonical name, has no certificate yet: no redirect for now"));
        }
        Some(canonical) => {
            told.steps.push(format!("{host} is not the canonical name"));
            told.outcome = format!("308 to the same URL on {canonical}");
            return;
        }
        None => {}
    }
    if vhost.client_ca().is_some() && !secure {
        told.steps.push("clear HTTP shows no client certificate (tls.client_ca)".to_owned());
        let refusal = if certified { "403 tls_only" } else { "503 no_certificate" };
        refusal.clone_into(&mut told.outcome);
        return;
    }
    let candidates = vhost.candidates(path);
    let Some((route, others)) = candidates.split_first() else {
        told.steps.push(format!("no route covers the path {path}"));
        "404 no_route".clone_into(&mut told.outcome);
        return;
    };
    told.steps.push(format!("the route {} covers the path {path}", route.path));
    told.lost.extend(others.iter().map(|other| format!("route {}: {} is longer", other.path, route.path)));
    told.route = Some(route.path.to_string());
    told.outcome = outcome(route);
}

/// What the gateway answers itself: challenges of CAs, and requests over TLS for a name without a certificate.
fn answered_before_the_site(acme: &AcmeStanding, site: &LiveSite, asked: &Asked<'_>, told: &mut Explanation) -> bool {
    let missing = asked.secure && site.shows(asked.host) == Shows::Placeholder;
    if missing {
        told.steps.push(format!(
            "a CA has issued no certificate for {0} yet: `vestibule certs explain {0}` says why; a handshake waits a moment \
             while an order is under way",
            asked.host
        ));
    }
    if missing && acme.without_certificate == WithoutCertificate::Alert {
        "the TLS handshake is refused with the alert unrecognized_name".clone_into(&mut told.outcome);
    } else if challenge::is_ours(asked.path) {
        told.steps.push("the path is that of challenges of CAs: no rule of a site applies".to_owned());
        "200 with the answer to a challenge that is open for this name, else 404".clone_into(&mut told.outcome);
    } else if missing {
        told.steps.push("until then the handshake shows a self-signed placeholder".to_owned());
        "503 no_certificate".clone_into(&mut told.outcome);
    } else {
        return false;
    }
    true
}

/// A wildcard of another site that covers the host too, and lost to an exact name.
fn lost_wildcard(table: &VhostTable<LiveSite>, site: &LiveSite, host: &str, caller: Caller) -> Option<String> {
    let (_, parent) = host.split_once('.')?;
    // Any name under the same parent that nobody has exactly shows where the wildcard leads.
    let probe = format!("{}.{parent}", "0".repeat(63));
    let other = table.resolve(&probe).filter(|other| caller.may_see(other.vhost.tenant))?;
    let covers = |pattern: &&HostPattern| matches!(pattern, HostPattern::Wildcard(_)) && pattern.matches(host);
    let wildcard = other.vhost.hosts.iter().find(covers)?;
    (other.vhost.id != site.vhost.id)
        .then(|| format!("site {}: its wildcard {wildcard} covers {host} too, and an exact name wins", other.vhost.id))
}

fn outcome(route: &Route) -> String {
    match &route.action {
        Action::Upstream(group) => {
            let addrs: Vec<_> = group.addrs.iter().map(ToString::to_string).collect();
            format!("forwarded to {}", addrs.join(" or "))
        }
        Action::Redirect(redirect) => format!("{} to {}", redirect.status.as_u16(), redirect.to),
        Action::Respond(respond) => {
            format!("{} with a fixed body of {} bytes", respond.status.as_u16(), respond.body.len())
        }
    }
}
