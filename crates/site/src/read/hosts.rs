//! `hosts` and `canonical`: the names of a site.

use std::collections::HashMap;

use vestibule_diagnostics::{Diagnostic, catalogue};
use vestibule_names::{HostPattern, Hostname, HostnameError};

use super::{fields::Field, values::Scalar};
use crate::{findings::Findings, schema::table::Shape, site::Spanned};

/// The names, in the order written, without doubles.
pub(super) fn hosts(field: Field<'_>, findings: &mut Findings) -> Vec<Spanned<HostPattern>> {
    let mut hosts: Vec<Spanned<HostPattern>> = Vec::new();
    let mut first_at = HashMap::new();
    for node in field.items(findings) {
        let Some(scalar) = Scalar::of(node, "an item of `hosts`", &Shape::Text("a host name"), findings) else {
            continue;
        };
        let Some(pattern) = pattern(&scalar, findings) else { continue };
        if let Some(first) = first_at.insert(pattern.clone(), scalar.span) {
            findings.push(
                scalar
                    .finding(catalogue::DUPLICATE_HOST, format!("`{pattern}` is listed twice"), "again here")
                    .and_at(first, "first here")
                    .help("remove one of them"),
            );
            continue;
        }
        hosts.push(scalar.spanned(pattern));
    }
    hosts
}

/// One name, if a site may have it.
fn pattern(scalar: &Scalar<'_>, findings: &mut Findings) -> Option<HostPattern> {
    match HostPattern::parse(scalar.text) {
        Ok(HostPattern::Wildcard(suffix)) if !suffix.as_str().contains('.') && !suffix_is_nobodys(&suffix) => {
            findings.push(
                scalar
                    .finding(
                        catalogue::BROAD_WILDCARD,
                        format!("`*.{suffix}` would claim everybody's names"),
                        "a whole top-level domain",
                    )
                    .help("put your own domain behind the asterisk, such as `\"*.example.com\"`"),
            );
            None
        }
        Ok(pattern) => Some(pattern),
        Err(error) => {
            findings.push(bad_host(scalar, &error));
            None
        }
    }
}

/// Top-level names that the public DNS never has. A name of one label counts as private by itself, so the question is
/// put for a name below it.
fn suffix_is_nobodys(suffix: &Hostname) -> bool {
    Hostname::parse(&format!("name.{suffix}")).is_ok_and(|name| name.is_private())
}

/// A name written out, as `canonical` and `server_name` take it.
pub(super) fn hostname(field: Field<'_>, findings: &mut Findings) -> Option<Spanned<Hostname>> {
    let scalar = field.scalar(findings)?;
    match Hostname::parse(scalar.text) {
        Ok(name) => Some(scalar.spanned(name)),
        Err(error) => {
            findings.push(bad_host(&scalar, &error));
            None
        }
    }
}

/// `canonical` is one of the exact hosts.
pub(super) fn canonical(
    field: Field<'_>,
    hosts: &[Spanned<HostPattern>],
    findings: &mut Findings,
) -> Option<Spanned<Hostname>> {
    let name = hostname(field, findings)?;
    let listed = hosts.iter().any(|host| matches!(&host.value, HostPattern::Exact(host) if *host == name.value));
    if !listed && !hosts.is_empty() {
        let mut finding =
            Diagnostic::new(catalogue::CANONICAL_NOT_LISTED, format!("`{}` is not one of the hosts", name.value))
                .at(name.span, "not listed under `hosts`")
                .help(format!("add `{}` to `hosts`", name.value));
        if let Some(wildcard) = hosts.iter().find(|host| host.value.matches(name.value.as_str())) {
            finding = finding.and_at(wildcard.span, "covers it, but canonical wants the name itself");
        }
        findings.push(finding);
    }
    Some(name)
}

fn bad_host(scalar: &Scalar<'_>, error: &HostnameError) -> Diagnostic {
    let finding = scalar.is_not(catalogue::BAD_HOST, "a host name", error);
    if scalar.text.contains([',', ' ']) {
        return finding.help("write several names as a list: `[one.example.com, two.example.com]`");
    }
    finding
}
