//! [`compile`]: a parsed site and the names it was granted → a [`Vhost`].
//!
//! Checks nothing that the grammar has checked for the person who wrote the file; the diagnostics here are the second
//! line, so that whatever the grammar lets through can neither panic nor mislead. Opens no file: TLS paths stay paths.

mod headers;

use std::{collections::HashSet, sync::Arc};

use http::{HeaderValue, StatusCode};
use vestibule_diagnostics::{Diagnostic, Severity, Span, catalogue};
use vestibule_names::{HostPattern, Hostname, SiteId, TenantId};
use vestibule_site::{
    Site,
    site::{self, Spanned, Tls},
};

use self::headers::HeaderLayers;
use crate::{
    Action, CertificateFiles, ClientCa, HeaderChanges, Redirect, Respond, Route, TlsPolicy, UpstreamGroup, UpstreamTls,
    Vhost,
    routing::{HostIndex, RouteIndex},
    vhost::{Extras, Terms},
};

/// What compiling gave.
#[derive(Debug)]
pub struct Compiled {
    /// `None` when an error stands in the way.
    pub vhost: Option<Vhost>,
    /// In order of place.
    pub diagnostics: Vec<Diagnostic>,
}

/// Compiles a site that parsed without error. `granted` are the names that [`crate::Claims`] gave it (a subset of
/// `site.hosts`, possibly empty: such a vhost is complete but reached by no name).
pub fn compile(site: &Site, id: SiteId, tenant: TenantId, granted: &[HostPattern]) -> Compiled {
    let mut walk = Walk { layers: HeaderLayers::new(&site.headers), groups: HashSet::new(), diagnostics: Vec::new() };
    let canonical = walk.canonical(site, granted);
    let routes = walk.routes(&site.routes);
    if site.client_ca.is_some() && site.tls.value == Tls::Off {
        let clear = Diagnostic::new(catalogue::CONFLICTING_KEYS, "clear HTTP shows no client certificate");
        walk.refuse(clear, site.tls.span);
    }
    let mut diagnostics = walk.diagnostics;
    diagnostics.sort_by_key(|d| d.primary.as_ref().map(|label| label.span.start));
    let broken = diagnostics.iter().any(Diagnostic::is_error);
    let vhost = (!broken).then(|| Vhost {
        id,
        tenant,
        hosts: granted.iter().cloned().collect(),
        tls: tls_policy(&site.tls.value),
        redirect_to_https: site.redirect_to_https,
        extras: Extras {
            client_ca: site.client_ca.as_ref().map(|asked| Box::new(client_ca(asked))),
            canonical,
            terms: Terms::other_than_standard(site.timeouts, site.limits),
            host_index: HostIndex::new(granted),
        }
        .if_any(),
        routes: RouteIndex::new(routes),
    });
    Compiled { vhost, diagnostics }
}

/// What the steps of one compilation share.
struct Walk<'a> {
    layers: HeaderLayers<'a>,
    /// Groups seen so far: equal ones are one, so that they share their backends' state.
    groups: HashSet<Arc<UpstreamGroup>>,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Walk<'a> {
    /// The canonical name, unless another site holds it: a redirect there would hand over this site's visitors.
    fn canonical(&mut self, site: &Site, granted: &[HostPattern]) -> Option<Hostname> {
        let canonical = site.canonical.as_ref()?;
        let exact = HostPattern::Exact(canonical.value.clone());
        let listed = site.hosts.iter().any(|host| host.value == exact);
        let held = if listed {
            granted.contains(&exact)
        } else {
            granted.iter().any(|pattern| pattern.matches(canonical.value.as_str()))
        };
        if held {
            return Some(canonical.value.clone());
        }
        let message = format!("the canonical host {} is not a name that this site holds", canonical.value);
        let mut lost = Diagnostic::new(catalogue::CANONICAL_NOT_LISTED, message)
            .at(canonical.span, "no redirect is made")
            .note("visitors are never sent to a name that another site may hold");
        lost.severity = Severity::Warning;
        self.diagnostics.push(lost);
        None
    }

    fn routes(&mut self, routes: &'a [site::Route]) -> Vec<Arc<Route>> {
        let mut seen = HashSet::with_capacity(routes.len());
        let mut compiled = Vec::with_capacity(routes.len());
        for route in routes {
            if !seen.insert(&route.path.value) {
                let message = format!("the path {} has two routes", route.path.value);
                self.refuse(Diagnostic::new(catalogue::DUPLICATE_ROUTE, message), route.path.span);
            } else if let Some(route) = self.route(route) {
                compiled.push(Arc::new(route));
            }
        }
        compiled
    }

    fn route(&mut self, route: &'a site::Route) -> Option<Route> {
        let span = route.path.span;
        let action = self.action(&route.action, span);
        let headers = self.headers(&route.headers, span);
        Some(Route { path: route.path.value.clone(), action: action?, prefix: route.prefix, headers: headers? })
    }

    fn headers(&mut self, headers: &'a site::Headers, span: Span) -> Option<Option<Arc<HeaderChanges>>> {
        match self.layers.merge(headers) {
            Ok(merged) => Some(merged),
            Err(problem) => {
                self.refuse(problem.diagnostic(), span);
                None
            }
        }
    }

    fn action(&mut self, action: &site::Action, span: Span) -> Option<Action> {
        match action {
            site::Action::Upstream(group) => self.upstream(group, span).map(Action::Upstream),
            site::Action::Redirect(redirect) => self.redirect(redirect, span).map(Box::new).map(Action::Redirect),
            site::Action::Respond(respond) => self.respond(respond, span).map(Box::new).map(Action::Respond),
        }
    }

    fn upstream(&mut self, group: &site::UpstreamGroup, span: Span) -> Option<Arc<UpstreamGroup>> {
        if group.addrs.is_empty() {
            self.refuse(Diagnostic::new(catalogue::NO_ACTION, "the route names no backend"), span);
            return None;
        }
        let tls = UpstreamTls { ca: value(group.tls.ca.as_ref()), server_name: value(group.tls.server_name.as_ref()) };
        let compiled = UpstreamGroup {
            addrs: group.addrs.iter().map(|addr| addr.value.clone()).collect(),
            tls: (tls != UpstreamTls::default()).then(|| Box::new(tls)),
        };
        if let Some(seen) = self.groups.get(&compiled) {
            return Some(Arc::clone(seen));
        }
        let group = Arc::new(compiled);
        self.groups.insert(Arc::clone(&group));
        Some(group)
    }

    fn redirect(&mut self, redirect: &site::Redirect, span: Span) -> Option<Redirect> {
        if !Redirect::is_template(&redirect.to.value) {
            let bad = Diagnostic::new(catalogue::BAD_REDIRECT, "the redirect is neither a path nor an http(s) URL");
            self.refuse(bad, redirect.to.span);
            return None;
        }
        let status = self.status(redirect.status, 300..400, span)?;
        Some(Redirect { to: redirect.to.value.clone(), status })
    }

    fn respond(&mut self, respond: &site::Respond, span: Span) -> Option<Respond> {
        let status = self.status(respond.status, 200..600, span)?;
        let Ok(content_type) = HeaderValue::from_bytes(respond.content_type.as_bytes()) else {
            self.refuse(Diagnostic::new(catalogue::BAD_VALUE, "the content type cannot stand in a header"), span);
            return None;
        };
        Some(Respond { status, body: Arc::from(respond.body.as_str()), content_type })
    }

    fn status(&mut self, status: u16, allowed: std::ops::Range<u16>, span: Span) -> Option<StatusCode> {
        let valid = StatusCode::from_u16(status).ok().filter(|_| allowed.contains(&status));
        if valid.is_none() {
            self.refuse(Diagnostic::new(catalogue::OUT_OF_RANGE, format!("{status} is no status for this")), span);
        }
        valid
    }

    /// Says it once: a limit that is passed stays passed for every route that follows.
    fn refuse(&mut self, diagnostic: Diagnostic, span: Span) {
        if self.diagnostics.last().is_none_or(|last| last.message != diagnostic.message) {
            self.diagnostics.push(diagnostic.at(span, ""));
        }
    }
}

fn value<T: Clone>(spanned: Option<&Spanned<T>>) -> Option<T> {
    spanned.map(|s| s.value.clone())
}

fn client_ca(client_ca: &site::ClientCa) -> ClientCa {
    ClientCa { file: client_ca.file.value.clone(), certificate: client_ca.certificate }
}

fn tls_policy(tls: &Tls) -> TlsPolicy {
    match tls {
        Tls::Auto => TlsPolicy::Auto,
        Tls::Acme => TlsPolicy::Acme,
        Tls::Internal => TlsPolicy::Internal,
        Tls::Files { chain, key } => {
            TlsPolicy::Files(Box::new(CertificateFiles { chain: chain.value.clone(), key: key.value.clone() }))
        }
        Tls::Off => TlsPolicy::Off,
    }
}

#[cfg(test)]
mod tests;
