//! Where a site or a route leads: `upstream`, `redirect` or `respond`.

use std::collections::HashMap;

use vestibule_diagnostics::{Diagnostic, Span, catalogue};
use vestibule_names::{AddressError, UpstreamAddr, UpstreamScheme};

use super::{
    fields::{Field, Fields},
    headers, redirect, tls,
    values::{self, Scalar},
};
use crate::{
    findings::Findings,
    schema::{site_keys, table::Shape},
    site::{Action, Respond, Spanned, UpstreamGroup, UpstreamTls},
    yaml::{Node, Value},
};

/// The keys that lead somewhere; one of them is enough.
const ACTIONS: [&str; 3] = ["upstream", "redirect", "respond"];

/// The one action of a site or route; `inherited` verifies `https://` upstreams where `upstream_tls` is not written.
pub(super) fn action(fields: &Fields<'_>, inherited: &UpstreamTls, findings: &mut Findings) -> Option<Action> {
    let written: Vec<Field<'_>> = ACTIONS.iter().filter_map(|name| fields.take(name)).collect();
    if let [first, second, ..] = written[..] {
        findings.push(
            Diagnostic::new(
                catalogue::CONFLICTING_KEYS,
                format!("{} and {} exclude each other", first.name(), second.name()),
            )
            .at(second.key_span, "a second action")
            .and_at(first.key_span, "the first")
            .help("keep one of them; `routes` can lead other paths elsewhere"),
        );
    }
    let own_tls = fields.take("upstream_tls").map(|field| (field, tls::upstream_tls(field, findings)));
    let mut actions = written.into_iter().map(|field| match field.key.name {
        "upstream" => upstream(field.node, &field.name(), &field.key.shape, findings).map(Action::Upstream),
        "redirect" => redirect::redirect(field, findings).map(Action::Redirect),
        _ => respond(field, findings).map(Action::Respond),
    });
    // All are read, so that all their mistakes are told; the first one counts.
    let first = actions.next().flatten();
    actions.for_each(drop);
    let Some(Action::Upstream(mut group)) = first else { return first };
    group.tls = own_tls.map_or_else(|| inherited.clone(), |(_, own)| own);
    Some(Action::Upstream(group))
}

/// Is any of the action keys written?
pub(super) fn mentions_action(fields: &Fields<'_>) -> bool {
    ACTIONS.iter().any(|name| fields.mentions(name))
}

/// Does a group have a backend that TLS settings could matter to?
pub(super) fn speaks_tls(action: &Action) -> bool {
    matches!(action, Action::Upstream(group) if group.addrs.iter().any(|addr| addr.value.scheme == UpstreamScheme::Https))
}

/// One backend, or several that share the requests.
pub(super) fn upstream(node: &Node, name: &str, shape: &Shape, findings: &mut Findings) -> Option<UpstreamGroup> {
    let mut addrs: Vec<Spanned<UpstreamAddr>> = Vec::new();
    let mut first_at: HashMap<UpstreamAddr, Span> = HashMap::new();
    for item in values::items(node, name, shape, findings) {
        let Some(scalar) = Scalar::of(item, name, &Shape::Address("an upstream address"), findings) else { continue };
        let addr = match UpstreamAddr::parse(scalar.text) {
            Ok(addr) => addr,
            Err(error) => {
                findings.push(bad_upstream(&scalar, &error));
                continue;
            }
        };
        if let Some(first) = first_at.insert(addr.clone(), scalar.span) {
            findings.push(
                scalar
                    .finding(catalogue::NO_EFFECT, format!("`{addr}` is listed twice"), "again here")
                    .and_at(first, "first here")
                    .note("the backends of a list share the requests evenly; twice is no weight"),
            );
            continue;
        }
        addrs.push(scalar.spanned(addr));
    }
    (!addrs.is_empty()).then_some(UpstreamGroup { addrs, tls: UpstreamTls::default() })
}

fn bad_upstream(scalar: &Scalar<'_>, error: &AddressError) -> Diagnostic {
    let finding = scalar.is_not(catalogue::BAD_UPSTREAM, "an upstream address", error);
    if scalar.text.starts_with('/') {
        let socket = vestibule_diagnostics::quote(&format!("unix:{}", scalar.text));
        return finding.help(format!("a Unix socket is written {socket}"));
    }
    if matches!(error, AddressError::Path(_)) {
        return finding.note(
            "an upstream is asked for the path that the client asked for; what a path means is said by `routes`",
        );
    }
    finding
}

/// A fixed answer: its text, or a mapping.
fn respond(field: Field<'_>, findings: &mut Findings) -> Option<Respond> {
    let standard = Respond { status: 200, body: String::new(), content_type: "text/plain; charset=utf-8".to_owned() };
    if !matches!(field.node.value, Value::Mapping(_)) {
        let scalar = field.scalar(findings)?;
        if !scalar.quoted && scalar.text.len() == 3 && scalar.is_digits() {
            findings.push(
                scalar
                    .finding(
                        catalogue::WRONG_TYPE,
                        format!("`respond` takes a text, and {} looks like a status", scalar.text),
                        "a text or a status?",
                    )
                    .help(format!("write `respond: {{status: {0}}}`, or `respond: \"{0}\"` for the text", scalar.text)),
            );
        }
        return Some(Respond { body: scalar.text.to_owned(), ..standard });
    }
    let fields = Fields::open("`respond`", field.node, &site_keys::RESPOND, findings)?;
    let status = fields.take("status").and_then(|field| field.number(findings)).unwrap_or(standard.status);
    let body = fields.take("body").and_then(|field| Some((field, field.scalar(findings)?)));
    if let Some((field, text)) = body
        && matches!(status, 204 | 205 | 304)
        && !text.text.is_empty()
    {
        findings.push(
            Diagnostic::new(catalogue::NO_EFFECT, format!("an answer with status {status} has no body"))
                .at(field.key_span, "never sent")
                .help("remove the body, or choose another status"),
        );
    }
    let content_type = fields.take("content_type").and_then(|field| field.scalar(findings));
    let content_type = content_type.and_then(|scalar| headers::value(&scalar, findings));
    Some(Respond {
        status,
        body: body.map_or(standard.body, |(_, text)| text.text.to_owned()),
        content_type: content_type.unwrap_or(standard.content_type),
    })
}
