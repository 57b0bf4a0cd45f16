//! `routes`: path rules.

use std::collections::HashMap;

use vestibule_diagnostics::{Diagnostic, Span, catalogue, quote};
use vestibule_names::{PathError, RoutePath};

use super::{
    actions,
    fields::{Field, Fields, Seen},
    headers,
    values::{Scalar, wrong_type},
};
use crate::{
    findings::Findings,
    schema::{site_keys, table::Shape},
    site::{Action, Headers, Prefix, Route, Spanned, UpstreamTls},
    yaml::{MapKey, Node, Value},
};

/// Reads `routes` behind what is there already (the root of the top level).
pub(super) fn routes(field: Field<'_>, routes: &mut Vec<Route>, site_tls: &UpstreamTls, findings: &mut Findings) {
    let Value::Mapping(entries) = &field.node.value else {
        findings.push(
            wrong_type(field.node, &field.name(), &field.key.shape)
                .help("write `/path: upstream`, each on its own line"),
        );
        return;
    };
    let Shape::Entries { of, most, .. } = &field.key.shape else { return };
    let mut places: HashMap<RoutePath, Span> =
        routes.iter().map(|route| (route.path.value.clone(), route.path.span)).collect();
    let mut seen = Seen::default();
    for (count, (key, node)) in entries.iter().enumerate() {
        if count == *most {
            let message = format!("there are {} routes", entries.len());
            findings.push(
                Diagnostic::new(catalogue::OUT_OF_RANGE, message)
                    .at(key.span, format!("no more than {most} are allowed")),
            );
            break;
        }
        if seen.again(key, findings) {
            continue;
        }
        let path = path(key, &mut places, findings);
        let route = route(key, node, of, site_tls, findings);
        if let (Some(path), Some(route)) = (path, route) {
            routes.push(placed(path, route, findings));
        }
    }
}

/// The prefix, if no other route has it.
fn path(key: &MapKey, places: &mut HashMap<RoutePath, Span>, findings: &mut Findings) -> Option<Spanned<RoutePath>> {
    let scalar = Scalar { text: &key.text, quoted: false, span: key.span };
    if key.text.contains('*') {
        findings.push(asterisk(&scalar));
        return None;
    }
    let path = match RoutePath::parse(&key.text) {
        Ok(path) => path,
        Err(error) => {
            findings.push(bad_path(&scalar, error));
            return None;
        }
    };
    if let Some(first) = places.insert(path.clone(), key.span) {
        findings.push(
            scalar
                .finding(catalogue::DUPLICATE_ROUTE, format!("there are two routes for `{path}`"), "again here")
                .and_at(first, "first here")
                .help("keep one of them"),
        );
        return None;
    }
    Some(scalar.spanned(path))
}

/// An asterisk is legal in a path, but whoever writes it here means a wildcard.
fn asterisk(scalar: &Scalar<'_>) -> Diagnostic {
    let message = format!("{} is not a route path", scalar.quoted());
    let finding = scalar.finding(catalogue::BAD_PATH, message, "there are no wildcards in paths");
    match scalar.text.trim_end_matches('*').trim_end_matches('/') {
        prefix if prefix.contains('*') => finding,
        "" => finding.help("a route covers everything below it: write `/`"),
        prefix => finding.help(format!("a route covers everything below it: write {}", quote(prefix))),
    }
}

fn bad_path(scalar: &Scalar<'_>, error: PathError) -> Diagnostic {
    let finding = scalar.is_not(catalogue::BAD_PATH, "a route path", &error);
    if error == PathError::NoLeadingSlash {
        return finding.help(format!("write {}", quote(&format!("/{}", scalar.text))));
    }
    finding
}

/// A route whose path is not known yet.
struct Unplaced<'t> {
    action: Action,
    headers: Headers,
    strip_prefix: Option<(Field<'t>, bool)>,
    own_tls: Option<Field<'t>>,
}

fn route<'t>(
    key: &MapKey,
    node: &'t Node,
    shape: &Shape,
    site_tls: &UpstreamTls,
    findings: &mut Findings,
) -> Option<Unplaced<'t>> {
    if !matches!(node.value, Value::Mapping(_)) {
        let mut group = actions::upstream(node, &format!("the route {}", quote(&key.text)), shape, findings)?;
        group.tls = site_tls.clone();
        let action = Action::Upstream(group);
        return Some(Unplaced { action, headers: Headers::default(), strip_prefix: None, own_tls: None });
    }
    let fields = Fields::open("a route", node, &site_keys::ROUTE, findings)?;
    let action = actions::action(&fields, site_tls, findings);
    if !actions::mentions_action(&fields) {
        findings.push(
            Diagnostic::new(catalogue::NO_ACTION, format!("the route {} leads nowhere", quote(&key.text)))
                .at(key.span, "no action")
                .help("give it an `upstream`, a `redirect` or a `respond`"),
        );
    }
    let strip_prefix = fields.take("strip_prefix").and_then(|field| Some((field, field.flag(findings)?)));
    let headers = headers::headers(fields.take("headers"), findings);
    Some(Unplaced { action: action?, headers, strip_prefix, own_tls: fields.take("upstream_tls") })
}

/// The finished route, with warnings of what has no effect in it.
fn placed(path: Spanned<RoutePath>, rest: Unplaced<'_>, findings: &mut Findings) -> Route {
    let to_upstream = matches!(rest.action, Action::Upstream(_));
    if let Some((field, true)) = rest.strip_prefix
        && (!to_upstream || path.value == RoutePath::root())
    {
        let why = if to_upstream { "the prefix `/` leaves nothing to strip" } else { "only an upstream sees a path" };
        findings
            .push(Diagnostic::new(catalogue::NO_EFFECT, "`strip_prefix` has no effect here").at(field.key_span, why));
    }
    if let Some(field) = rest.own_tls
        && !actions::speaks_tls(&rest.action)
    {
        findings.push(
            Diagnostic::new(catalogue::NO_EFFECT, "`upstream_tls` has no effect here")
                .at(field.key_span, "the route has no `https://` upstream"),
        );
    }
    let prefix = if rest.strip_prefix.is_some_and(|(_, strip)| strip) { Prefix::Strip } else { Prefix::Keep };
    Route { path, action: rest.action, prefix, headers: rest.headers }
}
