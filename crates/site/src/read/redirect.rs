//! `redirect`: a target that can lead nowhere but where its author meant.
//!
//! Parts of the request are filled into the target, so its host must be fixed by the file: a path that begins with two
//! slashes, or a `{path}` at the place of the host, would be an open redirect.

use vestibule_diagnostics::catalogue;
use vestibule_names::Authority;

use super::{
    fields::{Field, Fields},
    values::Scalar,
};
use crate::{
    findings::Findings,
    schema::site_keys,
    site::{Redirect, Spanned},
    yaml::Value,
};

/// What is filled in.
pub(super) const PLACEHOLDERS: [&str; 3] = ["{host}", "{path}", "{query}"];
/// The longest target that is written.
const TARGET_LIMIT: usize = 2048;

/// Why a text is no target, and what to write instead.
struct BadTarget {
    why: &'static str,
    help: &'static str,
}

/// A redirect: its target, or a mapping.
pub(super) fn redirect(field: Field<'_>, findings: &mut Findings) -> Option<Redirect> {
    if !matches!(field.node.value, Value::Mapping(_)) {
        return Some(Redirect { to: target(field, findings)?, status: 308 });
    }
    let fields = Fields::open("`redirect`", field.node, &site_keys::REDIRECT, findings)?;
    let status = fields.take("status").and_then(|field| field.choice(findings));
    let status = status.and_then(|(_, word)| word.parse().ok()).unwrap_or(308);
    let to = fields.require("to", field.key_span, findings)?;
    Some(Redirect { to: target(to, findings)?, status })
}

fn target(field: Field<'_>, findings: &mut Findings) -> Option<Spanned<String>> {
    let scalar = field.scalar(findings)?;
    match check(scalar.text) {
        Ok(()) => Some(scalar.spanned(scalar.text.to_owned())),
        Err(BadTarget { why, help }) => {
            findings.push(refusal(&scalar, why).help(help));
            None
        }
    }
}

fn refusal(scalar: &Scalar<'_>, why: &str) -> vestibule_diagnostics::Diagnostic {
    scalar.finding(
        catalogue::BAD_REDIRECT,
        format!("{} is not a redirect target: {why}", scalar.quoted()),
        "cannot lead there",
    )
}

fn check(text: &str) -> Result<(), BadTarget> {
    let bad = |why, help| Err(BadTarget { why, help });
    if text.len() > TARGET_LIMIT {
        return bad("it is too long", "2048 characters are enough for a target");
    }
    if text.bytes().any(|b| !b.is_ascii_graphic()) {
        return bad(
            "it has a blank, control or non-ASCII character",
            "write such characters as percent-escapes: `%20`",
        );
    }
    if text.contains(['\\', '<', '>', '"', '^', '`', '|']) {
        return bad("it has a character that a URL cannot have", "write such characters as percent-escapes: `%5C`");
    }
    let mut plain = text.to_owned();
    for placeholder in PLACEHOLDERS {
        plain = plain.replace(placeholder, "");
    }
    if plain.contains(['{', '}']) {
        return bad("it has a brace that is no placeholder", "the placeholders are `{host}`, `{path}` and `{query}`");
    }
    if let Some(rest) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) {
        return check_authority(rest);
    }
    if text.starts_with("//") {
        return bad("two slashes lead to another host", "write `https://` and the host, or begin with one slash");
    }
    if text.starts_with("/{path}") {
        return bad(
            "`{path}` begins with a slash itself, and two lead to another host",
            "begin with `{path}`, or put a segment before it",
        );
    }
    if text.starts_with('/') || text.starts_with("{path}") {
        return Ok(());
    }
    bad(
        "it is neither a URL nor a path",
        "write `https://www.example.org{path}{query}`, or a path that begins with `/`",
    )
}

/// What follows `https://` begins with a host that the file names, or with that of the request.
fn check_authority(rest: &str) -> Result<(), BadTarget> {
    let end =
        ["/", "?", "#", "{path}", "{query}"].iter().filter_map(|stop| rest.find(stop)).min().unwrap_or(rest.len());
    let authority = rest[..end].replacen("{host}", "host.invalid", 1);
    if authority.is_empty() {
        return Err(BadTarget {
            why: "the host is missing",
            help: "write a host after `://`, or `{host}` for the one asked for",
        });
    }
    match Authority::parse(&authority) {
        Ok(_) if !authority.contains("host.invalid") || rest.starts_with("{host}") => Ok(()),
        _ => Err(BadTarget {
            why: "the host cannot be read",
            help: "write a host name and, if need be, a port: `https://www.example.org:8443/`",
        }),
    }
}
