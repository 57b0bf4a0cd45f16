//! A whole site file.

use vestibule_diagnostics::{Diagnostic, catalogue};
use vestibule_names::RoutePath;

use super::{
    actions,
    fields::{Field, Fields},
    headers, hosts, redirect_loop, routes, tls,
};
use crate::{
    findings::Findings,
    schema::site_keys,
    site::{Headers, Limits, Prefix, Route, Site, Spanned, Timeouts},
    yaml::Node,
};

/// Reads the root of a site file; `None` when not one host could be understood.
pub(crate) fn site(root: &Node, findings: &mut Findings) -> Option<Site> {
    let fields = Fields::open("a site file", root, &site_keys::SITE, findings)?;
    let hosts =
        fields.require("hosts", root.span, findings).map(|field| hosts::hosts(field, findings)).unwrap_or_default();
    let tls = fields.take("tls").map(|field| tls::tls(field, &hosts, findings));
    let tls = tls.unwrap_or_else(|| tls::TlsKeys::unsaid(root.span));
    let site = Site {
        routes: all_routes(&fields, root, findings),
        redirect_to_https: tls::redirect_to_https(fields.take("redirect_to_https"), &tls, findings),
        canonical: fields.take("canonical").and_then(|field| hosts::canonical(field, &hosts, findings)),
        headers: headers::headers(fields.take("headers"), findings),
        timeouts: timeouts(fields.take("timeouts"), findings),
        limits: limits(fields.take("limits"), findings),
        hosts,
        tls: tls.tls,
        client_ca: tls.client_ca,
        acme: tls.acme,
    };
    redirect_loop::warn(&site, findings);
    (!site.hosts.is_empty()).then_some(site)
}

/// The root of the top level, if it leads somewhere, then `routes`.
fn all_routes(fields: &Fields<'_>, root: &Node, findings: &mut Findings) -> Vec<Route> {
    let mut all = Vec::new();
    // Read twice would be told twice: the findings of this look are those of the action below.
    let site_tls = fields.take("upstream_tls").map(|field| tls::upstream_tls(field, &mut Findings::default()));
    let site_tls = site_tls.unwrap_or_default();
    if let Some(action) = actions::action(fields, &site_tls, findings) {
        let place = ["upstream", "redirect", "respond"].iter().find_map(|name| fields.take(name));
        let span = place.map_or(root.span, |field| field.key_span);
        let path = Spanned { value: RoutePath::root(), span };
        all.push(Route { path, action, prefix: Prefix::Keep, headers: Headers::default() });
    }
    let written = fields.take("routes");
    if let Some(field) = written {
        routes::routes(field, &mut all, &site_tls, findings);
    }
    if !actions::mentions_action(fields) && (!fields.mentions("routes") || is_empty(written)) {
        findings.push(
            Diagnostic::new(catalogue::NO_ACTION, "the site leads nowhere")
                .at(written.map_or(root.span, |field| field.key_span), "no action in this file")
                .help("give it an `upstream`, a `redirect`, a `respond`, or `routes`"),
        );
    }
    warn_of_idle_tls(fields.take("upstream_tls"), &all, findings);
    all
}

fn is_empty(routes: Option<Field<'_>>) -> bool {
    routes.is_some_and(|field| matches!(&field.node.value, crate::yaml::Value::Mapping(entries) if entries.is_empty()))
}

fn warn_of_idle_tls(field: Option<Field<'_>>, routes: &[Route], findings: &mut Findings) {
    if let Some(field) = field
        && !routes.iter().any(|route| actions::speaks_tls(&route.action))
    {
        findings.push(
            Diagnostic::new(catalogue::NO_EFFECT, "`upstream_tls` has no effect here")
                .at(field.key_span, "no upstream of this file is `https://`"),
        );
    }
}

fn timeouts(field: Option<Field<'_>>, findings: &mut Findings) -> Timeouts {
    let standard = Timeouts::default();
    let fields = field.and_then(|field| Fields::open("`timeouts`", field.node, &site_keys::TIMEOUTS, findings));
    let Some(fields) = fields else { return standard };
    let mut wait = |name| fields.take(name).and_then(|field| field.duration(findings));
    Timeouts {
        connect: wait("connect").unwrap_or(standard.connect),
        response: wait("response").unwrap_or(standard.response),
        upstream_idle: wait("upstream_idle").unwrap_or(standard.upstream_idle),
        request_body: wait("request_body").unwrap_or(standard.request_body),
        tunnel_idle: wait("tunnel_idle").unwrap_or(standard.tunnel_idle),
    }
}

fn limits(field: Option<Field<'_>>, findings: &mut Findings) -> Limits {
    let standard = Limits::default();
    let fields = field.and_then(|field| Fields::open("`limits`", field.node, &site_keys::LIMITS, findings));
    let Some(fields) = fields else { return standard };
    let request_body = fields.take("request_body").and_then(|field| field.size_or_none(findings));
    let mut number = |name| fields.take(name).and_then(|field| field.number(findings));
    Limits {
        request_body: request_body.unwrap_or(standard.request_body),
        requests_in_flight: number("requests_in_flight").unwrap_or(standard.requests_in_flight),
        tunnels: number("tunnels").unwrap_or(standard.tunnels),
    }
}
