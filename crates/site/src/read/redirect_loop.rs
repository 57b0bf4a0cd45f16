//! Redirects that lead back to themselves, as far as the file alone can show it.

use vestibule_diagnostics::{Diagnostic, catalogue};
use vestibule_names::{HostPattern, Hostname};

use super::redirect::PLACEHOLDERS;
use crate::{
    findings::Findings,
    site::{Action, Redirect, Site, Spanned, Tls},
};

/// Warns of every route whose redirect is answered by that same route.
pub(super) fn warn(site: &Site, findings: &mut Findings) {
    for (index, route) in site.routes.iter().enumerate() {
        let Action::Redirect(redirect) = &route.action else { continue };
        if leads_home(redirect, site) && answers(site, &redirect.to.value) == Some(index) {
            findings.push(
                Diagnostic::new(catalogue::REDIRECT_LOOP, "this redirect leads back to itself")
                    .at(redirect.to.span, format!("`{}` of this site answers here again", route.path.value))
                    .help("to bring several names to one, write `canonical`; to lead to a path, give that path its own route"),
            );
        }
    }
}

/// Is the target certainly a name of this site, at the gateway's own ports?
fn leads_home(redirect: &Redirect, site: &Site) -> bool {
    let target = &redirect.to.value;
    let Some((scheme, rest)) = target.split_once("://") else { return true };
    if scheme == "https" && site.tls.value == Tls::Off {
        return false;
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = PLACEHOLDERS[1..].iter().fold(host, |host, stop| host.split(stop).next().unwrap_or_default());
    host == "{host}" || Hostname::parse(host).is_ok_and(|name| lists(&site.hosts, &name))
}

fn lists(hosts: &[Spanned<HostPattern>], name: &Hostname) -> bool {
    hosts.iter().any(|host| matches!(&host.value, HostPattern::Exact(host) if host == name))
}

/// The route that answers for the target's path, with nothing filled in.
fn answers(site: &Site, target: &str) -> Option<usize> {
    let rest = target.split_once("://").map_or(target, |(_, rest)| rest);
    let bare = PLACEHOLDERS.iter().fold(rest.to_owned(), |text, placeholder| text.replace(placeholder, ""));
    let bare = bare.split(['?', '#']).next().unwrap_or_default();
    let path = bare.find('/').map_or("/", |slash| &bare[slash..]);
    let path = vestibule_names::path::normalise(path).ok()?;
    let covering = site.routes.iter().enumerate().filter(|(_, route)| route.path.value.covers(&path));
    covering.max_by_key(|(_, route)| route.path.value.as_str().len()).map(|(index, _)| index)
}
